/* SPDX-License-Identifier: MIT */
/* A verb's use of a connection, from the pool and back. Knows no verb. */
#include <errno.h>

#include "schema.h"
#include "store.h"

/* None was free: nothing was done. */
static keel_status refuse(const keel_sqlite_use *u)
{
    if (u->op->cancel && keel_cancel_fired(u->op->cancel))
        return keel_bag_fail(u->why, KEEL_CANCELLED, KEEL_APPLIED_NO,
                             u->store->file.path, "cancelled by the caller");
    return keel_bag_fail(u->why, KEEL_DEADLINE, KEEL_APPLIED_NO, u->store->file.path,
                         "others of this process had the connections until the "
                         "deadline");
}

/* What nothing can be said of but that it is not as it should be. */
static bool is_clean(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_BUSY:
    case SQLITE_INTERRUPT:
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
        return true;
    default:
        return false;
    }
}

keel_status keel_sqlite_use_begin(keel_sqlite_use *u, keel_sqlite_store *store,
                                  keel_sqlite_pool *pool, const keel_bag_op *op,
                                  keel_detail *why)
{
    *u = (keel_sqlite_use){
        .store = store, .pool = pool, .op = op, .why = why, .saved_errno = errno
    };
    u->c = keel_sqlite_pool_take(pool, op->deadline_at_ns, op->cancel);
    if (!u->c) {
        errno = u->saved_errno;
        return refuse(u);
    }
    u->code = keel_sqlite_connection_begin(u->c, op->deadline_at_ns, op->cancel);
    if (u->code == SQLITE_OK)
        return KEEL_OK;
    return keel_sqlite_use_end(u, KEEL_FAILED, KEEL_APPLIED_NO);
}

keel_status keel_sqlite_use_end(keel_sqlite_use *u, keel_status status,
                                keel_applied applied)
{
    if (u->code != SQLITE_OK) {
        keel_sqlite_failure failure = keel_sqlite_failure_of(u->c, u->code);

        failure.applied = applied;
        status = keel_sqlite_failure_tell(&failure, u->why);
    }
    keel_sqlite_pool_give(u->pool, u->c, is_clean(u->code) && u->c->is_ready);
    errno = u->saved_errno;
    return status;
}

int keel_sqlite_find(const keel_sqlite_use *u, keel_bytes key, sqlite3_stmt **row)
{
    *row = keel_sqlite_statement_of(u->c, SQL_FIND);
    keel_sqlite_bind_bytes(*row, 1, key);
    sqlite3_bind_int64(*row, 2, u->op->now_ms);
    return sqlite3_step(*row);
}

keel_status keel_sqlite_give(keel_sqlite_use *u, sqlite3_stmt *row, keel_bag_item *item)
{
    const void *value = sqlite3_column_blob(row, COLUMN_VALUE);
    size_t length = (size_t)sqlite3_column_bytes(row, COLUMN_VALUE);

    if (length && !value) {
        u->code = SQLITE_NOMEM;
        return KEEL_E_NOMEM;
    }
    item->flags = (uint32_t)sqlite3_column_int64(row, COLUMN_FLAGS);
    item->expires_at_ms = sqlite3_column_int64(row, COLUMN_EXPIRY);
    item->marks = 0;
    item->token.length = 0;
    if (u->op->wishes & KEEL_BAG_WANT_TOKEN)
        item->token =
            keel_bag_token_of((uint64_t)sqlite3_column_int64(row, COLUMN_TOKEN));
    if (u->op->nonce_found)
        *u->op->nonce_found = (uint64_t)sqlite3_column_int64(row, COLUMN_NONCE);
    return keel_bag_item_fill(item, value, length);
}
