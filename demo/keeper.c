/* SPDX-License-Identifier: MIT */
/* The three things a caller does, with keel and without. */
#include "keeper.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "demo.h"

/*
 * What both services owe their callers: an answer or a no. Of the plain client these are
 * the time-outs of its socket, as they are usual.
 */
enum { PATIENCE_S = 2, CONNECT_TIMEOUT_S = 1 };

enum { MAX_VALUE = 128 };

/* The version, and something to be kept with it. */
static void value_of(char value[MAX_VALUE], unsigned version)
{
    snprintf(value, MAX_VALUE, "%u: who has logged in, and what is in the basket",
             version);
}

static unsigned version_of(const char *value)
{
    return (unsigned)strtoul(value, NULL, 10);
}

/* ---- with keel ------------------------------------------------------------------- */

static keel_bag_options patient_options(uint32_t *marks)
{
    return (keel_bag_options){ .size = sizeof(keel_bag_options),
                               .deadline_at_ns = now_ns() + PATIENCE_S * NS_PER_S,
                               .marks = marks };
}

static answer bag_read(keeper *k, const char *key)
{
    char value[MAX_VALUE] = "";
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value - 1 };
    const keel_bag_options options = patient_options(NULL);
    keel_status status = keel_bag_get(k->sessions, key, &item, &options, NULL);

    if (status != KEEL_OK && status != KEEL_NOT_FOUND)
        return (answer){ .ending = ENDED_NOT_DONE };
    return (answer){ .marks = item.marks, .version = version_of(value) };
}

static ending ending_of(keel_status status, const keel_detail *why)
{
    if (status == KEEL_OK)
        return ENDED_WELL;
    return why->applied == KEEL_APPLIED_NO ? ENDED_NOT_DONE : ENDED_IN_DOUBT;
}

static answer bag_write(keeper *k, const char *key, unsigned version)
{
    answer a = { .marks = 0 };
    const keel_bag_options options = patient_options(&a.marks);
    keel_detail why = KEEL_DETAIL_INIT;
    char value[MAX_VALUE];

    value_of(value, version);
    a.ending = ending_of(
        keel_bag_set(k->sessions, key, value, strlen(value), &options, &why), &why);
    return a;
}

/* The first visit of all makes the counter. */
static answer bag_count(keeper *k, const char *key)
{
    answer a = { .marks = 0 };
    const keel_bag_options options = patient_options(&a.marks);
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status = keel_bag_incr(k->visits, key, 1, NULL, &options, &why);

    if (status == KEEL_NOT_FOUND)
        status = keel_bag_add(k->visits, key, "1", 1, &options, &why);
    a.ending = ending_of(status, &why);
    return a;
}

/* ---- without --------------------------------------------------------------------- */

void keeper_disconnect(keeper *k)
{
    redisFree(k->redis);
    k->redis = NULL;
}

static bool connect_plain(keeper *k)
{
    const struct timeval connecting = { CONNECT_TIMEOUT_S, 0 };
    const struct timeval asking = { PATIENCE_S, 0 };

    if (k->redis)
        return true;
    k->redis = redisConnectWithTimeout("127.0.0.1", k->port, connecting);
    if (k->redis && !k->redis->err && redisSetTimeout(k->redis, asking) == REDIS_OK)
        return true;
    keeper_disconnect(k);
    return false;
}

/* NULL: it failed, and nobody says whether it was done. */
static redisReply *ask(keeper *k, const char *format, ...)
{
    redisReply *reply = NULL;
    va_list arguments;

    if (!connect_plain(k))
        return NULL;
    va_start(arguments, format);
    reply = redisvCommand(k->redis, format, arguments);
    va_end(arguments);
    if (reply && reply->type != REDIS_REPLY_ERROR)
        return reply;
    if (!reply)
        keeper_disconnect(k);
    freeReplyObject(reply);
    return NULL;
}

static answer plain_end(redisReply *reply)
{
    answer a = { .ending = reply ? ENDED_WELL : ENDED_IN_DOUBT };

    if (reply && reply->type == REDIS_REPLY_STRING)
        a.version = version_of(reply->str);
    freeReplyObject(reply);
    return a;
}

static answer plain_write(keeper *k, const char *key, unsigned version)
{
    char value[MAX_VALUE];

    value_of(value, version);
    return plain_end(ask(k, "SET plain:%s %s", key, value));
}

/* ---- either ---------------------------------------------------------------------- */

answer keeper_read(keeper *k, const char *key)
{
    return k->sessions ? bag_read(k, key) : plain_end(ask(k, "GET plain:%s", key));
}

answer keeper_write(keeper *k, const char *key, unsigned version)
{
    return k->sessions ? bag_write(k, key, version) : plain_write(k, key, version);
}

answer keeper_count(keeper *k, const char *key)
{
    return k->visits ? bag_count(k, key) : plain_end(ask(k, "INCR plain:%s", key));
}
