/* SPDX-License-Identifier: MIT */
/*
 * A fleet of processes on one Redis, on loopback: how long from one process's trip until
 * the last has opened, how many probes a half-open round of all lets through, and what
 * idle members ask of the server. Printed, not judged.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "call/pipeline.h"
#include "measure.h"
#include "policy/fleet.h"
#include "support/redis.h"

#define SETTINGS                                                                       \
    "none; breaker.consecutive=1; breaker.open=100ms; breaker.open_jitter=0;"          \
    "breaker.half_open_permits=3; breaker.half_open_failures=0;"                       \
    "breaker.early_decision=off; breaker.lease=2s; share.trip=any"

enum {
    PROCESSES = 50,
    TRIPS = 40,
    ROUNDS = 200,
    PERMITS = 3,
    EPOCHS = 4096,
    IDLE_MEMBERS = 200,
    IDLE_PIPELINES = 50,
    IDLE_SECONDS = 20,
    BEAT_SECONDS = 5
};

/* Between the processes. */
typedef struct stage {
    _Atomic unsigned ready;
    _Atomic bool is_down;
    _Atomic unsigned trip; /* the number of the trip the first process is to make */
    _Atomic uint64_t opened_at[PROCESSES];
    _Atomic unsigned closed[PROCESSES]; /* the last trip it has recovered from */
    _Atomic unsigned probes[EPOCHS];
} stage;

static stage *at;
static test_redis server;
static char variable[SPAWNED_PATH_SIZE + 32];
static const char *environment[] = { variable, NULL };

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static void fail(const char *why)
{
    fprintf(stderr, "fleet: %s\n", why);
    test_redis_cleanup(&server);
    exit(1);
}

/* ---- a member ---------------------------------------------------------------------- */

typedef struct member {
    unsigned number;
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    unsigned tripped;
} member;

static void hear(const keel_event *event, void *ctx)
{
    const member *m = ctx;

    if (event->type != KEEL_EVENT_TRANSITION)
        return;
    if (event->to == KEEL_BREAKER_OPEN && event->from == KEEL_BREAKER_CLOSED)
        atomic_store(&at->opened_at[m->number], event->at_ns);
    if (event->to == KEEL_BREAKER_CLOSED)
        atomic_store(&at->closed[m->number], atomic_load(&at->trip));
}

/* A call, if there is a permit; one while the fleet is not closed is a probe. */
static void call_once(const member *m)
{
    const keel_fleet_words *fleet = atomic_load(&m->pipeline->plan)->breaker.fleet;
    keel_permit permit;
    uint64_t view;

    if (keel_permit_take(m->pipeline, &permit, NULL) != KEEL_OK)
        return;
    view = atomic_load(&fleet->view);
    if (keel_fleet_view_state(view) != KEEL_BREAKER_CLOSED)
        atomic_fetch_add(&at->probes[keel_fleet_view_epoch(view) % EPOCHS], 1);
    keel_permit_end(&permit, atomic_load(&at->is_down) ? KEEL_FAILED : KEEL_OK);
}

static void trip_if_told(member *m)
{
    keel_permit permit;

    if (m->number || m->tripped == atomic_load(&at->trip))
        return;
    m->tripped = atomic_load(&at->trip);
    if (keel_permit_take(m->pipeline, &permit, NULL) == KEEL_OK)
        keel_permit_end(&permit, KEEL_FAILED);
}

static void be_member(unsigned number)
{
    keel_options options = { .size = sizeof options, .environment = environment };
    member m = { .number = number };

    if (keel_open(&m.runtime, &options, NULL) != KEEL_OK ||
        keel_pipeline_open(&m.pipeline, m.runtime, "payments", SETTINGS, NULL) !=
            KEEL_OK ||
        keel_events_listen(m.runtime, hear, &m) != KEEL_OK)
        _exit(1);
    while (!keel_fleet_view_epoch(
        atomic_load(&atomic_load(&m.pipeline->plan)->breaker.fleet->view)))
        pause_ms(1);
    atomic_fetch_add(&at->ready, 1);
    for (;;) {
        trip_if_told(&m);
        call_once(&m);
        pause_ms(5);
    }
}

/* ---- what is measured -------------------------------------------------------------- */

static bool all_opened(uint64_t *first, uint64_t *last)
{
    *first = UINT64_MAX;
    *last = 0;
    for (int i = 0; i < PROCESSES; i++) {
        uint64_t opened_at = atomic_load(&at->opened_at[i]);

        if (!opened_at)
            return false;
        *first = opened_at < *first ? opened_at : *first;
        *last = opened_at > *last ? opened_at : *last;
    }
    return true;
}

static bool all_closed(unsigned trip)
{
    for (int i = 0; i < PROCESSES; i++)
        if (atomic_load(&at->closed[i]) != trip)
            return false;
    return true;
}

static void measure_trips(void)
{
    double spread_ms[TRIPS];
    uint64_t first, last;
    bench_range range;

    for (unsigned trip = 1; trip <= TRIPS; trip++) {
        for (int i = 0; i < PROCESSES; i++)
            atomic_store(&at->opened_at[i], 0);
        atomic_store(&at->trip, trip);
        while (!all_opened(&first, &last))
            pause_ms(1);
        spread_ms[trip - 1] = (double)(last - first) / 1e6;
        while (!all_closed(trip))
            pause_ms(1);
    }
    range = bench_range_of(spread_ms, TRIPS);
    printf(
        "one trips until the last of %d processes is open, ms: median %.1f (goal 5), "
        "worst %.1f (goal 50), %d trips\n",
        PROCESSES, range.median, range.max, TRIPS);
}

/* With the dependency down every round fails, and the next one follows. */
static void measure_rounds(void)
{
    unsigned rounds = 0, exact = 0, most = 0;

    memset(at->probes, 0, sizeof at->probes);
    atomic_store(&at->is_down, true);
    atomic_fetch_add(&at->trip, 1);
    while (rounds < ROUNDS + 2) {
        pause_ms(50);
        rounds = 0;
        for (int i = 0; i < EPOCHS; i++)
            rounds += atomic_load(&at->probes[i]) != 0;
    }
    rounds = 0;
    /* the last ones may still be under way */
    for (int i = 0; i < EPOCHS && rounds < ROUNDS; i++) {
        unsigned probes = atomic_load(&at->probes[i]);

        rounds += probes != 0;
        exact += probes == PERMITS;
        most = probes > most ? probes : most;
    }
    printf(
        "half-open rounds of %d processes with exactly %d probes: %u of %u, most %u\n",
        PROCESSES, PERMITS, exact, rounds, most);
}

/* ---- idle members ------------------------------------------------------------------ */

/* Scripts that were called; what they do inside are commands of their own. */
static long long commands_so_far(void)
{
    static const char what[] = "cmdstat_evalsha:calls=";
    redisReply *reply = test_redis_ask(&server, "INFO commandstats");
    const char *found = reply ? strstr(reply->str, what) : NULL;
    long long count = found ? strtoll(found + strlen(what), NULL, 10) : 0;

    freeReplyObject(reply);
    return count;
}

static void open_idle(keel_runtime **runtime)
{
    keel_options options = { .size = sizeof options, .environment = environment };
    keel_pipeline *pipeline;
    char name[16];

    if (keel_open(runtime, &options, NULL) != KEEL_OK)
        fail("an idle member cannot be opened");
    for (int i = 0; i < IDLE_PIPELINES; i++) {
        snprintf(name, sizeof name, "d%d", i);
        if (keel_pipeline_open(&pipeline, *runtime, name, "none; breaker=on", NULL) !=
            KEEL_OK)
            fail("an idle member's pipeline cannot be opened");
    }
}

static void measure_idle(void)
{
    static keel_runtime *members[IDLE_MEMBERS];
    double per_second, goal = (double)IDLE_MEMBERS / BEAT_SECONDS * 1.1;
    long long before;

    for (int i = 0; i < IDLE_MEMBERS; i++)
        open_idle(&members[i]);
    sleep(2 * BEAT_SECONDS); /* until all are in */
    before = commands_so_far();
    sleep(IDLE_SECONDS);
    per_second = (double)(commands_so_far() - before) / IDLE_SECONDS;
    printf("%d idle members with %d breakers: %.1f commands/s (goal %.1f)\n",
           IDLE_MEMBERS, IDLE_PIPELINES, per_second, goal);
}

/* ------------------------------------------------------------------------------------ */

static void raise_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void run_processes(void)
{
    pid_t children[PROCESSES];

    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0)
            be_member(i);
    }
    while (atomic_load(&at->ready) < PROCESSES)
        pause_ms(10);
    measure_trips();
    measure_rounds();
    for (int i = 0; i < PROCESSES; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
}

int main(void)
{
    raise_files();
    at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
              0);
    if (at == MAP_FAILED || !test_redis_start(&server, ""))
        return 1;
    snprintf(variable, sizeof variable, "KEEL_REDIS=unix:%s", server.socket);
    printf("fleet\n");
    run_processes();
    measure_idle();
    test_redis_cleanup(&server);
    return 0;
}
