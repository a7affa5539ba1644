/* SPDX-License-Identifier: MIT */
/* Who has which connection. What is done with them is not known here. */
#include "pool.h"

bool keel_sqlite_pool_init(keel_sqlite_pool *pool, const keel_sqlite_file *file,
                           size_t count)
{
    if (!keel_turns_init(&pool->turns, file->runtime))
        return false;
    pool->count = count;
    for (size_t i = 0; i < count; i++) {
        pool->connections[i] = (keel_sqlite_connection){ .file = file };
        keel_turns_give(&pool->turns, &pool->connections[i]);
    }
    return true;
}

void keel_sqlite_pool_cleanup(keel_sqlite_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        keel_sqlite_connection_close(&pool->connections[i]);
    keel_turns_cleanup(&pool->turns);
}

keel_sqlite_connection *keel_sqlite_pool_take(keel_sqlite_pool *pool, uint64_t until_ns,
                                              const keel_cancel *cancel)
{
    return keel_turns_take(&pool->turns, until_ns, cancel);
}

void keel_sqlite_pool_give(keel_sqlite_pool *pool, keel_sqlite_connection *c,
                           bool is_clean)
{
    if (!is_clean)
        keel_sqlite_connection_close(c);
    c->cancel = NULL;
    keel_turns_give(&pool->turns, c);
}
