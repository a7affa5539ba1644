/* SPDX-License-Identifier: MIT */
/*
 * An allocator that fails on demand and counts what is not given back. To replay a
 * constructor with its first, second, third … allocation failing:
 *
 *     for (long n = 1; n == 1 || f.failed; n++) {
 *         failing_allocator_init(&f, n);
 *         open with &f.allocator, close if it opened
 *         ck_assert_int_eq(f.live, 0);
 *     }
 */
#ifndef KEEL_TESTS_SUPPORT_ALLOCATOR_H
#define KEEL_TESTS_SUPPORT_ALLOCATOR_H

#include <stdatomic.h>

#include <keel/runtime.h>

typedef struct failing_allocator {
    keel_allocator allocator;
    atomic_long fail_at;
    atomic_long calls;
    atomic_long live;
    atomic_bool failed; /* the fail_at-th allocation was asked for */
} failing_allocator;

/* fail_at  which allocation fails, from 1; 0: none. f must stay where it is. */
void failing_allocator_init(failing_allocator *f, long fail_at);

#endif
