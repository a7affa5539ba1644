/* SPDX-License-Identifier: MIT */
/* Writing requests. Not for what comes back. */
#include "net/memcached_request.h"

static const struct {
    const char *word;
    keel_mc_shape shape;
} verbs[] = {
#define VERB(name, word, shape) [name] = { word, shape },
    KEEL_MC_VERB_MAP(VERB)
#undef VERB
};

/* The flags of meta requests that ask for something. */
static const struct {
    char flag;
    uint32_t wants;
} asking[] = {
    { 'v', KEEL_MC_WANTS_VALUE }, { 'f', KEEL_MC_HAS_FLAGS },
    { 'c', KEEL_MC_HAS_TOKEN },   { 't', KEEL_MC_HAS_TTL },
    { 's', KEEL_MC_HAS_SIZE },
};

enum { ASKING = sizeof asking / sizeof *asking };

/* A verb, a line's end and a block's, and all numbers and flags at their longest. */
enum { ROOM = 192 };

size_t keel_mc_request_room(const keel_mc_request *request)
{
    size_t room = ROOM + request->value.length;

    for (size_t i = 0; i < request->count; i++)
        room += request->keys[i].length + 1;
    return room;
}

static char *put_keys(char *to, const keel_mc_request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        *to++ = ' ';
        to = keel_mc_put_text(to, r->keys[i]);
    }
    return to;
}

static char *put_number(char *to, uint64_t number)
{
    *to++ = ' ';
    return keel_mc_put_number(to, number);
}

static char *put_ttl(char *to, const keel_mc_request *r)
{
    *to++ = ' ';
    return keel_mc_put_signed(to, r->ttl_s);
}

/* What it says comes next. */
static char *put_flag(char *to, char flag)
{
    *to++ = ' ';
    *to++ = flag;
    return to;
}

static char *put_meta_flags(char *to, const keel_mc_request *r)
{
    for (size_t i = 0; i < ASKING; i++)
        if (r->wants & asking[i].wants)
            to = put_flag(to, asking[i].flag);
    if (r->gives & KEEL_MC_GIVES_FLAGS)
        to = keel_mc_put_number(put_flag(to, 'F'), r->flags);
    if (r->gives & KEEL_MC_GIVES_TTL)
        to = keel_mc_put_signed(put_flag(to, 'T'), r->ttl_s);
    if (r->gives & KEEL_MC_GIVES_TOKEN)
        to = keel_mc_put_number(put_flag(to, 'C'), r->token);
    if (r->gives & KEEL_MC_GIVES_BY)
        to = keel_mc_put_number(put_flag(to, 'D'), r->by);
    if (!r->mode)
        return to;
    to = put_flag(to, 'M');
    *to++ = r->mode;
    return to;
}

static char *put_store(char *to, const keel_mc_request *r)
{
    to = put_number(put_keys(to, r), r->flags);
    return put_number(put_ttl(to, r), r->value.length);
}

static char *put_line(char *to, const keel_mc_request *r)
{
    switch (verbs[r->verb].shape) {
    case KEEL_MC_ALONE:
        return to;
    case KEEL_MC_KEYS:
        return put_keys(to, r);
    case KEEL_MC_TTL_KEYS:
        return put_keys(put_ttl(to, r), r);
    case KEEL_MC_STORE:
        return put_store(to, r);
    case KEEL_MC_STORE_IF:
        return put_number(put_store(to, r), r->token);
    case KEEL_MC_BY:
        return put_number(put_keys(to, r), r->by);
    case KEEL_MC_TTL:
        return put_ttl(put_keys(to, r), r);
    case KEEL_MC_META:
        return put_meta_flags(put_keys(to, r), r);
    case KEEL_MC_META_STORE:
        break;
    }
    return put_meta_flags(put_number(put_keys(to, r), r->value.length), r);
}

static bool has_block(keel_mc_shape shape)
{
    return shape == KEEL_MC_STORE || shape == KEEL_MC_STORE_IF ||
           shape == KEEL_MC_META_STORE;
}

char *keel_mc_request_write(char *to, const keel_mc_request *request)
{
    to = put_line(keel_mc_put(to, verbs[request->verb].word), request);
    to = keel_mc_put(to, "\r\n");
    if (!has_block(verbs[request->verb].shape))
        return to;
    return keel_mc_put(keel_mc_put_text(to, request->value), "\r\n");
}
