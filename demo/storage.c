/* SPDX-License-Identifier: MIT */
/*
 * The part about storage: the same small service twice, without keel and with it, keeps
 * its sessions in one Redis that is killed, frozen and starved. Nothing is scripted but
 * what happens to Redis.
 */
#include "storage.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "demo.h"
#include "primary.h"
#include "storage_lines.h"
#include "transitions.h"

enum { TICKS_PER_SECOND = 10, MAX_SPEC = 1280, AUDITS = 50 };

/* One pipeline for both bags: what one learns of Redis spares the other. */
static const char redis_spec[] =
    "resilient{name=store; timeout=100ms; retry.attempts=2;\n"
    "        breaker.consecutive=5; breaker.open=1s}(\n"
    "        redis://127.0.0.1:%u?prefix=keel:)";

/* What Redis has and the standby was not given is the cache's to answer meanwhile. */
static const char sessions_spec[] =
    "  cache{ttl=1s; stale=10m; on_write=write_through}(memory://,\n"
    "    failover{knows=given; hold=2s;\n"
    "        journal=%s/journal}(\n"
    "      primary=%s,\n"
    "      standby=file://%s/standby))";

typedef struct stage {
    primary primary;
    keel_runtime *runtime;
    keel_bag *sessions, *visits, *redis;
    crowd *crowds[SERVICES];
    transitions transitions;
    unsigned ticks;
    char spec[MAX_SPEC];
    storage_story story;
} stage;

/* ---- one second ------------------------------------------------------------------ */

static void note_second(stage *d)
{
    storage_story *s = &d->story;

    for (int i = 0; i < SERVICES; i++)
        crowd_take(d->crowds[i], &s->felt[i][s->seconds]);
    s->transition_count = transitions_take(&d->transitions, s->transitions);
    s->seconds++;
}

/* Before the last second is noted: what was under way belongs to it. */
static void halt(stage *d)
{
    for (int i = 0; i < SERVICES; i++)
        crowd_halt(d->crowds[i]);
}

static bool live_second(stage *d)
{
    uint64_t begins_ns = d->story.begun_ns + d->story.seconds * NS_PER_S;

    for (unsigned i = 1; i <= TICKS_PER_SECOND; i++) {
        primary_tick(&d->primary, d->ticks++);
        if (!demo_sleep_until(begins_ns + i * (NS_PER_S / TICKS_PER_SECOND)))
            return false;
    }
    if (d->story.seconds + 1 == d->story.schedule->seconds)
        halt(d);
    note_second(d);
    storage_lines_second(&d->story);
    return true;
}

/* ---- all phases ------------------------------------------------------------------ */

static bool live_phase(stage *d, int i)
{
    storage_story *s = &d->story;
    const phase *p = &s->schedule->phases[i];
    bool goes_on;

    if (p->seconds == 0)
        return true;
    storage_lines_phase(s, i);
    if (!primary_become(&d->primary, p->mood))
        return false;
    s->phase_began_ns[i] = now_ns();
    for (int j = 0; j < SERVICES; j++)
        crowd_take_moments(d->crowds[j], &s->moments[j][i]);
    do
        goes_on = live_second(d);
    while (goes_on && s->seconds < p->begins + p->seconds);
    for (int j = 0; j < SERVICES; j++)
        crowd_take_moments(d->crowds[j], &s->moments[j][i]);
    return goes_on;
}

static bool live(stage *d)
{
    d->story.begun_ns = now_ns();
    for (int i = 0; i < PHASES; i++)
        if (!live_phase(d, i))
            return false;
    return primary_become(&d->primary, MOOD_WELL);
}

/* ---- what is left in the end ----------------------------------------------------- */

/* Until nothing is missing, or for as long as one is willing to wait. */
static bool read_back(stage *d, int service, keeper *from)
{
    for (int i = 0; i < AUDITS; i++) {
        bool is_read = crowd_audit(d->crowds[service], from, &d->story.audit[service]);

        if (is_read && storage_is_whole(&d->story, service))
            return true;
        if (!demo_sleep_until(now_ns() + 100 * NS_PER_MS))
            return false;
    }
    return !demo_interrupted();
}

static bool read_all_back(stage *d)
{
    keeper keel = { .sessions = d->redis };
    keeper plain = { .port = d->primary.port };
    bool is_done;

    is_done = read_back(d, KEEL, &keel) && read_back(d, PLAIN, &plain);
    keeper_disconnect(&plain);
    return is_done;
}

/* ---- setting and striking the stage ---------------------------------------------- */

static bool open_bag(stage *d, keel_bag **bag, const char *name, const char *spec)
{
    keel_detail why = KEEL_DETAIL_INIT;

    if (keel_bag_open(bag, d->runtime, name, spec, &why) == KEEL_OK)
        return true;
    fprintf(stderr, "keel: %s\n", why.text);
    return false;
}

/* What is shown are the settings here, not those of whoever looks on. */
static bool open_runtime(stage *d)
{
    static const char *const nothing[] = { NULL };
    const keel_options options = { .size = sizeof options, .environment = nothing };
    keel_detail why = KEEL_DETAIL_INIT;

    if (keel_open(&d->runtime, &options, &why) == KEEL_OK)
        return keel_events_listen(d->runtime, transitions_note, &d->transitions) ==
               KEEL_OK;
    fprintf(stderr, "keel: %s\n", why.text);
    return false;
}

static bool open_keel(stage *d)
{
    char redis[MAX_SPEC / 2], alone[64];

    snprintf(redis, sizeof redis, redis_spec, d->primary.port);
    snprintf(d->spec, sizeof d->spec, sessions_spec, d->primary.process.dir, redis,
             d->primary.process.dir);
    snprintf(alone, sizeof alone, "redis://127.0.0.1:%u?prefix=keel:", d->primary.port);
    return open_runtime(d) && open_bag(d, &d->sessions, "sessions", d->spec) &&
           open_bag(d, &d->visits, "visits", redis) &&
           open_bag(d, &d->redis, "alone", alone);
}

static bool start_crowds(stage *d)
{
    const keeper plain = { .port = d->primary.port };
    const keeper keel = { .sessions = d->sessions, .visits = d->visits };
    sigset_t before;

    demo_mask_signals(&before);
    d->crowds[PLAIN] = crowd_start(&plain);
    d->crowds[KEEL] = crowd_start(&keel);
    demo_unmask_signals(&before);
    if (d->crowds[PLAIN] && d->crowds[KEEL])
        return true;
    fprintf(stderr, "no memory or no threads for the callers\n");
    return false;
}

/* Redis first: then no caller has anything left to wait for. */
static void strike(stage *d)
{
    spawned_stop(&d->primary.process);
    for (int i = 0; i < SERVICES; i++)
        crowd_free(d->crowds[i]);
    keel_bag_close(d->redis);
    keel_bag_close(d->visits);
    keel_bag_close(d->sessions);
    keel_close(d->runtime, 0);
    primary_cleanup(&d->primary);
}

static void introduce(const stage *d)
{
    printf(
        "The same little service twice: %u callers keep %u sessions in Redis at\n"
        "127.0.0.1:%u and count visits there; each is owed an answer within 2 s. One\n"
        "uses a plain client with time-outs, the other keel's bags. This takes %u s.\n"
        "The sessions are kept in\n\n%s\n\n",
        (unsigned)CROWD_CALLERS, (unsigned)(CROWD_CALLERS * CROWD_SESSIONS),
        d->primary.port, d->story.schedule->seconds, d->spec);
    storage_lines_begin(stdout);
}

static int perform(stage *d)
{
    bool is_done = primary_init(&d->primary) &&
                   primary_become(&d->primary, MOOD_WELL) && open_keel(d) &&
                   start_crowds(d);

    if (is_done) {
        introduce(d);
        is_done = live(d) && read_all_back(d);
    }
    if (is_done)
        storage_lines_end(&d->story);
    strike(d);
    if (demo_interrupted())
        return 128 + demo_interrupted();
    return is_done && storage_is_whole(&d->story, KEEL) && fflush(stdout) == 0
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

int storage_perform(const schedule *s)
{
    static stage d = { .transitions = { .mu = PTHREAD_MUTEX_INITIALIZER } };

    if (!primary_is_installed()) {
        fprintf(stderr, "redis-server is not installed\n");
        return NOT_INSTALLED;
    }
    d.story.schedule = s;
    return perform(&d);
}
