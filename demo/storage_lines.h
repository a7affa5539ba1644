/* SPDX-License-Identifier: MIT */
/* What is printed of the part about storage: a line a second, and a table at the end. */
#ifndef KEEL_DEMO_STORAGE_LINES_H
#define KEEL_DEMO_STORAGE_LINES_H

#include <stdio.h>

#include "crowd.h"
#include "story.h"

/* All that was measured; filled while it happens. */
typedef struct storage_story {
    const schedule *schedule;
    uint64_t begun_ns;
    unsigned seconds; /* lived so far */
    load felt[SERVICES][MAX_SECONDS];
    transition transitions[MAX_TRANSITIONS]; /* of the breaker in front of Redis */
    unsigned transition_count;
    uint64_t phase_began_ns[PHASES];
    moments moments[SERVICES][PHASES];
    audit audit[SERVICES];
} storage_story;

void storage_lines_begin(FILE *out);
void storage_lines_phase(const storage_story *s, int at);

/* The second that was just lived. */
void storage_lines_second(const storage_story *s);

void storage_lines_end(const storage_story *s);

/* The seconds of a service, added up. */
load storage_sum(const storage_story *s, int service);

/* Whether all that was acknowledged is there, and no more visits than may be. */
bool storage_is_whole(const storage_story *s, int service);

#endif
