/* SPDX-License-Identifier: MIT */
/* Making, checking and locking the file of a board. */
#include "board/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/detail.h"
#include "base/high_fd.h"
#include "base/memory.h"
#include "base/wall.h"
#include "board/open_files.h"

enum { REPLACE_MS = 1000, MAKE_TRIES = 8 };

/* ---- what this machine is ----------------------------------------------------------- */

static uint64_t namespace_of(const char *path)
{
    struct stat st;

    return stat(path, &st) ? 0 : (uint64_t)st.st_ino;
}

/* The boot's id, a UUID, as two numbers; zeros where the kernel does not say. */
static void read_boot(uint64_t boot[2])
{
    char text[40], digits[33];
    size_t count = 0;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);

    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < n && count < 32; i++)
        if (text[i] != '-')
            digits[count++] = text[i];
    digits[count] = '\0';
    boot[1] = count == 32 ? strtoull(digits + 16, NULL, 16) : 0;
    digits[16] = '\0';
    boot[0] = count == 32 ? strtoull(digits, NULL, 16) : 0;
}

static void describe(keel_board_head *head)
{
    *head = (keel_board_head){ .magic = KEEL_BOARD_MAGIC,
                               .version = KEEL_BOARD_VERSION,
                               .size = KEEL_BOARD_FILE_SIZE,
                               .time_namespace = namespace_of("/proc/self/ns/time"),
                               .pid_namespace = namespace_of("/proc/self/ns/pid"),
                               .created_s = (uint64_t)keel_wall_seconds() };
    read_boot(head->boot);
}

/* ---- making ------------------------------------------------------------------------- */

/* To grow a file beyond this process's limit is a deadly signal. */
static bool is_beyond_limit(uint64_t size)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           limit.rlim_cur < size;
}

/* All of its space is taken now: a write into a hole of a full disk would kill. */
static int reserve(int fd, off_t size)
{
    int error;

    if (is_beyond_limit((uint64_t)size))
        return EFBIG;
    do
        error = posix_fallocate(fd, 0, size);
    while (error == EINTR);
    return error;
}

static int fill(int fd)
{
    keel_board_head head;
    int error = reserve(fd, KEEL_BOARD_FILE_SIZE);

    if (error)
        return error;
    describe(&head);
    errno = EIO;
    return pwrite(fd, &head, sizeof head, 0) == (ssize_t)sizeof head ? 0 : errno;
}

/* A whole new file beside its place; its path is the caller's to free. */
static int make_beside(const keel_allocator *memory, const char *path, char **beside)
{
    size_t size = strlen(path) + sizeof ".XXXXXX";
    int fd, error;

    *beside = keel_memory_new(memory, size);
    if (!*beside)
        return ENOMEM;
    snprintf(*beside, size, "%s.XXXXXX", path);
    fd = keel_high_fd(mkostemp(*beside, O_CLOEXEC));
    error = fd < 0 ? errno : fill(fd);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && error)
        unlink(*beside);
    if (error) {
        keel_memory_free(memory, *beside);
        *beside = NULL;
    }
    return error;
}

/* Where there is none. Somebody else's being first is as good. */
static int make_first(const keel_allocator *memory, const char *path)
{
    char *beside;
    int error = make_beside(memory, path, &beside);

    if (error)
        return error;
    if (link(beside, path))
        error = errno;
    unlink(beside);
    keel_memory_free(memory, beside);
    return error == EEXIST ? 0 : error;
}

static bool is_at(const char *path, const struct stat *st)
{
    struct stat now;

    return lstat(path, &now) == 0 && now.st_dev == st->st_dev &&
           now.st_ino == st->st_ino;
}

/* In the place of one that was found, unless somebody else has done so meanwhile. */
static int replace(keel_board_file *old, const keel_allocator *memory)
{
    char *beside;
    struct stat st;
    int error = EBUSY;

    if (fstat(old->fd, &st))
        return errno;
    if (!keel_board_file_lock(old, 0, REPLACE_MS))
        return error;
    if (!is_at(old->path, &st))
        return 0;
    error = make_beside(memory, old->path, &beside);
    if (error)
        return error;
    if (rename(beside, old->path)) {
        error = errno;
        unlink(beside);
    }
    keel_memory_free(memory, beside);
    return error;
}

/* ---- checking ----------------------------------------------------------------------- */

static keel_status refuse(keel_detail *why, const char *path, const char *what)
{
    return keel_failf(why, KEEL_E_SYSTEM, "the board %s %s", path, what);
}

static keel_status refuse_errno(keel_detail *why, const char *path, const char *what,
                                int error)
{
    char text[80];
    keel_status status = keel_failf(why, KEEL_E_SYSTEM, "the board %s %s: %s", path,
                                    what, strerror_r(error, text, sizeof text));

    if (why)
        why->system_errno = error;
    return status;
}

/* What is wrong with the file itself; NULL: nothing. Root looks at any service's. */
static const char *check_file(const struct stat *st, bool may_make)
{
    bool is_ours = st->st_uid == geteuid() || (!may_make && geteuid() == 0);

    if (!S_ISREG(st->st_mode))
        return "is not a regular file";
    if (!is_ours)
        return "belongs to another user";
    if (st->st_mode & 077)
        return "may be opened by other users; its mode must be 0600";
    if (st->st_size < (off_t)sizeof(keel_board_head))
        return "is too short to be one";
    return NULL;
}

static const char *check_head(const keel_board_head *head, off_t size)
{
    keel_board_head here;

    if (head->magic != KEEL_BOARD_MAGIC)
        return "is not a board of keel's";
    if (head->version != KEEL_BOARD_VERSION)
        return "is of another version of keel; stop all who use it, or name another "
               "file";
    if (head->size != KEEL_BOARD_FILE_SIZE || size != KEEL_BOARD_FILE_SIZE)
        return "has another size than it was made with";
    describe(&here);
    if (head->time_namespace != here.time_namespace ||
        head->pid_namespace != here.pid_namespace)
        return "is of another container; processes share one only within a container";
    return NULL;
}

static bool is_of_this_boot(const keel_board_head *head)
{
    uint64_t boot[2];

    read_boot(boot);
    return head->boot[0] == boot[0] && head->boot[1] == boot[1];
}

/* ---- opening ------------------------------------------------------------------------ */

typedef enum found { GOOD, OUTDATED, BAD } found;

/* What stands at the path. Opened, it is looked at before it is mapped. */
static found examine(keel_board_file *file, bool may_make, keel_detail *why)
{
    struct stat st;
    keel_board_head head;
    const char *wrong;

    if (fstat(file->fd, &st)) {
        refuse_errno(why, file->path, "cannot be examined", errno);
        return BAD;
    }
    file->device = st.st_dev;
    file->inode = st.st_ino;
    wrong = check_file(&st, may_make);
    if (!wrong && pread(file->fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
        wrong = "cannot be read";
    if (!wrong && head.magic == KEEL_BOARD_MAGIC && !is_of_this_boot(&head))
        return OUTDATED;
    if (!wrong)
        wrong = check_head(&head, st.st_size);
    if (wrong)
        refuse(why, file->path, wrong);
    return wrong ? BAD : GOOD;
}

/* A copy may have holes. Not by posix_fallocate: where the file system has no such thing,
 * it writes into every block, under the hands of those who use the board. There the maker
 * has written them all. */
static int fill_holes(int fd)
{
    int rc;

    do
        rc = fallocate(fd, 0, 0, KEEL_BOARD_FILE_SIZE);
    while (rc && errno == EINTR);
    return rc && errno != EOPNOTSUPP ? errno : 0;
}

static bool is_ours(const keel_board_file *file, int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == file->device &&
           st.st_ino == file->inode;
}

/* What is printed where there is no standard error must not be written on a board. */
static int open_high(const char *path, int flags)
{
    return keel_high_fd(open(path, O_RDWR | O_CLOEXEC | flags));
}

static int open_path(const char *path)
{
    return open_high(path, O_NOFOLLOW | O_NONBLOCK);
}

static void close_fd(keel_board_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

bool keel_board_file_reopen(keel_board_file *file)
{
    char path[40];
    int old = is_ours(file, file->fd) ? file->fd : -1;

    if (keel_open_files_is_own(old))
        return true;
    keel_open_files_remove(file->fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", old);
    file->fd = open_high(path, 0);
    if (file->fd < 0)
        file->fd = open_path(file->path);
    if (old >= 0)
        close(old);
    if (!is_ours(file, file->fd))
        close_fd(file);
    else
        keel_open_files_add(file->fd); /* else a child shares it until it uses keel */
    return file->fd >= 0;
}

static keel_status map(keel_board_file *file, keel_detail *why)
{
    int error = fill_holes(file->fd);
    void *at;

    if (error)
        return refuse_errno(why, file->path, "has holes that cannot be filled", error);
    at = mmap(NULL, KEEL_BOARD_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd,
              0);
    if (at == MAP_FAILED)
        return refuse_errno(why, file->path, "cannot be mapped", errno);
    file->layout = at;
    /* the map keeps this open file in every child, locks and all; so it has none */
    return keel_board_file_reopen(file)
               ? KEEL_OK
               : refuse_errno(why, file->path, "cannot be opened again", errno);
}

/* One try: done, refused, or (KEEL_E_BUSY) there is another file now to look at. */
static keel_status try_open(keel_board_file *file, const keel_allocator *memory,
                            bool may_make, keel_detail *why)
{
    int error;

    file->fd = open_path(file->path);
    if (file->fd < 0 && errno == ENOENT && may_make) {
        error = make_first(memory, file->path);
        return error ? refuse_errno(why, file->path, "cannot be made", error)
                     : KEEL_E_BUSY;
    }
    if (file->fd < 0)
        return refuse_errno(why, file->path, "cannot be opened", errno);
    switch (examine(file, may_make, why)) {
    case GOOD:
        return map(file, why);
    case OUTDATED:
        if (!may_make)
            return refuse(why, file->path, "is of an earlier boot");
        error = replace(file, memory);
        close_fd(file);
        return error ? refuse_errno(why, file->path, "cannot be replaced", error)
                     : KEEL_E_BUSY;
    case BAD:
        break;
    }
    return KEEL_E_SYSTEM;
}

keel_status keel_board_file_open(keel_board_file *file, const keel_allocator *memory,
                                 const char *path, bool may_make, keel_detail *why)
{
    keel_status status = KEEL_E_BUSY;

    *file = (keel_board_file){ .fd = -1, .path = keel_memory_copy(memory, path) };
    if (!file->path)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the board's path");
    for (int i = 0; i < MAKE_TRIES && status == KEEL_E_BUSY; i++)
        status = try_open(file, memory, may_make, why);
    if (status == KEEL_OK)
        return status;
    if (status == KEEL_E_BUSY)
        status = refuse(why, path, "comes and goes");
    keel_board_file_close(file, memory);
    return status;
}

void keel_board_file_close(keel_board_file *file, const keel_allocator *memory)
{
    keel_open_files_remove(file->fd);
    if (file->layout && !is_ours(file, file->fd))
        file->fd = -1; /* who uses keel has closed it, and it may be his by now */
    if (file->layout)
        munmap(file->layout, KEEL_BOARD_FILE_SIZE);
    close_fd(file);
    keel_memory_free(memory, file->path);
    *file = (keel_board_file){ .fd = -1 };
}

/* ---- only looking ------------------------------------------------------------------- */

/* Whether a new file can be made beside the path. */
static keel_status check_folder(const char *path, const char *what, keel_detail *why)
{
    char folder[PATH_MAX]; /* a longer path was refused by the system */

    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') + 1 - path), path);
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS))
        return refuse_errno(why, path, what, errno);
    return KEEL_OK;
}

keel_status keel_board_file_check(const char *path, keel_detail *why)
{
    keel_board_file file = { .fd = open_path(path),
                             .path = (char *)(uintptr_t)path /* to be named */ };
    found there;

    if (file.fd < 0 && errno == ENOENT)
        return check_folder(path, "cannot be made", why);
    if (file.fd < 0)
        return refuse_errno(why, path, "cannot be opened", errno);
    there = examine(&file, true, why);
    close_fd(&file);
    if (there == OUTDATED)
        return check_folder(path, "cannot be replaced", why);
    return there == GOOD ? KEEL_OK : KEEL_E_SYSTEM;
}

/* ---- locking ------------------------------------------------------------------------ */

/* The file's first bytes stand for the locks; what is written there does not matter. */
static struct flock lock_of(uint32_t number, short type)
{
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = number, .l_len = 1
    };
}

bool keel_board_file_try_lock(keel_board_file *file, uint32_t number)
{
    struct flock lock = lock_of(number, F_WRLCK);

    return fcntl(file->fd, F_OFD_SETLK, &lock) == 0;
}

/* F_OFD_SETLKW would wait for ever for one who was stopped. */
bool keel_board_file_lock(keel_board_file *file, uint32_t number, int most_ms)
{
    for (int i = 0; i < most_ms; i++) {
        if (keel_board_file_try_lock(file, number))
            return true;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return false;
        keel_clock_pause_ms(1);
    }
    return false;
}

void keel_board_file_unlock(keel_board_file *file, uint32_t number)
{
    struct flock lock = lock_of(number, F_UNLCK);

    fcntl(file->fd, F_OFD_SETLK, &lock);
}

bool keel_board_file_is_held(keel_board_file *file, uint32_t number)
{
    struct flock lock = lock_of(number, F_WRLCK);

    /* where it cannot be told, it is held */
    return fcntl(file->fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK;
}

bool keel_board_file_is_in_place(const keel_board_file *file)
{
    struct stat st;
    int saved = errno;
    bool is_there = lstat(file->path, &st) == 0 && st.st_dev == file->device &&
                    st.st_ino == file->inode;

    errno = saved;
    return is_there;
}
