/* SPDX-License-Identifier: MIT */
/* Tokens that a fleet lends. */
#include "policy/fleet_tokens.h"

#include "base/clock.h"

#define AHEAD_NS (100 * KEEL_MS)

typedef struct counts {
    uint32_t lent, taken;
} counts;

static counts unpack(uint64_t word)
{
    return (counts){ (uint32_t)(word >> 32), (uint32_t)word };
}

static uint64_t pack(counts c)
{
    return (uint64_t)c.lent << 32 | c.taken;
}

/* A count that has been passed by the other would be four thousand million. */
static uint32_t left_of(counts c)
{
    uint32_t left = c.lent - c.taken;

    return left <= INT32_MAX ? left : 0;
}

/* Relaxed throughout: a token stands for nothing else in memory. */
static counts read_tokens(const keel_fleet_tokens *words)
{
    return unpack(atomic_load_explicit(&words->tokens, memory_order_relaxed));
}

static bool swap_tokens(keel_fleet_tokens *words, counts *seen, counts next)
{
    uint64_t old = pack(*seen);
    bool done = atomic_compare_exchange_weak_explicit(
        &words->tokens, &old, pack(next), memory_order_relaxed, memory_order_relaxed);

    *seen = unpack(old);
    return done;
}

bool keel_fleet_tokens_take(keel_fleet_tokens *words)
{
    counts seen = read_tokens(words);

    do {
        if (!left_of(seen))
            return false;
    } while (!swap_tokens(words, &seen, (counts){ seen.lent, seen.taken + 1 }));
    return true;
}

void keel_fleet_tokens_put_back(keel_fleet_tokens *words)
{
    counts seen = read_tokens(words);

    while (!swap_tokens(words, &seen, (counts){ seen.lent, seen.taken - 1 }))
        ;
}

void keel_fleet_tokens_lend(keel_fleet_tokens *words, uint32_t count)
{
    counts seen = read_tokens(words);

    while (!swap_tokens(words, &seen, (counts){ seen.lent + count, seen.taken }))
        ;
}

uint32_t keel_fleet_tokens_withdraw(keel_fleet_tokens *words, uint32_t most)
{
    counts seen = read_tokens(words);
    uint32_t count;

    do {
        count = left_of(seen) < most ? left_of(seen) : most;
    } while (!swap_tokens(words, &seen, (counts){ seen.lent - count, seen.taken }));
    return count;
}

uint32_t keel_fleet_tokens_left(const keel_fleet_tokens *words)
{
    return left_of(read_tokens(words));
}

uint32_t keel_fleet_tokens_taken(const keel_fleet_tokens *words)
{
    return read_tokens(words).taken;
}

keel_rate keel_fleet_tokens_share(const keel_rate *rate)
{
    uint64_t members =
        atomic_load_explicit(&rate->fleet->members, memory_order_relaxed);
    uint64_t tokens = rate->burst_ns / rate->interval_ns + 1;
    keel_rate share = *rate;

    if (members <= 1)
        return share;
    if (rate->interval_ns > (KEEL_NEVER / 2) / members)
        share.interval_ns = KEEL_NEVER / 2;
    else
        share.interval_ns = rate->interval_ns * members;
    tokens = tokens > members ? tokens / members : 1;
    share.burst_ns = (tokens - 1) * share.interval_ns; /* at most what it was */
    return share;
}

/* ---- how many to have ------------------------------------------------------------- */

keel_tokens_allowance keel_fleet_tokens_allow(const keel_policy *policy,
                                              uint64_t members)
{
    uint64_t all = members ? members : 1;
    uint64_t interval = policy->rate.period_ns / policy->rate.count;
    uint64_t ahead = AHEAD_NS / (interval ? interval : 1);
    uint64_t most = policy->rate_burst / (2 * all);
    uint64_t stock = ahead > 1 ? ahead : 1;

    stock = stock < most ? stock : most;
    return (keel_tokens_allowance){ .stock = (uint32_t)stock,
                                    .burst =
                                        (uint32_t)(policy->rate_burst - stock * all) };
}

uint32_t keel_fleet_tokens_target(const keel_tokens_allowance *allowance,
                                  const keel_tokens_demand *demand)
{
    double pace = (double)AHEAD_NS / (double)(demand->since_ns ? demand->since_ns : 1);
    double need = (double)demand->taken * (pace > 1 ? pace : 1) + demand->missed;
    uint32_t most = allowance->stock + allowance->burst;
    uint32_t least = allowance->stock ? allowance->stock : demand->is_wanted;

    if (need > most)
        return most;
    return need > least ? (uint32_t)need : least;
}
