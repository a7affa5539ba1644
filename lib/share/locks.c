/* SPDX-License-Identifier: MIT */
/*
 * Operators' locks: one set here goes to the fleet, one of the fleet is set here. It
 * holds here at once, as nobody waits for the network to stop calling what is down; if
 * somebody else was first in the fleet, his comes back and takes its place.
 */
#include "share/follower.h"

#include "base/wall.h"

/* The lock here is of the fleet's that has run out: the fleet forgets it by itself. */
static bool has_run_out(const keel_follower *f, uint64_t word, uint64_t now)
{
    uint64_t until = keel_lock_until_ns(f->lock_word);

    return !word && until && until <= now;
}

static void read_note(const keel_follower *f, uint64_t word, keel_note *note)
{
    keel_notice *notice = atomic_load(&f->pipeline->notice);

    *note = (keel_note){ .set_s = 0 };
    if (notice)
        keel_notice_read(notice, keel_lock_note(word), note);
}

/* ---- from here to the fleet --------------------------------------------------------- */

/* A lock of the fleet's that the server knows nothing of any more, and that stands here. */
static bool is_to_restore(const keel_follower *f, uint64_t word)
{
    return f->lock_is_lost && word && word == f->lock_word;
}

bool keel_follower_lock(keel_follower *f, const keel_plan *plan, uint64_t now,
                        keel_wire_lock *lock, keel_note *note)
{
    uint64_t word = keel_lock_standing(&plan->breaker.words->lock, now);
    uint64_t until = keel_lock_until_ns(word);
    bool restores = is_to_restore(f, word);

    if (has_run_out(f, word, now))
        f->lock_word = word;
    if (!f->lock_is_heard || (word == f->lock_word && !restores))
        return false;
    read_note(f, word, note);
    *lock = (keel_wire_lock){ .name = f->name,
                              .kind = keel_lock_kind(word),
                              .expected = f->lock_epoch,
                              .for_ms = until ? (until - now) / KEEL_MS + 1 : 0,
                              .reason = note->reason,
                              .actor = note->actor,
                              .restored = restores ? f->lock_epoch : 0 };
    f->lock_said = word;
    return true;
}

/* ---- from the fleet to here --------------------------------------------------------- */

typedef struct explanation {
    keel_text actor;
    keel_text reason;
} explanation;

/* why: NULL, it is still to be asked */
static uint32_t write_note(const keel_follower *f, const keel_wire_view *view,
                           const explanation *why)
{
    keel_notice *notice = keel_pipeline_notice(f->pipeline);
    uint64_t now_s = (uint64_t)keel_wall_seconds();
    keel_note note = { .epoch = view->lock_epoch };

    if (!notice || view->lock == KEEL_LOCK_NONE)
        return 0;
    note.until_s = view->lock_remaining_ms ? now_s + view->lock_remaining_ms / 1000 : 0;
    if (why) {
        note.set_s = now_s;
        keel_text_copy(note.actor, sizeof note.actor, why->actor);
        keel_text_copy(note.reason, sizeof note.reason, why->reason);
    }
    return keel_notice_write(notice, &note);
}

static uint64_t pack(const keel_follower *f, const keel_wire_view *view,
                     const explanation *why, uint64_t now)
{
    uint64_t until =
        view->lock_remaining_ms ? now + view->lock_remaining_ms * KEEL_MS : 0;

    return keel_lock_pack(view->lock, write_note(f, view, why), until);
}

/* Whatever holds here does no longer. It is told once it is known who did it, and why. */
static void set_here(keel_follower *f, const keel_plan *plan,
                     const keel_wire_view *view, const explanation *why, uint64_t now)
{
    keel_breaker_words *words = plan->breaker.words;
    bool is_explained = why || view->lock == KEEL_LOCK_NONE;
    uint64_t seen, fresh;

    keel_pipeline_see_lock(f->pipeline, plan, now); /* what was, is told first */
    fresh = pack(f, view, why, now);
    seen = atomic_load_explicit(&words->lock, memory_order_acquire);
    while (!keel_breaker_relock(words, &seen, fresh))
        ;
    f->lock_word = fresh;
    f->lock_epoch = view->lock_epoch;
    if (is_explained && (seen || fresh))
        keel_pipeline_locked(f->pipeline, plan, fresh, now);
}

/* One that stands here from before there was a relay: of the fleet, or news to it. */
static void recognise(keel_follower *f, const keel_plan *plan, uint64_t now)
{
    uint64_t word = keel_lock_standing(&plan->breaker.words->lock, now);
    keel_note note;

    read_note(f, word, &note);
    f->lock_is_heard = true;
    if (!note.epoch)
        return;
    f->lock_epoch = note.epoch;
    f->lock_word = word;
    f->wants_reason = !keel_note_is_complete(&note);
}

void keel_follower_hear_lock(keel_follower *f, const keel_plan *plan,
                             const keel_wire_view *view, uint64_t now)
{
    if (!f->lock_is_heard)
        recognise(f, plan, now);
    if (view->lock_epoch == f->lock_epoch)
        return;
    if (view->lock_epoch < f->lock_epoch) {
        f->lock_is_lost = true;
        return;
    }
    if (view->lock == KEEL_LOCK_NONE &&
        keel_lock_standing(&plan->breaker.words->lock, now) != f->lock_word) {
        f->lock_epoch =
            view->lock_epoch; /* the one here is newer, and still to be said */
        return;
    }
    set_here(f, plan, view, NULL, now);
    f->wants_reason = view->lock != KEEL_LOCK_NONE;
}

void keel_follower_locked(keel_follower *f, const keel_plan *plan,
                          const keel_wire_locked *answer, uint64_t now)
{
    const explanation why = { answer->actor, answer->reason };

    f->lock_is_lost = false;
    if (answer->done) {
        f->lock_epoch = answer->view.lock_epoch;
        f->lock_word = f->lock_said; /* until then it is said again: it may be lost */
    } else {
        set_here(f, plan, &answer->view, &why, now);
    }
    keel_follower_hear(f, plan, &answer->view, now);
}

/* The same lock with another note; one that was set here meanwhile stays. */
static void renote(keel_follower *f, const keel_plan *plan, uint64_t fresh,
                   uint64_t now)
{
    uint64_t seen = f->lock_word;

    if (!keel_breaker_relock(plan->breaker.words, &seen, fresh))
        return;
    f->lock_word = fresh;
    if (fresh)
        keel_pipeline_locked(f->pipeline, plan, fresh, now);
}

void keel_follower_explain_lock(keel_follower *f, const keel_plan *plan,
                                const keel_wire_look *look, uint64_t now)
{
    const explanation why = { look->actor, look->reason };

    f->wants_reason = false;
    if (look->view.lock_epoch == f->lock_epoch)
        renote(f, plan, pack(f, &look->view, &why, now), now);
}

void keel_follower_leave_unexplained(keel_follower *f, const keel_plan *plan,
                                     uint64_t now)
{
    keel_notice *notice = atomic_load(&f->pipeline->notice);
    uint64_t word = f->lock_word;
    keel_note note;

    read_note(f, word, &note);
    if (!notice || keel_note_is_complete(&note))
        return;
    note.set_s = (uint64_t)keel_wall_seconds();
    renote(f, plan,
           keel_lock_pack(keel_lock_kind(word), keel_notice_write(notice, &note),
                          keel_lock_until_ns(word)),
           now);
}
