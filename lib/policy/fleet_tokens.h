/* SPDX-License-Identifier: MIT */
/*
 * Tokens of a rate limit that a whole fleet counts together. A member, which is a process
 * or a host, leases them in batches ahead of need; these are the words between the calls
 * that take them and the relay that leases them (lib/share), and how many it should have.
 *
 * While the fleet cannot be asked the local limiter (rate.h) stands in, at this member's
 * part of the rate.
 */
#ifndef KEEL_POLICY_FLEET_TOKENS_H
#define KEEL_POLICY_FLEET_TOKENS_H

#include "policy/rate.h"

#define KEEL_TOKENS_SOON_NS                                                            \
    (10 * (uint64_t)1000000) /* one more may be leased by then */
#define KEEL_TOKENS_SAY_NS (3 * (uint64_t)1000000000) /* from when it is renewed */

/*
 * tokens: lent 32 | taken 32. Both are counted up for ever, modulo 2^32; their difference
 * is what is left. In one word, so that a token is never taken while it is given back.
 */
typedef struct keel_fleet_tokens {
    _Atomic uint64_t tokens;
    _Atomic uint64_t governs_until; /* moved on while somebody speaks to the fleet */
    _Atomic uint64_t members; /* of the fleet, when it was last heard of; 0: never */
    _Atomic uint64_t missed;  /* calls that found none, since ever */
    _Atomic uint64_t wanted;  /* not 0: the relay has not seen to them yet */
    _Atomic uint64_t next_at; /* when the fleet will have another one */
    uint64_t spare[2];
} keel_fleet_tokens;

/* In place of an instant: the token is one of the fleet's. */
#define KEEL_FLEET_TOKEN UINT64_MAX

/* Whether tokens are the fleet's to lend just now. */
static inline bool keel_fleet_tokens_govern(const keel_fleet_tokens *words,
                                            uint64_t now)
{
    uint64_t until =
        words ? atomic_load_explicit(&words->governs_until, memory_order_relaxed) : 0;

    /* a longer say than any relay takes is none of a relay's; a clock may lag a little */
    return now < until && until - now <= 2 * KEEL_TOKENS_SAY_NS;
}

/* Takes one. False: there is none here. */
bool keel_fleet_tokens_take(keel_fleet_tokens *words);

/* Gives one back that was not used. */
void keel_fleet_tokens_put_back(keel_fleet_tokens *words);

/* Moves of the relay. withdraw: takes at most so many away; returns how many it were. */
void keel_fleet_tokens_lend(keel_fleet_tokens *words, uint32_t count);
uint32_t keel_fleet_tokens_withdraw(keel_fleet_tokens *words, uint32_t most);

uint32_t keel_fleet_tokens_left(const keel_fleet_tokens *words);
uint32_t keel_fleet_tokens_taken(const keel_fleet_tokens *words); /* since ever */

/* The local limiter at this member's part of the rate: T times, burst by the number of
 * members, and never without a token. */
keel_rate keel_fleet_tokens_share(const keel_rate *rate);

/* ---- how many to have ------------------------------------------------------------- */

/* What a member of a fleet may hold and ask for; from settings. */
typedef struct keel_tokens_allowance {
    uint32_t stock; /* to keep while nobody calls; 0: the burst is too small for that */
    uint32_t burst; /* of the fleet, without what its members have in stock */
} keel_tokens_allowance;

/*
 * The stock is a tenth of a second's worth, or half of the member's part of the burst
 * where that is less. It is the fleet's burst less as much as all have in stock together
 * that can be leased: so no more than a burst is ever there at once.
 */
keel_tokens_allowance keel_fleet_tokens_allow(const keel_policy *policy,
                                              uint64_t members);

/* What a member knows when it looks how many tokens it should have. */
typedef struct keel_tokens_demand {
    uint32_t taken;    /* since the last look */
    uint32_t missed;   /* calls that found none since then */
    uint64_t since_ns; /* the last look */
    bool is_wanted;    /* a call found none, not long ago, and may come again */
} keel_tokens_demand;

/* How many should be here: what was taken lately and missed, for a tenth of a second. */
uint32_t keel_fleet_tokens_target(const keel_tokens_allowance *allowance,
                                  const keel_tokens_demand *demand);

#endif
