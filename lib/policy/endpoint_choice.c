/* SPDX-License-Identifier: MIT */
/* Which endpoint is next. */
#include "policy/endpoint_choice.h"

#include <math.h>

#include "base/seed.h"
#include "policy/breaker_moves.h"
#include "policy/outlier.h"

/* ---- who there is --------------------------------------------------------------- */

/* What a look at all endpoints comes to; a bit each. */
typedef struct survey {
    uint64_t candidates; /* their breaker lets an attempt through, or may */
    uint64_t closed;     /* of these, those that ask for no probe */
    uint64_t healthy;    /* of these, those neither ejected nor ill */
    uint64_t open_left;  /* until the first breaker lets a probe through */
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

        if (!ask_breaker(&s, entry, bit, now))
            continue;
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
    s->healthy &= s->candidates;
}

/* The lowest of some, taken off them. */
static uint32_t take_lowest(uint64_t *some)
{
    uint32_t index = (uint32_t)__builtin_ctzll(*some);

    *some &= *some - 1;
    return index;
}

/* ---- weights -------------------------------------------------------------------- */

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

/* In units of KEEL_ENDPOINT_WEIGHT_UNIT. */
static uint64_t weight_of(const keel_endpoint_entry *entry, const keel_policy *policy,
                          uint64_t now)
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

/* ---- by load -------------------------------------------------------------------- */

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
        uint32_t i = take_lowest(&some);

        s->weights[i] = (uint32_t)weight_of(&set->entries[i], policy, now);
        s->total += s->weights[i];
    }
}

/* One of them, each as likely as its weight; it is taken off the scales. */
static uint32_t draw(scales *s, const keel_random *random)
{
    uint64_t some = s->some, at = 0;
    uint32_t i = take_lowest(&some);

    if (some)
        at = (uint64_t)(keel_random_draw(random) * (double)s->total);
    while (some && at >= s->weights[i]) {
        at -= s->weights[i];
        i = take_lowest(&some);
    }
    s->some &= ~keel_endpoint_bit(i);
    s->total -= s->weights[i];
    return i;
}

static uint64_t load_of(const keel_endpoint_entry *entry)
{
    return atomic_load_explicit(&entry->own->in_flight, memory_order_relaxed);
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
    return load_of(&set->entries[b]) * s.weights[a] <
                   load_of(&set->entries[a]) * s.weights[b]
               ? b
               : a;
}

/* ---- by turns ------------------------------------------------------------------- */

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
        uint32_t i = take_lowest(&level);
        const keel_endpoint_entry *entry = &set->entries[i];
        uint64_t pass = atomic_load_explicit(&entry->own->pass, memory_order_relaxed);
        uint64_t stride = stride_of(entry, weight_of(entry, policy, now));
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

/* ---- by affinity ---------------------------------------------------------------- */

/* In (0, 1), the same for the same number. */
static double fraction_of(uint64_t number)
{
    return ((double)(keel_mix(number) >> 11) + 0.5) * 0x1p-53;
}

static uint32_t choose_by_affinity(const keel_endpoints *set, const keel_policy *policy,
                                   const keel_endpoint_request *request, uint64_t some)
{
    double least = INFINITY;
    uint32_t best = 0;

    while (some) {
        uint32_t i = take_lowest(&some);
        const keel_endpoint_entry *entry = &set->entries[i];
        double score = -log(fraction_of(keel_mix(request->affinity) ^ entry->hash)) /
                       (double)weight_of(entry, policy, request->now);

        if (score >= least)
            continue;
        least = score;
        best = i;
    }
    return best;
}

/* ---- levels --------------------------------------------------------------------- */

static bool is_sticky(const keel_policy *policy, const keel_endpoint_request *request)
{
    return policy->endpoints_by == KEEL_ENDPOINTS_BY_AFFINITY && request->affinity;
}

/* What a level can take of all calls with so many of its members. */
static double share_of(const keel_endpoints *set, const keel_policy *policy,
                       const keel_endpoint_level *level, uint64_t members)
{
    uint64_t weight = 0;

    if (members == level->members)
        return 1;
    while (members)
        weight += set->entries[take_lowest(&members)].weight;
    return fmin(1, (double)weight * KEEL_PPM /
                       ((double)policy->healthy_share_ppm * (double)level->weight));
}

/* What each level takes; shares may be NULL. Returns the sum, 1 where they are enough. */
static double share_out(const keel_endpoints *set, const keel_policy *policy,
                        uint64_t usable, double *shares)
{
    double sum = 0;

    for (uint32_t i = 0; i < set->level_count; i++) {
        const keel_endpoint_level *level = &set->levels[i];
        double share =
            sum < 1 ? share_of(set, policy, level, usable & level->members) : 0;

        share = fmin(share, 1 - sum);
        sum += share;
        if (shares)
            shares[i] = share;
    }
    return sum;
}

static uint32_t choose_level(const keel_endpoints *set, const keel_policy *policy,
                             const keel_endpoint_request *request, uint64_t usable)
{
    double shares[KEEL_ENDPOINT_LEVELS], sum, at;
    uint32_t i;

    if (share_of(set, policy, &set->levels[0], usable & set->levels[0].members) >= 1)
        return 0;
    sum = share_out(set, policy, usable, shares);
    for (i = 0; i < set->level_count; i++)
        if (shares[i] >= sum)
            return i; /* all of it: nothing to draw */
    at = sum * (is_sticky(policy, request) ? fraction_of(request->affinity)
                                           : keel_random_draw(request->random));
    for (i = 0; i + 1 < set->level_count && at >= shares[i]; i++)
        at -= shares[i];
    return i;
}

/* The nearest level that has one of some. */
static uint32_t nearest_level(const keel_endpoints *set, uint64_t some)
{
    uint32_t i = 0;

    while (!(set->levels[i].members & some))
        i++;
    return i;
}

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
    uint32_t at = choose_level(set, policy, request, usable);
    uint64_t some;

    if (!(set->levels[at].members & wanted))
        at = nearest_level(set, wanted);
    some = set->levels[at].members & wanted;
    if (!(some & (some - 1)))
        return take_lowest(&some);
    if (policy->endpoints_by == KEEL_ENDPOINTS_BY_TURN)
        return choose_by_turn(set, policy, set->levels[at].members & usable, some,
                              &set->own->passed[set->levels[at].number], request->now);
    return is_sticky(policy, request) ? choose_by_affinity(set, policy, request, some)
                                      : choose_by_load(set, policy, request, some);
}

/* ---- panic ---------------------------------------------------------------------- */

static bool is_panic(const keel_endpoints *set, const keel_policy *policy,
                     const survey *s)
{
    uint64_t healthy = (uint64_t)__builtin_popcountll(s->healthy);
    uint64_t least = policy->eject ? policy->eject_panic_ppm : 0;

    return !healthy || (healthy * KEEL_PPM < least * set->count &&
                        share_out(set, policy, s->healthy, NULL) < 1);
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

/* ---- picks ---------------------------------------------------------------------- */

static void note_moves(uint32_t index, const keel_changes *moves,
                       keel_endpoint_changes *changes)
{
    for (uint32_t i = 0; i < moves->count; i++)
        keel_endpoint_note(changes,
                           &(keel_endpoint_change){ .event = KEEL_ENDPOINT_MOVED,
                                                    .index = index,
                                                    .move = moves->items[i] });
}

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
    note_moves(pick->index, &moves, changes);
    return status;
}

static bool try_one(const keel_endpoints *set, const keel_policy *policy,
                    const keel_endpoint_request *request, survey *s, uint32_t index,
                    keel_endpoint_pick *pick, keel_endpoint_changes *changes)
{
    uint64_t left = 0;

    *pick = (keel_endpoint_pick){ .index = (uint8_t)index };
    if (admit(set, policy, request, pick, &left, changes) == KEEL_OK) {
        atomic_fetch_add_explicit(&set->entries[index].own->in_flight, 1,
                                  memory_order_relaxed);
        pick->flags = KEEL_PICK_HELD;
        return true;
    }
    if (left)
        s->open_left = keel_ns_min(s->open_left, left);
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

static keel_status refuse(const survey *s, keel_endpoint_pick *pick,
                          uint64_t *retry_after_ns)
{
    bool is_open = s->open_left != KEEL_NEVER;

    *pick = (keel_endpoint_pick){ .flags = 0 };
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
        uint64_t usable = is_panic(set, policy, &s) ? s.candidates : s.healthy;
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
        note_moves(pick->index, &moves, changes);
    }
    if (result->outcome != KEEL_OUTCOME_NEUTRAL)
        keel_outlier_record(set, policy, pick->index,
                            result->outcome == KEEL_OUTCOME_FAILED, now, random,
                            changes);
    return counts;
}

/* ---- an operator ----------------------------------------------------------------- */

void keel_endpoints_reset(const keel_endpoints *set, uint64_t now,
                          keel_endpoint_changes *changes)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const keel_endpoint_entry *entry = &set->entries[i];
        keel_changes moves = { .count = 0 };

        if (entry->breaker.words)
            keel_breaker_reset(&entry->breaker, now, &moves);
        note_moves(i, &moves, changes);
        atomic_store_explicit(&entry->words->ejection, 0, memory_order_relaxed);
        atomic_store_explicit(&entry->words->row, 0, memory_order_relaxed);
        atomic_store_explicit(&entry->words->tally, 0, memory_order_relaxed);
    }
}

/* ---- active checks -------------------------------------------------------------- */

bool keel_endpoints_say_health(const keel_endpoints *set, uint32_t index,
                               bool is_healthy, uint64_t now)
{
    const keel_endpoint_entry *entry = &set->entries[index];
    _Atomic uint64_t *health = &entry->words->health;
    uint64_t old = atomic_load_explicit(health, memory_order_relaxed);
    uint64_t fresh = is_healthy ? now & ~KEEL_ENDPOINT_ILL : now | KEEL_ENDPOINT_ILL;

    do {
        if (is_healthy != !!(old & KEEL_ENDPOINT_ILL))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        health, &old, fresh, memory_order_relaxed, memory_order_relaxed));
    if (is_healthy && entry->breaker.words)
        (void)keel_breaker_hasten(&entry->breaker, now);
    return true;
}

/* ---- looks ---------------------------------------------------------------------- */

void keel_endpoints_view(const keel_endpoints *set, const keel_policy *policy,
                         uint32_t index, uint64_t now, keel_endpoint_view *view)
{
    const keel_endpoint_entry *entry = &set->entries[index];
    const keel_endpoint_words *words = entry->words;
    uint64_t ejection = atomic_load_explicit(&words->ejection, memory_order_relaxed);
    uint64_t tally = atomic_load_explicit(&words->tally, memory_order_relaxed);

    *view = (keel_endpoint_view){
        .has_breaker = entry->breaker.words != NULL,
        .is_ill = keel_endpoint_is_ill(entry),
        .ejected_left_ns = keel_ejection_holds(ejection, now)
                               ? keel_ejection_until_ns(ejection) - now
                               : 0,
        .ejections = keel_ejection_times(ejection),
        .in_flight = load_of(entry),
        .ok = (uint32_t)tally,
        .failed = tally >> 32,
        .weight = (double)weight_of(entry, policy, now) / KEEL_ENDPOINT_WEIGHT_UNIT,
    };
    if (!view->has_breaker)
        return;
    view->breaker = keel_breaker_look(&entry->breaker, now);
    view->failed = view->breaker.totals.failed;
    view->ok = view->breaker.totals.total - view->failed;
}
