/* SPDX-License-Identifier: MIT */
/*
 * The thread that makes active checks, by checks of code's own, which tell who runs them:
 * one process of a host, another one when that is gone, a forked child for itself; and
 * closing, whatever hangs.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "health/health.h"
#include "support/board_file.h"
#include "support/child.h"
#include "support/comes.h"
#include "support/latch.h"
#include "support/loopback.h"
#include "support/opened.h"
#include "support/sanitizers.h"
#include "support/suite.h"

enum { WORKERS = 3 };

#define CHECKED                                                                        \
    "none; health=callback; health.interval=10ms; health.delay=0; health.timeout=5s; "
#define BREAKER                                                                        \
    "breaker=on; breaker.min_calls=2; breaker.open=1h; breaker.open_jitter=0; "

static opened o;

static keel_check_state state(void)
{
    return opened_look(&o).check;
}

/* ---- several processes -------------------------------------------------------------- */

/* What the workers and their parent tell each other. */
typedef struct told {
    _Atomic int runs[WORKERS];
    _Atomic int state[WORKERS];
    _Atomic int has_open_left[WORKERS];
    _Atomic bool is_well;
    _Atomic bool is_over;
} told;

static told *shared;
static board_file board;
static pid_t workers[WORKERS];

static keel_health_state count_run(char *text, size_t size, void *ctx)
{
    const int *worker = ctx;

    (void)text;
    (void)size;
    shared->runs[*worker]++;
    return shared->is_well ? KEEL_HEALTH_PASS : KEEL_HEALTH_FAIL;
}

static void work(int worker, const char *settings)
{
    opened w;

    opened_init(&w, OPENED_REAL, board.environment, settings);
    CHILD(keel_health_check(w.pipeline, count_run, &worker, NULL) == KEEL_OK);
    if (strstr(settings, "share=off") || (worker == 0 && strstr(settings, "breaker")))
        opened_calls(&w, KEEL_FAILED, 2);
    while (!shared->is_over) {
        keel_pipeline_stats stats = opened_look(&w);

        shared->state[worker] = (int)stats.check;
        shared->has_open_left[worker] = stats.open_left_ns != 0;
        a_moment();
    }
    opened_cleanup(&w);
}

static void hire(const char *settings, bool is_well)
{
    board_file_init(&board);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(shared != MAP_FAILED);
    shared->is_well = is_well;
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            work(i, settings);
            _exit(0);
        }
    }
}

static void dismiss(void)
{
    shared->is_over = true;
    for (int i = 0; i < WORKERS; i++)
        if (workers[i])
            child_await(workers[i]);
    munmap(shared, sizeof *shared);
    board_file_cleanup(&board);
}

static bool all_say(int wanted)
{
    for (int i = 0; i < WORKERS; i++)
        if (workers[i] && shared->state[i] != wanted)
            return false;
    return true;
}

/* Who has run more checks than at `before`; -1: nobody. */
static int who_runs(const int before[WORKERS])
{
    for (int i = 0; i < WORKERS; i++)
        if (shared->runs[i] > before[i])
            return i;
    return -1;
}

static void count_all(int to[WORKERS])
{
    for (int i = 0; i < WORKERS; i++)
        to[i] = shared->runs[i];
}

static bool another_ran(const int before[WORKERS], int who)
{
    for (int i = 0; i < WORKERS; i++)
        if (i != who && shared->runs[i] != before[i])
            return true;
    return false;
}

/*
 * The one who runs them, once twenty of his are done in which nobody else ran one. On a busy
 * machine one may come too late for his turn, and lose it to another: then from the start.
 */
static int the_one_who_runs(void)
{
    int before[WORKERS], who;

    COMES(all_say(KEEL_CHECK_HEALTHY));
    do {
        count_all(before);
        COMES((who = who_runs(before)) >= 0);
        count_all(before);
        COMES(shared->runs[who] >= before[who] + 20 || another_ran(before, who));
    } while (another_ran(before, who));
    return who;
}

START_TEST(one_process_asks_for_all_of_a_host)
{
    hire(CHECKED, true);
    the_one_who_runs();
    shared->is_well = false;
    COMES(all_say(KEEL_CHECK_UNHEALTHY));
    shared->is_well = true;
    COMES(all_say(KEEL_CHECK_HEALTHY));
    dismiss();
}
END_TEST

START_TEST(when_it_is_killed_another_one_goes_on)
{
    int first, second;

    hire(CHECKED, true);
    first = the_one_who_runs();
    kill(workers[first], SIGKILL);
    waitpid(workers[first], NULL, 0);
    workers[first] = 0;
    second = the_one_who_runs();
    ck_assert_int_ne(first, second);
    dismiss();
}
END_TEST

START_TEST(one_that_was_stopped_has_lost_it_when_it_wakes)
{
    int before[WORKERS], first;

    hire(CHECKED, true);
    first = the_one_who_runs();
    kill(workers[first], SIGSTOP);
    count_all(before);
    COMES(who_runs(before) >= 0 && who_runs(before) != first);
    kill(workers[first], SIGCONT);
    ck_assert_int_ne(the_one_who_runs(), first);
    dismiss();
}
END_TEST

static const char *const sharing[] = { CHECKED BREAKER "share=off",
                                       CHECKED BREAKER "share=host" };

START_TEST(what_one_has_found_hastens_the_breakers_of_all)
{
    hire(sharing[_i], false);
    COMES(all_say(KEEL_CHECK_UNHEALTHY));
    for (int i = 0; i < WORKERS; i++)
        COMES(shared->has_open_left[i]);
    shared->is_well = true;
    for (int i = 0; i < WORKERS; i++)
        COMES(!shared->has_open_left[i]);
    dismiss();
}
END_TEST

/* ---- fork --------------------------------------------------------------------------- */

static _Atomic int runs;
static _Atomic pid_t ran_in;

static keel_health_state be_well(char *text, size_t size, void *ctx)
{
    (void)text;
    (void)size;
    (void)ctx;
    ran_in = getpid();
    runs++;
    return KEEL_HEALTH_PASS;
}

static void check_in_a_child(void)
{
    keel_check_state first = state();

    /* what its parent knows is not its own */
    CHILD(first == KEEL_CHECK_UNKNOWN || ran_in == getpid());
    runs = 0;
    COMES(runs > 3);
    COMES(state() == KEEL_CHECK_HEALTHY);
    keel_pipeline_close(o.pipeline);
    CHILD(keel_close(o.rt, 60 * KEEL_S) == KEEL_OK);
}

START_TEST(a_child_has_a_checker_of_its_own)
{
    if (!CHILDREN_HAVE_THREADS)
        return;
    opened_init(&o, OPENED_REAL, NULL, CHECKED);
    ck_assert_int_eq(keel_health_check(o.pipeline, be_well, NULL, NULL), KEEL_OK);
    COMES(state() == KEEL_CHECK_HEALTHY);
    child_await(child_fork(check_in_a_child));
    COMES(runs > 3);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_child_forked_while_the_thread_is_being_started_has_one_too)
{
    keel_health *h;
    pid_t child;

    if (!CHILDREN_HAVE_THREADS)
        return;
    opened_init(&o, OPENED_REAL, NULL, CHECKED);
    ck_assert_int_eq(keel_health_check(o.pipeline, be_well, NULL, NULL), KEEL_OK);
    COMES(state() == KEEL_CHECK_HEALTHY);
    h = atomic_load(&o.rt->health);
    h->has_thread = false; /* as it is until there is one */
    child = child_fork(check_in_a_child);
    h->has_thread = true;
    child_await(child);
    opened_cleanup(&o);
}
END_TEST

/* A listener of the test's own, and what is checked there. */
static int listener;
static char settings[256];

static void open_on_listener(opened_clock clock, const char *check)
{
    listener = loopback_listen(0, 64);
    ck_assert_int_ge(listener, 0);
    snprintf(settings, sizeof settings,
             "none; health=%s; health.target=127.0.0.1:%u; health.timeout=1h; "
             "health.delay=0; health.interval=1h; health.fall=1",
             check, loopback_port(listener));
    opened_init(&o, clock, NULL, settings);
}

static int to_parent[2], to_child[2];

static void live_on(void)
{
    char byte = 1;

    CHILD(opened_look(&o).size != 0); /* by now it has noticed */
    CHILD(write(to_parent[1], &byte, 1) == 1);
    CHILD(read(to_child[0], &byte, 1) == 1);
}

START_TEST(a_child_keeps_no_connection_of_its_parents)
{
    pid_t child;
    char byte;
    int fd;

    if (!CHILDREN_HAVE_THREADS)
        return;
    ck_assert_int_eq(pipe(to_parent) | pipe(to_child), 0);
    open_on_listener(OPENED_REAL, "http:/");
    fd = accept(listener, NULL, NULL);
    child = child_fork(live_on);
    ck_assert_int_eq(read(to_parent[0], &byte, 1), 1);
    opened_cleanup(&o);
    while (read(fd, &byte, 1) > 0) /* the request; then the end, for nobody has it */
        ;
    ck_assert_int_eq(write(to_child[1], &byte, 1), 1);
    child_await(child);
    close(fd);
    close(listener);
}
END_TEST

/* ---- time that nobody had ------------------------------------------------------------- */

START_TEST(an_answer_that_came_while_all_stood_still_is_not_late)
{
    int first, second;

    open_on_listener(OPENED_BY_HAND, "http:/");
    first = accept(listener, NULL, NULL);
    vclock_advance(&o.clock, 7200 * KEEL_S); /* as after a night in a suspended host */
    second = accept(listener, NULL, NULL);   /* it asks once more */
    ck_assert_int_eq(state(), KEEL_CHECK_UNKNOWN);
    opened_cleanup(&o);
    close(first);
    close(second);
    close(listener);
}
END_TEST

/* ---- closing ------------------------------------------------------------------------ */

static const char *const hanging[] = { "http:/", "redis", "memcached", "sql" };

START_TEST(closing_waits_for_no_check_on_the_wire)
{
    uint64_t begun;
    int fd;

    open_on_listener(OPENED_REAL, hanging[_i]);
    fd = accept(listener, NULL, NULL);
    begun = now_ns();
    opened_cleanup(&o);
    ck_assert_uint_lt(now_ns() - begun, 20 * KEEL_S); /* of an hour */
    close(fd);
    close(listener);
}
END_TEST

static latch in = LATCH_INIT, out = LATCH_INIT;

static keel_health_state hang(char *text, size_t size, void *ctx)
{
    (void)text;
    (void)size;
    (void)ctx;
    latch_hit(&in);
    latch_await(&out, 1);
    return KEEL_HEALTH_PASS;
}

START_TEST(code_that_hangs_is_bad_runs_once_and_is_waited_for)
{
    opened_init(&o, OPENED_REAL, NULL, CHECKED "health.timeout=10ms");
    ck_assert_int_eq(keel_health_check(o.pipeline, hang, NULL, NULL), KEEL_OK);
    latch_await(&in, 1);
    COMES(state() == KEEL_CHECK_UNHEALTHY);
    ck_assert_uint_eq(latch_count(&in), 1);
    ck_assert_int_eq(keel_health_check(o.pipeline, NULL, NULL, NULL), KEEL_E_BUSY);
    keel_pipeline_close(o.pipeline);
    ck_assert_int_eq(keel_close(o.rt, 0), KEEL_E_BUSY);
    ck_assert_int_eq(keel_pipeline_open(&o.pipeline, o.rt, "payments",
                                        CHECKED "health.timeout=10ms", NULL),
                     KEEL_OK);
    latch_hit(&out);
    COMES(state() == KEEL_CHECK_HEALTHY);
    COMES(keel_health_check(o.pipeline, NULL, NULL, NULL) == KEEL_OK);
    opened_cleanup(&o);
}
END_TEST

START_TEST(the_settings_turn_a_check_of_codes_own_off)
{
    static const char *const environment[] = { "KEEL_PAYMENTS=health=off", NULL };

    runs = 0;
    opened_init(&o, OPENED_REAL, environment, CHECKED);
    ck_assert_int_eq(keel_health_check(o.pipeline, be_well, NULL, NULL), KEEL_OK);
    opened_cleanup(&o);
    ck_assert_int_eq(runs, 0);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------- */

START_TEST(without_memory_there_is_less_health_and_no_leak)
{
    const keel_health_options options = { .size = sizeof options, .critical = true };
    failing_allocator f;

    for (long n = 1; n < 40; n++) {
        const keel_options with = { .size = sizeof with, .allocator = &f.allocator };
        keel_pipeline *pipeline = NULL;
        keel_runtime *rt = NULL;

        failing_allocator_init(&f, n);
        if (keel_open(&rt, &with, NULL) == KEEL_OK &&
            keel_pipeline_open(&pipeline, rt, "payments", CHECKED, NULL) == KEEL_OK) {
            (void)keel_health_add(rt, "disk", be_well, NULL, &options, NULL);
            (void)keel_health_watch(pipeline, NULL, NULL);
            (void)keel_health_check(pipeline, be_well, NULL, NULL);
            ck_assert_int_eq(keel_health_ready(rt, NULL, 0, NULL), KEEL_OK);
        }
        keel_pipeline_close(pipeline);
        ck_assert_int_eq(keel_close(rt, 10 * KEEL_S), KEEL_OK);
        ck_assert_int_eq(f.live, 0);
    }
}
END_TEST

/* Memory of the runtime's that is asked for, by its own thread, under a lock. */
static keel_runtime *watched;
static pthread_t main_thread;
static int asked, asked_under_a_lock;

static void *allocate_and_look(size_t size, void *ctx)
{
    keel_health *h = watched ? atomic_load(&watched->health) : NULL;

    (void)ctx;
    if (!h || !pthread_equal(main_thread, pthread_self()))
        return malloc(size);
    asked++;
    if (pthread_mutex_trylock(&h->thread_mu))
        asked_under_a_lock++;
    else
        pthread_mutex_unlock(&h->thread_mu);
    return malloc(size);
}

static void release(void *memory, void *ctx)
{
    (void)ctx;
    free(memory);
}

START_TEST(no_lock_is_held_while_memory_is_asked_for)
{
    const keel_allocator looks = { .allocate = allocate_and_look, .release = release };
    const keel_options with = { .size = sizeof with, .allocator = &looks };
    keel_pipeline *pipeline;
    keel_runtime *rt;

    main_thread = pthread_self();
    ck_assert_int_eq(keel_open(&rt, &with, NULL), KEEL_OK);
    watched = rt;
    ck_assert_int_eq(keel_pipeline_open(&pipeline, rt, "payments", CHECKED, NULL),
                     KEEL_OK);
    ck_assert_int_eq(keel_health_check(pipeline, be_well, NULL, NULL), KEEL_OK);
    ck_assert_int_gt(asked, 1); /* the callback, and what the thread needs */
    ck_assert_int_eq(asked_under_a_lock, 0);
    keel_pipeline_close(pipeline);
    ck_assert_int_eq(keel_close(rt, 10 * KEEL_S), KEEL_OK);
}
END_TEST

SUITE("checker", 60, ONE(one_process_asks_for_all_of_a_host),
      ONE(when_it_is_killed_another_one_goes_on),
      ONE(one_that_was_stopped_has_lost_it_when_it_wakes),
      ROWS(what_one_has_found_hastens_the_breakers_of_all, sharing),
      ONE(a_child_has_a_checker_of_its_own),
      ONE(a_child_forked_while_the_thread_is_being_started_has_one_too),
      ONE(a_child_keeps_no_connection_of_its_parents),
      ONE(an_answer_that_came_while_all_stood_still_is_not_late),
      ROWS(closing_waits_for_no_check_on_the_wire, hanging),
      ONE(code_that_hangs_is_bad_runs_once_and_is_waited_for),
      ONE(the_settings_turn_a_check_of_codes_own_off),
      ONE(without_memory_there_is_less_health_and_no_leak),
      ONE(no_lock_is_held_while_memory_is_asked_for))
