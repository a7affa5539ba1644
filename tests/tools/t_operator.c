/* SPDX-License-Identifier: MIT */
/* The keel command beside processes that run: what it does reaches them, what it prints
 * is JSON, and what it runs leaves nothing behind. Run from the build directory. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "board/board.h"
#include "call/pipeline.h"
#include "support/board_file.h"
#include "support/child.h"
#include "support/comes.h"
#include "support/opened.h"
#include "support/suite.h"

enum { ARGUMENTS_MOST = 16, RUNS = 300 };

#define BREAKER "none; breaker.min_calls=8; breaker.open=1h"

static board_file file;

static void setup(void)
{
    board_file_init(&file);
    ck_assert_int_eq(setenv("KEEL_BOARD", file.path, 1), 0);
}

static void teardown(void)
{
    board_file_cleanup(&file);
}

/* ---- the command ------------------------------------------------------------------- */

/* "keel a b" with its output in a file; arguments are words without blanks. */
static pid_t keel_start(const char *line, const char *output)
{
    char words[512], *arguments[ARGUMENTS_MOST] = { NULL }, *at = words, *word;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t heeded;
    size_t count = 0;
    pid_t pid;

    snprintf(words, sizeof words, "./%s", line);
    while ((word = strsep(&at, " ")) && count < ARGUMENTS_MOST - 1)
        arguments[count++] = word;
    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output,
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    /* what started the tests may ignore it, as nohup does */
    ck_assert_int_eq(posix_spawnattr_init(&attributes), 0);
    sigemptyset(&heeded);
    sigaddset(&heeded, SIGHUP);
    posix_spawnattr_setsigdefault(&attributes, &heeded);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    ck_assert_int_eq(
        posix_spawn(&pid, "./keel", &actions, &attributes, arguments, environ), 0);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static int keel_await(pid_t pid)
{
    int status = 0;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int keel(const char *line)
{
    return keel_await(keel_start(line, "/dev/null"));
}

/* Its output as one JSON text; a line that is none fails the test. */
static json_t *keel_json(const char *line, size_t number)
{
    char path[128], text[65536];
    json_error_t error;
    json_t *json = NULL;
    FILE *output;

    snprintf(path, sizeof path, "%s/output", file.directory);
    ck_assert_int_eq(keel_await(keel_start(line, path)), 0);
    output = fopen(path, "re");
    ck_assert_ptr_nonnull(output);
    if (number == 0) {
        json = json_loadf(output, JSON_REJECT_DUPLICATES, &error);
    } else {
        for (size_t i = 0; i < number; i++)
            ck_assert_ptr_nonnull(fgets(text, sizeof text, output));
        json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    }
    ck_assert_msg(json != NULL, "%s: %s", line, error.text);
    fclose(output);
    unlink(path);
    return json;
}

/* ---- a service that runs ----------------------------------------------------------- */

typedef struct service {
    pid_t pid;
    int ask;
    int answer;
} service;

/* Makes a call whenever it is asked for one, and says what came of it. */
static void serve(int ask, int answer)
{
    unsigned char byte;
    opened o;

    opened_init(&o, OPENED_REAL, file.environment, BREAKER);
    byte = 0;
    CHILD(write(answer, &byte, 1) == 1);
    while (read(ask, &byte, 1) == 1) {
        byte = (unsigned char)opened_call(&o, NULL, (keel_status)byte, NULL);
        CHILD(write(answer, &byte, 1) == 1);
    }
    opened_cleanup(&o);
    _exit(0);
}

static void service_start(service *s)
{
    int ask[2], answer[2];
    char byte;

    ck_assert_int_eq(pipe2(ask, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(answer, O_CLOEXEC), 0);
    s->pid = fork();
    if (s->pid == 0) {
        close(ask[1]);
        serve(ask[0], answer[1]);
    }
    close(ask[0]);
    close(answer[1]);
    s->ask = ask[1];
    s->answer = answer[0];
    ck_assert_int_eq(read(s->answer, &byte, 1), 1);
}

static keel_status service_call(service *s, keel_status outcome)
{
    unsigned char byte = (unsigned char)outcome;

    ck_assert_int_eq(write(s->ask, &byte, 1), 1);
    ck_assert_int_eq(read(s->answer, &byte, 1), 1);
    return (keel_status)byte;
}

static void service_stop(service *s)
{
    close(s->ask);
    child_await(s->pid);
    close(s->answer);
}

START_TEST(a_lock_reaches_every_process_that_runs_before_its_next_call)
{
    service services[3];

    for (int i = 0; i < 3; i++)
        service_start(&services[i]);
    for (int round = 0; round < 20; round++) {
        ck_assert_int_eq(keel("keel lock payments open"), 0);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(service_call(&services[i], KEEL_OK),
                             KEEL_REJECTED_FORCED_OPEN);
        ck_assert_int_eq(keel("keel unlock payments"), 0);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(service_call(&services[i], KEEL_OK), KEEL_OK);
    }
    for (int i = 2; i >= 0; i--) /* a younger one has the elder's pipes open */
        service_stop(&services[i]);
}
END_TEST

START_TEST(a_lock_survives_the_restart_of_all_processes)
{
    service first, second;

    service_start(&first);
    ck_assert_int_eq(keel("keel lock payments open"), 0);
    kill(first.pid, SIGKILL);
    ck_assert_int_eq(keel_await(first.pid), 128 + SIGKILL);
    close(first.ask);
    close(first.answer);
    service_start(&second);
    ck_assert_int_eq(service_call(&second, KEEL_OK), KEEL_REJECTED_FORCED_OPEN);
    ck_assert_int_eq(keel("keel unlock payments"), 0);
    ck_assert_int_eq(service_call(&second, KEEL_OK), KEEL_OK);
    service_stop(&second);
}
END_TEST

/* ---- JSON -------------------------------------------------------------------------- */

static json_t *first_of(json_t *status, const char *name)
{
    json_t *first = json_array_get(json_object_get(status, name), 0);

    ck_assert_ptr_nonnull(first);
    return first;
}

static void expect_text(const json_t *object, const char *name, const char *value)
{
    ck_assert_str_eq(json_string_value(json_object_get(object, name)), value);
}

static void expect_number(const json_t *object, const char *name, json_int_t value)
{
    ck_assert_int_eq(json_integer_value(json_object_get(object, name)), value);
}

START_TEST(status_as_json_says_what_is_known_and_null_where_nothing_is)
{
    json_t *status, *payments, *process;
    service s;

    service_start(&s);
    service_call(&s, KEEL_FAILED);
    service_call(&s, KEEL_OK);
    status = keel_json("keel status --json", 0);
    expect_number(status, "schema", 1);
    expect_text(status, "source", file.path);
    payments = first_of(status, "pipelines");
    expect_text(payments, "name", "payments");
    expect_text(payments, "state", "closed");
    expect_number(payments, "calls", 2);
    expect_number(payments, "failures", 1);
    expect_number(payments, "processes", 1);
    ck_assert(json_is_null(json_object_get(payments, "since_s")));
    ck_assert(json_is_null(json_object_get(payments, "lock")));
    process = first_of(status, "processes");
    expect_number(process, "pid", s.pid);
    ck_assert_int_le(llabs(json_integer_value(json_object_get(process, "since_s")) -
                           (long long)time(NULL)),
                     60);
    json_decref(status);
    service_stop(&s);
}
END_TEST

START_TEST(status_as_json_says_how_each_endpoint_is_doing)
{
    json_t *status, *endpoints;
    opened o;

    opened_init(&o, OPENED_REAL, file.environment, "none; endpoints=b:1, a:1");
    status = keel_json("keel status --json", 0);
    endpoints = json_object_get(first_of(status, "pipelines"), "endpoints");
    ck_assert_uint_eq(json_array_size(endpoints), 2);
    expect_text(json_array_get(endpoints, 0), "name", "a:1");
    expect_text(json_array_get(endpoints, 1), "name", "b:1");
    expect_text(json_array_get(endpoints, 1), "state", "closed");
    expect_number(json_array_get(endpoints, 1), "ejected_left_ns", 0);
    ck_assert(json_is_true(json_object_get(json_array_get(endpoints, 1), "healthy")));
    json_decref(status);
    opened_cleanup(&o);
}
END_TEST

START_TEST(the_last_minute_as_json_is_sixty_seconds_in_order)
{
    json_t *status, *seconds;
    json_int_t before = 0;
    size_t samples = 0;
    service s;

    service_start(&s);
    service_call(&s, KEEL_FAILED);
    status = keel_json("keel status --json --history payments", 0);
    seconds = json_object_get(status, "seconds");
    ck_assert_uint_eq(json_array_size(seconds), 60);
    for (size_t i = 0; i < 60; i++) {
        json_t *second = json_array_get(seconds, i);
        json_int_t at = json_integer_value(json_object_get(second, "at_s"));

        ck_assert(!before || at == before + 1);
        before = at;
        samples += json_is_true(json_object_get(second, "sample"));
    }
    ck_assert_uint_eq(samples, 1);
    json_decref(status);
    service_stop(&s);
}
END_TEST

START_TEST(texts_of_a_lock_are_json_whatever_is_in_them)
{
    json_t *status, *lock, *event;
    service s;

    service_start(&s);
    ck_assert_int_eq(keel("keel lock payments open --actor a\"\\\377\nb --reason "
                          "\303\251\033"),
                     0);
    status = keel_json("keel status --json", 0);
    lock = json_object_get(first_of(status, "pipelines"), "lock");
    expect_text(lock, "lock", "open");
    expect_text(lock, "actor", "a\"\\??b");
    expect_text(lock, "reason", "\303\251?");
    ck_assert(json_is_null(json_object_get(lock, "left_ns")));
    json_decref(status);
    event = keel_json("keel events --json", 1);
    expect_number(event, "schema", 1);
    expect_text(event, "name", "payments");
    expect_text(event, "type", "locked");
    expect_text(event, "actor", "a\"\\??b");
    json_decref(event);
    service_stop(&s);
}
END_TEST

/* ---- following --------------------------------------------------------------------- */

/* Lines of a follower, as they come. */
static FILE *follow(pid_t *pid)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/fifo", file.directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC); /* so that the other end can be opened */
    ck_assert_int_ge(fd, 0);
    *pid = keel_start("keel events --follow", path);
    unlink(path);
    return fdopen(fd, "r");
}

static void expect_line(FILE *lines, const char *words)
{
    char line[512];

    ck_assert_ptr_nonnull(fgets(line, sizeof line, lines));
    ck_assert_msg(strstr(line, words) != NULL, "no \"%s\" in: %s", words, line);
}

START_TEST(who_follows_reads_what_happens_as_it_happens)
{
    FILE *lines;
    service s;
    pid_t pid;

    service_start(&s);
    ck_assert_int_eq(keel("keel lock payments observe --actor alice"), 0);
    lines = follow(&pid);
    expect_line(lines, "payments locked observe by alice");
    ck_assert_int_eq(keel("keel unlock payments --actor bob"), 0);
    expect_line(lines, "payments unlocked by bob");
    for (int i = 0; i < 8; i++)
        service_call(&s, KEEL_FAILED);
    expect_line(lines, "payments closed -> open (failure_rate), 8 of 8 failed");
    kill(pid, SIGINT);
    ck_assert_int_eq(keel_await(pid), 128 + SIGINT);
    fclose(lines);
    service_stop(&s);
}
END_TEST

START_TEST(who_follows_goes_on_with_the_board_that_takes_the_others_place)
{
    FILE *lines;
    service s;
    pid_t pid;

    service_start(&s);
    ck_assert_int_eq(keel("keel lock payments observe"), 0);
    lines = follow(&pid);
    expect_line(lines, "locked observe");
    service_stop(&s);
    unlink(file.path);
    service_start(&s);
    ck_assert_int_eq(keel("keel lock payments disabled"), 0);
    expect_line(lines, "locked disabled");
    kill(pid, SIGTERM);
    ck_assert_int_eq(keel_await(pid), 128 + SIGTERM);
    fclose(lines);
    service_stop(&s);
}
END_TEST

/* ---- keel exec --------------------------------------------------------------------- */

static uint32_t owner_count(void)
{
    keel_board *board;
    uint32_t count;

    ck_assert_int_eq(keel_board_map(&board, NULL, file.path, false, NULL), KEEL_OK);
    count = keel_board_owner_count(board);
    keel_board_close(board);
    return count;
}

/* One in three is killed; not the first, which makes the board. */
START_TEST(three_hundred_commands_leave_no_slot_no_place_and_no_process)
{
    json_t *status;

    for (int i = 0; i < RUNS; i++) {
        pid_t pid = keel_start("keel exec payments -- true", "/dev/null");

        if (i % 3 == 2)
            kill(pid, SIGKILL);
        keel_await(pid);
    }
    ck_assert_uint_le(owner_count(), 4);
    ck_assert_int_eq(keel("keel exec payments -- true"), 0);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    status = keel_json("keel status --json", 0);
    ck_assert_uint_eq(json_array_size(json_object_get(status, "processes")), 0);
    json_decref(status);
}
END_TEST

typedef struct told {
    int signal;
    int code; /* of keel exec, whose command does not catch it */
} told;

static const told tellings[] = { { SIGTERM, 143 }, { SIGINT, 130 }, { SIGHUP, 129 } };

/* The command writes its number, then waits. */
static pid_t read_pid(FILE *lines)
{
    char line[64];

    ck_assert_ptr_nonnull(fgets(line, sizeof line, lines));
    return (pid_t)strtol(line, NULL, 10);
}

static FILE *exec_into(const char *line, pid_t *pid)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/fifo", file.directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    *pid = keel_start(line, path);
    unlink(path);
    return fdopen(fd, "r");
}

static void write_script(char *path, size_t size, const char *text)
{
    FILE *script;

    snprintf(path, size, "%s/script", file.directory);
    script = fopen(path, "we");
    ck_assert_ptr_nonnull(script);
    fputs(text, script);
    fclose(script);
}

START_TEST(a_signal_is_handed_on_and_counts_against_nobody)
{
    char script[128], line[256];
    json_t *status;
    FILE *lines;
    pid_t pid;

    write_script(script, sizeof script, "echo $$\nexec sleep 60\n");
    snprintf(line, sizeof line,
             "keel exec payments --settings none;breaker.min_calls=9 -- sh %s", script);
    lines = exec_into(line, &pid);
    read_pid(lines);
    kill(pid, tellings[_i].signal);
    ck_assert_int_eq(keel_await(pid), tellings[_i].code);
    fclose(lines);
    unlink(script);
    status = keel_json("keel status --json payments", 0);
    expect_number(first_of(status, "pipelines"), "calls", 0);
    json_decref(status);
}
END_TEST

START_TEST(a_command_that_ends_well_on_a_signal_has_its_own_status)
{
    char script[128], line[256];
    FILE *lines;
    pid_t pid;

    write_script(script, sizeof script,
                 "trap 'exit 5' TERM\necho $$\nwhile :; do sleep 0.05; done\n");
    snprintf(line, sizeof line,
             "keel exec payments --idempotent --settings none;retry.attempts=3 -- "
             "sh %s",
             script);
    lines = exec_into(line, &pid);
    read_pid(lines);
    kill(pid, SIGTERM);
    ck_assert_int_eq(keel_await(pid), 5); /* and it is not tried again */
    fclose(lines);
    unlink(script);
}
END_TEST

/* Then it takes signals in its own time. */
static bool waits_for_signals(pid_t pid)
{
    char path[64];
    long call = -1;
    FILE *now;

    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    now = fopen(path, "re");
    ck_assert_ptr_nonnull(now);
    if (fscanf(now, "%ld", &call) != 1)
        call = -1; /* it runs */
    fclose(now);
    return call == SYS_rt_sigtimedwait;
}

START_TEST(who_waits_to_be_let_in_leaves_on_a_signal_without_having_called)
{
    service s;
    pid_t pid;
    int status = 0;

    service_start(&s);
    for (int i = 0; i < 8; i++)
        service_call(&s, KEEL_FAILED);
    /* it waits for the breaker's probes, an hour from now */
    pid = keel_start("keel exec --idempotent payments --settings "
                     "deadline=2h;timeout=1h;breaker.open=1h -- true",
                     "/dev/null");
    COMES(waits_for_signals(pid));
    kill(pid, SIGTERM);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status)); /* it is not killed by it */
    ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGTERM);
    service_stop(&s);
}
END_TEST

SUITE_IN("operator", 120, setup, teardown,
         ONE(a_lock_reaches_every_process_that_runs_before_its_next_call),
         ONE(a_lock_survives_the_restart_of_all_processes),
         ONE(status_as_json_says_what_is_known_and_null_where_nothing_is),
         ONE(status_as_json_says_how_each_endpoint_is_doing),
         ONE(the_last_minute_as_json_is_sixty_seconds_in_order),
         ONE(texts_of_a_lock_are_json_whatever_is_in_them),
         ONE(who_follows_reads_what_happens_as_it_happens),
         ONE(who_follows_goes_on_with_the_board_that_takes_the_others_place),
         ONE(three_hundred_commands_leave_no_slot_no_place_and_no_process),
         ROWS(a_signal_is_handed_on_and_counts_against_nobody, tellings),
         ONE(a_command_that_ends_well_on_a_signal_has_its_own_status),
         ONE(who_waits_to_be_let_in_leaves_on_a_signal_without_having_called))
