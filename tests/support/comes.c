/* SPDX-License-Identifier: MIT */
/* The machine's clock for tests that wait. */
#include "support/comes.h"

#include <time.h>

uint64_t now_ns(void)
{
    keel_clock clock;

    ck_assert(keel_clock_real(&clock));
    return clock.now(clock.ctx);
}

void pause_ns(uint64_t ns)
{
    const struct timespec pause = { (time_t)(ns / KEEL_S), (long)(ns % KEEL_S) };

    nanosleep(&pause, NULL);
}

void a_moment(void)
{
    pause_ns(KEEL_MS / 4);
}
