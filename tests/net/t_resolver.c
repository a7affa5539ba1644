/* SPDX-License-Identifier: MIT */
/*
 * Names that are looked up without anybody waiting longer than he would. The look-up
 * itself is the test's, which lets it hang.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "net/resolver.h"
#include "support/allocator.h"
#include "support/child.h"
#include "support/latch.h"
#include "support/suite.h"

#define LONG_ENOUGH (10 * KEEL_S)
#define SHORT (20 * KEEL_MS)

int __real_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);

static latch hangs = LATCH_INIT, may_go_on = LATCH_INIT, is_gone = LATCH_INIT;
static latch may_end = LATCH_INIT;
static _Atomic unsigned look_ups;
static failing_allocator memory;

/* Until the look-up that hung, and was forgotten, is done. */
static void let_go_on(void)
{
    long with_it = memory.live;

    latch_hit(&may_go_on);
    while (memory.live >= with_it)
        sched_yield();
    latch_hit(&is_gone);
}

/*
 * "hanging" is a name that a dead name server is asked for; "localhost" stands in.
 * "second" hangs too, from when the first one was answered.
 */
int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found)
{
    if (!(hints->ai_flags & AI_NUMERICHOST))
        look_ups++;
    if (strcmp(host, "hanging") == 0 && !(hints->ai_flags & AI_NUMERICHOST)) {
        latch_hit(&hangs);
        latch_await(&may_go_on, 1);
        host = "localhost";
    } else if (strcmp(host, "second") == 0 && !(hints->ai_flags & AI_NUMERICHOST)) {
        let_go_on();
        latch_await(&may_end, 1);
        host = "localhost";
    }
    return __real_getaddrinfo(host, service, hints, found);
}

static keel_resolver *resolver;
static keel_addresses found;
static keel_detail why;

static void start(void)
{
    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    failing_allocator_init(&memory, 0);
    ck_assert_int_eq(keel_resolver_new(&resolver, &memory.allocator), KEEL_OK);
}

/* Whatever hung may go on now, and nothing is left of it. */
static void stop(void)
{
    latch_hit(&may_go_on);
    ck_assert(keel_resolver_free(resolver, LONG_ENOUGH));
    ck_assert_int_eq(memory.live, 0);
    keel_process_detach();
}

static keel_status resolve(const char *host, int interrupt, uint64_t until_ns)
{
    return keel_resolver_ask(resolver, host, 6379, interrupt, until_ns, &found, &why);
}

static uint64_t in(uint64_t ns)
{
    return keel_ns_add(keel_socket_now(), ns);
}

typedef struct number_case {
    const char *host;
    int family;
} number_case;

static const number_case numbers[] = {
    { "127.0.0.1", AF_INET },
    { "::1", AF_INET6 },
    { "10.1.2.3", AF_INET },
};

START_TEST(a_number_is_no_look_up)
{
    ck_assert_int_eq(resolve(numbers[_i].host, -1, 0), KEEL_OK);
    ck_assert_uint_eq(found.count, 1);
    ck_assert_int_eq(found.at[0].at.ss_family, numbers[_i].family);
    /* the same place in both families */
    ck_assert_uint_eq(((struct sockaddr_in *)&found.at[0].at)->sin_port, htons(6379));
    ck_assert_uint_eq(look_ups, 0);
}
END_TEST

START_TEST(a_name_is_looked_up_anew_each_time)
{
    for (unsigned i = 1; i <= 2; i++) {
        ck_assert_int_eq(resolve("localhost", -1, in(LONG_ENOUGH)), KEEL_OK);
        ck_assert_uint_ge(found.count, 1);
        ck_assert_uint_eq(look_ups, i);
    }
}
END_TEST

START_TEST(a_name_that_is_none_is_told)
{
    ck_assert_int_eq(resolve("no such host", -1, in(LONG_ENOUGH)), KEEL_FAILED);
    ck_assert_uint_eq(found.count, 0);
    ck_assert_int_eq(memcmp(why.text, "look-up: ", 9), 0);
}
END_TEST

START_TEST(a_name_longer_than_any_is_no_look_up)
{
    char host[KEEL_HOST_SIZE + 1];

    memset(host, 'x', sizeof host);
    host[sizeof host - 1] = '\0';
    ck_assert_int_eq(resolve(host, -1, in(LONG_ENOUGH)), KEEL_E_ARGUMENT);
    ck_assert_uint_eq(look_ups, 0);
}
END_TEST

START_TEST(a_look_up_that_hangs_is_given_up_at_the_instant)
{
    uint64_t until_ns = in(SHORT);

    ck_assert_int_eq(resolve("hanging", -1, until_ns), KEEL_TIMEOUT);
    ck_assert_uint_ge(keel_socket_now(), until_ns);
    latch_await(&hangs, 1);
    ck_assert(!keel_resolver_free(resolver, 0));
}
END_TEST

START_TEST(an_interrupt_ends_the_wait_for_a_look_up)
{
    int interrupt = eventfd(1, EFD_CLOEXEC);

    ck_assert_int_eq(resolve("hanging", interrupt, KEEL_NEVER), KEEL_CANCELLED);
    close(interrupt);
}
END_TEST

START_TEST(a_late_answer_is_not_taken_for_the_next_ones)
{
    ck_assert_int_eq(resolve("hanging", -1, in(SHORT)), KEEL_TIMEOUT);
    ck_assert_int_eq(resolve("second", -1, in(500 * KEEL_MS)), KEEL_TIMEOUT);
    latch_await(&is_gone, 1);
    latch_hit(&may_end);
    ck_assert_int_eq(resolve("no such host", -1, in(LONG_ENOUGH)), KEEL_FAILED);
}
END_TEST

START_TEST(others_are_looked_up_while_some_hang_and_only_so_many_may)
{
    for (int i = 0; i < KEEL_RESOLVES_MOST - 1; i++)
        ck_assert_int_eq(resolve("hanging", -1, in(0)), KEEL_TIMEOUT);
    ck_assert_int_eq(resolve("localhost", -1, in(LONG_ENOUGH)), KEEL_OK);
    ck_assert_int_eq(resolve("hanging", -1, in(0)), KEEL_TIMEOUT);
    ck_assert_int_eq(resolve("localhost", -1, in(LONG_ENOUGH)), KEEL_E_LIMIT);
    ck_assert_int_eq(resolve("127.0.0.1", -1, 0), KEEL_OK);
}
END_TEST

static void free_in_child(void)
{
    CHILD(keel_resolver_free(resolver, 0));
}

START_TEST(a_child_leaves_its_parents_look_ups_behind)
{
    ck_assert_int_eq(resolve("hanging", -1, in(SHORT)), KEEL_TIMEOUT);
    latch_await(&hangs, 1);
    child_await(child_fork(free_in_child));
}
END_TEST

START_TEST(without_memory_nothing_is_looked_up_and_nothing_lost)
{
    for (long fails = 1;; fails++) {
        failing_allocator f;
        keel_resolver *r = NULL;
        keel_status status;

        failing_allocator_init(&f, fails);
        status = keel_resolver_new(&r, &f.allocator);
        if (status == KEEL_OK)
            status =
                keel_resolver_ask(r, "localhost", 1, -1, in(LONG_ENOUGH), &found, &why);
        ck_assert(keel_resolver_free(r, LONG_ENOUGH));
        ck_assert_int_eq(f.live, 0);
        if (!f.failed)
            break;
        ck_assert_int_eq(status, KEEL_E_NOMEM);
    }
}
END_TEST

SUITE_IN("resolver", 30, start, stop, ROWS(a_number_is_no_look_up, numbers),
         ONE(a_name_is_looked_up_anew_each_time), ONE(a_name_that_is_none_is_told),
         ONE(a_name_longer_than_any_is_no_look_up),
         ONE(a_look_up_that_hangs_is_given_up_at_the_instant),
         ONE(an_interrupt_ends_the_wait_for_a_look_up),
         ONE(a_late_answer_is_not_taken_for_the_next_ones),
         ONE(others_are_looked_up_while_some_hang_and_only_so_many_may),
         ONE(a_child_leaves_its_parents_look_ups_behind),
         ONE(without_memory_nothing_is_looked_up_and_nothing_lost))
