/* SPDX-License-Identifier: MIT */
/*
 * Equal requests that are under way at once: who leads, who follows, what each is told.
 * Random schedules check that nobody is forgotten; KEEL_SEED=n runs one of them.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/client/coalesce.h"
#include "support/allocator.h"
#include "support/suite.h"

enum { MANY = 3000 }; /* more than there are buckets */

enum { SEATS = 24, URLS = 3, SCHEDULES = 500, STEPS = 300, THREADS = 4, ROUNDS = 4000 };

static failing_allocator memory;
static keel_coalescer *coalescer;
static keel_request_key *keys[URLS];
static keel_seat seats[SEATS];
static unsigned woken[SEATS];
static uint64_t seed;

static void count_wake(void *ctx)
{
    (*(unsigned *)ctx)++;
}

static void begin(void)
{
    static const char *const urls[URLS] = { "http://a/1", "http://a/2", "http://a/3" };

    failing_allocator_init(&memory, 0);
    ck_assert(keel_coalescer_open(&coalescer, &memory.allocator));
    for (size_t i = 0; i < URLS; i++) {
        keel_request r = { .method = "GET", .url = urls[i] };

        keys[i] = keel_request_key_new(&memory.allocator, &r);
    }
    memset(seats, 0, sizeof seats);
    memset(woken, 0, sizeof woken);
}

static void end(void)
{
    for (size_t i = 0; i < URLS; i++)
        keel_memory_free(&memory.allocator, keys[i]);
    keel_coalescer_close(coalescer);
    ck_assert_int_eq(memory.live, 0);
}

static keel_seat_state join(size_t i, size_t url)
{
    seats[i] = (keel_seat){ .key = keys[url], .wake = count_wake, .ctx = &woken[i] };
    return keel_coalesce_join(coalescer, &seats[i]);
}

static void land(size_t i, keel_status status, long mark, bool may_share)
{
    keel_shared_answer *answer = keel_shared_answer_new(&memory.allocator, 0, 0);

    answer->status = status;
    answer->response = mark;
    keel_coalesce_land(coalescer, &seats[i], answer, may_share);
    keel_shared_answer_drop(answer);
}

/* What the seat is told; *mark: of its answer, 0: it has none. */
static keel_seat_state look(size_t i, long *mark)
{
    keel_shared_answer *answer;
    keel_seat_state state = keel_coalesce_look(coalescer, &seats[i], &answer);

    *mark = answer ? answer->response : 0;
    keel_shared_answer_drop(answer);
    return state;
}

static void is_told(size_t i, keel_seat_state state, long mark)
{
    long got;

    ck_assert_int_eq(look(i, &got), state);
    ck_assert_int_eq(got, mark);
}

START_TEST(the_first_leads_and_equal_ones_follow)
{
    begin();
    ck_assert_int_eq(join(0, 0), KEEL_SEAT_LEADS);
    ck_assert_int_eq(join(1, 0), KEEL_SEAT_FOLLOWS);
    ck_assert_int_eq(join(2, 1), KEEL_SEAT_LEADS);
    is_told(1, KEEL_SEAT_FOLLOWS, 0);
    land(0, KEEL_OK, 7, true);
    ck_assert_uint_eq(woken[1], 1);
    is_told(1, KEEL_SEAT_LANDED, 7);
    is_told(1, KEEL_SEAT_NONE, 0); /* once */
    ck_assert_uint_eq(woken[0] + woken[2], 0);
    ck_assert_int_eq(join(1, 0), KEEL_SEAT_LEADS); /* what has landed is over */
    keel_coalesce_leave(coalescer, &seats[1]);
    land(2, KEEL_OK, 8, true);
    end();
}
END_TEST

START_TEST(of_many_requests_only_equal_ones_meet)
{
    static keel_seat many[MANY];
    static keel_request_key *own[MANY];
    char url[32];

    begin();
    for (size_t i = 0; i < MANY; i++) {
        keel_request r = { .method = "GET", .url = url };

        snprintf(url, sizeof url, "http://a/%zu", i);
        own[i] = keel_request_key_new(NULL, &r);
        many[i] = (keel_seat){ .key = own[i] };
        ck_assert_int_eq(keel_coalesce_join(coalescer, &many[i]), KEEL_SEAT_LEADS);
    }
    for (size_t i = 0; i < MANY; i++) {
        keel_coalesce_leave(coalescer, &many[i]);
        keel_memory_free(NULL, own[i]);
    }
    end();
}
END_TEST

START_TEST(a_failure_is_everybodys_and_nobody_else_calls)
{
    begin();
    join(0, 0);
    for (size_t i = 1; i < SEATS; i++)
        ck_assert_int_eq(join(i, 0), KEEL_SEAT_FOLLOWS);
    land(0, KEEL_FAILED, 503, true);
    for (size_t i = 1; i < SEATS; i++)
        is_told(i, KEEL_SEAT_LANDED, 503);
    end();
}
END_TEST

START_TEST(what_is_not_for_others_sends_each_on_its_own_way)
{
    begin();
    join(0, 0);
    join(1, 0);
    land(0, KEEL_OK, 7, false);
    ck_assert_uint_eq(woken[1], 1);
    is_told(1, KEEL_SEAT_ALONE, 0);
    end();
}
END_TEST

START_TEST(a_leader_who_leaves_is_succeeded_by_the_oldest_follower)
{
    begin();
    for (size_t i = 0; i < 4; i++)
        join(i, 0);
    keel_coalesce_leave(coalescer, &seats[1]);
    keel_coalesce_leave(coalescer, &seats[0]);
    ck_assert_uint_eq(woken[2], 1);
    ck_assert_uint_eq(woken[1] + woken[3], 0);
    is_told(2, KEEL_SEAT_LEADS, 0);
    is_told(3, KEEL_SEAT_FOLLOWS, 0);
    ck_assert_int_eq(join(0, 0), KEEL_SEAT_FOLLOWS);
    land(2, KEEL_OK, 9, true);
    is_told(3, KEEL_SEAT_LANDED, 9);
    is_told(0, KEEL_SEAT_LANDED, 9);
    end();
}
END_TEST

static const keel_status own_ends[] = { KEEL_CANCELLED, KEEL_DEADLINE,
                                        KEEL_REJECTED_DEADLINE };

START_TEST(a_leaders_own_end_is_nobody_elses)
{
    begin();
    join(0, 0);
    join(1, 0);
    land(0, own_ends[_i], 1, true);
    is_told(1, KEEL_SEAT_LEADS, 0);
    land(1, KEEL_OK, 2, true);
    end();
}
END_TEST

START_TEST(who_has_left_is_not_woken_and_holds_nothing)
{
    begin();
    join(0, 0);
    join(1, 0);
    join(2, 0);
    keel_coalesce_leave(coalescer, &seats[1]); /* its own deadline has come */
    land(0, KEEL_OK, 7, true);
    ck_assert_uint_eq(woken[1], 0);
    is_told(1, KEEL_SEAT_NONE, 0);
    keel_coalesce_leave(coalescer, &seats[2]); /* with the answer in its place */
    keel_coalesce_leave(coalescer, &seats[2]);
    keel_coalesce_leave(coalescer, &seats[0]);
    end();
}
END_TEST

START_TEST(without_memory_there_is_no_table)
{
    failing_allocator_init(&memory, 1);
    ck_assert(!keel_coalescer_open(&coalescer, &memory.allocator));
    ck_assert_ptr_null(coalescer);
    keel_coalescer_close(NULL);
}
END_TEST

/* ---- schedules ----------------------------------------------------------------- */

/* What a seat is, seen from outside: nothing, or under way for a URL. */
static bool is_leading[SEATS], is_following[SEATS];
static size_t url_of[SEATS];
static long landed_at[URLS]; /* the step of the URL's last landing */

static uint64_t next(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

#define HOLDS(condition)                                                               \
    do {                                                                               \
        if (!(condition))                                                              \
            ck_abort_msg("KEEL_SEED=%" PRIu64 ": %s", first, #condition);              \
    } while (0)

static unsigned leaders_of(size_t url)
{
    unsigned leaders = 0;

    for (size_t i = 0; i < SEATS; i++)
        leaders += is_leading[i] && url_of[i] == url;
    return leaders;
}

static void random_join(size_t i, uint64_t first)
{
    url_of[i] = next(URLS);
    is_leading[i] = join(i, url_of[i]) == KEEL_SEAT_LEADS;
    is_following[i] = !is_leading[i];
    HOLDS(leaders_of(url_of[i]) == 1);
}

/* Whoever was woken looks, and finds what there is for him. */
static void wake_all(uint64_t first)
{
    for (size_t i = 0; i < SEATS; i++) {
        keel_seat_state state;
        long mark;

        if (!woken[i])
            continue;
        HOLDS(is_following[i] && woken[i] == 1);
        woken[i] = 0;
        is_following[i] = false;
        state = look(i, &mark);
        is_leading[i] = state == KEEL_SEAT_LEADS;
        HOLDS(is_leading[i] || state == KEEL_SEAT_LANDED || state == KEEL_SEAT_ALONE);
        HOLDS(state != KEEL_SEAT_LANDED || mark == landed_at[url_of[i]]);
    }
}

static void random_step(long step, uint64_t first)
{
    static const keel_status ends[] = { KEEL_OK, KEEL_FAILED, KEEL_CANCELLED };
    size_t i = next(SEATS);

    if (!is_leading[i] && !is_following[i]) {
        random_join(i, first);
        return;
    }
    if (is_leading[i] && next(3)) {
        landed_at[url_of[i]] = step;
        land(i, ends[next(3)], step, next(4) > 0);
    } else {
        keel_coalesce_leave(coalescer, &seats[i]);
    }
    is_leading[i] = is_following[i] = false;
    wake_all(first);
}

static void run_schedule(uint64_t first)
{
    seed = first;
    memset(is_leading, 0, sizeof is_leading);
    memset(is_following, 0, sizeof is_following);
    begin();
    for (long step = 1; step <= STEPS; step++)
        random_step(step, first);
    for (size_t i = 0; i < SEATS; i++) /* nobody follows whom nobody leads */
        HOLDS(!is_following[i] || leaders_of(url_of[i]) == 1);
    for (size_t i = 0; i < SEATS; i++)
        keel_coalesce_leave(coalescer, &seats[i]);
    end();
}

START_TEST(no_schedule_forgets_anybody)
{
    const char *given = getenv("KEEL_SEED");

    if (given)
        run_schedule(strtoull(given, NULL, 10));
    for (uint64_t first = 1; !given && first <= SCHEDULES; first++)
        run_schedule(first);
}
END_TEST

/* ---- threads ------------------------------------------------------------------- */

typedef struct rider {
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    bool is_woken;
    unsigned calls;
    unsigned answers;
} rider;

static void wake_rider(void *ctx)
{
    rider *r = ctx;

    pthread_mutex_lock(&r->mu);
    r->is_woken = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mu);
}

static void await(rider *r)
{
    pthread_mutex_lock(&r->mu);
    while (!r->is_woken)
        pthread_cond_wait(&r->changed, &r->mu);
    r->is_woken = false;
    pthread_mutex_unlock(&r->mu);
}

/* One request to its end: every third leader gives up once. */
static void ride(rider *r, int round)
{
    keel_seat seat = { .key = keys[round % URLS], .wake = wake_rider, .ctx = r };
    keel_seat_state state = keel_coalesce_join(coalescer, &seat);
    keel_shared_answer *answer = NULL;

    while (state == KEEL_SEAT_FOLLOWS) {
        await(r);
        state = keel_coalesce_look(coalescer, &seat, &answer);
    }
    if (state == KEEL_SEAT_LEADS && round % 3 == 0) {
        keel_coalesce_leave(coalescer, &seat);
        return;
    }
    if (state == KEEL_SEAT_LEADS) {
        r->calls++;
        answer = keel_shared_answer_new(&memory.allocator, 0, 0);
        answer->response = round % URLS + 1;
        keel_coalesce_land(coalescer, &seat, answer, true);
    }
    ck_assert_int_eq(answer->response, round % URLS + 1);
    keel_shared_answer_drop(answer);
    r->answers++;
}

static void *ride_often(void *ctx)
{
    rider *r = ctx;

    for (int i = 0; i < ROUNDS; i++)
        ride(r, i);
    return NULL;
}

START_TEST(threads_all_get_an_answer)
{
    rider riders[THREADS];
    unsigned answers = 0;

    begin();
    for (int i = 0; i < THREADS; i++) {
        riders[i] = (rider){ .mu = PTHREAD_MUTEX_INITIALIZER,
                             .changed = PTHREAD_COND_INITIALIZER };
        pthread_create(&riders[i].thread, NULL, ride_often, &riders[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(riders[i].thread, NULL);
        answers += riders[i].answers;
    }
    ck_assert_uint_ge(answers, THREADS * (ROUNDS - ROUNDS / 3 - 1));
    end();
}
END_TEST

SUITE("coalesce", 30, ONE(the_first_leads_and_equal_ones_follow),
      ONE(of_many_requests_only_equal_ones_meet),
      ONE(a_failure_is_everybodys_and_nobody_else_calls),
      ONE(what_is_not_for_others_sends_each_on_its_own_way),
      ONE(a_leader_who_leaves_is_succeeded_by_the_oldest_follower),
      ROWS(a_leaders_own_end_is_nobody_elses, own_ends),
      ONE(who_has_left_is_not_woken_and_holds_nothing),
      ONE(without_memory_there_is_no_table), ONE(no_schedule_forgets_anybody),
      ONE(threads_all_get_an_answer))
