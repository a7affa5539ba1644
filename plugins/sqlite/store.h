/* SPDX-License-Identifier: MIT */
/* The store in SQLite: what its reading and its changing part have in common. */
#ifndef KEEL_PLUGINS_SQLITE_STORE_H
#define KEEL_PLUGINS_SQLITE_STORE_H

#include "pool.h"

/*
 * SQLite lets one write at a time, whoever it is. Those of this process wait for each
 * other at the pool of one, where the next is woken at once; those of others are waited
 * for by asking again and again.
 */
typedef struct keel_sqlite_store {
    keel_sqlite_file file;
    uint64_t value_max;
    keel_sqlite_pool readers;
    keel_sqlite_pool writer;
} keel_sqlite_store;

/* One use of a connection by a verb. code: SQLite's, of what failed. */
typedef struct keel_sqlite_use {
    keel_sqlite_store *store;
    keel_sqlite_pool *pool;
    keel_sqlite_connection *c;
    const keel_bag_op *op;
    keel_detail *why;
    int code;
    int saved_errno;
} keel_sqlite_use;

/* KEEL_OK: there is a connection, which keel_sqlite_use_end gives back. */
keel_status keel_sqlite_use_begin(keel_sqlite_use *u, keel_sqlite_store *store,
                                  keel_sqlite_pool *pool, const keel_bag_op *op,
                                  keel_detail *why);
/* Returns status, or if there was a failure what that one means. */
keel_status keel_sqlite_use_end(keel_sqlite_use *u, keel_status status,
                                keel_applied applied);

/* SQLITE_ROW: *row is the item, by the columns of SQL_FIND, until it is rewound. */
int keel_sqlite_find(const keel_sqlite_use *u, keel_bytes key, sqlite3_stmt **row);
/* KEEL_OK, KEEL_E_BUFFER; KEEL_E_NOMEM: with u->code set */
keel_status keel_sqlite_give(keel_sqlite_use *u, sqlite3_stmt *row,
                             keel_bag_item *item);

/* The reading functions of the table, and the changing ones. */
keel_status keel_sqlite_get(void *state, const keel_bag_op *op, keel_bytes key,
                            keel_bag_item *item, keel_detail *why);
void keel_sqlite_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                          keel_bag_item items[], keel_status statuses[], size_t count,
                          keel_detail *why);
keel_status keel_sqlite_scan(void *state, const keel_bag_op *op,
                             keel_bag_cursor *cursor, keel_bag_scan_fn *fn, void *ctx,
                             keel_detail *why);
keel_status keel_sqlite_health(void *state, const keel_bag_op *op, keel_detail *why);

keel_status keel_sqlite_store_item(void *state, const keel_bag_op *op, keel_bytes key,
                                   const keel_bag_put *put, keel_bag_token *fresh,
                                   keel_detail *why);
keel_status keel_sqlite_add_to(void *state, const keel_bag_op *op, keel_bytes key,
                               bool down, uint64_t by, uint64_t *number,
                               keel_bag_token *fresh, keel_detail *why);
keel_status keel_sqlite_touch(void *state, const keel_bag_op *op, keel_bytes key,
                              int64_t expires_at_ms, keel_bag_item *item,
                              keel_detail *why);
keel_status keel_sqlite_remove(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why);
keel_status keel_sqlite_flush(void *state, const keel_bag_op *op, keel_detail *why);

#endif
