/* SPDX-License-Identifier: MIT */
/* One of several endpoints that are as near as each other. */
#include "policy/endpoint_draw.h"

#include <math.h>

#include "base/clock.h"
#include "base/seed.h"
#include "policy/breaker_moves.h"

/* ---- weights ------------------------------------------------------------------- */

/* When it came back from being away; 0: it has not been. */
static uint64_t back_at(const keel_endpoint_entry *entry)
{
    const keel_breaker_words *breaker = entry->breaker.words;
    uint64_t ejection =
        atomic_load_explicit(&entry->words->ejection, memory_order_relaxed);
    uint64_t health = atomic_load_explicit(&entry->words->health, memory_order_relaxed);
    uint64_t at = keel_ejection_until_ns(ejection);
    uint64_t state, closed_at;

    if (!(health & KEEL_ENDPOINT_ILL) && health > at)
        at = health;
    if (!breaker)
        return at;
    state = atomic_load_explicit(&breaker->state, memory_order_acquire);
    if (!keel_word_generation(state) || keel_word_state(state) != KEEL_BREAKER_CLOSED)
        return at;
    closed_at = keel_breaker_words_due(breaker, state);
    return closed_at > at ? closed_at : at;
}

uint64_t keel_endpoint_weight_now(const keel_endpoint_entry *entry,
                                  const keel_policy *policy, uint64_t now)
{
    uint64_t full = (uint64_t)entry->weight * KEEL_ENDPOINT_WEIGHT_UNIT;
    uint64_t at, since;
    double share;

    if (!policy->slow_start_ns)
        return full;
    at = back_at(entry);
    since = keel_ns_left(now, at);
    if (!at || since >= policy->slow_start_ns)
        return full;
    share = fmax(0.1, (double)since / (double)policy->slow_start_ns);
    return (uint64_t)((double)full * share);
}

/* ---- by load ------------------------------------------------------------------- */

/* Some endpoints, what each weighs at this instant, and all of them together. */
typedef struct scales {
    uint64_t some;
    uint64_t total;
    uint32_t weights[KEEL_ENDPOINTS_MAX];
} scales;

static void weigh(scales *s, const keel_endpoints *set, const keel_policy *policy,
                  uint64_t some, uint64_t now)
{
    s->some = some;
    s->total = 0;
    while (some) {
        uint32_t i = keel_endpoint_take_lowest(&some);

        s->weights[i] =
            (uint32_t)keel_endpoint_weight_now(&set->entries[i], policy, now);
        s->total += s->weights[i];
    }
}

/* One of them, each as likely as its weight; it is taken off the scales. */
static uint32_t draw(scales *s, const keel_random *random)
{
    uint64_t some = s->some, at = 0;
    uint32_t i = keel_endpoint_take_lowest(&some);

    if (some)
        at = (uint64_t)(keel_random_draw(random) * (double)s->total);
    while (some && at >= s->weights[i]) {
        at -= s->weights[i];
        i = keel_endpoint_take_lowest(&some);
    }
    s->some &= ~keel_endpoint_bit(i);
    s->total -= s->weights[i];
    return i;
}

static uint32_t choose_by_load(const keel_endpoints *set, const keel_policy *policy,
                               const keel_endpoint_request *request, uint64_t some)
{
    scales s;
    uint32_t a, b;

    weigh(&s, set, policy, some, request->now);
    a = draw(&s, request->random);
    b = draw(&s, request->random);
    /* loads by weight, without a division; of equal ones the first, so that while little
     * is under way each gets its weight */
    return keel_endpoint_load(&set->entries[b]) * s.weights[a] <
                   keel_endpoint_load(&set->entries[a]) * s.weights[b]
               ? b
               : a;
}

/* ---- by turns ------------------------------------------------------------------ */

static uint64_t stride_of(const keel_endpoint_entry *entry, uint64_t weight)
{
    return weight == (uint64_t)entry->weight * KEEL_ENDPOINT_WEIGHT_UNIT
               ? entry->stride
               : KEEL_ENDPOINT_STRIDE_UNIT / weight;
}

/* How far an endpoint is ahead of the hindmost of its level. One that was away comes back
 * where the hindmost is, and makes up for nothing. */
static uint64_t ahead_of(uint64_t pass, uint64_t passed)
{
    return (int64_t)(pass - passed) > 0 ? pass - passed : 0;
}

/* Whose turn it is. */
typedef struct turn {
    uint32_t index;
    uint64_t middle; /* of the turn, as are the others, beyond the level's passed */
    uint64_t pass;   /* before it */
    uint64_t next_pass;
} turn;

/* Each has a pass, which goes on by 1 / weight with each of its turns; whose next turn has
 * its middle first is next. hindmost: of all the level, how far ahead the last one is */
static turn find_turn(const keel_endpoints *set, const keel_policy *policy,
                      uint64_t level, uint64_t some, uint64_t passed, uint64_t now,
                      uint64_t *hindmost)
{
    turn next = { .middle = UINT64_MAX };

    *hindmost = UINT64_MAX;
    while (level) {
        uint32_t i = keel_endpoint_take_lowest(&level);
        const keel_endpoint_entry *entry = &set->entries[i];
        uint64_t pass = atomic_load_explicit(&entry->own->pass, memory_order_relaxed);
        uint64_t stride =
            stride_of(entry, keel_endpoint_weight_now(entry, policy, now));
        uint64_t ahead = ahead_of(pass, passed);

        *hindmost = keel_ns_min(*hindmost, ahead);
        if (some & keel_endpoint_bit(i) && ahead + stride / 2 < next.middle)
            next = (turn){ i, ahead + stride / 2, pass, passed + ahead + stride };
    }
    return next;
}

/* level: all of it that may be used; some: those wanted for this attempt */
static uint32_t choose_by_turn(const keel_endpoints *set, const keel_policy *policy,
                               uint64_t level, uint64_t some,
                               _Atomic uint64_t *level_passed, uint64_t now)
{
    uint64_t passed, hindmost;
    turn next;

    do {
        passed = atomic_load_explicit(level_passed, memory_order_relaxed);
        next = find_turn(set, policy, level, some, passed, now, &hindmost);
    } while (!atomic_compare_exchange_strong_explicit(
        &set->entries[next.index].own->pass, &next.pass, next.next_pass,
        memory_order_relaxed, memory_order_relaxed));
    if (hindmost) /* a hint: who comes next finds it so too */
        atomic_compare_exchange_strong_explicit(level_passed, &passed,
                                                passed + hindmost, memory_order_relaxed,
                                                memory_order_relaxed);
    return next.index;
}

/* ---- by affinity --------------------------------------------------------------- */

double keel_endpoint_fraction(uint64_t number)
{
    return ((double)(keel_mix(number) >> 11) + 0.5) * 0x1p-53;
}

static uint32_t choose_by_affinity(const keel_endpoints *set, const keel_policy *policy,
                                   const keel_endpoint_request *request, uint64_t some)
{
    double least = INFINITY;
    uint32_t best = 0;

    while (some) {
        uint32_t i = keel_endpoint_take_lowest(&some);
        const keel_endpoint_entry *entry = &set->entries[i];
        double score =
            -log(keel_endpoint_fraction(keel_mix(request->affinity) ^ entry->hash)) /
            (double)keel_endpoint_weight_now(entry, policy, request->now);

        if (score >= least)
            continue;
        least = score;
        best = i;
    }
    return best;
}

/* ---- which of the three -------------------------------------------------------- */

uint32_t keel_endpoints_draw(const keel_endpoints *set, const keel_policy *policy,
                             const keel_endpoint_request *request,
                             const keel_endpoint_level *level, uint64_t usable,
                             uint64_t some)
{
    if (!(some & (some - 1)))
        return keel_endpoint_take_lowest(&some);
    if (policy->endpoints_by == KEEL_ENDPOINTS_BY_TURN)
        return choose_by_turn(set, policy, level->members & usable, some,
                              &set->own->passed[level->number], request->now);
    return keel_endpoints_stick(policy, request)
               ? choose_by_affinity(set, policy, request, some)
               : choose_by_load(set, policy, request, some);
}
