/* SPDX-License-Identifier: MIT */
/*
 * The library as a plugin: loaded, used by threads, closed and unloaded while those
 * threads live on. Nothing of it may be called when they exit. This program is not
 * linked with keel and knows it only by name.
 */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <keel/keel.h>

#include "support/latch.h"
#include "support/suite.h"

enum { ROUNDS = 50, THREADS = 3 };

/* What a round uses of the library. */
typedef struct plugin {
    void *library;
    __typeof__(keel_open) *open;
    __typeof__(keel_close) *close;
    __typeof__(keel_pipeline_open) *pipeline_open;
    __typeof__(keel_pipeline_close) *pipeline_close;
    __typeof__(keel_call_begin) *call_begin;
    __typeof__(keel_call_next) *call_next;
    __typeof__(keel_call_report) *call_report;
    __typeof__(keel_call_end) *call_end;
    __typeof__(keel_run) *run;
    keel_runtime *rt;
    keel_pipeline *pipeline;
} plugin;

static plugin p;

/* A data pointer that holds a function's address, as POSIX has it. */
static void find(void *function, const char *name)
{
    *(void **)function = dlsym(p.library, name);
    ck_assert_msg(*(void **)function != NULL, "%s", name);
}

static void load(void)
{
    p.library = dlopen(".libs/libkeel.so", RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(p.library != NULL, "%s", dlerror());
    find(&p.open, "keel_open");
    find(&p.close, "keel_close");
    find(&p.pipeline_open, "keel_pipeline_open");
    find(&p.pipeline_close, "keel_pipeline_close");
    find(&p.call_begin, "keel_call_begin");
    find(&p.call_next, "keel_call_next");
    find(&p.call_report, "keel_call_report");
    find(&p.call_end, "keel_call_end");
    find(&p.run, "keel_run");
}

static keel_status succeed(const keel_attempt *attempt, keel_outcome *outcome,
                           void *ctx)
{
    (void)attempt;
    (void)outcome;
    (void)ctx;
    return KEEL_OK;
}

typedef struct user {
    latch used;
    latch may_exit;
} user;

static keel_status use_it(void)
{
    keel_run_options options = { .size = sizeof options, .detach = true };
    keel_call call;
    keel_status status;

    p.call_begin(&call, p.pipeline, NULL);
    while (p.call_next(&call))
        p.call_report(&call, KEEL_OK);
    status = p.call_end(&call, NULL);
    return status == KEEL_OK ? p.run(p.pipeline, succeed, NULL, &options, NULL)
                             : status;
}

/* Uses the library, and exits when it is long gone. */
static void *use_and_outlive(void *ctx)
{
    user *u = ctx;

    ck_assert_int_eq(use_it(), KEEL_OK);
    latch_hit(&u->used);
    latch_await(&u->may_exit, 1);
    return NULL;
}

START_TEST(a_library_that_was_unloaded_is_missed_by_no_thread)
{
    for (int round = 0; round < ROUNDS; round++) {
        user u = { LATCH_INIT, LATCH_INIT };
        pthread_t threads[THREADS];

        load();
        ck_assert_int_eq(p.open(&p.rt, NULL, NULL), KEEL_OK);
        ck_assert_int_eq(
            p.pipeline_open(&p.pipeline, p.rt, "payments", "timeout=30s", NULL),
            KEEL_OK);
        for (int i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, use_and_outlive, &u), 0);
        ck_assert_int_eq(use_it(), KEEL_OK);
        latch_await(&u.used, THREADS);
        p.pipeline_close(p.pipeline);
        ck_assert_int_eq(p.close(p.rt, 0), KEEL_OK);
        ck_assert_int_eq(dlclose(p.library), 0);
        ck_assert_ptr_null(dlopen(".libs/libkeel.so", RTLD_NOW | RTLD_NOLOAD));
        latch_hit(&u.may_exit);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
}
END_TEST

static unsigned free_keys(void)
{
    pthread_key_t keys[PTHREAD_KEYS_MAX];
    unsigned count = 0;

    while (count < PTHREAD_KEYS_MAX && !pthread_key_create(&keys[count], NULL))
        count++;
    for (unsigned i = 0; i < count; i++)
        pthread_key_delete(keys[i]);
    return count;
}

START_TEST(unloading_gives_the_threads_key_back)
{
    unsigned before;

    /* libraries that stay loaded take theirs once */
    load();
    ck_assert_int_eq(dlclose(p.library), 0);
    before = free_keys();
    for (int round = 0; round < 3; round++) {
        load();
        ck_assert_int_eq(p.open(&p.rt, NULL, NULL), KEEL_OK);
        ck_assert_int_eq(p.pipeline_open(&p.pipeline, p.rt, "payments", NULL, NULL),
                         KEEL_OK);
        ck_assert_int_eq(use_it(), KEEL_OK);
        ck_assert_uint_eq(free_keys(), before - 1);
        p.pipeline_close(p.pipeline);
        ck_assert_int_eq(p.close(p.rt, 0), KEEL_OK);
        ck_assert_int_eq(dlclose(p.library), 0);
        ck_assert_uint_eq(free_keys(), before);
    }
}
END_TEST

START_TEST(a_library_that_was_unloaded_is_missed_by_no_fork)
{
    int status = -1;
    pid_t pid;

    load();
    ck_assert_int_eq(p.open(&p.rt, NULL, NULL), KEEL_OK);
    ck_assert_int_eq(p.close(p.rt, 0), KEEL_OK);
    ck_assert_int_eq(dlclose(p.library), 0);
    ck_assert_ptr_null(dlopen(".libs/libkeel.so", RTLD_NOW | RTLD_NOLOAD));
    pid = fork();
    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

SUITE("dlopen", 120, ONE(a_library_that_was_unloaded_is_missed_by_no_thread),
      ONE(a_library_that_was_unloaded_is_missed_by_no_fork),
      ONE(unloading_gives_the_threads_key_back))
