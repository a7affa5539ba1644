/* SPDX-License-Identifier: MIT */
/* What is at a descriptor, as the kernel tells it. */
#include "net/descriptor.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/high_fd.h"

enum { INFO_SIZE = 512 };

/* From 1; 0: the kernel does not tell (before Linux 5.2, or there is no /proc). */
static uint64_t read_eventfd(int fd)
{
    static const char label[] = "eventfd-id:";
    char info[INFO_SIZE], path[40];
    const char *at;
    ssize_t length;
    int info_fd;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    info_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (info_fd < 0)
        return 0;
    length = read(info_fd, info, sizeof info - 1);
    close(info_fd);
    info[length > 0 ? length : 0] = '\0';
    at = strstr(info, label);
    return at ? strtoull(at + sizeof label - 1, NULL, 10) + 1 : 0;
}

/* Files without a type, such as eventfds, share one inode. */
static bool identify(int fd, keel_descriptor *d)
{
    struct stat st;

    if (fstat(fd, &st))
        return false;
    d->device = st.st_dev;
    d->inode = st.st_ino;
    d->eventfd = st.st_mode & S_IFMT ? 0 : read_eventfd(fd);
    return true;
}

/* The number comes last: a child forked in between finds none, not one unknown. */
void keel_descriptor_set(keel_descriptor *d, int fd)
{
    fd = keel_high_fd(fd);
    if (fd >= 0)
        identify(fd, d);
    atomic_store(&d->fd, fd);
}

static bool is_there_still(const keel_descriptor *d, int fd)
{
    keel_descriptor there;

    return identify(fd, &there) && there.device == d->device &&
           there.inode == d->inode && there.eventfd == d->eventfd;
}

/*
 * The number is forgotten first: a child forked in between leaves it open, rather than
 * closing what another thread has opened under it.
 */
void keel_descriptor_close(keel_descriptor *d)
{
    int fd = atomic_exchange(&d->fd, -1);

    if (fd >= 0 && is_there_still(d, fd))
        close(fd);
}
