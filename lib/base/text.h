/* SPDX-License-Identifier: MIT */
/*
 * The values of settings text: durations, ratios, rates, counts, decimals. Read by
 * hand, exactly, in integers, whatever the locale; written back so that they read the
 * same. Knows nothing of keys or ranges.
 */
#ifndef KEEL_BASE_TEXT_H
#define KEEL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEEL_MICROSECOND UINT64_C(1000)
#define KEEL_MILLISECOND UINT64_C(1000000)
#define KEEL_SECOND UINT64_C(1000000000)
#define KEEL_MINUTE (60 * KEEL_SECOND)
#define KEEL_HOUR (60 * KEEL_MINUTE)

/* A piece of somebody else's text: not ended by a NUL, any bytes. */
typedef struct keel_text {
    const char *at;
    size_t length;
} keel_text;

keel_text keel_text_of(const char *string); /* NULL: empty */
bool keel_text_is(keel_text text, const char *string);
keel_text keel_text_trim(keel_text text); /* without the blanks around it */
bool keel_is_blank(char c);               /* space, tab, carriage return */

/* Cut to size, with an ending NUL; what is left of the room is zero. */
void keel_text_copy(char *to, size_t size, keel_text text);

/* Splits at the first occurrence; false: there is none and nothing is set. */
bool keel_text_split(keel_text text, const char *at, keel_text *before,
                     keel_text *after);

/* The next piece of a list, taken off its front; false: nothing is left. */
bool keel_text_next(keel_text *rest, const char *between, keel_text *piece);

typedef enum keel_parse {
    KEEL_PARSE_OK,
    KEEL_PARSE_FORM,  /* not of that form at all */
    KEEL_PARSE_UNIT,  /* a number where a number with a unit is needed */
    KEEL_PARSE_LARGE, /* does not fit 64 bits */
    KEEL_PARSE_FINE,  /* more decimals than can be kept exactly */
    KEEL_PARSE_ORDER, /* a span whose first is above its most */
    KEEL_PARSE_RANGE  /* for callers who check one */
} keel_parse;

/* The whole text must be the value. On anything but KEEL_PARSE_OK nothing is set. */
keel_parse keel_parse_count(keel_text text, uint64_t *count);
keel_parse keel_parse_duration(keel_text text, uint64_t *ns);   /* 1m30s, 1.5s, 0 */
keel_parse keel_parse_span(keel_text text, uint64_t *first,     /* 50ms..2s */
                           uint64_t *most);                     /* 1s: both */
keel_parse keel_parse_ratio(keel_text text, uint64_t *ppm);     /* 50%, 0.5 */
keel_parse keel_parse_decimal(keel_text text, uint64_t *micro); /* 1.5: 1500000 */
keel_parse keel_parse_quantile(keel_text text, uint64_t *ppm);  /* p99.9 */
keel_parse keel_parse_rate(keel_text text, uint64_t *count,     /* 100/s, 6/m, 1/h */
                           uint64_t *period_ns);
keel_parse keel_parse_size(keel_text text, uint64_t *bytes); /* 64KiB, 64k, 10MB */
keel_parse keel_parse_bool(keel_text text, bool *value);     /* on, off */

/* Written as settings text, cut to size, with an ending NUL. */
void keel_write_duration(char *to, size_t size, uint64_t ns);
void keel_write_decimal(char *to, size_t size, uint64_t micro);
void keel_write_ratio(char *to, size_t size, uint64_t ppm);
void keel_write_quantile(char *to, size_t size, uint64_t ppm);
void keel_write_rate(char *to, size_t size, uint64_t count, uint64_t period_ns);
void keel_write_size(char *to, size_t size, uint64_t bytes);

enum { KEEL_QUOTE_SIZE = 64 };

/*
 * The text between quotation marks, fit for a log line: bytes that do not print are
 * escaped, a long text is cut, and of a URL only the scheme is shown, since what
 * follows may hold a password.
 */
const char *keel_quote(char to[KEEL_QUOTE_SIZE], keel_text text);

/* A sentence, fit to stand between quotation marks of a log line: ' for its own ones. */
void keel_unquote(char *sentence);

#endif
