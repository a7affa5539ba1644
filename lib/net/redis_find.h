/* SPDX-License-Identifier: MIT */
/*
 * Who is the master: of a URL, the connection to the server that takes writes now.
 * Which one that is is asked anew each time, and the server itself has to say so (ROLE):
 * a demoted master, or a sentinel that is behind, would lead astray.
 */
#ifndef KEEL_NET_REDIS_FIND_H
#define KEEL_NET_REDIS_FIND_H

#include "net/redis.h"
#include "net/redis_error.h"

/*
 * An open connection to the master.
 *
 *   one server  that one, if it is a master
 *   sentinels   asked in turn until one names a master that agrees; a sentinel is asked
 *               without user and password
 *   cluster     nodes asked in turn for who has the key's slot
 *
 * Each that is asked gets its share of the time that is left (keel_dial_share). The user
 * must be allowed ROLE, and CLUSTER SLOTS in a cluster.
 *
 * url      borrowed for the call
 * key      a key the connection is for; of a cluster only
 * Returns  as keel_redis_open; why is that of the last who was asked
 */
keel_status keel_redis_find(keel_redis **out, const keel_dialer *dialer,
                            const keel_redis_url *url, keel_text key, uint64_t until_ns,
                            keel_detail *why);

/* After MOVED or ASK, as `from` answered it: the node that was named. */
keel_status keel_redis_find_moved(keel_redis **out, const keel_dialer *dialer,
                                  const keel_redis_url *url,
                                  const keel_redis_move *move, const keel_redis *from,
                                  uint64_t until_ns, keel_detail *why);

#endif
