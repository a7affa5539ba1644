/* SPDX-License-Identifier: MIT */
/* Compare-and-set on the lock word of a breaker on a board. */
#include "ops/board_lock.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "board/journal.h"

static uint32_t write_note(const keel_board_parts *parts,
                           const keel_lock_options *options,
                           const keel_instant *instant)
{
    keel_note note = { .set_s = instant->wall_ms / 1000 };

    if (options->for_ns)
        note.until_s = note.set_s + options->for_ns / KEEL_S;
    keel_text_copy(note.actor, sizeof note.actor, keel_text_of(options->actor));
    keel_text_copy(note.reason, sizeof note.reason, keel_text_of(options->reason));
    return keel_notice_write(parts->notice, &note);
}

static void note_in_journal(keel_board *board, const keel_board_parts *parts,
                            keel_lock lock, keel_cause cause, uint32_t note,
                            const keel_instant *instant)
{
    uint64_t state = atomic_load_explicit(&parts->breaker->state, memory_order_acquire);
    const keel_journal_record record = { .at_ns = instant->now,
                                         .wall_ms = instant->wall_ms,
                                         .pipeline = parts->number,
                                         .pid = (uint32_t)getpid(),
                                         .generation = keel_word_generation(state),
                                         .type = KEEL_EVENT_LOCKED,
                                         .cause = (uint8_t)cause,
                                         .lock = (uint8_t)lock,
                                         .note = (uint8_t)note,
                                         .about =
                                             keel_notice_check(parts->notice, note) };

    keel_journal_put(keel_board_journal(board), &record);
}

/* One whose time is over is taken off by whoever sees it first. */
static void take_off(keel_board *board, const keel_board_parts *parts,
                     const keel_instant *instant)
{
    uint64_t ended = keel_breaker_take_lock_off(parts->breaker, instant->now);

    if (ended)
        note_in_journal(board, parts, KEEL_LOCK_NONE, KEEL_CAUSE_EXPIRED,
                        keel_lock_note(ended), instant);
}

/* What is expected to stand does. */
static bool is_expected(uint64_t seen, const keel_lock_options *options, uint64_t now)
{
    return options->any_version ||
           (keel_lock_is_over(seen, now) ? 0 : seen) == options->version;
}

/* Notes are few: none is written for a lock that cannot come. */
static bool swap(const keel_board_parts *parts, keel_lock lock,
                 const keel_lock_options *options, const keel_instant *instant,
                 uint32_t *note, keel_lock_state *replaced)
{
    uint64_t until = options->for_ns ? keel_ns_add(instant->now, options->for_ns) : 0;
    uint64_t seen = atomic_load_explicit(&parts->breaker->lock, memory_order_acquire);

    if (!is_expected(seen, options, instant->now))
        return false;
    *note = write_note(parts, options, instant);
    do {
        if (!is_expected(seen, options, instant->now))
            return false;
        *replaced = keel_board_lock_look(parts, instant->now);
    } while (!keel_breaker_relock(parts->breaker, &seen,
                                  keel_lock_pack(lock, *note, until)));
    return true;
}

keel_status keel_board_lock(keel_board *board, const keel_board_parts *parts,
                            keel_lock lock, const keel_lock_options *options,
                            const keel_instant *instant, keel_lock_state *standing,
                            keel_lock_state *replaced)
{
    bool is_done;
    uint32_t note;

    *standing = *replaced = (keel_lock_state){ .size = 0 };
    if (!parts->breaker)
        return KEEL_E_STATE;
    take_off(board, parts, instant);
    *standing = keel_board_lock_look(parts, instant->now);
    if (lock == KEEL_LOCK_NONE && !standing->size && !options->version)
        return KEEL_OK;
    is_done = swap(parts, lock, options, instant, &note, replaced);
    *standing = keel_board_lock_look(parts, instant->now);
    if (!is_done)
        return KEEL_E_CONFLICT;
    note_in_journal(board, parts, lock, KEEL_CAUSE_NONE, note, instant);
    return KEEL_OK;
}
