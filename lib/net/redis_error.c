/* SPDX-License-Identifier: MIT */
/* Error replies, read as what they are: text from outside. */
#include "net/redis_error.h"

#include <string.h>

#include "net/redis_slot.h"

static const struct {
    const char *word;
    keel_redis_error error;
} words[] = {
    { "NOSCRIPT", KEEL_REDIS_NOSCRIPT },
    { "READONLY", KEEL_REDIS_READONLY },
    { "LOADING", KEEL_REDIS_LOADING },
    { "OOM", KEEL_REDIS_OOM },
    { "MOVED", KEEL_REDIS_MOVED },
    { "ASK", KEEL_REDIS_ASK },
    { "NOPERM", KEEL_REDIS_NOPERM },
    { "NOAUTH", KEEL_REDIS_NOAUTH },
    { "WRONGPASS", KEEL_REDIS_WRONGPASS },
    { "WRONGTYPE", KEEL_REDIS_WRONGTYPE },
    { "CLUSTERDOWN", KEEL_REDIS_CLUSTERDOWN },
    { "MASTERDOWN", KEEL_REDIS_MASTERDOWN },
    { "TRYAGAIN", KEEL_REDIS_TRYAGAIN },
    { "BUSY", KEEL_REDIS_BUSY },
};

/* The word before the first blank; the rest is left in the text. */
static keel_text take_word(keel_text *text)
{
    keel_text word = *text, rest = { "", 0 };

    keel_text_split(*text, " ", &word, &rest);
    *text = rest;
    return word;
}

keel_redis_error keel_redis_error_of(const redisReply *reply)
{
    keel_text text, word;

    if (reply->type != REDIS_REPLY_ERROR)
        return KEEL_REDIS_NO_ERROR;
    text = (keel_text){ reply->str, reply->len };
    word = take_word(&text);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (keel_text_is(word, words[i].word))
            return words[i].error;
    return KEEL_REDIS_OTHER;
}

/* Those of Redis' own that have no word of their own here. */
static const char *const refusals[] = {
    "ERR unknown",           "ERR wrong number",
    "ERR syntax error",      "ERR invalid",
    "ERR value is not",      "ERR string exceeds",
    "ERR max number of",     "ERR Error running script",
    "ERR This instance has", "ERR Can't execute",
    "NOREPLICAS ",           "MISCONF ",
    "ERR Protocol error:",
};

bool keel_redis_is_refusal(const redisReply *reply)
{
    keel_redis_error error = keel_redis_error_of(reply);

    if (error != KEEL_REDIS_OTHER)
        return error != KEEL_REDIS_NO_ERROR;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (strncmp(reply->str, refusals[i], strlen(refusals[i])) == 0)
            return true;
    return false;
}

/* host:port; an IPv6 address stands there without brackets. */
static bool read_address(keel_redis_host *to, keel_text text)
{
    const char *colon = memrchr(text.at, ':', text.length);
    size_t length;
    uint64_t port;

    if (!colon)
        return false;
    length = (size_t)(colon - text.at);
    text = (keel_text){ colon + 1, text.length - length - 1 };
    if (keel_parse_count(text, &port) != KEEL_PARSE_OK || !port || port > UINT16_MAX ||
        length >= sizeof to->name || memchr(colon - length, '\0', length))
        return false;
    memcpy(to->name, colon - length, length);
    to->port = (uint16_t)port;
    return true;
}

bool keel_redis_move_read(keel_redis_move *move, const redisReply *reply)
{
    keel_redis_error error = keel_redis_error_of(reply);
    keel_redis_move read = { .slot = 0 };
    keel_text text;
    uint64_t slot;

    if (error != KEEL_REDIS_MOVED && error != KEEL_REDIS_ASK)
        return false;
    text = (keel_text){ reply->str, reply->len };
    take_word(&text);
    if (keel_parse_count(take_word(&text), &slot) != KEEL_PARSE_OK ||
        slot >= KEEL_REDIS_SLOTS || !read_address(&read.to, text))
        return false;
    read.slot = (uint32_t)slot;
    *move = read;
    return true;
}
