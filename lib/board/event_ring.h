/* SPDX-License-Identifier: MIT */
/*
 * A bounded ring of events: many writers, one reader at a time, nobody waits. A writer
 * that finds the ring full counts the loss and goes on.
 *
 * The cell protocol is Dmitry Vyukov's bounded queue: a cell's turn says whether it may
 * be written (turn == position) or read (turn == position + 1). Turns are stored less
 * the cell's own index, so that a ring of zeros is an empty ring.
 */
#ifndef KEEL_BOARD_EVENT_RING_H
#define KEEL_BOARD_EVENT_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { KEEL_EVENT_CELLS = 4096 };

/* What is kept of an event; numbers only. */
typedef struct keel_event_record {
    uint64_t at_ns;
    uint64_t duration_ns;
    uint64_t endpoint; /* the hash of its name; 0: none */
    uint32_t pipeline; /* its number in the runtime */
    uint32_t generation;
    uint32_t attempt;
    uint16_t status;
    uint8_t type;
    uint8_t from;
    uint8_t to;
    uint8_t cause;
    uint8_t reason;
    uint8_t lock;
    uint8_t probes; /* of a transition that ended a round */
    uint8_t probes_failed;
} keel_event_record;

typedef struct keel_event_cell {
    _Atomic uint64_t turn;
    keel_event_record record;
    uint8_t spare[64 - sizeof(uint64_t) - sizeof(keel_event_record)];
} keel_event_cell;

typedef struct keel_event_ring {
    _Alignas(64) _Atomic uint64_t head; /* next position to write */
    _Atomic uint64_t lost;
    _Alignas(64) _Atomic uint64_t tail; /* next position to read */
    keel_event_cell cells[KEEL_EVENT_CELLS];
} keel_event_ring;

/* False: the ring was full; the loss is counted. */
bool keel_event_ring_put(keel_event_ring *ring, const keel_event_record *record);

/* False: nothing there. One thread at a time. sequence: the event's position. */
bool keel_event_ring_get(keel_event_ring *ring, keel_event_record *record,
                         uint64_t *sequence);

/* Nothing to read: no event, or the next one's writer is still at it. */
bool keel_event_ring_is_waiting(keel_event_ring *ring);

static inline bool keel_event_ring_is_empty(keel_event_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire) ==
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}

#endif
