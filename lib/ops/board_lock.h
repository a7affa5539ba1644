/* SPDX-License-Identifier: MIT */
/*
 * An operator's lock, written on a board from outside: no process of the service takes
 * part, and every one of them obeys with its very next call. Not for locks that a service
 * sets on itself: that is call/operate.c.
 */
#ifndef KEEL_OPS_BOARD_LOCK_H
#define KEEL_OPS_BOARD_LOCK_H

#include "ops/board_view.h"

/*
 * Locks, or with KEEL_LOCK_NONE unlocks. The note is written first, then the word that
 * names it is swapped in, then the journal says so.
 *
 * options   as for keel_pipeline_lock_as; actor and reason may be NULL
 * standing  out: the lock that stands, of whoever came first where there is a conflict;
 *           size 0: none
 * replaced  out: the one in whose place this is done; size 0: none stood
 * Returns   KEEL_OK, also where there was nothing to unlock; KEEL_E_CONFLICT: another lock
 *           stands; KEEL_E_STATE: it has no breaker
 */
keel_status keel_board_lock(keel_board *board, const keel_board_parts *parts,
                            keel_lock lock, const keel_lock_options *options,
                            const keel_instant *instant, keel_lock_state *standing,
                            keel_lock_state *replaced);

#endif
