/* SPDX-License-Identifier: MIT */
/*
 * hiredis allocates an array when its length is announced, before one element of it has
 * come: a few bytes can ask for gigabytes. So lengths are added up, and what announces
 * too much is refused there and then. So is what is nested too deeply, as replies are
 * freed by recursion.
 */
#include "net/redis_reader.h"

#include "base/detail.h"

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static unsigned depth_of(const redisReadTask *task)
{
    unsigned depth = 0;

    for (; task && depth <= KEEL_REDIS_REPLY_DEPTH; task = task->parent)
        depth++;
    return depth;
}

/* For hiredis, no array is out of memory; is_too_large tells the two apart. */
static void *make_array(const redisReadTask *task, element_count elements)
{
    keel_redis_reader *r = task->privdata;

    if ((size_t)elements > KEEL_REDIS_REPLY_ELEMENTS - r->elements ||
        depth_of(task) > KEEL_REDIS_REPLY_DEPTH) {
        r->is_too_large = true;
        return NULL;
    }
    r->elements += (size_t)elements;
    return r->hiredis->createArray(task, elements);
}

bool keel_redis_reader_init(keel_redis_reader *r)
{
    *r = (keel_redis_reader){ .reader = redisReaderCreate(),
                              .bytes_most = KEEL_REDIS_REPLY_BYTES };
    if (!r->reader)
        return false;
    r->hiredis = r->reader->fn;
    r->limited = *r->hiredis;
    r->limited.createArray = make_array;
    r->reader->fn = &r->limited;
    r->reader->privdata = r;
    return true;
}

void keel_redis_reader_cleanup(keel_redis_reader *r)
{
    if (r->reader)
        redisReaderFree(r->reader);
    *r = (keel_redis_reader){ .reader = NULL };
}

keel_status keel_redis_reader_feed(keel_redis_reader *r, const char *bytes, size_t size,
                                   keel_detail *why)
{
    r->bytes += size;
    if (r->bytes > r->bytes_most)
        return keel_failf(why, KEEL_FAILED, "a reply has more than %zu bytes",
                          r->bytes_most);
    if (redisReaderFeed(r->reader, bytes, size) != REDIS_OK)
        return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
    return KEEL_OK;
}

static keel_status refuse(const keel_redis_reader *r, keel_detail *why)
{
    if (r->is_too_large)
        return keel_failf(why, KEEL_FAILED,
                          "a reply has more than %d elements or levels",
                          KEEL_REDIS_REPLY_ELEMENTS);
    if (r->reader->err == REDIS_ERR_OOM)
        return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
    return keel_fail(why, KEEL_FAILED, "what came is no Redis reply");
}

keel_status keel_redis_reader_next(keel_redis_reader *r, redisReply **reply,
                                   keel_detail *why)
{
    void *next = NULL;

    *reply = NULL;
    if (redisReaderGetReply(r->reader, &next) != REDIS_OK)
        return refuse(r, why);
    if (next) {
        r->bytes = r->reader->len - r->reader->pos;
        r->elements = 0;
    }
    *reply = next;
    return KEEL_OK;
}
