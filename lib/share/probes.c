/* SPDX-License-Identifier: MIT */
/*
 * The probes of a half-open round: claimed of the fleet, lent to who calls, and told how
 * they ended. A fence stands for one of them; which call took it does not matter.
 */
#include "share/follower.h"

#include <inttypes.h>
#include <string.h>

#define CLAIM_PAUSE_NS (50 * KEEL_MS)
#define CLAIM_PAUSE_MOST_NS KEEL_S
#define WANTED_NS (60 * KEEL_S) /* a call that was refused is remembered as long */
#define ROUND_TRIP_NS (200 * KEEL_MS)

enum { ALONE_MOST_PERIODS = 10 };

static uint32_t lease_ms(const keel_policy *p)
{
    return (uint32_t)keel_ns_min(
        (keel_ns_add(p->lease_ns, ROUND_TRIP_NS) + KEEL_MS - 1) / KEEL_MS, UINT32_MAX);
}

static uint64_t lease_ns(const keel_policy *p)
{
    return lease_ms(p) * KEEL_MS;
}

/* ---- claiming ----------------------------------------------------------------------- */

/* Somebody wanted to call and could not, since the open period ended. */
static bool is_wanted(const keel_follower *f, const keel_breaker *breaker, uint64_t now)
{
    uint64_t at =
        atomic_load_explicit(&breaker->fleet->wanted_at, memory_order_relaxed);

    return at >= f->until_at && keel_ns_left(now, at) < WANTED_NS;
}

/* The fleet's breaker is not closed and may be probed, and there is somebody to do it. */
static bool lacks_probe(const keel_follower *f, const keel_breaker *breaker,
                        uint64_t now)
{
    return f->epoch && f->state != KEEL_BREAKER_CLOSED && !f->is_alone &&
           now >= f->until_at && !f->fence_count && is_wanted(f, breaker, now);
}

/* As many as are this member's part of a round, one at least. */
static uint8_t share_of_round(const keel_follower *f, const keel_policy *p)
{
    uint32_t members = f->members ? f->members : 1;

    return (uint8_t)(p->half_open_permits > members ? p->half_open_permits / members
                                                    : 1);
}

/* In a large fleet not all ask at once: 4 K of them do, then 4 K more, and so on. */
static bool draws_to_claim(keel_follower *f, const keel_policy *p, uint64_t now)
{
    double members = f->members ? f->members : 1;
    uint64_t waves = 1 + f->claim_pause_ns / CLAIM_PAUSE_NS;
    double chance = 4.0 * p->half_open_permits * (double)waves / members;

    if (keel_random_draw(&f->pipeline->runtime->random) < chance)
        return true;
    f->claim_pause_ns += CLAIM_PAUSE_NS;
    f->claim_at = now + CLAIM_PAUSE_NS;
    return false;
}

bool keel_follower_claim(keel_follower *f, const keel_plan *plan, uint64_t now,
                         keel_wire_claim *claim)
{
    const keel_policy *p = &plan->policy;

    f->lacks_probe = lacks_probe(f, &plan->breaker, now);
    if (!f->lacks_probe || now < f->claim_at || !draws_to_claim(f, p, now))
        return false;
    *claim = (keel_wire_claim){
        .name = f->name,
        .epoch = f->epoch,
        .permits = (uint8_t)p->half_open_permits,
        .want = share_of_round(f, p),
        .lease_ms = lease_ms(p),
        .most_ms = keel_follower_most_ms(p),
        .keep_ms = keel_follower_keep_ms(p),
    };
    return true;
}

static void lend(keel_follower *f, const keel_plan *plan, uint64_t now)
{
    keel_changes changes = { .count = 0 };
    /* before: once it is lent a probe may have ended by the next look */
    keel_fleet_round before = keel_fleet_look(&plan->breaker, &plan->policy, now,
                                              &f->pipeline->runtime->random, &changes);

    f->generation = keel_fleet_lend(&plan->breaker, f->fence_count,
                                    now + lease_ns(&plan->policy), &changes);
    keel_pipeline_tell_changes(f->pipeline, &changes, now);
    f->told =
        before.generation == f->generation ? before : (keel_fleet_round){ .ok = 0 };
    f->renew_at = now + lease_ns(&plan->policy) / 2;
}

void keel_follower_claimed(keel_follower *f, const keel_plan *plan,
                           const keel_wire_claimed *answer, uint64_t now)
{
    keel_follower_hear(f, plan, &answer->view, now);
    if (answer->as != KEEL_WIRE_GRANTED) {
        f->claim_pause_ns += CLAIM_PAUSE_NS;
        f->claim_at = now + keel_ns_min(f->claim_pause_ns, CLAIM_PAUSE_MOST_NS);
        return;
    }
    f->claim_pause_ns = 0;
    f->fence_count = (uint32_t)answer->count;
    memcpy(f->fences, answer->fences, answer->count * sizeof f->fences[0]);
    keel_runtime_log(f->pipeline->runtime, KEEL_LOG_DEBUG, "fleet",
                     "pipeline=%s epoch=%" PRIu64 " lent=%u", f->name, f->epoch,
                     (unsigned)f->fence_count);
    lend(f, plan, now);
}

/* ---- ending ------------------------------------------------------------------------- */

static void fill_rules(const keel_follower *f, const keel_plan *plan, uint64_t now,
                       keel_wire_result *result)
{
    const keel_policy *p = &plan->policy;

    *result = (keel_wire_result){
        .name = f->name,
        .epoch = f->epoch,
        .fence = f->fences[f->fence_count - 1],
        .late_decision = !p->early_decision,
        .permits = (uint8_t)p->half_open_permits,
        .allowed = (uint8_t)p->half_open_failures,
        .allowed_slow = p->slow_call_ns ? (uint8_t)p->half_open_slow : 255,
        .lease_ms = lease_ms(p),
        .keep_ms = keel_follower_keep_ms(p),
        .opening = keel_follower_opening(f, plan, now),
    };
}

/* The oldest end that was not told yet; false: there is none. */
static bool next_end(keel_follower *f, const keel_fleet_round *round,
                     keel_wire_result *result)
{
    if (round->failed > f->told.failed) {
        f->told.failed++;
        result->ending = KEEL_WIRE_BAD;
    } else if (round->ok > f->told.ok) {
        f->told.ok++;
        result->ending = KEEL_WIRE_GOOD;
    } else {
        return false;
    }
    result->slow = round->slow > f->told.slow;
    f->told.slow += result->slow;
    return true;
}

/* What nobody has called for yet is held on to, while nobody else wants it: a breaker
 * that is called once a minute must recover, too. */
static bool next_renewal(keel_follower *f, uint64_t now, const keel_policy *p,
                         keel_wire_result *result)
{
    if (now < f->renew_at)
        return false;
    if (f->renewed >= f->fence_count)
        f->renewed = 0; /* some have ended meanwhile */
    result->ending = KEEL_WIRE_RENEW;
    result->fence = f->fences[f->renewed++];
    if (f->renewed >= f->fence_count) {
        f->renewed = 0;
        f->renew_at = now + lease_ns(p) / 2;
    }
    return true;
}

bool keel_follower_result(keel_follower *f, const keel_plan *plan, uint64_t now,
                          keel_wire_result *result)
{
    keel_changes changes = { .count = 0 };
    keel_fleet_round round;

    if (!f->fence_count)
        return false;
    round = keel_fleet_look(&plan->breaker, &plan->policy, now,
                            &f->pipeline->runtime->random, &changes);
    keel_pipeline_tell_changes(f->pipeline, &changes, now);
    fill_rules(f, plan, now, result);
    result->ending = KEEL_WIRE_UNUSED;
    if (round.generation != f->generation)
        return true; /* somebody here has ended the round */
    if (next_end(f, &round, result))
        return true;
    result->ending = KEEL_WIRE_UNUSED;
    if (f->others_wait && keel_fleet_take_back(&plan->breaker, f->generation))
        return true;
    return next_renewal(f, now, &plan->policy, result);
}

static void forget_fence(keel_follower *f, uint32_t fence)
{
    for (uint32_t i = 0; i < f->fence_count; i++)
        if (f->fences[i] == fence) {
            f->fences[i] = f->fences[--f->fence_count];
            return;
        }
}

void keel_follower_ended(keel_follower *f, const keel_plan *plan,
                         const keel_wire_result *sent, const keel_wire_ended *answer,
                         uint64_t now)
{
    static const char *const endings[] = { "good", "bad", "unused", "renewed" };

    keel_runtime_log(f->pipeline->runtime, KEEL_LOG_DEBUG, "fleet",
                     "pipeline=%s epoch=%" PRIu64 " probe=%s answer=%d", f->name,
                     sent->epoch, endings[sent->ending & 3], (int)answer->as);
    f->others_wait = answer->waiting;
    if (sent->ending != KEEL_WIRE_RENEW || answer->as != KEEL_WIRE_RENEWED)
        forget_fence(f, sent->fence);
    f->claim_at = now;
    if (sent->ending == KEEL_WIRE_UNUSED) /* who waits comes first */
        f->claim_at = now + CLAIM_PAUSE_NS;
    keel_follower_hear(f, plan, &answer->view, now);
}

/* ---- alone -------------------------------------------------------------------------- */

/*
 * Each member goes its own way with such a chance that one of the fleet does: then as
 * many probes are sent as a round has; after ten periods without, for sure.
 */
static bool draws_alone(keel_follower *f)
{
    double members = f->members ? f->members : 1;

    f->periods++;
    if (f->periods <= ALONE_MOST_PERIODS &&
        keel_random_draw(&f->pipeline->runtime->random) >= 1 / members)
        return false;
    f->periods = 0;
    return true;
}

static uint64_t open_length(const keel_follower *f, const keel_plan *plan, uint64_t now)
{
    keel_wire_opening o = keel_follower_opening(f, plan, now);

    return (uint64_t)o.first_ms * o.jitter_ppm / KEEL_PPM * KEEL_MS;
}

static void stay_open(keel_follower *f, const keel_plan *plan, uint64_t now)
{
    keel_changes changes = { .count = 0 };

    f->until_at = now + open_length(f, plan, now);
    keel_fleet_open(&plan->breaker, now, f->until_at, &changes);
    keel_pipeline_tell_changes(f->pipeline, &changes, now);
}

/*
 * From here on the breaker goes by its own rules, until the fleet is heard again. To the
 * fleet it is still open, with no time left: a server that was reverted to before that
 * must not take the number for one of its own, closed, state.
 */
static void go_alone(keel_follower *f, const keel_plan *plan)
{
    f->state = KEEL_BREAKER_OPEN;
    f->is_alone = true;
    atomic_store_explicit(&plan->breaker.fleet->view,
                          keel_fleet_view_pack(KEEL_BREAKER_CLOSED, f->epoch),
                          memory_order_release);
}

void keel_follower_alone(keel_follower *f, const keel_plan *plan, uint64_t now)
{
    if (f->epoch == 0 || f->state == KEEL_BREAKER_CLOSED || f->is_alone)
        return;
    if (now >= f->until_at && f->alone_at == KEEL_NEVER)
        f->alone_at = now + (uint64_t)((double)open_length(f, plan, now) *
                                       keel_random_draw(&f->pipeline->runtime->random));
    if (now < f->until_at || now < f->alone_at) {
        keel_follower_hold(f, plan, now);
        return;
    }
    f->alone_at = KEEL_NEVER;
    if (draws_alone(f))
        go_alone(f, plan);
    else
        stay_open(f, plan, now);
}
