/* SPDX-License-Identifier: MIT */
/* The readonly decorator, and how an operator's word reaches a part of a tree. */
#include "bag/opened_bag.h"

#include <string.h>

#include "support/suite.h"
#include "support/without.h"

static opened_bag b;

static keel_status write_set(void)
{
    return opened_bag_store(&b, KEEL_BAG_SET, "k", "2");
}

static keel_status write_incr(void)
{
    return opened_bag_incr(&b, "k");
}

static keel_status write_delete(void)
{
    return opened_bag_remove(&b, "k");
}

static keel_status write_touch(void)
{
    keel_bag_op op = opened_bag_op(&b);

    return b.bag->root.ops->touch(b.bag->root.state, &op, (keel_bytes){ "k", 1 }, 0,
                                  NULL, &b.why);
}

static keel_status get_and_touch(void)
{
    keel_bag_op op = opened_bag_op(&b);

    b.item = (keel_bag_item){ .size = sizeof b.item };
    return b.bag->root.ops->touch(b.bag->root.state, &op, (keel_bytes){ "k", 1 },
                                  b.now_ms + 1000, &b.item, &b.why);
}

static keel_status flush(void)
{
    keel_bag_op op = opened_bag_op(&b);

    return b.bag->root.ops->flush(b.bag->root.state, &op, &b.why);
}

static keel_status (*const writes[])(void) = { write_set,   write_incr,    write_delete,
                                               write_touch, get_and_touch, flush };

START_TEST(a_write_is_refused_and_has_not_happened)
{
    opened_bag_init(&b, OPENED_VIRTUAL, "readonly{on=off}(memory://?allow_flush=on)");
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "k", "1"), KEEL_OK);
    opened_bag_tell(&b, NULL, "readonly on");
    ck_assert_int_eq(writes[_i](), KEEL_READ_ONLY);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_NO);
    ck_assert_ptr_nonnull(strstr(b.why.text, "readonly: "));
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_OK);
    ck_assert_str_eq(b.value, "1");
    ck_assert_int_eq(b.item.expires_at_ms, 0);
    opened_bag_tell(&b, NULL, "readonly off");
    ck_assert_int_eq(writes[_i](), KEEL_OK);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(get_and_touch_may_be_a_get)
{
    opened_bag_init(&b, OPENED_VIRTUAL, "readonly{on=off; gat=get}(memory://)");
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "k", "1"), KEEL_OK);
    opened_bag_tell(&b, NULL, "readonly on");
    ck_assert_int_eq(get_and_touch(), KEEL_OK);
    ck_assert_int_eq(write_touch(), KEEL_READ_ONLY);
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_OK);
    ck_assert_int_eq(b.item.expires_at_ms, 0);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(it_is_on_unless_it_is_told_otherwise)
{
    opened_bag_init(&b, OPENED_VIRTUAL, "readonly(memory://)");
    ck_assert_int_eq(keel_bag_set(b.bag, "k", "1", 1, NULL, &b.why), KEEL_READ_ONLY);
    ck_assert_int_eq(b.why.code, KEEL_READ_ONLY);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_NO);
    opened_bag_cleanup(&b);
}
END_TEST

/* What is wanted of a bag whose primary is away and whose copy nobody may write to. */
START_TEST(a_read_only_standby_answers_and_takes_nothing)
{
    opened_bag_init(&b, OPENED_VIRTUAL,
                    "failover(primary=fault{p=100%; kind=error}(memory://), "
                    "standby=readonly{on=off}(memory://))");
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "k", "1"), KEEL_OK);
    opened_bag_tell(&b, "failover.standby", "readonly on");
    for (int i = 0; i < 10; i++) { /* also once the primary was left */
        ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "k", "2"), KEEL_READ_ONLY);
        ck_assert_int_eq(b.why.applied, KEEL_APPLIED_NO);
    }
    ck_assert_int_eq(opened_bag_get(&b, "k"), KEEL_OK);
    ck_assert_str_eq(b.value, "1");
    ck_assert_uint_eq(b.item.marks, KEEL_BAG_FROM_STANDBY);
    opened_bag_tell(&b, "failover.primary", "fault off");
    ck_assert_int_eq(opened_bag_store(&b, KEEL_BAG_SET, "other", "2"), KEEL_OK);
    opened_bag_cleanup(&b);
}
END_TEST

/* ---- an operator's word -------------------------------------------------------------- */

#define TWO "readonly(readonly(memory://))"

/* text: of the answer, or in the reason */
static const struct {
    const char *path, *command;
    keel_status status;
    const char *text;
} controls[] = {
    { NULL, "readonly off", KEEL_OK, "readonly=off" },
    { "readonly.source", "readonly", KEEL_OK, "readonly=on" },
    { "readonly.source", "readonly maybe", KEEL_E_ARGUMENT, "on or off" },
    { "readonly.cache", "readonly off", KEEL_E_ARGUMENT, "no part \"readonly.cache\"" },
    { NULL, "readonlyness", KEEL_E_UNSUPPORTED, "\"readonlyness\"" },
    { "readonly.source.source", "readonly off", KEEL_E_UNSUPPORTED,
      "knows no command" },
    { NULL, "", KEEL_E_ARGUMENT, "a command" },
};

START_TEST(an_operators_word_reaches_the_part_that_is_meant)
{
    char answer[64] = "untouched";
    keel_status status;

    opened_bag_init(&b, OPENED_VIRTUAL, TWO);
    status = keel_bag_control(b.bag, controls[_i].path, controls[_i].command, answer,
                              sizeof answer, &b.why);
    ck_assert_int_eq(status, controls[_i].status);
    ck_assert_int_eq(b.why.code, status);
    if (status == KEEL_OK)
        ck_assert_str_eq(answer, controls[_i].text);
    else
        ck_assert_msg(strstr(b.why.text, controls[_i].text) != NULL, "%s", b.why.text);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(without_a_path_the_first_one_that_knows_it_is_meant)
{
    opened_bag_init(&b, OPENED_VIRTUAL,
                    "readonly{on=off}(readonly{on=off}(memory://))");
    opened_bag_tell(&b, NULL, "readonly on");
    ck_assert_int_eq(write_set(), KEEL_READ_ONLY);
    ck_assert_ptr_null(strstr(b.why.text, "readonly.source"));
    opened_bag_tell(&b, NULL, "readonly off");
    opened_bag_tell(&b, "readonly.source", "readonly on");
    ck_assert_int_eq(write_set(), KEEL_READ_ONLY);
    ck_assert_ptr_nonnull(strstr(b.why.text, "readonly.source: "));
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(an_answer_is_cut_to_its_room)
{
    char answer[] = "123456789";

    opened_bag_init(&b, OPENED_VIRTUAL, "readonly(memory://)");
    ck_assert_int_eq(keel_bag_control(b.bag, NULL, "readonly", answer, 5, &b.why),
                     KEEL_OK);
    ck_assert_mem_eq(answer, "read\0006789", 10);
    ck_assert_int_eq(keel_bag_control(b.bag, NULL, "readonly", answer, 0, &b.why),
                     KEEL_OK);
    opened_bag_cleanup(&b);
}
END_TEST

START_TEST(a_control_bears_that_an_argument_is_missing)
{
    char answer[16];

    opened_bag_init(&b, OPENED_VIRTUAL, "readonly(memory://)");
    WITHOUT(keel_bag_control, bag,
            keel_bag_control(NULL, NULL, "readonly", answer, sizeof answer, &b.why) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_control, path,
            keel_bag_control(b.bag, NULL, "readonly", answer, sizeof answer, &b.why) ==
                KEEL_OK);
    WITHOUT(keel_bag_control, command,
            keel_bag_control(b.bag, "readonly", NULL, answer, sizeof answer, &b.why) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_bag_control, answer,
            keel_bag_control(b.bag, "readonly", "readonly", NULL, 9, &b.why) ==
                KEEL_OK);
    WITHOUT(keel_bag_control, why,
            keel_bag_control(b.bag, "readonly", "nothing", answer, sizeof answer,
                             NULL) == KEEL_E_UNSUPPORTED);
    opened_bag_cleanup(&b);
}
END_TEST

SUITE("readonly", 20, ROWS(a_write_is_refused_and_has_not_happened, writes),
      ONE(get_and_touch_may_be_a_get), ONE(it_is_on_unless_it_is_told_otherwise),
      ONE(a_read_only_standby_answers_and_takes_nothing),
      ROWS(an_operators_word_reaches_the_part_that_is_meant, controls),
      ONE(without_a_path_the_first_one_that_knows_it_is_meant),
      ONE(an_answer_is_cut_to_its_room),
      ONE(a_control_bears_that_an_argument_is_missing))
