/* SPDX-License-Identifier: MIT */
#include "serve_token.h"

#include <openssl/evp.h>
#include <string.h>

#include <keel/bag_plugin.h>

/* Which kinds of tokens the bag was seen to have; those of a tree may be several. */
enum { NUMBERS = 1, LONG_ONES = 2 };

static uint64_t hash_of(const keel_bag_token *token)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint64_t number = 0;
    unsigned size;

    if (EVP_Digest(token->bytes, token->length, digest, &size, EVP_sha256(), NULL))
        memcpy(&number, digest, sizeof number);
    return number ? number : 1;
}

/* It is a hint: whoever has not seen it yet asks the bag once more. */
static void note(keel_serve_source *source, unsigned kind)
{
    if (!(atomic_load_explicit(&source->token_kinds, memory_order_relaxed) & kind))
        atomic_fetch_or_explicit(&source->token_kinds, kind, memory_order_relaxed);
}

uint64_t keel_serve_token_number(keel_serve_source *source, const keel_bag_token *token)
{
    if (!token->length)
        return 0;
    if (token->length == sizeof(uint64_t)) {
        note(source, NUMBERS);
        return keel_bag_token_number(token);
    }
    note(source, LONG_ONES);
    return hash_of(token);
}

/* The token that the item has now, if that is its number. */
static keel_status look_up(keel_serve_source *source, const char *key, uint64_t number,
                           const keel_bag_options *options, keel_bag_token *token,
                           keel_detail *why)
{
    keel_bag_options wish = *options;
    keel_bag_item item = { .size = sizeof item };
    keel_status status;

    wish.wishes = KEEL_BAG_WANT_TOKEN;
    wish.token = NULL;
    status = keel_bag_get(source->bag, key, &item, &wish, why);
    if (status != KEEL_OK && status != KEEL_E_BUFFER)
        return status;
    *token = item.token;
    return token->length && keel_serve_token_number(source, token) == number
               ? KEEL_OK
               : KEEL_EXISTS;
}

keel_status keel_serve_with_token(keel_serve_source *source, const char *key,
                                  uint64_t number, const keel_bag_options *options,
                                  keel_serve_token_fn *fn, void *ctx, keel_detail *why)
{
    unsigned kinds = atomic_load_explicit(&source->token_kinds, memory_order_relaxed);
    keel_bag_token token = keel_bag_token_of(number);
    keel_status status;

    if (!(kinds & LONG_ONES)) {
        status = fn(ctx, &token, why);
        if (status != KEEL_EXISTS || kinds == NUMBERS)
            return status;
    }
    status = look_up(source, key, number, options, &token, why);
    return status == KEEL_OK ? fn(ctx, &token, why) : status;
}
