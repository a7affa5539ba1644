/* SPDX-License-Identifier: MIT */
/*
 * An operator's lock, set in a fleet's Redis from outside: its members hear of it at
 * once, those that start later with their first word. Not for locks that a member brings
 * there: that is share/locks.c.
 */
#ifndef KEEL_OPS_REDIS_LOCK_H
#define KEEL_OPS_REDIS_LOCK_H

#include "ops/redis_view.h"

/*
 * Locks, or with KEEL_LOCK_NONE unlocks, if the number of the lock in Redis is still the
 * one that was seen.
 *
 * options, standing  as keel_board_lock
 * replaced  as there, as it was seen just before
 * Returns   KEEL_OK, also where there was nothing to unlock; KEEL_E_CONFLICT: another lock
 *           stands; KEEL_E_ARGUMENT: the fleet knows no such breaker; or as
 *           keel_redis_client_ask, and then why->applied says whether it may be set
 */
keel_status keel_redis_lock(keel_redis_client *client, const char *name, keel_lock lock,
                            const keel_lock_options *options, keel_lock_state *standing,
                            keel_lock_state *replaced, keel_detail *why);

#endif
