/* SPDX-License-Identifier: MIT */
/*
 * What is checked: a pipeline's dependency, by which settings, where what is found is
 * kept, and when it is looked at next. Not for how it is looked at (probe.h, job.h).
 */
#ifndef KEEL_HEALTH_TARGET_H
#define KEEL_HEALTH_TARGET_H

#include "health/job.h"
#include "health/probe.h"

/*
 * What is looked at, and how; all that the texts leave is zero, so two of them are compared
 * as bytes.
 *
 * endpoint  its name; "": the pipeline has none, and what is looked at is health.target
 */
typedef struct keel_target_key {
    keel_health_policy policy;
    char endpoint[KEEL_ENDPOINT_NAME_MAX + 1];
} keel_target_key;

/*
 * key         as the settings had it when it was made; other settings, other target
 * board       whom the words were lent by; self: the owner's word there, NULL: nobody
 *             else sees them
 * leads       this process asks for all of the host
 * told        the changes of the state that were told
 * until       of the check that is under way
 * is_wanted   the pipeline still says so
 */
typedef struct keel_target {
    struct keel_target *next;
    keel_pipeline *pipeline;
    keel_target_key key;
    keel_board *board;
    const _Atomic uint64_t *self;
    keel_health_words *words;
    uint64_t lease_seen;
    bool leads;
    bool is_wanted;
    uint32_t told;
    uint64_t due_at;
    uint64_t until;
    bool is_running;
    keel_probe probe;
    keel_health_job *job;
} keel_target;

/* Tells fn of each thing that is to be checked of a pipeline now: each of its endpoints, or
 * its target. */
typedef void keel_target_fn(keel_pipeline *pipeline, const keel_target_key *key,
                            void *ctx);
void keel_targets_wanted(keel_pipeline *pipeline, keel_target_fn *fn, void *ctx);

/* NULL: no memory, or no room on the board. */
keel_target *keel_target_new(keel_pipeline *pipeline, const keel_target_key *key,
                             uint64_t now);
/* Nothing is under way. */
void keel_target_free(keel_target *target);

/* Once every look: who leads, and what others have found meanwhile. */
void keel_target_look(keel_target *target, uint64_t now);

/* An answer has come: counted, told, and the next one is due. */
void keel_target_answered(keel_target *target, keel_status status, uint16_t code,
                          uint64_t now);

/* From the beginning of a check to the next. */
uint64_t keel_target_interval(const keel_target *target);

#endif
