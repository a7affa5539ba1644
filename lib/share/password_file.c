/* SPDX-License-Identifier: MIT */
/* Reading a password from a file. Not for keeping it. */
#include "share/password_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/detail.h"

static bool is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static keel_status refuse(int error, keel_detail *why)
{
    char text[80];

    return keel_failf(why, KEEL_E_CONFIG, "the file it names cannot be read: %s",
                      strerror_r(error, text, sizeof text));
}

/* Of a password that was cut nobody could tell why it is refused. */
static keel_status refuse_long(char *to, size_t size, keel_detail *why)
{
    explicit_bzero(to, size);
    return keel_failf(why, KEEL_E_CONFIG,
                      "the first line of the file it names is longer than %zu bytes",
                      size - 1);
}

/* Of what lies in to: without the line's end. */
static size_t first_line(const char *to, size_t length)
{
    size_t i = 0;

    while (i < length && to[i] != '\r' && to[i] != '\n')
        i++;
    return i;
}

keel_status keel_password_file_read(const char *path, char *to, size_t size,
                                    keel_detail *why)
{
    /* a FIFO would be waited for */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int error = errno;
    size_t length;
    ssize_t n;

    *to = '\0';
    if (fd < 0)
        return refuse(error, why);
    if (!is_regular(fd)) {
        close(fd);
        return keel_fail(why, KEEL_E_CONFIG, "what it names is no regular file");
    }
    n = read(fd, to, size);
    error = errno;
    close(fd);
    if (n < 0)
        return refuse(error, why);
    length = first_line(to, (size_t)n);
    if (length == size)
        return refuse_long(to, size, why);
    to[length] = '\0';
    return KEEL_OK;
}
