/* SPDX-License-Identifier: MIT */
/* Reading replies. Not for what they mean to who asked. */
#include "net/memcached_reply.h"

#include <string.h>

static const char *const words[] = { [KEEL_MC_COUNT] = "",
#define WORD(name, word) [name] = word,
                                     KEEL_MC_REPLY_MAP(WORD)
#undef WORD
};

enum { WORDS = sizeof words / sizeof *words };

/* A reply begins with its word, which is of capitals. */
static bool find_kind(keel_text word, keel_mc_reply_kind *kind)
{
    for (size_t i = 1; i < WORDS; i++)
        if (keel_text_is(word, words[i])) {
            *kind = (keel_mc_reply_kind)i;
            return true;
        }
    return false;
}

static bool read_ttl(keel_text text, int64_t *ttl_s)
{
    return keel_mc_signed(text, ttl_s) && *ttl_s >= -1;
}

/* One flag of a meta reply; those that are not known say nothing to us. */
static bool read_flag(keel_mc_reply *r, keel_text word)
{
    const keel_text value = { word.at + 1, word.length - 1 };

    switch (*word.at) {
    case 'f':
        r->has |= KEEL_MC_HAS_FLAGS;
        return keel_mc_number32(value, &r->flags);
    case 'c':
        r->has |= KEEL_MC_HAS_TOKEN;
        return keel_mc_number(value, &r->token);
    case 't':
        r->has |= KEEL_MC_HAS_TTL;
        return read_ttl(value, &r->ttl_s);
    case 's':
        r->has |= KEEL_MC_HAS_SIZE;
        return keel_mc_number(value, &r->size);
    default:
        return true;
    }
}

static bool read_meta_flags(keel_mc_reply *r, keel_text rest)
{
    keel_text word;

    while (keel_mc_word(&rest, &word))
        if (!read_flag(r, word))
            return false;
    return true;
}

/* VA length flag* */
static bool read_va(keel_mc_reply *r, keel_text rest, uint64_t *length)
{
    keel_text word;

    return keel_mc_word(&rest, &word) && keel_mc_number(word, length) &&
           read_meta_flags(r, rest);
}

/* VALUE key flags length [token] */
static bool read_value(keel_mc_reply *r, keel_text rest, uint64_t *length)
{
    keel_text flags, size, token;

    r->has = KEEL_MC_HAS_KEY | KEEL_MC_HAS_FLAGS;
    if (!keel_mc_word(&rest, &r->key) || !keel_mc_word(&rest, &flags) ||
        !keel_mc_word(&rest, &size) || !keel_mc_number32(flags, &r->flags) ||
        !keel_mc_number(size, length))
        return false;
    if (!keel_mc_word(&rest, &token))
        return true;
    r->has |= KEEL_MC_HAS_TOKEN;
    return keel_mc_number(token, &r->token);
}

/* False: no reply looks like this. */
static bool read_line(keel_mc_reply *r, keel_text line, uint64_t *length)
{
    keel_text rest = line, word;

    if (!keel_mc_word(&rest, &word))
        return false;
    if (!find_kind(word, &r->kind)) {
        r->kind = KEEL_MC_COUNT;
        return keel_mc_number(word, &r->number) && !keel_mc_word(&rest, &word);
    }
    if (r->kind == KEEL_MC_VALUE)
        return read_value(r, rest, length);
    if (r->kind == KEEL_MC_VA)
        return read_va(r, rest, length);
    if (r->kind > KEEL_MC_VA)
        return read_meta_flags(r, rest);
    r->text = keel_text_trim(rest);
    return true;
}

keel_mc_read keel_mc_reply_read(keel_text from, size_t value_max, keel_mc_reply *reply,
                                size_t *size)
{
    keel_text line;
    uint64_t length = 0;
    keel_mc_read read = keel_mc_line(from, KEEL_MC_REPLY_LINE, &line, size);

    if (read != KEEL_MC_READ)
        return read;
    *reply = (keel_mc_reply){ .kind = KEEL_MC_COUNT };
    if (!read_line(reply, line, &length) || length > value_max)
        return KEEL_MC_WRONG;
    if (reply->kind != KEEL_MC_VALUE && reply->kind != KEEL_MC_VA)
        return KEEL_MC_READ;
    return keel_mc_block(from, *size, (size_t)length, &reply->value, size);
}
