/* SPDX-License-Identifier: MIT */
/* Wall time: it may step, so nothing of keel's own hangs on it. */
#include "base/wall.h"

#include <time.h>

int64_t keel_wall_seconds(void)
{
    return (int64_t)time(NULL);
}

uint64_t keel_wall_ms(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now))
        return 0;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t keel_wall_boot_seconds(void)
{
    struct timespec up;

    if (clock_gettime(CLOCK_BOOTTIME, &up))
        return 0;
    return (int64_t)time(NULL) - (int64_t)up.tv_sec;
}
