/* SPDX-License-Identifier: MIT */
/* Connections to the database file, no more than a number at once. */
#ifndef KEEL_PLUGINS_SQLITE_POOL_H
#define KEEL_PLUGINS_SQLITE_POOL_H

#include "common/turns.h"
#include "connection.h"

enum { POOL_MOST = KEEL_TURNS_MOST };

typedef struct keel_sqlite_pool {
    keel_turns turns;
    size_t count;
    keel_sqlite_connection connections[POOL_MOST];
} keel_sqlite_pool;

/* count: 1 to POOL_MOST. Opens none. False: the system has no more locks. */
bool keel_sqlite_pool_init(keel_sqlite_pool *pool, const keel_sqlite_file *file,
                           size_t count);
/* None may be out. */
void keel_sqlite_pool_cleanup(keel_sqlite_pool *pool);

/* NULL: none was free by the deadline, or before the token fired. */
keel_sqlite_connection *keel_sqlite_pool_take(keel_sqlite_pool *pool, uint64_t until_ns,
                                              const keel_cancel *cancel);
/* is_clean false: it is closed before anybody else has it. */
void keel_sqlite_pool_give(keel_sqlite_pool *pool, keel_sqlite_connection *c,
                           bool is_clean);

#endif
