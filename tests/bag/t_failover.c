/* SPDX-License-Identifier: MIT */
/*
 * failover(primary|standby|*): who is asked, who is not, and the way back. The thread
 * that goes it is left out: its steps are taken here, when the test wants them.
 */
#include <stdio.h>
#include <string.h>

#include "bag/staged.h"
#include "bag/wrap/failover.h"
#include "call/runtime.h"
#include "support/suite.h"

static staged s;
static unsigned roused;

void __wrap_keel_failover_rouse(keel_failover *f);
void __wrap_keel_failover_rouse(keel_failover *f)
{
    (void)f;
    roused++;
}

#define PRIMARY (&s.stores[0])
#define STANDBY (&s.stores[1])

static const staged_fault lost = STAGED_LOST, refused = STAGED_REFUSED;

static void begin_of(const char *roles, const char *options)
{
    staged_init(&s, roles, NULL);
    ck_assert_msg(staged_open(&s, &keel_wrap_failover, options) == KEEL_OK, "%s",
                  s.why.text);
}

static void begin(const char *options)
{
    begin_of("primary|standby", options);
}

static keel_failover *failover(void)
{
    return s.bag.root.state;
}

/* Every operation of the primary fails until it is up again. */
static void down(void)
{
    staged_fail(PRIMARY, refused, 1000000);
}

static void up(void)
{
    staged_fail(PRIMARY, refused, 0);
}

/* Whatever the way back takes, at whatever time. */
static void rejoin(void)
{
    for (uint64_t at = 0; at != KEEL_NEVER;) {
        at = keel_failover_step(failover());
        if (at != KEEL_NEVER && at > vclock_now(&s.o.clock))
            vclock_advance(&s.o.clock, at - vclock_now(&s.o.clock));
    }
}

static void expect(const char *key, const char *text, uint32_t marks)
{
    keel_bag_item item = { .size = sizeof item,
                           .buffer = s.value,
                           .capacity = sizeof s.value - 1 };

    ck_assert_msg(keel_bag_get(&s.bag, key, &item, NULL, &s.why) == KEEL_OK, "%s",
                  s.why.text);
    s.value[item.length] = '\0';
    ck_assert_str_eq(s.value, text);
    ck_assert_uint_eq(item.marks, marks);
}

static void expect_none(const char *key, uint32_t marks)
{
    keel_bag_item item = { .size = sizeof item };

    ck_assert_int_eq(keel_bag_get(&s.bag, key, &item, NULL, &s.why), KEEL_NOT_FOUND);
    ck_assert_uint_eq(item.marks, marks);
}

/* ---- reads --------------------------------------------------------------------------- */

START_TEST(a_read_that_fails_is_the_standbys)
{
    begin("");
    staged_put(&s, 0, "k", "primary");
    staged_put(&s, 1, "k", "standby");
    expect("k", "primary", 0);
    ck_assert_uint_eq(STANDBY->asked, 0);
    down();
    expect("k", "standby", KEEL_BAG_FROM_STANDBY);
    staged_cleanup(&s);
}
END_TEST

START_TEST(the_primary_is_the_one_of_that_role)
{
    begin_of("standby|primary", "");
    staged_put(&s, 0, "k", "standby");
    staged_put(&s, 1, "k", "primary");
    expect("k", "primary", 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_miss_is_an_answer_unless_it_is_not)
{
    begin("");
    staged_put(&s, 1, "k", "standby");
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    staged_close(&s);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, "on_miss=on"), KEEL_OK);
    expect("k", "standby", KEEL_BAG_FROM_STANDBY);
    ck_assert_int_eq(staged_get(&s, "none"), KEEL_NOT_FOUND);
    staged_fail(STANDBY, refused, 1);
    ck_assert_int_eq(staged_get(&s, "none"), KEEL_NOT_FOUND); /* it says more */
    expect_none("none", 0);
    down();
    expect_none("none", KEEL_BAG_FROM_STANDBY);
    staged_cleanup(&s);
}
END_TEST

static const struct {
    const char *list;
    keel_status status;
    bool goes_on;
} lists[] = {
    { "reads_on=timeout", KEEL_TIMEOUT, true },
    { "reads_on=timeout", KEEL_FAILED, false },
    { "reads_on=failed|corrupt", KEEL_CORRUPT, true },
    { "", KEEL_CORRUPT, false },
    { "", KEEL_REJECTED_OPEN, true },
    { "", KEEL_THROTTLED, true },
    { "", KEEL_CANCELLED, false },
    { "", KEEL_E_NOMEM, false },
};

START_TEST(which_failures_a_read_goes_on_after)
{
    staged_fault fault = { .status = lists[_i].status, .applied = KEEL_APPLIED_NO };

    begin(lists[_i].list);
    staged_put(&s, 1, "k", "standby");
    staged_fail(PRIMARY, fault, 1);
    ck_assert_int_eq(staged_get(&s, "k"), lists[_i].goes_on ? KEEL_OK : fault.status);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_list_of_something_else_is_refused)
{
    staged_init(&s, "primary|standby", NULL);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, "writes_on=failed|broken"),
                     KEEL_E_CONFIG);
    ck_assert_msg(strstr(s.why.text, "writes_on") && strstr(s.why.text, "\"broken\""),
                  "%s", s.why.text);
    staged_cleanup(&s);
}
END_TEST

START_TEST(when_all_fail_each_is_told_of)
{
    const staged_fault open = {
        KEEL_REJECTED_OPEN, KEEL_APPLIED_NO, false, 3 * KEEL_S, 0, 0
    };

    begin("");
    staged_fail(PRIMARY, open, 2);
    staged_fail(STANDBY, refused, 2);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_FAILED); /* says more than a refusal */
    ck_assert_str_eq(s.why.text, "top.first: staged; top.second: staged");
    ck_assert_int_eq(staged_set(&s, "k", "1"), KEEL_FAILED);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(s.why.retry_after_ns, 3 * KEEL_S);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_child_gets_its_share_of_the_time)
{
    begin_of("primary|standby|third", "");
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    ck_assert_uint_le(PRIMARY->deadline_at_ns, VCLOCK_START + 10 * KEEL_S / 3 + 1);
    staged_close(&s);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, "timeout=50ms"), KEEL_OK);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(PRIMARY->deadline_at_ns, VCLOCK_START + 50 * KEEL_MS);
    staged_cleanup(&s);
}
END_TEST

START_TEST(no_more_children_are_asked_than_tries_allow)
{
    begin_of("primary|standby|third", "tries=2");
    staged_fail(PRIMARY, refused, 9);
    staged_fail(STANDBY, refused, 9);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_FAILED);
    ck_assert_uint_eq(s.stores[2].asked, 0);
    staged_cleanup(&s);
}
END_TEST

/* ---- writes -------------------------------------------------------------------------- */

static keel_status do_set(void)
{
    return keel_bag_set(&s.bag, "k", "new", 3, NULL, &s.why);
}

static keel_status do_add(void)
{
    return keel_bag_add(&s.bag, "n", "new", 3, NULL, &s.why);
}

static keel_status do_append(void)
{
    return keel_bag_append(&s.bag, "k", "x", 1, NULL, &s.why);
}

static keel_status do_incr(void)
{
    return keel_bag_incr(&s.bag, "k", 1, NULL, NULL, &s.why);
}

static keel_status do_touch(void)
{
    return keel_bag_touch(&s.bag, "k", NULL, &s.why);
}

static keel_status do_delete(void)
{
    return keel_bag_delete(&s.bag, "k", NULL, &s.why);
}

static const struct {
    keel_status (*verb)(void);
    bool is_lost;
    keel_status status;
} writes[] = {
    { do_set, false, KEEL_OK },    { do_set, true, KEEL_OK },
    { do_delete, false, KEEL_OK }, { do_delete, true, KEEL_OK },
    { do_touch, false, KEEL_OK },  { do_touch, true, KEEL_OK },
    { do_add, false, KEEL_OK },    { do_add, true, KEEL_UNKNOWN },
    { do_append, false, KEEL_OK }, { do_append, true, KEEL_UNKNOWN },
    { do_incr, false, KEEL_OK },   { do_incr, true, KEEL_UNKNOWN },
};

START_TEST(a_write_goes_on_where_that_is_safe)
{
    begin("");
    staged_put(&s, 0, "k", "1");
    staged_put(&s, 1, "k", "1");
    staged_fail(PRIMARY, writes[_i].is_lost ? lost : refused, 1);
    ck_assert_int_eq(writes[_i].verb(), writes[_i].status);
    ck_assert_uint_eq(STANDBY->writes, writes[_i].status == KEEL_OK);
    ck_assert_uint_eq(keel_failover_dirty_count(failover()),
                      writes[_i].status == KEEL_OK);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_write_that_nobody_took_is_not_remembered)
{
    begin("");
    down();
    staged_fail(STANDBY, refused, 1);
    ck_assert_int_eq(do_set(), KEEL_FAILED);
    staged_fail(STANDBY, lost, 1);
    ck_assert_int_eq(do_set(), KEEL_UNKNOWN);
    ck_assert_uint_eq(keel_failover_dirty_count(failover()), 0);
    ck_assert_uint_eq(failover()->keys.count, 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_doubt_is_not_covered_up_by_a_later_refusal)
{
    begin("");
    staged_fail(PRIMARY, lost, 1);
    staged_fail(STANDBY, refused, 1);
    ck_assert_int_eq(do_set(), KEEL_UNKNOWN);
    staged_fail(PRIMARY, lost, 1); /* and the standby has no "k" to touch */
    ck_assert_int_eq(do_touch(), KEEL_UNKNOWN);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_write_that_could_not_be_remembered_is_not_made)
{
    begin("dirty_max=1");
    down();
    ck_assert_int_eq(staged_set(&s, "a", "1"), KEEL_OK);
    ck_assert_int_eq(staged_set(&s, "b", "1"), KEEL_FAILED);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(strstr(s.why.text, "no room"), "%s", s.why.text);
    ck_assert_str_eq(staged_peek(&s, 1, "b"), "");
    ck_assert_int_eq(staged_set(&s, "a", "2"), KEEL_OK);
    staged_cleanup(&s);
}
END_TEST

/* ---- staying away, and coming back --------------------------------------------------- */

START_TEST(one_failure_is_no_reason_to_leave)
{
    begin("failures=3");
    for (int i = 0; i < 10; i++) {
        staged_fail(PRIMARY, refused, 2);
        ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
        ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
        ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    }
    ck_assert_uint_eq(PRIMARY->asked, 30);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_primary_that_was_left_is_left_alone_for_the_hold)
{
    begin("failures=3; hold=5s; probe=1s");
    down();
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(PRIMARY->asked, 3);
    ck_assert_uint_eq(roused, 1);
    ck_assert_uint_eq(keel_failover_step(failover()), VCLOCK_START + 5 * KEEL_S);
    ck_assert_uint_eq(PRIMARY->asked, 3);
    vclock_advance(&s.o.clock, 5 * KEEL_S);
    ck_assert_uint_eq(keel_failover_step(failover()), VCLOCK_START + 6 * KEEL_S);
    ck_assert_uint_eq(PRIMARY->asked, 4); /* a probe, in vain */
    up();
    vclock_advance(&s.o.clock, KEEL_S);
    ck_assert_uint_eq(keel_failover_step(failover()), KEEL_NEVER);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(PRIMARY->asked, 6);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_standby_that_fails_is_left_too_and_the_primary_is_the_last)
{
    begin_of("primary|standby|third", "failures=1");
    down();
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    staged_fail(STANDBY, refused, 1);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(atomic_load(&failover()->current), 2);
    up();
    staged_fail(STANDBY, refused, 9);
    staged_fail(&s.stores[2], refused, 9);
    staged_put(&s, 0, "k", "primary");
    expect("k", "primary", 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(what_was_written_meanwhile_is_carried_back)
{
    const keel_bag_options given = { .size = sizeof given,
                                     .flags = 7,
                                     .ttl = keel_ttl_until_ms(4102444800000) };
    const keel_bag_options wanted = { .size = sizeof wanted,
                                      .wishes = KEEL_BAG_WANT_TTL };
    keel_bag_item item = { .size = sizeof item };

    begin("failures=1");
    staged_put(&s, 0, "k", "old");
    down();
    ck_assert_int_eq(keel_bag_set(&s.bag, "k", "new", 3, &given, &s.why), KEEL_OK);
    expect("k", "new", KEEL_BAG_FROM_STANDBY);
    up();
    rejoin();
    ck_assert_uint_eq(keel_failover_dirty_count(failover()), 0);
    expect("k", "new", 0);
    ck_assert_int_eq(keel_bag_get(&s.bag, "k", &item, &wanted, NULL), KEEL_OK);
    ck_assert_uint_eq(item.flags, 7);
    ck_assert_int_eq(item.expires_at_ms, 4102444800000);
    staged_cleanup(&s);
}
END_TEST

START_TEST(or_deleted_there_where_that_is_wanted)
{
    begin("failures=1; rejoin=invalidate");
    staged_put(&s, 0, "k", "old");
    down();
    ck_assert_int_eq(do_set(), KEEL_OK);
    up();
    rejoin();
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "");
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_delete_is_a_write)
{
    uint32_t marks = 0;
    const keel_bag_options given = { .size = sizeof given, .marks = &marks };

    begin("failures=1");
    staged_put(&s, 0, "k", "old");
    down();
    ck_assert_int_eq(keel_bag_delete(&s.bag, "k", &given, &s.why), KEEL_OK);
    ck_assert_uint_eq(marks, KEEL_BAG_FROM_STANDBY | KEEL_BAG_UNVERIFIED);
    up();
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND); /* not the primary's */
    ck_assert_int_eq(do_delete(), KEEL_NOT_FOUND);         /* now it is known */
    rejoin();
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "");
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_dirty_key_is_its_owners_whoever_else_is_there)
{
    begin("failures=100");
    staged_put(&s, 0, "k", "old");
    staged_fail(PRIMARY, refused, 1);
    ck_assert_int_eq(do_set(), KEEL_OK); /* the primary is there again at once */
    expect("k", "new", KEEL_BAG_FROM_STANDBY);
    ck_assert_int_eq(staged_set(&s, "k", "newer"), KEEL_OK);
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "old");
    staged_fail(STANDBY, refused, 2);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_FAILED); /* rather than old */
    ck_assert_int_eq(do_append(), KEEL_FAILED);
    ck_assert_int_eq(staged_get(&s, "other"), KEEL_NOT_FOUND); /* the primary's */
    rejoin();
    expect("k", "newer", 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_dirty_key_may_change_hands)
{
    begin_of("primary|standby|third", "failures=100");
    down();
    ck_assert_int_eq(staged_set(&s, "k", "1"), KEEL_OK);
    staged_fail(STANDBY, refused, 2);
    ck_assert_int_eq(do_incr(), KEEL_FAILED); /* only its owner knows the number */
    ck_assert_int_eq(staged_set(&s, "k", "2"), KEEL_OK);
    expect("k", "2", KEEL_BAG_FROM_STANDBY);
    up();
    rejoin();
    expect("k", "2", 0);
    staged_cleanup(&s);
}
END_TEST

static void write_meanwhile(void *ctx)
{
    bool *is_done = ctx;

    if (*is_done)
        return;
    *is_done = true;
    ck_assert_int_eq(staged_set(&s, "k", "newest"), KEEL_OK);
}

START_TEST(a_write_meanwhile_is_not_lost)
{
    bool is_done = false;

    begin("failures=100");
    staged_fail(PRIMARY, refused, 1);
    ck_assert_int_eq(do_set(), KEEL_OK);
    PRIMARY->before = write_meanwhile; /* "new" has been read, and is about to be put */
    PRIMARY->ctx = &is_done;
    rejoin();
    ck_assert(is_done);
    expect("k", "newest", 0);
    staged_cleanup(&s);
}
END_TEST

/* While a call waits for the primary, another one makes its key the third one's. */
static void get_dirty_meanwhile(void *ctx)
{
    bool *is_done = ctx;

    if (*is_done)
        return;
    *is_done = true;
    staged_fail(STANDBY, refused, 1);
    ck_assert_int_eq(staged_set(&s, "k", "2"), KEEL_OK);
}

START_TEST(a_key_that_becomes_dirty_meanwhile_is_its_owners)
{
    bool is_done = false;

    begin_of("primary|standby|third", "failures=100");
    staged_put(&s, 1, "k", "stale");
    down();
    PRIMARY->before = get_dirty_meanwhile;
    PRIMARY->ctx = &is_done;
    ck_assert_int_eq(do_append(), KEEL_OK);
    ck_assert_str_eq(staged_peek(&s, 2, "k"), "2x");
    ck_assert_str_eq(staged_peek(&s, 1, "k"), "stale");
    staged_cleanup(&s);
}
END_TEST

/* While a call is on its way to the owner, another one finds that away. */
static void change_hands_meanwhile(void *ctx)
{
    bool *is_done = ctx;

    if (*is_done)
        return;
    *is_done = true;
    staged_fail(STANDBY, refused, 1);
    ck_assert_int_eq(staged_set(&s, "k", "9"), KEEL_OK);
}

START_TEST(a_key_that_changed_hands_meanwhile_stays_where_it_is)
{
    bool is_done = false;

    begin_of("primary|standby|third", "failures=100");
    down();
    ck_assert_int_eq(staged_set(&s, "k", "5"), KEEL_OK);
    STANDBY->before = change_hands_meanwhile;
    STANDBY->ctx = &is_done;
    ck_assert_int_eq(do_incr(), KEEL_OK); /* as if before the other */
    expect("k", "9", KEEL_BAG_FROM_STANDBY);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_primary_that_fails_again_is_left_again)
{
    begin("failures=2; hold=1s; probe=1s");
    down();
    ck_assert_int_eq(staged_get(&s, "a"), KEEL_NOT_FOUND);
    ck_assert_int_eq(do_set(), KEEL_OK);
    vclock_advance(&s.o.clock, KEEL_S);
    staged_play(PRIMARY, (const staged_fault[]){ { .status = KEEL_OK } }, 1);
    keel_failover_step(
        failover()); /* a probe that goes well, and a write that does not */
    ck_assert_uint_eq(atomic_load(&failover()->current), 0);
    vclock_advance(&s.o.clock, KEEL_S);
    keel_failover_step(failover());
    ck_assert_uint_eq(atomic_load(&failover()->current), 1);
    expect("k", "new", KEEL_BAG_FROM_STANDBY);
    staged_cleanup(&s);
}
END_TEST

/* ---- what is logged ------------------------------------------------------------------ */

static char line[400]; /* the last one */

static void keep_line(keel_log_level level, const char *subsystem, const char *message,
                      void *ctx)
{
    (void)ctx;
    snprintf(line, sizeof line, "%d %s %s", level, subsystem, message);
}

static void begin_with_log(const char *options)
{
    line[0] = '\0';
    begin(options);
    s.o.rt->log = (keel_log){ .fn = keep_line, .level = KEEL_LOG_INFO };
}

static void expect_line(keel_log_level level, const char *text)
{
    char whole[sizeof line];

    snprintf(whole, sizeof whole, "%d bag %s", level, text);
    ck_assert_str_eq(line, whole);
    line[0] = '\0';
}

START_TEST(who_is_asked_first_is_logged_with_the_bag)
{
    begin_with_log("failures=1; hold=1s");
    down();
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    expect_line(KEEL_LOG_WARNING, "bag=test path=top left=primary first=standby");
    up();
    rejoin();
    expect_line(KEEL_LOG_INFO, "bag=test path=top first=primary dirty=0");
    staged_cleanup(&s);
}
END_TEST

START_TEST(what_a_closing_forgets_is_logged)
{
    begin_with_log("failures=100; hold=1s");
    down();
    ck_assert_int_eq(staged_set(&s, "a", "1"), KEEL_OK);
    ck_assert_int_eq(staged_set(&s, "b", "1"), KEEL_OK);
    staged_close(&s);
    expect_line(KEEL_LOG_WARNING,
                "bag=test path=top forgotten=2: without journal= nobody carries "
                "back what a standby has taken");
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, "hold=1s"), KEEL_OK);
    ck_assert_int_eq(staged_set(&s, "a", "1"), KEEL_OK);
    up();
    rejoin();
    staged_close(&s);
    ck_assert_str_eq(line, "");
    staged_cleanup(&s);
}
END_TEST

/* ---- tokens -------------------------------------------------------------------------- */

static keel_bag_token token_of(const char *key)
{
    const keel_bag_options wanted = { .size = sizeof wanted,
                                      .wishes = KEEL_BAG_WANT_TOKEN };
    keel_bag_item item = { .size = sizeof item };

    ck_assert_int_eq(keel_bag_get(&s.bag, key, &item, &wanted, NULL), KEEL_OK);
    return item.token;
}

START_TEST(a_token_is_of_the_child_that_gave_it)
{
    keel_bag_token primarys, standbys;

    begin("failures=1");
    staged_put(&s, 0, "k", "1");
    staged_put(&s, 1, "k", "1");
    primarys = token_of("k");
    down();
    ck_assert_int_eq(keel_bag_cas(&s.bag, "k", &primarys, "2", 1, NULL, NULL),
                     KEEL_FAILED); /* not for the standby */
    ck_assert_int_eq(keel_bag_cas(&s.bag, "k", &primarys, "2", 1, NULL, NULL),
                     KEEL_EXISTS);
    standbys = token_of("k");
    ck_assert_int_eq(keel_bag_cas(&s.bag, "k", &standbys, "2", 1, NULL, NULL), KEEL_OK);
    standbys = token_of("k");
    up();
    rejoin();
    ck_assert_int_eq(keel_bag_delete_cas(&s.bag, "k", &standbys, NULL, NULL),
                     KEEL_EXISTS);
    expect("k", "2", 0);
    primarys = token_of("k");
    ck_assert_int_eq(keel_bag_delete_cas(&s.bag, "k", &primarys, NULL, NULL), KEEL_OK);
    staged_cleanup(&s);
}
END_TEST

/* ---- what a standby can know --------------------------------------------------------- */

static bool note_any(const char *key, void *ctx)
{
    (void)key;
    *(bool *)ctx = true;
    return true;
}

static void begin_unfed(void)
{
    begin("knows=given");
    staged_put(&s, 0, "k", "1");
    staged_put(&s, 1, "k", "0"); /* of an outage before */
    down();
}

START_TEST(a_standby_that_is_not_fed_says_nothing_of_other_keys)
{
    const char *keys[] = { "k", "given" };
    keel_bag_item items[2] = { { .size = sizeof *items }, { .size = sizeof *items } };
    keel_status statuses[2];

    begin_unfed();
    for (int i = 0; i < 5; i++) /* it is left, too */
        ck_assert_int_eq(staged_get(&s, "k"), KEEL_FAILED);
    ck_assert_int_eq(staged_set(&s, "given", "2"), KEEL_OK);
    expect("given", "2", KEEL_BAG_FROM_STANDBY);
    ck_assert_int_eq(keel_bag_get_many(&s.bag, keys, items, statuses, 2, NULL, NULL),
                     KEEL_PARTIAL);
    ck_assert_int_eq(statuses[0], KEEL_FAILED);
    ck_assert_int_eq(statuses[1], KEEL_OK);
    keys[1] = "k";
    ck_assert_int_eq(keel_bag_get_many(&s.bag, keys, items, statuses, 2, NULL, NULL),
                     KEEL_FAILED);
    up();
    rejoin();
    expect("k", "1", 0);
    expect("given", "2", 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_standby_that_is_not_fed_decides_on_no_other_key)
{
    begin_unfed();
    ck_assert_int_eq(keel_bag_add(&s.bag, "none", "x", 1, NULL, &s.why), KEEL_FAILED);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(keel_bag_incr(&s.bag, "k", 1, NULL, NULL, &s.why), KEEL_FAILED);
    ck_assert_str_eq(staged_peek(&s, 1, "k"), "0");
    ck_assert_int_eq(keel_bag_touch(&s.bag, "none", NULL, &s.why), KEEL_FAILED);
    ck_assert_int_eq(keel_bag_delete(&s.bag, "k", NULL, &s.why), KEEL_OK);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    ck_assert_int_eq(keel_bag_add(&s.bag, "k", "7", 1, NULL, &s.why), KEEL_OK);
    up();
    rejoin();
    expect("k", "7", 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_standby_that_is_not_fed_has_no_list_of_keys)
{
    keel_bag_cursor cursor = { .length = 0 };
    bool is_any = false;

    begin_unfed();
    ck_assert_int_eq(keel_bag_scan(&s.bag, &cursor, note_any, &is_any, NULL, &s.why),
                     KEEL_FAILED);
    ck_assert(!is_any);
    staged_cleanup(&s);
}
END_TEST

/* ---- more than one key --------------------------------------------------------------- */

START_TEST(a_batch_is_asked_for_where_each_key_is)
{
    enum { KEYS = 70 };
    char names[KEYS][8], values[KEYS][8];
    const char *keys[KEYS];
    keel_bag_item items[KEYS];
    keel_status statuses[KEYS];

    begin("failures=100");
    for (int i = 0; i < KEYS; i++) {
        snprintf(names[i], sizeof names[i], "k%d", i);
        keys[i] = names[i];
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = sizeof values[i] };
        staged_put(&s, 0, names[i], "p");
        staged_put(&s, 1, names[i], "s");
    }
    staged_fail(PRIMARY, refused, 1);
    ck_assert_int_eq(staged_set(&s, "k65", "d"), KEEL_OK);
    staged_fail(PRIMARY, refused, 3);
    ck_assert_int_eq(keel_bag_get_many(&s.bag, keys, items, statuses, KEYS, NULL, NULL),
                     KEEL_OK);
    for (int i = 0; i < KEYS; i++) {
        char wanted = i == 65 ? 'd' : i < 3 ? 's' : 'p';

        ck_assert_int_eq(values[i][0], wanted);
        ck_assert_uint_eq(items[i].marks, wanted == 'p' ? 0 : KEEL_BAG_FROM_STANDBY);
    }
    staged_cleanup(&s);
}
END_TEST

/* The flush of somebody else, before an operation of the primary. */
typedef struct flushing {
    unsigned left;
    keel_status status;
    keel_detail why;
} flushing;

static void flush_meanwhile(void *ctx)
{
    flushing *f = ctx;

    if (f->left && --f->left == 0)
        f->status = keel_bag_flush(&s.bag, NULL, &f->why);
}

/* What is being carried back has been read already: no flush begins before it is there. */
START_TEST(a_flush_in_the_middle_of_carrying_back_is_not_undone)
{
    flushing f = { .left = 2,
                   .why = KEEL_DETAIL_INIT }; /* the probe, and then the put */

    begin("hold=1s; failures=1");
    down();
    ck_assert_int_eq(staged_set(&s, "k", "old"), KEEL_OK);
    up();
    PRIMARY->before = flush_meanwhile;
    PRIMARY->ctx = &f;
    rejoin();
    ck_assert_uint_eq(f.left, 0);
    ck_assert_int_eq(f.status, KEEL_DEADLINE); /* there is only this thread */
    ck_assert_int_eq(f.why.applied, KEEL_APPLIED_NO);
    expect("k", "old", 0);
    ck_assert_int_eq(keel_bag_flush(&s.bag, NULL, &s.why), KEEL_OK);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_flush_that_waits_for_a_key_can_be_cancelled)
{
    keel_cancel fired = KEEL_CANCEL_INIT;
    const keel_bag_options options = { .size = sizeof options, .cancel = &fired };
    keel_failover_carried c;

    begin("hold=1s; failures=1");
    down();
    ck_assert_int_eq(staged_set(&s, "k", "new"), KEEL_OK);
    up();
    ck_assert(keel_failover_carry_begin(failover(), &c));
    keel_cancel_fire(&fired);
    ck_assert_int_eq(keel_bag_flush(&s.bag, &options, &s.why), KEEL_CANCELLED);
    keel_failover_carry_end(failover(), &c, false);
    rejoin();
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "new");
    staged_cleanup(&s);
}
END_TEST

START_TEST(while_it_is_flushed_no_key_is_carried_back)
{
    const keel_bag_op op = { .size = sizeof op, .deadline_at_ns = KEEL_NEVER };
    keel_failover_carried c;

    begin("hold=1s; failures=1");
    down();
    ck_assert_int_eq(staged_set(&s, "k", "new"), KEEL_OK);
    ck_assert_int_eq(keel_failover_flush_begin(failover(), &op), KEEL_OK);
    ck_assert(!keel_failover_carry_begin(failover(), &c));
    keel_failover_flush_end(failover(), false); /* it has failed somewhere */
    ck_assert(keel_failover_carry_begin(failover(), &c));
    keel_failover_carry_end(failover(), &c, false);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_flush_leaves_nothing_that_could_come_back)
{
    begin("failures=100");
    staged_put(&s, 0, "a", "1");
    staged_put(&s, 1, "b", "1");
    staged_fail(PRIMARY, refused, 1);
    ck_assert_int_eq(do_set(), KEEL_OK);
    staged_fail(STANDBY, refused, 1);
    ck_assert_int_eq(keel_bag_flush(&s.bag, NULL, &s.why), KEEL_UNKNOWN);
    ck_assert_int_eq(keel_bag_flush(&s.bag, NULL, &s.why), KEEL_OK);
    ck_assert_uint_eq(keel_failover_dirty_count(failover()), 0);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_NOT_FOUND);
    staged_cleanup(&s);
}
END_TEST

static bool note_key(const char *key, void *ctx)
{
    strcat(ctx, key);
    return true;
}

START_TEST(a_scan_says_dirty_keys_too_and_stays_with_one_child)
{
    keel_bag_cursor cursor = { .length = 0 };
    char said[64] = "";

    begin("failures=100");
    staged_put(&s, 0, "a", "1");
    staged_fail(PRIMARY, refused, 1);
    ck_assert_int_eq(staged_set(&s, "d", "1"), KEEL_OK);
    while (!cursor.is_at_end)
        ck_assert_int_eq(keel_bag_scan(&s.bag, &cursor, note_key, said, NULL, &s.why),
                         KEEL_OK);
    ck_assert_str_eq(said, "ad");
    cursor = (keel_bag_cursor){ .length = 0 };
    ck_assert_int_eq(keel_bag_scan(&s.bag, &cursor, note_key, said, NULL, &s.why),
                     KEEL_OK);
    staged_fail(PRIMARY, refused, 1);
    ck_assert_int_eq(keel_bag_scan(&s.bag, &cursor, note_key, said, NULL, &s.why),
                     KEEL_FAILED);
    staged_cleanup(&s);
}
END_TEST

static bool note_one(const char *key, void *ctx)
{
    strcat(ctx, key);
    return false;
}

START_TEST(who_has_heard_enough_of_a_scan_hears_the_other_dirty_keys_later)
{
    keel_bag_cursor cursor = { .length = 0 };
    char said[512] = ""; /* a point for each of 64 parts, and more */

    begin("failures=100");
    staged_put(&s, 0, "a", "1");
    staged_fail(PRIMARY, refused, 3);
    ck_assert_int_eq(staged_set(&s, "f", "1"), KEEL_OK);
    ck_assert_int_eq(staged_set(&s, "d", "1"), KEEL_OK);
    ck_assert_int_eq(staged_set(&s, "e", "1"), KEEL_OK);
    while (!cursor.is_at_end) {
        strcat(said, ".");
        ck_assert_msg(keel_bag_scan(&s.bag, &cursor, note_one, said, NULL, &s.why) ==
                          KEEL_OK,
                      "%s", s.why.text);
    }
    ck_assert_msg(strstr(said, ".a.") && strstr(said, ".d.e.f."), "%s", said);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_child_is_not_asked_for_what_it_cannot)
{
    keel_bag_cursor cursor = { .length = 0 };
    char said[64] = "";

    staged_init(&s, "primary|standby", NULL);
    STANDBY->child.abilities.effective &= ~(uint32_t)(KEEL_CAN_SCAN | KEEL_CAN_CAS);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, "failures=1"), KEEL_OK);
    down();
    ck_assert_int_eq(keel_bag_scan(&s.bag, &cursor, note_key, said, NULL, &s.why),
                     KEEL_FAILED);
    ck_assert_uint_eq(STANDBY->asked, 0);
    staged_put(&s, 1, "k", "1");
    ck_assert_int_eq(keel_bag_cas(&s.bag, "k", &(keel_bag_token){ 2, { 9, 1 } }, "2", 1,
                                  NULL, &s.why),
                     KEEL_E_UNSUPPORTED);
    ck_assert_uint_eq(STANDBY->asked, 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(it_can_what_all_of_its_children_can)
{
    staged_init(&s, "primary|standby", NULL);
    STANDBY->child.abilities.effective &= ~(uint32_t)(KEEL_CAN_INCR | KEEL_CAN_CAS);
    STANDBY->child.abilities.value_max = 100;
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, ""), KEEL_OK);
    ck_assert_int_eq(do_incr(), KEEL_E_UNSUPPORTED);
    ck_assert(s.bag.root.abilities.effective & KEEL_CAN_CAS);
    ck_assert_uint_eq(s.bag.root.abilities.value_max, 100);
    staged_cleanup(&s);
}
END_TEST

START_TEST(it_is_well_as_long_as_one_of_them_is)
{
    const keel_bag_op op = { .size = sizeof op, .deadline_at_ns = KEEL_NEVER };

    begin("");
    down();
    ck_assert_int_eq(keel_wrap_failover.health(failover(), &op, NULL), KEEL_OK);
    staged_fail(STANDBY, refused, 1);
    ck_assert_int_eq(keel_wrap_failover.health(failover(), &op, NULL), KEEL_FAILED);
    staged_cleanup(&s);
}
END_TEST

START_TEST(no_opening_leaks)
{
    keel_status status;
    long n = 0;

    staged_init(&s, "primary|standby", NULL);
    do {
        s.o.memory.calls = 0;
        s.o.memory.failed = false;
        s.o.memory.fail_at = ++n;
        status = staged_open(&s, &keel_wrap_failover, "");
        s.o.memory.fail_at = 0;
        ck_assert_int_eq(status, s.o.memory.failed ? KEEL_E_NOMEM : KEEL_OK);
    } while (status != KEEL_OK);
    ck_assert_int_gt(n, 1);
    down();
    s.o.memory.calls = 0;
    s.o.memory.fail_at = 1;
    ck_assert_int_eq(do_set(), KEEL_FAILED); /* it could not be remembered */
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    s.o.memory.fail_at = 0;
    staged_cleanup(&s);
}
END_TEST

SUITE("failover", 20, ONE(a_read_that_fails_is_the_standbys),
      ONE(the_primary_is_the_one_of_that_role),
      ONE(a_miss_is_an_answer_unless_it_is_not),
      ROWS(which_failures_a_read_goes_on_after, lists),
      ONE(a_list_of_something_else_is_refused), ONE(when_all_fail_each_is_told_of),
      ONE(a_child_gets_its_share_of_the_time),
      ONE(no_more_children_are_asked_than_tries_allow),
      ROWS(a_write_goes_on_where_that_is_safe, writes),
      ONE(a_write_that_nobody_took_is_not_remembered),
      ONE(a_doubt_is_not_covered_up_by_a_later_refusal),
      ONE(a_write_that_could_not_be_remembered_is_not_made),
      ONE(one_failure_is_no_reason_to_leave),
      ONE(a_primary_that_was_left_is_left_alone_for_the_hold),
      ONE(a_standby_that_fails_is_left_too_and_the_primary_is_the_last),
      ONE(what_was_written_meanwhile_is_carried_back),
      ONE(or_deleted_there_where_that_is_wanted), ONE(a_delete_is_a_write),
      ONE(a_dirty_key_is_its_owners_whoever_else_is_there),
      ONE(a_dirty_key_may_change_hands), ONE(a_write_meanwhile_is_not_lost),
      ONE(a_key_that_becomes_dirty_meanwhile_is_its_owners),
      ONE(a_key_that_changed_hands_meanwhile_stays_where_it_is),
      ONE(a_primary_that_fails_again_is_left_again),
      ONE(who_is_asked_first_is_logged_with_the_bag),
      ONE(what_a_closing_forgets_is_logged), ONE(a_token_is_of_the_child_that_gave_it),
      ONE(a_standby_that_is_not_fed_says_nothing_of_other_keys),
      ONE(a_standby_that_is_not_fed_decides_on_no_other_key),
      ONE(a_standby_that_is_not_fed_has_no_list_of_keys),
      ONE(a_batch_is_asked_for_where_each_key_is),
      ONE(a_flush_in_the_middle_of_carrying_back_is_not_undone),
      ONE(a_flush_that_waits_for_a_key_can_be_cancelled),
      ONE(while_it_is_flushed_no_key_is_carried_back),
      ONE(a_flush_leaves_nothing_that_could_come_back),
      ONE(a_scan_says_dirty_keys_too_and_stays_with_one_child),
      ONE(who_has_heard_enough_of_a_scan_hears_the_other_dirty_keys_later),
      ONE(a_child_is_not_asked_for_what_it_cannot),
      ONE(it_can_what_all_of_its_children_can),
      ONE(it_is_well_as_long_as_one_of_them_is), ONE(no_opening_leaks))
