/* SPDX-License-Identifier: MIT */
/* The callers, what each knows of its sessions, and the notes that it makes. */
#include "crowd.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "demo.h"

enum { THINK_LEAST_MS = 5, THINK_SPREAD_MS = 20, KEY_SIZE = 32 };

/* Of ten things a caller does. */
enum { WRITES = 3, VISITS = 1, THINGS = 10 };

static const char visits_key[] = "visits";

/* The versions of it that were tried to be stored, and the one that certainly was. */
typedef struct session {
    char key[KEY_SIZE];
    unsigned tried, acknowledged;
} session;

typedef struct caller {
    pthread_t thread;
    crowd *crowd;
    keeper keeper;
    unsigned seed;
    session sessions[CROWD_SESSIONS];
} caller;

/* mu guards: is_ending, felt, moments, since_ns. */
struct crowd {
    caller callers[CROWD_CALLERS];
    unsigned running;
    pthread_mutex_t mu;
    pthread_cond_t end_cond;
    bool is_ending;
    load felt;
    moments moments;
    uint64_t since_ns;
};

/* ---- notes ----------------------------------------------------------------------- */

static const uint32_t not_of_redis = KEEL_BAG_STALE | KEEL_BAG_FROM_STANDBY;

static void note_first(uint64_t *first_ns, uint64_t at_ns)
{
    if (!*first_ns)
        *first_ns = at_ns;
}

static void note_time_locked(crowd *c, const answer *a, uint64_t begun_ns,
                             uint64_t *first_ns)
{
    uint64_t ended_ns = now_ns();

    if (ended_ns - begun_ns > c->felt.longest_ns)
        c->felt.longest_ns = ended_ns - begun_ns;
    if (a->ending != ENDED_WELL || begun_ns < c->since_ns)
        return;
    note_first(first_ns, ended_ns);
    if (a->marks & KEEL_BAG_FROM_STANDBY)
        note_first(&c->moments.standby_ns, ended_ns);
    if (a->marks & not_of_redis)
        c->moments.away_ns = ended_ns;
}

static void note_read_locked(load *felt, const answer *a, const session *s)
{
    if (a->ending != ENDED_WELL) {
        felt->unread++;
        return;
    }
    felt->reads++;
    felt->stale += (a->marks & KEEL_BAG_STALE) != 0;
    felt->standby += (a->marks & KEEL_BAG_FROM_STANDBY) != 0;
    if (a->version < s->acknowledged) {
        felt->old++;
        felt->unmarked += (a->marks & not_of_redis) == 0;
    }
}

/* ---- what a caller does ---------------------------------------------------------- */

static void read_session(caller *c, const session *s)
{
    uint64_t begun_ns = now_ns();
    const answer a = keeper_read(&c->keeper, s->key);

    pthread_mutex_lock(&c->crowd->mu);
    note_read_locked(&c->crowd->felt, &a, s);
    note_time_locked(c->crowd, &a, begun_ns, &c->crowd->moments.read_ns);
    pthread_mutex_unlock(&c->crowd->mu);
}

static void write_session(caller *c, session *s)
{
    uint64_t begun_ns = now_ns();
    const answer a = keeper_write(&c->keeper, s->key, ++s->tried);

    if (a.ending == ENDED_WELL)
        s->acknowledged = s->tried;
    pthread_mutex_lock(&c->crowd->mu);
    c->crowd->felt.writes[a.ending]++;
    note_time_locked(c->crowd, &a, begun_ns, &c->crowd->moments.write_ns);
    pthread_mutex_unlock(&c->crowd->mu);
}

static void count_visit(caller *c)
{
    uint64_t begun_ns = now_ns(), ignored = 0;
    const answer a = keeper_count(&c->keeper, visits_key);

    pthread_mutex_lock(&c->crowd->mu);
    c->crowd->felt.visits[a.ending]++;
    note_time_locked(c->crowd, &a, begun_ns, &ignored);
    pthread_mutex_unlock(&c->crowd->mu);
}

/* False: it is to end. */
static bool think(caller *c)
{
    crowd *all = c->crowd;
    uint64_t ms = THINK_LEAST_MS + (unsigned)rand_r(&c->seed) % THINK_SPREAD_MS;
    uint64_t until_ns = now_ns() + ms * NS_PER_MS;
    struct timespec until = { .tv_sec = (time_t)(until_ns / NS_PER_S),
                              .tv_nsec = (long)(until_ns % NS_PER_S) };
    int rc = 0;
    bool goes_on;

    pthread_mutex_lock(&all->mu);
    while (!all->is_ending && rc == 0)
        rc = pthread_cond_timedwait(&all->end_cond, &all->mu, &until);
    goes_on = !all->is_ending;
    pthread_mutex_unlock(&all->mu);
    return goes_on;
}

/* What was never stored is stored first. */
static void *live(void *arg)
{
    caller *c = arg;

    while (think(c)) {
        session *s = &c->sessions[rand_r(&c->seed) % CROWD_SESSIONS];
        int thing = rand_r(&c->seed) % THINGS;

        if (!s->acknowledged || thing < WRITES)
            write_session(c, s);
        else if (thing < WRITES + VISITS)
            count_visit(c);
        else
            read_session(c, s);
    }
    keeper_disconnect(&c->keeper);
    return NULL;
}

/* ---- what is told about them ----------------------------------------------------- */

void crowd_take(crowd *c, load *felt)
{
    pthread_mutex_lock(&c->mu);
    *felt = c->felt;
    c->felt = (load){ .reads = 0 };
    pthread_mutex_unlock(&c->mu);
}

void crowd_take_moments(crowd *c, moments *m)
{
    pthread_mutex_lock(&c->mu);
    *m = c->moments;
    c->moments = (moments){ .read_ns = 0 };
    c->since_ns = now_ns();
    pthread_mutex_unlock(&c->mu);
}

static bool audit_session(const session *s, keeper *from, audit *a)
{
    const answer found = keeper_read(from, s->key);

    a->sessions++;
    a->lost += found.version < s->acknowledged;
    a->late += found.version > s->acknowledged;
    return found.ending == ENDED_WELL;
}

bool crowd_audit(const crowd *c, keeper *from, audit *a)
{
    answer visits = keeper_read(from, visits_key);

    *a = (audit){ .visits = visits.version };
    if (visits.ending != ENDED_WELL)
        return false;
    for (int i = 0; i < CROWD_CALLERS; i++)
        for (int j = 0; j < CROWD_SESSIONS; j++)
            if (!audit_session(&c->callers[i].sessions[j], from, a))
                return false;
    return true;
}

/* ---- starting and ending --------------------------------------------------------- */

static void init_locks(crowd *c)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->end_cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&c->mu, NULL);
}

static bool start_caller(crowd *all, unsigned i, const keeper *how)
{
    caller *c = &all->callers[i];

    c->crowd = all;
    c->keeper = *how;
    c->seed = i + 1;
    for (unsigned j = 0; j < CROWD_SESSIONS; j++)
        snprintf(c->sessions[j].key, KEY_SIZE, "session:%u:%u", i, j);
    return pthread_create(&c->thread, NULL, live, c) == 0;
}

crowd *crowd_start(const keeper *how)
{
    crowd *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    init_locks(c);
    while (c->running < CROWD_CALLERS && start_caller(c, c->running, how))
        c->running++;
    if (c->running == CROWD_CALLERS)
        return c;
    crowd_free(c);
    return NULL;
}

void crowd_halt(crowd *c)
{
    pthread_mutex_lock(&c->mu);
    c->is_ending = true;
    pthread_cond_broadcast(&c->end_cond);
    pthread_mutex_unlock(&c->mu);
    while (c->running)
        pthread_join(c->callers[--c->running].thread, NULL);
}

void crowd_free(crowd *c)
{
    if (!c)
        return;
    crowd_halt(c);
    pthread_cond_destroy(&c->end_cond);
    pthread_mutex_destroy(&c->mu);
    free(c);
}
