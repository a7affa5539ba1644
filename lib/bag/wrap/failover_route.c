/* SPDX-License-Identifier: MIT */
/*
 * One use of a verb: which children are asked, in which order, and what is told of those
 * that failed. Not for what single verbs are: failover.c.
 */
#include <stdio.h>
#include <string.h>

#include "bag/wrap/failover.h"
#include "base/detail.h"
#include "call/runtime.h"

/* ---- which child is asked first ------------------------------------------------------ */

uint8_t keel_failover_order(const keel_failover *f,
                            uint8_t order[KEEL_FAILOVER_CHILDREN])
{
    uint8_t current = (uint8_t)atomic_load_explicit(&f->current, memory_order_relaxed);
    uint8_t count = 0;

    order[count++] = current;
    for (uint8_t i = 1; i < f->count; i++)
        if (i != current)
            order[count++] = i;
    if (current)
        order[count++] = 0;
    return count < f->set.tries ? count : (uint8_t)f->set.tries;
}

uint8_t keel_failover_order_knowing(const keel_failover *f,
                                    uint8_t order[KEEL_FAILOVER_CHILDREN])
{
    if (!f->set.knows_given)
        return keel_failover_order(f, order);
    order[0] = 0;
    return 1;
}

/* Failures that say that it is down, not that it is busy. */
static bool is_down(keel_status status)
{
    return status == KEEL_FAILED || status == KEEL_UNKNOWN || status == KEEL_TIMEOUT ||
           status == KEEL_DEADLINE || status == KEEL_REJECTED_OPEN ||
           status == KEEL_REJECTED_FORCED_OPEN || status == KEEL_REJECTED_HALF_OPEN;
}

static void leave(keel_failover *f, uint32_t child)
{
    const keel_clock *clock = &f->runtime->clock;
    uint32_t next = child + 1 < f->count ? child + 1 : 1;

    if (next == child)
        return; /* there is no other standby */
    if (child == 0)
        atomic_store(&f->away_at, clock->now(clock->ctx));
    if (!atomic_compare_exchange_strong(&f->current, &child, next))
        return;
    atomic_store(&f->failed_in_row, 0);
    keel_runtime_log(f->runtime, KEEL_LOG_WARNING, "bag",
                     "bag=%s path=%s left=%s first=%s", f->bag, f->path,
                     f->children[child].role, f->children[next].role);
    keel_failover_rouse(f);
}

void keel_failover_note(keel_failover *f, uint8_t child, keel_status status)
{
    if (child != atomic_load_explicit(&f->current, memory_order_relaxed))
        return;
    if (is_down(status)) {
        if (atomic_fetch_add(&f->failed_in_row, 1) + 1 >= f->set.failures)
            leave(f, child);
    } else if (keel_failover_is_answer(status) &&
               atomic_load_explicit(&f->failed_in_row, memory_order_relaxed)) {
        atomic_store_explicit(&f->failed_in_row, 0, memory_order_relaxed);
    }
}

/* ---- tokens -------------------------------------------------------------------------- */

void keel_failover_token_mark(keel_bag_token *token, uint8_t child)
{
    if (token->length && token->length < KEEL_BAG_TOKEN_MAX)
        token->bytes[token->length++] = child;
    else
        token->length = 0;
}

bool keel_failover_token_read(const keel_bag_token *marked, keel_bag_token *token,
                              uint8_t *child)
{
    if (marked->length < 2)
        return false;
    *token = *marked;
    *child = token->bytes[--token->length];
    return true;
}

/* ---- the plan ------------------------------------------------------------------------ */

/* A dirty key's owner; what is stored whatever there was may go to other standbys, too. */
static void plan_dirty(keel_failover_use *u)
{
    u->at = 0;
    u->order[0] = u->owner;
    u->count = 1;
    if (u->kind == KEEL_FAILOVER_READ || !u->is_blind)
        return;
    for (size_t i = 1; i < u->f->count; i++)
        if (i != u->owner && u->count < u->f->set.tries)
            u->order[u->count++] = (uint8_t)i;
}

static void plan(keel_failover_use *u)
{
    u->at = 0;
    u->is_dirty = keel_failover_look_up(
        u->f, u->key, &u->owner, u->kind == KEEL_FAILOVER_READ ? NULL : &u->pinned);
    if (u->is_dirty)
        plan_dirty(u);
    else if (u->is_blind)
        u->count = keel_failover_order(u->f, u->order);
    else
        u->count = keel_failover_order_knowing(u->f, u->order);
    if (u->expected)
        u->count = 1; /* a token is one child's */
}

uint64_t keel_failover_share(const keel_failover *f, const keel_bag_op *op,
                             size_t tries_left)
{
    const keel_clock *clock = &f->runtime->clock;
    uint64_t now = clock->now_coarse(clock->ctx);
    uint64_t share =
        keel_ns_left(op->deadline_at_ns, now) / (tries_left ? tries_left : 1);

    if (f->set.timeout_ns && f->set.timeout_ns < share)
        share = f->set.timeout_ns;
    return keel_ns_min(keel_ns_add(now, share), op->deadline_at_ns);
}

/* ---- failures ------------------------------------------------------------------------ */

/* How much a failure says: a definite one most, a refusal of keel's own least. */
static int weight(keel_status status)
{
    if (status == KEEL_CORRUPT || status == KEEL_READ_ONLY ||
        status == KEEL_CLIENT_ERROR || status == KEEL_CANCELLED)
        return 4;
    if (keel_status_is_rejected(status))
        return 1;
    return status == KEEL_THROTTLED ? 2 : 3;
}

static void add_text(keel_failover_use *u, uint8_t child, const char *text)
{
    size_t room = sizeof u->said - u->said_length;
    int length;

    if (*text)
        length = snprintf(u->said + u->said_length, room, "%s%s",
                          u->said_length ? "; " : "", text);
    else
        length = snprintf(u->said + u->said_length, room, "%s%s failed",
                          u->said_length ? "; " : "", u->f->children[child].path);
    u->said_length += length < (int)room ? (size_t)length : room - 1;
}

static void add_failure(keel_failover_use *u, uint8_t child, keel_status status,
                        const keel_detail *said)
{
    if (u->kind != KEEL_FAILOVER_READ && said->applied == KEEL_APPLIED_UNKNOWN)
        u->is_in_doubt = true;
    if (u->worst == KEEL_OK || weight(status) > weight(u->worst)) {
        u->worst = status;
        u->system_errno = said->system_errno;
        u->applied = said->applied;
    }
    if (said->retry_after_ns &&
        (!u->retry_after_ns || said->retry_after_ns < u->retry_after_ns))
        u->retry_after_ns = said->retry_after_ns;
    u->attempts += said->attempts;
    add_text(u, child, said->text);
}

static bool is_time_left(const keel_failover_use *u)
{
    const keel_clock *clock = &u->f->runtime->clock;

    return clock->now_coarse(clock->ctx) < u->op->deadline_at_ns;
}

bool keel_failover_read_goes_on(const keel_failover *f, keel_status status)
{
    return keel_failover_failure_of(status) & f->set.go_on[KEEL_FAILOVER_READ];
}

static bool goes_on(const keel_failover_use *u, keel_status status,
                    const keel_detail *said)
{
    bool is_safe = u->kind == KEEL_FAILOVER_READ || said->applied == KEEL_APPLIED_NO ||
                   (u->repeats && said->applied == KEEL_APPLIED_UNKNOWN);

    return is_safe && is_time_left(u) &&
           (keel_failover_failure_of(status) & u->f->set.go_on[u->kind]);
}

static keel_status give_up(keel_failover_use *u, keel_detail *why)
{
    keel_detail told = { .size = sizeof told };

    if (u->pinned)
        keel_failover_unpin(u, 0, false);
    if (u->has_missed) { /* said by one of them, and no failure says more */
        if (!u->primary_missed)
            u->item->marks |= KEEL_BAG_FROM_STANDBY;
        return KEEL_NOT_FOUND;
    }
    if (u->worst == KEEL_OK) { /* nobody could be asked */
        u->worst = KEEL_E_UNSUPPORTED;
        u->applied = KEEL_APPLIED_NO;
        snprintf(u->said, sizeof u->said, "%s: who is to be asked cannot do it",
                 u->f->path);
    }
    keel_failf(&told, u->worst, "%s%s", u->said,
               u->is_dirty ? "; its newest state is there, and nowhere else" : "");
    told.applied = u->is_in_doubt ? KEEL_APPLIED_UNKNOWN : u->applied;
    told.retry_after_ns = u->retry_after_ns;
    told.attempts = u->attempts;
    told.system_errno = u->system_errno;
    keel_detail_fill(why, &told);
    return u->worst;
}

/* ---- answers ------------------------------------------------------------------------- */

static void mark(keel_failover_use *u, uint8_t child)
{
    if (u->item) {
        keel_failover_token_mark(&u->item->token, child);
        u->item->marks |= child ? KEEL_BAG_FROM_STANDBY : 0;
    }
    if (u->fresh)
        keel_failover_token_mark(u->fresh, child);
    if (child)
        keel_bag_mark(u->op, KEEL_BAG_FROM_STANDBY);
}

/*
 * A standby that has none cannot tell whether the primary does: the key is dirty all the
 * same, so that it is deleted there, too.
 */
static bool deletes_unseen(const keel_failover_use *u, uint8_t child,
                           keel_status status)
{
    return u->kind == KEEL_FAILOVER_DELETE && status == KEEL_NOT_FOUND && child &&
           !u->is_dirty && !u->expected;
}

static keel_status end_write(keel_failover_use *u, uint8_t child, keel_status status,
                             keel_detail *why)
{
    bool is_done = status == KEEL_OK || status == KEEL_E_BUFFER;

    if (deletes_unseen(u, child, status)) {
        is_done = true;
        status = KEEL_OK;
        keel_bag_mark(u->op, KEEL_BAG_UNVERIFIED);
    }
    if (!is_done && u->is_in_doubt) /* by another, who may have done it */
        return give_up(u, why);
    if (u->pinned && !keel_failover_unpin(u, child, is_done))
        return keel_bag_fail(why, KEEL_FAILED, KEEL_APPLIED_UNKNOWN, u->f->path,
                             "%s has it, but the journal could not be told",
                             u->f->children[child].role);
    mark(u, child);
    return status;
}

/* ---- the way through ----------------------------------------------------------------- */

static bool can(const keel_failover_use *u, uint8_t child)
{
    return u->f->children[child].abilities.effective & (uint32_t)u->needs;
}

/*
 * Before a write at a standby. Its key may have become dirty meanwhile: then only its
 * owner will do. False: there is no room for another dirty key.
 */
static bool prepare(keel_failover_use *u)
{
    if (u->kind == KEEL_FAILOVER_READ || u->pinned || !u->order[u->at])
        return true;
    if (!keel_failover_pin(u))
        return false;
    if (u->is_dirty)
        plan_dirty(u);
    return true;
}

static keel_status ask(keel_failover_use *u, uint8_t child, keel_detail *said)
{
    keel_bag_op op = *u->op;
    keel_status status;

    op.deadline_at_ns = keel_failover_share(u->f, u->op, (size_t)(u->count - u->at));
    status = u->ask(u, &u->f->children[child], &op, said);
    keel_failover_note(u->f, child, status);
    return status;
}

/* True: that is all. */
static bool try_child(keel_failover_use *u, keel_status *status, keel_detail *why)
{
    uint8_t child = u->order[u->at];
    keel_detail said = KEEL_DETAIL_INIT;

    if (!can(u, child))
        return false;
    *status = ask(u, child, &said);
    if (!keel_failover_is_answer(*status)) {
        add_failure(u, child, *status, &said);
        if (goes_on(u, *status, &said))
            return false;
        *status = give_up(u, why);
    } else if (u->kind != KEEL_FAILOVER_READ) {
        *status = end_write(u, child, *status, why);
    } else if (*status == KEEL_NOT_FOUND && u->f->set.on_miss && !u->is_dirty) {
        u->has_missed = true;
        u->primary_missed = u->primary_missed || child == 0;
        return false;
    } else {
        mark(u, child);
    }
    return true;
}

/* A token of another child is of another item than the one that there is. */
static bool is_foreign(keel_failover_use *u, keel_bag_token *plain)
{
    uint8_t child = 0;

    if (!u->expected)
        return false;
    if (!keel_failover_token_read(u->expected, plain, &child) ||
        child != u->order[u->at])
        return true;
    return false;
}

keel_status keel_failover_run(keel_failover_use *u, keel_detail *why)
{
    const keel_bag_token *marked = u->expected;
    keel_bag_token plain;
    keel_status status = KEEL_OK;

    plan(u);
    for (; u->at < u->count; u->at++) {
        if (!prepare(u)) {
            const keel_detail full = { .applied = KEEL_APPLIED_NO,
                                       .text = "no room to remember a write at a "
                                               "standby" };

            add_failure(u, u->order[u->at], KEEL_E_LIMIT, &full);
            break;
        }
        u->expected = marked;
        if (is_foreign(u, &plain)) {
            if (u->pinned)
                keel_failover_unpin(u, 0, false);
            return KEEL_EXISTS;
        }
        u->expected = marked ? &plain : NULL;
        if (try_child(u, &status, why))
            return status;
    }
    return give_up(u, why);
}
