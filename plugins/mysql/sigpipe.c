/* SPDX-License-Identifier: MIT */
#include "sigpipe.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

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
