/* SPDX-License-Identifier: MIT */
/* What is printed of the part about regions: a line a second, and a table at the end. */
#ifndef KEEL_DEMO_REGIONS_LINES_H
#define KEEL_DEMO_REGIONS_LINES_H

#include <stdio.h>

#include "askers.h"

enum { MAX_EJECTIONS = 128, ENDPOINT_NAME_SIZE = 16 };

/* An endpoint was taken out, for so long. */
typedef struct ejection {
    uint64_t at_ns, for_ns;
    char endpoint[ENDPOINT_NAME_SIZE];
} ejection;

/* All that was measured; filled while it happens. */
typedef struct regions_story {
    const schedule *schedule;
    uint64_t begun_ns;
    unsigned seconds; /* lived so far */
    felt felt[WAYS][MAX_SECONDS];
    unsigned out[MAX_SECONDS]; /* endpoints that are ejected at the second's end */
    ejection ejections[MAX_EJECTIONS];
    unsigned ejection_count;
    cut cuts[WAYS][PHASES];
} regions_story;

void regions_lines_begin(FILE *out);
void regions_lines_phase(const regions_story *s, int at);

/* The second that was just lived. */
void regions_lines_second(const regions_story *s);

void regions_lines_end(const regions_story *s);

#endif
