/* SPDX-License-Identifier: MIT */
/*
 * failover with threads: its own, which goes the way back by itself, and those of a
 * service, which read and write all the while that the primary comes and goes.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/staged.h"
#include "bag/wrap/failover.h"
#include "support/suite.h"

enum { THREADS = 4, KEYS = 8, TIMES = 4000 };

static staged s;

typedef struct writer {
    pthread_t thread;
    unsigned number;
    unsigned last[KEYS]; /* acknowledged */
    unsigned away;       /* writes that a standby took */
} writer;

static void name_key(char name[16], const writer *w, unsigned key)
{
    snprintf(name, 16, "%u.%u", w->number, key);
}

static void write_one(writer *w, unsigned key, unsigned value)
{
    uint32_t marks = 0;
    const keel_bag_options given = { .size = sizeof given, .marks = &marks };
    char name[16], text[16];

    name_key(name, w, key);
    snprintf(text, sizeof text, "%u", value);
    if (keel_bag_set(&s.bag, name, text, strlen(text), &given, NULL) != KEEL_OK)
        return;
    w->last[key] = value;
    w->away += marks & KEEL_BAG_FROM_STANDBY ? 1 : 0;
}

/* Nobody else writes its keys: what it reads of the primary is what it wrote last. */
static void read_one(const writer *w, unsigned key)
{
    char name[16], text[16] = "";
    keel_bag_item item = { .size = sizeof item,
                           .buffer = text,
                           .capacity = sizeof text - 1 };

    name_key(name, w, key);
    if (keel_bag_get(&s.bag, name, &item, NULL, NULL) == KEEL_OK &&
        !(item.marks & KEEL_BAG_FROM_STANDBY))
        ck_assert_uint_eq(strtoul(text, NULL, 10), w->last[key]);
}

static void *run(void *ctx)
{
    writer *w = ctx;

    for (unsigned i = 1; i <= TIMES; i++) {
        unsigned key = i * 7 % KEYS;

        if (w->number == 0 && i % 200 == 0)
            s.stores[0].is_down = i % 400 != 0;
        write_one(w, key, i);
        read_one(w, (key + i) % KEYS);
    }
    return NULL;
}

static void await_clean(void)
{
    while (keel_failover_dirty_count(s.bag.root.state))
        keel_clock_pause_ms(1);
}

START_TEST(a_service_writes_through_outages_and_nothing_is_lost)
{
    static writer writers[THREADS];
    unsigned away = 0;

    staged_init_real(&s, "primary|standby");
    ck_assert_int_eq(
        staged_open(&s, &keel_wrap_failover, "hold=2ms; probe=1ms; failures=2"),
        KEEL_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i].number = i;
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, run, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(writers[i].thread, NULL);
    s.stores[0].is_down = false;
    await_clean();
    for (unsigned i = 0; i < THREADS; i++) {
        away += writers[i].away;
        for (unsigned key = 0; key < KEYS; key++) {
            char name[16];

            name_key(name, &writers[i], key);
            ck_assert_uint_eq(strtoul(staged_peek(&s, 0, name), NULL, 10),
                              writers[i].last[key]);
        }
    }
    ck_assert_uint_gt(away, 100);
    staged_cleanup(&s);
}
END_TEST

START_TEST(recovery_needs_no_call)
{
    staged_init_real(&s, "primary|standby");
    ck_assert_int_eq(
        staged_open(&s, &keel_wrap_failover, "hold=2ms; probe=1ms; failures=1"),
        KEEL_OK);
    s.stores[0].is_down = true;
    ck_assert_int_eq(staged_set(&s, "k", "new"), KEEL_OK);
    s.stores[0].is_down = false;
    await_clean();
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "new");
    staged_cleanup(&s);
}
END_TEST

static sem_t is_put; /* a key, by the thread that carries it */
static pthread_t flusher;

static bool is_flushing(keel_failover *f)
{
    bool is;

    pthread_mutex_lock(&f->keys_mu);
    is = f->flushes > 0;
    pthread_mutex_unlock(&f->keys_mu);
    return is;
}

static bool is_carrying(const keel_failover *f)
{
    return __atomic_load_n(&f->is_carrying, __ATOMIC_ACQUIRE);
}

/* It goes on only when the flush has begun; one that did not wait would be over by then. */
static void await_flush(void *ctx)
{
    keel_failover *f = ctx;

    if (pthread_equal(pthread_self(), flusher) || !is_carrying(f))
        return;
    sem_post(&is_put);
    while (!is_flushing(f))
        keel_clock_pause_ms(1);
    keel_clock_pause_ms(20);
}

START_TEST(a_flush_waits_for_the_key_that_is_carried)
{
    sem_init(&is_put, 0, 0);
    flusher = pthread_self();
    staged_init_real(&s, "primary|standby");
    ck_assert_int_eq(
        staged_open(&s, &keel_wrap_failover, "hold=2ms; probe=1ms; failures=1"),
        KEEL_OK);
    s.stores[0].is_down = true;
    s.stores[0].ctx = s.bag.root.state;
    s.stores[0].before = await_flush;
    ck_assert_int_eq(staged_set(&s, "a", "old"), KEEL_OK);
    ck_assert_int_eq(staged_set(&s, "b", "old"), KEEL_OK);
    s.stores[0].is_down = false;
    while (sem_wait(&is_put) != 0)
        ;
    ck_assert_int_eq(keel_bag_flush(&s.bag, NULL, &s.why), KEEL_OK);
    ck_assert_uint_eq(keel_failover_dirty_count(s.bag.root.state), 0);
    while (is_carrying(s.bag.root.state))
        keel_clock_pause_ms(1);
    ck_assert_str_eq(staged_peek(&s, 0, "a"), "");
    ck_assert_str_eq(staged_peek(&s, 0, "b"), "");
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_bag_is_closed_in_the_middle_of_an_outage)
{
    staged_init_real(&s, "primary|standby");
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, "hold=1h; failures=1"),
                     KEEL_OK);
    s.stores[0].is_down = true;
    ck_assert_int_eq(staged_set(&s, "k", "new"), KEEL_OK);
    staged_cleanup(&s); /* nothing is left, and nobody is waited for */
}
END_TEST

SUITE("failover_threads", 60, ONE(a_service_writes_through_outages_and_nothing_is_lost),
      ONE(recovery_needs_no_call), ONE(a_flush_waits_for_the_key_that_is_carried),
      ONE(a_bag_is_closed_in_the_middle_of_an_outage))
