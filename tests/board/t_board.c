/* SPDX-License-Identifier: MIT */
/* The board: blocks by key, empty when new, and empty again in a forked child. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "board/board.h"
#include "board/layout.h"
#include "support/allocator.h"
#include "support/board_file.h"
#include "support/suite.h"

static keel_board *board;

static void begin(void)
{
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    ck_assert_int_eq(keel_board_open(&board, NULL), KEEL_OK);
}

static void finish(void)
{
    keel_board_close(board);
    keel_process_detach();
}

static unsigned char *block(const char *name, keel_block_kind kind, uint64_t width,
                            uint32_t count, size_t size)
{
    const keel_block_key key = { name, kind, width, count };

    return keel_board_block(board, &key, size);
}

START_TEST(a_new_block_is_zero_and_starts_on_a_cache_line)
{
    unsigned char *a, *c;

    begin();
    a = block("a", KEEL_BLOCK_BREAKER, 0, 0, 100);
    c = block("c", KEEL_BLOCK_BREAKER, 0, 0, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(a[i] | c[i], 0);
    ck_assert_uint_eq((uintptr_t)a % KEEL_LINE, 0);
    ck_assert_uint_eq((uintptr_t)c % KEEL_LINE, 0);
    ck_assert(c >= a + 100 || a >= c + 100);
    finish();
}
END_TEST

static const keel_block_key others[] = {
    { "b", KEEL_BLOCK_TIME_WINDOW, 5, 10 },
    { "a", KEEL_BLOCK_COUNT_WINDOW, 5, 10 },
    { "a", KEEL_BLOCK_TIME_WINDOW, 6, 10 },
    { "a", KEEL_BLOCK_TIME_WINDOW, 5, 11 },
};

START_TEST(the_same_key_is_the_same_block_and_any_other_another)
{
    const keel_block_key key = others[_i];
    unsigned char *a, *other;

    begin();
    a = block("a", KEEL_BLOCK_TIME_WINDOW, 5, 10, 64);
    other = keel_board_block(board, &key, 64);
    ck_assert_ptr_ne(a, other);
    ck_assert_ptr_eq(a, block("a", KEEL_BLOCK_TIME_WINDOW, 5, 10, 64));
    finish();
}
END_TEST

START_TEST(a_pipelines_share_is_the_sum_of_its_blocks)
{
    begin();
    block("a", KEEL_BLOCK_BREAKER, 0, 0, 1);
    block("a", KEEL_BLOCK_RATE, 0, 0, 65);
    block("b", KEEL_BLOCK_RATE, 0, 0, 65);
    ck_assert_uint_eq(keel_board_used_by(board, "a"), 64 + 128);
    ck_assert_uint_eq(keel_board_used_by(board, "nobody"), 0);
    finish();
}
END_TEST

START_TEST(a_board_whose_directory_is_full_says_so_and_keeps_what_it_has)
{
    unsigned char *first;
    char name[16];

    begin();
    first = block("n0", KEEL_BLOCK_RATE, 0, 0, 8);
    for (int i = 1; i < KEEL_BOARD_BLOCKS; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ck_assert_ptr_nonnull(block(name, KEEL_BLOCK_RATE, 0, 0, 8));
    }
    ck_assert_ptr_null(block("more", KEEL_BLOCK_RATE, 0, 0, 8));
    ck_assert_ptr_eq(block("n0", KEEL_BLOCK_RATE, 0, 0, 8), first);
    finish();
}
END_TEST

START_TEST(a_board_whose_memory_is_full_says_so)
{
    begin();
    ck_assert_ptr_null(block("huge", KEEL_BLOCK_RATE, 0, 0, SIZE_MAX / 4));
    ck_assert_ptr_nonnull(block("half", KEEL_BLOCK_RATE, 0, 0, 40 << 20));
    ck_assert_ptr_null(block("rest", KEEL_BLOCK_RATE, 0, 0, 40 << 20));
    ck_assert_ptr_nonnull(block("small", KEEL_BLOCK_RATE, 0, 0, 8));
    finish();
}
END_TEST

/* ---- blocks for a time ------------------------------------------------------------ */

static unsigned char *lend(const char *name, keel_block_kind kind, uint64_t width,
                           size_t size)
{
    const keel_block_key key = { name, kind, width, 0 };

    return keel_board_lend(board, &key, size);
}

START_TEST(a_block_given_back_keeps_what_it_knows_for_who_comes_back_to_it)
{
    unsigned char *a;

    begin();
    a = lend("a", KEEL_BLOCK_TIME_WINDOW, 1, 100);
    memset(a, 0xee, 100);
    keel_board_give_back(board, a);
    ck_assert_uint_eq(keel_board_used_by(board, "a"), 0);
    ck_assert_ptr_eq(lend("a", KEEL_BLOCK_TIME_WINDOW, 1, 100), a);
    ck_assert_int_eq(a[99], 0xee);
    ck_assert_uint_eq(keel_board_used_by(board, "a"), 128);
    finish();
}
END_TEST

START_TEST(a_block_given_back_by_all_is_handed_on_empty)
{
    unsigned char *a;

    begin();
    a = lend("a", KEEL_BLOCK_TIME_WINDOW, 1, 100);
    ck_assert_ptr_eq(lend("a", KEEL_BLOCK_TIME_WINDOW, 1, 100), a);
    memset(a, 0xee, 128);
    keel_board_give_back(board, a);
    ck_assert_ptr_ne(lend("b", KEEL_BLOCK_TIME_WINDOW, 1, 100), a); /* one has it yet */
    keel_board_give_back(board, a);
    ck_assert_ptr_eq(lend("c", KEEL_BLOCK_TIME_WINDOW, 1, 70), a);
    for (int i = 0; i < 128; i++)
        ck_assert_int_eq(a[i], 0);
    finish();
}
END_TEST

static const struct {
    keel_block_kind kind;
    size_t size;
} misfits[] = {
    { KEEL_BLOCK_COUNT_WINDOW, 100 }, /* a late reader would misread it */
    { KEEL_BLOCK_TIME_WINDOW, 129 },
};

/* Processes come and go, and come back to what they have learned. */
START_TEST(a_shared_board_hands_a_block_on_only_when_it_is_half_full)
{
    unsigned char *a, *b;
    board_file file;
    uint64_t offset;

    board_file_init(&file);
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    ck_assert_int_eq(keel_board_map(&board, NULL, file.path, true, NULL), KEEL_OK);
    a = lend("a", KEEL_BLOCK_TIME_WINDOW, 1, 100);
    keel_board_give_back(board, a);
    b = lend("b", KEEL_BLOCK_TIME_WINDOW, 1, 100);
    ck_assert_ptr_ne(a, b);
    ck_assert(keel_board_take(board, KEEL_BOARD_FILE_SIZE / 2, &offset));
    ck_assert_ptr_eq(lend("c", KEEL_BLOCK_TIME_WINDOW, 1, 100), a);
    finish();
    board_file_cleanup(&file);
}
END_TEST

START_TEST(a_block_is_handed_on_within_its_kind_and_size)
{
    unsigned char *a;

    begin();
    a = lend("a", KEEL_BLOCK_TIME_WINDOW, 1, 100);
    keel_board_give_back(board, a);
    ck_assert_ptr_ne(lend("a", misfits[_i].kind, 2, misfits[_i].size), a);
    finish();
}
END_TEST

START_TEST(a_block_that_stays_is_never_handed_on)
{
    unsigned char *a;

    begin();
    a = block("a", KEEL_BLOCK_TIME_WINDOW, 1, 0, 100);
    ck_assert_ptr_eq(block("a", KEEL_BLOCK_TIME_WINDOW, 1, 0, 100), a);
    ck_assert_ptr_ne(lend("b", KEEL_BLOCK_TIME_WINDOW, 1, 100), a);
    finish();
}
END_TEST

START_TEST(any_number_of_keys_fits_if_each_is_given_back)
{
    begin();
    for (unsigned i = 0; i < 3 * KEEL_BOARD_BLOCKS; i++) {
        unsigned char *a = lend("a", KEEL_BLOCK_TIME_WINDOW, i, i % 100 * 640);

        ck_assert_msg(a != NULL, "%u", i);
        keel_board_give_back(board, a);
    }
    finish();
}
END_TEST

/* ---- threads and processes -------------------------------------------------------- */

static void *open_and_close(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 100; i++) {
        keel_board *own;

        ck_assert_int_eq(keel_process_attach(), KEEL_OK);
        ck_assert_int_eq(keel_board_open(&own, NULL), KEEL_OK);
        keel_board_close(own);
        keel_process_detach();
    }
    return NULL;
}

START_TEST(boards_may_be_opened_by_several_threads_at_once)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, open_and_close, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

static int child_status(pid_t child)
{
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(a_forked_child_finds_its_blocks_empty_and_in_place)
{
    unsigned char *a;
    pid_t child;

    begin();
    a = block("a", KEEL_BLOCK_BREAKER, 0, 0, 64);
    memset(a, 0xee, 64);
    child = fork();
    if (child == 0)
        _exit(a[0] == 0 && a[63] == 0 && block("a", KEEL_BLOCK_BREAKER, 0, 0, 64) == a
                  ? 0
                  : 1);
    ck_assert_int_eq(child_status(child), 0);
    ck_assert_int_eq(a[0], 0xee);
    finish();
}
END_TEST

START_TEST(a_process_is_itself_and_its_child_somebody_else)
{
    uint64_t self;
    pid_t child;

    begin();
    self = keel_process_incarnation();
    ck_assert_uint_ne(self, 0);
    ck_assert_uint_eq(keel_process_incarnation(), self);
    child = fork();
    if (child == 0)
        _exit(keel_process_incarnation() != self && keel_process_incarnation() != 0
                  ? 0
                  : 1);
    ck_assert_int_eq(child_status(child), 0);
    ck_assert_uint_eq(keel_process_incarnation(), self);
    finish();
}
END_TEST

START_TEST(each_allocation_of_opening_may_fail)
{
    failing_allocator f;
    bool failed = true;

    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    for (long n = 1; failed; n++) {
        failing_allocator_init(&f, n);
        ck_assert_int_eq(keel_board_open(&board, &f.allocator),
                         atomic_load(&f.failed) ? KEEL_E_NOMEM : KEEL_OK);
        failed = f.failed;
        keel_board_close(board);
        ck_assert_int_eq(f.live, 0);
    }
    keel_process_detach();
}
END_TEST

static size_t mapped_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

START_TEST(without_room_for_the_map_it_is_the_system_that_refused)
{
    struct rlimit limit = { 0, 0 };

    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    limit.rlim_cur = limit.rlim_max = mapped_bytes() + (8 << 20);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    ck_assert_int_eq(keel_board_open(&board, NULL), KEEL_E_SYSTEM);
    ck_assert_ptr_null(board);
    keel_process_detach();
}
END_TEST

SUITE("board", 60, ONE(a_new_block_is_zero_and_starts_on_a_cache_line),
      ROWS(the_same_key_is_the_same_block_and_any_other_another, others),
      ONE(a_pipelines_share_is_the_sum_of_its_blocks),
      ONE(a_board_whose_directory_is_full_says_so_and_keeps_what_it_has),
      ONE(a_board_whose_memory_is_full_says_so),
      ONE(a_block_given_back_keeps_what_it_knows_for_who_comes_back_to_it),
      ONE(a_block_given_back_by_all_is_handed_on_empty),
      ONE(a_shared_board_hands_a_block_on_only_when_it_is_half_full),
      ROWS(a_block_is_handed_on_within_its_kind_and_size, misfits),
      ONE(a_block_that_stays_is_never_handed_on),
      ONE(any_number_of_keys_fits_if_each_is_given_back),
      ONE(boards_may_be_opened_by_several_threads_at_once),
      ONE(a_forked_child_finds_its_blocks_empty_and_in_place),
      ONE(a_process_is_itself_and_its_child_somebody_else),
      ONE(each_allocation_of_opening_may_fail),
      ONE(without_room_for_the_map_it_is_the_system_that_refused))
