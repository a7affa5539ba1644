/* SPDX-License-Identifier: MIT */
/*
 * The flat-file store as one process sees it: damage is told from absence, the directory
 * is what it was, leftovers go, scans go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bag/bag.h"
#include "bag/store/file_record.h"
#include "support/bag_dir.h"
#include "support/suite.h"

#define KEY "user:17"
#define OTHER "user:18"
#define VALUE "the quick brown fox"

static bag_dir d;

static void setup(void)
{
    bag_dir_init(&d, "sync=none&allow_flush=on");
    bag_dir_open(&d);
}

static void teardown(void)
{
    bag_dir_close(&d);
    bag_dir_cleanup(&d);
}

/* ---- files --------------------------------------------------------------------------- */

static size_t read_file(const char *path, unsigned char *bytes, size_t size)
{
    int fd = open(path, O_RDONLY);
    ssize_t length = read(fd, bytes, size);

    ck_assert_int_gt(length, 0);
    close(fd);
    return (size_t)length;
}

static void write_file(const char *path, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    close(fd);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* ---- damage -------------------------------------------------------------------------- */

static keel_status get(keel_bag_item *item, char *value, size_t size)
{
    const keel_bag_options all = { .size = sizeof all,
                                   .wishes = KEEL_BAG_WANT_TOKEN | KEEL_BAG_WANT_TTL };

    *item = (keel_bag_item){ .size = sizeof *item, .buffer = value, .capacity = size };
    return keel_bag_get(d.bag, KEY, item, &all, &d.why);
}

static void set_with_terms(void)
{
    const keel_bag_options terms = { .size = sizeof terms,
                                     .flags = 42,
                                     .ttl = keel_ttl_for_ms(1000000) };

    ck_assert_int_eq(keel_bag_set(d.bag, KEY, VALUE, strlen(VALUE), &terms, &d.why),
                     KEEL_OK);
}

START_TEST(every_flipped_bit_is_seen)
{
    unsigned char bytes[512];
    bag_dir_path path;
    keel_bag_item item;
    char value[64];
    size_t length;

    set_with_terms();
    length = read_file(bag_dir_item(&d, path, KEY), bytes, sizeof bytes);
    ck_assert_uint_eq(length, KEEL_FILE_HEAD + strlen(KEY) + strlen(VALUE));
    for (size_t bit = 0; bit < 8 * length; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        write_file(path, bytes, length);
        ck_assert_msg(get(&item, value, sizeof value) == KEEL_CORRUPT, "bit %zu: %s",
                      bit, d.why.text);
        ck_assert_uint_eq(item.length, 0);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    write_file(path, bytes, length);
    bag_dir_expect(&d, KEY, VALUE);
}
END_TEST

START_TEST(every_cut_is_seen)
{
    unsigned char bytes[512];
    bag_dir_path path;
    keel_bag_item item;
    char value[64];
    size_t length;

    set_with_terms();
    length = read_file(bag_dir_item(&d, path, KEY), bytes, sizeof bytes);
    for (size_t i = 0; i < length; i++) {
        write_file(path, bytes, i);
        ck_assert_msg(get(&item, value, sizeof value) == KEEL_CORRUPT, "%zu", i);
    }
    bytes[length] = 0;
    write_file(path, bytes, length + 1);
    ck_assert_int_eq(get(&item, value, sizeof value), KEEL_CORRUPT);
}
END_TEST

START_TEST(the_record_of_another_key_is_none_of_ours)
{
    bag_dir_path from, to;

    ck_assert_int_eq(bag_dir_set(&d, KEY, VALUE), KEEL_OK);
    ck_assert_int_eq(bag_dir_set(&d, OTHER, "another"), KEEL_OK);
    ck_assert_int_eq(rename(bag_dir_item(&d, from, OTHER), bag_dir_item(&d, to, KEY)),
                     0);
    ck_assert_int_eq(keel_bag_touch(d.bag, KEY, NULL, &d.why), KEEL_CORRUPT);
    ck_assert_ptr_nonnull(strstr(d.why.text, "another key"));
}
END_TEST

/* What writes by what is there does not write by what is not known to be there. */
typedef struct verb {
    const char *name;
    keel_status (*run)(void);
    keel_status status;
} verb;

static keel_status add(void)
{
    return keel_bag_add(d.bag, KEY, "x", 1, NULL, &d.why);
}

static keel_status replace(void)
{
    return keel_bag_replace(d.bag, KEY, "x", 1, NULL, &d.why);
}

static keel_status append(void)
{
    return keel_bag_append(d.bag, KEY, "x", 1, NULL, &d.why);
}

static keel_status incr(void)
{
    return keel_bag_incr(d.bag, KEY, 1, NULL, NULL, &d.why);
}

static keel_status touch(void)
{
    const keel_bag_options terms = { .size = sizeof terms,
                                     .ttl = keel_ttl_for_ms(1000) };

    return keel_bag_touch(d.bag, KEY, &terms, &d.why);
}

static keel_status cas(void)
{
    const keel_bag_token token = keel_bag_token_of(1);

    return keel_bag_cas(d.bag, KEY, &token, "x", 1, NULL, &d.why);
}

static keel_status delete_cas(void)
{
    const keel_bag_token token = keel_bag_token_of(1);

    return keel_bag_delete_cas(d.bag, KEY, &token, NULL, &d.why);
}

static keel_status set_and_keep(void)
{
    const keel_bag_options terms = { .size = sizeof terms,
                                     .ttl = keel_ttl_of(KEEL_TTL_KEEP, 0) };

    return keel_bag_set(d.bag, KEY, "x", 1, &terms, &d.why);
}

static keel_status set(void)
{
    return keel_bag_set(d.bag, KEY, "x", 1, NULL, &d.why);
}

static keel_status delete_it(void)
{
    return keel_bag_delete(d.bag, KEY, NULL, &d.why);
}

static const verb verbs[] = {
    { "add", add, KEEL_CORRUPT },
    { "replace", replace, KEEL_CORRUPT },
    { "append", append, KEEL_CORRUPT },
    { "incr", incr, KEEL_CORRUPT },
    { "touch", touch, KEEL_CORRUPT },
    { "cas", cas, KEEL_CORRUPT },
    { "delete_cas", delete_cas, KEEL_CORRUPT },
    { "a set that keeps the expiry", set_and_keep, KEEL_CORRUPT },
    { "a set mends it", set, KEEL_OK },
    { "a delete mends it", delete_it, KEEL_OK },
};

START_TEST(damage_is_neither_written_over_nor_taken_for_nothing)
{
    const verb *v = &verbs[_i];
    unsigned char before[512], after[512];
    bag_dir_path path;
    size_t length;

    ck_assert_int_eq(bag_dir_set(&d, KEY, "17"), KEEL_OK);
    length = read_file(bag_dir_item(&d, path, KEY), before, sizeof before);
    before[40] ^= 1;
    write_file(path, before, length);
    ck_assert_msg(v->run() == v->status, "%s: %s", v->name, d.why.text);
    if (v->status == KEEL_OK)
        return;
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_eq(read_file(path, after, sizeof after), length);
    ck_assert_mem_eq(before, after, length);
}
END_TEST

/* Neither is a damaged value given a new and right checksum. */
START_TEST(a_damaged_value_is_not_passed_on)
{
    unsigned char bytes[512];
    bag_dir_path path;
    size_t length;

    ck_assert_int_eq(bag_dir_set(&d, KEY, "17"), KEEL_OK);
    length = read_file(bag_dir_item(&d, path, KEY), bytes, sizeof bytes);
    bytes[length - 1] ^= 1;
    write_file(path, bytes, length);
    ck_assert_int_eq(append(), KEEL_CORRUPT);
    ck_assert_int_eq(incr(), KEEL_CORRUPT);
    ck_assert_int_eq(touch(), KEEL_CORRUPT);
    ck_assert_int_eq(add(), KEEL_NOT_STORED);
}
END_TEST

static void put_directory(const char *path)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void put_pipe(const char *path)
{
    ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void put_link(const char *path)
{
    bag_dir_path other;

    ck_assert_int_eq(bag_dir_set(&d, OTHER, VALUE), KEEL_OK);
    ck_assert_int_eq(symlink(bag_dir_item(&d, other, OTHER), path), 0);
}

static void (*const things[])(const char *path) = { put_directory, put_pipe, put_link };

START_TEST(what_is_no_file_is_damage)
{
    bag_dir_path path;
    keel_bag_item item;
    char value[64];

    ck_assert_int_eq(bag_dir_set(&d, KEY, VALUE), KEEL_OK);
    unlink(bag_dir_item(&d, path, KEY));
    things[_i](path);
    ck_assert_msg(get(&item, value, sizeof value) == KEEL_CORRUPT, "%s", d.why.text);
}
END_TEST

/* ---- the directory ------------------------------------------------------------------- */

/* An unmounted disk leaves an empty directory, which knows nothing of our items. */
START_TEST(another_directory_in_its_place_says_nothing)
{
    char aside[128], marks[128];

    ck_assert_int_eq(bag_dir_set(&d, KEY, VALUE), KEEL_OK);
    snprintf(marks, sizeof marks, "%s/keel-store", d.root);
    snprintf(aside, sizeof aside, "%s/aside", d.directory);
    ck_assert_int_eq(rename(d.root, aside), 0);
    ck_assert_int_eq(set(), KEEL_FAILED);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    for (int i = 0; i < 3; i++) { /* none, an empty one, another store's */
        keel_bag_item item = { .size = sizeof item };

        ck_assert_int_eq(keel_bag_get(d.bag, KEY, &item, NULL, &d.why), KEEL_FAILED);
        ck_assert_int_eq(keel_bag_flush(d.bag, NULL, &d.why), KEEL_FAILED);
        if (mkdir(d.root, 0700))
            write_file(marks, "x", 1);
    }
    unlink(marks);
    rmdir(d.root);
    ck_assert_int_eq(rename(aside, d.root), 0);
    bag_dir_expect(&d, KEY, VALUE);
}
END_TEST

typedef struct place {
    const char *why;
    const char *url; /* behind the test's own directory */
    keel_status status;
} place;

static const place places[] = {
    { "a directory that is missing is made", "/more", KEEL_OK },
    { "a slash behind it changes nothing", "/more/", KEEL_OK },
    { "one whose parent is missing is not", "/missing/s", KEEL_E_SYSTEM },
    { "a file is none", "/s/keel-store", KEEL_E_SYSTEM },
    { "of three ways to sync it is none", "/s?sync=perhaps", KEEL_E_CONFIG },
};

START_TEST(a_directory_is_what_it_has_to_be)
{
    const place *p = &places[_i];
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag *bag;
    char spec[160];

    snprintf(spec, sizeof spec, "file://%s%s", d.directory, p->url);
    ck_assert_msg(keel_bag_open(&bag, d.rt, "other", spec, &why) == p->status, "%s: %s",
                  p->why, why.text);
    keel_bag_close(bag);
}
END_TEST

static keel_status open_again(void)
{
    keel_bag *bag;
    keel_status status = keel_bag_open(&bag, d.rt, "other", d.spec, &d.why);

    keel_bag_close(bag);
    return status;
}

START_TEST(a_directory_of_another_user_is_refused)
{
    enum { SELF = 65534, OTHER_USER = 12345 };
    bag_dir_path marks;

    snprintf(marks, sizeof marks, "%s/keel-store", d.root);
    if (geteuid())
        return; /* it takes the superuser to give one away */
    ck_assert_int_eq(chmod(d.directory, 0711), 0);
    ck_assert_int_eq(chown(d.root, OTHER_USER, SELF), 0);
    ck_assert_int_eq(chmod(d.root, 0770), 0);
    ck_assert_int_eq(chmod(marks, 0666), 0);
    ck_assert_int_eq(setegid(SELF) | seteuid(SELF), 0);
    ck_assert_int_eq(open_again(), KEEL_E_SYSTEM);
    ck_assert_int_eq(seteuid(0) | setegid(0), 0);
    ck_assert_ptr_nonnull(strstr(d.why.text, "another user"));
    ck_assert_msg(open_again() == KEEL_OK, "%s", d.why.text);
}
END_TEST

START_TEST(no_directory_is_no_url)
{
    keel_bag *bag;

    ck_assert_int_eq(keel_bag_open(&bag, d.rt, "other", "file:///", &d.why),
                     KEEL_E_CONFIG);
}
END_TEST

START_TEST(the_memory_that_is_missing_is_said_and_given_back)
{
    static const char *const nothing[] = { NULL };
    failing_allocator f = { .failed = false };

    for (long n = 1; n == 1 || f.failed; n++) {
        keel_options options = { .size = sizeof options, .environment = nothing };
        keel_runtime *rt;
        keel_bag *bag;

        failing_allocator_init(&f, n);
        options.allocator = &f.allocator;
        if (keel_open(&rt, &options, NULL) != KEEL_OK)
            continue;
        if (keel_bag_open(&bag, rt, "files", d.spec, NULL) == KEEL_OK) {
            keel_status status = keel_bag_set(bag, KEY, "1", 1, NULL, NULL);

            ck_assert(status == KEEL_OK || status == KEEL_E_NOMEM);
            status = keel_bag_incr(bag, KEY, 1, NULL, NULL, NULL);
            ck_assert(status == KEEL_OK || status == KEEL_E_NOMEM);
        }
        keel_bag_close(bag);
        keel_close(rt, 0);
        ck_assert_int_eq(f.live, 0);
    }
}
END_TEST

START_TEST(errno_stays)
{
    keel_bag_item item = { .size = sizeof item };

    errno = EDOM;
    ck_assert_int_eq(keel_bag_get(d.bag, KEY, &item, NULL, NULL), KEEL_NOT_FOUND);
    ck_assert_int_eq(set(), KEEL_OK);
    ck_assert_int_eq(delete_it(), KEEL_OK);
    ck_assert_int_eq(keel_bag_flush(d.bag, NULL, NULL), KEEL_OK);
    ck_assert_int_eq(errno, EDOM);
}
END_TEST

/* Beyond the limit the kernel would send SIGXFSZ, which ends a process. */
START_TEST(a_limit_on_files_is_an_error_and_no_signal)
{
    const struct rlimit limit = { 4096, RLIM_INFINITY };
    static char value[8192];

    ck_assert_int_eq(set(), KEEL_OK);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(keel_bag_set(d.bag, KEY, value, sizeof value, NULL, &d.why),
                     KEEL_E_TOO_LARGE);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    bag_dir_expect(&d, KEY, "x");
}
END_TEST

/* ---- disks that are full, or may only be read ---------------------------------------- */

/* In a tree of mounts of its own; false: this process may not. Behind it, errno knows. */
static bool mount_small(void)
{
    if (getenv("CK_FORK") || unshare(CLONE_NEWNS) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return false;
    bag_dir_close(&d);
    bag_dir_remove(d.root);
    ck_assert_int_eq(mkdir(d.root, 0700), 0);
    if (mount("keel", d.root, "tmpfs", 0, "size=1536k") == 0) {
        bag_dir_open(&d);
        return true;
    }
    bag_dir_open(&d);
    return false;
}

static void unmount(void)
{
    bag_dir_close(&d);
    umount2(d.root, MNT_DETACH);
    bag_dir_open(&d);
}

START_TEST(a_full_disk_is_said_and_harms_nothing)
{
    static char value[100000];
    char key[32];
    int stored = 0;
    keel_status status = KEEL_OK;

    if (!mount_small())
        return; /* t_file_faults answers for the disk */
    ck_assert_int_eq(bag_dir_set(&d, KEY, VALUE), KEEL_OK);
    for (; status == KEEL_OK && stored < 1000; stored++) {
        snprintf(key, sizeof key, "filler:%d", stored);
        status = keel_bag_set(d.bag, key, value, sizeof value, NULL, &d.why);
    }
    ck_assert_int_eq(status, KEEL_FAILED);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(d.why.system_errno, ENOSPC);
    bag_dir_expect(&d, key, "");
    bag_dir_expect(&d, KEY, VALUE);
    ck_assert_int_eq(keel_bag_delete(d.bag, "filler:0", NULL, &d.why), KEEL_OK);
    ck_assert_int_eq(keel_bag_set(d.bag, key, value, sizeof value, NULL, &d.why),
                     KEEL_OK);
    unmount();
}
END_TEST

START_TEST(a_disk_that_may_only_be_read_is_read)
{
    if (!mount_small())
        return;
    ck_assert_int_eq(bag_dir_set(&d, KEY, VALUE), KEEL_OK);
    bag_dir_close(&d); /* the kernel refuses it while a file may be written */
    ck_assert_int_eq(mount("keel", d.root, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    bag_dir_open(&d);
    ck_assert_int_eq(set(), KEEL_READ_ONLY);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(delete_it(), KEEL_READ_ONLY);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    ck_assert_int_eq(keel_bag_flush(d.bag, NULL, &d.why), KEEL_READ_ONLY);
    bag_dir_expect(&d, KEY, VALUE);
    unmount();
}
END_TEST

/* ---- leftovers ----------------------------------------------------------------------- */

START_TEST(what_dead_writers_left_goes_at_the_next_opening)
{
    bag_dir_path path;

    ck_assert_int_eq(bag_dir_set(&d, KEY, VALUE), KEEL_OK);
    write_file(bag_dir_new(&d, path, KEY), "half", 4);
    bag_dir_close(&d);
    bag_dir_open(&d);
    ck_assert(!is_there(path));
    bag_dir_expect(&d, KEY, VALUE);
}
END_TEST

START_TEST(what_dead_writers_left_is_in_nobodys_way)
{
    bag_dir_path path;

    ck_assert_int_eq(bag_dir_set(&d, KEY, VALUE), KEEL_OK);
    write_file(bag_dir_new(&d, path, KEY), "half", 4);
    ck_assert_int_eq(set(), KEEL_OK);
    ck_assert(!is_there(path));
    bag_dir_expect(&d, KEY, "x");
}
END_TEST

/* Items are in a directory of theirs, one in 256; so there are other entries, too. */
static unsigned count_entries(const char *pattern)
{
    char command[160], answer[32] = "";
    FILE *pipe;

    snprintf(command, sizeof command, "find %s -mindepth 1 -path '*/%s' | wc -l",
             d.root, pattern);
    pipe = popen(command, "re");
    ck_assert_ptr_nonnull(pipe);
    ck_assert_ptr_nonnull(fgets(answer, sizeof answer, pipe));
    pclose(pipe);
    return (unsigned)strtoul(answer, NULL, 10);
}

START_TEST(what_was_flushed_leaves_no_files)
{
    char aside[128];

    ck_assert_int_eq(bag_dir_set(&d, KEY, VALUE), KEEL_OK);
    ck_assert_int_eq(keel_bag_flush(d.bag, NULL, &d.why), KEEL_OK);
    bag_dir_expect(&d, KEY, "");
    ck_assert_uint_eq(count_entries("*"), 1); /* keel-store */
    ck_assert_int_eq(keel_bag_flush(d.bag, NULL, &d.why), KEEL_OK);
    ck_assert_int_eq(bag_dir_set(&d, KEY, VALUE), KEEL_OK);
    snprintf(aside, sizeof aside, "%s/dropped-1", d.root);
    mkdir(aside, 0700);
    bag_dir_close(&d);
    bag_dir_open(&d);
    ck_assert(!is_there(aside));
    bag_dir_expect(&d, KEY, VALUE);
}
END_TEST

/* ---- nonces -------------------------------------------------------------------------- */

/* By which a write whose answer was lost is known for one's own. */
START_TEST(the_nonce_of_a_write_is_found_again)
{
    const keel_bag_child *store = &d.bag->root;
    const keel_bytes key = { KEY, strlen(KEY) };
    const keel_bag_put put = { .size = sizeof put, .value = key };
    uint64_t found = 0;
    keel_bag_op op = { .size = sizeof op,
                       .deadline_at_ns = keel_now(d.rt) + 10 * KEEL_S,
                       .nonce = 17,
                       .nonce_found = &found };
    keel_bag_item item = { .size = sizeof item };
    keel_bag_token fresh;

    ck_assert_int_eq(store->ops->store(store->state, &op, key, &put, &fresh, &d.why),
                     KEEL_OK);
    ck_assert_int_eq(store->ops->get(store->state, &op, key, &item, &d.why), KEEL_OK);
    ck_assert_uint_eq(found, 17);
}
END_TEST

/* ---- scans --------------------------------------------------------------------------- */

enum { MANY = 400 };

typedef struct seen {
    unsigned times[MANY];
    unsigned calls;
    bool one_at_a_time;
} seen;

static bool note(const char *key, void *ctx)
{
    seen *s = ctx;
    unsigned number;

    s->calls++;
    if (sscanf(key, "key:%u", &number) == 1 && number < MANY)
        s->times[number]++;
    return !s->one_at_a_time;
}

static const char *key_of(unsigned number)
{
    static char key[32];

    snprintf(key, sizeof key, "key:%u", number);
    return key;
}

static void set_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(bag_dir_set(&d, key_of(i), VALUE), KEEL_OK);
}

/* Another bag each time, as if the cursor had been kept in a file. */
START_TEST(a_scan_goes_on_where_it_stopped)
{
    keel_bag_cursor cursor = { .length = 0 };
    seen s = { .one_at_a_time = true };

    set_many(MANY);
    for (unsigned i = 0; !cursor.is_at_end; i++) {
        unsigned before = s.calls;

        ck_assert_int_eq(keel_bag_scan(d.bag, &cursor, note, &s, NULL, &d.why),
                         KEEL_OK);
        ck_assert_uint_le(s.calls, before + 1);
        if (i % 50 == 0) {
            bag_dir_close(&d);
            bag_dir_open(&d);
        }
    }
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_uint_eq(s.times[i], 1);
}
END_TEST

START_TEST(a_scan_tells_damage_and_goes_on_behind_it)
{
    keel_bag_cursor cursor = { .length = 0 };
    unsigned damaged = 0;
    bag_dir_path path;
    seen s = { .calls = 0 };

    set_many(MANY);
    for (unsigned i = 0; i < MANY; i += 40)
        write_file(bag_dir_item(&d, path, key_of(i)), "damage", 6);
    while (!cursor.is_at_end) {
        keel_status status = keel_bag_scan(d.bag, &cursor, note, &s, NULL, &d.why);

        ck_assert(status == KEEL_OK || status == KEEL_CORRUPT);
        damaged += status == KEEL_CORRUPT;
    }
    ck_assert_uint_eq(damaged, MANY / 40);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_uint_eq(s.times[i], i % 40 != 0);
}
END_TEST

START_TEST(a_scan_removes_what_has_expired)
{
    const keel_bag_options gone = { .size = sizeof gone, .ttl = keel_ttl_for_ms(-1) };
    keel_bag_cursor cursor = { .length = 0 };
    bag_dir_path path;
    seen s = { .calls = 0 };

    ck_assert_int_eq(bag_dir_set(&d, key_of(1), VALUE), KEEL_OK);
    ck_assert_int_eq(keel_bag_set(d.bag, key_of(2), "x", 1, &gone, &d.why), KEEL_OK);
    ck_assert(is_there(bag_dir_item(&d, path, key_of(2))));
    while (!cursor.is_at_end)
        ck_assert_int_eq(keel_bag_scan(d.bag, &cursor, note, &s, NULL, &d.why),
                         KEEL_OK);
    ck_assert_uint_eq(s.times[1], 1);
    ck_assert_uint_eq(s.times[2], 0);
    ck_assert(!is_there(path));
}
END_TEST

START_TEST(a_cursor_of_another_store_is_refused)
{
    keel_bag_cursor cursor = { .length = 64, .bytes = "../../../etc/passwd" };
    seen s = { .calls = 0 };

    ck_assert_int_eq(keel_bag_scan(d.bag, &cursor, note, &s, NULL, &d.why),
                     KEEL_E_ARGUMENT);
    cursor.length = 7;
    ck_assert_int_eq(keel_bag_scan(d.bag, &cursor, note, &s, NULL, &d.why),
                     KEEL_E_ARGUMENT);
}
END_TEST

SUITE_IN("file", 60, setup, teardown, ONE(every_flipped_bit_is_seen),
         ONE(every_cut_is_seen), ONE(the_record_of_another_key_is_none_of_ours),
         ROWS(damage_is_neither_written_over_nor_taken_for_nothing, verbs),
         ONE(a_damaged_value_is_not_passed_on), ROWS(what_is_no_file_is_damage, things),
         ONE(another_directory_in_its_place_says_nothing),
         ROWS(a_directory_is_what_it_has_to_be, places),
         ONE(a_directory_of_another_user_is_refused), ONE(no_directory_is_no_url),
         ONE(the_memory_that_is_missing_is_said_and_given_back), ONE(errno_stays),
         ONE(a_limit_on_files_is_an_error_and_no_signal),
         ONE(a_full_disk_is_said_and_harms_nothing),
         ONE(a_disk_that_may_only_be_read_is_read),
         ONE(what_dead_writers_left_goes_at_the_next_opening),
         ONE(what_dead_writers_left_is_in_nobodys_way),
         ONE(what_was_flushed_leaves_no_files),
         ONE(the_nonce_of_a_write_is_found_again), ONE(a_scan_goes_on_where_it_stopped),
         ONE(a_scan_tells_damage_and_goes_on_behind_it),
         ONE(a_scan_removes_what_has_expired),
         ONE(a_cursor_of_another_store_is_refused))
