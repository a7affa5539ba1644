/* SPDX-License-Identifier: MIT */
/*
 * A disk that hangs in the midst of a write: who reads does not notice, who writes beside
 * it is told so by his deadline, and all goes on when the disk does. What waits for the
 * disk itself waits for as long as it hangs, which is not for here.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bag/store/file_record.h"
#include "base/clock.h"
#include "support/bag_dir.h"
#include "support/latch.h"
#include "support/suite.h"

#define KEY "user:17"

/* The time of those who wait in vain, and of those who are not to wait at all. */
enum { SOON_MS = 30, NEVER_MS = 100 * 1000 };

/* ---- the disk ------------------------------------------------------------------------ */

/*
 * stalls  how many of the next calls that write to the disk return until one does not
 *         before `well`; below 1: none hangs
 */
static struct {
    atomic_int stalls;
    latch hangs, well;
} disk = { .hangs = LATCH_INIT, .well = LATCH_INIT };

static void perhaps_hang(void)
{
    if (atomic_fetch_sub(&disk.stalls, 1) != 1)
        return;
    latch_hit(&disk.hangs);
    latch_await(&disk.well, 1);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fsync(int fd)
{
    perhaps_hang();
    return __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
    perhaps_hang();
    return __real_fdatasync(fd);
}

/* ---- who is there -------------------------------------------------------------------- */

/* The second bag is what another process would have: its own open files and words. */
static bag_dir d;
static keel_bag *second;
static char beside[32],
    apart[32]; /* of the same directory of records, and of another */

static uint32_t stripe_of(const char *key)
{
    char name[KEEL_FILE_NAME_SIZE];
    uint32_t stripe;

    keel_file_name(name, (keel_bytes){ key, strlen(key) });
    ck_assert(keel_file_name_read(name, &stripe));
    return stripe;
}

static void find_key(char key[32], bool is_beside)
{
    unsigned i = 0;

    do
        snprintf(key, 32, "other:%u", i++);
    while ((stripe_of(key) == stripe_of(KEY)) != is_beside);
}

static void setup(void)
{
    disk.hangs = disk.well = (latch)LATCH_INIT;
    bag_dir_init(&d, "sync=full");
    bag_dir_open(&d);
    ck_assert_int_eq(keel_bag_open(&second, d.rt, "second", d.spec, &d.why), KEEL_OK);
    find_key(beside, true);
    find_key(apart, false);
}

static void teardown(void)
{
    keel_bag_close(second);
    bag_dir_close(&d);
    bag_dir_cleanup(&d);
}

/* Both bags have settled where things are, and have tokens to give. */
static void fill(void)
{
    ck_assert_int_eq(bag_dir_set(&d, KEY, "old"), KEEL_OK);
    ck_assert_int_eq(bag_dir_set(&d, beside, "old"), KEEL_OK);
    ck_assert_int_eq(keel_bag_set(second, apart, "old", 3, NULL, &d.why), KEEL_OK);
}

/* ---- a write that hangs -------------------------------------------------------------- */

static void *write_new(void *ctx)
{
    keel_status *status = ctx;

    *status = keel_bag_set(d.bag, KEY, "new", 3, NULL, NULL);
    return NULL;
}

static pthread_t writer;
static keel_status written;

/* Returns when the nth of its calls that write to the disk hangs. */
static void begin_write(int nth)
{
    atomic_store(&disk.stalls, nth);
    ck_assert_int_eq(pthread_create(&writer, NULL, write_new, &written), 0);
    latch_await(&disk.hangs, 1);
}

static void end_write(void)
{
    latch_hit(&disk.well);
    pthread_join(writer, NULL);
    ck_assert_int_eq(written, KEEL_OK);
    bag_dir_expect(&d, KEY, "new");
}

/* ---- those beside it ----------------------------------------------------------------- */

static void expect_item(keel_bag *bag, const char *key, const char *text)
{
    char value[16] = "";
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value - 1 };
    const keel_bag_options soon = bag_dir_within(&d, NEVER_MS);

    ck_assert_int_eq(keel_bag_get(bag, key, &item, &soon, &d.why), KEEL_OK);
    ck_assert_str_eq(value, text);
}

/* One that waits for the disk would wait for good, and the test end by its time. */
static void expect_deadline(keel_status status, uint64_t begun_ns)
{
    ck_assert_int_eq(status, KEEL_DEADLINE);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(strstr(d.why.text, "its lock was not free in time") != NULL, "%s",
                  d.why.text);
    ck_assert_uint_ge(keel_now(d.rt), begun_ns + SOON_MS * KEEL_MS);
}

static void expect_sets_in_vain(keel_bag *bag, const char *key)
{
    const uint64_t begun_ns = keel_now(d.rt);
    const keel_bag_options soon = bag_dir_within(&d, SOON_MS);

    expect_deadline(keel_bag_set(bag, key, "x", 1, &soon, &d.why), begun_ns);
}

static void expect_deletes_in_vain(keel_bag *bag, const char *key)
{
    const uint64_t begun_ns = keel_now(d.rt);
    const keel_bag_options soon = bag_dir_within(&d, SOON_MS);

    expect_deadline(keel_bag_delete(bag, key, &soon, &d.why), begun_ns);
}

/* The syncs of a set, by their numbers, and what a reader finds meanwhile. */
static const struct {
    int nth;
    const char *seen;
} syncs[] = {
    { 1, "old" }, /* of the record, which is not in its place yet */
    { 2, "new" }, /* of the directory, in which it is */
};

START_TEST(a_write_that_hangs_keeps_no_reader_waiting)
{
    fill();
    begin_write(syncs[_i].nth);
    expect_item(d.bag, KEY, syncs[_i].seen);
    expect_item(second, KEY, syncs[_i].seen);
    expect_item(d.bag, beside, "old");
    expect_item(second, beside, "old");
    end_write();
}
END_TEST

START_TEST(who_writes_beside_one_that_hangs_waits_until_his_deadline)
{
    fill();
    begin_write(syncs[_i].nth);
    expect_sets_in_vain(d.bag, beside);
    expect_deletes_in_vain(d.bag, beside);
    expect_sets_in_vain(second, beside);
    expect_deletes_in_vain(second, beside);
    expect_item(d.bag, beside, "old");
    end_write();
    ck_assert_int_eq(bag_dir_set(&d, beside, "new"), KEEL_OK);
    expect_item(second, beside, "new");
}
END_TEST

START_TEST(who_writes_elsewhere_does_not_wait)
{
    const keel_bag_options soon = bag_dir_within(&d, NEVER_MS);

    fill();
    begin_write(syncs[_i].nth);
    ck_assert_int_eq(keel_bag_set(d.bag, apart, "new", 3, &soon, &d.why), KEEL_OK);
    ck_assert_int_eq(keel_bag_set(second, apart, "newer", 5, &soon, &d.why), KEEL_OK);
    expect_item(d.bag, apart, "newer");
    end_write();
}
END_TEST

/* Tokens are set aside by the million: rarely, but for all directories of records. */
START_TEST(who_waits_for_tokens_waits_until_his_deadline)
{
    ck_assert_int_eq(keel_bag_set(second, KEY, "old", 3, NULL, &d.why), KEEL_OK);
    begin_write(4); /* behind those of items, the root and what that is in */
    expect_item(d.bag, KEY, "old");
    expect_sets_in_vain(d.bag, apart);
    end_write();
    ck_assert_int_eq(bag_dir_set(&d, apart, "new"), KEEL_OK);
}
END_TEST

SUITE_IN("file_stalled", 20, setup, teardown,
         ROWS(a_write_that_hangs_keeps_no_reader_waiting, syncs),
         ROWS(who_writes_beside_one_that_hangs_waits_until_his_deadline, syncs),
         ROWS(who_writes_elsewhere_does_not_wait, syncs),
         ONE(who_waits_for_tokens_waits_until_his_deadline))
