/* SPDX-License-Identifier: MIT */
/*
 * The packets of MySQL's handshake, as a client reads and writes them. A packet is three
 * bytes of length, least first, one that counts, and what it carries; packets of which no
 * more than the first byte matters are told apart by it.
 */
#include "net/mysql_handshake.h"

#include <string.h>

enum {
    HEADER = 4,
    PROTOCOL = 10,
    ROUNDS_MOST = 4, /* a switch, and what a method may say until it denies */
    PACKET_MOST = 1 << 24,
    CHARSET_UTF8 = 33,
    RESERVED = 23,
    LOGIN_FIXED = 4 + 4 + 1 + RESERVED + 1 + 1
};

/* What a packet begins with; more, of what a method of authentication wants. */
enum { IS_OK = 0x00, IS_MORE = 0x01, IS_SWITCH = 0xfe, IS_ERROR = 0xff };
enum { MORE_IS_FAST_OK = 0x03 };

enum { COMMAND_QUIT = 0x01, COMMAND_PING = 0x0e };

/* Capabilities. The first says that it is no MariaDB client, with its own ones; so a
 * MariaDB does not offer it, and is told nevertheless. */
enum {
    CLIENT_MYSQL = 1 << 0,
    CLIENT_PROTOCOL_41 = 1 << 9,
    CLIENT_SECURE_CONNECTION = 1 << 15,
    CLIENT_PLUGIN_AUTH = 1 << 19,
    WANTED = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH
};

/* A server that would rather have another one says so. */
static const char method[] = "mysql_native_password";

/* To this one of MariaDB's an answer that is no signature at all is a handshake that was
 * broken off; a wrong one is not. */
static const char method_ed25519[] = "client_ed25519";
enum { SIGNATURE = 64 };

enum {
    LOGIN_MOST = HEADER + LOGIN_FIXED + KEEL_MYSQL_USER_SIZE + sizeof method,
    ANSWERS_MOST = ROUNDS_MOST * (HEADER + SIGNATURE),
    COMMANDS_MOST = 2 * (HEADER + 1)
};

_Static_assert(LOGIN_MOST + ANSWERS_MOST + COMMANDS_MOST <= KEEL_MYSQL_OUT_SIZE,
               "all that is ever said has room, if nothing is sent meanwhile");

/*
 * Errors by which a server denies one user, having looked him up; it is at work. Others
 * are its own: too many connections (1040), shutting down (1053), offline (3032). What
 * MariaDB counts against the host is ill too, before it bars it: a password of before 4.1
 * (1275), a user who was blocked (4150).
 */
static const uint16_t denials[] = {
    1044, /* no right to the database */
    1045, /* wrong password */
    1203, /* the user has too many connections */
    1226, /* the user has used up what he may */
    1251, /* a method that this client does not speak */
    1698, /* denied, whatever the password */
    1820, /* the password has expired */
    1862, /* the same, when logging in */
    3118, /* the account is locked */
    3159, /* only with TLS */
    4151, /* the account is locked, at MariaDB */
};

typedef struct packet {
    const unsigned char *at;
    size_t length;
    uint8_t sequence;
} packet;

/* ---- writing ------------------------------------------------------------------------ */

static void put(keel_mysql_handshake *h, const void *bytes, size_t length)
{
    memcpy(h->out + h->out_length, bytes, length);
    h->out_length += length;
}

static void put_number(keel_mysql_handshake *h, uint32_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        h->out[h->out_length++] = (unsigned char)(number >> 8 * i);
}

static void put_header(keel_mysql_handshake *h, size_t length, uint8_t sequence)
{
    put_number(h, (uint32_t)length, 3);
    put_number(h, sequence, 1);
}

/* A command begins a new count. */
static void put_command(keel_mysql_handshake *h, uint8_t command)
{
    put_header(h, 1, 0);
    put_number(h, command, 1);
}

static void put_login(keel_mysql_handshake *h, uint32_t capabilities, uint8_t sequence)
{
    static const unsigned char reserved[RESERVED];
    bool names_method = capabilities & CLIENT_PLUGIN_AUTH;
    size_t name = strnlen(h->user, KEEL_MYSQL_USER_SIZE - 1);

    put_header(h, LOGIN_FIXED + name + (names_method ? sizeof method : 0), sequence);
    put_number(h, capabilities, 4);
    put_number(h, PACKET_MOST, 4);
    put_number(h, CHARSET_UTF8, 1);
    put(h, reserved, sizeof reserved);
    put(h, h->user, name);
    put_number(h, 0, 1);
    put_number(h, 0, 1); /* the length of what proves a password */
    if (names_method)
        put(h, method, sizeof method);
}

/* ---- reading ------------------------------------------------------------------------ */

static uint32_t number_at(const unsigned char *at, unsigned bytes)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < bytes; i++)
        number |= (uint32_t)at[i] << 8 * i;
    return number;
}

/* Behind the version: a connection's number, eight bytes of a challenge and a zero, the
 * lower capabilities, and in all but the oldest a charset, a state and the upper ones. */
static bool read_greeting(const packet *p, uint32_t *capabilities)
{
    enum { LOWER = 4 + 8 + 1, UPPER = LOWER + 2 + 1 + 2 };
    const unsigned char *end = memchr(p->at, 0, p->length);
    size_t left;

    if (p->at[0] != PROTOCOL || !end)
        return false;
    left = p->length - (size_t)(end + 1 - p->at);
    if (left < LOWER + 2)
        return false;
    *capabilities = number_at(end + 1 + LOWER, 2);
    if (left >= UPPER + 2)
        *capabilities |= number_at(end + 1 + UPPER, 2) << 16;
    return *capabilities & CLIENT_PROTOCOL_41;
}

static keel_mysql_state greeted(keel_mysql_handshake *h, const packet *p)
{
    uint32_t capabilities;

    if (!read_greeting(p, &capabilities))
        return KEEL_MYSQL_IS_ILL;
    put_login(h, (capabilities & WANTED) | CLIENT_MYSQL, (uint8_t)(p->sequence + 1));
    return KEEL_MYSQL_LOGS_IN;
}

static bool denies_the_user(const packet *p)
{
    if (p->length < 3)
        return false;
    for (size_t i = 0; i < sizeof denials / sizeof *denials; i++)
        if (number_at(p->at + 1, 2) == denials[i])
            return true;
    return false;
}

static bool wants_a_signature(const packet *p)
{
    return p->length > sizeof method_ed25519 && p->at[0] == IS_SWITCH &&
           !memcmp(p->at + 1, method_ed25519, sizeof method_ed25519);
}

/* A method wants something, and gets nothing, as from a user without a password. */
static keel_mysql_state answer_method(keel_mysql_handshake *h, const packet *p)
{
    static const unsigned char signature[SIGNATURE];
    size_t length = wants_a_signature(p) ? SIGNATURE : 0;
    bool wants_nothing =
        p->length == 2 && p->at[0] == IS_MORE && p->at[1] == MORE_IS_FAST_OK;

    if (++h->rounds > ROUNDS_MOST)
        return KEEL_MYSQL_IS_ILL;
    if (wants_nothing)
        return KEEL_MYSQL_LOGS_IN;
    put_header(h, length, (uint8_t)(p->sequence + 1));
    put(h, signature, length);
    return KEEL_MYSQL_LOGS_IN;
}

static keel_mysql_state login_answered(keel_mysql_handshake *h, const packet *p)
{
    switch (p->at[0]) {
    case IS_OK:
        put_command(h, COMMAND_PING);
        return KEEL_MYSQL_PINGS;
    case IS_ERROR:
        return denies_the_user(p) ? KEEL_MYSQL_IS_WELL : KEEL_MYSQL_IS_ILL;
    default: /* it would have another method, or one says something */
        return answer_method(h, p);
    }
}

static keel_mysql_state ping_answered(keel_mysql_handshake *h, const packet *p)
{
    if (p->at[0] != IS_OK)
        return KEEL_MYSQL_IS_ILL;
    put_command(h, COMMAND_QUIT);
    return KEEL_MYSQL_IS_WELL;
}

static keel_mysql_state take_packet(keel_mysql_handshake *h, const packet *p)
{
    switch (h->state) {
    case KEEL_MYSQL_GREETS:
        return greeted(h, p);
    case KEEL_MYSQL_LOGS_IN:
        return login_answered(h, p);
    case KEEL_MYSQL_PINGS:
        return ping_answered(h, p);
    case KEEL_MYSQL_IS_WELL:
    case KEEL_MYSQL_IS_ILL:
        break;
    }
    return h->state;
}

/* ---- packets ------------------------------------------------------------------------ */

/* So nothing is waited for that could not be taken: a length is judged when it is there. */
static void take_byte(keel_mysql_handshake *h, unsigned char byte)
{
    packet p = { .at = h->in + HEADER };

    h->in[h->in_length++] = byte;
    if (h->in_length < HEADER)
        return;
    p.length = number_at(h->in, 3);
    p.sequence = h->in[3];
    if (!p.length || p.length > sizeof h->in - HEADER) {
        h->state = KEEL_MYSQL_IS_ILL;
        return;
    }
    if (h->in_length < HEADER + p.length)
        return;
    h->in_length = 0;
    h->state = take_packet(h, &p);
}

void keel_mysql_handshake_init(keel_mysql_handshake *h, const char *user)
{
    *h = (keel_mysql_handshake){ .state = KEEL_MYSQL_GREETS, .user = user };
}

void keel_mysql_handshake_take(keel_mysql_handshake *h, const void *bytes,
                               size_t length)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < length && h->state < KEEL_MYSQL_IS_WELL; i++)
        take_byte(h, at[i]);
}
