/* SPDX-License-Identifier: MIT */
/* Forked children that say how far they came: 0 is to their end. */
#ifndef KEEL_TESTS_SUPPORT_CHILD_H
#define KEEL_TESTS_SUPPORT_CHILD_H

#include <sys/types.h>
#include <unistd.h>

/* In a child, where check's own asserts would be lost. */
#define CHILD(statement)                                                               \
    do {                                                                               \
        if (!(statement))                                                              \
            _exit(__LINE__ % 255 + 1);                                                 \
    } while (0)

/* Runs fn in a child, which ends with it. Returns the child. */
pid_t child_fork(void (*fn)(void));

/* Returns when it has ended; fails the test unless it came to its end. */
void child_await(pid_t pid);

#endif
