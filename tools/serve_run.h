/* SPDX-License-Identifier: MIT */
/* A bag behind memcached's protocol, from its opening until a signal ends it. */
#ifndef KEEL_TOOLS_SERVE_RUN_H
#define KEEL_TOOLS_SERVE_RUN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "serve_listen.h"

enum { KEEL_SERVE_THREADS = 256 };

/* What the command line says; lengths of time in ns, 0: none. */
typedef struct keel_serve_plan {
    const char *spec;
    const char *addresses[KEEL_SERVE_LISTENERS];
    size_t address_count;
    mode_t socket_mode;
    uint64_t threads;
    uint64_t connections;
    uint64_t line_max, value_max;
    uint64_t idle_ns, grace_ns, timeout_ns;
} keel_serve_plan;

/* Serves until a signal comes. Returns what to exit with. */
int keel_serve_run(const keel_serve_plan *plan);

#endif
