/* SPDX-License-Identifier: MIT */
/*
 * The cache decorator: what it answers, what it keeps, and what it does while its cache
 * or its source fails. Both are memory stores, behind fault where they have to fail and
 * log where their calls are counted.
 */
#include "bag/opened_bag.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bag/wrap/cache.h"
#include "support/suite.h"

#define FAULT "fault{p=100%; kind=error}"
/* Both may fail, and do not until they are told to. */
#define TREE(options)                                                                  \
    "cache{ttl=60s; jitter=0%; " options "}(" FAULT "(memory://), " FAULT              \
    "(log(memory://)))"
#define CACHE "cache.cache"
#define SOURCE "cache.source"

static opened_bag b;

static void open_tree(const char *spec)
{
    opened_bag_init(&b, OPENED_VIRTUAL, spec);
    opened_bag_tell(&b, CACHE, "fault off");
    opened_bag_tell(&b, SOURCE, "fault off");
}

static unsigned asked(void)
{
    return opened_bag_count(&b, "cache.source.source", "log", "get.ok") +
           opened_bag_count(&b, "cache.source.source", "log", "get.no");
}

static unsigned counted(const char *name)
{
    return opened_bag_count(&b, "cache", "cache", name);
}

static void expect_text(const char *key, const char *text, uint32_t marks)
{
    ck_assert_int_eq(opened_bag_get(&b, key), KEEL_OK);
    ck_assert_str_eq(b.value, text);
    ck_assert_uint_eq(b.item.marks, marks);
}

static void set(const char *key, const char *text)
{
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, key, text), KEEL_OK);
}

/* ---- reading ------------------------------------------------------------------------- */

START_TEST(what_was_read_once_is_answered_from_the_cache)
{
    open_tree(TREE("stale=0s"));
    set("k", "one");
    expect_text("k", "one", 0);
    expect_text("k", "one", KEEL_BAG_FROM_CACHE);
    expect_text("k", "one", KEEL_BAG_FROM_CACHE);
    ck_assert_uint_eq(asked(), 1);
    ck_assert_uint_eq(counted("hits"), 2);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(after_its_ttl_the_source_is_asked_again)
{
    open_tree(TREE("stale=0s"));
    set("k", "one");
    expect_text("k", "one", 0);
    b.now_ms += 59999;
    expect_text("k", "one", KEEL_BAG_FROM_CACHE);
    b.now_ms += 1;
    expect_text("k", "one", 0);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(flags_and_expiry_are_those_of_the_source)
{
    keel_bag_op op;
    keel_bag_token fresh;
    keel_bag_put put = { .size = sizeof put, .value = { "v", 1 }, .flags = 77 };

    open_tree(TREE("stale=0s"));
    put.expires_at_ms = b.now_ms + 5000;
    op = opened_bag_op(&b);
    ck_assert_int_eq(b.bag->root.ops->store(b.bag->root.state, &op,
                                            (keel_bytes){ "k", 1 }, &put, &fresh,
                                            &b.why),
                     KEEL_OK);
    expect_text("k", "v", 0);
    expect_text("k", "v", KEEL_BAG_FROM_CACHE);
    ck_assert_uint_eq(b.item.flags, 77);
    ck_assert_int_eq(b.item.expires_at_ms, b.now_ms + 5000);
    b.now_ms += 5000; /* long before the cache's ttl */
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_NOT_FOUND);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(a_small_buffer_is_told_what_it_needs_from_either)
{
    char small[2] = "xy";
    keel_bag_op op;

    open_tree(TREE("stale=0s"));
    set("k", "longer");
    for (int i = 0; i < 2; i++) {
        keel_bag_item item = { .size = sizeof item, .buffer = small, .capacity = 2 };

        op = opened_bag_op(&b);
        ck_assert_int_eq(b.bag->root.ops->get(b.bag->root.state, &op,
                                              (keel_bytes){ "k", 1 }, &item, &b.why),
                         KEEL_E_BUFFER);
        ck_assert_uint_eq(item.length, 6);
        ck_assert_mem_eq(small, "xy", 2);
    }
    ck_assert_uint_eq(asked(), 1);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(a_value_larger_than_any_room_is_cached_too)
{
    static char large[100000], back[100000];
    keel_bag_op op;
    keel_bag_token fresh;
    const keel_bag_put put = { .size = sizeof put, .value = { large, sizeof large } };

    open_tree(TREE("stale=0s"));
    memset(large, 'x', sizeof large);
    op = opened_bag_op(&b);
    ck_assert_int_eq(b.bag->root.ops->store(b.bag->root.state, &op,
                                            (keel_bytes){ "k", 1 }, &put, &fresh,
                                            &b.why),
                     KEEL_OK);
    for (int i = 0; i < 2; i++) {
        keel_bag_item item = { .size = sizeof item,
                               .buffer = back,
                               .capacity = sizeof back };

        ck_assert_int_eq(b.bag->root.ops->get(b.bag->root.state, &op,
                                              (keel_bytes){ "k", 1 }, &item, &b.why),
                         KEEL_OK);
        ck_assert_uint_eq(item.length, sizeof large);
        ck_assert_mem_eq(back, large, sizeof large);
        ck_assert_uint_eq(item.marks, i ? KEEL_BAG_FROM_CACHE : 0);
    }
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(a_value_too_large_for_the_cache_is_no_error)
{
    opened_bag_init(&b, OPENED_VIRTUAL,
                    "cache(memory://?value_max=40B, log(memory://))");
    set("k", "0123456789"); /* with its head it has 42 bytes */
    for (int i = 0; i < 2; i++)
        expect_text("k", "0123456789", 0);
    ck_assert_uint_eq(counted("too_large"), 2);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(who_wants_a_token_or_no_cache_gets_the_source)
{
    static const uint32_t wishes[] = { KEEL_BAG_WANT_TOKEN, KEEL_BAG_NO_CACHE };

    open_tree(TREE("stale=0s"));
    set("k", "one");
    expect_text("k", "one", 0);
    for (size_t i = 0; i < 2; i++) {
        b.wishes = wishes[i];
        expect_text("k", "one", 0);
        ck_assert_int_eq(b.item.token.length > 0, wishes[i] == KEEL_BAG_WANT_TOKEN);
    }
    ck_assert_uint_eq(counted("bypassed"), 2);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(an_item_of_others_in_the_cache_is_replaced)
{
    const keel_bag_put put = { .size = sizeof put, .value = { "alien", 5 } };
    const keel_bag_node *cache;
    keel_bag_token fresh;
    keel_bag_op op;

    open_tree(TREE("stale=0s"));
    set("k", "one");
    cache = b.bag->tree.root->parts[0];
    op = opened_bag_op(&b);
    ck_assert_int_eq(cache->self.ops->store(cache->self.state, &op,
                                            (keel_bytes){ "k", 1 }, &put, &fresh,
                                            &b.why),
                     KEEL_OK);
    expect_text("k", "one", 0);
    expect_text("k", "one", KEEL_BAG_FROM_CACHE);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(several_keys_take_one_exchange_each_way_and_are_kept)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    keel_bytes keys[4];
    keel_bag_item items[4];
    keel_status statuses[4];
    char values[4][16];

    open_tree(TREE("negative_ttl=5s"));
    set("a", "1");
    set("b", "2");
    set("d", "4");
    expect_text("b", "2", 0);
    for (int round = 0; round < 2; round++) {
        keel_bag_op op = opened_bag_op(&b);

        for (size_t i = 0; i < 4; i++) {
            keys[i] = (keel_bytes){ names[i], 1 };
            items[i] = (keel_bag_item){ .size = sizeof items[i],
                                        .buffer = values[i],
                                        .capacity = sizeof values[i] };
        }
        b.bag->root.ops->get_many(b.bag->root.state, &op, keys, items, statuses, 4,
                                  &b.why);
        for (size_t i = 0; i < 4; i++) {
            ck_assert_int_eq(statuses[i], i == 2 ? KEEL_NOT_FOUND : KEEL_OK);
            if (i != 2)
                ck_assert_int_eq(values[i][0], (char)('1' + i));
        }
        ck_assert_uint_eq(items[0].marks, round ? KEEL_BAG_FROM_CACHE : 0);
        ck_assert_uint_eq(items[1].marks, KEEL_BAG_FROM_CACHE);
    }
    ck_assert_uint_eq(asked(), 4);
    opened_bag_tell(&b, SOURCE, "fault on");
    expect_text("d", "4", KEEL_BAG_FROM_CACHE);
    opened_bag_cleanup(&b);
}
END_TEST

/* ---- writing ------------------------------------------------------------------------- */

static keel_status write_set(void)
{
    return opened_bag_store(&b, KEEL_BAG_SET, "k", "2");
}

static keel_status write_replace(void)
{
    return opened_bag_store(&b, KEEL_BAG_REPLACE, "k", "2");
}

static keel_status write_append(void)
{
    return opened_bag_store(&b, KEEL_BAG_APPEND, "k", "2");
}

static keel_status write_cas(void)
{
    b.wishes = KEEL_BAG_WANT_TOKEN;
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_OK);
    b.wishes = 0;
    return opened_bag_store(&b, KEEL_BAG_CAS, "k", "2");
}

static keel_status write_incr(void)
{
    return opened_bag_incr(&b, "k");
}

static keel_status write_delete(void)
{
    return opened_bag_remove(&b, "k");
}

/* now: NULL: nothing is there */
static const struct written {
    const char *name;
    keel_status (*write)(void);
    const char *now;
} written[] = {
    { "set", write_set, "2" },        { "replace", write_replace, "2" },
    { "append", write_append, "12" }, { "cas", write_cas, "2" },
    { "incr", write_incr, "2" },      { "delete", write_delete, NULL },
};

static void expect_written(const struct written *w, const char *spec, uint32_t marks)
{
    open_tree(spec);
    set("k", "1");
    expect_text("k", "1", marks);
    ck_assert_msg(w->write() == KEEL_OK, "%s: %s", w->name, b.why.text);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(opened_bag_get(&b, "k"), w->now ? KEEL_OK : KEEL_NOT_FOUND);
        ck_assert_msg(!w->now || strcmp(b.value, w->now) == 0, "%s: %s", w->name,
                      b.value);
    }
    opened_bag_cleanup(&b);
}

START_TEST(what_was_written_is_read_at_once)
{
    expect_written(&written[_i], TREE("stale=1h; negative_ttl=1h"), 0);
}
END_TEST

START_TEST(what_was_written_through_is_read_at_once)
{
    expect_written(&written[_i],
                   TREE("stale=1h; negative_ttl=1h; on_write=write_through"),
                   KEEL_BAG_FROM_CACHE);
}
END_TEST

START_TEST(writing_through_spares_the_source_a_read)
{
    open_tree(TREE("on_write=write_through"));
    set("k", "one");
    expect_text("k", "one", KEEL_BAG_FROM_CACHE);
    set("k", "two");
    expect_text("k", "two", KEEL_BAG_FROM_CACHE);
    ck_assert_uint_eq(asked(), 0);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(that_there_is_none_is_remembered_until_it_is_written)
{
    open_tree(TREE("negative_ttl=5s"));
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_NOT_FOUND);
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(asked(), 1);
    ck_assert_uint_eq(counted("absent"), 1);
    b.now_ms += 5000;
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(asked(), 2);
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_ADD, "k", "one"), KEEL_OK);
    expect_text("k", "one", 0);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(what_the_source_no_longer_has_does_not_come_back_stale)
{
    const keel_bag_node *source;
    keel_bag_op op;

    open_tree(TREE("stale=1h"));
    set("k", "one");
    expect_text("k", "one", 0);
    b.now_ms += 60000;
    source = b.bag->tree.root->parts[1];
    op = opened_bag_op(&b); /* behind the cache's back */
    ck_assert_int_eq(source->self.ops->remove(source->self.state, &op,
                                              (keel_bytes){ "k", 1 }, NULL, &b.why),
                     KEEL_OK);
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_NOT_FOUND);
    opened_bag_tell(&b, SOURCE, "fault on");
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_FAILED);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(after_a_flush_nothing_comes_from_the_cache)
{
    static const char *const specs[] = {
        "cache(memory://?allow_flush=on, memory://?allow_flush=on)",
        "cache(memory://, memory://?allow_flush=on)", /* a cache that cannot */
    };
    keel_bag_op op;

    opened_bag_init(&b, OPENED_VIRTUAL, specs[_i]);
    set("k", "one");
    expect_text("k", "one", 0);
    op = opened_bag_op(&b);
    ck_assert_int_eq(b.bag->root.ops->flush(b.bag->root.state, &op, &b.why), KEEL_OK);
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_NOT_FOUND);
    opened_bag_cleanup(&b);
}
END_TEST

/* A reader that saw nothing in the cache is asking the source for as long as it may,
 * while entries that live shorter come and go. */
START_TEST(a_fill_that_lasts_longer_than_entries_live_does_not_win_either)
{
    const keel_bytes key = { "k", 1 };
    char bytes[KEEL_CACHE_HEAD + 3] = { 0 };
    const keel_cache_answer old = { .status = KEEL_OK, .bytes = bytes, .length = 3 };
    keel_cache_look look;
    keel_bag_op op;

    opened_bag_init(&b, OPENED_VIRTUAL,
                    "cache{ttl=1s; negative_ttl=1s}(memory://, memory://)");
    op = opened_bag_op(&b);
    keel_cache_look_init(&look);
    keel_cache_look_up(b.bag->root.state, &op, key, 0, &look);
    ck_assert_uint_eq(look.seen.token.length, 0);
    set("k", "one");
    ck_assert_int_eq(opened_bag_remove(&b, "k"), KEEL_OK);
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_NOT_FOUND);
    b.now_ms += 9999;
    op.now_ms = b.now_ms; /* its own would make it stale by now: not to be relied on */
    ck_assert(!keel_cache_fill(b.bag->root.state, &op, key, &look.seen, &old));
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_NOT_FOUND);
    keel_cache_look_cleanup(b.bag->root.state, &look);
    opened_bag_cleanup(&b);
}
END_TEST

/* ---- failures ------------------------------------------------------------------------ */

START_TEST(while_the_source_is_away_reads_go_on_until_the_hard_ttl)
{
    open_tree(TREE("stale=10m"));
    set("k", "one");
    expect_text("k", "one", 0);
    opened_bag_tell(&b, SOURCE, "fault on");
    expect_text("k", "one", KEEL_BAG_FROM_CACHE);
    b.now_ms += 60000;
    expect_text("k", "one", KEEL_BAG_FROM_CACHE | KEEL_BAG_STALE);
    b.wishes = KEEL_BAG_NO_STALE;
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_FAILED);
    ck_assert_ptr_nonnull(strstr(b.why.text, SOURCE));
    b.wishes = 0;
    b.now_ms += 599999;
    expect_text("k", "one", KEEL_BAG_FROM_CACHE | KEEL_BAG_STALE);
    b.now_ms += 1;
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_FAILED);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(several_keys_are_answered_stale_while_the_source_is_away)
{
    static const keel_bytes keys[] = { { "a", 1 }, { "b", 1 } };
    keel_bag_item items[2];
    keel_status statuses[2];
    char values[2][8];
    keel_bag_op op;

    open_tree(TREE("stale=10m"));
    set("a", "1");
    expect_text("a", "1", 0);
    b.now_ms += 60000;
    opened_bag_tell(&b, SOURCE, "fault on");
    for (size_t i = 0; i < 2; i++)
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = sizeof values[i] };
    op = opened_bag_op(&b);
    b.bag->root.ops->get_many(b.bag->root.state, &op, keys, items, statuses, 2, &b.why);
    ck_assert_int_eq(statuses[0], KEEL_OK);
    ck_assert_uint_eq(items[0].marks, KEEL_BAG_FROM_CACHE | KEEL_BAG_STALE);
    ck_assert_int_eq(values[0][0], '1');
    ck_assert_int_eq(statuses[1], KEEL_FAILED);
    opened_bag_cleanup(&b);
}
END_TEST

/* ---- a source with a standby ----------------------------------------------------------- */

#define PRIMARY "cache.source.primary"
#define STANDBY "cache.source.standby"

/* Nothing fails before it is told to; what each has is put there behind the others' back. */
static void open_with_standby(void)
{
    opened_bag_init(&b, OPENED_VIRTUAL,
                    "cache{ttl=60s; stale=1h; negative_ttl=1h; jitter=0%}(memory://,"
                    "  failover{failures=1000}(" FAULT "(memory://), " FAULT
                    "(memory://)))");
    opened_bag_tell(&b, PRIMARY, "fault off");
    opened_bag_tell(&b, STANDBY, "fault off");
}

enum { AT_PRIMARY, AT_STANDBY };

static void put(size_t child, const char *key, const char *text)
{
    const keel_bag_node *failover = b.bag->tree.root->parts[1];
    const keel_bag_child *store = &failover->parts[child]->self;
    const keel_bag_put put = { .size = sizeof put, .value = { text, strlen(text) } };
    keel_bag_op op = opened_bag_op(&b);
    keel_bag_token fresh;

    ck_assert_int_eq(store->ops->store(store->state, &op,
                                       (keel_bytes){ key, strlen(key) }, &put, &fresh,
                                       &b.why),
                     KEEL_OK);
}

START_TEST(what_a_standby_says_is_not_kept)
{
    open_with_standby();
    put(AT_PRIMARY, "k", "new");
    put(AT_STANDBY, "k", "old");
    opened_bag_tell(&b, PRIMARY, "fault on");
    expect_text("k", "old", KEEL_BAG_FROM_STANDBY);
    expect_text("k", "old", KEEL_BAG_FROM_STANDBY);
    opened_bag_tell(&b, PRIMARY, "fault off");
    expect_text("k", "new", 0);
    expect_text("k", "new", KEEL_BAG_FROM_CACHE);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(that_a_standby_has_none_is_not_kept_and_is_told)
{
    open_with_standby();
    put(AT_PRIMARY, "k", "new");
    opened_bag_tell(&b, PRIMARY, "fault on");
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(b.item.marks, KEEL_BAG_FROM_STANDBY);
    opened_bag_tell(&b, PRIMARY, "fault off");
    expect_text("k", "new", 0);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(nor_is_any_of_it_kept_of_several_keys)
{
    static const keel_bytes keys[] = { { "a", 1 }, { "b", 1 } };
    keel_bag_item items[2];
    keel_status statuses[2];
    char values[2][8];
    keel_bag_op op;

    open_with_standby();
    put(AT_PRIMARY, "a", "new");
    put(AT_PRIMARY, "b", "new");
    put(AT_STANDBY, "a", "old");
    opened_bag_tell(&b, PRIMARY, "fault on");
    for (size_t i = 0; i < 2; i++)
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = sizeof values[i] };
    op = opened_bag_op(&b);
    b.bag->root.ops->get_many(b.bag->root.state, &op, keys, items, statuses, 2, &b.why);
    ck_assert_int_eq(statuses[0], KEEL_OK);
    ck_assert_int_eq(statuses[1], KEEL_NOT_FOUND);
    for (size_t i = 0; i < 2; i++)
        ck_assert_uint_eq(items[i].marks, KEEL_BAG_FROM_STANDBY);
    opened_bag_tell(&b, PRIMARY, "fault off");
    expect_text("a", "new", 0);
    expect_text("b", "new", 0);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(what_was_good_before_outlasts_what_a_standby_said)
{
    open_with_standby();
    put(AT_PRIMARY, "k", "good");
    put(AT_STANDBY, "k", "old");
    expect_text("k", "good", 0);
    b.now_ms += 60000;
    opened_bag_tell(&b, PRIMARY, "fault on");
    expect_text("k", "old", KEEL_BAG_FROM_STANDBY);
    opened_bag_tell(&b, STANDBY, "fault on");
    expect_text("k", "good", KEEL_BAG_FROM_CACHE | KEEL_BAG_STALE);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(an_error_is_never_remembered)
{
    open_tree(TREE("negative_ttl=1h"));
    opened_bag_tell(&b, SOURCE, "fault on");
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_FAILED);
    opened_bag_tell(&b, SOURCE, "fault off");
    ck_assert_uint_eq(counted("fills"), 0);
    set("k", "one");
    expect_text("k", "one", 0);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(errors_of_the_cache_fail_no_read_and_are_counted)
{
    open_tree(TREE("stale=0s"));
    opened_bag_tell(&b, CACHE, "fault on");
    set("k", "one");
    for (int i = 0; i < 3; i++)
        expect_text("k", "one", 0);
    ck_assert_uint_eq(counted("poisoned"), 1);
    ck_assert_int_eq(opened_bag_get(&b, "other"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(counted("errors"), 1);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(a_write_that_the_cache_was_not_told_of_is_seen_all_the_same)
{
    open_tree(TREE("stale=60s"));
    set("k", "one");
    expect_text("k", "one", 0);
    opened_bag_tell(&b, CACHE, "fault on");
    set("k", "two");
    opened_bag_tell(&b, CACHE, "fault off");
    expect_text("k", "two", 0);
    expect_text("k", "two", 0); /* what is poisoned is not filled either */
    ck_assert_uint_eq(counted("poisoned"), 1);
    vclock_advance(&b.o.clock, 121 * KEEL_S);
    b.now_ms += 121000;
    expect_text("k", "two", 0);
    expect_text("k", "two", KEEL_BAG_FROM_CACHE);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(doubt_is_never_kept)
{
    static const char *const kinds[] = { "reset_after", "reset_before", "timeout" };
    char spec[256];

    snprintf(spec, sizeof spec,
             "cache{ttl=60s; stale=60s; jitter=0%%}(fault(memory://), "
             "fault{p=100%%; kind=%s; verbs=writes; latency=1ms}(log(memory://)))",
             kinds[_i]);
    open_tree(spec);
    set("k", "one");
    expect_text("k", "one", 0);
    opened_bag_tell(&b, SOURCE, "fault on");
    ck_assert_int_ne(opened_bag_store(&b, KEEL_BAG_SET, "k", "two"), KEEL_OK);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_UNKNOWN);
    for (int i = 0; i < 3; i++)
        expect_text("k", _i ? "one" : "two", 0);
    vclock_advance(&b.o.clock, 61 * KEEL_S);
    b.now_ms += 61000;
    expect_text("k", _i ? "one" : "two", 0);
    expect_text("k", _i ? "one" : "two", KEEL_BAG_FROM_CACHE);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(a_failed_write_leaves_nothing_in_the_cache)
{
    open_tree(TREE("stale=60s"));
    set("k", "one");
    expect_text("k", "one", 0);
    opened_bag_tell(&b, SOURCE, "fault on");
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "k", "two"), KEEL_FAILED);
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_FAILED);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(a_write_that_was_refused_leaves_the_cache_as_it_is)
{
    opened_bag_init(&b, OPENED_VIRTUAL,
                    "cache(memory://, readonly{on=off}(memory://))");
    set("k", "one");
    expect_text("k", "one", 0);
    opened_bag_tell(&b, SOURCE, "readonly on");
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "k", "two"), KEEL_READ_ONLY);
    expect_text("k", "one", KEEL_BAG_FROM_CACHE);
    opened_bag_cleanup(&b);
}
END_TEST

/* ---- many at once -------------------------------------------------------------------- */

#define SLOW "fault{p=100%; kind=latency; latency=100ms; verbs=get}(log(memory://))"

enum { THREADS = 100 };

typedef struct reader {
    pthread_t thread;
    keel_cancel *cancel;
    uint32_t wishes;
    uint64_t time_ns; /* 0: as much as there is */
    keel_status status;
    uint32_t marks;
    char value[16];
} reader;

static void *read_once(void *ctx)
{
    reader *r = ctx;
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag_item item = { .size = sizeof item,
                           .buffer = r->value,
                           .capacity = sizeof r->value };
    keel_bag_op op = opened_bag_op(&b);

    op.cancel = r->cancel;
    op.wishes = r->wishes;
    if (r->time_ns)
        op.deadline_at_ns = keel_now(b.o.rt) + r->time_ns;
    r->status = b.bag->root.ops->get(b.bag->root.state, &op, (keel_bytes){ "k", 1 },
                                     &item, &why);
    r->marks = item.marks;
    return NULL;
}

static void start(reader *r)
{
    ck_assert_int_eq(pthread_create(&r->thread, NULL, read_once, r), 0);
}

static void expect_read(reader *r, const char *text)
{
    pthread_join(r->thread, NULL);
    ck_assert_int_eq(r->status, KEEL_OK);
    ck_assert_str_eq(r->value, text);
}

START_TEST(a_hundred_threads_on_one_miss_cause_one_call)
{
    static reader readers[THREADS];

    opened_bag_init(&b, OPENED_BY_HAND, "cache(memory://, " SLOW ")");
    set("k", "one");
    for (size_t i = 0; i < THREADS; i++)
        start(&readers[i]);
    vclock_await_waiters(&b.o.clock, THREADS);
    vclock_advance(&b.o.clock, 100 * KEEL_MS);
    for (size_t i = 0; i < THREADS; i++)
        expect_read(&readers[i], "one");
    ck_assert_uint_eq(asked(), 1);
    ck_assert_uint_eq(counted("misses"), 1);
    ck_assert_uint_eq(counted("followed"), THREADS - 1);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(a_hundred_threads_without_a_barrier_cause_one_call)
{
    static reader readers[THREADS];

    opened_bag_init(&b, OPENED_REAL, "cache(memory://, fault{p=0%}(log(memory://)))");
    set("k", "one");
    for (size_t i = 0; i < THREADS; i++)
        start(&readers[i]);
    for (size_t i = 0; i < THREADS; i++)
        expect_read(&readers[i], "one");
    ck_assert_uint_eq(asked(), 1);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(who_follows_one_that_was_cancelled_asks_in_its_place)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    reader first = { .cancel = &cancel }, second = { .cancel = NULL };

    opened_bag_init(&b, OPENED_BY_HAND, "cache(memory://, " SLOW ")");
    set("k", "one");
    start(&first);
    vclock_await_waiters(&b.o.clock, 1);
    start(&second);
    vclock_await_waiters(&b.o.clock, 2);
    opened_bag_tell(&b, SOURCE, "fault off"); /* for the second */
    keel_cancel_fire(&cancel);
    vclock_advance(&b.o.clock, 10 * KEEL_MS); /* when it looks at its token */
    pthread_join(first.thread, NULL);
    ck_assert_int_eq(first.status, KEEL_CANCELLED);
    expect_read(&second, "one");
    ck_assert_uint_eq(asked(), 1);
    opened_bag_cleanup(&b);
}
END_TEST

#define SILENT "fault{p=100%; kind=timeout; latency=100ms; verbs=get}(log(memory://))"

/* The first asks a source that is silent until his time is over; it has come back before
 * the second asks. */
static void follow(reader *first, reader *second, const char *silent)
{
    start(first);
    vclock_await_waiters(&b.o.clock, 1);
    start(second);
    vclock_await_waiters(&b.o.clock, 2);
    opened_bag_tell(&b, silent, "fault off");
    vclock_advance(&b.o.clock, 100 * KEEL_MS);
    pthread_join(first->thread, NULL);
}

START_TEST(who_follows_one_that_had_less_time_asks_in_its_place)
{
    reader first = { .time_ns = 100 * KEEL_MS }, second = { .time_ns = 0 };

    opened_bag_init(&b, OPENED_BY_HAND, "cache(memory://, " SILENT ")");
    set("k", "one");
    follow(&first, &second, SOURCE);
    ck_assert_int_eq(first.status, KEEL_TIMEOUT);
    expect_read(&second, "one");
    opened_bag_cleanup(&b);
}
END_TEST

/* Else a hundred who wait ask a source that does not answer one after the other. */
START_TEST(who_follows_one_that_had_time_enough_fails_with_it)
{
    reader first = { .time_ns = 101 * KEEL_MS }, second = { .time_ns = 0 };

    opened_bag_init(&b, OPENED_BY_HAND, "cache(memory://, " SILENT ")");
    set("k", "one");
    follow(&first, &second, SOURCE);
    pthread_join(second.thread, NULL);
    ck_assert_int_eq(second.status, KEEL_TIMEOUT);
    opened_bag_cleanup(&b);
}
END_TEST

/* The inner cache has it stale. */
static const struct {
    const char *reason;
    uint32_t first, second;
    uint32_t marks; /* of what the second is told */
} wishes[] = {
    { "a stale answer is for who wants one", 0, KEEL_BAG_NO_STALE, 0 },
    { "a failure is for who wants no stale answer", KEEL_BAG_NO_STALE, 0, 0 },
    { "and for who wants it tried once", KEEL_BAG_NO_STALE | KEEL_BAG_NO_RETRY,
      KEEL_BAG_NO_STALE, 0 },
    { "those who wish the same are told the same", 0, 0,
      KEEL_BAG_FROM_CACHE | KEEL_BAG_STALE },
    { "and a time is told to whoever wants it", 0, KEEL_BAG_WANT_TTL,
      KEEL_BAG_FROM_CACHE | KEEL_BAG_STALE },
};

START_TEST(who_wishes_otherwise_is_told_nothing_but_what_all_are)
{
    reader first = { .wishes = wishes[_i].first },
           second = { .wishes = wishes[_i].second };

    opened_bag_init(&b, OPENED_BY_HAND,
                    "cache{ttl=1s}(memory://, cache{ttl=1s; stale=60s}(memory://, "
                    "" SILENT "))");
    opened_bag_tell(&b, "cache.source.source", "fault off");
    set("k", "one");
    expect_text("k", "one", 0);
    opened_bag_tell(&b, "cache.source.source", "fault on");
    b.now_ms += 2000;
    follow(&first, &second, "cache.source.source");
    expect_read(&second, "one");
    ck_assert_uint_eq(second.marks, wishes[_i].marks);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(who_has_waited_long_enough_asks_alone)
{
    reader first = { .cancel = NULL }, second = { .cancel = NULL };

    opened_bag_init(&b, OPENED_BY_HAND,
                    "cache{wait=50ms}(memory://, "
                    "fault{p=100%; kind=latency; latency=100ms; max=1; verbs=get}"
                    "(log(memory://)))");
    set("k", "one");
    start(&first);
    vclock_await_waiters(&b.o.clock, 1);
    start(&second);
    vclock_await_waiters(&b.o.clock, 2);
    vclock_advance(&b.o.clock, 50 * KEEL_MS);
    expect_read(&second, "one");
    vclock_advance(&b.o.clock, 50 * KEEL_MS);
    expect_read(&first, "one");
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(while_one_asks_others_have_the_stale_item_at_once)
{
    reader first = { .cancel = NULL };

    opened_bag_init(&b, OPENED_BY_HAND,
                    "cache{ttl=60s; stale=60s; jitter=0%; revalidate=stale}(memory://, "
                    "" SLOW ")");
    set("k", "one");
    opened_bag_tell(&b, SOURCE, "fault off");
    expect_text("k", "one", 0);
    opened_bag_tell(&b, SOURCE, "fault on");
    b.now_ms += 60000;
    start(&first);
    vclock_await_waiters(&b.o.clock, 1);
    expect_text("k", "one", KEEL_BAG_FROM_CACHE | KEEL_BAG_STALE);
    vclock_advance(&b.o.clock, 100 * KEEL_MS);
    expect_read(&first, "one");
    ck_assert_uint_eq(first.marks, 0);
    expect_text("k", "one", KEEL_BAG_FROM_CACHE);
    opened_bag_cleanup(&b);
}
END_TEST

/* ---- opening ------------------------------------------------------------------------- */

START_TEST(every_allocation_of_opening_may_fail)
{
    opened o;
    long n = 0;

    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    do {
        keel_bag *bag;
        long before = o.memory.live;
        keel_status status;

        o.memory.failed = false;
        o.memory.calls = 0;
        o.memory.fail_at = ++n;
        status = keel_bag_open(&bag, o.rt, "tested",
                               "cache(log(memory://), readonly(memory://))", NULL);
        ck_assert_int_eq(status, o.memory.failed ? KEEL_E_NOMEM : KEEL_OK);
        keel_bag_close(bag);
        ck_assert_int_eq(o.memory.live, before);
    } while (o.memory.failed);
    ck_assert_int_gt(n, 10);
    o.memory.fail_at = 0;
    opened_cleanup(&o);
}
END_TEST

SUITE("cache", 60, ONE(what_was_read_once_is_answered_from_the_cache),
      ONE(after_its_ttl_the_source_is_asked_again),
      ONE(flags_and_expiry_are_those_of_the_source),
      ONE(a_small_buffer_is_told_what_it_needs_from_either),
      ONE(a_value_larger_than_any_room_is_cached_too),
      ONE(a_value_too_large_for_the_cache_is_no_error),
      ONE(who_wants_a_token_or_no_cache_gets_the_source),
      ONE(an_item_of_others_in_the_cache_is_replaced),
      ONE(several_keys_take_one_exchange_each_way_and_are_kept),
      ROWS(what_was_written_is_read_at_once, written),
      ROWS(what_was_written_through_is_read_at_once, written),
      ONE(writing_through_spares_the_source_a_read),
      ONE(that_there_is_none_is_remembered_until_it_is_written),
      ONE(what_the_source_no_longer_has_does_not_come_back_stale),
      { after_a_flush_nothing_comes_from_the_cache, 2 },
      ONE(a_fill_that_lasts_longer_than_entries_live_does_not_win_either),
      ONE(while_the_source_is_away_reads_go_on_until_the_hard_ttl),
      ONE(several_keys_are_answered_stale_while_the_source_is_away),
      ONE(what_a_standby_says_is_not_kept),
      ONE(that_a_standby_has_none_is_not_kept_and_is_told),
      ONE(nor_is_any_of_it_kept_of_several_keys),
      ONE(what_was_good_before_outlasts_what_a_standby_said),
      ONE(an_error_is_never_remembered),
      ONE(errors_of_the_cache_fail_no_read_and_are_counted),
      ONE(a_write_that_the_cache_was_not_told_of_is_seen_all_the_same),
      { doubt_is_never_kept, 3 }, ONE(a_failed_write_leaves_nothing_in_the_cache),
      ONE(a_write_that_was_refused_leaves_the_cache_as_it_is),
      ONE(a_hundred_threads_on_one_miss_cause_one_call),
      ONE(a_hundred_threads_without_a_barrier_cause_one_call),
      ONE(who_follows_one_that_was_cancelled_asks_in_its_place),
      ONE(who_follows_one_that_had_less_time_asks_in_its_place),
      ONE(who_follows_one_that_had_time_enough_fails_with_it),
      ROWS(who_wishes_otherwise_is_told_nothing_but_what_all_are, wishes),
      ONE(who_has_waited_long_enough_asks_alone),
      ONE(while_one_asks_others_have_the_stale_item_at_once),
      ONE(every_allocation_of_opening_may_fail))
