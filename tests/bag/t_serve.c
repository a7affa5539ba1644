/* SPDX-License-Identifier: MIT */
/*
 * keel serve as a process: many clients at once, its limits, its sockets, and how it ends.
 * Run from the build directory.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/loopback.h"
#include "support/pause.h"
#include "support/spawned.h"
#include "support/suite.h"

enum { ARGUMENTS_MOST = 16, TRIES = 4000, LIMIT_S = 20 };

static spawned server;
static uint16_t port;
static const char *spec;

static void setup(void)
{
    spec = "memory://?allow_flush=on";
    ck_assert(spawned_init(&server, "serve"));
}

static void teardown(void)
{
    spawned_cleanup(&server);
}

/* ---- the server ---------------------------------------------------------------------- */

static void pause_shortly(void)
{
    pause_ns(5 * KEEL_MS);
}

/* Whether its output has that line; the port of the last one is kept. */
static bool has_said(const char *words)
{
    char path[SPAWNED_PATH_SIZE], line[512];
    bool found = false;
    FILE *file;

    spawned_path(&server, "output", path);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strrchr(line, ':');

        found = found || strstr(line, words);
        if (colon && strstr(line, "listening on 127.0.0.1:"))
            port = (uint16_t)strtoul(colon + 1, NULL, 10);
    }
    if (file)
        fclose(file);
    return found;
}

/* Options are words without blanks. */
static void run_server(const char *options)
{
    char words[1024], *at = words, *word;
    const char *argv[ARGUMENTS_MOST + 3] = { "./keel", "serve", spec };
    size_t count = 3;

    snprintf(words, sizeof words, "%s", options);
    while ((word = strsep(&at, " ")) && count < ARGUMENTS_MOST)
        if (*word)
            argv[count++] = word;
    ck_assert(spawned_start(&server, SIGKILL, argv));
}

static void start(const char *options)
{
    char all[900], output[SPAWNED_PATH_SIZE];

    spawned_path(&server, "output", output);
    unlink(output); /* of the one before */
    snprintf(all, sizeof all, "--listen 127.0.0.1:0 %s", options);
    run_server(all);
    for (int i = 0; i < TRIES && !has_said("listening on 127.0.0.1:"); i++) {
        ck_assert_msg(!spawned_has_ended(&server), "it has ended");
        pause_shortly();
    }
    ck_assert_uint_ne(port, 0);
}

/* What waitpid says of its end. */
static int end_of_server(void)
{
    int status;

    ck_assert_int_eq(waitpid(server.pid, &status, 0), server.pid);
    server.pid = 0;
    return status;
}

static void expect_end(int code)
{
    int status = end_of_server();

    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %#x",
                  status);
}

/* ---- clients ------------------------------------------------------------------------- */

/* -1: nobody listens. */
static int try_connect(void)
{
    const struct sockaddr_in at = loopback_address(port);
    const struct timeval limit = { LIMIT_S, 0 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static int come(void)
{
    int fd = try_connect();

    ck_assert_int_ge(fd, 0);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t length = strlen(text);

    ck_assert_int_eq(send(fd, text, length, MSG_NOSIGNAL), (ssize_t)length);
}

/* Who was stopped and goes on is interrupted, as the socket's time has an end. */
static ssize_t receive(int fd, char *to, size_t size)
{
    ssize_t got;

    do
        got = recv(fd, to, size, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

static void expect(int fd, const char *answer)
{
    char got[256] = "";
    size_t length = strlen(answer), have = 0;

    while (have < length) {
        ssize_t more = receive(fd, got + have, length - have);

        ck_assert_msg(more > 0, "\"%s\" instead of \"%s\", %s", got, answer,
                      more ? strerror(errno) : "closed");
        have += (size_t)more;
    }
    ck_assert_str_eq(got, answer);
}

/* That many of them, and a zero. */
static void receive_lines(int fd, char *to, size_t size, size_t count)
{
    size_t have = 0;

    while (count > 0) {
        ssize_t more = receive(fd, to + have, size - 1 - have);

        ck_assert_msg(more > 0, "%zu lines less, %s", count,
                      more ? strerror(errno) : "closed");
        for (ssize_t i = 0; i < more; i++)
            count -= to[have++] == '\n';
    }
    to[have] = '\0';
}

static void expect_closed(int fd)
{
    char byte;
    ssize_t got = receive(fd, &byte, 1);

    ck_assert_msg(got == 0 || (got < 0 && errno == ECONNRESET), "it is open: %zd", got);
    close(fd);
}

static void await_refusal(void)
{
    for (int i = 0; i < TRIES; i++) {
        int fd = try_connect();

        if (fd < 0)
            return;
        close(fd);
        pause_shortly();
    }
    ck_abort_msg("it still listens");
}

/* ---- many at once -------------------------------------------------------------------- */

enum { CLIENTS = 50, TIMES = 400 };

/* Each client's numbers grow, and the last of all is the number of increments. */
START_TEST(fifty_clients_lose_no_increment)
{
    static char said[TIMES * 16], answers[TIMES * 16];
    int fds[CLIENTS];
    unsigned long highest = 0;

    for (int i = 0; i < TIMES; i++)
        strcat(said, "incr n 1\r\n");
    start("--threads 3");
    fds[0] = come();
    say(fds[0], "set n 0 0 1\r\n0\r\n");
    expect(fds[0], "STORED\r\n");
    for (int i = 1; i < CLIENTS; i++)
        fds[i] = come();
    for (int i = 0; i < CLIENTS; i++)
        say(fds[i], said);
    for (int i = 0; i < CLIENTS; i++) {
        unsigned long last = 0;
        char *at = answers;

        receive_lines(fds[i], answers, sizeof answers, TIMES);
        for (int j = 0; j < TIMES; j++) {
            unsigned long number = strtoul(at, &at, 10);

            ck_assert_uint_gt(number, last);
            last = number;
        }
        highest = last > highest ? last : highest;
        close(fds[i]);
    }
    ck_assert_uint_eq(highest, CLIENTS * TIMES);
}
END_TEST

/* Said and heard at the same time, so that neither side's sockets fill up. */
START_TEST(a_long_pipeline_is_answered_in_order)
{
    enum { REQUESTS = 20000 };
    size_t size = REQUESTS * 64, length = 0, sent = 0, have = 0, line = 0;
    char *said = malloc(size), *got = calloc(1, size);
    int fd;

    ck_assert(said && got);
    for (int i = 0; i < REQUESTS; i++)
        length += (size_t)sprintf(said + length,
                                  "ms k 5 Oa%d\r\n%05d\r\nmg k v Ob%d\r\n", i, i, i);
    start("");
    fd = come();
    while (line < (size_t)REQUESTS) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        char expected[64];

        if (sent < length)
            wait.events |= POLLOUT;
        ck_assert_int_gt(poll(&wait, 1, LIMIT_S * 1000), 0);
        if (wait.revents & POLLOUT) {
            ssize_t more =
                send(fd, said + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

            sent += more > 0 ? (size_t)more : 0;
        }
        if (wait.revents & POLLIN) {
            ssize_t more = recv(fd, got + have, size - have, MSG_DONTWAIT);

            ck_assert_int_gt(more, 0);
            have += (size_t)more;
        }
        for (;; line++) {
            int long_as = sprintf(expected, "HD Oa%zu\r\nVA 5 Ob%zu\r\n%05zu\r\n", line,
                                  line, line);

            if (line == REQUESTS || have < (size_t)long_as)
                break;
            ck_assert_int_eq(strncmp(got, expected, (size_t)long_as), 0);
            have -= (size_t)long_as;
            memmove(got, got + long_as, have);
        }
    }
    close(fd);
    free(said);
    free(got);
}
END_TEST

/* Bytes of memory that a process has in use. */
static size_t memory_of(pid_t pid)
{
    char path[64];
    unsigned long pages = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*u %lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

START_TEST(who_does_not_read_costs_no_memory_and_holds_up_nobody)
{
    enum { VALUE = 1000000 };
    char *set = malloc(VALUE + 64);
    int greedy, other, length = sprintf(set, "set a 0 0 %d\r\n", VALUE);
    size_t before;

    memset(set + length, 'x', VALUE);
    strcpy(set + length + VALUE, "\r\n");
    start("--threads 1");
    greedy = come();
    say(greedy, set);
    expect(greedy, "STORED\r\n");
    before = memory_of(server.pid);
    for (int i = 0; i < 2000; i++)
        say(greedy, "get a a a a a\r\n");
    other = come();
    say(other, "version\r\n");
    expect(other, "VERSION ");
    ck_assert_uint_lt(memory_of(server.pid), before + 16 * VALUE);
    free(set);
}
END_TEST

/* A reset while much is being sent: that is that client's affair. */
START_TEST(clients_that_go_away_amid_an_answer_do_no_harm)
{
    const struct linger at_once = { 1, 0 };
    int fd;

    start("");
    fd = come();
    say(fd, "set a 0 0 5\r\nhello\r\n");
    expect(fd, "STORED\r\n");
    for (int i = 0; i < 200; i++) {
        int goes = come();

        for (int j = 0; j < 50; j++)
            say(goes, "get a a a a a a a a a a a a a a a a\r\n");
        setsockopt(goes, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(goes);
    }
    say(fd, "get a\r\n");
    expect(fd, "VALUE a 0 5\r\nhello\r\nEND\r\n");
    ck_assert_int_eq(kill(server.pid, SIGTERM), 0);
    expect_end(0);
}
END_TEST

START_TEST(who_has_said_all_hears_all)
{
    int fd;

    start("");
    fd = come();
    say(fd, "set a 0 0 1\r\nx\r\nget a\r\nget a");
    shutdown(fd, SHUT_WR);
    expect(fd, "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    expect_closed(fd);
}
END_TEST

/* ---- limits -------------------------------------------------------------------------- */

START_TEST(there_are_only_so_many_places)
{
    int first, second, third;

    start("--connections 2");
    first = come();
    second = come();
    say(first, "mn\r\n");
    expect(first, "MN\r\n");
    say(second, "mn\r\n");
    expect(second, "MN\r\n");
    third = come();
    expect(third, "ERROR Too many open connections\r\n");
    expect_closed(third);
    say(first, "quit\r\n");
    expect_closed(first);
    third = come();
    say(third, "mn\r\n");
    expect(third, "MN\r\n");
}
END_TEST

START_TEST(who_is_silent_for_too_long_is_closed)
{
    int silent, half;

    start("--idle 200ms");
    silent = come();
    half = come();
    say(half, "set a 0 0 5\r\nhel");
    expect_closed(silent);
    expect_closed(half);
}
END_TEST

START_TEST(who_speaks_in_time_stays)
{
    int fd;

    start("--idle 2s");
    fd = come();
    for (int i = 0; i < 20; i++) {
        say(fd, "mn\r\n");
        expect(fd, "MN\r\n");
        pause_shortly();
    }
}
END_TEST

START_TEST(lines_and_values_have_their_limits)
{
    char said[3000];
    int fd;

    start("--max-line 1KiB --max-value 10B");
    fd = come();
    say(fd, "set a 0 0 11\r\n12345678901\r\nset a 0 0 10\r\n1234567890\r\n");
    expect(fd, "SERVER_ERROR object too large for cache\r\nSTORED\r\n");
    memset(said, 'x', sizeof said);
    said[sizeof said - 1] = '\0';
    say(fd, said);
    expect(fd, "CLIENT_ERROR line too long\r\n");
    expect_closed(fd);
}
END_TEST

/* ---- its end ------------------------------------------------------------------------- */

static const int stop_signals[] = { SIGTERM, SIGINT };

START_TEST(a_stop_lets_half_a_request_come_to_its_end)
{
    int amid, at_rest;

    start("--grace 20s");
    amid = come();
    at_rest = come();
    say(amid, "mn\r\nset a 0 0 5\r\nhel");
    expect(amid, "MN\r\n");
    ck_assert_int_eq(kill(server.pid, stop_signals[_i]), 0);
    await_refusal();
    expect_closed(at_rest);
    say(amid, "lo\r\n");
    expect(amid, "STORED\r\n");
    expect_closed(amid);
    expect_end(0);
}
END_TEST

START_TEST(grace_has_its_end)
{
    int amid;

    start("--grace 100ms");
    amid = come();
    say(amid, "mn\r\nset a 0 0 5\r\nhel");
    expect(amid, "MN\r\n");
    ck_assert_int_eq(kill(server.pid, SIGTERM), 0);
    expect_closed(amid);
    expect_end(0);
}
END_TEST

START_TEST(a_second_signal_ends_it_at_once)
{
    int amid;

    start("--grace 20s");
    amid = come();
    say(amid, "mn\r\nset a 0 0 5\r\nhel");
    expect(amid, "MN\r\n");
    ck_assert_int_eq(kill(server.pid, SIGTERM), 0);
    await_refusal();
    ck_assert_int_eq(kill(server.pid, stop_signals[_i]), 0);
    expect_end(128 + stop_signals[_i]);
    expect_closed(amid);
}
END_TEST

static void await_words(const char *words)
{
    for (int i = 0; i < TRIES && !has_said(words); i++)
        pause_shortly();
    ck_assert_msg(has_said(words), "it does not say \"%s\"", words);
}

START_TEST(an_operator_turns_writes_off_and_on)
{
    int client;

    spec = "readonly{on=off}(memory://)";
    start("");
    client = come();
    say(client, "set a 0 0 1\r\n1\r\n");
    expect(client, "STORED\r\n");
    ck_assert_int_eq(kill(server.pid, SIGUSR1), 0);
    await_words("readonly=on");
    say(client, "set a 0 0 1\r\n2\r\n");
    expect(client, "SERVER_ERROR readonly: only reading is allowed now\r\n");
    say(client, "get a\r\n");
    expect(client, "VALUE a 0 1\r\n1\r\nEND\r\n");
    ck_assert_int_eq(kill(server.pid, SIGUSR2), 0);
    await_words("readonly=off");
    say(client, "set a 0 0 1\r\n2\r\n");
    expect(client, "STORED\r\n");
    close(client);
    ck_assert_int_eq(kill(server.pid, SIGTERM), 0);
    expect_end(0);
}
END_TEST

START_TEST(a_bag_without_that_switch_is_served_on)
{
    int client;

    start("");
    ck_assert_int_eq(kill(server.pid, SIGUSR1), 0);
    await_words("no part knows the command \"readonly on\"");
    client = come();
    say(client, "set a 0 0 1\r\n1\r\n");
    expect(client, "STORED\r\n");
    close(client);
    ck_assert_int_eq(kill(server.pid, SIGTERM), 0);
    expect_end(0);
}
END_TEST

START_TEST(the_switch_is_no_second_signal_of_a_stop)
{
    int amid;

    spec = "readonly{on=off}(memory://)";
    start("--grace 20s");
    amid = come();
    say(amid, "mn\r\nset a 0 0 5\r\nhel");
    expect(amid, "MN\r\n");
    ck_assert_int_eq(kill(server.pid, SIGTERM), 0);
    await_refusal();
    ck_assert_int_eq(kill(server.pid, SIGUSR2), 0);
    await_words("readonly=off");
    say(amid, "lo\r\n");
    expect(amid, "STORED\r\n");
    close(amid);
    expect_end(0);
}
END_TEST

/* ---- unix sockets -------------------------------------------------------------------- */

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t length = strlen(path);

    ck_assert_uint_lt(length, sizeof at.sun_path);
    memcpy(at.sun_path, path, length);
    return at;
}

static int come_by(const char *path)
{
    const struct sockaddr_un at = address_of(path);
    const struct timeval limit = { LIMIT_S, 0 };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void start_at(const char *path)
{
    char options[SPAWNED_PATH_SIZE + 64];

    snprintf(options, sizeof options, "--listen unix:%s --socket-mode 0660", path);
    start(options);
}

START_TEST(a_unix_socket_has_its_mode_and_goes_with_the_server)
{
    char path[SPAWNED_PATH_SIZE];
    struct stat file;
    int fd;

    spawned_path(&server, "socket", path);
    start_at(path);
    ck_assert_int_eq(stat(path, &file), 0);
    ck_assert_int_eq(file.st_mode & 0777, 0660);
    fd = come_by(path);
    say(fd, "mn\r\n");
    expect(fd, "MN\r\n");
    ck_assert_int_eq(kill(server.pid, SIGTERM), 0);
    expect_end(0);
    ck_assert_int_ne(stat(path, &file), 0);
}
END_TEST

START_TEST(what_a_killed_server_has_left_behind_is_taken_over)
{
    char path[SPAWNED_PATH_SIZE];
    int fd;

    spawned_path(&server, "socket", path);
    start_at(path);
    spawned_stop(&server);
    ck_assert_int_eq(access(path, F_OK), 0);
    start_at(path);
    fd = come_by(path);
    say(fd, "mn\r\n");
    expect(fd, "MN\r\n");
}
END_TEST

START_TEST(a_socket_that_somebody_listens_to_is_not_taken)
{
    char path[SPAWNED_PATH_SIZE], options[SPAWNED_PATH_SIZE + 32];
    pid_t first;
    int fd;

    spawned_path(&server, "socket", path);
    start_at(path);
    first = server.pid;
    snprintf(options, sizeof options, "--listen unix:%s", path);
    run_server(options);
    expect_end(69);
    server.pid = first;
    fd = come_by(path);
    say(fd, "mn\r\n");
    expect(fd, "MN\r\n");
}
END_TEST

/* ---- the service manager ------------------------------------------------------------- */

static void expect_state(int fd, const char *state)
{
    char got[64] = "";

    ck_assert_int_gt(receive(fd, got, sizeof got - 1), 0);
    ck_assert_str_eq(got, state);
}

START_TEST(a_service_manager_is_told)
{
    const struct timeval limit = { LIMIT_S, 0 };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char path[SPAWNED_PATH_SIZE];
    struct sockaddr_un at;

    spawned_path(&server, "notify", path);
    at = address_of(path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    start("");
    expect_state(fd, "READY=1");
    ck_assert_int_eq(kill(server.pid, SIGTERM), 0);
    expect_state(fd, "STOPPING=1");
    expect_end(0);
}
END_TEST

SUITE_IN("keel serve", 60, setup, teardown, ONE(fifty_clients_lose_no_increment),
         ONE(a_long_pipeline_is_answered_in_order),
         ONE(who_does_not_read_costs_no_memory_and_holds_up_nobody),
         ONE(clients_that_go_away_amid_an_answer_do_no_harm),
         ONE(who_has_said_all_hears_all), ONE(there_are_only_so_many_places),
         ONE(who_is_silent_for_too_long_is_closed), ONE(who_speaks_in_time_stays),
         ONE(lines_and_values_have_their_limits),
         ROWS(a_stop_lets_half_a_request_come_to_its_end, stop_signals),
         ONE(grace_has_its_end), ROWS(a_second_signal_ends_it_at_once, stop_signals),
         ONE(an_operator_turns_writes_off_and_on),
         ONE(a_bag_without_that_switch_is_served_on),
         ONE(the_switch_is_no_second_signal_of_a_stop),
         ONE(a_unix_socket_has_its_mode_and_goes_with_the_server),
         ONE(what_a_killed_server_has_left_behind_is_taken_over),
         ONE(a_socket_that_somebody_listens_to_is_not_taken),
         ONE(a_service_manager_is_told))
