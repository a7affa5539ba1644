/* SPDX-License-Identifier: MIT */
/* Many threads on one key: what is atomic loses nothing. */
#include "conform/conform.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8, TIMES = 50 };

typedef struct race {
    conform *c;
    const char *key;
    void (*once)(struct race *r, unsigned number);
    _Atomic unsigned done;
    _Atomic int failed; /* a keel_status that should not have come */
} race;

typedef struct runner {
    race *r;
    unsigned number;
    pthread_t thread;
} runner;

static void *run(void *ctx)
{
    runner *self = ctx;

    for (unsigned i = 0; i < TIMES; i++)
        self->r->once(self->r, self->number);
    return NULL;
}

static bool all_run(race *r)
{
    runner runners[THREADS];
    unsigned started = 0;

    for (; started < THREADS; started++) {
        runners[started] = (runner){ .r = r, .number = started };
        if (pthread_create(&runners[started].thread, NULL, run, &runners[started])) {
            r->failed = KEEL_E_SYSTEM;
            break;
        }
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(runners[i].thread, NULL);
    return !r->failed;
}

/* ---- counting ------------------------------------------------------------------------ */

static void count_once(race *r, unsigned number)
{
    keel_status status = keel_bag_incr(r->c->bag, r->key, 1, NULL, NULL, NULL);

    (void)number;
    if (status != KEEL_OK)
        r->failed = (int)status;
}

static void no_count_is_lost(conform *c)
{
    race r = { .c = c, .key = key_of(c, 1), .once = count_once };
    char wanted[16];

    EXPECT_STATUS(c, KEEL_OK, set_text(c, r.key, "0"));
    EXPECT(c, all_run(&r), "expected each thread to do its part, not %s",
           keel_status_name((keel_status)r.failed));
    snprintf(wanted, sizeof wanted, "%d", THREADS * TIMES);
    EXPECT_TEXT(c, key_of(c, 1), wanted);
}

/* ---- adding -------------------------------------------------------------------------- */

static void add_once(race *r, unsigned number)
{
    keel_status status = keel_bag_add(r->c->bag, r->key, &number, 1, NULL, NULL);

    if (status == KEEL_OK)
        atomic_fetch_add(&r->done, 1);
    else if (status != KEEL_NOT_STORED)
        r->failed = (int)status;
}

static void one_of_many_adds_is_the_first(conform *c)
{
    race r = { .c = c, .key = key_of(c, 1), .once = add_once };

    EXPECT(c, all_run(&r), "expected each thread to do its part, not %s",
           keel_status_name((keel_status)r.failed));
    EXPECT_NUMBER(c, "adds that succeed:", 1, r.done);
}

/* ---- cas ----------------------------------------------------------------------------- */

static void cas_once(race *r, unsigned number)
{
    const keel_bag_options token = { .size = sizeof token,
                                     .wishes = KEEL_BAG_WANT_TOKEN };
    unsigned value = 0;
    keel_bag_item item = { .size = sizeof item,
                           .buffer = &value,
                           .capacity = sizeof value };
    keel_status status;

    (void)number;
    do {
        status = keel_bag_get(r->c->bag, r->key, &item, &token, NULL);
        if (status != KEEL_OK)
            break;
        value++;
        status = keel_bag_cas(r->c->bag, r->key, &item.token, &value, sizeof value,
                              NULL, NULL);
    } while (status == KEEL_EXISTS);
    if (status != KEEL_OK)
        r->failed = (int)status;
}

static void no_change_by_cas_is_lost(conform *c)
{
    race r = { .c = c, .key = key_of(c, 1), .once = cas_once };
    unsigned value = 0;
    keel_bag_item item = { .size = sizeof item,
                           .buffer = &value,
                           .capacity = sizeof value };

    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_set(c->bag, r.key, &value, sizeof value, NULL, &c->why));
    EXPECT(c, all_run(&r), "expected each thread to do its part, not %s",
           keel_status_name((keel_status)r.failed));
    EXPECT_STATUS(c, KEEL_OK, keel_bag_get(c->bag, r.key, &item, NULL, &c->why));
    EXPECT_NUMBER(c, "the number", THREADS * TIMES, value);
}

/* ---- appending ----------------------------------------------------------------------- */

static void append_once(race *r, unsigned number)
{
    char mark = (char)('a' + number);
    keel_status status = keel_bag_append(r->c->bag, r->key, &mark, 1, NULL, NULL);

    if (status != KEEL_OK)
        r->failed = (int)status;
}

static void nothing_appended_is_lost(conform *c)
{
    race r = { .c = c, .key = key_of(c, 1), .once = append_once };
    unsigned counts[THREADS] = { 0 };
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, r.key, ""));
    EXPECT(c, all_run(&r), "expected each thread to do its part, not %s",
           keel_status_name((keel_status)r.failed));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, r.key, &item));
    EXPECT_NUMBER(c, "a length of", THREADS * TIMES, item.length);
    for (size_t i = 0; i < item.length; i++)
        counts[(unsigned char)(c->value[i] - 'a') % THREADS]++;
    for (size_t i = 0; i < THREADS; i++)
        EXPECT_NUMBER(c, "appends of each thread:", TIMES, counts[i]);
}

const conform_check conform_races[] = {
    { "no_count_is_lost", KEEL_CAN_SET | KEEL_CAN_INCR, no_count_is_lost },
    { "one_of_many_adds_is_the_first", KEEL_CAN_ADD, one_of_many_adds_is_the_first },
    { "no_change_by_cas_is_lost", KEEL_CAN_SET | KEEL_CAN_CAS,
      no_change_by_cas_is_lost },
    { "nothing_appended_is_lost", KEEL_CAN_SET | KEEL_CAN_APPEND,
      nothing_appended_is_lost },
    { NULL, 0, NULL },
};
