/* SPDX-License-Identifier: MIT */
/*
 * Caches of several processes over one memcached, where one of them asks the source and
 * the others wait for it. Each bag here is as good as a process: they share nothing else.
 */
#include "bag/opened_bag.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/wrap/cache_entry.h"
#include "support/comes.h"
#include "support/memcached.h"
#include "support/suite.h"

enum { PROCESSES = 8, SPEC_SIZE = 256 };

static test_memcached server;

static void setup(void)
{
    ck_assert(test_memcached_start(&server, NULL, NULL));
}

static void teardown(void)
{
    test_memcached_cleanup(&server);
}

/* A source of its own, slow to read; how often it was asked, its log knows. */
static void open_process(opened_bag *b, const char *options, const char *protocol,
                         unsigned latency_ms)
{
    char spec[SPEC_SIZE];

    snprintf(spec, sizeof spec,
             "cache{ttl=60s; jitter=0%%; timeout=2s; %s}(memcached://127.0.0.1:%u?"
             "protocol=%s, fault{p=100%%; kind=latency; latency=%ums; verbs=get}"
             "(log(memory://)))",
             options, server.port, protocol, latency_ms);
    opened_bag_init(b, OPENED_REAL, spec);
    ck_assert_int_eq(opened_bag_store(b, KEEL_BAG_SET, "k", "one"), KEEL_OK);
}

static unsigned asked(opened_bag *b)
{
    return opened_bag_count(b, "cache.source.source", "log", "get.ok");
}

static void *read_it(void *bag)
{
    opened_bag *b = bag;

    return opened_bag_get(b, "k") == KEEL_OK && strcmp(b->value, "one") == 0 ? b : NULL;
}

static void start(pthread_t *thread, opened_bag *b)
{
    ck_assert_int_eq(pthread_create(thread, NULL, read_it, b), 0);
}

static void expect_read(pthread_t thread)
{
    void *done;

    ck_assert_int_eq(pthread_join(thread, &done), 0);
    ck_assert_ptr_nonnull(done);
}

/* Whether memcached has such an entry. */
static bool has_entry(keel_cache_kind kind)
{
    const char wanted[] = { 'k', 'c', '1', (char)kind, '\0' };
    char answer[256];

    memset(answer, 0, sizeof answer);
    ck_assert(test_memcached_ask(&server, "get k\r\n", answer, sizeof answer));
    return strstr(answer, wanted);
}

/* ---- who asks ------------------------------------------------------------------------ */

static const char *const protocols[] = { "meta", "classic" };

START_TEST(of_several_processes_on_one_miss_one_asks_the_source)
{
    static opened_bag bags[PROCESSES];
    pthread_t threads[PROCESSES];
    unsigned calls = 0;

    for (size_t i = 0; i < PROCESSES; i++)
        open_process(&bags[i], "lease=5s", protocols[_i], 100);
    for (size_t i = 0; i < PROCESSES; i++)
        start(&threads[i], &bags[i]);
    for (size_t i = 0; i < PROCESSES; i++)
        expect_read(threads[i]);
    for (size_t i = 0; i < PROCESSES; i++) {
        calls += asked(&bags[i]);
        opened_bag_cleanup(&bags[i]);
    }
    ck_assert_uint_eq(calls, 1);
}
END_TEST

START_TEST(while_another_process_asks_the_stale_item_is_there_at_once)
{
    static opened_bag first, second;
    pthread_t thread;

    open_process(&first, "stale=60s; revalidate=stale; lease=5s", "meta", 1000);
    open_process(&second, "stale=60s; revalidate=stale; lease=5s", "meta", 1000);
    ck_assert_int_eq(opened_bag_get(&first, "k"), KEEL_OK);
    first.now_ms += 60000;
    second.now_ms += 60000;
    start(&thread, &first);
    COMES(has_entry(KEEL_CACHE_VALUE_ASKED));
    ck_assert_int_eq(opened_bag_get(&second, "k"), KEEL_OK);
    ck_assert_str_eq(second.value, "one");
    ck_assert_uint_eq(second.item.marks, KEEL_BAG_FROM_CACHE | KEEL_BAG_STALE);
    expect_read(thread);
    ck_assert_int_eq(opened_bag_get(&second, "k"), KEEL_OK);
    ck_assert_uint_eq(second.item.marks, KEEL_BAG_FROM_CACHE);
    ck_assert_uint_eq(asked(&second), 0);
    opened_bag_cleanup(&first);
    opened_bag_cleanup(&second);
}
END_TEST

/* ---- who never answers --------------------------------------------------------------- */

START_TEST(who_dies_while_it_asks_is_waited_for_no_longer_than_its_lease)
{
    static opened_bag dead, next;
    const keel_cache_entry asked_for =
        keel_cache_entry_asked(NULL, INT64_C(1800000000000), 200);
    char head[KEEL_CACHE_HEAD], spec[SPEC_SIZE];
    uint64_t began;

    open_process(&next, "lease=10s", "meta", 0);
    snprintf(spec, sizeof spec, "memcached://127.0.0.1:%u", server.port);
    opened_bag_init(&dead, OPENED_REAL, spec);
    keel_cache_entry_write(&asked_for, head);
    ck_assert_int_eq(keel_bag_set(dead.bag, "k", head, sizeof head, NULL, &dead.why),
                     KEEL_OK);
    began = keel_now(next.o.rt);
    ck_assert_int_eq(opened_bag_get(&next, "k"), KEEL_OK);
    ck_assert_uint_ge(keel_now(next.o.rt) - began, 200 * KEEL_MS);
    ck_assert_uint_lt(keel_now(next.o.rt) - began, 5 * KEEL_S);
    ck_assert_uint_eq(asked(&next), 1);
    opened_bag_cleanup(&dead);
    opened_bag_cleanup(&next);
}
END_TEST

START_TEST(an_answer_that_is_not_kept_holds_up_nobody)
{
    static opened_bag failing, other;
    uint64_t began;

    open_process(&failing, "lease=30s", "meta", 0);
    open_process(&other, "lease=30s", "meta", 0);
    ck_assert_int_eq(opened_bag_remove(&failing, "k"), KEEL_OK);
    ck_assert_int_eq(opened_bag_get(&failing, "k"),
                     KEEL_NOT_FOUND); /* without negative_ttl */
    began = keel_now(other.o.rt);
    ck_assert_int_eq(opened_bag_get(&other, "k"), KEEL_OK);
    ck_assert_uint_lt(keel_now(other.o.rt) - began, 3 * KEEL_S);
    ck_assert_uint_eq(opened_bag_count(&other, "cache", "cache", "awaited"), 0);
    opened_bag_cleanup(&failing);
    opened_bag_cleanup(&other);
}
END_TEST

/* ---- who writes meanwhile ------------------------------------------------------------ */

START_TEST(a_write_while_one_asks_is_what_is_read)
{
    static opened_bag reader, writer;
    pthread_t thread;

    open_process(&reader, "lease=5s", "meta", 1000);
    open_process(&writer, "lease=5s", "meta", 0);
    start(&thread, &reader);
    COMES(has_entry(KEEL_CACHE_ASKED));
    ck_assert_int_eq(opened_bag_store(&writer, KEEL_BAG_SET, "k", "two"), KEEL_OK);
    expect_read(thread);
    ck_assert_int_eq(opened_bag_get(&writer, "k"), KEEL_OK);
    ck_assert_str_eq(writer.value, "two");
    opened_bag_cleanup(&reader);
    opened_bag_cleanup(&writer);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(of_several_processes_on_one_miss_one_asks_the_source, protocols),
        ONE(while_another_process_asks_the_stale_item_is_there_at_once),
        ONE(who_dies_while_it_asks_is_waited_for_no_longer_than_its_lease),
        ONE(an_answer_that_is_not_kept_holds_up_nobody),
        ONE(a_write_while_one_asks_is_what_is_read),
    };

    if (!test_memcached_is_installed())
        return 77;
    return suite_run_in("cache lease", 60, setup, teardown, tests,
                        sizeof tests / sizeof tests[0]);
}
