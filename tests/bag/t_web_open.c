/* SPDX-License-Identifier: MIT */
/*
 * Opening the stores over HTTP, and their first request failing for want of memory. There
 * is no server: nobody is asked before a verb is used.
 */
#include <string.h>

#include "base/clock.h"
#include "support/allocator.h"
#include "support/opened.h"
#include "support/suite.h"

static const char *const environment[] = { "KEEL_S=hush", NULL };

#define KEYS "access_key=id&secret_env=KEEL_S"

/* ---- specs --------------------------------------------------------------------------- */

typedef struct wrong_spec {
    const char *spec, *said;
} wrong_spec;

static const wrong_spec wrong_specs[] = {
    { "dynamodb://us-east-1/items", "access_key" },
    { "dynamodb://us-east-1/items?access_key=id", "secret_file" },
    { "dynamodb://us-east-1/items?access_key=id&secret=hush", "write secret_file" },
    { "dynamodb://us-east-1/?" KEYS, "a table is named" },
    { "dynamodb://us-east-1/it%22ems?" KEYS, "a table is named" },
    { "dynamodb://us-east-1/items?" KEYS "&endpoint=ftp://x", "endpoint" },
    { "dynamodb://us-east-1/items?" KEYS "&endpoint=http://x/y", "endpoint" },
    { "dynamodb://us-east-1/items?" KEYS "&connections=0", "connections" },
    { "s3://us-east-1/bucket", "access_key" },
    { "s3://us-east-1/?" KEYS, "a bucket is named" },
    { "s3://us-east-1/BUCKET?" KEYS, "a bucket is named" },
    { "s3://us-east-1/bucket/a%20b?" KEYS, "a prefix has" },
    { "s3://us-east-1/bucket?" KEYS "&conditions=perhaps", "probe|trust|off" },
    { "http://host/path?conditions=perhaps", "probe|trust|off" },
    { "http://user:hush@host/path", "authorization_file" },
    { "https://host/path?authorization=Bearer", "authorization_file" },
};

START_TEST(a_wrong_spec_is_refused_when_it_is_opened)
{
    opened o;
    keel_bag *bag;
    keel_detail why = KEEL_DETAIL_INIT;

    opened_init(&o, OPENED_REAL, environment, NULL);
    ck_assert_msg(keel_bag_open(&bag, o.rt, "web", wrong_specs[_i].spec, &why) ==
                      KEEL_E_CONFIG,
                  "%s: %s", wrong_specs[_i].spec, why.text);
    ck_assert_msg(strstr(why.text, wrong_specs[_i].said), "%s: %s",
                  wrong_specs[_i].spec, why.text);
    ck_assert_ptr_null(strstr(why.text, "hush"));
    ck_assert_ptr_null(bag);
    opened_cleanup(&o);
}
END_TEST

/* ---- memory -------------------------------------------------------------------------- */

/* Nobody listens at port 1. */
static const char *const specs[] = {
    "dynamodb://us-east-1/items?" KEYS "&endpoint=http://127.0.0.1:1",
    "s3://us-east-1/bucket/p?" KEYS "&endpoint=http://127.0.0.1:1",
    "http://127.0.0.1:1/path",
};

/* KEEL_E_NOMEM, or what came of it with memory enough. */
static keel_status open_and_set(keel_runtime *rt, const char *spec)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag *bag;
    keel_status status = keel_bag_open(&bag, rt, "web", spec, &why);

    if (status != KEEL_OK)
        return status;
    status = keel_bag_set(bag, "key", "value", 5, NULL, &why);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    keel_bag_close(bag);
    return status;
}

START_TEST(each_allocation_may_fail)
{
    opened o;
    long n = 0;
    keel_status status;

    opened_init(&o, OPENED_REAL, environment, NULL);
    do {
        long before = atomic_load(&o.memory.live);

        o.memory.fail_at = atomic_load(&o.memory.calls) + ++n;
        atomic_store(&o.memory.failed, false);
        status = open_and_set(o.rt, specs[_i]);
        ck_assert_int_eq(atomic_load(&o.memory.live), before);
        ck_assert_int_eq(status,
                         atomic_load(&o.memory.failed) ? KEEL_E_NOMEM : KEEL_FAILED);
    } while (atomic_load(&o.memory.failed));
    ck_assert_int_gt(n, 5);
    opened_cleanup(&o);
}
END_TEST

/* ---- what they can ------------------------------------------------------------------- */

typedef struct able {
    const char *spec;
    uint32_t has, has_not;
} able;

static const able abilities[] = {
    { "dynamodb://us-east-1/items?" KEYS,
      KEEL_CAN_CAS | KEEL_CAN_APPEND | KEEL_CAN_MANY | KEEL_HAS_NONCE | KEEL_IS_DURABLE,
      KEEL_CAN_FLUSH | KEEL_MAY_EVICT },
    { "s3://us-east-1/bucket?" KEYS, KEEL_CAN_CAS | KEEL_CAN_SCAN | KEEL_CAN_TOUCH,
      KEEL_TELLS_DELETE | KEEL_CAN_DELETE_CAS },
    { "s3://us-east-1/bucket?" KEYS "&conditions=off", KEEL_CAN_SET | KEEL_CAN_DELETE,
      KEEL_CAN_ADD | KEEL_CAN_CAS | KEEL_CAN_INCR | KEEL_CAN_TOUCH },
    { "https://host", KEEL_CAN_CAS | KEEL_CAN_DELETE_CAS | KEEL_TELLS_DELETE,
      KEEL_CAN_SCAN | KEEL_CAN_FLUSH },
};

START_TEST(a_bag_tells_what_it_can)
{
    keel_bag_abilities found = { .size = sizeof found };
    opened o;
    keel_bag *bag;

    opened_init(&o, OPENED_REAL, environment, NULL);
    ck_assert_int_eq(keel_bag_open(&bag, o.rt, "web", abilities[_i].spec, NULL),
                     KEEL_OK);
    ck_assert_int_eq(keel_bag_look(bag, &found), KEEL_OK);
    ck_assert_uint_eq(found.effective & abilities[_i].has, abilities[_i].has);
    ck_assert_uint_eq(found.effective & abilities[_i].has_not, 0);
    keel_bag_close(bag);
    opened_cleanup(&o);
}
END_TEST

SUITE("web_open", 20, ROWS(a_wrong_spec_is_refused_when_it_is_opened, wrong_specs),
      ROWS(each_allocation_may_fail, specs), ROWS(a_bag_tells_what_it_can, abilities))
