/* SPDX-License-Identifier: MIT */
/* The way to Redis, in a forked child and with a password from odd places. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "share/link.h"
#include "support/child.h"
#include "support/redis.h"
#include "support/suite.h"

enum { BLOCK_SIZE = 64 * 1024, FDS = 64 };

static test_redis redis;
static keel_link link_of_test;
static keel_detail why;
static bool forks;
static unsigned forked;

static void drop_in_child(void)
{
    keel_link_drop(&link_of_test);
}

/* Memory that kills who reads it once it is free. */
static void *allocate(size_t size, void *ctx)
{
    void *memory;

    (void)ctx;
    if (size > BLOCK_SIZE)
        return NULL;
    memory = mmap(NULL, BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                  -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Another thread may fork at any time: now, too. */
static void release(void *memory, void *ctx)
{
    (void)ctx;
    munmap(memory, BLOCK_SIZE);
    if (!forks)
        return;
    forked++;
    child_await(child_fork(drop_in_child));
}

static const keel_allocator guarded = { allocate, release, NULL };

static void start(void)
{
    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    ck_assert(test_redis_start(&redis, ""));
}

static void stop(void)
{
    forks = false;
    keel_link_cleanup(&link_of_test);
    test_redis_cleanup(&redis);
    keel_process_detach();
}

static void begin(const char *password_file)
{
    static char url[64];
    const keel_link_options options = { .memory = &guarded,
                                        .url = url,
                                        .password_file = password_file,
                                        .tag = "default",
                                        .timeout_ns = KEEL_S,
                                        .interrupt_fd = -1 };

    snprintf(url, sizeof url, "redis://127.0.0.1:%u", redis.port);
    ck_assert_int_eq(keel_link_init(&link_of_test, &options, &why), KEEL_OK);
}

static void connect_link(void)
{
    begin(NULL);
    ck_assert_msg(keel_link_connect(&link_of_test, &why) == KEEL_OK, "%s", why.text);
}

START_TEST(a_child_forked_while_a_connection_is_freed_reads_nothing_of_it)
{
    connect_link();
    forks = true;
    keel_link_leave(&link_of_test);
    ck_assert_uint_ge(forked, 2);
}
END_TEST

/* argv: three of them */
static void fill(keel_command *command, const char *const argv[])
{
    for (command->count = 0; command->count < 3; command->count++) {
        command->argv[command->count] = argv[command->count];
        command->lengths[command->count] = strlen(argv[command->count]);
    }
}

START_TEST(what_a_server_says_drives_no_terminal)
{
    static const char *const hostile[] = {
        "EVAL", "return redis.error_reply('ERR \\027[2J' .. string.rep('x', 4000))", "0"
    };
    static char bytes[64];
    keel_command command;
    redisReply *reply;

    connect_link();
    keel_command_init(&command, bytes, sizeof bytes);
    fill(&command, hostile);
    ck_assert_int_eq(keel_link_ask(&link_of_test, &command, &reply, &why), KEEL_FAILED);
    ck_assert_ptr_nonnull(strstr(why.text, "Redis refuses: \"ERR \\x1b[2Jxxx"));
    ck_assert_uint_lt(strlen(why.text), 100);
}
END_TEST

static unsigned count_fds(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < FDS; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static unsigned fds_before;

static void drop_and_count(void)
{
    CHILD(count_fds() == fds_before + 3);
    keel_link_drop(&link_of_test);
    CHILD(count_fds() == fds_before);
}

START_TEST(a_child_keeps_no_descriptor_of_its_parents)
{
    fds_before = count_fds();
    connect_link();
    child_await(child_fork(drop_and_count));
}
END_TEST

/* A daemon: nothing it inherited is open any more, and every number means a file of its. */
static void drop_after_closing_all(void)
{
    for (int fd = 3; fd < FDS; fd++)
        close(fd);
    for (int fd = 3; fd < FDS; fd++)
        CHILD(open("/dev/null", O_RDONLY | O_CLOEXEC) == fd);
    keel_link_drop(&link_of_test);
    CHILD(count_fds() == FDS);
}

START_TEST(a_child_closes_no_file_of_the_applications)
{
    connect_link();
    child_await(child_fork(drop_after_closing_all));
}
END_TEST

typedef struct password_case {
    const char *name;
    mode_t type;
    const char *says;
} password_case;

#define NO_FILE "KEEL_REDIS_PASSWORD_FILE: what it names is no regular file"

static const password_case password_cases[] = {
    { "nothing is there", 0,
      "KEEL_REDIS_PASSWORD_FILE: the file it names cannot be read: No such file" },
    { "a FIFO that nobody writes to", S_IFIFO, NO_FILE },
    { "a directory", S_IFDIR, NO_FILE },
    { "a device", S_IFCHR, NO_FILE },
};

static void make(const char *path, mode_t type)
{
    if (type == S_IFIFO)
        ck_assert_int_eq(mkfifo(path, 0600), 0);
    else if (type == S_IFDIR)
        ck_assert_int_eq(mkdir(path, 0700), 0);
    else if (type == S_IFCHR)
        ck_assert_int_eq(symlink("/dev/zero", path), 0);
}

START_TEST(a_password_is_not_waited_for_where_there_is_no_file)
{
    char dir[] = "/tmp/t_link.XXXXXX", path[64];

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/password", dir);
    make(path, password_cases[_i].type);
    begin(path);
    ck_assert_int_eq(keel_link_connect(&link_of_test, &why), KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, password_cases[_i].says));
    ck_assert_ptr_null(strstr(why.text, path)); /* might be the password itself */
    remove(path);
    rmdir(dir);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(a_child_forked_while_a_connection_is_freed_reads_nothing_of_it),
        ONE(a_child_keeps_no_descriptor_of_its_parents),
        ONE(a_child_closes_no_file_of_the_applications),
        ONE(what_a_server_says_drives_no_terminal),
        ROWS(a_password_is_not_waited_for_where_there_is_no_file, password_cases),
    };

    if (!test_redis_is_installed())
        return 77;
    return suite_run_in("link", 30, start, stop, tests, sizeof tests / sizeof tests[0]);
}
