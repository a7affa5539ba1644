/* SPDX-License-Identifier: MIT */
/* The table at the end: what was better with keel, and what was not. */
#ifndef KEEL_DEMO_SUMMARY_H
#define KEEL_DEMO_SUMMARY_H

#include <stdio.h>

#include "story.h"

void summary_print(FILE *out, const story *s);

#endif
