/* SPDX-License-Identifier: MIT */
/* Connecting to Redis, asking and listening. Not for what is asked. */
#include "share/link.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/detail.h"
#include "base/text.h"
#include "net/redis_find.h"
#include "share/password_file.h"

#define TRY_MOST_NS                                                                    \
    (1500 * KEEL_MS) /* below what a fleet's say lasts: policy/fleet.h */
#define BACKOFF_FIRST_NS (50 * KEEL_MS)
#define BACKOFF_LONGEST_NS (5 * KEEL_S)

enum { KEY_SIZE = KEEL_WIRE_TAG + 32, STEPS = 5 };

keel_status keel_link_init(keel_link *link, const keel_link_options *options,
                           keel_detail *why)
{
    keel_status status;

    *link = (keel_link){ .random = options->random,
                         .password_file = options->password_file,
                         .tag = options->tag,
                         .timeout_ns = options->timeout_ns };
    status = keel_redis_url_read(&link->url, keel_text_of(options->url), why);
    if (status != KEEL_OK)
        return status;
    /* not the author's memory, which need not outlive keel_close as a look-up may */
    status = keel_resolver_new(&link->resolver, NULL);
    if (status != KEEL_OK) {
        keel_redis_url_wipe(&link->url);
        return keel_fail(why, status, "no memory to look up its hosts");
    }
    link->dialer = (keel_dialer){ .memory = options->memory,
                                  .resolver = link->resolver,
                                  .interrupt_fd = options->interrupt_fd,
                                  .timeout_ns = options->timeout_ns };
    return KEEL_OK;
}

/* Forgotten first: a child forked in between must find none, not one that is freed. */
static void disconnect(keel_link *link)
{
    keel_redis_close(atomic_exchange(&link->commands, NULL));
    keel_redis_close(atomic_exchange(&link->messages, NULL));
}

void keel_link_cleanup(keel_link *link)
{
    disconnect(link);
    keel_resolver_leave(link->resolver);
    link->resolver = NULL;
    keel_redis_url_wipe(&link->url);
}

void keel_link_drop(keel_link *link)
{
    keel_redis_drop(link->commands);
    keel_redis_drop(link->messages);
    keel_resolver_drop(link->resolver);
    link->commands = link->messages = NULL;
}

void keel_link_leave(keel_link *link)
{
    disconnect(link);
}

void keel_link_lose(keel_link *link)
{
    uint64_t longest = BACKOFF_FIRST_NS;

    disconnect(link);
    for (uint32_t i = 0; i < link->failures && longest < BACKOFF_LONGEST_NS; i++)
        longest *= 2;
    longest = keel_ns_min(longest, BACKOFF_LONGEST_NS);
    link->failures++;
    link->retry_at = keel_socket_now() +
                     (uint64_t)((double)longest * keel_random_draw(&link->random));
}

/* ---- connecting --------------------------------------------------------------------- */

/* As KEEL_REDIS says it, with the password of the file. */
static keel_status read_login(const keel_link *link, keel_redis_url *login,
                              keel_detail *why)
{
    keel_detail what = KEEL_DETAIL_INIT;

    *login = link->url;
    if (!link->password_file ||
        keel_password_file_read(link->password_file, login->password,
                                sizeof login->password, &what) == KEEL_OK)
        return KEEL_OK;
    return keel_failf(why, what.code, "KEEL_REDIS_PASSWORD_FILE: %s", what.text);
}

static keel_status find(keel_link *link, keel_redis_url *login, uint64_t until,
                        keel_detail *why)
{
    char key[KEY_SIZE];
    int length = snprintf(key, sizeof key, "keel1:{%s}:meta", link->tag);
    keel_redis *found;
    keel_status status = keel_redis_find(
        &found, &link->dialer, login, (keel_text){ key, (size_t)length }, until, why);

    link->commands = found;
    return status;
}

static keel_status listen_to(keel_link *link, const keel_redis_url *login, bool sharded,
                             uint64_t until, keel_detail *why)
{
    char channel[KEY_SIZE];
    keel_redis *messages;
    keel_status status;

    if (!keel_wire_channel(link->tag, channel, sizeof channel))
        return keel_fail(why, KEEL_E_CONFIG, "KEEL_NAMESPACE is too long");
    status = keel_redis_open(
        &messages, &link->dialer, login,
        login->kind == KEEL_REDIS_UNIX ? NULL : keel_redis_at(link->commands), until,
        why);
    if (status == KEEL_OK)
        status = keel_redis_subscribe(messages, channel, sharded, until, why);
    if (status == KEEL_OK)
        link->messages = messages;
    else
        keel_redis_close(messages);
    return status;
}

/* For each server that is asked: to connect, to shake hands, to log in, and to hear whom
 * to ask or who it is; each of these may take as long as any other exchange. */
static uint64_t steps_end(const keel_link *link, size_t servers, uint64_t until)
{
    return keel_ns_min(keel_socket_now() + STEPS * servers * link->timeout_ns, until);
}

/* A cluster of before 7.0 knows no channels of a slot; there all nodes hear all. */
static keel_status connect_both(keel_link *link, keel_redis_url *login,
                                keel_detail *why)
{
    size_t servers = login->host_count > 1 ? login->host_count : 1;
    uint64_t until = keel_socket_now() + TRY_MOST_NS;
    keel_status status = find(link, login, steps_end(link, servers, until), why);

    link->is_sharded = login->kind == KEEL_REDIS_CLUSTER;
    if (status != KEEL_OK)
        return status;
    status = listen_to(link, login, link->is_sharded, steps_end(link, 1, until), why);
    if (status != KEEL_FAILED || !link->is_sharded)
        return status;
    link->is_sharded = false;
    return listen_to(link, login, false, steps_end(link, 1, until), why);
}

keel_status keel_link_connect(keel_link *link, keel_detail *why)
{
    keel_redis_url login;
    keel_status status;

    if (keel_socket_now() < link->retry_at)
        return keel_fail(why, KEEL_E_BUSY, "waiting before the next try");
    status = read_login(link, &login, why);
    if (status == KEEL_OK)
        status = connect_both(link, &login, why);
    keel_redis_url_wipe(&login);
    link->up_since = keel_socket_now();
    if (status != KEEL_OK)
        keel_link_lose(link);
    return status;
}

/* ---- asking and listening ----------------------------------------------------------- */

static keel_status exchange(keel_link *link, const keel_command *command,
                            redisReply **reply, keel_detail *why)
{
    const keel_redis_command bare = { .argc = command->count,
                                      .argv = (const char **)(uintptr_t)command->argv,
                                      .lengths = command->lengths };

    return keel_redis_ask(link->commands, &bare, reply,
                          keel_socket_now() + link->timeout_ns, why);
}

static keel_status refuse(keel_detail *why, const redisReply *error)
{
    char quoted[KEEL_QUOTE_SIZE];

    return keel_failf(why, KEEL_FAILED, "Redis refuses: %s",
                      keel_quote(quoted, (keel_text){ error->str, error->len }));
}

keel_status keel_link_ask(keel_link *link, keel_command *command, redisReply **reply,
                          keel_detail *why)
{
    keel_status status = exchange(link, command, reply, why);

    if (status == KEEL_OK && keel_redis_error_of(*reply) == KEEL_REDIS_NOSCRIPT) {
        freeReplyObject(*reply);
        keel_command_bring_script(command);
        status = exchange(link, command, reply, why);
    }
    if (status == KEEL_OK && (*reply)->type == REDIS_REPLY_ERROR) {
        status = refuse(why, *reply);
        freeReplyObject(*reply);
    }
    if (status != KEEL_OK) {
        *reply = NULL;
        keel_link_lose(link);
        return status;
    }
    /* answers to scripts, and nothing less, are health; and not just now and then */
    if (keel_ns_left(keel_socket_now(), link->up_since) > BACKOFF_LONGEST_NS)
        link->failures = 0;
    return KEEL_OK;
}

bool keel_link_message(keel_link *link, redisReply **reply, keel_text *message,
                       keel_detail *why)
{
    keel_detail what = KEEL_DETAIL_INIT;
    keel_status status = keel_redis_receive(link->messages, reply, 0, &what);

    if (status != KEEL_OK && status != KEEL_TIMEOUT && status != KEEL_CANCELLED) {
        keel_link_lose(link);
        keel_detail_fill(why, &what);
    }
    if (status != KEEL_OK)
        return false;
    if (!keel_redis_message(*reply, message))
        *message = (keel_text){ "", 0 };
    return true;
}

int keel_link_fd(const keel_link *link)
{
    return link->messages ? keel_redis_fd(link->messages) : -1;
}
