/* SPDX-License-Identifier: MIT */
/*
 * The endpoints of one dependency: what each is, and where its state lies on the board.
 * The set is immutable; a reload makes another one, which finds the state of each endpoint
 * by the names of pipeline and endpoint, whatever its place in the list. Not for which one
 * is next (endpoint_choice.h) or who is taken out (outlier.h).
 *
 * State is words of the board, each changed by one compare-and-swap or add:
 *
 *   where the breaker is shared
 *     ejection  out 1 | times 11 | until 52           in microseconds
 *     health    said to be ill 1 | since 63           in nanoseconds; 0: nobody has said
 *     row       failures since the last success
 *     tally     failed 32 | ok 32                     since the last sweep
 *     sweep_at, panic                                 of the set
 *   of this process
 *     in_flight, pass                                 attempts under way, and turns had
 *
 * An endpoint's breaker counts straight into the buckets of its window: it has no stripes,
 * since the attempts in flight are a common word of all threads anyway.
 */
#ifndef KEEL_POLICY_ENDPOINT_SET_H
#define KEEL_POLICY_ENDPOINT_SET_H

#include "board/board.h"
#include "policy/breaker.h"
#include "settings/endpoint_list.h"

enum {
    KEEL_ENDPOINT_LEVELS = 2 * (KEEL_ENDPOINT_TIER_MAX + 1),
    KEEL_ENDPOINT_SHOWN = 64 /* bytes of a name that others than this process see */
};

/* As it was said of the endpoint, for those who look at a board. */
typedef struct keel_endpoint_label {
    _Atomic uint64_t words[KEEL_ENDPOINT_SHOWN / sizeof(uint64_t)];
} keel_endpoint_label;

typedef struct keel_endpoint_words {
    keel_breaker_words breaker;
    _Atomic uint64_t ejection;
    _Atomic uint64_t health;
    uint64_t spare[6];
    /* written by every outcome, so in a line of their own */
    _Atomic uint64_t row;
    _Atomic uint64_t tally;
    uint64_t more_spare[6];
    keel_endpoint_label label;
} keel_endpoint_words;

/* Of this process alone. */
typedef struct keel_endpoint_own {
    _Atomic uint64_t in_flight;
    _Atomic uint64_t pass; /* by turns: how far it has come (endpoint_draw.c) */
    uint64_t spare[6];
} keel_endpoint_own;

typedef struct keel_endpoint_set_words {
    _Atomic uint64_t sweep_at; /* 0: not yet */
    _Atomic uint64_t panic;    /* not 0: all are used */
    uint64_t spare[6];
} keel_endpoint_set_words;

/* Of this process alone: by turns, how far those of a level have come at least. */
typedef struct keel_endpoint_set_own {
    _Atomic uint64_t passed[KEEL_ENDPOINT_LEVELS];
} keel_endpoint_set_own;

typedef struct keel_endpoint_entry {
    char *url; /* one piece of memory for the three, which is the set's */
    char *name;
    char *zone;            /* "": none */
    uint64_t hash;         /* of the name */
    uint64_t zone_members; /* a bit for each that is in its zone; 0: it is in none */
    uint32_t tier;
    uint32_t weight;
    uint32_t stride; /* of turns, at full weight (endpoint_draw.c) */
    bool is_near;    /* of the process's own zone */
    keel_endpoint_words *words;
    keel_endpoint_own *own;
    keel_breaker breaker; /* .words NULL: there is none */
} keel_endpoint_entry;

/* Those that are as near as each other: of a tier, in the own zone or not. Nearest first. */
typedef struct keel_endpoint_level {
    uint64_t members; /* a bit each */
    uint64_t weight;  /* of all of them */
    uint32_t number;  /* the same whatever other levels there are */
} keel_endpoint_level;

static inline uint32_t keel_endpoint_tier(const keel_endpoint_level *level)
{
    return level->number / 2;
}

typedef struct keel_endpoints {
    uint32_t count;
    uint32_t level_count;
    uint64_t everybody; /* a bit each */
    keel_endpoint_level levels[KEEL_ENDPOINT_LEVELS];
    keel_endpoint_set_words *words;
    keel_endpoint_set_own *own;
    keel_board *shared; /* with other processes; NULL: nothing is */
    const keel_allocator *memory;
    char *texts;
    char *zone; /* the process's own, as it was when the set was made; "": none */
    struct keel_endpoint_blocks *blocks; /* that are given back with the set */
    keel_endpoint_entry entries[];
} keel_endpoints;

/* What a set is made from. board: this process's own; shared: where the breaker is */
typedef struct keel_endpoint_parts {
    const keel_allocator *memory;
    keel_board *board;
    keel_board *shared;
    bool is_shared; /* by several processes */
    const char *pipeline;
} keel_endpoint_parts;

/*
 * The set that policy->endpoints describes, with its state found or made on the board.
 * *out NULL: there are none, or not KEEL_OK
 * Returns  KEEL_OK, KEEL_E_NOMEM, KEEL_E_LIMIT (a board is full)
 */
keel_status keel_endpoints_new(keel_endpoints **out, const keel_endpoint_parts *parts,
                               const keel_policy *policy);
void keel_endpoints_free(keel_endpoints *set); /* NULL is fine */

/*
 * After a reload, before anybody chooses from the new set: windows go on with what they
 * hold; a round of probes starts over if it has another size; who is new in the list starts
 * slowly, as one who has come back. Either may be NULL.
 */
void keel_endpoints_take_over(const keel_endpoints *set, const keel_policy *policy,
                              const keel_endpoints *old, const keel_policy *old_policy,
                              uint64_t now);

/* Of a block on the board: the hash of the endpoint's name that it is of. False: it is of
 * no endpoint of that pipeline. */
bool keel_endpoint_block_hash(const char *name, const char *pipeline, uint64_t *hash);

/* The place of a name in the list; set->count: it is not there. */
uint32_t keel_endpoints_find(const keel_endpoints *set, const char *name);

/* What happened to an endpoint, or to the set, in the course of an operation. */
typedef enum keel_endpoint_event {
    KEEL_ENDPOINT_MOVED,    /* its breaker: from, to, cause, generation */
    KEEL_ENDPOINT_EJECTED,  /* cause, for_ns, times */
    KEEL_ENDPOINT_RESTORED, /* its time is over */
    KEEL_ENDPOINTS_PANIC,   /* too few are healthy: all are used; of the set */
    KEEL_ENDPOINTS_CALM     /* no longer; of the set */
} keel_endpoint_event;

typedef struct keel_endpoint_change {
    keel_endpoint_event event;
    uint32_t index;
    keel_transition move;
    uint64_t for_ns;
    uint32_t times;
} keel_endpoint_change;

/* Oldest first. Set count to 0 before; what finds no room is counted alone. */
typedef struct keel_endpoint_changes {
    uint32_t count;
    uint32_t lost;
    keel_endpoint_change items[8];
} keel_endpoint_changes;

void keel_endpoint_note(keel_endpoint_changes *changes,
                        const keel_endpoint_change *change);

/* The same for what its breaker did. */
void keel_endpoint_note_moves(keel_endpoint_changes *changes, uint32_t index,
                              const keel_changes *moves);

static inline bool keel_endpoint_changes_are_full(const keel_endpoint_changes *changes)
{
    return changes->count == sizeof changes->items / sizeof changes->items[0];
}

static inline uint64_t keel_endpoint_bit(uint32_t index)
{
    return (uint64_t)1 << index;
}

/* The lowest of some, taken off them. */
static inline uint32_t keel_endpoint_take_lowest(uint64_t *some)
{
    uint32_t index = (uint32_t)__builtin_ctzll(*some);

    *some &= *some - 1;
    return index;
}

/* In parts of which a weight of 1 has so many; so that a tenth of it is a number. */
enum { KEEL_ENDPOINT_WEIGHT_UNIT = 1024, KEEL_ENDPOINT_STRIDE_UNIT = 1 << 30 };

/* ---- words ---- */

#define KEEL_EJECTION_UNTIL (((uint64_t)1 << 52) - 1)
#define KEEL_EJECTION_OUT ((uint64_t)1 << 63)
#define KEEL_ENDPOINT_ILL ((uint64_t)1 << 63)

enum { KEEL_EJECTION_TIMES_MAX = 2047 };

static inline uint64_t keel_ejection_pack(uint32_t times, uint64_t until_us)
{
    return KEEL_EJECTION_OUT | (uint64_t)times << 52 | (until_us & KEEL_EJECTION_UNTIL);
}

static inline uint32_t keel_ejection_times(uint64_t word)
{
    return word >> 52 & KEEL_EJECTION_TIMES_MAX;
}

static inline uint64_t keel_ejection_until_ns(uint64_t word)
{
    return (word & KEEL_EJECTION_UNTIL) * 1000;
}

static inline bool keel_ejection_holds(uint64_t word, uint64_t now)
{
    return word & KEEL_EJECTION_OUT && now < keel_ejection_until_ns(word);
}

static inline bool keel_endpoint_is_ejected(const keel_endpoint_entry *entry,
                                            uint64_t now)
{
    uint64_t word = atomic_load_explicit(&entry->words->ejection, memory_order_relaxed);

    return word && keel_ejection_holds(word, now);
}

/* What an active check said last. */
static inline bool keel_endpoint_is_ill(const keel_endpoint_entry *entry)
{
    return atomic_load_explicit(&entry->words->health, memory_order_relaxed) &
           KEEL_ENDPOINT_ILL;
}

#endif
