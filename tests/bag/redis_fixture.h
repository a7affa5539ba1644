/* SPDX-License-Identifier: MIT */
/* A Redis of the test's own and a bag over it, with memory that is counted. */
#ifndef KEEL_TESTS_BAG_REDIS_FIXTURE_H
#define KEEL_TESTS_BAG_REDIS_FIXTURE_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "support/opened.h"
#include "support/proxy.h"
#include "support/redis.h"
#include "support/suite.h"

static test_redis server;
static opened o;
static keel_bag *bag;
static keel_detail why;
static char value[1 << 16];
static keel_bag_item item;

static inline void start(void)
{
    opened_init(&o, OPENED_REAL, NULL, NULL);
    ck_assert(test_redis_start(&server, ""));
    why = (keel_detail)KEEL_DETAIL_INIT;
}

static inline void stop(void)
{
    keel_bag_close(bag);
    bag = NULL;
    opened_cleanup(&o);
    test_redis_cleanup(&server);
}

static inline keel_status try_to_open(const char *spec)
{
    keel_bag_close(bag);
    bag = NULL;
    return keel_bag_open(&bag, o.rt, "test", spec, &why);
}

static inline void open_spec(const char *spec)
{
    ck_assert_msg(try_to_open(spec) == KEEL_OK, "%s: %s", spec, why.text);
}

/* A bag at a port of loopback; query: "" or "?raw=on". Connecting may take as long as a
 * busy machine needs. */
static inline void open_at(uint16_t port, const char *query)
{
    char spec[512];

    snprintf(spec, sizeof spec, "redis://127.0.0.1:%u%s%sconnect_timeout=20s", port,
             query, *query ? "&" : "?");
    open_spec(spec);
}

static inline keel_bag_options within(uint64_t ms)
{
    return (keel_bag_options){ .size = sizeof(keel_bag_options),
                               .deadline_at_ns = keel_now(o.rt) + ms * KEEL_MS };
}

static inline keel_status set_text(const char *key, const char *text)
{
    return keel_bag_set(bag, key, text, strlen(text), NULL, &why);
}

static inline keel_status get_wishing(const char *key, uint32_t wishes)
{
    const keel_bag_options options = { .size = sizeof options, .wishes = wishes };

    memset(value, 0, sizeof value);
    item = (keel_bag_item){ .size = sizeof item,
                            .buffer = value,
                            .capacity = sizeof value - 1 };
    return keel_bag_get(bag, key, &item, &options, &why);
}

static inline keel_status get_text(const char *key)
{
    return get_wishing(key, 0);
}

#define EXPECT(wanted, call)                                                           \
    do {                                                                               \
        keel_status expect_status = (call);                                            \
                                                                                       \
        ck_assert_msg(expect_status == (wanted), "%s: %s, not %s: %s", #call,          \
                      keel_status_name(expect_status), keel_status_name(wanted),       \
                      why.text);                                                       \
    } while (0)

/*
 * What Redis itself answers, by hiredis' formats: text, or an integer in digits; "(nil)",
 * "(array)", "(lost)".
 */
__attribute__((format(printf, 1, 2))) static inline const char *raw(const char *format,
                                                                    ...)
{
    static char text[4096];
    redisContext *connection = test_redis_connect(&server);
    redisReply *reply;
    va_list arguments;

    ck_assert_ptr_nonnull(connection);
    va_start(arguments, format);
    reply = redisvCommand(connection, format, arguments);
    va_end(arguments);
    if (reply && reply->type == REDIS_REPLY_INTEGER)
        snprintf(text, sizeof text, "%lld", reply->integer);
    else
        snprintf(text, sizeof text, "%s",
                 !reply                           ? "(lost)"
                 : reply->type == REDIS_REPLY_NIL ? "(nil)"
                 : reply->str                     ? reply->str
                                                  : "(array)");
    if (reply)
        freeReplyObject(reply);
    redisFree(connection);
    return text;
}

#endif
