/* SPDX-License-Identifier: MIT */
/* One directory of items, several processes and many threads. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bag/store/file_lock.h"
#include "bag/store/file_record.h"
#include "bag/store/file_token.h"
#include "base/clock.h"
#include "support/bag_dir.h"
#include "support/child.h"
#include "support/sanitizers.h"
#include "support/suite.h"

enum { PROCESSES = 2, THREADS = 16 };

static bag_dir d;

static void init(const char *query)
{
    bag_dir_init(&d, query);
}

static void teardown(void)
{
    bag_dir_cleanup(&d);
}

/* In children, where check's asserts would be lost, before they open anything. */
static void open_in_child(void)
{
    static const char *const nothing[] = { NULL };
    const keel_options options = { .size = sizeof options, .environment = nothing };

    CHILD(keel_open(&d.rt, &options, NULL) == KEEL_OK);
    CHILD(keel_bag_open(&d.bag, d.rt, "files", d.spec, NULL) == KEEL_OK);
}

static void close_in_child(void)
{
    keel_bag_close(d.bag);
    CHILD(keel_close(d.rt, 0) == KEEL_OK);
}

static void run_threads(void *(*fn)(void *ctx))
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        CHILD(pthread_create(&threads[i], NULL, fn, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void run_processes(void (*fn)(void))
{
    pid_t pids[PROCESSES];

    for (int i = 0; i < PROCESSES; i++)
        pids[i] = child_fork(fn);
    for (int i = 0; i < PROCESSES; i++)
        child_await(pids[i]);
}

/* ---- counting ------------------------------------------------------------------------ */

typedef struct counting {
    const char *query;
    unsigned times; /* of each thread */
} counting;

static const counting countings[] = { { "sync=none", 100 }, { "sync=full", 20 } };
static const counting *played;

/* Again where others had the lock until the deadline: then nothing was counted. */
static keel_status count_once(void)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status;

    do
        status = keel_bag_incr(d.bag, "counter", 1, NULL, NULL, &why);
    while (status == KEEL_DEADLINE && why.applied == KEEL_APPLIED_NO);
    return status;
}

static void *count(void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < played->times; i++)
        CHILD(count_once() == KEEL_OK);
    return NULL;
}

static void count_in_child(void)
{
    open_in_child();
    run_threads(count);
    close_in_child();
}

START_TEST(no_count_is_lost_between_processes)
{
    char wanted[16];

    played = &countings[_i];
    init(played->query);
    bag_dir_open(&d);
    ck_assert_int_eq(bag_dir_set(&d, "counter", "0"), KEEL_OK);
    bag_dir_close(&d);
    run_processes(count_in_child);
    bag_dir_open(&d);
    snprintf(wanted, sizeof wanted, "%u", PROCESSES * THREADS * played->times);
    bag_dir_expect(&d, "counter", wanted);
    bag_dir_close(&d);
}
END_TEST

/* ---- tokens -------------------------------------------------------------------------- */

enum { WRITES = HAS_SANITIZER ? 30 : 100, ALL_WRITES = PROCESSES * THREADS * WRITES };

typedef struct tokens {
    _Atomic uint32_t count;
    uint64_t at[ALL_WRITES];
} tokens;

static tokens *all;

/* Each item is made anew again and again, so that a number of its own would return. */
static void *write_and_note(void *ctx)
{
    keel_bag_token token;
    const keel_bag_options options = { .size = sizeof options, .token = &token };
    char key[32];

    snprintf(key, sizeof key, "key:%d", (int)(uintptr_t)ctx);
    for (int i = 0; i < WRITES; i++) {
        CHILD(keel_bag_set(d.bag, key, "x", 1, &options, NULL) == KEEL_OK);
        all->at[atomic_fetch_add(&all->count, 1)] = keel_bag_token_number(&token);
        (void)!keel_bag_delete(d.bag, key, NULL, NULL);
    }
    return NULL;
}

static void write_in_child(void)
{
    open_in_child();
    run_threads(write_and_note);
    close_in_child();
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

START_TEST(no_token_returns_between_processes)
{
    init("sync=none");
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
               -1, 0);
    ck_assert_ptr_ne(all, MAP_FAILED);
    run_processes(write_in_child);
    ck_assert_uint_eq(all->count, ALL_WRITES);
    qsort(all->at, ALL_WRITES, sizeof all->at[0], compare);
    for (size_t i = 0; i < ALL_WRITES; i++) {
        ck_assert_uint_ne(all->at[i], 0);
        ck_assert(!i || all->at[i] != all->at[i - 1]);
    }
    munmap(all, sizeof *all);
}
END_TEST

/* ---- the store's inside, twice -------------------------------------------------------- */

static keel_clock real;
static keel_file_store first, second;
static keel_bag_op now;

static void open_inside(keel_file_store *s)
{
    *s = (keel_file_store){ .clock = &real,
                            .path = "file",
                            .sync = KEEL_FILE_SYNC_NONE,
                            .marks = KEEL_DESCRIPTOR_NONE };
    snprintf(s->root, sizeof s->root, "%s", d.root);
    ck_assert_int_eq(keel_file_store_open(s, NULL), KEEL_OK);
}

static void open_both(void)
{
    init("sync=none");
    ck_assert(keel_clock_real(&real));
    open_inside(&first);
    open_inside(&second);
    now = (keel_bag_op){ .size = sizeof now,
                         .deadline_at_ns = real.now(real.ctx) + 60 * KEEL_S,
                         .now_ms = INT64_C(1795000000000) };
}

static void close_both(void)
{
    keel_file_store_close(&first);
    keel_file_store_close(&second);
}

static uint64_t token_of(keel_file_store *s)
{
    uint64_t token;

    ck_assert_int_eq(keel_file_token(s, &now, &token, NULL), KEEL_OK);
    return token;
}

enum { BLOCK = 1 << 20, BLOCKS = 4, TAKEN = BLOCK * 3 / 2 };

/* Which were given; a token is no further from the first than all blocks there can be. */
static _Atomic uint8_t *given;
static uint64_t least;

static void *take_many(void *ctx)
{
    for (int i = 0; i < TAKEN / 2; i++) {
        uint64_t token = 0, offset;

        /* an assertion each would take longer than all else */
        if (keel_file_token(ctx, &now, &token, NULL) != KEEL_OK)
            ck_abort_msg("no token");
        offset = token - least;
        if (offset >= (uint64_t)BLOCK * BLOCKS || atomic_fetch_add(&given[offset], 1))
            ck_abort_msg("given twice, or in no block: %" PRIu64 " on", offset);
    }
    return NULL;
}

START_TEST(blocks_of_tokens_do_not_overlap)
{
    pthread_t threads[4];
    keel_file_store *const stores[] = { &first, &first, &second, &second };

    open_both();
    given = calloc(BLOCK, BLOCKS);
    ck_assert_ptr_nonnull(given);
    least = (uint64_t)now.now_ms << 20;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, stores[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    free((void *)given);
    close_both();
}
END_TEST

START_TEST(a_clock_that_goes_back_repeats_no_token)
{
    uint64_t last;

    open_both();
    last = token_of(&first);
    now.now_ms -= 1000000;
    ck_assert_uint_gt(token_of(&second), last);
    close_both();
}
END_TEST

/* As after a backup was brought back: the mark is older than what it stands for. */
START_TEST(a_mark_of_long_ago_repeats_no_token)
{
    char path[128];
    uint64_t last;

    open_both();
    last = token_of(&first);
    snprintf(path, sizeof path, "%s/keel-store", d.root);
    ck_assert_int_eq(truncate(path, 0), 0);
    now.now_ms += 1000;
    ck_assert_uint_gt(token_of(&second), last);
    close_both();
}
END_TEST

/* ---- locks --------------------------------------------------------------------------- */

static uint32_t stripe_of(const char *key)
{
    char name[KEEL_FILE_NAME_SIZE];
    uint32_t stripe;

    keel_file_name(name, (keel_bytes){ key, strlen(key) });
    ck_assert(keel_file_name_read(name, &stripe));
    return stripe;
}

/* Another open file is another holder, in this process as in another one. */
START_TEST(a_lock_is_waited_for_until_the_deadline)
{
    keel_bag_options soon;
    uint64_t begun;

    open_both();
    bag_dir_open(&d);
    ck_assert_int_eq(keel_file_lock(&first, stripe_of("k"), &now, NULL), KEEL_OK);
    begun = keel_now(d.rt);
    soon = bag_dir_within(&d, 30);
    ck_assert_int_eq(keel_bag_set(d.bag, "k", "x", 1, &soon, &d.why), KEEL_DEADLINE);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_ge(keel_now(d.rt), begun + 30 * KEEL_MS);
    keel_file_unlock(&first, stripe_of("k"));
    ck_assert_int_eq(bag_dir_set(&d, "k", "x"), KEEL_OK);
    bag_dir_close(&d);
    close_both();
}
END_TEST

START_TEST(readers_wait_for_no_lock)
{
    open_both();
    bag_dir_open(&d);
    ck_assert_int_eq(bag_dir_set(&d, "k", "x"), KEEL_OK);
    ck_assert_int_eq(keel_file_lock(&first, stripe_of("k"), &now, NULL), KEEL_OK);
    bag_dir_expect(&d, "k", "x");
    keel_file_unlock(&first, stripe_of("k"));
    bag_dir_close(&d);
    close_both();
}
END_TEST

START_TEST(a_wait_for_a_lock_can_be_cancelled)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    keel_bag_options options = { .size = sizeof options, .cancel = &cancel };

    open_both();
    bag_dir_open(&d);
    ck_assert_int_eq(keel_file_lock(&first, stripe_of("k"), &now, NULL), KEEL_OK);
    keel_cancel_fire(&cancel);
    ck_assert_int_eq(keel_bag_set(d.bag, "k", "x", 1, &options, &d.why),
                     KEEL_CANCELLED);
    ck_assert_int_eq(d.why.applied, KEEL_APPLIED_NO);
    keel_file_unlock(&first, stripe_of("k"));
    bag_dir_close(&d);
    close_both();
}
END_TEST

/* Whoever gives a lock back wakes one who waits for its word. */
static void *lock_and_go(void *ctx)
{
    uint64_t *turns = ctx;

    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(keel_file_lock(&first, 7, &now, NULL), KEEL_OK);
        ++*turns;
        keel_file_unlock(&first, 7);
    }
    return NULL;
}

START_TEST(threads_take_turns)
{
    pthread_t threads[4];
    uint64_t turns = 0;

    open_both();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, lock_and_go, &turns), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(turns, 8000);
    close_both();
}
END_TEST

/* What a living writer is at is no leftover. */
START_TEST(what_is_being_written_stays_at_an_opening)
{
    bag_dir_path path;
    FILE *file;

    open_both();
    bag_dir_open(&d);
    ck_assert_int_eq(bag_dir_set(&d, "k", "x"), KEEL_OK);
    ck_assert_int_eq(keel_file_lock(&first, stripe_of("k"), &now, NULL), KEEL_OK);
    file = fopen(bag_dir_new(&d, path, "k"), "we");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    bag_dir_close(&d);
    bag_dir_open(&d);
    ck_assert_int_eq(access(path, F_OK), 0);
    keel_file_unlock(&first, stripe_of("k"));
    bag_dir_close(&d);
    bag_dir_open(&d);
    ck_assert_int_eq(access(path, F_OK), -1);
    bag_dir_close(&d);
    close_both();
}
END_TEST

/* Has a lock when it is killed, and a child that knows nothing of it. */
static _Atomic pid_t *left_behind;

static void lock_and_fork(void)
{
    pid_t pid;

    open_inside(&first);
    CHILD(keel_file_lock(&first, stripe_of("k"), &now, NULL) == KEEL_OK);
    pid = fork();
    if (pid == 0)
        alarm(60); /* should nobody end it */
    else
        atomic_store(left_behind, pid);
    for (;;)
        pause();
}

START_TEST(no_child_keeps_what_its_dead_parent_had_locked)
{
    keel_bag_options soon;
    pid_t pid;

    open_both();
    close_both();
    left_behind = mmap(NULL, sizeof *left_behind, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne((void *)left_behind, MAP_FAILED);
    pid = child_fork(lock_and_fork);
    while (!atomic_load(left_behind))
        sched_yield();
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    bag_dir_open(&d);
    soon = bag_dir_within(&d, 5000);
    ck_assert_int_eq(keel_bag_set(d.bag, "k", "x", 1, &soon, &d.why), KEEL_OK);
    kill(atomic_load(left_behind), SIGKILL);
    bag_dir_close(&d);
    munmap((void *)left_behind, sizeof *left_behind);
}
END_TEST

/* ---- flushes ------------------------------------------------------------------------- */

enum { FLUSHES = 30 };

static void *write_or_flush(void *ctx)
{
    uintptr_t number = (uintptr_t)ctx;
    char key[32];

    snprintf(key, sizeof key, "key:%d", (int)number);
    for (int i = 0; i < FLUSHES; i++) {
        keel_bag_item item = { .size = sizeof item };
        keel_status status;

        if (number == 0) {
            CHILD(keel_bag_flush(d.bag, NULL, NULL) == KEEL_OK);
            continue;
        }
        CHILD(keel_bag_set(d.bag, key, "x", 1, NULL, NULL) == KEEL_OK);
        status = keel_bag_get(d.bag, key, &item, NULL, NULL);
        CHILD(status == KEEL_OK || status == KEEL_NOT_FOUND);
    }
    return NULL;
}

static void flush_in_child(void)
{
    open_in_child();
    run_threads(write_or_flush);
    close_in_child();
}

START_TEST(a_flush_comes_between_no_write_and_its_directory)
{
    init("sync=none&allow_flush=on");
    run_processes(flush_in_child);
    bag_dir_open(&d);
    ck_assert_int_eq(bag_dir_set(&d, "k", "x"), KEEL_OK);
    bag_dir_expect(&d, "k", "x");
    bag_dir_close(&d);
}
END_TEST

SUITE_IN("file_shared", 120, NULL, teardown,
         ROWS(no_count_is_lost_between_processes, countings),
         ONE(no_token_returns_between_processes), ONE(blocks_of_tokens_do_not_overlap),
         ONE(a_clock_that_goes_back_repeats_no_token),
         ONE(a_mark_of_long_ago_repeats_no_token),
         ONE(a_lock_is_waited_for_until_the_deadline), ONE(readers_wait_for_no_lock),
         ONE(a_wait_for_a_lock_can_be_cancelled), ONE(threads_take_turns),
         ONE(what_is_being_written_stays_at_an_opening),
         ONE(no_child_keeps_what_its_dead_parent_had_locked),
         ONE(a_flush_comes_between_no_write_and_its_directory))
