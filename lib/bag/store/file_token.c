/* SPDX-License-Identifier: MIT */
/* The mark, and what is set aside by it. */
#include "bag/store/file_token.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bag/store/file_lock.h"
#include "base/crc32c.h"

/* A millisecond's worth of tokens: nobody writes as many in one. */
#define BLOCK (UINT64_C(1) << 20)

/* What stands at the file's beginning. */
typedef struct mark {
    char magic[8];
    uint64_t next; /* the first token that is not set aside */
    uint32_t crc;
    uint32_t zero;
} mark;

static const char magic[8] = "KEELBAG";

static uint32_t crc_of(const mark *m)
{
    return keel_crc32c(0, m, offsetof(mark, crc));
}

/* 0: there is none, or it is damaged; then the clock has to do. */
static bool read_mark(int fd, uint64_t *next)
{
    mark m;
    ssize_t length;

    do
        length = pread(fd, &m, sizeof m, 0);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return false;
    *next = 0;
    if (length == (ssize_t)sizeof m && memcmp(m.magic, magic, sizeof magic) == 0 &&
        m.crc == crc_of(&m))
        *next = m.next;
    return true;
}

static bool write_mark(const keel_file_store *s, int fd, uint64_t next)
{
    mark m = { .next = next };
    ssize_t length;

    memcpy(m.magic, magic, sizeof magic);
    m.crc = crc_of(&m);
    do
        length = pwrite(fd, &m, sizeof m, 0);
    while (length < 0 && errno == EINTR);
    if (length >= 0 && length < (ssize_t)sizeof m)
        errno = ENOSPC;
    if (length < (ssize_t)sizeof m)
        return false;
    return s->sync == KEEL_FILE_SYNC_NONE || fdatasync(fd) == 0;
}

/* In this order: who sees the new beginning with the old end, which differ unless both
 * blocks touch, takes one of the new block. */
static void publish(keel_file_store *s, uint64_t first)
{
    atomic_store(&s->token, first);
    atomic_store(&s->token_end, first + BLOCK);
}

/* Sets a block aside that nobody else has. */
static keel_status reserve(keel_file_store *s, const keel_bag_op *op, keel_detail *why)
{
    int fd = atomic_load(&s->marks.fd);
    uint64_t by_clock = (uint64_t)op->now_ms * BLOCK, next;

    if (!read_mark(fd, &next))
        return keel_file_fail(s, why, KEEL_APPLIED_NO,
                              "the mark of its tokens cannot be read");
    if (next < by_clock)
        next = by_clock;
    if (!write_mark(s, fd, next + BLOCK))
        return keel_file_fail(s, why, KEEL_APPLIED_NO,
                              "the mark of its tokens cannot be written");
    publish(s, next);
    return KEEL_OK;
}

/* False: none is left of those that were set aside. */
static bool take(keel_file_store *s, uint64_t *token)
{
    *token = atomic_load(&s->token);
    while (*token != atomic_load(&s->token_end))
        if (atomic_compare_exchange_weak(&s->token, token, *token + 1))
            return true;
    return false;
}

static keel_status refill(keel_file_store *s, const keel_bag_op *op, keel_detail *why)
{
    uint64_t ignored;
    keel_status status = keel_file_lock(s, KEEL_FILE_LOCK_TOKENS, op, why);

    if (status != KEEL_OK)
        return status;
    if (!take(s, &ignored)) /* else somebody else was here before */
        status = reserve(s, op, why);
    keel_file_unlock(s, KEEL_FILE_LOCK_TOKENS);
    return status;
}

keel_status keel_file_token(keel_file_store *s, const keel_bag_op *op, uint64_t *token,
                            keel_detail *why)
{
    keel_status status = KEEL_OK;

    while (status == KEEL_OK && !take(s, token))
        status = refill(s, op, why);
    return status;
}
