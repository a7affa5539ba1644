/* SPDX-License-Identifier: MIT */
/*
 * What Redis and the network can do to a fleet, each fault on a real server with real
 * members. Whatever it is: while it lasts no call notices, breakers trip here, and
 * nothing that was open is closed; once it is over the members are one again. Not for
 * many faults at once: that is chaos.c.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "call/pipeline.h"
#include "policy/fleet.h"
#include "support/comes.h"
#include "support/opened.h"
#include "support/proxy.h"
#include "support/redis.h"
#include "support/suite.h"

enum { MEMBERS = 2, FAULT_MS = 300 };

#define COMMON                                                                         \
    "none; breaker.min_calls=8; breaker.open_jitter=0; breaker.half_open_permits=2;"   \
    "breaker.half_open_failures=0; breaker.lease=1s; share.trip=any; deadline=10s;"

/*
 * payments  healthy while the fault lasts, then tripped by one member
 * ledger    open since before, for an hour
 * mail      open since before, for a moment
 */
#define PAYMENTS COMMON "breaker.open=1h"
#define LEDGER COMMON "breaker.open=1h"
#define MAIL COMMON "breaker.open=200ms; breaker.open_max=200ms"

typedef struct member {
    opened opened;
    keel_pipeline *ledger;
    keel_pipeline *mail;
    _Atomic unsigned ledger_closed;
} member;

static test_redis redis;
static proxy *between; /* NULL: none */
static member members[MEMBERS];
static char url[SPAWNED_PATH_SIZE + 32];
static const char *environment[] = { url, NULL };

/* ---- members ------------------------------------------------------------------------ */

static keel_breaker_state state_of(keel_pipeline *pipeline)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    ck_assert_int_eq(keel_pipeline_look(pipeline, &stats), KEEL_OK);
    return stats.state;
}

static keel_breaker_state fleet_says(const keel_pipeline *pipeline)
{
    const keel_fleet_words *words = atomic_load(&pipeline->plan)->breaker.fleet;

    return keel_fleet_view_state(atomic_load(&words->view));
}

/* What the fleet says is known here a moment before it is done. */
static bool is_open_like_the_fleet(keel_pipeline *pipeline)
{
    return fleet_says(pipeline) == KEEL_BREAKER_OPEN &&
           state_of(pipeline) == KEEL_BREAKER_OPEN;
}

static uint64_t epoch_of(const keel_pipeline *pipeline)
{
    const keel_fleet_words *words = atomic_load(&pipeline->plan)->breaker.fleet;

    return keel_fleet_view_epoch(atomic_load(&words->view));
}

static void watch(const keel_event *event, void *ctx)
{
    member *m = ctx;

    if (event->type == KEEL_EVENT_TRANSITION && event->to == KEEL_BREAKER_CLOSED &&
        strcmp(event->pipeline, "ledger") == 0)
        atomic_fetch_add(&m->ledger_closed, 1);
}

static void member_init(member *m)
{
    opened_init(&m->opened, OPENED_REAL, environment, PAYMENTS);
    atomic_init(&m->ledger_closed, 0);
    ck_assert_int_eq(keel_events_listen(m->opened.rt, watch, m), KEEL_OK);
    ck_assert_int_eq(
        keel_pipeline_open(&m->ledger, m->opened.rt, "ledger", LEDGER, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_open(&m->mail, m->opened.rt, "mail", MAIL, NULL),
                     KEEL_OK);
}

static void member_cleanup(member *m)
{
    uint64_t begun;

    keel_pipeline_close(m->ledger);
    keel_pipeline_close(m->mail);
    begun = now_ns();
    opened_cleanup(&m->opened);
    ck_assert_uint_lt(now_ns() - begun, 5 * KEEL_S);
}

static keel_status call(keel_pipeline *pipeline, keel_status status)
{
    keel_call call;

    keel_call_begin(&call, pipeline, NULL);
    while (keel_call_next(&call))
        keel_call_report(&call, status);
    return keel_call_end(&call, NULL);
}

/* However many good ones there were before. */
static void trip(keel_pipeline *pipeline)
{
    for (unsigned i = 0; i < 10000 && state_of(pipeline) == KEEL_BREAKER_CLOSED; i++)
        call(pipeline, KEEL_FAILED);
    ck_assert_int_eq(state_of(pipeline), KEEL_BREAKER_OPEN);
}

static void join(void)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        member_init(&members[i]);
    for (unsigned i = 0; i < MEMBERS; i++) {
        COMES(epoch_of(members[i].ledger));
        COMES(epoch_of(members[i].mail));
        COMES(epoch_of(members[i].opened.pipeline));
    }
    trip(members[0].ledger);
    trip(members[1].mail);
    for (unsigned i = 0; i < MEMBERS; i++) {
        COMES(is_open_like_the_fleet(members[i].ledger));
        COMES(fleet_says(members[i].mail) != KEEL_BREAKER_CLOSED);
    }
}

static void leave(void)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        member_cleanup(&members[i]);
}

/* ---- what must hold ----------------------------------------------------------------- */

static void ledger_is_open(void)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        ck_assert_int_eq(state_of(members[i].ledger), KEEL_BREAKER_OPEN);
        ck_assert_uint_eq(atomic_load(&members[i].ledger_closed), 0);
    }
}

/* A call that fails now and then keeps the relays talking. */
static void nobody_notices(uint64_t length_ns)
{
    uint64_t until = now_ns() + length_ns;

    for (unsigned n = 0; now_ns() < until; n++) {
        for (unsigned i = 0; i < MEMBERS; i++)
            ck_assert_int_eq(call(members[i].opened.pipeline, KEEL_OK), KEEL_OK);
        if (n % 60 == 0)
            ck_assert_int_eq(call(members[n % MEMBERS].opened.pipeline, KEEL_FAILED),
                             KEEL_FAILED);
        ledger_is_open();
        a_moment();
    }
}

static void who_comes_and_goes_is_not_held_up(void)
{
    static member third;

    member_init(&third);
    ck_assert_int_eq(call(third.opened.pipeline, KEEL_OK), KEEL_OK);
    member_cleanup(&third);
}

static bool mail_recovers(void)
{
    bool is_closed = true;

    for (unsigned i = 0; i < MEMBERS; i++) {
        call(members[i].mail, KEEL_OK);
        is_closed = is_closed && state_of(members[i].mail) == KEEL_BREAKER_CLOSED &&
                    fleet_says(members[i].mail) == KEEL_BREAKER_CLOSED;
    }
    return is_closed;
}

static void one_trips_by_itself(void)
{
    trip(members[0].opened.pipeline);
}

static void all_are_one_again(const char *what)
{
    uint64_t begun = now_ns(), one;

    COMES(is_open_like_the_fleet(members[1].opened.pipeline));
    one = now_ns() - begun;
    COMES(mail_recovers());
    ck_assert_int_eq(state_of(members[1].opened.pipeline), KEEL_BREAKER_OPEN);
    ledger_is_open();
    printf("%-44s %6.1f ms, recovered in %6.1f ms\n", what, (double)one / KEEL_MS,
           (double)(now_ns() - begun) / KEEL_MS);
}

static void play(const char *what, void (*begin)(void), void (*end)(void))
{
    join();
    begin();
    nobody_notices(FAULT_MS * KEEL_MS);
    who_comes_and_goes_is_not_held_up();
    one_trips_by_itself();
    end();
    all_are_one_again(what);
    leave();
}

/* ---- what befalls the server -------------------------------------------------------- */

static void ask(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void ask(const char *format, ...)
{
    redisContext *c = test_redis_connect(&redis);
    redisReply *reply;
    va_list arguments;

    ck_assert_ptr_nonnull(c);
    va_start(arguments, format);
    reply = redisvCommand(c, format, arguments);
    va_end(arguments);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", format, reply->str);
    freeReplyObject(reply);
    redisFree(c);
}

static void passes(void)
{
}

static void dies(void)
{
    test_redis_stop(&redis);
}

static void is_back(void)
{
    ck_assert(test_redis_restart(&redis));
}

static void freezes(void)
{
    test_redis_freeze(&redis);
}

static void thaws(void)
{
    test_redis_thaw(&redis);
}

static void is_flushed(void)
{
    ask("FLUSHALL");
}

static void forgets_scripts(void)
{
    ask("SCRIPT FLUSH");
}

static void is_full(void)
{
    ask("CONFIG SET maxmemory 1");
}

static void has_room(void)
{
    ask("CONFIG SET maxmemory 0");
}

/* Of nobody who could be reached, so that it keeps its data. */
static void is_replica(void)
{
    ask("REPLICAOF 127.0.0.1 1");
}

static void is_master(void)
{
    ask("REPLICAOF NO ONE");
}

static void forbids_scripts(void)
{
    ask("ACL SETUSER default -eval -evalsha");
}

static void forbids_what_scripts_do(void)
{
    ask("ACL SETUSER default -zadd");
}

static void forbids_claims(void)
{
    ask("ACL SETUSER default -zrangebyscore");
}

static void forbids_keys(void)
{
    ask("ACL SETUSER default resetkeys ~other:*");
}

static void forbids_channels(void)
{
    ask("ACL SETUSER default resetchannels");
}

static void forbids_nothing(void)
{
    ask("ACL SETUSER default +@all allkeys allchannels");
}

static void hangs_up(void)
{
    ask("CLIENT KILL TYPE normal");
}

static void hangs_up_on_listeners(void)
{
    ask("CLIENT KILL TYPE pubsub");
}

/* What every key holds from now on. */
static void fill_keys(const char *script)
{
    ask("EVAL %s 0", script);
}

static void has_lists_at_all_keys(void)
{
    fill_keys("for _, k in ipairs(redis.call('KEYS', 'keel1:*')) do "
              "redis.call('DEL', k) redis.call('RPUSH', k, 'x') end");
}

static void has_texts_at_all_keys(void)
{
    fill_keys("for _, k in ipairs(redis.call('KEYS', 'keel1:*')) do "
              "redis.call('SET', k, 'x') end");
}

static void has_truncated_values(void)
{
    fill_keys("for _, k in ipairs(redis.call('KEYS', 'keel1:*:b:*')) do "
              "redis.call('SET', k, string.sub(redis.call('GET', k), 1, 40)) end");
}

/* The eight bytes of the number stand behind the header's first eight. */
static void has_a_number_of(const char *bytes)
{
    char script[400];

    snprintf(script, sizeof script,
             "for _, k in ipairs(redis.call('KEYS', 'keel1:*:b:*')) do "
             "local v = redis.call('GET', k) "
             "redis.call('SET', k, string.sub(v, 1, 2) .. '\\0' .. string.sub(v, 4, 8) "
             ".. '%s' .. string.sub(v, 17)) end",
             bytes);
    fill_keys(script);
}

static void has_epoch_2_60(void)
{
    has_a_number_of("\\16\\0\\0\\0\\0\\0\\0\\0");
}

static void has_epoch_2_52(void)
{
    has_a_number_of("\\0\\16\\0\\0\\0\\0\\0\\0");
}

static void has_epoch_0(void)
{
    has_a_number_of("\\0\\0\\0\\0\\0\\0\\0\\0");
}

/* Until long after whoever reads this. */
static void is_open_for_ever(void)
{
    fill_keys(
        "for _, k in ipairs(redis.call('KEYS', 'keel1:*:b:mail')) do "
        "local v = redis.call('GET', k) redis.call('SET', k, string.sub(v, 1, 2) "
        ".. '\\1' .. string.sub(v, 4, 16) .. '\\0\\15\\255\\255\\255\\255\\255\\255'"
        " .. string.sub(v, 25)) end");
}

static void is_kept_by_a_later_keel(void)
{
    fill_keys("redis.call('HSET', 'keel1:{default}:meta', 'min_reader', 2)");
}

static void is_kept_by_ours(void)
{
    fill_keys("redis.call('HSET', 'keel1:{default}:meta', 'min_reader', 1)");
}

static void has_no_numbers_in_meta(void)
{
    fill_keys(
        "redis.call('HSET', 'keel1:{default}:meta', 'tended', 'nan', 'gen', 'x')");
}

/* Other messages than ours on our channel. */
static void is_talkative(void)
{
    for (unsigned i = 0; i < 100; i++) {
        ask("PUBLISH keel1:{default}:ev %s", "nonsense");
        ask("PUBLISH keel1:{default}:ev %s", "v1 0 ledger 1 0 0");
        ask("PUBLISH keel1:{default}:ev %s",
            "v1 00000000000000ff\nledger 1152921504606846976 0 0 0 0 0 0 0");
    }
}

static const struct {
    const char *what;
    void (*begin)(void);
    void (*end)(void);
} server_faults[] = {
    { "none at all", passes, passes },
    { "killed and started again", dies, is_back },
    { "stopped and continued", freezes, thaws },
    { "flushed", is_flushed, passes },
    { "scripts flushed", forgets_scripts, passes },
    { "out of memory", is_full, has_room },
    { "read-only", is_replica, is_master },
    { "scripts forbidden", forbids_scripts, forbids_nothing },
    { "a command of every script forbidden", forbids_what_scripts_do, forbids_nothing },
    { "a command of claims forbidden", forbids_claims, forbids_nothing },
    { "keys forbidden", forbids_keys, forbids_nothing },
    { "channels forbidden", forbids_channels, forbids_nothing },
    { "connections killed", hangs_up, passes },
    { "listening connections killed", hangs_up_on_listeners, passes },
    { "lists at all keys", has_lists_at_all_keys, passes },
    { "texts at all keys", has_texts_at_all_keys, passes },
    { "breakers cut short", has_truncated_values, passes },
    { "closed, with number 2^60", has_epoch_2_60, passes },
    { "closed, with number 2^52", has_epoch_2_52, passes },
    { "closed, with number 0", has_epoch_0, passes },
    { "open for thousands of years", is_open_for_ever, passes },
    { "kept by a later keel for a while", is_kept_by_a_later_keel, is_kept_by_ours },
    { "what is no number", has_no_numbers_in_meta, passes },
    { "messages that are not ours", is_talkative, passes },
};

static void start(void)
{
    ck_assert(test_redis_start(&redis, ""));
    snprintf(url, sizeof url, "KEEL_REDIS=redis://127.0.0.1:%u", redis.port);
}

START_TEST(whatever_befalls_the_server_is_not_noticed_and_passes)
{
    start();
    play(server_faults[_i].what, server_faults[_i].begin, server_faults[_i].end);
    test_redis_cleanup(&redis);
}
END_TEST

enum { UNIX_ROWS = 4 }; /* of the table above, the first ones */

START_TEST(the_same_holds_on_a_unix_socket)
{
    start();
    snprintf(url, sizeof url, "KEEL_REDIS=unix:%s", redis.socket);
    play(server_faults[_i].what, server_faults[_i].begin, server_faults[_i].end);
    test_redis_cleanup(&redis);
}
END_TEST

/* ---- what befalls the network ------------------------------------------------------- */

static const struct {
    const char *what;
    proxy_order order;
} network_faults[] = {
    { "slow by 90 ms", { .fault = PROXY_DELAY, .ms = 90 } },
    { "a byte each millisecond", { .fault = PROXY_DRIP, .ms = 1 } },
    { "half a reply", { .fault = PROXY_CUT } },
    { "reset before", { .fault = PROXY_RESET_BEFORE } },
    { "reset after", { .fault = PROXY_RESET_AFTER } },
    { "garbage", { .fault = PROXY_ANSWER } },
    { "a black hole", { .fault = PROXY_BLACK_HOLE } },
    { "refused", { .fault = PROXY_REFUSE } },
};
static proxy_order order;

static void network_breaks(void)
{
    proxy_set(between, order);
}

static void network_is_back(void)
{
    proxy_do(between, PROXY_FORWARD);
}

static void start_behind_proxy(void)
{
    start();
    between = proxy_start(redis.port);
    ck_assert_ptr_nonnull(between);
    snprintf(url, sizeof url, "KEEL_REDIS=redis://127.0.0.1:%u", proxy_port(between));
}

static void stop_behind_proxy(void)
{
    proxy_stop(between);
    test_redis_cleanup(&redis);
}

START_TEST(whatever_befalls_the_network_is_not_noticed_and_passes)
{
    start_behind_proxy();
    order = network_faults[_i].order;
    play(network_faults[_i].what, network_breaks, network_is_back);
    stop_behind_proxy();
}
END_TEST

/* Logging in is a step more. */
START_TEST(a_server_slow_by_90_ms_is_slow_and_no_less_part_of_the_fleet)
{
    start_behind_proxy();
    ask("CONFIG SET requirepass secret");
    order = (proxy_order){ .fault = PROXY_DELAY, .ms = 90 };
    snprintf(url, sizeof url, "KEEL_REDIS=redis://:secret@127.0.0.1:%u/1",
             proxy_port(between));
    network_breaks();
    play("slow by 90 ms since ever, with a password", passes, passes);
    stop_behind_proxy();
}
END_TEST

/* ---- several servers ---------------------------------------------------------------- */

/* What the old master acknowledged last is nothing that the new one knows. */
START_TEST(a_trip_outlives_a_failover_to_a_replica_that_lags)
{
    static test_redis replica, sentinel;
    static member third;

    start();
    ck_assert(test_redis_start_replica(&replica, &redis));
    ck_assert(test_redis_start_sentinel(&sentinel, &redis, "shop", 500));
    snprintf(url, sizeof url, "KEEL_REDIS=redis+sentinel://127.0.0.1:%u/shop",
             sentinel.port);
    join();
    test_redis_freeze(&replica);
    ask("CLIENT KILL TYPE replica");
    trip(members[0].opened.pipeline);
    COMES(is_open_like_the_fleet(members[1].opened.pipeline));
    dies();
    test_redis_thaw(&replica);
    member_init(&third);
    COMES(state_of(third.opened.pipeline) == KEEL_BREAKER_OPEN);
    COMES(state_of(third.ledger) == KEEL_BREAKER_OPEN);
    ledger_is_open();
    for (unsigned i = 0; i < MEMBERS; i++)
        ck_assert_int_eq(state_of(members[i].opened.pipeline), KEEL_BREAKER_OPEN);
    COMES(mail_recovers());
    member_cleanup(&third);
    leave();
    test_redis_cleanup(&sentinel);
    test_redis_cleanup(&replica);
    test_redis_cleanup(&redis);
}
END_TEST

static const struct {
    const char *what;
    void (*begin)(void);
    void (*end)(void);
} cluster_faults[] = {
    { "a cluster", passes, passes },
    { "a cluster's node killed and started again", dies, is_back },
};

START_TEST(a_cluster_is_a_fleets_server_too)
{
    static test_redis_cluster cluster;
    unsigned node;
    redisReply *slot;

    ck_assert(test_redis_cluster_start(&cluster));
    slot = test_redis_ask(&cluster.nodes[0], "CLUSTER KEYSLOT keel1:{default}:meta");
    node = (unsigned)slot->integer / (16384 / TEST_REDIS_NODES + 1);
    freeReplyObject(slot);
    redis = cluster.nodes[node];
    snprintf(url, sizeof url, "KEEL_REDIS=redis+cluster://127.0.0.1:%u,127.0.0.1:%u",
             cluster.nodes[0].port, cluster.nodes[1].port);
    play(cluster_faults[_i].what, cluster_faults[_i].begin, cluster_faults[_i].end);
    cluster.nodes[node] = redis;
    test_redis_cluster_cleanup(&cluster);
}
END_TEST

/* The next heartbeat would be seconds away. */
START_TEST(a_pipeline_that_is_opened_later_does_not_wait_for_a_heartbeat)
{
    keel_pipeline *later;
    uint64_t begun;

    start();
    member_init(&members[0]);
    COMES(epoch_of(members[0].mail));
    for (begun = now_ns(); now_ns() < begun + 200 * KEEL_MS;)
        a_moment(); /* and now it sleeps */
    begun = now_ns();
    ck_assert_int_eq(
        keel_pipeline_open(&later, members[0].opened.rt, "later", LEDGER, NULL),
        KEEL_OK);
    COMES(epoch_of(later));
    ck_assert_uint_lt(now_ns() - begun, 2 * KEEL_S);
    keel_pipeline_close(later);
    member_cleanup(&members[0]);
    test_redis_cleanup(&redis);
}
END_TEST

/* Longer than a batch is sent again. One failure is a trip, so that it is in the batch
 * that is lost. */
START_TEST(a_trip_that_nobody_could_hear_of_is_told_later)
{
    keel_pipeline *brittle[MEMBERS];

    start_behind_proxy();
    join();
    for (unsigned i = 0; i < MEMBERS; i++) {
        ck_assert_int_eq(keel_pipeline_open(&brittle[i], members[i].opened.rt,
                                            "brittle", LEDGER "; breaker.min_calls=1",
                                            NULL),
                         KEEL_OK);
        COMES(epoch_of(brittle[i]));
    }
    proxy_do(between, PROXY_RESET_BEFORE);
    trip(brittle[0]);
    for (uint64_t until = now_ns() + 6 * KEEL_S; now_ns() < until; a_moment())
        ledger_is_open();
    network_is_back();
    COMES(fleet_says(brittle[1]) == KEEL_BREAKER_OPEN);
    for (unsigned i = 0; i < MEMBERS; i++)
        keel_pipeline_close(brittle[i]);
    leave();
    stop_behind_proxy();
}
END_TEST

SUITE("faults", 90,
      ROWS(whatever_befalls_the_server_is_not_noticed_and_passes, server_faults),
      { the_same_holds_on_a_unix_socket, UNIX_ROWS },
      ROWS(whatever_befalls_the_network_is_not_noticed_and_passes, network_faults),
      ONE(a_server_slow_by_90_ms_is_slow_and_no_less_part_of_the_fleet),
      ONE(a_pipeline_that_is_opened_later_does_not_wait_for_a_heartbeat),
      ONE(a_trip_that_nobody_could_hear_of_is_told_later),
      ONE(a_trip_outlives_a_failover_to_a_replica_that_lags),
      ROWS(a_cluster_is_a_fleets_server_too, cluster_faults))
