/* SPDX-License-Identifier: MIT */
#include "bag/web.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPEC_SIZE = 512, SOON_MS = 400, PATIENCE_MS = 8000 };

/* More than keel may take, since others may have the processors; less than any fault. */
enum { SLACK_MS = 500 };

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

static keel_bag_options within(const web_bag *w, unsigned ms)
{
    return (keel_bag_options){ .size = sizeof(keel_bag_options),
                               .deadline_at_ns =
                                   keel_now(w->opened.rt) + ms * KEEL_MS };
}

keel_status web_set_within(web_bag *w, const char *key, const char *text, unsigned ms)
{
    const keel_bag_options options = within(w, ms);

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
    const keel_bag_options options = within(w, ms);
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

void web_order(const node_server *objects, const char *faults)
{
    ck_assert_int_eq(node_server_post(objects, "/-/faults", NULL, faults, NULL, 0),
                     200);
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

static void expect_in_time(const web_bag *w, uint64_t begun, const char *why)
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
    expect_in_time(w, begun, fault->why);
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
    expect_in_time(w, begun, fault->why);
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
    expect_in_time(w, begun, "frozen");
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

/* ---- refusals ------------------------------------------------------------------------ */

void web_check_refusal(web_bag *w, const node_server *objects, const web_refusal *r)
{
    char faults[128];

    ck_assert_int_eq(web_set(w, "key", "before"), KEEL_OK);
    snprintf(faults, sizeof faults, "[%s]", r->fault);
    web_order(objects, faults);
    ck_assert_msg(web_set(w, "key", "after") == r->status, "%s: %s", r->why,
                  w->why.text);
    ck_assert_int_eq(w->why.applied, r->applied);
    ck_assert_msg(strstr(w->why.text, r->said), "%s: %s", r->why, w->why.text);
    if (strstr(r->fault, "retryAfter"))
        ck_assert_uint_eq(w->why.retry_after_ns, 2 * KEEL_S);
    ck_assert(web_has(w, "key", r->is_done ? "after" : "before"));
}

/* ---- what is made of get and cas ----------------------------------------------------- */

/* The answer to the next PUT is lost, before it is done, or after. */
#define LOST "[{\"method\":\"PUT\",\"reset\":true}]"
#define LOST_AFTER "[{\"method\":\"PUT\",\"applied\":true,\"reset\":true}]"

static keel_status append_it(web_bag *w)
{
    return keel_bag_append(w->bag, "key", "8", 1, NULL, &w->why);
}

static keel_status replace_it(web_bag *w)
{
    return keel_bag_replace(w->bag, "key", "8", 1, NULL, &w->why);
}

static keel_status count_on(web_bag *w)
{
    return keel_bag_incr(w->bag, "key", 1, NULL, NULL, &w->why);
}

static const struct {
    const char *name;
    keel_status (*run)(web_bag *w);
    const char *after; /* it was "7" */
} made[] = {
    { "append", append_it, "78" },
    { "replace", replace_it, "8" },
    { "incr", count_on, "8" },
};

void web_check_lost_cas(web_bag *w, const node_server *objects)
{
    ck_assert_int_eq(web_add(w, "probed", "x"), KEEL_OK);
    for (size_t i = 0; i < 2 * sizeof made / sizeof *made; i++) {
        bool is_done = i % 2;
        keel_status status;

        ck_assert_int_eq(web_set(w, "key", "7"), KEEL_OK);
        web_order(objects, is_done ? LOST_AFTER : LOST);
        status = made[i / 2].run(w);
        ck_assert_msg(status == KEEL_UNKNOWN && w->why.applied == KEEL_APPLIED_UNKNOWN,
                      "%s: %d %s", made[i / 2].name, (int)status, w->why.text);
        ck_assert_msg(web_has(w, "key", is_done ? made[i / 2].after : "7"), "%s: %s",
                      made[i / 2].name, is_done ? "it was done" : "it was not done");
    }
}

/* ---- several keys -------------------------------------------------------------------- */

enum { MANY = 20, DELAY_MS = 200, LANES = 8 };

typedef struct several {
    char names[MANY][16], values[MANY][16];
    const char *keys[MANY];
    keel_bag_item items[MANY];
    keel_status statuses[MANY];
} several;

/* Each key has its number; every fifth is not there. */
static void store_several(web_bag *w, several *s)
{
    for (int i = 0; i < MANY; i++) {
        snprintf(s->names[i], sizeof s->names[i], "many%d", i);
        s->keys[i] = s->names[i];
        if (i % 5)
            ck_assert_int_eq(web_set(w, s->names[i], s->names[i] + 4), KEEL_OK);
    }
}

static keel_status get_several(web_bag *w, several *s, unsigned ms)
{
    const keel_bag_options options = within(w, ms);

    for (int i = 0; i < MANY; i++) {
        memset(s->values[i], 0, sizeof s->values[i]);
        s->items[i] = (keel_bag_item){ .size = sizeof s->items[i],
                                       .buffer = s->values[i],
                                       .capacity = sizeof s->values[i] - 1 };
    }
    return keel_bag_get_many(w->bag, s->keys, s->items, s->statuses, MANY, &options,
                             &w->why);
}

/* but: of this one nothing is expected; -1: of none */
static void expect_several(const several *s, int but)
{
    for (int i = 0; i < MANY; i++)
        if (i != but) {
            ck_assert_int_eq(s->statuses[i], i % 5 ? KEEL_OK : KEEL_NOT_FOUND);
            ck_assert_str_eq(s->values[i], i % 5 ? s->names[i] + 4 : "");
        }
}

/* Twenty answers, each late: one after the other they would take twice as long. */
static void check_at_once(web_bag *w, proxy *between, several *s)
{
    unsigned accepted = proxy_accepted(between);
    uint64_t begun = keel_now(w->opened.rt);

    proxy_set(between, (proxy_order){ PROXY_DELAY, DELAY_MS, NULL, 0 });
    ck_assert_int_eq(get_several(w, s, PATIENCE_MS), KEEL_OK);
    proxy_do(between, PROXY_FORWARD);
    expect_several(s, -1);
    ck_assert_uint_lt(keel_now(w->opened.rt) - begun, MANY * DELAY_MS / 2 * KEEL_MS);
    ck_assert_uint_le(proxy_accepted(between) - accepted, LANES);
}

static void check_in_time(web_bag *w, proxy *between, several *s)
{
    uint64_t begun = keel_now(w->opened.rt);
    unsigned accepted = proxy_accepted(between);

    proxy_do(between, PROXY_BLACK_HOLE);
    ck_assert_int_ne(get_several(w, s, SOON_MS), KEEL_OK);
    expect_in_time(w, begun, "several keys");
    for (int i = 0; i < MANY; i++)
        ck_assert(s->statuses[i] == KEEL_TIMEOUT || s->statuses[i] == KEEL_DEADLINE);
    proxy_do(between, PROXY_FORWARD);
    ck_assert_int_eq(get_several(w, s, PATIENCE_MS), KEEL_OK);
    expect_several(s, -1);
    ck_assert_uint_gt(proxy_accepted(between), accepted);
}

static void check_cancelled(web_bag *w, several *s)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    const keel_bag_options options = { .size = sizeof options, .cancel = &cancel };

    keel_cancel_fire(&cancel);
    ck_assert_int_eq(keel_bag_get_many(w->bag, s->keys, s->items, s->statuses, MANY,
                                       &options, &w->why),
                     KEEL_CANCELLED);
}

void web_check_many(web_bag *w, proxy *between, const node_server *objects)
{
    static several s;
    int failed = 0;

    store_several(w, &s);
    check_at_once(w, between, &s);
    web_order(objects, "[{\"method\":\"GET\",\"status\":500}]");
    ck_assert_int_eq(get_several(w, &s, PATIENCE_MS), KEEL_PARTIAL);
    while (s.statuses[failed] != KEEL_FAILED)
        ck_assert_int_lt(++failed, MANY);
    expect_several(&s, failed);
    check_in_time(w, between, &s);
    check_cancelled(w, &s);
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

/* ---- whose write it is --------------------------------------------------------------- */

static keel_bag_token token_of(web_bag *w, const char *key)
{
    const keel_bag_options options = { .size = sizeof options,
                                       .wishes = KEEL_BAG_WANT_TOKEN };
    keel_bag_item item = { .size = sizeof item };

    ck_assert_int_eq(keel_bag_get(w->bag, key, &item, &options, &w->why), KEEL_OK);
    return item.token;
}

/* marks: of the write, 0 unless a try before the last had done it */
static void check_settled(web_bag *w, const char *key, keel_status status,
                          const uint32_t *marks, bool was_done)
{
    ck_assert_msg(status == KEEL_OK, "%s", w->why.text);
    ck_assert_uint_eq(*marks, was_done ? KEEL_BAG_REPEATED : 0);
    ck_assert(web_has(w, key, "new"));
}

void web_check_read_back(const char *spec, const node_server *objects)
{
    char wrapped[SPEC_SIZE + 32];
    uint32_t marks = 0;
    const keel_bag_options options = { .size = sizeof options, .marks = &marks };
    web_bag w;

    snprintf(wrapped, sizeof wrapped, "resilient(<%s>)", spec);
    web_open(&w, wrapped, objects->port);
    ck_assert_int_eq(web_add(&w, "probed", "x"), KEEL_OK);
    for (int was_done = 0; was_done < 2; was_done++) {
        const char *key = was_done ? "done" : "lost";
        keel_bag_token token;

        web_order(objects, was_done ? LOST_AFTER : LOST);
        check_settled(&w, key, keel_bag_add(w.bag, key, "new", 3, &options, &w.why),
                      &marks, was_done);
        ck_assert_int_eq(web_set(&w, key, "old"), KEEL_OK);
        token = token_of(&w, key);
        web_order(objects, was_done ? LOST_AFTER : LOST);
        check_settled(&w, key,
                      keel_bag_cas(w.bag, key, &token, "new", 3, &options, &w.why),
                      &marks, was_done);
    }
    web_close(&w);
}
