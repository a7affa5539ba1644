/* SPDX-License-Identifier: MIT */
/*
 * The Redis store when its server dies, freezes, refuses, or a network between them does
 * what networks do: each failure has the right status and says truly whether a write was
 * applied, ends by its deadline, leaves no connection to the next call that could have a
 * late answer on it, and the next call is fine.
 */
#include <pthread.h>

#include "base/clock.h"
#include "redis_fixture.h"

#include "fault_verbs.h"

enum {
    SLACK_MS = 10000
}; /* of a busy machine; who waited for the answer has another status */

static proxy *between;

static void start_between(void)
{
    start();
    between = proxy_start(server.port);
    ck_assert_ptr_nonnull(between);
}

static void stop_between(void)
{
    keel_bag_close(bag);
    bag = NULL;
    proxy_stop(between);
    stop();
}

/* ---- the network --------------------------------------------------------------------- */

/* ms: of the deadline. effect: what the server has of "n" afterwards, it was 7 */
static const struct {
    const char *why;
    proxy_order order;
    verb verb;
    uint64_t ms;
    keel_status status;
    keel_applied applied;
    const char *effect;
} faults[] = {
#define READ KEEL_APPLIED_NO
#define NO KEEL_APPLIED_NO
#define UNKNOWN KEEL_APPLIED_UNKNOWN
    { "refused", DO(PROXY_REFUSE), GET, 2000, KEEL_FAILED, READ, "7" },
    { "refused", DO(PROXY_REFUSE), SET, 2000, KEEL_FAILED, NO, "7" },
    { "refused", DO(PROXY_REFUSE), INCR, 2000, KEEL_FAILED, NO, "7" },
    { "reset before", DO(PROXY_RESET_BEFORE), GET, 2000, KEEL_FAILED, READ, "7" },
    { "reset before", DO(PROXY_RESET_BEFORE), SET, 2000, KEEL_UNKNOWN, UNKNOWN, "7" },
    { "reset before", DO(PROXY_RESET_BEFORE), INCR, 2000, KEEL_UNKNOWN, UNKNOWN, "7" },
    { "reset after", DO(PROXY_RESET_AFTER), GET, 2000, KEEL_FAILED, READ, "7" },
    { "reset after", DO(PROXY_RESET_AFTER), SET, 2000, KEEL_UNKNOWN, UNKNOWN, "1" },
    { "reset after", DO(PROXY_RESET_AFTER), INCR, 2000, KEEL_UNKNOWN, UNKNOWN, "8" },
    { "half a reply", DO(PROXY_CUT), GET, 2000, KEEL_FAILED, READ, "7" },
    { "half a reply", DO(PROXY_CUT), GET_MANY, 2000, KEEL_FAILED, READ, "7" },
    { "half a reply", DO(PROXY_CUT), SET, 2000, KEEL_UNKNOWN, UNKNOWN, "1" },
    { "half a reply", DO(PROXY_CUT), INCR, 2000, KEEL_UNKNOWN, UNKNOWN, "8" },
    { "half a reply", DO(PROXY_CUT), SCAN, 2000, KEEL_FAILED, READ, "7" },
    { "garbage", DO(PROXY_ANSWER), GET, 2000, KEEL_FAILED, READ, "7" },
    { "garbage", DO(PROXY_ANSWER), GET_MANY, 2000, KEEL_FAILED, READ, "7" },
    { "garbage", DO(PROXY_ANSWER), SET, 2000, KEEL_UNKNOWN, UNKNOWN, "7" },
    { "garbage", DO(PROXY_ANSWER), INCR, 2000, KEEL_UNKNOWN, UNKNOWN, "7" },
    { "garbage", DO(PROXY_ANSWER), SCAN, 2000, KEEL_FAILED, READ, "7" },
    { "another's reply", SAY("+OK\r\n"), GET, 2000, KEEL_FAILED, READ, "7" },
    { "another's reply", SAY(":1\r\n"), SET, 2000, KEEL_UNKNOWN, UNKNOWN, "7" },
    { "another's reply", SAY("*0\r\n"), INCR, 2000, KEEL_UNKNOWN, UNKNOWN, "7" },
    { "drip", EACH(PROXY_DRIP, 1000), GET, 400, KEEL_TIMEOUT, READ, "7" },
    { "drip", EACH(PROXY_DRIP, 1000), SET, 400, KEEL_UNKNOWN, UNKNOWN, "1" },
    { "drip", EACH(PROXY_DRIP, 1000), INCR, 400, KEEL_UNKNOWN, UNKNOWN, "8" },
    { "a black hole", DO(PROXY_BLACK_HOLE), GET, 400, KEEL_TIMEOUT, READ, "7" },
    /* what lay there goes on when the hole is filled */
    { "a black hole", DO(PROXY_BLACK_HOLE), SET, 400, KEEL_UNKNOWN, UNKNOWN, "1" },
    { "a black hole", DO(PROXY_BLACK_HOLE), SCAN, 400, KEEL_TIMEOUT, READ, "7" },
    { "too late", EACH(PROXY_DELAY, 2000), GET, 400, KEEL_TIMEOUT, READ, "7" },
    { "too late", EACH(PROXY_DELAY, 2000), SET, 400, KEEL_UNKNOWN, UNKNOWN, "1" },
    { "too late", EACH(PROXY_DELAY, 2000), INCR, 400, KEEL_UNKNOWN, UNKNOWN, "8" },
#undef READ
#undef NO
#undef UNKNOWN
};

static uint64_t now_ms(void)
{
    return keel_now(o.rt) / KEEL_MS;
}

/* Asked around the proxy. A drop of the last bytes may take a moment to arrive. */
static void expect_effect(const char *wanted)
{
    const char *has;

    do
        has = raw("GET %s", "n");
    while (strcmp(has, wanted) != 0 && strcmp(has, "7") == 0);
    ck_assert_str_eq(has, wanted);
}

START_TEST(a_fault_is_told_truly_in_time_and_leaves_nothing_behind)
{
    uint64_t begun;
    unsigned accepted;

    open_at(proxy_port(between), "?raw=on");
    EXPECT(KEEL_OK, set_text("n", "7"));
    EXPECT(KEEL_OK,
           keel_bag_incr(bag, "n", 0, NULL, NULL, &why)); /* knows the script */
    accepted = proxy_accepted(between);
    proxy_set(between, faults[_i].order);
    begun = now_ms();
    EXPECT(faults[_i].status, act(faults[_i].verb, faults[_i].ms));
    ck_assert_uint_le(now_ms() - begun, faults[_i].ms + SLACK_MS);
    ck_assert_int_eq(why.applied, faults[_i].applied);
    proxy_do(between, PROXY_FORWARD);
    expect_effect(faults[_i].effect);
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_str_eq(value, faults[_i].effect);
    ck_assert_uint_gt(proxy_accepted(between), accepted);
}
END_TEST

/* ---- what a server says before it does anything --------------------------------------- */

static const struct {
    const char *answer;
    keel_status status;
    bool is_kept; /* the connection */
} refusals[] = {
    { "-LOADING Redis is loading the dataset in memory\r\n", KEEL_FAILED, true },
    { "-BUSY Redis is busy running a script.\r\n", KEEL_FAILED, true },
    { "-OOM command not allowed when used memory > 'maxmemory'.\r\n", KEEL_FAILED,
      true },
    { "-MOVED 866 127.0.0.1:1\r\n", KEEL_FAILED, true },
    { "-ASK 866 127.0.0.1:1\r\n", KEEL_FAILED, true },
    { "-CLUSTERDOWN The cluster is down\r\n", KEEL_FAILED, true },
    { "-MASTERDOWN Link with MASTER is down\r\n", KEEL_FAILED, true },
    { "-TRYAGAIN Multiple keys request during rehashing of slot\r\n", KEEL_FAILED,
      true },
    { "-MISCONF Redis is configured to save RDB snapshots\r\n", KEEL_FAILED, true },
    { "-NOREPLICAS Not enough good replicas to write.\r\n", KEEL_FAILED, true },
    { "-ERR max number of clients reached\r\n", KEEL_FAILED, true },
    { "-NOAUTH Authentication required.\r\n", KEEL_FAILED, true },
    { "-NOPERM this user has no permissions\r\n", KEEL_FAILED, true },
    { "-READONLY You can't write against a read only replica.\r\n", KEEL_READ_ONLY,
      false },
    { "-WRONGTYPE Operation against a key\r\n", KEEL_CORRUPT, true },
};

START_TEST(what_the_server_refuses_was_not_applied)
{
    const char *answer = refusals[_i].answer;
    unsigned accepted;

    open_at(proxy_port(between), "");
    EXPECT(KEEL_OK, set_text("n", "7"));
    accepted = proxy_accepted(between);
    proxy_set(between, (proxy_order){ PROXY_ANSWER, 0, answer, strlen(answer) });
    EXPECT(refusals[_i].status, set_text("n", "8"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    proxy_do(between, PROXY_FORWARD);
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_str_eq(value, "7");
    ck_assert_int_eq(proxy_accepted(between) == accepted, refusals[_i].is_kept);
}
END_TEST

static const char *const doubtful[] = {
    "-ERR Connection timed out\r\n",
    "-ERR server closed connection\r\n",
    "-upstream failure\r\n",
};

START_TEST(what_a_proxy_says_of_its_server_leaves_a_write_unknown)
{
    const char *answer = doubtful[_i];
    uint64_t number;

    open_at(proxy_port(between), "");
    EXPECT(KEEL_OK, set_text("n", "7"));
    proxy_set(between, (proxy_order){ PROXY_ANSWER, 0, answer, strlen(answer) });
    EXPECT(KEEL_UNKNOWN, keel_bag_incr(bag, "n", 1, &number, NULL, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_UNKNOWN);
    EXPECT(KEEL_FAILED, get_text("n"));
    proxy_do(between, PROXY_FORWARD);
    EXPECT(KEEL_OK, get_text("n"));
}
END_TEST

/* ---- the server ---------------------------------------------------------------------- */

START_TEST(a_server_that_died_is_found_out_before_anything_is_sent)
{
    open_at(server.port, "");
    EXPECT(KEEL_OK, set_text("n", "7"));
    test_redis_stop(&server);
    EXPECT(KEEL_FAILED, set_text("n", "8"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    EXPECT(KEEL_FAILED, get_text("n"));
    ck_assert(test_redis_restart(&server));
    EXPECT(KEEL_NOT_FOUND, get_text("n"));
    EXPECT(KEEL_OK, set_text("n", "9"));
}
END_TEST

START_TEST(a_restart_between_two_calls_is_not_noticed)
{
    open_at(server.port, "");
    EXPECT(KEEL_OK, set_text("n", "7"));
    EXPECT(KEEL_OK, keel_bag_incr(bag, "n", 1, NULL, NULL, &why));
    test_redis_stop(&server);
    ck_assert(test_redis_restart(&server));
    EXPECT(KEEL_OK, set_text("n", "7"));
    EXPECT(KEEL_OK, keel_bag_incr(bag, "n", 1, NULL, NULL, &why));
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_str_eq(value, "8");
}
END_TEST

START_TEST(a_frozen_server_leaves_a_write_unknown_and_its_late_answer_unread)
{
    keel_bag_options options;

    open_at(server.port, "?raw=on");
    EXPECT(KEEL_OK, set_text("n", "7"));
    EXPECT(KEEL_OK, set_text("m", "other"));
    test_redis_freeze(&server);
    options = within(400);
    EXPECT(KEEL_UNKNOWN, keel_bag_set(bag, "n", "8", 1, &options, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_UNKNOWN);
    EXPECT(KEEL_TIMEOUT, act(GET, 400));
    test_redis_thaw(&server);
    EXPECT(KEEL_OK, get_text("m"));
    ck_assert_str_eq(value, "other");
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_str_eq(value, "8"); /* it was applied after all */
}
END_TEST

START_TEST(a_deadline_in_the_past_sends_nothing)
{
    const keel_bag_options options = within(0);

    open_at(proxy_port(between), "");
    EXPECT(KEEL_DEADLINE, keel_bag_set(bag, "n", "8", 1, &options, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(proxy_accepted(between), 0);
}
END_TEST

/* Keeps the only connection for as long as nothing moves on it. */
static void *hold(void *ctx)
{
    const keel_bag_options options = within(3000);
    keel_bag_item held = { .size = sizeof held };

    (void)ctx;
    ck_assert_int_eq(keel_bag_get(bag, "n", &held, &options, NULL), KEEL_TIMEOUT);
    return NULL;
}

START_TEST(who_waits_for_a_connection_waits_until_its_deadline)
{
    uint64_t begun;
    pthread_t thread;

    open_at(proxy_port(between), "?connections=1");
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

static keel_cancel cancel = KEEL_CANCEL_INIT;

static void *fire(void *ctx)
{
    (void)ctx;
    while (!proxy_accepted(between))
        ;
    keel_cancel_fire(&cancel);
    return NULL;
}

START_TEST(a_token_ends_the_wait_for_an_answer)
{
    keel_bag_options options = within(20000);
    uint64_t begun = now_ms();
    pthread_t thread;

    options.cancel = &cancel;
    open_at(proxy_port(between), "");
    proxy_do(between, PROXY_BLACK_HOLE);
    ck_assert_int_eq(pthread_create(&thread, NULL, fire, NULL), 0);
    item = (keel_bag_item){ .size = sizeof item };
    EXPECT(KEEL_CANCELLED, keel_bag_get(bag, "n", &item, &options, &why));
    pthread_join(thread, NULL);
    ck_assert_uint_lt(now_ms() - begun, 10000);
}
END_TEST

START_TEST(a_dead_node_of_a_cluster_fails_its_own_keys_only)
{
    test_redis_cluster cluster;
    unsigned answered = 0, failed = 0;
    char spec[256], key[16];

    ck_assert(test_redis_cluster_start(&cluster));
    snprintf(spec, sizeof spec, "<redis+cluster://127.0.0.1:%u,127.0.0.1:%u>",
             cluster.nodes[0].port, cluster.nodes[1].port);
    for (int i = 0; i < TEST_REDIS_NODES; i++)
        freeReplyObject(test_redis_ask(&cluster.nodes[i],
                                       "CONFIG SET cluster-require-full-coverage no"));
    open_spec(spec);
    test_redis_stop(&cluster.nodes[0]);
    for (int i = 0; i < 60; i++) {
        keel_status status;

        snprintf(key, sizeof key, "k%d", i);
        status = set_text(key, "x");
        answered += status == KEEL_OK;
        failed += status == KEEL_FAILED && why.applied == KEEL_APPLIED_NO;
    }
    ck_assert_uint_eq(answered + failed, 60);
    ck_assert_uint_gt(answered, 20);
    ck_assert_uint_gt(failed, 5);
    keel_bag_close(bag);
    bag = NULL;
    test_redis_cluster_cleanup(&cluster);
}
END_TEST

/* ---- memory -------------------------------------------------------------------------- */

START_TEST(an_allocation_that_fails_is_told_and_nothing_is_lost)
{
    char spec[128];
    bool is_done = false;

    snprintf(spec, sizeof spec, "redis://127.0.0.1:%u?prefix=p:", server.port);
    for (long fail_at = 1; !is_done; fail_at++) {
        atomic_store(&o.memory.calls, 0);
        atomic_store(&o.memory.failed, false);
        o.memory.fail_at = fail_at;
        if (try_to_open(spec) == KEEL_OK) {
            memset(value, 'x', sizeof value);
            (void)keel_bag_set(bag, "k", value, 4000, NULL, &why);
            (void)get_both(NULL);
        }
        is_done = !atomic_load(&o.memory.failed);
        o.memory.fail_at = 0;
        if (bag)
            EXPECT(KEEL_OK, set_text("k", "fine"));
    }
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(a_fault_is_told_truly_in_time_and_leaves_nothing_behind, faults),
        ROWS(what_the_server_refuses_was_not_applied, refusals),
        ROWS(what_a_proxy_says_of_its_server_leaves_a_write_unknown, doubtful),
        ONE(a_server_that_died_is_found_out_before_anything_is_sent),
        ONE(a_restart_between_two_calls_is_not_noticed),
        ONE(a_frozen_server_leaves_a_write_unknown_and_its_late_answer_unread),
        ONE(a_deadline_in_the_past_sends_nothing),
        ONE(who_waits_for_a_connection_waits_until_its_deadline),
        ONE(a_token_ends_the_wait_for_an_answer),
        ONE(a_dead_node_of_a_cluster_fails_its_own_keys_only),
        ONE(an_allocation_that_fails_is_told_and_nothing_is_lost),
    };

    if (!test_redis_is_installed())
        return 77;
    return suite_run_in("bag redis faults", 60, start_between, stop_between, tests,
                        sizeof tests / sizeof tests[0]);
}
