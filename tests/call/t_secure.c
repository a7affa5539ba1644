/* SPDX-License-Identifier: MIT */
/*
 * A program with more rights than whoever started it (set-user-ID, file capabilities)
 * takes no settings from that one's environment. The kernel says so by AT_SECURE; here
 * its answer is put in the kernel's mouth (the linker wraps getauxval), so that the test
 * needs no rights of its own. Nothing else of the process is made up.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "support/opened.h"
#include "support/suite.h"

unsigned long __real_getauxval(unsigned long type);
unsigned long __wrap_getauxval(unsigned long type);

static bool is_secure;

unsigned long __wrap_getauxval(unsigned long type)
{
    return type == AT_SECURE ? is_secure : __real_getauxval(type);
}

/* What reaches a pipeline of a runtime that was opened so. */
typedef struct found {
    uint64_t timeout_ns;
    bool refuses; /* by its own rate, which KEEL_DISABLED lifts */
    char warning[256];
} found;

static found open_and_look(const char *const *environment)
{
    const keel_options options = { .size = sizeof options, .environment = environment };
    found f = { .warning = "" };
    keel_permit first, second;
    keel_pipeline *pipeline;
    keel_runtime *rt;

    ck_assert_int_eq(keel_open(&rt, &options, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_open(&pipeline, rt, "payments",
                                        "none; timeout=800ms; rate=1/h; rate.burst=1",
                                        NULL),
                     KEEL_OK);
    f.timeout_ns = opened_timeout(pipeline);
    ck_assert_int_eq(keel_permit_take(pipeline, &first, NULL), KEEL_OK);
    f.refuses = keel_permit_take(pipeline, &second, NULL) == KEEL_REJECTED_RATE_LIMITED;
    keel_permit_end(&first, KEEL_OK);
    if (!f.refuses)
        keel_permit_end(&second, KEEL_OK);
    keel_runtime_warning(rt, 0, f.warning, sizeof f.warning);
    keel_pipeline_close(pipeline);
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    return f;
}

/* Whoever starts a program may say all this to it. */
static void setup(void)
{
    is_secure = false;
    setenv("KEEL_CONFIG_FILE", "/nonexistent", 1);
    setenv("KEEL_PAYMENTS", "timeout=300ms", 1);
}

static void teardown(void)
{
    unsetenv("KEEL_CONFIG_FILE");
    unsetenv("KEEL_PAYMENTS");
    unsetenv("KEEL_DISABLED");
    unsetenv("KEEL_LOG");
}

START_TEST(without_at_secure_the_environment_of_the_process_is_read)
{
    found f = open_and_look(NULL);

    ck_assert_uint_eq(f.timeout_ns, 300 * KEEL_MS);
    ck_assert(f.refuses);
    ck_assert_ptr_nonnull(strstr(f.warning, "/nonexistent"));
}
END_TEST

START_TEST(under_at_secure_no_setting_of_the_process_is_read)
{
    found f;

    is_secure = true;
    f = open_and_look(NULL);
    ck_assert_uint_eq(f.timeout_ns, 800 * KEEL_MS);
    ck_assert(f.refuses);
    ck_assert_str_eq(f.warning, "");
}
END_TEST

/* How much keel writes to standard error meanwhile; -1: nothing. */
static ssize_t words_of(found *f)
{
    int ends[2], saved = dup(STDERR_FILENO);
    char spoken[512];
    ssize_t length;

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    *f = open_and_look(NULL);
    dup2(saved, STDERR_FILENO);
    length = read(ends[0], spoken, sizeof spoken);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    return length;
}

START_TEST(under_at_secure_nobody_else_disables_keel_or_makes_it_talk)
{
    found f;

    setenv("KEEL_DISABLED", "on", 1);
    setenv("KEEL_LOG", "debug", 1);
    ck_assert_int_gt(words_of(&f), 0);
    ck_assert(!f.refuses);
    is_secure = true;
    ck_assert_int_eq(words_of(&f), -1);
    ck_assert(f.refuses);
}
END_TEST

START_TEST(under_at_secure_an_environment_that_the_program_gives_is_read)
{
    static const char *const given[] = { "KEEL_PAYMENTS=timeout=500ms", NULL };

    is_secure = true;
    ck_assert_uint_eq(open_and_look(given).timeout_ns, 500 * KEEL_MS);
}
END_TEST

SUITE_IN("secure", 10, setup, teardown,
         ONE(without_at_secure_the_environment_of_the_process_is_read),
         ONE(under_at_secure_no_setting_of_the_process_is_read),
         ONE(under_at_secure_nobody_else_disables_keel_or_makes_it_talk),
         ONE(under_at_secure_an_environment_that_the_program_gives_is_read))
