/* SPDX-License-Identifier: MIT */
/* Opening and closing the store's directory, and saying what went wrong in it. */
#include "bag/store/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/detail.h"
#include "board/open_files.h"

const char *keel_file_in(const keel_file_store *s, keel_file_path path,
                         const char *name)
{
    snprintf(path, sizeof(keel_file_path), "%s/%s", s->root, name);
    return path;
}

/* ---- what went wrong ----------------------------------------------------------------- */

static keel_status status_of(int error)
{
    switch (error) {
    case EROFS:
        return KEEL_READ_ONLY;
    case ENOMEM:
        return KEEL_E_NOMEM;
    case EFBIG:
        return KEEL_E_TOO_LARGE;
    default:
        return KEEL_FAILED;
    }
}

keel_status keel_file_fail(const keel_file_store *s, keel_detail *why,
                           keel_applied applied, const char *what)
{
    int error = errno;
    char text[80];
    keel_status status =
        keel_bag_fail(why, status_of(error), applied, s->path, "%s: %s", what,
                      strerror_r(error, text, sizeof text));

    if (why && why->size > offsetof(keel_detail, system_errno))
        why->system_errno = error;
    return status;
}

/* Of an opening, which names the directory; the path last, as it may be cut. */
static keel_status refuse(const keel_file_store *s, int error, keel_detail *why,
                          const char *what)
{
    char text[80];

    keel_bag_fail(why, KEEL_E_SYSTEM, KEEL_APPLIED_NO, s->path, "%s: %s: %s", what,
                  strerror_r(error, text, sizeof text), s->root);
    if (why && why->size > offsetof(keel_detail, system_errno))
        why->system_errno = error;
    return KEEL_E_SYSTEM;
}

/* ---- opening ------------------------------------------------------------------------- */

static int open_marks(const keel_file_store *s, int flags)
{
    keel_file_path path;

    return open(keel_file_in(s, path, KEEL_FILE_MARKS),
                flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

/* Where it may only be read, it is. */
static int open_as_allowed(keel_file_store *s)
{
    int fd = open_marks(s, O_RDWR | O_CREAT);

    if (fd >= 0 || (errno != EROFS && errno != EACCES && errno != EPERM))
        return fd;
    s->is_read_only = true;
    return open_marks(s, O_RDONLY);
}

/* 0, or why not. One that is only read, it or what it lies in, may be there already. */
static int make_root(const keel_file_store *s)
{
    struct stat st;
    int error;

    if (mkdir(s->root, 0700) == 0 || errno == EEXIST)
        return 0;
    error = errno;
    return stat(s->root, &st) == 0 ? 0 : error;
}

/* Whoever owns what is written to could put other items into it. The superuser may look
 * after what belongs to others. */
static bool is_of_another(const keel_file_store *s)
{
    uid_t self = geteuid();
    struct stat st;

    return self && !s->is_read_only && stat(s->root, &st) == 0 && st.st_uid &&
           st.st_uid != self;
}

keel_status keel_file_store_open(keel_file_store *s, keel_detail *why)
{
    int error = make_root(s), fd;
    struct stat st;

    if (error)
        return refuse(s, error, why, "its directory cannot be made");
    fd = open_as_allowed(s);
    if (fd < 0)
        return refuse(s, errno, why,
                      KEEL_FILE_MARKS " in its directory cannot be opened");
    if (is_of_another(s)) {
        close(fd);
        return refuse(s, EPERM, why, "its directory belongs to another user");
    }
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return refuse(s, EINVAL, why, KEEL_FILE_MARKS " in its directory is no file");
    }
    keel_descriptor_set(&s->marks, fd);
    fd = atomic_load(&s->marks.fd);
    if (fd < 0)
        return refuse(s, errno, why, "there is no descriptor for " KEEL_FILE_MARKS);
    if (!s->is_read_only)
        keel_open_files_add(fd); /* else a forked child could keep our locks */
    return KEEL_OK;
}

void keel_file_store_close(keel_file_store *s)
{
    keel_open_files_remove(atomic_load(&s->marks.fd));
    keel_descriptor_close(&s->marks);
}

/* A directory that is not mounted any more has no items, and so has one that somebody
 * put in its place; but neither says anything about ours. */
bool keel_file_store_is_there(const keel_file_store *s)
{
    keel_file_path path;
    struct stat st;

    if (lstat(keel_file_in(s, path, KEEL_FILE_MARKS), &st))
        return false;
    errno = ESTALE;
    return st.st_dev == s->marks.device && st.st_ino == s->marks.inode;
}
