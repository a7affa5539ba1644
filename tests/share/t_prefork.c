/* SPDX-License-Identifier: MIT */
/*
 * Processes of one host in a fleet: children of a process that has a relay, and workers
 * that share a board, of which one speaks for all. Redis says who is connected.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/board_file.h"
#include "support/child.h"
#include "support/comes.h"
#include "support/opened.h"
#include "support/redis.h"
#include "support/sanitizers.h"
#include "support/suite.h"

enum { WORKERS = 4, CHILDREN = 8, CONNECTIONS = 2 /* of one relay */ };

#define BREAKER                                                                        \
    "none; breaker.min_calls=8; breaker.open=1h; breaker.open_jitter=0; deadline=10s;" \
    "share.trip=any"

/* What the workers tell their parent. */
typedef struct told {
    _Atomic int joined_last; /* the process that last joined the fleet */
    _Atomic int state[WORKERS];
    _Atomic int ready; /* workers that have opened what they open */
} told;

static told *shared;
static test_redis redis;
static board_file board;
static char url[64];
static const char *environment[] = { url, NULL };
static pid_t workers[WORKERS];

static void start(void)
{
    ck_assert(test_redis_start(&redis, ""));
    snprintf(url, sizeof url, "KEEL_REDIS=redis://127.0.0.1:%u", redis.port);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(shared != MAP_FAILED);
}

/* Connections to the server but the one that asks. */
static unsigned clients(void)
{
    redisReply *reply = test_redis_ask(&redis, "CLIENT LIST");
    unsigned count = 0;

    ck_assert_ptr_nonnull(reply);
    for (const char *at = reply->str; (at = strstr(at, "id=")); at += 3)
        count += at == reply->str || at[-1] == '\n';
    freeReplyObject(reply);
    return count - 1;
}

static long long members(void)
{
    return test_redis_number(&redis, "ZCARD keel1:{default}:m");
}

/* ---- children without a board ------------------------------------------------------- */

static opened parent;

static void does_nothing(void)
{
}

static void calls_once(void)
{
    CHILD(opened_call(&parent, NULL, KEEL_OK, NULL) == KEEL_OK);
}

/* Ends with 1 if a socket of the parent's is open in the new program. */
static void becomes_another_program(void)
{
    execl("/bin/sh", "sh", "-c", "! ls -l /proc/$$/fd | grep -q 'socket:\\|eventfd'",
          (char *)NULL);
    CHILD(false);
}

/* Until it is in, by its own number. */
static void stays(void)
{
    CHILD(opened_call(&parent, NULL, KEEL_OK, NULL) == KEEL_OK);
    pause();
}

/* It has said which breaker it knows: nothing of its own is missing then. */
static void open_parent(void)
{
    start();
    opened_init(&parent, OPENED_REAL, environment, BREAKER);
    COMES(members() == 1 && clients() == CONNECTIONS);
    COMES(test_redis_number(&redis, "EXISTS keel1:{default}:k:payments") == 1);
}

static void close_parent(void)
{
    opened_cleanup(&parent);
    test_redis_cleanup(&redis);
}

START_TEST(each_child_that_stays_is_a_member_of_its_own)
{
    pid_t children[CHILDREN];

    if (!CHILDREN_HAVE_THREADS)
        return;
    open_parent();
    for (int i = 0; i < CHILDREN; i++)
        children[i] = child_fork(stays);
    COMES(members() == 1 + CHILDREN && clients() == (1 + CHILDREN) * CONNECTIONS);
    for (int i = 0; i < CHILDREN; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    COMES(clients() == CONNECTIONS);
    close_parent();
}
END_TEST

static void (*const short_lives[])(void) = { does_nothing, calls_once,
                                             becomes_another_program };

/* Who would count as a member for longer than 16 s. */
static const char far_members[] = "return redis.call('ZCOUNT', KEYS[1], "
                                  "redis.call('TIME')[1] * 1000 + 16000, '+inf')";

/* A member that is gone is one until its time is over; it has no other key. */
START_TEST(children_that_come_and_go_leave_nothing_behind)
{
    long long keys;

    if (!CHILDREN_HAVE_THREADS)
        return;
    open_parent();
    keys = test_redis_number(&redis, "DBSIZE");
    for (int i = 0; i < 50; i++)
        child_await(child_fork(short_lives[_i]));
    COMES(clients() == CONNECTIONS);
    ck_assert_int_eq(test_redis_number(&redis, "DBSIZE"), keys);
    ck_assert_int_eq(
        test_redis_number(&redis, "EVAL %s 1 keel1:{default}:m", far_members), 0);
    ck_assert_int_eq(opened_call(&parent, NULL, KEEL_OK, NULL), KEEL_OK);
    close_parent();
}
END_TEST

/* ---- workers with a board ----------------------------------------------------------- */

static void hear(keel_log_level level, const char *subsystem, const char *message,
                 void *ctx)
{
    (void)level;
    (void)ctx;
    if (strcmp(subsystem, "fleet") == 0 && strncmp(message, "fleet=joined", 12) == 0)
        atomic_store(&shared->joined_last, getpid());
}

static _Noreturn void work(unsigned number)
{
    const keel_options options = { .size = sizeof options,
                                   .environment = board.environment,
                                   .log = hear };
    keel_pipeline_stats stats = { .size = sizeof stats };
    keel_pipeline *pipeline;
    keel_runtime *rt;

    if (keel_open(&rt, &options, NULL) != KEEL_OK ||
        keel_pipeline_open(&pipeline, rt, "payments", BREAKER, NULL) != KEEL_OK)
        _exit(1);
    atomic_fetch_add(&shared->ready, 1);
    for (;;) {
        (void)keel_run(pipeline, opened_succeed, NULL, NULL, NULL);
        keel_pipeline_look(pipeline, &stats);
        atomic_store(&shared->state[number], (int)stats.state);
        a_moment();
    }
}

static void start_workers(void)
{
    start();
    board_file_init(&board);
    board.environment[1] = url;
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        ck_assert_int_ge(workers[i], 0);
        if (workers[i] == 0)
            work(i);
    }
    /* one that is stopped while it opens would keep the others from the board */
    COMES(atomic_load(&shared->ready) == WORKERS);
    COMES(atomic_load(&shared->joined_last) && clients() == CONNECTIONS);
}

static void end_worker(unsigned i)
{
    if (!workers[i])
        return;
    kill(workers[i], SIGKILL);
    kill(workers[i], SIGCONT);
    waitpid(workers[i], NULL, 0);
    workers[i] = 0;
}

static void stop_workers(void)
{
    for (unsigned i = 0; i < WORKERS; i++)
        end_worker(i);
    board_file_cleanup(&board);
    test_redis_cleanup(&redis);
}

static unsigned leader(void)
{
    pid_t pid = atomic_load(&shared->joined_last);

    for (unsigned i = 0; i < WORKERS; i++)
        if (workers[i] == pid)
            return i;
    ck_abort_msg("nobody leads");
}

static void only_one_is_connected_for(uint64_t length_ns)
{
    for (uint64_t until = now_ns() + length_ns; now_ns() < until; a_moment())
        ck_assert_uint_le(clients(), CONNECTIONS);
}

/* Of the processor, in hundredths of a second. */
static unsigned long time_of(pid_t pid)
{
    char path[64], text[1024] = "";
    unsigned long user = 0, system = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
    fclose(file);
    ck_assert_int_eq(sscanf(strrchr(text, ')'),
                            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                            &user, &system),
                     2);
    return user + system;
}

static void nobody_spins(void)
{
    unsigned long before[WORKERS];

    for (unsigned i = 0; i < WORKERS; i++)
        before[i] = workers[i] ? time_of(workers[i]) : 0;
    for (uint64_t until = now_ns() + KEEL_S; now_ns() < until;)
        a_moment();
    for (unsigned i = 0; i < WORKERS; i++)
        if (workers[i])
            ck_assert_uint_lt(time_of(workers[i]) - before[i], 40);
}

/* Somebody elsewhere trips, and everybody here is open. */
static void the_fleet_reaches_all_workers(void)
{
    static opened elsewhere;

    opened_init(&elsewhere, OPENED_REAL, environment, BREAKER);
    COMES(clients() == 2 * CONNECTIONS);
    for (unsigned i = 0; i < 8; i++)
        opened_call(&elsewhere, NULL, KEEL_FAILED, NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        COMES(!workers[i] || atomic_load(&shared->state[i]) == KEEL_BREAKER_OPEN);
    opened_cleanup(&elsewhere);
}

START_TEST(with_a_board_one_process_speaks_for_all)
{
    start_workers();
    only_one_is_connected_for(1500 * KEEL_MS);
    the_fleet_reaches_all_workers();
    stop_workers();
}
END_TEST

START_TEST(another_speaks_soon_after_the_one_is_killed)
{
    uint64_t begun;
    pid_t killed;

    start_workers();
    killed = workers[leader()];
    begun = now_ns();
    end_worker(leader());
    COMES(atomic_load(&shared->joined_last) != killed);
    printf("led again after the leader was killed: %.1f ms\n",
           (double)(now_ns() - begun) / KEEL_MS);
    ck_assert_uint_lt(now_ns() - begun, 5 * KEEL_S);
    COMES(clients() == CONNECTIONS);
    the_fleet_reaches_all_workers();
    stop_workers();
}
END_TEST

START_TEST(who_stands_still_is_stood_in_for_and_takes_over_again)
{
    uint64_t begun;
    pid_t still;

    start_workers();
    still = workers[leader()];
    kill(still, SIGSTOP);
    begun = now_ns();
    COMES(atomic_load(&shared->joined_last) != still);
    printf("led again after the leader was stopped: %.1f ms\n",
           (double)(now_ns() - begun) / KEEL_MS);
    kill(still, SIGCONT);
    COMES(clients() == CONNECTIONS);
    nobody_spins();
    ck_assert_uint_eq(clients(), CONNECTIONS);
    the_fleet_reaches_all_workers();
    nobody_spins();
    stop_workers();
}
END_TEST

SUITE("prefork", 90, ONE(each_child_that_stays_is_a_member_of_its_own),
      ROWS(children_that_come_and_go_leave_nothing_behind, short_lives),
      ONE(with_a_board_one_process_speaks_for_all),
      ONE(another_speaks_soon_after_the_one_is_killed),
      ONE(who_stands_still_is_stood_in_for_and_takes_over_again))
