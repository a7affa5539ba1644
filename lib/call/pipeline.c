/* SPDX-License-Identifier: MIT */
/* Pipelines: opening, following new settings, and the operator's side. */
#include "call/pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/detail.h"
#include "base/memory.h"

/* retiring plans */

/*
 * Makes every running thread of the process pass a full barrier, so that readers need
 * none. False: the kernel cannot; then plans are kept until the pipeline is destroyed.
 */
static bool barrier_everywhere(void)
{
    int saved = errno;
    long rc = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);

    if (rc && errno == EPERM) {
        rc = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
        if (!rc)
            rc = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    }
    errno = saved;
    return rc == 0;
}

/* Ended is read before begun: a call may go on meanwhile, but none is missed. */
static bool is_drained(const keel_pipeline *pipeline, uint32_t phase)
{
    uint64_t ended = keel_stripes_sum(&pipeline->stripes, KEEL_STRIPE_ENDED + phase);

    return barrier_everywhere() &&
           ended == keel_stripes_sum(&pipeline->stripes, KEEL_STRIPE_BEGUN + phase);
}

static void free_all(keel_plan **list)
{
    while (*list) {
        keel_plan *plan = *list;

        *list = plan->next_retired;
        keel_plan_free(plan);
    }
}

/* One look: whatever can be freed now is. */
static void free_drained_locked(keel_pipeline *pipeline)
{
    uint32_t phase = atomic_load_explicit(&pipeline->phase, memory_order_relaxed);

    if (pipeline->draining && is_drained(pipeline, phase ^ 1))
        free_all(&pipeline->draining);
    if (!pipeline->retired || pipeline->draining || !is_drained(pipeline, phase ^ 1))
        return;
    pipeline->draining = pipeline->retired;
    pipeline->retired = NULL;
    atomic_store_explicit(&pipeline->phase, phase ^ 1, memory_order_relaxed);
    if (is_drained(pipeline, phase))
        free_all(&pipeline->draining);
}

static void retire_locked(keel_pipeline *pipeline, keel_plan *plan)
{
    if (plan) {
        plan->next_retired = pipeline->retired;
        pipeline->retired = plan;
    }
    free_drained_locked(pipeline);
}

/* following settings */

static void set_gate(keel_pipeline *pipeline, const keel_plan *plan)
{
    keel_runtime *rt = pipeline->runtime;

    if (keel_runtime_is_disabled(rt))
        return;
    keel_gate_set(&pipeline->gate, plan);
    /* a request that shut the gate before it was set has set its flag before that */
    if (atomic_load(&rt->reload_wanted))
        keel_gate_shut(&pipeline->gate);
}

keel_status keel_pipeline_stage_locked(keel_pipeline *pipeline, keel_detail *why)
{
    keel_runtime *rt = pipeline->runtime;
    keel_plan_parts parts = { .memory = rt->memory,
                              .board = rt->board,
                              .name = pipeline->name,
                              .stripes = &pipeline->stripes,
                              .bulkhead = &pipeline->bulkhead,
                              .tick_ns = rt->clock.tick_ns };
    keel_policy policy;
    bool is_full;
    keel_status status =
        keel_config_resolve(rt->config, pipeline->name, pipeline->code,
                            pipeline->override_text, &policy, NULL, why);

    if (status != KEEL_OK)
        return status;
    pipeline->staged = keel_plan_new(&parts, &policy, &is_full);
    if (!pipeline->staged)
        return is_full ? keel_fail(why, KEEL_E_LIMIT,
                                   "the board has no room for the pipeline")
                       : keel_fail(why, KEEL_E_NOMEM,
                                   "no memory for the pipeline's settings");
    return keel_succeed(why);
}

void keel_pipeline_follow_locked(keel_pipeline *pipeline)
{
    const keel_clock *clock = &pipeline->runtime->clock;
    keel_plan *old = atomic_load(&pipeline->plan);
    keel_plan *plan = pipeline->staged;

    pipeline->staged = NULL;
    plan->is_override = pipeline->override_text != NULL;
    /* first, so that no call finds the new window empty and makes it look in use */
    keel_plan_take_over(plan, old, clock->now(clock->ctx));
    atomic_store_explicit(&pipeline->plan, plan, memory_order_release);
    set_gate(pipeline, plan);
    retire_locked(pipeline, old);
}

void keel_pipeline_drop_locked(keel_pipeline *pipeline)
{
    keel_plan_free(pipeline->staged);
    pipeline->staged = NULL;
    set_gate(pipeline, atomic_load(&pipeline->plan)); /* a request has shut it */
}

static keel_status replan_locked(keel_pipeline *pipeline, keel_detail *why)
{
    keel_status status = keel_pipeline_stage_locked(pipeline, why);

    if (status == KEEL_OK)
        keel_pipeline_follow_locked(pipeline);
    return status;
}

/* opening and closing */

static keel_pipeline *find_locked(keel_runtime *rt, const char *name)
{
    for (uint32_t i = 0; i < rt->pipeline_count; i++)
        if (strcmp(rt->pipelines[i]->name, name) == 0)
            return rt->pipelines[i];
    return NULL;
}

static bool place_own_blocks(keel_pipeline *pipeline)
{
    keel_board *board = pipeline->runtime->board;
    uint32_t count = keel_stripes_wanted();
    keel_block_key stripes = { pipeline->name, KEEL_BLOCK_STRIPES, 0, count };
    keel_block_key counters = { pipeline->name, KEEL_BLOCK_COUNTERS, 0, 0 };

    pipeline->stripes = keel_stripes_of(
        keel_board_block(board, &stripes, count * sizeof(keel_stripe_line)), count);
    pipeline->counters = keel_board_block(board, &counters, sizeof(keel_counters));
    return pipeline->stripes.lines && pipeline->counters;
}

static void free_queues(const keel_allocator *memory, keel_queue *queue)
{
    while (queue) {
        keel_queue *next = queue->next;

        keel_memory_free(memory, queue);
        queue = next;
    }
}

void keel_pipeline_destroy(keel_pipeline *pipeline)
{
    const keel_allocator *memory;
    keel_plan *plan;

    if (!pipeline)
        return;
    memory = pipeline->runtime->memory;
    plan = atomic_load(&pipeline->plan);
    keel_plan_free(plan);
    free_all(&pipeline->retired);
    free_all(&pipeline->draining);
    free_queues(memory, atomic_load(&pipeline->bulkhead.queues));
    keel_memory_free(memory, pipeline->name);
    keel_memory_free(memory, pipeline->code);
    keel_memory_free(memory, pipeline->override_text);
    keel_memory_free(memory, pipeline);
}

static keel_status make_locked(keel_pipeline **out, keel_runtime *rt, const char *name,
                               const char *code, keel_detail *why)
{
    keel_pipeline *pipeline;
    keel_status status = keel_config_claim(rt->config, name, why);

    if (status != KEEL_OK)
        return status;
    if (rt->pipeline_count == KEEL_PIPELINES_MAX)
        return keel_fail(why, KEEL_E_LIMIT, "too many pipelines in one runtime");
    pipeline = keel_memory_new(rt->memory, sizeof *pipeline);
    if (!pipeline)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the pipeline");
    pipeline->runtime = rt;
    pipeline->number = rt->pipeline_count;
    pipeline->name = keel_memory_copy(rt->memory, name);
    pipeline->code = keel_memory_copy(rt->memory, code);
    if (!pipeline->name || !pipeline->code)
        status = keel_fail(why, KEEL_E_NOMEM, "no memory for the pipeline");
    else if (!place_own_blocks(pipeline))
        status = keel_fail(why, KEEL_E_LIMIT, "the board has no room for the pipeline");
    else
        status = replan_locked(pipeline, why);
    if (status != KEEL_OK) {
        keel_pipeline_destroy(pipeline);
        return status;
    }
    rt->pipelines[rt->pipeline_count++] = pipeline;
    *out = pipeline;
    return KEEL_OK;
}

/* A pipeline that is there: further handles share it; after the last close, new code
 * settings take the place of the old ones. */
static keel_status reopen_locked(keel_pipeline *pipeline, const char *code,
                                 keel_detail *why)
{
    keel_runtime *rt = pipeline->runtime;
    char *fresh, *old = pipeline->code;
    keel_status status;

    if (strcmp(old, code) == 0)
        return keel_succeed(why);
    if (pipeline->handles > 0) {
        keel_warn(&rt->warnings,
                  "%s: opened again with other settings in code; the first ones stay",
                  pipeline->name);
        return keel_succeed(why);
    }
    fresh = keel_memory_copy(rt->memory, code);
    if (!fresh)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the pipeline");
    pipeline->code = fresh;
    status = replan_locked(pipeline, why);
    if (status != KEEL_OK)
        pipeline->code = old;
    keel_memory_free(rt->memory, status == KEEL_OK ? old : fresh);
    return status;
}

keel_status keel_pipeline_open(keel_pipeline **out, keel_runtime *rt, const char *name,
                               const char *settings, keel_detail *why)
{
    int saved = errno;
    keel_pipeline *pipeline;
    keel_status status;

    if (out)
        *out = NULL;
    if (!out || !rt || !name)
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_pipeline_open needs out, a runtime and a name");
    settings = settings ? settings : "";
    keel_runtime_lock(rt);
    pipeline = find_locked(rt, name);
    status = pipeline ? reopen_locked(pipeline, settings, why)
                      : make_locked(&pipeline, rt, name, settings, why);
    if (pipeline && status == KEEL_OK) {
        pipeline->handles++;
        *out = pipeline;
    }
    keel_runtime_unlock(rt);
    errno = saved;
    return status;
}

void keel_pipeline_close(keel_pipeline *pipeline)
{
    int saved = errno;
    void *http = NULL;

    if (!pipeline)
        return;
    keel_runtime_lock(pipeline->runtime);
    if (pipeline->handles > 0 && --pipeline->handles == 0)
        http = atomic_exchange(&pipeline->http, NULL);
    free_drained_locked(pipeline);
    keel_runtime_unlock(pipeline->runtime);
    if (http)
        pipeline->http_free(http);
    keel_events_deliver(pipeline->runtime);
    errno = saved;
}

const char *keel_pipeline_name(const keel_pipeline *pipeline)
{
    return pipeline ? pipeline->name : "";
}

/* overrides */

static keel_status set_override_locked(keel_pipeline *pipeline, const char *settings,
                                       uint64_t until, keel_detail *why)
{
    keel_runtime *rt = pipeline->runtime;
    char *old = pipeline->override_text;
    char *fresh = settings ? keel_memory_copy(rt->memory, settings) : NULL;
    keel_status status;

    if (settings && !fresh)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the override");
    status = settings ? keel_config_check_override(rt->config, pipeline->name,
                                                   pipeline->code, settings, why)
                      : KEEL_OK;
    if (status == KEEL_OK) {
        pipeline->override_text = fresh;
        status = replan_locked(pipeline, why);
    }
    if (status == KEEL_OK) {
        pipeline->override_until = until;
        keel_memory_free(rt->memory, old);
    } else {
        pipeline->override_text = old;
        keel_memory_free(rt->memory, fresh);
    }
    return status;
}

keel_status keel_pipeline_override(keel_pipeline *pipeline, const char *settings,
                                   uint64_t for_ns, keel_detail *why)
{
    keel_runtime *rt;
    int saved = errno;
    bool lifts = !settings || !*settings;
    keel_status status;

    if (!pipeline)
        return keel_fail(why, KEEL_E_ARGUMENT, "no pipeline");
    if (!lifts && for_ns == 0)
        return keel_fail(why, KEEL_E_ARGUMENT, "an override needs an end: for_ns is 0");
    rt = pipeline->runtime;
    keel_runtime_lock(rt);
    status = set_override_locked(
        pipeline, lifts ? NULL : settings,
        lifts ? 0 : keel_ns_add(rt->clock.now(rt->clock.ctx), for_ns), why);
    keel_runtime_unlock(rt);
    if (status == KEEL_OK)
        keel_runtime_log(rt, KEEL_LOG_INFO, "operator",
                         "pipeline=%s override=%s for_ns=%" PRIu64, pipeline->name,
                         lifts ? "lifted" : "set", lifts ? 0 : for_ns);
    keel_events_deliver(rt);
    errno = saved;
    return status;
}

static void expire_override(keel_pipeline *pipeline)
{
    keel_runtime *rt = pipeline->runtime;
    bool is_over;

    if (!keel_runtime_try_lock(rt))
        return; /* somebody is changing settings just now; the next one looks again */
    is_over = pipeline->override_text &&
              rt->clock.now(rt->clock.ctx) >= pipeline->override_until &&
              set_override_locked(pipeline, NULL, 0, NULL) == KEEL_OK;
    keel_runtime_unlock(rt);
    if (is_over)
        keel_runtime_log(rt, KEEL_LOG_INFO, "operator", "pipeline=%s override=expired",
                         pipeline->name);
}

KEEL_SELDOM const keel_plan *keel_plan_after_override(keel_pipeline *pipeline,
                                                      const keel_plan *plan,
                                                      keel_stripe stripe,
                                                      uint32_t *phase)
{
    int saved = errno;

    expire_override(pipeline);
    errno = saved;
    if (atomic_load_explicit(&pipeline->plan, memory_order_relaxed) == plan)
        return plan;
    keel_plan_exit_at(stripe, *phase);
    return keel_plan_enter_as_it_is(pipeline, stripe, phase);
}

void keel_pipeline_look_after(keel_pipeline *pipeline)
{
    keel_runtime *rt = pipeline->runtime;

    if (atomic_load_explicit(&rt->reload_wanted, memory_order_relaxed) &&
        atomic_exchange(&rt->reload_wanted, false))
        keel_reload(rt, NULL);
    keel_events_deliver(rt);
}

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

keel_status keel_pipeline_lock(keel_pipeline *pipeline, keel_lock lock, uint64_t for_ns)
{
    keel_changes none = { .count = 0 };
    visit v;

    if ((uint32_t)lock > KEEL_LOCK_OBSERVE || !visit_begin(&v, pipeline))
        return KEEL_E_ARGUMENT;
    if (!v.plan->policy.breaker)
        return visit_end(&v, &none, KEEL_E_STATE);
    keel_breaker_lock(&v.plan->breaker, lock, for_ns ? keel_ns_add(v.now, for_ns) : 0);
    keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "operator",
                     "pipeline=%s lock=%s for_ns=%" PRIu64, pipeline->name,
                     keel_lock_name(lock), for_ns);
    return visit_end(&v, &none, KEEL_OK);
}

keel_status keel_pipeline_unlock(keel_pipeline *pipeline)
{
    return keel_pipeline_lock(pipeline, KEEL_LOCK_NONE, 0);
}

keel_status keel_pipeline_reset(keel_pipeline *pipeline)
{
    keel_changes changes = { .count = 0 };
    visit v;

    if (!visit_begin(&v, pipeline))
        return KEEL_E_ARGUMENT;
    if (!v.plan->policy.breaker)
        return visit_end(&v, &changes, KEEL_E_STATE);
    keel_breaker_reset(&v.plan->breaker, v.now, &changes);
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
}

static void look_at_counters(const keel_pipeline *pipeline, keel_pipeline_stats *all)
{
    const keel_counters *c = pipeline->counters;

    all->ignored_total = atomic_load(&c->ignored);
    all->late_results = atomic_load(&c->late);
    all->rejected_total = keel_stripes_sum(&pipeline->stripes, KEEL_STRIPE_REJECTED);
    all->retries_total = atomic_load(&c->retries);
    all->permits_ended_twice = atomic_load(&c->ended_twice);
    all->permits_leaked = atomic_load(&c->leaked);
    all->resends_total = atomic_load(&c->resends);
    all->events_lost = atomic_load(&pipeline->runtime->events->lost);
    all->board_bytes = keel_board_used_by(pipeline->runtime->board, pipeline->name);
}

keel_status keel_pipeline_look(keel_pipeline *pipeline, keel_pipeline_stats *stats)
{
    keel_pipeline_stats all = { .size = 0 };
    size_t size;
    visit v;

    if (!pipeline || !stats || stats->size < sizeof stats->size)
        return KEEL_E_ARGUMENT;
    keel_runtime_notice_fork(pipeline->runtime);
    visit_begin(&v, pipeline);
    if (v.plan->policy.breaker)
        look_at_breaker(&v, &all);
    if (v.plan->policy.bulkhead) {
        all.in_flight = keel_bulkhead_in_use(&v.plan->bulkhead);
        all.queued = keel_bulkhead_waiting(&v.plan->bulkhead);
    }
    look_at_counters(pipeline, &all);
    keel_plan_exit(pipeline, v.phase);
    size = all.size = stats->size < sizeof all ? stats->size : sizeof all;
    memcpy((char *)stats + sizeof size, (char *)&all + sizeof size, size - sizeof size);
    return KEEL_OK;
}

/* telling */

/* A transition has a line of its own, at a level that is read every day. */
static void log_event(const keel_pipeline *pipeline, const keel_event_record *r)
{
    if (r->type != KEEL_EVENT_TRANSITION &&
        keel_runtime_logs(pipeline->runtime, KEEL_LOG_DEBUG))
        keel_runtime_log(
            pipeline->runtime, KEEL_LOG_DEBUG,
            keel_event_type_name((keel_event_type)r->type),
            "pipeline=%s attempt=%u status=%s reason=%s duration_ns=%" PRIu64,
            pipeline->name, (unsigned)r->attempt,
            keel_status_name((keel_status)r->status),
            keel_reason_name((keel_reason)r->reason), r->duration_ns);
}

void keel_pipeline_tell(keel_pipeline *pipeline, keel_event_record record, uint64_t now)
{
    log_event(pipeline, &record);
    record.pipeline = pipeline->number;
    record.at_ns = now;
    keel_event_put(pipeline->runtime, &record);
}

void keel_pipeline_tell_changes(keel_pipeline *pipeline, const keel_changes *changes,
                                uint64_t now)
{
    for (uint32_t i = 0; i < changes->count; i++) {
        const keel_transition *t = &changes->items[i];

        keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "breaker",
                         "pipeline=%s from=%s to=%s cause=%s generation=%u",
                         pipeline->name, keel_breaker_state_name(t->from),
                         keel_breaker_state_name(t->to), keel_cause_name(t->cause),
                         (unsigned)t->generation);
        keel_pipeline_tell(pipeline,
                           (keel_event_record){ .type = KEEL_EVENT_TRANSITION,
                                                .from = (uint8_t)t->from,
                                                .to = (uint8_t)t->to,
                                                .cause = (uint8_t)t->cause,
                                                .generation = t->generation },
                           now);
    }
    if (!changes->would_trip)
        return;
    keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "breaker",
                     "pipeline=%s would open, were it not observed only: cause=%s",
                     pipeline->name, keel_cause_name(changes->would_trip));
    keel_pipeline_tell(pipeline,
                       (keel_event_record){ .type = KEEL_EVENT_WOULD_TRIP,
                                            .cause = (uint8_t)changes->would_trip },
                       now);
}

enum { LEAK_DEADLINES = 10 };

void keel_pipeline_look_for_leaks(keel_pipeline *pipeline, const keel_plan *plan,
                                  uint64_t now)
{
    const keel_starts *starts = &plan->bulkhead.starts;
    uint64_t limit = keel_ns_left(now, LEAK_DEADLINES * plan->policy.deadline_ns);
    uint64_t most; /* that were ever seen at once */
    uint32_t leaked, unused;

    if (!starts->words || !keel_starts_maybe_before(starts, limit))
        return;
    keel_starts_count(starts, 0, now, &(keel_starts_limits){ .slow = limit }, &leaked,
                      &unused);
    most = atomic_load(&pipeline->counters->leaked);
    if (leaked <= most ||
        !atomic_compare_exchange_strong(&pipeline->counters->leaked, &most, leaked))
        return;
    keel_pipeline_tell(pipeline,
                       (keel_event_record){ .type = KEEL_EVENT_PERMIT_LEAKED }, now);
}

void keel_pipeline_warn_once(keel_pipeline *pipeline, keel_warned what)
{
    static const char *const sentences[] = {
        "a failed call is not retried: it was not declared idempotent",
        "a failed call is not retried: an answer had begun to arrive, and there is no "
        "sink_reset",
        "a failed call is not retried: its body had been read, and there is no "
        "body_rewind",
        "an answer came after its attempt's time; it counts as a timeout",
    };
    uint32_t bit = 1u << what;

    if (!(atomic_fetch_or_explicit(&pipeline->warned, bit, memory_order_relaxed) & bit))
        keel_runtime_log(pipeline->runtime, KEEL_LOG_WARNING, "call", "pipeline=%s %s",
                         pipeline->name, sentences[what]);
}
