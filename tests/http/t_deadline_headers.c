/* SPDX-License-Identifier: MIT */
/*
 * Deadlines and attempt numbers in and out of headers: every form, every odd value, and
 * that a hop never has more time than the one before.
 */
#include <errno.h>
#include <string.h>

#include "http/deadline_header.h"
#include "http/inbound.h"
#include "support/opened.h"
#include "support/suite.h"
#include "support/without.h"

#define NOW VCLOCK_START
#define HUGE_NUMBER "99999999999999999999999999"

/* A request: what it says under each name, or NULL. */
typedef struct request {
    const char *keel;
    const char *grpc;
    const char *envoy;
    const char *keel_attempt;
    const char *grpc_attempts;
    const char *envoy_count;
} request;

static const char *header_of(const char *name, void *ctx)
{
    const request *r = ctx;
    const struct {
        const char *name;
        const char *value;
    } all[] = {
        { "x-keel-timeout-ms", r->keel },
        { "grpc-timeout", r->grpc },
        { "x-envoy-expected-rq-timeout-ms", r->envoy },
        { "x-keel-attempt", r->keel_attempt },
        { "grpc-previous-rpc-attempts", r->grpc_attempts },
        { "x-envoy-attempt-count", r->envoy_count },
    };

    errno = ENOENT;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(name, all[i].name))
            return all[i].value;
    ck_abort_msg("asked for %s", name);
}

/* ---- values -------------------------------------------------------------------- */

typedef struct value_case {
    const char *why;
    keel_header_form form;
    const char *text;
    uint64_t ns; /* 0: it is none */
} value_case;

#define MS KEEL_HEADER_KEEL
#define GRPC KEEL_HEADER_GRPC

static const value_case timeouts[] = {
    { "milliseconds", MS, "250", 250 * KEEL_MS },
    { "leading zeros are digits", MS, "00250", 250 * KEEL_MS },
    { "blanks around a field are no part of it", MS, " \t250 ", 250 * KEEL_MS },
    { "Envoy's 0 is no deadline at all", MS, "0", 0 },
    { "a sign", MS, "+250", 0 },
    { "strtoull would wrap", MS, "-1", 0 },
    { "a blank within", MS, "2 50", 0 },
    { "a unit", MS, "250ms", 0 },
    { "decimals", MS, "2.5", 0 },
    { "hexadecimal", MS, "0x10", 0 },
    { "nothing", MS, "", 0 },
    { "blanks alone", MS, "  ", 0 },
    { "two headers, joined by a proxy", MS, "250, 300", 0 },
    { "the largest that fits", MS, "18446744073709", 18446744073709 * KEEL_MS },
    { "one more is as long as can be", MS, "18446744073710", UINT64_MAX },
    { "beyond 64 bits", MS, HUGE_NUMBER, UINT64_MAX },
    { "and would wrap to 1", MS, "18446744073709551617", UINT64_MAX },
    { "digits of another script", MS, "\xd9\xa1\xd9\xa2", 0 },

    { "hours", GRPC, "1H", 3600 * KEEL_S },
    { "minutes", GRPC, "2M", 120 * KEEL_S },
    { "seconds", GRPC, "3S", 3 * KEEL_S },
    { "milliseconds", GRPC, "4m", 4 * KEEL_MS },
    { "microseconds", GRPC, "5u", 5000 },
    { "nanoseconds", GRPC, "6n", 6 },
    { "eight digits", GRPC, "99999999H", UINT64_MAX },
    { "eight digits that fit", GRPC, "99999999S", 99999999 * KEEL_S },
    { "nine", GRPC, "999999999n", 0 },
    { "nine with zeros", GRPC, "000000001S", 0 },
    { "units have a case", GRPC, "1h", 0 },
    { "units have a case", GRPC, "1s", 0 },
    { "no unit", GRPC, "100", 0 },
    { "no number", GRPC, "S", 0 },
    { "two letters", GRPC, "100ms", 0 },
    { "a blank before the unit", GRPC, "1 S", 0 },
    { "blanks around", GRPC, " 1S ", KEEL_S },
    { "no time", GRPC, "0S", 0 },
    { "a sign", GRPC, "-1S", 0 },
    { "nothing", GRPC, "", 0 },
};

START_TEST(a_timeout_is_read_to_the_last_character_or_not_at_all)
{
    const value_case *row = &timeouts[_i];
    uint64_t ns = 0;

    ck_assert_msg(keel_timeout_read(row->form, row->text, &ns) == (row->ns != 0),
                  "%s: \"%s\"", row->why, row->text);
    ck_assert_msg(ns == row->ns, "%s: \"%s\" is %lu", row->why, row->text,
                  (unsigned long)ns);
}
END_TEST

static const value_case attempts[] = {
    { "the first", MS, "1", 1 },
    { "a retry", MS, "2", 2 },
    { "there is no attempt 0", MS, "0", 0 },
    { "a sign", MS, "-2", 0 },
    { "nothing", MS, "", 0 },
    { "words", MS, "second", 0 },
    { "as many as can be", MS, HUGE_NUMBER, UINT32_MAX - 1 },
    { "gRPC counts those before", GRPC, "0", 1 },
    { "gRPC counts those before", GRPC, "1", 2 },
    { "and has as many", GRPC, HUGE_NUMBER, UINT32_MAX },
    { "and no sign", GRPC, "-1", 0 },
};

START_TEST(an_attempt_is_numbered_from_1_whoever_counts)
{
    const value_case *row = &attempts[_i];
    uint32_t attempt = 0;

    ck_assert_msg(keel_attempt_read(row->form, row->text, &attempt) == (row->ns != 0),
                  "%s: \"%s\"", row->why, row->text);
    ck_assert_msg(attempt == row->ns, "%s: \"%s\" is %u", row->why, row->text,
                  (unsigned)attempt);
}
END_TEST

static const struct {
    const char *why;
    keel_header_form form;
    uint64_t ns;
    const char *text;
} written[] = {
    { "whole milliseconds, never more than there are", MS, 1999999, "1" },
    { "an end that has come is no 0, which has none", MS, 0, "1" },
    { "the longest", MS, UINT64_MAX - 1, "18446744073709" },
    { "gRPC's", GRPC, 250 * KEEL_MS, "250m" },
    { "as many as eight digits hold", GRPC, 99999999 * KEEL_MS, "99999999m" },
    { "more go by the second", GRPC, 100000000 * KEEL_MS, "100000S" },
    { "by the minute", GRPC, 100000000 * KEEL_S, "1666666M" },
    { "the longest", GRPC, UINT64_MAX - 1, "5124095H" },
};

START_TEST(a_timeout_is_written_as_it_is_read)
{
    keel_header header;
    uint64_t ns;

    keel_timeout_write(written[_i].form, written[_i].ns, &header);
    ck_assert_msg(!strcmp(header.value, written[_i].text), "%s: %s", written[_i].why,
                  header.value);
    ck_assert(keel_timeout_read(written[_i].form, header.value, &ns));
    ck_assert(ns <= written[_i].ns || ns == KEEL_MS);
}
END_TEST

/* ---- in ------------------------------------------------------------------------ */

typedef struct inbound_case {
    const char *why;
    request request;
    uint64_t ceiling_ns;
    uint64_t left_ns; /* KEEL_NEVER: no deadline */
    uint32_t attempt;
    const char *header;
    const char *ignored; /* begins so */
} inbound_case;

#define ALLOWANCE (5 * KEEL_MS)

static const inbound_case inbounds[] = {
    { "nothing said, nothing known", { 0 }, 0, KEEL_NEVER, 0, NULL, NULL },
    { "nothing said: what this service gives", { 0 }, KEEL_S, KEEL_S, 0, NULL, NULL },
    { "less the way back",
      { .keel = "100" },
      0,
      100 * KEEL_MS - ALLOWANCE,
      0,
      "x-keel-timeout-ms",
      NULL },
    { "the shortest of three wins",
      { .keel = "300", .grpc = "200m", .envoy = "100" },
      KEEL_S,
      100 * KEEL_MS - ALLOWANCE,
      0,
      "x-envoy-expected-rq-timeout-ms",
      NULL },
    { "whichever it is",
      { .keel = "300", .grpc = "200m", .envoy = "400" },
      0,
      200 * KEEL_MS - ALLOWANCE,
      0,
      "grpc-timeout",
      NULL },
    { "the ceiling holds", { .grpc = "1H" }, KEEL_S, KEEL_S, 0, NULL, NULL },
    { "an overflow gets the ceiling",
      { .keel = HUGE_NUMBER },
      KEEL_S,
      KEEL_S,
      0,
      NULL,
      NULL },
    { "an overflow without one is as good as nothing",
      { .keel = HUGE_NUMBER },
      0,
      KEEL_NEVER,
      0,
      NULL,
      NULL },
    { "0 gets the ceiling, and a word",
      { .envoy = "0" },
      KEEL_S,
      KEEL_S,
      0,
      NULL,
      "x-envoy-expected-rq-timeout-ms is no" },
    { "what is odd does not spoil the rest",
      { .keel = "-1", .grpc = "50m", .keel_attempt = "2" },
      0,
      50 * KEEL_MS - ALLOWANCE,
      2,
      "grpc-timeout",
      "x-keel-timeout-ms is no" },
    { "too little for the way back is no time",
      { .keel = "4" },
      0,
      0,
      0,
      "x-keel-timeout-ms",
      NULL },
    { "the highest number wins",
      { .keel_attempt = "2", .grpc_attempts = "2", .envoy_count = "1" },
      0,
      KEEL_NEVER,
      3,
      NULL,
      NULL },
    { "an odd number has a word too",
      { .envoy_count = "many" },
      0,
      KEEL_NEVER,
      0,
      NULL,
      "x-envoy-attempt-count is no" },
};

START_TEST(the_shortest_time_wins_and_nothing_exceeds_the_ceiling)
{
    const inbound_case *row = &inbounds[_i];
    keel_inbound_options options = { .size = sizeof options,
                                     .ceiling_ns = row->ceiling_ns,
                                     .allowance_ns = ALLOWANCE };
    request r = row->request;
    keel_inbound in;

    keel_inbound_read(&in, header_of, &r, &options, NOW);
    if (row->left_ns == KEEL_NEVER)
        ck_assert_msg(!in.deadline_at_ns, "%s", row->why);
    else
        ck_assert_msg(in.deadline_at_ns - NOW == row->left_ns, "%s: %lu", row->why,
                      (unsigned long)(in.deadline_at_ns - NOW));
    ck_assert_msg(in.attempt == row->attempt, "%s: %u", row->why, (unsigned)in.attempt);
    ck_assert_pstr_eq(in.header, row->header);
    ck_assert_msg(!in.ignored == !row->ignored, "%s", row->why);
    if (row->ignored)
        ck_assert_mem_eq(in.ignored, row->ignored, strlen(row->ignored));
}
END_TEST

START_TEST(no_time_left_is_an_instant_even_when_the_clock_begins)
{
    keel_inbound_options options = { .size = sizeof options, .allowance_ns = 1 };
    request r = { .grpc = "1n" };
    keel_inbound in;

    keel_inbound_read(&in, header_of, &r, &options, 0);
    ck_assert_uint_eq(in.deadline_at_ns, 1);
}
END_TEST

/* ---- as the service sees it ---------------------------------------------------- */

static opened o;
static keel_call call;
static keel_header headers[KEEL_CALL_HEADERS_MAX];
static size_t count;

static void begin(const char *settings, const keel_call_options *options)
{
    opened_init(&o, OPENED_VIRTUAL, NULL, settings);
    keel_call_begin(&call, o.pipeline, options);
    ck_assert(keel_call_next(&call));
}

static void end(void)
{
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_OK);
    opened_cleanup(&o);
}

static void says(size_t i, const char *name, const char *value)
{
    ck_assert_uint_lt(i, count);
    ck_assert_str_eq(headers[i].name, name);
    ck_assert_str_eq(headers[i].value, value);
}

static void ask(void)
{
    ck_assert_int_eq(keel_call_headers(&call, headers, KEEL_CALL_HEADERS_MAX, &count),
                     KEEL_OK);
}

START_TEST(the_attempt_carries_what_is_left_of_the_nearer_end)
{
    begin("deadline=10s; timeout=2s; deadline.header=keel", NULL);
    ask();
    ck_assert_uint_eq(count, 2);
    says(0, "x-keel-timeout-ms", "1995");
    says(1, "x-keel-attempt", "1");
    vclock_advance(&o.clock, 500 * KEEL_MS);
    ask();
    says(0, "x-keel-timeout-ms", "1495");
    end();
    begin("deadline=1s; timeout=2s; deadline.header=envoy; deadline.allowance=0", NULL);
    ask();
    says(0, "x-envoy-expected-rq-timeout-ms", "1000");
    says(1, "x-envoy-attempt-count", "1");
    end();
}
END_TEST

START_TEST(a_retry_says_so_in_the_words_of_each_form)
{
    keel_call_options options = { .size = sizeof options, .idempotent = true };

    begin("standard; deadline.header=grpc", &options);
    ask();
    ck_assert_uint_eq(count, 1); /* gRPC does not tell of a first attempt */
    says(0, "grpc-timeout", "1995m");
    keel_call_report(&call, KEEL_FAILED);
    ck_assert(keel_call_next(&call));
    ask();
    says(1, "grpc-previous-rpc-attempts", "1");
    end();
}
END_TEST

/* With two under way the headers are those of the one that is to be made now. */
START_TEST(a_second_copy_says_its_own_number_and_time)
{
    keel_call_options options = { .size = sizeof options, .idempotent = true };
    uint32_t attempt;

    opened_init(&o, OPENED_VIRTUAL, NULL,
                "deadline=1s; timeout=800ms; hedge=50ms; hedge.budget=100%; "
                "deadline.header=keel");
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, NULL), KEEL_STEP_ATTEMPT);
    ask();
    says(0, "x-keel-timeout-ms", "795");
    vclock_advance(&o.clock, 50 * KEEL_MS);
    ck_assert_int_eq(keel_call_poll(&call, &attempt, NULL), KEEL_STEP_ATTEMPT);
    ck_assert_uint_eq(attempt, 2);
    ask();
    says(0, "x-keel-timeout-ms", "795");
    says(1, "x-keel-attempt", "2");
    end();
}
END_TEST

/* Named for all pipelines, a key turns no policy on. */
START_TEST(an_attempt_without_an_end_says_its_number_alone)
{
    static const char *const environment[] = { "KEEL_DEFAULT=deadline.header=keel",
                                               NULL };

    opened_init(&o, OPENED_VIRTUAL, environment, "none");
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    ask();
    ck_assert_uint_eq(count, 1);
    says(0, "x-keel-attempt", "1");
    end();
}
END_TEST

START_TEST(nothing_is_said_unless_it_is_asked_for)
{
    begin("standard", NULL);
    ask();
    ck_assert_uint_eq(count, 0);
    end();
}
END_TEST

START_TEST(without_an_attempt_there_is_nothing_to_say)
{
    begin("standard; deadline.header=keel", NULL);
    ck_assert_int_eq(keel_call_headers(&call, headers, 1, &count), KEEL_E_BUFFER);
    ck_assert_uint_eq(count, 2);
    keel_call_report(&call, KEEL_OK);
    ck_assert_int_eq(keel_call_headers(&call, headers, 4, &count), KEEL_E_STATE);
    ck_assert_uint_eq(count, 0);
    ck_assert(!keel_call_next(&call));
    end();
}
END_TEST

START_TEST(a_disabled_keel_says_nothing)
{
    static const char *const disabled[] = { "KEEL_DISABLED=on", NULL };

    opened_init(&o, OPENED_VIRTUAL, disabled, "deadline.header=keel");
    keel_call_begin(&call, o.pipeline, NULL);
    ck_assert(keel_call_next(&call));
    ask();
    ck_assert_uint_eq(count, 0);
    end();
}
END_TEST

/* What one hop writes, as the request that the next one reads. */
static const char *forwarded(const char *name, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(headers[i].name, name))
            return headers[i].value;
    return NULL;
}

static const char *const forms[] = { "standard; deadline.header=keel",
                                     "standard; deadline.header=grpc",
                                     "standard; deadline.header=envoy" };

START_TEST(along_a_chain_the_time_falls_and_a_retry_stays_one)
{
    keel_call_options options = { .size = sizeof options, .attempt = 2 };
    uint64_t left_ns = 0;

    for (int hop = 0; hop < 5; hop++) {
        keel_inbound in = { .size = sizeof in };

        begin(forms[_i], &options);
        ask();
        ck_assert_int_eq(keel_deadline_from_headers(o.rt, forwarded, NULL, NULL, &in),
                         KEEL_OK);
        ck_assert_uint_eq(in.attempt, 2);
        if (hop)
            ck_assert_uint_eq(in.deadline_at_ns - NOW, left_ns - 10 * KEEL_MS);
        left_ns = in.deadline_at_ns - NOW;
        options.deadline_at_ns = in.deadline_at_ns;
        options.attempt = in.attempt;
        end();
    }
}
END_TEST

START_TEST(what_was_inherited_bounds_the_calls)
{
    keel_call_options options = { .size = sizeof options, .idempotent = true };
    keel_inbound in = { .size = sizeof in };
    request r = { .keel = "400", .keel_attempt = "2" };

    opened_init(&o, OPENED_VIRTUAL, NULL, "standard");
    errno = 0;
    ck_assert_int_eq(keel_deadline_from_headers(o.rt, header_of, &r, NULL, &in),
                     KEEL_OK);
    ck_assert_int_eq(errno, 0);
    options.deadline_at_ns = in.deadline_at_ns;
    options.attempt = in.attempt;
    keel_call_begin(&call, o.pipeline, &options);
    ck_assert(keel_call_next(&call));
    ck_assert_uint_eq(keel_call_timeout_ns(&call), 395 * KEEL_MS);
    keel_call_report(&call, KEEL_FAILED);
    ck_assert(!keel_call_next(&call)); /* the caller is at his second attempt already */
    ck_assert_int_eq(keel_call_end(&call, NULL), KEEL_FAILED);
    opened_cleanup(&o);
}
END_TEST

START_TEST(without_what_is_needed_nothing_is_read_or_said)
{
    keel_inbound_options wrong = { .size = 0 };
    keel_inbound in = { .size = sizeof in };
    request r = { .keel = "400" };

    begin("standard", NULL);
    WITHOUT(keel_deadline_from_headers, runtime,
            keel_deadline_from_headers(NULL, header_of, &r, NULL, &in) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_deadline_from_headers, get,
            keel_deadline_from_headers(o.rt, NULL, &r, NULL, &in) == KEEL_E_ARGUMENT);
    WITHOUT(keel_deadline_from_headers, inbound,
            keel_deadline_from_headers(o.rt, header_of, &r, NULL, NULL) ==
                KEEL_E_ARGUMENT);
    WITHOUT(keel_deadline_from_headers, options,
            keel_deadline_from_headers(o.rt, header_of, &r, NULL, &in) == KEEL_OK);
    count = 0;
    WITHOUT(keel_deadline_from_headers, ctx,
            keel_deadline_from_headers(o.rt, forwarded, NULL, NULL, &in) == KEEL_OK);
    ck_assert_int_eq(keel_deadline_from_headers(o.rt, header_of, &r, &wrong, &in),
                     KEEL_E_ARGUMENT);
    in.size = 0;
    ck_assert_int_eq(keel_deadline_from_headers(o.rt, header_of, &r, NULL, &in),
                     KEEL_E_ARGUMENT);
    WITHOUT(keel_call_headers, call,
            keel_call_headers(NULL, headers, 4, &count) == KEEL_E_ARGUMENT);
    WITHOUT(keel_call_headers, headers,
            keel_call_headers(&call, NULL, 4, &count) == KEEL_E_ARGUMENT);
    WITHOUT(keel_call_headers, count,
            keel_call_headers(&call, headers, 4, NULL) == KEEL_E_ARGUMENT);
    end();
}
END_TEST

START_TEST(of_an_older_callers_struct_no_more_is_written)
{
    request r = { .keel = "-1", .keel_attempt = "3" };
    keel_inbound in;

    opened_init(&o, OPENED_VIRTUAL, NULL, "standard");
    memset(&in, 0x55, sizeof in);
    in.size = offsetof(keel_inbound, header);
    ck_assert_int_eq(keel_deadline_from_headers(o.rt, header_of, &r, NULL, &in),
                     KEEL_OK);
    ck_assert_uint_eq(in.attempt, 3);
    ck_assert_uint_eq(in.size, offsetof(keel_inbound, header));
    ck_assert_int_eq(*(unsigned char *)&in.ignored, 0x55);
    opened_cleanup(&o);
}
END_TEST

SUITE("deadline_headers", 10,
      ROWS(a_timeout_is_read_to_the_last_character_or_not_at_all, timeouts),
      ROWS(an_attempt_is_numbered_from_1_whoever_counts, attempts),
      ROWS(a_timeout_is_written_as_it_is_read, written),
      ROWS(the_shortest_time_wins_and_nothing_exceeds_the_ceiling, inbounds),
      ONE(no_time_left_is_an_instant_even_when_the_clock_begins),
      ONE(the_attempt_carries_what_is_left_of_the_nearer_end),
      ONE(a_retry_says_so_in_the_words_of_each_form),
      ONE(a_second_copy_says_its_own_number_and_time),
      ONE(an_attempt_without_an_end_says_its_number_alone),
      ONE(nothing_is_said_unless_it_is_asked_for),
      ONE(without_an_attempt_there_is_nothing_to_say),
      ONE(a_disabled_keel_says_nothing),
      ROWS(along_a_chain_the_time_falls_and_a_retry_stays_one, forms),
      ONE(what_was_inherited_bounds_the_calls),
      ONE(without_what_is_needed_nothing_is_read_or_said),
      ONE(of_an_older_callers_struct_no_more_is_written))
