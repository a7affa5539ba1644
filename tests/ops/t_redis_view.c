/* SPDX-License-Identifier: MIT */
/*
 * A fleet's Redis as it is seen, locked and followed by one who is no member: with
 * members that run, on a real server, and with a server that lies. What the network
 * brings takes its time, so these tests wait for what must come, and fail if it does not.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "call/pipeline.h"
#include "ops/source.h"
#include "policy/fleet.h"
#include "support/board_file.h"
#include "support/comes.h"
#include "support/opened.h"
#include "support/proxy.h"
#include "support/redis.h"
#include "support/suite.h"

enum { RACERS = 4, ROUNDS = 25, MANY = 150 };

#define BREAKER                                                                        \
    "none; breaker.min_calls=8; breaker.open=1h; breaker.open_jitter=0; deadline=10s"
#define KEY(rest) "keel1:{default}:" rest

static test_redis redis;
static char url[64], variable[80];
static const char *environment[] = { variable, NULL, NULL };
static keel_process_settings settings = { .redis = url,
                                          .redis_timeout_ns = 2 * KEEL_S,
                                          .name_space = "default" };
static keel_source *source;
static keel_view view;
static keel_detail why = KEEL_DETAIL_INIT;
static keel_lock_state replaced; /* by the last lock */

/* ---- the server and who looks at it ------------------------------------------------ */

static void set_port(unsigned port)
{
    snprintf(url, sizeof url, "redis://127.0.0.1:%u", port);
    snprintf(variable, sizeof variable, "KEEL_REDIS=%s", url);
}

static void start(void)
{
    ck_assert(test_redis_start(&redis, ""));
    set_port(redis.port);
    settings.redis_timeout_ns = 2 * KEEL_S;
    environment[1] = NULL;
}

static void stop(void)
{
    keel_view_cleanup(&view);
    if (source)
        source->close(source);
    source = NULL;
    test_redis_cleanup(&redis);
}

static keel_source *visit(void)
{
    keel_source *visitor;

    ck_assert_msg(keel_redis_source_open(&visitor, &settings, NULL, &why) == KEEL_OK,
                  "%s", why.text);
    return visitor;
}

static void visit_it(void)
{
    source = visit();
}

static bool is_in(const opened *o)
{
    const keel_fleet_words *fleet = atomic_load(&o->pipeline->plan)->breaker.fleet;

    return keel_fleet_view_epoch(atomic_load(&fleet->view)) > 0;
}

static void join(opened *o)
{
    opened_init(o, OPENED_REAL, environment, BREAKER);
    COMES(is_in(o));
}

static const keel_pipeline_view *look(void)
{
    keel_view_cleanup(&view);
    ck_assert_msg(source->look(source, &view, &why) == KEEL_OK, "%s", why.text);
    return view.count ? &view.pipelines[0] : NULL;
}

static void accepted(redisReply *reply)
{
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s", reply->str);
    freeReplyObject(reply);
}

#define TELL(...) accepted(test_redis_ask(&redis, __VA_ARGS__))

static void list(const char *name)
{
    TELL("ZADD " KEY("idx") " +inf %s", name);
}

static keel_status lock_as(keel_source *by, keel_lock lock, keel_lock_options options,
                           keel_lock_state *standing)
{
    options.size = sizeof options;
    return by->lock(by, "payments", lock, &options, standing, &replaced, &why);
}

static keel_status lock_it(keel_lock lock, keel_lock_options options)
{
    keel_lock_state standing;

    return lock_as(source, lock, options, &standing);
}

/* ---- what is seen ------------------------------------------------------------------ */

START_TEST(an_empty_server_has_no_pipelines)
{
    visit_it();
    ck_assert_ptr_null(look());
    ck_assert_uint_eq(view.members, 0);
    ck_assert(!view.is_cut);
}
END_TEST

START_TEST(a_breaker_says_its_state_since_when_why_and_until_when)
{
    const keel_pipeline_view *p;
    opened o;

    join(&o);
    visit_it();
    p = look();
    ck_assert_uint_eq(view.count, 1);
    ck_assert_uint_eq(view.members, 1);
    ck_assert_str_eq(p->name, "payments");
    ck_assert(p->is_of_fleet && p->has_breaker && p->has_state);
    ck_assert_int_eq(p->state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(p->since_s, 0);
    opened_calls(&o, KEEL_FAILED, 8);
    COMES(look()->state == KEEL_BREAKER_OPEN);
    p = &view.pipelines[0];
    ck_assert_int_eq(p->cause, KEEL_CAUSE_FAILURE_RATE);
    ck_assert_uint_ge(p->since_s, 1700000000);
    ck_assert_uint_gt(p->probe_in_ns, 3000 * KEEL_S);
    ck_assert_uint_le(p->probe_in_ns, 3600 * KEEL_S);
    ck_assert_uint_ge(p->generation, 2);
    opened_cleanup(&o);
}
END_TEST

START_TEST(outcomes_that_were_told_are_counted)
{
    opened o;

    join(&o);
    visit_it();
    opened_calls(&o, KEEL_FAILED, 3);
    COMES(look()->totals.failed == 3);
    ck_assert_uint_eq(view.pipelines[0].totals.total, KEEL_VIEW_UNKNOWN);
    opened_cleanup(&o);
}
END_TEST

/* Successes are asked for before the window decides. */
START_TEST(an_open_breaker_shows_the_window_that_opened_it)
{
    const keel_pipeline_view *p;
    opened o, other;

    join(&o);
    join(&other);
    opened_calls(&other, KEEL_OK, 2);
    visit_it();
    opened_calls(&o, KEEL_FAILED, 8);
    COMES(look()->state == KEEL_BREAKER_OPEN);
    p = &view.pipelines[0];
    ck_assert_int_eq(p->cause, KEEL_CAUSE_FAILURE_RATE);
    ck_assert_uint_eq(p->totals.failed, 8);
    ck_assert_uint_eq(p->totals.total, 8 + 2);
    opened_cleanup(&other);
    opened_cleanup(&o);
}
END_TEST

START_TEST(what_opened_a_breaker_is_shown_when_its_window_has_run_out)
{
    uint64_t seen_at, failed, total;
    opened o;

    opened_init(&o, OPENED_REAL, environment, BREAKER "; breaker.window=1s");
    COMES(is_in(&o));
    visit_it();
    opened_calls(&o, KEEL_FAILED, 8);
    COMES(look()->state == KEEL_BREAKER_OPEN);
    seen_at = now_ns();
    failed = view.pipelines[0].totals.failed;
    total = view.pipelines[0].totals.total;
    ck_assert_uint_gt(failed, 0);
    COMES(now_ns() > seen_at + 1500 * KEEL_MS);
    ck_assert_uint_eq(look()->totals.failed, failed);
    ck_assert_uint_eq(view.pipelines[0].totals.total, total);
    opened_cleanup(&o);
}
END_TEST

/* By the window of all it would not open. */
START_TEST(a_window_that_nobody_was_asked_for_is_not_known)
{
    opened o, other;

    opened_init(&o, OPENED_REAL, environment, BREAKER "; share.trip=any");
    COMES(is_in(&o));
    join(&other);
    opened_calls(&other, KEEL_OK, 50);
    visit_it();
    opened_calls(&o, KEEL_FAILED, 8);
    COMES(look()->state == KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(view.pipelines[0].totals.total, KEEL_VIEW_UNKNOWN);
    ck_assert_uint_eq(view.pipelines[0].totals.failed, KEEL_VIEW_UNKNOWN);
    opened_cleanup(&other);
    opened_cleanup(&o);
}
END_TEST

#define LIMITED                                                                        \
    "; bulkhead=50; bulkhead.scope=fleet; rate=1000/h; rate.scope=fleet; deadline=0"

START_TEST(what_a_fleet_limits_together_says_what_is_left)
{
    const keel_pipeline_view *p;
    keel_permit permit;
    opened o;

    opened_init(&o, OPENED_REAL, environment, BREAKER LIMITED);
    visit_it();
    COMES(keel_permit_take(o.pipeline, &permit, NULL) == KEEL_OK);
    COMES(look() && view.pipelines[0].places.in_use > 0 &&
          view.pipelines[0].tokens.count > 0);
    p = &view.pipelines[0];
    ck_assert_uint_eq(p->places.limit, 50);
    ck_assert_uint_le(p->places.in_use, 50);
    ck_assert(!p->places.others_wait);
    ck_assert_uint_eq(p->tokens.count, 1000);
    ck_assert_uint_eq(p->tokens.period_ns, 3600 * KEEL_S);
    ck_assert_uint_le(p->tokens.left, p->tokens.burst);
    keel_permit_end(&permit, KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

/* What a limit's keys may hold that is none; each is as if it were not there. */
static const struct {
    const char *command, *key;
} no_limits[] = {
    { "SET", KEY("rl:payments") },   { "RPUSH", KEY("rl:payments") },
    { "SET", KEY("bl:payments") },   { "RPUSH", KEY("bl:payments") },
    { "RPUSH", KEY("bh:payments") }, { "RPUSH", KEY("bw:payments") },
};

static const char *const no_values[] = { "x", "-1", "nan", "",
                                         "0123456789012345678901234567890123456789" };

START_TEST(what_is_no_limit_is_shown_as_none)
{
    for (size_t i = 0; i < sizeof no_values / sizeof no_values[0]; i++) {
        TELL("FLUSHALL");
        list("payments");
        TELL("%s %s %s", no_limits[_i].command, no_limits[_i].key, no_values[i]);
        if (!source)
            visit_it();
        ck_assert_ptr_nonnull(look());
        ck_assert_uint_eq(view.pipelines[0].tokens.count, 0);
        ck_assert_uint_eq(view.pipelines[0].places.in_use, 0);
    }
}
END_TEST

START_TEST(of_many_pages_each_name_is_seen_once_and_in_order)
{
    char name[16];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "p%d", (i * 7) % MANY);
        list(name);
    }
    visit_it();
    look();
    ck_assert_uint_eq(view.count, MANY);
    for (size_t i = 1; i < view.count; i++)
        ck_assert_int_lt(strcmp(view.pipelines[i - 1].name, view.pipelines[i].name), 0);
    ck_assert(!view.pipelines[0].has_state);
}
END_TEST

START_TEST(pages_full_of_names_that_are_none_do_not_hide_the_ones_behind)
{
    static const char *const odd[] = { "a\033[31mb", "a b",  "a\nb", "Payments",
                                       "..",         "a%41", "",     "-" };
    char junk[32], longest[KEEL_NAME_MAX + 2];

    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        list(odd[i]);
    for (int i = 0; i < MANY; i++) {
        snprintf(junk, sizeof junk, "%%junk%d", i);
        list(junk);
    }
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    list(longest);
    list("zebra"); /* the last one, among equals */
    visit_it();
    ck_assert_str_eq(look()->name, "zebra");
    ck_assert_uint_eq(view.count, 1);
}
END_TEST

/* What somebody else may have left where a breaker belongs. */
static const struct {
    const char *what;
    const char *command;
    const char *key;
} odd_values[] = {
    { "another type", "LPUSH", KEY("b:payments") },
    { "no breaker", "SET", KEY("b:payments") },
    { "a lock that is none", "SET", KEY("lk:payments") },
    { "a lock of another type", "LPUSH", KEY("lk:payments") },
};

START_TEST(what_is_no_breaker_is_not_known_and_never_closed)
{
    list("payments");
    TELL("%s %s x", odd_values[_i].command, odd_values[_i].key);
    visit_it();
    ck_assert_str_eq(look()->name, "payments");
    ck_assert(!view.pipelines[0].has_state);
    ck_assert_uint_eq(view.pipelines[0].lock.size, 0);
}
END_TEST

START_TEST(an_index_of_another_type_has_no_names)
{
    TELL("SET " KEY("idx") " x");
    visit_it();
    ck_assert_ptr_null(look());
}
END_TEST

/* ---- locks ------------------------------------------------------------------------- */

START_TEST(a_lock_says_who_why_since_when_and_for_how_long)
{
    const keel_lock_options options = { .actor = "al\033ice",
                                        .reason = "a\nb",
                                        .for_ns = 60 * KEEL_S };
    const keel_lock_state *lock;

    list("payments");
    visit_it();
    ck_assert_int_eq(lock_it(KEEL_LOCK_OBSERVE, options), KEEL_OK);
    lock = &look()->lock;
    ck_assert_uint_ne(lock->size, 0);
    ck_assert_int_eq(lock->lock, KEEL_LOCK_OBSERVE);
    ck_assert_str_eq(lock->actor, "al?ice");
    ck_assert_str_eq(lock->reason, "a?b");
    ck_assert_uint_ge(lock->set_s, 1700000000);
    ck_assert_uint_gt(lock->left_ns, 0);
    ck_assert_uint_le(lock->left_ns, 60 * KEEL_S);
}
END_TEST

START_TEST(a_lock_that_stands_is_not_overwritten_unseen)
{
    keel_lock_state first, standing;

    list("payments");
    visit_it();
    ck_assert_int_eq(
        lock_as(source, KEEL_LOCK_OPEN, (keel_lock_options){ .actor = "ada" }, &first),
        KEEL_OK);
    ck_assert_int_eq(lock_as(source, KEEL_LOCK_CLOSED,
                             (keel_lock_options){ .actor = "bob" }, &standing),
                     KEEL_E_CONFLICT);
    ck_assert_str_eq(standing.actor, "ada");
    ck_assert_uint_eq(standing.version, first.version);
    ck_assert_int_eq(lock_it(KEEL_LOCK_CLOSED, (keel_lock_options){ .version = 7 }),
                     KEEL_E_CONFLICT);
    ck_assert_int_eq(lock_as(source, KEEL_LOCK_CLOSED,
                             (keel_lock_options){ .version = first.version },
                             &standing),
                     KEEL_OK);
    ck_assert_uint_gt(standing.version, first.version);
    ck_assert_int_eq(
        lock_it(KEEL_LOCK_OPEN, (keel_lock_options){ .any_version = true }), KEEL_OK);
    ck_assert_uint_eq(replaced.version, standing.version);
    ck_assert_int_eq(replaced.lock, KEEL_LOCK_CLOSED);
    ck_assert_int_eq(look()->lock.lock, KEEL_LOCK_OPEN);
}
END_TEST

START_TEST(only_the_version_that_was_seen_is_unlocked)
{
    keel_lock_state first, second;

    list("payments");
    visit_it();
    ck_assert_int_eq(lock_it(KEEL_LOCK_NONE, (keel_lock_options){ .version = 0 }),
                     KEEL_OK);
    ck_assert_int_eq(
        lock_as(source, KEEL_LOCK_OPEN, (keel_lock_options){ .version = 0 }, &first),
        KEEL_OK);
    ck_assert_int_eq(lock_as(source, KEEL_LOCK_CLOSED,
                             (keel_lock_options){ .any_version = true }, &second),
                     KEEL_OK);
    ck_assert_int_eq(
        lock_it(KEEL_LOCK_NONE, (keel_lock_options){ .version = first.version }),
        KEEL_E_CONFLICT);
    ck_assert_int_eq(
        lock_it(KEEL_LOCK_NONE, (keel_lock_options){ .version = second.version }),
        KEEL_OK);
    ck_assert_uint_eq(look()->lock.size, 0);
    /* what was lifted is nobody's way to stand in */
    ck_assert_int_eq(lock_it(KEEL_LOCK_OPEN, (keel_lock_options){ .version = 0 }),
                     KEEL_OK);
}
END_TEST

START_TEST(what_the_fleet_does_not_know_cannot_be_locked)
{
    visit_it();
    ck_assert_int_eq(lock_it(KEEL_LOCK_OPEN, (keel_lock_options){ .version = 0 }),
                     KEEL_E_ARGUMENT);
    list("payments"); /* known by name alone: nobody has used it for a while */
    ck_assert_int_eq(lock_it(KEEL_LOCK_OPEN, (keel_lock_options){ .version = 0 }),
                     KEEL_OK);
    ck_assert(!look()->has_state);
    ck_assert_int_eq(view.pipelines[0].lock.lock, KEEL_LOCK_OPEN);
}
END_TEST

typedef struct racer {
    pthread_t thread;
    keel_source *source;
    keel_status status;
} racer;

static pthread_barrier_t gate;

static void *race(void *ctx)
{
    const keel_lock_options options = { .size = sizeof options };
    racer *r = ctx;
    keel_lock_state standing, unused;

    pthread_barrier_wait(&gate);
    r->status = r->source->lock(r->source, "payments", KEEL_LOCK_OPEN, &options,
                                &standing, &unused, NULL);
    return NULL;
}

START_TEST(of_operators_who_lock_at_once_one_wins)
{
    racer racers[RACERS];

    list("payments");
    visit_it();
    ck_assert_int_eq(pthread_barrier_init(&gate, NULL, RACERS), 0);
    for (int i = 0; i < RACERS; i++)
        racers[i].source = visit();
    for (int round = 0; round < ROUNDS; round++) {
        int won = 0;

        for (int i = 0; i < RACERS; i++)
            ck_assert_int_eq(pthread_create(&racers[i].thread, NULL, race, &racers[i]),
                             0);
        for (int i = 0; i < RACERS; i++) {
            pthread_join(racers[i].thread, NULL);
            ck_assert(racers[i].status == KEEL_OK ||
                      racers[i].status == KEEL_E_CONFLICT);
            won += racers[i].status == KEEL_OK;
        }
        ck_assert_int_eq(won, 1);
        ck_assert_int_eq(
            lock_it(KEEL_LOCK_NONE, (keel_lock_options){ .any_version = true }),
            KEEL_OK);
    }
    for (int i = 0; i < RACERS; i++)
        racers[i].source->close(racers[i].source);
    pthread_barrier_destroy(&gate);
}
END_TEST

static bool is_locked(const opened *o, keel_lock lock)
{
    return opened_look(o).lock == lock;
}

START_TEST(a_lock_reaches_a_member_that_runs)
{
    uint64_t longest = 0;
    opened o;

    join(&o);
    visit_it();
    for (int i = 0; i < ROUNDS; i++) {
        keel_lock lock = i % 2 ? KEEL_LOCK_NONE : KEEL_LOCK_OPEN;
        uint64_t began = now_ns(), took;

        ck_assert_int_eq(lock_it(lock, (keel_lock_options){ .any_version = true }),
                         KEEL_OK);
        COMES(is_locked(&o, lock));
        took = now_ns() - began;
        longest = took > longest ? took : longest;
    }
    printf("a lock from outside to a member's breaker: %.1f ms at worst of %d\n",
           (double)longest / (double)KEEL_MS, ROUNDS);
    ck_assert_uint_lt(longest, 2 * KEEL_S);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_lock_on_a_board_is_carried_to_the_fleet)
{
    const keel_lock_options options = { .size = sizeof options,
                                        .actor = "ada",
                                        .reason = "why not" };
    keel_lock_state standing;
    keel_source *board;
    board_file file;
    opened far, near;

    join(&far);
    board_file_init(&file);
    environment[1] = file.environment[0];
    join(&near);
    visit_it();
    ck_assert_int_eq(keel_board_source_open(&board, file.path, &why), KEEL_OK);
    ck_assert_int_eq(board->lock(board, "payments", KEEL_LOCK_OPEN, &options, &standing,
                                 &replaced, &why),
                     KEEL_OK);
    COMES(is_locked(&far, KEEL_LOCK_OPEN));
    COMES(look()->lock.size);
    ck_assert_str_eq(view.pipelines[0].lock.actor, "ada");
    ck_assert_str_eq(view.pipelines[0].lock.reason, "why not");
    board->close(board);
    opened_cleanup(&near);
    opened_cleanup(&far);
    board_file_cleanup(&file);
}
END_TEST

/* ---- events ------------------------------------------------------------------------ */

static keel_event_cursor cursor;

static void follow(void)
{
    keel_event_view event;
    uint64_t lost;

    visit_it();
    cursor = source->begin(source);
    ck_assert_int_eq(source->next(source, &cursor, &event, &lost, &why),
                     KEEL_EVENT_END);
}

static keel_event_found next(keel_event_view *event)
{
    uint64_t until = now_ns() + 10 * KEEL_S, lost;
    keel_event_found found;

    do {
        why = (keel_detail)KEEL_DETAIL_INIT;
        found = source->next(source, &cursor, event, &lost, &why);
    } while (found == KEEL_EVENT_END && now_ns() < until);
    return found;
}

static keel_event_view next_event(void)
{
    keel_event_view event;

    ck_assert_int_eq(next(&event), KEEL_EVENT_FOUND);
    return event;
}

START_TEST(transitions_and_locks_are_told_as_they_come)
{
    keel_event_view event;
    opened o;

    join(&o);
    follow();
    opened_calls(&o, KEEL_FAILED, 8);
    event = next_event();
    ck_assert_int_eq(event.type, KEEL_EVENT_TRANSITION);
    ck_assert(event.is_of_fleet);
    ck_assert_str_eq(event.name, "payments");
    ck_assert_int_eq(event.from, KEEL_BREAKER_CLOSED);
    ck_assert_int_eq(event.to, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(event.cause, KEEL_CAUSE_FAILURE_RATE);
    ck_assert_uint_ge(event.wall_ms, 1700000000000);
    lock_it(KEEL_LOCK_CLOSED, (keel_lock_options){ .actor = "ada", .reason = "why" });
    event = next_event();
    ck_assert_int_eq(event.type, KEEL_EVENT_LOCKED);
    ck_assert_int_eq(event.lock.lock, KEEL_LOCK_CLOSED);
    ck_assert_str_eq(event.lock.actor, "ada");
    ck_assert_str_eq(event.lock.reason, "why");
    lock_it(KEEL_LOCK_NONE, (keel_lock_options){ .actor = "bob", .any_version = true });
    event = next_event();
    ck_assert_int_eq(event.lock.lock, KEEL_LOCK_NONE);
    ck_assert_str_eq(event.lock.actor, "bob");
    ck_assert_uint_eq(event.sequence, 3);
    opened_cleanup(&o);
}
END_TEST

START_TEST(what_was_there_before_is_no_event)
{
    opened o;

    join(&o);
    visit_it();
    opened_calls(&o, KEEL_FAILED, 8);
    COMES(look()->state == KEEL_BREAKER_OPEN);
    opened_cleanup(&o);
    ck_assert_int_eq(lock_it(KEEL_LOCK_OPEN, (keel_lock_options){ .version = 0 }),
                     KEEL_OK);
    source->close(source);
    follow();
    lock_it(KEEL_LOCK_DISABLED, (keel_lock_options){ .any_version = true });
    ck_assert_int_eq(next_event().lock.lock, KEEL_LOCK_DISABLED);
}
END_TEST

START_TEST(what_happened_while_the_connection_was_lost_is_told_afterwards)
{
    proxy *between;
    keel_event_view event;
    keel_source *operator;
    uint64_t lost;

    list("payments");
    operator= visit();
    between = proxy_start(redis.port);
    ck_assert_ptr_nonnull(between);
    set_port(proxy_port(between));
    follow();
    proxy_do(between, PROXY_REFUSE);
    ck_assert_int_eq(next(&event), KEEL_EVENT_AWAY);
    ck_assert_str_ne(why.text, "");
    ck_assert_str_ne(why.text, "the connection is lost"); /* but how */
    ck_assert_int_eq(lock_as(operator, KEEL_LOCK_OPEN,
                             (keel_lock_options){ .actor = "ada" },
                             &(keel_lock_state){ .size = 0 }),
                     KEEL_OK);
    proxy_do(between, PROXY_FORWARD);
    ck_assert_int_eq(next(&event), KEEL_EVENT_BACK);
    ck_assert_int_eq(source->next(source, &cursor, &event, &lost, &why),
                     KEEL_EVENT_FOUND); /* at once */
    ck_assert_int_eq(event.lock.lock, KEEL_LOCK_OPEN);
    ck_assert_str_eq(event.lock.actor, "ada");
    operator->close(operator);
    source->close(source);
    source = NULL;
    proxy_stop(between);
}
END_TEST

START_TEST(a_cluster_is_seen_locked_and_followed_by_any_of_its_nodes)
{
    test_redis_cluster cluster;
    opened o;

    ck_assert(test_redis_cluster_start(&cluster));
    snprintf(url, sizeof url, "redis+cluster://127.0.0.1:%u", cluster.nodes[1].port);
    snprintf(variable, sizeof variable, "KEEL_REDIS=%s", url);
    join(&o);
    follow();
    ck_assert_str_eq(look()->name, "payments");
    ck_assert_int_eq(lock_it(KEEL_LOCK_OPEN, (keel_lock_options){ .actor = "ada" }),
                     KEEL_OK);
    ck_assert_str_eq(next_event().lock.actor, "ada");
    COMES(is_locked(&o, KEEL_LOCK_OPEN));
    opened_cleanup(&o);
    source->close(source);
    source = NULL;
    test_redis_cluster_cleanup(&cluster);
}
END_TEST

static void say(const char *message)
{
    TELL("PUBLISH " KEY("ev") " %s", message);
}

START_TEST(messages_that_cannot_be_are_passed_over)
{
    list("payments");
    follow();
    say("");
    say("v2 0123456789abcdef\npayments 5 1 0 1 0 0 0 0");
    say("v1 0123456789abcdef\npay\033ments 5 1 0 1 0 0 0 0");
    say("v1 0123456789abcdef\nPayments 5 1 0 1 0 0 0 0");
    say("v1 0123456789abcdef\npayments 9007199254740992 1 0 1 0 0 0 0");
    say("v1 0123456789abcdef\npayments 5 7 0 1 0 0 0 0");
    say("v1 0123456789abcdef\npayments 5 1 0 255 0 0 0 0");
    ck_assert_int_eq(next_event().to, KEEL_BREAKER_OPEN);
    say("v1 0123456789abcdef\npayments 4 0 0 1 0 0 0 0"); /* older than what is known */
    say("v1 0123456789abcdef\npayments 2000000 0 0 1 0 0 0 0"); /* too far ahead */
    say("v1 0123456789abcdef\npayments 6 2 0 4 0 0 0 0");
    ck_assert_int_eq(next_event().to, KEEL_BREAKER_HALF_OPEN);
}
END_TEST

/* ---- a server that cannot be used -------------------------------------------------- */

static void expect_refusal(keel_status status, const char *words)
{
    ck_assert_int_eq(keel_redis_source_open(&source, &settings, NULL, &why), status);
    ck_assert_ptr_null(source);
    ck_assert_msg(strstr(why.text, words) != NULL, "\"%s\" not in: %s", words,
                  why.text);
    ck_assert_ptr_null(strstr(why.text, "sesame"));
}

START_TEST(nobody_there_is_a_refusal_that_says_where)
{
    test_redis_stop(&redis);
    expect_refusal(KEEL_FAILED, "Connection refused");
    expect_refusal(KEEL_FAILED, url);
}
END_TEST

START_TEST(a_server_that_is_frozen_is_a_time_out)
{
    uint64_t began = now_ns();

    settings.redis_timeout_ns = 50 * KEEL_MS;
    test_redis_freeze(&redis);
    expect_refusal(KEEL_TIMEOUT, url);
    ck_assert_uint_lt(now_ns() - began, 5 * KEEL_S);
    test_redis_thaw(&redis);
}
END_TEST

START_TEST(a_wrong_password_is_said_and_not_repeated)
{
    TELL("CONFIG SET requirepass other");
    expect_refusal(KEEL_FAILED, "NOAUTH");
    snprintf(url, sizeof url, "redis://:sesame@127.0.0.1:%u", redis.port);
    expect_refusal(KEEL_FAILED, "WRONGPASS");
    snprintf(url, sizeof url, "redis://:other@127.0.0.1:%u", redis.port);
    visit_it();
    ck_assert_ptr_null(strstr(source->name, "other"));
}
END_TEST

/* Answers to a look, whatever was asked. */
static const struct {
    const char *what;
    const char *answer;
} lies[] = {
    { "no protocol", PROXY_GARBAGE },
    { "no array", "+OK\r\n" },
    { "too short", "*1\r\n:1\r\n" },
    { "no names", "*4\r\n:1\r\n$0\r\n\r\n:0\r\n:7\r\n" },
    { "no number of members", "*4\r\n:1\r\n$0\r\n\r\n$1\r\nx\r\n*0\r\n" },
    { "an error that would steer a terminal", "-ERR \033[31mred\r\n" },
};

START_TEST(an_answer_that_makes_no_sense_is_a_failure)
{
    proxy *between = proxy_start(redis.port);

    ck_assert_ptr_nonnull(between);
    set_port(proxy_port(between));
    visit_it();
    proxy_set(between, (proxy_order){ .fault = PROXY_ANSWER,
                                      .answer = lies[_i].answer,
                                      .answer_size = strlen(lies[_i].answer) });
    ck_assert_int_eq(source->look(source, &view, &why), KEEL_FAILED);
    ck_assert_uint_eq(view.count, 0);
    ck_assert_ptr_null(view.pipelines);
    source->close(source);
    source = NULL;
    proxy_stop(between);
}
END_TEST

START_TEST(an_order_that_did_not_come_so_far_is_not_done)
{
    proxy *between = proxy_start(redis.port);

    list("payments");
    ck_assert_ptr_nonnull(between);
    set_port(proxy_port(between));
    visit_it();
    proxy_do(between, PROXY_RESET_BEFORE);
    ck_assert_int_eq(lock_it(KEEL_LOCK_OPEN, (keel_lock_options){ .version = 0 }),
                     KEEL_FAILED);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    source->close(source);
    source = NULL;
    proxy_stop(between);
}
END_TEST

START_TEST(an_order_that_fails_on_the_server_is_not_known_to_be_done)
{
    list("payments");
    TELL("CONFIG SET min-replicas-to-write 1"); /* no writes, but looks */
    visit_it();
    ck_assert_int_eq(lock_it(KEEL_LOCK_OPEN, (keel_lock_options){ .version = 0 }),
                     KEEL_FAILED);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_msg(strstr(why.text, "NOREPLICAS") != NULL, "%s", why.text);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(an_empty_server_has_no_pipelines),
        ONE(a_breaker_says_its_state_since_when_why_and_until_when),
        ONE(outcomes_that_were_told_are_counted),
        ONE(an_open_breaker_shows_the_window_that_opened_it),
        ONE(what_opened_a_breaker_is_shown_when_its_window_has_run_out),
        ONE(what_a_fleet_limits_together_says_what_is_left),
        ROWS(what_is_no_limit_is_shown_as_none, no_limits),
        ONE(a_window_that_nobody_was_asked_for_is_not_known),
        ONE(of_many_pages_each_name_is_seen_once_and_in_order),
        ONE(pages_full_of_names_that_are_none_do_not_hide_the_ones_behind),
        ROWS(what_is_no_breaker_is_not_known_and_never_closed, odd_values),
        ONE(an_index_of_another_type_has_no_names),
        ONE(a_lock_says_who_why_since_when_and_for_how_long),
        ONE(a_lock_that_stands_is_not_overwritten_unseen),
        ONE(only_the_version_that_was_seen_is_unlocked),
        ONE(what_the_fleet_does_not_know_cannot_be_locked),
        ONE(of_operators_who_lock_at_once_one_wins),
        ONE(a_lock_reaches_a_member_that_runs),
        ONE(a_lock_on_a_board_is_carried_to_the_fleet),
        ONE(transitions_and_locks_are_told_as_they_come),
        ONE(what_was_there_before_is_no_event),
        ONE(what_happened_while_the_connection_was_lost_is_told_afterwards),
        ONE(a_cluster_is_seen_locked_and_followed_by_any_of_its_nodes),
        ONE(messages_that_cannot_be_are_passed_over),
        ONE(nobody_there_is_a_refusal_that_says_where),
        ONE(a_server_that_is_frozen_is_a_time_out),
        ONE(a_wrong_password_is_said_and_not_repeated),
        ROWS(an_answer_that_makes_no_sense_is_a_failure, lies),
        ONE(an_order_that_did_not_come_so_far_is_not_done),
        ONE(an_order_that_fails_on_the_server_is_not_known_to_be_done),
    };

    if (!test_redis_is_installed())
        return 77;
    return suite_run_in("ops/redis_view", 60, start, stop, tests,
                        sizeof tests / sizeof tests[0]);
}
