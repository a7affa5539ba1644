/* SPDX-License-Identifier: MIT */
/* Retry-After as servers send it, and as they should not. */

#include "base/clock.h"
#include "http/retry_after.h"
#include "support/suite.h"

/* Sun, 06 Nov 1994 08:49:37 GMT, the date every HTTP document uses */
#define RFC_DATE 784111777

typedef struct row {
    const char *why;
    const char *text;
    int64_t wall_s;
    bool read;
    uint64_t after_ns;
} row;

static const row rows[] = {
    { "seconds", "120", 0, true, 120 * KEEL_S },
    { "at once is a wish, too", "0", 0, true, 0 },
    { "blanks around are no harm", " \t7 ", 0, true, 7 * KEEL_S },
    { "leading zeroes", "007", 0, true, 7 * KEEL_S },
    { "not a number alone", "120 apples", 0, false, 0 },
    { "fractions are not in the grammar", "1.5", 0, false, 0 },
    { "no sign", "-5", 0, false, 0 },
    { "no sign, not this one either", "+5", 0, false, 0 },
    { "nothing", "", 0, false, 0 },
    { "only blanks", "  ", 0, false, 0 },
    { "the largest that fits", "18446744073", 0, true, 18446744073 * KEEL_S },
    { "larger saturates below never", "18446744074", 0, true, KEEL_NEVER - 1 },
    { "much larger, too", "99999999999999999999999999", 0, true, KEEL_NEVER - 1 },
    { "the preferred date", "Sun, 06 Nov 1994 08:49:37 GMT", RFC_DATE - 10, true,
      10 * KEEL_S },
    { "RFC 850's date", "Sunday, 06-Nov-94 08:49:37 GMT", RFC_DATE - 10, true,
      10 * KEEL_S },
    { "asctime's date", "Sun Nov  6 08:49:37 1994", RFC_DATE - 10, true, 10 * KEEL_S },
    { "a date that is past", "Sun, 06 Nov 1994 08:49:37 GMT", RFC_DATE + 10, true, 0 },
    { "now", "Sun, 06 Nov 1994 08:49:37 GMT", RFC_DATE, true, 0 },
    { "half a date", "Sun, 06 Nov", 0, false, 0 },
    { "words", "soon", 0, false, 0 },
    { "a word with a day's letter", "Sooner or later", 0, false, 0 },
    { "a date without its day is none of the three forms", "06 Nov 1994 08:49:37 GMT",
      0, false, 0 },
};

START_TEST(a_retry_after_is_read_in_full_or_not_at_all)
{
    const row *r = &rows[_i];
    uint64_t after_ns = 99;

    ck_assert_msg(keel_retry_after_read(r->text, r->wall_s, &after_ns) == r->read, "%s",
                  r->why);
    ck_assert_msg(after_ns == r->after_ns, "%s", r->why);
}
END_TEST

START_TEST(a_date_ahead_of_a_clock_far_behind_does_not_wrap)
{
    uint64_t after_ns;

    ck_assert(
        keel_retry_after_read("Sun, 06 Nov 1994 08:49:37 GMT", INT64_MIN, &after_ns));
    ck_assert_uint_eq(after_ns, KEEL_NEVER - 1);
}
END_TEST

SUITE("http/retry_after", 10, ROWS(a_retry_after_is_read_in_full_or_not_at_all, rows),
      ONE(a_date_ahead_of_a_clock_far_behind_does_not_wrap))
