/* SPDX-License-Identifier: MIT */
/* Between two looks at what others bring about, or to be slow at random. */
#ifndef KEEL_TESTS_SUPPORT_PAUSE_H
#define KEEL_TESTS_SUPPORT_PAUSE_H

#include <stdint.h>

#include "base/clock.h"

/* The calling thread sleeps so long, or until it takes a signal. */
void pause_ns(uint64_t ns);

#endif
