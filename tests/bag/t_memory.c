/* SPDX-License-Identifier: MIT */
/*
 * The memory store read without a lock while others write: a key that is only ever set
 * is never absent, and a value is never of two writes.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <keel/keel.h>

#include "support/opened.h"
#include "support/suite.h"

enum { HOT = 4, VALUE_MOST = 200, WRITES = 60000, READERS = 3 };

static opened o;
static keel_bag *bag;
static _Atomic bool is_over;
static _Atomic unsigned absent, torn, read_ones;

static void begin(const char *spec)
{
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_VIRTUAL, NULL, "none");
    ck_assert_int_eq(keel_bag_open(&bag, o.rt, "test", spec, &why), KEEL_OK);
    is_over = false;
    absent = torn = read_ones = 0;
}

static void end(void)
{
    keel_bag_close(bag);
    opened_cleanup(&o);
}

/* Of one byte throughout, and as long as that byte says. */
static keel_status set_hot(unsigned which, unsigned turn)
{
    char key[8], value[VALUE_MOST];
    size_t length = 1 + turn % VALUE_MOST;

    snprintf(key, sizeof key, "hot%u", which);
    memset(value, (int)length, length);
    return keel_bag_set(bag, key, value, length, NULL, NULL);
}

static bool is_whole(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)value[i] != length)
            return false;
    return true;
}

static void *read_on(void *ctx)
{
    char key[8], value[VALUE_MOST];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value };

    (void)ctx;
    for (unsigned i = 0; !is_over; i++) {
        snprintf(key, sizeof key, "hot%u", i % HOT);
        if (keel_bag_get(bag, key, &item, NULL, NULL) != KEEL_OK)
            absent++;
        else if (!is_whole(value, item.length))
            torn++;
        read_ones++;
    }
    return NULL;
}

/* Beside the hot keys it makes the tables grow, and drops what it has made. Nothing is
 * asserted on the way: libcheck writes a line for each, and would give way to readers. */
static unsigned write_on(void)
{
    unsigned failed = 0;
    char key[16];

    for (unsigned turn = 0; turn < WRITES; turn++) {
        failed += set_hot(turn % HOT, turn) != KEEL_OK;
        snprintf(key, sizeof key, "cold%u", turn);
        failed += keel_bag_set(bag, key, "x", 1, NULL, NULL) != KEEL_OK;
        if (turn % 3 == 0)
            failed += keel_bag_delete(bag, key, NULL, NULL) != KEEL_OK;
    }
    return failed;
}

static void race(void)
{
    pthread_t readers[READERS];
    unsigned failed;

    for (unsigned i = 0; i < HOT; i++)
        ck_assert_int_eq(set_hot(i, i), KEEL_OK);
    for (unsigned i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    failed = write_on();
    is_over = true;
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    ck_assert_uint_eq(failed, 0);
    ck_assert_uint_eq(torn, 0);
    ck_assert_uint_gt(read_ones, 0);
}

START_TEST(a_key_that_is_only_ever_set_is_never_absent)
{
    begin("memory://");
    race();
    ck_assert_uint_eq(absent, 0);
    end();
}
END_TEST

START_TEST(what_is_dropped_for_want_of_room_is_never_read_in_pieces)
{
    begin("memory://?max=256KiB");
    race();
    end();
}
END_TEST

START_TEST(what_was_replaced_is_given_back)
{
    char value[VALUE_MOST] = { 0 };

    begin("memory://");
    for (unsigned i = 0; i < 100000; i++)
        ck_assert_int_eq(keel_bag_set(bag, "k", value, sizeof value, NULL, NULL),
                         KEEL_OK);
    ck_assert_int_lt(o.memory.live, 3000);
    end();
}
END_TEST

/* ---- missing memory ------------------------------------------------------------------ */

static keel_detail why;

static keel_status set(void)
{
    return keel_bag_set(bag, "k", "a longer value", 14, NULL, &why);
}

static keel_status add(void)
{
    return keel_bag_add(bag, "new", "10", 2, NULL, &why);
}

static keel_status append(void)
{
    return keel_bag_append(bag, "k", "9", 1, NULL, &why);
}

static keel_status incr(void)
{
    return keel_bag_incr(bag, "k", 1, NULL, NULL, &why);
}

static const struct {
    const char *key;
    keel_status (*run)(void);
    const char *before, *after; /* "": none */
} changes[] = {
    { "k", set, "9", "a longer value" },
    { "new", add, "", "10" },
    { "k", append, "9", "99" },
    { "k", incr, "9", "10" },
};

static bool has(const char *key, const char *text)
{
    char value[32] = "";
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value - 1 };
    keel_status status = keel_bag_get(bag, key, &item, NULL, &why);

    return status == (*text ? KEEL_OK : KEEL_NOT_FOUND) && strcmp(value, text) == 0;
}

/* Runs it once with its nth allocation failing. False: it has no nth. */
static bool run_without(int row, long nth)
{
    keel_status status;
    bool has_failed;

    begin("memory://");
    ck_assert_int_eq(keel_bag_set(bag, "k", "9", 1, NULL, &why), KEEL_OK);
    atomic_store(&o.memory.calls, 0);
    o.memory.fail_at = nth;
    status = changes[row].run();
    has_failed = atomic_load(&o.memory.failed);
    o.memory.fail_at = 0;
    if (status == KEEL_E_NOMEM)
        ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    else
        ck_assert_int_eq(status, KEEL_OK);
    ck_assert(has(changes[row].key,
                  status == KEEL_OK ? changes[row].after : changes[row].before));
    if (status != KEEL_OK)
        ck_assert_int_eq(changes[row].run(), KEEL_OK);
    end();
    return has_failed;
}

START_TEST(without_memory_the_old_item_stays)
{
    long nth = 1;

    why = (keel_detail)KEEL_DETAIL_INIT;
    while (run_without(_i, nth))
        nth++;
    ck_assert_int_gt(nth, 1);
}
END_TEST

SUITE("bag/memory", 120, ONE(a_key_that_is_only_ever_set_is_never_absent),
      ONE(what_is_dropped_for_want_of_room_is_never_read_in_pieces),
      ONE(what_was_replaced_is_given_back),
      ROWS(without_memory_the_old_item_stays, changes))
