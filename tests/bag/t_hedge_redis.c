/* SPDX-License-Identifier: MIT */
/*
 * hedge(...) over two real servers, one of which stops in the midst of an answer, dies
 * there, or runs on: reads are answered by the other, and who lost lets go of the first
 * long before its deadline.
 */
#include <stdlib.h>

#include "redis_fixture.h"
#include "support/child.h"
#include "support/sanitizers.h"

static test_redis other;

static void tell_other(const char *text)
{
    redisReply *reply = test_redis_ask(&other, "SET k %s", text);

    ck_assert_ptr_nonnull(reply);
    freeReplyObject(reply);
}

/*
 * Each read is one that waits: a server's answer is never a quick one. On a busy machine
 * the other server may have answered first even now.
 */
static void start_both(void)
{
    char spec[256];

    start();
    ck_assert(test_redis_start(&other, ""));
    snprintf(spec, sizeof spec,
             "hedge{delay=20ms; hedge.budget=100%%}(redis://127.0.0.1:%u?raw=on, "
             "redis://127.0.0.1:%u?raw=on)",
             server.port, other.port);
    open_spec(spec);
    ck_assert_str_eq(raw("SET k first"), "OK");
    tell_other("second");
    EXPECT(KEEL_OK, get_text("k"));
    do
        EXPECT(KEEL_OK, get_text("k"));
    while (strcmp(value, "first") != 0);
}

static void stop_both(void)
{
    stop();
    test_redis_cleanup(&other);
}

static void read_second(void)
{
    EXPECT(KEEL_OK, get_text("k"));
    ck_assert_str_eq(value, "second");
    ck_assert_uint_eq(item.marks, KEEL_BAG_FROM_STANDBY);
}

START_TEST(a_frozen_server_is_answered_for_and_heard_again)
{
    test_redis_freeze(&server);
    for (int i = 0; i < 3; i++)
        read_second();
    test_redis_thaw(&server);
    EXPECT(KEEL_OK, set_text("k", "newer"));
    tell_other("newer, too");
    test_redis_freeze(&other);
    EXPECT(KEEL_OK, get_text("k"));
    ck_assert_str_eq(value, "newer");
    test_redis_thaw(&other);
}
END_TEST

START_TEST(losers_do_not_wait_for_the_deadline)
{
    uint64_t began;

    test_redis_freeze(&server);
    began = keel_now(o.rt);
    read_second();
    keel_bag_close(bag);
    bag = NULL;
    ck_assert_uint_lt(keel_now(o.rt) - began, 5 * KEEL_S); /* of ten */
    test_redis_thaw(&server);
}
END_TEST

START_TEST(a_server_that_is_killed_under_a_read_fails_nobody)
{
    test_redis_freeze(&server);
    read_second();
    test_redis_stop(&server);
    for (int i = 0; i < 3; i++)
        read_second();
}
END_TEST

/* The parent's losers are no business of a child's, which has workers of its own. */
static void read_in_child(void)
{
    char spec[256];

    CHILD(get_text("k") == KEEL_E_STATE);
    keel_bag_close(bag);
    if (!CHILDREN_HAVE_THREADS)
        return;
    snprintf(spec, sizeof spec,
             "hedge{delay=20ms; hedge.budget=100%%}(redis://127.0.0.1:%u?raw=on, "
             "redis://127.0.0.1:%u?raw=on)",
             server.port, other.port);
    bag = NULL;
    CHILD(keel_bag_open(&bag, o.rt, "child", spec, &why) == KEEL_OK);
    CHILD(get_text("k") == KEEL_OK);
    CHILD(get_text("k") == KEEL_OK);
    CHILD(strcmp(value, "second") == 0);
    keel_bag_close(bag);
}

START_TEST(a_child_reads_with_workers_of_its_own)
{
    test_redis_freeze(&server);
    read_second();
    child_await(child_fork(read_in_child));
    read_second();
    test_redis_thaw(&server);
}
END_TEST

/* On workers, every read twice: both bags are one store, so tokens and misses agree. */
START_TEST(what_every_bag_promises_this_one_keeps)
{
    char command[512];

    snprintf(command, sizeof command,
             "./keel-conform --quiet 'hedge{delay=0; hedge.budget=100%%}"
             "(redis://127.0.0.1:%u?allow_flush=on, "
             "b=redis://127.0.0.1:%u?allow_flush=on)'",
             other.port, other.port);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(a_frozen_server_is_answered_for_and_heard_again),
        ONE(losers_do_not_wait_for_the_deadline),
        ONE(a_server_that_is_killed_under_a_read_fails_nobody),
        ONE(a_child_reads_with_workers_of_its_own),
        ONE(what_every_bag_promises_this_one_keeps),
    };

    if (!test_redis_is_installed())
        return 77;
    return suite_run_in("bag hedge redis", 60, start_both, stop_both, tests,
                        sizeof tests / sizeof tests[0]);
}
