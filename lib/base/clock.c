/* SPDX-License-Identifier: MIT */
/* The real clock: vDSO reads and futex waits. The only file that sleeps. */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * KEEL_S + (uint64_t)t.tv_nsec;
}

static uint64_t real_now(void *ctx)
{
    (void)ctx;
    return read_ns(CLOCK_MONOTONIC);
}

static uint64_t real_now_coarse(void *ctx)
{
    (void)ctx;
    return read_ns(CLOCK_MONOTONIC_COARSE);
}

static bool real_wait(const uint32_t *word, uint32_t expected, uint64_t until_ns,
                      void *ctx)
{
    struct timespec until = { (time_t)(until_ns / KEEL_S), (long)(until_ns % KEEL_S) };
    int saved = errno;
    long rc;
    bool woken;

    (void)ctx;
    /* a bitset wait takes an absolute instant, so that EINTR does not prolong it */
    rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                 until_ns == KEEL_NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    woken = rc == 0 || errno != ETIMEDOUT;
    errno = saved;
    return woken;
}

static void real_wake(const uint32_t *word, int count, void *ctx)
{
    int saved = errno;

    (void)ctx;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = saved;
}

bool keel_clock_real(keel_clock *clock)
{
    struct timespec t, tick = { 0, 0 };
    int saved = errno;
    bool works = clock_gettime(CLOCK_MONOTONIC, &t) == 0;

    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &t) ||
        clock_getres(CLOCK_MONOTONIC_COARSE, &tick))
        tick.tv_nsec = 0;
    errno = saved;
    *clock = (keel_clock){
        .now = real_now,
        .now_coarse = tick.tv_nsec ? real_now_coarse : real_now,
        .wait = real_wait,
        .wake = real_wake,
        .tick_ns = (uint64_t)tick.tv_nsec,
    };
    return works;
}

uint64_t keel_clock_real_now(void)
{
    return real_now(NULL);
}

bool keel_clock_is_real(const keel_clock *clock)
{
    return clock->wait == real_wait;
}

void keel_clock_wake_real(const uint32_t *word)
{
    real_wake(word, INT_MAX, NULL);
}

void keel_clock_pause_ms(int ms)
{
    poll(NULL, 0, ms);
}
