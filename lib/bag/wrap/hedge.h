/* SPDX-License-Identifier: MIT */
/*
 * hedge(source|*): what its files share. A read is begun in hedge_read.c, which asks the
 * first bag on the caller's thread as long as reads are quick; hedge_race.c makes attempts
 * on workers, several at once; hedge_answer.c keeps what an attempt has come by until it
 * is known whether anybody wants it. When a copy is sent, and who wins, is the call's to
 * say (call/race.h).
 */
#ifndef KEEL_BAG_WRAP_HEDGE_H
#define KEEL_BAG_WRAP_HEDGE_H

#include <pthread.h>
#include <stdatomic.h>

#include <keel/bag_plugin.h>

#include "bag/wrap/batch.h"
#include "bag/wrap/own_pipeline.h"
#include "bag/wrap/pass.h"
#include "call/machine.h"

/*
 * A read that took less than QUICK_NS has waited for nobody: handing it to a worker costs
 * more, and no second copy could have helped. After so many in a row, and from the
 * beginning over a store in the process's memory, the next one is made by the caller
 * himself. An exchange with a server, even on loopback, takes longer.
 */
#define KEEL_HEDGE_QUICK_NS ((uint64_t)10000)
enum { KEEL_HEDGE_QUICK_READS = 1000 };

/*
 * pass      the first bag: all that is no read is handed on to it
 * quick     quick reads in a row; no more is counted than it takes
 * reads_mu  guards: reads, those on workers, with losers that still run
 */
typedef struct keel_hedge {
    keel_pass pass;
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    const char *path;
    const keel_bag_child *children;
    size_t count;
    bool waits_on_miss;
    _Atomic uint32_t quick;
    pthread_mutex_t reads_mu;
    pthread_cond_t reads_ended;
    size_t reads;
} keel_hedge;

/* A read as it was asked; of several keys, or one. */
typedef struct keel_hedge_read {
    keel_hedge *h;
    const keel_bag_op *op;
    keel_batch batch;
    bool is_many;
    keel_detail *why;
} keel_hedge_read;

/* Whether delay is one: KEEL_OK, KEEL_E_CONFIG. */
keel_status keel_hedge_check(const keel_bag_setup *setup, keel_detail *why);

/* What delay and the pipeline's settings come to. */
void keel_hedge_settings(char settings[KEEL_OWN_PIPELINE_SETTINGS_SIZE],
                         const keel_bag_setup *setup);

keel_status keel_hedge_read_one(void *state, const keel_bag_op *op, keel_bytes key,
                                keel_bag_item *item, keel_detail *why);
void keel_hedge_read_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                          keel_bag_item items[], keel_status statuses[], size_t count,
                          keel_detail *why);

/* How long a read took; KEEL_NEVER: it was not answered. */
void keel_hedge_note(keel_hedge *h, uint64_t took_ns);

/* What has come of an attempt so far, before its call is told. */
keel_outcome keel_hedge_outcome(keel_status status, const keel_detail *said);

/* Asks one of the bags. Returns as one status what the batch has come to. */
keel_status keel_hedge_ask(const keel_bag_child *child, const keel_bag_op *op,
                           const keel_batch *batch, bool is_many, keel_detail *said);

/* KEEL_OK, KEEL_NOT_FOUND and that a buffer is too small. */
static inline bool keel_hedge_is_answer(keel_status status)
{
    return status == KEEL_OK || status == KEEL_NOT_FOUND || status == KEEL_E_BUFFER;
}

static inline uint64_t keel_hedge_now(const keel_hedge *h)
{
    const keel_clock *clock = &h->runtime->clock;

    return clock->now(clock->ctx);
}

/* ---- hedge_answer.c ------------------------------------------------------------------ */

/*
 * What one attempt has come by, in memory of its own: it may end when the caller has gone.
 *
 * child     that was asked, by its place
 * status    of all of them as one
 * answered  how many keys were; missed: of these, as not found
 * said      of a failure
 * nonce     that was found, where one was wanted
 * took_ns   from asking to answer
 */
typedef struct keel_hedge_answer {
    size_t child;
    keel_status status;
    size_t answered;
    size_t missed;
    keel_detail said;
    uint64_t nonce;
    uint64_t took_ns;
    keel_status *statuses;
    keel_bag_item items[];
} keel_hedge_answer;

/* With as much room for each value as its reader has. NULL: no memory. */
keel_hedge_answer *keel_hedge_answer_new(const keel_allocator *memory,
                                         const size_t capacities[], size_t count);

/* Looks at what is in it, and marks what does not come from the first bag. */
void keel_hedge_answer_sum_up(keel_hedge_answer *a, size_t count);

void keel_hedge_answer_give(const keel_hedge_answer *a, const keel_batch *to);
void keel_hedge_answer_take(keel_hedge_answer *a, const keel_batch *from);

/* Of two that do not end a read, the one that says more. */
bool keel_hedge_answer_beats(const keel_hedge_answer *a,
                             const keel_hedge_answer *other);

/* ---- hedge_race.c -------------------------------------------------------------------- */

/*
 * Goes on with a call on workers.
 *
 * failed   the caller's own attempt has been made, and this was said of it; NULL: there
 *          was none
 * Returns  what the read has come to; ends the call
 */
keel_status keel_hedge_race(keel_hedge_read *q, keel_call *call,
                            const keel_detail *failed);

/*
 * How a read ends that not all has been answered of.
 *
 * story   of the call
 * status  of the read
 * said    by the bag that failed; NULL: it was none
 */
keel_status keel_hedge_fail(const keel_hedge_read *q, keel_detail *story,
                            keel_status status, const keel_detail *said);

#endif
