/* SPDX-License-Identifier: MIT */
/*
 * keel's part of each thread that uses it: a small number that says which stripe is
 * its own, its random generator, and the word it sleeps on. Parts are never unmapped
 * while keel is loaded, so another thread may always touch the word of one.
 */
#ifndef KEEL_BASE_THREAD_H
#define KEEL_BASE_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <keel/call.h>

/* Which way nearly every call goes. */
#define KEEL_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define KEEL_SELDOM __attribute__((noinline, cold))
/* A common way too, but not to burden the one that goes past it. */
#define KEEL_APART __attribute__((noinline))

typedef struct keel_thread {
    uint32_t index;              /* unique among living threads, small numbers first */
    _Atomic uint32_t claimed;    /* a living thread has this part */
    _Atomic uint32_t word;       /* futex: counts what this thread was woken for */
    _Atomic int wake_fd;         /* eventfd for those who sleep in poll */
    _Atomic uint64_t wake_fd_in; /* the process that has it; 0: there is none */
    _Atomic(const keel_cancel *) waits_on; /* the token a sleeping thread is woken by */
    _Atomic(const keel_clock *) lent; /* a clock of the author's that it sleeps by */
    _Atomic uint32_t borrowers;       /* threads that wake it by that clock just now */
    _Atomic uint64_t lent_in; /* the process; a parent's clock and borrowers are void */
    uint64_t random_state;
    uint64_t random_incarnation;
} keel_thread;

extern _Thread_local keel_thread *keel_thread_mine
    __attribute__((tls_model("initial-exec")));
keel_thread *keel_thread_claim(void);

/* The calling thread's part, never NULL. */
static inline keel_thread *keel_thread_self(void)
{
    return KEEL_LIKELY(keel_thread_mine) ? keel_thread_mine : keel_thread_claim();
}

/* Wakes the living or dead thread of an index from its sleep on its word or descriptor.
 */
void keel_thread_wake(uint32_t index);

/* True: no part was to be had and others use this one too; sleep in short slices, as a
 * wake may reach the wrong one. */
bool keel_thread_is_shared(const keel_thread *thread);

/*
 * Around a sleep that a token must end: begin publishes what this thread waits for,
 * then the caller looks at the token once more (keel_cancel_fired), then sleeps on the
 * word or on the descriptor. cancel may be NULL.
 */
void keel_thread_wait_begin(const keel_cancel *cancel);
void keel_thread_wait_end(void);

/*
 * Sleeps on the thread's word until the instant, a wake or the token. seen: the word, read
 * before the look that found nothing to do. May end early.
 */
void keel_thread_sleep(const keel_clock *clock, uint32_t seen, uint64_t until_ns,
                       const keel_cancel *cancel);

/*
 * For those who wait for many tokens at once, each in an event loop: whoever fires this
 * one rings the bells of the set (bell.h). Then the token is looked at once more.
 */
void keel_cancel_rings(keel_cancel *cancel, uint32_t set);

/* An eventfd, close-on-exec, that keel_cancel_fire writes to; emptied here. -1: none.
 */
int keel_thread_wake_fd(void);

#endif
