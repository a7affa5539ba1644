/* SPDX-License-Identifier: MIT */
/*
 * A server as a process of its own: a private directory, a process group, ended by pid
 * and never by name. Not for what it serves, nor for when it is ready.
 */
#ifndef KEEL_TESTS_SUPPORT_SPAWNED_H
#define KEEL_TESTS_SUPPORT_SPAWNED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SPAWNED_PATH_SIZE = 256 };

typedef struct spawned {
    pid_t pid;     /* 0: not running */
    char dir[200]; /* "": none */
} spawned;

/* Makes the directory below $TMPDIR or /tmp. False: stderr says why. */
bool spawned_init(spawned *s, const char *name);

/* Fills in the path of a file in its directory. */
void spawned_path(const spawned *s, const char *name, char path[SPAWNED_PATH_SIZE]);

/*
 * Starts a program, and returns when it is one; what it prints is appended to the file
 * "output".
 *
 * at_our_end  the signal it gets when the thread that started it is gone
 * Returns     false: errno; a program that cannot be run ends at once
 */
bool spawned_start(spawned *s, int at_our_end, const char *const argv[]);

/* Whether it ended by itself; then it is no longer running here either. */
bool spawned_has_ended(spawned *s);

/* What it printed, to stderr. */
void spawned_print_output(const spawned *s);

/* Stops its time, with all connections open, and lets it run on. */
void spawned_freeze(const spawned *s);
void spawned_thaw(const spawned *s);

/* Kills it, in the midst of whatever it does; it may be started again. */
void spawned_stop(spawned *s);

/* Kills it and removes its directory. All zero is fine. */
void spawned_cleanup(spawned *s);

#endif
