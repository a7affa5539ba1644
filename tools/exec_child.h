/* SPDX-License-Identifier: MIT */
/*
 * A command as a child process: started, waited for, ended when its time is over. Signals
 * that ask this process to end are handed on to it. Knows nothing of pipelines.
 */
#ifndef KEEL_TOOLS_EXEC_CHILD_H
#define KEEL_TOOLS_EXEC_CHILD_H

#include <signal.h>
#include <stdbool.h>

#include "base/clock.h"

enum {
    KEEL_CHILD_NOT_EXECUTABLE = 126, /* as a shell has it */
    KEEL_CHILD_NOT_FOUND = 127,
    KEEL_CHILD_SIGNALLED = 128 /* and the signal's number */
};

typedef struct keel_child {
    char **argv;
    keel_clock clock;
    sigset_t awaited; /* a child's end, and what is handed on */
    sigset_t before;  /* what was blocked when we were started */
    int told;         /* the signal that asked us to end; 0: none has */
} keel_child;

/* code: as a shell's. start_error: an errno, it could not be started; 0: it was */
typedef struct keel_child_result {
    int code;
    int start_error;
    bool timed_out;
} keel_child_result;

/* From here on signals wait until one of the next two looks. False: no clock. */
bool keel_child_init(keel_child *command, char **argv);

/* Sleeps until an instant. False: a signal has asked us to end. */
bool keel_child_rest(keel_child *command, uint64_t until);

/*
 * Runs it once. After timeout_ns (KEEL_NEVER: no limit) it is asked to end by SIGTERM, two
 * seconds later it is killed; it has ended in any case when this returns.
 */
keel_child_result keel_child_run(keel_child *command, uint64_t timeout_ns);

#endif
