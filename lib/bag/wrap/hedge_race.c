/* SPDX-License-Identifier: MIT */
/*
 * Attempts of a read on workers. One that has lost may run on when its caller has gone:
 * so all that an attempt needs is here, and lives until the last of them has returned.
 */
#include <errno.h>
#include <string.h>

#include "bag/wrap/hedge.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/run_workers.h"
#include "call/runtime.h"

/*
 * users    the caller, and the run with its attempts
 * read     the caller's, for as long as he waits
 * kept_mu  guards: kept, is_out_of_memory
 * kept     the best of what did not end the read
 */
typedef struct race {
    _Atomic uint32_t users;
    keel_hedge *h;
    keel_hedge_read *read;
    keel_bag_op op;
    bool is_many;
    bool is_firsts; /* only the first bag can answer it */
    bool is_won;
    pthread_mutex_t kept_mu;
    keel_hedge_answer *kept;
    bool is_out_of_memory;
    size_t count;
    keel_bytes *keys;
    size_t capacities[];
} race;

static const keel_allocator *memory_of(const race *r)
{
    return r->h->runtime->memory;
}

/* ---- its memory ---------------------------------------------------------------------- */

static size_t size_of(const keel_batch *batch)
{
    size_t size = sizeof(race) + batch->count * (sizeof(size_t) + sizeof(keel_bytes));

    for (size_t i = 0; i < batch->count; i++)
        size += batch->keys[i].length;
    return size;
}

static void copy_request(race *r, const keel_batch *batch)
{
    char *room;

    r->count = batch->count;
    r->keys = (keel_bytes *)&r->capacities[r->count];
    room = (char *)&r->keys[r->count];
    for (size_t i = 0; i < r->count; i++) {
        const keel_bytes *key = &batch->keys[i];

        r->capacities[i] = batch->items[i].buffer ? batch->items[i].capacity : 0;
        memcpy(room, key->at, key->length);
        r->keys[i] = (keel_bytes){ room, key->length };
        room += key->length;
    }
}

static race *race_new(keel_hedge_read *q)
{
    keel_hedge *h = q->h;
    race *r = keel_memory_new(h->runtime->memory, size_of(&q->batch));

    if (!r)
        return NULL;
    r->users = 2;
    r->h = h;
    r->read = q;
    r->op = *q->op;
    r->is_many = q->is_many;
    /* a token, or a nonce, means something to the bag alone that gave it */
    r->is_firsts = q->op->wishes & KEEL_BAG_WANT_TOKEN || q->op->nonce_found;
    pthread_mutex_init(&r->kept_mu, NULL);
    copy_request(r, &q->batch);
    pthread_mutex_lock(&h->reads_mu);
    h->reads++;
    pthread_mutex_unlock(&h->reads_mu);
    return r;
}

/* The bag may be closed as soon as this has been said. */
static void say_ended(keel_hedge *h)
{
    pthread_mutex_lock(&h->reads_mu);
    h->reads--;
    pthread_cond_signal(&h->reads_ended);
    pthread_mutex_unlock(&h->reads_mu);
}

static void leave(void *ctx)
{
    race *r = ctx;
    keel_hedge *h = r->h;

    /* acq_rel: whoever is last sees all that the others did */
    if (atomic_fetch_sub_explicit(&r->users, 1, memory_order_acq_rel) != 1)
        return;
    keel_memory_free(memory_of(r), r->kept);
    pthread_mutex_destroy(&r->kept_mu);
    keel_memory_free(memory_of(r), r);
    say_ended(h);
}

/* ---- what did not end the read ------------------------------------------------------- */

static void keep(race *r, keel_hedge_answer *a)
{
    keel_hedge_answer *worse = a;

    pthread_mutex_lock(&r->kept_mu);
    if (keel_hedge_answer_beats(a, r->kept)) {
        worse = r->kept;
        r->kept = a;
    }
    pthread_mutex_unlock(&r->kept_mu);
    keel_memory_free(memory_of(r), worse);
}

static keel_status note_no_memory(race *r)
{
    pthread_mutex_lock(&r->kept_mu);
    r->is_out_of_memory = true;
    pthread_mutex_unlock(&r->kept_mu);
    return KEEL_FAILED; /* of this attempt; another may have had some */
}

/* What the caller's own attempt has left in his memory. */
static bool keep_first(race *r, const keel_detail *failed)
{
    keel_hedge_answer *a = keel_hedge_answer_new(memory_of(r), r->capacities, r->count);

    if (!a)
        return false;
    keel_hedge_answer_take(a, &r->read->batch);
    keel_hedge_answer_sum_up(a, r->count);
    keel_detail_fill(&a->said, failed);
    a->status = failed->code;
    keep(r, a);
    return true;
}

/* ---- attempts ------------------------------------------------------------------------ */

static size_t child_of(const race *r, const keel_attempt *attempt)
{
    return r->is_firsts ? 0 : (attempt->number - 1) % r->h->count;
}

/* A bag that lags behind the first may not have what that one has. */
static bool is_doubtful(const race *r, const keel_hedge_answer *a)
{
    return a->missed && a->child && r->h->waits_on_miss;
}

static void ask(race *r, const keel_attempt *attempt, keel_hedge_answer *a)
{
    const keel_batch batch = { r->keys, a->items, a->statuses, r->count };
    uint64_t began = keel_hedge_now(r->h);
    keel_bag_op op = r->op;

    op.cancel = attempt->cancel;
    op.marks = NULL; /* the caller's; items have their own */
    op.nonce_found = r->op.nonce_found ? &a->nonce : NULL;
    op.deadline_at_ns =
        keel_ns_min(op.deadline_at_ns, keel_ns_add(began, attempt->timeout_ns));
    a->child = child_of(r, attempt);
    a->status =
        keel_hedge_ask(&r->h->children[a->child], &op, &batch, r->is_many, &a->said);
    a->took_ns = keel_ns_left(keel_hedge_now(r->h), began);
    keel_hedge_answer_sum_up(a, r->count);
}

static keel_status make_attempt(const keel_attempt *attempt, keel_outcome *outcome,
                                void *ctx)
{
    race *r = ctx;
    keel_hedge_answer *a = keel_hedge_answer_new(memory_of(r), r->capacities, r->count);
    keel_hedge_answer **own = attempt->own;

    if (!a)
        return note_no_memory(r);
    *own = a;
    ask(r, attempt, a);
    *outcome = keel_hedge_outcome(a->status, &a->said);
    if (outcome->status == KEEL_OK && is_doubtful(r, a))
        outcome->status = KEEL_NOT_FOUND; /* neutral, and no end while others run */
    return outcome->status;
}

/* In the caller's thread, while he waits. */
static void adopt(void *own, void *ctx)
{
    keel_hedge_answer *a = *(keel_hedge_answer **)own;
    race *r = ctx;

    keel_hedge_answer_give(a, &r->read->batch);
    if (r->op.nonce_found)
        *r->op.nonce_found = a->nonce;
    keel_hedge_note(r->h, a->took_ns);
    r->is_won = true;
    keel_memory_free(memory_of(r), a);
}

static void discard(void *own, void *ctx)
{
    keel_hedge_answer *a = *(keel_hedge_answer **)own;

    if (a)
        keep(ctx, a);
}

/* ---- the whole of it ----------------------------------------------------------------- */

static void run(race *r, keel_call *call, keel_detail *story)
{
    static const keel_run_options options = { .size = sizeof options,
                                              .released = leave,
                                              .concurrent = true,
                                              .own_size = sizeof(keel_hedge_answer *),
                                              .adopt = adopt,
                                              .discard = discard };
    int saved = errno;

    (void)keel_run_on_workers(call, &options, make_attempt, r, story);
    errno = saved;
}

/* Whether it is what the call ended with; else its own attempt has hung, say. */
static bool is_the_end(const keel_hedge_answer *kept, const keel_detail *story)
{
    return kept->answered ||
           keel_hedge_outcome(kept->status, &kept->said).status == story->code;
}

/* Nobody has ended it: the best that there was, or why there was none. */
static keel_status end_with(race *r, const keel_hedge_answer *kept, keel_detail *story)
{
    keel_hedge_read *q = r->read;

    if (!kept || story->code == KEEL_CANCELLED || !is_the_end(kept, story))
        return keel_hedge_fail(q, story, story->code, NULL);
    keel_hedge_answer_give(kept, &q->batch);
    if (kept->answered == r->count)
        return KEEL_OK;
    return keel_hedge_fail(q, story, kept->status, &kept->said);
}

static keel_status end(race *r, keel_detail *story)
{
    keel_status status;

    keel_hedge_note(r->h, KEEL_NEVER);
    pthread_mutex_lock(&r->kept_mu);
    if (r->is_out_of_memory && !r->kept)
        story->code = KEEL_E_NOMEM;
    status = end_with(r, r->kept, story);
    pthread_mutex_unlock(&r->kept_mu);
    return status;
}

static keel_status no_memory(const keel_hedge_read *q, keel_call *call)
{
    keel_detail story = KEEL_DETAIL_INIT;

    keel_call_end(call, NULL);
    story.text = "out of memory";
    return keel_hedge_fail(q, &story, KEEL_E_NOMEM, NULL);
}

keel_status keel_hedge_race(keel_hedge_read *q, keel_call *call,
                            const keel_detail *failed)
{
    keel_detail story = KEEL_DETAIL_INIT;
    race *r = race_new(q);
    keel_status status;

    if (!r)
        return no_memory(q, call);
    if (failed && !keep_first(r, failed)) {
        leave(r); /* for the run that there is not */
        leave(r);
        return no_memory(q, call);
    }
    run(r, call, &story);
    status = r->is_won ? KEEL_OK : end(r, &story);
    leave(r);
    return status;
}
