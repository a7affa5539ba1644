/* SPDX-License-Identifier: MIT */
/*
 * One active check on the wire, on a connection of its own, by libcurl: it looks names up
 * without waiting, tries their addresses, and speaks TLS. A request of HTTP is libcurl's
 * too; for the others it only connects, and here a word and its answer are exchanged, or
 * what net/mysql_handshake.h has to say and hears.
 *
 * Nothing waits: who drives a probe has the multi handle and the clock.
 */
#ifndef KEEL_HEALTH_PROBE_H
#define KEEL_HEALTH_PROBE_H

#include <curl/curl.h>
#include <stdbool.h>

#include "net/descriptor.h"
#include "net/mysql_handshake.h"
#include "settings/policy.h"

/* Two for each probe, as libcurl tries two addresses side by side. */
enum { KEEL_PROBES_MOST = 128, KEEL_PROBE_SOCKETS = 2 * KEEL_PROBES_MOST };

/* The sockets of all probes, for a forked child to close. */
typedef struct keel_probe_sockets {
    keel_descriptor at[KEEL_PROBE_SOCKETS];
} keel_probe_sockets;

void keel_probe_sockets_init(keel_probe_sockets *sockets);
void keel_probe_sockets_close(keel_probe_sockets *sockets);

typedef enum keel_probe_state {
    KEEL_PROBE_NONE,
    KEEL_PROBE_CONNECTS, /* libcurl is at it */
    KEEL_PROBE_HEARS,    /* something is to come from the other side */
    KEEL_PROBE_GOOD,
    KEEL_PROBE_BAD
} keel_probe_state;

enum { KEEL_PROBE_REPLY_SIZE = 64 };

/*
 * code   of an answer by HTTP; 0: none
 * reply  what was heard of the answer to a word; sql: of KEEL_HEALTH_SQL
 */
typedef struct keel_probe {
    keel_probe_state state;
    keel_health_kind kind;
    CURL *easy;
    uint16_t code;
    size_t length;
    char reply[KEEL_PROBE_REPLY_SIZE];
    keel_mysql_handshake sql;
} keel_probe;

/* False: no memory; it is BAD then. The policy stays until it is stopped. */
bool keel_probe_start(keel_probe *probe, CURLM *multi, const keel_health_policy *policy,
                      keel_probe_sockets *sockets);

/* libcurl has come to its end with it. */
void keel_probe_connected(keel_probe *probe, CURLcode code);

/* The descriptor to poll for reading while it HEARS; reads what there is. */
int keel_probe_fd(const keel_probe *probe);
void keel_probe_hear(keel_probe *probe);

/* Ends it, wherever it is; NONE is fine. */
void keel_probe_stop(keel_probe *probe, CURLM *multi);

/* What bytes that a server has said so far, asked by a word, come to: HEARS, GOOD or BAD.
 * Any bytes; of a kind that is asked so, or KEEL_HEALTH_TCP. */
keel_probe_state keel_probe_judge(keel_health_kind kind, const char *bytes,
                                  size_t length);

#endif
