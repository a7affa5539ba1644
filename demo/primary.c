/* SPDX-License-Identifier: MIT */
/* Redis, made sick by signals. */
#include "primary.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "port.h"

enum { POLL_MS = 5, START_POLLS = 2000, TICKS = 10 };

static const char *const places[] = { "/usr/bin/redis-server",
                                      "/usr/local/bin/redis-server" };

static const char *redis_path(void)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool primary_is_installed(void)
{
    return redis_path() != NULL;
}

bool primary_init(primary *p)
{
    *p = (primary){ .port = port_free(), .mood = MOOD_DEAD };
    return p->port && spawned_init(&p->process, "redis");
}

/* ---- starting -------------------------------------------------------------------- */

/* True: it has read what it had written, too. */
static bool answers(const primary *p)
{
    const struct timeval patience = { 1, 0 };
    redisContext *c = redisConnectWithTimeout("127.0.0.1", p->port, patience);
    redisReply *reply = NULL;
    bool is_well;

    if (c && !c->err && redisSetTimeout(c, patience) == REDIS_OK)
        reply = redisCommand(c, "PING");
    is_well = reply && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    redisFree(c);
    return is_well;
}

static bool await_answer(primary *p)
{
    const struct timespec pause = { 0, POLL_MS * 1000000L };

    for (int i = 0; i < START_POLLS && !spawned_has_ended(&p->process); i++) {
        if (answers(p))
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static bool start(primary *p)
{
    char port[8];
    const char *const argv[] = { redis_path(),   "--bind", "127.0.0.1",
                                 "--port",       port,     "--dir",
                                 p->process.dir, "--save", "",
                                 "--appendonly", "yes",    "--appendfsync",
                                 "always",       NULL };

    snprintf(port, sizeof port, "%u", p->port);
    if (argv[0] && spawned_start(&p->process, SIGKILL, argv) && await_answer(p))
        return true;
    fprintf(stderr, "redis does not start:\n");
    spawned_print_output(&p->process);
    return false;
}

/* ---- moods ----------------------------------------------------------------------- */

bool primary_become(primary *p, mood wanted)
{
    p->mood = wanted;
    if (wanted == MOOD_DEAD) {
        spawned_stop(&p->process);
        return true;
    }
    if (!p->process.pid && !start(p))
        return false;
    return kill(p->process.pid, wanted == MOOD_WELL ? SIGCONT : SIGSTOP) == 0;
}

void primary_tick(const primary *p, unsigned tick)
{
    if (p->mood == MOOD_STARVED)
        kill(p->process.pid, tick % TICKS == 0 ? SIGCONT : SIGSTOP);
}

void primary_cleanup(primary *p)
{
    spawned_cleanup(&p->process);
}
