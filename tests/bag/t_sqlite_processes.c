/* SPDX-License-Identifier: MIT */
/* Several processes at one SQLite file, one of which is killed. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bag/sqlite.h"
#include "support/child.h"
#include "support/suite.h"

static sqlite_bag b;

static void setup(void)
{
    sqlite_bag_init(&b);
}

static void teardown(void)
{
    sqlite_bag_cleanup(&b);
}

/* ---- counting ------------------------------------------------------------------------ */

enum { PROCESSES = 2, THREADS = 16, TIMES = 25 };

static void *count(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < TIMES; i++)
        if (keel_bag_incr(b.bag, "n", 1, NULL, NULL, NULL) != KEEL_OK)
            return &b; /* not NULL: one is missing */
    return NULL;
}

static void count_in_threads(void)
{
    pthread_t threads[THREADS];
    void *missed;

    sqlite_bag_open(&b, "");
    for (size_t i = 0; i < THREADS; i++)
        CHILD(pthread_create(&threads[i], NULL, count, NULL) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        CHILD(pthread_join(threads[i], &missed) == 0);
        CHILD(missed == NULL);
    }
    sqlite_bag_close(&b);
}

START_TEST(threads_of_two_processes_count_exactly)
{
    pid_t children[PROCESSES];
    char wanted[16];

    sqlite_bag_open(&b, "");
    ck_assert_int_eq(sqlite_bag_set(&b, "n", "0"), KEEL_OK);
    sqlite_bag_close(&b);
    for (size_t i = 0; i < PROCESSES; i++)
        children[i] = child_fork(count_in_threads);
    for (size_t i = 0; i < PROCESSES; i++)
        child_await(children[i]);
    sqlite_bag_open(&b, "");
    snprintf(wanted, sizeof wanted, "%d", PROCESSES * THREADS * TIMES);
    ck_assert_str_eq(sqlite_bag_get(&b, "n"), wanted);
}
END_TEST

/* Files that are made at the same instant are made once. */
static void open_and_add(void)
{
    keel_status status;

    sqlite_bag_open(&b, "");
    status = keel_bag_add(b.bag, "first", "x", 1, NULL, &b.why);
    CHILD(status == KEEL_OK || status == KEEL_NOT_STORED);
    sqlite_bag_close(&b);
}

START_TEST(processes_that_begin_at_once_begin_with_one_file)
{
    pid_t children[8];

    for (size_t i = 0; i < sizeof children / sizeof *children; i++)
        children[i] = child_fork(open_and_add);
    for (size_t i = 0; i < sizeof children / sizeof *children; i++)
        child_await(children[i]);
    sqlite_bag_open(&b, "");
    ck_assert_str_eq(sqlite_bag_get(&b, "first"), "x");
}
END_TEST

/* ---- being killed -------------------------------------------------------------------- */

enum { VALUE = 3000 };

static int told[2]; /* the numbers of the writes that were acknowledged */

static void write_value(unsigned number, char key[16], char value[VALUE + 1])
{
    snprintf(key, 16, "k%u", number);
    memset(value, (int)('a' + number % 26), VALUE);
    value[VALUE] = '\0';
}

static void set_until_killed(void)
{
    char key[16], value[VALUE + 1];

    sqlite_bag_open(&b, "");
    for (unsigned i = 0;; i++) {
        write_value(i, key, value);
        CHILD(sqlite_bag_set(&b, key, value) == KEEL_OK);
        CHILD(write(told[1], &i, sizeof i) == sizeof i);
    }
}

/* Kills it after so many; returns how many had been acknowledged. */
static unsigned kill_after(unsigned count)
{
    unsigned number, acknowledged = 0;
    pid_t child;

    ck_assert_int_eq(pipe(told), 0);
    child = child_fork(set_until_killed);
    close(told[1]);
    while (acknowledged < count &&
           read(told[0], &number, sizeof number) == sizeof number)
        acknowledged++;
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    while (read(told[0], &number, sizeof number) == sizeof number)
        acknowledged++;
    close(told[0]);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_uint_ge(acknowledged, count);
    return acknowledged;
}

static const unsigned kills[] = { 1, 2, 5, 17, 40, 97, 150, 301 };

START_TEST(what_was_acknowledged_is_there_after_a_kill)
{
    char key[16], value[VALUE + 1];
    unsigned acknowledged = kill_after(kills[_i]);
    const char *found;

    sqlite_bag_open(&b, "");
    for (unsigned i = 0; i < acknowledged; i++) {
        write_value(i, key, value);
        ck_assert_str_eq(sqlite_bag_get(&b, key), value);
    }
    write_value(acknowledged, key, value); /* under way: whole, or not at all */
    found = sqlite_bag_get(&b, key);
    ck_assert_msg(!*found || strcmp(found, value) == 0, "%s is in pieces", key);
    ck_assert_int_eq(sqlite_bag_set(&b, "next", "fine"), KEEL_OK);
}
END_TEST

/* ---- rights -------------------------------------------------------------------------- */

/* Leaves file and log as they are when a machine stops. */
static void set_and_go(void)
{
    sqlite_bag_open(&b, "");
    CHILD(sqlite_bag_set(&b, "k", "v") == KEEL_OK);
}

static void read_as_nobody(void)
{
    CHILD(geteuid() != 0 || setuid(65534) == 0);
    sqlite_bag_open(&b, "");
    CHILD(strcmp(sqlite_bag_get(&b, "k"), "v") == 0);
    CHILD(sqlite_bag_set(&b, "k", "x") == KEEL_READ_ONLY);
    CHILD(b.why.applied == KEEL_APPLIED_NO);
    CHILD(strcmp(sqlite_bag_get(&b, "k"), "v") == 0);
    sqlite_bag_close(&b);
}

START_TEST(who_may_only_read_the_file_reads_it)
{
    static const char *const names[] = { "kv.db", "kv.db-wal", "kv.db-shm" };

    child_await(child_fork(set_and_go));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_int_eq(chmod(sqlite_bag_file(&b, names[i]), 0444), 0);
    ck_assert_int_eq(chmod(b.folder.dir, 0555), 0);
    child_await(child_fork(read_as_nobody));
    ck_assert_int_eq(chmod(b.folder.dir, 0700), 0);
}
END_TEST

SUITE_IN("sqlite processes", 120, setup, teardown,
         ONE(threads_of_two_processes_count_exactly),
         ONE(processes_that_begin_at_once_begin_with_one_file),
         ROWS(what_was_acknowledged_is_there_after_a_kill, kills),
         ONE(who_may_only_read_the_file_reads_it))
