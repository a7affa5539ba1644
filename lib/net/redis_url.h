/* SPDX-License-Identifier: MIT */
/*
 * Where Redis is and how to get in, as KEEL_REDIS says it:
 *
 *     redis://[user[:password]@]host[:port][/db]
 *     rediss://…                                      the same, by TLS
 *     unix:/path[?db=N]
 *     redis+sentinel://[…@]host[:port],…/master[/db]
 *     redis+cluster://[…@]host[:port],…
 *
 * Text in, struct out. No name is looked up and nothing is connected here.
 */
#ifndef KEEL_NET_REDIS_URL_H
#define KEEL_NET_REDIS_URL_H

#include <keel/status.h>

#include "base/text.h"

enum {
    KEEL_REDIS_HOSTS = 16,
    KEEL_REDIS_NAME_SIZE = 256,
    KEEL_REDIS_PATH_SIZE = 108, /* what a unix socket's address holds */
    KEEL_REDIS_URL_TEXT_SIZE = 512
};

typedef enum keel_redis_kind {
    KEEL_REDIS_SERVER,
    KEEL_REDIS_UNIX,
    KEEL_REDIS_SENTINEL,
    KEEL_REDIS_CLUSTER
} keel_redis_kind;

typedef struct keel_redis_host {
    char name[KEEL_REDIS_NAME_SIZE]; /* a name or a number; IPv6 without brackets */
    uint16_t port;
} keel_redis_host;

typedef struct keel_redis_url {
    keel_redis_kind kind;
    bool tls;
    uint32_t db;
    char user[KEEL_REDIS_NAME_SIZE];     /* "": none; of the data, not of sentinels */
    char password[KEEL_REDIS_NAME_SIZE]; /* "": none */
    char master[KEEL_REDIS_NAME_SIZE];   /* of KEEL_REDIS_SENTINEL: its name for it */
    char path[KEEL_REDIS_PATH_SIZE];     /* of KEEL_REDIS_UNIX */
    size_t host_count;                   /* of all but KEEL_REDIS_UNIX; 1 of a server */
    keel_redis_host hosts[KEEL_REDIS_HOSTS];
} keel_redis_url;

/*
 * Reads the whole text.
 *
 * url      all zero on failure; holds the password: keel_redis_url_wipe when done
 * Returns  KEEL_OK
 *          KEEL_E_CONFIG       why says what is wrong and what is allowed, and nothing
 *                              of what may be a password; not where the text stood
 *          KEEL_E_UNSUPPORTED  rediss, and this keel was built without TLS to Redis
 */
keel_status keel_redis_url_read(keel_redis_url *url, keel_text text, keel_detail *why);

/* For people: as it was read, with *** in the place of user and password; cut to size. */
const char *keel_redis_url_print(const keel_redis_url *url,
                                 char to[KEEL_REDIS_URL_TEXT_SIZE]);

/* Zeroes all of it, in a way no compiler leaves out. */
void keel_redis_url_wipe(keel_redis_url *url);

#endif
