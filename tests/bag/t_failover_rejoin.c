/* SPDX-License-Identifier: MIT */
/*
 * What failover is for, under outages by the thousand: no read returns a value older than
 * one that was acknowledged during an outage. Seeded, with one thread, and with writes
 * that come in the middle of carrying back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/staged.h"
#include "bag/wrap/failover.h"
#include "base/seed.h"
#include "support/sanitizers.h"
#include "support/suite.h"

enum { KEYS = 5, STEPS = 300, SEEDS = HAS_SANITIZER ? 300 : 1000, WRITES_MOST = 4096 };

void __wrap_keel_failover_rouse(keel_failover *f);
void __wrap_keel_failover_rouse(keel_failover *f)
{
    (void)f;
}

/*
 * A write, from when to when. Its number is its value.
 *
 * is_told   it was acknowledged; is_away: by a standby
 * may_be    it was not, and may have happened
 */
typedef struct past_write {
    unsigned key;
    unsigned begun, ended;
    bool deletes;
    bool is_told, is_away;
    bool may_be;
} past_write;

/*
 * interferes  operations begin in the middle of others
 * is_strict   no read is older than what anybody has acknowledged, in an outage either
 */
static const struct {
    const char *roles;
    const char *options;
    bool invalidates;
    bool interferes;
    bool is_strict;
} kinds[] = {
    { "primary|standby", "hold=1s; probe=500ms", false, false, false },
    { "primary|standby", "hold=1s; probe=500ms; failures=1", false, false, false },
    { "primary|standby", "hold=1s; probe=500ms; rejoin=invalidate", true, false,
      false },
    { "primary|standby", "hold=1s; probe=500ms", false, true, false },
    { "primary|standby", "hold=1s; probe=500ms; failures=1", false, true, false },
    { "primary|standby", "hold=1s; probe=500ms; knows=given", false, true, true },
    { "primary|standby|third", "hold=1s; probe=500ms", false, true, false },
    { "primary|standby|third", "hold=1s; probe=500ms; failures=1", false, true, false },
};

static staged s;
static int kind; /* of the row that is played */
static uint64_t seed, drawn;
static past_write writes[WRITES_MOST]; /* 0 stands for: there was none */
static unsigned number, now;
static bool is_inside; /* one operation in the middle of another */
static unsigned reads_after, dirty_most, interfered;

static uint64_t draw(uint64_t below)
{
    return keel_mix(seed ^ ++drawn) % below;
}

static const char *name_of(unsigned key)
{
    static const char *const names[KEYS] = { "a", "b", "c", "d", "e" };

    return names[key];
}

static keel_failover *failover(void)
{
    return s.bag.root.state;
}

/* ---- what is done -------------------------------------------------------------------- */

static past_write *begin_write(unsigned key, bool deletes)
{
    past_write *w = &writes[++number];

    ck_assert_uint_lt(number, WRITES_MOST);
    *w = (past_write){ .key = key, .begun = ++now, .deletes = deletes };
    return w;
}

static void end_write(past_write *w, keel_status status, uint32_t marks)
{
    w->ended = ++now;
    w->is_told = status == KEEL_OK;
    w->is_away = w->is_told && marks & KEEL_BAG_FROM_STANDBY;
    w->may_be = !w->is_told && s.why.applied != KEEL_APPLIED_NO;
}

static void set(unsigned key)
{
    uint32_t marks = 0;
    const keel_bag_options given = { .size = sizeof given, .marks = &marks };
    past_write *w = begin_write(key, false);
    keel_status status;
    char text[16];

    snprintf(text, sizeof text, "%u", number);
    status = keel_bag_set(&s.bag, name_of(key), text, strlen(text), &given, &s.why);
    end_write(w, status, marks);
}

static void del(unsigned key)
{
    uint32_t marks = 0;
    const keel_bag_options given = { .size = sizeof given, .marks = &marks };
    past_write *w = begin_write(key, true);
    keel_status status;

    status = keel_bag_delete(&s.bag, name_of(key), &given, &s.why);
    end_write(w, status, marks);
}

/*
 * Whether a read that began at an instant may see a write: unless another one that was
 * acknowledged lies wholly between them. What a standby says may be older than what the
 * primary took while it was there, but not than what a standby took.
 */
static bool may_be_seen(const past_write *w, unsigned key, unsigned at, bool is_away)
{
    if (w != writes && !w->ended)
        return true; /* it is under way */
    if (w != writes && !w->is_told && !w->may_be)
        return false; /* it was said not to be applied */
    for (unsigned i = 1; i <= number; i++) {
        const past_write *other = &writes[i];

        if (other->key == key && other->is_told && (other->is_away || !is_away) &&
            other->begun > w->ended && other->ended < at)
            return false;
    }
    return true;
}

static bool may_be_gone(unsigned key, unsigned at, bool is_away)
{
    if (may_be_seen(writes, key, at, is_away))
        return true;
    for (unsigned i = 1; i <= number; i++)
        if (writes[i].key == key && writes[i].deletes &&
            may_be_seen(&writes[i], key, at, is_away))
            return true;
    return false;
}

static void check(unsigned key, keel_status status, unsigned value, uint32_t marks,
                  unsigned at)
{
    bool is_away = marks & KEEL_BAG_FROM_STANDBY && !kinds[kind].is_strict;
    bool is_right = true;

    if (is_away && s.count > 2)
        return; /* a standby that was away itself may say what it had before */
    if (status == KEEL_OK)
        is_right = value && value <= number && writes[value].key == key &&
                   may_be_seen(&writes[value], key, at, is_away);
    else if (status == KEEL_NOT_FOUND && !kinds[kind].invalidates)
        is_right = may_be_gone(key, at, is_away);
    ck_assert_msg(is_right, "seed %llx, draw %llu: %s is %s %u, by %s",
                  (unsigned long long)seed, (unsigned long long)drawn, name_of(key),
                  status == KEEL_OK ? "still" : "gone", value,
                  marks & KEEL_BAG_FROM_STANDBY ? "the standby" : "the primary");
}

static bool was_away(unsigned key)
{
    for (unsigned i = 1; i <= number; i++)
        if (writes[i].key == key && writes[i].is_away)
            return true;
    return false;
}

static void get(unsigned key)
{
    char text[16] = "";
    keel_bag_item item = { .size = sizeof item,
                           .buffer = text,
                           .capacity = sizeof text - 1 };
    unsigned at = ++now;
    keel_status status = keel_bag_get(&s.bag, name_of(key), &item, NULL, &s.why);

    reads_after +=
        status == KEEL_OK && !(item.marks & KEEL_BAG_FROM_STANDBY) && was_away(key);
    check(key, status, (unsigned)strtoul(text, NULL, 10), item.marks, at);
}

static void get_all(void)
{
    char values[KEYS][16];
    const char *keys[KEYS];
    keel_bag_item items[KEYS];
    keel_status statuses[KEYS];
    unsigned at = ++now;

    memset(values, 0, sizeof values);
    for (unsigned i = 0; i < KEYS; i++) {
        keys[i] = name_of(i);
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = sizeof values[i] - 1 };
    }
    (void)keel_bag_get_many(&s.bag, keys, items, statuses, KEYS, NULL, NULL);
    for (unsigned i = 0; i < KEYS; i++)
        check(i, statuses[i], (unsigned)strtoul(values[i], NULL, 10), items[i].marks,
              at);
}

static void use(void)
{
    unsigned key = (unsigned)draw(KEYS);

    switch (draw(8)) {
    case 0:
    case 1:
    case 2:
        set(key);
        break;
    case 3:
        del(key);
        break;
    case 4:
        get_all();
        break;
    default:
        get(key);
    }
}

/* ---- what happens meanwhile ---------------------------------------------------------- */

/* In the middle of an operation of a store, somebody else's. */
static void interfere(void *ctx)
{
    (void)ctx;
    if (is_inside || draw(4))
        return;
    is_inside = true;
    interfered++;
    use();
    is_inside = false;
}

static staged_fault draw_fault(void)
{
    staged_fault fault = { .status = draw(2) ? KEEL_FAILED : KEEL_TIMEOUT,
                           .applied = KEEL_APPLIED_NO };

    if (draw(2)) {
        fault.applied = KEEL_APPLIED_UNKNOWN;
        fault.happens = draw(2);
    }
    return fault;
}

static void change_weather(void)
{
    switch (draw(6)) {
    case 0: /* the primary is down, for a while or for good */
        staged_fail(&s.stores[0], draw_fault(), (unsigned)draw(60));
        break;
    case 1:
        staged_fail(&s.stores[0], draw_fault(), 0);
        break;
    case 2: /* a standby coughs */
        staged_fail(&s.stores[1 + draw(s.count - 1)], draw_fault(), (unsigned)draw(9));
        break;
    case 3:
        vclock_advance(&s.o.clock, draw(3) * KEEL_S);
        break;
    default:
        keel_failover_step(failover());
    }
    if (keel_failover_dirty_count(failover()) > dirty_most)
        dirty_most = (unsigned)keel_failover_dirty_count(failover());
}

static void rejoin(void)
{
    for (size_t i = 0; i < s.count; i++)
        staged_fail(&s.stores[i], draw_fault(), 0);
    for (uint64_t at = 0; at != KEEL_NEVER;) {
        at = keel_failover_step(failover());
        if (at != KEEL_NEVER && at > vclock_now(&s.o.clock))
            vclock_advance(&s.o.clock, at - vclock_now(&s.o.clock));
    }
}

/* ---- all of it ----------------------------------------------------------------------- */

static void play(void)
{
    for (size_t i = 0; i < s.count; i++)
        s.stores[i].before = kinds[kind].interferes ? interfere : NULL;
    for (int i = 0; i < STEPS; i++)
        if (draw(4))
            use();
        else
            change_weather();
    for (size_t i = 0; i < s.count; i++)
        s.stores[i].before = NULL;
    rejoin();
    for (unsigned key = 0; key < KEYS; key++)
        get(key);
    ck_assert_uint_eq(keel_failover_dirty_count(failover()), 0);
}

static void play_seed(uint64_t with)
{
    seed = with;
    drawn = 0;
    number = 0;
    now = 0;
    memset(writes, 0, sizeof writes);
    staged_init(&s, kinds[kind].roles, NULL);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, kinds[kind].options),
                     KEEL_OK);
    play();
    staged_cleanup(&s);
}

static unsigned schedules(void)
{
    const char *given = getenv("KEEL_SCHEDULES");

    return given ? (unsigned)strtoul(given, NULL, 10) : SEEDS;
}

START_TEST(no_read_is_older_than_what_was_acknowledged_in_an_outage)
{
    kind = _i;
    for (unsigned i = 0; i < schedules(); i++)
        play_seed(keel_mix(i + 1));
    ck_assert_uint_gt(reads_after, schedules()); /* it was tried */
    ck_assert_uint_gt(dirty_most, 3);
    ck_assert(!kinds[kind].interferes || interfered > schedules());
}
END_TEST

SUITE("failover_rejoin", 120,
      ROWS(no_read_is_older_than_what_was_acknowledged_in_an_outage, kinds))
