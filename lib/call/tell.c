/* SPDX-License-Identifier: MIT */
/* What a pipeline tells of itself: events, lines in the log, lost places. */
#include "call/endpoint.h"
#include "call/pipeline.h"
#include "call/relay.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/wall.h"
#include "board/journal.h"

/* Transitions and locks have lines of their own, at a level that is read every day. */
static void log_event(const keel_pipeline *pipeline, const keel_event_record *r)
{
    if (r->type != KEEL_EVENT_TRANSITION && r->type != KEEL_EVENT_LOCKED &&
        keel_runtime_logs(pipeline->runtime, KEEL_LOG_DEBUG))
        keel_runtime_log(
            pipeline->runtime, KEEL_LOG_DEBUG,
            keel_event_type_name((keel_event_type)r->type),
            "pipeline=%s attempt=%u status=%s reason=%s duration_ns=%" PRIu64,
            pipeline->name, (unsigned)r->attempt,
            keel_status_name((keel_status)r->status),
            keel_reason_name((keel_reason)r->reason), r->duration_ns);
}

void keel_pipeline_news(const keel_pipeline *pipeline, const keel_plan *plan)
{
    if (!plan->breaker.fleet)
        return;
    keel_runtime_notice_fork(pipeline->runtime); /* not the parent's relay */
    /* seq_cst, with the relay's look before it sleeps: one of the two sees the other */
    if (!atomic_load(&plan->breaker.fleet->news))
        atomic_store(&plan->breaker.fleet->news, 1);
    keel_relay_wake(pipeline->runtime);
}

void keel_pipeline_wants(const keel_pipeline *pipeline, _Atomic uint64_t *wanted)
{
    /* seq_cst: the relay clears it before it looks, so it sees us or we see that */
    if (!atomic_load(wanted) && !atomic_exchange(wanted, 1))
        keel_relay_wake(pipeline->runtime);
}

/* What others want to know: not what happens with every call. Of a lock the journal is
 * told by whoever makes it. */
static bool is_for_the_journal(keel_event_type type)
{
    switch (type) {
    case KEEL_EVENT_TRANSITION:
    case KEEL_EVENT_WOULD_TRIP:
    case KEEL_EVENT_PERMIT_LEAKED:
    case KEEL_EVENT_ENDPOINT_TRANSITION:
    case KEEL_EVENT_EJECTED:
    case KEEL_EVENT_RESTORED:
    case KEEL_EVENT_PANIC:
    case KEEL_EVENT_CALM:
        return true;
    default:
        return false;
    }
}

/* A lock's note, and by what a reader knows it again. */
static void name_note(const keel_pipeline *pipeline, uint64_t lock,
                      keel_journal_record *record)
{
    record->note = (uint8_t)keel_lock_note(lock);
    record->about = keel_notice_check(pipeline->notice, record->note);
}

/* Whose calls it was about; NULL: nobody's. */
static const keel_breaker *breaker_of(const keel_plan *plan, const keel_event_record *r)
{
    const keel_endpoint_entry *entry;

    if (!plan || !plan->policy.breaker)
        return NULL;
    if (!r->endpoint)
        return &plan->breaker;
    entry = keel_plan_endpoint(plan, r->endpoint);
    return entry ? &entry->breaker : NULL;
}

/* The calls it was about: a round's probes, which the window that follows has not, or
 * those in the window. */
static void count_calls(const keel_breaker *breaker, const keel_event_record *r,
                        keel_journal_record *record)
{
    keel_totals totals = { .total = r->probes, .failed = r->probes_failed };

    if (!totals.total)
        totals = keel_breaker_look(breaker, r->at_ns).totals;
    record->total = (uint32_t)keel_ns_min(totals.total, UINT32_MAX);
    record->failed = (uint32_t)keel_ns_min(totals.failed, UINT32_MAX);
}

void keel_pipeline_note(const keel_pipeline *pipeline, const keel_event_record *r,
                        uint64_t lock)
{
    const keel_plan *plan = atomic_load_explicit(&pipeline->plan, memory_order_acquire);
    const keel_breaker *breaker = breaker_of(plan, r);
    keel_journal_record record = { .at_ns = r->at_ns,
                                   .wall_ms = keel_wall_ms(),
                                   .pipeline = pipeline->public_number,
                                   .pid = (uint32_t)getpid(),
                                   .generation = r->generation,
                                   .status = r->status,
                                   .type = r->type,
                                   .from = r->from,
                                   .to = r->to,
                                   .cause = r->cause,
                                   .lock = r->lock,
                                   .about = (uint32_t)r->endpoint };

    if (!pipeline->is_public)
        return;
    if (breaker)
        count_calls(breaker, r, &record);
    if (r->type == KEEL_EVENT_LOCKED)
        name_note(pipeline, lock, &record);
    if (r->type == KEEL_EVENT_EJECTED)
        record.out_ms = (uint32_t)keel_ns_min(r->duration_ns / KEEL_MS, UINT32_MAX);
    keel_journal_put(keel_board_journal(pipeline->runtime->shared), &record);
}

void keel_pipeline_tell(keel_pipeline *pipeline, keel_event_record record, uint64_t now)
{
    log_event(pipeline, &record);
    record.pipeline = pipeline->number;
    record.at_ns = now;
    keel_event_put(pipeline->runtime, &record);
    if (is_for_the_journal((keel_event_type)record.type))
        keel_pipeline_note(pipeline, &record, 0);
}

/* The caller's line of the board's; nobody's where the pipeline has no breaker. */
static inline keel_stripe line_of(const keel_pipeline *pipeline)
{
    const keel_stripes *lines =
        atomic_load_explicit(&pipeline->gate.lines, memory_order_relaxed);

    return lines ? keel_stripe_mine(lines)
                 : (keel_stripe){ &keel_stripe_nowhere, false };
}

/* The first refusal of a second on a line. */
static KEEL_SELDOM void begin_second(keel_pipeline *pipeline, uint64_t now)
{
    uint32_t phase;
    keel_stripe stripe = keel_stripe_mine(&pipeline->stripes);
    const keel_plan *plan = keel_plan_enter_as_it_is(pipeline, stripe, &phase);

    keel_history_refused(pipeline->history, line_of(pipeline), now);
    if (plan->policy.breaker)
        keel_pipeline_sample(pipeline, plan, now);
    keel_plan_exit_at(stripe, phase);
}

void keel_pipeline_note_refused(keel_pipeline *pipeline, uint64_t now)
{
    if (!keel_history_try_refused(line_of(pipeline), now))
        begin_second(pipeline, now);
}

/* What a second was at its end is what the next ones without a call are shown as. */
static void sample_again(const keel_pipeline *pipeline, uint64_t now)
{
    const keel_plan *plan = atomic_load_explicit(&pipeline->plan, memory_order_acquire);

    if (pipeline->history && plan->policy.breaker)
        keel_history_retake(pipeline->history, &plan->breaker, now);
}

static void tell_transition(keel_pipeline *pipeline, const keel_changes *changes,
                            const keel_transition *t, uint64_t now)
{
    keel_event_record record = { .type = KEEL_EVENT_TRANSITION,
                                 .from = (uint8_t)t->from,
                                 .to = (uint8_t)t->to,
                                 .cause = (uint8_t)t->cause,
                                 .generation = t->generation };

    if (t->cause == KEEL_CAUSE_PROBES_OK || t->cause == KEEL_CAUSE_PROBES_FAILED) {
        record.probes = changes->probes;
        record.probes_failed = changes->probes_failed;
    }
    if (pipeline->is_public)
        keel_notice_tell(pipeline->notice, t->generation, t->cause,
                         (uint64_t)keel_wall_seconds());
    keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "breaker",
                     "pipeline=%s from=%s to=%s cause=%s generation=%u", pipeline->name,
                     keel_breaker_state_name(t->from), keel_breaker_state_name(t->to),
                     keel_cause_name(t->cause), (unsigned)t->generation);
    keel_pipeline_tell(pipeline, record, now);
}

void keel_pipeline_tell_changes(keel_pipeline *pipeline, const keel_changes *changes,
                                uint64_t now)
{
    for (uint32_t i = 0; i < changes->count; i++)
        tell_transition(pipeline, changes, &changes->items[i], now);
    if (changes->count)
        sample_again(pipeline, now);
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

static keel_notice *place_notice(keel_pipeline *pipeline, keel_board *board)
{
    const keel_block_key key = { pipeline->name, KEEL_BLOCK_PIPELINE, 0, 0 };
    keel_notice *notice = keel_board_block(board, &key, sizeof *notice);

    atomic_store_explicit(&pipeline->notice, notice, memory_order_release);
    return notice;
}

keel_notice *keel_pipeline_notice(keel_pipeline *pipeline)
{
    keel_notice *notice = atomic_load_explicit(&pipeline->notice, memory_order_acquire);

    if (notice)
        return notice;
    keel_runtime_notice_fork(pipeline->runtime);
    return place_notice(pipeline, pipeline->runtime->board);
}

/* The place for what each process finds out; stays when a reload turns it off again. */
static void place_found(keel_pipeline *pipeline)
{
    const keel_block_key key = { pipeline->name, KEEL_BLOCK_FOUND, 0, 0 };
    keel_found *found =
        keel_board_block(pipeline->runtime->shared, &key, sizeof *found);

    atomic_store_explicit(&pipeline->found, found, memory_order_release);
}

void keel_pipeline_tell_found_now(const keel_pipeline *pipeline, const keel_plan *plan,
                                  uint64_t now)
{
    keel_found *found = atomic_load_explicit(&pipeline->found, memory_order_acquire);
    uint64_t self = found ? atomic_load(keel_board_self(pipeline->runtime->shared)) : 0;
    uint32_t limit = plan->adaptive.words ? keel_adaptive_limit(&plan->adaptive) : 0;
    double chance = 0;

    if (!self) /* nobody can look, or this process has not joined */
        return;
    if (plan->throttle.words)
        chance = keel_throttle_chance(&plan->throttle, &plan->policy, now);
    atomic_store_explicit(&found->by_owner[self >> 56],
                          keel_found_pack(limit, plan->policy.throttle, chance),
                          memory_order_relaxed);
}

/* What was found by other settings is no longer true, and may be off. */
static void publish_found(keel_pipeline *pipeline, const keel_plan *plan)
{
    const keel_clock *clock = &pipeline->runtime->clock;

    if ((plan->policy.adaptive || plan->policy.throttle) &&
        !atomic_load_explicit(&pipeline->found, memory_order_relaxed))
        place_found(pipeline);
    keel_pipeline_tell_found_now(pipeline, plan, clock->now(clock->ctx));
}

void keel_pipeline_publish_limits_locked(keel_pipeline *pipeline)
{
    const keel_plan *plan = atomic_load(&pipeline->plan);
    const keel_policy *p = &plan->policy;
    bool has_rate = p->rate.count && p->rate_scope == KEEL_SCOPE_HOST;
    bool has_places = p->bulkhead_scope == KEEL_SCOPE_HOST;
    keel_notice *notice = pipeline->notice;

    if (!pipeline->is_public)
        return;
    atomic_store(&notice->places, has_places ? p->bulkhead : 0);
    atomic_store(&notice->rate_count, has_rate ? p->rate.count : 0);
    atomic_store(&notice->rate_period_ns, has_rate ? p->rate.period_ns : 0);
    atomic_store(&notice->rate_burst, has_rate ? p->rate_burst : 0);
    publish_found(pipeline, plan);
}

void keel_pipeline_publish_locked(keel_pipeline *pipeline)
{
    keel_board *shared = pipeline->runtime->shared;
    const keel_block_key history = { pipeline->name, KEEL_BLOCK_HISTORY, 0, 0 };

    if (!shared || pipeline->scopes.share == KEEL_SCOPE_PROCESS ||
        !place_notice(pipeline, shared))
        return;
    pipeline->public_number = keel_board_number(shared, pipeline->notice);
    pipeline->history = keel_board_block(shared, &history, sizeof *pipeline->history);
    pipeline->is_public = true;
    keel_pipeline_publish_limits_locked(pipeline);
}

enum { LEAK_DEADLINES = 10 };

void keel_pipeline_look_for_leaks(keel_pipeline *pipeline, const keel_plan *plan,
                                  uint64_t now)
{
    const keel_starts *starts = &plan->bulkhead.starts;
    uint64_t limit = keel_ns_left(now, LEAK_DEADLINES * plan->policy.deadline_ns);
    uint64_t most; /* that were ever seen at once */
    uint32_t leaked, unused;

    if (!starts->words)
        return;
    if (!keel_starts_maybe_before(starts, limit)) {
        keel_bulkhead_lost(&plan->bulkhead, 0);
        return;
    }
    keel_starts_count(starts, 0, now, &(keel_starts_limits){ .slow = limit }, &leaked,
                      &unused);
    keel_bulkhead_lost(&plan->bulkhead, leaked);
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
        "a failed call is not retried: it may have been applied, and would be twice",
        "an answer came after its attempt's time; it counts as a timeout",
        "hedge has no effect on calls that can have one attempt open only; see "
        "keel-hedge(7)",
        "endpoints have no effect on a libcurl handle, which goes where its URL says; "
        "see keel-endpoints(7)",
    };
    uint32_t bit = 1u << what;

    if (!(atomic_fetch_or_explicit(&pipeline->warned, bit, memory_order_relaxed) & bit))
        keel_runtime_log(pipeline->runtime, KEEL_LOG_WARNING, "call", "pipeline=%s %s",
                         pipeline->name, sentences[what]);
}
