/* SPDX-License-Identifier: MIT */
/* What an event loop is told of sockets, and when. */
#include "http/client/sockets.h"

#include <stdio.h>
#include <string.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/suite.h"

static char told[256]; /* "7rw 7- ": in their order */
static int slots[2];
static keel_sockets sockets;

static void note(int fd, bool want_read, bool want_write, void **slot, void *ctx)
{
    size_t length = strlen(told);

    ck_assert_ptr_eq(ctx, &sockets);
    snprintf(told + length, sizeof told - length, "%d%s%s%s ", fd, want_read ? "r" : "",
             want_write ? "w" : "", want_read || want_write ? "" : "-");
    if (!*slot)
        *slot = &slots[fd % 2];
    ck_assert_ptr_eq(*slot, &slots[fd % 2]); /* it keeps what the watcher gave it */
}

static void begin(void)
{
    sockets = (keel_sockets){ .loop = { .watch = note, .ctx = &sockets } };
    told[0] = '\0';
}

static void end(void)
{
    keel_sockets_cleanup(&sockets);
}

/* As libcurl does between two requests on one connection. */
START_TEST(what_is_let_go_and_wanted_again_in_a_turn_is_not_told)
{
    begin();
    ck_assert(keel_sockets_opened(&sockets, 7));
    keel_sockets_want(&sockets, 7, KEEL_SOCKET_IN);
    keel_sockets_tell(&sockets);
    keel_sockets_want(&sockets, 7, 0);
    keel_sockets_want(&sockets, 7, KEEL_SOCKET_IN);
    keel_sockets_tell(&sockets);
    ck_assert_str_eq(told, "7r ");
    end();
}
END_TEST

START_TEST(what_has_changed_is_told_at_the_end_of_a_turn)
{
    begin();
    ck_assert(keel_sockets_opened(&sockets, 7));
    ck_assert(keel_sockets_opened(&sockets, 200));
    keel_sockets_want(&sockets, 7, KEEL_SOCKET_OUT);
    keel_sockets_want(&sockets, 200, KEEL_SOCKET_IN);
    ck_assert_str_eq(told, "");
    keel_sockets_tell(&sockets);
    keel_sockets_want(&sockets, 7, KEEL_SOCKET_IN | KEEL_SOCKET_OUT);
    keel_sockets_tell(&sockets);
    keel_sockets_tell(&sockets);
    ck_assert_str_eq(told, "200r 7w 7rw ");
    end();
}
END_TEST

START_TEST(a_socket_that_is_closed_is_let_go_before)
{
    begin();
    ck_assert(keel_sockets_opened(&sockets, 7));
    keel_sockets_want(&sockets, 7, KEEL_SOCKET_IN);
    keel_sockets_tell(&sockets);
    keel_sockets_want(&sockets, 7, 0);
    keel_sockets_closing(&sockets, 7);
    ck_assert_str_eq(told, "7r 7- ");
    ck_assert(keel_sockets_opened(&sockets, 7)); /* another of the same number */
    keel_sockets_want(&sockets, 7, KEEL_SOCKET_OUT);
    keel_sockets_tell(&sockets);
    ck_assert_str_eq(told, "7r 7- 7w ");
    end();
}
END_TEST

/* libcurl closes those of its own without a word. */
START_TEST(of_a_socket_that_was_not_opened_here_all_is_told_at_once)
{
    begin();
    keel_sockets_want(&sockets, 9, KEEL_SOCKET_IN);
    keel_sockets_want(&sockets, 9, 0);
    ck_assert_str_eq(told, "9r 9- ");
    end();
}
END_TEST

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* The program may have closed any of them, and opened something else in its place. */
START_TEST(a_child_closes_what_is_still_there)
{
    int kept[2], moved[2], pipes[2];

    begin();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, kept), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, moved), 0);
    ck_assert_int_eq(pipe(pipes), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert(keel_sockets_opened(&sockets, kept[i]));
        ck_assert(keel_sockets_opened(&sockets, moved[i]));
    }
    keel_sockets_closing(&sockets, kept[1]); /* is the program's from here on */
    ck_assert_int_ge(dup2(kept[1], moved[0]), 0);
    ck_assert_int_ge(dup2(pipes[0], moved[1]), 0);
    keel_sockets_abandon(&sockets);
    ck_assert(!is_open(kept[0]));
    ck_assert(is_open(kept[1]));
    ck_assert(is_open(moved[0]));
    ck_assert(is_open(moved[1]));
    ck_assert_str_eq(told, "");
    close(kept[1]);
    for (int i = 0; i < 2; i++) {
        close(moved[i]);
        close(pipes[i]);
    }
    end();
}
END_TEST

SUITE("sockets", 10, ONE(what_is_let_go_and_wanted_again_in_a_turn_is_not_told),
      ONE(what_has_changed_is_told_at_the_end_of_a_turn),
      ONE(a_socket_that_is_closed_is_let_go_before),
      ONE(of_a_socket_that_was_not_opened_here_all_is_told_at_once),
      ONE(a_child_closes_what_is_still_there))
