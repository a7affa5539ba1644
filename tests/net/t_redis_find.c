/* SPDX-License-Identifier: MIT */
/* Masters found by real sentinels and nodes, and by such as lie. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "net/redis_find.h"
#include "support/allocator.h"
#include "support/loopback.h"
#include "support/proxy.h"
#include "support/redis.h"
#include "support/suite.h"

#define LONG_ENOUGH (10 * KEEL_S)

static failing_allocator memory;
static keel_dialer dialer;
static keel_detail why;
static keel_redis *redis;

static void start(void)
{
    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    failing_allocator_init(&memory, 0);
    dialer = (keel_dialer){ .memory = &memory.allocator,
                            .interrupt_fd = -1,
                            .timeout_ns = KEEL_S };
    ck_assert_int_eq(keel_resolver_new(&dialer.resolver, dialer.memory), KEEL_OK);
}

static void stop(void)
{
    keel_redis_close(redis);
    redis = NULL;
    ck_assert(keel_resolver_free(dialer.resolver, LONG_ENOUGH));
    ck_assert_int_eq(memory.live, 0);
    keel_process_detach();
}

static uint64_t in(uint64_t ns)
{
    return keel_ns_add(keel_socket_now(), ns);
}

static keel_status find_within(uint64_t ns, const char *text, const char *key)
{
    keel_redis_url url;

    ck_assert_msg(keel_redis_url_read(&url, keel_text_of(text), &why) == KEEL_OK, "%s",
                  why.text);
    keel_redis_close(redis);
    return keel_redis_find(&redis, &dialer, &url, keel_text_of(key), in(ns), &why);
}

static keel_status find(const char *text)
{
    return find_within(LONG_ENOUGH, text, "");
}

/* The URL with the ports in its place. */
#define FIND(...) find((snprintf(text, sizeof text, __VA_ARGS__), text))

static void expect_found_at(uint16_t port)
{
    ck_assert_msg(redis != NULL, "%s", why.text);
    ck_assert_str_eq(keel_redis_at(redis)->name, "127.0.0.1");
    ck_assert_uint_eq(keel_redis_at(redis)->port, port);
}

/* Type and first words of the reply to one command. */
static keel_redis_error ask(const char *verb, const char *key, const char *value,
                            keel_redis_move *move)
{
    const char *argv[] = { verb, key, value };
    const keel_redis_command command = { .argc = value ? 3 : 2, .argv = argv };
    keel_redis_error error;
    redisReply *reply;

    ck_assert_int_eq(keel_redis_ask(redis, &command, &reply, in(LONG_ENOUGH), &why),
                     KEEL_OK);
    error = keel_redis_error_of(reply);
    if (move)
        ck_assert(keel_redis_move_read(move, reply));
    freeReplyObject(reply);
    return error;
}

START_TEST(one_server_is_taken_if_it_is_a_master)
{
    test_redis master, replica;
    char text[300];

    ck_assert(test_redis_start(&master, ""));
    ck_assert(test_redis_start_replica(&replica, &master));
    ck_assert_int_eq(FIND("redis://localhost:%u", master.port), KEEL_OK);
    ck_assert_int_eq(ask("SET", "k", "v", NULL), KEEL_REDIS_NO_ERROR);
    ck_assert_int_eq(FIND("unix:%s?db=1", master.socket), KEEL_OK);
    ck_assert_int_eq(ask("SET", "k", "v", NULL), KEEL_REDIS_NO_ERROR);
    ck_assert_int_eq(FIND("redis://127.0.0.1:%u", replica.port), KEEL_FAILED);
    ck_assert_ptr_null(redis);
    ck_assert_str_eq(why.text, "that Redis is not a master");
    test_redis_cleanup(&replica);
    test_redis_cleanup(&master);
}
END_TEST

START_TEST(a_server_that_tells_nobody_its_role_is_not_taken)
{
    test_redis master;
    char text[100];

    ck_assert(test_redis_start(&master, "user default on nopass ~* +@all -role\n"));
    ck_assert_int_eq(FIND("redis://127.0.0.1:%u", master.port), KEEL_FAILED);
    ck_assert_ptr_null(redis);
    ck_assert_ptr_nonnull(strstr(why.text, "ROLE: \"NOPERM"));
    test_redis_cleanup(&master);
}
END_TEST

/* ---- sentinels -------------------------------------------------------------------- */

typedef struct watched {
    test_redis master, replica, sentinel;
} watched;

static void watched_start(watched *w)
{
    ck_assert(test_redis_start(&w->master, ""));
    ck_assert(test_redis_start_replica(&w->replica, &w->master));
    ck_assert(test_redis_start_sentinel(&w->sentinel, &w->master, "orders", 200));
}

static void watched_cleanup(watched *w)
{
    test_redis_cleanup(&w->sentinel);
    test_redis_cleanup(&w->replica);
    test_redis_cleanup(&w->master);
}

START_TEST(a_sentinel_names_the_master_before_and_after_a_failover)
{
    uint64_t until_ns;
    keel_status status;
    char text[100];
    watched w;

    watched_start(&w);
    ck_assert_int_eq(FIND("redis+sentinel://127.0.0.1:%u/orders", w.sentinel.port),
                     KEEL_OK);
    expect_found_at(w.master.port);
    test_redis_stop(&w.master);
    until_ns = in(30 * KEEL_S);
    do
        status = find(text);
    while (status != KEEL_OK && keel_socket_now() < until_ns);
    expect_found_at(w.replica.port);
    ck_assert_int_eq(ask("SET", "k", "v", NULL), KEEL_REDIS_NO_ERROR);
    watched_cleanup(&w);
}
END_TEST

/* The instance is asked by its role whatever a sentinel says of it. */
START_TEST(sentinels_that_are_dead_silent_or_lie_are_passed_over)
{
    char text[200], lie[100];
    proxy *silent, *lying;
    watched w;

    watched_start(&w);
    silent = proxy_start(w.sentinel.port);
    lying = proxy_start(w.sentinel.port);
    proxy_do(silent, PROXY_BLACK_HOLE);
    snprintf(lie, sizeof lie, "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%05u\r\n",
             w.replica.port);
    proxy_set(lying, (proxy_order){ .fault = PROXY_ANSWER,
                                    .answer = lie,
                                    .answer_size = strlen(lie) });
    snprintf(text, sizeof text,
             "redis+sentinel://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u/"
             "orders",
             loopback_free_port(), proxy_port(silent), proxy_port(lying),
             w.sentinel.port);
    ck_assert_msg(find_within(4 * KEEL_S, text, "") == KEEL_OK, "%s", why.text);
    expect_found_at(w.master.port);
    ck_assert_uint_eq(proxy_accepted(silent), 1);
    ck_assert_uint_eq(proxy_accepted(lying), 1);
    ck_assert_int_eq(FIND("redis+sentinel://127.0.0.1:%u/orders", proxy_port(lying)),
                     KEEL_FAILED);
    ck_assert_str_eq(why.text, "that Redis is not a master");
    ck_assert_int_eq(FIND("redis+sentinel://127.0.0.1:%u/others", w.sentinel.port),
                     KEEL_FAILED);
    ck_assert_str_eq(why.text, "the sentinel does not know that master");
    proxy_stop(silent);
    proxy_stop(lying);
    watched_cleanup(&w);
}
END_TEST

/* ---- clusters --------------------------------------------------------------------- */

/* One key for each node, whatever slots it has. */
static const char *const keys[] = { "{foo}", "{bar}", "{c}" };

START_TEST(in_a_cluster_the_node_of_the_key_is_found_by_any_that_lives)
{
    test_redis_cluster c;
    unsigned found = 0;
    char text[100];

    ck_assert(test_redis_cluster_start(&c));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        snprintf(text, sizeof text, "redis+cluster://127.0.0.1:%u,127.0.0.1:%u",
                 loopback_free_port(), c.nodes[1].port);
        ck_assert_msg(find_within(LONG_ENOUGH, text, keys[i]) == KEEL_OK, "%s",
                      why.text);
        ck_assert_int_eq(ask("SET", keys[i], "v", NULL), KEEL_REDIS_NO_ERROR);
        for (unsigned k = 0; k < TEST_REDIS_NODES; k++)
            if (keel_redis_at(redis)->port == c.nodes[k].port)
                found |= 1U << k;
    }
    ck_assert_msg(found == 7, "not one key for each node: %x", found);
    test_redis_cluster_cleanup(&c);
}
END_TEST

START_TEST(a_move_leads_to_the_node_that_has_the_slot)
{
    keel_redis *right;
    keel_redis_move move;
    keel_redis_url url = { .kind = KEEL_REDIS_CLUSTER };
    test_redis_cluster c;
    char text[100];

    ck_assert(test_redis_cluster_start(&c));
    snprintf(text, sizeof text, "redis+cluster://127.0.0.1:%u", c.nodes[0].port);
    ck_assert_int_eq(find_within(LONG_ENOUGH, text, "{bar}"), KEEL_OK);
    ck_assert_int_eq(ask("GET", "{foo}", NULL, &move), KEEL_REDIS_MOVED);
    ck_assert_int_eq(keel_redis_find_moved(&right, &dialer, &url, &move, redis,
                                           in(LONG_ENOUGH), &why),
                     KEEL_OK);
    ck_assert_uint_eq(keel_redis_at(right)->port, move.to.port);
    keel_redis_close(right);
    /* the same, said by one that does not know its own name */
    move.to.name[0] = '\0';
    ck_assert_int_eq(keel_redis_find_moved(&right, &dialer, &url, &move, redis,
                                           in(LONG_ENOUGH), &why),
                     KEEL_OK);
    keel_redis_close(redis);
    redis = right;
    ck_assert_int_eq(ask("SET", "{foo}", "v", NULL), KEEL_REDIS_NO_ERROR);
    test_redis_cluster_cleanup(&c);
}
END_TEST

typedef struct answer_case {
    const char *why;
    const char *answer; /* to CLUSTER SLOTS; %u is the port of a master */
    bool is_found;
} answer_case;

static const answer_case answers[] = {
    { "as it should be", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n",
      true },
    { "a node that does not know its name",
      "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:%u\r\n", true },
    { "an empty name", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:%u\r\n", true },
    { "the second range",
      "*2\r\n*3\r\n:7\r\n:8\r\n*2\r\n$1\r\nx\r\n:1\r\n"
      "*3\r\n:0\r\n:6\r\n*2\r\n$-1\r\n:%u\r\n",
      true },
    { "other slots", "*1\r\n*3\r\n:1\r\n:16383\r\n*2\r\n$-1\r\n:%u\r\n", false },
    { "no slots", "*0\r\n", false },
    { "nil", "*-1\r\n", false },
    { "a number", ":1\r\n", false },
    { "an error", "-NOPERM no\r\n", false },
    { "a range that is none", "*1\r\n:5\r\n", false },
    { "a range without nodes", "*1\r\n*2\r\n:0\r\n:16383\r\n", false },
    { "a node that is none", "*1\r\n*3\r\n:0\r\n:16383\r\n:7\r\n", false },
    { "a node of nothing", "*1\r\n*3\r\n:0\r\n:16383\r\n*0\r\n", false },
    { "slots that are words", "*1\r\n*3\r\n+a\r\n+b\r\n*2\r\n$-1\r\n:%u\r\n", false },
    { "a port that is a word", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n+x\r\n",
      false },
    { "port 0", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:0\r\n", false },
    { "a negative port", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:-1\r\n", false },
    { "a large port", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:65536\r\n", false },
};

START_TEST(what_a_node_says_of_the_slots_is_read_whole_or_refused)
{
    const answer_case *row = &answers[_i];
    char text[100], answer[200];
    test_redis master;
    proxy *node;
    keel_status status;

    ck_assert(test_redis_start(&master, ""));
    node = proxy_start(master.port);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(answer, sizeof answer, row->answer, master.port);
#pragma GCC diagnostic pop
    proxy_set(node, (proxy_order){ .fault = PROXY_ANSWER,
                                   .answer = answer,
                                   .answer_size = strlen(answer) });
    status = FIND("redis+cluster://127.0.0.1:%u", proxy_port(node));
    ck_assert_msg(status == (row->is_found ? KEEL_OK : KEEL_FAILED), "%s: %s", row->why,
                  why.text);
    if (row->is_found)
        expect_found_at(master.port);
    proxy_stop(node);
    test_redis_cleanup(&master);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(one_server_is_taken_if_it_is_a_master),
        ONE(a_server_that_tells_nobody_its_role_is_not_taken),
        ONE(a_sentinel_names_the_master_before_and_after_a_failover),
        ONE(sentinels_that_are_dead_silent_or_lie_are_passed_over),
        ONE(in_a_cluster_the_node_of_the_key_is_found_by_any_that_lives),
        ONE(a_move_leads_to_the_node_that_has_the_slot),
        ROWS(what_a_node_says_of_the_slots_is_read_whole_or_refused, answers),
    };

    if (!test_redis_is_installed())
        return 77;
    return suite_run_in("redis_find", 90, start, stop, tests,
                        sizeof tests / sizeof tests[0]);
}
