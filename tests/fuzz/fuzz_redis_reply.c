/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a Redis says, in pieces of any size: no crash, no reply beyond its
 * limits, and after an error no reply at all.
 */
#include <string.h>

#include "net/redis.h"
#include "net/redis_error.h"
#include "net/redis_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const redisReply *reply)
{
    size_t elements = reply->element ? reply->elements : 0, all = elements;

    for (size_t i = 0; i < elements; i++)
        all += count(reply->element[i]);
    return all;
}

static void look_at(redisReply *reply)
{
    keel_redis_move move;
    keel_text message;

    if (keel_redis_move_read(&move, reply) && !move.to.port)
        __builtin_trap();
    keel_redis_message(reply, &message);
    if (count(reply) > KEEL_REDIS_REPLY_ELEMENTS)
        __builtin_trap();
    freeReplyObject(reply);
}

/* Reads all that is there; false: no more will come. */
static bool take_all(keel_redis_reader *r)
{
    redisReply *reply;

    do {
        if (keel_redis_reader_next(r, &reply, NULL) != KEEL_OK) {
            if (reply || keel_redis_reader_next(r, &reply, NULL) == KEEL_OK)
                __builtin_trap();
            return false;
        }
        if (reply)
            look_at(reply);
    } while (reply);
    return true;
}

/* The first byte is the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keel_redis_reader r;
    size_t piece = size ? (size_t)data[0] + 1 : 1;

    if (!keel_redis_reader_init(&r))
        return 0;
    for (size_t at = 1; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;

        if (keel_redis_reader_feed(&r, (const char *)data + at, length, NULL) !=
                KEEL_OK ||
            !take_all(&r))
            break;
    }
    keel_redis_reader_cleanup(&r);
    return 0;
}
