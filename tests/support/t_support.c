/* SPDX-License-Identifier: MIT */
/* The tests' own tools: a clock, an allocator and a server that lie would hide much. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/allocator.h"
#include "support/child.h"
#include "support/loopback.h"
#include "support/server.h"
#include "support/spawned.h"
#include "support/suite.h"
#include "support/vclock.h"

static const char hello[] = "server { listen 127.0.0.1:@PORT@;"
                            " location / { return 200 hello; } }";

START_TEST(a_wait_moves_the_clock_to_its_end)
{
    uint32_t word = 1;
    vclock c;

    vclock_init(&c);
    ck_assert(!c.clock.wait(&word, 1, VCLOCK_START + 7, &c));
    ck_assert_uint_eq(c.clock.now(&c), VCLOCK_START + 7);
    ck_assert(c.clock.wait(&word, 2, VCLOCK_START + 9, &c));
    ck_assert_uint_eq(c.clock.now(&c), VCLOCK_START + 7);
    vclock_cleanup(&c);
}
END_TEST

START_TEST(the_coarse_clock_stays_behind_by_its_lag)
{
    vclock c;

    vclock_init(&c);
    c.coarse_lag_ns = 3;
    ck_assert_uint_eq(c.clock.now_coarse(&c), VCLOCK_START - 3);
    vclock_cleanup(&c);
}
END_TEST

typedef struct waiter {
    vclock clock;
    uint32_t word;
    uint64_t until_ns;
    bool woken;
} waiter;

static void *wait_in_thread(void *ctx)
{
    waiter *w = ctx;

    w->woken = w->clock.clock.wait(&w->word, 0, w->until_ns, &w->clock);
    return NULL;
}

static pthread_t waiter_start(waiter *w, uint64_t until_ns)
{
    pthread_t thread;

    vclock_init_by_hand(&w->clock);
    w->word = 0;
    w->until_ns = until_ns;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_in_thread, w), 0);
    vclock_await_waiters(&w->clock, 1);
    return thread;
}

START_TEST(a_clock_moved_by_hand_holds_its_waiters_until_their_end)
{
    waiter w;
    pthread_t thread = waiter_start(&w, VCLOCK_START + 5);

    vclock_advance(&w.clock, 5);
    pthread_join(thread, NULL);
    ck_assert(!w.woken);
    vclock_cleanup(&w.clock);
}
END_TEST

START_TEST(a_wake_ends_a_wait_without_an_end)
{
    waiter w;
    pthread_t thread = waiter_start(&w, UINT64_MAX);

    w.clock.clock.wake(&w.word, 1, &w.clock);
    pthread_join(thread, NULL);
    ck_assert(w.woken);
    vclock_cleanup(&w.clock);
}
END_TEST

START_TEST(only_the_chosen_allocation_fails_and_live_blocks_are_counted)
{
    failing_allocator f;
    void *first, *third;

    failing_allocator_init(&f, 2);
    first = f.allocator.allocate(8, f.allocator.ctx);
    ck_assert_ptr_nonnull(first);
    ck_assert(!f.failed);
    ck_assert_ptr_null(f.allocator.allocate(8, f.allocator.ctx));
    ck_assert(f.failed);
    third = f.allocator.allocate(8, f.allocator.ctx);
    ck_assert_ptr_nonnull(third);
    ck_assert_int_eq(f.live, 2);
    f.allocator.release(first, f.allocator.ctx);
    f.allocator.release(third, f.allocator.ctx);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

static bool answers(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool connected;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return connected;
}

/* ---- ports ------------------------------------------------------------------------------ */

enum { PORTS = 450 };

typedef struct taker {
    pid_t pid;
    int tells, lives; /* pipes: what it was given; it lives until this end is closed */
} taker;

static void take_ports(uint16_t ports[PORTS])
{
    for (int i = 0; i < PORTS; i++)
        ports[i] = loopback_free_port();
}

static bool holds(const uint16_t ports[PORTS], uint16_t port)
{
    for (int i = 0; i < PORTS; i++)
        if (ports[i] == port)
            return true;
    return false;
}

static taker taker_start(void)
{
    uint16_t ports[PORTS];
    int told[2], life[2];
    char end;
    pid_t pid;

    ck_assert(pipe(told) == 0 && pipe(life) == 0);
    pid = fork();
    if (pid == 0) {
        close(life[1]);
        take_ports(ports);
        CHILD(write(told[1], ports, sizeof ports) == sizeof ports);
        CHILD(read(life[0], &end, 1) == 0);
        _exit(0);
    }
    close(told[1]);
    close(life[0]);
    return (taker){ pid, told[0], life[1] };
}

/* By chance some sixteen would be given to both. */
START_TEST(a_port_is_given_to_one_test_alone)
{
    taker other = taker_start();
    uint16_t its[PORTS], ours[PORTS];

    ck_assert_int_eq(read(other.tells, its, sizeof its), sizeof its);
    take_ports(ours);
    for (int i = 0; i < PORTS; i++)
        ck_assert(ours[i] && !holds(its, ours[i]));
    close(other.lives);
    child_await(other.pid);
    close(other.tells);
}
END_TEST

/* ---- servers ---------------------------------------------------------------------------- */

START_TEST(a_server_listens_once_started_goes_and_comes_back_on_its_port)
{
    test_server s = { 0 };
    uint16_t port;

    ck_assert(test_server_start(&s, hello));
    port = s.port;
    ck_assert(answers(port));
    test_server_stop(&s);
    ck_assert(!answers(port));
    ck_assert(test_server_start(&s, hello));
    ck_assert_uint_eq(s.port, port);
    ck_assert(answers(port));
    test_server_cleanup(&s);
    ck_assert(!answers(port));
}
END_TEST

START_TEST(a_configuration_nginx_refuses_is_no_server)
{
    test_server s = { 0 };

    ck_assert(!test_server_start(&s, "server { nonsense }"));
    ck_assert_int_eq(s.nginx.process.pid, 0);
    test_server_cleanup(&s);
}
END_TEST

/* Stopped as early as can be: what was open here when it began may be closed here. */
START_TEST(what_was_started_keeps_nothing_of_ours_open)
{
    static const char *const argv[] = { "sleep", "60", NULL };

    for (int i = 0; i < 20; i++) {
        uint16_t port = loopback_free_port();
        int listener = loopback_listen(port, 1);
        spawned s;

        ck_assert_int_ge(listener, 0);
        ck_assert(spawned_init(&s, "sleep"));
        ck_assert(spawned_start(&s, SIGKILL, argv));
        spawned_freeze(&s);
        close(listener);
        listener = loopback_listen(port, 1);
        ck_assert_int_ge(listener, 0);
        close(listener);
        spawned_cleanup(&s);
    }
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(a_wait_moves_the_clock_to_its_end),
        ONE(the_coarse_clock_stays_behind_by_its_lag),
        ONE(a_clock_moved_by_hand_holds_its_waiters_until_their_end),
        ONE(a_wake_ends_a_wait_without_an_end),
        ONE(only_the_chosen_allocation_fails_and_live_blocks_are_counted),
        ONE(a_port_is_given_to_one_test_alone),
        ONE(a_server_listens_once_started_goes_and_comes_back_on_its_port),
        ONE(a_configuration_nginx_refuses_is_no_server),
        ONE(what_was_started_keeps_nothing_of_ours_open)
    };

    if (!test_server_is_installed())
        return 77;
    return suite_run("support", 30, tests, sizeof tests / sizeof tests[0]);
}
