/* SPDX-License-Identifier: MIT */
/*
 * Every verb of the stores behind a network that does wrong, held against the truth: what
 * the server has afterwards. A write that is told not to have happened has not, one that
 * is told to be unknown may have, and nobody is left a connection that could bring a late
 * answer. Which status each fault has for each store is its own test's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/web.h"
#include "support/memcached.h"
#include "support/redis.h"
#include "support/suite.h"

enum {
    SOON_MS = 150,
    LONG_MS = 8000,
    SLACK_MS =
        10000, /* of a busy machine; who waited for the answer has another status */
    VALUE_SIZE = 16,
    SPEC_SIZE = 512
};

/* ---- stores -------------------------------------------------------------------------- */

static node_server node;
static test_memcached memcached;
static test_redis redis;
static char spec[SPEC_SIZE];

static uint16_t start_redis(void)
{
    ck_assert(test_redis_start(&redis, ""));
    snprintf(spec, sizeof spec, "redis://127.0.0.1:%%u");
    return redis.port;
}

static uint16_t start_memcached(void)
{
    ck_assert(test_memcached_start(&memcached, NULL, NULL));
    snprintf(spec, sizeof spec, "memcached://127.0.0.1:%%u");
    return memcached.port;
}

static void write_signed(const char *store, const char *more)
{
    char secret[SPAWNED_PATH_SIZE];

    ck_assert(node_server_write(&node, "secret", "secret", secret));
    snprintf(spec, sizeof spec,
             "%s?endpoint=http://127.0.0.1:%%u&access_key=id&secret_file=%s%s", store,
             secret, more);
}

static uint16_t start_dynamodb(void)
{
    ck_assert(node_server_start(&node, NODE_DYNALITE));
    web_make_table(&node);
    write_signed("dynamodb://us-east-1/items", "");
    return node.port;
}

static uint16_t start_s3(void)
{
    ck_assert(node_server_start(&node, NODE_OBJECTS_S3));
    write_signed("s3://us-east-1/bucket/p", "&conditions=trust");
    return node.port;
}

static uint16_t start_http(void)
{
    ck_assert(node_server_start(&node, NODE_OBJECTS));
    snprintf(spec, sizeof spec, "http://127.0.0.1:%%u/bag?conditions=trust");
    return node.port;
}

static uint16_t (*const stores[])(void) = { start_redis, start_memcached,
                                            start_dynamodb, start_s3, start_http };

/* ---- verbs --------------------------------------------------------------------------- */

/* around: through the proxy; direct: past it */
static web_bag around, direct;
static proxy *between;
static keel_bag_token token; /* of the item as it was before */

typedef keel_status use(const char *key, const keel_bag_options *options);

static keel_status set(const char *key, const keel_bag_options *o)
{
    return keel_bag_set(around.bag, key, "8", 1, o, &around.why);
}

static keel_status add(const char *key, const keel_bag_options *o)
{
    return keel_bag_add(around.bag, key, "8", 1, o, &around.why);
}

static keel_status replace(const char *key, const keel_bag_options *o)
{
    return keel_bag_replace(around.bag, key, "8", 1, o, &around.why);
}

static keel_status append(const char *key, const keel_bag_options *o)
{
    return keel_bag_append(around.bag, key, "8", 1, o, &around.why);
}

static keel_status prepend(const char *key, const keel_bag_options *o)
{
    return keel_bag_prepend(around.bag, key, "8", 1, o, &around.why);
}

static keel_status cas(const char *key, const keel_bag_options *o)
{
    return keel_bag_cas(around.bag, key, &token, "8", 1, o, &around.why);
}

static keel_status incr(const char *key, const keel_bag_options *o)
{
    return keel_bag_incr(around.bag, key, 1, NULL, o, &around.why);
}

static keel_status decr(const char *key, const keel_bag_options *o)
{
    return keel_bag_decr(around.bag, key, 1, NULL, o, &around.why);
}

/* To an instant that has passed. */
static keel_status touch(const char *key, const keel_bag_options *o)
{
    keel_bag_options gone = *o;

    gone.ttl = keel_ttl_for_ms(-1);
    return keel_bag_touch(around.bag, key, &gone, &around.why);
}

static keel_status delete_it(const char *key, const keel_bag_options *o)
{
    return keel_bag_delete(around.bag, key, o, &around.why);
}

static keel_status delete_cas(const char *key, const keel_bag_options *o)
{
    return keel_bag_delete_cas(around.bag, key, &token, o, &around.why);
}

static keel_status get(const char *key, const keel_bag_options *o)
{
    keel_bag_item item = { .size = sizeof item };

    return keel_bag_get(around.bag, key, &item, o, &around.why);
}

static keel_status get_many(const char *key, const keel_bag_options *o)
{
    const char *const keys[] = { key, "other", "nothing" };
    keel_bag_item items[] = { { .size = sizeof *items },
                              { .size = sizeof *items },
                              { .size = sizeof *items } };
    keel_status statuses[3];

    return keel_bag_get_many(around.bag, keys, items, statuses, 3, o, &around.why);
}

static bool ignore(const char *key, void *ctx)
{
    (void)key;
    (void)ctx;
    return true;
}

static keel_status scan(const char *key, const keel_bag_options *o)
{
    keel_bag_cursor cursor = { .length = 0 };

    (void)key;
    return keel_bag_scan(around.bag, &cursor, ignore, NULL, o, &around.why);
}

/* before, after: NULL: there is none. is_one_of_each: also under faults that take time */
typedef struct verb {
    const char *name;
    use *run;
    keel_bag_ability needs;
    const char *before, *after;
    bool writes, is_one_of_each;
} verb;

static const verb verbs[] = {
    { "set", set, KEEL_CAN_SET, "7", "8", true, true },
    { "add", add, KEEL_CAN_ADD, NULL, "8", true, false },
    { "replace", replace, KEEL_CAN_REPLACE, "7", "8", true, false },
    { "append", append, KEEL_CAN_APPEND, "7", "78", true, false },
    { "prepend", prepend, KEEL_CAN_APPEND, "7", "87", true, false },
    { "cas", cas, KEEL_CAN_CAS, "7", "8", true, false },
    { "incr", incr, KEEL_CAN_INCR, "7", "8", true, true },
    { "decr", decr, KEEL_CAN_INCR, "7", "6", true, false },
    { "touch", touch, KEEL_CAN_TOUCH, "7", NULL, true, false },
    { "delete", delete_it, KEEL_CAN_DELETE, "7", NULL, true, true },
    { "delete_cas", delete_cas, KEEL_CAN_DELETE_CAS, "7", NULL, true, false },
    { "get", get, KEEL_CAN_GET, "7", "7", false, true },
    { "get_many", get_many, KEEL_CAN_GET, "7", "7", false, false },
    { "scan", scan, KEEL_CAN_SCAN, "7", "7", false, false },
};

/* ---- the truth ----------------------------------------------------------------------- */

typedef struct state {
    keel_status status;
    char value[VALUE_SIZE];
} state;

/* What the server has; with the token that a conditional write goes by. */
static state look(web_bag *w, const char *key)
{
    const keel_bag_options options = { .size = sizeof options,
                                       .wishes = KEEL_BAG_WANT_TOKEN };
    state s = { .value = "" };
    keel_bag_item item = { .size = sizeof item,
                           .buffer = s.value,
                           .capacity = sizeof s.value - 1 };

    s.status = keel_bag_get(w->bag, key, &item, &options, &w->why);
    ck_assert_msg(s.status == KEEL_OK || s.status == KEEL_NOT_FOUND, "%s", w->why.text);
    token = item.token;
    return s;
}

static bool is(const state *s, const char *wanted)
{
    return wanted ? s->status == KEEL_OK && strcmp(s->value, wanted) == 0
                  : s->status == KEEL_NOT_FOUND;
}

/* ---- one verb under one fault -------------------------------------------------------- */

typedef struct trial {
    const verb *verb;
    const web_fault *fault;
    char key[16];
    unsigned accepted;
    keel_status status;
    keel_detail why;
    uint64_t took_ns;
} trial;

static bool takes_time(const web_fault *fault)
{
    return fault->order.fault == PROXY_BLACK_HOLE || fault->order.fault == PROXY_DRIP ||
           fault->order.fault == PROXY_DELAY;
}

static bool is_answer(keel_status status)
{
    return status == KEEL_OK || status == KEEL_NOT_FOUND;
}

/* A machine that stood still before anything was sent. */
static bool came_too_late(const trial *t)
{
    return takes_time(t->fault) && t->status == KEEL_DEADLINE;
}

static void prepare(trial *t)
{
    static unsigned number;

    snprintf(t->key, sizeof t->key, "key%u", number++);
    if (t->verb->before)
        ck_assert_msg(web_set(&direct, t->key, t->verb->before) == KEEL_OK, "%s",
                      direct.why.text);
    (void)look(&around, t->key); /* over a connection that is kept */
    t->accepted = proxy_accepted(between);
}

static void run(trial *t)
{
    uint64_t ms = takes_time(t->fault) ? SOON_MS : LONG_MS;
    keel_bag_options options = { .size = sizeof options };
    uint64_t began;

    proxy_set(between, t->fault->order);
    began = keel_now(around.opened.rt);
    options.deadline_at_ns = began + ms * KEEL_MS;
    around.why.applied = KEEL_APPLIED_YES;
    t->status = t->verb->run(t->key, &options);
    t->took_ns = keel_now(around.opened.rt) - began;
    t->why = around.why;
    ck_assert_msg(t->took_ns < (ms + SLACK_MS) * KEEL_MS, "%s, %s: took %u ms",
                  t->verb->name, t->fault->why, (unsigned)(t->took_ns / KEEL_MS));
    proxy_do(between, PROXY_FORWARD);
}

static void check_next(const trial *t)
{
    bool is_kept;

    ck_assert_msg(web_set(&around, "other", "next") == KEEL_OK, "%s, %s: then %s",
                  t->verb->name, t->fault->why, around.why.text);
    is_kept = proxy_accepted(between) == t->accepted;
    ck_assert_msg(!is_kept || is_answer(t->status) || came_too_late(t),
                  "%s, %s: the connection is kept", t->verb->name, t->fault->why);
}

static void check_write(const trial *t)
{
    bool is_unknown = t->status == KEEL_UNKNOWN;
    state s = look(&direct, t->key);
    bool is_before = is(&s, t->verb->before), is_after = is(&s, t->verb->after);

    ck_assert_msg(is_unknown == (t->why.applied == KEEL_APPLIED_UNKNOWN) ||
                      is_answer(t->status),
                  "%s, %s: status %d, applied %d", t->verb->name, t->fault->why,
                  (int)t->status, (int)t->why.applied);
    ck_assert_msg(t->status == KEEL_OK ? is_after
                  : is_unknown         ? is_before || is_after
                                       : is_before,
                  "%s, %s: status %d, and there is %d \"%s\": %s", t->verb->name,
                  t->fault->why, (int)t->status, (int)s.status, s.value, t->why.text);
}

static void check_read(const trial *t)
{
    ck_assert_msg(is_answer(t->status) || came_too_late(t) ||
                      ((t->status == KEEL_FAILED || t->status == KEEL_TIMEOUT ||
                        t->status == KEEL_PARTIAL) &&
                       t->why.applied == KEEL_APPLIED_NO),
                  "%s, %s: %d %s", t->verb->name, t->fault->why, (int)t->status,
                  t->why.text);
}

static void try_verb(const verb *v, const web_fault *fault)
{
    trial t = { .verb = v, .fault = fault };

    prepare(&t);
    run(&t);
    check_next(&t);
    if (v->writes)
        check_write(&t);
    else
        check_read(&t);
    /* a set is one request everywhere: what the fault says of writes holds */
    if (v->run == set && fault->order.fault != PROXY_REFUSE && !came_too_late(&t))
        ck_assert_int_eq(t.status, KEEL_UNKNOWN);
}

/* ---- all of them --------------------------------------------------------------------- */

static void setup(void)
{
    around.bag = direct.bag = NULL;
}

static void teardown(void)
{
    web_close(&around);
    web_close(&direct);
    proxy_stop(between);
    node_server_cleanup(&node);
    test_memcached_cleanup(&memcached);
    test_redis_cleanup(&redis);
}

START_TEST(what_is_said_of_each_verb_under_each_fault_is_true)
{
    keel_bag_abilities can = { .size = sizeof can };
    uint16_t port = stores[_i]();

    between = proxy_start(port);
    ck_assert_ptr_nonnull(between);
    web_open(&around, spec, proxy_port(between));
    web_open(&direct, spec, port);
    ck_assert_int_eq(keel_bag_look(around.bag, &can), KEEL_OK);
    for (const web_fault *f = web_faults; f < web_faults + WEB_FAULTS; f++)
        for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
            if ((can.effective & (uint32_t)verbs[i].needs) &&
                (verbs[i].is_one_of_each || !takes_time(f)))
                try_verb(&verbs[i], f);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(what_is_said_of_each_verb_under_each_fault_is_true, stores),
    };

    if (!node_server_is_installed(NODE_DYNALITE) || !test_redis_is_installed() ||
        !test_memcached_is_installed())
        return 77;
    return suite_run_in("wire", 120, setup, teardown, tests,
                        sizeof tests / sizeof tests[0]);
}
