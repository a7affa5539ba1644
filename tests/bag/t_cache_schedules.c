/* SPDX-License-Identifier: MIT */
/*
 * Readers and writers of one key, who take turns at every exchange with the cache and
 * with the source as a seed says: no read that began after a write was acknowledged may
 * give what was there before it, be it from the source, from the cache, or stale.
 *
 * In half of the schedules two caches, as of two processes, share one cache and one
 * source. In the others there is one, and exchanges with its cache fail now and then.
 * The source's do in both, and some of its writes happen and are not known to.
 *
 * KEEL_SCHEDULES says how many. A failure names its seed: KEEL_SEED=n runs that one alone.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/bag.h"
#include "bag/registry.h"
#include "bag/wrap/cache.h"
#include "base/seed.h"
#include "call/runtime.h"
#include "support/opened.h"
#include "support/suite.h"

enum { ACTORS = 4, USES = 6, WRITES_MOST = ACTORS * USES + 2, PROCESSES = 2 };

/* What the source did, in its order. */
typedef struct history {
    unsigned count;
    struct {
        unsigned value; /* who wrote it; 0: it was deleted */
    } done[WRITES_MOST];
    unsigned acknowledged; /* the latest of those whose writer has been told */
} history;

typedef struct actor {
    pthread_t thread;
    unsigned number;
    unsigned uses;
    bool is_done;
    const uint32_t *word; /* NULL: it can go on */
    uint32_t expected;
    uint64_t until_ns;
} actor;

/* turn_mu guards all of it: who has the turn is the only one to touch it. */
static struct {
    pthread_mutex_t turn_mu;
    pthread_cond_t turned;
    actor *turn; /* NULL: the stage is empty */
    actor *slow;
    actor actors[ACTORS];
    uint64_t draws;
    uint64_t now_ns;
    int64_t now_ms;
    history history;
    bool cache_fails;
    char said[160];
} stage = { .turn_mu = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER };

static _Thread_local actor *me;

static uint64_t draw(uint64_t below)
{
    return keel_mix(stage.draws += UINT64_C(0x9e3779b97f4a7c15)) % below;
}

/* ---- turns --------------------------------------------------------------------------- */

static bool can_go_on(const actor *a)
{
    return !a->is_done &&
           (!a->word || __atomic_load_n(a->word, __ATOMIC_ACQUIRE) != a->expected);
}

/* Where all who are left wait, time goes on to the first one's end. */
static actor *first_to_end(void)
{
    actor *first = NULL;

    for (actor *a = stage.actors; a < stage.actors + ACTORS; a++)
        if (!a->is_done && (!first || a->until_ns < first->until_ns))
            first = a;
    if (first && first->until_ns > stage.now_ns)
        stage.now_ns = first->until_ns;
    return first;
}

static actor *drawn(unsigned able)
{
    unsigned chosen = (unsigned)draw(able);

    for (actor *a = stage.actors;; a++)
        if (can_go_on(a) && chosen-- == 0)
            return a;
}

/* One of them is slow for a while, so that much happens within one exchange of his. */
static actor *next(void)
{
    unsigned able = 0;
    actor *a;

    for (a = stage.actors; a < stage.actors + ACTORS; a++)
        able += can_go_on(a);
    if (!able)
        return first_to_end();
    if (draw(32) == 0)
        stage.slow = &stage.actors[draw(ACTORS)];
    a = drawn(able);
    while (a == stage.slow && able > 1 && draw(32))
        a = drawn(able);
    return a;
}

static void await_turn_locked(void)
{
    while (stage.turn != me)
        pthread_cond_wait(&stage.turned, &stage.turn_mu);
}

/* Somebody else's turn, or one's own once more. */
static void pass_turn(void)
{
    if (!me)
        return; /* before and after the play */
    pthread_mutex_lock(&stage.turn_mu);
    stage.turn = next();
    pthread_cond_broadcast(&stage.turned);
    if (!me->is_done)
        await_turn_locked();
    pthread_mutex_unlock(&stage.turn_mu);
}

static uint64_t now(void *ctx)
{
    (void)ctx;
    return stage.now_ns;
}

static bool wait_on_stage(const uint32_t *word, uint32_t expected, uint64_t until_ns,
                          void *ctx)
{
    (void)ctx;
    me->word = word;
    me->expected = expected;
    me->until_ns = until_ns;
    pass_turn();
    me->word = NULL;
    return __atomic_load_n(word, __ATOMIC_ACQUIRE) != expected;
}

static void wake(const uint32_t *word, int count, void *ctx)
{
    (void)word;
    (void)count;
    (void)ctx;
}

static const keel_clock stage_clock = {
    .now = now, .now_coarse = now, .wait = wait_on_stage, .wake = wake
};

/* ---- the cache and the source, which take turns -------------------------------------- */

typedef struct stepped {
    const keel_bag_child *inner;
    bool is_source;
} stepped;

static bool fails(const stepped *s)
{
    return (s->is_source || stage.cache_fails) && draw(8) == 0;
}

static keel_status lose(keel_detail *why, keel_applied applied)
{
    return keel_bag_fail(why, KEEL_FAILED, applied, "stage", "it failed");
}

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    const stepped *s = state;
    keel_status status;

    pass_turn();
    status = fails(s) ? lose(why, KEEL_APPLIED_NO)
                      : s->inner->ops->get(s->inner->state, op, key, item, why);
    pass_turn();
    return status;
}

static void note(const stepped *s, unsigned value)
{
    if (s->is_source)
        stage.history.done[++stage.history.count].value = value;
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    const stepped *s = state;
    keel_status status;

    pass_turn();
    if (fails(s))
        return lose(why, draw(2) ? KEEL_APPLIED_NO : KEEL_APPLIED_UNKNOWN);
    status = s->inner->ops->store(s->inner->state, op, key, put, fresh, why);
    if (s->is_source)
        note(s, (unsigned)strtoul(put->value.at, NULL, 10));
    if (fails(s))
        status = lose(why, KEEL_APPLIED_UNKNOWN);
    pass_turn();
    return status;
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    const stepped *s = state;
    keel_status status;

    pass_turn();
    status = s->inner->ops->remove(s->inner->state, op, key, expected, why);
    note(s, 0);
    pass_turn();
    return status;
}

static const keel_bag_ops stepped_ops = { .size = sizeof stepped_ops,
                                          .abi = KEEL_BAG_ABI,
                                          .name = "stepped",
                                          .roles = "inner",
                                          .get = get,
                                          .store = store,
                                          .remove = remove_item };

/* ---- what they play ------------------------------------------------------------------ */

static keel_runtime *runtime;
static keel_bag *cache_bag, *source_bag;
static void *processes[PROCESSES];
static unsigned process_count;
static char key_text[32];

static keel_bytes the_key(void)
{
    return (keel_bytes){ key_text, strlen(key_text) };
}

static keel_bag_op an_op(void)
{
    stage.now_ms += (int64_t)draw(draw(8) ? 50 : 500);
    return (keel_bag_op){ .size = sizeof(keel_bag_op),
                          .deadline_at_ns = stage.now_ns + 10 * KEEL_S,
                          .now_ms = stage.now_ms,
                          .nonce = 1 };
}

static void complain(const char *what, unsigned value, unsigned floor)
{
    if (!stage.said[0])
        snprintf(stage.said, sizeof stage.said, "%s %u after write %u was acknowledged",
                 what, value, floor);
}

/* Whether it was there at some time since the floor. */
static bool was_there(unsigned value, unsigned floor)
{
    const history *h = &stage.history;

    for (unsigned i = floor; i <= h->count; i++)
        if (h->done[i].value == value)
            return true;
    return false;
}

static void read_once(void *process)
{
    char value[16];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value };
    unsigned floor = stage.history.acknowledged;
    keel_bag_op op = an_op();
    keel_status status = keel_wrap_cache.get(process, &op, the_key(), &item, NULL);

    if (status == KEEL_OK) {
        unsigned read = (unsigned)strtoul(value, NULL, 10);

        if (!was_there(read, floor))
            complain("read", read, floor);
    } else if (status == KEEL_NOT_FOUND && !was_there(0, floor)) {
        complain("read none", 0, floor);
    }
}

static void acknowledge(unsigned place)
{
    if (place > stage.history.acknowledged)
        stage.history.acknowledged = place;
}

/* Where in the source's order this value stands; 0: it does not. */
static unsigned place_of(unsigned value)
{
    for (unsigned i = stage.history.count; i; i--)
        if (stage.history.done[i].value == value)
            return i;
    return 0;
}

static void write_once(void *process, unsigned value)
{
    char text[16];
    int length = snprintf(text, sizeof text, "%u", value);
    const keel_bag_put put = { .size = sizeof put,
                               .value = { text, (size_t)length + 1 } };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag_token fresh;
    keel_bag_op op = an_op();

    if (keel_wrap_cache.store(process, &op, the_key(), &put, &fresh, &why) == KEEL_OK)
        acknowledge(place_of(value));
}

static void remove_once(void *process)
{
    unsigned before = stage.history.count;
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag_op op = an_op();
    keel_status status = keel_wrap_cache.remove(process, &op, the_key(), NULL, &why);

    /* deletions look alike: the first one since is surely not later than one's own */
    for (unsigned i = before + 1; i <= stage.history.count; i++)
        if (stage.history.done[i].value == 0 &&
            (status == KEEL_OK || status == KEEL_NOT_FOUND)) {
            acknowledge(i);
            break;
        }
}

static void *play(void *ctx)
{
    me = ctx;
    pthread_mutex_lock(&stage.turn_mu);
    await_turn_locked();
    pthread_mutex_unlock(&stage.turn_mu);
    for (unsigned i = 1; i <= USES; i++) {
        void *process = processes[draw(process_count)];
        uint64_t what = draw(10);

        if (what < 6)
            read_once(process);
        else if (what < 9)
            write_once(process, me->number * 100 + i);
        else
            remove_once(process);
    }
    me->is_done = true;
    pass_turn();
    return NULL;
}

/* ---- one schedule -------------------------------------------------------------------- */

static keel_bag_child children[2];
static stepped steps[2];
static keel_bag_setup setup;
static keel_bag_value values[9];

static void open_processes(void)
{
    static const uint64_t given[] = {
        100 * KEEL_MS, 300 * KEEL_MS, 50 * KEEL_MS, 0, 0, 5 * KEEL_S, 0, 0,
        100 * KEEL_MS
    };

    for (size_t i = 0; i < 9; i++)
        values[i].number = given[i];
    values[4].number = draw(2);                 /* revalidate */
    values[6].number = draw(2) * 100 * KEEL_MS; /* lease */
    values[7].number = draw(2);                 /* on_write */
    process_count = 1 + (unsigned)draw(PROCESSES);
    stage.cache_fails = process_count == 1 && draw(2);
    setup = (keel_bag_setup){ .size = sizeof setup,
                              .runtime = runtime,
                              .bag = "tested",
                              .path = "cache",
                              .values = values,
                              .children = children,
                              .child_count = 2 };
    for (unsigned i = 0; i < process_count; i++)
        ck_assert_int_eq(keel_wrap_cache.open(&processes[i], &setup, NULL), KEEL_OK);
}

static uint64_t lost, filled;

static void close_processes(void)
{
    for (unsigned i = 0; i < process_count; i++) {
        const keel_cache *c = processes[i];

        lost += keel_counts_sum(&c->counts, KEEL_COUNT_LOST);
        filled += keel_counts_sum(&c->counts, KEEL_COUNT_FILLS);
        keel_wrap_cache.close(processes[i]);
    }
}

/* What the source had before any cache was there. */
static void store_before(void)
{
    const keel_bag_put put = { .size = sizeof put, .value = { "1", 2 } };
    keel_bag_op op = an_op();
    keel_bag_token fresh;

    ck_assert_int_eq(source_bag->root.ops->store(source_bag->root.state, &op, the_key(),
                                                 &put, &fresh, NULL),
                     KEEL_OK);
    note(&steps[1], 1);
    acknowledge(1);
}

static void play_schedule(uint64_t seed)
{
    stage.draws = seed;
    stage.history = (history){ .count = 0 };
    stage.said[0] = '\0';
    snprintf(key_text, sizeof key_text, "k%" PRIu64, seed);
    open_processes();
    if (draw(2))
        store_before();
    for (unsigned i = 0; i < ACTORS; i++) {
        stage.actors[i] = (actor){ .number = i + 1 };
        ck_assert_int_eq(
            pthread_create(&stage.actors[i].thread, NULL, play, &stage.actors[i]), 0);
    }
    pthread_mutex_lock(&stage.turn_mu);
    stage.turn = next();
    pthread_cond_broadcast(&stage.turned);
    pthread_mutex_unlock(&stage.turn_mu);
    for (unsigned i = 0; i < ACTORS; i++)
        pthread_join(stage.actors[i].thread, NULL);
    close_processes();
    ck_assert_msg(!stage.said[0], "KEEL_SEED=%" PRIu64 ": %s", seed, stage.said);
}

/* ---- all of them --------------------------------------------------------------------- */

static void open_stage(void)
{
    static const char *const nothing[] = { NULL };
    const keel_options options = { .size = sizeof options,
                                   .clock = &stage_clock,
                                   .environment = nothing };

    stage.now_ns = 1000 * KEEL_S;
    stage.now_ms = INT64_C(1800000000000);
    ck_assert_int_eq(keel_open(&runtime, &options, NULL), KEEL_OK);
    ck_assert_int_eq(keel_bag_open(&cache_bag, runtime, "cache", "memory://", NULL),
                     KEEL_OK);
    ck_assert_int_eq(keel_bag_open(&source_bag, runtime, "source", "memory://", NULL),
                     KEEL_OK);
    for (unsigned i = 0; i < 2; i++) {
        steps[i] = (stepped){ i ? &source_bag->root : &cache_bag->root, i == 1 };
        children[i] = (keel_bag_child){ .role = i ? "source" : "cache",
                                        .path = i ? "cache.source" : "cache.cache",
                                        .ops = &stepped_ops,
                                        .state = &steps[i],
                                        .abilities = steps[i].inner->abilities };
    }
}

static void close_stage(void)
{
    keel_bag_close(cache_bag);
    keel_bag_close(source_bag);
    ck_assert_int_eq(keel_close(runtime, 0), KEEL_OK);
}

static uint64_t number_in(const char *variable, uint64_t standard)
{
    const char *given = getenv(variable);

    return given ? strtoull(given, NULL, 10) : standard;
}

START_TEST(a_fill_that_began_before_a_write_never_wins)
{
    uint64_t seed = number_in("KEEL_SEED", 0);
    uint64_t schedules = number_in("KEEL_SCHEDULES", 1000);

    open_stage();
    if (seed) {
        play_schedule(seed);
    } else {
        for (seed = 1; seed <= schedules; seed++)
            play_schedule(seed);
        ck_assert_uint_gt(filled, schedules / 10);
        ck_assert_uint_gt(lost, schedules / 100); /* else there was nothing to win */
    }
    close_stage();
}
END_TEST

SUITE("cache schedules", 600, ONE(a_fill_that_began_before_a_write_never_wins))
