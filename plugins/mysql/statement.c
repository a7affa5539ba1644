/* SPDX-License-Identifier: MIT */
/* Writing statements. Knows none of them. */
#include "statement.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 1 << 17, ROOM_AT_FIRST = 512, NUMBER_SIZE = 32 };

#define SECOND_NS UINT64_C(1000000000)
#define MICROSECOND_NS UINT64_C(1000)

/* ---- memory -------------------------------------------------------------------------- */

void keel_mysql_statement_cleanup(keel_mysql_statement *s)
{
    free(s->text);
    *s = (keel_mysql_statement){ .text = NULL };
}

void keel_mysql_statement_clear(keel_mysql_statement *s)
{
    if (s->capacity > KEPT)
        keel_mysql_statement_cleanup(s);
    s->length = 0;
    s->is_short = false;
}

/* Room for so much more. */
static bool reserve(keel_mysql_statement *s, size_t more)
{
    size_t capacity = s->capacity ? s->capacity : ROOM_AT_FIRST;
    char *text;

    if (s->is_short || more <= s->capacity - s->length)
        return !s->is_short;
    while (capacity - s->length < more)
        capacity *= 2;
    text = realloc(s->text, capacity);
    if (!text) {
        s->is_short = true;
        return false;
    }
    s->text = text;
    s->capacity = capacity;
    return true;
}

/* ---- pieces -------------------------------------------------------------------------- */

static void add(keel_mysql_statement *s, const char *text, size_t length)
{
    if (!reserve(s, length))
        return;
    memcpy(s->text + s->length, text, length);
    s->length += length;
}

static void add_text(keel_mysql_statement *s, const char *text)
{
    add(s, text, strlen(text));
}

static void add_unsigned(keel_mysql_statement *s, uint64_t number)
{
    char digits[NUMBER_SIZE];

    snprintf(digits, sizeof digits, "%" PRIu64, number);
    add_text(s, digits);
}

/* The least of 64 bits has no literal of its own: there it would be one of more digits. */
static void add_signed(keel_mysql_statement *s, int64_t number)
{
    char digits[NUMBER_SIZE];

    snprintf(digits, sizeof digits, "%" PRId64,
             number < -INT64_MAX ? -INT64_MAX : number);
    add_text(s, digits);
}

static void add_expiry(keel_mysql_statement *s, int64_t expires_at_ms)
{
    if (expires_at_ms == KEEL_BAG_KEEP_EXPIRY)
        add_text(s, "e");
    else
        add_signed(s, expires_at_ms);
}

/* Bytes, whatever the connection takes text to be. */
static void add_bytes(keel_mysql_statement *s, MYSQL *my, keel_bytes bytes)
{
    add_text(s, "_binary'");
    if (!reserve(s, 2 * bytes.length + sizeof "'"))
        return;
    if (bytes.length)
        s->length += mysql_real_escape_string(my, s->text + s->length, bytes.at,
                                              (unsigned long)bytes.length);
    add_text(s, "'");
}

static void add_keys(keel_mysql_statement *s, MYSQL *my, const keel_mysql_values *v)
{
    for (size_t i = 0; i < v->key_count; i++) {
        if (i)
            add_text(s, ",");
        add_bytes(s, my, v->keys[i]);
    }
}

/* Its letters are such that nothing in it has to be quoted twice. */
static void add_name(keel_mysql_statement *s, const char *name)
{
    add_text(s, "`");
    add_text(s, name);
    add_text(s, "`");
}

static void add_value(keel_mysql_statement *s, MYSQL *my, char which,
                      const keel_mysql_values *v)
{
    switch (which) {
    case 't':
        add_name(s, v->table);
        break;
    case 'k':
        add_bytes(s, my, v->key);
        break;
    case 'K':
        add_keys(s, my, v);
        break;
    case 'v':
        add_bytes(s, my, v->value);
        break;
    case 'f':
        add_unsigned(s, v->flags);
        break;
    case 'e':
        add_expiry(s, v->expires_at_ms);
        break;
    case 'c':
        add_unsigned(s, v->token);
        break;
    case 'x':
        add_unsigned(s, v->expected);
        break;
    case 'n':
        add_signed(s, v->now_ms);
        break;
    case 'b':
        add_unsigned(s, v->by);
        break;
    case 'l':
        add_unsigned(s, v->limit);
        break;
    default:
        break;
    }
}

/* ---- statements ---------------------------------------------------------------------- */

void keel_mysql_statement_add_limit(keel_mysql_statement *s, uint64_t ns)
{
    char words[96];

    snprintf(words, sizeof words,
             "SET STATEMENT max_statement_time=%" PRIu64 ".%06" PRIu64 " FOR ",
             ns / SECOND_NS, ns % SECOND_NS / MICROSECOND_NS);
    add_text(s, words);
}

void keel_mysql_statement_add(keel_mysql_statement *s, MYSQL *my, const char *pattern,
                              const keel_mysql_values *values)
{
    const char *mark;

    for (; (mark = strchr(pattern, '$')) != NULL; pattern = mark + 2) {
        add(s, pattern, (size_t)(mark - pattern));
        add_value(s, my, mark[1], values);
    }
    add_text(s, pattern);
}
