/* SPDX-License-Identifier: MIT */
/* The real clock behind the seam, and arithmetic on instants that cannot wrap. */
#ifndef KEEL_BASE_CLOCK_H
#define KEEL_BASE_CLOCK_H

#include <keel/runtime.h>

#define KEEL_MS ((uint64_t)1000000)
#define KEEL_S ((uint64_t)1000000000)
#define KEEL_NEVER UINT64_MAX

/* CLOCK_MONOTONIC with futex waits. False: this machine has no monotonic clock. */
bool keel_clock_real(keel_clock *clock);
/* The instant by CLOCK_MONOTONIC, which keel_clock_real has found to be there. */
uint64_t keel_clock_real_now(void);
/* Whether threads that sleep by it sleep on a futex. */
bool keel_clock_is_real(const keel_clock *clock);
/* Wakes whoever sleeps by it on the word. */
void keel_clock_wake_real(const uint32_t *word);

/* Sleeps by the real clock, whatever the seam says: between two looks at what another
 * process has, where nobody wakes us. */
void keel_clock_pause_ms(int ms);

/* a + b, or KEEL_NEVER where that would wrap. */
static inline uint64_t keel_ns_add(uint64_t a, uint64_t b)
{
    return a > KEEL_NEVER - b ? KEEL_NEVER : a + b;
}

/* How long from now until the instant; 0: it has come. */
static inline uint64_t keel_ns_left(uint64_t until, uint64_t now)
{
    return until > now ? until - now : 0;
}

static inline uint64_t keel_ns_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
