/* SPDX-License-Identifier: MIT */
/*
 * Where the sessions are kept: a real Redis on loopback that is really killed, frozen and
 * starved. It writes each change to its file before it answers, so that it comes back
 * with all it has acknowledged.
 */
#ifndef KEEL_DEMO_PRIMARY_H
#define KEEL_DEMO_PRIMARY_H

#include <stdint.h>

#include "../tests/support/spawned.h"
#include "schedule.h"

typedef struct primary {
    spawned process; /* its directory has room for others */
    uint16_t port;
    mood mood;
} primary;

bool primary_is_installed(void);

/* A port, a directory, not running yet. False: stderr says why. */
bool primary_init(primary *p);

/* Kills, starts, stops or continues it, as needed. False: stderr says why. */
bool primary_become(primary *p, mood wanted);

/* To be called ten times a second, counted: lets it run when it is starved. */
void primary_tick(const primary *p, unsigned tick);

/* Kills it and removes its directory. All zero is fine. */
void primary_cleanup(primary *p);

#endif
