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

static keel_process_memory page;
static _Atomic unsigned users;

/*
 * What the kernel does not wipe, which is little or nothing: a Linux before 4.14 is rare.
 * unwiped_mu guards: unwiped, wipes_in_child; no child finds it held by a lost thread
 */
static pthread_mutex_t unwiped_mu = PTHREAD_MUTEX_INITIALIZER;
static keel_process_memory *unwiped;
static bool wipes_in_child;

static void lock_unwiped(void)
{
    pthread_mutex_lock(&unwiped_mu);
}

static void unlock_unwiped(void)
{
    pthread_mutex_unlock(&unwiped_mu);
}

/* Private, anonymous memory; at NULL: anywhere. */
static void *map_zeroed(void *at, size_t size)
{
    return mmap(at, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1,
                0);
}

static void wipe_in_child(void)
{
    for (keel_process_memory *m = unwiped; m; m = m->next_unwiped)
        map_zeroed(m->at, m->size); /* in the place of what is there */
    unlock_unwiped();
}

static bool wipe_by_hand(keel_process_memory *memory)
{
    lock_unwiped();
    if (!wipes_in_child)
        wipes_in_child =
            pthread_atfork(lock_unwiped, unlock_unwiped, wipe_in_child) == 0;
    if (wipes_in_child) {
        memory->is_unwiped = true;
        memory->next_unwiped = unwiped;
        unwiped = memory;
    }
    unlock_unwiped();
    return memory->is_unwiped;
}

static void leave_unwiped(keel_process_memory *memory)
{
    keel_process_memory **at = &unwiped;

    lock_unwiped();
    while (*at && *at != memory)
        at = &(*at)->next_unwiped;
    if (*at)
        *at = memory->next_unwiped;
    unlock_unwiped();
}

bool keel_process_map(keel_process_memory *memory, size_t size)
{
    int saved = errno;
    void *at = map_zeroed(NULL, size);

    *memory = (keel_process_memory){ .size = size };
    if (at != MAP_FAILED) {
        memory->at = at;
        if (madvise(at, size, MADV_WIPEONFORK) && !wipe_by_hand(memory))
            keel_process_unmap(memory);
    }
    errno = saved;
    return memory->at != NULL;
}

void keel_process_unmap(keel_process_memory *memory)
{
    int saved = errno;

    if (!memory->at)
        return;
    if (memory->is_unwiped)
        leave_unwiped(memory);
    munmap(memory->at, memory->size);
    memory->at = NULL;
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

/*
 * The page is there before any thread can ask for it, so that nobody has to wait for who
 * makes it. First of keel's own constructors, and last of its destructors.
 */
static void __attribute__((constructor(KEEL_LOAD_PROCESS))) load(void)
{
    if (keel_process_map(&page, (size_t)sysconf(_SC_PAGESIZE)))
        keel_process_page = page.at;
}

/* For dlclose. At exit, threads may still be inside keel. */
static void __attribute__((destructor(KEEL_LOAD_PROCESS))) unload(void)
{
    if (!keel_process_is_attached())
        keel_process_unmap(&page);
}

keel_status keel_process_attach(void)
{
    if (!keel_process_page)
        return KEEL_E_SYSTEM;
    atomic_fetch_add(&users, 1);
    return KEEL_OK;
}

void keel_process_detach(void)
{
    atomic_fetch_sub(&users, 1);
}

bool keel_process_is_attached(void)
{
    return atomic_load(&users) > 0;
}

bool keel_process_is_secure(void)
{
    return getauxval(AT_SECURE);
}

const char *const *keel_process_environment(void)
{
    static const char *const none[] = { NULL };

    if (keel_process_is_secure() || !environ)
        return none;
    return (const char *const *)environ;
}
