/* SPDX-License-Identifier: MIT */
/*
 * Reads under a hedge. As long as they are quick the caller asks the first bag himself,
 * into his own memory; once one was not, they go to workers, until they are quick again.
 */
#include <stdio.h>

#include "bag/wrap/hedge.h"
#include "base/detail.h"
#include "call/race.h"
#include "call/runtime.h"

/* ---- quickness ----------------------------------------------------------------------- */

/* Relaxed: a hint, which orders nothing. A count that is lost makes it later by one. */
void keel_hedge_note(keel_hedge *h, uint64_t took_ns)
{
    uint32_t quick = atomic_load_explicit(&h->quick, memory_order_relaxed);

    if (took_ns >= KEEL_HEDGE_QUICK_NS)
        quick = 0;
    else if (quick < KEEL_HEDGE_QUICK_READS)
        quick++;
    else
        return;
    atomic_store_explicit(&h->quick, quick, memory_order_relaxed);
}

static bool is_quick(const keel_hedge *h)
{
    return atomic_load_explicit(&h->quick, memory_order_relaxed) >=
           KEEL_HEDGE_QUICK_READS;
}

/* ---- attempts ------------------------------------------------------------------------ */

static keel_status sum_up(const keel_batch *batch)
{
    keel_status sum = KEEL_OK;

    for (size_t i = 0; i < batch->count; i++)
        if (!keel_hedge_is_answer(batch->statuses[i]))
            sum = batch->statuses[i];
    return sum;
}

keel_status keel_hedge_ask(const keel_bag_child *child, const keel_bag_op *op,
                           const keel_batch *batch, bool is_many, keel_detail *said)
{
    if (is_many)
        keel_bag_child_get_many(child, op, batch->keys, batch->items, batch->statuses,
                                batch->count, said);
    else
        batch->statuses[0] =
            child->ops->get(child->state, op, batch->keys[0], batch->items, said);
    return sum_up(batch);
}

/*
 * What it counts as. The deadline that a bag has met is its attempt's. What would end the
 * call, as a bag's own mistake, is a failure: another may do better.
 */
static keel_status counted(keel_status status)
{
    if (status == KEEL_DEADLINE)
        return KEEL_TIMEOUT;
    if (status == KEEL_PARTIAL || status == KEEL_IGNORED ||
        status == KEEL_CLIENT_ERROR || keel_status_is_error(status))
        return KEEL_FAILED;
    return status;
}

keel_outcome keel_hedge_outcome(keel_status status, const keel_detail *said)
{
    keel_outcome outcome = { .size = sizeof outcome, .status = counted(status) };

    if (status == KEEL_OK)
        return outcome;
    outcome.applied = KEEL_APPLIED_NO;
    outcome.retry_after_ns = said->retry_after_ns;
    outcome.system_errno = said->system_errno;
    return outcome;
}

/* ---- ends ---------------------------------------------------------------------------- */

keel_status keel_hedge_fail(const keel_hedge_read *q, keel_detail *story,
                            keel_status status, const keel_detail *said)
{
    bool is_told = said && said->text[0];

    for (size_t i = 0; i < q->batch.count && (!q->is_many || !said); i++)
        q->batch.statuses[i] = status;
    if (!q->why)
        return status;
    if (is_told)
        snprintf(story->storage, sizeof story->storage, "%s", said->text);
    else /* the text of a call stands elsewhere */
        snprintf(story->storage, sizeof story->storage, "%s: %s", q->h->path,
                 story->text);
    if (said) {
        story->retry_after_ns = said->retry_after_ns;
        story->system_errno = said->system_errno;
    }
    story->code = status;
    story->applied = KEEL_APPLIED_NO;
    story->text = story->storage;
    keel_detail_fill(q->why, story);
    return status;
}

static bool is_once(const keel_hedge_read *q)
{
    return q->op->wishes & KEEL_BAG_NO_RETRY;
}

/* ---- the caller's own attempt -------------------------------------------------------- */

static keel_status ask_first(const keel_hedge_read *q, const keel_machine *m,
                             keel_detail *said)
{
    keel_bag_op op = *q->op;

    said->size = sizeof *said; /* field by field: the storage is large */
    said->attempts = 0;
    said->system_errno = 0;
    said->retry_after_ns = 0;
    said->text = "";
    op.deadline_at_ns = keel_ns_min(op.deadline_at_ns, m->attempt_until);
    said->code = keel_hedge_ask(&q->h->children[0], &op, &q->batch, q->is_many, said);
    return said->code;
}

/* By the clock of its call, which is precise where there is a hedge. */
static void report_answer(const keel_hedge_read *q, keel_machine *m)
{
    const keel_outcome answered = { .size = sizeof answered, .status = KEEL_OK };
    uint64_t now = keel_machine_now(m);

    keel_hedge_note(q->h, keel_ns_left(now, m->attempt_at));
    keel_machine_report(m, &answered, now);
}

/* What a quick read does without: its call may be repeated, and have copies. */
static void allow_more(const keel_hedge_read *q, keel_machine *m)
{
    if (is_once(q))
        return;
    m->flags.is_idempotent = true;
    m->flags.may_race = true;
    keel_race_prepare(m, keel_machine_now(m));
}

static KEEL_SELDOM keel_status go_on(keel_hedge_read *q, keel_call *call,
                                     const keel_detail *said)
{
    const keel_outcome outcome = keel_hedge_outcome(said->code, said);
    keel_detail story = KEEL_DETAIL_INIT;
    keel_status status;

    keel_hedge_note(q->h, KEEL_NEVER);
    allow_more(q, keel_machine_of(call));
    keel_call_report_attempt(call, 0, &outcome);
    if (keel_machine_of(call)->phase != KEEL_PHASE_ENDED)
        return keel_hedge_race(q, call, said);
    status = keel_call_end(call, &story);
    return keel_hedge_fail(q, &story, status == outcome.status ? said->code : status,
                           said);
}

static keel_status read_here(keel_hedge_read *q, keel_call *call)
{
    keel_detail said;

    if (!keel_call_next(call)) {
        said = (keel_detail)KEEL_DETAIL_INIT;
        keel_call_end(call, &said);
        return keel_hedge_fail(q, &said, said.code, NULL);
    }
    if (ask_first(q, keel_machine_of(call), &said) != KEEL_OK)
        return go_on(q, call, &said);
    report_answer(q, keel_machine_of(call));
    return keel_call_end(call, NULL);
}

/* ---- reads --------------------------------------------------------------------------- */

static void begin(const keel_hedge_read *q, keel_call *call)
{
    keel_machine *m;

    keel_call_begin(call, q->h->pipeline, NULL);
    m = keel_machine_of(call);
    m->deadline_at = q->op->deadline_at_ns;
    m->cancel = q->op->cancel;
    if (is_once(q))
        m->most_tries = 1;
    keel_machine_never_wait_for_probes(m);
}

/* Where there is nothing to be gained by a worker. */
static bool is_made_here(const keel_hedge_read *q, const keel_machine *m)
{
    return !m->plan || !m->plan->policy.hedge || is_once(q) || is_quick(q->h);
}

static keel_status read_keys(keel_hedge_read *q)
{
    keel_call call;

    if (keel_runtime_is_disabled(q->h->runtime))
        return keel_hedge_ask(&q->h->children[0], q->op, &q->batch, q->is_many, q->why);
    begin(q, &call);
    if (is_made_here(q, keel_machine_of(&call)))
        return read_here(q, &call);
    keel_machine_of(&call)->flags.is_idempotent = true;
    return keel_hedge_race(q, &call, NULL);
}

keel_status keel_hedge_read_one(void *state, const keel_bag_op *op, keel_bytes key,
                                keel_bag_item *item, keel_detail *why)
{
    keel_status status = KEEL_FAILED;
    keel_hedge_read q = { state, op, { &key, item, &status, 1 }, false, why };

    (void)read_keys(&q);
    return status;
}

void keel_hedge_read_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                          keel_bag_item items[], keel_status statuses[], size_t count,
                          keel_detail *why)
{
    keel_hedge_read q = { state, op, { keys, items, statuses, count }, true, why };

    if (count)
        (void)read_keys(&q);
}
