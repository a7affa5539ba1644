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

/* ---- flushes ------------------------------------------------------------------------- */

static void read_one(void)
{
    (void)staged_get(&s, "k");
}

static void read_two(void)
{
    (void)get_two();
}

static void write_one(void)
{
    (void)staged_set(&s, "k", "old");
}

/* left: operations of a store until it is flushed; is_read: in the next one it is read */
typedef struct flushing {
    unsigned left;
    bool is_read;
    keel_status status, read_status;
} flushing;

static void flush_meanwhile(void *ctx)
{
    flushing *f = ctx;

    if (f->left && --f->left == 0) {
        f->status = keel_bag_flush(&s.bag, NULL, NULL);
    } else if (f->status == KEEL_OK && f->is_read) {
        f->is_read = false;
        f->read_status = staged_get(&s, "k");
    }
}

static void flush_before(unsigned store, unsigned operation, flushing *f)
{
    *f = (flushing){ .left = operation, .status = KEEL_FAILED };
    s.stores[store].before = flush_meanwhile;
    s.stores[store].ctx = f;
}

/* A look into the cache for each key, a read of the source for each, an add for each. */
static const struct {
    const char *when;
    const char *options;
    unsigned store, operation;
    void (*use)(void);
    bool can_be_flushed;
} flushes[] = {
    { "the source has said one of two", "stale=0s", 1, 2, read_two, true },
    { "one of two is being added", "stale=0s", 0, 3, read_two, true },
    { "to a cache that stays full", "stale=0s", 0, 3, read_two, false },
    { "one is being added that others follow", "stale=0s", 0, 2, read_one, true },
    { "it is being written through", "on_write=write_through", 0, 2, write_one, true },
};

START_TEST(what_is_of_before_a_flush_is_not_kept)
{
    flushing f;

    staged_init(&s, "cache|source", NULL);
    if (!flushes[_i].can_be_flushed)
        CACHE->child.abilities.effective &= ~(uint32_t)KEEL_CAN_FLUSH;
    ck_assert_int_eq(staged_open(&s, &keel_wrap_cache, flushes[_i].options), KEEL_OK);
    staged_put(&s, 1, "k", "old");
    staged_put(&s, 1, "other", "old");
    flush_before(flushes[_i].store, flushes[_i].operation, &f);
    flushes[_i].use();
    ck_assert_int_eq(f.status, KEEL_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
        vclock_advance(&s.o.clock, 50 * KEEL_S); /* what was distrusted is believed */
    }
    staged_cleanup(&s);
}
END_TEST

START_TEST(what_was_known_to_be_flushed_is_not_even_put)
{
    flushing f;

    begin("stale=0s");
    staged_put(&s, 1, "k", "old");
    flush_before(1, 2, &f);
    read_two();
    ck_assert_int_eq(f.status, KEEL_OK);
    ck_assert_uint_eq(CACHE->writes, 1); /* the flush */
    staged_cleanup(&s);
}
END_TEST

/* It was put, and is being taken back. */
START_TEST(what_is_there_for_a_moment_after_a_flush_is_not_believed)
{
    flushing f;

    begin("stale=0s");
    staged_put(&s, 1, "k", "old");
    flush_before(0, 3, &f);
    f.is_read = true;
    read_two();
    ck_assert(!f.is_read);
    ck_assert_int_eq(f.read_status, KEEL_NOT_FOUND);
    staged_cleanup(&s);
}
END_TEST

/* Half a second is what two exchanges may take. */
START_TEST(soon_after_a_flush_the_cache_is_used_again)
{
    begin("stale=0s");
    ck_assert_int_eq(keel_bag_flush(&s.bag, NULL, &s.why), KEEL_OK);
    vclock_advance(&s.o.clock, KEEL_S / 2);
    staged_put(&s, 1, "k", "new");
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_OK);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_OK);
    ck_assert_uint_eq(SOURCE->asked, 2); /* one was the flush */
    staged_cleanup(&s);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------ */

static void lose_it(void *ctx)
{
    const keel_bag_op op = { .size = sizeof op, .nonce = 1 };

    (void)ctx;
    ck_assert_int_eq(keel_store_memory.remove(SOURCE->memory, &op,
                                              (keel_bytes){ "k", 1 }, NULL, NULL),
                     KEEL_OK);
}

/* memcached is such a source. */
START_TEST(a_source_may_lose_an_item_with_one_that_it_finds_too_large)
{
    const staged_fault too_large = { .status = KEEL_E_TOO_LARGE,
                                     .applied = KEEL_APPLIED_NO };

    begin("stale=0s");
    staged_put(&s, 1, "k", "old");
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_OK);
    staged_fail(SOURCE, too_large, 1);
    SOURCE->before = lose_it;
    ck_assert_int_eq(staged_set(&s, "k", "larger"), KEEL_E_TOO_LARGE);
    SOURCE->before = NULL;
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    staged_cleanup(&s);
}
END_TEST

SUITE("cache meanwhile", 20,
      ONE(a_large_entry_that_must_not_be_believed_is_the_sources),
      ROWS(what_is_of_before_a_flush_is_not_kept, flushes),
      ONE(what_was_known_to_be_flushed_is_not_even_put),
      ONE(what_is_there_for_a_moment_after_a_flush_is_not_believed),
      ONE(soon_after_a_flush_the_cache_is_used_again),
      ONE(a_source_may_lose_an_item_with_one_that_it_finds_too_large))
