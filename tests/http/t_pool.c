/* SPDX-License-Identifier: MIT */
/* The pool of multi handles: bounded, shared by threads, honest about memory. */
#include <dirent.h>
#include <pthread.h>

#include "base/process.h"
#include "http/pool.h"
#include "support/allocator.h"
#include "support/suite.h"
#include "support/vclock.h"

static _Atomic(void *) place;
static vclock time_of;

static keel_curl_pool *pool_of(const keel_allocator *memory)
{
    keel_curl_pool *pool;

    ck_assert_int_eq(keel_curl_pool_get(&place, memory, &time_of.clock, &pool, NULL),
                     KEEL_OK);
    return pool;
}

static void attach(void)
{
    vclock_init_by_hand(&time_of);
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
}

static void detach(void)
{
    keel_curl_pool_free(atomic_exchange(&place, NULL));
    keel_process_detach();
    vclock_cleanup(&time_of);
}

START_TEST(what_is_given_back_is_taken_again)
{
    keel_curl_pool *pool = pool_of(NULL);
    CURLM *multi = keel_curl_pool_take(pool);
    CURLM *other = keel_curl_pool_take(pool);
    CURLM *first, *second;

    ck_assert_ptr_ne(multi, other);
    keel_curl_pool_give(pool, multi);
    keel_curl_pool_give(pool, other);
    first = keel_curl_pool_take(pool);
    second = keel_curl_pool_take(pool);
    ck_assert(first == multi || first == other);
    ck_assert(second == multi || second == other);
    ck_assert_ptr_ne(first, second);
    keel_curl_pool_give(pool, first);
    keel_curl_pool_give(pool, second);
}
END_TEST

enum { MANY = KEEL_CURL_IDLE_MAX + 8 };

/* What is beyond the bound is closed, or the leak checker tells. */
START_TEST(more_than_fit_are_closed)
{
    keel_curl_pool *pool = pool_of(NULL);
    CURLM *multis[MANY];

    for (int i = 0; i < MANY; i++)
        ck_assert_ptr_nonnull(multis[i] = keel_curl_pool_take(pool));
    for (int i = 0; i < MANY; i++)
        keel_curl_pool_give(pool, multis[i]);
}
END_TEST

/* Each multi handle holds descriptors of its own. */
static int open_descriptors(void)
{
    DIR *all = opendir("/proc/self/fd");
    int count = 0;

    ck_assert_ptr_nonnull(all);
    while (readdir(all))
        count++;
    closedir(all);
    return count;
}

static void use_one(keel_curl_pool *pool)
{
    keel_curl_pool_give(pool, keel_curl_pool_take(pool));
}

static void give_three(keel_curl_pool *pool)
{
    CURLM *multis[3];

    for (int i = 0; i < 3; i++)
        multis[i] = keel_curl_pool_take(pool);
    for (int i = 0; i < 3; i++)
        keel_curl_pool_give(pool, multis[i]);
}

START_TEST(what_a_burst_left_is_let_go_by_a_lone_caller_one_a_call)
{
    keel_curl_pool *pool = pool_of(NULL);
    int none = open_descriptors(), one, three, before;

    use_one(pool);
    one = open_descriptors();
    ck_assert_int_gt(one, none);
    give_three(pool);
    three = open_descriptors();
    ck_assert_int_gt(three, one);
    vclock_advance(&time_of, KEEL_CURL_IDLE_NS - 1);
    use_one(pool);
    ck_assert_int_eq(open_descriptors(), three);
    vclock_advance(&time_of, 1);
    use_one(pool);
    before = open_descriptors();
    ck_assert(before < three && before > one);
    use_one(pool);
    ck_assert_int_eq(open_descriptors(), one);
    use_one(pool);
    ck_assert_int_eq(open_descriptors(), one);
}
END_TEST

START_TEST(what_is_used_again_is_not_let_go)
{
    keel_curl_pool *pool = pool_of(NULL);
    int three;

    give_three(pool);
    three = open_descriptors();
    vclock_advance(&time_of, KEEL_CURL_IDLE_NS / 2);
    give_three(pool);
    vclock_advance(&time_of, KEEL_CURL_IDLE_NS / 2);
    use_one(pool);
    ck_assert_int_eq(open_descriptors(), three);
}
END_TEST

START_TEST(without_memory_there_is_no_pool_and_the_next_call_tries_again)
{
    failing_allocator f;
    keel_curl_pool *pool;
    keel_detail why = KEEL_DETAIL_INIT;

    failing_allocator_init(&f, 1);
    ck_assert_int_eq(
        keel_curl_pool_get(&place, &f.allocator, &time_of.clock, &pool, &why),
        KEEL_E_NOMEM);
    ck_assert_int_eq(why.code, KEEL_E_NOMEM);
    ck_assert_ptr_null(atomic_load(&place));
    ck_assert_ptr_nonnull(pool_of(&f.allocator));
    keel_curl_pool_free(atomic_exchange(&place, NULL));
    ck_assert_int_eq(atomic_load(&f.live), 0);
}
END_TEST

enum { THREADS = 4 };

static pthread_barrier_t barrier;

static void *get_at_once(void *out)
{
    pthread_barrier_wait(&barrier);
    *(keel_curl_pool **)out = pool_of(NULL);
    return NULL;
}

START_TEST(threads_that_come_first_together_get_one_pool)
{
    pthread_t threads[THREADS];
    keel_curl_pool *pools[THREADS];

    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, get_at_once, &pools[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < THREADS; i++)
        ck_assert_ptr_eq(pools[i], pools[0]);
    pthread_barrier_destroy(&barrier);
}
END_TEST

SUITE_IN("http/pool", 10, attach, detach, ONE(what_is_given_back_is_taken_again),
         ONE(more_than_fit_are_closed),
         ONE(what_a_burst_left_is_let_go_by_a_lone_caller_one_a_call),
         ONE(what_is_used_again_is_not_let_go),
         ONE(without_memory_there_is_no_pool_and_the_next_call_tries_again),
         ONE(threads_that_come_first_together_get_one_pool))
