/* SPDX-License-Identifier: MIT */
/* Which keys are poisoned, and until when. */
#include "bag/wrap/cache_poison.h"

#include "support/suite.h"
#include "support/vclock.h"

static vclock clock_;
static keel_cache_poison poison;

static void setup(void)
{
    vclock_init(&clock_);
    keel_cache_poison_init(&poison, &clock_.clock);
}

static void teardown(void)
{
    keel_cache_poison_cleanup(&poison);
    vclock_cleanup(&clock_);
}

START_TEST(a_key_is_poisoned_until_its_time_is_over)
{
    ck_assert(!keel_cache_poison_holds(&poison, 1));
    keel_cache_poison_add(&poison, 1, 2 * KEEL_S);
    keel_cache_poison_add(&poison, 2, KEEL_S);
    ck_assert(keel_cache_poison_holds(&poison, 1));
    ck_assert(!keel_cache_poison_holds(&poison, 3));
    vclock_advance(&clock_, KEEL_S);
    ck_assert(keel_cache_poison_holds(&poison, 1));
    ck_assert(!keel_cache_poison_holds(&poison, 2));
    vclock_advance(&clock_, KEEL_S);
    ck_assert(!keel_cache_poison_holds(&poison, 1));
}
END_TEST

START_TEST(a_shorter_time_shortens_none)
{
    keel_cache_poison_add(&poison, 1, 2 * KEEL_S);
    keel_cache_poison_add(&poison, 1, KEEL_S);
    vclock_advance(&clock_, KEEL_S);
    ck_assert(keel_cache_poison_holds(&poison, 1));
}
END_TEST

START_TEST(too_many_poison_all)
{
    for (uint64_t hash = 0; hash < KEEL_POISON_KEYS; hash++)
        keel_cache_poison_add(&poison, hash, KEEL_S);
    ck_assert(!keel_cache_poison_holds(&poison, KEEL_POISON_KEYS));
    keel_cache_poison_add(&poison, KEEL_POISON_KEYS, 2 * KEEL_S);
    ck_assert(keel_cache_poison_holds(&poison, 99999));
    vclock_advance(&clock_, 2 * KEEL_S);
    ck_assert(!keel_cache_poison_holds(&poison, 99999));
    keel_cache_poison_add(&poison, 7, KEEL_S); /* there is room again */
    ck_assert(keel_cache_poison_holds(&poison, 7));
    ck_assert(!keel_cache_poison_holds(&poison, 8));
}
END_TEST

START_TEST(all_may_be_poisoned_at_once)
{
    keel_cache_poison_add_all(&poison, KEEL_S);
    ck_assert(keel_cache_poison_holds(&poison, 99999));
    vclock_advance(&clock_, KEEL_S);
    ck_assert(!keel_cache_poison_holds(&poison, 99999));
}
END_TEST

SUITE_IN("cache poison", 20, setup, teardown,
         ONE(a_key_is_poisoned_until_its_time_is_over),
         ONE(a_shorter_time_shortens_none), ONE(too_many_poison_all),
         ONE(all_may_be_poisoned_at_once))
