/* SPDX-License-Identifier: MIT */
/* keel_http given what it cannot use: wrong arguments, no memory, a parent's client. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_fixture.h"
#include "support/child.h"
#include "support/without.h"

START_TEST(a_missing_argument_is_said_to_be_missing)
{
    told_end t = { 0 };
    keel_http_request r;
    keel_http *none = NULL;
    const keel_http_response *response;
    uint64_t ticket;

    BEGIN("", SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    WITHOUT(keel_http_open, out,
            keel_http_open(NULL, own.rt, NULL, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_http_open, runtime,
            keel_http_open(&none, NULL, NULL, NULL) == KEEL_E_ARGUMENT && !none);
    WITHOUT(keel_http_open, options,
            keel_http_open(&none, own.rt, NULL, &own.why) == KEEL_OK);
    keel_http_close(none);
    WITHOUT(keel_http_open, why, keel_http_open(&none, own.rt, NULL, NULL) == KEEL_OK);
    keel_http_close(none);
    WITHOUT(keel_http_close, client, RETURNS(keel_http_close(NULL)));
    WITHOUT(keel_http_start, client,
            keel_http_start(NULL, own.pipeline, &r, &ticket, NULL) == KEEL_E_ARGUMENT &&
                !ticket);
    WITHOUT(keel_http_start, pipeline,
            keel_http_start(client, NULL, &r, NULL, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_http_start, request,
            keel_http_start(client, own.pipeline, NULL, NULL, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_http_start, ticket,
            keel_http_start(client, own.pipeline, &r, NULL, &own.why) == KEEL_OK);
    WITHOUT(keel_http_start, why,
            keel_http_start(client, own.pipeline, &r, &ticket, NULL) == KEEL_OK);
    finish_all();
    ck_assert_int_eq(t.times, 2);
    WITHOUT(keel_http_cancel, client,
            keel_http_cancel(NULL, ticket) == KEEL_E_ARGUMENT);
    WITHOUT(keel_http_in_flight, client, keel_http_in_flight(NULL) == 0);
    WITHOUT(keel_http_poll, client, keel_http_poll(NULL, 0) == KEEL_E_ARGUMENT);
    WITHOUT(keel_http_ready, client, RETURNS(keel_http_ready(NULL, 0, true, true)));
    WITHOUT(keel_http_timer, client, RETURNS(keel_http_timer(NULL)));
    WITHOUT(keel_http_perform, client,
            keel_http_perform(NULL, own.pipeline, &r, &response, NULL) ==
                    KEEL_E_ARGUMENT &&
                !response);
    WITHOUT(keel_http_perform, pipeline,
            keel_http_perform(client, NULL, &r, NULL, NULL) == KEEL_E_ARGUMENT);
    WITHOUT(keel_http_perform, request,
            keel_http_perform(client, own.pipeline, NULL, NULL, NULL) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_http_perform, response,
            keel_http_perform(client, own.pipeline, &r, NULL, &own.why) == KEEL_OK);
    WITHOUT(keel_http_perform, why,
            keel_http_perform(client, own.pipeline, &r, &response, NULL) == KEEL_OK);
    WITHOUT(keel_http_header, response, !keel_http_header(NULL, "x", 0));
    WITHOUT(keel_http_header, name, !keel_http_header(response, NULL, 0));
    keel_http_response_free(response);
    WITHOUT(keel_http_response_free, response, RETURNS(keel_http_response_free(NULL)));
    END();
}
END_TEST

typedef struct wrong_case {
    const char *why;
    const char *method;
    const char *url;
    const char *name;
    const char *value;
    const char *text; /* what is said of it */
} wrong_case;

#define SOME_URL "http://127.0.0.1/"
#define NO_URL "http: url begins with none of http://, https:// and /"
#define NO_METHOD "http: method is not one word, such as GET or POST"
#define NO_NAME                                                                        \
    "http: headers[0].name is not the name of a header: it needs letters, digits or "  \
    "hyphens, and no colon, blank or line break"

static const wrong_case wrong_cases[] = {
    { "no URL", NULL, NULL, "X", "1", "http: url is NULL" },
    { "a path without its slash", NULL, "b", "X", "1", NO_URL },
    { "another scheme", NULL, "ftp://127.0.0.1/", "X", "1", NO_URL },
    { "a method of two words", "GET /b", SOME_URL, "X", "1", NO_METHOD },
    { "an empty method", "", SOME_URL, "X", "1", NO_METHOD },
    { "a header without a name", NULL, SOME_URL, "", "1", NO_NAME },
    { "a name with a colon", NULL, SOME_URL, "X:", "1", NO_NAME },
    { "no value", NULL, SOME_URL, "X", NULL,
      "http: the value of header X is NULL: an empty one is \"\"" },
    { "a value with a second header", NULL, SOME_URL, "X", "1\r\nY: 2",
      "http: the value of header X has a line break in it" },
};

START_TEST(what_is_no_request_is_refused)
{
    const wrong_case *c = &wrong_cases[_i];
    const keel_http_pair header = { c->name, c->value };
    told_end t = { 0 };
    keel_http_request r;

    client_open_at("", 1);
    r = request_to(&t);
    r.method = c->method;
    r.url = c->url;
    r.headers = &header;
    r.header_count = 1;
    ck_assert_msg(keel_http_start(client, own.pipeline, &r, NULL, &own.why) ==
                      KEEL_E_ARGUMENT,
                  "%s", c->why);
    ck_assert_str_eq(own.why.text, c->text);
    ck_assert_uint_eq(keel_http_in_flight(client), 0);
    client_end();
}
END_TEST

static void refuses(const keel_http_request *r, const char *text)
{
    ck_assert_int_eq(keel_http_start(client, own.pipeline, r, NULL, &own.why),
                     KEEL_E_ARGUMENT);
    ck_assert_str_eq(own.why.text, text);
}

static void refuses_to_open(const keel_http_options *options, const char *text)
{
    keel_http *none;

    ck_assert_int_eq(keel_http_open(&none, own.rt, options, &own.why), KEEL_E_ARGUMENT);
    ck_assert_str_eq(own.why.text, text);
}

START_TEST(sizes_and_numbers_are_looked_at)
{
    keel_call_options call = { .size = 0 };
    keel_http_options options = { .size = 0 };
    keel_http_watch watch = { .size = sizeof watch };
    told_end t = { 0 };
    keel_http_request r;

    client_open_at("", 1);
    refuses_to_open(&options,
                    "keel_http_options: size is 0, or asks for what this keel "
                    "does not know");
    options.size = sizeof options;
    options.watch = &watch;
    refuses_to_open(&options, "keel_http_watch: watch is NULL, and a loop needs both");
    r = request_to(&t);
    r.done = NULL;
    refuses(&r, "http: done is NULL: nobody would be told");
    r = request_to(&t);
    r.call = &call;
    refuses(&r,
            "keel_http_request.call: size is 0, or asks for what this keel does not "
            "know");
    r = request_to(&t);
    r.size = 0;
    refuses(&r,
            "keel_http_request: size is 0, or asks for what this keel does not know");
    r = request_to(&t);
    r.body_length = 1;
    refuses(&r, "http: body_length is 1, but body is NULL");
    r = request_to(&t);
    r.header_count = 1;
    refuses(&r, "http: header_count is 1, but headers is NULL");
    r = request_to(&t);
    r.safety = (keel_curl_safety)9;
    refuses(&r, "http: safety is 9, which is no keel_curl_safety");
    r = request_to(&t);
    r.redirects = (keel_http_redirects)9;
    refuses(&r, "http: redirects is 9, which is no keel_http_redirects");
    client_end();
}
END_TEST

typedef struct unfit_case {
    const char *why;
    const char *settings;
    const char *url;
    keel_status status;
    const char *text;
} unfit_case;

#define NO_ENDPOINT                                                                    \
    "entry 1 of KEEL_PAYMENTS__ENDPOINTS is none of http://, https://, host:port and " \
    "the path of a unix socket (107 bytes at most)"
#define LONG_PATH                                                                      \
    "/01234567890123456789012345678901234567890123456789012"                           \
    "345678901234567890123456789012345678901234567890123456"

static const unfit_case unfit_cases[] = {
    { "nobody to send it to, and what may be secret is not shown", "",
      "/orders?key=secret", KEEL_E_ARGUMENT,
      "\"/orders\" is a path: KEEL_PAYMENTS__ENDPOINTS names no endpoint to send it "
      "to" },
    { "what would begin a line of a log is not said as it is", "", "/a\nb",
      KEEL_E_ARGUMENT,
      "\"/a\\x0ab\" is a path: KEEL_PAYMENTS__ENDPOINTS names no endpoint to send it "
      "to" },
    { "an endpoint of another protocol", "endpoints=redis://127.0.0.1:1", "/orders",
      KEEL_E_CONFIG, NO_ENDPOINT },
    { "a path longer than the address of a socket holds", "endpoints=" LONG_PATH,
      "/orders", KEEL_E_CONFIG, NO_ENDPOINT },
    { "what only libcurl finds", "", "http://[::1/", KEEL_E_ARGUMENT,
      "libcurl cannot read the URL of the request" },
};

START_TEST(what_cannot_be_sent_is_told_why)
{
    const unfit_case *c = &unfit_cases[_i];
    told_end t = { 0 };
    keel_http_request r;

    client_open_at(c->settings, 1);
    r = request_to(&t);
    r.url = c->url;
    play(&r);
    ck_assert_msg(t.status == c->status, "%s: %s", c->why, keel_status_name(t.status));
    ck_assert_str_eq(t.text, c->text);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_NO);
    client_end();
}
END_TEST

START_TEST(a_url_that_libcurl_cannot_read_ends_the_request)
{
    told_end t = { 0 };
    keel_http_request r;

    client_open_at("", 1);
    r = request_to(&t);
    r.url = "http://[::1/";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_E_ARGUMENT);
    ck_assert_int_eq(t.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(opened_look(&own).failures, 0);
    client_end();
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

/* Opened or not, begun or not: each is told what it must be told, and nothing is lost. */
START_TEST(every_allocation_may_fail)
{
    static const keel_http_pair header = {
        "X-Long",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345"
    };
    static const fault_step steps[] = { SAY(GOOD, FAULT_KEEP) };
    bool failed = true;

    ck_assert(fault_start(&server, steps, 1));
    for (long n = 1; failed; n++) {
        told_end t = { 0 };
        keel_http_request r;
        keel_status status;

        client_open_at("retry.attempts=1", server.port);
        keel_http_close(client);
        own.memory.fail_at = atomic_load(&own.memory.calls) + n;
        status = keel_http_open(&client, own.rt, NULL, &own.why);
        if (status == KEEL_OK) {
            r = request_to(&t);
            r.headers = &header;
            r.header_count = 1;
            status = keel_http_start(client, own.pipeline, &r, NULL, &own.why);
            finish_all();
            ck_assert_int_eq(t.times, status == KEEL_OK);
            status = status == KEEL_OK ? t.status : status;
        }
        failed = atomic_load(&own.memory.failed);
        ck_assert_int_eq(status, failed ? KEEL_E_NOMEM : KEEL_OK);
        client_end();
        ck_assert_int_lt(n, 100);
    }
    fault_stop(&server);
}
END_TEST

/* Makes of every epoll set of this process what nobody can wait for. */
static void break_epoll_sets(void)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    DIR *all = opendir("/proc/self/fd");
    struct dirent *entry;

    ck_assert(null >= 0 && all);
    while ((entry = readdir(all))) {
        char what[64] = "";

        if (readlinkat(dirfd(all), entry->d_name, what, sizeof what - 1) > 0 &&
            strcmp(what, "anon_inode:[eventpoll]") == 0)
            ck_assert_int_ge(dup2(null, atoi(entry->d_name)), 0);
    }
    closedir(all);
    close(null);
}

/* What it would have told is on the stack of who has left. */
START_TEST(who_cannot_wait_leaves_nothing_under_way)
{
    const keel_http_response *response;
    keel_detail why = KEEL_DETAIL_INIT;
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("timeout=20s; deadline=20s", SAY("", FAULT_HANG));
    r = request_to(&t);
    break_epoll_sets();
    ck_assert_int_eq(keel_http_perform(client, own.pipeline, &r, &response, &why),
                     KEEL_E_SYSTEM);
    ck_assert_int_eq(why.code, KEEL_E_SYSTEM);
    ck_assert_ptr_null(response);
    ck_assert_uint_eq(keel_http_in_flight(client), 0);
    ck_assert_uint_eq(opened_look(&own).in_flight, 0);
    END();
}
END_TEST

/* ---- fork --------------------------------------------------------------------------------------- */

static told_end parents;

static void in_child(void)
{
    keel_http_request r = request_to(&parents);
    keel_http *fresh;

    CHILD(keel_http_start(client, own.pipeline, &r, NULL, NULL) == KEEL_E_STATE);
    CHILD(keel_http_poll(client, 0) == KEEL_E_STATE);
    keel_http_timer(client);
    keel_http_close(client);
    CHILD(parents.times == 0);
    CHILD(keel_http_open(&client, own.rt, NULL, NULL) == KEEL_OK);
    fresh = client;
    CHILD(keel_http_start(client, own.pipeline, &r, NULL, NULL) == KEEL_OK);
    while (keel_http_in_flight(fresh))
        CHILD(keel_http_poll(fresh, UINT64_MAX) == KEEL_OK);
    CHILD(parents.times == 1 && parents.status == KEEL_OK);
    keel_http_close(fresh);
}

/*
 * The parent's request waits on a connection of its own while the child leaves the client
 * and makes another. What the child said on that connection the server would have counted.
 */
START_TEST(a_child_leaves_its_parents_client_alone)
{
    static const fault_step steps[] = {
        SAY(GOOD, FAULT_KEEP),
        { .send = GOOD, .drip_ms = 4 },
        SAY(GOOD, FAULT_KEEP),
    };
    told_end t = { 0 };
    keel_http_request r;

    memset(&parents, 0, sizeof parents);
    ck_assert(fault_start(&server, steps, 3));
    client_open_at("timeout=20s; deadline=20s", server.port);
    r = request_to(&t);
    play(&r);
    start(&r);
    while (requests() < 2)
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    child_await(child_fork(in_child));
    finish_all();
    ck_assert_int_eq(t.times, 2);
    ck_assert_int_eq(t.status, KEEL_OK);
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_eq(requests(), 4);
    ck_assert_int_eq(connections(), 2);
    END();
}
END_TEST

static long lived; /* before there was the client */

static void close_in_child(void)
{
    keel_http_close(client);
    CHILD(atomic_load(&own.memory.live) == lived);
}

START_TEST(a_child_frees_all_the_memory_of_its_parents_client)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("timeout=20s; deadline=20s; deadline.header=keel", SAY(GOOD, FAULT_KEEP),
          SAY("", FAULT_HANG));
    r = request_to(&t);
    play(&r);
    keel_http_close(client);
    lived = atomic_load(&own.memory.live);
    ck_assert_int_eq(keel_http_open(&client, own.rt, NULL, &own.why), KEEL_OK);
    start(&r);
    while (requests() < 2)
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    child_await(child_fork(close_in_child));
    END();
}
END_TEST

/* Copies of the client's ends of its connections, as this process has them. */
static int client_ends(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++) {
        struct sockaddr_in at = { 0 };
        socklen_t size = sizeof at;

        if (getpeername(fd, (struct sockaddr *)&at, &size) == 0 &&
            at.sin_port == htons(server.port))
            count++;
    }
    return count;
}

static void close_copies_in_child(void)
{
    CHILD(client_ends() == 2);
    keel_http_close(client);
    CHILD(client_ends() == 0);
}

START_TEST(a_child_closes_its_copies_of_the_connections)
{
    static const fault_step steps[] = {
        SAY(GOOD, FAULT_KEEP),
        { .send = GOOD, .drip_ms = 4, .then = FAULT_KEEP },
        SAY(GOOD, FAULT_KEEP),
    };
    told_end t = { 0 };
    keel_http_request r;

    ck_assert(fault_start(&server, steps, 3));
    client_open_at("timeout=20s; deadline=20s", server.port);
    r = request_to(&t);
    start(&r);
    start(&r);
    while (requests() < 2)
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    child_await(child_fork(close_copies_in_child));
    finish_all();
    play(&r);
    ck_assert_int_eq(t.times, 3);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_eq(requests(), 3);
    ck_assert_int_eq(connections(), 2); /* which the child's closing did not end */
    END();
}
END_TEST

SUITE("client_wrong", 20, ONE(a_missing_argument_is_said_to_be_missing),
      ROWS(what_is_no_request_is_refused, wrong_cases),
      ONE(sizes_and_numbers_are_looked_at),
      ROWS(what_cannot_be_sent_is_told_why, unfit_cases),
      ONE(a_url_that_libcurl_cannot_read_ends_the_request),
      ONE(every_allocation_may_fail), ONE(who_cannot_wait_leaves_nothing_under_way),
      ONE(a_child_leaves_its_parents_client_alone),
      ONE(a_child_closes_its_copies_of_the_connections),
      ONE(a_child_frees_all_the_memory_of_its_parents_client))
