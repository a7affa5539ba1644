/* SPDX-License-Identifier: MIT */
/*
 * The inside of the flat-file store. Its directory holds
 *
 *   keel-store      what locks are set on, and the mark that tokens are counted from
 *   items/ab/ab…    each item's record, in 256 directories by the first byte of its name
 *   items/ab/new    a record that is being written, by whoever has the lock of ab
 *   making/         what is to become items
 *   dropped-…/      what was flushed and is not removed yet
 *
 * A record is never changed: a whole new one is renamed into its place. So readers need
 * no lock, and who is killed leaves the old record or the new one.
 */
#ifndef KEEL_BAG_STORE_FILE_STORE_H
#define KEEL_BAG_STORE_FILE_STORE_H

#include <limits.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <keel/bag_plugin.h>

#include "base/clock.h"
#include "net/descriptor.h"

#define KEEL_FILE_MARKS "keel-store"

/* Locks: one for each directory of records, and two more. */
enum {
    KEEL_FILE_STRIPES = 256,
    KEEL_FILE_LOCK_TOKENS = KEEL_FILE_STRIPES,
    KEEL_FILE_LOCK_MAKING,
    KEEL_FILE_LOCKS
};

/* The option's words, in this order. */
typedef enum keel_file_sync {
    KEEL_FILE_SYNC_FULL, /* what was answered with KEEL_OK outlives a power failure */
    KEEL_FILE_SYNC_DATA, /* after one there is a whole record, new or old */
    KEEL_FILE_SYNC_NONE  /* the kernel writes when it likes to */
} keel_file_sync;

/*
 * words       locks among this process's threads: 0 free, 1 taken, 2 somebody waits, too
 * marks       keel-store, opened; that it is still in its place is looked at each time
 * settled     the items whose place was made durable by this bag; 0: none
 * token, token_end  the next one, and where those that were set aside end
 */
typedef struct keel_file_store {
    const keel_allocator *memory;
    const keel_clock *clock;
    const char *path; /* in the tree, for texts */
    keel_file_sync sync;
    uint64_t value_max;
    bool is_read_only; /* its file system, when it was opened */
    keel_descriptor marks;
    _Atomic uint64_t settled;
    _Atomic uint64_t token, token_end;
    _Atomic uint32_t words[KEEL_FILE_LOCKS];
    char root[PATH_MAX];
} keel_file_store;

/* Its directory, made if only that is missing. As keel_bag_ops.open. */
keel_status keel_file_store_open(keel_file_store *s, keel_detail *why);
void keel_file_store_close(keel_file_store *s);

/* Whether the directory is still the one that was opened; errno else. */
bool keel_file_store_is_there(const keel_file_store *s);

/* Says what could not be done, and why errno says so. */
keel_status keel_file_fail(const keel_file_store *s, keel_detail *why,
                           keel_applied applied, const char *what);

/* A path in its directory. */
typedef char keel_file_path[PATH_MAX + 80];
const char *keel_file_in(const keel_file_store *s, keel_file_path path,
                         const char *name);

#endif
