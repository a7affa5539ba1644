/* SPDX-License-Identifier: MIT */
/*
 * Expiry. A store keeps its own time, so these wait; but never to be right: an item that
 * is to live has an hour, one that is to go has all the time it needs to.
 */
#include "conform/conform.h"

#include <string.h>
#include <time.h>

enum { HOUR_MS = 3600 * 1000, PATIENCE_MS = 20000 };

static int64_t unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* The shortest life that can be told from none. */
static int64_t moment_ms(const conform *c)
{
    return c->abilities.ttl_step_ms > 20 ? 2 * (int64_t)c->abilities.ttl_step_ms : 40;
}

/*
 * Whether two looks at an item's time agree. Each of them, and what lies between, may be
 * off by less than a step.
 */
static bool is_same_time(const conform *c, int64_t a, int64_t b)
{
    int64_t off = 2 * ((int64_t)c->abilities.ttl_step_ms - 1);

    return a - b <= off && b - a <= off;
}

static bool goes(conform *c, const char *key)
{
    keel_bag_item item;

    for (int64_t until = unix_ms() + PATIENCE_MS; unix_ms() < until; pause_ms(5))
        if (get_item(c, key, &item) == KEEL_NOT_FOUND)
            return true;
    return false;
}

static keel_status set_for(conform *c, const char *key, keel_ttl ttl)
{
    const keel_bag_options options = { .size = sizeof options, .ttl = ttl };

    return keel_bag_set(c->bag, key, "x", 1, &options, &c->why);
}

static void items_go_when_their_time_is_over(conform *c)
{
    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 1), keel_ttl_for_ms(moment_ms(c))));
    EXPECT_STATUS(
        c, KEEL_OK,
        set_for(c, key_of(c, 2), keel_ttl_until_ms(unix_ms() + moment_ms(c))));
    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 3), keel_ttl_for_ms(HOUR_MS)));
    EXPECT(c, goes(c, key_of(c, 1)),
           "expected the item to expire, and it is still there");
    EXPECT(c, goes(c, key_of(c, 2)),
           "expected the item to expire, and it is still there");
    EXPECT_TEXT(c, key_of(c, 3), "x");
}

static void what_was_over_before_is_gone_at_once(conform *c)
{
    keel_bag_item item;

    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "old"));
    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 1), keel_ttl_for_ms(-1)));
    EXPECT_STATUS(c, KEEL_NOT_FOUND, get_item(c, key_of(c, 1), &item));
    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 2), keel_ttl_until_ms(1000)));
    EXPECT_STATUS(c, KEEL_NOT_FOUND, get_item(c, key_of(c, 2), &item));
}

static void what_has_expired_is_no_item(conform *c)
{
    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 1), keel_ttl_for_ms(moment_ms(c))));
    EXPECT(c, goes(c, key_of(c, 1)),
           "expected the item to expire, and it is still there");
    EXPECT_STATUS(c, KEEL_NOT_STORED,
                  keel_bag_replace(c->bag, key_of(c, 1), "y", 1, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_add(c->bag, key_of(c, 1), "z", 1, NULL, &c->why));
    EXPECT_TEXT(c, key_of(c, 1), "z");
}

static void when_it_goes_is_told(conform *c)
{
    keel_bag_item item;
    int64_t wanted = unix_ms() + HOUR_MS;
    int64_t step = c->abilities.ttl_step_ms + 1;

    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 1), keel_ttl_until_ms(wanted)));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &item));
    EXPECT(c, item.expires_at_ms > wanted - step && item.expires_at_ms < wanted + step,
           "expected it to expire at %lld (ms since 1970), not at %lld",
           (long long)wanted, (long long)item.expires_at_ms);
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "for ever"));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &item));
    EXPECT_NUMBER(c, "an expiry (0: never) of", 0, item.expires_at_ms);
}

static keel_status touch(conform *c, const char *key, keel_ttl ttl)
{
    const keel_bag_options options = { .size = sizeof options, .ttl = ttl };

    return keel_bag_touch(c->bag, key, &options, &c->why);
}

static void touch_gives_another_time(conform *c)
{
    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 1), keel_ttl_for_ms(HOUR_MS)));
    EXPECT_STATUS(c, KEEL_OK, touch(c, key_of(c, 1), keel_ttl_for_ms(moment_ms(c))));
    EXPECT(c, goes(c, key_of(c, 1)),
           "expected the item to expire, and it is still there");
    EXPECT_STATUS(c, KEEL_NOT_FOUND, touch(c, key_of(c, 1), keel_ttl_for_ms(HOUR_MS)));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 2), "kept"));
    EXPECT_STATUS(c, KEEL_OK, touch(c, key_of(c, 2), keel_ttl_for_ms(HOUR_MS)));
    EXPECT_TEXT(c, key_of(c, 2), "kept");
}

static void get_and_touch_does_both(conform *c)
{
    const keel_bag_options options = { .size = sizeof options,
                                       .ttl = keel_ttl_for_ms(moment_ms(c)) };
    keel_bag_item item = { .size = sizeof item,
                           .buffer = c->value,
                           .capacity = sizeof c->value };

    EXPECT_STATUS(
        c, KEEL_NOT_FOUND,
        keel_bag_get_and_touch(c->bag, key_of(c, 1), &item, &options, &c->why));
    EXPECT_STATUS(c, KEEL_OK, set_text(c, key_of(c, 1), "seen"));
    EXPECT_STATUS(
        c, KEEL_OK,
        keel_bag_get_and_touch(c->bag, key_of(c, 1), &item, &options, &c->why));
    EXPECT(c, item.length == 4 && !memcmp(c->value, "seen", 4),
           "expected the value \"seen\", not another of %zu bytes", item.length);
    EXPECT(c, goes(c, key_of(c, 1)),
           "expected the item to expire, and it is still there");
}

static void changing_an_item_keeps_its_time(conform *c)
{
    keel_bag_item before, after;

    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 1), keel_ttl_for_ms(HOUR_MS)));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &before));
    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_append(c->bag, key_of(c, 1), "y", 1, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &after));
    EXPECT(c, is_same_time(c, before.expires_at_ms, after.expires_at_ms),
           "expected it to expire at %lld as before (ms since 1970; 0: never), not at "
           "%lld",
           (long long)before.expires_at_ms, (long long)after.expires_at_ms);
}

static void keep_keeps_it_when_the_value_is_replaced(conform *c)
{
    keel_bag_item before, after;

    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 1), keel_ttl_for_ms(HOUR_MS)));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &before));
    EXPECT_STATUS(c, KEEL_OK, set_for(c, key_of(c, 1), keel_ttl_of(KEEL_TTL_KEEP, 0)));
    EXPECT_STATUS(c, KEEL_OK, get_item(c, key_of(c, 1), &after));
    EXPECT(c, is_same_time(c, before.expires_at_ms, after.expires_at_ms),
           "expected it to expire at %lld as before (ms since 1970; 0: never), not at "
           "%lld",
           (long long)before.expires_at_ms, (long long)after.expires_at_ms);
}

#define EXPIRES (KEEL_CAN_SET | KEEL_CAN_TTL)

const conform_check conform_times[] = {
    { "items_go_when_their_time_is_over", EXPIRES, items_go_when_their_time_is_over },
    { "what_was_over_before_is_gone_at_once", EXPIRES,
      what_was_over_before_is_gone_at_once },
    { "what_has_expired_is_no_item", EXPIRES | KEEL_CAN_ADD | KEEL_CAN_REPLACE,
      what_has_expired_is_no_item },
    { "when_it_goes_is_told", EXPIRES | KEEL_CAN_TELL_TTL, when_it_goes_is_told },
    { "touch_gives_another_time", EXPIRES | KEEL_CAN_TOUCH, touch_gives_another_time },
    { "get_and_touch_does_both", EXPIRES | KEEL_CAN_TOUCH, get_and_touch_does_both },
    { "changing_an_item_keeps_its_time", EXPIRES | KEEL_CAN_APPEND | KEEL_CAN_TELL_TTL,
      changing_an_item_keeps_its_time },
    { "keep_keeps_it_when_the_value_is_replaced", EXPIRES | KEEL_CAN_TELL_TTL,
      keep_keeps_it_when_the_value_is_replaced },
    { NULL, 0, NULL },
};
