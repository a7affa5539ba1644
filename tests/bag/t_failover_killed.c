/* SPDX-License-Identifier: MIT */
/*
 * kill -9 in the middle of an outage: a process that writes at its standby, with a
 * journal, dies; the next one reads nothing older than what was acknowledged, and carries
 * it back by itself. Real files, a real process, a real signal.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <keel/keel.h>

#include "base/clock.h"
#include "support/bag_dir.h"
#include "support/child.h"
#include "support/suite.h"

enum { KEYS = 8, SPEC_SIZE = 512 };

static bag_dir d; /* for its directory */
static keel_runtime *rt;
static keel_bag *bag;
static int told[2]; /* a pipe: numbers of writes that were acknowledged */

static bool open_bag(const char *primary)
{
    static const char *const environment[] = { "KEEL_CHAOS=allow", NULL };
    const keel_options options = { .size = sizeof options, .environment = environment };
    char spec[SPEC_SIZE];

    snprintf(spec, sizeof spec,
             "failover{failures=1; hold=0s; probe=10ms; journal=%s/journal}"
             "(primary=%s(file://%s/primary?sync=none), standby=file://%s/standby)",
             d.directory, primary, d.directory, d.directory);
    return keel_open(&rt, &options, NULL) == KEEL_OK &&
           keel_bag_open(&bag, rt, "files", spec, NULL) == KEEL_OK;
}

static void close_bag(void)
{
    keel_bag_close(bag);
    ck_assert_int_eq(keel_close(rt, KEEL_S), KEEL_OK);
}

static const char *name_of(unsigned number)
{
    static char name[16];

    snprintf(name, sizeof name, "key%u", number % KEYS);
    return name;
}

static keel_status set(unsigned number)
{
    char text[16];

    snprintf(text, sizeof text, "%u", number);
    return keel_bag_set(bag, name_of(number), text, strlen(text), NULL, NULL);
}

/* The number of the write that is read; 0: none. */
static unsigned read_key(unsigned key)
{
    char text[16] = "";
    keel_bag_item item = { .size = sizeof item,
                           .buffer = text,
                           .capacity = sizeof text - 1 };

    return keel_bag_get(bag, name_of(key), &item, NULL, NULL) == KEEL_OK
               ? (unsigned)strtoul(text, NULL, 10)
               : 0;
}

/* ---- one that is killed -------------------------------------------------------------- */

#define AWAY "fault{p=100%; kind=error}"
#define WELL "fault{p=0%}"

/* What the primary has are the writes before. */
static void write_until_killed(void)
{
    CHILD(open_bag(AWAY));
    for (unsigned number = KEYS;; number++) {
        CHILD(set(number) == KEEL_OK);
        CHILD(write(told[1], &number, sizeof number) == sizeof number);
    }
}

/* Lets it write so often, kills it, and returns the last write that it was told of. */
static unsigned kill_one(unsigned writes)
{
    unsigned number = 0, count = 0;
    pid_t pid;

    ck_assert_int_eq(pipe(told), 0);
    pid = child_fork(write_until_killed);
    close(told[1]);
    while (read(told[0], &number, sizeof number) == sizeof number)
        if (++count == writes)
            ck_assert_int_eq(kill(pid, SIGKILL), 0);
    close(told[0]);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_uint_ge(count, writes);
    return number;
}

/* ---- what has to be there ------------------------------------------------------------ */

/* The last write of a key that was acknowledged, or was the old one. */
static unsigned last_of(unsigned key, unsigned last)
{
    while (last % KEYS != key)
        last--;
    return last;
}

static void expect_none_older(unsigned last)
{
    for (unsigned key = 0; key < KEYS; key++)
        ck_assert_uint_ge(read_key(key), last_of(key, last));
}

/* Past failover: what the primary itself has. */
static bool primary_has_all(unsigned last)
{
    keel_bag *through = bag;
    char spec[SPEC_SIZE];
    bool has = true;

    snprintf(spec, sizeof spec, "file://%s/primary", d.directory);
    ck_assert_int_eq(keel_bag_open(&bag, rt, "primary", spec, NULL), KEEL_OK);
    for (unsigned key = 0; key < KEYS; key++)
        has = has && read_key(key) >= last_of(key, last);
    keel_bag_close(bag);
    bag = through;
    return has;
}

static void setup(void)
{
    bag_dir_init(&d, "");
}

static void teardown(void)
{
    bag_dir_remove(d.directory);
}

/* After so many acknowledged writes; the last one of all may be anywhere. */
static const unsigned kills[] = { 1, 2, KEYS, 3 * KEYS + 1 };

START_TEST(no_read_is_older_than_what_was_acknowledged_before_a_kill)
{
    unsigned last;
    uint64_t began;

    ck_assert(open_bag(WELL));
    for (unsigned number = 0; number < KEYS; number++)
        ck_assert_int_eq(set(number), KEEL_OK);
    close_bag();
    last = kill_one(kills[_i]);
    ck_assert_uint_ge(last, KEYS);
    ck_assert(open_bag(WELL));
    expect_none_older(last);
    began = keel_now(rt);
    while (!primary_has_all(last))
        ck_assert_uint_lt(keel_now(rt) - began, 10 * KEEL_S);
    expect_none_older(last);
    close_bag();
}
END_TEST

SUITE_IN("failover killed", 60, setup, teardown,
         ROWS(no_read_is_older_than_what_was_acknowledged_before_a_kill, kills))
