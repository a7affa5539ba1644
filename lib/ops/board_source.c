/* SPDX-License-Identifier: MIT */
/* A board as a source of pipelines: the clocks and the file behind the pure looks. */
#include "ops/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/detail.h"
#include "base/wall.h"
#include "ops/board_lock.h"

typedef struct board_source {
    keel_source source; /* first: it is all that others know */
    char *path;
    keel_clock clock;
    keel_board *board;
    dev_t device; /* the file's */
    ino_t file;
} board_source;

static board_source *inside(keel_source *source)
{
    return (board_source *)source;
}

static keel_instant instant_of(const board_source *b)
{
    return (keel_instant){ .now = b->clock.now(b->clock.ctx),
                           .wall_ms = keel_wall_ms(),
                           .boot_s = (uint64_t)keel_wall_boot_seconds() };
}

static keel_status look(keel_source *source, keel_view *view, keel_detail *why)
{
    board_source *b = inside(source);
    keel_instant instant = instant_of(b);

    if (keel_board_view(b->board, &instant, view) == KEEL_OK)
        return KEEL_OK;
    return keel_fail(why, KEEL_E_NOMEM, "out of memory");
}

static keel_status lock(keel_source *source, const char *name, keel_lock lock,
                        const keel_lock_options *options, keel_lock_state *standing,
                        keel_lock_state *replaced, keel_detail *why)
{
    board_source *b = inside(source);
    keel_instant instant = instant_of(b);
    keel_board_parts parts;

    (void)why; /* it can always be asked */
    if (!keel_board_find(b->board, name, &parts))
        return KEEL_E_ARGUMENT;
    return keel_board_lock(b->board, &parts, lock, options, &instant, standing,
                           replaced);
}

static keel_status history(keel_source *source, const char *name,
                           keel_history_view *view)
{
    board_source *b = inside(source);
    keel_instant instant = instant_of(b);

    return keel_board_history(b->board, name, &instant, view) ? KEEL_OK
                                                              : KEEL_E_ARGUMENT;
}

static keel_event_cursor begin(keel_source *source)
{
    return keel_board_events_begin(inside(source)->board);
}

static keel_event_found next(keel_source *source, keel_event_cursor *cursor,
                             keel_event_view *event, uint64_t *lost, keel_detail *why)
{
    board_source *b = inside(source);

    (void)why;
    return keel_board_events_next(b->board, cursor, b->clock.now(b->clock.ctx), event,
                                  lost);
}

/* Writers wake nobody. */
static int fd(const keel_source *source)
{
    (void)source;
    return -1;
}

/* One that is gone is still the current one, until there is another. */
static bool is_current(keel_source *source)
{
    board_source *b = inside(source);
    struct stat st;

    return stat(source->name, &st) || (st.st_dev == b->device && st.st_ino == b->file);
}

static void close_source(keel_source *source)
{
    board_source *b = inside(source);

    keel_board_close(b->board);
    free(b->path);
    free(b);
}

static keel_status open_board(board_source *b, const char *path, keel_detail *why)
{
    struct stat st = { .st_ino = 0 };

    if (!keel_clock_real(&b->clock))
        return keel_fail(why, KEEL_E_SYSTEM, "there is no monotonic clock");
    /* before it is mapped: one that is replaced in between is then seen to be */
    if (stat(path, &st) == 0) {
        b->device = st.st_dev;
        b->file = st.st_ino;
    }
    return keel_board_map(&b->board, NULL, path, false, why);
}

static void set_functions(keel_source *source)
{
    *source = (keel_source){ .keeps_events = true,
                             .look = look,
                             .lock = lock,
                             .history = history,
                             .begin = begin,
                             .next = next,
                             .fd = fd,
                             .is_current = is_current,
                             .close = close_source };
}

keel_status keel_board_source_open(keel_source **out, const char *path,
                                   keel_detail *why)
{
    board_source *b = calloc(1, sizeof *b);
    keel_status status;

    *out = NULL;
    if (b)
        b->path = strdup(path);
    if (!b || !b->path) {
        free(b);
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    }
    set_functions(&b->source);
    b->source.name = b->path;
    status = open_board(b, b->path, why);
    if (status == KEEL_OK) {
        *out = &b->source;
    } else {
        free(b->path);
        free(b);
    }
    return status;
}
