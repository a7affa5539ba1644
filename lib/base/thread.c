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

#include "base/bell.h"
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

/* Made by load, below; before any call, so that none has to wait for it. */
static pthread_key_t key;
static bool has_key;

_Thread_local keel_thread *keel_thread_mine;

static void give_back(void *part)
{
    keel_thread *thread = part;

    keel_thread_mine = NULL;
    /* release pairs with the acquire in claim_in: our stripe's next owner sees our
     * counts */
    atomic_store_explicit(&thread->claimed, 0, memory_order_release);
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
    for (chunk *c = has_key ? &first_chunk : NULL; c && !thread; c = chunk_after(c)) {
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

/* Whether it was noted in this process, and not in a parent, or never. */
static bool is_of_here(_Atomic uint64_t *noted)
{
    uint64_t in = atomic_load(noted);

    return in && in == keel_process_incarnation();
}

/*
 * A clock of the author's has its own way to wake, and dies with its runtime; so those
 * who wake us by it are counted, and waited for before we go on. Nobody counts himself
 * who has not seen a clock lent here, so what the parent's threads left behind can be
 * emptied before the first one is: its clock first, then the count, then it is ours.
 */
static void lend(keel_thread *thread, const keel_clock *clock)
{
    if (!is_of_here(&thread->lent_in)) {
        atomic_store(&thread->lent, NULL);
        atomic_store(&thread->borrowers, 0);
        atomic_store(&thread->lent_in, keel_process_incarnation());
    }
    atomic_store(&thread->lent, clock);
}

static void take_back(keel_thread *thread)
{
    atomic_store(&thread->lent, NULL);
    /* for as long as a wake takes; where the clock itself has forked, nobody is at it */
    while (is_of_here(&thread->lent_in) && atomic_load(&thread->borrowers))
        sched_yield();
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

/* -1: none. A parent's is left alone: by now its number may be anybody's. */
static int own_fd(keel_thread *thread)
{
    /* seq_cst: the process is noted after the descriptor, and so read before it */
    return is_of_here(&thread->wake_fd_in) ? atomic_load(&thread->wake_fd) : -1;
}

static int make_fd(keel_thread *thread)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd >= 0) {
        atomic_store(&thread->wake_fd, fd);
        atomic_store(&thread->wake_fd_in, keel_process_incarnation());
    }
    return fd;
}

int keel_thread_wake_fd(void)
{
    keel_thread *thread = keel_thread_self();
    int saved = errno;
    int fd;

    if (keel_thread_is_shared(thread))
        return -1;
    fd = own_fd(thread);
    if (fd < 0)
        fd = make_fd(thread);
    else
        drain(fd);
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
    int fd = own_fd(thread);

    atomic_fetch_add(&thread->word, 1);
    if (atomic_load(&thread->lent) && is_of_here(&thread->lent_in))
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

/* cancel tokens: [0] is 1 once fired; [1] the bells that are rung then */

static _Atomic uint32_t *fired_word(const keel_cancel *cancel)
{
    return (_Atomic uint32_t *)(uintptr_t)&cancel->keel_private[0];
}

static _Atomic uint32_t *bells_word(const keel_cancel *cancel)
{
    return (_Atomic uint32_t *)(uintptr_t)&cancel->keel_private[1];
}

bool keel_cancel_fired(const keel_cancel *cancel)
{
    return cancel && atomic_load(fired_word(cancel));
}

void keel_cancel_rings(keel_cancel *cancel, uint32_t set)
{
    /* seq_cst: either the firing thread sees the set, or we see the token fired */
    atomic_fetch_or(bells_word(cancel), set);
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
    if (atomic_load(bells_word(cancel)))
        keel_bell_ring_set(atomic_load(bells_word(cancel)));
    errno = saved;
}

/* being loaded, forked and unloaded */

/*
 * In a forked child: of all threads that have a part this one alone is left. What else
 * the others left in theirs is void by the process that is noted there.
 */
static void give_back_lost(void)
{
    for (chunk *c = &first_chunk; c; c = atomic_load(&c->next))
        for (size_t i = 0; i < CHUNK_PARTS; i++)
            if (&c->parts[i] != keel_thread_mine &&
                atomic_load_explicit(&c->parts[i].claimed, memory_order_relaxed))
                atomic_store_explicit(&c->parts[i].claimed, 0, memory_order_relaxed);
}

static void __attribute__((constructor(KEEL_LOAD_THREADS))) load(void)
{
    has_key = pthread_key_create(&key, give_back) == 0;
    /* if this fails, children find their parents' parts taken, and make more */
    (void)pthread_atfork(NULL, NULL, give_back_lost);
}

/*
 * For dlclose: gives back the key, the descriptors and the further chunks. Not while a
 * runtime is open: at exit, threads may still be inside keel.
 */
static void __attribute__((destructor(KEEL_LOAD_THREADS))) unload(void)
{
    chunk *c = &first_chunk;

    if (keel_process_is_attached())
        return;
    if (has_key)
        pthread_key_delete(key);
    while (c) {
        chunk *next = atomic_load(&c->next);

        for (size_t i = 0; i < CHUNK_PARTS; i++)
            if (own_fd(&c->parts[i]) >= 0)
                close(own_fd(&c->parts[i]));
        if (c != &first_chunk)
            munmap(c, sizeof *c);
        c = next;
    }
}
