/* SPDX-License-Identifier: MIT */
/*
 * Which operations the fault decorator strikes: a rule read from its options, and a
 * decision that is the same for the same seed and number. Injects nothing itself.
 */
#ifndef KEEL_BAG_WRAP_FAULT_PLAN_H
#define KEEL_BAG_WRAP_FAULT_PLAN_H

#include <keel/bag_plugin.h>

enum { KEEL_FAULT_SPANS = 8 };

#define KEEL_FAULT_VERB_MAP(X)                                                         \
    X(GET, 0, "get")                                                                   \
    X(SET, 1, "set")                                                                   \
    X(ADD, 2, "add")                                                                   \
    X(REPLACE, 3, "replace")                                                           \
    X(CAS, 4, "cas")                                                                   \
    X(APPEND, 5, "append")                                                             \
    X(PREPEND, 6, "prepend")                                                           \
    X(INCR, 7, "incr")                                                                 \
    X(TOUCH, 8, "touch")                                                               \
    X(DELETE, 9, "delete")                                                             \
    X(FLUSH, 10, "flush")                                                              \
    X(SCAN, 11, "scan")

typedef enum keel_fault_verb {
#define KEEL_FAULT_VERB(name, number, text) KEEL_FAULT_##name = 1 << number,
    KEEL_FAULT_VERB_MAP(KEEL_FAULT_VERB)
#undef KEEL_FAULT_VERB
        KEEL_FAULT_READS = KEEL_FAULT_GET | KEEL_FAULT_SCAN,
    KEEL_FAULT_ALL = (1 << 12) - 1,
    KEEL_FAULT_WRITES = KEEL_FAULT_ALL & ~KEEL_FAULT_READS
} keel_fault_verb;

/* From and until an instant after the opening. */
typedef struct keel_fault_span {
    uint64_t from_ns;
    uint64_t until_ns;
} keel_fault_span;

/*
 * verbs       a set of keel_fault_verb
 * keys        a key, or where it ends with "*" what keys begin with; NULL: every one
 * span_count  0: all the time
 */
typedef struct keel_fault_plan {
    uint64_t seed;
    uint32_t chance; /* in millionths */
    uint32_t verbs;
    const char *keys;
    size_t span_count;
    keel_fault_span spans[KEEL_FAULT_SPANS];
} keel_fault_plan;

/* "get|set", "reads", "writes"; text NULL: all. KEEL_OK, KEEL_E_CONFIG. */
keel_status keel_fault_read_verbs(keel_fault_plan *plan, const char *text,
                                  keel_detail *why);
/* "10s..20s|60s..70s"; NULL: all the time. */
keel_status keel_fault_read_spans(keel_fault_plan *plan, const char *text,
                                  keel_detail *why);

/* Whether the rule is about it at all. key: empty for verbs without one. */
bool keel_fault_is_meant(const keel_fault_plan *plan, keel_fault_verb verb,
                         keel_bytes key, uint64_t elapsed_ns);
/* Whether the number-th of those that are meant is struck. */
bool keel_fault_strikes(const keel_fault_plan *plan, uint64_t number);

#endif
