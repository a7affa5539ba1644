/* SPDX-License-Identifier: MIT */
/*
 * The copies of a call's attempt: when one is sent, and what becomes of the call when one
 * of several ends. Whether a copy may be sent is hedge.c's and the budget's to say.
 */
#include "call/race.h"

#include "base/memory.h"
#include "call/endpoint.h"
#include "call/quick.h"

/* ---- memory ----------------------------------------------------------------------- */

/* A thread mostly finds what its last call left: then nothing is allocated. */
static _Atomic(void *) *spare_of(keel_machine *m)
{
    return &m->pipeline->spare_races[keel_thread_self()->index % KEEL_SPARE_RACES];
}

/* room may be less than is wanted: of a call before a reload. */
static struct keel_race *race_take(keel_machine *m, uint32_t room)
{
    const keel_allocator *memory = m->pipeline->runtime->memory;
    /* acquire pairs with the release in race_give: it is ours as it was left */
    struct keel_race *race =
        atomic_exchange_explicit(spare_of(m), NULL, memory_order_acquire);

    if (race && race->room >= room)
        return race;
    keel_memory_free(memory, race);
    race = keel_memory_new(memory, sizeof *race + room * sizeof race->copies[0]);
    if (race)
        race->room = room;
    return race;
}

static void race_give(keel_machine *m, struct keel_race *race)
{
    void *none = NULL;

    if (!atomic_compare_exchange_strong_explicit(
            spare_of(m), &none, race, memory_order_release, memory_order_relaxed))
        keel_memory_free(m->pipeline->runtime->memory, race);
}

static struct keel_race *race_new(keel_machine *m)
{
    uint32_t most = m->plan->policy.hedge ? m->plan->policy.hedge_max : 0;
    struct keel_race *race = race_take(m, most);

    if (!race)
        return NULL;
    *race = (struct keel_race){ .room = race->room,
                                .most = most,
                                .own_number = m->attempts,
                                .own_is_open = true,
                                .applied = KEEL_APPLIED_NO,
                                .due_at = m->wake_at };
    m->race = race;
    return race;
}

bool keel_race_begin(keel_machine *m)
{
    return race_new(m) != NULL;
}

void keel_race_free(keel_machine *m)
{
    race_give(m, m->race);
    m->race = NULL;
}

/* ---- what is open ------------------------------------------------------------------ */

static keel_attempt_ref copy_attempt(const keel_machine *m, keel_copy *copy)
{
    return (keel_attempt_ref){ .admission = &copy->admission,
                               .pick = keel_machine_goes_to_endpoint(m) ? &copy->pick
                                                                        : NULL,
                               .began_at = copy->began_at,
                               .until = copy->until,
                               .number = copy->number,
                               .is_extra = true };
}

/* Copies that may still be sent. */
static bool has_room(const keel_machine *m)
{
    return !m->race || m->race->sent < m->race->most;
}

static bool copies_are_open(const keel_machine *m)
{
    for (uint32_t i = 0; m->race && i < m->race->sent; i++)
        if (m->race->copies[i].is_open)
            return true;
    return false;
}

/* The next thing to happen by itself. */
static void set_wake(keel_machine *m)
{
    const struct keel_race *race = m->race;

    m->wake_at = race->due_at;
    if (race->own_is_open)
        m->wake_at = keel_ns_min(m->wake_at, keel_race_holds(m) ? race->held_until
                                                                : m->attempt_until);
    for (uint32_t i = 0; i < race->sent; i++)
        if (race->copies[i].is_open)
            m->wake_at = keel_ns_min(m->wake_at, race->copies[i].until);
}

/* ---- whether a copy is due ------------------------------------------------------- */

/* One that is itself a retry is no more multiplied than it is retried. */
static bool may_hedge(keel_machine *m)
{
    if (!m->plan->policy.hedge || !m->flags.is_idempotent || m->flags.is_nested)
        return false;
    if (!m->flags.may_race)
        keel_pipeline_warn_once(m->pipeline, KEEL_WARNED_NOT_HEDGED);
    return m->flags.may_race;
}

static uint64_t delay(const keel_machine *m, uint64_t now)
{
    return keel_hedge_delay(&m->plan->policy, m->plan->latency, now);
}

void keel_race_renew(keel_machine *m)
{
    m->flags.is_hedged = false;
    if (!m->race)
        return;
    m->race->own_number = m->attempts;
    m->race->own_is_open = true;
    m->race->held_until = 0;
    m->race->applied = KEEL_APPLIED_NO;
}

static void await_copy(keel_machine *m, uint64_t now)
{
    uint64_t due_at;

    if (m->attempts == 1)
        keel_hedge_call(m->plan->hedge, &m->plan->policy);
    due_at = has_room(m) ? keel_ns_add(now, delay(m, now)) : KEEL_NEVER;
    if (!m->race) {
        m->wake_at = keel_ns_min(due_at, m->attempt_until);
        return;
    }
    m->race->due_at = due_at;
    set_wake(m);
}

void keel_race_prepare(keel_machine *m, uint64_t now)
{
    m->flags.is_hedged = may_hedge(m);
    if (m->flags.is_hedged)
        await_copy(m, now);
}

void keel_race_hold(keel_machine *m, uint64_t until, uint64_t now)
{
    if (!may_hedge(m) || (!m->race && !race_new(m)))
        return;
    m->flags.is_hedged = true;
    m->race->held_until = until;
    await_copy(m, now);
}

void keel_race_let_go(keel_machine *m)
{
    m->race->held_until = 0;
    if (!m->race->own_number)
        m->race->own_number = ++m->attempts;
    set_wake(m);
}

/* ---- sending one ----------------------------------------------------------------- */

static bool pay(keel_machine *m, uint64_t now)
{
    if (!keel_hedge_withdraw(m->plan->hedge))
        return false;
    if (keel_budget_withdraw(&m->plan->budget, &m->plan->policy, now, false))
        return true;
    keel_hedge_give_back(m->plan->hedge);
    return false;
}

static void pay_back(keel_machine *m, uint64_t now)
{
    keel_budget_give_back(&m->plan->budget, &m->plan->policy, now, false);
    keel_hedge_give_back(m->plan->hedge);
}

/* A copy waits for nothing: what is short is short because of load. */
static bool admit(keel_machine *m, keel_copy *copy, uint64_t now)
{
    const keel_admission_request request = {
        .now = now, .until = now, .skips_breaker = m->plan->policy.per_call
    };
    const keel_admission_result unused = { .status = KEEL_CANCELLED };
    keel_admission_answer answer;

    keel_admission_ask(m->pipeline, m->plan, &copy->admission, &request, &answer);
    if (answer.changes.count | answer.changes.would_trip)
        keel_pipeline_tell_changes(m->pipeline, &answer.changes, now);
    if (answer.status != KEEL_OK)
        return false;
    if (!keel_machine_goes_to_endpoint(m) ||
        keel_attempt_choose(m, &copy->pick, now, &answer))
        return true;
    keel_admission_end(m->pipeline, m->plan, &copy->admission, &unused, now,
                       &answer.changes);
    keel_pipeline_tell_changes(m->pipeline, &answer.changes, now);
    return false;
}

/* Attempts are numbered as they are made. */
static uint32_t next_number(keel_machine *m)
{
    uint32_t own = m->race->own_number;

    if (!keel_race_holds(m) || !own)
        return ++m->attempts;
    m->race->own_number = 0;
    return own;
}

static void begin(keel_machine *m, keel_copy *copy, uint64_t now)
{
    uint64_t timeout = m->plan->policy.timeout_ns;

    m->race->sent++;
    copy->number = next_number(m);
    m->phase = KEEL_PHASE_ATTEMPT;
    copy->began_at = now;
    copy->until =
        keel_ns_min(m->deadline_at, timeout ? keel_ns_add(now, timeout) : KEEL_NEVER);
    copy->is_open = true;
    keel_budget_begin(&m->plan->budget, &m->plan->policy);
    keel_count(&m->plan->hedge->sent);
    keel_pipeline_tell(m->pipeline,
                       (keel_event_record){ .type = KEEL_EVENT_HEDGE,
                                            .attempt = copy->number,
                                            .duration_ns = now - m->attempt_at },
                       now);
}

/* Where it is not sent, no other is until the next attempt. */
static void send_copy(keel_machine *m, uint64_t now)
{
    struct keel_race *race = m->race;
    keel_copy *copy = &race->copies[race->sent];

    *copy = (keel_copy){ .number = 0 };
    race->due_at = KEEL_NEVER;
    if (keel_machine_is_late(m, now) || !pay(m, now))
        return;
    if (!admit(m, copy, now)) {
        pay_back(m, now);
        return;
    }
    begin(m, copy, now);
    if (has_room(m))
        race->due_at = keel_ns_add(now, delay(m, now));
}

static bool copy_is_due(const keel_machine *m, uint64_t now)
{
    return now >= (m->race ? m->race->due_at : m->wake_at);
}

/* ---- one of several ends --------------------------------------------------------- */

/* Of two that may each have taken effect. */
static keel_applied either(keel_applied a, keel_applied b)
{
    if (a == KEEL_APPLIED_YES || b == KEEL_APPLIED_YES)
        return KEEL_APPLIED_YES;
    return a == KEEL_APPLIED_NO ? b : KEEL_APPLIED_UNKNOWN;
}

/* The call has failed, and tells what any of its copies may have done. */
static void tell_applied(keel_machine *m)
{
    if (!m->race)
        return;
    if (copies_are_open(m))
        m->race->applied = either(m->race->applied, KEEL_APPLIED_UNKNOWN);
    m->applied = (uint8_t)either((keel_applied)m->applied, m->race->applied);
}

/* Once nobody is under way any more, what the own attempt failed of is decided on. */
static void give_in_if_alone(keel_machine *m, uint64_t now)
{
    if (m->race->own_is_open || copies_are_open(m))
        return;
    tell_applied(m);
    keel_machine_decide(m, &m->race->failure, m->race->failure_counts_as, now);
}

/* A dependency that asks for less gets no copies. */
static bool asks_for_less(const keel_outcome *failure)
{
    return failure->status == KEEL_THROTTLED || failure->retry_after_ns;
}

/*
 * Retry off, a copy takes its place: an attempt that fails is else retry's business. One
 * that the deadline has ended is nobody's.
 */
static bool replaces_retry(const keel_machine *m, const keel_outcome *failure,
                           keel_status counts_as)
{
    return m->most_tries <= 1 && counts_as != KEEL_DEADLINE && has_room(m) &&
           !asks_for_less(failure);
}

bool keel_race_goes_on(keel_machine *m, const keel_outcome *failure,
                       keel_status counts_as, uint64_t now)
{
    bool is_replaced = replaces_retry(m, failure, counts_as);

    if (keel_machine_is_final(failure->status)) {
        keel_race_stop(m, now);
        return false;
    }
    if (counts_as == KEEL_DEADLINE || (!copies_are_open(m) && !is_replaced)) {
        tell_applied(m);
        keel_race_stop(m, now);
        return false;
    }
    if (!m->race && !race_new(m))
        return false;
    if (is_replaced)
        m->race->due_at = now;
    else if (asks_for_less(failure))
        m->race->due_at = KEEL_NEVER;
    m->race->own_is_open = false;
    m->race->failure = *failure;
    m->race->failure_counts_as = counts_as;
    set_wake(m);
    return true;
}

/* What the own attempt would have taken is known to be no less than this. */
static void learn_from_loser(const keel_machine *m, uint64_t now)
{
    if (m->plan->latency && m->race->own_is_open)
        keel_latency_record(m->plan->latency, keel_ns_left(now, m->attempt_at), now);
}

static void win(keel_machine *m, const keel_outcome *outcome, keel_status counts_as,
                uint64_t now)
{
    learn_from_loser(m, now);
    keel_machine_drop_attempts(m, now);
    keel_machine_take(m, outcome, counts_as);
    if (outcome->status == KEEL_OK)
        keel_count(&m->plan->hedge->won);
    keel_machine_decide(m, outcome, counts_as, now);
}

void keel_race_report(keel_machine *m, keel_copy *copy, const keel_outcome *outcome,
                      uint64_t now)
{
    keel_attempt_ref attempt = copy_attempt(m, copy);
    keel_outcome o = *outcome;
    keel_status counts_as;

    o.status = keel_machine_known(o.status);
    copy->is_open = false;
    counts_as = keel_machine_judge(m, &attempt, &o, now);
    if (keel_machine_is_final(o.status)) {
        win(m, &o, counts_as, now);
        return;
    }
    m->race->applied = either(m->race->applied, o.applied);
    if (asks_for_less(&o))
        m->race->due_at = KEEL_NEVER;
    else if (has_room(m) && m->race->due_at != KEEL_NEVER)
        m->race->due_at = now;
    set_wake(m);
    if (!copy_is_due(m, now))
        give_in_if_alone(m, now);
}

void keel_race_withdraw(keel_machine *m, keel_copy *copy, uint64_t now)
{
    keel_attempt_ref attempt = copy_attempt(m, copy);

    copy->is_open = false;
    m->attempts--;
    m->race->due_at = KEEL_NEVER;
    atomic_fetch_sub_explicit(&m->plan->hedge->sent, 1, memory_order_relaxed);
    attempt.is_extra = false; /* what it has drawn goes back here */
    pay_back(m, copy->began_at);
    keel_machine_settle(m, &attempt, KEEL_CANCELLED, 0, now);
    set_wake(m);
    give_in_if_alone(m, now);
}

/* ---- time passes ----------------------------------------------------------------- */

static void expire_copies(keel_machine *m, uint64_t now)
{
    const keel_outcome timed_out = { .size = sizeof timed_out, .status = KEEL_TIMEOUT };

    for (uint32_t i = 0; m->race && i < m->race->sent; i++) {
        keel_copy *copy = &m->race->copies[i];

        if (copy->is_open && now >= copy->until && m->phase == KEEL_PHASE_ATTEMPT)
            keel_race_report(m, copy, &timed_out, now);
    }
}

/* True: an attempt was made, or the call is over; there is no other to make by now. */
static bool end_own(keel_machine *m, uint64_t now)
{
    bool is_held = keel_race_holds(m);

    if (keel_race_own_is_open(m) && now >= m->attempt_until)
        keel_machine_expire(m, now);
    else if (is_held && now >= m->race->held_until)
        keel_chaos_end(m, now);
    return is_held && !keel_race_holds(m);
}

void keel_race_advance(keel_machine *m, uint64_t now)
{
    if (end_own(m, now))
        return;
    expire_copies(m, now);
    if (m->phase != KEEL_PHASE_ATTEMPT && m->phase != KEEL_PHASE_CHAOS)
        return;
    if (!m->race && !race_new(m)) {
        m->flags.is_hedged = false; /* no memory: it goes on alone */
        return;
    }
    if (copy_is_due(m, now))
        send_copy(m, now);
    set_wake(m);
    give_in_if_alone(m, now);
}

/* ---- looking, stopping ----------------------------------------------------------- */

keel_copy *keel_race_copy(const keel_machine *m, uint32_t attempt)
{
    for (uint32_t i = m->race ? m->race->sent : 0; i-- > 0;) {
        keel_copy *copy = &m->race->copies[i];

        if (copy->is_open && (!attempt || copy->number == attempt))
            return copy;
    }
    return NULL;
}

void keel_race_stop(keel_machine *m, uint64_t now)
{
    for (keel_copy *copy; (copy = keel_race_copy(m, 0));) {
        keel_attempt_ref attempt = copy_attempt(m, copy);

        copy->is_open = false;
        keel_machine_settle(m, &attempt, KEEL_CANCELLED, 0, now);
    }
}
