/* SPDX-License-Identifier: MIT */
/*
 * A service under three times the load that its dependency bears, in a closed loop on
 * virtual time: calls of a real pipeline, and a server of 16 workers that takes 20 ms
 * for each request, in the order they came, whether or not somebody still waits. That is
 * 800 a second. Nobody waits longer than 200 ms, so without a limit the queue grows until
 * all that it serves comes too late.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/opened.h"
#include "support/suite.h"

enum {
    WORKERS = 16,
    SERVICE_MS = 20,
    CAPACITY = WORKERS * 1000 / SERVICE_MS, /* a second */
    NORMAL = CAPACITY * 7 / 10,
    OVERLOAD = CAPACITY * 3,
    CLIENTS = 4096, /* at once; more are an error of the test */
    QUEUE = 1 << 18
};

typedef struct client {
    keel_call call;
    uint64_t sent_ms;
    uint32_t number; /* 0: free */
    uint32_t attempt;
} client;

/* One that waits at the server, or is served. */
typedef struct request {
    uint32_t client;
    uint32_t number;
} request;

typedef struct worker {
    request serves;
    uint64_t done_ms; /* 0: idle */
} worker;

/* What came of the calls of a stretch of time. */
typedef struct tally {
    unsigned begun, ok, refused, failed;
    uint64_t ok_ms; /* the sum of their times */
} tally;

static opened o;
static client clients[CLIENTS], *next_client;
static request queue[QUEUE];
static uint32_t queue_head, queue_tail, numbers;
static uint32_t longest; /* of the queue's, who may wait for longer than any other */
static worker workers[WORKERS];
static uint64_t now_ms, seed;
static double arrivals; /* carried over to the next millisecond */
static tally so_far;

static double draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

static void begin(const char *settings)
{
    memset(clients, 0, sizeof clients);
    memset(workers, 0, sizeof workers);
    queue_head = queue_tail = numbers = longest = 0;
    next_client = clients;
    now_ms = 1;
    arrivals = 0;
    seed = 20261121;
    printf("seed %llu\n", (unsigned long long)seed);
    opened_init(&o, OPENED_VIRTUAL, NULL, settings);
}

/* ---- the clients ----------------------------------------------------------------- */

static void finish(client *c)
{
    keel_status status = keel_call_end(&c->call, NULL);

    if (status == KEEL_OK) {
        so_far.ok++;
        so_far.ok_ms += now_ms - c->sent_ms;
    } else if (keel_status_is_rejected(status)) {
        so_far.refused++;
    } else {
        so_far.failed++;
    }
    c->number = 0;
}

static void arrive(void)
{
    client *c = next_client;

    next_client = c + 1 < clients + CLIENTS ? c + 1 : clients;
    ck_assert(!c->number); /* whoever was here has waited long enough */
    so_far.begun++;
    c->sent_ms = now_ms;
    keel_call_begin(&c->call, o.pipeline, NULL);
    if (keel_call_poll(&c->call, &c->attempt, NULL) != KEEL_STEP_ATTEMPT) {
        finish(c);
        return;
    }
    c->number = ++numbers;
    ck_assert_uint_lt(queue_tail, QUEUE);
    queue[queue_tail++] = (request){ (uint32_t)(c - clients), c->number };
}

/* All wait equally long, so those who came first give up first. */
static void give_up_waiting(void)
{
    for (; longest < queue_tail; longest++) {
        client *c = &clients[queue[longest].client];

        if (c->number != queue[longest].number)
            continue;
        if (now_ms - c->sent_ms < 200 ||
            keel_call_poll(&c->call, NULL, NULL) != KEEL_STEP_ENDED)
            return;
        finish(c);
    }
}

/* ---- the server ------------------------------------------------------------------ */

static void answer(const request *r)
{
    client *c = &clients[r->client];

    if (c->number != r->number)
        return; /* nobody waits for it any more */
    keel_call_report(&c->call, KEEL_OK);
    finish(c);
}

static void serve(worker *w)
{
    if (w->done_ms && w->done_ms <= now_ms) {
        answer(&w->serves);
        w->done_ms = 0;
    }
    if (w->done_ms || queue_head == queue_tail)
        return;
    w->serves = queue[queue_head++];
    w->done_ms = now_ms + SERVICE_MS * 9 / 10 + (uint64_t)(draw() * 5);
}

/* ---- time ------------------------------------------------------------------------ */

static void one_millisecond(unsigned per_second)
{
    /* as unevenly as twice as many at random come */
    for (arrivals += 2.0 * per_second / 1000 * draw(); arrivals >= 1; arrivals--)
        arrive();
    for (int i = 0; i < WORKERS; i++)
        serve(&workers[i]);
    give_up_waiting();
    vclock_advance(&o.clock, KEEL_MS);
    now_ms++;
}

static tally run(unsigned seconds, unsigned per_second)
{
    so_far = (tally){ 0 };
    for (unsigned i = 0; i < seconds * 1000; i++)
        one_millisecond(per_second);
    return so_far;
}

/* The same, and looks at the limit: it stays in its bounds and lets somebody through. */
static tally run_limited(unsigned seconds, unsigned per_second)
{
    tally all = { 0 };

    for (unsigned i = 0; i < seconds; i++) {
        tally second = run(1, per_second);
        uint64_t limit = opened_look(&o).adaptive_limit;

        ck_assert_uint_ge(limit, 4);
        ck_assert_uint_le(limit, 256);
        ck_assert_uint_lt(second.refused, second.begun);
        all.begun += second.begun;
        all.ok += second.ok;
        all.refused += second.refused;
        all.failed += second.failed;
        all.ok_ms += second.ok_ms;
    }
    return all;
}

/* What is under way at the end is given up. */
static void end(void)
{
    for (client *c = clients; c < clients + CLIENTS; c++)
        if (c->number)
            keel_call_end(&c->call, NULL);
    ck_assert_uint_eq(opened_look(&o).in_flight, 0);
    opened_cleanup(&o);
}

static void ck_normal(const tally *t)
{
    ck_assert_msg(t->refused * 1000 <= t->begun && t->failed == 0,
                  "%u of %u refused, %u failed", t->refused, t->begun, t->failed);
    ck_assert_uint_lt(t->ok_ms, (uint64_t)t->ok * SERVICE_MS * 3 / 2);
}

static const char *const algorithms[] = { "aimd", "vegas", "gradient2" };

/* Each begins with a limit that the settings say, and is used to the normal load. */
static void begin_with(const char *algorithm, const char *initial)
{
    char settings[160];

    snprintf(settings, sizeof settings,
             "none; timeout=200ms; adaptive=%s; adaptive.initial=%s", algorithm,
             initial);
    begin(settings);
}

START_TEST(overload_leaves_nine_tenths_of_capacity_and_is_over_with_the_load)
{
    tally normal, overload, after;

    begin_with(algorithms[_i], "16");
    run_limited(20, NORMAL);
    normal = run_limited(10, NORMAL);
    ck_normal(&normal);
    overload = run_limited(30, OVERLOAD);
    run_limited(5, NORMAL);
    after = run_limited(15, NORMAL);
    printf("%s: goodput %u%% of capacity, mean %u ms; limit %u\n", algorithms[_i],
           overload.ok * 100 / (30 * CAPACITY),
           (unsigned)(overload.ok_ms / overload.ok),
           (unsigned)opened_look(&o).adaptive_limit);
    ck_assert_uint_ge(overload.ok, 30 * CAPACITY * 9 / 10);
    ck_normal(&after);
    end();
}
END_TEST

START_TEST(a_limit_that_lets_all_come_too_late_finds_back)
{
    tally first, last;

    begin_with(algorithms[_i], "256");
    first = run_limited(5, OVERLOAD);
    run_limited(20, OVERLOAD);
    last = run_limited(10, OVERLOAD);
    printf("%s: goodput %u%%, 25 s later %u%%\n", algorithms[_i],
           first.ok * 100 / (5 * CAPACITY), last.ok * 100 / (10 * CAPACITY));
    ck_assert_uint_lt(first.ok, 5 * CAPACITY / 2); /* or this proves nothing */
    ck_assert_uint_ge(last.ok, 10 * CAPACITY * 9 / 10);
    end();
}
END_TEST

START_TEST(without_a_limit_hardly_anything_comes_in_time)
{
    tally overload;

    begin("none; timeout=200ms");
    run(10, NORMAL);
    overload = run(10, OVERLOAD);
    ck_assert_uint_lt(overload.ok, 10 * CAPACITY / 4);
    end();
}
END_TEST

SUITE("overload_load", 60,
      ROWS(overload_leaves_nine_tenths_of_capacity_and_is_over_with_the_load,
           algorithms),
      ROWS(a_limit_that_lets_all_come_too_late_finds_back, algorithms),
      ONE(without_a_limit_hardly_anything_comes_in_time))
