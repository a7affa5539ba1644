/* SPDX-License-Identifier: MIT */
/* The timeline in the terminal: a line a second, 80 columns, as it happens. */
#ifndef KEEL_DEMO_TIMELINE_H
#define KEEL_DEMO_TIMELINE_H

#include <stdio.h>

#include "story.h"

void timeline_begin(FILE *out, const story *s);

void timeline_phase(const story *s, int at);

/* The second that was just lived, and what the breaker did in it. */
void timeline_second(const story *s);

#endif
