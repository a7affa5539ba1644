/* SPDX-License-Identifier: MIT */
/* The ring behind keel_events_listen. Not for delivery: that is call/deliver.c. */
#include "board/event_ring.h"

static keel_event_cell *cell_of(keel_event_ring *ring, uint64_t position)
{
    return &ring->cells[position % KEEL_EVENT_CELLS];
}

/* The turn of a position's cell; zero memory reads as "may be written in lap 0". */
static uint64_t turn_of(keel_event_cell *cell, uint64_t position)
{
    /* acquire pairs with the releases below: the record is whole */
    return atomic_load_explicit(&cell->turn, memory_order_acquire) +
           position % KEEL_EVENT_CELLS;
}

static void set_turn(keel_event_cell *cell, uint64_t position, uint64_t turn)
{
    atomic_store_explicit(&cell->turn, turn - position % KEEL_EVENT_CELLS,
                          memory_order_release);
}

bool keel_event_ring_put(keel_event_ring *ring, const keel_event_record *record)
{
    uint64_t position = atomic_load_explicit(&ring->head, memory_order_relaxed);

    for (;;) {
        keel_event_cell *cell = cell_of(ring, position);
        int64_t ahead = (int64_t)(turn_of(cell, position) - position);

        if (ahead < 0) {
            atomic_fetch_add_explicit(&ring->lost, 1, memory_order_relaxed);
            return false;
        }
        if (ahead == 0 &&
            atomic_compare_exchange_weak(&ring->head, &position, position + 1)) {
            cell->record = *record;
            set_turn(cell, position, position + 1);
            return true;
        }
        if (ahead > 0)
            position = atomic_load_explicit(&ring->head, memory_order_relaxed);
    }
}

bool keel_event_ring_is_waiting(keel_event_ring *ring)
{
    uint64_t position = atomic_load_explicit(&ring->tail, memory_order_acquire);

    return turn_of(cell_of(ring, position), position) != position + 1;
}

bool keel_event_ring_get(keel_event_ring *ring, keel_event_record *record,
                         uint64_t *sequence)
{
    uint64_t position = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    keel_event_cell *cell = cell_of(ring, position);

    if (turn_of(cell, position) != position + 1)
        return false;
    *record = cell->record;
    *sequence = position;
    atomic_store_explicit(&ring->tail, position + 1, memory_order_release);
    set_turn(cell, position, position + KEEL_EVENT_CELLS);
    return true;
}
