/* SPDX-License-Identifier: MIT */
/*
 * The breaker nearly everybody writes: a mutex, a precise clock read before and after
 * the call, a ring of buckets with a running total. It stands in bench/ for the many
 * libraries of that shape, as the control keel is compared with; not for use.
 */
#ifndef KEEL_BENCH_CONTROL_H
#define KEEL_BENCH_CONTROL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { CONTROL_BUCKETS = 100 };

typedef struct control_breaker {
    pthread_mutex_t mutex;
    bool is_open;
    uint64_t open_until;
    uint64_t newest; /* number of the current bucket */
    uint32_t ok[CONTROL_BUCKETS];
    uint32_t failed[CONTROL_BUCKETS];
    uint64_t all_ok;
    uint64_t all_failed;
} control_breaker;

void control_init(control_breaker *breaker);
void control_cleanup(control_breaker *breaker);
bool control_allow(control_breaker *breaker);
void control_done(control_breaker *breaker, bool ok);

#endif
