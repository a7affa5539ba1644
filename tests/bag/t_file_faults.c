/* SPDX-License-Identifier: MIT */
/*
 * A disk that is full, may only be read, or fails, at every call that a verb makes: what
 * is said of the write is true, and the store goes on as soon as the disk does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support/bag_dir.h"
#include "support/suite.h"

#define KEY "user:17"

/* ---- the disk ------------------------------------------------------------------------ */

/*
 * nth    which of a verb's calls fails, from 1; 0: none
 * error  how
 * piece  writes take no more than this at once; 0: all
 */
static struct {
    unsigned nth;
    int error;
    size_t piece;
    unsigned calls;
} disk;

/* Whether this call fails; counts it. */
static bool fails(void)
{
    if (!disk.nth || ++disk.calls != disk.nth)
        return false;
    errno = disk.error;
    return true;
}

/* Making a file, that is: who only reads fails by pread. With large files it has another
 * name, and so have those below. */
#define WRAP_OPENAT(name)                                                              \
    int __real_##name(int dir, const char *path, int flags, ...);                      \
    int __wrap_##name(int dir, const char *path, int flags, ...);                      \
    int __wrap_##name(int dir, const char *path, int flags, ...)                       \
    {                                                                                  \
        va_list arguments;                                                             \
        mode_t mode;                                                                   \
                                                                                       \
        va_start(arguments, flags);                                                    \
        mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                        \
        va_end(arguments);                                                             \
        return flags & O_CREAT && fails() ? -1                                         \
                                          : __real_##name(dir, path, flags, mode);     \
    }

WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

ssize_t __real_writev(int fd, const struct iovec *pieces, int count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count);

ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count)
{
    while (disk.piece && count && !pieces->iov_len) {
        pieces++;
        count--;
    }
    if (fails())
        return -1;
    if (disk.piece && pieces->iov_len)
        return write(fd, pieces->iov_base,
                     pieces->iov_len < disk.piece ? pieces->iov_len : disk.piece);
    return __real_writev(fd, pieces, count);
}

#define WRAP(type, name, parameters, arguments)                                        \
    type __real_##name parameters;                                                     \
    type __wrap_##name parameters;                                                     \
    type __wrap_##name parameters                                                      \
    {                                                                                  \
        return fails() ? -1 : __real_##name arguments;                                 \
    }

WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
WRAP(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(ssize_t, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
WRAP(ssize_t, pread64, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
WRAP(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at),
     (fd, from, size, at))
WRAP(ssize_t, pwrite64, (int fd, const void *from, size_t size, off_t at),
     (fd, from, size, at))

/* ---- verbs --------------------------------------------------------------------------- */

static bag_dir d;

static keel_status set(void)
{
    return keel_bag_set(d.bag, KEY, "200", 3, NULL, &d.why);
}

static keel_status append(void)
{
    return keel_bag_append(d.bag, KEY, "0", 1, NULL, &d.why);
}

static keel_status incr(void)
{
    return keel_bag_incr(d.bag, KEY, 5, NULL, NULL, &d.why);
}

static keel_status touch(void)
{
    const keel_bag_options gone = { .size = sizeof gone, .ttl = keel_ttl_for_ms(-1) };

    return keel_bag_touch(d.bag, KEY, &gone, &d.why);
}

static keel_status delete_it(void)
{
    return keel_bag_delete(d.bag, KEY, NULL, &d.why);
}

static keel_status flush(void)
{
    return keel_bag_flush(d.bag, NULL, &d.why);
}

/* before, after: "" is no item. least: calls that it makes, to be failed */
typedef struct verb {
    const char *name;
    keel_status (*run)(void);
    const char *before, *after;
    unsigned least;
} verb;

static const verb verbs[] = {
    { "the first set of all", set, "", "200", 256 },
    { "a set over another", set, "100", "200", 5 },
    { "append", append, "10", "100", 7 },
    { "incr", incr, "10", "15", 7 },
    { "touch", touch, "10", "", 7 },
    { "delete", delete_it, "10", "", 3 },
    { "flush", flush, "10", "", 256 },
};

typedef struct fault {
    int error;
    keel_status status;
} fault;

static const fault faults[] = {
    { ENOSPC, KEEL_FAILED }, { EDQUOT, KEEL_FAILED }, { EROFS, KEEL_READ_ONLY },
    { EIO, KEEL_FAILED },    { EACCES, KEEL_FAILED }, { ENOMEM, KEEL_E_NOMEM },
};

enum {
    VERBS = sizeof verbs / sizeof verbs[0],
    FAULTS = sizeof faults / sizeof *faults
};

/* ---- what has to be true ------------------------------------------------------------- */

/* Its value; "" where there is none. The disk is well again. */
static const char *now(void)
{
    static char value[64];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value - 1 };
    keel_status status;

    memset(value, 0, sizeof value);
    status = keel_bag_get(d.bag, KEY, &item, NULL, NULL);
    ck_assert(status == KEEL_OK || status == KEEL_NOT_FOUND);
    return value;
}

static void check_said(const verb *v, const fault *f, keel_status status)
{
    const char *value = now();
    bool is_old = strcmp(value, v->before) == 0, is_new = strcmp(value, v->after) == 0;

    ck_assert_msg(is_old || is_new, "call %u of %s: \"%s\"", disk.calls, v->name,
                  value);
    if (status == KEEL_OK) {
        ck_assert_msg(is_new, "done, but it is the old one");
        return;
    }
    ck_assert_int_eq(d.why.system_errno, f->error);
    if (status == KEEL_UNKNOWN) {
        ck_assert_int_eq(d.why.applied, KEEL_APPLIED_UNKNOWN);
        return;
    }
    ck_assert_msg(status == f->status, "%s: %s", v->name, d.why.text);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(is_old, "call %u of %s was not applied, and was: %s", disk.nth,
                  v->name, d.why.text);
}

static void setup(void)
{
    bag_dir_init(&d, "allow_flush=on");
    bag_dir_open(&d);
}

static void teardown(void)
{
    bag_dir_close(&d);
    bag_dir_cleanup(&d);
}

/* The store as it is before a verb. */
static void begin(const verb *v)
{
    bag_dir_path items;

    snprintf(items, sizeof items, "%s/items", d.root);
    if (*v->before)
        ck_assert_int_eq(bag_dir_set(&d, KEY, v->before), KEEL_OK);
    else
        bag_dir_remove(items);
}

static void end(void)
{
    bag_dir_path path;

    ck_assert_int_eq(bag_dir_set(&d, KEY, "well again"), KEEL_OK);
    bag_dir_expect(&d, KEY, "well again");
    ck_assert_int_eq(access(bag_dir_new(&d, path, KEY), F_OK), -1);
}

static keel_status run_with_fault(keel_status (*run)(void), unsigned nth, int error)
{
    keel_status status;

    disk.calls = 0;
    disk.error = error;
    disk.nth = nth;
    status = run();
    disk.nth = 0;
    return status;
}

/* True: there was such a call to fail. */
static bool play(const verb *v, const fault *f, unsigned nth)
{
    begin(v);
    check_said(v, f, run_with_fault(v->run, nth, f->error));
    end();
    return disk.calls >= nth;
}

/* The first set makes 256 directories, which are alike, and a flush removes them: most of
 * those are passed over. */
START_TEST(what_is_said_of_a_write_is_true)
{
    const verb *v = &verbs[_i % VERBS];
    const fault *f = &faults[_i / VERBS];
    unsigned nth = 1;

    while (play(v, f, nth))
        nth += nth > 8 && nth < 250 ? 120 : 1;
    ck_assert_uint_gt(nth, v->least);
}
END_TEST

/* The calls of a set, by their numbers. */
enum { CREATE = 1, WRITE, FSYNC, RENAME, FSYNC_DIR };

/* What cannot be told is said to be so: the item is in its place, for now. */
START_TEST(a_place_that_may_not_last_is_unknown)
{
    begin(&verbs[1]);
    ck_assert_int_eq(run_with_fault(set, FSYNC, EIO), KEEL_FAILED);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(run_with_fault(set, RENAME, ENOSPC), KEEL_FAILED);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(run_with_fault(set, RENAME, EIO), KEEL_UNKNOWN);
    ck_assert_int_eq(run_with_fault(set, FSYNC_DIR, EIO), KEEL_UNKNOWN);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_str_eq(now(), "200");
    end();
}
END_TEST

/* As it is where a flush has come between. */
START_TEST(a_directory_that_has_gone_is_looked_for_anew)
{
    begin(&verbs[1]);
    ck_assert_int_eq(run_with_fault(set, CREATE, ENOENT), KEEL_OK);
    ck_assert_int_eq(run_with_fault(append, RENAME + 2, ENOENT), KEEL_OK);
    ck_assert_str_eq(now(), "2000"); /* two reads come before an append's calls */
    end();
}
END_TEST

START_TEST(a_disk_that_takes_little_at_once_gets_all)
{
    static char value[1000];

    for (size_t i = 0; i < sizeof value - 1; i++)
        value[i] = (char)('a' + i % 26);
    begin(&verbs[0]);
    disk.piece = 7;
    ck_assert_int_eq(bag_dir_set(&d, KEY, value), KEEL_OK);
    ck_assert_int_eq(append(), KEEL_OK);
    disk.piece = 0;
    value[999] = '0';
    ck_assert_int_eq(keel_bag_decr(d.bag, KEY, 1, NULL, NULL, &d.why), KEEL_NOT_NUMBER);
    value[999] = '\0';
    ck_assert_int_eq(bag_dir_set(&d, "other", value), KEEL_OK);
    bag_dir_expect(&d, "other", value);
    end();
}
END_TEST

static keel_status get(void)
{
    keel_bag_item item = { .size = sizeof item };

    return keel_bag_get(d.bag, KEY, &item, NULL, &d.why);
}

START_TEST(a_read_that_fails_is_no_miss)
{
    begin(&verbs[1]);
    ck_assert_int_eq(run_with_fault(get, 1, EIO), KEEL_FAILED);
    ck_assert_int_eq(d.why.system_errno, EIO);
    ck_assert_int_eq(get(), KEEL_OK);
    end();
}
END_TEST

SUITE_IN("file_faults", 120, setup, teardown,
         { what_is_said_of_a_write_is_true, VERBS *FAULTS },
         ONE(a_place_that_may_not_last_is_unknown),
         ONE(a_directory_that_has_gone_is_looked_for_anew),
         ONE(a_disk_that_takes_little_at_once_gets_all),
         ONE(a_read_that_fails_is_no_miss))
