/* SPDX-License-Identifier: MIT */
/* Making, finding, dropping and removing the directories of records. */
#include "bag/store/file_generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bag/store/file_lock.h"
#include "base/random.h"
#include "base/seed.h"

#define MAKING "making"
#define DROPPED "dropped-"

/* How often a flush may come between finding a directory and opening it. */
enum { TRIES = 8 };

static int open_dir(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static int open_in_root(const keel_file_store *s, const char *name)
{
    keel_file_path path;

    return open_dir(AT_FDCWD, keel_file_in(s, path, name));
}

/* Closes without losing errno. */
static void close_quietly(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
}

/* ---- durable ------------------------------------------------------------------------- */

/* Writes out a directory of the store; false: errno says why. */
static bool sync_dir(const keel_file_store *s, const char *name)
{
    int fd = open_in_root(s, name);
    bool done = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close_quietly(fd);
    return done;
}

/* Which directory it is: its inode's number may come back, the two together do not. */
static uint64_t identity_of(const struct stat *st)
{
    uint64_t when =
        (uint64_t)st->st_ctim.tv_sec * KEEL_S + (uint64_t)st->st_ctim.tv_nsec;

    return keel_mix(keel_mix((uint64_t)st->st_ino) ^ when) | 1;
}

/*
 * Whoever made the items may have died before they were durable, so each bag writes out
 * their place once, and the directory's own place if it may.
 */
static bool settle(keel_file_store *s, int items)
{
    struct stat st;
    uint64_t identity;

    if (s->sync != KEEL_FILE_SYNC_FULL)
        return true;
    if (fstat(items, &st))
        return false;
    identity = identity_of(&st);
    if (atomic_load(&s->settled) == identity)
        return true;
    if (fsync(items) || !sync_dir(s, "."))
        return false;
    sync_dir(s, "..");
    atomic_store(&s->settled, identity);
    return true;
}

/* ---- making -------------------------------------------------------------------------- */

/* Another's, half made, is as good: only one is at it, and whoever was is dead. */
static bool fill(int making)
{
    char name[4];

    for (unsigned i = 0; i < KEEL_FILE_STRIPES; i++) {
        snprintf(name, sizeof name, "%02x", i);
        if (mkdirat(making, name, 0700) && errno != EEXIST)
            return false;
    }
    return true;
}

static bool make_beside(const keel_file_store *s)
{
    keel_file_path path;
    int making;
    bool done;

    if (mkdir(keel_file_in(s, path, MAKING), 0700) && errno != EEXIST)
        return false;
    making = open_dir(AT_FDCWD, path);
    if (making < 0)
        return false;
    done = fill(making) && (s->sync == KEEL_FILE_SYNC_NONE || fsync(making) == 0);
    close_quietly(making);
    return done;
}

static bool make_items(const keel_file_store *s)
{
    keel_file_path from, to;

    if (access(keel_file_in(s, to, KEEL_FILE_ITEMS), F_OK) == 0)
        return true; /* somebody else was here before */
    return make_beside(s) && rename(keel_file_in(s, from, MAKING), to) == 0;
}

static keel_status make_items_alone(keel_file_store *s, const keel_bag_op *op,
                                    keel_detail *why)
{
    keel_status status = keel_file_lock(s, KEEL_FILE_LOCK_MAKING, op, why);

    if (status != KEEL_OK)
        return status;
    if (!make_items(s))
        status = keel_file_fail(s, why, KEEL_APPLIED_NO,
                                "the directories of items cannot be made");
    keel_file_unlock(s, KEEL_FILE_LOCK_MAKING);
    return status;
}

/* ---- opening ------------------------------------------------------------------------- */

/* -1: errno is ENOENT where there are no items, or they were dropped meanwhile. */
static int try_open(keel_file_store *s, uint32_t stripe)
{
    int items = open_in_root(s, KEEL_FILE_ITEMS), dir = -1;
    char name[4];

    if (items < 0)
        return -1;
    snprintf(name, sizeof name, "%02x", stripe);
    if (settle(s, items))
        dir = open_dir(items, name);
    close_quietly(items);
    return dir;
}

keel_status keel_file_open_stripe(keel_file_store *s, uint32_t stripe,
                                  const keel_bag_op *op, int *dir, keel_detail *why)
{
    keel_status status = KEEL_OK;

    for (int i = 0; i < TRIES && status == KEEL_OK; i++) {
        *dir = try_open(s, stripe);
        if (*dir >= 0)
            return KEEL_OK;
        if (errno != ENOENT)
            break;
        status = make_items_alone(s, op, why);
        errno = ENOENT;
    }
    return status == KEEL_OK ? keel_file_fail(s, why, KEEL_APPLIED_NO,
                                              "its items' directory cannot be opened")
                             : status;
}

int keel_file_look_into_stripe(const keel_file_store *s, uint32_t stripe)
{
    char name[sizeof KEEL_FILE_ITEMS + 4];

    snprintf(name, sizeof name, KEEL_FILE_ITEMS "/%02x", stripe);
    return open_in_root(s, name);
}

/* ---- dropping ------------------------------------------------------------------------ */

/* By these the kernel says no before it has begun. */
keel_applied keel_file_certainty(void)
{
    switch (errno) {
    case EACCES:
    case EBUSY:
    case EDQUOT:
    case EEXIST:
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case EMLINK:
    case ENOENT:
    case ENOMEM:
    case ENOSPC:
    case ENOTDIR:
    case ENOTEMPTY:
    case EPERM:
    case EROFS:
        return KEEL_APPLIED_NO;
    default:
        return KEEL_APPLIED_UNKNOWN;
    }
}

keel_status keel_file_drop_items(keel_file_store *s, keel_detail *why)
{
    keel_file_path from, to;
    char name[sizeof DROPPED + 16];

    snprintf(name, sizeof name, DROPPED "%016llx",
             (unsigned long long)keel_random_number());
    if (rename(keel_file_in(s, from, KEEL_FILE_ITEMS), keel_file_in(s, to, name)) &&
        errno != ENOENT)
        return keel_file_fail(s, why, keel_file_certainty(), "it cannot be flushed");
    if (s->sync == KEEL_FILE_SYNC_FULL && !sync_dir(s, "."))
        return keel_file_fail(s, why, KEEL_APPLIED_UNKNOWN,
                              "it was flushed, but perhaps not for good");
    return KEEL_OK;
}

/* ---- removing ------------------------------------------------------------------------ */

static bool is_time(const keel_file_store *s, uint64_t until_ns)
{
    return s->clock->now(s->clock->ctx) >= until_ns;
}

typedef bool visit_fn(const keel_file_store *s, int dir, const char *name,
                      uint64_t until_ns);

/* Each entry of a directory; false: the visitor has had enough, or it cannot be read. */
static bool visit_all(const keel_file_store *s, int at, const char *name,
                      visit_fn *visit, uint64_t until_ns)
{
    int fd = open_dir(at, name);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    bool goes_on = dir != NULL;

    if (!dir && fd >= 0)
        close(fd);
    while (goes_on && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            goes_on = visit(s, dirfd(dir), entry->d_name, until_ns);
    if (dir)
        closedir(dir);
    return goes_on;
}

static bool remove_file(const keel_file_store *s, int dir, const char *name,
                        uint64_t until_ns)
{
    unlinkat(dir, name, 0);
    return !is_time(s, until_ns);
}

static bool remove_stripe(const keel_file_store *s, int dir, const char *name,
                          uint64_t until_ns)
{
    if (!visit_all(s, dir, name, remove_file, until_ns))
        return !is_time(s, until_ns);
    unlinkat(dir, name, AT_REMOVEDIR);
    return true;
}

static bool remove_if_dropped(const keel_file_store *s, int dir, const char *name,
                              uint64_t until_ns)
{
    if (strncmp(name, DROPPED, sizeof DROPPED - 1) != 0)
        return true;
    if (!visit_all(s, dir, name, remove_stripe, until_ns))
        return !is_time(s, until_ns);
    unlinkat(dir, name, AT_REMOVEDIR);
    return true;
}

void keel_file_clean(keel_file_store *s, uint64_t until_ns)
{
    keel_file_path path;

    visit_all(s, AT_FDCWD, keel_file_in(s, path, "."), remove_if_dropped, until_ns);
}

/* A record half written is its writer's while that one lives, and has the lock. */
void keel_file_remove_leftovers(keel_file_store *s)
{
    int items = open_in_root(s, KEEL_FILE_ITEMS);
    char name[sizeof "ab/" KEEL_FILE_NEW];

    for (uint32_t i = 0; items >= 0 && i < KEEL_FILE_STRIPES; i++) {
        snprintf(name, sizeof name, "%02x/" KEEL_FILE_NEW, i & 0xff);
        if (faccessat(items, name, F_OK, AT_SYMLINK_NOFOLLOW) ||
            !keel_file_try_lock(s, i))
            continue;
        unlinkat(items, name, 0);
        keel_file_unlock(s, i);
    }
    if (items >= 0)
        close(items);
}
