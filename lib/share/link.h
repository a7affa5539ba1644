/* SPDX-License-Identifier: MIT */
/*
 * The relay's way to Redis: one connection for commands, one for messages. Lost, it is
 * made anew after a while that grows (full jitter, 50 ms to 5 s); every step of it has
 * its time. Used by one thread.
 */
#ifndef KEEL_SHARE_LINK_H
#define KEEL_SHARE_LINK_H

#include "base/random.h"
#include "net/redis.h"
#include "share/wire.h"

typedef struct keel_link {
    keel_dialer dialer;
    keel_resolver *resolver;
    keel_random random;
    keel_redis_url url;        /* without the password of the file */
    const char *password_file; /* NULL: none; read each time it connects */
    const char *tag;
    uint64_t timeout_ns;            /* of one exchange */
    _Atomic(keel_redis *) commands; /* atomic for a forked child, as is the next */
    _Atomic(keel_redis *) messages;
    bool is_sharded;
    uint32_t failures; /* since it was up for long */
    uint64_t up_since; /* on the sockets' clock, as is the next */
    uint64_t retry_at;
} keel_link;

typedef struct keel_link_options {
    const keel_allocator *memory;
    keel_random random;
    const char *url;
    const char *password_file;
    const char *tag;
    uint64_t timeout_ns;
    int interrupt_fd;
} keel_link_options;

/* Connects to nobody yet. The texts are borrowed. KEEL_E_CONFIG, KEEL_E_UNSUPPORTED: the
 * URL; KEEL_E_NOMEM, KEEL_E_SYSTEM */
keel_status keel_link_init(keel_link *link, const keel_link_options *options,
                           keel_detail *why);

/*
 * Waits for nothing. A look-up of a name that hangs goes on without the link, in memory of
 * its own; from then on the library is not unloaded any more (keel_resolver_leave).
 */
void keel_link_cleanup(keel_link *link);

/* In a forked child: closes the descriptors that are still there, and nothing else. */
void keel_link_drop(keel_link *link);

static inline bool keel_link_is_up(const keel_link *link)
{
    return link->commands && link->messages;
}

/* Connects if it is time to: listens to messages first, so that none is missed between
 * the first answer and the first message. */
keel_status keel_link_connect(keel_link *link, keel_detail *why);

/*
 * Sends a script's command and reads its reply, which is no error. Anything else ends
 * the connection.
 */
keel_status keel_link_ask(keel_link *link, keel_command *command, redisReply **reply,
                          keel_detail *why);

/* The next message, if there is one; false: there is none, or the connection is lost,
 * and why. */
bool keel_link_message(keel_link *link, redisReply **reply, keel_text *message,
                       keel_detail *why);

/* To be polled beside others; -1: none. */
int keel_link_fd(const keel_link *link);

/* Closes the connection, with which nothing is wrong. */
void keel_link_leave(keel_link *link);

/* Gives the connection up, to be made anew after a while. */
void keel_link_lose(keel_link *link);

#endif
