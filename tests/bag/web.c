/* SPDX-License-Identifier: MIT */
#include "bag/web.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPEC_SIZE = 512, SOON_MS = WEB_SOON_MS, PATIENCE_MS = WEB_PATIENCE_MS };

/* More than keel may take, since others may have the processors; less than any fault. */
enum {
    SLACK_MS = 10000
}; /* of a busy machine; who waited for the answer has another status */

/* ---- bags ---------------------------------------------------------------------------- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void write_spec(char to[SPEC_SIZE], const char *spec, uint16_t port)
{
    snprintf(to, SPEC_SIZE, spec, port);
}
#pragma GCC diagnostic pop

void web_open(web_bag *w, const char *spec, uint16_t port)
{
    char text[SPEC_SIZE];

    write_spec(text, spec, port);
    opened_init(&w->opened, OPENED_REAL, NULL, NULL);
    w->why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_msg(keel_bag_open(&w->bag, w->opened.rt, "web", text, &w->why) == KEEL_OK,
                  "%s", w->why.text);
}

void web_close(web_bag *w)
{
    keel_bag_close(w->bag);
    opened_cleanup(&w->opened);
}

keel_bag_options web_within(const web_bag *w, unsigned ms)
{
    return (keel_bag_options){ .size = sizeof(keel_bag_options),
                               .deadline_at_ns =
                                   keel_now(w->opened.rt) + ms * KEEL_MS };
}

keel_status web_set_within(web_bag *w, const char *key, const char *text, unsigned ms)
{
    const keel_bag_options options = web_within(w, ms);

    return keel_bag_set(w->bag, key, text, strlen(text), &options, &w->why);
}

keel_status web_set(web_bag *w, const char *key, const char *text)
{
    return web_set_within(w, key, text, PATIENCE_MS);
}

keel_status web_add(web_bag *w, const char *key, const char *text)
{
    return keel_bag_add(w->bag, key, text, strlen(text), NULL, &w->why);
}

keel_status web_get_within(web_bag *w, const char *key, unsigned ms)
{
    const keel_bag_options options = web_within(w, ms);
    char value[64];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value };

    return keel_bag_get(w->bag, key, &item, &options, &w->why);
}

bool web_has(web_bag *w, const char *key, const char *text)
{
    char value[64];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value };

    return keel_bag_get(w->bag, key, &item, NULL, &w->why) == KEEL_OK &&
           item.length == strlen(text) && !memcmp(value, text, item.length);
}

bool web_conforms(const char *spec, uint16_t port)
{
    char text[SPEC_SIZE], command[2 * SPEC_SIZE];

    write_spec(text, spec, port);
    snprintf(command, sizeof command, "./keel-conform --quiet '%s'", text);
    fflush(stdout);
    return system(command) == 0;
}

/* ---- servers ------------------------------------------------------------------------- */

#define TARGET "X-Amz-Target: DynamoDB_20120810."

/* With what dynalite wants to see of a signature, which it does not check. */
long web_ask_table(const node_server *dynalite, const char *operation, const char *body,
                   char *answer, size_t size)
{
    char target[64];
    const char *const headers[] = {
        "Content-Type: application/x-amz-json-1.0", target,
        "X-Amz-Date: 20260101T000000Z",
        "Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/dynamodb/"
        "aws4_request, SignedHeaders=host, Signature=0",
        NULL
    };

    snprintf(target, sizeof target, TARGET "%s", operation);
    return node_server_post(dynalite, "/", headers, body, answer, size);
}

void web_make_table(const node_server *dynalite)
{
    char said[4096];
    long status;

    status = web_ask_table(dynalite, "CreateTable",
                           "{\"TableName\":\"items\",\"BillingMode\":"
                           "\"PAY_PER_REQUEST\",\"KeySchema\":[{\"AttributeName\":"
                           "\"k\",\"KeyType\":\"HASH\"}],\"AttributeDefinitions\":"
                           "[{\"AttributeName\":\"k\",\"AttributeType\":\"B\"}]}",
                           said, sizeof said);
    ck_assert_msg(status == 200, "%ld %s", status, said);
    do
        ck_assert_int_eq(web_ask_table(dynalite, "DescribeTable",
                                       "{\"TableName\":\"items\"}", said, sizeof said),
                         200);
    while (!strstr(said, "\"TableStatus\":\"ACTIVE\""));
}

/* ---- faults -------------------------------------------------------------------------- */

const web_fault web_faults[WEB_FAULTS] = {
    { "nobody listens", { PROXY_REFUSE, 0, NULL, 0 }, false, WEB_NOT_DONE },
    { "reset before it arrived",
      { PROXY_RESET_BEFORE, 0, NULL, 0 },
      true,
      WEB_NOT_DONE },
    { "reset after it was done", { PROXY_RESET_AFTER, 0, NULL, 0 }, true, WEB_DONE },
    { "half an answer", { PROXY_CUT, 0, NULL, 0 }, true, WEB_DONE },
    { "no HTTP", { PROXY_ANSWER, 0, NULL, 0 }, true, WEB_NOT_DONE },
    { "no answer", { PROXY_BLACK_HOLE, 0, NULL, 0 }, true, WEB_PERHAPS },
    { "an answer that drips", { PROXY_DRIP, 50, NULL, 0 }, true, WEB_DONE },
    { "a late answer", { PROXY_DELAY, 2000, NULL, 0 }, true, WEB_DONE },
};

void web_expect_in_time(const web_bag *w, uint64_t begun, const char *why)
{
    uint64_t took = keel_now(w->opened.rt) - begun;

    ck_assert_msg(took < (SOON_MS + SLACK_MS) * KEEL_MS, "%s: took %llu ms", why,
                  (unsigned long long)(took / KEEL_MS));
}

/* The value is another each time, so that an old one is not taken for it. */
static void set_under(web_bag *w, proxy *between, const web_fault *fault,
                      const char *text)
{
    uint64_t begun = keel_now(w->opened.rt);
    unsigned accepted = proxy_accepted(between);
    keel_status status;

    proxy_set(between, fault->order);
    status = web_set_within(w, "fault", text, SOON_MS);
    web_expect_in_time(w, begun, fault->why);
    ck_assert_msg(status == (fault->is_unknown ? KEEL_UNKNOWN : KEEL_FAILED), "%s: %s",
                  fault->why, w->why.text);
    ck_assert_int_eq(w->why.applied,
                     fault->is_unknown ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO);
    proxy_do(between, PROXY_FORWARD);
    ck_assert_msg(web_get_within(w, "fault", PATIENCE_MS) == KEEL_OK, "%s: %s",
                  fault->why, w->why.text);
    /* one in doubt is not used again */
    ck_assert_msg(proxy_accepted(between) > accepted, "%s: used again", fault->why);
    ck_assert_msg(fault->done == WEB_PERHAPS ||
                      web_has(w, "fault", fault->done == WEB_DONE ? text : "before"),
                  "%s: %s", fault->why, w->why.text);
}

static void get_under(web_bag *w, proxy *between, const web_fault *fault)
{
    uint64_t begun = keel_now(w->opened.rt);
    keel_status status;

    proxy_set(between, fault->order);
    status = web_get_within(w, "fault", SOON_MS);
    web_expect_in_time(w, begun, fault->why);
    /* what libcurl repeats of a read is well */
    ck_assert_msg(status == KEEL_FAILED || status == KEEL_TIMEOUT ||
                      (status == KEEL_OK && fault->order.fault == PROXY_RESET_BEFORE),
                  "%s: %d %s", fault->why, (int)status, w->why.text);
    ck_assert(status == KEEL_OK || w->why.applied == KEEL_APPLIED_NO);
    proxy_do(between, PROXY_FORWARD);
    ck_assert_msg(web_get_within(w, "fault", PATIENCE_MS) == KEEL_OK, "%s: %s",
                  fault->why, w->why.text);
}

void web_check_fault(web_bag *w, proxy *between, const web_fault *fault)
{
    ck_assert_msg(web_set(w, "fault", "before") == KEEL_OK, "%s", w->why.text);
    if (fault->order.fault !=
        PROXY_REFUSE) /* of that there is no telling who is first */
        set_under(w, between, fault, "on a kept connection");
    ck_assert_int_eq(web_set(w, "fault", "before"), KEEL_OK);
    proxy_do(between, PROXY_REFUSE); /* all that are kept are dead, and that is seen */
    ck_assert_int_ne(web_get_within(w, "fault", SOON_MS), KEEL_OK);
    set_under(w, between, fault, "on a fresh connection");
    get_under(w, between, fault);
}

void web_check_frozen(web_bag *w, const node_server *server)
{
    uint64_t begun;
    keel_status status;

    ck_assert_int_eq(web_set(w, "frozen", "before"), KEEL_OK);
    node_server_freeze(server);
    begun = keel_now(w->opened.rt);
    status = web_set_within(w, "frozen", "meanwhile", SOON_MS);
    web_expect_in_time(w, begun, "frozen");
    node_server_thaw(server);
    ck_assert_int_eq(status, KEEL_UNKNOWN);
    while (!web_has(w, "frozen", "meanwhile"))
        ck_assert_msg(keel_now(w->opened.rt) - begun < PATIENCE_MS * KEEL_MS, "%s",
                      w->why.text);
}

void web_check_killed(const char *spec, node_server *server)
{
    web_bag direct;

    web_open(&direct, spec, server->port);
    ck_assert_int_eq(web_set(&direct, "killed", "before"), KEEL_OK);
    node_server_stop(server);
    /* of a kept connection there is no telling who is first; then nobody is there */
    (void)web_get_within(&direct, "killed", SOON_MS);
    ck_assert_int_eq(web_set_within(&direct, "killed", "meanwhile", SOON_MS),
                     KEEL_FAILED);
    ck_assert_int_eq(direct.why.applied, KEEL_APPLIED_NO);
    ck_assert(node_server_start_again(server));
    ck_assert_int_eq(web_get_within(&direct, "killed", PATIENCE_MS), KEEL_NOT_FOUND);
    ck_assert_int_eq(web_set(&direct, "killed", "after"), KEEL_OK);
    ck_assert(web_has(&direct, "killed", "after"));
    web_close(&direct);
}

/* ---- missing memory ------------------------------------------------------------------ */

/* With the nth allocation failing. False: it has no nth. */
static bool set_without(web_bag *w, long nth)
{
    keel_status status;
    bool has_failed;

    ck_assert_int_eq(web_set(w, "memory", "before"), KEEL_OK);
    atomic_store(&w->opened.memory.calls, 0);
    atomic_store(&w->opened.memory.failed, false);
    w->opened.memory.fail_at = nth;
    status = web_set(w, "memory", "after");
    has_failed = atomic_load(&w->opened.memory.failed);
    w->opened.memory.fail_at = 0;
    ck_assert_msg(status == KEEL_OK || status == KEEL_E_NOMEM || status == KEEL_UNKNOWN,
                  "%d %s", (int)status, w->why.text);
    if (status == KEEL_E_NOMEM)
        ck_assert(web_has(w, "memory", "before"));
    else if (status == KEEL_OK)
        ck_assert(web_has(w, "memory", "after"));
    return has_failed;
}

static bool get_without(web_bag *w, long nth)
{
    keel_status status;
    bool has_failed;

    atomic_store(&w->opened.memory.calls, 0);
    atomic_store(&w->opened.memory.failed, false);
    w->opened.memory.fail_at = nth;
    status = web_get_within(w, "memory", PATIENCE_MS);
    has_failed = atomic_load(&w->opened.memory.failed);
    w->opened.memory.fail_at = 0;
    ck_assert_int_eq(status, has_failed ? KEEL_E_NOMEM : KEEL_OK);
    ck_assert_int_eq(web_get_within(w, "memory", PATIENCE_MS), KEEL_OK);
    return has_failed;
}

void web_check_memory(web_bag *w)
{
    long nth = 1;

    while (set_without(w, nth))
        nth++;
    ck_assert_int_gt(nth, 1);
    nth = 1;
    while (get_without(w, nth))
        nth++;
    ck_assert_int_gt(nth, 1);
}
