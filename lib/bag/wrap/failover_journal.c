/* SPDX-License-Identifier: MIT */
/*
 * The journal of dirty keys. Slot 0 is the head; a slot whose first word is not the
 * mark's, or whose sum is wrong, is empty.
 */
#include "bag/wrap/failover_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/seed.h"
#include "board/open_files.h"

enum { SLOT = 512, KEY_MOST = 250, ROLE_MOST = 127, UNUSED_FIRST = 64 };

#define HEAD_MAGIC UINT64_C(0x316c6e726a66656b) /* "kefjrnl1" */
#define MARK_MAGIC UINT64_C(0x6b72616d7972646b)

/* As it lies on the disk, in the machine's own order: it never leaves it. */
typedef struct slot {
    uint64_t magic;
    uint64_t sum; /* of what follows */
    uint64_t sequence;
    int64_t expires_at_ms;
    uint16_t key_length, role_length;
    char key[KEY_MOST];
    char role[ROLE_MOST];
    char padding[SLOT - 36 - KEY_MOST - ROLE_MOST];
} slot;

_Static_assert(sizeof(slot) == SLOT, "a slot is a sector");

/* Tells a torn slot from a whole one; not for telling who wrote it. */
static uint64_t sum_of(const slot *s)
{
    const char *at = (const char *)&s->sequence, *end = (const char *)(s + 1);
    uint64_t sum = MARK_MAGIC, word;

    for (; at < end; at += sizeof word) {
        memcpy(&word, at, sizeof word);
        sum = keel_mix(sum ^ word);
    }
    return sum;
}

static bool write_all(int fd, const void *from, size_t size, off_t at)
{
    ssize_t written;

    do
        written = pwrite(fd, from, size, at);
    while (written < 0 && errno == EINTR);
    return written == (ssize_t)size; /* a disk that is full writes less */
}

static bool read_slot(int fd, uint32_t number, slot *s)
{
    ssize_t size;

    do
        size = pread(fd, s, sizeof *s, (off_t)number * SLOT);
    while (size < 0 && errno == EINTR);
    return size == (ssize_t)sizeof *s;
}

/* ---- slots --------------------------------------------------------------------------- */

static uint32_t take_slot(keel_failover_journal *j)
{
    uint32_t number;

    pthread_mutex_lock(&j->slots_mu);
    number = j->unused_count ? j->unused[--j->unused_count] : j->end++;
    pthread_mutex_unlock(&j->slots_mu);
    return number;
}

static bool make_room_locked(keel_failover_journal *j)
{
    size_t room = j->unused_room ? 2 * j->unused_room : UNUSED_FIRST;
    uint32_t *unused;

    if (j->unused_count < j->unused_room)
        return true;
    unused = keel_memory_resize(j->memory, j->unused, j->unused_count * sizeof *unused,
                                room * sizeof *unused);
    if (!unused)
        return false;
    j->unused = unused;
    j->unused_room = room;
    return true;
}

/* One that cannot be remembered lies fallow until the next opening. */
static void give_back(keel_failover_journal *j, uint32_t number)
{
    pthread_mutex_lock(&j->slots_mu);
    if (make_room_locked(j))
        j->unused[j->unused_count++] = number;
    pthread_mutex_unlock(&j->slots_mu);
}

bool keel_failover_journal_note(keel_failover_journal *j, keel_failover_mark *mark)
{
    slot s = { .magic = MARK_MAGIC,
               .sequence = mark->sequence,
               .expires_at_ms = mark->expires_at_ms,
               .key_length = (uint16_t)mark->key.length,
               .role_length = (uint16_t)mark->role.length };
    int saved = errno;
    bool is_kept;

    if (mark->key.length > KEY_MOST || mark->role.length > ROLE_MOST)
        return false;
    memcpy(s.key, mark->key.at, mark->key.length);
    memcpy(s.role, mark->role.at, mark->role.length);
    s.sum = sum_of(&s);
    mark->slot = take_slot(j);
    is_kept = write_all(j->fd, &s, sizeof s, (off_t)mark->slot * SLOT) &&
              fdatasync(j->fd) == 0;
    if (!is_kept) /* what of it reached the disk nobody knows */
        keel_failover_journal_clear(j, mark->slot, false);
    errno = saved;
    return is_kept;
}

bool keel_failover_journal_clear(keel_failover_journal *j, uint32_t number,
                                 bool is_synced)
{
    const uint64_t nothing = 0;
    int saved = errno;
    bool is_clear = write_all(j->fd, &nothing, sizeof nothing, (off_t)number * SLOT) &&
                    (!is_synced || fdatasync(j->fd) == 0);

    if (is_clear)
        give_back(j, number);
    errno = saved;
    return is_clear;
}

/* ---- opening ------------------------------------------------------------------------- */

static keel_status refuse(keel_detail *why, const char *path, const char *what,
                          int error)
{
    char text[64];

    keel_failf(why, KEEL_E_CONFIG, "journal %s: %s%s%s", path, what, error ? ": " : "",
               error ? strerror_r(error, text, sizeof text) : "");
    if (why && why->size > offsetof(keel_detail, system_errno))
        why->system_errno = error;
    return KEEL_E_CONFIG;
}

/* So that a file that was just made is still there after a crash. */
static bool sync_folder(const keel_failover_journal *j, const char *path)
{
    char *folder = keel_memory_copy(j->memory, path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    int fd;
    bool is_synced;

    if (!folder)
        return false;
    if (slash)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    keel_memory_free(j->memory, folder);
    return is_synced;
}

static bool make_head(const keel_failover_journal *j, const char *path)
{
    slot head = { .magic = HEAD_MAGIC };

    head.sum = sum_of(&head);
    return write_all(j->fd, &head, sizeof head, 0) && fsync(j->fd) == 0 &&
           sync_folder(j, path);
}

static bool is_mark(const slot *s)
{
    return s->magic == MARK_MAGIC && s->sum == sum_of(s) && s->key_length &&
           s->key_length <= KEY_MOST && s->role_length <= ROLE_MOST;
}

static bool read_marks(keel_failover_journal *j, keel_failover_mark_fn *fn, void *ctx,
                       keel_detail *why)
{
    slot s;

    for (j->end = 1; read_slot(j->fd, j->end, &s); j->end++) {
        const keel_failover_mark mark = { .slot = j->end,
                                          .sequence = s.sequence,
                                          .expires_at_ms = s.expires_at_ms,
                                          .key = { s.key, s.key_length },
                                          .role = { s.role, s.role_length } };

        if (!is_mark(&s))
            give_back(j, j->end);
        else if (!fn(&mark, ctx, why))
            return false;
    }
    return true;
}

static const char taken[] =
    "another bag has it: while a service runs with it, its primary can be used by "
    "itself, and the whole through the service alone";

static keel_status open_file(keel_failover_journal *j, const char *path,
                             keel_detail *why)
{
    struct stat about;
    slot head;

    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0)
        return refuse(why, path, "it cannot be opened", errno);
    if (flock(j->fd, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK ? refuse(why, path, taken, 0)
                                    : refuse(why, path, "it cannot be locked", errno);
    if (fstat(j->fd, &about) || !S_ISREG(about.st_mode))
        return refuse(why, path, "it is no file", 0);
    if (!about.st_size && !make_head(j, path))
        return refuse(why, path, "it cannot be written", errno);
    if (!read_slot(j->fd, 0, &head) || head.magic != HEAD_MAGIC ||
        head.sum != sum_of(&head))
        return refuse(why, path, "it is something else", 0);
    return KEEL_OK;
}

keel_status keel_failover_journal_open(keel_failover_journal *j,
                                       const keel_allocator *memory, const char *path,
                                       keel_failover_mark_fn *fn, void *ctx,
                                       keel_detail *why)
{
    int saved = errno;
    keel_status status;

    *j = (keel_failover_journal){
        .memory = memory, .is_there = true, .fd = -1, .end = 1
    };
    pthread_mutex_init(&j->slots_mu, NULL);
    status = open_file(j, path, why);
    if (status == KEEL_OK && !read_marks(j, fn, ctx, why))
        status = why ? why->code : KEEL_E_CONFIG;
    if (status == KEEL_OK)
        keel_open_files_add(j->fd); /* else a forked child would keep our lock */
    else
        keel_failover_journal_close(j);
    errno = saved;
    return status;
}

void keel_failover_journal_close(keel_failover_journal *j)
{
    if (!j->is_there)
        return;
    keel_open_files_remove(j->fd);
    if (j->fd >= 0) {
        flock(j->fd, LOCK_UN); /* a child that was just forked may share it still */
        close(j->fd);
    }
    j->fd = -1;
    keel_memory_free(j->memory, j->unused);
    j->unused = NULL;
    pthread_mutex_destroy(&j->slots_mu);
    j->is_there = false;
}
