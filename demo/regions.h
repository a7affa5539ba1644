/* SPDX-License-Identifier: MIT */
/* The part about a dependency whose endpoints live in two regions. */
#ifndef KEEL_DEMO_REGIONS_H
#define KEEL_DEMO_REGIONS_H

#include "schedule.h"

/* Plays it. Returns what the process exits with. */
int regions_perform(const schedule *s);

#endif
