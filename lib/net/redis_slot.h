/* SPDX-License-Identifier: MIT */
/* Which of a cluster's 16384 slots a key belongs to. */
#ifndef KEEL_NET_REDIS_SLOT_H
#define KEEL_NET_REDIS_SLOT_H

#include "base/text.h"

enum { KEEL_REDIS_SLOTS = 16384 };

/*
 * Of a key with a part in braces that is not empty, that part alone counts.
 * Source  the cluster specification of Redis: CRC16/XMODEM modulo 16384
 */
uint32_t keel_redis_slot(keel_text key);

#endif
