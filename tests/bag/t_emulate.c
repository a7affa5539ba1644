/* SPDX-License-Identifier: MIT */
/*
 * What is made of get and cas, over a store that does not tell all that it might: its
 * tokens, or when an item expires. That it is as good as the real verbs is keel-conform's.
 */
#include <string.h>

#include "bag/emulate.h"
#include "bag/staged.h"
#include "support/suite.h"

#define STORE (&s.stores[0])

static staged s;
static const keel_bag_ops *whole; /* the store's own table */
static keel_bag_ops reticent;
static bool tells_token, tells_expiry;

static keel_status get_less(void *state, const keel_bag_op *op, keel_bytes key,
                            keel_bag_item *item, keel_detail *why)
{
    keel_status status = whole->get(state, op, key, item, why);

    if (!tells_token)
        item->token.length = 0;
    if (!tells_expiry)
        item->expires_at_ms = -1;
    return status;
}

/* A store with get and cas, and what it tells of an item. */
static void begin(bool token, bool expiry)
{
    keel_bag_abilities *a;

    staged_init(&s, "store", NULL);
    a = &STORE->child.abilities;
    a->native &= ~(uint32_t)(KEEL_CAN_APPEND | KEEL_CAN_INCR | KEEL_CAN_TOUCH |
                             KEEL_CAN_REPLACE);
    whole = STORE->child.ops;
    reticent = *whole;
    reticent.get = get_less;
    STORE->child.ops = &reticent;
    tells_token = token;
    tells_expiry = expiry;
    ck_assert_int_eq(staged_open(&s, &keel_bag_emulation, ""), KEEL_OK);
}

static keel_status set_for(int64_t ms)
{
    const keel_bag_options options = { .size = sizeof options,
                                       .ttl = keel_ttl_for_ms(ms) };

    return keel_bag_set(&s.bag, "k", "1", 1, &options, &s.why);
}

START_TEST(without_a_token_a_verb_ends_at_once)
{
    uint64_t number;

    begin(false, true);
    ck_assert_int_eq(set_for(60000), KEEL_OK);
    ck_assert_int_eq(keel_bag_incr(&s.bag, "k", 1, &number, NULL, &s.why),
                     KEEL_E_UNSUPPORTED);
    ck_assert_int_eq(s.why.applied, KEEL_APPLIED_NO);
    ck_assert_ptr_nonnull(strstr(s.why.text, "no token"));
    ck_assert_uint_eq(STORE->writes, 1);
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "1");
    staged_cleanup(&s);
}
END_TEST

START_TEST(an_expiry_that_cannot_be_told_stays)
{
    const keel_bag_options with_expiry = { .size = sizeof with_expiry,
                                           .wishes = KEEL_BAG_WANT_TTL };
    keel_bag_item item = { .size = sizeof item };
    uint64_t number;

    begin(true, false);
    ck_assert_int_eq(set_for(60000), KEEL_OK);
    ck_assert_int_eq(keel_bag_append(&s.bag, "k", "2", 1, NULL, &s.why), KEEL_OK);
    ck_assert_int_eq(keel_bag_incr(&s.bag, "k", 1, &number, NULL, &s.why), KEEL_OK);
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "13");
    tells_expiry = true;
    ck_assert_int_eq(keel_bag_get(&s.bag, "k", &item, &with_expiry, &s.why), KEEL_OK);
    ck_assert_int_gt(item.expires_at_ms, 0);
    staged_cleanup(&s);
}
END_TEST

START_TEST(a_touch_that_keeps_the_expiry_tells_which_it_is)
{
    const keel_bag_options keep = { .size = sizeof keep,
                                    .ttl = keel_ttl_of(KEEL_TTL_KEEP, 0) };
    keel_bag_item item = { .size = sizeof item,
                           .buffer = s.value,
                           .capacity = sizeof s.value };

    begin(true, true);
    ck_assert_int_eq(set_for(60000), KEEL_OK);
    ck_assert_int_eq(keel_bag_get_and_touch(&s.bag, "k", &item, &keep, &s.why),
                     KEEL_OK);
    ck_assert_int_gt(item.expires_at_ms, 0);
    staged_cleanup(&s);
}
END_TEST

SUITE("bag/emulate", 10, ONE(without_a_token_a_verb_ends_at_once),
      ONE(an_expiry_that_cannot_be_told_stays),
      ONE(a_touch_that_keeps_the_expiry_tells_which_it_is))
