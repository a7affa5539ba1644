/* SPDX-License-Identifier: MIT */
/*
 * One run of an active check of code's own, on a worker, since it may take as long as it
 * likes. Who has asked may leave before it returns; then it ends by itself.
 */
#ifndef KEEL_HEALTH_JOB_H
#define KEEL_HEALTH_JOB_H

#include "health/health.h"

typedef struct keel_health_job keel_health_job;

/* NULL: it still runs from before, there is no thread to be had, or no memory. */
keel_health_job *keel_health_job_start(keel_health *health, keel_pipeline *pipeline);

/* True: it has returned; the job is gone, and *state what it said. */
bool keel_health_job_take(keel_health_job *job, keel_health_state *state);

/* It may return when it likes. NULL is fine. */
void keel_health_job_leave(keel_health_job *job);

#endif
