/* SPDX-License-Identifier: MIT */
#include "support/told.h"

#include <stdio.h>
#include <string.h>

void told_line(keel_log_level level, const char *subsystem, const char *message,
               void *ctx)
{
    told *t = ctx;

    if (level != KEEL_LOG_INFO || strcmp(subsystem, "operator") != 0)
        return;
    pthread_mutex_lock(&t->mu);
    t->lines++;
    snprintf(t->last, sizeof t->last, "%s", message);
    pthread_mutex_unlock(&t->mu);
}

unsigned told_lines(told *t)
{
    unsigned lines;

    pthread_mutex_lock(&t->mu);
    lines = t->lines;
    pthread_mutex_unlock(&t->mu);
    return lines;
}

bool told_says(told *t, const char *words)
{
    bool says;

    pthread_mutex_lock(&t->mu);
    says = strstr(t->last, words) != NULL;
    pthread_mutex_unlock(&t->mu);
    return says;
}
