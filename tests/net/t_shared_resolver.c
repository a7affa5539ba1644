/* SPDX-License-Identifier: MIT */
/* One resolver and many threads, each of which has its turn, or its instant. */
#include <pthread.h>
#include <string.h>

#include "base/process.h"
#include "net/shared_resolver.h"
#include "support/allocator.h"
#include "support/suite.h"

enum { THREADS = 8, ROUNDS = 20 };

static failing_allocator memory;
static keel_shared_resolver resolver;

static void start(void)
{
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    failing_allocator_init(&memory, 0);
    ck_assert_int_eq(keel_shared_resolver_init(&resolver, &memory.allocator), KEEL_OK);
}

static void stop(void)
{
    keel_shared_resolver_cleanup(&resolver);
    keel_process_detach();
}

static keel_status ask(const char *host, uint64_t ns, keel_addresses *to,
                       keel_detail *why)
{
    return keel_shared_resolver_ask(&resolver, host, 11211, -1,
                                    keel_ns_add(keel_socket_now(), ns), to, why);
}

static void *look_up(void *bad)
{
    static const char *const hosts[] = { "localhost", "127.0.0.1" };
    keel_addresses to;

    for (int i = 0; i < ROUNDS; i++)
        if (ask(hosts[i % 2], 20 * KEEL_S, &to, NULL) != KEEL_OK || !to.count)
            *(bool *)bad = true;
    return NULL;
}

START_TEST(each_thread_has_its_turn)
{
    pthread_t threads[THREADS];
    bool bad[THREADS] = { false };

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, look_up, &bad[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(!bad[i]);
    }
}
END_TEST

START_TEST(who_waits_for_another_leaves_at_his_instant)
{
    keel_detail why = KEEL_DETAIL_INIT;
    uint64_t begun = keel_socket_now();
    keel_addresses to;

    atomic_store(&resolver.is_taken, 1); /* by one whose look-up hangs */
    ck_assert_int_eq(ask("localhost", 50 * KEEL_MS, &to, &why), KEEL_TIMEOUT);
    ck_assert_str_eq(why.text, "the look-up of the host's name takes its time");
    ck_assert_uint_ge(keel_socket_now(), begun + 50 * KEEL_MS);
    atomic_store(&resolver.is_taken, 0);
    ck_assert_int_eq(ask("localhost", 20 * KEEL_S, &to, &why), KEEL_OK);
}
END_TEST

SUITE_IN("shared_resolver", 30, start, stop, ONE(each_thread_has_its_turn),
         ONE(who_waits_for_another_leaves_at_his_instant))
