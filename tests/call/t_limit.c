/* SPDX-License-Identifier: MIT */
/*
 * A runtime that holds all it can: who comes too late is told so, and whatever was there
 * before goes on as if nobody had come. Two limits: the number of pipelines, and the
 * board's directory, which pipelines with many policies fill sooner.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "call/runtime.h"
#include "support/opened.h"
#include "support/suite.h"

static opened o;
static keel_pipeline *pipelines[KEEL_PIPELINES_MAX]; /* the first is o.pipeline */
static unsigned count;
static keel_detail why;

static const struct {
    const char *settings;
    const char *sentence;
    unsigned least, most; /* pipelines that fit */
} limits[] = {
    { "none; bulkhead=1", "too many pipelines in one runtime", KEEL_PIPELINES_MAX,
      KEEL_PIPELINES_MAX },
    { "bulkhead=1", "the board has no room for the pipeline", 100,
      KEEL_PIPELINES_MAX - 1 },
};

enum { BOARD = 1 }; /* the row of the full board */

static keel_status open_number(unsigned number, const char *settings,
                               keel_pipeline **pipeline)
{
    char name[16];

    snprintf(name, sizeof name, "p%u", number);
    why = (keel_detail)KEEL_DETAIL_INIT;
    return keel_pipeline_open(pipeline, o.rt, name, settings, &why);
}

/* Opens as many as fit; the next one is refused. */
static void fill_in(const char *const *environment, int row)
{
    const char *settings = limits[row].settings;
    keel_pipeline *pipeline;

    opened_init(&o, OPENED_VIRTUAL, environment, settings);
    pipelines[0] = o.pipeline;
    for (count = 1; open_number(count, settings, &pipeline) == KEEL_OK; count++) {
        ck_assert_uint_lt(count, KEEL_PIPELINES_MAX);
        pipelines[count] = pipeline;
    }
}

static void fill(int row)
{
    fill_in(NULL, row);
}

static void teardown(void)
{
    for (unsigned i = 1; i < count; i++)
        keel_pipeline_close(pipelines[i]);
    opened_cleanup(&o);
}

START_TEST(one_more_than_fits_is_refused_with_the_reason)
{
    keel_pipeline *late = o.pipeline;

    fill(_i);
    ck_assert_uint_ge(count, limits[_i].least);
    ck_assert_uint_le(count, limits[_i].most);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(open_number(count, limits[_i].settings, &late), KEEL_E_LIMIT);
        ck_assert_ptr_null(late);
        ck_assert_int_eq(why.code, KEEL_E_LIMIT);
        ck_assert_str_eq(why.text, limits[_i].sentence);
    }
    teardown();
}
END_TEST

/* One place, which is taken, refused to others and given back. */
static void works(keel_pipeline *pipeline)
{
    keel_permit held, other;

    ck_assert_int_eq(keel_permit_take(pipeline, &held, NULL), KEEL_OK);
    ck_assert_int_eq(keel_permit_take(pipeline, &other, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
    keel_permit_end(&held, KEEL_OK);
    ck_assert_int_eq(keel_run(pipeline, opened_succeed, NULL, NULL, NULL), KEEL_OK);
}

START_TEST(what_was_open_before_goes_on_working)
{
    fill(_i);
    for (unsigned i = 0; i < count; i++)
        works(pipelines[i]);
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    works(o.pipeline);
    teardown();
}
END_TEST

START_TEST(a_name_that_had_its_room_is_closed_and_opened_again_with_its_state)
{
    unsigned last;
    keel_permit held, other;

    fill(_i);
    last = count - 1;
    ck_assert_int_eq(keel_permit_take(pipelines[last], &held, NULL), KEEL_OK);
    keel_pipeline_close(pipelines[last]);
    ck_assert_int_eq(open_number(last, limits[_i].settings, &pipelines[last]), KEEL_OK);
    ck_assert_int_eq(keel_permit_take(pipelines[last], &other, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
    keel_permit_end(&held, KEEL_OK);
    works(pipelines[last]);
    teardown();
}
END_TEST

START_TEST(a_close_keeps_the_room_for_the_name_and_makes_none_for_another)
{
    keel_pipeline *late;

    fill(_i);
    keel_pipeline_close(pipelines[1]);
    ck_assert_int_eq(open_number(count, limits[_i].settings, &late), KEEL_E_LIMIT);
    ck_assert_int_eq(open_number(1, limits[_i].settings, &pipelines[1]), KEEL_OK);
    works(pipelines[1]);
    teardown();
}
END_TEST

/* ---- new settings on a full board -------------------------------------------------- */

#define QUEUE "bulkhead.queue=5; bulkhead.wait=1s" /* needs room of its own */

START_TEST(an_override_that_needs_room_changes_nothing_and_one_that_needs_none_holds)
{
    uint64_t before;

    fill(BOARD);
    before = opened_timeout(o.pipeline);
    ck_assert_int_eq(
        keel_pipeline_override(o.pipeline, "timeout=123ms; " QUEUE, KEEL_S, &why),
        KEEL_E_LIMIT);
    ck_assert_str_eq(why.text, limits[BOARD].sentence);
    ck_assert_uint_eq(opened_timeout(o.pipeline), before);
    works(o.pipeline);
    ck_assert_int_eq(keel_pipeline_override(o.pipeline, "timeout=123ms", KEEL_S, NULL),
                     KEEL_OK);
    ck_assert_uint_eq(opened_timeout(o.pipeline), 123 * KEEL_MS);
    vclock_advance(&o.clock, KEEL_S);
    ck_assert_uint_eq(opened_timeout(o.pipeline), before);
    teardown();
}
END_TEST

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(a_reload_that_needs_room_for_one_changes_none)
{
    char path[64], variable[96];
    const char *const environment[] = { variable, NULL };
    uint64_t before;

    snprintf(path, sizeof path, "t_limit.%d.conf", (int)getpid());
    snprintf(variable, sizeof variable, "KEEL_CONFIG_FILE=%s", path);
    write_file(path, "");
    fill_in(environment, BOARD);
    before = opened_timeout(o.pipeline);
    write_file(path, "payments = timeout=123ms\np7 = " QUEUE "\n");
    ck_assert_int_eq(keel_reload(o.rt, &why), KEEL_E_LIMIT);
    ck_assert_str_eq(why.text, limits[BOARD].sentence);
    ck_assert_uint_eq(opened_timeout(o.pipeline), before);
    works(pipelines[7]);
    write_file(path, "payments = timeout=123ms\n");
    ck_assert_int_eq(keel_reload(o.rt, NULL), KEEL_OK);
    ck_assert_uint_eq(opened_timeout(o.pipeline), 123 * KEEL_MS);
    unlink(path);
    teardown();
}
END_TEST

SUITE("limit", 30, ROWS(one_more_than_fits_is_refused_with_the_reason, limits),
      ROWS(what_was_open_before_goes_on_working, limits),
      ROWS(a_name_that_had_its_room_is_closed_and_opened_again_with_its_state, limits),
      ROWS(a_close_keeps_the_room_for_the_name_and_makes_none_for_another, limits),
      ONE(an_override_that_needs_room_changes_nothing_and_one_that_needs_none_holds),
      ONE(a_reload_that_needs_room_for_one_changes_none))
