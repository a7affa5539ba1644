/* SPDX-License-Identifier: MIT */
/*
 * The Redis store over real servers: the conformance kit, what lies in Redis afterwards,
 * who shares it, and what a server refuses. Faults of the network are t_redis_faults.c's.
 */
#include <pthread.h>
#include <stdlib.h>

#include "bag/bag.h"
#include "base/clock.h"
#include "net/redis_slot.h"
#include "redis_fixture.h"

/* ---- the kit ------------------------------------------------------------------------- */

static const struct {
    const char *why;
    bool by_socket;
    const char *rest; /* of the URL */
} bags[] = {
    { "enveloped", false, "?allow_flush=on" },
    { "with a prefix", false, "/2?allow_flush=on&prefix=app*:" },
    { "plain strings", false, "?allow_flush=on&raw=on" },
    { "plain, prefixed", false, "?allow_flush=on&raw=on&prefix=p:" },
    { "by a unix socket", true, "?allow_flush=on&db=3" },
    { "one connection", false, "?allow_flush=on&connections=1" },
    { "it keeps all", false, "?allow_flush=on&evicts=off" },
};

START_TEST(the_kit_passes)
{
    char at[256], command[600];

    if (bags[_i].by_socket)
        snprintf(at, sizeof at, "%s", server.socket);
    else
        snprintf(at, sizeof at, "127.0.0.1:%u", server.port);
    snprintf(command, sizeof command, "./keel-conform --quiet 'redis://%s%s'", at,
             bags[_i].rest);
    ck_assert_msg(system(command) == 0, "%s: %s", bags[_i].why, command);
}
END_TEST

/* ---- what lies there ----------------------------------------------------------------- */

START_TEST(raw_items_are_plain_strings)
{
    open_at(server.port, "?raw=on&prefix=p:");
    EXPECT(KEEL_OK, set_text("ours", "mine"));
    ck_assert_str_eq(raw("GET %s", "p:ours"), "mine");
    ck_assert_str_eq(raw("SET %s %s", "p:theirs", "yours"), "OK");
    EXPECT(KEEL_OK, get_text("theirs"));
    ck_assert_str_eq(value, "yours");
}
END_TEST

START_TEST(raw_items_tell_when_they_expire_as_others_set_it)
{
    open_at(server.port, "?raw=on");
    ck_assert_str_eq(raw("SET %s x PXAT %s", "k", "4102444800123"), "OK");
    EXPECT(KEEL_OK, get_wishing("k", KEEL_BAG_WANT_TTL));
    ck_assert_int_eq(item.expires_at_ms, 4102444800123);
    ck_assert_str_eq(value, "x");
    ck_assert_str_eq(raw("PERSIST %s", "k"), "1");
    EXPECT(KEEL_OK, get_wishing("k", KEEL_BAG_WANT_TTL));
    ck_assert_int_eq(item.expires_at_ms, 0);
    EXPECT(KEEL_NOT_FOUND, get_wishing("none", KEEL_BAG_WANT_TTL));
}
END_TEST

START_TEST(what_is_not_keels_is_damaged_and_not_missing)
{
    open_at(server.port, "");
    ck_assert_str_eq(raw("SET %s %s", "k", "some text of another client"), "OK");
    EXPECT(KEEL_CORRUPT, get_text("k"));
    EXPECT(KEEL_CORRUPT, keel_bag_append(bag, "k", "x", 1, NULL, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_str_eq(raw("GET %s", "k"), "some text of another client");
    ck_assert_str_eq(raw("SET %s %s", "short", "kb1:"), "OK");
    EXPECT(KEEL_CORRUPT, get_text("short"));
    EXPECT(KEEL_CORRUPT, keel_bag_touch(bag, "short", NULL, &why));
    ck_assert_str_eq(raw("LPUSH %s %s", "list", "x"), "1");
    EXPECT(KEEL_CORRUPT, get_text("list"));
    EXPECT(KEEL_OK, set_text("k", "ours now"));
    EXPECT(KEEL_OK, get_text("k"));
}
END_TEST

START_TEST(redis_expires_them_by_itself)
{
    const keel_bag_options options = { .size = sizeof options,
                                       .ttl = keel_ttl_until_ms(4102444800123) };

    open_at(server.port, "");
    EXPECT(KEEL_OK, keel_bag_set(bag, "k", "x", 1, &options, &why));
    ck_assert_str_eq(raw("PEXPIRETIME %s", "k"), "4102444800123");
    EXPECT(KEEL_OK, keel_bag_append(bag, "k", "y", 1, NULL, &why));
    ck_assert_str_eq(raw("PEXPIRETIME %s", "k"), "4102444800123");
    EXPECT(KEEL_OK, keel_bag_prepend(bag, "k", "y", 1, NULL, &why));
    ck_assert_str_eq(raw("PEXPIRETIME %s", "k"), "4102444800123");
    EXPECT(KEEL_OK, keel_bag_touch(bag, "k", NULL, &why));
    ck_assert_str_eq(raw("PEXPIRETIME %s", "k"), "-1");
    EXPECT(KEEL_OK, get_wishing("k", KEEL_BAG_WANT_TTL));
    ck_assert_int_eq(item.expires_at_ms, 0);
    ck_assert_str_eq(value, "yxy");
}
END_TEST

START_TEST(a_token_is_the_writes_own_and_told_in_each_way)
{
    keel_bag_token token, seen;
    keel_bag_options options = { .size = sizeof options, .token = &token };
    uint64_t number;

    open_at(server.port, "");
    EXPECT(KEEL_OK, keel_bag_set(bag, "k", "1", 1, &options, &why));
    EXPECT(KEEL_OK, get_wishing("k", KEEL_BAG_WANT_TOKEN));
    ck_assert_mem_eq(&token, &item.token, 1 + token.length);
    seen = token;
    EXPECT(KEEL_OK, keel_bag_incr(bag, "k", 1, &number, &options, &why));
    EXPECT(KEEL_OK, get_wishing("k", KEEL_BAG_WANT_TOKEN));
    ck_assert_mem_eq(&token, &item.token, 1 + token.length);
    ck_assert_mem_ne(&token, &seen, sizeof token);
}
END_TEST

/* As a decorator does it, which repeats writes and has to know its own again. */
static keel_status store_as(uint64_t nonce, keel_bag_token *fresh)
{
    const keel_bag_op op = { .size = sizeof op,
                             .deadline_at_ns = keel_now(o.rt) + KEEL_S,
                             .nonce = nonce };
    const keel_bag_put put = { .size = sizeof put, .value = { "x", 1 } };

    return bag->root.ops->store(bag->root.state, &op, (keel_bytes){ "k", 1 }, &put,
                                fresh, &why);
}

static uint64_t nonce_found(void)
{
    uint64_t found = 0;
    const keel_bag_op op = { .size = sizeof op,
                             .deadline_at_ns = keel_now(o.rt) + KEEL_S,
                             .nonce_found = &found };

    item = (keel_bag_item){ .size = sizeof item };
    EXPECT(KEEL_OK, bag->root.ops->get(bag->root.state, &op, (keel_bytes){ "k", 1 },
                                       &item, &why));
    return found;
}

START_TEST(a_write_is_known_again_by_its_nonce)
{
    keel_bag_token first, second;

    open_at(server.port, "");
    EXPECT(KEEL_OK, store_as(0x0123456789abcdef, &first));
    ck_assert_uint_eq(nonce_found(), 0x0123456789abcdef);
    EXPECT(KEEL_OK, store_as(0, &first));
    EXPECT(KEEL_OK, store_as(0, &second));
    ck_assert_mem_ne(&first, &second, sizeof first);
}
END_TEST

static unsigned sum;

static bool count_key(const char *key, void *ctx)
{
    const char *prefix = ctx;

    ck_assert_int_eq(strncmp(key, prefix, strlen(prefix)), 0);
    sum++;
    return true;
}

static unsigned scan_all(const char *prefix)
{
    keel_bag_cursor cursor = { .length = 0 };

    sum = 0;
    while (!cursor.is_at_end)
        EXPECT(KEEL_OK, keel_bag_scan(bag, &cursor, count_key,
                                      (void *)(uintptr_t)prefix, NULL, &why));
    return sum;
}

START_TEST(scan_and_flush_touch_nothing_beside_the_prefix)
{
    open_at(server.port, "?prefix=a*%5B1%5D:&allow_flush=on");
    EXPECT(KEEL_OK, set_text("k", "x"));
    ck_assert_str_eq(raw("SET %s %s", "ab1:other", "x"), "OK");
    ck_assert_str_eq(raw("SET %s %s", "a*[1]other", "x"), "OK");
    ck_assert_str_eq(raw("SET %s %s", "a*[1]:no key", "x"), "OK");
    ck_assert_str_eq(raw("LPUSH %s %s", "a*[1]:list", "x"), "1");
    ck_assert_uint_eq(scan_all("k"), 1);
    EXPECT(KEEL_OK, keel_bag_flush(bag, NULL, &why));
    EXPECT(KEEL_NOT_FOUND, get_text("k"));
    ck_assert_str_eq(raw("GET %s", "ab1:other"), "x");
    ck_assert_str_eq(raw("GET %s", "a*[1]other"), "x");
    ck_assert_str_eq(raw("TYPE %s", "a*[1]:list"), "list");
}
END_TEST

START_TEST(flush_deletes_thousands)
{
    open_at(server.port, "?prefix=a:&allow_flush=on");
    ck_assert_str_eq(raw("EVAL %s 0", "for i = 1, 5000 do redis.call('SET', 'a:' .. i, "
                                      "'x') end return 'done'"),
                     "done");
    ck_assert_uint_ge(scan_all(""), 5000);
    EXPECT(KEEL_OK, keel_bag_flush(bag, NULL, &why));
    ck_assert_str_eq(raw("DBSIZE"), "0");
}
END_TEST

/* ---- many at once -------------------------------------------------------------------- */

enum { MANY = 300 };

static keel_bag_item many[MANY];
static char texts[MANY][16], names[MANY][16];
static const char *keys[MANY];
static keel_status statuses[MANY];

/* Every third is not there. */
static void expect_many(void)
{
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "many-%d", i);
        keys[i] = names[i];
        many[i] = (keel_bag_item){ .size = sizeof many[i],
                                   .buffer = texts[i],
                                   .capacity = sizeof texts[i] };
        if (i % 3)
            EXPECT(KEEL_OK, set_text(names[i], names[i]));
    }
    EXPECT(KEEL_OK, keel_bag_get_many(bag, keys, many, statuses, MANY, NULL, &why));
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(statuses[i], i % 3 ? KEEL_OK : KEEL_NOT_FOUND);
        ck_assert(i % 3 == 0 || (many[i].length == strlen(names[i]) &&
                                 !memcmp(texts[i], names[i], many[i].length)));
    }
}

static const char *const ways[] = { "", "?prefix=p:", "?raw=on", "?raw=on&prefix=p:" };

START_TEST(many_keys_have_an_answer_each)
{
    open_at(server.port, ways[_i]);
    expect_many();
}
END_TEST

START_TEST(values_are_as_large_as_the_spec_allows)
{
    enum { SIZE = 20 << 20 };
    char *large = malloc(SIZE), *back = malloc(SIZE);
    keel_bag_item got = { .size = sizeof got, .buffer = back, .capacity = SIZE };

    ck_assert(large && back);
    memset(large, 'x', SIZE);
    open_at(server.port, "?value_max=20MiB");
    EXPECT(KEEL_OK, keel_bag_set(bag, "k", large, SIZE, NULL, &why));
    EXPECT(KEEL_OK, keel_bag_get(bag, "k", &got, NULL, &why));
    ck_assert_uint_eq(got.length, SIZE);
    ck_assert_int_eq(memcmp(large, back, SIZE), 0);
    EXPECT(KEEL_E_TOO_LARGE, keel_bag_set(bag, "k", large, SIZE + 1, NULL, &why));
    free(large);
    free(back);
}
END_TEST

/* ---- numbers ------------------------------------------------------------------------- */

#define MOST "18446744073709551615"

static const struct {
    const char *why, *before;
    bool down;
    uint64_t by;
    const char *after; /* NULL: it is no number */
} sums[] = {
    { "from nothing", "0", false, 1, "1" },
    { "a carry between the halves", "9999999999", false, 1, "10000000000" },
    { "a borrow between them", "10000000000", true, 1, "9999999999" },
    { "2^53 is exact", "9007199254740992", false, 1, "9007199254740993" },
    { "past the largest", MOST, false, 1, "0" },
    { "twice the largest", MOST, false, UINT64_MAX, "18446744073709551614" },
    { "wraps with a borrow", "18446744070000000000", false, 10000000000, "6290448384" },
    { "below nothing", "5", true, 6, "0" },
    { "to nothing", "5", true, 5, "0" },
    { "by nothing", "007", false, 0, "7" },
    { "blanks behind it", "41  ", false, 1, "42" },
    { "the largest by it", MOST, true, UINT64_MAX, "0" },
    { "larger than the largest", "18446744073709551616", false, 0, NULL },
    { "21 digits", "100000000000000000000", false, 0, NULL },
    { "a sign", "-1", false, 1, NULL },
    { "a blank before it", " 1", false, 1, NULL },
    { "nothing at all", "", false, 1, NULL },
    { "a word", "hi", false, 1, NULL },
    { "a fraction", "1.5", false, 1, NULL },
};

static void expect_sum(size_t row, const char *query)
{
    uint64_t number = 0;
    keel_status wanted = sums[row].after ? KEEL_OK : KEEL_NOT_NUMBER;

    open_at(server.port, query);
    EXPECT(KEEL_OK, set_text("n", sums[row].before));
    EXPECT(wanted, sums[row].down
                       ? keel_bag_decr(bag, "n", sums[row].by, &number, NULL, &why)
                       : keel_bag_incr(bag, "n", sums[row].by, &number, NULL, &why));
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_msg(!strcmp(value, sums[row].after ? sums[row].after : sums[row].before),
                  "%s: %s", sums[row].why, value);
    if (sums[row].after)
        ck_assert_uint_eq(number, strtoull(sums[row].after, NULL, 10));
}

START_TEST(numbers_have_64_bits)
{
    expect_sum((size_t)_i, "");
    expect_sum((size_t)_i, "?raw=on");
}
END_TEST

START_TEST(a_script_that_the_server_forgot_is_sent_and_runs_once)
{
    uint64_t number;

    open_at(server.port, "");
    EXPECT(KEEL_OK, set_text("n", "0"));
    for (uint64_t i = 1; i <= 3; i++) {
        EXPECT(KEEL_OK, keel_bag_incr(bag, "n", 1, &number, NULL, &why));
        ck_assert_uint_eq(number, i);
        ck_assert_str_eq(raw("SCRIPT FLUSH"), "OK");
    }
}
END_TEST

/* ---- what a server refuses ----------------------------------------------------------- */

START_TEST(a_replica_is_read_only)
{
    test_redis replica;

    ck_assert(test_redis_start_replica(&replica, &server));
    open_at(replica.port, "");
    EXPECT(KEEL_READ_ONLY, set_text("k", "x"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    EXPECT(KEEL_READ_ONLY, keel_bag_delete(bag, "k", NULL, &why));
    EXPECT(KEEL_NOT_FOUND, get_text("k"));
    keel_bag_close(bag);
    bag = NULL;
    test_redis_cleanup(&replica);
}
END_TEST

START_TEST(a_full_server_applies_nothing)
{
    open_at(server.port, "");
    EXPECT(KEEL_OK, set_text("k", "old"));
    EXPECT(KEEL_OK, set_text("n", "1"));
    ck_assert_str_eq(raw("CONFIG SET maxmemory %s", "1"), "OK");
    EXPECT(KEEL_FAILED, set_text("k", "new"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_ptr_nonnull(strstr(why.text, "OOM"));
    EXPECT(KEEL_FAILED, keel_bag_append(bag, "k", "x", 1, NULL, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    EXPECT(KEEL_FAILED, keel_bag_incr(bag, "n", 1, NULL, NULL, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    EXPECT(KEEL_OK, get_text("k"));
    ck_assert_str_eq(value, "old");
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_str_eq(value, "1");
}
END_TEST

START_TEST(evicts_off_is_held_against_the_server)
{
    keel_bag_abilities abilities = { .size = sizeof abilities };

    open_at(server.port, "?evicts=off");
    ck_assert_int_eq(keel_bag_look(bag, &abilities), KEEL_OK);
    ck_assert(!(abilities.effective & KEEL_MAY_EVICT));
    EXPECT(KEEL_OK, set_text("k", "x"));
    ck_assert_str_eq(raw("CONFIG SET maxmemory %s", "1gb"), "OK");
    ck_assert_str_eq(raw("CONFIG SET maxmemory-policy %s", "allkeys-lru"), "OK");
    open_at(server.port, "?evicts=off");
    EXPECT(KEEL_FAILED, set_text("k", "y"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_ptr_nonnull(strstr(why.text, "noeviction"));
    open_at(server.port, "");
    ck_assert_int_eq(keel_bag_look(bag, &abilities), KEEL_OK);
    ck_assert(abilities.effective & KEEL_MAY_EVICT);
    EXPECT(KEEL_OK, set_text("k", "y"));
}
END_TEST

START_TEST(passwords_are_used_and_never_told)
{
    static const char *const environment[] = { "KEEL_BAG_SECRET=open sesame", NULL };
    char spec[256], told[256];
    opened other;
    keel_bag *locked;

    ck_assert_str_eq(raw("CONFIG SET requirepass %s", "open sesame"), "OK");
    open_at(server.port, "");
    EXPECT(KEEL_FAILED, set_text("k", "x"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);

    opened_init(&other, OPENED_REAL, environment, NULL);
    snprintf(spec, sizeof spec, "redis://127.0.0.1:%u?password_env=KEEL_BAG_SECRET",
             server.port);
    EXPECT(KEEL_OK, keel_bag_open(&locked, other.rt, "locked", spec, &why));
    EXPECT(KEEL_OK, keel_bag_set(locked, "k", "x", 1, NULL, &why));
    keel_bag_close(locked);
    snprintf(spec, sizeof spec, "redis://:wrong-one@127.0.0.1:%u", server.port);
    EXPECT(KEEL_OK, keel_bag_open(&locked, other.rt, "locked", spec, &why));
    EXPECT(KEEL_FAILED, keel_bag_set(locked, "k", "x", 1, NULL, &why));
    ck_assert_ptr_null(strstr(why.text, "wrong-one"));
    keel_bag_describe(locked, told, sizeof told);
    ck_assert_ptr_null(strstr(told, "wrong-one"));
    keel_bag_close(locked);
    opened_cleanup(&other);
}
END_TEST

static const struct {
    const char *spec, *says;
} wrong[] = {
    { "redis://", "neither a host nor the path of a unix socket" },
    { "redis://h/x", "the database" },
    { "redis+sentinel://h", "master's name" },
    { "<redis+cluster://a:1,b:2?db=4>", "only database 0" },
    { "<redis+cluster://a:1,b:99999>", "port" },
    { "redis://h?conections=4", "connections" },
    { "redis://h?connections=0", "connections is 1 to 256" },
};

START_TEST(what_is_wrong_with_a_spec_is_said_when_it_is_opened)
{
    EXPECT(KEEL_E_CONFIG, try_to_open(wrong[_i].spec));
    ck_assert_msg(strstr(why.text, wrong[_i].says) != NULL, "%s: %s", wrong[_i].spec,
                  why.text);
}
END_TEST

START_TEST(several_hosts_are_told_without_the_password)
{
    char told[256];

    open_spec("<redis+cluster://me:secret@a:1,[::1]:2?connections=4>");
    keel_bag_describe(bag, told, sizeof told);
    ck_assert_str_eq(told, "<redis+cluster://me@a:1,[::1]:2/?connections=4>");
}
END_TEST

/* ---- several servers ----------------------------------------------------------------- */

START_TEST(a_cluster_is_one_bag)
{
    test_redis_cluster cluster;
    uint64_t number;
    char spec[256];

    ck_assert(test_redis_cluster_start(&cluster));
    snprintf(spec, sizeof spec,
             "<redis+cluster://127.0.0.1:%u,127.0.0.1:%u?allow_flush=on&prefix=p:>",
             cluster.nodes[1].port, cluster.nodes[0].port);
    open_spec(spec);
    expect_many();
    expect_many(); /* by now it is known who has which slot */
    EXPECT(KEEL_OK, set_text("n", "41"));
    EXPECT(KEEL_OK, keel_bag_incr(bag, "n", 1, &number, NULL, &why));
    ck_assert_uint_eq(number, 42);
    open_spec(spec);
    ck_assert_uint_ge(scan_all(""), MANY / 3 * 2 + 1);
    EXPECT(KEEL_OK, keel_bag_flush(bag, NULL, &why));
    ck_assert_uint_eq(scan_all(""), 0);
    keel_bag_close(bag);
    bag = NULL;
    test_redis_cluster_cleanup(&cluster);
}
END_TEST

static void set_slot(const test_redis *node, uint32_t slot, const char *how,
                     const char *id)
{
    redisReply *reply = test_redis_ask(node, "CLUSTER SETSLOT %u %s %s", slot, how, id);

    ck_assert(reply && reply->type == REDIS_REPLY_STATUS);
    freeReplyObject(reply);
}

/* state: "begin" or "end" */
static void move_slot(const test_redis_cluster *c, const char *state, unsigned from,
                      unsigned to, uint32_t slot)
{
    char ids[2][64];
    const unsigned who[] = { from, to };

    for (int i = 0; i < 2; i++) {
        redisReply *id = test_redis_ask(&c->nodes[who[i]], "CLUSTER MYID");

        ck_assert(id && id->type == REDIS_REPLY_STRING);
        snprintf(ids[i], sizeof ids[i], "%s", id->str);
        freeReplyObject(id);
    }
    if (!strcmp(state, "begin")) {
        set_slot(&c->nodes[to], slot, "IMPORTING", ids[0]);
        set_slot(&c->nodes[from], slot, "MIGRATING", ids[1]);
        return;
    }
    set_slot(&c->nodes[to], slot, "NODE", ids[1]);
    set_slot(&c->nodes[from], slot, "NODE", ids[1]);
}

START_TEST(a_slot_that_moves_is_followed)
{
    test_redis_cluster cluster;
    const uint32_t slot = keel_redis_slot(keel_text_of("m"));
    unsigned from = 0, to;
    uint64_t number;
    char spec[256];

    ck_assert(test_redis_cluster_start(&cluster));
    for (unsigned i = 0; i < TEST_REDIS_NODES; i++) {
        redisReply *reply = test_redis_ask(&cluster.nodes[i], "EXISTS m");

        from = reply && reply->type == REDIS_REPLY_INTEGER ? i : from;
        freeReplyObject(reply);
    }
    to = (from + 1) % TEST_REDIS_NODES;
    snprintf(spec, sizeof spec, "redis+cluster://127.0.0.1:%u",
             cluster.nodes[from].port);
    open_spec(spec);
    EXPECT(KEEL_NOT_FOUND, get_text("m"));
    move_slot(&cluster, "begin", from, to, slot);
    EXPECT(KEEL_OK, set_text("m", "1")); /* ASK: it is not here any more */
    EXPECT(KEEL_OK, keel_bag_incr(bag, "m", 1, &number, NULL, &why));
    move_slot(&cluster, "end", from, to, slot);
    EXPECT(KEEL_OK, keel_bag_incr(bag, "m", 1, &number, NULL, &why)); /* MOVED */
    ck_assert_uint_eq(number, 3);
    EXPECT(KEEL_OK, get_text("m"));
    keel_bag_close(bag);
    bag = NULL;
    test_redis_cluster_cleanup(&cluster);
}
END_TEST

START_TEST(sentinels_lead_to_the_master)
{
    test_redis sentinel, replica;
    char spec[256];
    keel_status status;

    ck_assert(test_redis_start_replica(&replica, &server));
    ck_assert(test_redis_start_sentinel(&sentinel, &server, "mymaster", 300));
    snprintf(spec, sizeof spec, "<redis+sentinel://127.0.0.1:%u,127.0.0.1:%u/mymaster>",
             sentinel.port, sentinel.port);
    open_spec(spec);
    EXPECT(KEEL_OK, set_text("k", "x"));
    ck_assert_str_eq(raw("EXISTS %s", "k"), "1");
    test_redis_stop(&server);
    do
        status = set_text("k", "y"); /* until another has taken its place */
    while (status != KEEL_OK);
    keel_bag_close(bag);
    bag = NULL;
    test_redis_cleanup(&sentinel);
    test_redis_cleanup(&replica);
}
END_TEST

/* ---- connections --------------------------------------------------------------------- */

static void *increment(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(keel_bag_incr(bag, "n", 1, NULL, NULL, NULL), KEEL_OK);
    return NULL;
}

START_TEST(many_threads_share_a_few_connections)
{
    pthread_t threads[8];
    proxy *between = proxy_start(server.port);

    ck_assert_ptr_nonnull(between);
    open_at(proxy_port(between), "?connections=2");
    EXPECT(KEEL_OK, set_text("n", "0"));
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, increment, NULL), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_str_eq(value, "1600");
    ck_assert_uint_le(proxy_accepted(between), 2);
    keel_bag_close(bag);
    bag = NULL;
    proxy_stop(between);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ROWS(the_kit_passes, bags),
        ONE(raw_items_are_plain_strings),
        ONE(raw_items_tell_when_they_expire_as_others_set_it),
        ONE(what_is_not_keels_is_damaged_and_not_missing),
        ONE(redis_expires_them_by_itself),
        ONE(a_token_is_the_writes_own_and_told_in_each_way),
        ONE(a_write_is_known_again_by_its_nonce),
        ONE(scan_and_flush_touch_nothing_beside_the_prefix),
        ONE(flush_deletes_thousands),
        ROWS(many_keys_have_an_answer_each, ways),
        ONE(values_are_as_large_as_the_spec_allows),
        ROWS(numbers_have_64_bits, sums),
        ONE(a_script_that_the_server_forgot_is_sent_and_runs_once),
        ONE(a_replica_is_read_only),
        ONE(a_full_server_applies_nothing),
        ONE(evicts_off_is_held_against_the_server),
        ONE(passwords_are_used_and_never_told),
        ROWS(what_is_wrong_with_a_spec_is_said_when_it_is_opened, wrong),
        ONE(several_hosts_are_told_without_the_password),
        ONE(a_cluster_is_one_bag),
        ONE(a_slot_that_moves_is_followed),
        ONE(sentinels_lead_to_the_master),
        ONE(many_threads_share_a_few_connections),
    };

    if (!test_redis_is_installed())
        return 77;
    return suite_run_in("bag redis", 60, start, stop, tests,
                        sizeof tests / sizeof tests[0]);
}
