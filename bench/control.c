/* SPDX-License-Identifier: MIT */
/* A window of 10 s; opens for 5 s at half of 20 calls or more. */
#include "control.h"

#include <string.h>
#include <time.h>

#define BUCKET_NS 100000000u
#define OPEN_NS 5000000000u

enum { MIN_CALLS = 20 };

void control_init(control_breaker *breaker)
{
    memset(breaker, 0, sizeof *breaker);
    pthread_mutex_init(&breaker->mutex, NULL);
}

void control_cleanup(control_breaker *breaker)
{
    pthread_mutex_destroy(&breaker->mutex);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Drops what has left the window, bucket by bucket. Returns the current one. */
static uint64_t rotate_locked(control_breaker *breaker, uint64_t now)
{
    uint64_t number = now / BUCKET_NS;

    if (breaker->newest + CONTROL_BUCKETS < number)
        breaker->newest = number - CONTROL_BUCKETS;
    while (breaker->newest < number) {
        uint64_t index = ++breaker->newest % CONTROL_BUCKETS;

        breaker->all_ok -= breaker->ok[index];
        breaker->all_failed -= breaker->failed[index];
        breaker->ok[index] = breaker->failed[index] = 0;
    }
    return number % CONTROL_BUCKETS;
}

bool control_allow(control_breaker *breaker)
{
    bool allowed;
    uint64_t now;

    pthread_mutex_lock(&breaker->mutex);
    now = now_ns();
    rotate_locked(breaker, now);
    if (breaker->is_open && now >= breaker->open_until)
        breaker->is_open = false;
    allowed = !breaker->is_open;
    pthread_mutex_unlock(&breaker->mutex);
    return allowed;
}

static bool must_open_locked(const control_breaker *breaker)
{
    uint64_t all = breaker->all_ok + breaker->all_failed;

    return all >= MIN_CALLS && 2 * breaker->all_failed >= all;
}

void control_done(control_breaker *breaker, bool ok)
{
    uint64_t now, index;

    pthread_mutex_lock(&breaker->mutex);
    now = now_ns();
    index = rotate_locked(breaker, now);
    if (ok) {
        breaker->ok[index]++;
        breaker->all_ok++;
    } else {
        breaker->failed[index]++;
        breaker->all_failed++;
    }
    if (must_open_locked(breaker)) {
        breaker->is_open = true;
        breaker->open_until = now + OPEN_NS;
    }
    pthread_mutex_unlock(&breaker->mutex);
}
