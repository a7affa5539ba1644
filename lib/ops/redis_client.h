/* SPDX-License-Identifier: MIT */
/*
 * A visitor of a fleet's Redis, who is no member of it: asks what the members' relays
 * ask, and listens where they listen. Not for what is asked (redis_view.c, redis_lock.c,
 * redis_events.c).
 */
#ifndef KEEL_OPS_REDIS_CLIENT_H
#define KEEL_OPS_REDIS_CLIENT_H

#include "settings/config.h"
#include "share/link.h"

typedef struct keel_redis_client {
    keel_link link;
    keel_fleet fleet;
    char *name_space;
    char *password_file;
    keel_command command;
    char bytes[KEEL_WIRE_BYTES_COMMON + KEEL_WIRE_BATCH * KEEL_WIRE_BYTES_BREAKER];
} keel_redis_client;

/*
 * Connects to nobody yet.
 *
 * url       in place of settings->redis; NULL: that one
 * settings  borrowed for the call: where the password is, the namespace, the time-out
 * Returns   as keel_link_init
 */
keel_status keel_redis_client_open(keel_redis_client **out,
                                   const keel_process_settings *settings,
                                   const char *url, keel_detail *why);
void keel_redis_client_close(keel_redis_client *client); /* NULL is fine */

/* As keel_link_connect: KEEL_E_BUSY until it is time to try again. */
keel_status keel_redis_client_connect(keel_redis_client *client, keel_detail *why);

/* An empty command, to be written and then asked; the last one is forgotten. */
keel_command *keel_redis_client_command(keel_redis_client *client);

/* KEEL_OK: the reply is the caller's to free. Anything else ends the connection. */
keel_status keel_redis_client_ask(keel_redis_client *client, redisReply **reply,
                                  keel_detail *why);

/* An answer that cannot be read: ends the connection. Returns KEEL_FAILED. */
keel_status keel_redis_client_distrust(keel_redis_client *client, keel_detail *why);

#endif
