/* SPDX-License-Identifier: MIT */
/*
 * What is told of an operator's lock. It may come from this process, from another one of
 * the board, from the keel command or from the fleet, and it ends by a hand or by itself;
 * so nobody waits to be told: whoever passes compares the lock word with the one that was
 * told last. Not for setting locks: that is operate.c.
 */
#include "call/pipeline.h"

#include "base/shown_text.h"
#include "base/text.h"
#include "base/wall.h"

uint64_t keel_pipeline_lock_read(const keel_pipeline *pipeline, const keel_plan *plan,
                                 uint64_t now, keel_note *note)
{
    const _Atomic uint64_t *lock = &plan->breaker.words->lock;
    uint64_t word;

    *note = (keel_note){ .set_s = 0 };
    /* the word names the note: the same before and after, the note is its own */
    do {
        keel_notice *notice =
            atomic_load_explicit(&pipeline->notice, memory_order_acquire);

        word = keel_lock_standing(lock, now);
        if (notice)
            keel_notice_read(notice, keel_lock_note(word), note);
    } while (word != keel_lock_standing(lock, now));
    return word;
}

/* ---- to the board ------------------------------------------------------------------ */

/* What became of the lock, in numbers. */
static keel_event_record event_of(uint64_t lock, keel_cause cause, uint64_t now)
{
    return (keel_event_record){ .type = KEEL_EVENT_LOCKED,
                                .lock = (uint8_t)keel_lock_kind(lock),
                                .cause = (uint8_t)cause,
                                .at_ns = now };
}

/* Nobody lifts a lock whose time is over: of all who pass, the first one does. */
static void take_off(const keel_pipeline *pipeline, const keel_plan *plan, uint64_t now)
{
    uint64_t ended = keel_breaker_take_lock_off(plan->breaker.words, now);
    keel_event_record event = event_of(0, KEEL_CAUSE_EXPIRED, now);

    if (ended)
        keel_pipeline_note(pipeline, &event, ended);
}

/* ---- to this process --------------------------------------------------------------- */

/* Fit to stand between quotation marks. */
static void make_quotable(char *text)
{
    keel_shown_text(text);
    keel_unquote(text);
}

static void log_lock(const keel_pipeline *pipeline, uint64_t was, uint64_t word,
                     keel_note *note, uint64_t now)
{
    uint64_t until_ns = keel_lock_until_ns(word);
    char until[KEEL_WALL_TEXT_SIZE] = "lifted";

    if (until_ns)
        keel_wall_write(until, (uint64_t)keel_wall_seconds() +
                                   (keel_ns_left(until_ns, now) + KEEL_S / 2) / KEEL_S);
    make_quotable(note->actor);
    make_quotable(note->reason);
    keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "operator",
                     "pipeline=%s lock=%s was=%s until=%s actor=\"%s\" reason=\"%s\"",
                     pipeline->name, keel_lock_name(keel_lock_kind(word)),
                     keel_lock_name(keel_lock_kind(was)), until, note->actor,
                     note->reason);
}

static void log_end(const keel_pipeline *pipeline, uint64_t was, bool has_expired)
{
    keel_runtime_log(pipeline->runtime, KEEL_LOG_INFO, "operator",
                     "pipeline=%s lock=none was=%s why=%s", pipeline->name,
                     keel_lock_name(keel_lock_kind(was)),
                     has_expired ? "expired" : "lifted");
}

static void tell(keel_pipeline *pipeline, uint64_t was, uint64_t word, keel_note *note,
                 uint64_t now)
{
    bool has_expired = !word && keel_lock_is_over(was, now);

    if (word)
        log_lock(pipeline, was, word, note, now);
    else
        log_end(pipeline, was, has_expired);
    keel_pipeline_tell(
        pipeline,
        event_of(word, has_expired ? KEEL_CAUSE_EXPIRED : KEEL_CAUSE_NONE, now), now);
}

/* Refusals go the long way while a lock is known, or the end of one that stood over an
 * open breaker would be seen when that lets probes through. */
static void watch(keel_runtime *runtime, uint64_t was, uint64_t word)
{
    if (!was && word)
        atomic_fetch_add(&runtime->watchers, 1);
    else if (was && !word)
        atomic_fetch_sub(&runtime->watchers, 1);
}

void keel_pipeline_see_lock_anew(keel_pipeline *pipeline, const keel_plan *plan,
                                 uint64_t now)
{
    /* acquire, before the word is read: it is no older than the one that was told */
    uint64_t was = atomic_load_explicit(&pipeline->lock_told, memory_order_acquire);
    keel_note note;
    uint64_t word;

    take_off(pipeline, plan, now);
    word = keel_pipeline_lock_read(pipeline, plan, now, &note);
    if (word == was || !keel_note_is_complete(&note))
        return;
    /* release, for the next one; of several threads one tells */
    if (!atomic_compare_exchange_strong_explicit(&pipeline->lock_told, &was, word,
                                                 memory_order_acq_rel,
                                                 memory_order_acquire))
        return;
    watch(pipeline->runtime, was, word);
    tell(pipeline, was, word, &note, now);
}

/* ---- when -------------------------------------------------------------------------- */

void keel_pipeline_locked(keel_pipeline *pipeline, const keel_plan *plan, uint64_t word,
                          uint64_t now)
{
    keel_event_record event = event_of(word, KEEL_CAUSE_NONE, now);

    keel_pipeline_note(pipeline, &event, word);
    keel_pipeline_see_lock(pipeline, plan, now);
}

void keel_pipeline_look_at_lock(keel_pipeline *pipeline)
{
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter_as_it_is(
        pipeline, keel_stripe_mine(&pipeline->stripes), &phase);

    keel_pipeline_see_lock(pipeline, plan, keel_plan_now(pipeline, plan));
    keel_plan_exit(pipeline, phase);
}
