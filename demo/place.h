/* SPDX-License-Identifier: MIT */
/*
 * An endpoint of a dependency that has several: a real nginx on loopback, which is really
 * frozen, killed and made sick.
 */
#ifndef KEEL_DEMO_PLACE_H
#define KEEL_DEMO_PLACE_H

#include <stdint.h>

#include "../tests/support/nginx.h"
#include "schedule.h"

typedef struct place {
    nginx nginx;
    uint16_t port;
    char url[40];
} place;

/* On a free port, well. False: stderr says why. */
bool place_start(place *p);

/* Kills, starts, freezes or continues it, as needed. False: stderr says why. */
bool place_become(place *p, mood wanted);

/* Kills it and removes its directory. All zero is fine. */
void place_cleanup(place *p);

#endif
