/* SPDX-License-Identifier: MIT */
/* What happens to a dependency, and for how long. Nothing here makes it happen. */
#ifndef KEEL_DEMO_SCHEDULE_H
#define KEEL_DEMO_SCHEDULE_H

#include <stdbool.h>

enum { PHASES = 7, MAX_SECONDS = 600 };

typedef enum mood {
    MOOD_WELL,
    MOOD_DEAD,
    MOOD_SLOW,    /* nginx */
    MOOD_FLAKY,   /* nginx */
    MOOD_FAILING, /* an endpoint */
    MOOD_FROZEN,  /* Redis, an endpoint */
    MOOD_STARVED  /* Redis */
} mood;

/* name heads tables and bands; story is told when the phase begins. */
typedef struct phase {
    const char *name;
    const char *story;
    mood mood;
    unsigned begins;
    unsigned seconds; /* 0: left out */
} phase;

typedef struct schedule {
    phase phases[PHASES];
    unsigned seconds;
} schedule;

/* Of the three parts. */
extern const phase schedule_http[PHASES];
extern const phase schedule_storage[PHASES];
extern const phase schedule_regions[PHASES];

void schedule_init(schedule *s, const phase usual[PHASES]);

/* "8,8,10,22,10,12,6": seconds of every phase. False: not that; s is unchanged. */
bool schedule_parse(schedule *s, const char *text);

#endif
