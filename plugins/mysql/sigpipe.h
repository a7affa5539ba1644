/* SPDX-License-Identifier: MIT */
/*
 * No SIGPIPE leaves OpenSSL, which writes to sockets as to files, through a bag: it is held
 * back in this thread, and what came of it is taken away. Without TLS libmariadb raises
 * none.
 */
#ifndef KEEL_PLUGINS_MYSQL_SIGPIPE_H
#define KEEL_PLUGINS_MYSQL_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

typedef struct keel_mysql_sigpipe {
    sigset_t only; /* SIGPIPE */
    sigset_t mask_before;
    bool was_pending;
} keel_mysql_sigpipe;

/* Both in the same thread; errno is not kept. */
void keel_mysql_sigpipe_block(keel_mysql_sigpipe *guard);
void keel_mysql_sigpipe_restore(const keel_mysql_sigpipe *guard);

#endif
