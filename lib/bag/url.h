/* SPDX-License-Identifier: MIT */
/* A store's URL in its pieces, decoded; libcurl's parser does the work. */
#ifndef KEEL_BAG_URL_H
#define KEEL_BAG_URL_H

#include <keel/runtime.h>

#include "base/text.h"

/*
 * "" and 0: that piece is not there. plain: the URL without password and query. host: of
 * several, "a:1,b:2", all of them as they were written, and port is 0.
 */
typedef struct keel_bag_url {
    const keel_allocator *memory;
    char *plain;
    char *user, *password, *host, *location;
    uint16_t port;
    keel_text query; /* raw, in the text that was read */
} keel_bag_url;

/*
 * text     borrowed, also afterwards: the query lies in it
 * Returns  KEEL_OK; KEEL_E_CONFIG: it is none, and why; KEEL_E_NOMEM
 */
keel_status keel_bag_url_read(keel_bag_url *url, const keel_allocator *memory,
                              keel_text text, keel_detail *why);

/* Wipes the password. All zero is fine. */
void keel_bag_url_cleanup(keel_bag_url *url);

/* The next "key=value" of a query, as it is written, taken off its front; false: there
 * is none. */
bool keel_bag_query_next(keel_text *query, keel_text *key, keel_text *value);

/* What %-encoding stands for, as a text; false: it is no encoding, or does not fit. */
bool keel_bag_query_decode(keel_text value, char *to, size_t size);

#endif
