/* SPDX-License-Identifier: MIT */
/*
 * What is allocated by a verb: nothing by any decorator, nothing by a read, and by a
 * write to memory the value's own buffer. Not for builds with a sanitizer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/keel.h>

#include "support/memcached.h"
#include "support/opened.h"
#include "support/redis.h"
#include "support/suite.h"
#include "support/watched_malloc.h"

enum { ROUNDS = 100 };

static opened o;
static test_redis redis;
static test_memcached memcached;

static void begin(void)
{
    ck_assert(test_redis_start(&redis, ""));
    ck_assert(test_memcached_start_unix(&memcached, NULL, NULL));
    opened_init(&o, OPENED_REAL, NULL, "none");
}

static void end(void)
{
    opened_cleanup(&o);
    test_memcached_cleanup(&memcached);
    test_redis_cleanup(&redis);
}

/* socket: between the two parts; NULL: none */
typedef struct tree {
    const char *head;
    const char *socket;
    const char *tail;
    unsigned replies; /* what hiredis makes of an answer */
} tree;

static keel_bag *bag_of(const tree *t)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char spec[512];
    keel_bag *bag;

    snprintf(spec, sizeof spec, "%s%s%s", t->head, t->socket ? t->socket : "", t->tail);
    ck_assert_msg(keel_bag_open(&bag, o.rt, "watched", spec, &why) == KEEL_OK, "%s: %s",
                  spec, why.text);
    return bag;
}

typedef keel_status verb(keel_bag *bag);

static keel_status get(keel_bag *bag)
{
    char value[64];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value };

    return keel_bag_get(bag, "key", &item, NULL, NULL);
}

static keel_status set(keel_bag *bag)
{
    return keel_bag_set(bag, "key", "value", 5, NULL, NULL);
}

static unsigned failures_of(verb *go, keel_bag *bag)
{
    unsigned failures = 0;

    for (int i = 0; i < ROUNDS; i++)
        failures += go(bag) != KEEL_OK;
    return failures;
}

/* Each time, once it is set up. Nothing is asserted meanwhile: libcheck allocates. */
static double mallocs_of(verb *go, keel_bag *bag)
{
    unsigned failures = failures_of(go, bag);
    long before = watched_mallocs();

    failures += failures_of(go, bag);
    before = watched_mallocs() - before;
    ck_assert_uint_eq(failures, 0);
    return (double)before / ROUNDS;
}

#define TREE(spec)                                                                     \
    {                                                                                  \
        spec, NULL, "", 0                                                              \
    }

static const tree bare = TREE("memory://");

static const tree trees[] = {
    TREE("memory://"),
    TREE("readonly{on=off}(memory://)"),
    TREE("log(memory://)"),
    TREE("fault(memory://)"),
    TREE("resilient(memory://)"),
    TREE("failover(memory://, memory://)"),
    TREE("cache(memory://, memory://)"),
    { "redis://", redis.socket, "", 2 },
    { "memcached://", memcached.socket, "", 0 },
    { "resilient(cache(memcached://", memcached.socket, ", memory://))", 0 },
};

START_TEST(a_read_allocates_nothing)
{
    keel_bag *bag = bag_of(&trees[_i]);
    double mallocs;

    ck_assert_int_eq(set(bag), KEEL_OK);
    mallocs = mallocs_of(get, bag);
    keel_bag_close(bag);
    ck_assert_msg(mallocs == trees[_i].replies, "%s: %g", trees[_i].head, mallocs);
}
END_TEST

static const tree layers[] = {
    TREE("readonly{on=off}(memory://)"),
    TREE("log(memory://)"),
    TREE("fault(memory://)"),
    TREE("resilient(memory://)"),
    TREE("failover(memory://, memory://)"),
};

START_TEST(a_layer_adds_nothing_to_the_buffer_of_what_is_stored)
{
    keel_bag *store = bag_of(&bare), *layered = bag_of(&layers[_i]);
    double of_store = mallocs_of(set, store), of_both = mallocs_of(set, layered);

    keel_bag_close(layered);
    keel_bag_close(store);
    ck_assert_msg(of_store == 1, "the store alone: %g", of_store);
    ck_assert_msg(of_both == 1, "%s: %g", layers[_i].head, of_both);
}
END_TEST

static keel_status get_and_allocate(keel_bag *bag)
{
    char *volatile block = strdup("planted");

    free(block);
    return get(bag);
}

START_TEST(a_planted_allocation_is_counted)
{
    keel_bag *bag = bag_of(&bare);

    ck_assert_int_eq(set(bag), KEEL_OK);
    ck_assert_double_eq(mallocs_of(get_and_allocate, bag), 1);
    keel_bag_close(bag);
}
END_TEST

SUITE_IN("footprint of bags", 10, begin, end, ROWS(a_read_allocates_nothing, trees),
         ROWS(a_layer_adds_nothing_to_the_buffer_of_what_is_stored, layers),
         ONE(a_planted_allocation_is_counted))
