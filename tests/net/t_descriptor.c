/* SPDX-License-Identifier: MIT */
/* Descriptors whose numbers the application closes and uses for files of its own. */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/descriptor.h"
#include "support/child.h"
#include "support/suite.h"

static int open_eventfd(void)
{
    return eventfd(0, EFD_CLOEXEC);
}

static int open_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int open_file(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

typedef struct foreign_case {
    const char *name;
    int (*ours)(void), (*theirs)(void);
} foreign_case;

static const foreign_case foreign_cases[] = {
    { "a file where a socket was", open_socket, open_file },
    { "another socket", open_socket, open_socket },
    { "a file where an eventfd was", open_eventfd, open_file },
    { "another eventfd, which has the same inode", open_eventfd, open_eventfd },
};

static keel_descriptor d = KEEL_DESCRIPTOR_NONE;
static const foreign_case *row;

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* As a child does that knows none of them. */
static void use_the_number_and_close(void)
{
    int fd = d.fd;

    CHILD(close(fd) == 0);
    CHILD(row->theirs() == fd);
    keel_descriptor_close(&d);
    CHILD(is_open(fd));
    CHILD(d.fd == -1);
}

START_TEST(what_the_application_has_opened_there_stays_open)
{
    row = &foreign_cases[_i];
    keel_descriptor_set(&d, row->ours());
    ck_assert_int_ge(d.fd, 0);
    child_await(child_fork(use_the_number_and_close));
    keel_descriptor_close(&d);
}
END_TEST

static void close_in_child(void)
{
    int fd = d.fd;

    keel_descriptor_close(&d);
    CHILD(!is_open(fd));
}

START_TEST(what_is_still_there_is_closed_in_the_child_and_by_its_owner)
{
    int fd;

    row = &foreign_cases[_i];
    keel_descriptor_set(&d, row->ours());
    fd = d.fd;
    child_await(child_fork(close_in_child));
    ck_assert(is_open(fd));
    keel_descriptor_close(&d);
    ck_assert(!is_open(fd));
}
END_TEST

START_TEST(none_is_closed_for_none)
{
    keel_descriptor_set(&d, -1);
    keel_descriptor_close(&d);
    ck_assert_int_eq(d.fd, -1);
}
END_TEST

/* As in a daemon that has closed them: what it prints all the same is nobody's. */
static void open_without_standard_ones(void)
{
    int fd;

    for (fd = 0; fd <= 2; fd++)
        close(fd);
    keel_descriptor_set(&d, open_socket());
    CHILD(d.fd > 2 && fcntl(d.fd, F_GETFD) == FD_CLOEXEC);
    CHILD(!is_open(0));
    fd = d.fd;
    keel_descriptor_close(&d);
    CHILD(!is_open(fd));
}

START_TEST(the_numbers_of_the_standard_ones_are_left_alone)
{
    child_await(child_fork(open_without_standard_ones));
}
END_TEST

SUITE("descriptor", 10,
      ROWS(what_the_application_has_opened_there_stays_open, foreign_cases),
      ROWS(what_is_still_there_is_closed_in_the_child_and_by_its_owner, foreign_cases),
      ONE(the_numbers_of_the_standard_ones_are_left_alone),
      ONE(none_is_closed_for_none))
