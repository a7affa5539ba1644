/* SPDX-License-Identifier: MIT */
/*
 * hedge(...) under the threads of a service, over two stores that come and go and take a
 * random while: whoever answers, an answer is one that its store has, whole, and says
 * where it comes from; nothing is lost when all is over.
 *
 * KEEL_SEED=n runs the schedules of that seed again.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/staged.h"
#include "bag/wrap/hedge.h"
#include "base/seed.h"
#include "support/pause.h"
#include "support/suite.h"

enum { THREADS = 4, READS = 500, KEYS = 6, SIZE = 300, MOST_PAUSE_NS = 100 * 1000 };

static staged s;
static uint64_t seed;

/* ---- chance -------------------------------------------------------------------------- */

static uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/*
 * Each operation of a store takes a while of its own, asleep: what yields instead gives a
 * processor away for as long as others want it. Now and then they go and come.
 */
static void dawdle(void *ctx)
{
    static _Atomic uint64_t operations;
    staged_store *store = ctx;
    uint64_t state = seed + ++operations * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t chance = draw(&state);

    if (chance % 16 == 0)
        store->is_down = !store->is_down;
    pause_ns((chance >> 8) % MOST_PAUSE_NS);
}

/* ---- items --------------------------------------------------------------------------- */

/* Of a length and a content that are the key's and the store's alone. */
static size_t write_value(char value[SIZE], unsigned key, size_t store)
{
    size_t length = (size_t)40 * key + store;

    memset(value, (int)('a' + key * 2 + store), length);
    value[length] = '\0';
    return length;
}

static bool has(size_t store, unsigned key)
{
    return store == 0 || key % 3 != 0; /* the second one lags behind */
}

static void fill(void)
{
    char name[8], value[SIZE];

    for (unsigned key = 0; key < KEYS; key++)
        for (size_t store = 0; store < 2; store++) {
            snprintf(name, sizeof name, "%u", key);
            write_value(value, key, store);
            if (has(store, key))
                staged_put(&s, store, name, value);
        }
}

static void check_item(unsigned key, keel_status status, const keel_bag_item *item)
{
    size_t store = item->marks & KEEL_BAG_FROM_STANDBY ? 1 : 0;
    char wanted[SIZE];
    size_t length = write_value(wanted, key, store);

    if (status == KEEL_FAILED)
        return; /* both were away */
    if (status == KEEL_NOT_FOUND) {
        ck_assert_msg(!has(store, key), "seed %llu: key %u is in store %zu",
                      (unsigned long long)seed, key, store);
        return;
    }
    ck_assert_msg(status == KEEL_OK, "seed %llu: %s", (unsigned long long)seed,
                  keel_status_name(status));
    ck_assert_uint_eq(item->length, length);
    ck_assert_mem_eq(item->buffer, wanted, length);
}

/* ---- threads ------------------------------------------------------------------------- */

typedef struct reader {
    pthread_t thread;
    uint64_t state;
    char values[KEYS][SIZE];
    keel_bag_item items[KEYS];
} reader;

static void prepare(reader *r)
{
    memset(r->values, 0, sizeof r->values);
    for (unsigned i = 0; i < KEYS; i++)
        r->items[i] = (keel_bag_item){ .size = sizeof r->items[i],
                                       .buffer = r->values[i],
                                       .capacity = SIZE };
}

static void read_one(reader *r, unsigned key)
{
    char name[8];

    snprintf(name, sizeof name, "%u", key);
    check_item(key, keel_bag_get(&s.bag, name, &r->items[key], NULL, NULL),
               &r->items[key]);
}

static void read_all(reader *r)
{
    static const char *const names[KEYS] = { "0", "1", "2", "3", "4", "5" };
    keel_status statuses[KEYS];

    keel_bag_get_many(&s.bag, names, r->items, statuses, KEYS, NULL, NULL);
    for (unsigned key = 0; key < KEYS; key++)
        check_item(key, statuses[key], &r->items[key]);
}

static void *run(void *ctx)
{
    reader *r = ctx;

    for (int i = 0; i < READS; i++) {
        uint32_t chance = draw(&r->state);

        prepare(r);
        if (chance % 8 == 0)
            read_all(r);
        else
            read_one(r, chance / 8 % KEYS);
    }
    return NULL;
}

static void read_seed(void)
{
    const char *given = getenv("KEEL_SEED");

    seed = given ? strtoull(given, NULL, 10) : keel_seed();
    printf("KEEL_SEED=%llu\n", (unsigned long long)seed);
}

START_TEST(whoever_answers_it_is_an_answer_of_his)
{
    static reader readers[THREADS];

    read_seed();
    staged_init_real(&s, "source|other");
    ck_assert_int_eq(
        staged_open(&s, &keel_wrap_hedge, "delay=0; hedge.budget=100%; hedge.max=2"),
        KEEL_OK);
    fill();
    for (size_t i = 0; i < 2; i++) {
        s.stores[i].ctx = &s.stores[i];
        s.stores[i].before = dawdle;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        readers[i].state = seed + i;
        ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, run, &readers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(readers[i].thread, NULL);
    staged_cleanup(&s); /* which waits for the last losers, and counts memory */
}
END_TEST

SUITE("bag_hedge_threads", 60, ONE(whoever_answers_it_is_an_answer_of_his))
