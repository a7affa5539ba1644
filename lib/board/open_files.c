/* SPDX-License-Identifier: MIT */
/* A few descriptors, in a table that fork may find in any state: no lock guards it. */
#include "board/open_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 64 };

typedef struct open_file {
    _Atomic int fd_plus_1; /* 0: free, below 0: being filled in */
    dev_t device;
    ino_t inode;
    pid_t opened_by;
} open_file;

static open_file files[MOST];
static _Atomic bool knows_fork;

/* Whoever uses keel may have closed it, and have something else there by now. */
static bool is_there_still(const open_file *file, int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode;
}

static bool open_anew(int fd)
{
    char path[40];
    int fresh;
    bool is_anew;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    fresh = open(path, O_RDWR | O_CLOEXEC);
    if (fresh < 0)
        return false;
    is_anew = dup3(fresh, fd, O_CLOEXEC) == fd;
    close(fresh);
    return is_anew;
}

static void open_all_anew(void)
{
    int saved = errno;

    for (int i = 0; i < MOST; i++) {
        int fd = atomic_load_explicit(&files[i].fd_plus_1, memory_order_acquire) - 1;

        if (fd >= 0 && is_there_still(&files[i], fd) && open_anew(fd))
            files[i].opened_by = getpid();
    }
    errno = saved;
}

static bool know_fork(void)
{
    bool none = false;

    if (!atomic_compare_exchange_strong(&knows_fork, &none, true))
        return true;
    if (pthread_atfork(NULL, NULL, open_all_anew) == 0)
        return true;
    atomic_store(&knows_fork, false);
    return false;
}

bool keel_open_files_add(int fd)
{
    struct stat st;

    if (!know_fork() || fstat(fd, &st))
        return false;
    for (int i = 0; i < MOST; i++) {
        int none = 0;

        if (!atomic_compare_exchange_strong(&files[i].fd_plus_1, &none, -1))
            continue;
        files[i].device = st.st_dev;
        files[i].inode = st.st_ino;
        files[i].opened_by = getpid();
        atomic_store_explicit(&files[i].fd_plus_1, fd + 1, memory_order_release);
        return true;
    }
    return false;
}

void keel_open_files_remove(int fd)
{
    for (int i = 0; fd >= 0 && i < MOST; i++) {
        int there = fd + 1;

        atomic_compare_exchange_strong(&files[i].fd_plus_1, &there, 0);
    }
}

bool keel_open_files_is_own(int fd)
{
    for (int i = 0; fd >= 0 && i < MOST; i++)
        if (atomic_load_explicit(&files[i].fd_plus_1, memory_order_acquire) == fd + 1)
            return files[i].opened_by == getpid() && is_there_still(&files[i], fd);
    return false;
}
