/* SPDX-License-Identifier: MIT */
/* A verb's use of a connection, and its statements on it. Knows no verb. */
#include <errno.h>
#include <mysqld_error.h>
#include <stdlib.h>

#include "store.h"

/* ---- the connection ------------------------------------------------------------------ */

/* None was free: nothing was done. */
static keel_status refuse(const keel_mysql_use *u)
{
    if (u->op->cancel && keel_cancel_fired(u->op->cancel))
        return keel_bag_fail(u->why, KEEL_CANCELLED, KEEL_APPLIED_NO,
                             u->store->server.path, "cancelled by the caller");
    return keel_bag_fail(u->why, KEEL_DEADLINE, KEEL_APPLIED_NO, u->store->server.path,
                         "no connection was free in time");
}

static void leave(keel_mysql_use *u)
{
    if (u->store->server.has_tls)
        keel_mysql_sigpipe_restore(&u->guard);
    errno = u->saved_errno;
}

keel_status keel_mysql_use_begin(keel_mysql_use *u, keel_mysql_store *store,
                                 const keel_bag_op *op, keel_detail *why)
{
    *u = (keel_mysql_use){ .store = store, .op = op, .why = why, .saved_errno = errno };
    if (store->server.has_tls)
        keel_mysql_sigpipe_block(&u->guard);
    u->c = keel_turns_take(&store->turns, op->deadline_at_ns, op->cancel);
    if (!u->c) {
        leave(u);
        return refuse(u);
    }
    u->code = keel_mysql_connection_begin(u->c, op->deadline_at_ns, op->cancel);
    return u->code ? keel_mysql_use_end(u, KEEL_FAILED) : KEEL_OK;
}

static keel_status tell_failure(const keel_mysql_use *u)
{
    const keel_mysql_connection *c = u->c;
    bool is_ended_by_us = c->is_given_up || u->code == KEEL_MYSQL_OVER;
    bool is_cancelled =
        is_ended_by_us && c->wait.cancel && keel_cancel_fired(c->wait.cancel);
    const keel_mysql_failure failure = {
        .path = u->store->server.path,
        .code = u->code,
        .words = c->words,
        .is_change = u->is_change,
        .is_late = c->is_given_up && !is_cancelled,
        .is_cancelled = is_cancelled,
    };

    return keel_mysql_failure_tell(&failure, u->why);
}

keel_status keel_mysql_use_end(keel_mysql_use *u, keel_status status)
{
    if (u->code)
        status = tell_failure(u);
    if (u->code == ER_NO_SUCH_TABLE) /* somebody took it away: it is looked at anew */
        atomic_store_explicit(&u->store->server.is_checked, false,
                              memory_order_relaxed);
    if (u->c->is_given_up || !keel_mysql_is_clean(u->code))
        keel_mysql_connection_close(u->c, false);
    u->c->wait.cancel = NULL;
    keel_turns_give(&u->store->turns, u->c);
    leave(u);
    return status;
}

/* ---- statements ---------------------------------------------------------------------- */

keel_mysql_values keel_mysql_values_of(const keel_mysql_use *u, keel_bytes key)
{
    return (keel_mysql_values){ .table = u->store->server.table,
                                .key = key,
                                .now_ms = u->op->now_ms };
}

static bool run(keel_mysql_use *u, keel_mysql_text which,
                const keel_mysql_values *values, MYSQL_RES **rows)
{
    const keel_mysql_pattern *pattern = &keel_mysql_patterns[which];
    keel_mysql_connection *c = u->c;

    keel_mysql_connection_begin_statement(c);
    keel_mysql_statement_add(&c->statement, c->my, pattern->text, values);
    u->code = keel_mysql_connection_run(c, pattern->columns, rows);
    return !u->code;
}

bool keel_mysql_ask(keel_mysql_use *u, keel_mysql_text which,
                    const keel_mysql_values *values, MYSQL_RES **rows)
{
    return run(u, which, values, rows);
}

bool keel_mysql_change(keel_mysql_use *u, keel_mysql_text which,
                       const keel_mysql_values *values, uint64_t *count)
{
    MYSQL_RES *none;

    u->is_change = true;
    if (!run(u, which, values, &none))
        return false;
    u->is_change = false;
    *count = mysql_affected_rows(u->c->my);
    return true;
}

/* ---- items --------------------------------------------------------------------------- */

int64_t keel_mysql_signed(const char *digits)
{
    return digits ? strtoll(digits, NULL, 10) : 0;
}

uint64_t keel_mysql_unsigned(const char *digits)
{
    return digits ? strtoull(digits, NULL, 10) : 0;
}

keel_status keel_mysql_find(keel_mysql_use *u, keel_mysql_text which, keel_bytes key,
                            MYSQL_RES **rows, MYSQL_ROW *row)
{
    const keel_mysql_values values = keel_mysql_values_of(u, key);

    if (!keel_mysql_ask(u, which, &values, rows))
        return KEEL_FAILED;
    *row = mysql_fetch_row(*rows);
    return *row ? KEEL_OK : KEEL_NOT_FOUND;
}

keel_status keel_mysql_give(const keel_mysql_use *u, MYSQL_RES *rows, MYSQL_ROW row,
                            keel_bag_item *item)
{
    uint64_t token = keel_mysql_unsigned(row[COLUMN_TOKEN]);

    item->flags = (uint32_t)keel_mysql_unsigned(row[COLUMN_FLAGS]);
    item->expires_at_ms = keel_mysql_signed(row[COLUMN_EXPIRY]);
    item->marks = 0;
    item->token.length = 0;
    if (u->op->wishes & KEEL_BAG_WANT_TOKEN)
        item->token = keel_bag_token_of(token);
    if (u->op->nonce_found)
        *u->op->nonce_found = token;
    return keel_bag_item_fill(item, row[COLUMN_VALUE],
                              mysql_fetch_lengths(rows)[COLUMN_VALUE]);
}
