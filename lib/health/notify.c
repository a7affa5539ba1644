/* SPDX-License-Identifier: MIT */
/*
 * What a service manager is told, by the protocol of sd_notify(3): one datagram of lines
 * NAME=value to a socket of its own. Not a word is sent unasked.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/high_fd.h"
#include "health/health.h"

enum { MESSAGE_SIZE = 512, NAMES_SIZE = 200 };

/* "/path", or "@name" for one without a file. 0: neither. */
static socklen_t address_of(const char *where, struct sockaddr_un *to)
{
    size_t length = strlen(where);

    *to = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (length < 2 || length >= sizeof to->sun_path ||
        (where[0] != '/' && where[0] != '@'))
        return 0;
    memcpy(to->sun_path, where, length);
    if (where[0] == '@')
        to->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static keel_status send_to(const char *where, const char *message, size_t length)
{
    struct sockaddr_un to;
    socklen_t size = address_of(where, &to);
    ssize_t sent;
    int fd;

    if (!size)
        return KEEL_FAILED;
    fd = keel_high_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd < 0)
        return KEEL_FAILED;
    sent = sendto(fd, message, length, MSG_NOSIGNAL, (struct sockaddr *)&to, size);
    close(fd);
    return sent < 0 ? KEEL_FAILED : KEEL_OK;
}

/* ---- what the pipelines are doing --------------------------------------------------- */

typedef struct survey {
    unsigned total;
    unsigned open;
    unsigned unnamed; /* open ones for whose names there was no room */
    char names[NAMES_SIZE];
    size_t length;
} survey;

static void name_open(survey *s, const char *name)
{
    const char *before = s->open ? ", " : ": ";
    size_t needed = strlen(before) + strlen(name);

    s->open++;
    if (s->unnamed || needed >= sizeof s->names - s->length) {
        s->unnamed++;
        return;
    }
    s->length += (size_t)snprintf(s->names + s->length, sizeof s->names - s->length,
                                  "%s%s", before, name);
}

static bool refuses(keel_pipeline *pipeline)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    (void)keel_pipeline_look(pipeline, &stats);
    return stats.lock == KEEL_LOCK_OPEN ||
           (stats.lock == KEEL_LOCK_NONE && stats.state == KEEL_BREAKER_OPEN);
}

static void look_around(keel_runtime *rt, survey *s)
{
    uint32_t count = atomic_load(&rt->pipeline_count);

    for (uint32_t i = 0; i < count; i++) {
        keel_pipeline *pipeline = rt->pipelines[i];

        if (!atomic_load(&pipeline->handles))
            continue;
        s->total++;
        if (refuses(pipeline))
            name_open(s, pipeline->name);
    }
}

static size_t write_status(keel_runtime *rt, char *to, size_t size)
{
    survey s = { .total = 0 };
    char more[32] = "";

    look_around(rt, &s);
    if (s.unnamed)
        snprintf(more, sizeof more, " and %u more", s.unnamed);
    return (size_t)snprintf(to, size, "STATUS=%u of %u open%s%s\n", s.open, s.total,
                            s.names, more);
}

/* ---- messages ----------------------------------------------------------------------- */

static size_t write_state(keel_notice_kind kind, char *to, size_t size)
{
    static const char *const states[] = {
        [KEEL_NOTIFY_STATUS] = "",
        [KEEL_NOTIFY_READY] = "READY=1\n",
        [KEEL_NOTIFY_RELOADING] = "RELOADING=1\n",
        [KEEL_NOTIFY_STOPPING] = "STOPPING=1\n",
        [KEEL_NOTIFY_WATCHDOG] = "WATCHDOG=1\n",
    };
    int length = snprintf(to, size, "%s", states[kind]);

    if (kind == KEEL_NOTIFY_RELOADING) /* by the manager's clock, not by the seam's */
        length +=
            snprintf(to + length, size - (size_t)length, "MONOTONIC_USEC=%" PRIu64 "\n",
                     keel_clock_real_now() / 1000);
    return (size_t)length;
}

keel_status keel_health_notify(keel_runtime *rt, keel_notice_kind kind)
{
    char message[MESSAGE_SIZE];
    const char *where;
    keel_status status;
    size_t length;
    int saved = errno;

    if (!rt || (unsigned)kind > KEEL_NOTIFY_WATCHDOG)
        return KEEL_E_ARGUMENT;
    where = keel_config_process(rt->config)->notify_socket;
    if (!where)
        return KEEL_E_STATE;
    length = write_state(kind, message, sizeof message);
    if (kind != KEEL_NOTIFY_WATCHDOG)
        length += write_status(rt, message + length, sizeof message - length);
    status = send_to(where, message, length);
    errno = saved;
    return status;
}
