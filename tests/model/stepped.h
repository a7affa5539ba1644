/* SPDX-License-Identifier: MIT */
/*
 * Included before everything else (-include) by the sources of t_explore, keel's own
 * among them: each atomic access first asks the explorer who goes on. The logical
 * threads run on one real one, so the accesses themselves need not be atomic; what is
 * explored is their order, sequentially consistent.
 */
#ifndef KEEL_TESTS_MODEL_STEPPED_H
#define KEEL_TESTS_MODEL_STEPPED_H

#include <stdatomic.h>
#include <stdbool.h>

void explore_step(void);

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit

#define atomic_load(at) (explore_step(), *(at))
#define atomic_load_explicit(at, order) atomic_load(at)
#define atomic_store(at, value) (explore_step(), (void)(*(at) = (value)))
#define atomic_store_explicit(at, value, order) atomic_store(at, value)
#define atomic_fetch_add(at, n)                                                        \
    (__extension__({                                                                   \
        explore_step();                                                                \
        (*(at) += (n)) - (n);                                                          \
    }))
#define atomic_fetch_add_explicit(at, n, order) atomic_fetch_add(at, n)
#define atomic_fetch_sub(at, n)                                                        \
    (__extension__({                                                                   \
        explore_step();                                                                \
        (*(at) -= (n)) + (n);                                                          \
    }))
#define atomic_fetch_sub_explicit(at, n, order) atomic_fetch_sub(at, n)
#define atomic_compare_exchange_strong(at, seen, value)                                \
    (__extension__({                                                                   \
        explore_step();                                                                \
        bool stepped_same = *(at) == *(seen);                                          \
                                                                                       \
        if (stepped_same)                                                              \
            *(at) = (value);                                                           \
        else                                                                           \
            *(seen) = *(at);                                                           \
        stepped_same;                                                                  \
    }))
#define atomic_compare_exchange_strong_explicit(at, seen, value, order, failure)       \
    atomic_compare_exchange_strong(at, seen, value)
#define atomic_compare_exchange_weak(at, seen, value)                                  \
    atomic_compare_exchange_strong(at, seen, value)
#define atomic_compare_exchange_weak_explicit(at, seen, value, order, failure)         \
    atomic_compare_exchange_strong(at, seen, value)

#endif
