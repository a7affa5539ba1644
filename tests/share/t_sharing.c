/* SPDX-License-Identifier: MIT */
/*
 * What is named to share by and cannot be used: with KEEL_STRICT nothing opens, without it
 * the service runs alone. Nobody is connected to here; there is no server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call/runtime.h"
#include "net/redis_tls.h"
#include "support/allocator.h"
#include "support/board_file.h"
#include "support/suite.h"

#define REDIS "KEEL_REDIS=redis://127.0.0.1:1"

typedef struct wrong_case {
    const char *why;
    const char *variable;
    const char *says;
    bool is_warned_of; /* at once, where KEEL_STRICT is off; else at its first use */
} wrong_case;

/* "hunter" and what follows it is the secret everywhere. */
static const wrong_case wrong[] = {
    { "no scheme", "KEEL_REDIS=joe:hunter2@cache",
      "KEEL_REDIS: begins with none of redis://", true },
    { "a slash short", "KEEL_REDIS=redis:/:hunter2@cache",
      "KEEL_REDIS: begins with none of redis://", true },
    { "no host", "KEEL_REDIS=redis://:hunter2@", "KEEL_REDIS: host 1 is not a host",
      true },
    { "no host of three", "KEEL_REDIS=redis+cluster://a,,c",
      "KEEL_REDIS: host 2 is not a host", true },
    { "no port", "KEEL_REDIS=redis://cache:65536", "KEEL_REDIS: what follows host",
      true },
    { "no database", "KEEL_REDIS=redis://cache/users",
      "KEEL_REDIS: what stands for the database", true },
    { "no master", "KEEL_REDIS=redis+sentinel://a,b",
      "KEEL_REDIS: redis+sentinel:// needs the master's name", true },
    { "an unknown query", "KEEL_REDIS=unix:/run/redis.sock?password=hunter2",
      "KEEL_REDIS: after unix:PATH only ?db=N is known", true },
    { "no such folder", "KEEL_BOARD=/nowhere/board",
      "KEEL_BOARD: the board /nowhere/board cannot be made: No such file or directory",
      true },
    { "a folder", "KEEL_BOARD=/tmp",
      "KEEL_BOARD: the board /tmp cannot be opened: Is a directory", true },
    { "no such file", "KEEL_REDIS_PASSWORD_FILE=/nowhere/hunter2",
      "KEEL_REDIS_PASSWORD_FILE: the file it names cannot be read: No such file or "
      "directory",
      false },
    { "the password itself", "KEEL_REDIS_PASSWORD_FILE=hunter2",
      "KEEL_REDIS_PASSWORD_FILE: the file it names cannot be read: No such file or "
      "directory",
      false },
    { "no file", "KEEL_REDIS_PASSWORD_FILE=/tmp",
      "KEEL_REDIS_PASSWORD_FILE: what it names is no regular file", false },
};

static failing_allocator memory;
static keel_runtime *rt;
static keel_detail why;

static keel_status open_with(const char *const *environment)
{
    const keel_options options = { .size = sizeof options,
                                   .allocator = &memory.allocator,
                                   .environment = environment };

    why = (keel_detail)KEEL_DETAIL_INIT;
    failing_allocator_init(&memory, 0);
    return keel_open(&rt, &options, &why);
}

static void close_runtime(void)
{
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    ck_assert_int_eq(memory.live, 0);
}

START_TEST(strict_mode_opens_nothing_that_cannot_share_and_says_why)
{
    const wrong_case *row = &wrong[_i];
    const char *environment[] = { "KEEL_STRICT=on", row->variable, NULL };

    ck_assert_int_eq(open_with(environment), KEEL_E_CONFIG);
    ck_assert_ptr_null(rt);
    ck_assert_msg(strncmp(why.text, row->says, strlen(row->says)) == 0, "%s: %s",
                  row->why, why.text);
    ck_assert_msg(!strstr(why.text, "hunter"), "%s: %s", row->why, why.text);
    ck_assert_int_eq(memory.live, 0);
}
END_TEST

/* The number of warnings that begin with the words, behind whatever else there is. */
static unsigned warnings_of(const char *words)
{
    unsigned count = 0;
    char text[256];

    for (size_t i = 0; keel_runtime_warning(rt, i, text, sizeof text); i++) {
        ck_assert_msg(!strstr(text, "hunter"), "%s", text);
        count += strncmp(text, words, strlen(words)) == 0;
    }
    return count;
}

START_TEST(else_the_service_runs_alone_after_one_warning_in_the_same_words)
{
    const wrong_case *row = &wrong[_i];
    const char *environment[] = { row->variable, NULL };

    ck_assert_msg(open_with(environment) == KEEL_OK, "%s: %s", row->why, why.text);
    ck_assert_ptr_null(rt->shared);
    ck_assert_ptr_null(atomic_load(&rt->relay));
    ck_assert_msg(warnings_of(row->says) == row->is_warned_of, "%s", row->why);
    close_runtime();
}
END_TEST

START_TEST(strict_mode_minds_nothing_where_keel_is_disabled)
{
    const char *environment[] = { "KEEL_STRICT=on", "KEEL_DISABLED=on",
                                  wrong[_i].variable, NULL };

    ck_assert_msg(open_with(environment) == KEEL_OK, "%s", why.text);
    close_runtime();
}
END_TEST

START_TEST(of_several_strict_mode_tells_the_first)
{
    const char *environment[] = { "KEEL_STRICT=on", "KEEL_REDIS=nonsense",
                                  "KEEL_BOARD=/nowhere/board", NULL };

    ck_assert_int_eq(open_with(environment), KEEL_E_CONFIG);
    ck_assert_msg(strncmp(why.text, "KEEL_BOARD: ", 12) == 0, "%s", why.text);
}
END_TEST

START_TEST(tls_that_is_not_built_in_is_refused_in_strict_mode)
{
    const char *environment[] = { "KEEL_STRICT=on", "KEEL_REDIS=rediss://127.0.0.1:1",
                                  NULL };
    keel_status status = open_with(environment);

    if (keel_redis_has_tls()) {
        ck_assert_int_eq(status, KEEL_OK);
        close_runtime();
        return;
    }
    ck_assert_int_eq(status, KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, "KEEL_REDIS: rediss:// needs"));
}
END_TEST

/* A server that is away is no mistake. */
START_TEST(strict_mode_opens_with_what_can_be_used)
{
    char password[] = "/tmp/keel-password-XXXXXX", variable[64];
    board_file file;
    int fd = mkstemp(password);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "sesame\n", 7), 7);
    close(fd);
    snprintf(variable, sizeof variable, "KEEL_REDIS_PASSWORD_FILE=%s", password);
    board_file_init(&file);
    ck_assert_msg(open_with((const char *const[]){ "KEEL_STRICT=on", file.variable,
                                                   REDIS, variable, NULL }) == KEEL_OK,
                  "%s", why.text);
    ck_assert_ptr_nonnull(rt->shared);
    ck_assert_ptr_nonnull(atomic_load(&rt->relay));
    close_runtime();
    board_file_cleanup(&file);
    unlink(password);
}
END_TEST

SUITE("sharing", 20,
      ROWS(strict_mode_opens_nothing_that_cannot_share_and_says_why, wrong),
      ROWS(else_the_service_runs_alone_after_one_warning_in_the_same_words, wrong),
      ROWS(strict_mode_minds_nothing_where_keel_is_disabled, wrong),
      ONE(of_several_strict_mode_tells_the_first),
      ONE(tls_that_is_not_built_in_is_refused_in_strict_mode),
      ONE(strict_mode_opens_with_what_can_be_used))
