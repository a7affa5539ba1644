/* SPDX-License-Identifier: MIT */
/* resilient(x): what is tried again after which failure, and what is said of it. */
#include <string.h>

#include "bag/staged.h"
#include "support/suite.h"

static staged s;

/* The first store is all there is. */
#define STORE (&s.stores[0])

static void begin_in(const char *options, const char *const *environment)
{
    staged_init(&s, "source", environment);
    ck_assert_msg(staged_open(&s, &keel_wrap_resilient, options) == KEEL_OK, "%s",
                  s.why.text);
}

static void begin(const char *options)
{
    begin_in(options, NULL);
}

static keel_pipeline *pipeline(void)
{
    static keel_pipeline *own;

    ck_assert_int_eq(keel_pipeline_open(&own, s.o.rt, "test.top", NULL, NULL), KEEL_OK);
    keel_pipeline_close(own); /* the decorator's handle keeps it */
    return own;
}

static keel_pipeline_stats look(void)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    ck_assert_int_eq(keel_pipeline_look(pipeline(), &stats), KEEL_OK);
    return stats;
}

/* ---- the table of what may be tried again -------------------------------------------- */

static keel_bag_token seen; /* of "k" as it was put */

static keel_status do_get(const keel_bag_options *o)
{
    keel_bag_item item = { .size = sizeof item };

    return keel_bag_get(&s.bag, "k", &item, o, &s.why);
}

static keel_status do_set(const keel_bag_options *o)
{
    return keel_bag_set(&s.bag, "k", "new", 3, o, &s.why);
}

static keel_status do_add(const keel_bag_options *o)
{
    return keel_bag_add(&s.bag, "n", "new", 3, o, &s.why);
}

static keel_status do_replace(const keel_bag_options *o)
{
    return keel_bag_replace(&s.bag, "k", "new", 3, o, &s.why);
}

static keel_status do_cas(const keel_bag_options *o)
{
    return keel_bag_cas(&s.bag, "k", &seen, "new", 3, o, &s.why);
}

static keel_status do_append(const keel_bag_options *o)
{
    return keel_bag_append(&s.bag, "k", "x", 1, o, &s.why);
}

static keel_status do_prepend(const keel_bag_options *o)
{
    return keel_bag_prepend(&s.bag, "k", "x", 1, o, &s.why);
}

static keel_status do_decr(const keel_bag_options *o)
{
    return keel_bag_decr(&s.bag, "k", 1, NULL, o, &s.why);
}

static keel_status do_incr(const keel_bag_options *o)
{
    return keel_bag_incr(&s.bag, "k", 1, NULL, o, &s.why);
}

static keel_status do_touch(const keel_bag_options *o)
{
    return keel_bag_touch(&s.bag, "k", o, &s.why);
}

static keel_status do_get_and_touch(const keel_bag_options *o)
{
    keel_bag_item item = { .size = sizeof item };

    return keel_bag_get_and_touch(&s.bag, "k", &item, o, &s.why);
}

static keel_status do_delete(const keel_bag_options *o)
{
    return keel_bag_delete(&s.bag, "k", o, &s.why);
}

static keel_status do_delete_cas(const keel_bag_options *o)
{
    return keel_bag_delete_cas(&s.bag, "k", &seen, o, &s.why);
}

static keel_status do_flush(const keel_bag_options *o)
{
    return keel_bag_flush(&s.bag, o, &s.why);
}

enum { NO, LOST, DONE }; /* not applied; answer lost; answer lost, applied */

static const struct {
    const char *why;
    keel_status (*verb)(const keel_bag_options *o);
    int fault;
    const char *options;
    keel_status status;
    unsigned asked; /* reading back included */
    uint32_t marks;
} tries[] = {
    { "nothing was sent", do_get, NO, "", KEEL_OK, 2, 0 },
    { "a read harms nothing", do_get, LOST, "", KEEL_OK, 2, 0 },
    { "nothing was sent", do_set, NO, "", KEEL_OK, 2, 0 },
    { "set has no condition", do_set, LOST, "", KEEL_OK, 2, 0 },
    { "it is there twice, which is once", do_set, DONE, "", KEEL_OK, 2, 0 },
    { "unless that is not wanted", do_set, LOST, "set_retry=off", KEEL_UNKNOWN, 1, 0 },
    { "or it is too late for it", do_set, LOST, "lost_update_window=0s", KEEL_UNKNOWN,
      1, 0 },
    { "nothing was sent", do_add, NO, "", KEEL_OK, 2, 0 },
    { "absent: not applied", do_add, LOST, "", KEEL_OK, 3, 0 },
    { "the nonce is its own", do_add, DONE, "", KEEL_OK, 2, KEEL_BAG_REPEATED },
    { "nothing was sent", do_replace, NO, "", KEEL_OK, 2, 0 },
    { "the old one may be newer", do_replace, LOST, "", KEEL_UNKNOWN, 2, 0 },
    { "the nonce is its own", do_replace, DONE, "", KEEL_OK, 2, KEEL_BAG_REPEATED },
    { "nothing was sent", do_cas, NO, "", KEEL_OK, 2, 0 },
    { "the token is as it was", do_cas, LOST, "", KEEL_OK, 3, 0 },
    { "the nonce is its own", do_cas, DONE, "", KEEL_OK, 2, KEEL_BAG_REPEATED },
    { "nothing was sent", do_append, NO, "", KEEL_OK, 2, 0 },
    { "it would be there twice", do_append, LOST, "", KEEL_UNKNOWN, 1, 0 },
    { "it is there, once", do_append, DONE, "", KEEL_UNKNOWN, 1, 0 },
    { "nothing was sent", do_prepend, NO, "", KEEL_OK, 2, 0 },
    { "it would be there twice", do_prepend, LOST, "", KEEL_UNKNOWN, 1, 0 },
    { "nothing was sent", do_incr, NO, "", KEEL_OK, 2, 0 },
    { "it would count twice", do_incr, LOST, "", KEEL_UNKNOWN, 1, 0 },
    { "it did count, once", do_incr, DONE, "", KEEL_UNKNOWN, 1, 0 },
    { "nothing was sent", do_decr, NO, "", KEEL_OK, 2, 0 },
    { "it would count twice", do_decr, LOST, "", KEEL_UNKNOWN, 1, 0 },
    { "nothing was sent", do_touch, NO, "", KEEL_OK, 2, 0 },
    { "its expiry is an instant", do_touch, LOST, "", KEEL_OK, 2, 0 },
    { "the same instant again", do_touch, DONE, "", KEEL_OK, 2, 0 },
    { "so it is for who reads it, too", do_get_and_touch, LOST, "", KEEL_OK, 2, 0 },
    { "nothing was sent", do_delete, NO, "", KEEL_OK, 2, 0 },
    { "it is still there", do_delete, LOST, "", KEEL_OK, 2, 0 },
    { "gone is gone", do_delete, DONE, "", KEEL_OK, 2, KEEL_BAG_REPEATED },
    { "nothing was sent", do_delete_cas, NO, "", KEEL_OK, 2, 0 },
    { "the one that was seen is still there", do_delete_cas, LOST, "", KEEL_OK, 2, 0 },
    { "only the one that was seen", do_delete_cas, DONE, "", KEEL_OK, 2,
      KEEL_BAG_REPEATED },
    { "nothing was sent", do_flush, NO, "", KEEL_OK, 2, 0 },
    { "it would delete what came after", do_flush, LOST, "", KEEL_UNKNOWN, 1, 0 },
    { "and so it would then", do_flush, DONE, "", KEEL_UNKNOWN, 1, 0 },
};

START_TEST(what_is_tried_again_and_what_comes_of_it)
{
    const staged_fault fault = { .status = KEEL_FAILED,
                                 .applied = tries[_i].fault == NO
                                                ? KEEL_APPLIED_NO
                                                : KEEL_APPLIED_UNKNOWN,
                                 .happens = tries[_i].fault == DONE };
    uint32_t marks = 99;
    const keel_bag_options given = { .size = sizeof given,
                                     .token = &seen,
                                     .marks = &marks };
    keel_status status;

    begin(tries[_i].options);
    ck_assert_int_eq(keel_bag_set(&s.bag, "k", "1", 1, &given, &s.why), KEEL_OK);
    STORE->asked = 0;
    staged_fail(STORE, fault, 1);
    status =
        tries[_i].verb(&(keel_bag_options){ .size = sizeof given, .marks = &marks });
    ck_assert_msg(status == tries[_i].status, "%s: %s: %s", tries[_i].why,
                  keel_status_name(status), s.why.text);
    ck_assert_msg(STORE->asked == tries[_i].asked, "%s: asked %u times", tries[_i].why,
                  STORE->asked);
    if (tries[_i].verb != do_get)
        ck_assert_uint_eq(marks, tries[_i].marks);
    if (status == KEEL_UNKNOWN)
        ck_assert_int_eq(s.why.applied, KEEL_APPLIED_UNKNOWN);
    else if (tries[_i].verb != do_get)
        ck_assert_int_eq(s.why.applied, KEEL_APPLIED_YES);
    staged_cleanup(&s);
}
END_TEST

START_TEST(what_counts_is_applied_once_at_most)
{
    const staged_fault done = { KEEL_TIMEOUT, KEEL_APPLIED_UNKNOWN, true, 0, 0, 0 };

    begin("");
    ck_assert_int_eq(staged_set(&s, "k", "5"), KEEL_OK);
    staged_fail(STORE, done, 1);
    ck_assert_int_eq(do_incr(NULL), KEEL_UNKNOWN);
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "6");
    ck_assert_msg(strstr(s.why.text, "not retried: it may have been applied"), "%s",
                  s.why.text);
    staged_cleanup(&s);
}
END_TEST

/* ---- doubt --------------------------------------------------------------------------- */

START_TEST(without_a_nonce_nothing_is_resolved)
{
    const staged_fault lost = STAGED_LOST;

    staged_init(&s, "source", NULL);
    STORE->child.abilities.effective &= ~(uint32_t)KEEL_HAS_NONCE;
    ck_assert_int_eq(staged_open(&s, &keel_wrap_resilient, ""), KEEL_OK);
    staged_fail(STORE, lost, 1);
    ck_assert_int_eq(do_add(NULL), KEEL_UNKNOWN);
    ck_assert_uint_eq(STORE->asked, 1);
    staged_cleanup(&s);
}
END_TEST

START_TEST(an_item_that_has_no_nonce_is_nobodys)
{
    const staged_fault done = { KEEL_FAILED, KEEL_APPLIED_UNKNOWN, true, 0, 0, 0 };

    begin("");
    STORE->hides_nonces = true;
    staged_fail(STORE, done, 1);
    ck_assert_int_eq(do_add(NULL), KEEL_UNKNOWN); /* it is its own, as it happens */
    ck_assert_str_eq(staged_peek(&s, 0, "n"), "new");
    staged_cleanup(&s);
}
END_TEST

START_TEST(an_add_that_lost_to_another_is_not_stored)
{
    const staged_fault lost = STAGED_LOST;

    begin("");
    staged_put(&s, 0, "n", "other");
    staged_fail(STORE, lost, 1);
    ck_assert_int_eq(do_add(NULL), KEEL_NOT_STORED);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_str_eq(staged_peek(&s, 0, "n"), "other");
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_cas_that_another_may_have_overwritten_is_unknown)
{
    const keel_bag_options given = { .size = sizeof given, .token = &seen };
    const staged_fault lost = STAGED_LOST;

    begin("");
    ck_assert_int_eq(keel_bag_set(&s.bag, "k", "1", 1, &given, &s.why), KEEL_OK);
    staged_put(&s, 0, "k", "other");
    staged_fail(STORE, lost, 1);
    ck_assert_int_eq(do_cas(NULL), KEEL_UNKNOWN);
    ck_assert_uint_eq(STORE->writes, 2); /* it was not sent again */
    staged_cleanup(&s);
}
END_TEST

/* The first try arrives after it was read that it had not. */
START_TEST(an_add_refused_by_its_own_first_try_is_stored)
{
    static const staged_fault script[] = {
        STAGED_LOST,                                  /* the first try */
        { KEEL_OK, KEEL_APPLIED_NO, false, 0, 0, 0 }, /* reading: absent */
        { KEEL_OK, KEEL_APPLIED_NO, true, 0, 0, 0 },  /* the second, behind the first */
    };

    begin("");
    staged_play(STORE, script, 3);
    ck_assert_int_eq(do_add(NULL), KEEL_OK);
    ck_assert_uint_eq(STORE->asked, 4);
    ck_assert_str_eq(staged_peek(&s, 0, "n"), "new");
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_cas_refused_after_a_doubt_is_unknown_unless_it_is_its_own)
{
    static const staged_fault script[] = {
        STAGED_LOST,
        { KEEL_OK, KEEL_APPLIED_NO, false, 0, 0, 0 },
        { KEEL_OK, KEEL_APPLIED_NO, true, 0, 0, 0 },
    };
    const keel_bag_options given = { .size = sizeof given, .token = &seen };

    begin("");
    ck_assert_int_eq(keel_bag_set(&s.bag, "k", "1", 1, &given, &s.why), KEEL_OK);
    staged_play(STORE, script, 3);
    ck_assert_int_eq(do_cas(NULL), KEEL_OK);
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "new");
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_doubt_outlives_refusals_that_come_after_it)
{
    static const staged_fault script[] = { STAGED_LOST, STAGED_REFUSED };

    begin("retry.attempts=2");
    staged_play(STORE, script, 2);
    ck_assert_int_eq(do_set(NULL), KEEL_UNKNOWN);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_msg(strstr(s.why.text, "(2 attempts)"), "%s", s.why.text);
    staged_cleanup(&s);
}
END_TEST

/* ---- what the pipeline learns -------------------------------------------------------- */

START_TEST(answers_are_successes)
{
    begin("");
    for (int i = 0; i < 40; i++) {
        ck_assert_int_eq(staged_get(&s, "none"), KEEL_NOT_FOUND);
        ck_assert_int_eq(do_replace(NULL), KEEL_NOT_STORED);
        ck_assert_int_eq(do_incr(NULL), KEEL_NOT_FOUND);
    }
    ck_assert_uint_eq(look().failures, 0);
    ck_assert_int_eq(look().state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(STORE->asked, 120);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_damaged_item_is_neutral_and_final)
{
    const staged_fault damaged = { KEEL_CORRUPT, KEEL_APPLIED_NO, false, 0, 0, 0 };

    begin("breaker.consecutive=2");
    staged_fail(STORE, damaged, 10);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(staged_get(&s, "k"), KEEL_CORRUPT);
    ck_assert_uint_eq(STORE->asked, 10);
    ck_assert_int_eq(look().state, KEEL_BREAKER_CLOSED);
    ck_assert_str_eq(s.why.text, "top.first: staged");
    staged_cleanup(&s);
}
END_TEST

START_TEST(an_open_breaker_refuses_at_once_and_says_until_when)
{
    const staged_fault lost = STAGED_LOST;

    begin("breaker.consecutive=2; breaker.open=4s; breaker.open_jitter=0; "
          "retry.attempts=5");
    staged_fail(STORE, lost, 100);
    ck_assert_int_eq(do_get(NULL), KEEL_FAILED); /* it opens between two attempts */
    ck_assert_uint_eq(STORE->asked, 2);
    ck_assert_uint_lt(vclock_now(&s.o.clock), VCLOCK_START + KEEL_S);
    ck_assert_int_eq(do_set(NULL), KEEL_REJECTED_OPEN);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_gt(s.why.retry_after_ns, 3 * KEEL_S);
    ck_assert_msg(strncmp(s.why.text, "top: not called", 15) == 0, "%s", s.why.text);
    ck_assert_int_eq(do_get(NULL), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(STORE->asked, 2);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_look_at_its_health_is_a_probe)
{
    const staged_fault lost = STAGED_LOST;
    keel_bag_op op = { .size = sizeof op, .deadline_at_ns = KEEL_NEVER };

    begin("breaker.consecutive=1; breaker.open=1s; breaker.open_jitter=0; "
          "breaker.half_open_permits=1; retry.attempts=1");
    staged_fail(STORE, lost, 1);
    ck_assert_int_eq(do_get(NULL), KEEL_FAILED);
    ck_assert_int_eq(keel_wrap_resilient.health(s.bag.root.state, &op, NULL),
                     KEEL_REJECTED_OPEN);
    vclock_advance(&s.o.clock, 2 * KEEL_S);
    ck_assert_int_eq(keel_wrap_resilient.health(s.bag.root.state, &op, NULL), KEEL_OK);
    ck_assert_int_eq(look().state, KEEL_BREAKER_CLOSED);
    staged_cleanup(&s);
}
END_TEST

/* ---- time ---------------------------------------------------------------------------- */

START_TEST(each_attempt_has_a_deadline_of_its_own)
{
    begin("timeout=300ms");
    ck_assert_int_eq(do_set(NULL), KEEL_OK);
    ck_assert_uint_eq(STORE->deadline_at_ns, VCLOCK_START + 300 * KEEL_MS);
    staged_cleanup(&s);
}
END_TEST

START_TEST(it_ends_by_its_deadline_whatever_the_store_does)
{
    const staged_fault hangs = { KEEL_DEADLINE, KEEL_APPLIED_UNKNOWN,
                                 false,         0,
                                 300 * KEEL_MS, 0 };
    const keel_bag_options given = { .size = sizeof given,
                                     .deadline_at_ns = VCLOCK_START + KEEL_S };

    begin("timeout=300ms; retry.attempts=100; retry.backoff=10ms; retry.budget=off");
    staged_fail(STORE, hangs, 1000);
    ck_assert_int_eq(do_set(&given), KEEL_UNKNOWN);
    ck_assert_uint_le(vclock_now(&s.o.clock), VCLOCK_START + KEEL_S + 250 * KEEL_MS);
    ck_assert_uint_le(STORE->deadline_at_ns, VCLOCK_START + KEEL_S);
    ck_assert_uint_eq(STORE->asked, 4);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_hint_is_waited_for_if_there_is_time)
{
    const staged_fault busy = {
        KEEL_THROTTLED, KEEL_APPLIED_NO, false, 900 * KEEL_MS, 0, 0
    };

    begin("");
    staged_fail(STORE, busy, 1);
    ck_assert_int_eq(do_incr(NULL), KEEL_NOT_FOUND);
    ck_assert_uint_ge(vclock_now(&s.o.clock), VCLOCK_START + 900 * KEEL_MS);
    ck_assert_uint_eq(STORE->asked, 2);
    STORE->fault.retry_after_ns = 100 * KEEL_S;
    STORE->times = 1;
    ck_assert_int_eq(do_incr(NULL), KEEL_THROTTLED);
    ck_assert_uint_eq(s.why.retry_after_ns, 100 * KEEL_S);
    ck_assert_uint_eq(STORE->asked, 3);
    staged_cleanup(&s);
}
END_TEST

/* ---- wishes, names, nesting ---------------------------------------------------------- */

START_TEST(a_caller_may_want_one_attempt)
{
    const keel_bag_options once = { .size = sizeof once, .wishes = KEEL_BAG_NO_RETRY };
    const staged_fault lost = STAGED_LOST;

    begin("");
    staged_fail(STORE, lost, 1);
    ck_assert_int_eq(do_get(&once), KEEL_FAILED);
    ck_assert_uint_eq(STORE->asked, 1);
    staged_cleanup(&s);
}
END_TEST

START_TEST(what_was_tried_again_further_in_is_not_multiplied)
{
    const staged_fault tired = { KEEL_FAILED, KEEL_APPLIED_NO, false, 0, 0, 3 };

    begin("");
    staged_fail(STORE, tired, 10);
    ck_assert_int_eq(do_get(NULL), KEEL_FAILED);
    ck_assert_uint_eq(STORE->asked, 1);
    ck_assert_int_eq(do_set(NULL), KEEL_FAILED);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(STORE->asked, 2);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_cancelled_call_ends_at_once)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    const keel_bag_options given = { .size = sizeof given, .cancel = &cancel };

    begin("");
    keel_cancel_fire(&cancel);
    ck_assert_int_eq(do_set(&given), KEEL_CANCELLED);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(STORE->asked, 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(an_operator_reaches_it_by_its_name)
{
    static const char *const environment[] = { "KEEL_TEST_TOP=retry.attempts=1", NULL };
    const staged_fault lost = STAGED_LOST;

    begin_in("retry.attempts=4", environment);
    staged_fail(STORE, lost, 1);
    ck_assert_int_eq(do_get(NULL), KEEL_FAILED);
    ck_assert_uint_eq(STORE->asked, 1);
    staged_cleanup(&s);
}
END_TEST

START_TEST(it_may_be_given_a_name_and_a_preset)
{
    static const char *const environment[] = { "KEEL_DDB=breaker=off", NULL };
    const staged_fault lost = STAGED_LOST;

    begin_in("name=ddb;preset=none", environment);
    staged_fail(STORE, lost, 1);
    ck_assert_int_eq(do_get(NULL), KEEL_FAILED); /* preset none: no retry */
    staged_close(&s);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_resilient, "name=No Name"),
                     KEEL_E_CONFIG);
    staged_cleanup(&s);
}
END_TEST

START_TEST(disabled_it_is_the_plain_bag)
{
    static const char *const environment[] = { "KEEL_DISABLED=on", NULL };
    const staged_fault refused = STAGED_REFUSED;

    begin_in("", environment);
    ck_assert_int_eq(staged_set(&s, "k", "1"), KEEL_OK);
    ck_assert_int_eq(staged_get(&s, "k"), KEEL_OK);
    staged_fail(STORE, refused, 1);
    ck_assert_int_eq(do_set(NULL), KEEL_FAILED);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(STORE->asked, 3);
    staged_cleanup(&s);
}
END_TEST

/* ---- several at once, scans ---------------------------------------------------------- */

START_TEST(only_keys_that_failed_are_asked_for_again)
{
    enum { KEYS = 40 };
    static const staged_fault well[5] = { { .status = KEEL_OK } };
    const staged_fault lost = STAGED_LOST;
    const char *keys[KEYS];
    keel_bag_item items[KEYS];
    keel_status statuses[KEYS];
    char values[KEYS][4];

    begin("");
    for (int i = 0; i < KEYS; i++) {
        keys[i] = i % 2 ? "odd" : "even";
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = values[i],
                                    .capacity = sizeof values[i] };
    }
    staged_put(&s, 0, "even", "2");
    staged_put(&s, 0, "odd", "1");
    staged_play(STORE, well, 5);
    staged_fail(STORE, lost, 34); /* all but the first five and the last one */
    ck_assert_int_eq(
        keel_bag_get_many(&s.bag, keys, items, statuses, KEYS, NULL, &s.why), KEEL_OK);
    ck_assert_uint_eq(STORE->asked_many, KEYS + 34);
    for (int i = 0; i < KEYS; i++)
        ck_assert_int_eq(values[i][0], i % 2 ? '1' : '2');
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_batch_that_was_refused_has_an_answer_for_each_key)
{
    const char *keys[] = { "a", "b", "c" };
    keel_bag_item items[3];
    keel_status statuses[3] = { KEEL_OK, KEEL_OK, KEEL_OK };

    begin("");
    for (int i = 0; i < 3; i++)
        items[i] = (keel_bag_item){ .size = sizeof items[i] };
    ck_assert_int_eq(keel_pipeline_lock(pipeline(), KEEL_LOCK_OPEN, 0), KEEL_OK);
    ck_assert_int_eq(keel_bag_get_many(&s.bag, keys, items, statuses, 3, NULL, &s.why),
                     KEEL_REJECTED_FORCED_OPEN);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(statuses[i], KEEL_REJECTED_FORCED_OPEN);
    ck_assert_uint_eq(STORE->asked, 0);
    staged_cleanup(&s);
}
END_TEST

static bool count_key(const char *key, void *ctx)
{
    ck_assert_str_eq(key, "k");
    ++*(unsigned *)ctx;
    return true;
}

START_TEST(a_scan_goes_on_from_where_it_was)
{
    const staged_fault lost = STAGED_LOST;
    keel_bag_cursor cursor = { .length = 0 };
    unsigned count = 0;

    begin("retry.budget=off; breaker=off");
    staged_put(&s, 0, "k", "1");
    while (!cursor.is_at_end) {
        staged_fail(STORE, lost, 1);
        ck_assert_int_eq(keel_bag_scan(&s.bag, &cursor, count_key, &count, NULL, NULL),
                         KEEL_OK);
    }
    ck_assert_uint_eq(count, 1);
    staged_cleanup(&s);
}
END_TEST

/* ---- memory -------------------------------------------------------------------------- */

START_TEST(no_use_allocates_and_no_opening_leaks)
{
    long n = 0;
    keel_status status;

    begin("");
    ck_assert_int_eq(staged_set(&s, "k", "1"), KEEL_OK);
    s.o.memory.calls = 0;
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(staged_get(&s, "k"), KEEL_OK);
    ck_assert_int_eq(s.o.memory.calls, 0);
    do {
        staged_close(&s);
        s.o.memory.calls = 0;
        s.o.memory.failed = false;
        s.o.memory.fail_at = ++n;
        status = staged_open(&s, &keel_wrap_resilient, n == 1 ? "" : "name=fresh");
        s.o.memory.fail_at = 0;
        ck_assert_int_eq(status, s.o.memory.failed ? KEEL_E_NOMEM : KEEL_OK);
    } while (status != KEEL_OK);
    ck_assert_int_gt(n, 2);
    staged_cleanup(&s);
}
END_TEST

SUITE("resilient", 20, ROWS(what_is_tried_again_and_what_comes_of_it, tries),
      ONE(what_counts_is_applied_once_at_most),
      ONE(without_a_nonce_nothing_is_resolved),
      ONE(an_item_that_has_no_nonce_is_nobodys),
      ONE(an_add_that_lost_to_another_is_not_stored),
      ONE(a_cas_that_another_may_have_overwritten_is_unknown),
      ONE(an_add_refused_by_its_own_first_try_is_stored),
      ONE(a_cas_refused_after_a_doubt_is_unknown_unless_it_is_its_own),
      ONE(a_doubt_outlives_refusals_that_come_after_it), ONE(answers_are_successes),
      ONE(a_damaged_item_is_neutral_and_final),
      ONE(an_open_breaker_refuses_at_once_and_says_until_when),
      ONE(a_look_at_its_health_is_a_probe), ONE(each_attempt_has_a_deadline_of_its_own),
      ONE(it_ends_by_its_deadline_whatever_the_store_does),
      ONE(a_hint_is_waited_for_if_there_is_time), ONE(a_caller_may_want_one_attempt),
      ONE(what_was_tried_again_further_in_is_not_multiplied),
      ONE(a_cancelled_call_ends_at_once), ONE(an_operator_reaches_it_by_its_name),
      ONE(it_may_be_given_a_name_and_a_preset), ONE(disabled_it_is_the_plain_bag),
      ONE(only_keys_that_failed_are_asked_for_again),
      ONE(a_batch_that_was_refused_has_an_answer_for_each_key),
      ONE(a_scan_goes_on_from_where_it_was), ONE(no_use_allocates_and_no_opening_leaks))
