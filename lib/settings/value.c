/* SPDX-License-Identifier: MIT */
/* Values of settings: one small reader for each type of key. */
#include "settings/value.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "settings/address.h"
#include "settings/endpoint_list.h"

static const char *const jitters[] = {
    [KEEL_JITTER_NONE] = "none",     [KEEL_JITTER_EQUAL] = "equal",
    [KEEL_JITTER_FULL] = "full",     [KEEL_JITTER_DECORRELATED] = "decorrelated",
    [KEEL_JITTER_SMOOTH] = "smooth", NULL,
};

static const char *const checks[] = {
    [KEEL_HEALTH_OFF] = "off",     [KEEL_HEALTH_CALLBACK] = "callback",
    [KEEL_HEALTH_HTTP] = "http",   [KEEL_HEALTH_TCP] = "tcp",
    [KEEL_HEALTH_REDIS] = "redis", [KEEL_HEALTH_MEMCACHED] = "memcached",
    [KEEL_HEALTH_SQL] = "sql",     NULL,
};

static keel_parse within(uint64_t value, uint64_t min, uint64_t max)
{
    return value >= min && value <= max ? KEEL_PARSE_OK : KEEL_PARSE_RANGE;
}

static keel_parse parse_word(const char *const *words, keel_text text, uint64_t *index)
{
    for (size_t i = 0; words[i]; i++) {
        if (keel_text_is(text, words[i])) {
            *index = i;
            return KEEL_PARSE_OK;
        }
    }
    return KEEL_PARSE_FORM;
}

static keel_parse parse_span(const keel_key *key, keel_text text, keel_value *value)
{
    keel_parse parse = keel_parse_span(text, &value->first, &value->most);

    if (!parse)
        parse = within(value->first, key->min, key->max);
    return parse ? parse : within(value->most, key->min, key->max);
}

/* "4..256", or one count for both. */
static keel_parse parse_counts(const keel_key *key, keel_text text, keel_value *value)
{
    keel_text first, most;
    keel_parse parse;

    if (!keel_text_split(text, "..", &first, &most))
        first = most = text;
    parse = keel_parse_count(first, &value->first);
    if (!parse)
        parse = keel_parse_count(most, &value->most);
    if (!parse && value->first > value->most)
        return KEEL_PARSE_ORDER;
    if (!parse)
        parse = within(value->first, key->min, key->max);
    return parse ? parse : within(value->most, key->min, key->max);
}

/* Faster than one a nanosecond cannot be spaced on a clock of nanoseconds. */
static keel_parse parse_rate(const keel_key *key, keel_text text, keel_value *value)
{
    keel_parse parse = keel_parse_rate(text, &value->first, &value->most);

    if (!parse)
        parse = within(value->first, key->min, key->max);
    return parse ? parse : within(value->first, 0, value->most);
}

static keel_parse parse_bool(keel_text text, keel_value *value)
{
    bool on = false;
    keel_parse parse = keel_parse_bool(text, &on);

    value->first = on;
    return parse;
}

static keel_parse parse_window(const keel_key *key, keel_text text, keel_value *value)
{
    keel_text count, rest;
    keel_parse parse;

    if (keel_text_split(text, "calls", &count, &rest) && !rest.length) {
        value->form = KEEL_WINDOW_CALLS;
        parse = keel_parse_count(count, &value->first);
        return parse ? parse : within(value->first, 1, KEEL_WINDOW_CALLS_MAX);
    }
    value->form = KEEL_WINDOW_TIME;
    parse = keel_parse_duration(text, &value->first);
    return parse ? parse : within(value->first, key->min, key->max);
}

static keel_parse parse_jitter(const keel_key *key, keel_text text, keel_value *value)
{
    uint64_t word;
    keel_parse parse;

    if (!parse_word(jitters, text, &word)) {
        value->form = (unsigned)word;
        return KEEL_PARSE_OK;
    }
    value->form = KEEL_JITTER_RATIO;
    parse = keel_parse_ratio(text, &value->first);
    return parse ? parse : within(value->first, key->min, key->max);
}

static keel_parse parse_budget_ratio(keel_text text, keel_value *value)
{
    keel_parse parse = keel_parse_ratio(text, &value->first);

    return parse ? parse : within(value->first, 0, KEEL_PPM);
}

static keel_parse parse_tokens(const keel_key *key, keel_text text, keel_value *value)
{
    keel_parse parse = keel_parse_count(text, &value->first);

    return parse ? parse : within(value->first, 1, key->max);
}

/* "10@0.1": tokens and what a success gives back. */
static keel_parse parse_grpc(const keel_key *key, keel_text text, keel_value *value)
{
    keel_text tokens, refund;
    keel_parse parse;

    if (!keel_text_split(text, "@", &tokens, &refund))
        return KEEL_PARSE_FORM;
    parse = parse_tokens(key, tokens, value);
    if (!parse)
        parse = keel_parse_decimal(refund, &value->most);
    return parse ? parse : within(value->most, 1, key->max * UINT64_C(1000000));
}

static keel_parse parse_budget(const keel_key *key, keel_text text, keel_value *value)
{
    keel_text kind, rest;

    if (!keel_text_split(text, ":", &kind, &rest)) {
        value->form = KEEL_BUDGET_RATIO;
        return parse_budget_ratio(text, value);
    }
    if (keel_text_is(kind, "tokens")) {
        value->form = KEEL_BUDGET_TOKENS;
        return parse_tokens(key, rest, value);
    }
    if (keel_text_is(kind, "grpc")) {
        value->form = KEEL_BUDGET_GRPC;
        return parse_grpc(key, rest, value);
    }
    if (keel_text_is(kind, "inflight")) {
        value->form = KEEL_BUDGET_INFLIGHT;
        return parse_budget_ratio(rest, value);
    }
    return KEEL_PARSE_FORM;
}

static keel_parse parse_hedge(const keel_key *key, keel_text text, keel_value *value)
{
    keel_text quantile = text, until_known;
    keel_parse parse;

    if (!text.length || *text.at != 'p') {
        value->form = KEEL_HEDGE_FIXED;
        parse = keel_parse_duration(text, &value->first);
        return parse ? parse : within(value->first, key->min, key->max);
    }
    value->form = KEEL_HEDGE_QUANTILE;
    value->most = KEEL_NEVER;
    if (keel_text_split(text, "@", &quantile, &until_known)) {
        parse = keel_parse_duration(until_known, &value->most);
        if (parse || (parse = within(value->most, key->min, key->max)))
            return parse;
    }
    parse = keel_parse_quantile(quantile, &value->first);
    return parse ? parse
                 : within(value->first, KEEL_PPM / 2, (uint64_t)KEEL_PPM * 999 / 1000);
}

static keel_parse parse_endpoints(keel_text text, keel_value *value)
{
    keel_endpoint_text entries[KEEL_ENDPOINTS_MAX];
    keel_endpoint_mistake mistake;

    value->first = keel_endpoint_list_read(text, entries, &mistake);
    value->text = text;
    return value->first ? KEEL_PARSE_OK : KEEL_PARSE_FORM;
}

static keel_parse parse_name(keel_text text, keel_value *value)
{
    value->text = text;
    return keel_endpoint_zone_is_valid(text) ? KEEL_PARSE_OK : KEEL_PARSE_FORM;
}

/* Without blanks, and no more than has a place. */
static bool is_plain(keel_text text, size_t size)
{
    if (!text.length || text.length >= size)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~')
            return false;
    return true;
}

/* What a request's first line may hold. */
static bool is_path(keel_text text)
{
    return is_plain(text, KEEL_HEALTH_PATH_SIZE) && text.at[0] == '/' &&
           !memchr(text.at, '#', text.length);
}

/* more: what follows the colon; NULL: there is none. */
static bool fits_check(keel_health_kind kind, const keel_text *more)
{
    if (kind == KEEL_HEALTH_HTTP)
        return more && is_path(*more);
    if (kind == KEEL_HEALTH_SQL)
        return !more || is_plain(*more, KEEL_HEALTH_USER_SIZE);
    return !more;
}

/* "http:/healthz", "sql:user", or a word alone. */
static keel_parse parse_check(keel_text text, keel_value *value)
{
    keel_text word = text, more = { NULL, 0 };
    bool has_more = keel_text_split(text, ":", &word, &more);
    uint64_t kind;

    if (parse_word(checks, word, &kind) ||
        !fits_check((keel_health_kind)kind, has_more ? &more : NULL))
        return KEEL_PARSE_FORM;
    value->form = (unsigned)kind;
    value->text = more;
    return KEEL_PARSE_OK;
}

static keel_parse parse_address(keel_text text, keel_value *value)
{
    keel_address_parts parts;

    if (text.length >= KEEL_HEALTH_TARGET_SIZE || !keel_address_read(text, &parts))
        return KEEL_PARSE_FORM;
    value->text = text;
    return KEEL_PARSE_OK;
}

static keel_parse parse_plain(const keel_key *key, keel_text text, uint64_t *first)
{
    keel_parse parse = KEEL_PARSE_FORM;

    if (key->type == KEEL_TYPE_DURATION)
        parse = keel_parse_duration(text, first);
    else if (key->type == KEEL_TYPE_RATIO)
        parse = keel_parse_ratio(text, first);
    else if (key->type == KEEL_TYPE_DECIMAL)
        parse = keel_parse_decimal(text, first);
    else if (key->type == KEEL_TYPE_COUNT)
        parse = keel_parse_count(text, first);
    else if (key->type == KEEL_TYPE_SIZE)
        parse = keel_parse_size(text, first);
    else if (key->type == KEEL_TYPE_QUANTILE)
        parse = keel_parse_quantile(text, first);
    return parse ? parse : within(*first, key->min, key->max);
}

static keel_parse parse_typed(const keel_key *key, keel_text text, keel_value *value)
{
    switch (key->type) {
    case KEEL_TYPE_SPAN:
        return parse_span(key, text, value);
    case KEEL_TYPE_COUNTS:
        return parse_counts(key, text, value);
    case KEEL_TYPE_RATE:
        return parse_rate(key, text, value);
    case KEEL_TYPE_BOOL:
        return parse_bool(text, value);
    case KEEL_TYPE_WORD:
        return parse_word(key->words, text, &value->first);
    case KEEL_TYPE_WINDOW:
        return parse_window(key, text, value);
    case KEEL_TYPE_JITTER:
        return parse_jitter(key, text, value);
    case KEEL_TYPE_BUDGET:
        return parse_budget(key, text, value);
    case KEEL_TYPE_HEDGE:
        return parse_hedge(key, text, value);
    case KEEL_TYPE_ENDPOINTS:
        return parse_endpoints(text, value);
    case KEEL_TYPE_NAME:
        return parse_name(text, value);
    case KEEL_TYPE_CHECK:
        return parse_check(text, value);
    case KEEL_TYPE_ADDRESS:
        return parse_address(text, value);
    case KEEL_TYPE_DURATION:
    case KEEL_TYPE_RATIO:
    case KEEL_TYPE_COUNT:
    case KEEL_TYPE_DECIMAL:
    case KEEL_TYPE_SIZE:
    case KEEL_TYPE_QUANTILE:
        break;
    }
    return parse_plain(key, text, &value->first);
}

keel_parse keel_value_parse(const keel_key *key, keel_text text, keel_value *value)
{
    keel_value read = { .off = false };
    keel_parse parse = KEEL_PARSE_OK;

    if (key->can_off && keel_text_is(text, "off"))
        read.off = true;
    else
        parse = parse_typed(key, text, &read);
    if (!parse)
        *value = read;
    return parse;
}

const char *keel_parse_reason(keel_parse parse)
{
    switch (parse) {
    case KEEL_PARSE_OK:
        return "fine";
    case KEEL_PARSE_FORM:
        return "not understood";
    case KEEL_PARSE_UNIT:
        return "needs a unit";
    case KEEL_PARSE_LARGE:
        return "too large";
    case KEEL_PARSE_FINE:
        return "has too many decimals";
    case KEEL_PARSE_ORDER:
        return "begins above its end";
    case KEEL_PARSE_RANGE:
        return "out of range";
    }
    return "wrong";
}

bool keel_value_is_off(const keel_key *key, const keel_value *value)
{
    if (key->id == KEEL_KEY_RETRY_ATTEMPTS)
        return value->first <= 1;
    if (key->id == KEEL_KEY_BREAKER || key->id == KEEL_KEY_CHAOS_RATE ||
        key->id == KEEL_KEY_SHARE || key->id == KEEL_KEY_THROTTLE ||
        key->id == KEEL_KEY_EJECT || key->id == KEEL_KEY_COALESCE)
        return value->first == 0;
    return value->off;
}

bool keel_key_can_fence(const keel_key *key)
{
    switch (key->type) {
    case KEEL_TYPE_DURATION:
    case KEEL_TYPE_SPAN:
    case KEEL_TYPE_RATIO:
    case KEEL_TYPE_COUNT:
    case KEEL_TYPE_COUNTS:
    case KEEL_TYPE_DECIMAL:
    case KEEL_TYPE_RATE:
    case KEEL_TYPE_SIZE:
    case KEEL_TYPE_QUANTILE:
        return true;
    case KEEL_TYPE_BOOL:
    case KEEL_TYPE_WORD:
    case KEEL_TYPE_WINDOW:
    case KEEL_TYPE_JITTER:
    case KEEL_TYPE_BUDGET:
    case KEEL_TYPE_HEDGE:
    case KEEL_TYPE_ENDPOINTS:
    case KEEL_TYPE_NAME:
    case KEEL_TYPE_CHECK:
    case KEEL_TYPE_ADDRESS:
        break;
    }
    return false;
}

static bool beyond(uint64_t value, uint64_t fence, bool at_most)
{
    return at_most ? value > fence : value < fence;
}

/* Rates compare by the hour: counts of 32 bits cannot overflow that. */
static uint64_t per_hour(const keel_value *rate)
{
    return rate->first * (KEEL_HOUR / rate->most);
}

static bool clamp_number(uint64_t *value, uint64_t fence, bool at_most)
{
    if (!beyond(*value, fence, at_most))
        return false;
    *value = fence;
    return true;
}

bool keel_value_clamp(const keel_key *key, keel_value *value, const keel_value *fence,
                      bool at_most)
{
    bool first, most;

    if (value->off || fence->off) {
        if (value->off == fence->off || at_most != value->off)
            return false;
        *value = *fence;
        return true;
    }
    if (key->type == KEEL_TYPE_RATE) {
        if (!beyond(per_hour(value), per_hour(fence), at_most))
            return false;
        *value = *fence;
        return true;
    }
    first = clamp_number(&value->first, fence->first, at_most);
    most = (key->type == KEEL_TYPE_SPAN || key->type == KEEL_TYPE_COUNTS) &&
           clamp_number(&value->most, at_most ? fence->most : fence->first, at_most);
    return first || most;
}

static void write_budget(const keel_value *value, char *to, size_t size)
{
    char refund[32], ratio[32];

    keel_write_ratio(ratio, sizeof ratio, value->first);
    keel_write_decimal(refund, sizeof refund, value->most);
    if (value->form == KEEL_BUDGET_TOKENS)
        snprintf(to, size, "tokens:%" PRIu64, value->first);
    else if (value->form == KEEL_BUDGET_GRPC)
        snprintf(to, size, "grpc:%" PRIu64 "@%s", value->first, refund);
    else
        snprintf(to, size, "%s%s",
                 value->form == KEEL_BUDGET_INFLIGHT ? "inflight:" : "", ratio);
}

static void write_hedge(const keel_value *value, char *to, size_t size)
{
    char share[24], length[32];

    keel_write_quantile(share, sizeof share, value->first);
    keel_write_duration(length, sizeof length,
                        value->form == KEEL_HEDGE_FIXED ? value->first : value->most);
    if (value->form == KEEL_HEDGE_FIXED)
        snprintf(to, size, "%s", length);
    else if (value->most == KEEL_NEVER)
        snprintf(to, size, "%s", share);
    else
        snprintf(to, size, "%s@%s", share, length);
}

static void write_span(const keel_value *value, char *to, size_t size)
{
    char first[30], most[30];

    keel_write_duration(first, sizeof first, value->first);
    keel_write_duration(most, sizeof most, value->most);
    if (value->first == value->most)
        snprintf(to, size, "%s", first);
    else
        snprintf(to, size, "%s..%s", first, most);
}

/* Blanks are one space each; what is too long ends in "...". */
static void write_text(keel_text text, char *to, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < text.length && at < size - 1; i++)
        to[at++] = keel_is_blank(text.at[i]) ? ' ' : text.at[i];
    to[at] = '\0';
    if (at < text.length)
        memcpy(to + size - 4, "...", 4);
}

static void write_counts(const keel_value *value, char *to, size_t size)
{
    if (value->first == value->most)
        snprintf(to, size, "%" PRIu64, value->first);
    else
        snprintf(to, size, "%" PRIu64 "..%" PRIu64, value->first, value->most);
}

static void write_check(const keel_value *value, char *to, size_t size)
{
    snprintf(to, size, "%s%s%.*s", checks[value->form], value->text.length ? ":" : "",
             (int)value->text.length, value->text.length ? value->text.at : "");
}

static void write_typed(const keel_key *key, const keel_value *value, char *to,
                        size_t size)
{
    switch (key->type) {
    case KEEL_TYPE_DURATION:
        keel_write_duration(to, size, value->first);
        break;
    case KEEL_TYPE_SPAN:
        write_span(value, to, size);
        break;
    case KEEL_TYPE_RATIO:
        keel_write_ratio(to, size, value->first);
        break;
    case KEEL_TYPE_COUNT:
        snprintf(to, size, "%" PRIu64, value->first);
        break;
    case KEEL_TYPE_COUNTS:
        write_counts(value, to, size);
        break;
    case KEEL_TYPE_DECIMAL:
        keel_write_decimal(to, size, value->first);
        break;
    case KEEL_TYPE_RATE:
        keel_write_rate(to, size, value->first, value->most);
        break;
    case KEEL_TYPE_SIZE:
        keel_write_size(to, size, value->first);
        break;
    case KEEL_TYPE_QUANTILE:
        keel_write_quantile(to, size, value->first);
        break;
    case KEEL_TYPE_BOOL:
        snprintf(to, size, "%s", value->first ? "on" : "off");
        break;
    case KEEL_TYPE_WORD:
        snprintf(to, size, "%s", key->words[value->first]);
        break;
    case KEEL_TYPE_WINDOW:
        if (value->form == KEEL_WINDOW_CALLS)
            snprintf(to, size, "%" PRIu64 "calls", value->first);
        else
            keel_write_duration(to, size, value->first);
        break;
    case KEEL_TYPE_JITTER:
        if (value->form == KEEL_JITTER_RATIO)
            keel_write_ratio(to, size, value->first);
        else
            snprintf(to, size, "%s", jitters[value->form]);
        break;
    case KEEL_TYPE_BUDGET:
        write_budget(value, to, size);
        break;
    case KEEL_TYPE_HEDGE:
        write_hedge(value, to, size);
        break;
    case KEEL_TYPE_ENDPOINTS:
    case KEEL_TYPE_NAME:
        write_text(value->text, to, size);
        break;
    case KEEL_TYPE_CHECK:
        write_check(value, to, size);
        break;
    case KEEL_TYPE_ADDRESS:
        keel_text_copy(to, size, value->text.length ? value->text : keel_text_of(""));
        break;
    }
}

const char *keel_value_quote(const keel_key *key, keel_text text,
                             char to[KEEL_QUOTE_SIZE])
{
    keel_text user, rest;

    while (key->type == KEEL_TYPE_ADDRESS && keel_text_split(text, "@", &user, &rest))
        text = rest;
    return keel_quote(to, text);
}

const char *keel_value_write(const keel_key *key, const keel_value *value,
                             char to[KEEL_VALUE_SIZE])
{
    if (value->off)
        snprintf(to, KEEL_VALUE_SIZE, "off");
    else
        write_typed(key, value, to, KEEL_VALUE_SIZE);
    return to;
}
