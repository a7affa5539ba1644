/* SPDX-License-Identifier: MIT */
#include "sigpipe.h"

#include <errno.h>
#include <mysql.h>
#include <pthread.h>
#include <time.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_usable;

static bool is_pending(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

void keel_mysql_sigpipe_block(keel_mysql_sigpipe *guard)
{
    sigemptyset(&guard->only);
    sigaddset(&guard->only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &guard->only, &guard->mask_before);
    /* one that the caller holds back himself is his, and stays */
    guard->was_pending = sigismember(&guard->mask_before, SIGPIPE) == 1 && is_pending();
}

void keel_mysql_sigpipe_restore(const keel_mysql_sigpipe *guard)
{
    static const struct timespec at_once = { 0, 0 };

    if (!guard->was_pending)
        while (sigtimedwait(&guard->only, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &guard->mask_before, NULL);
}

static void init(void)
{
    struct sigaction before;
    bool is_known = sigaction(SIGPIPE, NULL, &before) == 0;

    is_usable = mysql_library_init(0, NULL, NULL) == 0 && mysql_thread_safe();
    if (is_known)
        sigaction(SIGPIPE, &before, NULL);
}

bool keel_mysql_library_init(void)
{
    return pthread_once(&once, init) == 0 && is_usable;
}
