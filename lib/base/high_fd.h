/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that stay clear of 0, 1 and 2. A program without its standard ones gets
 * those numbers for what it opens next; and whatever is then printed, by anybody, would be
 * written there.
 */
#ifndef KEEL_BASE_HIGH_FD_H
#define KEEL_BASE_HIGH_FD_H

/* What was just opened, at a number of 3 or more, closed on exec; below 0 it is left as it
 * is. -1: there is none to be had, and it is closed; errno says why. */
int keel_high_fd(int fd);

#endif
