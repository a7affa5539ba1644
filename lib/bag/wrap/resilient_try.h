/* SPDX-License-Identifier: MIT */
/*
 * One use of a verb under a pipeline: begun, tried as often as the pipeline lets it,
 * ended. What nearly every use takes is inline, because it is what resilient costs. Not
 * for which verb may be tried again: that its callers say with each outcome.
 *
 *     keel_try_begin(&t, r, op, why);
 *     while (keel_try_next(&t))
 *         keel_try_report(&t, child->ops->get(…, &t.op, …, &t.said), true);
 *     return keel_try_end(&t);
 */
#ifndef KEEL_BAG_WRAP_RESILIENT_TRY_H
#define KEEL_BAG_WRAP_RESILIENT_TRY_H

#include <keel/bag_plugin.h>

#include "base/thread.h"
#include "call/machine.h"

typedef struct keel_resilient {
    keel_runtime *runtime;
    const keel_bag_child *child;
    keel_pipeline *pipeline;
    const char *path;
    bool set_retry;
    uint64_t lost_update_ns; /* a set is repeated for no longer; KEEL_NEVER: no limit */
} keel_resilient;

/*
 * op           as it was asked, with the attempt's own deadline
 * said         by the child, of the last attempt; filled where that failed
 * status       of the last attempt, as the child gave it
 * is_read      nothing of it can have been applied
 * is_in_doubt  an attempt so far may have been applied
 */
typedef struct keel_try {
    const keel_resilient *r;
    keel_bag_op op;
    keel_detail *why; /* the caller's */
    keel_status status;
    bool is_read;
    bool is_in_doubt;
    keel_call call;
    keel_detail said;
} keel_try;

/* What a store has answered is no failure, whatever it is. */
static inline bool keel_try_is_answer(keel_status status)
{
    return status == KEEL_OK || status == KEEL_NOT_FOUND || status == KEEL_NOT_STORED ||
           status == KEEL_EXISTS || status == KEEL_NOT_NUMBER ||
           status == KEEL_E_BUFFER;
}

static inline void keel_try_begin(keel_try *t, const keel_resilient *r,
                                  const keel_bag_op *op, keel_detail *why)
{
    keel_machine *m = keel_machine_of(&t->call);

    t->r = r;
    t->op = *op;
    t->why = why;
    t->status = KEEL_IGNORED; /* there was no attempt */
    t->is_read = false;
    t->is_in_doubt = false;
    /* the options of a call are set as they would be read, without being copied twice */
    keel_call_begin(&t->call, r->pipeline, NULL);
    m->deadline_at = op->deadline_at_ns;
    m->cancel = op->cancel;
    keel_machine_never_wait_for_probes(m);
    if (op->wishes & KEEL_BAG_NO_RETRY)
        m->most_tries = 1;
}

static inline void keel_try_begin_read(keel_try *t, const keel_resilient *r,
                                       const keel_bag_op *op, keel_detail *why)
{
    keel_try_begin(t, r, op, why);
    t->is_read = true;
}

/* True: make an attempt. Sleeps what back-off, limiter and bulkhead ask for. */
static inline bool keel_try_next(keel_try *t)
{
    const keel_machine *m = keel_machine_of(&t->call);

    if (m->phase == KEEL_PHASE_ENDED || !keel_call_next(&t->call))
        return false;
    t->op.deadline_at_ns = keel_ns_min(m->attempt_until, m->deadline_at);
    t->said.size = sizeof t->said; /* field by field: the storage is large */
    t->said.attempts = 0;
    t->said.applied = KEEL_APPLIED_UNKNOWN;
    t->said.system_errno = 0;
    t->said.retry_after_ns = 0;
    t->said.text = "";
    return true;
}

/* may_repeat: even if it may have been applied */
void keel_try_report_failure(keel_try *t, bool may_repeat);

static inline void keel_try_report(keel_try *t, keel_status status, bool may_repeat)
{
    t->status = status;
    if (KEEL_LIKELY(keel_try_is_answer(status)))
        keel_call_report(&t->call, KEEL_OK);
    else
        keel_try_report_failure(t, may_repeat);
}

keel_status keel_try_end_failure(keel_try *t);

/* What came of it; of a failure the story, too. */
static inline keel_status keel_try_end(keel_try *t)
{
    if (KEEL_LIKELY(keel_try_is_answer(t->status))) {
        keel_call_end(&t->call, NULL);
        return t->status;
    }
    return keel_try_end_failure(t);
}

/* Ends it with an answer that was come by in another way. */
static inline keel_status keel_try_end_with(keel_try *t, keel_status answer)
{
    t->status = answer;
    return keel_try_end(t);
}

/*
 * A write under a condition (add, replace, cas) that may have been applied is not sent
 * again blindly: the item is read, and the nonce that is kept with it says whose write it
 * is. resilient_doubt.c
 */
typedef enum keel_doubt {
    KEEL_DOUBT_STAYS,    /* it cannot be known: no further attempt */
    KEEL_DOUBT_STORED,   /* it was applied: *fresh is its token */
    KEEL_DOUBT_REFUSED,  /* it was not, and its condition is not met */
    KEEL_DOUBT_MAY_RETRY /* it was not, and its condition is met as before */
} keel_doubt;

/* Whether there is a nonce to know a write by. */
bool keel_try_can_resolve(const keel_try *t);

/* To be asked after the attempt was reported; makes a call of its own. */
keel_doubt keel_try_resolve(const keel_try *t, keel_bytes key, const keel_bag_put *put,
                            keel_bag_token *fresh);

#endif
