/* SPDX-License-Identifier: MIT */
/*
 * A bag's tokens as memcached's cas numbers. A token of eight bytes is its number; of a
 * longer one, an ETag's say, a hash goes out, and when it comes back it is held against
 * the token that the item has then. So nothing is remembered of what was given out, and a
 * number means the same to every server before the same bag.
 */
#ifndef KEEL_TOOLS_SERVE_TOKEN_H
#define KEEL_TOOLS_SERVE_TOKEN_H

#include "serve_answer.h"

/* The number; 0: there is no token. */
uint64_t keel_serve_token_number(keel_serve_source *source,
                                 const keel_bag_token *token);

/* What is done once the token is found. */
typedef keel_status keel_serve_token_fn(void *ctx, const keel_bag_token *token,
                                        keel_detail *why);

/*
 * Calls fn with the token of that number. Returns what fn has, or KEEL_EXISTS: the item
 * has another by now; KEEL_NOT_FOUND; or why it could not be looked at.
 */
keel_status keel_serve_with_token(keel_serve_source *source, const char *key,
                                  uint64_t number, const keel_bag_options *options,
                                  keel_serve_token_fn *fn, void *ctx, keel_detail *why);

#endif
