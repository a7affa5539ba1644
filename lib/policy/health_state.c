/* SPDX-License-Identifier: MIT */
/* Rows of good and bad answers, and the lease of who asks. */
#include "policy/health_state.h"

#include "base/clock.h"

#define ROW_MAX 127u
#define CHANGES_MASK 0xfffu
#define MS_MASK (((uint64_t)1 << 42) - 1)
#define UNTIL_MASK (((uint64_t)1 << 56) - 1)

/* ---- the state ---------------------------------------------------------------------- */

typedef struct parts {
    keel_check_state state;
    bool last_is_good;
    uint32_t row;
    uint32_t changes;
    uint64_t at_ms;
} parts;

static parts unpack(uint64_t word)
{
    return (parts){ .state = (keel_check_state)(word >> 62),
                    .last_is_good = word >> 61 & 1,
                    .row = word >> 54 & ROW_MAX,
                    .changes = word >> 42 & CHANGES_MASK,
                    .at_ms = word & MS_MASK };
}

static uint64_t pack(const parts *p)
{
    return (uint64_t)p->state << 62 | (uint64_t)p->last_is_good << 61 |
           (uint64_t)p->row << 54 | (uint64_t)(p->changes & CHANGES_MASK) << 42 |
           (p->at_ms & MS_MASK);
}

keel_health_view keel_health_view_of(uint64_t word)
{
    parts p = unpack(word);

    return (keel_health_view){ p.state, p.row, p.changes, p.at_ms * KEEL_MS };
}

/* What a row that is long enough makes of the target. */
static keel_check_state state_after(const parts *p, const keel_health_policy *policy)
{
    if (p->row < (p->last_is_good ? policy->rise : policy->fall))
        return p->state;
    return p->last_is_good ? KEEL_CHECK_HEALTHY : KEEL_CHECK_UNHEALTHY;
}

uint64_t keel_health_after(uint64_t word, const keel_health_policy *policy,
                           bool is_good, uint64_t now)
{
    parts p = unpack(word);
    keel_check_state state;

    if (p.last_is_good != is_good)
        p.row = 0;
    p.last_is_good = is_good;
    p.row += p.row < ROW_MAX;
    p.at_ms = now / KEEL_MS;
    state = state_after(&p, policy);
    p.changes += state != p.state;
    p.state = state;
    return pack(&p);
}

bool keel_health_count(keel_health_words *words, const keel_health_policy *policy,
                       bool is_good, uint64_t now, keel_health_view *view)
{
    uint64_t word = atomic_load_explicit(&words->state, memory_order_acquire);
    uint64_t after;

    do
        after = keel_health_after(word, policy, is_good, now);
    /* release pairs with the acquire of whoever looks: he sees the result before it */
    while (!atomic_compare_exchange_weak_explicit(
        &words->state, &word, after, memory_order_acq_rel, memory_order_acquire));
    *view = keel_health_view_of(after);
    return view->state != unpack(word).state;
}

void keel_health_forget(keel_health_words *words, uint64_t longest_ns, uint64_t now)
{
    uint64_t word = atomic_load_explicit(&words->state, memory_order_acquire);
    uint64_t checked_at = keel_health_view_of(word).checked_at_ns;

    if (checked_at && keel_ns_left(now, checked_at) > longest_ns)
        /* relaxed: what is unknown leads nobody to another word */
        atomic_compare_exchange_strong_explicit(
            &words->state, &word, 0, memory_order_relaxed, memory_order_relaxed);
}

/* ---- the lease ---------------------------------------------------------------------- */

static uint32_t slot_of(uint64_t owner)
{
    return (uint32_t)(owner >> 56);
}

static uint64_t until_of(uint64_t lease)
{
    return (lease & UNTIL_MASK) * 1000;
}

static uint64_t lease_pack(uint64_t self, uint64_t until)
{
    return (self & ~UNTIL_MASK) | (until / 1000 & UNTIL_MASK);
}

/* An empty one's instant has passed; one further off than any lease is none. */
static bool holds(uint64_t lease, uint64_t now)
{
    uint64_t until = until_of(lease);

    return until > now && until - now <= KEEL_HEALTH_LEASE_NS;
}

bool keel_health_lead(keel_health_words *words, uint64_t self, uint64_t now,
                      uint64_t *seen, keel_health_is_gone_fn *is_gone, void *ctx)
{
    uint64_t lease = atomic_load_explicit(&words->lease, memory_order_relaxed);
    bool is_ours = slot_of(lease) == slot_of(self);
    bool has_rested = lease == *seen;

    *seen = lease;
    if (!is_ours && holds(lease, now) && !(has_rested && is_gone(slot_of(lease), ctx)))
        return false;
    /* relaxed: it guards no other word, answers are counted whoever asks */
    return atomic_compare_exchange_strong_explicit(
        &words->lease, &lease, lease_pack(self, keel_ns_add(now, KEEL_HEALTH_LEASE_NS)),
        memory_order_relaxed, memory_order_relaxed);
}

void keel_health_forsake(keel_health_words *words, uint32_t slot)
{
    uint64_t lease = atomic_load_explicit(&words->lease, memory_order_relaxed);

    if (lease && slot_of(lease) == slot)
        atomic_compare_exchange_strong_explicit(
            &words->lease, &lease, 0, memory_order_relaxed, memory_order_relaxed);
}

void keel_health_leave(keel_health_words *words, uint64_t self)
{
    keel_health_forsake(words, slot_of(self));
}
