/* SPDX-License-Identifier: MIT */
/* What DynamoDB is asked, letter by letter, and what is believed of its answers. */
#include <string.h>

#include "bag/store/dynamo_reply.h"
#include "bag/store/dynamo_request.h"
#include "support/suite.h"

static const keel_bytes key = { "key", 3 }; /* a2V5 */
static const keel_bag_token mark = { 16, "0123456789abcdef" };
#define MARK "30313233343536373839616263646566"

static keel_dynamo_write under(keel_dynamo_condition condition)
{
    return (keel_dynamo_write){ "items", key, condition, 1234, &mark };
}

static const keel_dynamo_item forever = { { "", 0 }, 7, 0, &mark };
static const keel_dynamo_item mortal = { { "x", 1 }, 7, 1500, &mark };

/* ---- requests ------------------------------------------------------------------------ */

#define TABLE "{\"TableName\":\"items\","
#define KEY "\"Key\":{\"k\":{\"B\":\"a2V5\"}}"
#define LIVE "(attribute_not_exists(e) OR e > :now)"
#define VALUES ",\"ExpressionAttributeValues\":{"
#define NOW "\":now\":{\"N\":\"1234\"}"

static void put_forever(keel_dynamo_text *t)
{
    const keel_dynamo_write w = under(KEEL_DYNAMO_ALWAYS);

    keel_dynamo_put(t, &w, &forever);
}

static void add_mortal(keel_dynamo_text *t)
{
    const keel_dynamo_write w = under(KEEL_DYNAMO_IF_GONE);

    keel_dynamo_put(t, &w, &mortal);
}

static void cas_keeping(keel_dynamo_text *t)
{
    const keel_dynamo_write w = under(KEEL_DYNAMO_IF_SEEN);

    keel_dynamo_put_keeping_expiry(t, &w, &mortal);
}

static void touch_forever(keel_dynamo_text *t)
{
    const keel_dynamo_write w = under(KEEL_DYNAMO_IF_LIVE);

    keel_dynamo_touch(t, &w, 0, true);
}

static void touch_mortal(keel_dynamo_text *t)
{
    const keel_dynamo_write w = under(KEEL_DYNAMO_IF_LIVE);

    keel_dynamo_touch(t, &w, 2000, false);
}

static void delete_seen(keel_dynamo_text *t)
{
    const keel_dynamo_write w = under(KEEL_DYNAMO_IF_SEEN);

    keel_dynamo_delete(t, &w);
}

static void delete_any(keel_dynamo_text *t)
{
    const keel_dynamo_write w = under(KEEL_DYNAMO_ALWAYS);

    keel_dynamo_delete(t, &w);
}

static void scan_on(keel_dynamo_text *t)
{
    keel_dynamo_scan(t, "items", &key, 5);
}

typedef struct request_case {
    const char *why;
    void (*write)(keel_dynamo_text *t);
    const char *text;
} request_case;

static const request_case requests[] = {
    { "an item for ever has no expiry", put_forever,
      TABLE "\"Item\":{\"k\":{\"B\":\"a2V5\"},\"v\":{\"B\":\"\"},\"f\":{\"N\":\"7\"},"
            "\"c\":{\"S\":\"" MARK "\"}}}" },
    { "seconds are rounded up, lest the table deletes it before its time", add_mortal,
      TABLE "\"Item\":{\"k\":{\"B\":\"a2V5\"},\"v\":{\"B\":\"eA==\"},"
            "\"f\":{\"N\":\"7\"},\"c\":{\"S\":\"" MARK "\"},\"e\":{\"N\":\"1500\"},"
            "\"t\":{\"N\":\"2\"}},\"ConditionExpression\":\"attribute_not_exists(k) OR "
            "e <= :now\"" VALUES " " NOW "}}" },
    { "an expiry that is kept is not spoken of", cas_keeping,
      TABLE KEY ",\"UpdateExpression\":\"SET v = :v, f = :f, c = :c\","
                "\"ConditionExpression\":\"c = :seen AND " LIVE "\"" VALUES
                "\":v\":{\"B\":\"eA==\"},\":f\":{\"N\":\"7\"},\":c\":{\"S\":\"" MARK
                "\"}," NOW ",\":seen\":{\"S\":\"" MARK "\"}}}" },
    { "for ever takes the expiry away", touch_forever,
      TABLE KEY ",\"UpdateExpression\":\"REMOVE e, t\",\"ReturnValues\":\"ALL_NEW\","
                "\"ConditionExpression\":\"attribute_exists(k) AND " LIVE "\"" VALUES
                " " NOW "}}" },
    { "a touch sets both", touch_mortal,
      TABLE KEY ",\"UpdateExpression\":\"SET e = :e, t = :t\","
                "\"ConditionExpression\":\"attribute_exists(k) AND " LIVE "\"" VALUES
                " " NOW ",\":e\":{\"N\":\"2000\"},\":t\":{\"N\":\"2\"}}}" },
    { "a delete of what was seen", delete_seen,
      TABLE KEY ",\"ConditionExpression\":\"c = :seen AND " LIVE "\"" VALUES " " NOW
                ",\":seen\":{\"S\":\"" MARK "\"}}}" },
    { "without a condition there are no values, which may not be empty", delete_any,
      TABLE KEY "}" },
    { "a scan goes on behind a key", scan_on,
      TABLE "\"ConsistentRead\":true,\"ProjectionExpression\":\"k, e\",\"Limit\":5,"
            "\"ExclusiveStartKey\":{\"k\":{\"B\":\"a2V5\"}}}" },
};

START_TEST(a_request_is_what_dynamodb_reads)
{
    keel_dynamo_text text = { .memory = NULL };
    json_t *read;

    requests[_i].write(&text);
    ck_assert_msg(strcmp(text.at, requests[_i].text) == 0, "%s:\n%s\n%s",
                  requests[_i].why, text.at, requests[_i].text);
    read = keel_dynamo_read(text.at, text.length);
    ck_assert_ptr_nonnull(read);
    json_decref(read);
    keel_dynamo_text_free(&text);
}
END_TEST

/* ---- items --------------------------------------------------------------------------- */

#define ITEM(v, f, more)                                                               \
    "{\"v\":{\"B\":" v "},\"f\":{\"N\":" f "},\"c\":{\"S\":\"" MARK "\"}" more "}"

static const char *const no_items[] = {
    "{}",
    "{\"v\":1,\"f\":2,\"c\":3}",
    ITEM("7", "\"7\"", ""),
    ITEM("\"eA=\"", "\"7\"", ""),
    ITEM("\"eA==\"", "7", ""),
    ITEM("\"eA==\"", "\"4294967296\"", ""),
    ITEM("\"eA==\"", "\"-1\"", ""),
    ITEM("\"eA==\"", "\"7\"", ",\"e\":{\"N\":\"soon\"}"),
    ITEM("\"eA==\"", "\"7\"", ",\"e\":{\"S\":\"1\"}"),
    ITEM("\"eA==\"", "\"7\"", ",\"e\":{\"N\":\"18446744073709551615\"}"),
    "{\"v\":{\"B\":\"eA==\"},\"f\":{\"N\":\"7\"},\"c\":{\"S\":\"0123\"}}",
    ("{\"v\":{\"B\":\"eA==\"},\"f\":{\"N\":\"7\"},\"c\":{\"S\":"
     "\"zz313233343536373839616263646566\"}}"),
};

START_TEST(what_is_no_item_of_keels_is_told)
{
    json_t *item = keel_dynamo_read(no_items[_i], strlen(no_items[_i]));
    keel_dynamo_found found;

    ck_assert_ptr_nonnull(item);
    ck_assert(!keel_dynamo_item_read(item, true, &found));
    json_decref(item);
}
END_TEST

START_TEST(an_item_is_given_with_all_that_is_asked_for)
{
    static const char text[] =
        ITEM("\"eHl6\"", "\"4294967295\"", ",\"e\":{\"N\":\"1500\"}");
    json_t *item = keel_dynamo_read(text, strlen(text));
    char value[3] = "";
    uint64_t nonce = 0;
    const keel_bag_op op = { .size = sizeof op,
                             .wishes = KEEL_BAG_WANT_TOKEN,
                             .nonce_found = &nonce };
    keel_bag_item to = { .size = sizeof to, .buffer = value, .capacity = 2 };
    keel_dynamo_found found;

    ck_assert(keel_dynamo_item_read(item, true, &found));
    ck_assert_int_eq(keel_dynamo_give(&found, &op, &to), KEEL_E_BUFFER);
    ck_assert_uint_eq(to.length, 3);
    to.capacity = 3;
    ck_assert_int_eq(keel_dynamo_give(&found, &op, &to), KEEL_OK);
    ck_assert_mem_eq(value, "xyz", 3);
    ck_assert_uint_eq(to.flags, UINT32_MAX);
    ck_assert_int_eq(to.expires_at_ms, 1500);
    ck_assert_mem_eq(to.token.bytes, mark.bytes, 16);
    ck_assert_mem_eq(&nonce, "01234567", 8);
    json_decref(item);
}
END_TEST

START_TEST(an_error_is_known_by_its_name_behind_the_mark)
{
    static const char text[] =
        "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ThrottlingException\"}";
    json_t *reply = keel_dynamo_read(text, strlen(text));
    const char *name;

    ck_assert_int_eq(keel_dynamo_error_of(reply, &name), KEEL_DYNAMO_THROTTLED);
    ck_assert_str_eq(name, "ThrottlingException");
    json_decref(reply);
    ck_assert_int_eq(keel_dynamo_error_of(NULL, &name), KEEL_DYNAMO_REFUSED);
    ck_assert_str_eq(name, "");
}
END_TEST

SUITE("dynamo_reply", 20, ROWS(a_request_is_what_dynamodb_reads, requests),
      ROWS(what_is_no_item_of_keels_is_told, no_items),
      ONE(an_item_is_given_with_all_that_is_asked_for),
      ONE(an_error_is_known_by_its_name_behind_the_mark))
