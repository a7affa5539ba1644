/* SPDX-License-Identifier: MIT */
/* The machine's clock for tests that wait. */
#include "support/comes.h"

#include "support/pause.h"

uint64_t now_ns(void)
{
    keel_clock clock;

    ck_assert(keel_clock_real(&clock));
    return clock.now(clock.ctx);
}

void a_moment(void)
{
    pause_ns(KEEL_MS / 4);
}
