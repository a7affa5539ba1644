/* SPDX-License-Identifier: MIT */
/* What operators do to a breaker, and what they see of a pipeline. */
#include "call/endpoint.h"

#include <errno.h>
#include <string.h>

#include "base/detail.h"
#include "base/text.h"
#include "base/wall.h"

/* the operator's side of the breaker */

/* Runs with a plan that stays; the plan decides whether there is a breaker. */
typedef struct visit {
    keel_pipeline *pipeline;
    const keel_plan *plan;
    uint32_t phase;
    uint64_t now;
} visit;

static bool visit_begin(visit *v, keel_pipeline *pipeline)
{
    if (!pipeline)
        return false;
    v->pipeline = pipeline;
    v->plan = keel_plan_enter_as_it_is(pipeline, keel_stripe_mine(&pipeline->stripes),
                                       &v->phase);
    v->now = keel_plan_now(pipeline, v->plan);
    return true;
}

static keel_status visit_end(visit *v, const keel_changes *changes, keel_status status)
{
    keel_pipeline_tell_changes(v->pipeline, changes, v->now);
    keel_plan_exit(v->pipeline, v->phase);
    keel_events_deliver(v->pipeline->runtime);
    return status;
}

static bool wants_a_note(const visit *v, const keel_lock_options *options)
{
    return v->pipeline->notice || options->actor || options->reason;
}

/* Who locks, and why; 0: nobody said so, or it is a lock that is lifted. */
static bool write_note(const visit *v, keel_lock lock, const keel_lock_options *options,
                       uint32_t *number)
{
    keel_note note = { .set_s = (uint64_t)keel_wall_seconds() };
    keel_notice *notice;

    *number = 0;
    if (lock == KEEL_LOCK_NONE || !wants_a_note(v, options))
        return true;
    notice = keel_pipeline_notice(v->pipeline);
    if (!notice)
        return false;
    note.until_s = options->for_ns ? note.set_s + options->for_ns / KEEL_S : 0;
    keel_text_copy(note.actor, sizeof note.actor, keel_text_of(options->actor));
    keel_text_copy(note.reason, sizeof note.reason, keel_text_of(options->reason));
    *number = keel_notice_write(notice, &note);
    return true;
}

static keel_status say_conflict(const visit *v, uint64_t standing, keel_detail *why)
{
    keel_note note = { .set_s = 0 };

    if (v->pipeline->notice)
        keel_notice_read(v->pipeline->notice, keel_lock_note(standing), &note);
    return keel_failf(why, KEEL_E_CONFLICT, "%s is locked %s by %s: %s",
                      v->pipeline->name, keel_lock_name(keel_lock_kind(standing)),
                      *note.actor ? note.actor : "somebody",
                      *note.reason ? note.reason : "no reason was given");
}

/* *word: the lock's, once it is set */
static keel_status relock(const visit *v, keel_lock lock,
                          const keel_lock_options *options, uint64_t *word,
                          keel_detail *why)
{
    keel_breaker_words *words = v->plan->breaker.words;
    uint64_t until = options->for_ns ? keel_ns_add(v->now, options->for_ns) : 0;
    uint64_t seen = atomic_load_explicit(&words->lock, memory_order_acquire);
    uint32_t note;

    if (!options->any_version &&
        keel_lock_standing(&words->lock, v->now) != options->version)
        return say_conflict(v, seen, why);
    if (!write_note(v, lock, options, &note))
        return keel_fail(why, KEEL_E_LIMIT,
                         "the board has no room for the lock's note");
    *word = keel_lock_pack(lock, note, until);
    while (!keel_breaker_relock(words, &seen, *word))
        if (!options->any_version)
            return say_conflict(v, seen, why);
    return keel_succeed(why);
}

/* There is nothing to lift. */
static bool is_idle(const visit *v, keel_lock lock, const keel_lock_options *options)
{
    return lock == KEEL_LOCK_NONE && (options->any_version || !options->version) &&
           !keel_lock_standing(&v->plan->breaker.words->lock, v->now);
}

static keel_status lock_it(const visit *v, keel_lock lock,
                           const keel_lock_options *options, keel_detail *why)
{
    keel_status status;
    uint64_t word = 0;

    if (!v->plan->policy.breaker)
        return keel_fail(why, KEEL_E_STATE, "the pipeline has no breaker to lock");
    keel_pipeline_see_lock(v->pipeline, v->plan, v->now); /* what was, is told first */
    if (is_idle(v, lock, options))
        return keel_succeed(why);
    status = relock(v, lock, options, &word, why);
    if (status != KEEL_OK)
        return status;
    keel_pipeline_locked(v->pipeline, v->plan, word, v->now);
    keel_pipeline_news(v->pipeline, v->plan);
    return KEEL_OK;
}

keel_status keel_pipeline_lock_as(keel_pipeline *pipeline, keel_lock lock,
                                  const keel_lock_options *given, keel_detail *why)
{
    keel_lock_options options = { .size = sizeof options };
    keel_changes none = { .count = 0 };
    int saved = errno;
    keel_status status;
    visit v;

    if ((uint32_t)lock > KEEL_LOCK_OBSERVE ||
        !keel_options_read(&options, sizeof options, given))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "no such lock, or keel_lock_options: " KEEL_OPTIONS_REFUSED);
    if (!visit_begin(&v, pipeline))
        return keel_fail(why, KEEL_E_ARGUMENT, "no pipeline");
    status = visit_end(&v, &none, lock_it(&v, lock, &options, why));
    errno = saved;
    return status;
}

keel_status keel_pipeline_lock(keel_pipeline *pipeline, keel_lock lock, uint64_t for_ns)
{
    const keel_lock_options options = { .size = sizeof options,
                                        .for_ns = for_ns,
                                        .any_version = true };

    return keel_pipeline_lock_as(pipeline, lock, &options, NULL);
}

keel_status keel_pipeline_unlock(keel_pipeline *pipeline)
{
    return keel_pipeline_lock(pipeline, KEEL_LOCK_NONE, 0);
}

static keel_lock_state read_lock(const visit *v)
{
    keel_lock_state state = { .size = 0 };
    keel_note note;
    uint64_t word = keel_pipeline_lock_read(v->pipeline, v->plan, v->now, &note);
    uint64_t until = keel_lock_until_ns(word);

    state.lock = keel_lock_kind(word);
    state.version = word;
    state.left_ns = until ? keel_ns_left(until, v->now) : 0;
    state.set_s = note.set_s;
    memcpy(state.actor, note.actor, sizeof state.actor);
    memcpy(state.reason, note.reason, sizeof state.reason);
    return state;
}

keel_status keel_pipeline_lock_look(keel_pipeline *pipeline, keel_lock_state *state)
{
    keel_changes none = { .count = 0 };
    keel_lock_state all;
    visit v;

    if (!state || state->size < sizeof state->size || !visit_begin(&v, pipeline))
        return KEEL_E_ARGUMENT;
    if (!v.plan->policy.breaker)
        return visit_end(&v, &none, KEEL_E_STATE);
    keel_pipeline_see_lock(pipeline, v.plan, v.now);
    all = read_lock(&v);
    keel_struct_fill(state, &all, sizeof all);
    return visit_end(&v, &none, KEEL_OK);
}

static void reset_endpoints(const visit *v)
{
    keel_endpoint_changes changes;

    changes.count = changes.lost = 0;
    keel_endpoints_reset(v->plan->endpoints, &v->plan->policy, v->now, &changes);
    keel_pipeline_tell_endpoints(v->pipeline, v->plan->endpoints, &changes, v->now);
}

keel_status keel_pipeline_reset(keel_pipeline *pipeline)
{
    keel_changes changes = { .count = 0 };
    visit v;

    if (!visit_begin(&v, pipeline))
        return KEEL_E_ARGUMENT;
    if (!v.plan->policy.breaker && !v.plan->endpoints)
        return visit_end(&v, &changes, KEEL_E_STATE);
    if (v.plan->policy.breaker)
        keel_breaker_reset(&v.plan->breaker, v.now, &changes);
    if (v.plan->endpoints)
        reset_endpoints(&v);
    return visit_end(&v, &changes, KEEL_OK);
}

keel_status keel_pipeline_transition(keel_pipeline *pipeline, keel_breaker_state state,
                                     uint64_t for_ns)
{
    keel_changes changes = { .count = 0 };
    keel_status status;
    visit v;

    if ((uint32_t)state > KEEL_BREAKER_HALF_OPEN || !visit_begin(&v, pipeline))
        return KEEL_E_ARGUMENT;
    status = v.plan->policy.breaker
                 ? keel_breaker_go(&v.plan->breaker, &v.plan->policy, state, for_ns,
                                   v.now, &pipeline->runtime->random, &changes)
                 : KEEL_E_STATE;
    return visit_end(&v, &changes, status);
}

/* looking */

/* Its words keep saying that it ramps until a call comes. */
static uint64_t ramp_left(const visit *v, const keel_breaker_view *view)
{
    return view->is_ramping
               ? keel_ns_left(keel_ns_add(view->due_at_ns, v->plan->policy.ramp_up_ns),
                              v->now)
               : 0;
}

static void look_at_breaker(const visit *v, keel_pipeline_stats *all)
{
    keel_breaker_view view = keel_breaker_look(&v->plan->breaker, v->now);

    all->breaker_on = true;
    all->state = view.state;
    all->lock = view.lock;
    all->generation = view.generation;
    all->calls = view.totals.total;
    all->failures = view.totals.failed;
    all->slow = view.totals.slow;
    all->permits = view.permits_left;
    all->open_left_ns =
        view.state == KEEL_BREAKER_OPEN ? keel_ns_left(view.due_at_ns, v->now) : 0;
    all->ramp_left_ns = ramp_left(v, &view);
}

static void look_at_limits(const visit *v, keel_pipeline_stats *all)
{
    const keel_plan *plan = v->plan;

    if (plan->has_places) {
        all->in_flight = keel_bulkhead_in_use(&plan->bulkhead);
        all->queued = keel_bulkhead_waiting(&plan->bulkhead);
    }
    if (plan->policy.adaptive)
        all->adaptive_limit = keel_adaptive_limit(&plan->adaptive);
    if (plan->policy.throttle)
        all->throttle_chance =
            keel_throttle_chance(&plan->throttle, &plan->policy, v->now);
}

static void look_at_counters(const keel_pipeline *pipeline, keel_pipeline_stats *all)
{
    const keel_counters *c = pipeline->counters;
    keel_health_words *health =
        atomic_load_explicit(&pipeline->health, memory_order_acquire);

    all->ignored_total = atomic_load(&c->ignored);
    all->late_results = atomic_load(&c->late);
    all->rejected_total = keel_stripes_sum(&pipeline->stripes, KEEL_STRIPE_REJECTED);
    all->retries_total = atomic_load(&c->retries);
    all->permits_ended_twice = atomic_load(&c->ended_twice);
    all->permits_leaked = atomic_load(&c->leaked);
    all->resends_total = atomic_load(&c->resends);
    all->coalesced_total = atomic_load(&pipeline->coalesced);
    all->stale_served_total = atomic_load(&pipeline->stale_served);
    if (health)
        all->check = keel_health_view_of(
                         atomic_load_explicit(&health->state, memory_order_acquire))
                         .state;
    all->events_lost = atomic_load(&pipeline->runtime->events->lost);
    all->board_bytes = keel_board_used_by(pipeline->runtime->board, pipeline->name);
}

/* Of several endpoints each is looked at, and the dependency is ill when all are. */
static void look_at_endpoints(const keel_plan *plan, keel_pipeline_stats *all)
{
    if (plan->endpoints && keel_endpoints_are_all_ill(plan->endpoints))
        all->check = KEEL_CHECK_UNHEALTHY;
}

keel_status keel_pipeline_look(keel_pipeline *pipeline, keel_pipeline_stats *stats)
{
    keel_pipeline_stats all = { .size = 0 };
    visit v;

    if (!pipeline || !stats || stats->size < sizeof stats->size)
        return KEEL_E_ARGUMENT;
    keel_runtime_notice_fork(pipeline->runtime);
    visit_begin(&v, pipeline);
    if (v.plan->policy.breaker)
        look_at_breaker(&v, &all);
    look_at_limits(&v, &all);
    if (v.plan->hedge) {
        all.hedges_total = atomic_load(&v.plan->hedge->sent);
        all.hedges_won_total = atomic_load(&v.plan->hedge->won);
    }
    look_at_counters(pipeline, &all);
    look_at_endpoints(v.plan, &all);
    keel_pipeline_see_lock(pipeline, v.plan, v.now);
    keel_plan_exit(pipeline, v.phase);
    keel_events_deliver(pipeline->runtime);
    keel_struct_fill(stats, &all, sizeof all);
    return KEEL_OK;
}
