/* SPDX-License-Identifier: MIT */
/* What the parts of the demonstration share: signals and time. */
#ifndef KEEL_DEMO_DEMO_H
#define KEEL_DEMO_DEMO_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* What a part exits with whose server is not installed. */
enum { NOT_INSTALLED = 77 };

/* From now on what would end us ends the part that is played, and what it has started. */
void demo_catch_signals(void);

/* The number of the signal that came; 0: none. */
int demo_interrupted(void);

/* Signals are for the first thread alone: others are started with all of them masked. */
void demo_mask_signals(sigset_t *before);
void demo_unmask_signals(const sigset_t *before);

uint64_t now_ns(void);

/* False: interrupted, or nobody reads us any more. */
bool demo_sleep_until(uint64_t at_ns);

#endif
