/* SPDX-License-Identifier: MIT */
/* What a runtime's log was told of operators, by whichever thread. */
#ifndef KEEL_TESTS_SUPPORT_TOLD_H
#define KEEL_TESTS_SUPPORT_TOLD_H

#include <pthread.h>
#include <stdbool.h>

#include <keel/runtime.h>

/* mu guards: lines, last */
typedef struct told {
    pthread_mutex_t mu;
    unsigned lines;
    char last[512];
} told;

#define TOLD_INIT                                                                      \
    {                                                                                  \
        .mu = PTHREAD_MUTEX_INITIALIZER                                                \
    }

/* The hook; ctx: a told. */
void told_line(keel_log_level level, const char *subsystem, const char *message,
               void *ctx);

unsigned told_lines(told *t);
/* Whether the last line holds the words. */
bool told_says(told *t, const char *words);

#endif
