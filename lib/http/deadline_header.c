/* SPDX-License-Identifier: MIT */
/*
 * The three forms.
 *
 *   keel   milliseconds; the attempt's number, from 1
 *   grpc   one to eight digits and H, M, S, m, u or n; the attempts before this one
 *   envoy  milliseconds; the attempt's number, from 1
 */
#include "http/deadline_header.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { GRPC_DIGITS = 8 };

static const keel_header_words forms[] = {
    [KEEL_HEADER_KEEL] = { "x-keel-timeout-ms",
                           "x-keel-timeout-ms is no number of milliseconds above 0",
                           "x-keel-attempt", "x-keel-attempt is no number above 0" },
    [KEEL_HEADER_GRPC] = { "grpc-timeout",
                           "grpc-timeout is not 1 to 8 digits, above 0, and one of "
                           "H M S m u n",
                           "grpc-previous-rpc-attempts",
                           "grpc-previous-rpc-attempts is no number" },
    [KEEL_HEADER_ENVOY] = { "x-envoy-expected-rq-timeout-ms",
                            "x-envoy-expected-rq-timeout-ms is no number of "
                            "milliseconds above 0",
                            "x-envoy-attempt-count",
                            "x-envoy-attempt-count is no number above 0" },
};

/* The longest first. */
static const struct {
    char letter;
    uint64_t ns;
} grpc_units[] = {
    { 'H', 3600 * KEEL_S }, { 'M', 60 * KEEL_S }, { 'S', KEEL_S },
    { 'm', KEEL_MS },       { 'u', 1000 },        { 'n', 1 },
};

const keel_header_words *keel_header_words_of(keel_header_form form)
{
    return &forms[form];
}

/* ---- reading ------------------------------------------------------------------- */

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

/* Takes digits off the front; a number that is too large is the largest. */
static size_t take_number(const char **text, uint64_t *number)
{
    size_t digits = strspn(*text, "0123456789");

    *number = 0;
    for (size_t i = 0; i < digits; i++) {
        uint64_t digit = (uint64_t)((*text)[i] - '0');
        bool is_huge = *number > (UINT64_MAX - digit) / 10;

        *number = is_huge ? UINT64_MAX : *number * 10 + digit;
    }
    *text += digits;
    return digits;
}

static bool is_end(const char *text)
{
    return !*skip_blanks(text);
}

static uint64_t times(uint64_t number, uint64_t unit_ns)
{
    return number > UINT64_MAX / unit_ns ? UINT64_MAX : number * unit_ns;
}

static bool read_milliseconds(const char *text, uint64_t *ns)
{
    uint64_t number;

    text = skip_blanks(text);
    if (!take_number(&text, &number) || !is_end(text) || !number)
        return false;
    *ns = times(number, KEEL_MS);
    return true;
}

static bool read_grpc(const char *text, uint64_t *ns)
{
    uint64_t number;
    size_t digits;

    text = skip_blanks(text);
    digits = take_number(&text, &number);
    if (!digits || digits > GRPC_DIGITS || !number || !*text || !is_end(text + 1))
        return false;
    for (size_t i = 0; i < sizeof grpc_units / sizeof *grpc_units; i++)
        if (grpc_units[i].letter == *text) {
            *ns = times(number, grpc_units[i].ns);
            return true;
        }
    return false;
}

bool keel_timeout_read(keel_header_form form, const char *text, uint64_t *ns)
{
    return form == KEEL_HEADER_GRPC ? read_grpc(text, ns) : read_milliseconds(text, ns);
}

bool keel_attempt_read(keel_header_form form, const char *text, uint32_t *attempt)
{
    uint64_t first = form == KEEL_HEADER_GRPC ? 0 : 1;
    uint64_t number;

    text = skip_blanks(text);
    if (!take_number(&text, &number) || !is_end(text) || number < first)
        return false;
    number = number < UINT32_MAX ? number : UINT32_MAX - 1;
    *attempt = (uint32_t)(number + 1 - first);
    return true;
}

/* ---- writing ------------------------------------------------------------------- */

static void write_grpc(uint64_t ns, keel_header *header)
{
    static const uint64_t most = 99999999; /* eight digits; all hours fit */
    size_t unit = 3;                       /* milliseconds */

    while (unit && ns / grpc_units[unit].ns > most)
        unit--;
    snprintf(header->value, sizeof header->value, "%" PRIu64 "%c",
             ns / grpc_units[unit].ns, grpc_units[unit].letter);
}

void keel_timeout_write(keel_header_form form, uint64_t ns, keel_header *header)
{
    header->name = forms[form].timeout;
    if (ns < KEEL_MS)
        ns = KEEL_MS; /* 0 would say that there is no end */
    if (form == KEEL_HEADER_GRPC)
        write_grpc(ns, header);
    else
        snprintf(header->value, sizeof header->value, "%" PRIu64, ns / KEEL_MS);
}

bool keel_attempt_write(keel_header_form form, uint32_t attempt, keel_header *header)
{
    if (form == KEEL_HEADER_GRPC && attempt <= 1)
        return false;
    header->name = forms[form].attempt;
    if (form == KEEL_HEADER_GRPC)
        attempt--;
    snprintf(header->value, sizeof header->value, "%" PRIu32, attempt);
    return true;
}
