/* SPDX-License-Identifier: MIT */
/* Which endpoint is next. */
#include "policy/endpoint_choice.h"

#include "policy/breaker_moves.h"
#include "policy/endpoint_draw.h"
#include "policy/endpoint_levels.h"
#include "policy/outlier.h"

/* ---- who there is -------------------------------------------------------------- */

/* What a look at all endpoints comes to; a bit each. */
typedef struct survey {
    uint64_t candidates; /* their breaker lets an attempt through, or may */
    uint64_t closed;     /* of these, those that ask for no probe */
    uint64_t healthy;    /* neither ejected nor ill, whatever their breaker says */
    uint64_t open_left;  /* until the first breaker lets a probe through */
    bool ramps;          /* one was left out that lets a growing share through */
} survey;

/* False: its breaker is open. */
static bool ask_breaker(survey *s, const keel_endpoint_entry *entry, uint64_t bit,
                        uint64_t now)
{
    const keel_breaker_words *words = entry->breaker.words;
    /* acquire pairs with the release of the transition that closed it */
    uint64_t state =
        words ? atomic_load_explicit(&words->state, memory_order_acquire) : 0;

    if (keel_word_state(state) == KEEL_BREAKER_CLOSED) {
        s->closed |= bit;
    } else if (keel_word_state(state) == KEEL_BREAKER_OPEN) {
        uint64_t left = keel_ns_left(keel_breaker_words_due(words, state), now);

        s->open_left = left ? keel_ns_min(s->open_left, left) : s->open_left;
        return !left;
    }
    return true;
}

static survey look_around(const keel_endpoints *set, uint64_t now)
{
    survey s = { .open_left = KEEL_NEVER };

    for (uint32_t i = 0; i < set->count; i++) {
        const keel_endpoint_entry *entry = &set->entries[i];
        uint64_t bit = keel_endpoint_bit(i);

        if (ask_breaker(&s, entry, bit, now))
            s.candidates |= bit;
        if (!keel_endpoint_is_ejected(entry, now) && !keel_endpoint_is_ill(entry))
            s.healthy |= bit;
    }
    return s;
}

static void leave_out(survey *s, uint32_t index)
{
    s->candidates &= ~keel_endpoint_bit(index);
    s->closed &= s->candidates;
}

/* ---- who is wanted ------------------------------------------------------------- */

/* Of those that may be used, who is wanted for this attempt. */
static uint64_t prefer(const survey *s, uint64_t usable, uint64_t tried)
{
    uint64_t fresh = usable & ~tried;

    if (!tried)
        return usable;
    if (!fresh)
        fresh = usable;
    return fresh & s->closed ? fresh & s->closed : fresh;
}

static uint32_t choose_one(const keel_endpoints *set, const keel_policy *policy,
                           const keel_endpoint_request *request, const survey *s,
                           uint64_t usable)
{
    uint64_t wanted = prefer(s, usable, request->tried);
    const keel_endpoint_level *level =
        keel_endpoint_levels_choose(set, policy, request, usable, &wanted);

    return keel_endpoints_draw(set, policy, request, level, usable, wanted);
}

/* ---- panic --------------------------------------------------------------------- */

/* Too few are healthy for what there is to do. */
static bool is_short(const keel_endpoints *set, const keel_policy *policy,
                     const survey *s)
{
    uint64_t healthy = (uint64_t)__builtin_popcountll(s->healthy);
    uint64_t least = policy->eject ? policy->eject_panic_ppm : 0;

    return healthy * KEEL_PPM < least * set->count &&
           keel_endpoint_levels_share(set, policy, s->candidates & s->healthy, NULL) <
               1;
}

static bool is_panic(const keel_endpoints *set, const keel_policy *policy,
                     const survey *s)
{
    bool is_last_resort = s->candidates && !(s->candidates & s->healthy);

    return is_last_resort || is_short(set, policy, s);
}

static void note_panic(const keel_endpoints *set, bool is_so,
                       keel_endpoint_changes *changes)
{
    uint64_t was = !is_so;

    if (atomic_load_explicit(&set->words->panic, memory_order_relaxed) == was &&
        atomic_compare_exchange_strong_explicit(&set->words->panic, &was, is_so,
                                                memory_order_relaxed,
                                                memory_order_relaxed))
        keel_endpoint_note(
            changes, &(keel_endpoint_change){ .event = is_so ? KEEL_ENDPOINTS_PANIC
                                                             : KEEL_ENDPOINTS_CALM });
}

/* ---- picks --------------------------------------------------------------------- */

static keel_status admit(const keel_endpoints *set, const keel_policy *policy,
                         const keel_endpoint_request *request, keel_endpoint_pick *pick,
                         uint64_t *left, keel_endpoint_changes *changes)
{
    const keel_breaker *breaker = &set->entries[pick->index].breaker;
    keel_changes moves;
    keel_status status;

    if (!breaker->words)
        return KEEL_OK;
    if (keel_breaker_admit_closed(breaker, policy, request->now, &pick->permit)) {
        keel_breaker_track_start(breaker, &pick->permit, request->now);
        return KEEL_OK;
    }
    moves.count = 0;
    status = keel_breaker_admit(breaker, policy, request->now, request->random,
                                &pick->permit, left, &moves);
    keel_endpoint_note_moves(changes, pick->index, &moves);
    return status;
}

static bool try_one(const keel_endpoints *set, const keel_policy *policy,
                    const keel_endpoint_request *request, survey *s, uint32_t index,
                    keel_endpoint_pick *pick, keel_endpoint_changes *changes)
{
    uint64_t left = 0;
    keel_status status;

    *pick = (keel_endpoint_pick){ .index = (uint8_t)index };
    status = admit(set, policy, request, pick, &left, changes);
    if (status == KEEL_OK) {
        atomic_fetch_add_explicit(&set->entries[index].own->in_flight, 1,
                                  memory_order_relaxed);
        pick->flags = KEEL_PICK_HELD;
        return true;
    }
    if (left)
        s->open_left = keel_ns_min(s->open_left, left);
    s->ramps |= status == KEEL_REJECTED_RAMPING;
    leave_out(s, index);
    return false;
}

/* Not by its breaker's leave: the permit tracks nothing. */
static keel_status force(const keel_endpoints *set, const keel_policy *policy,
                         const keel_endpoint_request *request, keel_endpoint_pick *pick)
{
    const survey everybody = { .candidates = set->everybody,
                               .healthy = set->everybody };
    uint32_t index = choose_one(set, policy, request, &everybody, set->everybody);

    *pick = (keel_endpoint_pick){ .index = (uint8_t)index, .flags = KEEL_PICK_HELD };
    atomic_fetch_add_explicit(&set->entries[index].own->in_flight, 1,
                              memory_order_relaxed);
    return KEEL_OK;
}

/* Of all reasons the one that will pass first. */
static keel_status refuse(const survey *s, keel_endpoint_pick *pick,
                          uint64_t *retry_after_ns)
{
    bool is_open = s->open_left != KEEL_NEVER;

    *pick = (keel_endpoint_pick){ .flags = 0 };
    *retry_after_ns = 0;
    if (s->ramps)
        return KEEL_REJECTED_RAMPING;
    *retry_after_ns = is_open ? s->open_left : 0;
    return is_open ? KEEL_REJECTED_OPEN : KEEL_REJECTED_HALF_OPEN;
}

keel_status keel_endpoints_choose(const keel_endpoints *set, const keel_policy *policy,
                                  const keel_endpoint_request *request,
                                  keel_endpoint_pick *pick, uint64_t *retry_after_ns,
                                  keel_endpoint_changes *changes)
{
    survey s;

    *retry_after_ns = 0;
    if (policy->eject && keel_outliers_are_due(set, policy, request->now))
        keel_outliers_sweep(set, policy, request->now, request->random, changes);
    s = look_around(set, request->now);
    note_panic(set, is_panic(set, policy, &s), changes);
    while (s.candidates) {
        uint64_t usable =
            is_panic(set, policy, &s) ? s.candidates : s.candidates & s.healthy;
        uint32_t index = choose_one(set, policy, request, &s, usable);

        if (try_one(set, policy, request, &s, index, pick, changes))
            return KEEL_OK;
    }
    return request->is_forced ? force(set, policy, request, pick)
                              : refuse(&s, pick, retry_after_ns);
}

/* Never below none: a child that ends what its parent began finds nothing under way. */
static void land(_Atomic uint64_t *in_flight)
{
    uint64_t count = atomic_load_explicit(in_flight, memory_order_relaxed);

    while (count && !atomic_compare_exchange_weak_explicit(in_flight, &count, count - 1,
                                                           memory_order_relaxed,
                                                           memory_order_relaxed))
        ;
}

bool keel_endpoints_end(const keel_endpoints *set, const keel_policy *policy,
                        keel_endpoint_pick *pick, const keel_breaker_result *result,
                        uint64_t now, const keel_random *random,
                        keel_endpoint_changes *changes)
{
    const keel_endpoint_entry *entry = &set->entries[pick->index];
    keel_changes moves;
    bool counts = true;

    if (!(pick->flags & KEEL_PICK_HELD))
        return false;
    pick->flags = 0;
    land(&entry->own->in_flight);
    if (entry->breaker.words) {
        moves.count = 0;
        counts = keel_breaker_end(&entry->breaker, policy, &pick->permit, result, now,
                                  random, &moves);
        keel_endpoint_note_moves(changes, pick->index, &moves);
    }
    if (result->outcome != KEEL_OUTCOME_NEUTRAL)
        keel_outlier_record(set, policy, pick->index,
                            result->outcome == KEEL_OUTCOME_FAILED, now, random,
                            changes);
    return counts;
}
