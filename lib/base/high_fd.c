/* SPDX-License-Identifier: MIT */
/* Moving descriptors out of the way of what is printed. */
#include "base/high_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int keel_high_fd(int fd)
{
    int high, error;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    error = errno;
    close(fd);
    errno = error;
    return high;
}
