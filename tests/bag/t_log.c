/* SPDX-License-Identifier: MIT */
/* The log decorator: what it counts, and what its lines say and never say. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "support/opened.h"
#include "support/suite.h"
#include "support/told.h"

static opened o;
static told lines = TOLD_INIT;
static keel_bag *bag;
static keel_detail why = KEEL_DETAIL_INIT;

static void keep_line(keel_log_level level, const char *subsystem, const char *message,
                      void *ctx)
{
    told *t = ctx;

    (void)level;
    if (strcmp(subsystem, "bag") != 0)
        return;
    pthread_mutex_lock(&t->mu);
    t->lines++;
    snprintf(t->last, sizeof t->last, "%s", message);
    pthread_mutex_unlock(&t->mu);
}

static void open_log(const char *spec)
{
    static const char *const environment[] = { "KEEL_CHAOS=allow", "KEEL_LOG=info",
                                               NULL };

    lines = (told)TOLD_INIT;
    opened_init_with_log(&o, OPENED_VIRTUAL, environment, NULL, keep_line, &lines);
    ck_assert_msg(keel_bag_open(&bag, o.rt, "sessions", spec, &why) == KEEL_OK, "%s",
                  why.text);
}

static void close_log(void)
{
    keel_bag_close(bag);
    opened_cleanup(&o);
}

static keel_status get(const char *key)
{
    keel_bag_item item = { .size = sizeof item };

    return keel_bag_get(bag, key, &item, NULL, &why);
}

static void expect_counts(const char *text)
{
    char answer[512];

    ck_assert_int_eq(keel_bag_control(bag, NULL, "log", answer, sizeof answer, &why),
                     KEEL_OK);
    ck_assert_str_eq(answer, text);
}

START_TEST(what_is_asked_is_counted_by_verb_and_by_how_it_ended)
{
    static const char *const keys[] = { "k", "none" };
    keel_bag_item items[2] = { { .size = sizeof items[0] },
                               { .size = sizeof items[0] } };
    keel_status statuses[2];

    open_log("log(memory://)");
    ck_assert_int_eq(keel_bag_set(bag, "k", "1", 1, NULL, &why), KEEL_OK);
    ck_assert_int_eq(keel_bag_add(bag, "k", "1", 1, NULL, &why), KEEL_NOT_STORED);
    ck_assert_int_eq(keel_bag_incr(bag, "k", 1, NULL, NULL, &why), KEEL_OK);
    ck_assert_int_eq(keel_bag_decr(bag, "k", 1, NULL, NULL, &why), KEEL_OK);
    ck_assert_int_eq(get("k"), KEEL_OK);
    ck_assert_int_eq(keel_bag_get_many(bag, keys, items, statuses, 2, NULL, &why),
                     KEEL_OK);
    ck_assert_int_eq(keel_bag_delete(bag, "k", NULL, &why), KEEL_OK);
    expect_counts("get.ok=2 get.no=1 set.ok=1 add.no=1 incr.ok=1 decr.ok=1 "
                  "delete.ok=1 read_bytes=2 written_bytes=1 hit_ratio=66.7%");
    close_log();
}
END_TEST

START_TEST(bytes_are_counted_of_what_was_read_and_written_alone)
{
    char value[8];
    keel_bag_item item = { .size = sizeof item, .buffer = value, .capacity = 2 };

    open_log("log(memory://)");
    ck_assert_int_eq(keel_bag_set(bag, "k", "12345", 5, NULL, &why), KEEL_OK);
    ck_assert_int_eq(keel_bag_add(bag, "k", "123", 3, NULL, &why), KEEL_NOT_STORED);
    ck_assert_int_eq(keel_bag_get(bag, "k", &item, NULL, &why), KEEL_E_BUFFER);
    item.capacity = sizeof value;
    ck_assert_int_eq(keel_bag_get_and_touch(bag, "k", &item, NULL, &why), KEEL_OK);
    expect_counts("get.ok=1 set.ok=1 add.no=1 touch.ok=1 read_bytes=5 written_bytes=5 "
                  "hit_ratio=100.0%");
    close_log();
}
END_TEST

/* Asked by an operation of the bag's, while it is under way. */
static bool ask_from_inside(const char *key, void *ctx)
{
    (void)key;
    ck_assert_int_eq(keel_bag_control(bag, NULL, "log", ctx, 512, &why), KEEL_OK);
    return true;
}

START_TEST(what_is_under_way_is_told)
{
    keel_bag_cursor cursor = { .length = 0 };
    char answer[512] = "";

    open_log("log(memory://)");
    ck_assert_int_eq(keel_bag_set(bag, "k", "1", 1, NULL, &why), KEEL_OK);
    while (!cursor.is_at_end)
        ck_assert_int_eq(
            keel_bag_scan(bag, &cursor, ask_from_inside, answer, NULL, &why), KEEL_OK);
    ck_assert_msg(strstr(answer, " in_flight=1 ") != NULL, "%s", answer);
    close_log();
}
END_TEST

/* On a virtual clock, which a fault moves: one in so many of a thread is timed. */
START_TEST(how_long_it_takes_is_told_by_powers_of_two)
{
    char answer[256];

    open_log("log(fault{p=100%; kind=latency; latency=3ms}(memory://))");
    for (int i = 0; i < 520; i++)
        ck_assert_int_eq(get("none"), KEEL_NOT_FOUND);
    ck_assert_int_eq(
        keel_bag_control(bag, NULL, "log times", answer, sizeof answer, &why), KEEL_OK);
    ck_assert_str_eq(answer, "read.4096us=3");
    ck_assert_int_eq(
        keel_bag_control(bag, NULL, "log much", answer, sizeof answer, &why),
        KEEL_E_ARGUMENT);
    close_log();
}
END_TEST

/* kind: of fault; ended: where it is counted */
static const struct {
    const char *kind, *ended;
    keel_status status;
    const char *applied;
} endings[] = {
    { "kind=error", "set.failed=1", KEEL_FAILED, "status=KEEL_FAILED applied=no" },
    { "kind=reset_after", "set.unknown=1", KEEL_UNKNOWN,
      "status=KEEL_UNKNOWN applied=unknown" },
};

START_TEST(failures_are_told_with_what_is_known_of_them)
{
    char spec[128];

    snprintf(spec, sizeof spec, "log(fault{p=100%%; %s}(memory://))", endings[_i].kind);
    open_log(spec);
    ck_assert_int_eq(keel_bag_set(bag, "k", "hidden", 6, NULL, &why),
                     endings[_i].status);
    expect_counts(endings[_i].ended);
    ck_assert_uint_eq(told_lines(&lines), 1);
    ck_assert(told_says(&lines, "bag=sessions part=log verb=set key=#"));
    ck_assert(told_says(&lines, endings[_i].applied));
    ck_assert(!told_says(&lines, "hidden"));
    close_log();
}
END_TEST

START_TEST(a_refusal_before_anything_was_sent_is_a_failure_of_its_own)
{
    open_log("log(readonly(memory://))");
    ck_assert_int_eq(keel_bag_set(bag, "k", "1", 1, NULL, &why), KEEL_READ_ONLY);
    expect_counts("set.failed=1");
    close_log();
}
END_TEST

START_TEST(a_key_is_a_number_unless_it_may_be_shown)
{
    open_log(_i ? "log{sample=1; keys=plain}(memory://)" : "log{sample=1}(memory://)");
    ck_assert_int_eq(keel_bag_set(bag, "user:17", "hidden", 6, NULL, &why), KEEL_OK);
    ck_assert_uint_eq(told_lines(&lines), 1);
    ck_assert_int_eq(told_says(&lines, "key=user:17 "), _i);
    ck_assert_int_eq(told_says(&lines, "key=#"), !_i);
    ck_assert(told_says(&lines, "status=KEEL_OK applied=yes elapsed_ms="));
    ck_assert(!told_says(&lines, "hidden"));
    close_log();
}
END_TEST

START_TEST(nothing_is_said_to_be_applied_by_a_read)
{
    open_log("log{sample=1}(memory://)");
    ck_assert_int_eq(get("none"), KEEL_NOT_FOUND);
    ck_assert(told_says(&lines, "verb=get"));
    ck_assert(told_says(&lines, "status=KEEL_NOT_FOUND elapsed_ms="));
    close_log();
}
END_TEST

START_TEST(one_of_so_many_is_told)
{
    open_log("log{sample=10; failures=0}(memory://)");
    for (int i = 0; i < 25; i++)
        ck_assert_int_eq(get("none"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(told_lines(&lines), 3); /* the first, the eleventh, … */
    close_log();
}
END_TEST

START_TEST(nothing_is_told_of_failures_that_are_not_wanted)
{
    open_log("log{failures=0}(readonly(memory://))");
    ck_assert_int_eq(keel_bag_set(bag, "k", "1", 1, NULL, &why), KEEL_READ_ONLY);
    ck_assert_int_eq(get("none"), KEEL_NOT_FOUND);
    ck_assert_uint_eq(told_lines(&lines), 0);
    close_log();
}
END_TEST

/* ---- threads ------------------------------------------------------------------------- */

enum { THREADS = 40, EACH = 2000 };

static void *get_often(void *ctx)
{
    keel_bag_item item = { .size = sizeof item };

    (void)ctx;
    for (int i = 0; i < EACH; i++)
        (void)keel_bag_get(bag, "none", &item, NULL, NULL);
    return NULL;
}

START_TEST(no_count_is_lost_among_more_threads_than_rows)
{
    pthread_t threads[THREADS];

    open_log("log(memory://)");
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, get_often, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    expect_counts("get.no=80000 hit_ratio=0.0%");
    close_log();
}
END_TEST

SUITE("log", 60, ONE(what_is_asked_is_counted_by_verb_and_by_how_it_ended),
      ONE(bytes_are_counted_of_what_was_read_and_written_alone),
      ONE(what_is_under_way_is_told), ONE(how_long_it_takes_is_told_by_powers_of_two),
      ROWS(failures_are_told_with_what_is_known_of_them, endings),
      ONE(a_refusal_before_anything_was_sent_is_a_failure_of_its_own),
      { a_key_is_a_number_unless_it_may_be_shown, 2 },
      ONE(nothing_is_said_to_be_applied_by_a_read), ONE(one_of_so_many_is_told),
      ONE(nothing_is_told_of_failures_that_are_not_wanted),
      ONE(no_count_is_lost_among_more_threads_than_rows))
