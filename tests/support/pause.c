/* SPDX-License-Identifier: MIT */
#include "support/pause.h"

#include <time.h>

void pause_ns(uint64_t ns)
{
    const struct timespec pause = { (time_t)(ns / KEEL_S), (long)(ns % KEEL_S) };

    nanosleep(&pause, NULL);
}
