/* SPDX-License-Identifier: MIT */
/* Delivery of events to the listener: one thread at a time, in order, outside locks of
 * the pipeline. */
#include "call/runtime.h"

#include <errno.h>

#include "call/endpoint.h"

void keel_event_put(keel_runtime *runtime, const keel_event_record *record)
{
    if (atomic_load_explicit(&runtime->has_listener, memory_order_relaxed))
        keel_event_ring_put(runtime->events, record);
}

static keel_event unpack(keel_runtime *runtime, const keel_event_record *r,
                         uint64_t sequence)
{
    const keel_pipeline *pipeline =
        r->pipeline < KEEL_PIPELINES_MAX ? runtime->pipelines[r->pipeline] : NULL;

    return (keel_event){ .size = sizeof(keel_event),
                         .type = (keel_event_type)r->type,
                         .pipeline = pipeline ? pipeline->name : "",
                         .at_ns = r->at_ns,
                         .sequence = sequence,
                         .from = (keel_breaker_state)r->from,
                         .to = (keel_breaker_state)r->to,
                         .cause = (keel_cause)r->cause,
                         .reason = (keel_reason)r->reason,
                         .status = (keel_status)r->status,
                         .attempt = r->attempt,
                         .generation = r->generation,
                         .duration_ns = r->duration_ns,
                         .lock = (keel_lock)r->lock,
                         .endpoint = "" };
}

/* Calls the listener of now with one event, holding nothing. False: there is none. */
static bool tell(keel_runtime *runtime, const keel_event *event)
{
    keel_event_fn *listener;
    void *ctx;

    pthread_mutex_lock(&runtime->listener_mu);
    listener = runtime->listener;
    ctx = runtime->listener_ctx;
    runtime->is_told = listener != NULL;
    runtime->told++;
    runtime->told_by = pthread_self();
    pthread_mutex_unlock(&runtime->listener_mu);
    if (!listener)
        return false;
    listener(event, ctx);
    pthread_mutex_lock(&runtime->listener_mu);
    runtime->is_told = false;
    pthread_cond_broadcast(&runtime->listener_done);
    pthread_mutex_unlock(&runtime->listener_mu);
    return true;
}

/* The name is the plan's of now, which is held meanwhile. */
static bool tell_of_endpoint(keel_runtime *runtime, keel_event *event,
                             const keel_event_record *record)
{
    keel_pipeline *pipeline = runtime->pipelines[record->pipeline];
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter_as_it_is(
        pipeline, keel_stripe_mine(&pipeline->stripes), &phase);
    bool goes_on;

    event->endpoint = keel_plan_endpoint_name(plan, record->endpoint);
    goes_on = tell(runtime, event);
    keel_plan_exit(pipeline, phase);
    return goes_on;
}

static void deliver_all(keel_runtime *runtime)
{
    keel_event_record record;
    uint64_t sequence;

    while (atomic_load(&runtime->has_listener) &&
           keel_event_ring_get(runtime->events, &record, &sequence)) {
        keel_event event = unpack(runtime, &record, sequence);

        if (!(record.endpoint ? tell_of_endpoint(runtime, &event, &record)
                              : tell(runtime, &event)))
            return;
    }
}

/* One thread of this process delivers at a time; a parent's claim is void in its child. */
static bool claim_delivery(keel_runtime *runtime)
{
    uint64_t here = keel_process_incarnation();
    uint64_t holder = atomic_load(&runtime->delivering_in);

    return holder != here &&
           atomic_compare_exchange_strong(&runtime->delivering_in, &holder, here);
}

void keel_events_deliver_now(keel_runtime *runtime)
{
    int saved = errno;

    keel_runtime_notice_fork(runtime);
    /* whoever finds another at it leaves its event to that one, which looks once more
     * after letting go; a listener that calls keel comes here too and turns back. A
     * writer that is not done yet is not waited for: it comes here afterwards */
    while (!keel_event_ring_is_waiting(runtime->events) && claim_delivery(runtime)) {
        deliver_all(runtime);
        /* an exchange, so that we see the events of all who turned back before it */
        atomic_exchange(&runtime->delivering_in, 0);
        if (!atomic_load(&runtime->has_listener))
            break;
    }
    errno = saved;
}

keel_status keel_events_listen(keel_runtime *runtime, keel_event_fn *fn, void *ctx)
{
    uint64_t now;

    if (!runtime)
        return KEEL_E_ARGUMENT;
    keel_runtime_notice_fork(runtime);
    pthread_mutex_lock(&runtime->listener_mu);
    now = runtime->told;
    if (!runtime->listener != !fn)
        atomic_fetch_add(&runtime->watchers, fn ? 1 : UINT32_MAX);
    runtime->listener = fn;
    runtime->listener_ctx = ctx;
    atomic_store(&runtime->has_listener, fn != NULL);
    /* the old one may be running; it may also be the one who asks */
    while (runtime->is_told && runtime->told == now &&
           !pthread_equal(runtime->told_by, pthread_self()))
        pthread_cond_wait(&runtime->listener_done, &runtime->listener_mu);
    pthread_mutex_unlock(&runtime->listener_mu);
    return KEEL_OK;
}

const char *keel_event_type_name(keel_event_type type)
{
    static const char *const names[] = { "?",
                                         "transition",
                                         "rejected",
                                         "retry",
                                         "slow",
                                         "late",
                                         "budget",
                                         "would_trip",
                                         "permit_leaked",
                                         "fallback",
                                         "reloaded",
                                         "locked",
                                         "hedge",
                                         "endpoint_transition",
                                         "ejected",
                                         "restored",
                                         "panic",
                                         "calm",
                                         "health" };

    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : "?";
}

const char *keel_cause_name(keel_cause cause)
{
    static const char *const names[] = {
        "none",         "failure_rate", "slow_rate",     "consecutive",
        "open_elapsed", "probes_ok",    "probes_failed", "half_open_max_wait",
        "operator",     "reset",        "fleet",         "expired"
    };

    return (size_t)cause < sizeof names / sizeof names[0] ? names[cause] : "?";
}

const char *keel_breaker_state_name(keel_breaker_state state)
{
    static const char *const names[] = { "closed", "open", "half_open" };

    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "?";
}

const char *keel_lock_name(keel_lock lock)
{
    static const char *const names[] = { "none", "open", "closed", "disabled",
                                         "observe" };

    return (size_t)lock < sizeof names / sizeof names[0] ? names[lock] : "?";
}
