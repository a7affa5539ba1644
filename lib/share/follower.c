/* SPDX-License-Identifier: MIT */
/* What a breaker has to say to the fleet, and how it follows what it hears. Not for its
 * probes (probes.c) and its lock (locks.c). */
#include "share/follower.h"

#include <inttypes.h>
#include <string.h>

#include "base/seed.h"
#include "base/wall.h"

#define REGISTER_EVERY_NS (60 * KEEL_S)
#define KEEP_LEAST_MS 600000u
#define LEFT_OUT_EVERY_NS (60 * KEEL_S) /* is said in the log */

void keel_follower_init(keel_follower *f, keel_pipeline *pipeline)
{
    *f = (keel_follower){ .pipeline = pipeline, .state = KEEL_WIRE_UNKNOWN };
    /* a pipeline's name needs no encoding */
    strncpy(f->name, pipeline->name, sizeof f->name - 1);
    f->alone_at = KEEL_NEVER;
    keel_follower_rejoin(f);
}

void keel_follower_rejoin(keel_follower *f)
{
    f->must_report = true;
    f->register_at = 0;
    f->again_at = KEEL_NEVER;
    f->watch = 0;
    f->tripped_in = 0;  /* who was told may be gone */
    f->fence_count = 0; /* those there were are nobody's now; they run out */
}

/* On a board another relay may have left what it knew. */
static void recall(keel_follower *f, const keel_breaker *breaker)
{
    uint64_t view = atomic_load_explicit(&breaker->fleet->view, memory_order_acquire);

    f->has_recalled = true;
    f->epoch = keel_fleet_view_epoch(view);
    if (f->epoch)
        f->state = (uint8_t)keel_fleet_view_state(view);
    if (f->epoch && f->state == KEEL_BREAKER_OPEN)
        f->until_at = keel_breaker_look(breaker, 0).due_at_ns;
}

bool keel_follower_enter(keel_follower *f, keel_follower_visit *visit)
{
    visit->plan = keel_plan_enter(f->pipeline, &visit->phase);
    if (visit->plan->breaker.fleet) {
        f->is_off = false;
        if (!f->has_recalled)
            recall(f, &visit->plan->breaker);
        return true;
    }
    keel_plan_exit(f->pipeline, visit->phase);
    f->is_off = true;
    return false;
}

void keel_follower_exit(const keel_follower *f, const keel_follower_visit *visit)
{
    keel_plan_exit(f->pipeline, visit->phase);
}

/* ---- reporting ---------------------------------------------------------------------- */

/* Milliseconds of the wire; something that is set is never nothing. */
static uint32_t ms_of(uint64_t ns)
{
    uint64_t ms = ns / KEEL_MS + (ns % KEEL_MS != 0);

    return (uint32_t)keel_ns_min(ms, UINT32_MAX);
}

static uint32_t micro_of(double value)
{
    return value * 1e6 < UINT32_MAX ? (uint32_t)(value * 1e6) : UINT32_MAX;
}

uint32_t keel_follower_most_ms(const keel_policy *p)
{
    double jitter = (double)p->open_jitter_ppm / KEEL_PPM;

    return ms_of((uint64_t)((double)p->open_longest_ns * (1 + jitter)));
}

keel_wire_opening keel_follower_opening(const keel_follower *f, const keel_plan *plan,
                                        uint64_t now)
{
    const keel_policy *p = &plan->policy;
    double jitter = (double)p->open_jitter_ppm / KEEL_PPM;
    double draw = keel_random_draw(&f->pipeline->runtime->random);
    uint64_t wish =
        atomic_load_explicit(&plan->breaker.fleet->wish_until, memory_order_relaxed);

    return (keel_wire_opening){ .first_ms = ms_of(p->open_first_ns),
                                .longest_ms = ms_of(p->open_longest_ns),
                                .most_ms = keel_follower_most_ms(p),
                                .multiplier_micro = micro_of(p->open_multiplier),
                                .jitter_ppm = micro_of(1 - jitter + 2 * jitter * draw),
                                .stable_ms = ms_of(p->stable_ns),
                                .wish_ms = ms_of(keel_ns_left(wish, now)) };
}

uint32_t keel_follower_keep_ms(const keel_policy *p)
{
    uint64_t open = 2 * ((uint64_t)ms_of(p->open_longest_ns) + ms_of(p->lease_ns));
    uint64_t window = 2 * (uint64_t)ms_of(p->window_ns);
    uint64_t most = open > window ? open : window;

    return (uint32_t)keel_ns_min(most > KEEP_LEAST_MS ? most : KEEP_LEAST_MS,
                                 UINT32_MAX);
}

/* What two members must agree on for their outcomes to be added up. */
static uint32_t hash_of(const keel_policy *p)
{
    const uint64_t parts[] = { p->window_ns,       p->window_buckets,
                               p->min_calls,       p->failure_rate_ppm,
                               p->slow_call_ns,    p->slow_rate_ppm,
                               p->slow_is_failure, p->consecutive,
                               p->share_reporters };
    uint64_t hash = 0;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hash = keel_mix(hash ^ parts[i]);
    return (uint32_t)(hash >> 32);
}

/* Of two settings the later ones count: by when they were first followed here. */
static void describe_settings(keel_follower *f, const keel_policy *p)
{
    uint32_t hash = hash_of(p);

    if (f->cfg_version && f->cfg_hash == hash)
        return;
    f->cfg_hash = hash;
    f->cfg_version = (uint32_t)keel_wall_seconds();
}

static void write_rules(keel_follower *f, const keel_plan *plan, uint32_t slot_ms,
                        uint64_t now, keel_wire_report *r)
{
    const keel_policy *p = &plan->policy;

    describe_settings(f, p);
    r->cfg_hash = f->cfg_hash;
    r->cfg_version = f->cfg_version;
    r->slots = (uint8_t)f->deltas.slots;
    r->slot_ms = slot_ms;
    r->keep_ms = keel_follower_keep_ms(p);
    r->min_calls = p->min_calls;
    r->failure_ppm = p->failure_rate_ppm;
    r->slow_ppm = p->slow_call_ns ? p->slow_rate_ppm : 0;
    r->consecutive = p->consecutive;
    r->reporters = p->share_reporters;
    r->opening = keel_follower_opening(f, plan, now);
}

/* A breaker that tripped by itself, where one is enough for all; and one whose window is
 * by count, which nobody can add up. */
static bool wants_open(const keel_follower *f, const keel_plan *plan,
                       const keel_breaker_view *here)
{
    return (plan->policy.share_trip_any || plan->policy.window_calls) &&
           here->state == KEEL_BREAKER_OPEN && f->state == KEEL_BREAKER_CLOSED &&
           f->tripped_in != here->generation + 1;
}

static bool has_come(uint64_t at, uint64_t now)
{
    return at != KEEL_NEVER && now >= at;
}

/* Whether there is a reason to report, and with the news or without. */
static bool is_due(const keel_follower *f, uint64_t now, keel_occasion occasion,
                   bool trips, bool *with_news)
{
    *with_news = f->watch != f->answered || f->must_report ||
                 has_come(f->again_at, now) || f->deltas.has_bad;
    if (now < f->earliest_at)
        return false;
    return trips || *with_news ||
           (occasion == KEEL_OCCASION_BEAT && now >= f->register_at) ||
           (occasion != KEEL_OCCASION_NONE && f->state != KEEL_BREAKER_CLOSED);
}

/* What was counted since it was last told. Returns a slot's length, ms. */
static uint32_t count_news(keel_follower *f, const keel_window *window,
                           const keel_breaker_view *here, uint64_t now)
{
    uint32_t slot_ms = 0;

    f->deltas.count = 0;
    f->deltas.has_bad = false;
    if (!keel_deltas_fit(&f->deltas, window, &slot_ms)) {
        f->deltas.slots = 1;
        return 1000;
    }
    /* while open, what tripped stays readable, as of the generation before */
    if (here->state != KEEL_BREAKER_HALF_OPEN)
        keel_deltas_look(&f->deltas, window,
                         here->generation - (here->state == KEEL_BREAKER_OPEN), now);
    return slot_ms;
}

bool keel_follower_report(keel_follower *f, const keel_plan *plan, uint64_t now,
                          keel_occasion occasion, keel_wire_report *report,
                          uint64_t *next)
{
    keel_breaker_view here = keel_breaker_look(&plan->breaker, now);
    uint32_t slot_ms = count_news(f, &plan->breaker.window, &here, now);
    bool trips = wants_open(f, plan, &here), with_news;

    *next = f->again_at;
    if (!is_due(f, now, occasion, trips, &with_news)) {
        if (with_news || trips)
            *next = keel_ns_min(*next, f->earliest_at);
        return false;
    }
    *report = (keel_wire_report){ .name = f->name,
                                  .epoch = f->epoch,
                                  .state = f->state,
                                  .remaining_ms = ms_of(keel_ns_left(f->until_at, now)),
                                  .since_ms = ms_of(keel_ns_left(now, f->since_at)),
                                  .want_open = trips,
                                  .cause = (uint8_t)keel_fleet_trip_cause(
                                      &plan->breaker, here.generation),
                                  .registers = now >= f->register_at,
                                  .answered = f->watch,
                                  .deltas = f->deltas.news,
                                  .delta_count = with_news ? f->deltas.count : 0 };
    write_rules(f, plan, slot_ms, now, report);
    if (trips)
        f->tripped_in = here.generation + 1;
    return true;
}

void keel_follower_sent(keel_follower *f, const keel_wire_report *report, uint64_t now)
{
    if (report->registers)
        f->register_at =
            now + keel_random_spread(&f->pipeline->runtime->random, REGISTER_EVERY_NS);
    if (report->delta_count)
        keel_deltas_tell(&f->deltas);
    f->answered = report->answered;
    f->must_report = false;
    f->again_at = KEEL_NEVER;
    f->earliest_at = now + KEEL_FOLLOWER_FAST_NS;
}

void keel_follower_pace(keel_follower *f, uint64_t earliest_at)
{
    if (earliest_at > f->earliest_at)
        f->earliest_at = earliest_at;
}

/* ---- hearing ------------------------------------------------------------------------ */

static void publish(const keel_follower *f, const keel_breaker *breaker,
                    keel_breaker_state state)
{
    atomic_store_explicit(&breaker->fleet->view, keel_fleet_view_pack(state, f->epoch),
                          memory_order_release);
}

/* It has its say from before the words change, so that nobody judges in between. */
static void follow_open(keel_follower *f, const keel_breaker *breaker, uint64_t now,
                        keel_changes *changes)
{
    publish(f, breaker, (keel_breaker_state)f->state);
    atomic_store_explicit(&breaker->fleet->governs_until, now + KEEL_FLEET_SAY_NS,
                          memory_order_release);
    keel_fleet_open(breaker, now, f->until_at, changes);
}

/* The fleet has been open since we last knew it closed: so that what is open here has
 * been shown to be over. Heard of for the first time, it shows nothing. */
static void follow_closed(keel_follower *f, const keel_plan *plan, bool is_first,
                          uint64_t now, keel_changes *changes)
{
    if (!is_first)
        keel_fleet_close(&plan->breaker, &plan->policy, now, changes);
    publish(f, &plan->breaker, KEEL_BREAKER_CLOSED);
}

/* No longer than these settings ever keep it open, whoever says so. */
static uint64_t open_left(const keel_plan *plan, const keel_wire_view *view)
{
    uint64_t most = keel_follower_most_ms(&plan->policy);

    return view->state == KEEL_BREAKER_OPEN
               ? keel_ns_min(view->remaining_ms, most) * KEEL_MS
               : 0;
}

/* A state that is news. What was lent in the one before is over. */
static void follow(keel_follower *f, const keel_plan *plan, const keel_wire_view *view,
                   uint64_t now)
{
    keel_changes changes = { .count = 0 };
    bool is_first = f->epoch == 0;

    f->epoch = view->epoch;
    f->state = view->state;
    f->fence_count = 0;
    f->periods = 0;
    f->is_alone = false;
    f->alone_at = KEEL_NEVER;
    f->others_wait = false;
    f->claim_at = now;
    f->claim_pause_ns = 0;
    f->since_at = now - keel_ns_min(now, view->since_ms * KEEL_MS);
    f->until_at = now + open_left(plan, view);
    keel_runtime_log(
        f->pipeline->runtime, KEEL_LOG_INFO, "fleet",
        "pipeline=%s epoch=%" PRIu64 " state=%s left_ms=%" PRIu64 " data=%016" PRIx64,
        f->name, f->epoch, keel_breaker_state_name((keel_breaker_state)f->state),
        (f->until_at - now) / KEEL_MS, f->gen);
    if (view->state == KEEL_BREAKER_CLOSED)
        follow_closed(f, plan, is_first, now, &changes);
    else
        follow_open(f, &plan->breaker, now, &changes);
    keel_pipeline_tell_changes(f->pipeline, &changes, now);
}

/* Some minutes of an open period may have been cut by the server. */
static void hear_again(keel_follower *f, const keel_plan *plan,
                       const keel_wire_view *view, uint64_t now)
{
    keel_changes changes = { .count = 0 };
    uint64_t until = now + open_left(plan, view);

    if (view->state != KEEL_BREAKER_OPEN || until >= f->until_at)
        return;
    f->until_at = until;
    keel_fleet_open(&plan->breaker, now, until, &changes);
    keel_pipeline_tell_changes(f->pipeline, &changes, now);
}

/* While a fleet is renewed it is to be expected; for longer, somebody has to know. */
static void tell_left_out(keel_follower *f, const keel_wire_view *view, uint64_t now)
{
    if (!(view->mismatch || view->newer) || now < f->left_out_at)
        return;
    f->left_out_at = now + LEFT_OUT_EVERY_NS;
    keel_runtime_log(f->pipeline->runtime, KEEL_LOG_WARNING, "fleet",
                     "pipeline=%s counted=no why=\"%s\"", f->name,
                     view->newer ? "a later keel keeps the fleet's breaker"
                                 : "other members have later settings");
}

void keel_follower_hear(keel_follower *f, const keel_plan *plan,
                        const keel_wire_view *view, uint64_t now)
{
    keel_follower_hear_lock(f, plan, view, now);
    tell_left_out(f, view, now);
    if (view->again_ms)
        f->again_at = now + view->again_ms * KEEL_MS;
    if (view->watch)
        f->watch = view->watch;
    if (view->refused)
        f->epoch = 0;
    if (view->state == KEEL_WIRE_UNKNOWN || view->epoch < f->epoch) {
        f->must_report = f->must_report || view->epoch < f->epoch;
        return; /* the server is behind: a report will tell it */
    }
    if (view->epoch == f->epoch && view->state != f->state)
        f->must_report = true; /* two histories met: the server makes one of them */
    else if (view->epoch == f->epoch && !f->is_alone)
        hear_again(f, plan, view, now);
    else
        follow(f, plan, view, now);
}

/* ---- governing ---------------------------------------------------------------------- */

void keel_follower_hold(const keel_follower *f, const keel_plan *plan, uint64_t now)
{
    if (f->epoch && f->state != KEEL_BREAKER_CLOSED && !f->is_alone)
        atomic_store_explicit(&plan->breaker.fleet->governs_until,
                              now + KEEL_FLEET_SAY_NS, memory_order_release);
}

void keel_follower_govern(keel_follower *f, const keel_plan *plan, uint64_t now)
{
    f->periods = 0;
    f->alone_at = KEEL_NEVER;
    keel_follower_hold(f, plan, now);
}

bool keel_follower_is_busy(const keel_follower *f, uint64_t now)
{
    if (f->is_off)
        return false;
    return f->must_report || f->wants_reason || f->fence_count || f->lacks_probe ||
           (f->lock_is_lost && f->lock_word) || /* one that is over stays lost */
           f->watch != f->answered || now < f->earliest_at;
}
