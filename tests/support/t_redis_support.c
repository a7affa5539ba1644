/* SPDX-License-Identifier: MIT */
/* The tests' Redis servers: each kind runs, and does what its name says. */
#include <string.h>

#include "support/redis.h"
#include "support/suite.h"

static void expect(redisReply *reply, int type, const char *text)
{
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_eq(reply->type, type);
    if (text)
        ck_assert_str_eq(reply->str, text);
    freeReplyObject(reply);
}

START_TEST(a_server_takes_lines_of_configuration)
{
    test_redis r;

    ck_assert(test_redis_start(&r, "maxmemory 64mb\n"));
    expect(test_redis_ask(&r, "SET k v"), REDIS_REPLY_STATUS, "OK");
    expect(test_redis_ask(&r, "CONFIG GET maxmemory"), REDIS_REPLY_ARRAY, NULL);
    test_redis_cleanup(&r);
}
END_TEST

START_TEST(a_server_also_answers_on_its_socket)
{
    redisContext *c;
    test_redis r;

    ck_assert(test_redis_start(&r, ""));
    c = redisConnectUnix(r.socket);
    ck_assert_ptr_nonnull(c);
    expect(redisCommand(c, "PING"), REDIS_REPLY_STATUS, "PONG");
    redisFree(c);
    test_redis_cleanup(&r);
}
END_TEST

START_TEST(a_stopped_server_is_gone_and_comes_back_empty_on_its_port)
{
    test_redis r;
    uint16_t port;

    ck_assert(test_redis_start(&r, ""));
    port = r.port;
    expect(test_redis_ask(&r, "SET k v"), REDIS_REPLY_STATUS, "OK");
    test_redis_stop(&r);
    ck_assert_ptr_null(test_redis_connect(&r));
    ck_assert(test_redis_restart(&r));
    ck_assert_uint_eq(r.port, port);
    expect(test_redis_ask(&r, "GET k"), REDIS_REPLY_NIL, NULL);
    test_redis_cleanup(&r);
}
END_TEST

START_TEST(a_frozen_server_accepts_but_does_not_answer_until_it_runs_on)
{
    const struct timeval limit = { 0, 50000 };
    redisContext *c;
    test_redis r;

    ck_assert(test_redis_start(&r, ""));
    test_redis_freeze(&r);
    c = test_redis_connect(&r);
    ck_assert_ptr_nonnull(c);
    redisSetTimeout(c, limit);
    ck_assert_ptr_null(redisCommand(c, "PING"));
    redisFree(c);
    test_redis_thaw(&r);
    expect(test_redis_ask(&r, "PING"), REDIS_REPLY_STATUS, "PONG");
    test_redis_cleanup(&r);
}
END_TEST

START_TEST(a_replica_follows_its_master)
{
    test_redis master, replica;

    ck_assert(test_redis_start(&master, ""));
    expect(test_redis_ask(&master, "SET k v"), REDIS_REPLY_STATUS, "OK");
    ck_assert(test_redis_start_replica(&replica, &master));
    expect(test_redis_ask(&replica, "GET k"), REDIS_REPLY_STRING, "v");
    expect(test_redis_ask(&replica, "SET k w"), REDIS_REPLY_ERROR, NULL);
    test_redis_cleanup(&replica);
    test_redis_cleanup(&master);
}
END_TEST

START_TEST(a_sentinel_knows_the_master_and_its_replicas)
{
    test_redis master, replica, sentinel;
    redisReply *reply;
    char port[8];

    ck_assert(test_redis_start(&master, ""));
    ck_assert(test_redis_start_replica(&replica, &master));
    ck_assert(test_redis_start_sentinel(&sentinel, &master, "main", 500));
    reply = test_redis_ask(&sentinel, "SENTINEL GET-MASTER-ADDR-BY-NAME main");
    ck_assert_ptr_nonnull(reply);
    ck_assert_uint_eq(reply->elements, 2);
    snprintf(port, sizeof port, "%u", master.port);
    ck_assert_str_eq(reply->element[1]->str, port);
    freeReplyObject(reply);
    reply = test_redis_ask(&sentinel, "SENTINEL REPLICAS main");
    ck_assert_ptr_nonnull(reply);
    ck_assert_uint_eq(reply->elements, 1);
    freeReplyObject(reply);
    test_redis_cleanup(&sentinel);
    test_redis_cleanup(&replica);
    test_redis_cleanup(&master);
}
END_TEST

START_TEST(a_cluster_sends_a_key_to_the_node_that_has_it)
{
    unsigned stored = 0, moved = 0;
    test_redis_cluster c;

    ck_assert(test_redis_cluster_start(&c));
    for (int i = 0; i < TEST_REDIS_NODES; i++) {
        redisReply *reply = test_redis_ask(&c.nodes[i], "SET k v");

        ck_assert_ptr_nonnull(reply);
        stored += reply->type == REDIS_REPLY_STATUS;
        moved += strncmp(reply->str, "MOVED ", 6) == 0;
        freeReplyObject(reply);
    }
    ck_assert_uint_eq(stored, 1);
    ck_assert_uint_eq(moved, TEST_REDIS_NODES - 1);
    test_redis_cluster_cleanup(&c);
}
END_TEST

static int run(void)
{
    const suite_test tests[] = {
        ONE(a_server_takes_lines_of_configuration),
        ONE(a_server_also_answers_on_its_socket),
        ONE(a_stopped_server_is_gone_and_comes_back_empty_on_its_port),
        ONE(a_frozen_server_accepts_but_does_not_answer_until_it_runs_on),
        ONE(a_replica_follows_its_master),
        ONE(a_sentinel_knows_the_master_and_its_replicas),
        ONE(a_cluster_sends_a_key_to_the_node_that_has_it),
    };

    return suite_run("redis support", 60, tests, sizeof tests / sizeof *tests);
}

int main(void)
{
    return test_redis_is_installed() ? run() : 77;
}
