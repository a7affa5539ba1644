/* SPDX-License-Identifier: MIT */
/*
 * Active checks of real servers: what each kind of check takes for an answer, and what a
 * dependency that goes and comes back makes of a breaker.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call/pipeline.h"
#include "health/probe.h"
#include "support/comes.h"
#include "support/fault.h"
#include "support/loopback.h"
#include "support/memcached.h"
#include "support/opened.h"
#include "support/redis.h"
#include "support/server.h"
#include "support/suite.h"

#define QUICKLY "none; health.interval=20ms; health.timeout=1s; health.delay=0; "

static const char servers[] = "server { listen 127.0.0.1:@PORT@; root @DIR@;\n"
                              " location /down { return 503; }\n"
                              " location /moved { return 302 /healthz; } }\n";

static opened o;
static test_server web;
static char settings[512];

/* The address of a server behind what is checked. */
static const char *aim(const char *check, const char *target, unsigned port)
{
    int length = snprintf(settings, sizeof settings,
                          QUICKLY "health=%s; "
                                  "health.target=",
                          check);

    snprintf(settings + length, sizeof settings - (size_t)length, "%s%.0u", target,
             port);
    return settings;
}

static keel_check_state state(void)
{
    return opened_look(&o).check;
}

static void expect(keel_check_state wanted)
{
    COMES(state() == wanted);
}

static void open_with(const char *text)
{
    opened_init(&o, OPENED_REAL, NULL, text);
}

/* ---- HTTP --------------------------------------------------------------------------- */

static void put_healthz(bool is_there)
{
    char path[SPAWNED_PATH_SIZE];
    FILE *file;

    spawned_path(&web.nginx.process, "healthz", path);
    if (!is_there) {
        ck_assert_int_eq(unlink(path), 0);
        return;
    }
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("fine\n", file);
    fclose(file);
}

static void start_web(void)
{
    ck_assert(test_server_init(&web));
    put_healthz(true);
    ck_assert(test_server_start(&web, servers));
}

static const struct {
    const char *why;
    const char *check;
    keel_check_state state;
} paths[] = {
    { "200 is well", "http:/healthz", KEEL_CHECK_HEALTHY },
    { "503 is not", "http:/down", KEEL_CHECK_UNHEALTHY },
    { "nor is nothing there", "http:/nothing", KEEL_CHECK_UNHEALTHY },
    { "nobody follows to where it moved", "http:/moved", KEEL_CHECK_UNHEALTHY },
};

START_TEST(an_answer_of_http_is_judged_by_its_code)
{
    start_web();
    open_with(aim(paths[_i].check, "127.0.0.1:", web.port));
    expect(paths[_i].state);
    opened_cleanup(&o);
    test_server_cleanup(&web);
}
END_TEST

START_TEST(a_server_that_goes_and_comes_back_is_followed)
{
    start_web();
    open_with(aim("http:/healthz", "http://localhost:", web.port));
    expect(KEEL_CHECK_HEALTHY);
    put_healthz(false);
    expect(KEEL_CHECK_UNHEALTHY);
    put_healthz(true);
    expect(KEEL_CHECK_HEALTHY);
    spawned_freeze(&web.nginx.process); /* it accepts and never answers */
    expect(KEEL_CHECK_UNHEALTHY);
    spawned_thaw(&web.nginx.process);
    expect(KEEL_CHECK_HEALTHY);
    test_server_stop(&web);
    expect(KEEL_CHECK_UNHEALTHY);
    opened_cleanup(&o);
    test_server_cleanup(&web);
}
END_TEST

/* ---- the others --------------------------------------------------------------------- */

/* A port that accepts, since the kernel does, and says nothing. */
static int listen_only(uint16_t *port)
{
    int fd = loopback_listen(0, 64);

    ck_assert_int_ge(fd, 0);
    *port = loopback_port(fd);
    return fd;
}

static const struct {
    const char *check;
    keel_check_state state;
} silent[] = {
    { "tcp", KEEL_CHECK_HEALTHY }, /* an accept is all it asks for */
    { "http:/", KEEL_CHECK_UNHEALTHY },    { "redis", KEEL_CHECK_UNHEALTHY },
    { "memcached", KEEL_CHECK_UNHEALTHY }, { "sql", KEEL_CHECK_UNHEALTHY },
};

START_TEST(a_port_that_accepts_and_hangs_is_well_to_tcp_alone)
{
    uint16_t port;
    int fd = listen_only(&port);

    open_with(aim(silent[_i].check, "127.0.0.1:", port));
    expect(silent[_i].state);
    opened_cleanup(&o);
    close(fd);
}
END_TEST

START_TEST(nobody_is_unhealthy)
{
    open_with(aim(silent[_i].check, "127.0.0.1:", loopback_free_port()));
    expect(KEEL_CHECK_UNHEALTHY);
    opened_cleanup(&o);
}
END_TEST

START_TEST(redis_is_asked_for_its_pong_and_a_frozen_one_has_none)
{
    test_redis redis;

    if (!test_redis_is_installed())
        return;
    ck_assert(test_redis_start(&redis, ""));
    open_with(aim("redis", "redis://127.0.0.1:", redis.port));
    expect(KEEL_CHECK_HEALTHY);
    test_redis_freeze(&redis);
    expect(KEEL_CHECK_UNHEALTHY);
    test_redis_thaw(&redis);
    expect(KEEL_CHECK_HEALTHY);
    opened_cleanup(&o);
    test_redis_cleanup(&redis);
}
END_TEST

START_TEST(a_redis_that_wants_a_password_is_there)
{
    test_redis redis;

    if (!test_redis_is_installed())
        return;
    ck_assert(test_redis_start(&redis, ""));
    freeReplyObject(test_redis_ask(&redis, "CONFIG SET requirepass hunter2"));
    open_with(aim("redis", "127.0.0.1:", redis.port));
    expect(KEEL_CHECK_HEALTHY);
    opened_cleanup(&o);
    test_redis_cleanup(&redis);
}
END_TEST

START_TEST(memcached_is_asked_for_its_version)
{
    test_memcached memcached = { .port = 0 };

    if (!test_memcached_is_installed())
        return;
    ck_assert(test_memcached_start(&memcached, NULL, NULL));
    open_with(aim("memcached", "memcached://127.0.0.1:", memcached.port));
    expect(KEEL_CHECK_HEALTHY);
    test_memcached_stop(&memcached);
    expect(KEEL_CHECK_UNHEALTHY);
    opened_cleanup(&o);
    test_memcached_cleanup(&memcached);
}
END_TEST

START_TEST(a_socket_has_a_path)
{
    test_memcached memcached = { .port = 0 };

    if (!test_memcached_is_installed())
        return;
    ck_assert(test_memcached_start_unix(&memcached, NULL, NULL));
    open_with(aim("memcached", memcached.socket, 0));
    expect(KEEL_CHECK_HEALTHY);
    opened_cleanup(&o);
    test_memcached_cleanup(&memcached);
}
END_TEST

/* ---- answers, byte by byte ---------------------------------------------------------- */

static const struct {
    keel_health_kind kind;
    const char *bytes;
    keel_probe_state state;
} replies[] = {
    { KEEL_HEALTH_REDIS, "", KEEL_PROBE_HEARS },
    { KEEL_HEALTH_REDIS, "+PO", KEEL_PROBE_HEARS },
    { KEEL_HEALTH_REDIS, "-", KEEL_PROBE_HEARS },
    { KEEL_HEALTH_REDIS, "+PONG", KEEL_PROBE_GOOD },
    { KEEL_HEALTH_REDIS, "+PONG\r\n", KEEL_PROBE_GOOD },
    { KEEL_HEALTH_REDIS, "-NOAUTH Authentication required.\r\n", KEEL_PROBE_GOOD },
    { KEEL_HEALTH_REDIS, "-LOADING Redis is loading", KEEL_PROBE_BAD },
    { KEEL_HEALTH_REDIS, "+OK\r\n", KEEL_PROBE_BAD },
    { KEEL_HEALTH_REDIS, "HTTP/1.1 400 Bad Request", KEEL_PROBE_BAD },
    { KEEL_HEALTH_MEMCACHED, "VER", KEEL_PROBE_HEARS },
    { KEEL_HEALTH_MEMCACHED, "VERSION 1.6.18\r\n", KEEL_PROBE_GOOD },
    { KEEL_HEALTH_MEMCACHED, "ERROR\r\n", KEEL_PROBE_BAD },
    { KEEL_HEALTH_TCP, "", KEEL_PROBE_BAD },
};

START_TEST(an_answer_is_good_by_its_first_word)
{
    ck_assert_int_eq(keel_probe_judge(replies[_i].kind, replies[_i].bytes,
                                      strlen(replies[_i].bytes)),
                     replies[_i].state);
}
END_TEST

START_TEST(an_answer_may_come_in_pieces)
{
    fault_server server;
    const fault_step http[] = { { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                                  FAULT_CLOSE, 1, false } };

    ck_assert(fault_start(&server, http, 1));
    open_with(aim("http:/", "127.0.0.1:", server.port));
    expect(KEEL_CHECK_HEALTHY);
    ck_assert(fault_saw(&server, "GET / HTTP/1.1"));
    ck_assert(fault_saw(&server, "keel-health"));
    opened_cleanup(&o);
    fault_stop(&server);
}
END_TEST

/* Said by a server as soon as it is connected to. */
static const char *const greetings[] = {
    "HTTP/1.1 400 Bad Request\r\n\r\n", "\xff\xff\xff", /* of 16 MiB to come */
    "J",                                                /* and then nothing */
};

START_TEST(what_is_no_greeting_of_mysql_is_ill)
{
    uint16_t port;
    int listener = listen_only(&port), fd[2]; /* so many in a row make it ill */

    open_with(aim("sql", "127.0.0.1:", port));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_ge(fd[i] = accept(listener, NULL, NULL), 0);
        ck_assert_int_gt(
            send(fd[i], greetings[_i], strlen(greetings[_i]), MSG_NOSIGNAL), 0);
    }
    expect(KEEL_CHECK_UNHEALTHY);
    opened_cleanup(&o);
    close(fd[0]);
    close(fd[1]);
    close(listener);
}
END_TEST

/* ---- what it does to a breaker ------------------------------------------------------ */

#define BREAKER                                                                        \
    "breaker=on; breaker.min_calls=2; breaker.open=1h; breaker.open_jitter=0; "        \
    "breaker.half_open_permits=1; "

static void count_health(const keel_event *event, void *ctx)
{
    _Atomic int *counts = ctx;

    if (event->type == KEEL_EVENT_HEALTH)
        counts[event->status == KEEL_OK]++;
}

START_TEST(a_dependency_that_is_well_again_is_probed_within_its_open_hour)
{
    _Atomic int counts[2] = { 0, 0 };
    char text[768];

    start_web();
    put_healthz(false);
    snprintf(text, sizeof text, "%s; " BREAKER,
             aim("http:/healthz", "127.0.0.1:", web.port));
    open_with(text);
    keel_events_listen(o.rt, count_health, (void *)counts);
    opened_calls(&o, KEEL_FAILED, 2);
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_OPEN);
    expect(KEEL_CHECK_UNHEALTHY);
    ck_assert_uint_gt(opened_look(&o).open_left_ns, 3000 * KEEL_S);
    put_healthz(true);
    COMES(opened_look(&o).open_left_ns == 0);
    /* it is for a call to close it */
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_OPEN);
    opened_calls(&o, KEEL_OK, 1);
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_CLOSED);
    COMES(counts[0] == 1 && counts[1] == 1);
    keel_events_listen(o.rt, NULL, NULL);
    opened_cleanup(&o);
    test_server_cleanup(&web);
}
END_TEST

/* ---- endpoints ---------------------------------------------------------------------- */

static bool is_ill(const char *endpoint)
{
    keel_endpoint_view view;
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(o.pipeline, &phase);

    keel_endpoints_view(plan->endpoints, &plan->policy,
                        keel_endpoints_find(plan->endpoints, endpoint), keel_now(o.rt),
                        &view);
    keel_plan_exit(o.pipeline, phase);
    return view.is_ill;
}

static void count_ill(const keel_event *event, void *ctx)
{
    _Atomic int *counts = ctx;

    if (event->type == KEEL_EVENT_HEALTH && strcmp(event->endpoint, "down") == 0)
        counts[event->status == KEEL_OK]++;
}

START_TEST(each_endpoint_is_looked_at_by_itself)
{
    _Atomic int counts[2] = { 0, 0 };
    char text[512];

    start_web();
    snprintf(text, sizeof text,
             QUICKLY "health=http:/healthz; endpoints=http://127.0.0.1:%u name=up, "
                     "http://127.0.0.1:%u name=down",
             web.port, loopback_free_port());
    open_with(text);
    keel_events_listen(o.rt, count_ill, (void *)counts);
    COMES(is_ill("down"));
    ck_assert(!is_ill("up"));
    put_healthz(false);
    COMES(is_ill("up"));
    put_healthz(true);
    COMES(!is_ill("up"));
    COMES(counts[0] == 1 && counts[1] == 0);
    /* what nobody checks is not avoided for what was found once */
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "health=off", 3600 * KEEL_S, NULL), KEEL_OK);
    COMES(!is_ill("down"));
    keel_events_listen(o.rt, NULL, NULL);
    opened_cleanup(&o);
    test_server_cleanup(&web);
}
END_TEST

START_TEST(what_is_not_to_be_checked_any_more_is_not)
{
    start_web();
    open_with(aim("http:/healthz", "127.0.0.1:", web.port));
    expect(KEEL_CHECK_HEALTHY);
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "health=off", 3600 * KEEL_S, NULL), KEEL_OK);
    expect(KEEL_CHECK_UNKNOWN);
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, NULL, 0, NULL), KEEL_OK);
    expect(KEEL_CHECK_HEALTHY);
    opened_cleanup(&o);
    test_server_cleanup(&web);
}
END_TEST

START_TEST(disabled_keel_checks_nothing)
{
    static const char *const environment[] = { "KEEL_DISABLED=on", NULL };
    fault_server server;
    const fault_step never[] = { { "", FAULT_HANG, 0, false } };

    ck_assert(fault_start(&server, never, 1));
    opened_init(&o, OPENED_REAL, environment, aim("http:/", "127.0.0.1:", server.port));
    ck_assert_ptr_null(atomic_load(&o.rt->health)); /* nobody who could */
    opened_cleanup(&o);
    ck_assert_int_eq(server.connections, 0);
    fault_stop(&server);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(an_answer_of_http_is_judged_by_its_code, paths),
        ONE(a_server_that_goes_and_comes_back_is_followed),
        ROWS(a_port_that_accepts_and_hangs_is_well_to_tcp_alone, silent),
        ROWS(nobody_is_unhealthy, silent),
        ONE(redis_is_asked_for_its_pong_and_a_frozen_one_has_none),
        ONE(a_redis_that_wants_a_password_is_there),
        ONE(memcached_is_asked_for_its_version),
        ONE(a_socket_has_a_path),
        ROWS(an_answer_is_good_by_its_first_word, replies),
        ONE(an_answer_may_come_in_pieces),
        ROWS(what_is_no_greeting_of_mysql_is_ill, greetings),
        ONE(a_dependency_that_is_well_again_is_probed_within_its_open_hour),
        ONE(each_endpoint_is_looked_at_by_itself),
        ONE(what_is_not_to_be_checked_any_more_is_not),
        ONE(disabled_keel_checks_nothing),
    };

    if (!test_server_is_installed())
        return 77;
    return suite_run("check", 60, tests, sizeof tests / sizeof tests[0]);
}
