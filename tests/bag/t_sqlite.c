/* SPDX-License-Identifier: MIT */
/*
 * What the store in SQLite does when things go wrong: locks, deadlines, a full disk, a
 * disk that fails, a file that is another one. What every bag promises keel-conform holds
 * it to; several processes are in t_sqlite_processes.c.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bag/sqlite.h"
#include "support/suite.h"

static sqlite_bag b;
static atomic_bool is_full;       /* the disk */
static atomic_bool fails_to_sync; /* it, too */

/* ---- the kernel's answers ------------------------------------------------------------ */

static ssize_t write_at(int fd, const void *from, size_t size, off_t at)
{
    if (is_full) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, from, size, at);
}

/* By SQLite's own hook; a name that this build of it does not use does no harm. */
static void answer_for_writes(void)
{
    static const char *const names[] = { "pwrite", "pwrite64" };
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        vfs->xSetSystemCall(vfs, names[i], (sqlite3_syscall_ptr)write_at);
}

/* SQLite has no hook for these; the program's own are found before libc's. */
__attribute__((visibility("default"))) int fsync(int fd)
{
    if (!fails_to_sync)
        return (int)syscall(SYS_fsync, fd);
    errno = EIO;
    return -1;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    return fsync(fd);
}

/* ---- around -------------------------------------------------------------------------- */

static void setup(void)
{
    is_full = fails_to_sync = false;
    answer_for_writes();
    sqlite_bag_init(&b);
    sqlite_bag_open(&b, "");
}

static void teardown(void)
{
    is_full = fails_to_sync = false;
    sqlite_bag_cleanup(&b);
}

/* A user of the file who is no bag. */
static sqlite3 *other_user(void)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(sqlite_bag_file(&b, "kv.db"), &db), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(db));
}

static int ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    int number;

    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    number = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static keel_bag_options until_in_ms(uint64_t ms)
{
    return (keel_bag_options){ .size = sizeof(keel_bag_options),
                               .deadline_at_ns = keel_now(b.rt) + ms * 1000000 };
}

/* ---- opening ------------------------------------------------------------------------- */

START_TEST(nobody_else_may_read_the_files_that_it_makes)
{
    static const char *const names[] = { "kv.db", "kv.db-wal", "kv.db-shm" };
    struct stat file;

    ck_assert_int_eq(sqlite_bag_set(&b, "k", "secret"), KEEL_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_int_eq(stat(sqlite_bag_file(&b, names[i]), &file), 0);
        ck_assert_uint_eq(file.st_mode & 0777, 0600);
    }
}
END_TEST

static const struct {
    const char *spec;
    keel_status status;
    const char *words;
} mistakes[] = {
    { "sqlite:///nonexistent/kv.db", KEEL_E_SYSTEM, "No such file or directory" },
    { "sqlite://nonexistent/kv.db", KEEL_E_CONFIG,
      "sqlite:/// and the absolute path of a file" },
    { "sqlite:///", KEEL_E_CONFIG, "its URL names no file" },
    { "sqlite:///tmp/kv.db?sync=ful", KEEL_E_CONFIG, "full|normal|off" },
    { "sqlite:///tmp/kv.db?connections=0", KEEL_E_CONFIG, "connections is 1 to 64" },
};

START_TEST(what_can_be_seen_to_be_wrong_is_said_at_once)
{
    sqlite_bag wrong = b;

    ck_assert_int_eq(sqlite_bag_try(&wrong, mistakes[_i].spec), mistakes[_i].status);
    ck_assert_msg(strstr(wrong.why.text, mistakes[_i].words) != NULL, "%s",
                  wrong.why.text);
}
END_TEST

static void expect_no_bag_in(const char *name, const char *words)
{
    char spec[2 * SPAWNED_PATH_SIZE];
    sqlite_bag wrong = b;

    snprintf(spec, sizeof spec, "sqlite://%s", sqlite_bag_file(&b, name));
    ck_assert_int_eq(sqlite_bag_try(&wrong, spec), KEEL_E_SYSTEM);
    ck_assert_msg(strstr(wrong.why.text, words) != NULL, "%s", wrong.why.text);
}

START_TEST(a_file_that_is_no_bag_is_left_alone)
{
    FILE *text = fopen(sqlite_bag_file(&b, "text"), "w");
    sqlite3 *db;

    ck_assert_ptr_nonnull(text);
    for (int i = 0; i < 1000; i++)
        fputs("Dear diary, ", text);
    fclose(text);
    expect_no_bag_in("text", "file is not a database");
    ck_assert_int_eq(sqlite3_open(sqlite_bag_file(&b, "later.db"), &db), SQLITE_OK);
    run(db, "PRAGMA user_version = 7");
    sqlite3_close(db);
    expect_no_bag_in("later.db", "another version of keel, or no bag");
}
END_TEST

START_TEST(a_file_that_is_locked_opens_and_is_there_later)
{
    sqlite_bag second = b;
    sqlite3 *db = other_user();
    char spec[2 * SPAWNED_PATH_SIZE];

    run(db, "PRAGMA locking_mode=EXCLUSIVE");
    sqlite_bag_close(
        &b); /* the last one but us: what was in the log goes into the file */
    run(db, "BEGIN EXCLUSIVE");
    second.rt = NULL;
    snprintf(spec, sizeof spec, "sqlite://%s", sqlite_bag_file(&b, "kv.db"));
    ck_assert_msg(sqlite_bag_try(&second, spec) == KEEL_OK, "%s", second.why.text);
    sqlite3_close(db);
    ck_assert_msg(sqlite_bag_set(&second, "k", "v") == KEEL_OK, "%s", second.why.text);
    sqlite_bag_close(&second);
    sqlite_bag_open(&b, "");
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "v");
}
END_TEST

/* SQLite tells who would begin with a log that the file is busy without a wait. */
START_TEST(a_file_that_somebody_is_making_opens_and_is_there_later)
{
    char spec[2 * SPAWNED_PATH_SIZE];
    sqlite_bag made = b;
    sqlite3 *db;

    snprintf(spec, sizeof spec, "sqlite://%s", sqlite_bag_file(&b, "new.db"));
    ck_assert_int_eq(sqlite3_open(sqlite_bag_file(&b, "new.db"), &db), SQLITE_OK);
    run(db, "BEGIN IMMEDIATE");
    ck_assert_msg(sqlite_bag_try(&made, spec) == KEEL_OK, "%s", made.why.text);
    sqlite3_close(db);
    ck_assert_int_eq(sqlite_bag_set(&made, "k", "v"), KEEL_OK);
    keel_bag_close(made.bag);
}
END_TEST

/* ---- deadlines ----------------------------------------------------------------------- */

START_TEST(a_write_that_others_keep_out_ends_by_its_deadline_undone)
{
    keel_bag_options options;
    sqlite3 *db = other_user();
    uint64_t begun;

    ck_assert_int_eq(sqlite_bag_set(&b, "k", "before"), KEEL_OK);
    run(db, "BEGIN IMMEDIATE");
    begun = keel_now(b.rt);
    options = until_in_ms(100);
    ck_assert_int_eq(keel_bag_set(b.bag, "k", "x", 1, &options, &b.why), KEEL_DEADLINE);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_lt(keel_now(b.rt) - begun,
                      UINT64_C(2000000000));             /* of ten seconds */
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "before"); /* reading waits for nobody */
    sqlite3_close(db);
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "after"), KEEL_OK);
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "after");
}
END_TEST

START_TEST(a_token_that_fires_ends_the_wait)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    const keel_bag_options options = { .size = sizeof options, .cancel = &cancel };
    sqlite3 *db = other_user();
    uint64_t begun = keel_now(b.rt);

    run(db, "BEGIN IMMEDIATE");
    keel_cancel_fire(&cancel);
    ck_assert_int_eq(keel_bag_set(b.bag, "k", "x", 1, &options, &b.why),
                     KEEL_CANCELLED);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_lt(keel_now(b.rt) - begun,
                      UINT64_C(5000000000)); /* of ten seconds */
    sqlite3_close(db);
}
END_TEST

static bool say_nothing(const char *key, void *ctx)
{
    (void)key;
    (void)ctx;
    return true;
}

/* Of so many items none is to be said, so all have to be looked at first. */
START_TEST(what_takes_long_ends_by_its_deadline)
{
    keel_bag_cursor cursor = { .length = 0 };
    keel_bag_options options;
    sqlite3 *db = other_user();

    run(db, "PRAGMA synchronous=OFF");
    run(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
            "WHERE i < 500000) INSERT INTO keel_bag "
            "SELECT CAST(printf('%08d', i) AS BLOB), x'', 0, 1, i, 0 FROM n");
    sqlite3_close(db);
    options = until_in_ms(1);
    ck_assert_int_eq(keel_bag_scan(b.bag, &cursor, say_nothing, NULL, &options, &b.why),
                     KEEL_DEADLINE);
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "v"), KEEL_OK);
}
END_TEST

/* ---- disks --------------------------------------------------------------------------- */

START_TEST(a_full_disk_is_said_and_nothing_is_changed)
{
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "before"), KEEL_OK);
    is_full = true;
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "after"), KEEL_FAILED);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(b.why.system_errno, ENOSPC);
    ck_assert_ptr_nonnull(strstr(b.why.text, "No space left on device"));
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "before");
    is_full = false;
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "after"), KEEL_OK);
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "after");
}
END_TEST

START_TEST(a_disk_that_fails_when_it_has_to_keep_a_write_leaves_it_unknown)
{
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "before"), KEEL_OK);
    fails_to_sync = true;
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "after"), KEEL_UNKNOWN);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_UNKNOWN);
    ck_assert_int_eq(b.why.system_errno, EIO);
    fails_to_sync = false;
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "later"), KEEL_OK);
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "later");
}
END_TEST

START_TEST(without_sync_no_write_waits_for_the_disk)
{
    sqlite_bag_close(&b);
    sqlite_bag_open(&b, "?sync=off");
    fails_to_sync = true;
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "v"), KEEL_OK);
}
END_TEST

/* All pages but the first, which names the tables. */
static void damage_pages(void)
{
    static const char page[4096] = { 'x' };
    FILE *file = fopen(sqlite_bag_file(&b, "kv.db"), "r+");
    long size;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    ck_assert_int_gt(size, 2 * (long)sizeof page);
    for (long at = sizeof page; at < size; at += (long)sizeof page) {
        ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
        ck_assert_uint_eq(fwrite(page, 1, sizeof page, file), sizeof page);
    }
    fclose(file);
}

START_TEST(what_sqlite_finds_damaged_is_told_and_is_no_miss)
{
    char key[16];

    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_int_eq(sqlite_bag_set(&b, key, "a value of some length"), KEEL_OK);
    }
    sqlite_bag_close(&b);
    damage_pages();
    sqlite_bag_open(&b, "");
    ck_assert_str_eq(sqlite_bag_get(&b, "k7"), "");
    ck_assert_int_eq(b.why.code, KEEL_CORRUPT);
    ck_assert_int_eq(sqlite_bag_set(&b, "k7", "v"), KEEL_CORRUPT);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_NO);
}
END_TEST

/* ---- what is kept -------------------------------------------------------------------- */

static void remove_file(void)
{
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "old"), KEEL_OK);
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "old");
    ck_assert_int_eq(unlink(sqlite_bag_file(&b, "kv.db")), 0);
    ck_assert_int_eq(unlink(sqlite_bag_file(&b, "kv.db-wal")), 0);
    ck_assert_int_eq(unlink(sqlite_bag_file(&b, "kv.db-shm")), 0);
}

START_TEST(a_file_that_is_gone_is_no_empty_bag)
{
    remove_file();
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "");
    ck_assert_int_eq(b.why.code, KEEL_FAILED);
    ck_assert_int_eq(b.why.system_errno, ENOENT);
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "new"), KEEL_FAILED);
    ck_assert_int_eq(b.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(access(sqlite_bag_file(&b, "kv.db"), F_OK), -1);
}
END_TEST

START_TEST(another_file_in_its_place_is_the_bag_from_then_on)
{
    remove_file();
    ck_assert_int_eq(mknod(sqlite_bag_file(&b, "kv.db"), S_IFREG | 0600, 0), 0);
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "");
    ck_assert_int_eq(b.why.code, KEEL_NOT_FOUND);
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "new"), KEEL_OK);
    sqlite_bag_close(&b);
    sqlite_bag_open(&b, "");
    ck_assert_str_eq(sqlite_bag_get(&b, "k"), "new");
}
END_TEST

START_TEST(a_token_of_before_a_restart_is_nobody_elses_after_it)
{
    keel_bag_token token;
    const keel_bag_options options = { .size = sizeof options, .token = &token };

    ck_assert_int_eq(keel_bag_set(b.bag, "k", "v", 1, &options, &b.why), KEEL_OK);
    ck_assert_int_eq(keel_bag_delete(b.bag, "k", NULL, &b.why), KEEL_OK);
    sqlite_bag_close(&b);
    sqlite_bag_open(&b, "");
    ck_assert_int_eq(sqlite_bag_set(&b, "k", "w"), KEEL_OK);
    ck_assert_int_eq(keel_bag_cas(b.bag, "k", &token, "x", 1, NULL, &b.why),
                     KEEL_EXISTS);
}
END_TEST

START_TEST(what_has_expired_leaves_the_file_with_those_who_write)
{
    const keel_bag_options past = { .size = sizeof past, .ttl = keel_ttl_for_ms(-1) };
    sqlite3 *db = other_user();
    char key[16];

    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "gone%d", i);
        ck_assert_int_eq(keel_bag_set(b.bag, key, "x", 1, &past, &b.why), KEEL_OK);
    }
    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(sqlite_bag_set(&b, "stays", "x"), KEEL_OK);
    ck_assert_int_eq(ask(db, "SELECT count(*) FROM keel_bag"), 1);
    sqlite3_close(db);
}
END_TEST

START_TEST(a_value_that_was_appended_to_stays_bytes)
{
    static const char is_blob[] = "SELECT typeof(v) = 'blob' FROM keel_bag";
    sqlite3 *db = other_user();

    ck_assert_int_eq(keel_bag_set(b.bag, "k", "a\0b", 3, NULL, &b.why), KEEL_OK);
    ck_assert_int_eq(keel_bag_append(b.bag, "k", "\0c", 2, NULL, &b.why), KEEL_OK);
    ck_assert_int_eq(ask(db, is_blob), 1);
    ck_assert_int_eq(keel_bag_prepend(b.bag, "k", "\xff\0", 2, NULL, &b.why), KEEL_OK);
    ck_assert_int_eq(ask(db, is_blob), 1);
    ck_assert_int_eq(ask(db, "SELECT v = x'ff006100620063' FROM keel_bag"), 1);
    sqlite3_close(db);
}
END_TEST

SUITE_IN("sqlite", 60, setup, teardown,
         ONE(nobody_else_may_read_the_files_that_it_makes),
         ROWS(what_can_be_seen_to_be_wrong_is_said_at_once, mistakes),
         ONE(a_file_that_is_no_bag_is_left_alone),
         ONE(a_file_that_is_locked_opens_and_is_there_later),
         ONE(a_file_that_somebody_is_making_opens_and_is_there_later),
         ONE(a_write_that_others_keep_out_ends_by_its_deadline_undone),
         ONE(a_token_that_fires_ends_the_wait),
         ONE(what_takes_long_ends_by_its_deadline),
         ONE(a_full_disk_is_said_and_nothing_is_changed),
         ONE(a_disk_that_fails_when_it_has_to_keep_a_write_leaves_it_unknown),
         ONE(without_sync_no_write_waits_for_the_disk),
         ONE(what_sqlite_finds_damaged_is_told_and_is_no_miss),
         ONE(a_file_that_is_gone_is_no_empty_bag),
         ONE(another_file_in_its_place_is_the_bag_from_then_on),
         ONE(a_token_of_before_a_restart_is_nobody_elses_after_it),
         ONE(what_has_expired_leaves_the_file_with_those_who_write),
         ONE(a_value_that_was_appended_to_stays_bytes))
