/* SPDX-License-Identifier: MIT */
/* The part of the demonstration that is about calls over HTTP. */
#ifndef KEEL_DEMO_HTTP_H
#define KEEL_DEMO_HTTP_H

#include "schedule.h"

/*
 * Plays it, prints it, and draws it into the file `picture`.
 * Returns  what to exit with
 */
int http_perform(const schedule *s, const char *picture);

#endif
