/* SPDX-License-Identifier: MIT */
/*
 * The store in MariaDB when a network between them does what networks do: each failure has
 * the right status and says truly whether a write was applied, ends by its deadline, leaves
 * no connection to the next call that could have a late answer on it, and the next call is
 * fine.
 */
#include <pthread.h>
#include <stdlib.h>

#include "mysql_fixture.h"

#include "fault_verbs.h"

static proxy *between;
static MYSQL *root;

static void setup(void)
{
    root = test_mariadb_connect(&server);
    ck_assert_ptr_nonnull(root);
    open_runtime();
    between = proxy_start(server.port);
    ck_assert_ptr_nonnull(between);
}

static void teardown(void)
{
    close_runtime();
    proxy_stop(between);
    mysql_close(root);
}

/* ---- the network --------------------------------------------------------------------- */

/* All is well; a row of one column; a packet that is longer; an error of the server's. */
#define OK_PACKET "\x07\0\0\x01\0\0\0\x02\0\0\0"
#define ONE_COLUMN                                                                     \
    "\x01\0\0\x01\x01"                                                                 \
    "\x18\0\0\x02\x03"                                                                 \
    "def\0\0\0\x01n\0\0\x0c\x3f\0\x04\0\0\0\xfd\0\0\0\0\0"                             \
    "\x05\0\0\x03\xfe\0\0\x02\0"                                                       \
    "\x02\0\0\x04\x01"                                                                 \
    "7"                                                                                \
    "\x05\0\0\x05\xfe\0\0\x02\0"
#define CUT_PACKET "\xff\0\0\x01\0\0"
#define GOING_DOWN "\x0d\0\0\x01\xff\x1d\x04#08S01down"

/* ms: of the deadline. effect: what the server has of "n" afterwards, it was 7 */
static const struct {
    const char *why;
    proxy_order order;
    verb verb;
    uint64_t ms;
    keel_status status;
    keel_applied applied;
    int effect;
} faults[] = {
#define READ KEEL_APPLIED_NO
#define NO KEEL_APPLIED_NO
#define UNKNOWN KEEL_APPLIED_UNKNOWN
    { "refused", DO(PROXY_REFUSE), GET, 2000, KEEL_FAILED, READ, 7 },
    { "refused", DO(PROXY_REFUSE), SET, 2000, KEEL_FAILED, NO, 7 },
    { "reset before", DO(PROXY_RESET_BEFORE), GET, 2000, KEEL_FAILED, READ, 7 },
    { "reset before", DO(PROXY_RESET_BEFORE), SET, 2000, KEEL_UNKNOWN, UNKNOWN, 7 },
    { "reset before", DO(PROXY_RESET_BEFORE), INCR, 2000, KEEL_UNKNOWN, UNKNOWN, 7 },
    { "reset after", DO(PROXY_RESET_AFTER), GET, 2000, KEEL_FAILED, READ, 7 },
    { "reset after", DO(PROXY_RESET_AFTER), SET, 2000, KEEL_UNKNOWN, UNKNOWN, 1 },
    { "reset after", DO(PROXY_RESET_AFTER), INCR, 2000, KEEL_UNKNOWN, UNKNOWN, 8 },
    { "half a reply", DO(PROXY_CUT), GET, 2000, KEEL_FAILED, READ, 7 },
    { "half a reply", DO(PROXY_CUT), GET_MANY, 2000, KEEL_FAILED, READ, 7 },
    { "half a reply", DO(PROXY_CUT), SET, 2000, KEEL_UNKNOWN, UNKNOWN, 1 },
    { "half a reply", DO(PROXY_CUT), INCR, 2000, KEEL_UNKNOWN, UNKNOWN, 8 },
    { "half a reply", DO(PROXY_CUT), SCAN, 2000, KEEL_FAILED, READ, 7 },
    /* it begins with the length of a packet, of which there is no more */
    { "garbage", DO(PROXY_ANSWER), GET, 400, KEEL_TIMEOUT, READ, 7 },
    { "garbage", DO(PROXY_ANSWER), GET_MANY, 400, KEEL_TIMEOUT, READ, 7 },
    { "garbage", DO(PROXY_ANSWER), SET, 400, KEEL_UNKNOWN, UNKNOWN, 7 },
    { "garbage", DO(PROXY_ANSWER), SCAN, 400, KEEL_TIMEOUT, READ, 7 },
    { "another's reply", SAY(OK_PACKET), GET, 2000, KEEL_FAILED, READ, 7 },
    { "another's reply", SAY(OK_PACKET), GET_MANY, 2000, KEEL_FAILED, READ, 7 },
    { "another's reply", SAY(OK_PACKET), SCAN, 2000, KEEL_FAILED, READ, 7 },
    { "another's reply", SAY(ONE_COLUMN), GET, 2000, KEEL_FAILED, READ, 7 },
    { "another's reply", SAY(ONE_COLUMN), GET_MANY, 2000, KEEL_FAILED, READ, 7 },
    { "another's reply", SAY(ONE_COLUMN), SET, 2000, KEEL_UNKNOWN, UNKNOWN, 7 },
    { "the rest is missing", SAY(CUT_PACKET), GET, 400, KEEL_TIMEOUT, READ, 7 },
    { "the rest is missing", SAY(CUT_PACKET), SET, 400, KEEL_UNKNOWN, UNKNOWN, 7 },
    { "it goes down", SAY(GOING_DOWN), GET, 2000, KEEL_FAILED, READ, 7 },
    { "it goes down", SAY(GOING_DOWN), SET, 2000, KEEL_UNKNOWN, UNKNOWN, 7 },
    { "drip", EACH(PROXY_DRIP, 1000), GET, 400, KEEL_TIMEOUT, READ, 7 },
    { "drip", EACH(PROXY_DRIP, 1000), SET, 400, KEEL_UNKNOWN, UNKNOWN, 1 },
    { "drip", EACH(PROXY_DRIP, 1000), INCR, 400, KEEL_UNKNOWN, UNKNOWN, 8 },
    { "a black hole", DO(PROXY_BLACK_HOLE), GET, 400, KEEL_TIMEOUT, READ, 7 },
    /* what lay there goes on when the hole is filled */
    { "a black hole", DO(PROXY_BLACK_HOLE), SET, 400, KEEL_UNKNOWN, UNKNOWN, 1 },
    { "a black hole", DO(PROXY_BLACK_HOLE), SCAN, 400, KEEL_TIMEOUT, READ, 7 },
    { "too late", EACH(PROXY_DELAY, 2000), GET, 400, KEEL_TIMEOUT, READ, 7 },
    { "too late", EACH(PROXY_DELAY, 2000), SET, 400, KEEL_UNKNOWN, UNKNOWN, 1 },
    { "too late", EACH(PROXY_DELAY, 2000), TOUCH, 400, KEEL_UNKNOWN, UNKNOWN, 7 },
#undef READ
#undef NO
#undef UNKNOWN
};

/* Asked around the proxy. What was under way may take a moment to arrive. */
static void expect_effect(int wanted)
{
    long long has;

    do
        has = test_mariadb_ask(root, "SELECT v FROM keel_bag WHERE k = 'n'");
    while (has != wanted && has == 7);
    ck_assert_int_eq(has, wanted);
}

START_TEST(a_fault_is_told_truly_in_time_and_leaves_nothing_behind)
{
    uint64_t begun;
    unsigned accepted;

    open_at(proxy_port(between), "");
    EXPECT(KEEL_OK, set_text("n", "7"));
    accepted = proxy_accepted(between);
    proxy_set(between, faults[_i].order);
    begun = now_ms();
    EXPECT(faults[_i].status, act(faults[_i].verb, faults[_i].ms));
    ck_assert_uint_le(now_ms() - begun, faults[_i].ms + SLACK_MS);
    ck_assert_int_eq(why.applied, faults[_i].applied);
    proxy_do(between, PROXY_FORWARD);
    expect_effect(faults[_i].effect);
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_int_eq(atoi(value), faults[_i].effect);
    ck_assert_uint_gt(proxy_accepted(between), accepted);
}
END_TEST

/* Before anything of a verb was said: nobody has done it. */
static const struct {
    const char *why;
    proxy_order order;
    keel_status status;
} greetings[] = {
    { "half a greeting", DO(PROXY_CUT), KEEL_FAILED },
    { "a reset", DO(PROXY_RESET_AFTER), KEEL_FAILED },
    { "a drip", EACH(PROXY_DRIP, 50), KEEL_TIMEOUT },
    { "silence", DO(PROXY_BLACK_HOLE), KEEL_TIMEOUT },
    { "too late", EACH(PROXY_DELAY, 2000), KEEL_TIMEOUT },
};

START_TEST(who_is_not_let_in_has_done_nothing)
{
    uint64_t begun;

    open_at(proxy_port(between), "");
    proxy_set(between, greetings[_i].order);
    begun = now_ms();
    EXPECT(greetings[_i].status, act(SET, 400));
    ck_assert_uint_le(now_ms() - begun, 400 + SLACK_MS);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    proxy_do(between, PROXY_FORWARD);
    EXPECT(KEEL_OK, set_text("n", "7"));
}
END_TEST

START_TEST(connecting_has_a_time_of_its_own)
{
    uint64_t begun;

    open_at(proxy_port(between), "&connect_timeout=100ms");
    proxy_do(between, PROXY_BLACK_HOLE);
    begun = now_ms();
    EXPECT(KEEL_TIMEOUT, act(SET, 5000));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_lt(now_ms() - begun, 2000);
}
END_TEST

/* ---- around it ----------------------------------------------------------------------- */

START_TEST(a_deadline_in_the_past_sends_nothing)
{
    const keel_bag_options options = within(0);

    open_at(proxy_port(between), "");
    EXPECT(KEEL_DEADLINE, keel_bag_set(bag, "n", "8", 1, &options, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(proxy_accepted(between), 0);
}
END_TEST

START_TEST(a_connection_that_was_idle_for_long_is_not_used_again)
{
    unsigned accepted;

    open_at(proxy_port(between), "&idle=1ms");
    EXPECT(KEEL_OK, set_text("n", "7"));
    accepted = proxy_accepted(between);
    for (uint64_t begun = now_ms(); now_ms() < begun + 3;)
        ;
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_uint_eq(proxy_accepted(between), accepted + 1);
}
END_TEST

/* Keeps the only connection for as long as nothing moves on it. */
static void *hold(void *ctx)
{
    const keel_bag_options options = within(3000);
    keel_bag_item held = { .size = sizeof held };

    ck_assert_int_eq(keel_bag_get(bag, "n", &held, &options, NULL), KEEL_TIMEOUT);
    return ctx;
}

START_TEST(who_waits_for_a_connection_waits_until_its_deadline)
{
    uint64_t begun;
    pthread_t thread;

    open_at(proxy_port(between), "&connections=1");
    proxy_do(between, PROXY_BLACK_HOLE);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold, NULL), 0);
    while (!proxy_accepted(between))
        ;
    begun = now_ms();
    EXPECT(KEEL_DEADLINE, act(SET, 100));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_le(now_ms() - begun, 100 + SLACK_MS);
    pthread_join(thread, NULL);
}
END_TEST

/* The answer was lost, and the item's nonce is the write's: it was this one. */
START_TEST(a_write_in_doubt_is_known_for_ones_own)
{
    char spec[512];

    test_mariadb_tell(root, "DELETE FROM keel_bag WHERE k = 'n'");
    snprintf(spec, sizeof spec,
             "resilient(fault{p=100%%; kind=reset_after; verbs=add; max=1}("
             "mysql://app@127.0.0.1:%u/kv?password_env=KEEL_TEST_PASSWORD))",
             server.port);
    open_spec(spec);
    EXPECT(KEEL_OK, keel_bag_add(bag, "n", "7", 1, NULL, &why));
    EXPECT(KEEL_NOT_STORED, keel_bag_add(bag, "n", "8", 1, NULL, &why));
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(a_fault_is_told_truly_in_time_and_leaves_nothing_behind, faults),
        ROWS(who_is_not_let_in_has_done_nothing, greetings),
        ONE(connecting_has_a_time_of_its_own),
        ONE(a_deadline_in_the_past_sends_nothing),
        ONE(a_connection_that_was_idle_for_long_is_not_used_again),
        ONE(who_waits_for_a_connection_waits_until_its_deadline),
        ONE(a_write_in_doubt_is_known_for_ones_own),
    };
    int failed = 1;

    if (!test_mariadb_is_installed())
        return 77;
    if (test_mariadb_init(&server) && test_mariadb_start(&server))
        failed = suite_run_in("mysql faults", 60, setup, teardown, tests,
                              sizeof tests / sizeof tests[0]);
    test_mariadb_cleanup(&server);
    return failed;
}
