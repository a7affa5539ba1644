/* SPDX-License-Identifier: MIT */
/* A port for a server that is going to be dead at times. */
#ifndef KEEL_DEMO_PORT_H
#define KEEL_DEMO_PORT_H

#include <stdint.h>

/* One of 127.0.0.1 that nobody listens on; 0: none, and stderr says so. */
uint16_t port_free(void);

#endif
