/* SPDX-License-Identifier: MIT */
/*
 * The directory of a board as it was at one look, for those who read a board that is not
 * theirs: which blocks there are, and what the windows among them hold. Not for what the
 * other blocks mean.
 */
#ifndef KEEL_OPS_SEEN_BOARD_H
#define KEEL_OPS_SEEN_BOARD_H

#include "board/layout.h"
#include "policy/breaker.h"

typedef struct keel_seen_block {
    keel_board_entry e;
    void *block; /* NULL: not inside the board */
} keel_seen_block;

typedef struct keel_seen_board {
    keel_board *board;
    keel_seen_block *blocks;
    uint32_t count;
} keel_seen_board;

/* False: no memory. */
bool keel_seen_board_read(keel_seen_board *d, keel_board *board);
void keel_seen_board_cleanup(keel_seen_board *d);

/* Of a kind, and as large as that kind is. */
bool keel_seen_block_is(const keel_seen_block *at, keel_block_kind kind, size_t size);

/* Whether some process uses it. */
bool keel_seen_block_is_used(const keel_seen_block *at);

/*
 * What the windows of a name hold that somebody counts in, mostly one; between two
 * processes that come and go nobody does, and then it is all there are. breaker: whose
 * windows they are, by its words
 */
void keel_seen_board_totals(const keel_seen_board *d, const char *name,
                            keel_breaker *breaker, uint64_t now, keel_totals *sum);

#endif
