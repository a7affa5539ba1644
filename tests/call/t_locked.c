/* SPDX-License-Identifier: MIT */
/* What is told of an operator's lock: to whom, by whom, and how often. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/wall.h"
#include "board/journal.h"
#include "call/pipeline.h"
#include "support/board_file.h"
#include "support/child.h"
#include "support/opened.h"
#include "support/suite.h"
#include "support/told.h"

#define BREAKER                                                                        \
    "none; breaker.min_calls=8; breaker.open=5s; breaker.open_jitter=0;"               \
    "breaker.window=10s; breaker.buckets=10"

/* A process, as far as keel can tell: what its log and its listener were told of locks. */
typedef struct teller {
    opened o;
    told log;
    _Atomic unsigned events;
    keel_event event;
} teller;

static board_file file;
static teller a, b;

static void note_event(const keel_event *event, void *ctx)
{
    teller *t = ctx;

    if (event->type != KEEL_EVENT_LOCKED)
        return;
    t->event = *event;
    atomic_fetch_add(&t->events, 1);
}

static void teller_init(teller *t, const char *const *environment)
{
    t->log = (told)TOLD_INIT;
    atomic_store(&t->events, 0);
    opened_init_with_log(&t->o, OPENED_VIRTUAL, environment, BREAKER, told_line,
                         &t->log);
    ck_assert_int_eq(keel_events_listen(t->o.rt, note_event, t), KEEL_OK);
}

/* Two runtimes on a board, as if two processes. */
static void begin(void)
{
    board_file_init(&file);
    teller_init(&a, file.environment);
    teller_init(&b, file.environment);
}

static void finish(void)
{
    opened_cleanup(&b.o);
    opened_cleanup(&a.o);
    board_file_cleanup(&file);
}

static void advance(uint64_t ns)
{
    vclock_advance(&a.o.clock, ns);
    vclock_advance(&b.o.clock, ns);
}

static void lock_by(const teller *t, keel_lock lock, uint64_t for_ns)
{
    const keel_lock_options options = { .size = sizeof options,
                                        .for_ns = for_ns,
                                        .any_version = true,
                                        .actor = "ada",
                                        .reason = "their tables are moved" };

    ck_assert_int_eq(keel_pipeline_lock_as(t->o.pipeline, lock, &options, NULL),
                     KEEL_OK);
}

/* Its log and its listener have heard so often. */
static void has_heard(teller *t, unsigned times)
{
    ck_assert_uint_eq(told_lines(&t->log), times);
    ck_assert_uint_eq(t->events, times);
}

/* How many locks the board's journal tells of, and the last one. */
static unsigned journal_has(keel_journal_record *last)
{
    keel_journal *journal = keel_board_journal(a.o.rt->shared);
    uint64_t end = keel_journal_end(journal);
    keel_journal_record record;
    unsigned found = 0;

    for (uint64_t at = 0; at < end; at++) {
        ck_assert_int_eq(keel_journal_get(journal, at, &record), KEEL_JOURNAL_READ);
        if (record.type != KEEL_EVENT_LOCKED)
            continue;
        *last = record;
        found++;
    }
    return found;
}

/* ---- by the process itself ----------------------------------------------------------- */

START_TEST(who_sets_a_lock_has_a_line_and_an_event_of_it)
{
    teller_init(&a, NULL);
    lock_by(&a, KEEL_LOCK_OPEN, 0);
    has_heard(&a, 1);
    ck_assert_str_eq(a.log.last, "pipeline=payments lock=open was=none until=lifted "
                                 "actor=\"ada\" reason=\"their tables are moved\"");
    ck_assert_int_eq(a.event.lock, KEEL_LOCK_OPEN);
    lock_by(&a, KEEL_LOCK_CLOSED, 0);
    ck_assert_ptr_nonnull(strstr(a.log.last, "lock=closed was=open "));
    ck_assert_int_eq(keel_pipeline_unlock(a.o.pipeline), KEEL_OK);
    has_heard(&a, 3);
    ck_assert_str_eq(a.log.last, "pipeline=payments lock=none was=closed why=lifted");
    ck_assert_int_eq(a.event.lock, KEEL_LOCK_NONE);
    ck_assert_int_eq(a.event.cause, KEEL_CAUSE_NONE);
    opened_cleanup(&a.o);
}
END_TEST

START_TEST(to_lift_what_does_not_stand_is_no_news)
{
    keel_journal_record last;

    begin();
    ck_assert_int_eq(keel_pipeline_unlock(a.o.pipeline), KEEL_OK);
    has_heard(&a, 0);
    ck_assert_uint_eq(journal_has(&last), 0);
    finish();
}
END_TEST

START_TEST(the_line_says_until_when_by_the_wall_clock)
{
    char least[KEEL_WALL_TEXT_SIZE], most[KEEL_WALL_TEXT_SIZE], until[21];
    uint64_t now_s = (uint64_t)keel_wall_seconds();
    const char *at;

    teller_init(&a, NULL);
    lock_by(&a, KEEL_LOCK_OPEN, 3600 * KEEL_S);
    at = strstr(a.log.last, "until=");
    ck_assert_ptr_nonnull(at);
    snprintf(until, sizeof until, "%s", at + strlen("until="));
    keel_wall_write(least, now_s + 3600);
    keel_wall_write(most, (uint64_t)keel_wall_seconds() + 3600);
    ck_assert_str_ge(until, least);
    ck_assert_str_le(until, most);
    opened_cleanup(&a.o);
}
END_TEST

START_TEST(what_is_in_a_note_cannot_break_the_line)
{
    const keel_lock_options options = { .size = sizeof options,
                                        .any_version = true,
                                        .actor = "\x1b[31m",
                                        .reason = "a\" lock=none\n\xff" };

    teller_init(&a, NULL);
    ck_assert_int_eq(
        keel_pipeline_lock_as(a.o.pipeline, KEEL_LOCK_OPEN, &options, NULL), KEEL_OK);
    ck_assert_ptr_nonnull(
        strstr(a.log.last, "actor=\"?[31m\" reason=\"a' lock=none??\""));
    opened_cleanup(&a.o);
}
END_TEST

/* ---- by another process of the board ------------------------------------------------- */

static void call(const teller *t)
{
    opened_call(&t->o, NULL, KEEL_OK, NULL);
}

static void take_permit(const teller *t)
{
    keel_permit permit;

    if (keel_permit_take(t->o.pipeline, &permit, NULL) == KEEL_OK)
        keel_permit_end(&permit, KEEL_OK);
}

static void run(const teller *t)
{
    keel_detail why = KEEL_DETAIL_INIT;

    keel_run(t->o.pipeline, opened_succeed, NULL, NULL, &why);
}

static void look(const teller *t)
{
    opened_look(&t->o);
}

static void look_at_lock(const teller *t)
{
    keel_lock_state state = { .size = sizeof state };

    ck_assert_int_eq(keel_pipeline_lock_look(t->o.pipeline, &state), KEEL_OK);
}

/* What makes a process see a lock. */
static void (*const glances[])(const teller *t) = { call, take_permit, run, look,
                                                    look_at_lock };

START_TEST(a_lock_that_another_process_sets_is_told_once_at_the_next_call_or_look)
{
    begin();
    call(&b);
    lock_by(&a, KEEL_LOCK_OPEN, 0);
    has_heard(&b, 0);
    for (int i = 0; i < 3; i++)
        glances[_i](&b);
    has_heard(&b, 1);
    ck_assert_str_eq(b.log.last, a.log.last);
    ck_assert_int_eq(b.event.lock, KEEL_LOCK_OPEN);
    finish();
}
END_TEST

/* The quick way of a call looks at no lock; the first end in another bucket of the window
 * is not quick. */
START_TEST(that_it_is_lifted_is_told_once_within_a_bucket_of_the_window)
{
    begin();
    lock_by(&a, KEEL_LOCK_CLOSED, 0);
    glances[_i](&b);
    ck_assert_int_eq(keel_pipeline_unlock(a.o.pipeline), KEEL_OK);
    advance(KEEL_S);
    for (int i = 0; i < 3; i++)
        glances[_i](&b);
    has_heard(&b, 2);
    ck_assert_str_eq(b.log.last, "pipeline=payments lock=none was=closed why=lifted");
    ck_assert_int_eq(b.event.lock, KEEL_LOCK_NONE);
    finish();
}
END_TEST

static keel_status refused_call(void)
{
    return opened_call(&b.o, NULL, KEEL_OK, NULL);
}

static keel_status refused_permit(void)
{
    keel_permit permit;

    return keel_permit_take(b.o.pipeline, &permit, NULL);
}

static keel_status (*const refusals[])(void) = { refused_call, refused_permit };

/* Without a listener, as that has every refusal go the long way. */
START_TEST(that_it_is_lifted_from_an_open_breaker_is_told_by_the_next_refusal)
{
    begin();
    ck_assert_int_eq(keel_events_listen(b.o.rt, NULL, NULL), KEEL_OK);
    opened_calls(&a.o, KEEL_FAILED, 8);
    lock_by(&a, KEEL_LOCK_CLOSED, 0);
    call(&b);
    ck_assert_uint_eq(told_lines(&b.log), 1);
    ck_assert_int_eq(keel_pipeline_unlock(a.o.pipeline), KEEL_OK);
    ck_assert_int_eq(refusals[_i](), KEEL_REJECTED_OPEN);
    ck_assert_uint_eq(told_lines(&b.log), 2);
    ck_assert_uint_eq(b.o.rt->watchers, 0); /* and the next one is quick again */
    finish();
}
END_TEST

START_TEST(a_process_that_starts_under_a_lock_is_told_with_its_first_call)
{
    begin();
    lock_by(&a, KEEL_LOCK_OPEN, 0);
    opened_cleanup(&b.o);
    teller_init(&b, file.environment);
    call(&b);
    has_heard(&b, 1);
    finish();
}
END_TEST

START_TEST(who_sets_a_lock_is_the_only_one_to_tell_the_board)
{
    keel_journal_record last;

    begin();
    lock_by(&a, KEEL_LOCK_OPEN, 0);
    call(&b);
    call(&a);
    ck_assert_uint_eq(journal_has(&last), 1);
    ck_assert_int_eq(last.lock, KEEL_LOCK_OPEN);
    ck_assert_int_ne(last.note, 0);
    ck_assert_int_eq(keel_pipeline_unlock(b.o.pipeline), KEEL_OK);
    look(&a);
    ck_assert_uint_eq(journal_has(&last), 2);
    ck_assert_int_eq(last.lock, KEEL_LOCK_NONE);
    ck_assert_int_eq(last.cause, KEEL_CAUSE_NONE);
    finish();
}
END_TEST

static void stand_in_a_child(void)
{
    unsigned before = told_lines(&b.log);

    CHILD(opened_call(&b.o, NULL, KEEL_OK, NULL) == KEEL_REJECTED_FORCED_OPEN);
    CHILD(told_lines(&b.log) == before);
}

START_TEST(a_child_that_is_forked_under_a_lock_does_not_say_again_what_its_parent_said)
{
    begin();
    lock_by(&a, KEEL_LOCK_OPEN, 0);
    call(&b);
    has_heard(&b, 1);
    child_await(child_fork(stand_in_a_child));
    finish();
}
END_TEST

/* ---- by the fleet -------------------------------------------------------------------- */

static void lock_as_the_fleet(const keel_note *note)
{
    keel_breaker_words *words = atomic_load(&a.o.pipeline->plan)->breaker.words;
    uint64_t seen = atomic_load(&words->lock);
    uint32_t number = keel_notice_write(atomic_load(&a.o.pipeline->notice), note);

    ck_assert(
        keel_breaker_relock(words, &seen, keel_lock_pack(KEEL_LOCK_OPEN, number, 0)));
}

START_TEST(a_lock_of_the_fleets_is_told_when_it_is_known_who_set_it)
{
    keel_note note = { .epoch = 7 };

    begin();
    lock_as_the_fleet(&note);
    ck_assert_int_eq(opened_call(&b.o, NULL, KEEL_OK, NULL), KEEL_REJECTED_FORCED_OPEN);
    has_heard(&b, 0);
    note.set_s = 1;
    memcpy(note.actor, "ada", sizeof "ada");
    lock_as_the_fleet(&note);
    call(&b);
    call(&b);
    has_heard(&b, 1);
    ck_assert_ptr_nonnull(
        strstr(b.log.last, "lock=open was=none until=lifted actor=\"ada\""));
    finish();
}
END_TEST

/* ---- by its own time ----------------------------------------------------------------- */

START_TEST(that_its_time_is_over_is_told_to_all_and_once_to_the_board)
{
    keel_journal_record last;
    uint8_t note;

    begin();
    lock_by(&a, KEEL_LOCK_OPEN, 5 * KEEL_S);
    call(&b);
    ck_assert_uint_eq(journal_has(&last), 1);
    note = last.note;
    advance(5 * KEEL_S);
    for (int i = 0; i < 2; i++) {
        glances[_i](&b);
        glances[_i](&a);
    }
    has_heard(&a, 2);
    has_heard(&b, 2);
    ck_assert_str_eq(b.log.last, "pipeline=payments lock=none was=open why=expired");
    ck_assert_int_eq(a.event.cause, KEEL_CAUSE_EXPIRED);
    ck_assert_uint_eq(journal_has(&last), 2);
    ck_assert_int_eq(last.lock, KEEL_LOCK_NONE);
    ck_assert_int_eq(last.cause, KEEL_CAUSE_EXPIRED);
    ck_assert_int_eq(last.note, note); /* whose time it was */
    finish();
}
END_TEST

START_TEST(a_lock_that_follows_one_whose_time_was_over_is_told_after_its_end)
{
    keel_journal_record last;

    begin();
    lock_by(&a, KEEL_LOCK_OPEN, 5 * KEEL_S);
    advance(5 * KEEL_S);
    lock_by(&a, KEEL_LOCK_CLOSED, 0);
    has_heard(&a, 3);
    ck_assert_ptr_nonnull(strstr(a.log.last, "lock=closed was=none "));
    ck_assert_uint_eq(journal_has(&last), 3);
    ck_assert_int_eq(last.lock, KEEL_LOCK_CLOSED);
    finish();
}
END_TEST

/* ---- by many threads ----------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 200 };

static pthread_barrier_t barrier;

static void *glance_in_rounds(void *ctx)
{
    const teller *t = ctx;

    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&barrier);
        look(t);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

START_TEST(of_many_threads_that_see_a_change_at_once_one_tells_it)
{
    pthread_t threads[THREADS];
    keel_journal_record last;

    begin();
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, glance_in_rounds, i % 2 ? &a : &b), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 2)
            advance(KEEL_S); /* its time is over */
        else
            lock_by(&a, KEEL_LOCK_CLOSED, KEEL_S);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        has_heard(&a, i + 1);
        has_heard(&b, i + 1);
        ck_assert_uint_eq(journal_has(&last), i + 1);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    finish();
}
END_TEST

SUITE("locked", 30, ONE(who_sets_a_lock_has_a_line_and_an_event_of_it),
      ONE(to_lift_what_does_not_stand_is_no_news),
      ONE(the_line_says_until_when_by_the_wall_clock),
      ONE(what_is_in_a_note_cannot_break_the_line),
      ROWS(a_lock_that_another_process_sets_is_told_once_at_the_next_call_or_look,
           glances),
      ROWS(that_it_is_lifted_is_told_once_within_a_bucket_of_the_window, glances),
      ROWS(that_it_is_lifted_from_an_open_breaker_is_told_by_the_next_refusal,
           refusals),
      ONE(a_process_that_starts_under_a_lock_is_told_with_its_first_call),
      ONE(who_sets_a_lock_is_the_only_one_to_tell_the_board),
      ONE(a_child_that_is_forked_under_a_lock_does_not_say_again_what_its_parent_said),
      ONE(a_lock_of_the_fleets_is_told_when_it_is_known_who_set_it),
      ROWS(that_its_time_is_over_is_told_to_all_and_once_to_the_board, glances),
      ONE(a_lock_that_follows_one_whose_time_was_over_is_told_after_its_end),
      ONE(of_many_threads_that_see_a_change_at_once_one_tells_it))
