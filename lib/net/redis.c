/* SPDX-License-Identifier: MIT */
/* Requests out, replies in, over the socket or its TLS session. */
#include "net/redis.h"

#include <stdio.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "net/redis_reader.h"
#include "net/redis_tls.h"

/* Requests up to so many bytes need no memory. */
enum { READ_SIZE = 16384, REQUEST_SIZE = 1024 };

struct keel_redis {
    const keel_dialer *dialer;
    keel_socket socket;
    keel_redis_tls *tls; /* NULL: none */
    keel_redis_reader reader;
    size_t sent; /* of the last request */
    keel_redis_host at;
};

/* ---- requests ------------------------------------------------------------------------ */

/* A number of 64 bits between its mark and the line's end. */
enum { HEAD_SIZE = sizeof "$18446744073709551615\r\n" - 1 };

static size_t length_of(const keel_redis_command *command, int number)
{
    return command->lengths ? command->lengths[number] : strlen(command->argv[number]);
}

/* What a command needs at most. */
static size_t room_of(const keel_redis_command *command)
{
    size_t room = HEAD_SIZE;

    for (int i = 0; i < command->argc; i++)
        room += HEAD_SIZE + length_of(command, i) + 2;
    return room;
}

static char *put_end(char *to)
{
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

static char *put_head(char *to, char mark, size_t number)
{
    char digits[HEAD_SIZE];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    *to++ = mark;
    memcpy(to, digits + at, sizeof digits - at);
    return put_end(to + (sizeof digits - at));
}

/* An array of strings; hiredis' formatters take five times as long over it. */
static char *put_command(char *to, const keel_redis_command *command)
{
    to = put_head(to, '*', (size_t)command->argc);
    for (int i = 0; i < command->argc; i++) {
        size_t length = length_of(command, i);

        to = put_head(to, '$', length);
        if (length)
            memcpy(to, command->argv[i], length);
        to = put_end(to + length);
    }
    return to;
}

/* The descriptor alone: what is left in the buffers is freed with the connection. */
static void poison(keel_redis *r)
{
    keel_socket_close(&r->socket);
}

static bool is_poisoned(const keel_redis *r)
{
    return r->socket.own.fd < 0;
}

static keel_status say_poisoned(keel_detail *why)
{
    keel_fail(why, KEEL_E_STATE, "the connection is closed");
    return KEEL_E_STATE;
}

static keel_status transport_write(keel_redis *r, keel_text text, uint64_t until_ns,
                                   keel_detail *why)
{
    if (!r->tls)
        return keel_socket_write_counting(&r->socket, text.at, text.length, &r->sent,
                                          until_ns, why);
    r->sent = text.length; /* perhaps */
    return keel_redis_tls_write(r->tls, text.at, text.length, until_ns, why);
}

static keel_status transport_read(keel_redis *r, void *to, size_t size, size_t *length,
                                  uint64_t until_ns, keel_detail *why)
{
    if (r->tls)
        return keel_redis_tls_read(r->tls, to, size, length, until_ns, why);
    return keel_socket_read(&r->socket, to, size, length, until_ns, why);
}

static keel_status no_memory(keel_detail *why)
{
    return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
}

/* What was sent is wiped, as a password may be in it. */
static keel_status send_all(keel_redis *r, const keel_redis_command *commands,
                            size_t count, uint64_t until_ns, keel_detail *why)
{
    char small[REQUEST_SIZE], *bytes = small, *end;
    size_t room = 0;
    keel_status status;

    for (size_t i = 0; i < count; i++)
        room += room_of(&commands[i]);
    if (room > sizeof small)
        bytes = keel_memory_new(r->dialer->memory, room);
    if (!bytes)
        return no_memory(why);
    end = bytes;
    for (size_t i = 0; i < count; i++)
        end = put_command(end, &commands[i]);
    status =
        transport_write(r, (keel_text){ bytes, (size_t)(end - bytes) }, until_ns, why);
    explicit_bzero(bytes, (size_t)(end - bytes));
    if (bytes != small)
        keel_memory_free(r->dialer->memory, bytes);
    return status;
}

keel_status keel_redis_send(keel_redis *r, const keel_redis_command *commands,
                            size_t count, uint64_t until_ns, keel_detail *why)
{
    keel_status status;

    r->sent = 0;
    if (is_poisoned(r))
        return say_poisoned(why);
    status = send_all(r, commands, count, until_ns, why);
    if (status != KEEL_OK)
        poison(r);
    return status;
}

static keel_status read_more(keel_redis *r, uint64_t until_ns, keel_detail *why)
{
    char bytes[READ_SIZE];
    size_t length;
    keel_status status = transport_read(r, bytes, sizeof bytes, &length, until_ns, why);

    if (status != KEEL_OK)
        return status;
    return keel_redis_reader_feed(&r->reader, bytes, length, why);
}

keel_status keel_redis_receive(keel_redis *r, redisReply **reply, uint64_t until_ns,
                               keel_detail *why)
{
    keel_status status;

    *reply = NULL;
    if (is_poisoned(r))
        return say_poisoned(why);
    do
        status = keel_redis_reader_next(&r->reader, reply, why);
    while (status == KEEL_OK && !*reply &&
           (status = read_more(r, until_ns, why)) == KEEL_OK);
    if (status != KEEL_OK && status != KEEL_TIMEOUT && status != KEEL_CANCELLED)
        poison(r);
    return status;
}

static void free_replies(redisReply **replies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (replies[i])
            freeReplyObject(replies[i]);
        replies[i] = NULL;
    }
}

keel_status keel_redis_call(keel_redis *r, const keel_redis_command *commands,
                            size_t count, redisReply **replies, uint64_t until_ns,
                            keel_detail *why)
{
    keel_status status;

    for (size_t i = 0; i < count; i++)
        replies[i] = NULL;
    if (is_poisoned(r))
        return say_poisoned(why);
    /* an answer to nothing: no reply could be told from its neighbour any more */
    if (r->reader.bytes) {
        poison(r);
        keel_fail(why, KEEL_FAILED, "more replies came than were asked for");
        return KEEL_FAILED;
    }
    status = keel_redis_send(r, commands, count, until_ns, why);
    for (size_t i = 0; i < count && status == KEEL_OK; i++)
        status = keel_redis_receive(r, &replies[i], until_ns, why);
    if (status != KEEL_OK) {
        poison(r);
        free_replies(replies, count);
    }
    return status;
}

keel_status keel_redis_ask(keel_redis *r, const keel_redis_command *command,
                           redisReply **reply, uint64_t until_ns, keel_detail *why)
{
    return keel_redis_call(r, command, 1, reply, until_ns, why);
}

static keel_status refuse_if_error(const redisReply *reply, const char *command,
                                   keel_detail *why)
{
    char quoted[KEEL_QUOTE_SIZE];

    if (reply->type != REDIS_REPLY_ERROR)
        return KEEL_OK;
    return keel_failf(why, KEEL_FAILED, "Redis refuses %s: %s", command,
                      keel_quote(quoted, (keel_text){ reply->str, reply->len }));
}

static keel_status log_in(keel_redis *r, const keel_redis_url *login, uint64_t until_ns,
                          keel_detail *why)
{
    char db[sizeof "4294967295"];
    const char *as_user[] = { "AUTH", login->user, login->password };
    const char *by_password[] = { "AUTH", login->password };
    const char *select[] = { "SELECT", db };
    keel_redis_command commands[2] = { { .argc = 0 } };
    redisReply *replies[2];
    size_t count = 0;
    keel_status status;

    snprintf(db, sizeof db, "%u", login->db);
    if (login->password[0] && login->user[0])
        commands[count++] = (keel_redis_command){ .argc = 3, .argv = as_user };
    else if (login->password[0])
        commands[count++] = (keel_redis_command){ .argc = 2, .argv = by_password };
    if (login->db)
        commands[count++] = (keel_redis_command){ .argc = 2, .argv = select };
    if (!count)
        return KEEL_OK;
    status = keel_redis_call(r, commands, count, replies, until_ns, why);
    for (size_t i = 0; i < count && status == KEEL_OK; i++)
        status = refuse_if_error(replies[i], commands[i].argv[0], why);
    free_replies(replies, count);
    return status;
}

void keel_redis_close(keel_redis *r)
{
    if (!r)
        return;
    keel_redis_tls_free(r->tls);
    keel_socket_close(&r->socket);
    keel_redis_reader_cleanup(&r->reader);
    keel_memory_free(r->dialer->memory, r);
}

static keel_status connect_to(keel_redis *r, const keel_redis_url *login,
                              const keel_redis_host *at, uint64_t until_ns,
                              keel_detail *why)
{
    keel_status status =
        at ? keel_dial(r->dialer, &r->socket, at->name, at->port, until_ns, why)
           : keel_dial_unix(r->dialer, &r->socket, login->path, until_ns, why);

    if (status == KEEL_OK && login->tls)
        status =
            keel_redis_tls_new(&r->tls, r->dialer->memory, &r->socket, at->name, why);
    return status == KEEL_OK ? log_in(r, login, until_ns, why) : status;
}

keel_status keel_redis_open(keel_redis **out, const keel_dialer *dialer,
                            const keel_redis_url *login, const keel_redis_host *at,
                            uint64_t until_ns, keel_detail *why)
{
    static const keel_redis_url nothing_to_say;
    keel_redis *r = keel_memory_new(dialer->memory, sizeof *r);
    keel_status status = KEEL_E_NOMEM;

    *out = NULL;
    if (!r)
        return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
    r->dialer = dialer;
    if (at)
        r->at = *at;
    keel_socket_init(&r->socket, dialer->interrupt_fd);
    if (!keel_redis_reader_init(&r->reader))
        keel_fail(why, status, keel_status_text(status));
    else
        status = connect_to(r, login ? login : &nothing_to_say, at, until_ns, why);
    if (status == KEEL_OK)
        *out = r;
    else
        keel_redis_close(r);
    return status;
}

keel_status keel_redis_subscribe(keel_redis *r, const char *channel, bool sharded,
                                 uint64_t until_ns, keel_detail *why)
{
    const char *argv[] = { sharded ? "SSUBSCRIBE" : "SUBSCRIBE", channel };
    const keel_redis_command command = { .argc = 2, .argv = argv };
    redisReply *reply;
    keel_status status = keel_redis_ask(r, &command, &reply, until_ns, why);

    if (status != KEEL_OK)
        return status;
    status = refuse_if_error(reply, argv[0], why);
    freeReplyObject(reply);
    if (status != KEEL_OK)
        poison(r);
    return status;
}

static bool is_text(const redisReply *reply, const char *text)
{
    return reply->type == REDIS_REPLY_STRING &&
           keel_text_is((keel_text){ reply->str, reply->len }, text);
}

bool keel_redis_message(const redisReply *reply, keel_text *message)
{
    const redisReply *text;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        !(is_text(reply->element[0], "message") ||
          is_text(reply->element[0], "smessage")))
        return false;
    text = reply->element[2];
    if (text->type != REDIS_REPLY_STRING)
        return false;
    *message = (keel_text){ text->str, text->len };
    return true;
}

const keel_redis_host *keel_redis_at(const keel_redis *r)
{
    return &r->at;
}

void keel_redis_allow(keel_redis *r, size_t reply_bytes)
{
    r->reader.bytes_most = reply_bytes;
}

void keel_redis_sleep(keel_redis *r)
{
    if (!r->tls)
        keel_socket_sleep(&r->socket);
}

bool keel_redis_has_sent(const keel_redis *r)
{
    return r->sent > 0;
}

bool keel_redis_is_quiet(const keel_redis *r)
{
    if (is_poisoned(r) || r->reader.bytes)
        return false;
    return r->tls || keel_socket_is_quiet(&r->socket);
}

int keel_redis_fd(const keel_redis *r)
{
    return r->socket.own.fd;
}

void keel_redis_drop(keel_redis *r)
{
    if (r)
        keel_socket_close(&r->socket);
}
