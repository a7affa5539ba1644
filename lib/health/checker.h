/* SPDX-License-Identifier: MIT */
/*
 * The thread that makes active checks: what it has, and its loop. It owns all of this but
 * the descriptors, which a forked child closes.
 */
#ifndef KEEL_HEALTH_CHECKER_H
#define KEEL_HEALTH_CHECKER_H

#include "health/target.h"

typedef struct keel_checker {
    keel_health *health;
    keel_runtime *rt;
    _Atomic bool is_stopping;
    CURLM *multi;
    bool holds_libcurl; /* a curl_global_init of ours */
    keel_target *targets;
    uint32_t running;
    uint64_t now; /* of this round: one that stood still is seen at the next one's */
    uint64_t look_at;
    keel_probe_sockets sockets;
} keel_checker;

/* NULL: no memory, or a libcurl that will not do; why says so. */
keel_checker *keel_checker_new(keel_health *health, keel_detail *why);

/* The thread: until it is_stopping. */
void *keel_checker_run(void *checker);

/* When its thread has ended. NULL is fine. */
void keel_checker_free(keel_checker *checker);

#endif
