/* SPDX-License-Identifier: MIT */
/*
 * One attempt of a callback on a worker, and the caller who waits for it or leaves it.
 *
 *   running -> returned             fn was in time: the caller takes its outcome
 *   running -> leaving -> left      the worker ends the job when fn returns
 *                      -> late      fn returned while it was told to: the caller does
 *
 * Whoever comes second to the state frees the job. One that was left keeps its place in
 * the bulkhead, and its plan, until it returns: its work is still under way.
 */
#ifndef KEEL_CALL_JOB_H
#define KEEL_CALL_JOB_H

#include "call/machine.h"

/* One keel_run on workers: ctx is let go when the caller and every job are done. */
typedef struct keel_run_shared {
    _Atomic uint32_t users;
    const keel_allocator *memory;
    keel_run_fn *fn;
    void *ctx;
    const keel_run_options options;
} keel_run_shared;

/* NULL: no memory. The caller is its first user. */
keel_run_shared *keel_run_shared_new(const keel_allocator *memory,
                                     const keel_run_options *options, keel_run_fn *fn,
                                     void *ctx);
/* The last one out releases ctx. */
void keel_run_shared_leave(keel_run_shared *run);

typedef struct keel_job keel_job;

/*
 * Starts the attempt of that number.
 * admission  of the attempt, which stays the call's; until: when the attempt is over
 * Returns    KEEL_OK; KEEL_E_NOMEM, KEEL_E_SYSTEM: there is no worker, *out is NULL
 */
keel_status keel_job_start(keel_job **out, keel_machine *m, keel_run_shared *run,
                           uint32_t number, keel_admission *admission, uint64_t until);

uint32_t keel_job_number(const keel_job *job);
uint64_t keel_job_until(const keel_job *job);

/* fn has returned, and this is what came of it. */
bool keel_job_has_returned(keel_job *job);
const keel_outcome *keel_job_outcome(const keel_job *job);

/*
 * Leaves a job before its attempt is ended: if fn still runs, the attempt's place goes
 * with it, and its token is fired. False: fn has returned by now, the job is the
 * caller's still.
 *
 * has_lost  another attempt's answer was taken: what fn returns is neutral, not late
 */
bool keel_job_leave(keel_job *job, keel_machine *m, bool has_lost);

/* What an attempt's own memory holds is taken over, where it was answered, or let go. */
void keel_run_settle_own(const keel_run_options *options, void *own, keel_status status,
                         void *ctx);

/* The caller is done with a job that has returned; KEEL_CANCELLED: nobody wants it. */
void keel_job_end(keel_job *job, keel_status status);

#endif
