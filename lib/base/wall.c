/* SPDX-License-Identifier: MIT */
/* Wall time: it may step, so nothing of keel's own hangs on it. */
#include "base/wall.h"

#include <stdio.h>
#include <time.h>

#define YEAR_10000 UINT64_C(253402300800)

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

/*
 * By hand, since gmtime_r reads TZ. Years begin in March here, so that the leap day is the
 * last one: then in 400 years, 146097 days, all else repeats.
 */
const char *keel_wall_write(char to[KEEL_WALL_TEXT_SIZE], uint64_t seconds)
{
    unsigned second = (unsigned)(seconds % 86400);
    unsigned days = (unsigned)(seconds / 86400) + 719468; /* since March 1 of year 0 */
    unsigned cycle = days / 146097, day = days % 146097;
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    unsigned month; /* since March */

    if (seconds >= YEAR_10000) {
        snprintf(to, KEEL_WALL_TEXT_SIZE, "?");
        return to;
    }
    day -= 365 * year + year / 4 - year / 100;
    month = (5 * day + 2) / 153;
    snprintf(to, KEEL_WALL_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ",
             400 * cycle + year + (month >= 10), month < 10 ? month + 3 : month - 9,
             day - (153 * month + 2) / 5 + 1, second / 3600, second / 60 % 60,
             second % 60);
    return to;
}
