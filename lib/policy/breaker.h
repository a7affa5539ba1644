/* SPDX-License-Identifier: MIT */
/*
 * The circuit breaker: pure decisions about words on the board. Knows no clock, no
 * call, no event; is told the time and says what changed.
 *
 * One 64-bit word holds the decision and is changed by one compare-and-swap:
 *   state 2 | flags 6 | permits left 8 | ok 8 | failed 8 | slow 8 | generation 24
 * (DESIGN's 31 generation bits are 24 here: slow probes have a count of their own.) Of a
 * closed breaker the permits left say whether it is ramping: 1 from when probes have
 * closed it until the first admission after breaker.ramp_up takes it away.
 * Every transition adds one to the generation. A permit carries the generation that
 * granted it; an outcome of another generation changes nothing.
 *
 * The instant that ends the present state has two words, chosen by the generation's
 * lowest bit: opens in a row 6 | instant 58. A transition first claims the state word
 * (a counter in its flags), then writes the next instant, then publishes it with the
 * new state, each by CAS from what was seen at once; so a writer stopped or killed in
 * between does no harm, and of several one wins with all he wrote.
 *
 *   closed     since when
 *   open       when probes may pass
 *   half-open  when waiting for probes ends (breaker.half_open_max_wait)
 *
 * A probe is a lease: a word {owner 8, generation 14, expiry 42} that holds one of the
 * round's permits until the instant in it, in microseconds, 12 days hence at most.
 */
#ifndef KEEL_POLICY_BREAKER_H
#define KEEL_POLICY_BREAKER_H

#include <stdatomic.h>

#include <keel/events.h>

#include "base/random.h"
#include "settings/policy.h"
#include "policy/notice.h"
#include "policy/starts.h"
#include "policy/window.h"

enum { KEEL_BREAKER_OWN_LEASES = 3 };

typedef struct keel_breaker_words {
    _Atomic uint64_t state;
    _Atomic uint64_t lock; /* notice.h; 0: none */
    _Atomic uint64_t due[2];
    _Atomic uint64_t consecutive; /* generation 24 | failures in a row 40 */
    _Atomic uint64_t leases[KEEL_BREAKER_OWN_LEASES]; /* where so many are enough */
} keel_breaker_words;

#define KEEL_GENERATION_MASK 0xffffffu
#define KEEL_DUE_MASK (((uint64_t)1 << 58) - 1)

/* What a state word says; of all ones, none of the states. */
static inline keel_breaker_state keel_word_state(uint64_t word)
{
    return (keel_breaker_state)(word >> 62);
}

/* Whether a state word lets everybody through: closed, and not ramping. */
#define KEEL_WORD_BARS ((uint64_t)3 << 62 | (uint64_t)255 << 48)

static inline bool keel_word_admits(uint64_t word)
{
    return !(word & KEEL_WORD_BARS);
}

static inline uint32_t keel_word_generation(uint64_t word)
{
    return (uint32_t)(word & KEEL_GENERATION_MASK);
}

/* What the fleet says, and what it is to hear; see fleet.h. */
typedef struct keel_fleet_words {
    _Atomic uint64_t view;          /* state 2 | epoch 62 */
    _Atomic uint64_t governs_until; /* moved on while somebody speaks to the fleet */
    _Atomic uint64_t wanted_at;  /* when a probe was last asked for, and none there */
    _Atomic uint64_t news;       /* not 0: something to tell the fleet at once */
    _Atomic uint64_t wish_until; /* the other side's, by the last failure; 0: none */
    _Atomic uint64_t trip;       /* the last one here: generation 32 | cause 32 */
    uint64_t spare[2];
} keel_fleet_words;

/* Where a breaker's words are; immutable. */
typedef struct keel_breaker {
    keel_breaker_words *words;
    _Atomic uint64_t *leases; /* half_open_permits of them */
    keel_window window;
    keel_starts starts;           /* .words NULL unless slow calls are watched */
    const _Atomic uint64_t *self; /* of a shared breaker, whose leases have owners:
                                     keel_board_self's word; NULL: it is private */
    keel_fleet_words *fleet;      /* NULL: no fleet shares it */
} keel_breaker;

/* What an operation did to the state, oldest first. */
typedef struct keel_transition {
    keel_breaker_state from;
    keel_breaker_state to;
    keel_cause cause;
    uint32_t generation; /* of `to` */
} keel_transition;

typedef struct keel_changes {
    uint32_t count;
    keel_transition items[4];
    keel_cause would_trip; /* under an observe lock, at the start of a breach */
    /* of the half-open round that came to its end by a verdict; 0: none did */
    uint8_t probes;
    uint8_t probes_failed;
} keel_changes;

typedef enum keel_breaker_tracking {
    KEEL_TRACK_NOTHING = 0, /* granted by a lock: the outcome is not recorded */
    KEEL_TRACK_WINDOW = 1,
    KEEL_TRACK_PROBE = 2
} keel_breaker_tracking;

typedef struct keel_breaker_permit {
    uint64_t lease; /* the lease word, probes only */
    uint32_t generation;
    uint8_t tracking;
    uint8_t lease_index;
    uint8_t start_index; /* into starts, plus 1; 0: none */
    uint8_t spare;
} keel_breaker_permit;

typedef enum keel_breaker_outcome {
    KEEL_OUTCOME_OK,     /* the peer is alive: ok and client errors */
    KEEL_OUTCOME_FAILED, /* failed, throttled, timed out */
    KEEL_OUTCOME_NEUTRAL /* ignored, abandoned, cancelled, refused further in */
} keel_breaker_outcome;

typedef struct keel_breaker_result {
    keel_breaker_outcome outcome;
    uint64_t duration_ns;
    /* the peer's wish; keeps a breaker that trips open longer */
    uint64_t retry_after_ns;
} keel_breaker_result;

/*
 * Asks for a permit at an instant.
 * retry_after_ns  set on refusal; 0: not known
 * Returns  KEEL_OK, KEEL_REJECTED_OPEN, _FORCED_OPEN, _HALF_OPEN or _RAMPING
 */
keel_status keel_breaker_admit(const keel_breaker *breaker, const keel_policy *policy,
                               uint64_t now, const keel_random *random,
                               keel_breaker_permit *permit, uint64_t *retry_after_ns,
                               keel_changes *changes);

/*
 * Whether an admission at this instant is sure to be refused, without asking for one:
 * KEEL_REJECTED_OPEN, _FORCED_OPEN; else KEEL_OK. Changes nothing.
 */
keel_status keel_breaker_foresee(const keel_breaker *breaker, uint64_t now,
                                 uint64_t *retry_after_ns);

/*
 * A permit whose holder queues, until an instant at most, makes no call yet: that time
 * is neither slowness of the other side nor of its lease. Resumed, both begin anew.
 */
void keel_breaker_pause(const keel_breaker *breaker, const keel_policy *policy,
                        keel_breaker_permit *permit, uint64_t now, uint64_t until);
void keel_breaker_resume(const keel_breaker *breaker, const keel_policy *policy,
                         keel_breaker_permit *permit, uint64_t now);

/*
 * Ends a permit. True: the outcome counted; false: it came too late (another
 * generation, or a lease that was reclaimed) and changed nothing.
 */
bool keel_breaker_end(const keel_breaker *breaker, const keel_policy *policy,
                      const keel_breaker_permit *permit,
                      const keel_breaker_result *result, uint64_t now,
                      const keel_random *random, keel_changes *changes);

/* Which lock holds at an instant. */
keel_lock keel_breaker_lock_now(const keel_breaker *breaker, uint64_t now);

/* What an operator does. KEEL_E_STATE: half-open can only follow open. */
void keel_breaker_lock(const keel_breaker *breaker, keel_lock lock, uint64_t until);
/* The same for one who has seen a lock word and packed another. False: it has changed,
 * and *seen is what it is now. */
bool keel_breaker_relock(keel_breaker_words *words, uint64_t *seen, uint64_t fresh);
/* Takes a lock off whose time is over, so that the next calls need not look at it. Returns
 * its word, to one caller of all; 0: there is none, or somebody else was first. */
uint64_t keel_breaker_take_lock_off(keel_breaker_words *words, uint64_t now);
void keel_breaker_reset(const keel_breaker *breaker, uint64_t now,
                        keel_changes *changes);
keel_status keel_breaker_go(const keel_breaker *breaker, const keel_policy *policy,
                            keel_breaker_state to, uint64_t for_ns, uint64_t now,
                            const keel_random *random, keel_changes *changes);

/*
 * The dependency was found well again: an open period ends now, so that the next
 * admission is a probe. True: it did; false: it is not open, its time is over anyway, an
 * operator holds it, or it is the fleet's.
 */
bool keel_breaker_hasten(const keel_breaker *breaker, uint64_t now);

/* The leases of an owner who is gone end now. leases: half_open_permits at most */
void keel_leases_forsake(_Atomic uint64_t *leases, uint32_t count, uint32_t owner,
                         uint64_t now);

/* After a reload with another number of permits: a round under way starts over. */
void keel_breaker_restart_round(const keel_breaker *breaker, const keel_policy *policy);

/*
 * After a reload: from now on the window of `to` counts, with what is left in that of
 * `from` where it fits. from may be NULL: there was no breaker.
 */
void keel_breaker_take_over_window(const keel_breaker *to, const keel_breaker *from,
                                   uint64_t now);

/* A pure look. */
typedef struct keel_breaker_view {
    keel_breaker_state state;
    keel_lock lock;
    uint32_t generation;
    bool is_ramping; /* since due_at_ns; the settings say for how long */
    uint32_t permits_left;
    uint64_t due_at_ns;
    keel_totals totals;
} keel_breaker_view;

keel_breaker_view keel_breaker_look(const keel_breaker *breaker, uint64_t now);

/* The same, but while it is open its window does not age: it is what opened it. */
keel_breaker_view keel_breaker_look_back(const keel_breaker *breaker, uint64_t now);

/*
 * The common admission: closed, not ramping, no lock, no slow call in sight. The permit is
 * filled in but for its start. False: nothing was done, use keel_breaker_admit.
 * now  read only where slow calls are watched
 */
static inline bool keel_breaker_admit_closed(const keel_breaker *breaker,
                                             const keel_policy *policy, uint64_t now,
                                             keel_breaker_permit *permit)
{
    /* acquire pairs with the release of the transition that closed it */
    uint64_t state = atomic_load_explicit(&breaker->words->state, memory_order_acquire);

    if (!keel_word_admits(state) ||
        atomic_load_explicit(&breaker->words->lock, memory_order_relaxed) ||
        (breaker->starts.words &&
         keel_starts_maybe_before(&breaker->starts, now > policy->slow_call_ns
                                                        ? now - policy->slow_call_ns
                                                        : 0)))
        return false;
    *permit = (keel_breaker_permit){ .generation = keel_word_generation(state),
                                     .tracking = KEEL_TRACK_WINDOW };
    return true;
}

/* The instant of the state that a state word says. */
static inline uint64_t keel_breaker_words_due(const keel_breaker_words *words,
                                              uint64_t state)
{
    return atomic_load_explicit(&words->due[state & 1], memory_order_acquire) &
           KEEL_DUE_MASK;
}

/* Closed in that generation, and nothing that a success would have to look at. */
static inline bool keel_breaker_words_are_plain(const keel_breaker_words *words,
                                                uint32_t generation)
{
    /* the whole state word but the generation is zero: no flag; no lock, no row */
    return atomic_load_explicit(&words->state, memory_order_acquire) == generation &&
           !(atomic_load_explicit(&words->lock, memory_order_relaxed) |
             atomic_load_explicit(&words->consecutive, memory_order_relaxed) << 24);
}

/*
 * The end of a fast success on a closed breaker whose window neither moves nor is in
 * doubt. False: nothing was done, use keel_breaker_end.
 */
static inline bool keel_breaker_end_plainly(const keel_breaker *breaker,
                                            uint32_t generation, keel_stripe stripe,
                                            uint64_t now)
{
    if (!keel_breaker_words_are_plain(breaker->words, generation) ||
        !breaker->window.time)
        return false;
    if (breaker->self) /* the pipeline's own stripe is not what is shared */
        stripe = keel_stripe_mine(breaker->window.stripes);
    return keel_window_try_ok(&breaker->window, stripe, generation, now);
}

#endif
