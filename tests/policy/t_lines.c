/* SPDX-License-Identifier: MIT */
/* Lines of a shared window: each process counts in its own, and all are seen by all. */
#include "base/clock.h"
#include "base/process.h"
#include "policy/window_kinds.h"
#include "support/board_file.h"
#include "support/suite.h"

static board_file file;

/* One process's part: its board, its window, where its own lines are. */
typedef struct part {
    keel_board *board;
    keel_window window;
    keel_stripes own;
} part;

static part a, b;

static void bury(keel_board *board, uint32_t slot, void *ctx)
{
    (void)board;
    (void)slot;
    (void)ctx;
}

static void part_init(part *p)
{
    const keel_block_key window = { "payments", KEEL_BLOCK_TIME_WINDOW, 2, 10 };
    const keel_block_key lines = { "payments", KEEL_BLOCK_LINES, 2, 10 };

    p->own = (keel_stripes){ .lines = NULL };
    ck_assert_int_eq(keel_board_map(&p->board, NULL, file.path, true, NULL), KEEL_OK);
    ck_assert(keel_board_join(p->board, bury, NULL));
    keel_time_window_init(
        &p->window,
        keel_board_block(p->board, &window, keel_time_window_size(10, false)), &p->own,
        KEEL_STRIPE_WINDOW, 10 * KEEL_S, 10, false);
    p->window.lines =
        (keel_lines){ keel_board_block(p->board, &lines, sizeof(keel_lines_words)),
                      p->board };
    ck_assert_ptr_nonnull(p->window.lines.words);
    keel_lines_join(&p->window.lines, &p->own);
}

static void begin(void)
{
    board_file_init(&file);
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    part_init(&a);
    part_init(&b);
}

static void finish(void)
{
    keel_board_close(a.board);
    keel_board_close(b.board);
    keel_process_detach();
    board_file_cleanup(&file);
}

static uint64_t now = 1000 * KEEL_S;

static void succeed(part *p, unsigned times)
{
    while (times--)
        keel_window_record(&p->window, 0, now, false, false);
}

static uint64_t total(part *p)
{
    return keel_window_sum(&p->window, 0, now).total;
}

static uint32_t slot_of(const part *p)
{
    return (uint32_t)(*keel_board_self(p->board) >> 56);
}

START_TEST(each_counts_in_lines_of_its_own_and_both_see_all)
{
    begin();
    ck_assert_ptr_nonnull(a.own.lines);
    ck_assert_ptr_ne(keel_lines_set(&a.window.lines, slot_of(&a)).lines,
                     keel_lines_set(&a.window.lines, slot_of(&b)).lines);
    succeed(&a, 5);
    succeed(&b, 7);
    ck_assert_uint_eq(total(&a), 12);
    ck_assert_uint_eq(total(&b), 12);
    finish();
}
END_TEST

START_TEST(who_joins_twice_keeps_his_lines)
{
    keel_stripe_line *lines;

    begin();
    lines = a.own.lines;
    keel_lines_join(&a.window.lines, &a.own);
    ck_assert_ptr_eq(a.own.lines, lines);
    finish();
}
END_TEST

START_TEST(the_next_of_a_slot_has_its_lines_with_what_is_in_them)
{
    uint32_t slot;

    begin();
    slot = slot_of(&b);
    succeed(&b, 7);
    keel_board_close(b.board);
    ck_assert_uint_eq(total(&a), 7);
    part_init(&b);
    ck_assert_uint_eq(slot_of(&b), slot);
    succeed(&b, 1);
    ck_assert_uint_eq(total(&a), 8);
    finish();
}
END_TEST

START_TEST(who_has_no_lines_counts_in_the_buckets)
{
    begin();
    b.own = (keel_stripes){ .lines = NULL };
    succeed(&b, 3);
    ck_assert_uint_eq(total(&a), 3);
    finish();
}
END_TEST

/* Its owner was killed in between: he is told of, and has none. */
START_TEST(a_set_that_was_not_made_to_the_end_is_made_by_the_next)
{
    begin();
    a.window.lines.words->sets[slot_of(&b)] = 0;
    succeed(&a, 1);
    ck_assert_uint_eq(total(&a), 1);
    b.own = (keel_stripes){ .lines = NULL };
    keel_lines_join(&b.window.lines, &b.own);
    succeed(&b, 2);
    ck_assert_uint_eq(total(&a), 3);
    finish();
}
END_TEST

START_TEST(a_fold_that_nobody_ends_is_taken_off_with_its_owner)
{
    _Atomic uint64_t *word;
    uint64_t before;

    begin();
    succeed(&b, 4);
    word = &b.own.lines[keel_thread_self()->index].words[KEEL_STRIPE_WINDOW];
    before = atomic_load(word);
    atomic_store(word, before | KEEL_STRIPE_FOLDING);
    keel_lines_forsake(&a.window.lines, slot_of(&a)); /* another's stays as it is */
    ck_assert_uint_eq(atomic_load(word), before | KEEL_STRIPE_FOLDING);
    keel_lines_forsake(&a.window.lines, slot_of(&b));
    ck_assert_uint_eq(atomic_load(word), before);
    ck_assert_uint_eq(total(&a), 4);
    finish();
}
END_TEST

/* What a set says is not trusted: it may come from a file that is not what it should be. */
static const uint64_t nonsense[] = {
    UINT64_MAX,
    (uint64_t)1 << 63 | 4,
    (uint64_t)64 << 16 | 0xffff,
    (uint64_t)1 << 16 | 4,
};

START_TEST(a_set_that_lies_nowhere_is_empty)
{
    begin();
    a.window.lines.words->sets[slot_of(&b)] = nonsense[_i];
    ck_assert_uint_eq(keel_lines_set(&a.window.lines, slot_of(&b)).count, 0);
    succeed(&a, 1);
    ck_assert_uint_eq(total(&a), 1);
    a.window.lines.words->used = UINT64_MAX;
    ck_assert_uint_eq(keel_lines_sets(&a.window.lines), KEEL_BOARD_OWNERS);
    finish();
}
END_TEST

SUITE("lines", 60, ONE(each_counts_in_lines_of_its_own_and_both_see_all),
      ONE(who_joins_twice_keeps_his_lines),
      ONE(the_next_of_a_slot_has_its_lines_with_what_is_in_them),
      ONE(who_has_no_lines_counts_in_the_buckets),
      ONE(a_set_that_was_not_made_to_the_end_is_made_by_the_next),
      ONE(a_fold_that_nobody_ends_is_taken_off_with_its_owner),
      ROWS(a_set_that_lies_nowhere_is_empty, nonsense))
