/* SPDX-License-Identifier: MIT */
/*
 * The verbs that change. Each is a transaction that has the right to write from its
 * beginning, so that what it has read is what there is; conditions and numbers are judged
 * in C, where 64 bits without sign are what they are.
 */
#include <stdio.h>
#include <string.h>

#include "schema.h"
#include "store.h"

enum { SWEEP_EVERY = 64 };

/* has_changed: there is something to commit. fresh: where the token goes, may be NULL */
typedef struct change {
    keel_sqlite_use u;
    keel_bytes key;
    bool has_changed;
    bool has_tokens; /* they were reserved by this very transaction */
    const keel_bag_put *put;
    const keel_bag_token *expected;
    keel_bag_token *fresh;
    keel_bag_item *item;
    int64_t expires_at_ms;
    bool down;
    uint64_t by;
    uint64_t *number;
} change;

/* Returns what the verb does, in a transaction; u.code is set where SQLite failed. */
typedef keel_status change_fn(change *w);

/* ---- transactions -------------------------------------------------------------------- */

/* What has expired goes by and by, with those who write anyway. */
static void sweep(change *w)
{
    sqlite3_stmt *statement = keel_sqlite_statement_of(w->u.c, SQL_SWEEP);

    if (w->u.c->writes++ % SWEEP_EVERY)
        return;
    sqlite3_bind_int64(statement, 1, w->u.op->now_ms);
    w->u.code = keel_sqlite_run(statement);
}

/*
 * Whether a commit that failed may all the same be found in the log after a crash: not if
 * it was never written as a whole.
 */
static bool is_known_undone(int code)
{
    return (code & 0xff) == SQLITE_FULL || (code & 0xff) == SQLITE_BUSY;
}

static keel_applied commit(change *w)
{
    if (w->u.code != SQLITE_OK || !w->has_changed)
        return KEEL_APPLIED_NO;
    w->u.code = keel_sqlite_settle(w->u.c, SQL_COMMIT);
    return w->u.code == SQLITE_OK || is_known_undone(w->u.code) ? KEEL_APPLIED_NO
                                                                : KEEL_APPLIED_UNKNOWN;
}

static keel_status settle(change *w, keel_status status)
{
    keel_sqlite_connection *c = w->u.c;
    keel_applied applied = commit(w);

    if (!sqlite3_get_autocommit(c->db))
        keel_sqlite_settle(c, SQL_ROLLBACK);
    if (w->has_tokens && (w->u.code != SQLITE_OK || !w->has_changed))
        c->token = c->token_end = 0; /* nobody wrote down that they are ours */
    return keel_sqlite_use_end(&w->u, status, applied);
}

static keel_status make(change *w, void *state, const keel_bag_op *op, keel_detail *why,
                        change_fn *fn)
{
    keel_sqlite_store *s = state;
    keel_status status = keel_sqlite_use_begin(&w->u, s, &s->writer, op, why);

    if (status != KEEL_OK)
        return status;
    w->u.code = keel_sqlite_run(keel_sqlite_statement_of(w->u.c, SQL_BEGIN_WRITE));
    if (w->u.code == SQLITE_OK)
        status = fn(w);
    if (w->u.code == SQLITE_OK && w->has_changed)
        sweep(w);
    return settle(w, status);
}

/* ---- pieces -------------------------------------------------------------------------- */

/* Numbers are taken from the file by the thousand: most writes need no page for that. */
static bool reserve_tokens(change *w)
{
    keel_sqlite_connection *c = w->u.c;
    sqlite3_stmt *row = keel_sqlite_statement_of(c, SQL_TOKENS);
    int code = sqlite3_step(row);

    if (code == SQLITE_ROW) {
        c->token_end = (uint64_t)sqlite3_column_int64(row, 0);
        c->token = c->token_end - KEEL_SQLITE_TOKENS_AT_ONCE;
        w->has_tokens = true;
    } else {
        w->u.code = code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    }
    keel_sqlite_rewind(row);
    return code == SQLITE_ROW;
}

/* Binds a token that no item had before, and the write's nonce. */
static bool sign(change *w, sqlite3_stmt *statement, int at)
{
    keel_sqlite_connection *c = w->u.c;
    uint64_t token;

    if (c->token == c->token_end && !reserve_tokens(w))
        return false;
    token = c->token++;
    sqlite3_bind_int64(statement, at, (sqlite3_int64)token);
    sqlite3_bind_int64(statement, at + 1, (sqlite3_int64)w->u.op->nonce);
    *w->fresh = keel_bag_token_of(token);
    return true;
}

/* Runs what changes an item. */
static keel_status run(change *w, sqlite3_stmt *statement)
{
    w->u.code = keel_sqlite_run(statement);
    w->has_changed = true;
    return KEEL_OK;
}

/* The item as it is: SQLITE_ROW, SQLITE_DONE, or u.code. What is needed of it is copied. */
typedef struct found {
    bool is_there;
    uint64_t length;
    int64_t expires_at_ms;
    uint64_t token;
} found;

/* False: it could not be read. */
static bool look(change *w, found *old)
{
    sqlite3_stmt *row;
    int code = keel_sqlite_find(&w->u, w->key, &row);

    *old = (found){ .is_there = code == SQLITE_ROW };
    if (code == SQLITE_ROW) {
        old->length = (uint64_t)sqlite3_column_bytes(row, COLUMN_VALUE);
        old->expires_at_ms = sqlite3_column_int64(row, COLUMN_EXPIRY);
        old->token = (uint64_t)sqlite3_column_int64(row, COLUMN_TOKEN);
    } else if (code != SQLITE_DONE) {
        w->u.code = code;
    }
    keel_sqlite_rewind(row);
    return w->u.code == SQLITE_OK;
}

static keel_status judge_token(const found *old, const keel_bag_token *expected)
{
    if (!old->is_there)
        return KEEL_NOT_FOUND;
    return expected && keel_bag_token_number(expected) != old->token ? KEEL_EXISTS
                                                                     : KEEL_OK;
}

/* ---- storing ------------------------------------------------------------------------- */

static keel_status judge(const found *old, const keel_bag_put *put)
{
    switch (put->mode) {
    case KEEL_BAG_SET:
        return KEEL_OK;
    case KEEL_BAG_ADD:
        return old->is_there ? KEEL_NOT_STORED : KEEL_OK;
    case KEEL_BAG_REPLACE:
    case KEEL_BAG_APPEND:
    case KEEL_BAG_PREPEND:
        return old->is_there ? KEEL_OK : KEEL_NOT_STORED;
    case KEEL_BAG_CAS:
        break;
    }
    return judge_token(old, put->expected);
}

static keel_status join(change *w, keel_sqlite_statement which, const found *old)
{
    sqlite3_stmt *statement = keel_sqlite_statement_of(w->u.c, which);

    if (old->length + w->put->value.length > w->u.store->value_max)
        return keel_bag_fail(w->u.why, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO,
                             w->u.store->file.path,
                             "it would be larger than value_max");
    keel_sqlite_bind_bytes(statement, 1, w->key);
    keel_sqlite_bind_bytes(statement, 2, w->put->value);
    return sign(w, statement, 3) ? run(w, statement) : KEEL_FAILED;
}

static keel_status put_item(change *w, int64_t expires_at_ms)
{
    sqlite3_stmt *statement = keel_sqlite_statement_of(w->u.c, SQL_PUT);

    keel_sqlite_bind_bytes(statement, 1, w->key);
    keel_sqlite_bind_bytes(statement, 2, w->put->value);
    sqlite3_bind_int64(statement, 3, w->put->flags);
    sqlite3_bind_int64(statement, 4, expires_at_ms);
    return sign(w, statement, 5) ? run(w, statement) : KEEL_FAILED;
}

static keel_status store_in(change *w)
{
    int64_t expires_at_ms = w->put->expires_at_ms;
    keel_status status;
    found old;

    if (!look(w, &old))
        return KEEL_FAILED;
    status = judge(&old, w->put);
    if (status != KEEL_OK)
        return status;
    if (w->put->mode == KEEL_BAG_APPEND)
        return join(w, SQL_APPEND, &old);
    if (w->put->mode == KEEL_BAG_PREPEND)
        return join(w, SQL_PREPEND, &old);
    return put_item(w, expires_at_ms == KEEL_BAG_KEEP_EXPIRY ? old.expires_at_ms
                                                             : expires_at_ms);
}

keel_status keel_sqlite_store_item(void *state, const keel_bag_op *op, keel_bytes key,
                                   const keel_bag_put *put, keel_bag_token *fresh,
                                   keel_detail *why)
{
    change w = { .key = key, .put = put, .fresh = fresh };

    return make(&w, state, op, why, store_in);
}

/* ---- counting ------------------------------------------------------------------------ */

static keel_status read_number(change *w)
{
    keel_status status = KEEL_NOT_FOUND;
    sqlite3_stmt *row;
    int code = keel_sqlite_find(&w->u, w->key, &row);

    if (code == SQLITE_ROW) {
        keel_bytes text = { sqlite3_column_blob(row, COLUMN_VALUE), 0 };

        text.length = text.at ? (size_t)sqlite3_column_bytes(row, COLUMN_VALUE) : 0;
        status = keel_bag_number_read(text, w->number) ? KEEL_OK : KEEL_NOT_NUMBER;
    } else if (code != SQLITE_DONE) {
        w->u.code = code;
    }
    keel_sqlite_rewind(row);
    return status;
}

static keel_status add_in(change *w)
{
    sqlite3_stmt *statement = keel_sqlite_statement_of(w->u.c, SQL_COUNT);
    keel_status status = read_number(w);
    char digits[24];
    int length;

    if (status != KEEL_OK)
        return status;
    *w->number = keel_bag_number_add(*w->number, w->down, w->by);
    length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)*w->number);
    keel_sqlite_bind_bytes(statement, 1, w->key);
    keel_sqlite_bind_bytes(statement, 2, (keel_bytes){ digits, (size_t)length });
    return sign(w, statement, 3) ? run(w, statement) : KEEL_FAILED;
}

keel_status keel_sqlite_add_to(void *state, const keel_bag_op *op, keel_bytes key,
                               bool down, uint64_t by, uint64_t *number,
                               keel_bag_token *fresh, keel_detail *why)
{
    change w = { .key = key, .down = down, .by = by, .number = number, .fresh = fresh };

    return make(&w, state, op, why, add_in);
}

/* ---- touching, deleting -------------------------------------------------------------- */

/* Reads the item into the caller's, where he wants it. */
static keel_status give(change *w)
{
    keel_status status = KEEL_NOT_FOUND;
    sqlite3_stmt *row;
    int code = keel_sqlite_find(&w->u, w->key, &row);

    if (code == SQLITE_ROW)
        status = w->item ? keel_sqlite_give(&w->u, row, w->item) : KEEL_OK;
    else if (code != SQLITE_DONE)
        w->u.code = code;
    keel_sqlite_rewind(row);
    return status;
}

/* What does not fit the caller's buffer is touched all the same. */
static keel_status touch_in(change *w)
{
    sqlite3_stmt *statement = keel_sqlite_statement_of(w->u.c, SQL_TOUCH);
    keel_status status = give(w);

    if ((status != KEEL_OK && status != KEEL_E_BUFFER) ||
        w->expires_at_ms == KEEL_BAG_KEEP_EXPIRY)
        return status;
    if (w->item)
        w->item->expires_at_ms = w->expires_at_ms;
    keel_sqlite_bind_bytes(statement, 1, w->key);
    sqlite3_bind_int64(statement, 2, w->expires_at_ms);
    run(w, statement);
    return status;
}

keel_status keel_sqlite_touch(void *state, const keel_bag_op *op, keel_bytes key,
                              int64_t expires_at_ms, keel_bag_item *item,
                              keel_detail *why)
{
    change w = { .key = key, .expires_at_ms = expires_at_ms, .item = item };

    return make(&w, state, op, why, touch_in);
}

static keel_status remove_in(change *w)
{
    sqlite3_stmt *statement = keel_sqlite_statement_of(w->u.c, SQL_DELETE);
    keel_status status;
    found old;

    if (!look(w, &old))
        return KEEL_FAILED;
    status = judge_token(&old, w->expected);
    if (status != KEEL_OK)
        return status;
    keel_sqlite_bind_bytes(statement, 1, w->key);
    return run(w, statement);
}

keel_status keel_sqlite_remove(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    change w = { .key = key, .expected = expected };

    return make(&w, state, op, why, remove_in);
}

static keel_status flush_in(change *w)
{
    return run(w, keel_sqlite_statement_of(w->u.c, SQL_DELETE_ALL));
}

keel_status keel_sqlite_flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    change w = { .key = { NULL, 0 } };

    return make(&w, state, op, why, flush_in);
}
