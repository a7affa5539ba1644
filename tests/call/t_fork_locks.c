/* SPDX-License-Identifier: MIT */
/*
 * A fork at the worst instants: while a lock of keel's is held, or is being made. It is
 * linked with --wrap, so that the process forks right there; the child stands for one
 * that was forked by another thread, and dies of SIGALRM if it waits for that lock.
 * Meanwhile nothing is asserted: check has locks too.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/thread.h"
#include "support/opened.h"
#include "support/suite.h"

enum { PATIENCE_S = 10 };

static opened o;
static void (*child_does)(void); /* NULL: not to be forked now */
static unsigned forks;

/* For TSan, which does not know that the child stands for another thread than the one
 * that holds the lock, and finds its locks in the wrong order. */
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}

static void fork_here(void)
{
    void (*does)(void) = child_does;
    int status = -1;
    pid_t pid;

    if (!does)
        return;
    pid = fork();
    if (pid == 0) {
        alarm(PATIENCE_S);
        child_does = NULL;
        keel_thread_mine = NULL; /* as a thread that calls keel for the first time */
        does();
        _exit(0);
    }
    forks++;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        _exit(1);
}

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int rc = __real_pthread_mutex_lock(mutex);

    fork_here();
    return rc;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    fork_here();
    return __real_pthread_mutex_init(mutex, attr);
}

static void call_once(keel_pipeline *pipeline)
{
    keel_permit permit;

    if (keel_permit_take(pipeline, &permit, NULL) != KEEL_OK)
        _exit(1);
    keel_permit_end(&permit, KEEL_OK);
}

static void open_and_call(void)
{
    static const char *const nothing[] = { NULL };
    keel_options options = { .size = sizeof options, .environment = nothing };
    keel_runtime *rt;
    keel_pipeline *pipeline;

    if (keel_open(&rt, &options, NULL) != KEEL_OK ||
        keel_pipeline_open(&pipeline, rt, "payments", NULL, NULL) != KEEL_OK)
        _exit(1);
    call_once(pipeline);
    keel_pipeline_close(pipeline);
    if (keel_close(rt, 0) != KEEL_OK)
        _exit(1);
}

START_TEST(a_child_opens_and_calls_whatever_lock_its_parent_held)
{
    child_does = open_and_call;
    open_and_call();
    child_does = NULL;
    ck_assert_uint_gt(forks, 0);
}
END_TEST

static void look(void)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    if (keel_pipeline_look(o.pipeline, &stats) != KEEL_OK)
        _exit(1);
}

static void use_the_inherited(void)
{
    call_once(o.pipeline);
    look();
    if (keel_pipeline_override(o.pipeline, "breaker.window=2m", KEEL_S, NULL) ||
        keel_reload(o.rt, NULL))
        _exit(1);
    call_once(o.pipeline);
}

START_TEST(a_child_uses_the_parents_runtime_whatever_lock_its_parent_held)
{
    keel_status status;

    opened_init(&o, OPENED_VIRTUAL, NULL, "bulkhead=2");
    child_does = use_the_inherited;
    status = keel_reload(o.rt, NULL);
    look();
    child_does = NULL;
    ck_assert_int_eq(status, KEEL_OK);
    ck_assert_uint_gt(forks, 0);
    opened_cleanup(&o);
}
END_TEST

/* The first look of a child makes the locks anew, and forks at each. */
static void fork_while_looking(void)
{
    child_does = look;
    look();
    child_does = NULL;
    if (forks == 0)
        _exit(1);
}

START_TEST(a_child_makes_the_locks_that_its_parent_was_about_to_make)
{
    int status = -1;
    pid_t pid;

    opened_init(&o, OPENED_VIRTUAL, NULL, NULL);
    pid = fork();
    if (pid == 0) {
        fork_while_looking();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    opened_cleanup(&o);
}
END_TEST

SUITE("fork_locks", 120, ONE(a_child_opens_and_calls_whatever_lock_its_parent_held),
      ONE(a_child_uses_the_parents_runtime_whatever_lock_its_parent_held),
      ONE(a_child_makes_the_locks_that_its_parent_was_about_to_make))
