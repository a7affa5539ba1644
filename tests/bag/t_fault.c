/* SPDX-License-Identifier: MIT */
/* The fault decorator: what each kind does, which operations it strikes, and when. */
#include "bag/opened_bag.h"

#include <stdio.h>
#include <string.h>

#include "bag/wrap/fault_plan.h"
#include "support/suite.h"

static opened_bag b;

/* ---- kinds --------------------------------------------------------------------------- */

/* writes, applied: what is said; happened: what is so; took_ms: of the deadline's 10 s */
static const struct {
    const char *kind;
    keel_status reads, writes;
    keel_applied applied;
    bool happened;
    unsigned took_ms;
} kinds[] = {
    { "latency", KEEL_OK, KEEL_OK, KEEL_APPLIED_UNKNOWN, true, 100 },
    { "error", KEEL_FAILED, KEEL_FAILED, KEEL_APPLIED_NO, false, 0 },
    { "reset_before", KEEL_FAILED, KEEL_FAILED, KEEL_APPLIED_UNKNOWN, false, 0 },
    { "reset_after", KEEL_FAILED, KEEL_FAILED, KEEL_APPLIED_UNKNOWN, true, 0 },
    { "timeout", KEEL_TIMEOUT, KEEL_TIMEOUT, KEEL_APPLIED_UNKNOWN, false, 100 },
    { "short", KEEL_FAILED, KEEL_FAILED, KEEL_APPLIED_UNKNOWN, true, 0 },
    { "corrupt", KEEL_CORRUPT, KEEL_OK, KEEL_APPLIED_UNKNOWN, true, 0 },
    { "blackhole", KEEL_DEADLINE, KEEL_DEADLINE, KEEL_APPLIED_UNKNOWN, false, 10000 },
};

static void open_kind(const char *kind, const char *more)
{
    char spec[160];

    snprintf(spec, sizeof spec, "fault{p=100%%; kind=%s%s}(memory://)", kind, more);
    opened_bag_init(&b, OPENED_VIRTUAL, spec);
}

static void tell(const char *command)
{
    opened_bag_tell(&b, NULL, command);
}

START_TEST(each_kind_does_what_its_name_says)
{
    uint64_t began;

    open_kind(kinds[_i].kind, "");
    tell("fault off");
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "k", "old"), KEEL_OK);
    tell("fault on");
    began = keel_now(b.o.rt);
    ck_assert_int_eq(opened_bag_get(&b, "k"), kinds[_i].reads);
    ck_assert_uint_eq(keel_now(b.o.rt) - began, kinds[_i].took_ms * KEEL_MS);
    began = keel_now(b.o.rt);
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "k", "new"), kinds[_i].writes);
    ck_assert_uint_eq(keel_now(b.o.rt) - began, kinds[_i].took_ms * KEEL_MS);
    ck_assert_int_eq(b.why.applied, kinds[_i].applied);
    tell("fault off");
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_OK);
    ck_assert_str_eq(b.value, kinds[_i].happened ? "new" : "old");
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(the_author_is_told_that_it_may_have_happened)
{
    keel_bag_item item = { .size = sizeof item };

    open_kind("reset_after", "; verbs=writes");
    ck_assert_int_eq(keel_bag_set(b.bag, "k", "1", 1, NULL, &b.why), KEEL_UNKNOWN);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_int_eq(keel_bag_get(b.bag, "k", &item, NULL, &b.why), KEEL_OK);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(no_wait_goes_beyond_the_deadline)
{
    uint64_t began;

    open_kind("latency", "; latency=1m");
    began = keel_now(b.o.rt);
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_DEADLINE);
    ck_assert_uint_eq(keel_now(b.o.rt) - began, 10 * KEEL_S);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(who_waits_can_be_cancelled)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;

    open_kind("blackhole", "");
    keel_cancel_fire(&cancel);
    b.cancel = &cancel;
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "k", "1"), KEEL_CANCELLED);
    opened_bag_cleanup(&b);
}
END_TEST

/* ---- which and when ------------------------------------------------------------------ */

START_TEST(only_the_verbs_and_keys_that_are_meant_are_struck)
{
    open_kind("error", "; verbs=set|reads; keys=user:*");
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "user:1", "1"), KEEL_FAILED);
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_ADD, "user:1", "1"), KEEL_OK);
    ck_assert_int_eq(opened_bag_get(&b, "user:1"), KEEL_FAILED);
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "use", "1"), KEEL_OK);
    ck_assert_int_eq(opened_bag_remove(&b, "user:1"), KEEL_OK);
    opened_bag_cleanup(&b);
}
END_TEST

static void draw_pattern(const char *seed, char pattern[101])
{
    char spec[160];

    snprintf(spec, sizeof spec, "fault{p=30%%; kind=error; seed=%s}(memory://)", seed);
    opened_bag_init(&b, OPENED_VIRTUAL, spec);
    for (int i = 0; i < 100; i++)
        pattern[i] = opened_bag_get(&b, "k") == KEEL_FAILED ? 'x' : '.';
    pattern[100] = '\0';
    opened_bag_cleanup(&b);
}

START_TEST(the_same_seed_strikes_the_same_operations)
{
    char first[101], again[101], other[101];
    unsigned struck = 0;

    draw_pattern("7", first);
    draw_pattern("7", again);
    draw_pattern("8", other);
    ck_assert_str_eq(first, again);
    ck_assert_str_ne(first, other);
    for (const char *c = first; *c; c++)
        struck += *c == 'x';
    ck_assert_uint_gt(struck, 15);
    ck_assert_uint_lt(struck, 45);
}
END_TEST

START_TEST(no_more_than_max_are_struck)
{
    open_kind("error", "; max=2");
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(opened_bag_get(&b, "k"), i < 2 ? KEEL_FAILED : KEEL_NOT_FOUND);
    ck_assert_uint_eq(opened_bag_count(&b, NULL, "fault", "struck"), 2);
    ck_assert_uint_eq(opened_bag_count(&b, NULL, "fault", "meant"), 5);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(it_strikes_between_its_instants_alone)
{
    static const keel_status after_10_s[] = { KEEL_NOT_FOUND, KEEL_FAILED,
                                              KEEL_NOT_FOUND, KEEL_FAILED,
                                              KEEL_NOT_FOUND };

    open_kind("error", "; between=10s..20s|30s..40s");
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(opened_bag_get(&b, "k"), after_10_s[i]);
        vclock_advance(&b.o.clock, 10 * KEEL_S);
    }
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(several_keys_are_struck_one_by_one)
{
    static const keel_bytes keys[] = { { "a", 1 }, { "b", 1 } };
    keel_bag_item items[2] = { { .size = sizeof items[0] },
                               { .size = sizeof items[0] } };
    keel_status statuses[2];
    keel_bag_op op;

    open_kind("error", "; keys=b");
    op = opened_bag_op(&b);
    b.bag->root.ops->get_many(b.bag->root.state, &op, keys, items, statuses, 2, &b.why);
    ck_assert_int_eq(statuses[0], KEEL_NOT_FOUND);
    ck_assert_int_eq(statuses[1], KEEL_FAILED);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(without_leave_it_does_nothing_and_says_so)
{
    static const char spec[] = "fault{p=100%; kind=error}(memory://)";
    keel_bag_item item = { .size = sizeof item };
    keel_detail why = KEEL_DETAIL_INIT;
    char warning[240];
    keel_bag *bag;
    opened o;

    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    ck_assert_int_eq(keel_bag_open(&bag, o.rt, "drill", spec, &why), KEEL_OK);
    ck_assert_int_eq(keel_bag_get(bag, "k", &item, NULL, &why), KEEL_NOT_FOUND);
    ck_assert_int_eq(keel_bag_control(bag, NULL, "fault on", NULL, 0, &why),
                     KEEL_E_STATE);
    ck_assert_int_eq(keel_bag_get(bag, "k", &item, NULL, &why), KEEL_NOT_FOUND);
    ck_assert(keel_runtime_warning(o.rt, 0, warning, sizeof warning));
    ck_assert_ptr_nonnull(strstr(warning, "KEEL_CHAOS=allow"));
    keel_bag_close(bag);
    opened_cleanup(&o);
}
END_TEST

/* ---- what is wrong ------------------------------------------------------------------- */

static const struct {
    const char *option, *text;
} wrong[] = {
    { "verbs=get|sett", "there is no verb \"sett\"" },
    { "between=10s..", "between is a list of spans" },
    { "between=20s..10s", "between is a list of spans" },
    { "between=1s..2s|1s..2s|1s..2s|1s..2s|1s..2s|1s..2s|1s..2s|1s..2s|1s..2s",
      "8 spans at most" },
    { "kind=sabotage", "kind is one of" },
    { "p=101%", "p is 0" },
};

START_TEST(a_rule_that_is_none_is_refused)
{
    char spec[200];
    keel_bag *bag;
    opened o;

    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    snprintf(spec, sizeof spec, "fault{%s}(memory://)", wrong[_i].option);
    ck_assert_int_eq(keel_bag_open(&bag, o.rt, "drill", spec, &o.why), KEEL_E_CONFIG);
    ck_assert_msg(strstr(o.why.text, wrong[_i].text) != NULL, "%s", o.why.text);
    opened_cleanup(&o);
}
END_TEST

SUITE("fault", 20, ROWS(each_kind_does_what_its_name_says, kinds),
      ONE(the_author_is_told_that_it_may_have_happened),
      ONE(no_wait_goes_beyond_the_deadline), ONE(who_waits_can_be_cancelled),
      ONE(only_the_verbs_and_keys_that_are_meant_are_struck),
      ONE(the_same_seed_strikes_the_same_operations), ONE(no_more_than_max_are_struck),
      ONE(it_strikes_between_its_instants_alone),
      ONE(several_keys_are_struck_one_by_one),
      ONE(without_leave_it_does_nothing_and_says_so),
      ROWS(a_rule_that_is_none_is_refused, wrong))
