/* SPDX-License-Identifier: MIT */
/*
 * The stripes of a window that several processes share: each process has lines of its
 * own, so that none of them writes another's, and a set of words says where all of them
 * are. Whoever sums up looks at all; who counts knows where his own are from memory that
 * a forked child finds empty: the child counts nowhere, which is in the buckets, until
 * it has joined.
 *
 * A set is {offset 48, lines 16} and belongs to an owner's slot. A dead owner's lines
 * are the next one's, with what is still in them.
 */
#ifndef KEEL_POLICY_LINES_H
#define KEEL_POLICY_LINES_H

#include "board/board.h"
#include "policy/stripe.h"

typedef struct keel_lines_words {
    _Atomic uint64_t used; /* slots below it may have a set */
    uint64_t spare[7];
    _Atomic uint64_t sets[KEEL_BOARD_OWNERS];
} keel_lines_words;

typedef struct keel_lines {
    keel_lines_words *words; /* NULL: one process alone */
    keel_board *board;
} keel_lines;

/* Gives this process its lines, as far as there is memory. own: where it finds them */
void keel_lines_join(const keel_lines *lines, keel_stripes *own);

/*
 * After the death of a slot's owner, before the slot is another's: nobody is folding his
 * lines any more. What he was folding may count twice then, which can only delay a trip.
 */
void keel_lines_forsake(const keel_lines *lines, uint32_t slot);

/* How many sets to look at, and one of them; it may be empty. */
uint32_t keel_lines_sets(const keel_lines *lines);
keel_stripes keel_lines_set(const keel_lines *lines, uint32_t number);

#endif
