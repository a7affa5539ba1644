/* SPDX-License-Identifier: MIT */
/*
 * One connection to one Redis server, in RESP2. Whatever goes wrong on the wire closes
 * it for good: an answer that comes too late is never taken for the next one's. What
 * Redis itself answers, errors included, is a reply like any other.
 *
 * Statuses are those of net/socket.h, and
 *   KEEL_FAILED      also what is no reply, or too large a one
 *   KEEL_E_STATE     the connection was closed before
 *   KEEL_E_NOMEM
 * A connection is used by one thread at a time.
 */
#ifndef KEEL_NET_REDIS_H
#define KEEL_NET_REDIS_H

#include <hiredis/hiredis.h>

#include "net/dial.h"
#include "net/redis_url.h"

typedef struct keel_redis keel_redis;

/* lengths NULL: the arguments are strings */
typedef struct keel_redis_command {
    int argc;
    const char **argv;
    const size_t *lengths;
} keel_redis_command;

/* A command of strings, as an initializer; lives as long as the block it stands in. */
#define KEEL_REDIS_COMMAND(...)                                                        \
    {                                                                                  \
        .argc = sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(const char *),        \
        .argv = (const char *[]){ __VA_ARGS__ },                                       \
    }

/*
 * Connects, and logs in as far as `login` asks for it: password, database, TLS. Without
 * any of these nothing is said, and nothing proved about who is there.
 *
 * login    borrowed for the call; NULL: says nothing
 * at       the server; NULL: login's unix socket
 * dialer   borrowed until the connection is closed
 * Returns  KEEL_FAILED too where Redis refuses the login; why says in which words
 */
keel_status keel_redis_open(keel_redis **out, const keel_dialer *dialer,
                            const keel_redis_url *login, const keel_redis_host *at,
                            uint64_t until_ns, keel_detail *why);

/*
 * Sends all commands at once and reads a reply to each. All or none: on anything but
 * KEEL_OK the replies are NULL, the connection is closed, and nobody knows which of the
 * commands took effect.
 *
 * replies  count of them; each freed by freeReplyObject
 */
keel_status keel_redis_call(keel_redis *r, const keel_redis_command *commands,
                            size_t count, redisReply **replies, uint64_t until_ns,
                            keel_detail *why);

/* One command; its reply. */
keel_status keel_redis_ask(keel_redis *r, const keel_redis_command *command,
                           redisReply **reply, uint64_t until_ns, keel_detail *why);

/*
 * Makes the connection one that listens to a channel: from here on only
 * keel_redis_receive, and keel_redis_send of PING.
 *
 * sharded  SSUBSCRIBE, for clusters
 * Returns  KEEL_FAILED where Redis refuses; the connection is closed
 */
keel_status keel_redis_subscribe(keel_redis *r, const char *channel, bool sharded,
                                 uint64_t until_ns, keel_detail *why);

/*
 * The next message. Here KEEL_TIMEOUT and KEEL_CANCELLED leave the connection open: a
 * message half there is read on later. An instant in the past: looks without waiting.
 */
keel_status keel_redis_receive(keel_redis *r, redisReply **reply, uint64_t until_ns,
                               keel_detail *why);

/* Whether it is a message of a channel, and which; the text lies in the reply. */
bool keel_redis_message(const redisReply *reply, keel_text *message);

/* Sends without reading; replies come by keel_redis_receive. */
keel_status keel_redis_send(keel_redis *r, const keel_redis_command *commands,
                            size_t count, uint64_t until_ns, keel_detail *why);

/* How large a reply may be; before, KEEL_REDIS_REPLY_BYTES. */
void keel_redis_allow(keel_redis *r, size_t reply_bytes);

/*
 * Whether a connection that nothing was asked of is still good: open, and silent. What
 * its server has closed meanwhile is found out before a request is lost on it. By TLS
 * that cannot be told, as sessions say things of their own.
 */
bool keel_redis_is_quiet(const keel_redis *r);

/* For many short exchanges: as keel_socket_sleep. By TLS it has no effect. */
void keel_redis_sleep(keel_redis *r);

/*
 * Whether a byte of what was last to be sent may have left; false: the server has none of
 * it, and never will.
 */
bool keel_redis_has_sent(const keel_redis *r);

/* To poll for reading, once keel_redis_receive found nothing; -1: closed. */
int keel_redis_fd(const keel_redis *r);

/* Who it was opened to; a unix socket has neither name nor port. */
const keel_redis_host *keel_redis_at(const keel_redis *r);

/* Frees it, without a word to the server. NULL is fine. */
void keel_redis_close(keel_redis *r);

/*
 * In a forked child: gives only the descriptor back, with no byte on the wire that the
 * parent still uses. The memory is left, as the parent's thread may have been in the
 * midst of changing it. NULL is fine.
 */
void keel_redis_drop(keel_redis *r);

#endif
