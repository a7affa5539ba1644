/* SPDX-License-Identifier: MIT */
/*
 * One who looks for an item of the memory store without its lock, and one who changes the
 * table under it, in every order of their atomic steps that a few preemptions can make:
 * what is there all the while is found, or it is said that nothing is certain.
 */
#include <stdlib.h>
#include <string.h>

#include "bag/store/memory_shard.h"
#include "model/explore.h"
#include "support/suite.h"

enum { HASH = 5, CROWD = 16, NOW_MS = 1000 };

static keel_reclaim reclaim;
static keel_memory_shard shard;
static keel_memory_item *sought, *neighbour, *found;
static bool is_certain;

static keel_bytes key_of(const char *text)
{
    return (keel_bytes){ text, strlen(text) };
}

static keel_memory_item *put(uint64_t hash, const char *key, keel_memory_item *old)
{
    keel_memory_item *item = keel_memory_new_item(&shard, hash, key_of(key), 0);

    ck_assert_ptr_nonnull(item);
    ck_assert(keel_memory_publish(&shard, item, old, NOW_MS));
    return item;
}

static void end(void)
{
    keel_memory_cleanup(&shard);
    keel_reclaim_cleanup(&reclaim);
}

/* In one bucket, the neighbour before the one that is sought. */
static void begin(void)
{
    if (reclaim.block)
        end();
    ck_assert(keel_reclaim_init(&reclaim, NULL));
    shard = (keel_memory_shard){ .reclaim = &reclaim };
    sought = put(HASH, "sought", NULL);
    neighbour = put(HASH, "other", NULL);
}

/* So that one item more makes the table anew. */
static void begin_crowded(void)
{
    begin();
    for (uint64_t i = 2; i < CROWD; i++)
        put(HASH + i * 16, "crowd", NULL);
    ck_assert_uint_eq(shard.count, CROWD);
}

/* So little is retired that nothing is given back: the reader need not be in a phase. */
static void look(int who)
{
    (void)who;
    is_certain = keel_memory_peek(&shard, HASH, key_of("sought"), NOW_MS, &found);
}

static void replace(int who)
{
    (void)who;
    put(HASH, "sought", sought);
}

static void drop_neighbour(int who)
{
    (void)who;
    keel_memory_drop(&shard, neighbour);
}

static void add_one_more(int who)
{
    (void)who;
    put(HASH + 1, "more", NULL);
}

static void check_found(void)
{
    ck_assert_msg(!is_certain || found, "it is there, and was not found; %s",
                  explore_schedule());
}

static const explore_case cases[] = {
    { "it is replaced", begin, { look, replace }, check_found, 3, false },
    { "one before it is dropped",
      begin,
      { look, drop_neighbour },
      check_found,
      3,
      false },
    { "the table grows", begin_crowded, { look, add_one_more }, check_found, 2, false },
};

START_TEST(what_is_there_all_the_while_is_found_or_nothing_is_certain)
{
    explore(&cases[_i]);
    end();
    reclaim.block = NULL;
}
END_TEST

static void check_certain(void)
{
    ck_assert_msg(is_certain && found, "nobody was in its way; %s", explore_schedule());
}

static void nothing(int who)
{
    (void)who;
}

START_TEST(one_who_is_alone_is_certain)
{
    const explore_case c = {
        "alone", begin, { look, nothing }, check_certain, 2, false
    };

    explore(&c);
    end();
    reclaim.block = NULL;
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(what_is_there_all_the_while_is_found_or_nothing_is_certain, cases),
        ONE(one_who_is_alone_is_certain)
    };

    if (!explore_is_possible())
        return 77;
    return suite_run("explore memory", 60, tests, sizeof tests / sizeof tests[0]);
}
