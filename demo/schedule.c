/* SPDX-License-Identifier: MIT */
/* The phases of the demonstration and their lengths. */
#include "schedule.h"

#include <errno.h>
#include <stdlib.h>

/*
 * The server gets well between two sicknesses, so that each is seen by itself. By default
 * a breaker opens when half of a window's attempts failed, lets its first probes pass 5 s
 * later, and waits twice as long when they fail. The first sickness here is over before
 * the first probes; the second is not, but before the next ones.
 */
const phase schedule_http[PHASES] = {
    { "healthy", "nginx answers in 20 ms", MOOD_WELL, 0, 8 },
    { "killed", "nginx is killed (kill -9): connections are refused", MOOD_DEAD, 0, 8 },
    { "back", "nginx is started again", MOOD_WELL, 0, 10 },
    { "2 s slow", "every answer takes 2 s longer", MOOD_SLOW, 0, 22 },
    { "fast", "nginx answers in 20 ms again", MOOD_WELL, 0, 10 },
    { "30 % errors", "30 % of the answers are 503", MOOD_FLAKY, 0, 12 },
    { "back", "nginx is well again", MOOD_WELL, 0, 6 },
};

/*
 * Here the breaker opens at the fifth failure in a row, and lets a probe pass every
 * second.
 */
const phase schedule_storage[PHASES] = {
    { "healthy", "Redis is well", MOOD_WELL, 0, 2 },
    { "killed", "Redis is killed (kill -9): connections are refused", MOOD_DEAD, 0, 4 },
    { "back", "Redis is started again", MOOD_WELL, 0, 3 },
    { "frozen", "Redis is frozen (SIGSTOP): connections hang", MOOD_FROZEN, 0, 4 },
    { "back", "Redis goes on (SIGCONT)", MOOD_WELL, 0, 3 },
    { "starved", "Redis gets to run for 0.1 s of every second", MOOD_STARVED, 0, 3 },
    { "back", "Redis is well again", MOOD_WELL, 0, 3 },
};

/*
 * An attempt may take 2 s, and a call that hangs may come upon two endpoints that do. A
 * cut is over before the endpoints are tried again, 5 s after they were ejected.
 */
const phase schedule_regions[PHASES] = {
    { "healthy", "both regions are well", MOOD_WELL, 0, 2 },
    { "frozen", "eu-1 is cut off (SIGSTOP): connections hang", MOOD_FROZEN, 0, 6 },
    { "back", "eu-1 goes on (SIGCONT)", MOOD_WELL, 0, 3 },
    { "killed", "eu-1 is killed (kill -9): connections are refused", MOOD_DEAD, 0, 3 },
    { "back", "eu-1 is started again", MOOD_WELL, 0, 4 },
    { "a slow", "endpoint a alone takes 2 s longer", MOOD_SLOW, 0, 4 },
    { "b failing", "a is well again; b answers 503, always", MOOD_FAILING, 0, 3 },
};

static void place_phases(schedule *s)
{
    s->seconds = 0;
    for (int i = 0; i < PHASES; i++) {
        s->phases[i].begins = s->seconds;
        s->seconds += s->phases[i].seconds;
    }
}

void schedule_init(schedule *s, const phase usual[PHASES])
{
    for (int i = 0; i < PHASES; i++)
        s->phases[i] = usual[i];
    place_phases(s);
}

static bool parse_seconds(const char **text, unsigned *seconds)
{
    char *end;
    unsigned long value;

    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    value = strtoul(*text, &end, 10);
    if (errno || value > MAX_SECONDS / PHASES)
        return false;
    *text = end;
    *seconds = (unsigned)value;
    return true;
}

bool schedule_parse(schedule *s, const char *text)
{
    schedule read = *s;

    for (int i = 0; i < PHASES; i++) {
        if (i > 0 && *text++ != ',')
            return false;
        if (!parse_seconds(&text, &read.phases[i].seconds))
            return false;
    }
    if (*text)
        return false;
    place_phases(&read);
    if (read.seconds == 0)
        return false;
    *s = read;
    return true;
}
