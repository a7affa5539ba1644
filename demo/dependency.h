/* SPDX-License-Identifier: MIT */
/*
 * What the service calls: a real nginx on loopback, which is really killed, started and
 * reconfigured.
 */
#ifndef KEEL_DEMO_DEPENDENCY_H
#define KEEL_DEMO_DEPENDENCY_H

#include <stdint.h>

#include "../tests/support/nginx.h"
#include "schedule.h"

typedef struct dependency {
    nginx nginx;
    uint16_t port;
    char url[64];
} dependency;

bool dependency_is_installed(void);

/* The module of nginx that lets an answer take its time. */
extern const char dependency_echo_module[];

/* A port, a directory, not running yet. False: stderr says why. */
bool dependency_init(dependency *d);

/* Kills, starts or reconfigures it, as needed. False: stderr says why. */
bool dependency_become(dependency *d, mood wanted);

/* Kills it and removes its directory. All zero is fine. */
void dependency_cleanup(dependency *d);

#endif
