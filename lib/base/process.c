/* SPDX-License-Identifier: MIT */
/* Noticing fork. Not for what is done about it: that is each owner's own business. */
#include "base/process.h"

#include <errno.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/seed.h"

_Atomic uint64_t *keel_process_page;

/* attach_mu guards: users, keel_process_page's mapping */
static pthread_mutex_t attach_mu = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;
static bool atfork_registered;
static bool wipe_works;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void wipe_in_child(void)
{
    if (!wipe_works && keel_process_page)
        atomic_store_explicit(keel_process_page, 0, memory_order_relaxed);
}

void *keel_process_map(size_t size)
{
    int saved = errno;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        memory = NULL;
    else
        wipe_works = madvise(memory, size, MADV_WIPEONFORK) == 0;
    errno = saved;
    return memory;
}

void keel_process_unmap(void *memory, size_t size)
{
    int saved = errno;

    if (memory)
        munmap(memory, size);
    errno = saved;
}

/* The first caller in a process wins; the others take what it wrote. */
uint64_t keel_process_renew(void)
{
    uint64_t none = 0;
    uint64_t fresh = keel_seed() | 1;

    if (atomic_compare_exchange_strong(keel_process_page, &none, fresh))
        return fresh;
    return none;
}

keel_status keel_process_attach(void)
{
    keel_status status = KEEL_OK;

    pthread_mutex_lock(&attach_mu);
    if (users == 0)
        keel_process_page = keel_process_map(page_size());
    if (!keel_process_page)
        status = KEEL_E_SYSTEM;
    else if (!wipe_works && !atfork_registered &&
             pthread_atfork(NULL, NULL, wipe_in_child))
        status = KEEL_E_NOMEM;
    else
        users++;
    if (status == KEEL_OK && !wipe_works)
        atfork_registered = true;
    if (status != KEEL_OK && users == 0) {
        keel_process_unmap(keel_process_page, page_size());
        keel_process_page = NULL;
    }
    pthread_mutex_unlock(&attach_mu);
    return status;
}

void keel_process_detach(void)
{
    pthread_mutex_lock(&attach_mu);
    if (users > 0 && --users == 0) {
        keel_process_unmap(keel_process_page, page_size());
        keel_process_page = NULL;
    }
    pthread_mutex_unlock(&attach_mu);
}

const char *const *keel_process_environment(void)
{
    static const char *const none[] = { NULL };

    if (getauxval(AT_SECURE) || !environ)
        return none;
    return (const char *const *)environ;
}
