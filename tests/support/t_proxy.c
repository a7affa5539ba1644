/* SPDX-License-Identifier: MIT */
/* The fault proxy in front of an echo: each fault is the one ordered, each time. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/loopback.h"
#include "support/proxy.h"
#include "support/suite.h"

enum { TEN_SECONDS_MS = 10000 };

/* A server that says back what it hears, on one connection after the other. */
typedef struct echo {
    int listener;
    pthread_t thread;
} echo;

static _Atomic unsigned heard; /* bytes, by the echo */

static void echo_one(int fd)
{
    char bytes[256];
    ssize_t got;

    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        heard += (unsigned)got;
        send(fd, bytes, (size_t)got, MSG_NOSIGNAL);
    }
    close(fd);
}

static void *echo_run(void *ctx)
{
    const echo *e = ctx;
    int fd;

    while ((fd = accept(e->listener, NULL, NULL)) >= 0)
        echo_one(fd);
    return NULL;
}

static echo server;
static proxy *between;

static void start(void)
{
    server.listener = loopback_listen(0, 8);
    ck_assert_int_ge(server.listener, 0);
    ck_assert_int_eq(pthread_create(&server.thread, NULL, echo_run, &server), 0);
    between = proxy_start(loopback_port(server.listener));
    ck_assert_ptr_nonnull(between);
}

static void stop(void)
{
    proxy_stop(between);
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
}

/* -1: refused. */
static int try_connect(void)
{
    struct sockaddr_in to = loopback_address(proxy_port(between));
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    ck_assert_int_eq(errno, ECONNREFUSED);
    close(fd);
    return -1;
}

static int connect_through(void)
{
    int fd = try_connect();

    ck_assert_int_ge(fd, 0);
    return fd;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

/* Whatever arrives until `most` bytes or the end; -1: a reset. */
static ssize_t hear(int fd, char *to, size_t most)
{
    size_t length = 0;
    ssize_t got = 1;

    while (length < most && got > 0) {
        struct pollfd there = { .fd = fd, .events = POLLIN };

        ck_assert_int_eq(poll(&there, 1, TEN_SECONDS_MS), 1);
        got = recv(fd, to + length, most - length, 0);
        if (got < 0) {
            ck_assert_int_eq(errno, ECONNRESET);
            return -1;
        }
        length += (size_t)got;
    }
    return (ssize_t)length;
}

static void expect_echo(int fd)
{
    char answer[6];

    say(fd, "hello");
    ck_assert_int_eq(hear(fd, answer, 5), 5);
    ck_assert_int_eq(memcmp(answer, "hello", 5), 0);
}

START_TEST(without_a_fault_bytes_go_through_both_ways)
{
    int fd = connect_through();

    expect_echo(fd);
    expect_echo(fd);
    ck_assert_uint_eq(proxy_accepted(between), 1);
    close(fd);
}
END_TEST

START_TEST(much_goes_through_whole_and_the_end_after_it)
{
    enum { MUCH = 1 << 20 };
    char *sent = malloc(MUCH), *heard_back = malloc(MUCH);
    int fd = connect_through();
    size_t out = 0, in = 0;

    for (int i = 0; i < MUCH; i++)
        sent[i] = (char)(i % 251);
    while (in < MUCH) {
        struct pollfd both = { .fd = fd, .events = POLLIN };
        ssize_t n;

        if (out < MUCH)
            both.events |= POLLOUT;
        ck_assert_int_eq(poll(&both, 1, TEN_SECONDS_MS), 1);
        if (both.revents & POLLOUT) {
            n = send(fd, sent + out, MUCH - out, MSG_DONTWAIT | MSG_NOSIGNAL);
            ck_assert_int_gt(n, 0);
            out += (size_t)n;
            if (out == MUCH)
                shutdown(fd, SHUT_WR);
        }
        if (both.revents & POLLIN) {
            n = recv(fd, heard_back + in, MUCH - in, 0);
            ck_assert_int_gt(n, 0);
            in += (size_t)n;
        }
    }
    ck_assert_int_eq(memcmp(sent, heard_back, MUCH), 0);
    ck_assert_int_eq(hear(fd, heard_back, 1), 0);
    close(fd);
    free(sent);
    free(heard_back);
}
END_TEST

static uint64_t now_ns(void)
{
    keel_clock clock;

    keel_clock_real(&clock);
    return clock.now(clock.ctx);
}

START_TEST(a_delayed_answer_arrives_no_earlier)
{
    int fd = connect_through();
    uint64_t begun;

    proxy_set(between, (proxy_order){ .fault = PROXY_DELAY, .ms = 60 });
    begun = now_ns();
    expect_echo(fd);
    ck_assert_uint_ge(now_ns() - begun, 60 * KEEL_MS);
    close(fd);
}
END_TEST

START_TEST(a_dripping_answer_arrives_byte_by_byte)
{
    int fd = connect_through();
    uint64_t begun;
    char said[5];
    ssize_t first;

    proxy_set(between, (proxy_order){ .fault = PROXY_DRIP, .ms = 100 });
    begun = now_ns();
    say(fd, "hello");
    first = recv(fd, said, sizeof said, 0);
    ck_assert_int_gt(first, 0);
    ck_assert_int_lt(first, 5);
    ck_assert_int_eq(hear(fd, said + first, 5 - (size_t)first), 5 - first);
    ck_assert_int_eq(memcmp(said, "hello", 5), 0);
    ck_assert_uint_ge(now_ns() - begun, 4 * 100 * KEEL_MS);
    close(fd);
}
END_TEST

START_TEST(of_a_cut_answer_half_arrives_and_then_the_end)
{
    int fd = connect_through();
    char answer[8];

    proxy_do(between, PROXY_CUT);
    say(fd, "12345678");
    ck_assert_int_eq(hear(fd, answer, sizeof answer), 4);
    ck_assert_int_eq(memcmp(answer, "1234", 4), 0);
    close(fd);
}
END_TEST

typedef struct reset_case {
    const char *why;
    proxy_fault fault;
    unsigned heard; /* by the server */
} reset_case;

static const reset_case resets[] = {
    { "before: the server never hears of it", PROXY_RESET_BEFORE, 0 },
    { "after: the server has done it", PROXY_RESET_AFTER, 5 },
};

START_TEST(a_reset_comes_before_or_after_the_server_has_heard)
{
    const reset_case *row = &resets[_i];
    int fd = connect_through();
    char answer[6];

    proxy_do(between, row->fault);
    say(fd, "hello");
    ck_assert_int_eq(hear(fd, answer, 5), -1);
    ck_assert_msg(heard == row->heard, "%s: %u", row->why, heard);
    close(fd);
    proxy_do(between, PROXY_FORWARD);
    fd = connect_through();
    expect_echo(fd);
    close(fd);
}
END_TEST

START_TEST(an_answer_of_the_tests_own_comes_in_the_servers_place)
{
    int fd = connect_through();
    char answer[sizeof PROXY_GARBAGE];

    proxy_set(between,
              (proxy_order){ .fault = PROXY_ANSWER, .answer = "no", .answer_size = 2 });
    say(fd, "hello");
    ck_assert_int_eq(hear(fd, answer, 2), 2);
    ck_assert_int_eq(memcmp(answer, "no", 2), 0);
    proxy_do(between, PROXY_ANSWER);
    say(fd, "hello");
    ck_assert_int_eq(hear(fd, answer, sizeof answer - 1), (int)sizeof answer - 1);
    ck_assert_int_eq(memcmp(answer, PROXY_GARBAGE, sizeof answer - 1), 0);
    ck_assert_uint_eq(heard, 0);
    close(fd);
}
END_TEST

START_TEST(a_black_hole_accepts_and_says_nothing_until_it_is_lifted)
{
    char answer[6];
    int old = connect_through(), fresh;
    struct pollfd there[2];

    proxy_do(between, PROXY_BLACK_HOLE);
    fresh = connect_through();
    say(old, "hello");
    say(fresh, "hello");
    there[0] = (struct pollfd){ .fd = old, .events = POLLIN };
    there[1] = (struct pollfd){ .fd = fresh, .events = POLLIN };
    ck_assert_int_eq(poll(there, 2, 50), 0);
    ck_assert_uint_eq(heard, 0);
    proxy_do(between, PROXY_FORWARD);
    ck_assert_int_eq(hear(old, answer, 5), 5);
    close(old);
    ck_assert_int_eq(hear(fresh, answer, 5), 5);
    close(fresh);
}
END_TEST

START_TEST(it_refuses_and_is_back_on_its_port)
{
    int fd = connect_through();
    char answer[1];

    expect_echo(fd);
    proxy_do(between, PROXY_REFUSE);
    ck_assert_int_eq(hear(fd, answer, 1), -1);
    ck_assert_int_eq(try_connect(), -1);
    close(fd);
    proxy_do(between, PROXY_FORWARD);
    fd = connect_through();
    expect_echo(fd);
    close(fd);
}
END_TEST

SUITE_IN("proxy", 30, start, stop, ONE(without_a_fault_bytes_go_through_both_ways),
         ONE(much_goes_through_whole_and_the_end_after_it),
         ONE(a_delayed_answer_arrives_no_earlier),
         ONE(a_dripping_answer_arrives_byte_by_byte),
         ONE(of_a_cut_answer_half_arrives_and_then_the_end),
         ROWS(a_reset_comes_before_or_after_the_server_has_heard, resets),
         ONE(an_answer_of_the_tests_own_comes_in_the_servers_place),
         ONE(a_black_hole_accepts_and_says_nothing_until_it_is_lifted),
         ONE(it_refuses_and_is_back_on_its_port))
