/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the values of settings text. strtod and friends follow the locale
 * and accept signs, blanks and hexadecimal, so nothing here uses them.
 */
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DECIMALS_MAX = 18 }; /* the most of which every value fits 64 bits */

typedef struct number {
    uint64_t whole;
    uint64_t fraction; /* over divisor */
    uint64_t divisor;
} number;

typedef struct unit {
    const char *name;
    uint64_t ns;
} unit;

/* Longest first; "ms" must be tried before "m". */
static const unit units[] = {
    { "h", KEEL_HOUR },   { "ms", KEEL_MILLISECOND }, { "m", KEEL_MINUTE },
    { "s", KEEL_SECOND }, { "us", KEEL_MICROSECOND }, { "ns", 1 },
};

enum { UNITS = sizeof units / sizeof *units };

keel_text keel_text_of(const char *string)
{
    return string ? (keel_text){ string, strlen(string) } : (keel_text){ "", 0 };
}

bool keel_text_is(keel_text text, const char *string)
{
    return text.length == strlen(string) && !memcmp(text.at, string, text.length);
}

bool keel_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

keel_text keel_text_trim(keel_text text)
{
    while (text.length && keel_is_blank(text.at[0])) {
        text.at++;
        text.length--;
    }
    while (text.length && keel_is_blank(text.at[text.length - 1]))
        text.length--;
    return text;
}

void keel_text_copy(char *to, size_t size, keel_text text)
{
    size_t length = text.length < size - 1 ? text.length : size - 1;

    if (length) /* an empty text may be nowhere */
        memcpy(to, text.at, length);
    memset(to + length, 0, size - length);
}

static keel_text skip(keel_text text, size_t length)
{
    return (keel_text){ text.at + length, text.length - length };
}

static bool starts_with(keel_text text, const char *prefix)
{
    size_t length = strlen(prefix);

    return text.length >= length && !memcmp(text.at, prefix, length);
}

bool keel_text_split(keel_text text, const char *at, keel_text *before,
                     keel_text *after)
{
    for (size_t i = 0; i < text.length; i++) {
        if (!starts_with(skip(text, i), at))
            continue;
        *before = (keel_text){ text.at, i };
        *after = skip(text, i + strlen(at));
        return true;
    }
    return false;
}

bool keel_text_next(keel_text *rest, const char *between, keel_text *piece)
{
    if (!rest->length)
        return false;
    *piece = *rest;
    if (!keel_text_split(*rest, between, piece, rest))
        rest->length = 0;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes one or more digits off the front of *rest. */
static keel_parse take_digits(keel_text *rest, uint64_t *value, size_t *digits)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < rest->length && is_digit(rest->at[i]); i++) {
        uint64_t digit = (uint64_t)(rest->at[i] - '0');

        if (sum > (UINT64_MAX - digit) / 10)
            return KEEL_PARSE_LARGE;
        sum = sum * 10 + digit;
    }
    if (!i)
        return KEEL_PARSE_FORM;
    *rest = skip(*rest, i);
    *value = sum;
    *digits = i;
    return KEEL_PARSE_OK;
}

/* digits [ "." digits ] off the front of *rest; "1.." is left for a span. */
static keel_parse take_number(keel_text *rest, number *out)
{
    size_t digits;
    keel_parse parse = take_digits(rest, &out->whole, &digits);

    out->fraction = 0;
    out->divisor = 1;
    if (parse || !starts_with(*rest, "."))
        return parse;
    *rest = skip(*rest, 1);
    parse = take_digits(rest, &out->fraction, &digits);
    if (parse == KEEL_PARSE_LARGE || (!parse && digits > DECIMALS_MAX))
        return KEEL_PARSE_FINE;
    while (!parse && digits--)
        out->divisor *= 10;
    return parse;
}

/* number x scale, exactly or not at all. */
static keel_parse scaled(const number *n, uint64_t scale, uint64_t *out)
{
    uint64_t fraction;

    if (n->whole > UINT64_MAX / scale)
        return KEEL_PARSE_LARGE;
    if (n->fraction > UINT64_MAX / scale || n->fraction * scale % n->divisor)
        return KEEL_PARSE_FINE;
    fraction = n->fraction * scale / n->divisor;
    if (n->whole * scale > UINT64_MAX - fraction)
        return KEEL_PARSE_LARGE;
    *out = n->whole * scale + fraction;
    return KEEL_PARSE_OK;
}

keel_parse keel_parse_count(keel_text text, uint64_t *count)
{
    uint64_t value;
    size_t digits;
    keel_parse parse = take_digits(&text, &value, &digits);

    if (parse)
        return parse;
    if (text.length)
        return KEEL_PARSE_FORM;
    *count = value;
    return KEEL_PARSE_OK;
}

static const unit *take_unit(keel_text *rest)
{
    for (size_t i = 0; i < UNITS; i++) {
        if (starts_with(*rest, units[i].name)) {
            *rest = skip(*rest, strlen(units[i].name));
            return &units[i];
        }
    }
    return NULL;
}

/* One "1.5s" of a duration; *ceiling makes units fall: 1m30s, never 30s1m. */
static keel_parse take_part(keel_text *rest, uint64_t *ceiling, uint64_t *ns)
{
    number n;
    const unit *in;
    keel_parse parse = take_number(rest, &n);

    if (parse)
        return parse;
    in = take_unit(rest);
    if (!in)
        return rest->length ? KEEL_PARSE_FORM : KEEL_PARSE_UNIT;
    if (in->ns >= *ceiling)
        return KEEL_PARSE_FORM;
    *ceiling = in->ns;
    return scaled(&n, in->ns, ns);
}

keel_parse keel_parse_duration(keel_text text, uint64_t *ns)
{
    uint64_t sum = 0, part, ceiling = UINT64_MAX;
    keel_parse parse;

    if (!keel_text_is(text, "0")) {
        do {
            parse = take_part(&text, &ceiling, &part);
            if (parse)
                return parse;
            if (sum > UINT64_MAX - part)
                return KEEL_PARSE_LARGE;
            sum += part;
        } while (text.length);
    }
    *ns = sum;
    return KEEL_PARSE_OK;
}

keel_parse keel_parse_span(keel_text text, uint64_t *first, uint64_t *most)
{
    keel_text low = text, high = text;
    uint64_t from, to;
    keel_parse parse;

    if (keel_text_split(text, "..", &low, &high)) {
        low = keel_text_trim(low);
        high = keel_text_trim(high);
    }
    parse = keel_parse_duration(low, &from);
    if (!parse)
        parse = keel_parse_duration(high, &to);
    if (parse)
        return parse;
    if (from > to)
        return KEEL_PARSE_ORDER;
    *first = from;
    *most = to;
    return KEEL_PARSE_OK;
}

static keel_parse parse_scaled(keel_text text, uint64_t scale, uint64_t *out)
{
    number n;
    keel_parse parse = take_number(&text, &n);

    if (parse)
        return parse;
    return text.length ? KEEL_PARSE_FORM : scaled(&n, scale, out);
}

keel_parse keel_parse_ratio(keel_text text, uint64_t *ppm)
{
    if (text.length && text.at[text.length - 1] == '%') {
        text.length--;
        return parse_scaled(text, 10000, ppm);
    }
    return parse_scaled(text, 1000000, ppm);
}

keel_parse keel_parse_decimal(keel_text text, uint64_t *micro)
{
    return parse_scaled(text, 1000000, micro);
}

keel_parse keel_parse_quantile(keel_text text, uint64_t *ppm)
{
    if (!text.length || *text.at != 'p')
        return KEEL_PARSE_FORM;
    text.at++;
    text.length--;
    return parse_scaled(text, 10000, ppm);
}

keel_parse keel_parse_rate(keel_text text, uint64_t *count, uint64_t *period_ns)
{
    keel_text number_text, period;
    uint64_t value;
    keel_parse parse;

    if (!keel_text_split(text, "/", &number_text, &period))
        return keel_parse_count(text, &value) ? KEEL_PARSE_FORM : KEEL_PARSE_UNIT;
    parse = keel_parse_count(number_text, &value);
    if (parse)
        return parse;
    if (keel_text_is(period, "s"))
        *period_ns = KEEL_SECOND;
    else if (keel_text_is(period, "m"))
        *period_ns = KEEL_MINUTE;
    else if (keel_text_is(period, "h"))
        *period_ns = KEEL_HOUR;
    else
        return KEEL_PARSE_FORM;
    *count = value;
    return KEEL_PARSE_OK;
}

static const struct {
    const char *name;
    uint64_t bytes;
} sizes[] = {
    { "GiB", UINT64_C(1) << 30 },
    { "MiB", UINT64_C(1) << 20 },
    { "KiB", 1024 },
    { "g", UINT64_C(1) << 30 },
    { "m", UINT64_C(1) << 20 },
    { "k", 1024 },
    { "GB", 1000000000 },
    { "MB", 1000000 },
    { "KB", 1000 },
    { "B", 1 },
};

keel_parse keel_parse_size(keel_text text, uint64_t *bytes)
{
    number n;
    keel_parse parse = take_number(&text, &n);

    if (parse)
        return parse;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (keel_text_is(text, sizes[i].name))
            return scaled(&n, sizes[i].bytes, bytes);
    if (text.length)
        return KEEL_PARSE_FORM;
    if (n.whole || n.fraction)
        return KEEL_PARSE_UNIT;
    *bytes = 0;
    return KEEL_PARSE_OK;
}

keel_parse keel_parse_bool(keel_text text, bool *value)
{
    if (!keel_text_is(text, "on") && !keel_text_is(text, "off"))
        return KEEL_PARSE_FORM;
    *value = keel_text_is(text, "on");
    return KEEL_PARSE_OK;
}

/* Whole, or in tenths: 1.5s. A minute is written as everybody does: 60s. */
static bool is_written_in(uint64_t ns, const unit *in)
{
    uint64_t tenth = in->ns > 1 && in->ns <= KEEL_SECOND ? in->ns / 10 : in->ns;

    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no unit is 0 */
    return ns >= in->ns && ns % tenth == 0 &&
           !(in->ns == KEEL_MINUTE && ns == KEEL_MINUTE);
}

/* In the largest unit that takes it, so that no digit is lost. */
void keel_write_duration(char *to, size_t size, uint64_t ns)
{
    const unit *best = &units[UNITS - 1];

    if (!ns) {
        snprintf(to, size, "0");
        return;
    }
    for (size_t i = 0; i < UNITS; i++)
        if (units[i].ns > best->ns && is_written_in(ns, &units[i]))
            best = &units[i];
    if (ns % best->ns)
        snprintf(to, size, "%" PRIu64 ".%" PRIu64 "%s", ns / best->ns,
                 ns % best->ns / (best->ns / 10), best->name);
    else
        snprintf(to, size, "%" PRIu64 "%s", ns / best->ns, best->name);
}

/* value / 10^places, without the zeros at the end. */
static void write_decimals(char *to, size_t size, uint64_t value, int places)
{
    uint64_t divisor = 1;

    for (int i = 0; i < places; i++)
        divisor *= 10;
    while (places && value % 10 == 0) {
        value /= 10;
        divisor /= 10;
        places--;
    }
    if (places)
        snprintf(to, size, "%" PRIu64 ".%0*" PRIu64, value / divisor, places,
                 value % divisor);
    else
        snprintf(to, size, "%" PRIu64, value);
}

void keel_write_decimal(char *to, size_t size, uint64_t micro)
{
    write_decimals(to, size, micro, 6);
}

void keel_write_ratio(char *to, size_t size, uint64_t ppm)
{
    char number_text[32];

    write_decimals(number_text, sizeof number_text, ppm, 4);
    snprintf(to, size, "%s%%", number_text);
}

void keel_write_quantile(char *to, size_t size, uint64_t ppm)
{
    char number_text[32];

    write_decimals(number_text, sizeof number_text, ppm, 4);
    snprintf(to, size, "p%s", number_text);
}

void keel_write_rate(char *to, size_t size, uint64_t count, uint64_t period_ns)
{
    const char *period = period_ns == KEEL_SECOND   ? "s"
                         : period_ns == KEEL_MINUTE ? "m"
                                                    : "h";

    snprintf(to, size, "%" PRIu64 "/%s", count, period);
}

/* In the largest of the binary units that takes it whole. */
void keel_write_size(char *to, size_t size, uint64_t bytes)
{
    size_t i = 0;

    while (i < 3 && (!bytes || bytes % sizes[i].bytes))
        i++;
    if (i == 3)
        snprintf(to, size, bytes ? "%" PRIu64 "B" : "0", bytes);
    else
        snprintf(to, size, "%" PRIu64 "%s", bytes / sizes[i].bytes, sizes[i].name);
}

/* One byte as it may stand in a log line. Returns how many characters it takes. */
static size_t escape(char to[5], char c)
{
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
        to[0] = c;
        to[1] = '\0';
        return 1;
    }
    snprintf(to, 5, "\\x%02x", (unsigned)(unsigned char)c);
    return 4;
}

const char *keel_quote(char to[KEEL_QUOTE_SIZE], keel_text text)
{
    enum { TAIL = sizeof "...\"" };
    keel_text scheme, rest;
    const char *end = "\"";
    size_t at = 0;

    if (keel_text_split(text, "://", &scheme, &rest)) {
        text.length = scheme.length + 3;
        end = "***\"";
    }
    to[at++] = '"';
    for (size_t i = 0; i < text.length; i++) {
        char shown[5];
        size_t length = escape(shown, text.at[i]);

        if (at + length + TAIL > KEEL_QUOTE_SIZE) {
            end = "...\"";
            break;
        }
        memcpy(to + at, shown, length);
        at += length;
    }
    memcpy(to + at, end, strlen(end) + 1);
    return to;
}

void keel_unquote(char *sentence)
{
    for (; *sentence; sentence++)
        if (*sentence == '"')
            *sentence = '\'';
}
