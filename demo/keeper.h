/* SPDX-License-Identifier: MIT */
/*
 * Where a caller of the little service keeps what has to be kept: in keel's bags, or in
 * Redis by a plain client. The service exists twice and differs in this alone.
 */
#ifndef KEEL_DEMO_KEEPER_H
#define KEEL_DEMO_KEEPER_H

#include <keel/keel.h>

/* How something ended, as far as its caller is told. */
typedef enum ending { ENDED_WELL, ENDED_NOT_DONE, ENDED_IN_DOUBT, ENDINGS } ending;

/*
 * marks    KEEL_BAG_*
 * version  that was read; 0: there is none
 */
typedef struct answer {
    ending ending;
    uint32_t marks;
    unsigned version;
} answer;

/*
 * sessions, visits  keel's, borrowed; NULL: without keel
 * port              else: of Redis
 * redis             what the plain client is connected by, at times
 */
typedef struct keeper {
    keel_bag *sessions, *visits;
    uint16_t port;
    struct redisContext *redis;
} keeper;

/* A session in the version that is kept. */
answer keeper_read(keeper *k, const char *key);
answer keeper_write(keeper *k, const char *key, unsigned version);

/* One more visit. */
answer keeper_count(keeper *k, const char *key);

/* Ends the plain client's connection. */
void keeper_disconnect(keeper *k);

#endif
