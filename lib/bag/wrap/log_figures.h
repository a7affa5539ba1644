/* SPDX-License-Identifier: MIT */
/*
 * What log(x) counts: operations by verb and by how they ended, bytes, how many are under
 * way, and how long they take. Adding is inline, because it is what log costs.
 */
#ifndef KEEL_BAG_WRAP_LOG_FIGURES_H
#define KEEL_BAG_WRAP_LOG_FIGURES_H

#include <keel/bag_plugin.h>

#include "bag/wrap/counts.h"
#include "base/clock.h"

#define KEEL_LOGGED_VERBS(X)                                                           \
    X(GET, "get")                                                                      \
    X(SET, "set")                                                                      \
    X(ADD, "add")                                                                      \
    X(REPLACE, "replace")                                                              \
    X(CAS, "cas")                                                                      \
    X(APPEND, "append")                                                                \
    X(PREPEND, "prepend")                                                              \
    X(INCR, "incr")                                                                    \
    X(DECR, "decr")                                                                    \
    X(TOUCH, "touch")                                                                  \
    X(DELETE, "delete")                                                                \
    X(FLUSH, "flush")                                                                  \
    X(SCAN, "scan")

typedef enum keel_log_verb {
#define KEEL_LOGGED_VERB(name, text) KEEL_LOGGED_##name,
    KEEL_LOGGED_VERBS(KEEL_LOGGED_VERB)
#undef KEEL_LOGGED_VERB
        KEEL_LOGGED_VERB_COUNT
} keel_log_verb;

/* How an operation ended. */
typedef enum keel_log_ending {
    KEEL_LOGGED_OK,
    KEEL_LOGGED_NO,       /* answered: not found, not stored, another one, no number */
    KEEL_LOGGED_REJECTED, /* not called */
    KEEL_LOGGED_FAILED,
    KEEL_LOGGED_UNKNOWN, /* a write that may have happened */
    KEEL_LOGGED_NOT_CALLABLE,
    KEEL_LOGGED_ENDINGS
} keel_log_ending;

/* Lengths of time are told apart by powers of two of a microsecond. */
enum { KEEL_LOGGED_LENGTHS = 32, KEEL_LOGGED_TIMED_EVERY = 256 };

/* Where the counters lie: first those of verbs, an ending beside the other. */
enum {
    KEEL_LOGGED_BEGUN = KEEL_LOGGED_VERB_COUNT * KEEL_LOGGED_ENDINGS,
    KEEL_LOGGED_READ_BYTES,
    KEEL_LOGGED_WRITTEN_BYTES,
    KEEL_LOGGED_READ_LENGTHS,
    KEEL_LOGGED_WRITE_LENGTHS = KEEL_LOGGED_READ_LENGTHS + KEEL_LOGGED_LENGTHS,
    KEEL_LOGGED_FIGURES = KEEL_LOGGED_WRITE_LENGTHS + KEEL_LOGGED_LENGTHS
};

typedef struct keel_log_figures {
    keel_counts counts;
    const keel_clock *clock;
} keel_log_figures;

const char *keel_log_verb_name(keel_log_verb verb);

static inline bool keel_log_is_read(keel_log_verb verb)
{
    return verb == KEEL_LOGGED_GET || verb == KEEL_LOGGED_SCAN;
}

/*
 * So many begin. Returns when, if one of them is timed, as of a thread one in so many is;
 * else 0.
 */
static inline uint64_t keel_log_begin(const keel_log_figures *f, keel_counts_row row,
                                      uint64_t count)
{
    uint64_t before = keel_counts_row_add(row, KEEL_LOGGED_BEGUN, count);
    uint64_t until_next = (0 - before) % KEEL_LOGGED_TIMED_EVERY;

    return until_next < count ? f->clock->now(f->clock->ctx) : 0;
}

/* One has ended. Returns how many ended so on this thread before. */
static inline uint64_t keel_log_end(keel_counts_row row, keel_log_verb verb,
                                    keel_log_ending how)
{
    return keel_counts_row_add(row,
                               (uint32_t)verb * KEEL_LOGGED_ENDINGS + (uint32_t)how, 1);
}

/* What was timed has taken so long. */
void keel_log_time(const keel_log_figures *f, keel_log_verb verb, uint64_t begun_at_ns);

/* "get.ok=12 get.no=3 in_flight=1 read_bytes=60 hit_ratio=80%": those that are not 0. */
void keel_log_write_counts(const keel_log_figures *f, char *to, size_t size);

/* "read.2us=7 write.64us=1": of those that were timed, how many took less, and not less
 * than half. */
void keel_log_write_lengths(const keel_log_figures *f, char *to, size_t size);

#endif
