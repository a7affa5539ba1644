/* SPDX-License-Identifier: MIT */
/*
 * A private nginx: a directory of its own, a process group of its own, by pid and never
 * by name, gone afterwards. What it serves is its owner's business: the tests' server
 * (server.h) and the demonstration's dependency.
 */
#ifndef KEEL_TESTS_SUPPORT_NGINX_H
#define KEEL_TESTS_SUPPORT_NGINX_H

#include <stdbool.h>
#include <stdio.h>

#include "support/spawned.h"

typedef struct nginx {
    spawned process;
} nginx;

bool nginx_is_installed(void);

/* Makes the directory. False: stderr says why. */
bool nginx_init(nginx *n);

/*
 * Begins a configuration anew. What follows belongs into http{}.
 *
 * directives  for the outermost level, before everything else
 * Returns     where to write the rest, ended with nginx_config_end; NULL: errno
 */
FILE *nginx_config_begin(const nginx *n, const char *directives);
bool nginx_config_end(FILE *config);

/*
 * Starts it and returns when it listens.
 *
 * at_our_end  the signal it gets when the thread that started it is gone: SIGKILL, or
 *             SIGTERM where a master has to take its workers with it
 * Returns     false: it does not run
 */
bool nginx_start(nginx *n, int at_our_end);

/* What it had to say, to stderr. */
void nginx_print_errors(const nginx *n);

/* Kills it, in the midst of whatever it does; it may be started again. */
void nginx_stop(nginx *n);

/* Kills it and removes its directory. All zero is fine. */
void nginx_cleanup(nginx *n);

#endif
