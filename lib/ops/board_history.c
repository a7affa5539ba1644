/* SPDX-License-Identifier: MIT */
/* The block of samples on a board, read from outside. */
#include "ops/board_history.h"

#include <string.h>

#include "base/clock.h"
#include "board/layout.h"

static const keel_history *find(const keel_board *board, const char *name)
{
    keel_board_entry e;
    void *block;

    for (uint32_t i = 0; keel_board_entry_at(board, i, &e, &block); i++)
        if (block && e.kind == KEEL_BLOCK_HISTORY && e.size >= sizeof(keel_history) &&
            !strcmp(e.name, name))
            return block;
    return NULL;
}

/* Bits that no writer sets are shown as if they were none. */
static bool is_sound(const keel_sample *sample)
{
    return (unsigned)sample->state <= KEEL_BREAKER_HALF_OPEN &&
           (unsigned)sample->lock <= KEEL_LOCK_OBSERVE;
}

static void read_second(const keel_history *history, uint64_t second,
                        keel_second_view *view)
{
    view->has_sample =
        keel_history_read(history, second, &view->sample) && is_sound(&view->sample);
    if (!view->has_sample)
        view->sample = (keel_sample){ .second = 0 };
}

bool keel_board_history(const keel_board *board, const char *name,
                        const keel_instant *instant, keel_history_view *view)
{
    const keel_history *history = find(board, name);
    uint64_t newest = instant->now / KEEL_S;

    *view = (keel_history_view){ .seconds[0].has_sample = false };
    if (!history)
        return false;
    for (uint64_t i = 0; i < KEEL_HISTORY_SECONDS; i++) {
        uint64_t age = KEEL_HISTORY_SECONDS - 1 - i;
        keel_second_view *second = &view->seconds[i];

        second->at_s = instant->wall_ms / 1000 - age;
        if (age <= newest)
            read_second(history, newest - age, second);
    }
    return true;
}
