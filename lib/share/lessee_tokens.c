/* SPDX-License-Identifier: MIT */
/*
 * Leasing tokens of a fleet's rate limit: a tenth of a second's worth ahead of need. What
 * was lost on the way, asked for or given back, is lost: the rate is then a little lower,
 * and never higher.
 */
#include "share/lessee.h"

#define BUSY_LOOK_NS (25 * KEEL_MS)
#define IDLE_NS KEEL_S          /* unused for so long, what is too many goes back */
#define WANTED_NS (60 * KEEL_S) /* a call that found none is remembered as long */
#define PAUSE_NS (10 * KEEL_MS) /* between two exchanges */

static bool is_missed(const keel_plan *plan)
{
    return atomic_load(&plan->rate.fleet->wanted) != 0;
}

static keel_tokens_demand look(keel_leased_tokens *t, keel_fleet_tokens *words,
                               uint64_t now)
{
    keel_tokens_demand d = { .since_ns = keel_ns_left(now, t->looked_at) };
    uint64_t missed;
    uint32_t taken;

    atomic_store(&words->wanted, 0); /* who misses one from now on marks it again */
    missed = atomic_load(&words->missed);
    taken = keel_fleet_tokens_taken(words);
    d.missed = (uint32_t)keel_ns_min(missed - t->missed, UINT32_MAX);
    d.taken = taken - t->taken;
    if (d.taken > INT32_MAX) /* more were put back than taken */
        d.taken = 0;
    if (d.missed)
        t->missed_at = now;
    if (d.missed || d.taken)
        t->used_at = now;
    d.is_wanted =
        t->missed_at != KEEL_NEVER && keel_ns_left(now, t->missed_at) < WANTED_NS;
    t->missed = missed;
    t->taken = taken;
    t->looked_at = now;
    return d;
}

/* Never heard before, or not for a while: what was left of then is nobody's. */
static void forget(keel_leased_tokens *t, keel_fleet_tokens *words, uint64_t now)
{
    keel_fleet_tokens_withdraw(words, UINT32_MAX);
    t->target = 0;
    t->looked_at = now;
    t->taken = keel_fleet_tokens_taken(words);
}

static void describe(const keel_lessee *l, const keel_plan *plan, uint32_t members,
                     keel_wire_rate *request)
{
    const keel_policy *p = &plan->policy;

    *request = (keel_wire_rate){ .name = l->pipeline->name,
                                 .count = p->rate.count,
                                 .period_us = p->rate.period_ns / 1000,
                                 .burst = keel_fleet_tokens_allow(p, members).burst };
    if (!request->period_us)
        request->period_us = 1;
}

/* A small bucket is full again soon, and more than it holds is lost. */
static uint64_t pace(const keel_rate *rate, uint32_t burst, uint64_t usual)
{
    uint64_t half = rate->interval_ns * burst / 2;

    return keel_ns_min(half > KEEL_MS ? half : KEEL_MS, usual);
}

static bool is_idle(const keel_leased_tokens *t, uint64_t now)
{
    return keel_ns_left(now, t->used_at) >= IDLE_NS;
}

/* Half of them are gone, or a call went without: it is time for more. What is held for a
 * pace that is slower now goes back when it has come to rest. */
static bool needs_exchange(const keel_leased_tokens *t, keel_fleet_tokens *words,
                           const keel_tokens_demand *d, uint64_t now,
                           keel_wire_rate *request)
{
    uint32_t left = keel_fleet_tokens_left(words);

    if (left < t->target && (d->missed || !t->is_heard || left <= t->target / 2))
        request->want = t->target - left;
    else if (left > t->target && is_idle(t, now))
        request->give_back = keel_fleet_tokens_withdraw(words, left - t->target);
    return request->want || request->give_back || !t->is_heard;
}

/* Falls slowly, so that a look at which nobody called changes little. */
static void aim(keel_leased_tokens *t, uint32_t target, uint64_t now)
{
    if (target >= t->target || is_idle(t, now))
        t->target = target;
    else
        t->target -= (t->target - target + 7) / 8;
}

uint64_t keel_lessee_tokens_next(const keel_lessee *l, const keel_plan *plan)
{
    const keel_leased_tokens *t = &l->tokens;
    bool is_short =
        t->target && keel_fleet_tokens_left(plan->rate.fleet) <= t->target / 2;

    return is_short || is_missed(plan) ? keel_ns_min(t->look_at, t->ask_at)
                                       : t->look_at;
}

bool keel_lessee_tokens(keel_lessee *l, const keel_plan *plan, uint32_t members,
                        uint64_t now, keel_wire_rate *request)
{
    keel_leased_tokens *t = &l->tokens;
    keel_fleet_tokens *words = plan->rate.fleet;
    keel_tokens_allowance allowance = keel_fleet_tokens_allow(&plan->policy, members);
    keel_tokens_demand d;

    if (now < keel_lessee_tokens_next(l, plan))
        return false;
    if (!t->is_heard)
        forget(t, words, now);
    else
        atomic_store_explicit(&words->governs_until, now + KEEL_TOKENS_SAY_NS,
                              memory_order_relaxed);
    atomic_store_explicit(&words->members, members, memory_order_relaxed);
    d = look(t, words, now);
    aim(t, keel_fleet_tokens_target(&allowance, &d), now);
    t->look_at =
        now + (is_idle(t, now) ? KEEL_LESSEE_LOOK_NS
                               : pace(&plan->rate, allowance.burst, BUSY_LOOK_NS));
    describe(l, plan, members, request);
    return now >= t->ask_at && needs_exchange(t, words, &d, now, request);
}

void keel_lessee_lent(keel_lessee *l, const keel_plan *plan,
                      const keel_wire_rate *request, uint32_t granted, uint32_t wait_ms,
                      uint64_t now)
{
    keel_leased_tokens *t = &l->tokens;
    keel_fleet_tokens *words = plan->rate.fleet;
    uint64_t wait = granted < request->want ? wait_ms * KEEL_MS : 0;
    uint64_t pause = pace(&plan->rate, (uint32_t)request->burst, PAUSE_NS);

    t->is_heard = true;
    keel_fleet_tokens_lend(words, granted);
    atomic_store_explicit(&words->next_at, now + wait, memory_order_relaxed);
    atomic_store_explicit(&words->governs_until, now + KEEL_TOKENS_SAY_NS,
                          memory_order_relaxed);
    /* no sooner than there may be one, nor much later: others may give theirs back */
    t->ask_at = now + keel_ns_min(wait > pause ? wait : pause, KEEL_S);
}

void keel_lessee_tokens_alone(const keel_plan *plan, uint32_t members)
{
    atomic_store_explicit(&plan->rate.fleet->members, members, memory_order_relaxed);
    atomic_store_explicit(&plan->rate.fleet->governs_until, 0, memory_order_relaxed);
}
