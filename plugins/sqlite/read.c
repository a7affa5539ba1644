/* SPDX-License-Identifier: MIT */
/* The verbs that read. They wait for no writer: the log keeps what was before him. */
#include <stdlib.h>
#include <string.h>

#include "schema.h"
#include "store.h"

/* ---- items --------------------------------------------------------------------------- */

/* u->code is set where it fails. */
static keel_status read_item(keel_sqlite_use *u, keel_bytes key, keel_bag_item *item)
{
    keel_status status = KEEL_NOT_FOUND;
    sqlite3_stmt *row;
    int code = keel_sqlite_find(u, key, &row);

    if (code == SQLITE_ROW)
        status = keel_sqlite_give(u, row, item);
    else if (code != SQLITE_DONE)
        u->code = code;
    keel_sqlite_rewind(row);
    return status;
}

keel_status keel_sqlite_get(void *state, const keel_bag_op *op, keel_bytes key,
                            keel_bag_item *item, keel_detail *why)
{
    keel_sqlite_store *s = state;
    keel_sqlite_use u;
    keel_status status = keel_sqlite_use_begin(&u, s, &s->readers, op, why);

    if (status != KEEL_OK)
        return status;
    return keel_sqlite_use_end(&u, read_item(&u, key, item), KEEL_APPLIED_NO);
}

static void set_all(keel_status statuses[], size_t count, keel_status status)
{
    for (size_t i = 0; i < count; i++)
        statuses[i] = status;
}

/* All of one instant. */
void keel_sqlite_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                          keel_bag_item items[], keel_status statuses[], size_t count,
                          keel_detail *why)
{
    keel_sqlite_store *s = state;
    keel_sqlite_use u;
    keel_status status = keel_sqlite_use_begin(&u, s, &s->readers, op, why);
    size_t done = 0;

    if (status != KEEL_OK) {
        set_all(statuses, count, status);
        return;
    }
    u.code = keel_sqlite_run(keel_sqlite_statement_of(u.c, SQL_BEGIN_READ));
    for (; done < count && u.code == SQLITE_OK; done++)
        statuses[done] = read_item(&u, keys[done], &items[done]);
    if (!sqlite3_get_autocommit(u.c->db))
        keel_sqlite_settle(u.c, SQL_ROLLBACK); /* nothing was changed */
    if (u.code != SQLITE_OK && done)
        done--; /* the one that failed */
    set_all(statuses + done, count - done,
            keel_sqlite_use_end(&u, KEEL_OK, KEEL_APPLIED_NO));
}

/* ---- all there is -------------------------------------------------------------------- */

enum { KEYS_AT_ONCE = 128 };

typedef struct key_list {
    size_t count;
    char keys[KEYS_AT_ONCE][KEEL_BAG_KEY_MAX + 1];
} key_list;

static void add_key(key_list *list, sqlite3_stmt *row)
{
    const void *key = sqlite3_column_blob(row, 0);
    size_t length = (size_t)sqlite3_column_bytes(row, 0);

    if (!key || length > KEEL_BAG_KEY_MAX)
        return; /* nobody can ask for it */
    memcpy(list->keys[list->count], key, length);
    list->keys[list->count++][length] = '\0';
}

/* Returns SQLite's code. is_at_end: there are no more. */
static int list_keys(const keel_sqlite_use *u, const keel_bag_cursor *cursor,
                     key_list *list, bool *is_at_end)
{
    sqlite3_stmt *row = keel_sqlite_statement_of(u->c, SQL_KEYS);
    int rows = 0, code;

    list->count = 0;
    keel_sqlite_bind_bytes(row, 1, (keel_bytes){ cursor->bytes, cursor->length });
    sqlite3_bind_int64(row, 2, u->op->now_ms);
    sqlite3_bind_int(row, 3, KEYS_AT_ONCE);
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        rows++;
        add_key(list, row);
    }
    keel_sqlite_rewind(row);
    *is_at_end = rows < KEYS_AT_ONCE;
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Says them; the cursor comes to stand at the last one that was said. */
static void say_keys(const key_list *list, bool is_at_end, keel_bag_cursor *cursor,
                     keel_bag_scan_fn *fn, void *ctx)
{
    bool goes_on = true;
    size_t said = 0;

    while (said < list->count && goes_on)
        goes_on = fn(list->keys[said++], ctx);
    if (said) {
        cursor->length = (uint16_t)strlen(list->keys[said - 1]);
        memcpy(cursor->bytes, list->keys[said - 1], cursor->length);
    }
    cursor->is_at_end = is_at_end && said == list->count;
}

/* The keys are copied: nobody is called while a connection is held. */
keel_status keel_sqlite_scan(void *state, const keel_bag_op *op,
                             keel_bag_cursor *cursor, keel_bag_scan_fn *fn, void *ctx,
                             keel_detail *why)
{
    keel_sqlite_store *s = state;
    key_list *list = malloc(sizeof *list);
    bool is_at_end = false;
    keel_sqlite_use u;
    keel_status status;

    if (!list)
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->file.path,
                             "out of memory");
    status = keel_sqlite_use_begin(&u, s, &s->readers, op, why);
    if (status == KEEL_OK) {
        u.code = list_keys(&u, cursor, list, &is_at_end);
        status = keel_sqlite_use_end(&u, KEEL_OK, KEEL_APPLIED_NO);
    }
    if (status == KEEL_OK)
        say_keys(list, is_at_end, cursor, fn, ctx);
    free(list);
    return status;
}

/* A look at the tree's root page is enough: the key is one that nobody can have. */
keel_status keel_sqlite_health(void *state, const keel_bag_op *op, keel_detail *why)
{
    keel_bag_item item = { .size = sizeof item };
    keel_status status = keel_sqlite_get(state, op, (keel_bytes){ " ", 1 }, &item, why);

    return status == KEEL_NOT_FOUND ? KEEL_OK : status;
}
