/* SPDX-License-Identifier: MIT */
/*
 * The inside of failover(primary|standby|*), and what its files are to each other:
 *
 *     failover.c          the table, opening and closing
 *     failover_options.c  what may stand between its braces
 *     failover_route.c    one use of a verb: who is asked, in which order, when to go on
 *     failover_keys.c     what a write leaves behind: dirty keys, in memory and on disk
 *     failover_many.c     what is about more than one key
 *     failover_rejoin.c   the way back to the primary
 *     failover_thread.c   the thread that goes it
 *
 * The rule that all of it serves: a key that was written at a standby is asked for there,
 * and nowhere else, until its state has been carried back to the primary. So no read is
 * older than what was acknowledged before it.
 */
#ifndef KEEL_BAG_WRAP_FAILOVER_H
#define KEEL_BAG_WRAP_FAILOVER_H

#include <pthread.h>
#include <stdatomic.h>

#include <keel/bag_plugin.h>

#include "bag/wrap/failover_dirty.h"
#include "bag/wrap/failover_journal.h"
#include "base/clock.h"

enum { KEEL_FAILOVER_CHILDREN = 16 };

typedef enum keel_failover_kind {
    KEEL_FAILOVER_READ,
    KEEL_FAILOVER_WRITE,
    KEEL_FAILOVER_DELETE,
    KEEL_FAILOVER_KINDS
} keel_failover_kind;

/* go_on: sets of failures (failover_options.c) after which the next child is asked. */
typedef struct keel_failover_settings {
    uint64_t hold_ns;
    uint64_t failures;
    uint64_t tries;
    uint64_t timeout_ns; /* 0: an even share of the time there is */
    bool on_miss;
    bool knows_given; /* a standby knows of dirty keys alone */
    bool invalidates;
    uint64_t probe_ns;
    uint64_t rejoin_timeout_ns;
    const char *journal; /* NULL: none */
    uint64_t dirty_max;
    uint32_t go_on[KEEL_FAILOVER_KINDS];
} keel_failover_settings;

/*
 * current        the child that is asked first; 0: the primary
 * failed_in_row  of the current one
 * away_at        when the primary was left
 * known          keys in `keys`, readable without the lock: 0 is nearly always so
 * sequence       of marks in the journal
 * flushes        under way, or about to be: no key is carried back meanwhile
 * is_carrying    a futex: one is just now
 * keys_mu guards: keys and all in it, sequence, dirty_count, flushes, changes of is_carrying
 * thread_mu guards: thread, changes of has_thread
 * probe_at is the thread's own
 */
typedef struct keel_failover {
    keel_runtime *runtime;
    const char *bag;
    const char *path;
    keel_bag_child children[KEEL_FAILOVER_CHILDREN]; /* the primary first */
    size_t count;
    keel_failover_settings set;
    _Atomic uint32_t current;
    _Atomic uint32_t failed_in_row;
    _Atomic uint64_t away_at;
    _Atomic size_t known;
    pthread_mutex_t keys_mu;
    keel_dirty keys;
    size_t dirty_count;
    unsigned flushes;
    uint32_t is_carrying;
    uint64_t sequence;
    keel_failover_journal journal;
    pthread_mutex_t thread_mu;
    pthread_t thread;
    _Atomic bool has_thread;
    uint32_t roused; /* a futex: counts what the thread was woken for */
    _Atomic bool is_closing;
    keel_cancel stop;
    uint64_t probe_at;
} keel_failover;

/* ---- options ------------------------------------------------------------------------- */

extern const keel_bag_option keel_failover_options[];
keel_status keel_failover_options_read(keel_failover_settings *set,
                                       const keel_bag_value values[], keel_detail *why);
/* The set that a failure is of; 0: no child is asked after it. */
uint32_t keel_failover_failure_of(keel_status status);

/* ---- one use of a verb --------------------------------------------------------------- */

typedef struct keel_failover_use keel_failover_use;

/* Asks one child. op has the time that it may take; why is whole. */
typedef keel_status keel_failover_ask_fn(keel_failover_use *u,
                                         const keel_bag_child *child,
                                         const keel_bag_op *op, keel_detail *why);

/*
 * Set by the verb: f, op, key, kind, needs (an ability), ask, and of what follows what it
 * needs; repeats: it may be done twice; is_blind: what there was before does not matter.
 * The rest is the route's.
 */
struct keel_failover_use {
    keel_failover *f;
    const keel_bag_op *op;
    keel_bytes key;
    keel_failover_kind kind;
    keel_bag_ability needs;
    keel_failover_ask_fn *ask;
    bool repeats;
    bool is_blind;
    keel_bag_item *item;
    const keel_bag_put *put;
    const keel_bag_token *expected;
    keel_bag_token *fresh;
    uint64_t *number;
    uint64_t by;
    bool down;
    int64_t expires_at_ms; /* that a write gives; -1: none */

    uint8_t order[KEEL_FAILOVER_CHILDREN];
    uint8_t count, at;
    keel_dirty_key *pinned; /* a write at a standby is under way */
    bool is_dirty;          /* and by whom it was owned, when it was looked at */
    uint8_t owner;
    bool is_in_doubt;    /* a write may have been applied by a child that failed */
    bool has_missed;     /* a child has none, and others are asked all the same */
    bool primary_missed; /* and the primary was one of them */
    keel_status worst;   /* of those that failed, the one that says most */
    keel_applied applied;
    uint32_t attempts;
    int system_errno;
    uint64_t retry_after_ns;
    size_t said_length;
    char said[256]; /* by those that failed */
};

keel_status keel_failover_run(keel_failover_use *u, keel_detail *why);

/* Who is asked for what is not dirty: the current one first, the primary last if left. */
uint8_t keel_failover_order(const keel_failover *f,
                            uint8_t order[KEEL_FAILOVER_CHILDREN]);

/* The same for what depends on the item that there is: only those that can know it. */
uint8_t keel_failover_order_knowing(const keel_failover *f,
                                    uint8_t order[KEEL_FAILOVER_CHILDREN]);

/* The time that one of so many tries may take. */
uint64_t keel_failover_share(const keel_failover *f, const keel_bag_op *op,
                             size_t tries_left);

/* Whether the outcome of a child is one after which a read asks the next. */
bool keel_failover_read_goes_on(const keel_failover *f, keel_status status);

/* An outcome of a child: too many failures of the current one, and another is. */
void keel_failover_note(keel_failover *f, uint8_t child, keel_status status);

/* A token's child: tokens of one are none of another's. */
void keel_failover_token_mark(keel_bag_token *token, uint8_t child);
/* False: it was never marked. */
bool keel_failover_token_read(const keel_bag_token *marked, keel_bag_token *token,
                              uint8_t *child);

static inline bool keel_failover_is_answer(keel_status status)
{
    return status == KEEL_OK || status == KEEL_NOT_FOUND || status == KEEL_NOT_STORED ||
           status == KEEL_EXISTS || status == KEEL_NOT_NUMBER ||
           status == KEEL_E_BUFFER;
}

/* ---- dirty keys ---------------------------------------------------------------------- */

/* Whether the key is dirty, and whose. With pin: one that is, is written from now on. */
bool keel_failover_look_up(keel_failover *f, keel_bytes key, uint8_t *owner,
                           keel_dirty_key **pin);

/* A write at a standby begins. NULL: there is no room to remember it. */
keel_dirty_key *keel_failover_pin(keel_failover_use *u);

/*
 * It ends. is_done: it took effect at that child.
 * False: it did, and the journal could not be told of it
 */
bool keel_failover_unpin(keel_failover_use *u, uint8_t child, bool is_done);

/* A key that the journal names, in an opening. */
keel_failover_mark_fn keel_failover_recall;

/* One to be carried back, copied; it may be written meanwhile. */
typedef struct keel_failover_carried {
    char key[KEEL_BAG_KEY_MAX];
    size_t length;
    uint8_t owner;
    uint64_t version;
    int64_t expires_at_ms;
} keel_failover_carried;

/* The next one that nobody writes just now, to be carried. False: there is none, or all are
 * being flushed. */
bool keel_failover_carry_begin(keel_failover *f, keel_failover_carried *c);
/* is_done: its state is at the primary; it is clean unless it was written meanwhile. */
void keel_failover_carry_end(keel_failover *f, const keel_failover_carried *c,
                             bool is_done);

/*
 * A flush begins, once none is being carried any more: else what was read before it would
 * be put back after it.
 * Returns  KEEL_OK; KEEL_DEADLINE, KEEL_CANCELLED: it does not begin
 */
keel_status keel_failover_flush_begin(keel_failover *f, const keel_bag_op *op);
/* It ends. is_done: everywhere, so that all keys are clean. */
void keel_failover_flush_end(keel_failover *f, bool is_done);
size_t keel_failover_dirty_count(keel_failover *f);

/* ---- more than one key, failover_many.c ---------------------------------------------- */

void keel_failover_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                            keel_bag_item items[], keel_status statuses[], size_t count,
                            keel_detail *why);
keel_status keel_failover_flush(void *state, const keel_bag_op *op, keel_detail *why);
keel_status keel_failover_scan(void *state, const keel_bag_op *op,
                               keel_bag_cursor *cursor, keel_bag_scan_fn *fn, void *ctx,
                               keel_detail *why);
keel_status keel_failover_get(void *state, const keel_bag_op *op, keel_bytes key,
                              keel_bag_item *item, keel_detail *why);

/* ---- the way back -------------------------------------------------------------------- */

/*
 * One step of it: a probe of the primary, or some keys carried back. One thread at a time.
 * Returns the instant of the next; KEEL_NEVER: there is nothing to do
 */
uint64_t keel_failover_step(keel_failover *f);

/* There is something to do: wakes the thread, or starts it. */
void keel_failover_rouse(keel_failover *f);
/* Ends it and joins it. */
void keel_failover_thread_stop(keel_failover *f);

#endif
