/* SPDX-License-Identifier: MIT */
/*
 * What an adapter says when it cannot be opened. Included by the adapters; of no use to
 * programs.
 */
#ifndef KEEL_ADAPTERS_WHY_H
#define KEEL_ADAPTERS_WHY_H

#include <keel/status.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Fills why, NULL is fine, and returns status.
 *
 * what   "epoll: timerfd_create"
 * error  errno of that; 0: none, and the status's own sentence says the rest
 */
static inline keel_status keel_adapter_fail(keel_detail *why, keel_status status,
                                            const char *what, int error)
{
    size_t size = why ? why->size : 0;

    if (size < sizeof *why)
        return status; /* of an older header, which has no room for a sentence */
    memset(why, 0, sizeof *why);
    why->size = size;
    why->code = status;
    why->system_errno = error;
    snprintf(why->storage, sizeof why->storage, "%s: %s", what,
             error ? strerror(error) : keel_status_text(status));
    why->text = why->storage;
    return status;
}

#ifdef __cplusplus
}
#endif
#endif
