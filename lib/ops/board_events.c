/* SPDX-License-Identifier: MIT */
/* Following a journal. */
#include "ops/board_events.h"

#include <string.h>

#include "base/clock.h"
#include "board/journal.h"
#include "board/layout.h"
#include "ops/board_endpoints.h"

#define PATIENCE_NS (200 * KEEL_MS)

keel_event_cursor keel_board_events_begin(keel_board *board)
{
    uint64_t end = keel_journal_end(keel_board_journal(board));

    return (keel_event_cursor){ .position = end > KEEL_JOURNAL_CELLS
                                                ? end - KEEL_JOURNAL_CELLS
                                                : 0 };
}

/* ---- what a record says ------------------------------------------------------------ */

static keel_notice *notice_of(const keel_board *board, uint32_t number, char *name)
{
    keel_board_entry entry;
    void *block;

    if (!keel_board_entry_at(board, number, &entry, &block) || !block ||
        entry.kind != KEEL_BLOCK_PIPELINE || entry.size < sizeof(keel_notice) ||
        !keel_name_is_valid(entry.name))
        return NULL;
    memcpy(name, entry.name, strlen(entry.name) + 1);
    return block;
}

/* Notes are few and written in turn: it may be another lock's by now. */
static void describe_lock(keel_notice *notice, const keel_journal_record *r,
                          keel_event_view *event)
{
    event->lock =
        (keel_lock_state){ .size = sizeof event->lock, .lock = (keel_lock)r->lock };
    if (notice && r->note && keel_notice_check(notice, r->note) == r->about)
        keel_lock_state_note(&event->lock, notice, r->note);
}

static void describe(const keel_board *board, const keel_journal_record *r,
                     uint64_t position, keel_event_view *event)
{
    keel_notice *notice;

    *event = (keel_event_view){ .sequence = position,
                                .wall_ms = r->wall_ms,
                                .pid = r->pid,
                                .name = "?",
                                .type = (keel_event_type)r->type,
                                .from = (keel_breaker_state)r->from,
                                .to = (keel_breaker_state)r->to,
                                .cause = (keel_cause)r->cause,
                                .status = (keel_status)r->status,
                                .total = r->total,
                                .failed = r->failed < r->total ? r->failed : r->total };
    notice = notice_of(board, r->pipeline, event->name);
    if (event->type == KEEL_EVENT_EJECTED)
        event->out_ns = r->out_ms * KEEL_MS;
    else
        event->generation = r->generation;
    if (event->type == KEEL_EVENT_LOCKED)
        describe_lock(notice, r, event);
    else if (r->about)
        keel_board_endpoint_name(board, event->name, r->about, event->endpoint);
}

/* ---- the next one ------------------------------------------------------------------ */

static uint64_t skip_lost(keel_event_cursor *cursor, uint64_t end)
{
    uint64_t lost = end - KEEL_JOURNAL_CELLS - cursor->position;

    cursor->position += lost;
    return lost;
}

/* True: whoever began to write this one has had time enough. */
static bool pass_over(keel_event_cursor *cursor, uint64_t now, uint64_t end)
{
    if (cursor->position >= cursor->missed_to) {
        cursor->missed_at = now;
        cursor->missed_to = end;
    }
    if (now - cursor->missed_at < PATIENCE_NS)
        return false;
    cursor->position++;
    return true;
}

keel_event_found keel_board_events_next(keel_board *board, keel_event_cursor *cursor,
                                        uint64_t now, keel_event_view *event,
                                        uint64_t *lost)
{
    keel_journal *journal = keel_board_journal(board);
    keel_journal_record record;
    uint64_t end;

    for (;;) {
        keel_journal_found found = keel_journal_get(journal, cursor->position, &record);

        end = keel_journal_end(journal);
        if (cursor->position >= end)
            return KEEL_EVENT_END;
        if (found == KEEL_JOURNAL_GONE && end - cursor->position > KEEL_JOURNAL_CELLS) {
            *lost = skip_lost(cursor, end);
            return KEEL_EVENT_LOST;
        }
        if (found == KEEL_JOURNAL_READ)
            break;
        if (!pass_over(cursor, now, end))
            return KEEL_EVENT_AWAIT;
    }
    describe(board, &record, cursor->position++, event);
    return KEEL_EVENT_FOUND;
}
