/* SPDX-License-Identifier: MIT */
/*
 * A source of pipelines: whoever can say what they are doing, and take an operator's
 * orders for them. The keel command speaks to sources alone, so that it does not matter
 * where the state lies: on a board (board_source.c) or in a fleet's Redis
 * (redis_source.c).
 */
#ifndef KEEL_OPS_SOURCE_H
#define KEEL_OPS_SOURCE_H

#include "ops/board_events.h"
#include "ops/board_history.h"
#include "ops/view.h"
#include "settings/config.h"

/*
 * look         all pipelines; the view is the caller's to clean up. KEEL_OK, KEEL_E_NOMEM,
 *              or the source cannot be asked: why
 * lock         as keel_board_lock; KEEL_E_ARGUMENT: no such pipeline; or the source cannot
 *              be asked: why, and whether it is done
 * history      the last minute of one. KEEL_E_ARGUMENT: of that name there is none;
 *              KEEL_E_UNSUPPORTED: the source keeps none
 * keeps_events it remembers what has happened; else it tells only what happens
 * begin        at the oldest event that is kept
 * next         the next event, as keel_board_events_next and keel_redis_events_next; why
 *              of KEEL_EVENT_AWAY
 * fd           readable: there may be an event; -1: ask again in a moment
 * is_current   false: what stands under its name now is another; close it and open that
 * close        frees it
 */
typedef struct keel_source {
    const char *name; /* of what was opened, for people */
    bool keeps_events;
    keel_status (*look)(struct keel_source *source, keel_view *view, keel_detail *why);
    keel_status (*lock)(struct keel_source *source, const char *name, keel_lock lock,
                        const keel_lock_options *options, keel_lock_state *standing,
                        keel_lock_state *replaced, keel_detail *why);
    keel_status (*history)(struct keel_source *source, const char *name,
                           keel_history_view *view);
    keel_event_cursor (*begin)(struct keel_source *source);
    keel_event_found (*next)(struct keel_source *source, keel_event_cursor *cursor,
                             keel_event_view *event, uint64_t *lost, keel_detail *why);
    int (*fd)(const struct keel_source *source);
    bool (*is_current)(struct keel_source *source);
    void (*close)(struct keel_source *source);
} keel_source;

/* The board in a file, which is not made. KEEL_E_SYSTEM: why says what is wrong with it;
 * KEEL_E_NOMEM. path: borrowed for the call */
keel_status keel_board_source_open(keel_source **out, const char *path,
                                   keel_detail *why);

/*
 * A fleet's Redis, connected to.
 *
 * url      in place of settings->redis; NULL: that one
 * settings, url  borrowed for the call
 * Returns  KEEL_E_CONFIG, KEEL_E_UNSUPPORTED: the URL, or what belongs to it; KEEL_TIMEOUT,
 *          KEEL_FAILED: nobody answers, or he refuses; KEEL_E_NOMEM, KEEL_E_SYSTEM
 */
keel_status keel_redis_source_open(keel_source **out,
                                   const keel_process_settings *settings,
                                   const char *url, keel_detail *why);

#endif
