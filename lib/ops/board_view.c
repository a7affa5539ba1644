/* SPDX-License-Identifier: MIT */
/* Reading a board from outside. */
#include "ops/board_view.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shown_text.h"
#include "board/layout.h"
#include "ops/board_limits.h"

enum { COUNT_WINDOW_MOST = 100000 };

/* The directory as it was at one look. */
typedef struct entry {
    keel_board_entry e;
    void *block; /* NULL: not inside the board */
} entry;

typedef struct directory {
    keel_board *board;
    entry *entries;
    uint32_t count;
} directory;

static bool read_directory(directory *d, keel_board *board)
{
    *d = (directory){ .board = board };
    d->entries = calloc(KEEL_BOARD_BLOCKS, sizeof *d->entries);
    if (!d->entries)
        return false;
    while (d->count < KEEL_BOARD_BLOCKS &&
           keel_board_entry_at(board, d->count, &d->entries[d->count].e,
                               &d->entries[d->count].block))
        d->count++;
    return true;
}

/* A block of a kind that is as large as that kind is. */
static bool is_whole(const entry *at, keel_block_kind kind, size_t size)
{
    return at->block && at->e.kind == (uint32_t)kind && at->e.size >= size;
}

static bool is_pipeline(const entry *at)
{
    return is_whole(at, KEEL_BLOCK_PIPELINE, sizeof(keel_notice)) &&
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

/* ---- windows ----------------------------------------------------------------------- */

static const entry *find_lines(const directory *d, const keel_board_entry *window)
{
    for (uint32_t i = 0; i < d->count; i++) {
        const entry *at = &d->entries[i];

        if (is_whole(at, KEEL_BLOCK_LINES, sizeof(keel_lines_words)) &&
            at->e.width == window->width && at->e.count == window->count &&
            !strcmp(at->e.name, window->name))
            return at;
    }
    return NULL;
}

/* The key's width is twice the bucket's, and one more where slow calls are watched. */
static bool as_time_window(const directory *d, const entry *at, keel_window *window)
{
    static const keel_stripes no_stripes = { .lines = NULL };
    uint64_t width = at->e.width / 2;
    bool has_slow = at->e.width % 2;
    const entry *lines;

    if (!at->e.count || at->e.count > KEEL_WINDOW_MAX_BUCKETS || !width ||
        !is_whole(at, KEEL_BLOCK_TIME_WINDOW,
                  keel_time_window_size(at->e.count, has_slow)))
        return false;
    keel_time_window_init(window, at->block, &no_stripes, KEEL_STRIPE_WINDOW,
                          width * at->e.count, at->e.count, has_slow);
    lines = find_lines(d, &at->e);
    window->lines =
        (keel_lines){ .words = lines ? lines->block : NULL, .board = d->board };
    return true;
}

static bool as_count_window(const entry *at, keel_window *window)
{
    if (!at->e.count || at->e.count > COUNT_WINDOW_MOST ||
        !is_whole(at, KEEL_BLOCK_COUNT_WINDOW, keel_count_window_size(at->e.count)))
        return false;
    keel_count_window_init(window, at->block, at->e.count);
    return true;
}

static bool is_used(const keel_board_entry *e)
{
    uint64_t users = 0;

    for (size_t i = 0; i < sizeof e->users / sizeof e->users[0]; i++)
        users |= e->users[i];
    return users;
}

static bool is_window_of(const directory *d, const entry *at, const char *name,
                         keel_window *window)
{
    return !strcmp(at->e.name, name) &&
           (as_time_window(d, at, window) || as_count_window(at, window));
}

static bool has_used_window(const directory *d, const char *name)
{
    keel_window unused;

    for (uint32_t i = 0; i < d->count; i++)
        if (is_used(&d->entries[i].e) && is_window_of(d, &d->entries[i], name, &unused))
            return true;
    return false;
}

static void add_totals(keel_totals *sum, const keel_totals *totals)
{
    sum->total += totals->total;
    sum->failed += totals->failed;
    sum->slow += totals->slow;
    sum->bad += totals->bad;
}

/* The windows of a name that somebody counts in, mostly one; between two processes that
 * come and go nobody does, and then it is all there are. */
static void sum_windows(const directory *d, keel_breaker *breaker, uint64_t now,
                        keel_pipeline_view *view)
{
    bool only_used = has_used_window(d, view->name);

    for (uint32_t i = 0; i < d->count; i++) {
        const entry *at = &d->entries[i];
        keel_totals totals;

        if ((only_used && !is_used(&at->e)) ||
            !is_window_of(d, at, view->name, &breaker->window))
            continue;
        totals = keel_breaker_look_back(breaker, now).totals;
        add_totals(&view->totals, &totals);
    }
}

/* ---- pipelines --------------------------------------------------------------------- */

static const entry *find_breaker(const directory *d, const char *name)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (is_whole(&d->entries[i], KEEL_BLOCK_BREAKER, sizeof(keel_breaker_words)) &&
            !strcmp(d->entries[i].e.name, name))
            return &d->entries[i];
    return NULL;
}

static void look_at_breaker(const directory *d, const keel_board_parts *parts,
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
    sum_windows(d, &breaker, now, view);
}

static uint32_t count_users(const keel_board_entry *e, const bool *is_alive)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < KEEL_BOARD_OWNERS; slot++)
        count += is_alive[slot] && e->users[slot / 64] >> slot % 64 & 1;
    return count;
}

static void look_at_pipeline(const directory *d, const entry *at, const bool *is_alive,
                             uint64_t now, keel_pipeline_view *view)
{
    const entry *breaker;
    keel_board_parts parts = { .notice = at->block };

    memcpy(view->name, at->e.name, strlen(at->e.name) + 1);
    view->processes = count_users(&at->e, is_alive);
    keel_board_limits(d->board, at->block, now, view);
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

static void look_at_pipelines(const directory *d, const bool *is_alive, uint64_t now,
                              keel_view *view)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (is_pipeline(&d->entries[i]))
            look_at_pipeline(d, &d->entries[i], is_alive, now,
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

static uint32_t count_pipelines(const directory *d)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < d->count; i++)
        count += is_pipeline(&d->entries[i]);
    return count;
}

keel_status keel_board_view(keel_board *board, const keel_instant *instant,
                            keel_view *view)
{
    bool is_alive[KEEL_BOARD_OWNERS] = { false };
    directory d;

    *view = (keel_view){ .count = 0 };
    if (!read_directory(&d, board))
        return KEEL_E_NOMEM;
    view->pipelines = calloc(count_pipelines(&d) + 1, sizeof *view->pipelines);
    view->processes = calloc(KEEL_BOARD_OWNERS, sizeof *view->processes);
    if (view->pipelines && view->processes) {
        look_at_processes(board, instant, is_alive, view);
        look_at_pipelines(&d, is_alive, instant->now, view);
    }
    free(d.entries);
    if (view->pipelines && view->processes)
        return KEEL_OK;
    keel_view_cleanup(view);
    return KEEL_E_NOMEM;
}

bool keel_board_find(const keel_board *board, const char *name, keel_board_parts *parts)
{
    entry at;

    *parts = (keel_board_parts){ .breaker = NULL };
    for (uint32_t i = 0; keel_board_entry_at(board, i, &at.e, &at.block); i++) {
        if (strcmp(at.e.name, name) != 0)
            continue;
        if (!parts->notice && is_pipeline(&at)) {
            parts->notice = at.block;
            parts->number = i;
        } else if (!parts->breaker &&
                   is_whole(&at, KEEL_BLOCK_BREAKER, sizeof *parts->breaker)) {
            parts->breaker = at.block;
        }
    }
    return parts->notice != NULL;
}
