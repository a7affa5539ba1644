/* SPDX-License-Identifier: MIT */
/*
 * For tests of decorators: memory stores that fail as they are told, and a bag made of a
 * decorator over them, on a virtual clock. What is tested is used through keel_bag_*.
 */
#ifndef KEEL_TESTS_BAG_STAGED_H
#define KEEL_TESTS_BAG_STAGED_H

#include <stdatomic.h>

#include <keel/bag_plugin.h>

#include "bag/bag.h"
#include "bag/options.h"
#include "bag/registry.h"
#include "support/opened.h"

/*
 * How an operation fails.
 *
 * status    KEEL_OK: it does not
 * happens   it takes effect all the same, and only its answer is lost; with KEEL_OK it
 *           takes effect twice, as if one that was lost before had come late
 * takes_ns  of virtual time, first
 * attempts  that the failure says were made further in
 */
typedef struct staged_fault {
    keel_status status;
    keel_applied applied;
    bool happens;
    uint64_t retry_after_ns;
    uint64_t takes_ns;
    uint32_t attempts;
} staged_fault;

/* Every answer lost, or none. */
#define STAGED_LOST                                                                    \
    {                                                                                  \
        .status = KEEL_FAILED, .applied = KEEL_APPLIED_UNKNOWN                         \
    }
#define STAGED_REFUSED                                                                 \
    {                                                                                  \
        .status = KEEL_FAILED, .applied = KEEL_APPLIED_NO                              \
    }

/*
 * script, scripted  of the next operations, one after the other
 * fault, times  of so many after them
 * asked         operations so far; writes: those that change something
 * deadline_at_ns  that the last one was given
 * is_down   all are refused; may be set by any thread
 * hides_nonces  its items seem to have none
 * before    called at the beginning of each; may use the bag
 */
typedef struct staged_store {
    keel_bag_child child; /* what a decorator gets */
    void *memory;
    keel_bag_value value;
    vclock *clock;
    const staged_fault *script;
    unsigned scripted;
    staged_fault fault;
    unsigned times;
    _Atomic unsigned asked;
    _Atomic unsigned writes;
    _Atomic unsigned asked_many; /* keys of batches */
    _Atomic uint64_t deadline_at_ns;
    _Atomic bool is_down;
    bool hides_nonces;
    void (*before)(void *ctx);
    void *ctx;
} staged_store;

enum { STAGED_CHILDREN = 4 };

/* o.rt has the clock that stores move */
typedef struct staged {
    opened o;
    staged_store stores[STAGED_CHILDREN];
    keel_bag_child children[STAGED_CHILDREN];
    size_t count;
    const keel_bag_ops *ops;
    keel_bag_options_source source;
    keel_bag_options_read options;
    keel_bag_setup setup;
    keel_bag bag; /* its root is the decorator */
    keel_detail why;
    char value[256];
} staged;

/* roles: of the stores, cut by "|". environment: NULL-ended; NULL: empty. */
void staged_init(staged *s, const char *roles, const char *const *environment);
/* The same on the real clock, for tests with threads. */
void staged_init_real(staged *s, const char *roles);
/* On a virtual clock that moves only as it is told, for those whose callers wait. */
void staged_init_by_hand(staged *s, const char *roles);
void staged_cleanup(staged *s);

/* options: "hold=5s; failures=3". Opens the decorator over the stores. */
keel_status staged_open(staged *s, const keel_bag_ops *ops, const char *options);
void staged_close(staged *s);

/* The next so many operations of a store fail. */
void staged_fail(staged_store *store, staged_fault fault, unsigned times);
/* They go as the script says, which is the caller's. */
void staged_play(staged_store *store, const staged_fault *script, unsigned count);

/* Verbs with texts; s->why is filled. */
keel_status staged_set(staged *s, const char *key, const char *text);
keel_status staged_get(staged *s, const char *key); /* s->value, and empty if none */

/* What one of the stores has itself; "" for none. Moves no counter. */
const char *staged_peek(staged *s, size_t store, const char *key);
void staged_put(staged *s, size_t store, const char *key, const char *text);

#endif
