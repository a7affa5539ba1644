/* SPDX-License-Identifier: MIT */
/*
 * Names of hosts to addresses, in time. libmariadb's own look-up waits for as long as the
 * system's does; here it is made on a thread, and who asked goes on at his instant.
 */
#ifndef KEEL_PLUGINS_MYSQL_LOOKUP_H
#define KEEL_PLUGINS_MYSQL_LOOKUP_H

#include <keel/keel.h>

enum {
    KEEL_MYSQL_ADDRESSES = 8,
    KEEL_MYSQL_ADDRESS_SIZE = 64,
    KEEL_MYSQL_HOST_SIZE = 256,
    KEEL_MYSQL_LOOKUPS_MOST = 64 /* of the process, forgotten ones among them */
};

/* As numbers, in the system's order. */
typedef struct keel_mysql_addresses {
    size_t count;
    char at[KEEL_MYSQL_ADDRESSES][KEEL_MYSQL_ADDRESS_SIZE];
} keel_mysql_addresses;

typedef struct keel_mysql_wait {
    keel_runtime *runtime;
    uint64_t until_ns;
    const keel_cancel *cancel; /* NULL: none */
} keel_mysql_wait;

/* Whether what is waited for is no longer wanted. */
bool keel_mysql_wait_is_over(const keel_mysql_wait *wait);

/*
 * Numbers need no look-up.
 *
 * host     shorter than KEEL_MYSQL_HOST_SIZE
 * Returns  0 with one address at least, or getaddrinfo's code; EAI_INPROGRESS: the wait
 *          was over, and the late answer is lost; EAI_AGAIN also where too many hang
 */
int keel_mysql_lookup(const char *host, const keel_mysql_wait *wait,
                      keel_mysql_addresses *found);

#endif
