/* SPDX-License-Identifier: MIT */
/*
 * A thread for each look-up, which owns it once nobody waits any more. A plugin stays
 * loaded, so that one which hangs may end whenever it does.
 */
#include "lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define LOOK_NS 10000000 /* between two looks at clock and cancel token */
#define SECOND_NS 1000000000

/* mu guards: is_done, is_left, code, found */
typedef struct lookup {
    pthread_mutex_t mu;
    pthread_cond_t done;
    bool is_done;
    bool is_left; /* nobody waits: the thread frees it */
    int code;
    keel_mysql_addresses found;
    char host[KEEL_MYSQL_HOST_SIZE];
} lookup;

static atomic_uint under_way;

bool keel_mysql_wait_is_over(const keel_mysql_wait *wait)
{
    return keel_now(wait->runtime) >= wait->until_ns ||
           (wait->cancel && keel_cancel_fired(wait->cancel));
}

/* ---- the thread ---------------------------------------------------------------------- */

static void lookup_free(lookup *l)
{
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->mu);
    free(l);
}

static int resolve(const char *host, keel_mysql_addresses *found)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *all;
    int code = getaddrinfo(host, NULL, &hints, &all);

    if (code)
        return code;
    for (struct addrinfo *one = all; one && found->count < KEEL_MYSQL_ADDRESSES;
         one = one->ai_next) {
        if (getnameinfo(one->ai_addr, one->ai_addrlen, found->at[found->count],
                        KEEL_MYSQL_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) == 0)
            found->count++;
    }
    freeaddrinfo(all);
    return found->count ? 0 : EAI_NONAME;
}

static void *run(void *ctx)
{
    lookup *l = ctx;
    keel_mysql_addresses found = { .count = 0 };
    int code = resolve(l->host, &found);
    bool is_left;

    pthread_mutex_lock(&l->mu);
    l->code = code;
    l->found = found;
    l->is_done = true;
    is_left = l->is_left;
    pthread_cond_signal(&l->done);
    pthread_mutex_unlock(&l->mu);
    if (is_left)
        lookup_free(l);
    atomic_fetch_sub_explicit(&under_way, 1, memory_order_relaxed);
    return NULL;
}

/* ---- asking -------------------------------------------------------------------------- */

static lookup *lookup_new(const char *host)
{
    pthread_condattr_t monotonic;
    lookup *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    memcpy(l->host, host, strlen(host) + 1);
    pthread_mutex_init(&l->mu, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return l;
}

/* With all signals blocked: the process' own threads are there for them. */
static bool start(lookup *l)
{
    pthread_attr_t detached;
    sigset_t all, before;
    pthread_t thread;
    bool started;

    sigfillset(&all);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&thread, &detached, run, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    return started;
}

static void wait_a_moment_locked(lookup *l)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_NS;
    until.tv_sec += until.tv_nsec / SECOND_NS;
    until.tv_nsec %= SECOND_NS;
    pthread_cond_timedwait(&l->done, &l->mu, &until);
}

/* Gives up the look-up, to its thread where that is still at it. */
static int await(lookup *l, const keel_mysql_wait *wait, keel_mysql_addresses *found)
{
    int code = EAI_INPROGRESS;
    bool is_done;

    pthread_mutex_lock(&l->mu);
    while (!l->is_done && !keel_mysql_wait_is_over(wait))
        wait_a_moment_locked(l);
    is_done = l->is_done;
    l->is_left = !is_done;
    if (is_done) {
        code = l->code;
        *found = l->found;
    }
    pthread_mutex_unlock(&l->mu);
    if (is_done)
        lookup_free(l);
    return code;
}

static bool is_number(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

int keel_mysql_lookup(const char *host, const keel_mysql_wait *wait,
                      keel_mysql_addresses *found)
{
    lookup *l;

    *found = (keel_mysql_addresses){ .count = 0 };
    if (is_number(host)) {
        memcpy(found->at[found->count++], host, strlen(host) + 1);
        return 0;
    }
    if (atomic_fetch_add_explicit(&under_way, 1, memory_order_relaxed) >=
        KEEL_MYSQL_LOOKUPS_MOST) {
        atomic_fetch_sub_explicit(&under_way, 1, memory_order_relaxed);
        return EAI_AGAIN;
    }
    l = lookup_new(host);
    if (l && start(l))
        return await(l, wait, found);
    atomic_fetch_sub_explicit(&under_way, 1, memory_order_relaxed);
    if (l)
        lookup_free(l);
    return EAI_MEMORY;
}
