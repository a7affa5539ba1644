/* SPDX-License-Identifier: MIT */
/*
 * The list of a dependency's endpoints as it is written in settings text:
 *
 *   https://a:443 zone=eu-1a weight=2, https://b:443 zone=eu-1b tier=1
 *
 * Cuts it into entries and checks each. Pure: allocates nothing, keeps nothing, connects
 * to nothing.
 */
#ifndef KEEL_SETTINGS_ENDPOINT_LIST_H
#define KEEL_SETTINGS_ENDPOINT_LIST_H

#include "base/text.h"

enum {
    KEEL_ENDPOINTS_MAX = 64,
    KEEL_ENDPOINT_URL_MAX = 1023, /* bytes */
    KEEL_ENDPOINT_NAME_MAX = 255,
    KEEL_ENDPOINT_ZONE_MAX = 63,
    KEEL_ENDPOINT_TIER_MAX = 9,
    KEEL_ENDPOINT_WEIGHT_MAX = 1000
};

/*
 * url     scheme://host[:port][/path], host:port, or the absolute path of a socket
 * name    where none is given: the URL's host and port, or the path
 * zone    empty: none is given
 * weight  1 to KEEL_ENDPOINT_WEIGHT_MAX; 1 where none is given
 */
typedef struct keel_endpoint_text {
    keel_text url;
    keel_text name;
    keel_text zone;
    uint32_t tier;
    uint32_t weight;
} keel_endpoint_text;

/* Where a list is wrong: its entry, from 1, how many bytes into the text, and why. */
typedef struct keel_endpoint_mistake {
    size_t entry;
    size_t offset;
    const char *why; /* static; quotes nothing of the text, which may hold a secret */
} keel_endpoint_mistake;

/*
 * Reads a list whole. The entries point into the text.
 * Returns  how many there are, 1 to KEEL_ENDPOINTS_MAX; 0: it is wrong, *mistake says where
 */
size_t keel_endpoint_list_read(keel_text text,
                               keel_endpoint_text entries[KEEL_ENDPOINTS_MAX],
                               keel_endpoint_mistake *mistake);

/* Whether a text is fit to be a zone's name. */
bool keel_endpoint_zone_is_valid(keel_text zone);

#endif
