/* SPDX-License-Identifier: MIT */
/* The values of settings text, and the names around them. */
#include <inttypes.h>
#include <locale.h>
#include <string.h>

#include "base/name.h"
#include "base/text.h"
#include "base/wall.h"
#include "support/suite.h"

typedef struct value_case {
    const char *why;
    const char *text;
    keel_parse parse;
    uint64_t value;
} value_case;

static void check_value(const value_case *row,
                        keel_parse (*parse)(keel_text, uint64_t *))
{
    uint64_t value = 77;
    keel_parse got = parse(keel_text_of(row->text), &value);

    ck_assert_msg(got == row->parse, "%s: \"%s\" parsed as %d", row->why, row->text,
                  (int)got);
    ck_assert_msg(value == (got ? 77 : row->value), "%s: \"%s\" is %" PRIu64, row->why,
                  row->text, value);
}

static const value_case durations[] = {
    { "each unit", "7ns", KEEL_PARSE_OK, 7 },
    { "each unit", "7us", KEEL_PARSE_OK, 7000 },
    { "ms is not m", "7ms", KEEL_PARSE_OK, 7000000 },
    { "each unit", "7s", KEEL_PARSE_OK, 7 * KEEL_SECOND },
    { "each unit", "7m", KEEL_PARSE_OK, 7 * KEEL_MINUTE },
    { "each unit", "7h", KEEL_PARSE_OK, 7 * KEEL_HOUR },
    { "parts are added", "1m30s", KEEL_PARSE_OK, 90 * KEEL_SECOND },
    { "decimals are exact", "1.5s", KEEL_PARSE_OK, 1500000000 },
    { "0.1 is no binary fraction", "0.1s", KEEL_PARSE_OK, 100000000 },
    { "down to the last digit", "1.000000001s", KEEL_PARSE_OK, 1000000001 },
    { "half a minute in hours", "0.0125h", KEEL_PARSE_OK, 45 * KEEL_SECOND },
    { "zero needs no unit", "0", KEEL_PARSE_OK, 0 },
    { "the largest", "18446744073709551615ns", KEEL_PARSE_OK, UINT64_MAX },
    { "no wrapping in digits", "18446744073709551616ns", KEEL_PARSE_LARGE, 0 },
    { "no wrapping in units", "5124096h", KEEL_PARSE_LARGE, 0 },
    { "no wrapping in the sum", "5124095h35m", KEEL_PARSE_LARGE, 0 },
    { "a bare number may be seconds or milliseconds", "800", KEEL_PARSE_UNIT, 0 },
    { "only one zero is bare", "0.0", KEEL_PARSE_UNIT, 0 },
    { "finer than the clock", "0.5ns", KEEL_PARSE_FINE, 0 },
    { "finer than the clock", "1.0000000001s", KEEL_PARSE_FINE, 0 },
    { "nothing", "", KEEL_PARSE_FORM, 0 },
    { "a unit alone", "s", KEEL_PARSE_FORM, 0 },
    { "no sign", "-1s", KEEL_PARSE_FORM, 0 },
    { "no sign", "+1s", KEEL_PARSE_FORM, 0 },
    { "no blank inside", "1 s", KEEL_PARSE_FORM, 0 },
    { "digits on both sides of the point", "1.s", KEEL_PARSE_FORM, 0 },
    { "digits on both sides of the point", ".5s", KEEL_PARSE_FORM, 0 },
    { "no exponent", "1e3s", KEEL_PARSE_FORM, 0 },
    { "no hexadecimal", "0x10s", KEEL_PARSE_FORM, 0 },
    { "a comma is no point", "1,5s", KEEL_PARSE_FORM, 0 },
    { "units are lower case", "1S", KEEL_PARSE_FORM, 0 },
    { "units fall", "30s1m", KEEL_PARSE_FORM, 0 },
    { "a unit twice is a slip", "1s1s", KEEL_PARSE_FORM, 0 },
    { "the last part needs a unit too", "1m30", KEEL_PARSE_UNIT, 0 },
    { "nothing after it", "1s!", KEEL_PARSE_FORM, 0 },
};

START_TEST(a_duration_is_read_exactly_or_refused_with_the_reason)
{
    check_value(&durations[_i], keel_parse_duration);
}
END_TEST

static const value_case ratios[] = {
    { "per cent", "50%", KEEL_PARSE_OK, 500000 },
    { "decimal", "0.5", KEEL_PARSE_OK, 500000 },
    { "a third, as far as it is kept", "33.3333%", KEEL_PARSE_OK, 333333 },
    { "six decimals", "0.333333", KEEL_PARSE_OK, 333333 },
    { "the smallest", "0.000001", KEEL_PARSE_OK, 1 },
    { "the smallest", "0.0001%", KEEL_PARSE_OK, 1 },
    { "no round-off", "0.29", KEEL_PARSE_OK, 290000 },
    { "one", "1", KEEL_PARSE_OK, 1000000 },
    { "ranges are the key's business", "150%", KEEL_PARSE_OK, 1500000 },
    { "a seventh decimal", "0.3333333", KEEL_PARSE_FINE, 0 },
    { "a seventh decimal", "33.33333%", KEEL_PARSE_FINE, 0 },
    { "the sign alone", "%", KEEL_PARSE_FORM, 0 },
    { "the sign twice", "5%%", KEEL_PARSE_FORM, 0 },
    { "no sign", "-1%", KEEL_PARSE_FORM, 0 },
    { "no wrapping", "99999999999999999999%", KEEL_PARSE_LARGE, 0 },
};

START_TEST(a_ratio_is_parts_per_million_exactly)
{
    check_value(&ratios[_i], keel_parse_ratio);
}
END_TEST

static const value_case quantiles[] = {
    { "the median", "p50", KEEL_PARSE_OK, 500000 },
    { "of a tail", "p99.9", KEEL_PARSE_OK, 999000 },
    { "the finest", "p99.9999", KEEL_PARSE_OK, 999999 },
    { "finer than is kept", "p99.99999", KEEL_PARSE_FINE, 0 },
    { "ranges are the key's business", "p101", KEEL_PARSE_OK, 1010000 },
    { "the letter alone", "p", KEEL_PARSE_FORM, 0 },
    { "no letter", "95", KEEL_PARSE_FORM, 0 },
    { "lower case", "P95", KEEL_PARSE_FORM, 0 },
    { "no ratio", "p95%", KEEL_PARSE_FORM, 0 },
    { "nothing", "", KEEL_PARSE_FORM, 0 },
};

START_TEST(a_quantile_is_parts_per_million_exactly)
{
    check_value(&quantiles[_i], keel_parse_quantile);
}
END_TEST

static const value_case counts[] = {
    { "plain", "64", KEEL_PARSE_OK, 64 },
    { "the largest", "18446744073709551615", KEEL_PARSE_OK, UINT64_MAX },
    { "one more", "18446744073709551616", KEEL_PARSE_LARGE, 0 },
    { "atoi would say 16", "16k", KEEL_PARSE_FORM, 0 },
    { "strtoull would wrap", "-1", KEEL_PARSE_FORM, 0 },
    { "strtoull would skip", " 1", KEEL_PARSE_FORM, 0 },
    { "nothing", "", KEEL_PARSE_FORM, 0 },
    { "no decimals", "1.0", KEEL_PARSE_FORM, 0 },
};

START_TEST(a_count_is_digits_and_nothing_else)
{
    check_value(&counts[_i], keel_parse_count);
}
END_TEST

typedef struct pair_case {
    const char *why;
    const char *text;
    keel_parse parse;
    uint64_t first;
    uint64_t second;
} pair_case;

static const pair_case spans[] = {
    { "both ends", "50ms..2s", KEEL_PARSE_OK, 50000000, 2 * KEEL_SECOND },
    { "one duration is both", "1s", KEEL_PARSE_OK, KEEL_SECOND, KEEL_SECOND },
    { "blanks around the dots", "1s .. 2s", KEEL_PARSE_OK, KEEL_SECOND,
      2 * KEEL_SECOND },
    { "decimals beside the dots", "0.5s..1.5s", KEEL_PARSE_OK, 500000000, 1500000000 },
    { "from nothing", "0..1s", KEEL_PARSE_OK, 0, KEEL_SECOND },
    { "no wait at all", "0", KEEL_PARSE_OK, 0, 0 },
    { "the wrong way round", "2s..1s", KEEL_PARSE_ORDER, 0, 0 },
    { "an end is missing", "1s..", KEEL_PARSE_FORM, 0, 0 },
    { "an end is missing", "..1s", KEEL_PARSE_FORM, 0, 0 },
    { "a unit is missing", "50..2s", KEEL_PARSE_UNIT, 0, 0 },
    { "three ends", "1s..2s..3s", KEEL_PARSE_FORM, 0, 0 },
};

START_TEST(a_span_runs_from_its_first_to_its_most)
{
    const pair_case *row = &spans[_i];
    uint64_t first = 0, most = 0;

    ck_assert_msg(keel_parse_span(keel_text_of(row->text), &first, &most) == row->parse,
                  "%s: %s", row->why, row->text);
    ck_assert_uint_eq(first, row->first);
    ck_assert_uint_eq(most, row->second);
}
END_TEST

static const pair_case rates[] = {
    { "a second", "100/s", KEEL_PARSE_OK, 100, KEEL_SECOND },
    { "a minute", "6/m", KEEL_PARSE_OK, 6, KEEL_MINUTE },
    { "an hour", "1/h", KEEL_PARSE_OK, 1, KEEL_HOUR },
    { "of what?", "100", KEEL_PARSE_UNIT, 0, 0 },
    { "no such unit", "100/d", KEEL_PARSE_FORM, 0, 0 },
    { "m is a minute, ms is nothing", "100/ms", KEEL_PARSE_FORM, 0, 0 },
    { "whole numbers only", "0.5/s", KEEL_PARSE_FORM, 0, 0 },
    { "nothing before", "/s", KEEL_PARSE_FORM, 0, 0 },
    { "nothing after", "1/", KEEL_PARSE_FORM, 0, 0 },
};

START_TEST(a_rate_is_a_count_in_a_second_minute_or_hour)
{
    const pair_case *row = &rates[_i];
    uint64_t count = 0, period = 0;

    ck_assert_msg(keel_parse_rate(keel_text_of(row->text), &count, &period) ==
                      row->parse,
                  "%s: %s", row->why, row->text);
    ck_assert_uint_eq(count, row->first);
    ck_assert_uint_eq(period, row->second);
}
END_TEST

START_TEST(a_bool_is_on_or_off_and_nothing_else)
{
    bool value = false;

    ck_assert_int_eq(keel_parse_bool(keel_text_of("on"), &value), KEEL_PARSE_OK);
    ck_assert(value);
    ck_assert_int_eq(keel_parse_bool(keel_text_of("off"), &value), KEEL_PARSE_OK);
    ck_assert(!value);
    ck_assert_int_eq(keel_parse_bool(keel_text_of("true"), &value), KEEL_PARSE_FORM);
    ck_assert_int_eq(keel_parse_bool(keel_text_of("ON"), &value), KEEL_PARSE_FORM);
    ck_assert_int_eq(keel_parse_bool(keel_text_of("1"), &value), KEEL_PARSE_FORM);
}
END_TEST

START_TEST(a_decimal_comma_of_the_locale_changes_nothing)
{
    uint64_t value = 0;

    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        setlocale(LC_ALL, "");
    ck_assert_int_eq(keel_parse_decimal(keel_text_of("1.5"), &value), KEEL_PARSE_OK);
    ck_assert_uint_eq(value, 1500000);
    ck_assert_int_eq(keel_parse_decimal(keel_text_of("1,5"), &value), KEEL_PARSE_FORM);
    setlocale(LC_ALL, "C");
}
END_TEST

static const uint64_t samples[] = {
    0, 1, 999, 1000, 1500000000, 90 * KEEL_SECOND, KEEL_HOUR, KEEL_HOUR + 1, UINT64_MAX
};

START_TEST(what_is_written_is_read_back_as_the_same)
{
    uint64_t back = 0;
    char text[40];

    keel_write_duration(text, sizeof text, samples[_i]);
    ck_assert_int_eq(keel_parse_duration(keel_text_of(text), &back), KEEL_PARSE_OK);
    ck_assert_uint_eq(back, samples[_i]);
    keel_write_ratio(text, sizeof text, samples[_i] % 1000001);
    ck_assert_int_eq(keel_parse_ratio(keel_text_of(text), &back), KEEL_PARSE_OK);
    ck_assert_uint_eq(back, samples[_i] % 1000001);
    keel_write_quantile(text, sizeof text, samples[_i] % 1000001);
    ck_assert_int_eq(keel_parse_quantile(keel_text_of(text), &back), KEEL_PARSE_OK);
    ck_assert_uint_eq(back, samples[_i] % 1000001);
}
END_TEST

START_TEST(values_are_written_in_their_largest_unit)
{
    char text[40];

    keel_write_duration(text, sizeof text, 90 * KEEL_SECOND);
    ck_assert_str_eq(text, "90s");
    keel_write_duration(text, sizeof text, 120 * KEEL_SECOND);
    ck_assert_str_eq(text, "2m");
    keel_write_duration(text, sizeof text, 60 * KEEL_SECOND);
    ck_assert_str_eq(text, "60s");
    keel_write_duration(text, sizeof text, 1500 * KEEL_MILLISECOND);
    ck_assert_str_eq(text, "1.5s");
    keel_write_duration(text, sizeof text, 1520 * KEEL_MILLISECOND);
    ck_assert_str_eq(text, "1520ms");
    keel_write_ratio(text, sizeof text, 333333);
    ck_assert_str_eq(text, "33.3333%");
    keel_write_decimal(text, sizeof text, 1050000);
    ck_assert_str_eq(text, "1.05");
    keel_write_rate(text, sizeof text, 6, KEEL_MINUTE);
    ck_assert_str_eq(text, "6/m");
}
END_TEST

static const struct {
    const char *why;
    const char *text;
    const char *shown;
} quotes[] = {
    { "plain", "timeot", "\"timeot\"" },
    { "a terminal must not be driven", "a\033[2J", "\"a\\x1b[2J\"" },
    { "one event, one line", "a\nb", "\"a\\x0ab\"" },
    { "quotation marks", "a\"b\\", "\"a\\x22b\\x5c\"" },
    { "bytes beyond ASCII", "\xc3\xa9", "\"\\xc3\\xa9\"" },
    { "a password in a URL", "redis://u:secret@h", "\"redis://***\"" },
    { "a long text is cut",
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "a",
      "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"" },
};

START_TEST(quoted_text_is_fit_for_a_log)
{
    char shown[KEEL_QUOTE_SIZE];

    ck_assert_str_eq(keel_quote(shown, keel_text_of(quotes[_i].text)),
                     quotes[_i].shown);
}
END_TEST

START_TEST(a_sentence_loses_its_own_quotation_marks)
{
    char sentence[] = "Redis refuses AUTH: \"WRONGPASS\"";

    keel_unquote(sentence);
    ck_assert_str_eq(sentence, "Redis refuses AUTH: 'WRONGPASS'");
}
END_TEST

static const struct {
    const char *why;
    const char *name;
    bool valid;
} names[] = {
    { "plain", "payments", true },
    { "joined", "payments-api.v2_x", true },
    { "64 bytes", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      true },
    { "65 bytes", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      false },
    { "nothing", "", false },
    { "variables are upper case", "Payments", false },
    { "a digit cannot begin", "2pay", false },
    { "a joint cannot begin", "-pay", false },
    { "a joint cannot end", "pay-", false },
    { "two underscores part name and key", "pay__x", false },
    { "a blank", "pay ments", false },
    { "bytes beyond ASCII", "p\xc3\xa9", false },
};

START_TEST(a_name_is_lower_case_words_joined)
{
    ck_assert_msg(keel_name_is_valid(names[_i].name) == names[_i].valid, "%s: %s",
                  names[_i].why, names[_i].name);
}
END_TEST

START_TEST(a_name_folds_to_its_variable)
{
    keel_folded folded;

    keel_name_fold(folded, keel_text_of("payments-api.v2"));
    ck_assert_str_eq(folded, "PAYMENTS_API_V2");
}
END_TEST

static const struct {
    const char *why;
    const char *read;
    const char *meant;
    size_t distance;
    bool near;
} slips[] = {
    { "left out", "timeot", "timeout", 1, true },
    { "typed twice", "timeoutt", "timeout", 1, true },
    { "another letter", "strikt", "strict", 1, true },
    { "neighbours swapped", "dealdine", "deadline", 1, true },
    { "two slips in a long word", "retry.atempt", "retry.attempts", 2, true },
    { "short words resemble too many others", "date", "rate", 1, false },
    { "another word", "hedge.max", "deadline", 8, false },
};

START_TEST(a_slip_of_the_finger_is_near_another_word_is_not)
{
    keel_text read = keel_text_of(slips[_i].read);
    keel_text meant = keel_text_of(slips[_i].meant);

    ck_assert_uint_eq(keel_name_distance(read, meant, 64), slips[_i].distance);
    ck_assert_msg(keel_name_is_near(read, meant) == slips[_i].near, "%s",
                  slips[_i].why);
}
END_TEST

/* Cut where there is no room for all of it and the NUL. */
static const struct {
    const char *from;
    const char *expected;
} copies[] = { { "", "" }, { "abc", "abc" }, { "abcd", "abc" }, { NULL, "" } };

START_TEST(a_copy_is_cut_to_size_and_the_rest_of_the_room_is_zero)
{
    char to[4] = "????";

    keel_text_copy(to, sizeof to, keel_text_of(copies[_i].from));
    ck_assert_str_eq(to, copies[_i].expected);
    for (size_t i = strlen(to); i < sizeof to; i++)
        ck_assert_int_eq(to[i], 0);
}
END_TEST

static const struct {
    uint64_t seconds;
    const char *expected;
} dates[] = {
    { 0, "1970-01-01T00:00:00Z" },
    { 951782399, "2000-02-28T23:59:59Z" }, /* a century that has its leap day, */
    { 951782400, "2000-02-29T00:00:00Z" },
    { 951868800, "2000-03-01T00:00:00Z" },
    { 4107542400, "2100-03-01T00:00:00Z" }, /* and one that has not */
    { 1795237502, "2026-11-21T05:05:02Z" },
    { 253402300799, "9999-12-31T23:59:59Z" },
    { 253402300800, "?" },
    { UINT64_MAX, "?" },
};

START_TEST(an_instant_of_wall_time_is_written_as_a_date_in_utc)
{
    char to[KEEL_WALL_TEXT_SIZE];

    ck_assert_str_eq(keel_wall_write(to, dates[_i].seconds), dates[_i].expected);
}
END_TEST

SUITE("text", 10,
      ROWS(a_duration_is_read_exactly_or_refused_with_the_reason, durations),
      ROWS(a_ratio_is_parts_per_million_exactly, ratios),
      ROWS(a_quantile_is_parts_per_million_exactly, quantiles),
      ROWS(a_count_is_digits_and_nothing_else, counts),
      ROWS(a_span_runs_from_its_first_to_its_most, spans),
      ROWS(a_rate_is_a_count_in_a_second_minute_or_hour, rates),
      ONE(a_bool_is_on_or_off_and_nothing_else),
      ONE(a_decimal_comma_of_the_locale_changes_nothing),
      ROWS(what_is_written_is_read_back_as_the_same, samples),
      ONE(values_are_written_in_their_largest_unit),
      ROWS(quoted_text_is_fit_for_a_log, quotes),
      ONE(a_sentence_loses_its_own_quotation_marks),
      ROWS(a_copy_is_cut_to_size_and_the_rest_of_the_room_is_zero, copies),
      ROWS(an_instant_of_wall_time_is_written_as_a_date_in_utc, dates),
      ROWS(a_name_is_lower_case_words_joined, names), ONE(a_name_folds_to_its_variable),
      ROWS(a_slip_of_the_finger_is_near_another_word_is_not, slips))
