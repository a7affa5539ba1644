/* SPDX-License-Identifier: MIT */
/*
 * Look-ups on workers. A look-up belongs to its asker and its worker; whoever is the
 * last to leave frees it. So an asker who cannot wait any longer just leaves.
 */
#include "net/resolver.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/worker_pool.h"

/* lookups_mu guards: lookups, and of each look-up is_done and is_forgotten */
struct keel_resolver {
    const keel_allocator *memory;
    keel_worker_pool_place workers;
    keel_descriptor done; /* an eventfd: written when a look-up is done */
    pthread_mutex_t lookups_mu;
    unsigned lookups; /* on workers */
    keel_resolver *next_left;
};

/* Those that were left while a look-up hung; whoever makes the next frees what is done. */
static _Atomic(keel_resolver *) left;

typedef struct lookup {
    keel_resolver *resolver;
    char host[KEEL_HOST_SIZE];
    int error; /* of getaddrinfo */
    struct addrinfo *found;
    bool is_done;      /* by its worker, who has left */
    bool is_forgotten; /* by its asker, who has left */
} lookup;

static int ask(const char *host, int flags, struct addrinfo **found)
{
    struct addrinfo hints = { .ai_flags = flags, .ai_socktype = SOCK_STREAM };

    *found = NULL;
    return getaddrinfo(host, NULL, &hints, found);
}

static void lookup_free(lookup *l)
{
    if (l->found)
        freeaddrinfo(l->found);
    keel_memory_free(l->resolver->memory, l);
}

/* The worker's part. */
static void look_up(void *ctx)
{
    static const uint64_t one = 1;
    lookup *l = ctx;
    keel_resolver *r = l->resolver;
    bool is_forgotten;

    l->error = ask(l->host, AI_ADDRCONFIG, &l->found);
    pthread_mutex_lock(&r->lookups_mu);
    r->lookups--;
    l->is_done = true;
    is_forgotten = l->is_forgotten;
    pthread_mutex_unlock(&r->lookups_mu);
    if (is_forgotten)
        lookup_free(l);
    while (write(r->done.fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    keel_worker_pool_done(&r->workers);
}

/* Whether it may begin; if so, it is counted. */
static bool count_lookup(keel_resolver *r)
{
    bool has_room;

    pthread_mutex_lock(&r->lookups_mu);
    has_room = r->lookups < KEEL_RESOLVES_MOST;
    r->lookups += has_room;
    pthread_mutex_unlock(&r->lookups_mu);
    return has_room;
}

static void uncount_lookup(keel_resolver *r)
{
    pthread_mutex_lock(&r->lookups_mu);
    r->lookups--;
    pthread_mutex_unlock(&r->lookups_mu);
}

static keel_status lookup_start(lookup **out, keel_resolver *r, const char *host,
                                keel_detail *why)
{
    keel_status status = KEEL_E_NOMEM;
    lookup *l;

    *out = NULL;
    if (!count_lookup(r))
        return keel_fail(why, KEEL_E_LIMIT, "too many look-ups of names hang");
    l = keel_memory_new(r->memory, sizeof *l);
    if (l) {
        l->resolver = r;
        memcpy(l->host, host, strlen(host) + 1);
        status = keel_worker_pool_run(&r->workers, r->memory, look_up, l);
    }
    if (status != KEEL_OK) {
        uncount_lookup(r);
        keel_memory_free(r->memory, l);
        return keel_fail(why, status, keel_status_text(status));
    }
    *out = l;
    return KEEL_OK;
}

static bool lookup_is_done(lookup *l)
{
    bool is_done;

    pthread_mutex_lock(&l->resolver->lookups_mu);
    is_done = l->is_done;
    pthread_mutex_unlock(&l->resolver->lookups_mu);
    return is_done;
}

/* Leaves the look-up to its worker; false: that one has left before. */
static bool lookup_forget(lookup *l)
{
    pthread_mutex_t *mu = &l->resolver->lookups_mu;
    bool is_done;

    pthread_mutex_lock(mu);
    is_done = l->is_done;
    l->is_forgotten = true;
    pthread_mutex_unlock(mu);
    return !is_done;
}

/* Woken by an earlier look-up, too; so it looks whose end it was. */
static keel_status lookup_await(lookup *l, int interrupt_fd, uint64_t until_ns,
                                keel_detail *why)
{
    keel_socket done = { .own.fd = l->resolver->done.fd, .interrupt_fd = interrupt_fd };
    keel_status status = KEEL_OK;
    uint64_t count;

    while (status == KEEL_OK && !lookup_is_done(l)) {
        status = keel_socket_await(&done, POLLIN, until_ns, why);
        if (status == KEEL_OK && read(done.own.fd, &count, sizeof count) < 0 &&
            errno != EAGAIN && errno != EINTR)
            return keel_fail(why, KEEL_E_SYSTEM, "read of an eventfd");
    }
    return status;
}

static void set_port(keel_address *address, uint16_t port)
{
    struct sockaddr_storage *at = &address->at;

    if (at->ss_family == AF_INET)
        ((struct sockaddr_in *)at)->sin_port = htons(port);
    else if (at->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)at)->sin6_port = htons(port);
}

static keel_status take(const struct addrinfo *found, uint16_t port,
                        keel_addresses *out, keel_detail *why)
{
    for (; found && out->count < KEEL_ADDRESSES; found = found->ai_next) {
        keel_address *to = &out->at[out->count];

        if (found->ai_addrlen > sizeof to->at)
            continue;
        memcpy(&to->at, found->ai_addr, found->ai_addrlen);
        to->size = found->ai_addrlen;
        set_port(to, port);
        out->count++;
    }
    return out->count ? KEEL_OK : keel_fail(why, KEEL_FAILED, "no address");
}

static keel_status resolve_number(const char *host, uint16_t port, keel_addresses *out)
{
    struct addrinfo *found;
    keel_status status = KEEL_FAILED;

    if (ask(host, AI_NUMERICHOST, &found) == 0)
        status = take(found, port, out, NULL);
    if (found)
        freeaddrinfo(found);
    return status;
}

keel_status keel_resolver_ask(keel_resolver *r, const char *host, uint16_t port,
                              int interrupt_fd, uint64_t until_ns, keel_addresses *out,
                              keel_detail *why)
{
    keel_status status;
    lookup *l;

    out->count = 0;
    if (strlen(host) >= KEEL_HOST_SIZE)
        return keel_fail(why, KEEL_E_ARGUMENT, "the name of a host is too long");
    if (resolve_number(host, port, out) == KEEL_OK)
        return KEEL_OK;
    status = lookup_start(&l, r, host, why);
    if (!l)
        return status;
    status = lookup_await(l, interrupt_fd, until_ns, why);
    if (status != KEEL_OK && lookup_forget(l))
        return status;
    if (status == KEEL_OK && l->error)
        status = keel_failf(why, KEEL_FAILED, "look-up: %s", gai_strerror(l->error));
    else if (status == KEEL_OK)
        status = take(l->found, port, out, why);
    lookup_free(l);
    return status;
}

/* A worker that comes back late must find keel's code; static in a program it stays. */
static void keep_loaded(void)
{
    Dl_info here;
    void *keel = NULL;

    if (dladdr(&left, &here))
        keel = dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    if (keel)
        dlclose(keel);
}

void keel_resolver_leave(keel_resolver *r)
{
    if (keel_resolver_free(r, 0))
        return;
    keep_loaded();
    r->next_left = atomic_load(&left);
    while (!atomic_compare_exchange_weak(&left, &r->next_left, r))
        ;
}

static void free_those_left(void)
{
    keel_resolver *r = atomic_exchange(&left, NULL);

    while (r) {
        keel_resolver *next = r->next_left;

        keel_resolver_leave(r);
        r = next;
    }
}

keel_status keel_resolver_new(keel_resolver **out, const keel_allocator *memory)
{
    keel_resolver *r = keel_memory_new(memory, sizeof *r);

    free_those_left();
    *out = NULL;
    if (!r)
        return KEEL_E_NOMEM;
    r->memory = memory;
    keel_descriptor_set(&r->done, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (r->done.fd < 0 || pthread_mutex_init(&r->lookups_mu, NULL))
        goto fail;
    *out = r;
    return KEEL_OK;

fail:
    keel_descriptor_close(&r->done);
    keel_memory_free(memory, r);
    return KEEL_E_SYSTEM;
}

bool keel_resolver_free(keel_resolver *r, uint64_t wait_ns)
{
    if (!r)
        return true;
    if (!keel_worker_pool_close(&r->workers, wait_ns))
        return false;
    keel_descriptor_close(&r->done);
    pthread_mutex_destroy(&r->lookups_mu);
    keel_memory_free(r->memory, r);
    return true;
}

void keel_resolver_drop(keel_resolver *r)
{
    if (r)
        keel_descriptor_close(&r->done);
}
