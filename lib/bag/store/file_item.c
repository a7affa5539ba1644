/* SPDX-License-Identifier: MIT */
/* Reading and writing the files of records. */
#include "bag/store/file_item.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bag/store/file_generation.h"
#include "base/crc32c.h"
#include "base/high_fd.h"

/* ---- reading ------------------------------------------------------------------------- */

/* As many bytes as there are, size at most; -1: errno says why. */
static ssize_t read_at(int fd, void *to, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = pread(fd, (char *)to + done, size - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static const char *name_in(const char *at)
{
    size_t length = strlen(at);

    return length < KEEL_FILE_NAME_SIZE ? at : at + length - (KEEL_FILE_NAME_SIZE - 1);
}

static keel_status corrupt(const keel_file_store *s, const char *at, const char *what,
                           keel_detail *why)
{
    const char *name = name_in(at);

    return keel_bag_fail(why, KEEL_CORRUPT, KEEL_APPLIED_NO, s->path,
                         KEEL_FILE_ITEMS "/%.2s/%s %s", name, name, what);
}

static keel_status cannot_read(const keel_file_store *s, keel_detail *why)
{
    return keel_file_fail(s, why, KEEL_APPLIED_NO, "an item cannot be read");
}

static keel_status read_head(const keel_file_store *s, const char *at, keel_bytes key,
                             keel_file_found *found, keel_detail *why)
{
    unsigned char bytes[KEEL_FILE_HEAD_AND_KEY];
    size_t wanted = key.at ? KEEL_FILE_HEAD + key.length : sizeof bytes;
    struct stat st;
    ssize_t length;
    const char *wrong;

    if (fstat(found->fd, &st))
        return cannot_read(s, why);
    if (!S_ISREG(st.st_mode))
        return corrupt(s, at, "is no regular file", why);
    length = read_at(found->fd, bytes, wanted, 0);
    if (length < 0)
        return cannot_read(s, why);
    wrong = keel_file_record_read(&found->record, bytes, (size_t)length,
                                  (uint64_t)st.st_size);
    if (wrong)
        return corrupt(s, at, wrong, why);
    memcpy(found->key, bytes + KEEL_FILE_HEAD, found->record.key_length);
    found->key[found->record.key_length] = '\0';
    if (key.at && (found->record.key_length != key.length ||
                   memcmp(found->key, key.at, key.length) != 0))
        return corrupt(s, at, "is the record of another key", why);
    return KEEL_OK;
}

keel_status keel_file_find(const keel_file_store *s, int dir, const char *at,
                           keel_bytes key, keel_file_found *found, keel_detail *why)
{
    keel_status status;

    do /* O_NONBLOCK: what somebody else put there may be a pipe */
        found->fd = openat(dir, at, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    while (found->fd < 0 && errno == EINTR);
    if (found->fd < 0 && errno == ENOENT)
        return KEEL_NOT_FOUND;
    if (found->fd < 0 && (errno == ELOOP || errno == ENXIO))
        return corrupt(s, at, "is no regular file", why);
    if (found->fd < 0)
        return cannot_read(s, why);
    status = read_head(s, at, key, found, why);
    if (status != KEEL_OK)
        keel_file_found_close(found);
    return status;
}

void keel_file_found_close(keel_file_found *found)
{
    if (found->fd >= 0)
        close(found->fd);
    found->fd = -1;
}

keel_status keel_file_read_value(const keel_file_store *s, const keel_file_found *found,
                                 void *to, keel_detail *why)
{
    const keel_file_record *r = &found->record;
    const keel_bytes key = { found->key, r->key_length };
    char name[KEEL_FILE_NAME_SIZE] = "";
    ssize_t length =
        read_at(found->fd, to, r->value_length, keel_file_record_value_at(r));

    if (length < 0)
        return cannot_read(s, why);
    if ((uint64_t)length == r->value_length &&
        keel_crc32c(0, to, r->value_length) == r->value_crc)
        return KEEL_OK;
    keel_file_name(name, key);
    return corrupt(s, name, "has another value than was written", why);
}

/* ---- writing ------------------------------------------------------------------------- */

/* To write a file beyond this process's limit is a deadly signal. */
static bool is_beyond_limit(uint64_t size)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           limit.rlim_cur < size;
}

/* What a dead writer left there is not written into, but removed. */
static int create_new(int dir)
{
    enum { FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW };
    int fd = keel_high_fd(openat(dir, KEEL_FILE_NEW, FLAGS, 0600));

    if (fd >= 0 || errno != EEXIST || unlinkat(dir, KEEL_FILE_NEW, 0))
        return fd;
    return keel_high_fd(openat(dir, KEEL_FILE_NEW, FLAGS, 0600));
}

/* What of the pieces was written is taken off them. */
static void advance(struct iovec *pieces, int count, size_t written)
{
    for (int i = 0; i < count && written; i++) {
        size_t some = written < pieces[i].iov_len ? written : pieces[i].iov_len;

        pieces[i].iov_base = (char *)pieces[i].iov_base + some;
        pieces[i].iov_len -= some;
        written -= some;
    }
}

static bool write_all(int fd, struct iovec *pieces, int count, uint64_t left)
{
    while (left) {
        ssize_t n = writev(fd, pieces, count);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return false;
        advance(pieces, count, (size_t)n);
        left -= (uint64_t)n;
    }
    return true;
}

static bool sync_file(const keel_file_store *s, int fd)
{
    switch (s->sync) {
    case KEEL_FILE_SYNC_FULL:
        return fsync(fd) == 0;
    case KEEL_FILE_SYNC_DATA:
        return fdatasync(fd) == 0;
    case KEEL_FILE_SYNC_NONE:
        break;
    }
    return true;
}

static struct iovec piece_of(const void *at, size_t length)
{
    return (struct iovec){ (void *)(uintptr_t)at, length };
}

static bool write_record(const keel_file_store *s, int fd, keel_bytes key,
                         const keel_file_record *record,
                         const keel_bytes parts[KEEL_FILE_PARTS])
{
    unsigned char head[KEEL_FILE_HEAD];
    struct iovec pieces[] = { piece_of(head, sizeof head), piece_of(key.at, key.length),
                              piece_of(parts[0].at, parts[0].length),
                              piece_of(parts[1].at, parts[1].length) };
    uint64_t size = keel_file_record_value_at(record) + record->value_length;

    keel_file_record_write(head, record, key);
    if (is_beyond_limit(size)) {
        errno = EFBIG;
        return false;
    }
    return write_all(fd, pieces, sizeof pieces / sizeof *pieces, size) &&
           sync_file(s, fd);
}

/* What cannot be written is not left lying about. */
static bool write_new(const keel_file_store *s, int dir, keel_bytes key,
                      const keel_file_record *record,
                      const keel_bytes parts[KEEL_FILE_PARTS])
{
    int fd = create_new(dir), error;
    bool done;

    if (fd < 0)
        return false;
    done = write_record(s, fd, key, record, parts);
    error = errno;
    if (close(fd) && done) {
        done = false; /* a network's file system may say so only now */
        error = errno;
    }
    if (!done)
        unlinkat(dir, KEEL_FILE_NEW, 0);
    errno = error;
    return done;
}

static keel_status put_in_place(const keel_file_store *s, int dir, const char *name,
                                bool *is_gone, keel_detail *why)
{
    if (renameat(dir, KEEL_FILE_NEW, dir, name)) {
        int error = errno;
        keel_applied applied = keel_file_certainty();

        unlinkat(dir, KEEL_FILE_NEW, 0);
        errno = error;
        *is_gone = error == ENOENT;
        return keel_file_fail(s, why, applied, "an item cannot be put in its place");
    }
    if (s->sync == KEEL_FILE_SYNC_FULL && fsync(dir))
        return keel_file_fail(s, why, KEEL_APPLIED_UNKNOWN,
                              "an item was written, but perhaps not for good");
    return KEEL_OK;
}

keel_status keel_file_put(const keel_file_store *s, int dir, const char *name,
                          keel_bytes key, keel_file_record *record,
                          const keel_bytes parts[KEEL_FILE_PARTS], bool *is_gone,
                          keel_detail *why)
{
    record->key_length = (uint16_t)key.length;
    record->value_length = (uint64_t)parts[0].length + parts[1].length;
    record->value_crc = keel_crc32c(0, parts[0].at, parts[0].length);
    record->value_crc = keel_crc32c(record->value_crc, parts[1].at, parts[1].length);
    if (record->value_length > KEEL_FILE_VALUE_MAX)
        return keel_bag_fail(why, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO, s->path,
                             "a value has 1 GiB at most");
    if (!write_new(s, dir, key, record, parts)) {
        *is_gone = errno == ENOENT;
        return keel_file_fail(s, why, KEEL_APPLIED_NO, "an item cannot be written");
    }
    return put_in_place(s, dir, name, is_gone, why);
}

keel_status keel_file_remove(const keel_file_store *s, int dir, const char *name,
                             keel_detail *why)
{
    if (unlinkat(dir, name, 0)) {
        if (errno == ENOENT)
            return KEEL_NOT_FOUND;
        return keel_file_fail(s, why, keel_file_certainty(),
                              "an item cannot be removed");
    }
    if (s->sync == KEEL_FILE_SYNC_FULL && fsync(dir))
        return keel_file_fail(s, why, KEEL_APPLIED_UNKNOWN,
                              "an item was removed, but perhaps not for good");
    return KEEL_OK;
}
