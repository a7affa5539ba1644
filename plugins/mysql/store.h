/* SPDX-License-Identifier: MIT */
/* The store in MySQL: what its reading and its changing part have in common. */
#ifndef KEEL_PLUGINS_MYSQL_STORE_H
#define KEEL_PLUGINS_MYSQL_STORE_H

#include "common/turns.h"
#include "schema.h"
#include "sigpipe.h"

typedef struct keel_mysql_store {
    keel_mysql_server server;
    uint64_t value_max;
    keel_turns turns;
    size_t connection_count;
    keel_mysql_connection connections[KEEL_TURNS_MOST];
} keel_mysql_store;

/*
 * One use of a connection by a verb.
 *
 * code       of what failed; 0: nothing has
 * is_change  a change was handed over, and was not answered yet
 */
typedef struct keel_mysql_use {
    keel_mysql_store *store;
    keel_mysql_connection *c;
    const keel_bag_op *op;
    keel_detail *why;
    int code;
    bool is_change;
    int saved_errno;
    keel_mysql_sigpipe guard;
} keel_mysql_use;

/* KEEL_OK: there is a connection, which keel_mysql_use_end gives back. */
keel_status keel_mysql_use_begin(keel_mysql_use *u, keel_mysql_store *store,
                                 const keel_bag_op *op, keel_detail *why);
/* Returns status, or if there was a failure what that one means. */
keel_status keel_mysql_use_end(keel_mysql_use *u, keel_status status);

/* Values with table and time filled in. */
keel_mysql_values keel_mysql_values_of(const keel_mysql_use *u, keel_bytes key);

/* False: u->code. rows: to be freed with mysql_free_result. */
bool keel_mysql_ask(keel_mysql_use *u, keel_mysql_text which,
                    const keel_mysql_values *values, MYSQL_RES **rows);
/* False: u->code. count: of the rows that were changed. */
bool keel_mysql_change(keel_mysql_use *u, keel_mysql_text which,
                       const keel_mysql_values *values, uint64_t *count);

/* KEEL_OK: there is one, and *row its first; KEEL_NOT_FOUND; else u->code is set. */
keel_status keel_mysql_find(keel_mysql_use *u, keel_mysql_text which, keel_bytes key,
                            MYSQL_RES **rows, MYSQL_ROW *row);
/* The item of a row of SQL_FIND or SQL_FIND_MANY. KEEL_OK, KEEL_E_BUFFER. */
keel_status keel_mysql_give(const keel_mysql_use *u, MYSQL_RES *rows, MYSQL_ROW row,
                            keel_bag_item *item);
int64_t keel_mysql_signed(const char *digits);
uint64_t keel_mysql_unsigned(const char *digits);

/* The reading functions of the table, and the changing ones. */
keel_status keel_mysql_get(void *state, const keel_bag_op *op, keel_bytes key,
                           keel_bag_item *item, keel_detail *why);
void keel_mysql_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                         keel_bag_item items[], keel_status statuses[], size_t count,
                         keel_detail *why);
keel_status keel_mysql_scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                            keel_bag_scan_fn *fn, void *ctx, keel_detail *why);
keel_status keel_mysql_health(void *state, const keel_bag_op *op, keel_detail *why);

keel_status keel_mysql_store_item(void *state, const keel_bag_op *op, keel_bytes key,
                                  const keel_bag_put *put, keel_bag_token *fresh,
                                  keel_detail *why);
keel_status keel_mysql_add_to(void *state, const keel_bag_op *op, keel_bytes key,
                              bool down, uint64_t by, uint64_t *number,
                              keel_bag_token *fresh, keel_detail *why);
keel_status keel_mysql_touch(void *state, const keel_bag_op *op, keel_bytes key,
                             int64_t expires_at_ms, keel_bag_item *item,
                             keel_detail *why);
keel_status keel_mysql_remove(void *state, const keel_bag_op *op, keel_bytes key,
                              const keel_bag_token *expected, keel_detail *why);
keel_status keel_mysql_flush(void *state, const keel_bag_op *op, keel_detail *why);

#endif
