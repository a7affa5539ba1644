/* SPDX-License-Identifier: MIT */
/* A ring of the newest warnings about settings. */
#include "base/warnings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

keel_status keel_warnings_init(keel_warnings *warnings, const keel_allocator *memory,
                               const keel_log *log)
{
    memset(warnings, 0, sizeof *warnings);
    warnings->memory = memory;
    warnings->log = log;
    warnings->kept =
        keel_memory_new(memory, KEEL_WARNINGS_KEPT * sizeof *warnings->kept);
    if (!warnings->kept)
        return KEEL_E_NOMEM;
    if (pthread_mutex_init(&warnings->mu, NULL)) {
        keel_memory_free(memory, warnings->kept);
        warnings->kept = NULL;
        return KEEL_E_NOMEM;
    }
    return KEEL_OK;
}

void keel_warnings_cleanup(keel_warnings *warnings)
{
    if (!warnings->kept)
        return;
    pthread_mutex_destroy(&warnings->mu);
    keel_memory_free(warnings->memory, warnings->kept);
    warnings->kept = NULL;
}

void keel_warnings_forked(keel_warnings *warnings)
{
    pthread_mutex_init(&warnings->mu, NULL);
}

void keel_warn(keel_warnings *warnings, const char *format, ...)
{
    char line[KEEL_WARNING_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);

    pthread_mutex_lock(&warnings->mu);
    memcpy(warnings->kept[warnings->total++ % KEEL_WARNINGS_KEPT], line, sizeof line);
    pthread_mutex_unlock(&warnings->mu);
}

/* The next one to be logged; one that has fallen off the ring meanwhile is not. */
static bool next_to_log(keel_warnings *warnings, char line[KEEL_WARNING_SIZE])
{
    bool found;

    pthread_mutex_lock(&warnings->mu);
    if (warnings->total - warnings->logged > KEEL_WARNINGS_KEPT)
        warnings->logged = warnings->total - KEEL_WARNINGS_KEPT;
    found = warnings->logged < warnings->total;
    if (found)
        memcpy(line, warnings->kept[warnings->logged++ % KEEL_WARNINGS_KEPT],
               KEEL_WARNING_SIZE);
    pthread_mutex_unlock(&warnings->mu);
    return found;
}

void keel_warnings_log(keel_warnings *warnings)
{
    const keel_log *log = warnings->log;
    char line[KEEL_WARNING_SIZE];
    int saved = errno;

    while (next_to_log(warnings, line))
        if (log && log->fn && log->level >= KEEL_LOG_WARNING)
            log->fn(KEEL_LOG_WARNING, "config", line, log->ctx);
    errno = saved;
}

size_t keel_warnings_total(keel_warnings *warnings)
{
    size_t total;

    pthread_mutex_lock(&warnings->mu);
    total = warnings->total;
    pthread_mutex_unlock(&warnings->mu);
    return total;
}

bool keel_warnings_read(keel_warnings *warnings, size_t index, char *text, size_t size)
{
    size_t kept;
    bool found;

    pthread_mutex_lock(&warnings->mu);
    kept = warnings->total < KEEL_WARNINGS_KEPT ? warnings->total : KEEL_WARNINGS_KEPT;
    found = index < kept;
    if (found)
        snprintf(text, size, "%s",
                 warnings->kept[(warnings->total - kept + index) % KEEL_WARNINGS_KEPT]);
    pthread_mutex_unlock(&warnings->mu);
    return found;
}
