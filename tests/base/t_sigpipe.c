/* SPDX-License-Identifier: MIT */
/* SIGPIPE around libcurl's work: none gets out, and none of the caller's gets lost. */
#include <pthread.h>
#include <unistd.h>

#include "base/sigpipe.h"
#include "support/suite.h"

static volatile sig_atomic_t signals_seen;

static void count_signal(int number)
{
    (void)number;
    signals_seen++;
}

static void listen_to_sigpipe(void)
{
    struct sigaction action = { .sa_handler = count_signal };

    signals_seen = 0;
    sigaction(SIGPIPE, &action, NULL);
}

/* What the kernel does to a thread that writes to nobody. */
static void write_to_nobody(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    close(ends[1]);
}

static bool sigpipe_is(int (*look)(sigset_t *set))
{
    sigset_t set;

    look(&set);
    return sigismember(&set, SIGPIPE) == 1;
}

static int read_mask(sigset_t *set)
{
    return pthread_sigmask(SIG_SETMASK, NULL, set);
}

START_TEST(a_sigpipe_inside_the_guard_never_arrives)
{
    keel_sigpipe guard;

    listen_to_sigpipe();
    keel_sigpipe_block(&guard);
    write_to_nobody();
    keel_sigpipe_restore(&guard);
    ck_assert_int_eq(signals_seen, 0);
    ck_assert(!sigpipe_is(sigpending));
    ck_assert(!sigpipe_is(read_mask));
}
END_TEST

START_TEST(after_the_guard_sigpipe_is_the_programs_again)
{
    keel_sigpipe guard;

    listen_to_sigpipe();
    keel_sigpipe_block(&guard);
    keel_sigpipe_restore(&guard);
    write_to_nobody();
    ck_assert_int_eq(signals_seen, 1);
}
END_TEST

START_TEST(a_sigpipe_the_caller_holds_back_stays_pending)
{
    sigset_t only;
    keel_sigpipe guard;

    listen_to_sigpipe();
    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &only, NULL);
    write_to_nobody();
    keel_sigpipe_block(&guard);
    write_to_nobody();
    keel_sigpipe_restore(&guard);
    ck_assert(sigpipe_is(sigpending));
    ck_assert(sigpipe_is(read_mask));
}
END_TEST

START_TEST(a_caller_who_blocks_sigpipe_gets_none_of_ours)
{
    sigset_t only;
    keel_sigpipe guard;

    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &only, NULL);
    keel_sigpipe_block(&guard);
    write_to_nobody();
    keel_sigpipe_restore(&guard);
    ck_assert(!sigpipe_is(sigpending));
    ck_assert(sigpipe_is(read_mask));
}
END_TEST

SUITE("http/sigpipe", 10, ONE(a_sigpipe_inside_the_guard_never_arrives),
      ONE(after_the_guard_sigpipe_is_the_programs_again),
      ONE(a_sigpipe_the_caller_holds_back_stays_pending),
      ONE(a_caller_who_blocks_sigpipe_gets_none_of_ours))
