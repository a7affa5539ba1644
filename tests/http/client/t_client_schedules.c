/* SPDX-License-Identifier: MIT */
/*
 * Requests begun, cancelled and answered in any order, from callbacks and from another
 * thread: each is told exactly once, and nothing is left behind. KEEL_SEED repeats a run.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "client_fixture.h"
#include "support/comes.h"

enum { ROUNDS = 12, REQUESTS = 120, TOKENS = 8 };

typedef struct entry {
    int told;
    uint64_t ticket;
    bool is_begun;
} entry;

static entry entries[REQUESTS];
static unsigned begun;
static keel_cancel tokens[TOKENS];
static atomic_bool is_over;
static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static void begin_one(void);

static void note_entry(keel_status status, const keel_http_response *response,
                       const keel_detail *detail, void *ctx)
{
    entry *e = ctx;

    (void)status;
    (void)response;
    (void)detail;
    e->told++;
    if (draw(3) == 0)
        begin_one();
    if (draw(6) == 0 && begun)
        keel_http_cancel(client, entries[draw(begun)].ticket);
}

static bool take_some(const void *bytes, size_t length, void *ctx)
{
    (void)bytes;
    (void)length;
    (void)ctx;
    if (draw(8) == 0)
        begin_one();
    return draw(16) != 0;
}

static void begin_one(void)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "HEAD" };
    keel_call_options call = { .size = sizeof call };
    keel_http_request r = request_to(NULL);
    entry *e = &entries[begun];

    if (begun == REQUESTS)
        return;
    begun++;
    if (draw(2))
        call.cancel = &tokens[draw(TOKENS)];
    if (draw(4) == 0)
        call.deadline_at_ns = keel_now(own.rt) + draw(20) * KEEL_MS;
    r.method = methods[draw(4)];
    r.redirects = (keel_http_redirects)draw(3);
    r.call = &call;
    r.on_body = draw(3) ? NULL : take_some;
    r.body_max = draw(8) ? 0 : 2;
    r.done = note_entry;
    r.ctx = e;
    e->is_begun =
        keel_http_start(client, own.pipeline, &r, &e->ticket, NULL) == KEEL_OK;
}

static void *fire_now_and_then(void *unused)
{
    (void)unused;
    for (int i = 0; i < TOKENS / 2 && !atomic_load(&is_over); i++) {
        for (int j = 0; j < 20; j++)
            a_moment();
        keel_cancel_fire(&tokens[i]);
    }
    return NULL;
}

static void act(void)
{
    switch (draw(4)) {
    case 0:
        begin_one();
        break;
    case 1:
        if (begun)
            keel_http_cancel(client, entries[draw(begun)].ticket);
        break;
    default:
        keel_http_poll(client, draw(3) * KEEL_MS);
    }
}

static void play_round(uint64_t seed)
{
    pthread_t thread;

    state = seed;
    begun = 0;
    memset(entries, 0, sizeof entries);
    memset(tokens, 0, sizeof tokens);
    atomic_store(&is_over, false);
    ck_assert_int_eq(keel_http_open(&client, own.rt, NULL, NULL), KEEL_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, fire_now_and_then, NULL), 0);
    while (begun < REQUESTS / 2)
        act();
    for (uint64_t i = draw(200); i && keel_http_in_flight(client); i--)
        keel_http_poll(client, KEEL_MS);
    keel_http_close(client);
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < begun; i++)
        ck_assert_msg(entries[i].told == entries[i].is_begun, "seed %llu: request %u",
                      (unsigned long long)seed, i);
    ck_assert_uint_eq(opened_look(&own).in_flight, 0);
    ck_assert_uint_eq(opened_look(&own).queued, 0);
}

static uint64_t first_seed(void)
{
    const char *given = getenv("KEEL_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : now_ns();

    printf("KEEL_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

START_TEST(whatever_happens_each_is_told_once)
{
    uint64_t seed = first_seed();

    BEGIN(
        QUICK "bulkhead=8; bulkhead.queue=16; bulkhead.wait=30ms; timeout=20ms; "
              "deadline=60ms; breaker.open=10ms",
        SAY(GOOD, FAULT_KEEP), SAY(SICK, FAULT_KEEP), SAY(GOOD, FAULT_CLOSE),
        SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP), SAY("", FAULT_CLOSE),
        SAY("HTTP/1.1 302 -\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", FAULT_KEEP),
        SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", FAULT_CLOSE),
        SAY(GOOD, FAULT_KEEP), SAY("", FAULT_HANG), SAY(GOOD, FAULT_KEEP),
        SAY("garbage\r\n\r\n", FAULT_CLOSE), SAY(GOOD, FAULT_KEEP));
    keel_http_close(client);
    for (uint64_t i = 0; i < ROUNDS; i++)
        play_round(seed + i);
    client = NULL;
    END();
}
END_TEST

SUITE("client_schedules", 60, ONE(whatever_happens_each_is_told_once))
