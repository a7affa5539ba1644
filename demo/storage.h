/* SPDX-License-Identifier: MIT */
/* The part of the demonstration that is about what a service keeps in a store. */
#ifndef KEEL_DEMO_STORAGE_H
#define KEEL_DEMO_STORAGE_H

#include "schedule.h"

/*
 * Plays it and prints it.
 * Returns  what to exit with; EXIT_FAILURE also if keel has lost what it acknowledged
 */
int storage_perform(const schedule *s);

#endif
