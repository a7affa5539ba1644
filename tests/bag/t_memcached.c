/* SPDX-License-Identifier: MIT */
/*
 * The memcached store over a real server that is killed, frozen, or behind a proxy that
 * does wrong: the right status, the right certainty, in time, and the next call is fine.
 * What every bag promises is t_memcached_conform's.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/bag_plugin.h>
#include <keel/keel.h>

#include "bag/store/memcached_read.h"
#include "base/clock.h"
#include "net/connection_pool.h"
#include "support/allocator.h"
#include "support/child.h"
#include "support/memcached.h"
#include "support/proxy.h"
#include "support/suite.h"

#define SHORT (300 * KEEL_MS)
#define SLACK (10 * KEEL_S) /* of a busy machine; 50 ms, where nobody else uses it */
#define LONG (20 * KEEL_S)

static test_memcached server;
static proxy *between;
static failing_allocator memory;
static keel_runtime *rt;
static keel_bag *bag;
static keel_detail why;
static char room[1 << 12];

/* ---- around each --------------------------------------------------------------------- */

static void start(void)
{
    static const char *const none[] = { NULL };
    const keel_options options = { .size = sizeof options,
                                   .allocator = &memory.allocator,
                                   .environment = none };

    failing_allocator_init(&memory, 0);
    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_open(&rt, &options, &why), KEEL_OK);
    ck_assert(test_memcached_start(&server, NULL, NULL));
    between = proxy_start(server.port);
    ck_assert_ptr_nonnull(between);
}

static void stop(void)
{
    keel_bag_close(bag);
    bag = NULL;
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    ck_assert_int_eq(memory.live, 0);
    proxy_stop(between);
    test_memcached_cleanup(&server);
}

/* Unless a test says how long connecting may take, as long as a busy machine needs. */
static const char *patience_after(const char *options)
{
    if (strstr(options, "connect="))
        return "";
    return *options ? "&connect=20s" : "?connect=20s";
}

/* options: "?connect=1s", or "" */
static keel_status try_open(uint16_t port, const char *options)
{
    char spec[256];

    snprintf(spec, sizeof spec, "memcached://127.0.0.1:%u%s%s", port, options,
             patience_after(options));
    return keel_bag_open(&bag, rt, "sessions", spec, &why);
}

static void open_direct(const char *options)
{
    ck_assert_msg(try_open(server.port, options) == KEEL_OK, "%s", why.text);
}

static void open_through_proxy(const char *options)
{
    ck_assert_msg(try_open(proxy_port(between), options) == KEEL_OK, "%s", why.text);
}

static keel_bag_options until(uint64_t ns)
{
    return (keel_bag_options){ .size = sizeof(keel_bag_options),
                               .deadline_at_ns = keel_now(rt) + ns };
}

static keel_bag_item fresh_item(void)
{
    return (keel_bag_item){ .size = sizeof(keel_bag_item),
                            .buffer = room,
                            .capacity = sizeof room };
}

static void put(const char *key, const char *value)
{
    ck_assert_msg(keel_bag_set(bag, key, value, strlen(value), NULL, &why) == KEEL_OK,
                  "%s", why.text);
}

static keel_status get(const char *key, uint64_t ns)
{
    const keel_bag_options options = until(ns);
    keel_bag_item item = fresh_item();
    keel_status status = keel_bag_get(bag, key, &item, &options, &why);

    room[status == KEEL_OK ? item.length : 0] = '\0';
    return status;
}

static void expect(const char *key, const char *value)
{
    ck_assert_msg(get(key, LONG) == KEEL_OK, "%s", why.text);
    ck_assert_str_eq(room, value);
}

/* ---- verbs --------------------------------------------------------------------------- */

static keel_bag_token token; /* of "number", as it was seen */

static keel_status do_set(const keel_bag_options *o)
{
    return keel_bag_set(bag, "number", "2", 1, o, &why);
}

static keel_status do_add(const keel_bag_options *o)
{
    return keel_bag_add(bag, "absent", "2", 1, o, &why);
}

static keel_status do_replace(const keel_bag_options *o)
{
    return keel_bag_replace(bag, "number", "2", 1, o, &why);
}

static keel_status do_append(const keel_bag_options *o)
{
    return keel_bag_append(bag, "number", "2", 1, o, &why);
}

static keel_status do_prepend(const keel_bag_options *o)
{
    return keel_bag_prepend(bag, "number", "2", 1, o, &why);
}

static keel_status do_cas(const keel_bag_options *o)
{
    return keel_bag_cas(bag, "number", &token, "2", 1, o, &why);
}

static keel_status do_incr(const keel_bag_options *o)
{
    return keel_bag_incr(bag, "number", 1, NULL, o, &why);
}

static keel_status do_decr(const keel_bag_options *o)
{
    return keel_bag_decr(bag, "number", 1, NULL, o, &why);
}

static keel_status do_touch(const keel_bag_options *o)
{
    return keel_bag_touch(bag, "number", o, &why);
}

static keel_status do_get_and_touch(const keel_bag_options *o)
{
    keel_bag_item item = fresh_item();

    return keel_bag_get_and_touch(bag, "number", &item, o, &why);
}

static keel_status do_delete(const keel_bag_options *o)
{
    return keel_bag_delete(bag, "number", o, &why);
}

static keel_status do_delete_cas(const keel_bag_options *o)
{
    return keel_bag_delete_cas(bag, "number", &token, o, &why);
}

static keel_status do_flush(const keel_bag_options *o)
{
    return keel_bag_flush(bag, o, &why);
}

static keel_status do_get(const keel_bag_options *o)
{
    keel_bag_item item = fresh_item();

    return keel_bag_get(bag, "number", &item, o, &why);
}

static keel_status do_get_many(const keel_bag_options *o)
{
    const char *keys[] = { "absent", "number" };
    keel_bag_item items[] = { { .size = sizeof items[0] },
                              { .size = sizeof items[0] } };
    keel_status statuses[2];

    return keel_bag_get_many(bag, keys, items, statuses, 2, o, &why);
}

static const struct {
    const char *name;
    keel_status (*run)(const keel_bag_options *options);
    bool writes;
    bool is_meta; /* a server without meta commands cannot */
} verbs[] = {
    { "set", do_set, true, false },
    { "add", do_add, true, false },
    { "replace", do_replace, true, false },
    { "append", do_append, true, false },
    { "prepend", do_prepend, true, false },
    { "cas", do_cas, true, false },
    { "incr", do_incr, true, false },
    { "decr", do_decr, true, false },
    { "touch", do_touch, true, false },
    { "get and touch", do_get_and_touch, true, false },
    { "delete", do_delete, true, false },
    { "delete_cas", do_delete_cas, true, true },
    { "flush", do_flush, true, false },
    { "get", do_get, false, false },
    { "get_many", do_get_many, false, false },
};

enum { VERBS = sizeof verbs / sizeof *verbs };

/* Items as each verb finds them, over a connection that stays in the pool. */
static void prepare(void)
{
    const keel_bag_options wish = { .size = sizeof wish,
                                    .wishes = KEEL_BAG_WANT_TOKEN };
    keel_bag_item item = fresh_item();

    put("number", "7");
    put("other", "other");
    (void)keel_bag_delete(bag, "absent", NULL, &why);
    ck_assert_int_eq(keel_bag_get(bag, "number", &item, &wish, &why), KEEL_OK);
    token = item.token;
}

/* ---- what goes wrong on the wire ----------------------------------------------------- */

/*
 * read, write  the statuses
 * same         the connection is good, and used again
 */
static const struct {
    const char *why;
    proxy_order order;
    keel_status read, write;
    keel_applied applied; /* of the write */
    bool same;
} faults[] = {
    { "nobody listens any more",
      { .fault = PROXY_REFUSE },
      KEEL_FAILED,
      KEEL_FAILED,
      KEEL_APPLIED_NO,
      false },
    { "reset before the server has it",
      { .fault = PROXY_RESET_BEFORE },
      KEEL_FAILED,
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      false },
    { "reset after it was done",
      { .fault = PROXY_RESET_AFTER },
      KEEL_FAILED,
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      false },
    { "half a reply",
      { .fault = PROXY_CUT },
      KEEL_FAILED,
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      false },
    { "garbage",
      { .fault = PROXY_ANSWER },
      KEEL_FAILED,
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      false },
    { "a reply to something else",
      { .fault = PROXY_ANSWER, .answer = "MN\r\n", .answer_size = 4 },
      KEEL_FAILED,
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      false },
    { "a proxy that has lost its server",
      { .fault = PROXY_ANSWER,
        .answer = "SERVER_ERROR timeout\r\n",
        .answer_size = 22 },
      KEEL_FAILED,
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      false },
    { "no room, which is said before anything is done",
      { .fault = PROXY_ANSWER,
        .answer = "SERVER_ERROR out of memory storing object\r\n",
        .answer_size = 43 },
      KEEL_FAILED,
      KEEL_FAILED,
      KEEL_APPLIED_NO,
      false },
    { "no such command",
      { .fault = PROXY_ANSWER, .answer = "ERROR\r\n", .answer_size = 7 },
      KEEL_FAILED,
      KEEL_FAILED,
      KEEL_APPLIED_NO,
      false },
    { "a header of more than memory holds",
      { .fault = PROXY_ANSWER,
        .answer = "VA 99999999999999 f0\r\n",
        .answer_size = 22 },
      KEEL_FAILED,
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      false },
    { "silence",
      { .fault = PROXY_BLACK_HOLE },
      KEEL_TIMEOUT,
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      false },
    { "too late a reply",
      { .fault = PROXY_DELAY, .ms = 5000 },
      KEEL_TIMEOUT,
      KEEL_UNKNOWN,
      KEEL_APPLIED_UNKNOWN,
      false },
    { "byte by byte",
      { .fault = PROXY_DRIP, .ms = 1 },
      KEEL_OK,
      KEEL_OK,
      KEEL_APPLIED_YES,
      true },
};

static void expect_outcome(size_t verb, size_t fault, keel_status status)
{
    keel_status wanted = verbs[verb].writes ? faults[fault].write : faults[fault].read;

    ck_assert_msg(status == wanted, "%s, %s: %s, not %s: %s", verbs[verb].name,
                  faults[fault].why, keel_status_name(status), keel_status_name(wanted),
                  why.text);
    if (verbs[verb].writes)
        ck_assert_msg(why.applied == faults[fault].applied, "%s, %s: applied %d",
                      verbs[verb].name, faults[fault].why, (int)why.applied);
    if (status != KEEL_OK)
        ck_assert_msg(strncmp(why.text, "memcached: ", 11) == 0, "%s", why.text);
}

/* So long that a connection is looked at before it is used again. */
static void grow_stale(void)
{
    uint64_t until_ns = keel_now(rt) + KEEL_POOL_FRESH_NS;

    while (keel_now(rt) <= until_ns)
        sched_yield();
}

/* Nothing but its deadline ends a call then. */
static bool is_silent(size_t fault)
{
    return faults[fault].order.fault == PROXY_BLACK_HOLE ||
           faults[fault].order.fault == PROXY_DELAY;
}

/* What the silence has swallowed does not come late, to spoil what comes next. */
static void end_fault(size_t fault)
{
    if (faults[fault].order.fault == PROXY_BLACK_HOLE)
        proxy_do(between, PROXY_REFUSE);
    proxy_do(between, PROXY_FORWARD);
}

/* One verb with one fault, and what comes after. */
static void run_faulty(size_t verb, size_t fault)
{
    keel_bag_options options;
    unsigned accepted;
    uint64_t begun;
    keel_status status;

    prepare();
    accepted = proxy_accepted(between);
    proxy_set(between, faults[fault].order);
    grow_stale();
    options = until(is_silent(fault) ? SHORT : LONG);
    begun = keel_now(rt);
    errno = 4711;
    status = verbs[verb].run(&options);
    ck_assert_int_eq(errno, 4711);
    ck_assert_uint_le(keel_now(rt), options.deadline_at_ns + SLACK);
    ck_assert_uint_ge(keel_now(rt), begun);
    end_fault(fault);
    expect_outcome(verb, fault, status);
    put("other", "after");
    expect("other", "after");
    ck_assert_msg((proxy_accepted(between) == accepted) == faults[fault].same,
                  "%s, %s: %u connections, then %u", verbs[verb].name,
                  faults[fault].why, accepted, proxy_accepted(between));
}

START_TEST(whatever_goes_wrong_is_told_as_it_is_and_the_next_call_is_fine)
{
    open_through_proxy("?allow_flush=on");
    for (size_t verb = 0; verb < VERBS; verb++)
        run_faulty(verb, (size_t)_i);
}
END_TEST

START_TEST(so_it_is_with_the_classic_commands)
{
    open_through_proxy("?allow_flush=on&protocol=classic");
    for (size_t verb = 0; verb < VERBS; verb++)
        if (!verbs[verb].is_meta)
            run_faulty(verb, (size_t)_i);
}
END_TEST

START_TEST(of_several_keys_those_that_were_answered_are)
{
    enum { MANY = 10 };
    static char names[MANY][16], values[MANY][32];
    const char *keys[MANY];
    keel_bag_item items[MANY];
    keel_status statuses[MANY];
    size_t answered = 0;

    open_through_proxy("");
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "key%d", i);
        put(keys[i] = names[i], "twenty bytes of text");
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = sizeof values[i] };
    }
    proxy_do(between, PROXY_CUT);
    ck_assert_int_eq(keel_bag_get_many(bag, keys, items, statuses, MANY, NULL, &why),
                     KEEL_PARTIAL);
    while (answered < MANY && statuses[answered] == KEEL_OK)
        ck_assert_str_eq(values[answered++], "twenty bytes of text");
    ck_assert_uint_gt(answered, 2);
    ck_assert_uint_lt(answered, MANY - 2);
    for (size_t i = answered; i < MANY; i++)
        ck_assert_int_eq(statuses[i], KEEL_FAILED);
}
END_TEST

/* ---- servers that are away ----------------------------------------------------------- */

START_TEST(a_server_that_was_killed_is_refused_and_when_it_is_back_so_are_we)
{
    open_direct("");
    put("k", "v");
    test_memcached_stop(&server);
    ck_assert_int_eq(keel_bag_set(bag, "k", "w", 1, NULL, &why), KEEL_FAILED);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(why.system_errno, ECONNREFUSED);
    ck_assert_int_eq(get("k", LONG), KEEL_FAILED);
    ck_assert(test_memcached_restart(&server));
    put("k", "x");
    expect("k", "x");
}
END_TEST

START_TEST(a_restart_between_two_calls_is_not_noticed)
{
    open_direct("");
    put("k", "v");
    ck_assert(test_memcached_restart(&server));
    put("k", "w");
    expect("k", "w");
}
END_TEST

START_TEST(a_frozen_server_leaves_a_write_in_doubt)
{
    keel_bag_options options;

    open_direct("");
    put("k", "1");
    test_memcached_freeze(&server);
    options = until(SHORT);
    ck_assert_int_eq(keel_bag_incr(bag, "k", 1, NULL, &options, &why), KEEL_UNKNOWN);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_uint_ge(keel_now(rt), options.deadline_at_ns);
    ck_assert_uint_le(keel_now(rt), options.deadline_at_ns + SLACK);
    test_memcached_thaw(&server);
    put("k", "w");
    expect("k", "w");
}
END_TEST

START_TEST(one_that_is_frozen_before_it_was_ever_heard_leaves_no_doubt)
{
    open_direct("?connect=200ms");
    test_memcached_freeze(&server);
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, NULL, &why), KEEL_TIMEOUT);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    test_memcached_thaw(&server);
    put("k", "w");
    expect("k", "w");
}
END_TEST

START_TEST(a_deadline_that_has_passed_sends_nothing)
{
    keel_bag_options options;

    open_through_proxy("");
    options = until(0);
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, &options, &why), KEEL_DEADLINE);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(proxy_accepted(between), 0);
}
END_TEST

static void *fire(void *cancel)
{
    keel_cancel_fire(cancel);
    return NULL;
}

START_TEST(a_token_ends_a_call_whenever_it_is_fired)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    keel_bag_options options;
    keel_bag_item item = fresh_item();
    uint64_t begun;
    pthread_t thread;

    open_through_proxy(_i ? "" : "?connect=20s");
    if (_i)
        put("k", "v"); /* else it hangs while it connects */
    proxy_do(between, PROXY_BLACK_HOLE);
    options = until(LONG);
    options.cancel = &cancel;
    begun = keel_now(rt);
    ck_assert_int_eq(pthread_create(&thread, NULL, fire, &cancel), 0);
    ck_assert_int_eq(keel_bag_get(bag, "k", &item, &options, &why), KEEL_CANCELLED);
    ck_assert_uint_lt(keel_now(rt), begun + LONG / 2);
    ck_assert_int_eq(keel_bag_set(bag, "k", "w", 1, &options, &why), KEEL_CANCELLED);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    pthread_join(thread, NULL);
    proxy_do(between, PROXY_FORWARD);
    put("k", "x");
}
END_TEST

/* ---- connections --------------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 200 };

static void *count_up(void *bad)
{
    keel_detail detail = KEEL_DETAIL_INIT;

    for (int i = 0; i < ROUNDS; i++)
        if (keel_bag_incr(bag, "sum", 1, NULL, NULL, &detail) != KEEL_OK)
            *(bool *)bad = true;
    return NULL;
}

START_TEST(many_threads_share_no_more_connections_than_there_may_be)
{
    pthread_t threads[THREADS];
    bool bad[THREADS] = { false };

    open_through_proxy("?connections=2");
    put("sum", "0");
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, &bad[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(!bad[i]);
    }
    expect("sum", "1600");
    ck_assert_uint_le(proxy_accepted(between), 2);
}
END_TEST

static void close_in_child(void)
{
    CHILD(keel_bag_set(bag, "k", "v", 1, NULL, &why) == KEEL_E_STATE);
    keel_bag_close(bag);
}

START_TEST(a_child_that_closes_the_bag_leaves_its_parents_connection_alone)
{
    unsigned accepted;

    open_through_proxy("");
    put("k", "v");
    accepted = proxy_accepted(between);
    child_await(child_fork(close_in_child));
    expect("k", "v");
    ck_assert_uint_eq(proxy_accepted(between), accepted);
}
END_TEST

START_TEST(a_connection_that_was_idle_for_long_is_not_used)
{
    unsigned accepted;

    open_through_proxy("?idle=0");
    put("k", "v");
    accepted = proxy_accepted(between);
    expect("k", "v");
    ck_assert_uint_gt(proxy_accepted(between), accepted);
}
END_TEST

/* ---- sizes --------------------------------------------------------------------------- */

static keel_status set_large(size_t length)
{
    char *value = calloc(1, length);
    keel_status status = keel_bag_set(bag, "k", value, length, NULL, &why);

    free(value);
    return status;
}

START_TEST(too_large_a_value_is_never_sent_because_it_would_delete_the_old_one)
{
    open_direct("?value_max=1GiB");
    put("k", "old");
    ck_assert_int_eq(set_large((1 << 20) - 511), KEEL_E_TOO_LARGE);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    expect("k", "old");
    ck_assert_int_eq(set_large((1 << 20) - 512), KEEL_OK);
}
END_TEST

START_TEST(an_item_that_would_grow_too_large_stays_and_says_why)
{
    open_direct(_i ? "?protocol=classic" : "");
    ck_assert_int_eq(set_large(1000000), KEEL_OK);
    ck_assert_int_eq(keel_bag_append(bag, "k", room, sizeof room, NULL, &why), KEEL_OK);
    ck_assert_int_eq(set_large((1 << 20) - 1024), KEEL_OK);
    ck_assert_int_eq(keel_bag_append(bag, "k", room, sizeof room, NULL, &why),
                     KEEL_E_TOO_LARGE);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(keel_bag_append(bag, "absent", "x", 1, NULL, &why),
                     KEEL_NOT_STORED);
    ck_assert_int_eq(get("k", LONG), KEEL_E_BUFFER);
}
END_TEST

START_TEST(a_server_that_takes_less_than_item_max_says_so)
{
    unsigned accepted;

    test_memcached_cleanup(&server);
    proxy_stop(between);
    ck_assert(test_memcached_start(&server, "-I", "512k"));
    between = proxy_start(server.port);
    open_through_proxy("");
    put("other", "kept");
    accepted = proxy_accepted(between);
    ck_assert_int_eq(set_large(700000), KEEL_E_TOO_LARGE);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_ptr_nonnull(strstr(why.text, "item_max"));
    expect("other", "kept");
    ck_assert_uint_eq(proxy_accepted(between), accepted);
}
END_TEST

START_TEST(a_value_that_nobody_has_room_for_is_not_fetched)
{
    keel_bag_item item = { .size = sizeof item };

    open_direct("");
    ck_assert_int_eq(set_large(900000), KEEL_OK);
    ck_assert_int_eq(keel_bag_get(bag, "k", &item, NULL, &why), KEEL_OK);
    ck_assert_uint_eq(item.length, 900000);
}
END_TEST

/* ---- time ---------------------------------------------------------------------------- */

#define NOW_MS INT64_C(1790000000500)
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const struct {
    const char *why;
    int64_t expires_at_ms;
    int64_t number;
} ttls[] = {
    { "for ever", 0, 0 },
    { "gone", 1, -1 },
    { "gone just now", NOW_MS, -1 },
    { "part of a second is one, and never for ever", NOW_MS + 1, 1 },
    { "a second", NOW_MS + 1000, 1 },
    { "more than that", NOW_MS + 1001, 2 },
    { "thirty days from now", NOW_MS + 30 * DAY_MS, 2592000 },
    { "beyond, an instant", NOW_MS + 30 * DAY_MS + 1, 1790000000 + 2592000 + 1 },
    { "beyond what a server reads", INT64_MAX, INT32_MAX },
};

START_TEST(a_time_becomes_memcacheds_number)
{
    ck_assert_msg(keel_memcached_ttl(NOW_MS, ttls[_i].expires_at_ms) == ttls[_i].number,
                  "%s: %lld", ttls[_i].why,
                  (long long)keel_memcached_ttl(NOW_MS, ttls[_i].expires_at_ms));
}
END_TEST

START_TEST(more_than_thirty_days_are_no_instant_in_1970)
{
    keel_bag_options options = { .size = sizeof options,
                                 .ttl = keel_ttl_for_ms(31 * DAY_MS),
                                 .wishes = KEEL_BAG_WANT_TTL };
    keel_bag_item item = fresh_item();
    int64_t about;

    open_direct("");
    ck_assert_int_eq(keel_bag_set(bag, "k", "v", 1, &options, &why), KEEL_OK);
    ck_assert_int_eq(keel_bag_get(bag, "k", &item, &options, &why), KEEL_OK);
    about = item.expires_at_ms;
    options.ttl = keel_ttl_for_ms(DAY_MS);
    ck_assert_int_eq(keel_bag_get_and_touch(bag, "k", &item, &options, &why), KEEL_OK);
    ck_assert_int_gt(about, item.expires_at_ms + 29 * DAY_MS);
    ck_assert_int_lt(about, item.expires_at_ms + 31 * DAY_MS);
}
END_TEST

START_TEST(several_keys_tell_their_times_and_tokens)
{
    const keel_bag_options options = { .size = sizeof options,
                                       .wishes =
                                           KEEL_BAG_WANT_TTL | KEEL_BAG_WANT_TOKEN };
    const char *keys[] = { "a", "absent", "b", "a" };
    keel_bag_item items[4];
    keel_status statuses[4];

    open_direct("");
    put("a", "1");
    put("b", "22");
    for (int i = 0; i < 4; i++)
        items[i] = (keel_bag_item){ .size = sizeof items[i] };
    items[0].buffer = room;
    items[0].capacity = sizeof room;
    ck_assert_int_eq(keel_bag_get_many(bag, keys, items, statuses, 4, &options, &why),
                     KEEL_OK);
    ck_assert_int_eq(statuses[1], KEEL_NOT_FOUND);
    ck_assert_uint_eq(items[0].length, 1);
    ck_assert_int_eq(room[0], '1');
    ck_assert_uint_eq(items[2].length, 2);
    ck_assert_int_eq(items[2].expires_at_ms, 0);
    ck_assert_uint_gt(items[2].token.length, 0);
    ck_assert_int_eq(keel_bag_delete_cas(bag, "a", &items[3].token, NULL, &why),
                     KEEL_OK);
}
END_TEST

/* ---- what is refused ----------------------------------------------------------------- */

static const struct {
    const char *why;
    const char *spec;
    const char *said;
} refused[] = {
    { "nowhere", "memcached://", "where is it?" },
    { "two places", "memcached://host/run/mc.sock", "not at both" },
    { "a password", "memcached://me:secret@host", "it logs in nowhere" },
    { "no such protocol", "memcached://host?protocol=binary", "protocol is one of" },
    { "no connections", "memcached://host?connections=0", "connections is 1 to 256" },
    { "a path that no socket has",
      "memcached:///"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "too long" },
};

START_TEST(what_can_be_seen_to_be_wrong_is_not_opened)
{
    ck_assert_int_eq(keel_bag_open(&bag, rt, "sessions", refused[_i].spec, &why),
                     KEEL_E_CONFIG);
    ck_assert_msg(strstr(why.text, refused[_i].said), "%s", why.text);
    ck_assert_ptr_null(strstr(why.text, "secret"));
}
END_TEST

START_TEST(nothing_is_flushed_unless_it_is_allowed)
{
    open_direct("");
    put("k", "v");
    ck_assert_int_eq(keel_bag_flush(bag, NULL, &why), KEEL_E_UNSUPPORTED);
    expect("k", "v");
}
END_TEST

START_TEST(what_classic_commands_cannot_do_is_no_ability)
{
    keel_bag_abilities abilities = { .size = sizeof abilities };
    const keel_bag_options keep = { .size = sizeof keep,
                                    .ttl = keel_ttl_of(KEEL_TTL_KEEP, 0) };

    open_direct("?protocol=classic");
    ck_assert_int_eq(keel_bag_look(bag, &abilities), KEEL_OK);
    ck_assert_uint_eq(abilities.native & (KEEL_CAN_DELETE_CAS | KEEL_CAN_TELL_TTL), 0);
    put("k", "v");
    ck_assert_int_eq(keel_bag_set(bag, "k", "w", 1, &keep, &why), KEEL_E_UNSUPPORTED);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    expect("k", "v");
}
END_TEST

/* ---- memory -------------------------------------------------------------------------- */

START_TEST(without_memory_a_call_fails_and_nothing_is_lost)
{
    long before;

    open_direct("");
    before = memory.live;
    for (long n = 1; n == 1 || memory.failed; n++) {
        keel_status status;

        memory.failed = false;
        memory.fail_at = memory.calls + n;
        status = keel_bag_set(bag, "k", "v", 1, NULL, &why);
        ck_assert_msg(status == (memory.failed ? KEEL_E_NOMEM : KEEL_OK) ||
                          (memory.failed && status == KEEL_UNKNOWN),
                      "%s", why.text);
        if (status == KEEL_E_NOMEM)
            ck_assert_int_eq(memory.live, before);
    }
    memory.fail_at = 0;
    expect("k", "v");
}
END_TEST

START_TEST(opening_survives_each_allocation_that_fails)
{
    long before = memory.live;

    for (long n = 1; n == 1 || memory.failed; n++) {
        memory.failed = false;
        memory.fail_at = memory.calls + n;
        ck_assert_int_eq(try_open(server.port, ""),
                         memory.failed ? KEEL_E_NOMEM : KEEL_OK);
        keel_bag_close(bag);
        bag = NULL;
        ck_assert_int_eq(memory.live, before);
    }
    memory.fail_at = 0;
}
END_TEST

int main(void)
{
    static const int twice[2];
    const suite_test tests[] = {
        ROWS(whatever_goes_wrong_is_told_as_it_is_and_the_next_call_is_fine, faults),
        ROWS(so_it_is_with_the_classic_commands, faults),
        ONE(of_several_keys_those_that_were_answered_are),
        ONE(a_server_that_was_killed_is_refused_and_when_it_is_back_so_are_we),
        ONE(a_restart_between_two_calls_is_not_noticed),
        ONE(a_frozen_server_leaves_a_write_in_doubt),
        ONE(one_that_is_frozen_before_it_was_ever_heard_leaves_no_doubt),
        ONE(a_deadline_that_has_passed_sends_nothing),
        ROWS(a_token_ends_a_call_whenever_it_is_fired, twice),
        ONE(many_threads_share_no_more_connections_than_there_may_be),
        ONE(a_child_that_closes_the_bag_leaves_its_parents_connection_alone),
        ONE(a_connection_that_was_idle_for_long_is_not_used),
        ONE(too_large_a_value_is_never_sent_because_it_would_delete_the_old_one),
        ROWS(an_item_that_would_grow_too_large_stays_and_says_why, twice),
        ONE(a_server_that_takes_less_than_item_max_says_so),
        ONE(a_value_that_nobody_has_room_for_is_not_fetched),
        ROWS(a_time_becomes_memcacheds_number, ttls),
        ONE(more_than_thirty_days_are_no_instant_in_1970),
        ONE(several_keys_tell_their_times_and_tokens),
        ROWS(what_can_be_seen_to_be_wrong_is_not_opened, refused),
        ONE(nothing_is_flushed_unless_it_is_allowed),
        ONE(what_classic_commands_cannot_do_is_no_ability),
        ONE(without_memory_a_call_fails_and_nothing_is_lost),
        ONE(opening_survives_each_allocation_that_fails),
    };

    if (!test_memcached_is_installed())
        return 77;
    return suite_run_in("memcached", 60, start, stop, tests,
                        sizeof tests / sizeof tests[0]);
}
