/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at every system call of a flat file's writes, before it and after it: there is
 * the old item or the new one, whole, no lock stays, and the next writer goes on.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/bag_dir.h"
#include "support/child.h"
#include "support/suite.h"

#define KEY "user:17"

enum { SIZE = 70000 };

static bag_dir d;
static char old_value[SIZE], new_value[SIZE / 2];

/* ---- the writes ---------------------------------------------------------------------- */

static keel_status set(keel_bag *bag)
{
    return keel_bag_set(bag, KEY, new_value, sizeof new_value, NULL, NULL);
}

static keel_status append(keel_bag *bag)
{
    return keel_bag_append(bag, KEY, new_value, sizeof new_value, NULL, NULL);
}

static keel_status touch(keel_bag *bag)
{
    const keel_bag_options long_since = { .size = sizeof long_since,
                                          .ttl = keel_ttl_for_ms(-1) };

    return keel_bag_touch(bag, KEY, &long_since, NULL);
}

static keel_status delete_it(keel_bag *bag)
{
    return keel_bag_delete(bag, KEY, NULL, NULL);
}

static keel_status flush(keel_bag *bag)
{
    return keel_bag_flush(bag, NULL, NULL);
}

typedef enum state { NOTHING, OLD, NEW, BOTH } state;

/* alike: so many calls, behind the first ones, of which a few are enough: making
 * directories, and removing what was flushed */
typedef struct verb {
    const char *name;
    keel_status (*run)(keel_bag *bag);
    state before, after;
    unsigned alike;
} verb;

static const verb verbs[] = {
    { "a set over another", set, OLD, NEW, 0 },
    { "a set of what was not there", set, NOTHING, NEW, 0 },
    { "the first set of all", set, NOTHING, NEW, 500 },
    { "append", append, OLD, BOTH, 0 },
    { "touch", touch, OLD, NOTHING, 0 },
    { "delete", delete_it, OLD, NOTHING, 0 },
    { "flush", flush, OLD, NOTHING, 100000 },
};

enum { FIRST_SET = 2, FIRST = 20 };

/* ---- one that is killed -------------------------------------------------------------- */

static keel_status (*to_run)(keel_bag *bag);

/* Stops, writes, stops: what is between is counted by whoever follows it. */
static void write_and_stop(void)
{
    static const char *const nothing[] = { NULL };
    const keel_options options = { .size = sizeof options, .environment = nothing };
    keel_runtime *rt;
    keel_bag *bag;

    CHILD(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    CHILD(keel_open(&rt, &options, NULL) == KEEL_OK);
    CHILD(keel_bag_open(&bag, rt, "files", d.spec, NULL) == KEEL_OK);
    raise(SIGSTOP);
    CHILD(to_run(bag) == KEEL_OK);
    raise(SIGSTOP);
}

static int wait_for(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSTOPPED(status), "a writer ended in line %d, or 255 more",
                  WEXITSTATUS(status) - 1);
    return WSTOPSIG(status);
}

/* At the nth entry or exit of a system call; true: it had not come to its end by then. */
static bool run_and_kill(unsigned nth)
{
    pid_t pid = child_fork(write_and_stop);
    int signal_number;
    bool in_time = true;

    while (wait_for(pid) != SIGSTOP)
        ck_assert_int_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
    for (unsigned i = 0; i < nth && in_time; i++) {
        ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        signal_number = wait_for(pid);
        in_time = signal_number != SIGSTOP;
    }
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    return in_time;
}

/* ---- what has to be there ------------------------------------------------------------ */

static bool is_value(const keel_bag_item *item, const char *value, state is)
{
    switch (is) {
    case NOTHING:
        return false;
    case OLD:
        return item->length == SIZE && memcmp(value, old_value, SIZE) == 0;
    case NEW:
        return item->length == sizeof new_value &&
               memcmp(value, new_value, sizeof new_value) == 0;
    case BOTH:
        break;
    }
    return item->length == SIZE + sizeof new_value &&
           memcmp(value, old_value, SIZE) == 0 &&
           memcmp(value + SIZE, new_value, sizeof new_value) == 0;
}

static bool is_state(state wanted)
{
    static char value[2 * SIZE];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value };
    keel_status status = keel_bag_get(d.bag, KEY, &item, NULL, &d.why);

    ck_assert_msg(status == KEEL_OK || status == KEEL_NOT_FOUND, "%s", d.why.text);
    return status == KEEL_NOT_FOUND ? wanted == NOTHING
                                    : is_value(&item, value, wanted);
}

/* The dead one's lock is free, and what it left is in nobody's way. */
static void check_going_on(void)
{
    const keel_bag_options soon = bag_dir_within(&d, 5000);
    bag_dir_path path;

    ck_assert_msg(keel_bag_set(d.bag, KEY, "next", 4, &soon, &d.why) == KEEL_OK, "%s",
                  d.why.text);
    bag_dir_expect(&d, KEY, "next");
    ck_assert_int_eq(access(bag_dir_new(&d, path, KEY), F_OK), -1);
    ck_assert_int_eq(access(bag_dir_item(&d, path, KEY), F_OK), 0);
}

static void setup(void)
{
    memset(old_value, 'o', sizeof old_value);
    memset(new_value, 'n', sizeof new_value);
    bag_dir_init(&d, "sync=full&allow_flush=on");
    bag_dir_open(&d);
}

static void teardown(void)
{
    bag_dir_close(&d);
    bag_dir_cleanup(&d);
}

static void prepare(const verb *v)
{
    bag_dir_path items;

    snprintf(items, sizeof items, "%s/items", d.root);
    if (v == &verbs[FIRST_SET])
        bag_dir_remove(items);
    else
        ck_assert_int_eq(keel_bag_set(d.bag, KEY, old_value, SIZE, NULL, &d.why),
                         KEEL_OK);
    if (v->before == NOTHING && v != &verbs[FIRST_SET])
        ck_assert_int_eq(keel_bag_delete(d.bag, KEY, NULL, &d.why), KEEL_OK);
}

START_TEST(there_is_the_old_item_or_the_new_one)
{
    const verb *v = &verbs[_i];
    unsigned nth = 0, old = 0, all = 0;
    bool in_time = true;

    to_run = v->run;
    for (; in_time; all++) {
        bool is_old;

        nth += nth > FIRST && nth < FIRST + v->alike ? v->alike / 10 : 1;
        prepare(v);
        in_time = run_and_kill(nth);
        is_old = is_state(v->before);
        old += is_old;
        ck_assert_msg(is_old || is_state(v->after), "%s, killed at %u", v->name, nth);
        check_going_on();
    }
    ck_assert_uint_gt(old, 0); /* else none was killed before its write */
    ck_assert_uint_gt(all, old);
    printf("%s: killed at %u instants, before it took effect at %u\n", v->name, all,
           old);
}
END_TEST

SUITE_IN("file_killed", 300, setup, teardown,
         ROWS(there_is_the_old_item_or_the_new_one, verbs))
