/* SPDX-License-Identifier: MIT */
/* The verbs that read: one statement each, which waits for no lock. */
#include <stdlib.h>
#include <string.h>

#include "store.h"

/* ---- items --------------------------------------------------------------------------- */

keel_status keel_mysql_get(void *state, const keel_bag_op *op, keel_bytes key,
                           keel_bag_item *item, keel_detail *why)
{
    MYSQL_RES *rows = NULL;
    MYSQL_ROW row;
    keel_mysql_use u;
    keel_status status = keel_mysql_use_begin(&u, state, op, why);

    if (status != KEEL_OK)
        return status;
    status = keel_mysql_find(&u, SQL_FIND, key, &rows, &row);
    if (status == KEEL_OK)
        status = keel_mysql_give(&u, rows, row, item);
    mysql_free_result(rows);
    return keel_mysql_use_end(&u, status);
}

static void set_all(keel_status statuses[], size_t count, keel_status status)
{
    for (size_t i = 0; i < count; i++)
        statuses[i] = status;
}

static bool is_key(keel_bytes key, const char *column, unsigned long length)
{
    return key.length == length && memcmp(key.at, column, length) == 0;
}

/* A row for every place that asked for its key: one may be asked for twice. */
static void give_row(const keel_mysql_use *u, MYSQL_RES *rows, MYSQL_ROW row,
                     const keel_bytes keys[], keel_bag_item items[],
                     keel_status statuses[], size_t count)
{
    unsigned long length = mysql_fetch_lengths(rows)[COLUMN_KEY];

    for (size_t i = 0; i < count; i++)
        if (is_key(keys[i], row[COLUMN_KEY], length))
            statuses[i] = keel_mysql_give(u, rows, row, &items[i]);
}

void keel_mysql_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                         keel_bag_item items[], keel_status statuses[], size_t count,
                         keel_detail *why)
{
    keel_mysql_values values;
    MYSQL_RES *rows = NULL;
    MYSQL_ROW row;
    keel_mysql_use u;
    keel_status status = keel_mysql_use_begin(&u, state, op, why);

    if (status != KEEL_OK) {
        set_all(statuses, count, status);
        return;
    }
    values = keel_mysql_values_of(&u, (keel_bytes){ NULL, 0 });
    values.keys = keys;
    values.key_count = count;
    set_all(statuses, count, KEEL_NOT_FOUND);
    if (keel_mysql_ask(&u, SQL_FIND_MANY, &values, &rows))
        while ((row = mysql_fetch_row(rows)) != NULL)
            give_row(&u, rows, row, keys, items, statuses, count);
    mysql_free_result(rows);
    status = keel_mysql_use_end(&u, KEEL_OK);
    if (status != KEEL_OK)
        set_all(statuses, count, status);
}

/* ---- all there is -------------------------------------------------------------------- */

enum { KEYS_AT_ONCE = 128 };

/* Says a key; the cursor comes to stand at it. What nobody can ask for is not said. */
static bool say_key(MYSQL_RES *rows, MYSQL_ROW row, keel_bag_cursor *cursor,
                    keel_bag_scan_fn *fn, void *ctx)
{
    size_t length = mysql_fetch_lengths(rows)[0];

    if (!row[0] || length > KEEL_BAG_KEY_MAX)
        return true;
    memcpy(cursor->bytes, row[0], length);
    cursor->length = (uint16_t)length;
    return strlen(row[0]) != length || fn(row[0], ctx);
}

static void say_keys(MYSQL_RES *rows, keel_bag_cursor *cursor, keel_bag_scan_fn *fn,
                     void *ctx)
{
    bool goes_on = true;
    unsigned said = 0;
    MYSQL_ROW row;

    while (goes_on && (row = mysql_fetch_row(rows)) != NULL) {
        goes_on = say_key(rows, row, cursor, fn, ctx);
        said++;
    }
    cursor->is_at_end = said == mysql_num_rows(rows) && said < KEYS_AT_ONCE;
}

/* The rows are here before anybody is called: no connection is held meanwhile. */
keel_status keel_mysql_scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                            keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    keel_mysql_values values;
    MYSQL_RES *rows = NULL;
    keel_mysql_use u;
    keel_status status = keel_mysql_use_begin(&u, state, op, why);

    if (status != KEEL_OK)
        return status;
    values = keel_mysql_values_of(&u, (keel_bytes){ cursor->bytes, cursor->length });
    values.limit = KEYS_AT_ONCE;
    keel_mysql_ask(&u, SQL_KEYS, &values, &rows);
    status = keel_mysql_use_end(&u, KEEL_OK);
    if (status == KEEL_OK)
        say_keys(rows, cursor, fn, ctx);
    mysql_free_result(rows);
    return status;
}

/* A look at the table, and not the server alone: the key is one that nobody can have. */
keel_status keel_mysql_health(void *state, const keel_bag_op *op, keel_detail *why)
{
    keel_bag_item item = { .size = sizeof item };
    keel_status status = keel_mysql_get(state, op, (keel_bytes){ " ", 1 }, &item, why);

    return status == KEEL_NOT_FOUND ? KEEL_OK : status;
}
