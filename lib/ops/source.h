/* SPDX-License-Identifier: MIT */
/*
 * A source of pipelines: whoever can say what they are doing, and take an operator's
 * orders for them. The keel command speaks to sources alone, so that it does not matter
 * where the state lies. A board is one (board_source.c).
 */
#ifndef KEEL_OPS_SOURCE_H
#define KEEL_OPS_SOURCE_H

#include "ops/board_events.h"
#include "ops/view.h"

/*
 * look         all pipelines; the view is the caller's to clean up. KEEL_OK, KEEL_E_NOMEM
 * lock         as keel_board_lock; KEEL_E_ARGUMENT: no such pipeline
 * begin        at the oldest event that is kept
 * next         the next event, as keel_board_events_next
 * is_current   false: what stands under its name now is another; close it and open that
 * close        frees it
 */
typedef struct keel_source {
    const char *name; /* of what was opened, for people */
    keel_status (*look)(struct keel_source *source, keel_view *view);
    keel_status (*lock)(struct keel_source *source, const char *name, keel_lock lock,
                        const keel_lock_options *options, keel_lock_state *standing);
    keel_event_cursor (*begin)(struct keel_source *source);
    keel_event_found (*next)(struct keel_source *source, keel_event_cursor *cursor,
                             keel_event_view *event, uint64_t *lost);
    bool (*is_current)(struct keel_source *source);
    void (*close)(struct keel_source *source);
} keel_source;

/* The board in a file, which is not made. KEEL_E_SYSTEM: why says what is wrong with it;
 * KEEL_E_NOMEM. path: borrowed until it is closed */
keel_status keel_board_source_open(keel_source **out, const char *path,
                                   keel_detail *why);

#endif
