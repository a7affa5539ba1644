/* SPDX-License-Identifier: MIT */
/* Reading a board from outside. */
#include "ops/board_view.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shown_text.h"
#include "ops/board_checks.h"
#include "ops/board_endpoints.h"
#include "ops/board_found.h"
#include "ops/board_limits.h"
#include "ops/seen_board.h"

static bool is_pipeline(const keel_seen_block *at)
{
    return keel_seen_block_is(at, KEEL_BLOCK_PIPELINE, sizeof(keel_notice)) &&
           keel_name_is_valid(at->e.name);
}

/* ---- locks ------------------------------------------------------------------------- */

void keel_lock_state_note(keel_lock_state *state, keel_notice *notice, uint32_t number)
{
    keel_note note;

    keel_notice_read(notice, number, &note);
    state->set_s = note.set_s;
    memcpy(state->actor, note.actor, sizeof state->actor);
    memcpy(state->reason, note.reason, sizeof state->reason);
    keel_shown_text(state->actor);
    keel_shown_text(state->reason);
}

static uint64_t lock_word(const keel_board_parts *parts)
{
    return atomic_load_explicit(&parts->breaker->lock, memory_order_acquire);
}

/* The word names its note: it is the same before and after, so the note is its own. */
keel_lock_state keel_board_lock_look(const keel_board_parts *parts, uint64_t now)
{
    keel_lock_state state = { .size = sizeof state };
    uint64_t word, until;

    do {
        word = lock_word(parts);
        keel_lock_state_note(&state, parts->notice, keel_lock_note(word));
    } while (word != lock_word(parts));
    until = keel_lock_until_ns(word);
    if (keel_lock_kind(word) == KEEL_LOCK_NONE || (until && until <= now))
        return (keel_lock_state){ .size = 0 };
    state.lock = keel_lock_kind(word);
    state.version = word;
    state.left_ns = until ? until - now : 0;
    return state;
}

/* ---- pipelines --------------------------------------------------------------------- */

static const keel_seen_block *find_breaker(const keel_seen_board *d, const char *name)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (keel_seen_block_is(&d->blocks[i], KEEL_BLOCK_BREAKER,
                               sizeof(keel_breaker_words)) &&
            !strcmp(d->blocks[i].e.name, name))
            return &d->blocks[i];
    return NULL;
}

static void look_at_breaker(const keel_seen_board *d, const keel_board_parts *parts,
                            uint64_t now, keel_pipeline_view *view)
{
    keel_breaker breaker = { .words = parts->breaker };
    uint64_t word = atomic_load_explicit(&parts->breaker->state, memory_order_acquire);
    uint32_t generation = keel_word_generation(word);
    keel_cause cause;
    uint64_t since_s;

    view->has_breaker = view->has_state = true;
    view->state = keel_word_state(word);
    view->generation = generation;
    view->permits = view->state == KEEL_BREAKER_HALF_OPEN ? word >> 48 & 255 : 0;
    if (view->state == KEEL_BREAKER_OPEN)
        view->probe_in_ns =
            keel_ns_left(keel_breaker_words_due(parts->breaker, word), now);
    if (keel_notice_told(parts->notice, generation, &cause, &since_s)) {
        view->cause = cause;
        view->since_s = since_s;
    }
    view->lock = keel_board_lock_look(parts, now);
    keel_seen_board_totals(d, view->name, &breaker, now, &view->totals);
}

static uint32_t count_users(const keel_board_entry *e, const bool *is_alive)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < KEEL_BOARD_OWNERS; slot++)
        count += is_alive[slot] && e->users[slot / 64] >> slot % 64 & 1;
    return count;
}

static void look_at_pipeline(const keel_seen_board *d, const keel_seen_block *at,
                             const bool *is_alive, uint64_t now,
                             keel_pipeline_view *view)
{
    const keel_seen_block *breaker;
    keel_board_parts parts = { .notice = at->block };

    memcpy(view->name, at->e.name, strlen(at->e.name) + 1);
    view->processes = count_users(&at->e, is_alive);
    keel_board_limits(d->board, at->block, now, view);
    keel_board_checks(d, now, view);
    keel_board_found(d->board, is_alive, view);
    breaker = find_breaker(d, view->name);
    if (!breaker)
        return;
    parts.breaker = breaker->block;
    look_at_breaker(d, &parts, now, view);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const keel_pipeline_view *)a)->name,
                  ((const keel_pipeline_view *)b)->name);
}

static void look_at_pipelines(const keel_seen_board *d, const bool *is_alive,
                              uint64_t now, keel_view *view)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (is_pipeline(&d->blocks[i]))
            look_at_pipeline(d, &d->blocks[i], is_alive, now,
                             &view->pipelines[view->count++]);
    qsort(view->pipelines, view->count, sizeof *view->pipelines, by_name);
}

/* ---- processes --------------------------------------------------------------------- */

static void look_at_processes(keel_board *board, const keel_instant *instant,
                              bool *is_alive, keel_view *view)
{
    long ticks = sysconf(_SC_CLK_TCK);
    uint32_t count = keel_board_owner_count(board), pid;
    uint64_t start;

    for (uint32_t slot = 0; slot < count && slot < KEEL_BOARD_OWNERS; slot++) {
        is_alive[slot] = keel_board_owner_at(board, slot, &pid, &start);
        if (is_alive[slot])
            view->processes[view->process_count++] = (keel_process_view){
                pid, start && ticks > 0 ? instant->boot_s + start / (uint64_t)ticks : 0
            };
    }
}

/* ---- all of it --------------------------------------------------------------------- */

static uint32_t count_pipelines(const keel_seen_board *d)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < d->count; i++)
        count += is_pipeline(&d->blocks[i]);
    return count;
}

keel_status keel_board_view(keel_board *board, const keel_instant *instant,
                            keel_view *view)
{
    bool is_alive[KEEL_BOARD_OWNERS] = { false }, is_read = false;
    keel_seen_board d;

    *view = (keel_view){ .count = 0 };
    if (!keel_seen_board_read(&d, board))
        return KEEL_E_NOMEM;
    view->pipelines = calloc(count_pipelines(&d) + 1, sizeof *view->pipelines);
    view->processes = calloc(KEEL_BOARD_OWNERS, sizeof *view->processes);
    if (view->pipelines && view->processes) {
        look_at_processes(board, instant, is_alive, view);
        look_at_pipelines(&d, is_alive, instant->now, view);
        is_read = keel_board_endpoints(&d, instant->now, view);
    }
    keel_seen_board_cleanup(&d);
    if (is_read)
        return KEEL_OK;
    keel_view_cleanup(view);
    return KEEL_E_NOMEM;
}

bool keel_board_find(const keel_board *board, const char *name, keel_board_parts *parts)
{
    keel_seen_block at;

    *parts = (keel_board_parts){ .breaker = NULL };
    for (uint32_t i = 0; keel_board_entry_at(board, i, &at.e, &at.block); i++) {
        if (strcmp(at.e.name, name) != 0)
            continue;
        if (!parts->notice && is_pipeline(&at)) {
            parts->notice = at.block;
            parts->number = i;
        } else if (!parts->breaker && keel_seen_block_is(&at, KEEL_BLOCK_BREAKER,
                                                         sizeof *parts->breaker)) {
            parts->breaker = at.block;
        }
    }
    return parts->notice != NULL;
}
