/* SPDX-License-Identifier: MIT */
/* The names of a directory, sorted, and the keys behind them. */
#include "bag/store/file_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bag/store/file_generation.h"
#include "bag/store/file_item.h"
#include "bag/store/file_lock.h"
#include "base/memory.h"

typedef char file_name[KEEL_FILE_NAME_SIZE];

typedef struct names {
    const keel_allocator *memory;
    file_name *at;
    size_t count, room;
} names;

/* Where a scan stands: in which directory, behind which name; "": at its beginning. */
typedef struct place {
    uint32_t stripe;
    file_name behind;
} place;

/* ---- names --------------------------------------------------------------------------- */

static bool grow(names *n)
{
    size_t room = n->room ? 2 * n->room : 64;
    file_name *at =
        keel_memory_resize(n->memory, n->at, n->count * sizeof *at, room * sizeof *at);

    if (!at)
        return false;
    n->at = at;
    n->room = room;
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* False: no memory, or the directory cannot be read: errno. */
static bool read_names(names *n, DIR *dir, const char *behind)
{
    struct dirent *entry;
    uint32_t stripe;

    errno = 0;
    while ((entry = readdir(dir)) != NULL) {
        if (!keel_file_name_read(entry->d_name, &stripe) ||
            strcmp(entry->d_name, behind) <= 0)
            continue;
        if (n->count == n->room && !grow(n)) {
            errno = ENOMEM;
            return false;
        }
        memcpy(n->at[n->count++], entry->d_name, sizeof(file_name));
        errno = 0;
    }
    if (n->count)
        qsort(n->at, n->count, sizeof *n->at, compare);
    return errno == 0;
}

/* ---- records ------------------------------------------------------------------------- */

/* What nobody asks for would stay for ever. Only if its lock is free: it is a favour. */
static void sweep(keel_file_store *s, const keel_bag_op *op, int dir,
                  const place *where, const char *name)
{
    const keel_bytes any = { NULL, 0 };
    keel_file_found found;

    if (s->is_read_only || !keel_file_try_lock(s, where->stripe))
        return;
    if (keel_file_find(s, dir, name, any, &found, NULL) == KEEL_OK) {
        if (!keel_file_record_is_live(&found.record, op->now_ms))
            unlinkat(dir, name, 0);
        keel_file_found_close(&found);
    }
    keel_file_unlock(s, where->stripe);
}

/* KEEL_NOT_FOUND: it is not there any more, or no longer alive. */
static keel_status read_key(keel_file_store *s, const keel_bag_op *op, int dir,
                            const place *where, const char *name,
                            keel_file_found *found, keel_detail *why)
{
    const keel_bytes any = { NULL, 0 };
    keel_status status = keel_file_find(s, dir, name, any, found, why);

    if (status != KEEL_OK)
        return status;
    keel_file_found_close(found);
    if (keel_file_record_is_live(&found->record, op->now_ms))
        return KEEL_OK;
    sweep(s, op, dir, where, name);
    return KEEL_NOT_FOUND;
}

/* KEEL_OK: all of them were said; KEEL_PARTIAL: it was time, or the caller has enough. */
static keel_status say_keys(keel_file_store *s, const keel_bag_op *op, int dir,
                            const names *n, place *where, keel_bag_scan_fn *fn,
                            void *ctx, keel_detail *why)
{
    keel_file_found found;

    for (size_t i = 0; i < n->count; i++) {
        keel_status status = read_key(s, op, dir, where, n->at[i], &found, why);

        if (status == KEEL_OK || status == KEEL_NOT_FOUND || status == KEEL_CORRUPT)
            memcpy(where->behind, n->at[i], sizeof where->behind);
        if (status == KEEL_OK && !fn(found.key, ctx))
            return KEEL_PARTIAL;
        if (status != KEEL_OK && status != KEEL_NOT_FOUND)
            return status;
        if (s->clock->now(s->clock->ctx) >= op->deadline_at_ns)
            return KEEL_PARTIAL;
    }
    return KEEL_OK;
}

static keel_status scan_dir(keel_file_store *s, const keel_bag_op *op, DIR *dir,
                            place *where, keel_bag_scan_fn *fn, void *ctx,
                            keel_detail *why)
{
    names n = { .memory = s->memory };
    keel_status status;

    if (read_names(&n, dir, where->behind))
        status = say_keys(s, op, dirfd(dir), &n, where, fn, ctx, why);
    else
        status = keel_file_fail(s, why, KEEL_APPLIED_NO,
                                "a directory of items cannot be read");
    keel_memory_free(s->memory, n.at);
    return status;
}

static keel_status scan_stripe(keel_file_store *s, const keel_bag_op *op, place *where,
                               keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    int fd = keel_file_look_into_stripe(s, where->stripe);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    keel_status status;

    if (!dir && errno == ENOENT && keel_file_store_is_there(s))
        return KEEL_OK; /* nothing was ever stored, or all was flushed */
    if (!dir) {
        status = keel_file_fail(s, why, KEEL_APPLIED_NO,
                                "a directory of items cannot be opened");
        if (fd >= 0)
            close(fd);
        return status;
    }
    status = scan_dir(s, op, dir, where, fn, ctx, why);
    closedir(dir);
    return status;
}

/* ---- cursors ------------------------------------------------------------------------- */

/* Nothing, the number of a directory, or the name that was said last. */
static bool read_cursor(const keel_bag_cursor *cursor, place *where)
{
    *where = (place){ .stripe = 0 };
    if (cursor->length == 0)
        return true;
    if (cursor->length == 1) {
        where->stripe = cursor->bytes[0];
        return true;
    }
    if (cursor->length != sizeof where->behind - 1)
        return false;
    memcpy(where->behind, cursor->bytes, cursor->length);
    return keel_file_name_read(where->behind, &where->stripe);
}

static void write_cursor(keel_bag_cursor *cursor, const place *where)
{
    cursor->is_at_end = where->stripe == KEEL_FILE_STRIPES;
    cursor->length = where->behind[0] ? sizeof where->behind - 1 : 1;
    if (where->behind[0])
        memcpy(cursor->bytes, where->behind, cursor->length);
    else
        cursor->bytes[0] = (uint8_t)where->stripe;
}

keel_status keel_file_scan(keel_file_store *s, const keel_bag_op *op,
                           keel_bag_cursor *cursor, keel_bag_scan_fn *fn, void *ctx,
                           keel_detail *why)
{
    place where;
    keel_status status;

    if (!read_cursor(cursor, &where))
        return keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, s->path,
                             "the cursor is of another store");
    status = scan_stripe(s, op, &where, fn, ctx, why);
    if (status == KEEL_OK)
        where = (place){ .stripe = where.stripe + 1 };
    write_cursor(cursor, &where);
    return status == KEEL_PARTIAL ? KEEL_OK : status;
}
