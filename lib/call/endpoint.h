/* SPDX-License-Identifier: MIT */
/*
 * The endpoints of a call's attempts, where its pipeline has several: each attempt is
 * given one when it is admitted, and gives it back when it ends. Which one is policy/
 * endpoint_choice.h's to say.
 */
#ifndef KEEL_CALL_ENDPOINT_H
#define KEEL_CALL_ENDPOINT_H

#include "call/race.h"

/* What an attempt of the call that is admitted now goes to. False: to none, as answer
 * says. */
bool keel_attempt_choose(keel_machine *m, keel_endpoint_pick *pick, uint64_t now,
                         keel_admission_answer *answer);

/* The attempt has ended so. */
void keel_attempt_let_go(keel_machine *m, keel_endpoint_pick *pick,
                         const keel_admission_result *result, uint64_t now);

/* Where an attempt goes; 0: the latest. False: to no endpoint, or it is not known. */
bool keel_machine_endpoint(const keel_machine *m, uint32_t attempt, keel_endpoint *out);

/* Events and log lines of what happened to endpoints. */
void keel_pipeline_tell_endpoints(keel_pipeline *pipeline, const keel_endpoints *set,
                                  const keel_endpoint_changes *changes, uint64_t now);

/* The endpoint of the plan that a record is about; NULL, and "": it is gone. */
const keel_endpoint_entry *keel_plan_endpoint(const keel_plan *plan, uint64_t hash);
const char *keel_plan_endpoint_name(const keel_plan *plan, uint64_t hash);

#endif
