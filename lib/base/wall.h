/* SPDX-License-Identifier: MIT */
/* Wall time, for the few protocols that speak in dates. Never for deadlines or waits.
 */
#ifndef KEEL_BASE_WALL_H
#define KEEL_BASE_WALL_H

#include <stdint.h>

/* Seconds since 1970, UTC. */
int64_t keel_wall_seconds(void);
uint64_t keel_wall_ms(void);

enum { KEEL_WALL_TEXT_SIZE = 40 };

/* Seconds since 1970 as 2026-11-21T03:15:02Z; "?" beyond the year 9999. Returns to. */
const char *keel_wall_write(char to[KEEL_WALL_TEXT_SIZE], uint64_t seconds);

/* When the machine was started, as the kernel counts what processes began. */
int64_t keel_wall_boot_seconds(void);

#endif
