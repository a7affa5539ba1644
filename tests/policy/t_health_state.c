/* SPDX-License-Identifier: MIT */
/* Rows of answers, the lease of who asks, and an open period that ends early: at instants
 * that the test says. */
#include <string.h>

#include "policy/health_state.h"
#include "support/loose_breaker.h"
#include "support/suite.h"

#define START (1000 * KEEL_S)

static const keel_health_policy policy = { .rise = 2, .fall = 3 };

/* g: a good answer, b: a bad one; after each h healthy, u unhealthy, ? unknown */
static const struct {
    const char *why;
    const char *answers;
    const char *states;
    uint32_t changes;
} rows[] = {
    { "one good answer is no row", "g", "?", 0 },
    { "rise of them are", "gg", "?h", 1 },
    { "one bad answer is no row either", "b", "?", 0 },
    { "fall of them are", "bbb", "??u", 1 },
    { "a good one between begins anew", "bbgbb", "?????", 0 },
    { "and so does a bad one", "gbg", "???", 0 },
    { "healthy stays so below fall", "ggbb", "?hhh", 1 },
    { "and falls at it", "ggbbb", "?hhhu", 2 },
    { "unhealthy stays so below rise", "bbbg", "??uu", 1 },
    { "and rises at it", "bbbgg", "??uuh", 2 },
    { "more of the same is no change", "ggggg", "?hhhh", 1 },
    { "a flapping one never falls", "ggbgbgbbgbb", "?hhhhhhhhhh", 1 },
};

START_TEST(a_state_needs_a_row)
{
    keel_health_words words = { .state = 0 };
    keel_health_view view = { .row = 0 };
    uint64_t now = START;

    for (const char *answer = rows[_i].answers; *answer; answer++, now += KEEL_S) {
        char expected = rows[_i].states[answer - rows[_i].answers];
        bool changed = keel_health_count(&words, &policy, *answer == 'g', now, &view);
        uint32_t before = view.changes - changed;

        ck_assert_msg("?hu"[view.state] == expected, "%s: after %td: %c", rows[_i].why,
                      answer - rows[_i].answers + 1, "?hu"[view.state]);
        ck_assert_uint_le(before, view.changes);
        ck_assert_uint_eq(view.checked_at_ns, now);
    }
    ck_assert_msg(view.changes == rows[_i].changes, "%s: %u changes", rows[_i].why,
                  view.changes);
}
END_TEST

START_TEST(a_row_that_goes_on_for_ever_overflows_nothing)
{
    keel_health_policy longest = { .rise = 100, .fall = 100 };
    uint64_t word = 0;

    for (unsigned i = 0; i < 1000; i++) {
        word = keel_health_after(word, &longest, true, START);
        ck_assert_int_eq(keel_health_view_of(word).state,
                         i < 99 ? KEEL_CHECK_UNKNOWN : KEEL_CHECK_HEALTHY);
    }
    ck_assert_uint_eq(keel_health_view_of(word).changes, 1);
}
END_TEST

START_TEST(what_was_found_long_ago_is_not_known)
{
    keel_health_words words = { .state = 0 };
    keel_health_view view;

    for (int i = 0; i < 3; i++)
        keel_health_count(&words, &policy, false, START, &view);
    keel_health_forget(&words, KEEL_S, START + KEEL_S);
    ck_assert_int_eq(keel_health_view_of(words.state).state, KEEL_CHECK_UNHEALTHY);
    keel_health_forget(&words, KEEL_S, START + KEEL_S + 1);
    ck_assert_int_eq(keel_health_view_of(words.state).state, KEEL_CHECK_UNKNOWN);
}
END_TEST

/* ---- the lease ---------------------------------------------------------------------- */

#define OWNER(slot) ((uint64_t)(slot) << 56 | 77)

static bool nobody_is_gone(uint32_t slot, void *ctx)
{
    (void)slot;
    (void)ctx;
    return false;
}

static bool this_one_is_gone(uint32_t slot, void *ctx)
{
    return slot == *(const uint32_t *)ctx;
}

static bool lead(keel_health_words *words, uint32_t slot, uint64_t now, uint64_t *seen)
{
    return keel_health_lead(words, OWNER(slot), now, seen, nobody_is_gone, NULL);
}

START_TEST(one_asks_while_he_is_there_and_another_when_his_time_is_over)
{
    keel_health_words words = { .state = 0 };
    uint64_t seen[3] = { 0 };

    ck_assert(lead(&words, 1, START, &seen[1]));
    ck_assert(!lead(&words, 2, START, &seen[2]));
    ck_assert(lead(&words, 1, START + KEEL_S / 2, &seen[1]));
    ck_assert(!lead(&words, 2, START + KEEL_HEALTH_LEASE_NS, &seen[2]));
    ck_assert(lead(&words, 2, START + KEEL_S / 2 + KEEL_HEALTH_LEASE_NS, &seen[2]));
    ck_assert(!lead(&words, 1, START + KEEL_S / 2 + KEEL_HEALTH_LEASE_NS, &seen[1]));
}
END_TEST

START_TEST(who_is_gone_is_found_at_the_second_look)
{
    keel_health_words words = { .state = 0 };
    uint64_t seen[3] = { 0 };
    uint32_t gone = 1;

    ck_assert(lead(&words, 1, START, &seen[1]));
    /* he may have moved it on just now: nobody asks the kernel yet */
    ck_assert(
        !keel_health_lead(&words, OWNER(2), START, &seen[2], this_one_is_gone, &gone));
    ck_assert(
        keel_health_lead(&words, OWNER(2), START, &seen[2], this_one_is_gone, &gone));
}
END_TEST

START_TEST(who_is_buried_holds_nothing)
{
    keel_health_words words = { .state = 0 };
    uint64_t seen[3] = { 0 };

    ck_assert(lead(&words, 1, START, &seen[1]));
    keel_health_forsake(&words, 2);
    ck_assert(!lead(&words, 2, START, &seen[2]));
    keel_health_forsake(&words, 1);
    ck_assert(lead(&words, 2, START, &seen[2]));
    keel_health_leave(&words, OWNER(2));
    ck_assert(lead(&words, 1, START, &seen[1]));
}
END_TEST

START_TEST(a_lease_that_nobody_can_have_taken_is_none)
{
    keel_health_words words = { .lease = UINT64_MAX };
    uint64_t seen = 0;

    ck_assert(lead(&words, 2, START, &seen));
}
END_TEST

/* ---- the breaker -------------------------------------------------------------------- */

static loose_breaker b;

static void set_up(void)
{
    loose_breaker_init(&b);
}

START_TEST(an_open_period_ends_early_and_a_probe_decides)
{
    keel_breaker_permit permit;
    uint32_t generation;

    loose_trip(&b);
    generation = loose_look(&b).generation;
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_REJECTED_OPEN);
    b.now += KEEL_S;
    ck_assert(keel_breaker_hasten(&b.breaker, b.now));
    /* it never closes by itself, and nothing else has changed */
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(loose_look(&b).generation, generation);
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_OK);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_HALF_OPEN);
    loose_end(&b, &permit, KEEL_OUTCOME_FAILED);
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_OK);
    loose_end(&b, &permit, KEEL_OUTCOME_FAILED);
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_OPEN);
    /* the second time in a row: the back-off was not forgotten */
    ck_assert_uint_eq(loose_look(&b).due_at_ns - b.now, 10 * KEEL_S);
}
END_TEST

START_TEST(nothing_else_is_hastened)
{
    keel_breaker_permit permit;

    ck_assert(!keel_breaker_hasten(&b.breaker, b.now)); /* closed */
    loose_trip(&b);
    keel_breaker_lock(&b.breaker, KEEL_LOCK_OPEN, 0);
    ck_assert(!keel_breaker_hasten(&b.breaker, b.now)); /* an operator holds it */
    keel_breaker_lock(&b.breaker, KEEL_LOCK_NONE, 0);
    b.now = loose_look(&b).due_at_ns;
    ck_assert(!keel_breaker_hasten(&b.breaker, b.now)); /* its time is over */
    ck_assert_int_eq(loose_admit(&b, &permit), KEEL_OK);
    ck_assert(!keel_breaker_hasten(&b.breaker, b.now)); /* half-open */
    ck_assert_int_eq(loose_look(&b).state, KEEL_BREAKER_HALF_OPEN);
}
END_TEST

SUITE_IN("health_state", 10, set_up, NULL, ROWS(a_state_needs_a_row, rows),
         ONE(a_row_that_goes_on_for_ever_overflows_nothing),
         ONE(what_was_found_long_ago_is_not_known),
         ONE(one_asks_while_he_is_there_and_another_when_his_time_is_over),
         ONE(who_is_gone_is_found_at_the_second_look), ONE(who_is_buried_holds_nothing),
         ONE(a_lease_that_nobody_can_have_taken_is_none),
         ONE(an_open_period_ends_early_and_a_probe_decides),
         ONE(nothing_else_is_hastened))
