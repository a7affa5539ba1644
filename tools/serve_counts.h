/* SPDX-License-Identifier: MIT */
/*
 * What a server has done so far, as memcached's "stats" tells it. Each worker counts its
 * own, so that none waits for another; they are added up when somebody asks.
 */
#ifndef KEEL_TOOLS_SERVE_COUNTS_H
#define KEEL_TOOLS_SERVE_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

#define KEEL_SERVE_COUNT_MAP(X)                                                        \
    X(KEEL_SERVE_CMD_GET, "cmd_get")                                                   \
    X(KEEL_SERVE_CMD_SET, "cmd_set")                                                   \
    X(KEEL_SERVE_CMD_FLUSH, "cmd_flush")                                               \
    X(KEEL_SERVE_CMD_TOUCH, "cmd_touch")                                               \
    X(KEEL_SERVE_CMD_META, "cmd_meta")                                                 \
    X(KEEL_SERVE_GET_HITS, "get_hits")                                                 \
    X(KEEL_SERVE_GET_MISSES, "get_misses")                                             \
    X(KEEL_SERVE_DELETE_HITS, "delete_hits")                                           \
    X(KEEL_SERVE_DELETE_MISSES, "delete_misses")                                       \
    X(KEEL_SERVE_INCR_HITS, "incr_hits")                                               \
    X(KEEL_SERVE_INCR_MISSES, "incr_misses")                                           \
    X(KEEL_SERVE_DECR_HITS, "decr_hits")                                               \
    X(KEEL_SERVE_DECR_MISSES, "decr_misses")                                           \
    X(KEEL_SERVE_CAS_HITS, "cas_hits")                                                 \
    X(KEEL_SERVE_CAS_MISSES, "cas_misses")                                             \
    X(KEEL_SERVE_CAS_BADVAL, "cas_badval")                                             \
    X(KEEL_SERVE_TOUCH_HITS, "touch_hits")                                             \
    X(KEEL_SERVE_TOUCH_MISSES, "touch_misses")                                         \
    X(KEEL_SERVE_BAG_FAILURES, "bag_failures")                                         \
    X(KEEL_SERVE_UNKNOWN_WRITES, "unknown_writes")                                     \
    X(KEEL_SERVE_IDLE_KICKS, "idle_kicks")                                             \
    X(KEEL_SERVE_BYTES_READ, "bytes_read")                                             \
    X(KEEL_SERVE_BYTES_WRITTEN, "bytes_written")

typedef enum keel_serve_count_name {
#define KEEL_SERVE_COUNT_ENUM(name, text) name,
    KEEL_SERVE_COUNT_MAP(KEEL_SERVE_COUNT_ENUM)
#undef KEEL_SERVE_COUNT_ENUM
        KEEL_SERVE_COUNTS
} keel_serve_count_name;

/* Written by one thread, read by any; a count alone has no partner, so relaxed. */
typedef struct keel_serve_counts {
    _Atomic uint64_t counts[KEEL_SERVE_COUNTS];
} keel_serve_counts;

static inline void keel_serve_count(keel_serve_counts *c, keel_serve_count_name name,
                                    uint64_t more)
{
    uint64_t now = atomic_load_explicit(&c->counts[name], memory_order_relaxed);

    atomic_store_explicit(&c->counts[name], now + more, memory_order_relaxed);
}

static inline uint64_t keel_serve_counted(const keel_serve_counts *c,
                                          keel_serve_count_name name)
{
    return atomic_load_explicit(&c->counts[name], memory_order_relaxed);
}

#endif
