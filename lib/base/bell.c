/* SPDX-License-Identifier: MIT */
/* The registry of bells. A list of chunks that only grows: who rings needs no lock. */
#include "base/bell.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/high_fd.h"
#include "base/process.h"

enum { CHUNK_BELLS = 16, LETTERS = 64, SETS = 32 };

/*
 * letters       numbers rung, each plus one; 0: room for another
 * too_many      a number found no room
 * set_rung      a token that knows this bell has fired
 * rings         counts; compared with `heard` before sleeping
 * sleeps        the owner waits for the descriptor
 * claimed_in, fd_in
 *               the process that has the bell, and made the descriptor; 0: none. What a
 *               parent left is void
 */
struct keel_bell {
    uint32_t index;
    uint32_t heard; /* the owner's */
    _Atomic uint32_t rings;
    _Atomic uint32_t sleeps;
    _Atomic uint32_t too_many;
    _Atomic uint32_t set_rung;
    _Atomic uint32_t letters[LETTERS];
    _Atomic uint64_t claimed_in;
    _Atomic uint64_t fd_in;
    _Atomic int fd;
};

typedef struct chunk {
    keel_bell bells[CHUNK_BELLS];
    _Atomic(struct chunk *) next;
} chunk;

static chunk first_chunk;

/* ---- the registry ---------------------------------------------------------------- */

static keel_bell *claim_in(chunk *c, uint32_t first_index)
{
    uint64_t here = keel_process_incarnation();

    for (uint32_t i = 0; i < CHUNK_BELLS; i++) {
        uint64_t in = atomic_load(&c->bells[i].claimed_in);

        if (in != here &&
            atomic_compare_exchange_strong(&c->bells[i].claimed_in, &in, here)) {
            c->bells[i].index = first_index + i;
            return &c->bells[i];
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

/* seq_cst: the process is noted after the descriptor, and so read before it. */
static int own_fd(const keel_bell *bell)
{
    return atomic_load(&bell->fd_in) == keel_process_incarnation()
               ? atomic_load(&bell->fd)
               : -1;
}

/* An owner's descriptor is the next owner's too, so that a late ring harms nobody. */
static bool has_fd(keel_bell *bell)
{
    int fd;

    if (own_fd(bell) >= 0)
        return true;
    fd = keel_high_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (fd < 0)
        return false;
    atomic_store(&bell->fd, fd);
    atomic_store(&bell->fd_in, keel_process_incarnation());
    return true;
}

void keel_bell_release(keel_bell *bell)
{
    uint64_t here = keel_process_incarnation();

    if (bell)
        atomic_compare_exchange_strong(&bell->claimed_in, &here, 0);
}

static keel_bell *bell_of(uint32_t index)
{
    chunk *c = &first_chunk;

    for (uint32_t skip = index / CHUNK_BELLS; c && skip; skip--)
        c = atomic_load(&c->next);
    return c ? &c->bells[index % CHUNK_BELLS] : NULL;
}

int keel_bell_fd(const keel_bell *bell)
{
    return own_fd(bell);
}

/* ---- ringing --------------------------------------------------------------------- */

/* After what was rung for is said: either the owner sees that, or we see it asleep. */
static void rouse(keel_bell *bell)
{
    const uint64_t one = 1;
    int fd = own_fd(bell);

    atomic_fetch_add(&bell->rings, 1);
    if (atomic_exchange(&bell->sleeps, 0) && fd >= 0 &&
        write(fd, &one, sizeof one) < 0) {
        /* a full counter wakes the sleeper just as well */
    }
}

static void leave_letter(keel_bell *bell, uint32_t number)
{
    for (uint32_t i = 0; i < LETTERS; i++) {
        uint32_t none = 0;

        if (atomic_compare_exchange_strong(&bell->letters[(number + i) % LETTERS],
                                           &none, number + 1))
            return;
        if (none == number + 1)
            return; /* it is there already */
    }
    atomic_store(&bell->too_many, 1);
}

void *keel_bell_ctx(const keel_bell *bell, uint32_t number)
{
    return (void *)(uintptr_t)((uint64_t)bell->index << 32 | number);
}

void keel_bell_ring(void *ctx)
{
    int saved = errno;
    uint64_t both = (uint64_t)(uintptr_t)ctx;
    keel_bell *bell = bell_of((uint32_t)(both >> 32));

    if (bell) {
        leave_letter(bell, (uint32_t)both);
        rouse(bell);
    }
    errno = saved;
}

static uint32_t set_of(uint32_t index)
{
    return (uint32_t)1 << index % SETS;
}

uint32_t keel_bell_set(const keel_bell *bell)
{
    return set_of(bell->index);
}

void keel_bell_ring_set(uint32_t set)
{
    uint64_t here = keel_process_incarnation();
    uint32_t index = 0;

    for (chunk *c = &first_chunk; c; c = atomic_load(&c->next))
        for (size_t i = 0; i < CHUNK_BELLS; i++, index++)
            if (set & set_of(index) && atomic_load(&c->bells[i].claimed_in) == here) {
                atomic_store(&c->bells[i].set_rung, 1);
                rouse(&c->bells[i]);
            }
}

/* ---- its owner ------------------------------------------------------------------- */

bool keel_bell_sleep(keel_bell *bell)
{
    /* seq_cst, as in rouse */
    atomic_store(&bell->sleeps, 1);
    if (atomic_load(&bell->rings) == bell->heard)
        return true;
    atomic_store(&bell->sleeps, 0);
    return false;
}

void keel_bell_wake(keel_bell *bell)
{
    atomic_store(&bell->sleeps, 0);
    bell->heard = atomic_load(&bell->rings);
}

void keel_bell_drain(keel_bell *bell)
{
    int saved = errno;
    uint64_t count;

    while (read(own_fd(bell), &count, sizeof count) == (ssize_t)sizeof count)
        ;
    errno = saved;
}

keel_bell *keel_bell_claim(void)
{
    int saved = errno;
    keel_bell *bell = NULL;
    uint32_t first_index = 0;

    for (chunk *c = &first_chunk; c && !bell; c = chunk_after(c)) {
        bell = claim_in(c, first_index);
        first_index += CHUNK_BELLS;
    }
    if (bell && !has_fd(bell)) {
        keel_bell_release(bell);
        bell = NULL;
    }
    if (bell) {
        keel_bell_drain(bell); /* what rang for the owner before */
        keel_bell_wake(bell);
    }
    errno = saved;
    return bell;
}

bool keel_bell_next(keel_bell *bell, uint32_t *number, bool *all)
{
    *all = atomic_exchange(&bell->too_many, 0);
    *number = 0;
    if (*all)
        return true;
    for (uint32_t i = 0; i < LETTERS; i++) {
        uint32_t letter = atomic_load_explicit(&bell->letters[i], memory_order_relaxed)
                              ? atomic_exchange(&bell->letters[i], 0)
                              : 0;

        if (letter) {
            *number = letter - 1;
            return true;
        }
    }
    return false;
}

bool keel_bell_took_set(keel_bell *bell)
{
    return atomic_exchange(&bell->set_rung, 0);
}

/*
 * For dlclose: gives back descriptors and further chunks. Not while a runtime is open: at
 * exit, threads may still be inside keel.
 */
static void __attribute__((destructor(KEEL_LOAD_THREADS))) unload(void)
{
    chunk *c = &first_chunk;

    if (keel_process_is_attached())
        return;
    while (c) {
        chunk *next = atomic_load(&c->next);

        for (size_t i = 0; i < CHUNK_BELLS; i++)
            if (own_fd(&c->bells[i]) >= 0)
                close(own_fd(&c->bells[i]));
        if (c != &first_chunk)
            munmap(c, sizeof *c);
        c = next;
    }
}
