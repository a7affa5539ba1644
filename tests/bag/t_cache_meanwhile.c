/* SPDX-License-Identifier: MIT */
/*
 * The cache decorator where something happens in the middle of one of its operations, or
 * its entries cannot be believed: memory stores that call back before each exchange, on a
 * virtual clock. Schedules of many threads are in t_cache_schedules.c.
 */
#include <string.h>

#include "bag/staged.h"
#include "bag/wrap/cache.h"
#include "support/suite.h"

enum { LARGE = 2000 }; /* more than the room for one of several keys */

static staged s;
static char values[2][LARGE];
static keel_bag_item items[2];
static keel_status statuses[2];

#define CACHE (&s.stores[0])
#define SOURCE (&s.stores[1])

static void begin(const char *options)
{
    staged_init(&s, "cache|source", NULL);
    ck_assert_msg(staged_open(&s, &keel_wrap_cache, options) == KEEL_OK, "%s",
                  s.why.text);
}

static keel_status get_two(void)
{
    static const char *const keys[] = { "k", "other" };

    for (int i = 0; i < 2; i++)
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = LARGE };
    return keel_bag_get_many(&s.bag, keys, items, statuses, 2, NULL, &s.why);
}

/* ---- large ones ---------------------------------------------------------------------- */

START_TEST(a_large_entry_that_must_not_be_believed_is_the_sources)
{
    const staged_fault refused = STAGED_REFUSED;
    static char large[LARGE];

    begin("stale=0s");
    memset(large, 'a', sizeof large);
    ck_assert_int_eq(keel_bag_set(&s.bag, "k", large, LARGE, NULL, &s.why), KEEL_OK);
    ck_assert_int_eq(get_two(), KEEL_OK);
    staged_fail(CACHE, refused, 1); /* it is not told of the next write */
    memset(large, 'b', sizeof large);
    ck_assert_int_eq(keel_bag_set(&s.bag, "k", large, LARGE, NULL, &s.why), KEEL_OK);
    ck_assert_int_eq(get_two(), KEEL_OK);
    ck_assert_int_eq(statuses[0], KEEL_OK);
    ck_assert_uint_eq(items[0].length, LARGE);
    ck_assert_mem_eq(values[0], large, LARGE);
    staged_cleanup(&s);
}
END_TEST

SUITE("cache meanwhile", 20,
      ONE(a_large_entry_that_must_not_be_believed_is_the_sources))
