/* SPDX-License-Identifier: MIT */
/*
 * The verbs that change: one statement each, whose condition is part of it. Where none was
 * changed and there are two reasons for that, a second one looks which it is; what others
 * did between the two only makes the answer that of a moment later.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "store.h"

#define SWEEP_MOST_NS UINT64_C(50000000)

enum { SWEEP_EVERY = 64, SWEPT_AT_ONCE = 128 };

/* fresh: where the token goes, if the verb makes one */
typedef struct change {
    keel_mysql_use u;
    keel_bytes key;
    const keel_bag_put *put;
    const keel_bag_token *expected;
    keel_bag_token *fresh;
    keel_bag_item *item;
    int64_t expires_at_ms;
    bool down;
    uint64_t by;
    uint64_t *number;
} change;

/* Returns what the verb does; u.code is set where something failed. */
typedef keel_status change_fn(change *w);

/* ---- around -------------------------------------------------------------------------- */

/* What names the write is the item's token, too: no two writes have the same. */
static uint64_t token_of(const keel_bag_op *op)
{
    uint64_t number = op->nonce;

    if (!number && getrandom(&number, sizeof number, GRND_NONBLOCK) < 0)
        number = (uint64_t)op->now_ms;
    return number;
}

static void delete_all(keel_mysql_use *u, MYSQL_RES *rows)
{
    keel_mysql_values values = keel_mysql_values_of(u, (keel_bytes){ NULL, 0 });
    keel_bytes keys[SWEPT_AT_ONCE];
    uint64_t count;
    MYSQL_ROW row;

    while (values.key_count < SWEPT_AT_ONCE && (row = mysql_fetch_row(rows)) != NULL)
        keys[values.key_count++] = (keel_bytes){ row[0], mysql_fetch_lengths(rows)[0] };
    values.keys = keys;
    if (values.key_count)
        keel_mysql_change(u, SQL_SWEEP, &values, &count);
}

/*
 * What has expired goes by and by, with those who write anyway. They have their answer by
 * then: what becomes of this is not theirs, and no more than a little of their time.
 */
static void sweep(keel_mysql_use *u)
{
    keel_mysql_values values = keel_mysql_values_of(u, (keel_bytes){ NULL, 0 });
    uint64_t until_ns = keel_now(u->c->server->runtime) + SWEEP_MOST_NS;
    MYSQL_RES *rows = NULL;

    if (u->c->writes++ % SWEEP_EVERY)
        return;
    if (until_ns < u->c->wait.until_ns)
        u->c->wait.until_ns = until_ns;
    values.limit = SWEPT_AT_ONCE;
    if (keel_mysql_ask(u, SQL_EXPIRED, &values, &rows))
        delete_all(u, rows);
    mysql_free_result(rows);
    if (!keel_mysql_is_clean(u->code))
        keel_mysql_connection_close(u->c, false);
    u->code = 0;
}

static keel_status make(change *w, void *state, const keel_bag_op *op, keel_detail *why,
                        change_fn *fn)
{
    keel_status status = keel_mysql_use_begin(&w->u, state, op, why);

    if (status != KEEL_OK)
        return status;
    status = fn(w);
    if (!w->u.code && status == KEEL_OK)
        sweep(&w->u);
    return keel_mysql_use_end(&w->u, status);
}

/* One change. KEEL_OK: it was made; else none: no item met its condition. */
static keel_status run(change *w, keel_mysql_text which,
                       const keel_mysql_values *values, keel_status none)
{
    uint64_t count;

    if (!keel_mysql_change(&w->u, which, values, &count))
        return KEEL_FAILED;
    if (!count && none != KEEL_OK)
        return none;
    if (w->fresh)
        *w->fresh = keel_bag_token_of(values->token);
    return KEEL_OK;
}

static keel_mysql_values values_of(const change *w)
{
    keel_mysql_values values = keel_mysql_values_of(&w->u, w->key);

    values.token = token_of(w->u.op);
    values.expires_at_ms = w->expires_at_ms;
    values.by = w->by;
    if (w->expected)
        values.expected = keel_bag_token_number(w->expected);
    return values;
}

/* The token did not fit: because there is another now, or none. */
static keel_status tell_which(change *w)
{
    MYSQL_RES *rows = NULL;
    MYSQL_ROW row;
    keel_status status = keel_mysql_find(&w->u, SQL_SEEN, w->key, &rows, &row);

    mysql_free_result(rows);
    return status == KEEL_OK ? KEEL_EXISTS : status;
}

static keel_status run_seen(change *w, keel_mysql_text which,
                            const keel_mysql_values *values)
{
    keel_status status = run(w, which, values, KEEL_EXISTS);

    return status == KEEL_EXISTS ? tell_which(w) : status;
}

/* ---- storing ------------------------------------------------------------------------- */

static keel_status set(change *w, keel_mysql_values *values)
{
    bool keeps = values->expires_at_ms == KEEL_BAG_KEEP_EXPIRY;

    return run(w, keeps ? SQL_SET_KEEPING : SQL_SET, values, KEEL_OK);
}

/* Where there is none, there is no expiry to keep. */
static keel_status add(change *w, keel_mysql_values *values)
{
    if (values->expires_at_ms == KEEL_BAG_KEEP_EXPIRY)
        values->expires_at_ms = 0;
    return run(w, SQL_ADD, values, KEEL_NOT_STORED);
}

/* There was none, or too much of it. */
static keel_status tell_why_not_joined(change *w, uint64_t most)
{
    MYSQL_RES *rows = NULL;
    MYSQL_ROW row;
    keel_status status = keel_mysql_find(&w->u, SQL_LENGTH, w->key, &rows, &row);

    if (status == KEEL_OK && keel_mysql_unsigned(row[0]) > most)
        status =
            keel_bag_fail(w->u.why, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO,
                          w->u.c->server->path, "it would be larger than value_max");
    else if (status == KEEL_OK || status == KEEL_NOT_FOUND)
        status = KEEL_NOT_STORED;
    mysql_free_result(rows);
    return status;
}

static keel_status join(change *w, keel_mysql_text which, keel_mysql_values *values)
{
    keel_status status;

    values->limit = (uint32_t)(w->u.store->value_max - values->value.length);
    status = run(w, which, values, KEEL_NOT_STORED);
    return status == KEEL_NOT_STORED ? tell_why_not_joined(w, values->limit) : status;
}

static keel_status store_in(change *w)
{
    keel_mysql_values values = values_of(w);

    values.value = w->put->value;
    values.flags = w->put->flags;
    switch (w->put->mode) {
    case KEEL_BAG_SET:
        return set(w, &values);
    case KEEL_BAG_ADD:
        return add(w, &values);
    case KEEL_BAG_REPLACE:
        return run(w, SQL_REPLACE, &values, KEEL_NOT_STORED);
    case KEEL_BAG_APPEND:
        return join(w, SQL_APPEND, &values);
    case KEEL_BAG_PREPEND:
        return join(w, SQL_PREPEND, &values);
    case KEEL_BAG_CAS:
        break;
    }
    return run_seen(w, SQL_CAS, &values);
}

keel_status keel_mysql_store_item(void *state, const keel_bag_op *op, keel_bytes key,
                                  const keel_bag_put *put, keel_bag_token *fresh,
                                  keel_detail *why)
{
    change w = { .key = key,
                 .put = put,
                 .expected = put->mode == KEEL_BAG_CAS ? put->expected : NULL,
                 .expires_at_ms = put->expires_at_ms,
                 .fresh = fresh };

    return make(&w, state, op, why, store_in);
}

/* ---- counting ------------------------------------------------------------------------ */

/* Why nothing was counted. KEEL_OK: there is a number now, so once more. */
static keel_status look_at_number(change *w)
{
    MYSQL_RES *rows = NULL;
    MYSQL_ROW row;
    keel_status status = keel_mysql_find(&w->u, SQL_FIND, w->key, &rows, &row);

    if (status == KEEL_OK) {
        keel_bytes text = { row[COLUMN_VALUE],
                            mysql_fetch_lengths(rows)[COLUMN_VALUE] };

        status = keel_bag_number_read(text, w->number) ? KEEL_OK : KEEL_NOT_NUMBER;
    }
    mysql_free_result(rows);
    return status;
}

static keel_status add_in(change *w)
{
    const keel_mysql_values values = values_of(w);
    keel_mysql_text which = w->down ? SQL_COUNT_DOWN : SQL_COUNT_UP;
    keel_status status;

    do {
        status = run(w, which, &values, KEEL_NOT_NUMBER);
        if (status == KEEL_OK)
            *w->number = mysql_insert_id(w->u.c->my);
        if (status != KEEL_NOT_NUMBER)
            return status;
        status = look_at_number(w);
    } while (status == KEEL_OK);
    return status;
}

keel_status keel_mysql_add_to(void *state, const keel_bag_op *op, keel_bytes key,
                              bool down, uint64_t by, uint64_t *number,
                              keel_bag_token *fresh, keel_detail *why)
{
    change w = { .key = key, .down = down, .by = by, .number = number, .fresh = fresh };

    return make(&w, state, op, why, add_in);
}

/* ---- touching ------------------------------------------------------------------------ */

/* The item as it is, into the caller's where he wants it. */
static keel_status look(change *w, int64_t *expires_at_ms, uint64_t *token)
{
    MYSQL_RES *rows = NULL;
    MYSQL_ROW row;
    keel_status status =
        keel_mysql_find(&w->u, w->item ? SQL_FIND : SQL_SEEN, w->key, &rows, &row);

    if (status == KEEL_OK) {
        *expires_at_ms =
            keel_mysql_signed(row[w->item ? (int)COLUMN_EXPIRY : (int)SEEN_EXPIRY]);
        *token =
            keel_mysql_unsigned(row[w->item ? (int)COLUMN_TOKEN : (int)SEEN_TOKEN]);
        if (w->item)
            status = keel_mysql_give(&w->u, rows, row, w->item);
    }
    mysql_free_result(rows);
    return status;
}

/*
 * Touches what was seen, if it is still that. An expiry that it has already changes no
 * row. What does not fit the caller's buffer is touched all the same.
 */
static keel_status touch_seen(change *w)
{
    keel_mysql_values values = values_of(w);
    keel_status status, touched;
    int64_t expires_at_ms = 0;

    do {
        status = look(w, &expires_at_ms, &values.expected);
        if ((status != KEEL_OK && status != KEEL_E_BUFFER) ||
            w->expires_at_ms == KEEL_BAG_KEEP_EXPIRY ||
            w->expires_at_ms == expires_at_ms)
            return status;
        touched = run(w, SQL_TOUCH_SEEN, &values, KEEL_EXISTS);
    } while (touched == KEEL_EXISTS);
    if (w->item)
        w->item->expires_at_ms = w->expires_at_ms;
    return touched == KEEL_OK ? status : touched;
}

static keel_status touch_in(change *w)
{
    const keel_mysql_values values = values_of(w);
    keel_status status = KEEL_EXISTS;

    if (!w->item && w->expires_at_ms != KEEL_BAG_KEEP_EXPIRY)
        status = run(w, SQL_TOUCH, &values, KEEL_EXISTS);
    return status == KEEL_EXISTS ? touch_seen(w) : status;
}

keel_status keel_mysql_touch(void *state, const keel_bag_op *op, keel_bytes key,
                             int64_t expires_at_ms, keel_bag_item *item,
                             keel_detail *why)
{
    change w = { .key = key, .expires_at_ms = expires_at_ms, .item = item };

    return make(&w, state, op, why, touch_in);
}

/* ---- deleting ------------------------------------------------------------------------ */

static keel_status remove_in(change *w)
{
    const keel_mysql_values values = values_of(w);

    return w->expected ? run_seen(w, SQL_DELETE_SEEN, &values)
                       : run(w, SQL_DELETE, &values, KEEL_NOT_FOUND);
}

keel_status keel_mysql_remove(void *state, const keel_bag_op *op, keel_bytes key,
                              const keel_bag_token *expected, keel_detail *why)
{
    change w = { .key = key, .expected = expected };

    return make(&w, state, op, why, remove_in);
}

static keel_status flush_in(change *w)
{
    const keel_mysql_values values = values_of(w);

    return run(w, SQL_DELETE_ALL, &values, KEEL_OK);
}

keel_status keel_mysql_flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    change w = { .key = { NULL, 0 } };

    return make(&w, state, op, why, flush_in);
}
