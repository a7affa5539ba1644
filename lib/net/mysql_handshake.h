/* SPDX-License-Identifier: MIT */
/*
 * Asking a MySQL or MariaDB whether it is at work, by the client/server protocol: its
 * greeting, a login without a password, a ping, goodbye. Bytes in, bytes out, and a
 * verdict at the end; the socket and the clock are the caller's. Not for statements.
 *
 * The handshake is spoken to its end, since a server counts one that is broken off
 * against max_connect_errors, and then bars the host; a login that it denies it does not.
 * It has looked its users up by then, so denying is as good an answer as a ping's.
 */
#ifndef KEEL_NET_MYSQL_HANDSHAKE_H
#define KEEL_NET_MYSQL_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * user  MariaDB's have 80 bytes
 * in    a packet: greetings and errors are a few hundred bytes
 * out   a login, an answer for each round, a ping and a goodbye
 */
enum {
    KEEL_MYSQL_USER_SIZE = 84,
    KEEL_MYSQL_IN_SIZE = 1024,
    KEEL_MYSQL_OUT_SIZE = 448
};

typedef enum keel_mysql_state {
    KEEL_MYSQL_GREETS, /* its greeting is to come */
    KEEL_MYSQL_LOGS_IN,
    KEEL_MYSQL_PINGS,
    KEEL_MYSQL_IS_WELL,
    KEEL_MYSQL_IS_ILL
} keel_mysql_state;

/*
 * user    borrowed; longer than there is room for, it is cut
 * rounds  of authentication so far
 * out     to be sent; who has sent it sets out_length to 0
 */
typedef struct keel_mysql_handshake {
    keel_mysql_state state;
    const char *user;
    unsigned rounds;
    size_t in_length;
    size_t out_length;
    unsigned char in[KEEL_MYSQL_IN_SIZE];
    unsigned char out[KEEL_MYSQL_OUT_SIZE];
} keel_mysql_handshake;

void keel_mysql_handshake_init(keel_mysql_handshake *handshake, const char *user);

/* Takes what the server has said, any bytes, in any pieces; what comes when it is over
 * changes nothing. Also when it IS_WELL there is something to send: the goodbye. */
void keel_mysql_handshake_take(keel_mysql_handshake *handshake, const void *bytes,
                               size_t length);

#endif
