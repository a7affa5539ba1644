/* SPDX-License-Identifier: MIT */
/* failover's journal: what is known of an outage after a crash, and what is not. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bag/staged.h"
#include "bag/wrap/failover.h"
#include "call/runtime.h"
#include "support/child.h"
#include "support/suite.h"

enum { SLOT = 512 };

static staged s;
static char folder[64], path[96], options[256];

void __wrap_keel_failover_rouse(keel_failover *f);
void __wrap_keel_failover_rouse(keel_failover *f)
{
    (void)f;
}

static const staged_fault refused = STAGED_REFUSED;

static void begin(void)
{
    strcpy(folder, "/tmp/keel-journal-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/j", folder);
    snprintf(options, sizeof options, "hold=1s; failures=1; journal=%s", path);
    staged_init(&s, "primary|standby", NULL);
    ck_assert_msg(staged_open(&s, &keel_wrap_failover, options) == KEEL_OK, "%s",
                  s.why.text);
}

static void end(void)
{
    staged_cleanup(&s);
    unlink(path);
    rmdir(folder);
}

static keel_failover *failover(void)
{
    return s.bag.root.state;
}

/* The process dies, and another one opens what it has left; stores outlive it. */
static void crash(void)
{
    staged_close(&s);
    ck_assert_msg(staged_open(&s, &keel_wrap_failover, options) == KEEL_OK, "%s",
                  s.why.text);
}

/* Written while the primary is away. */
static void set_away(const char *key, const char *text)
{
    staged_fail(&s.stores[0], refused, 1000000);
    ck_assert_int_eq(staged_set(&s, key, text), KEEL_OK);
    staged_fail(&s.stores[0], refused, 0);
}

static void rejoin(void)
{
    for (uint64_t at = 0; at != KEEL_NEVER;) {
        at = keel_failover_step(failover());
        if (at != KEEL_NEVER && at > vclock_now(&s.o.clock))
            vclock_advance(&s.o.clock, at - vclock_now(&s.o.clock));
    }
}

static void expect(const char *key, const char *text)
{
    ck_assert_int_eq(staged_get(&s, key), KEEL_OK);
    ck_assert_str_eq(s.value, text);
}

/* How many slots name a key. */
static unsigned marks(void)
{
    char slot[SLOT];
    unsigned count = 0;
    int fd = open(path, O_RDONLY);

    ck_assert_int_ge(fd, 0);
    while (read(fd, slot, sizeof slot) == SLOT)
        count += memcmp(slot, (const char[8]){ 0 }, 8) != 0;
    close(fd);
    return count - 1; /* the head */
}

START_TEST(what_was_written_in_an_outage_is_known_after_a_crash)
{
    begin();
    staged_put(&s, 0, "k", "old");
    set_away("k", "new");
    crash();
    ck_assert_uint_eq(keel_failover_dirty_count(failover()), 1);
    expect("k", "new"); /* the primary is there, and has the old one */
    rejoin();
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "new");
    crash();
    ck_assert_uint_eq(keel_failover_dirty_count(failover()), 0);
    expect("k", "new");
    end();
}
END_TEST

static void count_line(keel_log_level level, const char *subsystem, const char *message,
                       void *ctx)
{
    (void)level;
    (void)subsystem;
    *(unsigned *)ctx += strstr(message, "forgotten") != NULL;
}

START_TEST(what_the_journal_knows_is_not_logged_as_forgotten)
{
    unsigned lines = 0;

    begin();
    s.o.rt->log =
        (keel_log){ .fn = count_line, .ctx = &lines, .level = KEEL_LOG_WARNING };
    set_away("k", "new");
    crash();
    ck_assert_uint_eq(lines, 0);
    end();
}
END_TEST

START_TEST(what_was_carried_back_is_not_carried_back_again)
{
    begin();
    set_away("k", "1");
    rejoin();
    ck_assert_uint_eq(marks(), 0);
    ck_assert_int_eq(staged_set(&s, "k", "2"), KEEL_OK);
    crash();
    rejoin();
    expect("k", "2");
    end();
}
END_TEST

START_TEST(a_key_has_one_slot_however_often_it_is_written)
{
    begin();
    for (int i = 0; i < 50; i++) {
        set_away("a", "1");
        set_away("b", "1");
    }
    ck_assert_uint_eq(marks(), 2);
    rejoin();
    for (int i = 0; i < 50; i++) {
        set_away("c", "1");
        rejoin();
    }
    ck_assert_uint_eq(marks(), 0);
    ck_assert_uint_le(failover()->journal.end, 4); /* slots are used again */
    end();
}
END_TEST

START_TEST(a_key_that_changed_hands_is_its_last_owners)
{
    begin();
    staged_cleanup(&s);
    staged_init(&s, "primary|standby|third", NULL);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, options), KEEL_OK);
    set_away("k", "1");
    staged_fail(&s.stores[1], refused, 1);
    ck_assert_int_eq(staged_set(&s, "k", "2"), KEEL_OK);
    ck_assert_uint_eq(marks(), 1);
    crash();
    expect("k", "2");
    rejoin();
    ck_assert_str_eq(staged_peek(&s, 0, "k"), "2");
    end();
}
END_TEST

static keel_status get_without_expiry(void *state, const keel_bag_op *op,
                                      keel_bytes key, keel_bag_item *item,
                                      keel_detail *why)
{
    keel_status status =
        keel_store_memory.get(((staged_store *)state)->memory, op, key, item, why);

    item->expires_at_ms = -1;
    return status;
}

/* The standby is one that cannot tell when an item expires, as memcached by its old
 * protocol. */
static void begin_with_silent_standby(void)
{
    static keel_bag_ops silent;

    begin();
    staged_close(&s);
    silent = *s.stores[1].child.ops;
    silent.get = get_without_expiry;
    s.stores[1].child.ops = &silent;
    s.stores[1].child.abilities.effective &= ~(uint32_t)KEEL_CAN_TELL_TTL;
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, options), KEEL_OK);
}

static void set_away_until(const char *key, int64_t expires_at_ms)
{
    const keel_bag_options given = { .size = sizeof given,
                                     .ttl = keel_ttl_until_ms(expires_at_ms) };

    staged_fail(&s.stores[0], refused, 1000000);
    ck_assert_int_eq(keel_bag_set(&s.bag, key, "v", 1, &given, &s.why), KEEL_OK);
    staged_fail(&s.stores[0], refused, 0);
}

static int64_t expiry_at_primary(const char *key)
{
    const keel_bag_op op = { .size = sizeof op, .wishes = KEEL_BAG_WANT_TTL };
    keel_bag_item item = { .size = sizeof item };

    (void)keel_store_memory.get(s.stores[0].memory, &op,
                                (keel_bytes){ key, strlen(key) }, &item, NULL);
    return item.expires_at_ms;
}

START_TEST(the_last_expiry_is_known_after_a_crash)
{
    const int64_t sooner = 4102444800000, later = 4102444900000;

    begin_with_silent_standby();
    set_away_until("k", sooner);
    set_away_until("k", later);
    set_away_until("k", later);
    ck_assert_uint_eq(marks(), 1);
    ck_assert_uint_eq(failover()->sequence, 2); /* the third one changed nothing */
    crash();
    set_away_until("k", later); /* nor this one */
    ck_assert_uint_eq(failover()->sequence, 2);
    rejoin();
    ck_assert_int_eq(expiry_at_primary("k"), later);
    end();
}
END_TEST

/* An expiry that the standby tells costs no writer the disk. */
START_TEST(what_the_standby_tells_is_not_written_again)
{
    begin();
    set_away_until("k", 4102444800000);
    set_away_until("k", 4102444900000);
    ck_assert_uint_eq(failover()->sequence, 1);
    crash();
    rejoin();
    ck_assert_int_eq(expiry_at_primary("k"), 4102444900000);
    end();
}
END_TEST

static void write_meanwhile(void *ctx)
{
    unsigned *left = ctx;

    if (!*left || --*left)
        return;
    ck_assert_int_eq(staged_set(&s, "k", "newest"), KEEL_OK);
}

/* Whenever it comes in the middle of carrying back, a write that was told is known. */
START_TEST(a_write_in_the_middle_of_carrying_back_is_known_after_a_crash)
{
    unsigned left = 2; /* the probe, and then the item is put */

    begin();
    set_away("k", "new");
    s.stores[0].before = write_meanwhile;
    s.stores[0].ctx = &left;
    vclock_advance(&s.o.clock, KEEL_S);
    while (left)
        keel_failover_step(failover());
    s.stores[0].before = NULL;
    crash();
    expect("k", "newest");
    rejoin();
    expect("k", "newest");
    end();
}
END_TEST

static void damage(off_t at, size_t count)
{
    char bytes[SLOT];
    int fd = open(path, O_RDWR);

    memset(bytes, 0x5a, sizeof bytes);
    ck_assert_int_eq(pwrite(fd, bytes, count, at), (ssize_t)count);
    close(fd);
}

START_TEST(a_torn_slot_harms_no_other)
{
    begin();
    set_away("a", "1");
    set_away("b", "1");
    set_away("c", "1");
    staged_close(&s);
    damage(2 * SLOT + 100, 40);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, options), KEEL_OK);
    ck_assert_uint_eq(keel_failover_dirty_count(failover()), 2);
    expect("a", "1");
    expect("c", "1");
    ck_assert_int_eq(staged_get(&s, "b"), KEEL_NOT_FOUND); /* the primary's */
    end();
}
END_TEST

START_TEST(what_is_no_journal_is_refused_and_left_as_it_is)
{
    begin();
    staged_close(&s);
    damage(0, 8);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, options), KEEL_E_CONFIG);
    ck_assert_msg(strstr(s.why.text, "something else"), "%s", s.why.text);
    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, options), KEEL_E_CONFIG);
    rmdir(path);
    ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, options), KEEL_E_CONFIG);
    ck_assert_int_eq(
        staged_open(&s, &keel_wrap_failover, "journal=/nonexistent/folder/j"),
        KEEL_E_CONFIG);
    ck_assert_msg(strstr(s.why.text, "/nonexistent/folder/j"), "%s", s.why.text);
    end();
}
END_TEST

static bool ignore(const keel_failover_mark *mark, void *ctx, keel_detail *why)
{
    (void)mark;
    (void)ctx;
    (void)why;
    return true;
}

static void note(keel_failover_journal *j, const char *role, uint64_t sequence)
{
    keel_failover_mark mark = { .sequence = sequence,
                                .key = { "k", 1 },
                                .role = { role, strlen(role) } };

    ck_assert(keel_failover_journal_note(j, &mark));
}

/* It changed hands, and the end came before its old slot was cleared. */
START_TEST(of_two_slots_of_a_key_the_later_one_holds)
{
    keel_failover_journal j;

    begin();
    staged_cleanup(&s);
    staged_init(&s, "primary|standby|third", NULL);
    ck_assert_int_eq(keel_failover_journal_open(&j, NULL, path, ignore, NULL, NULL),
                     KEEL_OK);
    note(&j, "third", 9); /* slots that were used before are used again */
    note(&j, "standby", 3);
    keel_failover_journal_close(&j);
    staged_put(&s, 1, "k", "older");
    staged_put(&s, 2, "k", "newer");
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, options), KEEL_OK);
    ck_assert_uint_eq(marks(), 1);
    expect("k", "newer");
    ck_assert_uint_eq(failover()->sequence, 9);
    end();
}
END_TEST

START_TEST(a_journal_is_one_bags)
{
    static staged other;

    begin();
    staged_init(&other, "primary|standby", NULL);
    ck_assert_int_eq(staged_open(&other, &keel_wrap_failover, options), KEEL_E_CONFIG);
    ck_assert_msg(strstr(other.why.text, "another bag has it: while a service runs "
                                         "with it, its primary can be used"),
                  "%s", other.why.text);
    staged_close(&s);
    ck_assert_int_eq(staged_open(&other, &keel_wrap_failover, options), KEEL_OK);
    staged_cleanup(&other);
    end();
}
END_TEST

/* A child says that it is there, and lives until the test has closed its end. */
static int there[2], ended[2];

static void live_on(void)
{
    char nothing = 0;

    close(ended[1]);
    CHILD(write(there[1], &nothing, 1) == 1);
    CHILD(read(ended[0], &nothing, 1) == 0);
    kill(getpid(),
         SIGKILL); /* nothing is closed, and nothing looked for that was not */
}

static void open_and_leave_a_child(void)
{
    CHILD(staged_open(&s, &keel_wrap_failover, options) == KEEL_OK);
    child_fork(live_on);
    kill(getpid(), SIGKILL);
}

static void await_killed(pid_t child)
{
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(a_child_that_outlives_its_parent_does_not_keep_it)
{
    char nothing;

    begin();
    staged_close(&s);
    ck_assert(pipe(there) == 0 && pipe(ended) == 0);
    await_killed(child_fork(open_and_leave_a_child));
    ck_assert_int_eq(read(there[0], &nothing, 1), 1);
    ck_assert_msg(staged_open(&s, &keel_wrap_failover, options) == KEEL_OK, "%s",
                  s.why.text);
    close(ended[1]);
    end();
}
END_TEST

/* However slow the child is to begin. */
START_TEST(what_was_closed_can_be_opened_at_once_while_a_child_lives)
{
    pid_t child;

    begin();
    ck_assert(pipe(there) == 0 && pipe(ended) == 0);
    child = child_fork(live_on);
    crash();
    close(ended[1]);
    await_killed(child);
    end();
}
END_TEST

START_TEST(a_standby_that_is_no_longer_there_is_missed)
{
    begin();
    set_away("k", "1");
    staged_cleanup(&s);
    staged_init(&s, "primary|other", NULL);
    ck_assert_int_eq(staged_open(&s, &keel_wrap_failover, options), KEEL_E_CONFIG);
    ck_assert_msg(strstr(s.why.text, "standby, which is no standby here"), "%s",
                  s.why.text);
    end();
}
END_TEST

/* The disk is full, as far as this process can see. */
START_TEST(a_write_that_the_journal_cannot_keep_is_not_told_as_done)
{
    const struct rlimit least = { SLOT, RLIM_INFINITY };
    struct rlimit before;
    keel_status status;

    begin();
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    staged_fail(&s.stores[0], refused, 1);
    /* nothing is asserted meanwhile: libcheck, too, writes to a file */
    setrlimit(RLIMIT_FSIZE, &least);
    status = staged_set(&s, "k", "1");
    setrlimit(RLIMIT_FSIZE, &before);
    ck_assert_int_eq(status, KEEL_UNKNOWN);
    ck_assert_msg(strstr(s.why.text, "journal"), "%s", s.why.text);
    ck_assert_int_eq(staged_set(&s, "k", "2"), KEEL_OK);
    crash();
    expect("k", "2");
    end();
}
END_TEST

START_TEST(no_opening_with_a_journal_leaks)
{
    keel_status status;
    long n = 0;

    begin();
    set_away("a", "1");
    set_away("b", "1");
    do {
        staged_close(&s);
        s.o.memory.calls = 0;
        s.o.memory.failed = false;
        s.o.memory.fail_at = ++n;
        status = staged_open(&s, &keel_wrap_failover, options);
        s.o.memory.fail_at = 0;
        ck_assert(status == KEEL_OK || status == KEEL_E_NOMEM);
    } while (s.o.memory.failed);
    ck_assert_int_gt(n, 4);
    ck_assert_int_eq(status, KEEL_OK);
    ck_assert_uint_eq(keel_failover_dirty_count(failover()), 2);
    end();
}
END_TEST

SUITE("failover_journal", 20, ONE(what_was_written_in_an_outage_is_known_after_a_crash),
      ONE(what_the_journal_knows_is_not_logged_as_forgotten),
      ONE(what_was_carried_back_is_not_carried_back_again),
      ONE(a_key_has_one_slot_however_often_it_is_written),
      ONE(a_key_that_changed_hands_is_its_last_owners),
      ONE(the_last_expiry_is_known_after_a_crash),
      ONE(what_the_standby_tells_is_not_written_again),
      ONE(a_write_in_the_middle_of_carrying_back_is_known_after_a_crash),
      ONE(a_torn_slot_harms_no_other),
      ONE(what_is_no_journal_is_refused_and_left_as_it_is),
      ONE(of_two_slots_of_a_key_the_later_one_holds), ONE(a_journal_is_one_bags),
      ONE(a_child_that_outlives_its_parent_does_not_keep_it),
      ONE(what_was_closed_can_be_opened_at_once_while_a_child_lives),
      ONE(a_standby_that_is_no_longer_there_is_missed),
      ONE(a_write_that_the_journal_cannot_keep_is_not_told_as_done),
      ONE(no_opening_with_a_journal_leaks))
