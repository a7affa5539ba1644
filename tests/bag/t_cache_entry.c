/* SPDX-License-Identifier: MIT */
/* The cache's entries: their times, their bytes, and what is none of them. */
#include "bag/wrap/cache_entry.h"

#include <string.h>

#include "support/suite.h"

#define NOW INT64_C(1000000)

static const keel_cache_terms terms = {
    .ttl_ms = 1000, .stale_ms = 5000, .absent_ms = 300, .jitter = 100000
};

/* expires: of the source's item, after now; 0: never; -1: not known */
static const struct {
    double draw;
    int64_t expires, fresh, kept;
} times[] = {
    { 0.5, 0, 1000, 6000 },    /* the middle: ttl itself */
    { 0, 0, 900, 5900 },       /* a tenth less */
    { 1, 0, 1100, 6100 },      /* a tenth more */
    { 0.5, -1, 1000, 6000 },   /* a source that cannot tell */
    { 0.5, 2000, 1000, 2000 }, /* stale no longer than the source keeps it */
    { 0.5, 400, 400, 400 },    /* nor fresh */
};

START_TEST(an_entry_is_fresh_then_stale_and_never_outlives_the_item)
{
    int64_t expires =
        times[_i].expires > 0 ? NOW + times[_i].expires : times[_i].expires;
    keel_cache_entry e =
        keel_cache_entry_value(&terms, times[_i].draw, NOW, 7, expires);

    ck_assert_int_eq(e.fresh_until_ms, NOW + times[_i].fresh);
    ck_assert_int_eq(e.kept_until_ms, NOW + times[_i].kept);
    ck_assert_int_eq(keel_cache_entry_use(&e, e.fresh_until_ms - 1), KEEL_CACHE_FRESH);
    if (e.kept_until_ms > e.fresh_until_ms) {
        ck_assert_int_eq(keel_cache_entry_use(&e, e.fresh_until_ms), KEEL_CACHE_STALE);
        ck_assert_int_eq(keel_cache_entry_use(&e, e.kept_until_ms - 1),
                         KEEL_CACHE_STALE);
    }
    ck_assert_int_eq(keel_cache_entry_use(&e, e.kept_until_ms), KEEL_CACHE_REPLACE);
}
END_TEST

static const struct {
    keel_cache_kind kind;
    keel_cache_use use;
} marks[] = {
    { KEEL_CACHE_ABSENT, KEEL_CACHE_FRESH },
    { KEEL_CACHE_WRITTEN, KEEL_CACHE_REPLACE },
    { KEEL_CACHE_DOUBT, KEEL_CACHE_AVOID },
    { KEEL_CACHE_ASKED, KEEL_CACHE_REPLACE },
};

START_TEST(a_mark_is_never_stale)
{
    keel_cache_entry e = keel_cache_entry_mark(marks[_i].kind, NOW, 300);

    ck_assert_int_eq(keel_cache_entry_use(&e, NOW + 299), marks[_i].use);
    ck_assert_int_eq(keel_cache_entry_use(&e, NOW + 300), KEEL_CACHE_REPLACE);
}
END_TEST

START_TEST(a_value_that_is_asked_for_is_stale_and_comes_back_as_it_was)
{
    keel_cache_entry e = keel_cache_entry_value(&terms, 0.5, NOW, 7, 0);
    int64_t later = NOW + 2000;
    keel_cache_entry asked = keel_cache_entry_asked(&e, later, 100);
    keel_cache_entry back = keel_cache_entry_unasked(&asked, later);

    ck_assert_int_eq(keel_cache_entry_use(&asked, later), KEEL_CACHE_STALE);
    ck_assert(keel_cache_entry_is_asked(&asked, later + 99));
    ck_assert(!keel_cache_entry_is_asked(&asked, later + 100));
    ck_assert_int_eq(keel_cache_entry_use(&asked, e.kept_until_ms), KEEL_CACHE_REPLACE);
    ck_assert(!keel_cache_entry_is_asked(&back, later));
    ck_assert_int_eq(keel_cache_entry_use(&back, later), KEEL_CACHE_STALE);
    ck_assert_int_eq(back.kept_until_ms, e.kept_until_ms);
    ck_assert_uint_eq(back.flags, 7);
}
END_TEST

START_TEST(no_time_is_beyond_the_end_of_time)
{
    const keel_cache_terms endless = { .ttl_ms = 1, .stale_ms = INT64_MAX };
    keel_cache_entry e = keel_cache_entry_value(&endless, 0.5, NOW, 0, 0);

    ck_assert_int_eq(e.kept_until_ms, INT64_MAX);
    ck_assert_int_eq(keel_cache_longest_ms(&endless), INT64_MAX);
    ck_assert_int_eq(keel_cache_longest_ms(&terms), 6100);
}
END_TEST

START_TEST(what_was_written_is_read_back)
{
    keel_cache_entry e = keel_cache_entry_value(&terms, 0.25, NOW, 0xfedcba98, NOW + 9);
    keel_cache_entry back;
    char bytes[KEEL_CACHE_HEAD + 3] = { 0 };

    keel_cache_entry_write(&e, bytes);
    ck_assert(keel_cache_entry_read(&back, (keel_bytes){ bytes, sizeof bytes }));
    ck_assert_int_eq(back.kind, KEEL_CACHE_VALUE);
    ck_assert_uint_eq(back.flags, 0xfedcba98);
    ck_assert_int_eq(back.fresh_until_ms, e.fresh_until_ms);
    ck_assert_int_eq(back.kept_until_ms, e.kept_until_ms);
    ck_assert_int_eq(back.expires_at_ms, NOW + 9);
    ck_assert_int_eq(bytes[8], (char)(e.fresh_until_ms & 0xff)); /* little endian */
}
END_TEST

/* at, byte: what is changed in a sound entry; length: how much there is of it */
static const struct {
    size_t at;
    char byte;
    size_t length;
} alien[] = {
    { 0, 'x', KEEL_CACHE_HEAD },
    { 2, '2', KEEL_CACHE_HEAD }, /* another version */
    { 3, 0, KEEL_CACHE_HEAD },   /* no kind */
    { 3, 7, KEEL_CACHE_HEAD },   /* a kind of later */
    { 3, (char)-1, KEEL_CACHE_HEAD },
    { 0, 'k', KEEL_CACHE_HEAD - 1 }, /* cut */
    { 0, 'k', 0 },
};

START_TEST(what_others_put_there_is_no_entry)
{
    keel_cache_entry e = keel_cache_entry_mark(KEEL_CACHE_ABSENT, NOW, 300), back;
    char bytes[KEEL_CACHE_HEAD];

    keel_cache_entry_write(&e, bytes);
    ck_assert(keel_cache_entry_read(&back, (keel_bytes){ bytes, sizeof bytes }));
    bytes[alien[_i].at] = alien[_i].byte;
    ck_assert(!keel_cache_entry_read(&back, (keel_bytes){ bytes, alien[_i].length }));
}
END_TEST

SUITE("cache entry", 20,
      ROWS(an_entry_is_fresh_then_stale_and_never_outlives_the_item, times),
      ROWS(a_mark_is_never_stale, marks),
      ONE(a_value_that_is_asked_for_is_stale_and_comes_back_as_it_was),
      ONE(no_time_is_beyond_the_end_of_time), ONE(what_was_written_is_read_back),
      ROWS(what_others_put_there_is_no_entry, alien))
