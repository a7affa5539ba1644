/* SPDX-License-Identifier: MIT */
/* The timeline as a picture: one SVG file that needs nothing else. */
#ifndef KEEL_DEMO_PICTURE_H
#define KEEL_DEMO_PICTURE_H

#include "story.h"

/* Asked before, so that nobody waits a minute to hear it. False: errno says why. */
bool picture_is_possible(const char *path);

/* False: the file cannot be written; errno says why. */
bool picture_write(const char *path, const story *s);

#endif
