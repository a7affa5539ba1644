/* SPDX-License-Identifier: MIT */
/*
 * What writes at a standby leave behind: keys that are dirty, in memory and, before the
 * writer is told that it is done, in the journal. Not for carrying them back.
 */
#include <limits.h>
#include <string.h>

#include "bag/wrap/failover.h"
#include "base/detail.h"
#include "call/runtime.h"

#define CANCEL_LOOK_NS (10 * KEEL_MS)

enum { LOOKED_AT_ONCE = 64 };

/* To be called with each change of the table; release: who reads it sees the key, too. */
static void count_locked(keel_failover *f)
{
    atomic_store_explicit(&f->known, f->keys.count, memory_order_release);
}

static keel_bytes key_of(const keel_dirty_key *k)
{
    return (keel_bytes){ k->key, k->length };
}

static void drop_locked(keel_failover *f, keel_dirty_key *k)
{
    if (k->is_dirty)
        f->dirty_count--;
    keel_dirty_drop(&f->keys, k);
    count_locked(f);
}

static void begin_locked(keel_dirty_key *k)
{
    k->writers++;
    k->version++;
}

/* ---- before -------------------------------------------------------------------------- */

bool keel_failover_look_up(keel_failover *f, keel_bytes key, uint8_t *owner,
                           keel_dirty_key **pin)
{
    keel_dirty_key *k;
    bool is_dirty;

    if (!atomic_load_explicit(&f->known, memory_order_acquire))
        return false;
    pthread_mutex_lock(&f->keys_mu);
    k = keel_dirty_find(&f->keys, key);
    is_dirty = k && k->is_dirty;
    if (is_dirty)
        *owner = k->owner;
    if (is_dirty && pin) {
        begin_locked(k);
        *pin = k;
    }
    pthread_mutex_unlock(&f->keys_mu);
    return is_dirty;
}

keel_dirty_key *keel_failover_pin(keel_failover_use *u)
{
    keel_failover *f = u->f;
    keel_dirty_key *k;

    pthread_mutex_lock(&f->keys_mu);
    k = keel_dirty_have(&f->keys, u->key);
    if (k) {
        begin_locked(k);
        u->pinned = k;
        u->is_dirty = k->is_dirty; /* it may have become so since it was looked up */
        u->owner = k->owner;
        count_locked(f);
    }
    pthread_mutex_unlock(&f->keys_mu);
    return k;
}

/* ---- after --------------------------------------------------------------------------- */

/*
 * The write took effect at a standby. Whose the key is changes only if it is still whose
 * it was when the write began: else another write has come in between, and counts as the
 * later one.
 */
static void own_locked(keel_failover_use *u, keel_dirty_key *k, uint8_t child)
{
    if (!k->is_dirty) {
        k->is_dirty = true;
        k->owner = child;
        u->f->dirty_count++;
    } else if (u->is_dirty && k->owner == u->owner) {
        k->owner = child;
    }
    if (u->expires_at_ms >= 0)
        k->expires_at_ms = u->expires_at_ms;
}

/* An owner that tells when its item expires is asked for that, after a crash too. */
static bool is_noted_locked(const keel_failover *f, const keel_dirty_key *k)
{
    const keel_bag_abilities *owners = &f->children[k->owner].abilities;

    return k->slot != KEEL_DIRTY_NO_SLOT && k->slot_owner == k->owner &&
           (k->slot_expires_at_ms == k->expires_at_ms ||
            owners->effective & KEEL_CAN_TELL_TTL);
}

static void set_slot(keel_dirty_key *k, const keel_failover_mark *mark, uint8_t owner)
{
    k->slot = mark->slot;
    k->slot_sequence = mark->sequence;
    k->slot_expires_at_ms = mark->expires_at_ms;
    k->slot_owner = owner;
}

/* The later of two marks holds. The slot of the other, which is returned, is cleared in
 * passing: the sequence tells them anyway. */
static uint32_t attach_locked(keel_dirty_key *k, const keel_failover_mark *mark,
                              uint8_t owner)
{
    uint32_t old = k->slot;

    if (old != KEEL_DIRTY_NO_SLOT && k->slot_sequence > mark->sequence)
        return mark->slot;
    set_slot(k, mark, owner);
    return old;
}

/* The key is pinned, so it stays where it is. keys_mu is not held over the disk. */
static bool note_locked(keel_failover *f, keel_dirty_key *k)
{
    uint8_t owner = k->owner;
    const char *role = f->children[owner].role;
    keel_failover_mark mark = { .sequence = ++f->sequence,
                                .expires_at_ms = k->expires_at_ms,
                                .key = key_of(k),
                                .role = { role, strlen(role) } };
    uint32_t idle;
    bool is_kept;

    pthread_mutex_unlock(&f->keys_mu);
    is_kept = keel_failover_journal_note(&f->journal, &mark);
    pthread_mutex_lock(&f->keys_mu);
    if (!is_kept)
        return false;
    idle = attach_locked(k, &mark, owner);
    if (idle != KEEL_DIRTY_NO_SLOT) {
        pthread_mutex_unlock(&f->keys_mu);
        keel_failover_journal_clear(&f->journal, idle, false);
        pthread_mutex_lock(&f->keys_mu);
    }
    return true;
}

bool keel_failover_unpin(keel_failover_use *u, uint8_t child, bool is_done)
{
    keel_failover *f = u->f;
    keel_dirty_key *k = u->pinned;
    bool is_told = true, is_first;

    u->pinned = NULL;
    is_done = is_done && child; /* what the primary has is not dirty */
    pthread_mutex_lock(&f->keys_mu);
    is_first = is_done && !f->dirty_count;
    if (is_done)
        own_locked(u, k, child);
    if (is_done && f->journal.is_there && !is_noted_locked(f, k))
        is_told = note_locked(f, k);
    k->writers--;
    if (!k->is_dirty && !k->writers)
        drop_locked(f, k);
    pthread_mutex_unlock(&f->keys_mu);
    /* with others before it the thread is on its way, if there is one */
    if (is_first || (is_done && !f->has_thread))
        keel_failover_rouse(f);
    return is_told;
}

/* ---- carrying back ------------------------------------------------------------------- */

static void copy_locked(const keel_dirty_key *k, keel_failover_carried *c)
{
    memcpy(c->key, k->key, k->length);
    c->length = k->length;
    c->owner = k->owner;
    c->version = k->version;
    c->expires_at_ms = k->expires_at_ms;
}

static bool next_locked(keel_failover *f, keel_failover_carried *c)
{
    bool is_found = false;

    for (int i = 0; i < LOOKED_AT_ONCE && f->keys.first && !is_found; i++) {
        keel_dirty_key *k = f->keys.first;

        keel_dirty_move_last(&f->keys, k);
        is_found = k->is_dirty && !k->writers;
        if (is_found)
            copy_locked(k, c);
    }
    return is_found;
}

/* Read without the lock by who waits: release, so that he sees what was carried. */
static void set_carrying_locked(keel_failover *f, bool is_carrying)
{
    __atomic_store_n(&f->is_carrying, is_carrying, __ATOMIC_RELEASE);
}

bool keel_failover_carry_begin(keel_failover *f, keel_failover_carried *c)
{
    bool is_found;

    pthread_mutex_lock(&f->keys_mu);
    is_found = !f->flushes && next_locked(f, c);
    set_carrying_locked(f, is_found);
    pthread_mutex_unlock(&f->keys_mu);
    return is_found;
}

/* The key, unless it has been written since it was copied, or is just now. */
static keel_dirty_key *same_locked(const keel_failover *f,
                                   const keel_failover_carried *c)
{
    keel_dirty_key *k = keel_dirty_find(&f->keys, (keel_bytes){ c->key, c->length });

    return k && k->is_dirty && !k->writers && k->version == c->version ? k : NULL;
}

/*
 * The journal is told first, and the key stays dirty until it knows: else a crash would
 * leave a mark at a key that the primary has got a newer state of. A write that comes
 * meanwhile finds no slot, and makes a new one.
 */
static void carried_back(keel_failover *f, const keel_failover_carried *c)
{
    uint32_t slot = KEEL_DIRTY_NO_SLOT;
    keel_dirty_key *k;
    bool is_clear = true;

    pthread_mutex_lock(&f->keys_mu);
    k = same_locked(f, c);
    if (k && k->slot != KEEL_DIRTY_NO_SLOT) {
        slot = k->slot;
        k->slot = KEEL_DIRTY_NO_SLOT;
        pthread_mutex_unlock(&f->keys_mu);
        is_clear = keel_failover_journal_clear(&f->journal, slot, true);
        pthread_mutex_lock(&f->keys_mu);
        k = same_locked(f, c);
    }
    if (k && is_clear)
        drop_locked(f, k);
    else if (k)
        k->slot = slot; /* it is tried again */
    pthread_mutex_unlock(&f->keys_mu);
}

void keel_failover_carry_end(keel_failover *f, const keel_failover_carried *c,
                             bool is_done)
{
    const keel_clock *clock = &f->runtime->clock;

    if (is_done)
        carried_back(f, c);
    pthread_mutex_lock(&f->keys_mu);
    set_carrying_locked(f, false);
    pthread_mutex_unlock(&f->keys_mu);
    clock->wake(&f->is_carrying, INT_MAX, clock->ctx);
}

/* ---- flushes ------------------------------------------------------------------------- */

static void count_flush(keel_failover *f, int by)
{
    pthread_mutex_lock(&f->keys_mu);
    f->flushes += (unsigned)by;
    pthread_mutex_unlock(&f->keys_mu);
}

/* A token wakes who sleeps on its word, not here: it is looked at now and then. */
static keel_status await_carried(keel_failover *f, const keel_bag_op *op)
{
    const keel_clock *clock = &f->runtime->clock;

    while (__atomic_load_n(&f->is_carrying, __ATOMIC_ACQUIRE)) {
        uint64_t now = clock->now(clock->ctx);
        uint64_t look_ns = op->cancel ? keel_ns_add(now, CANCEL_LOOK_NS) : KEEL_NEVER;

        if (keel_cancel_fired(op->cancel))
            return KEEL_CANCELLED;
        if (now >= op->deadline_at_ns)
            return KEEL_DEADLINE;
        clock->wait(&f->is_carrying, true, keel_ns_min(op->deadline_at_ns, look_ns),
                    clock->ctx);
    }
    return KEEL_OK;
}

keel_status keel_failover_flush_begin(keel_failover *f, const keel_bag_op *op)
{
    keel_status status;

    count_flush(f, 1);
    status = await_carried(f, op);
    if (status != KEEL_OK)
        count_flush(f, -1);
    return status;
}

static void forget_all(keel_failover *f)
{
    for (size_t most = keel_failover_dirty_count(f); most; most--) {
        keel_failover_carried c;
        bool is_found;

        pthread_mutex_lock(&f->keys_mu);
        is_found = next_locked(f, &c);
        pthread_mutex_unlock(&f->keys_mu);
        if (is_found)
            carried_back(f, &c);
    }
}

void keel_failover_flush_end(keel_failover *f, bool is_done)
{
    if (is_done)
        forget_all(f);
    count_flush(f, -1);
}

size_t keel_failover_dirty_count(keel_failover *f)
{
    size_t count;

    pthread_mutex_lock(&f->keys_mu);
    count = f->dirty_count;
    pthread_mutex_unlock(&f->keys_mu);
    return count;
}

/* ---- after a restart ----------------------------------------------------------------- */

/* The standby of a role; 0: there is none. */
static uint8_t standby_of(const keel_failover *f, keel_bytes role)
{
    for (size_t i = 1; i < f->count; i++)
        if (strlen(f->children[i].role) == role.length &&
            memcmp(f->children[i].role, role.at, role.length) == 0)
            return (uint8_t)i;
    return 0;
}

/* A key may have two slots, if it changed hands just before the end. */
static void recall(keel_failover *f, keel_dirty_key *k, const keel_failover_mark *mark,
                   uint8_t owner)
{
    uint32_t idle = mark->slot;

    if (!k->is_dirty || mark->sequence > k->version) {
        idle = k->slot;
        f->dirty_count += !k->is_dirty;
        k->is_dirty = true;
        k->owner = owner;
        set_slot(k, mark, owner);
        k->expires_at_ms = mark->expires_at_ms;
        k->version = mark->sequence;
    }
    if (idle != KEEL_DIRTY_NO_SLOT)
        keel_failover_journal_clear(&f->journal, idle, false);
    if (mark->sequence > f->sequence)
        f->sequence = mark->sequence;
}

bool keel_failover_recall(const keel_failover_mark *mark, void *ctx, keel_detail *why)
{
    keel_failover *f = ctx;
    uint8_t owner = standby_of(f, mark->role);
    keel_dirty_key *k = owner ? keel_dirty_have(&f->keys, mark->key) : NULL;

    if (!owner)
        keel_failf(why, KEEL_E_CONFIG,
                   "journal %s: it knows of items at %.*s, which is no standby here",
                   f->set.journal, (int)mark->role.length, (const char *)mark->role.at);
    else if (!k)
        keel_failf(why, KEEL_E_NOMEM, "journal %s: there are more keys than dirty_max",
                   f->set.journal);
    else
        recall(f, k, mark, owner);
    count_locked(f);
    return k != NULL;
}
