/* SPDX-License-Identifier: MIT */
/* Back-off: check values of the five jitters, the cap before the jitter, no odd number
 * ever. */
#include <math.h>

#include "base/clock.h"
#include "policy/backoff.h"
#include "support/suite.h"

static keel_backoff_policy policy(keel_jitter jitter)
{
    return (keel_backoff_policy){ .base_ns = 100 * KEEL_MS,
                                  .cap_ns = KEEL_S,
                                  .multiplier = 2,
                                  .jitter = jitter,
                                  .jitter_ppm = KEEL_PPM / 4 };
}

static const struct {
    const char *why;
    keel_jitter jitter;
    double u;
    uint64_t us[5]; /* retries 1 to 5 */
} rows[] = {
    { "none: base, doubled, capped",
      KEEL_JITTER_NONE,
      0.9,
      { 100000, 200000, 400000, 800000, 1000000 } },
    { "equal, lowest: half",
      KEEL_JITTER_EQUAL,
      0,
      { 50000, 100000, 200000, 400000, 500000 } },
    { "equal, middle: three quarters",
      KEEL_JITTER_EQUAL,
      0.5,
      { 75000, 150000, 300000, 600000, 750000 } },
    { "full, lowest: never without a pause",
      KEEL_JITTER_FULL,
      0,
      { 1000, 1000, 1000, 1000, 1000 } },
    { "full, middle",
      KEEL_JITTER_FULL,
      0.5,
      { 50000, 100000, 200000, 400000, 500000 } },
    { "ratio, lowest: a quarter less, of the capped time too",
      KEEL_JITTER_RATIO,
      0,
      { 75000, 150000, 300000, 600000, 750000 } },
    { "ratio, middle: as it is",
      KEEL_JITTER_RATIO,
      0.5,
      { 100000, 200000, 400000, 800000, 1000000 } },
    { "ratio, high: beyond the cap, which comes before the jitter",
      KEEL_JITTER_RATIO,
      0.75,
      { 112500, 225000, 450000, 900000, 1125000 } },
    { "decorrelated: full, then base .. 3 x previous",
      KEEL_JITTER_DECORRELATED,
      0.5,
      { 50000, 125000, 237500, 406250, 550000 } },
};

START_TEST(the_jitters_have_their_check_values)
{
    keel_backoff_policy p = policy(rows[_i].jitter);
    keel_backoff_state state = { 0, 0 };

    for (uint32_t retry = 1; retry <= 5; retry++)
        ck_assert_msg(keel_backoff_ns(&p, &state, retry, rows[_i].u) ==
                          rows[_i].us[retry - 1] * 1000,
                      "%s", rows[_i].why);
}
END_TEST

START_TEST(smooth_has_the_published_means)
{
    static const double factors[] = { 0.897, 1.093, 2.036, 4.046, 8.084 };
    keel_backoff_policy p = policy(KEEL_JITTER_SMOOTH);
    keel_backoff_state state = { 0, 0 };

    p.cap_ns = 3600 * KEEL_S;
    for (uint32_t retry = 1; retry <= 5; retry++)
        ck_assert_double_eq_tol((double)keel_backoff_ns(&p, &state, retry, 0.5) / 1e8,
                                factors[retry - 1], 0.001);
}
END_TEST

START_TEST(smooth_never_exceeds_the_cap)
{
    keel_backoff_policy p = policy(KEEL_JITTER_SMOOTH);
    keel_backoff_state state = { 0, 0 };

    for (uint32_t retry = 1; retry < 100; retry++)
        ck_assert_uint_le(keel_backoff_ns(&p, &state, retry, 0.99), p.cap_ns);
}
END_TEST

static const keel_jitter jitters[] = { KEEL_JITTER_NONE,         KEEL_JITTER_EQUAL,
                                       KEEL_JITTER_FULL,         KEEL_JITTER_RATIO,
                                       KEEL_JITTER_DECORRELATED, KEEL_JITTER_SMOOTH };

START_TEST(no_retry_is_too_late_for_a_sane_number)
{
    static const uint64_t caps[] = { KEEL_S, 3600 * KEEL_S, UINT64_MAX };
    keel_backoff_policy p = policy(jitters[_i]);

    for (size_t c = 0; c < sizeof caps / sizeof caps[0]; c++) {
        keel_backoff_state state = { 0, 0 };

        p.cap_ns = caps[c];
        for (uint32_t retry = 1; retry <= 1000000; retry += 1 + retry / 50) {
            double u = (retry % 100) / 100.0;
            uint64_t ns = keel_backoff_ns(&p, &state, retry, u);

            ck_assert_uint_ge(ns, jitters[_i] == KEEL_JITTER_SMOOTH ? 0 : KEEL_MS);
            ck_assert_uint_le(ns, (uint64_t)1 << 63);
            ck_assert(isfinite(state.previous_x));
            if (caps[c] == KEEL_S)
                ck_assert_uint_le(ns, KEEL_S + KEEL_S / 4);
        }
    }
}
END_TEST

START_TEST(a_base_of_nothing_waits_for_nothing_and_draws_nothing)
{
    keel_backoff_policy p = policy(jitters[_i]);
    keel_backoff_state state = { 0, 0 };

    p.base_ns = 0;
    ck_assert(!keel_backoff_draws(&p));
    for (uint32_t retry = 1; retry < 10; retry++)
        ck_assert_uint_eq(keel_backoff_ns(&p, &state, retry, 0.7), 0);
}
END_TEST

START_TEST(a_draw_is_taken_only_where_it_matters)
{
    keel_backoff_policy p = policy(jitters[_i]);

    ck_assert_int_eq(keel_backoff_draws(&p), jitters[_i] != KEEL_JITTER_NONE);
    p.jitter_ppm = 0;
    ck_assert_int_eq(keel_backoff_draws(&p), jitters[_i] != KEEL_JITTER_NONE &&
                                                 jitters[_i] != KEEL_JITTER_RATIO);
}
END_TEST

SUITE("backoff", 30, ROWS(the_jitters_have_their_check_values, rows),
      ONE(smooth_has_the_published_means), ONE(smooth_never_exceeds_the_cap),
      ROWS(no_retry_is_too_late_for_a_sane_number, jitters),
      ROWS(a_base_of_nothing_waits_for_nothing_and_draws_nothing, jitters),
      ROWS(a_draw_is_taken_only_where_it_matters, jitters))
