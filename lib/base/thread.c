/* SPDX-License-Identifier: MIT */
/*
 * The registry of thread parts, and cancel tokens, which find sleeping threads by it.
 * A list of chunks that only grows: readers need no lock.
 */
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

enum { CHUNK_PARTS = 64 };

#define SLICE_NS (10 * KEEL_MS) /* a sleep of a thread that shares its part */

typedef struct chunk {
    keel_thread parts[CHUNK_PARTS];
    _Atomic(struct chunk *) next;
} chunk;

static chunk first_chunk;

/*
 * Where even a chunk cannot be mapped, threads share this part: their stripe is a
 * shared one anyway, and their sleeps are cut short (keel_thread_is_shared).
 */
static keel_thread spare = { .index = UINT32_MAX };

/* key_mu guards: key, key_made */
static pthread_mutex_t key_mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static bool key_made;

_Thread_local keel_thread *keel_thread_mine;

static void give_back(void *part)
{
    keel_thread *thread = part;

    keel_thread_mine = NULL;
    /* release pairs with the acquire in claim_in: our stripe's next owner sees our
     * counts */
    atomic_store_explicit(&thread->claimed, 0, memory_order_release);
}

static bool key_ready(void)
{
    bool ready;

    pthread_mutex_lock(&key_mu);
    if (!key_made)
        key_made = pthread_key_create(&key, give_back) == 0;
    ready = key_made;
    pthread_mutex_unlock(&key_mu);
    return ready;
}

static keel_thread *claim_in(chunk *c, uint32_t first_index)
{
    for (uint32_t i = 0; i < CHUNK_PARTS; i++) {
        uint32_t free_part = 0;

        if (atomic_load_explicit(&c->parts[i].claimed, memory_order_relaxed))
            continue;
        /* acquire pairs with the release in give_back */
        if (atomic_compare_exchange_strong_explicit(&c->parts[i].claimed, &free_part, 1,
                                                    memory_order_acquire,
                                                    memory_order_relaxed)) {
            c->parts[i].index = first_index + i;
            return &c->parts[i];
        }
    }
    return NULL;
}

/* The chunk after c, mapped if there is none yet; NULL: no memory. */
static chunk *chunk_after(chunk *c)
{
    chunk *next = atomic_load(&c->next);
    chunk *fresh;

    if (next)
        return next;
    fresh = mmap(NULL, sizeof *fresh, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED)
        return NULL;
    if (atomic_compare_exchange_strong(&c->next, &next, fresh))
        return fresh;
    munmap(fresh, sizeof *fresh);
    return next;
}

keel_thread *keel_thread_claim(void)
{
    int saved = errno;
    keel_thread *thread = NULL;
    uint32_t first_index = 0;

    /* without a destructor a part would never come back: take no part at all */
    for (chunk *c = key_ready() ? &first_chunk : NULL; c && !thread;
         c = chunk_after(c)) {
        thread = claim_in(c, first_index);
        first_index += CHUNK_PARTS;
    }
    if (thread && pthread_setspecific(key, thread)) {
        atomic_store_explicit(&thread->claimed, 0, memory_order_release);
        thread = NULL;
    }
    keel_thread_mine = thread ? thread : &spare;
    errno = saved;
    return keel_thread_mine;
}

bool keel_thread_is_shared(const keel_thread *thread)
{
    return thread == &spare;
}

void keel_thread_wait_begin(const keel_cancel *cancel)
{
    /* seq_cst: either the firing thread sees us waiting, or we see the token fired */
    atomic_store(&keel_thread_self()->waits_on, cancel);
}

void keel_thread_wait_end(void)
{
    atomic_store_explicit(&keel_thread_self()->waits_on, NULL, memory_order_relaxed);
}

/*
 * A clock of the author's has its own way to wake, and dies with its runtime; so those
 * who wake us by it are counted, and waited for before we go on. Nobody counts himself
 * who has not seen a clock lent, so a count left by the parent's threads can be emptied
 * before the first one is.
 */
static void lend(keel_thread *thread, const keel_clock *clock)
{
    if (thread->lent_in != keel_process_incarnation()) {
        thread->lent_in = keel_process_incarnation();
        atomic_store(&thread->borrowers, 0);
    }
    atomic_store(&thread->lent, clock);
}

static void take_back(keel_thread *thread)
{
    atomic_store(&thread->lent, NULL);
    while (atomic_load(&thread->borrowers))
        sched_yield(); /* for as long as a wake takes */
}

static void wait_by(keel_thread *thread, const keel_clock *clock, uint32_t seen,
                    uint64_t until_ns)
{
    const uint32_t *word = (const uint32_t *)&thread->word;

    if (keel_clock_is_real(clock)) {
        clock->wait(word, seen, until_ns, clock->ctx);
        return;
    }
    lend(thread, clock);
    /* seq_cst: whoever wakes us sees the clock lent, or we see the word changed */
    if (atomic_load(&thread->word) == seen)
        clock->wait(word, seen, until_ns, clock->ctx);
    take_back(thread);
}

void keel_thread_sleep(const keel_clock *clock, uint32_t seen, uint64_t until_ns,
                       const keel_cancel *cancel)
{
    keel_thread *thread = keel_thread_self();

    if (keel_thread_is_shared(thread))
        until_ns = keel_ns_min(until_ns, clock->now(clock->ctx) + SLICE_NS);
    keel_thread_wait_begin(cancel);
    /* whoever fires after this look changes the word, and the wait ends */
    if (!keel_cancel_fired(cancel))
        wait_by(thread, clock, seen, until_ns);
    keel_thread_wait_end();
}

static void drain(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof count) == (ssize_t)sizeof count)
        ;
}

int keel_thread_wake_fd(void)
{
    keel_thread *thread = keel_thread_self();
    uint64_t incarnation = keel_process_incarnation();
    int saved = errno;
    int fd = atomic_load(&thread->wake_fd) - 1;

    if (keel_thread_is_shared(thread))
        return -1;
    if (fd >= 0 && thread->wake_fd_incarnation != incarnation) {
        close(fd); /* the parent's: both would read from it */
        fd = -1;
    }
    if (fd < 0) {
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        thread->wake_fd_incarnation = incarnation;
        atomic_store(&thread->wake_fd, fd + 1);
    } else {
        drain(fd);
    }
    errno = saved;
    return fd;
}

/* By the clock it has lent; one that was taken back meanwhile woke without us. */
static void wake_by_lent(keel_thread *thread)
{
    const keel_clock *clock;

    atomic_fetch_add(&thread->borrowers, 1);
    clock = atomic_load(&thread->lent);
    if (clock)
        clock->wake((const uint32_t *)&thread->word, INT_MAX, clock->ctx);
    atomic_fetch_sub(&thread->borrowers, 1);
}

static void wake_part(keel_thread *thread)
{
    const uint64_t one = 1;
    int fd = atomic_load(&thread->wake_fd) - 1;

    atomic_fetch_add(&thread->word, 1);
    if (atomic_load(&thread->lent))
        wake_by_lent(thread);
    else
        keel_clock_wake_real((const uint32_t *)&thread->word);
    if (fd >= 0 && write(fd, &one, sizeof one) < 0) {
        /* a full counter wakes the sleeper just as well */
    }
}

void keel_thread_wake(uint32_t index)
{
    int saved = errno;
    chunk *c = &first_chunk;

    for (uint32_t skip = index / CHUNK_PARTS; c && skip; skip--)
        c = atomic_load(&c->next);
    wake_part(c && index != spare.index ? &c->parts[index % CHUNK_PARTS] : &spare);
    errno = saved;
}

/* cancel tokens: [0] is 1 once fired */

static _Atomic uint32_t *fired_word(const keel_cancel *cancel)
{
    return (_Atomic uint32_t *)(uintptr_t)&cancel->keel_private[0];
}

bool keel_cancel_fired(const keel_cancel *cancel)
{
    return cancel && atomic_load(fired_word(cancel));
}

void keel_cancel_fire(keel_cancel *cancel)
{
    int saved = errno;

    if (!cancel)
        return;
    atomic_store(fired_word(cancel), 1);
    for (chunk *c = &first_chunk; c; c = atomic_load(&c->next))
        for (size_t i = 0; i < CHUNK_PARTS; i++)
            if (atomic_load(&c->parts[i].waits_on) == cancel)
                wake_part(&c->parts[i]);
    errno = saved;
}

/*
 * For dlclose: gives back the key, the descriptors and the further chunks. Not while a
 * runtime is open: at exit, threads may still be inside keel.
 */
static void __attribute__((destructor)) unload(void)
{
    chunk *c = &first_chunk;

    if (keel_process_page)
        return;
    if (key_made)
        pthread_key_delete(key);
    while (c) {
        chunk *next = atomic_load(&c->next);

        for (size_t i = 0; i < CHUNK_PARTS; i++)
            if (atomic_load(&c->parts[i].wake_fd) > 0)
                close(atomic_load(&c->parts[i].wake_fd) - 1);
        if (c != &first_chunk)
            munmap(c, sizeof *c);
        c = next;
    }
}
