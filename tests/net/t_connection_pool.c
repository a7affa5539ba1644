/* SPDX-License-Identifier: MIT */
/* Waiting for a connection, on a clock that says when the others act. */
#include "net/connection_pool.h"
#include "support/suite.h"

enum { UNTIL = 1000 };

static keel_connection_pool pool;
static keel_pooled first;
static uint64_t now;
static unsigned wakes;

static keel_status open_one(void *ctx, uint64_t until_ns, void **connection,
                            keel_detail *why)
{
    (void)until_ns;
    (void)why;
    *connection = ctx;
    return KEEL_OK;
}

static void close_one(void *ctx, void *connection)
{
    (void)ctx;
    (void)connection;
}

static uint64_t tell_now(void *ctx)
{
    (void)ctx;
    return now;
}

/* The one that is out comes back just when who waits for it has no more time. */
static bool wait_too_long(const uint32_t *word, uint32_t seen, uint64_t until_ns,
                          void *ctx)
{
    (void)word;
    (void)seen;
    (void)ctx;
    now = until_ns;
    keel_pool_give(&pool, &first, true);
    return true;
}

static void note_wake(const uint32_t *word, int count, void *ctx)
{
    (void)word;
    (void)ctx;
    wakes += (unsigned)count;
}

static const keel_pool_kind kind = { open_one, close_one };
static const keel_clock clock_of_test = {
    .now = tell_now, .now_coarse = tell_now, .wait = wait_too_long, .wake = note_wake
};

START_TEST(who_is_woken_too_late_wakes_the_next)
{
    keel_detail why = KEEL_DETAIL_INIT;
    int connection;
    keel_pooled second;

    keel_pool_init(&pool, &kind, &connection, &clock_of_test, 1, KEEL_NEVER);
    ck_assert_int_eq(keel_pool_take(&pool, UNTIL, NULL, &first, &why), KEEL_OK);
    pool.waiting = 1; /* another, with more time */
    ck_assert_int_eq(keel_pool_take(&pool, UNTIL, NULL, &second, &why), KEEL_DEADLINE);
    ck_assert_uint_eq(wakes, 2);
    ck_assert_uint_eq(pool.idle_count, 1);
    ck_assert_uint_eq(pool.waiting, 1);
    keel_pool_cleanup(&pool);
}
END_TEST

SUITE("connection_pool", 10, ONE(who_is_woken_too_late_wakes_the_next))
