/* SPDX-License-Identifier: MIT */
/*
 * The store in a SQLite file, as a plugin: opening, closing, and the table of what it
 * does. keel-bag-sqlite(7) is its page.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"

#define OPEN_NS                                                                        \
    2000000000u /* for a file that others hold locked; then it opens later */

enum { OPTION_SYNC, OPTION_CONNECTIONS };

#define VALUE_MAX (UINT64_C(512) << 20) /* SQLite refuses a row of 10^9 bytes */

static const keel_bag_option options[] = {
    { .name = "sync",
      .type = KEEL_BAG_WORD,
      .words = "full|normal|off",
      .standard = "full",
      .meaning =
          "What a write that was acknowledged outlives: full: whatever happens to "
          "the machine; normal: its process; off: that too, and the file may be "
          "damaged when the machine loses power." },
    { .name = "connections",
      .type = KEEL_BAG_COUNT,
      .min = 1,
      .max = POOL_MOST,
      .standard = "4",
      .meaning = "How many threads read at once; one writes." },
    { .name = NULL },
};

/* ---- opening ------------------------------------------------------------------------- */

static keel_status check(const keel_bag_setup *setup, keel_detail *why)
{
    if (*setup->host || *setup->user || setup->port)
        return keel_bag_fail(why, KEEL_E_CONFIG, KEEL_APPLIED_NO, setup->path,
                             "its URL is sqlite:/// and the absolute path of a file");
    if (!setup->location[0] || !setup->location[1])
        return keel_bag_fail(why, KEEL_E_CONFIG, KEEL_APPLIED_NO, setup->path,
                             "its URL names no file");
    if (!sqlite3_threadsafe())
        return keel_bag_fail(why, KEEL_E_UNSUPPORTED, KEEL_APPLIED_NO, setup->path,
                             "this SQLite was built for programs of one thread");
    return KEEL_OK;
}

/* NULL: no memory. */
static keel_sqlite_store *new_store(const keel_bag_setup *setup)
{
    keel_sqlite_store *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->file = (keel_sqlite_file){
        .runtime = setup->runtime,
        .path = setup->path,
        .name = setup->location,
        .sync = (keel_sqlite_sync)setup->values[OPTION_SYNC].number,
    };
    s->value_max = keel_bag_value_max(setup, VALUE_MAX);
    if (!keel_sqlite_pool_init(&s->readers, &s->file,
                               setup->values[OPTION_CONNECTIONS].number))
        goto fail;
    if (!keel_sqlite_pool_init(&s->writer, &s->file, 1))
        goto fail_readers;
    return s;

fail_readers:
    keel_sqlite_pool_cleanup(&s->readers);
fail:
    free(s);
    return NULL;
}

static void close_store(void *state)
{
    keel_sqlite_store *s = state;

    keel_sqlite_pool_cleanup(&s->readers);
    keel_sqlite_pool_cleanup(&s->writer);
    free(s);
}

/* What can be seen to be wrong is said now; that others are at the file will pass. */
static keel_status try_file(keel_sqlite_store *s, keel_detail *why)
{
    const keel_bag_op op = { .size = sizeof op,
                             .deadline_at_ns = keel_now(s->file.runtime) + OPEN_NS };
    keel_sqlite_use u;
    keel_status status;

    s->file.may_make = true;
    status = keel_sqlite_use_begin(&u, s, &s->writer, &op, why);
    s->file.may_make = false;
    if (status == KEEL_OK)
        return keel_sqlite_use_end(&u, KEEL_OK, KEEL_APPLIED_NO);
    if (status == KEEL_DEADLINE)
        return KEEL_OK;
    return status == KEEL_E_NOMEM ? status : KEEL_E_SYSTEM;
}

static keel_status open_store(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    keel_sqlite_store *s;
    keel_status status = check(setup, why);

    if (status != KEEL_OK)
        return status;
    s = new_store(setup);
    if (!s)
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, setup->path,
                             "out of memory");
    status = try_file(s, why);
    if (status == KEEL_OK)
        *state = s;
    else
        close_store(s);
    return status;
}

static void look(void *state, keel_bag_abilities *a)
{
    const keel_sqlite_store *s = state;

    a->native = KEEL_BAG_CAN_ALL | KEEL_CAN_MANY;
    if (s->file.sync == SYNC_FULL)
        a->native |= KEEL_IS_DURABLE;
    a->value_max = s->value_max;
    a->batch_max = 64;
    a->ttl_step_ms = 1;
}

/* ---- the table ----------------------------------------------------------------------- */

static const keel_bag_ops sqlite_ops = {
    .size = sizeof sqlite_ops,
    .abi = KEEL_BAG_ABI,
    .name = "sqlite",
    .options = options,
    .meaning = "A SQLite file, for the processes of one host.",
    .open = open_store,
    .close = close_store,
    .look = look,
    .get = keel_sqlite_get,
    .get_many = keel_sqlite_get_many,
    .store = keel_sqlite_store_item,
    .add_to = keel_sqlite_add_to,
    .touch = keel_sqlite_touch,
    .remove = keel_sqlite_remove,
    .flush = keel_sqlite_flush,
    .scan = keel_sqlite_scan,
    .health = keel_sqlite_health,
};

KEEL_API const keel_bag_ops *keel_bag_plugin_v1(void);

const keel_bag_ops *keel_bag_plugin_v1(void)
{
    return &sqlite_ops;
}
