/* SPDX-License-Identifier: MIT */
/*
 * The store in MySQL and MariaDB, as a plugin: opening, closing, and the table of what it
 * does. keel-bag-mysql(7) is its page.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"

#define VALUE_MAX (UINT64_C(512) << 20) /* quoted, it has to fit one of 2^30 bytes */

/* ---- opening ------------------------------------------------------------------------- */

static keel_status begin(keel_mysql_store *s, const keel_bag_setup *setup,
                         keel_detail *why)
{
    keel_status status = keel_mysql_server_read(&s->server, setup, why);

    if (status != KEEL_OK)
        return status;
    if (!keel_mysql_library_init())
        return keel_bag_fail(why, KEEL_E_UNSUPPORTED, KEEL_APPLIED_NO, setup->path,
                             "this libmariadb cannot be used by threads");
    if (!keel_turns_init(&s->turns, setup->runtime))
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, setup->path,
                             "out of memory");
    s->value_max = keel_bag_value_max(setup, VALUE_MAX);
    s->connection_count = setup->values[OPTION_CONNECTIONS].number;
    for (size_t i = 0; i < s->connection_count; i++) {
        s->connections[i].server = &s->server;
        keel_turns_give(&s->turns, &s->connections[i]);
    }
    return KEEL_OK;
}

static keel_status open_store(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    keel_mysql_store *s = calloc(1, sizeof *s);
    keel_status status;

    if (!s)
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, setup->path,
                             "out of memory");
    status = begin(s, setup, why);
    if (status == KEEL_OK)
        *state = s;
    else
        free(s);
    return status;
}

static void close_store(void *state)
{
    keel_mysql_store *s = state;
    keel_mysql_sigpipe guard;

    keel_mysql_sigpipe_block(&guard);
    for (size_t i = 0; i < s->connection_count; i++)
        keel_mysql_connection_cleanup(&s->connections[i]);
    keel_mysql_sigpipe_restore(&guard);
    keel_turns_cleanup(&s->turns);
    free(s);
}

static void look(void *state, keel_bag_abilities *a)
{
    const keel_mysql_store *s = state;

    a->native = KEEL_CAN_GET | KEEL_CAN_SET | KEEL_CAN_ADD | KEEL_CAN_REPLACE |
                KEEL_CAN_APPEND | KEEL_CAN_CAS | KEEL_CAN_INCR | KEEL_CAN_TOUCH |
                KEEL_CAN_DELETE | KEEL_CAN_DELETE_CAS | KEEL_CAN_FLUSH | KEEL_CAN_SCAN |
                KEEL_CAN_MANY | KEEL_CAN_TTL | KEEL_CAN_TELL_TTL | KEEL_CAN_FLAGS |
                KEEL_HAS_NONCE | KEEL_TELLS_DELETE;
    if (s->server.is_durable)
        a->native |= KEEL_IS_DURABLE;
    a->value_max = s->value_max;
    a->batch_max = 128;
    a->ttl_step_ms = 1;
}

/* ---- the table ----------------------------------------------------------------------- */

static const keel_bag_ops mysql_ops = {
    .size = sizeof mysql_ops,
    .abi = KEEL_BAG_ABI,
    .name = "mysql",
    .options = keel_mysql_options,
    .meaning = "A table in MySQL or MariaDB.",
    .open = open_store,
    .close = close_store,
    .look = look,
    .get = keel_mysql_get,
    .get_many = keel_mysql_get_many,
    .store = keel_mysql_store_item,
    .add_to = keel_mysql_add_to,
    .touch = keel_mysql_touch,
    .remove = keel_mysql_remove,
    .flush = keel_mysql_flush,
    .scan = keel_mysql_scan,
    .health = keel_mysql_health,
};

KEEL_API const keel_bag_ops *keel_bag_plugin_v1(void);

const keel_bag_ops *keel_bag_plugin_v1(void)
{
    return &mysql_ops;
}
