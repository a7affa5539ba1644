/* SPDX-License-Identifier: MIT */
/* The grammar of endpoint lists. Not for what an endpoint is: see policy/endpoint_set.h. */
#include "settings/endpoint_list.h"

#include <string.h>

#include "settings/address.h"

/* One entry as it is read. why NULL: nothing is wrong so far. */
typedef struct reading {
    keel_endpoint_text entry;
    unsigned seen; /* bits of attributes */
    const char *why;
    const char *at; /* of what is wrong */
} reading;

static bool fail(reading *r, const char *at, const char *why)
{
    r->at = at;
    r->why = why;
    return false;
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_host_byte(char c)
{
    return is_letter(c) || is_digit(c) || is_one_of(c, "-._");
}

static bool is_scheme_byte(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || is_one_of(c, "+-.");
}

/* Visible ASCII but what has a meaning around it: quotation marks, a list's comma. */
static bool is_word_byte(char c)
{
    return c > ' ' && c < 0x7f && !is_one_of(c, "\"'`\\,;");
}

/* What of a URL is its path: neither query nor fragment, since paths are added to it. */
static bool is_path_byte(char c)
{
    return is_word_byte(c) && !is_one_of(c, "?#");
}

static bool all_are(keel_text text, bool (*is)(char c))
{
    for (size_t i = 0; i < text.length; i++)
        if (!is(text.at[i]))
            return false;
    return true;
}

static bool has(keel_text text, char c)
{
    return text.length && memchr(text.at, c, text.length);
}

bool keel_endpoint_zone_is_valid(keel_text zone)
{
    return zone.length && zone.length <= KEEL_ENDPOINT_ZONE_MAX &&
           all_are(zone, is_word_byte);
}

/* ---- URLs ----------------------------------------------------------------------- */

static bool check_port(reading *r, keel_text port)
{
    uint64_t number;

    if (keel_parse_count(port, &number) || number < 1 || number > 65535)
        return fail(r, port.at, "a port is 1 to 65535");
    return true;
}

/* "[::1]" or "a.example"; *rest is what follows it. */
static bool check_host(reading *r, keel_text authority, keel_text *rest)
{
    bool is_bracketed = authority.length && authority.at[0] == '[';
    const char *end = authority.length ? memchr(authority.at, is_bracketed ? ']' : ':',
                                                authority.length)
                                       : NULL;
    keel_text host = authority;

    if (is_bracketed && !end)
        return fail(r, authority.at, "an address in brackets has no end");
    if (end)
        host.length = (size_t)(end - authority.at);
    if (is_bracketed)
        host = (keel_text){ host.at + 1, host.length - 1 };
    if (!host.length)
        return fail(r, authority.at, "the URL has no host");
    if (is_bracketed ? !keel_address_is_ipv6(host) : !all_are(host, is_host_byte))
        return fail(r, host.at, "a host is a name, an IPv4 address or [IPv6]");
    rest->at = host.at + host.length + is_bracketed;
    rest->length = authority.length - (size_t)(rest->at - authority.at);
    return true;
}

static bool check_authority(reading *r, keel_text authority, bool needs_port)
{
    keel_text rest;

    if (has(authority, '@'))
        return fail(r, authority.at,
                    "user and password do not stand in an endpoint's URL");
    if (!check_host(r, authority, &rest))
        return false;
    if (!rest.length)
        return !needs_port ||
               fail(r, authority.at, "neither scheme://host, host:port nor /path");
    if (rest.at[0] != ':')
        return fail(r, rest.at, "after an address in brackets stands a port");
    return check_port(r, (keel_text){ rest.at + 1, rest.length - 1 });
}

static bool check_scheme(reading *r, keel_text scheme)
{
    if (!scheme.length || !is_letter(scheme.at[0]) || !all_are(scheme, is_scheme_byte))
        return fail(r, scheme.at, "a scheme is lower case letters and digits");
    return true;
}

static bool check_path(reading *r, keel_text path)
{
    if (!all_are(path, is_path_byte))
        return fail(r, path.at, "a path has no query, fragment or unprintable byte");
    return true;
}

/* Checks the URL and names the entry after it. */
static bool read_url(reading *r, keel_text url)
{
    keel_text scheme, authority, path = { url.at + url.length, 0 };
    const char *slash;

    r->entry.url = url;
    if (url.length > KEEL_ENDPOINT_URL_MAX)
        return fail(r, url.at, "a URL has 1023 bytes at most");
    if (url.at[0] == '/') {
        r->entry.name = url;
        return check_path(r, url);
    }
    if (url.length > 5 && memcmp(url.at, "unix:/", 6) == 0)
        return fail(r, url.at, "a unix socket is its absolute path alone");
    if (!keel_text_split(url, "://", &scheme, &authority)) {
        r->entry.name = url;
        return check_authority(r, url, true);
    }
    slash = authority.length ? memchr(authority.at, '/', authority.length) : NULL;
    if (slash) {
        path = (keel_text){ slash, authority.length - (size_t)(slash - authority.at) };
        authority.length -= path.length;
    }
    r->entry.name = authority;
    return check_scheme(r, scheme) && check_authority(r, authority, false) &&
           check_path(r, path);
}

/* ---- attributes ----------------------------------------------------------------- */

static bool read_word(reading *r, keel_text value, keel_text *to, size_t most,
                      const char *too_long)
{
    if (!value.length || !all_are(value, is_word_byte))
        return fail(r, value.at, "a word is needed: no blank, quotation mark or comma");
    if (value.length > most)
        return fail(r, value.at, too_long);
    *to = value;
    return true;
}

static bool read_count(reading *r, keel_text value, uint32_t *to, uint64_t least,
                       uint64_t most, const char *range)
{
    uint64_t number;

    if (keel_parse_count(value, &number) || number < least || number > most)
        return fail(r, value.at, range);
    *to = (uint32_t)number;
    return true;
}

static bool read_name(reading *r, keel_text value)
{
    return read_word(r, value, &r->entry.name, KEEL_ENDPOINT_NAME_MAX,
                     "a name has 255 bytes at most");
}

static bool read_zone(reading *r, keel_text value)
{
    return read_word(r, value, &r->entry.zone, KEEL_ENDPOINT_ZONE_MAX,
                     "a zone has 63 bytes at most");
}

static bool read_tier(reading *r, keel_text value)
{
    return read_count(r, value, &r->entry.tier, 0, KEEL_ENDPOINT_TIER_MAX,
                      "a tier is 0 to 9");
}

static bool read_weight(reading *r, keel_text value)
{
    return read_count(r, value, &r->entry.weight, 1, KEEL_ENDPOINT_WEIGHT_MAX,
                      "a weight is 1 to 1000");
}

static bool read_attribute(reading *r, keel_text word)
{
    static const struct {
        const char *name;
        bool (*read)(reading *r, keel_text value);
    } attributes[] = {
        { "name", read_name },
        { "zone", read_zone },
        { "tier", read_tier },
        { "weight", read_weight },
    };
    keel_text name, value;

    if (!keel_text_split(word, "=", &name, &value))
        return fail(r, word.at,
                    "entries are separated by commas; after the URL stand "
                    "name=, zone=, tier= and weight=");
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (!keel_text_is(name, attributes[i].name))
            continue;
        if (r->seen & 1u << i)
            return fail(r, word.at, "the same is said twice");
        r->seen |= 1u << i;
        return attributes[i].read(r, value);
    }
    return fail(r, word.at, "only name=, zone=, tier= and weight= stand after the URL");
}

/* ---- entries -------------------------------------------------------------------- */

/* The next word of an entry, taken off its front; false: nothing is left. */
static bool next_word(keel_text *rest, keel_text *word)
{
    *rest = keel_text_trim(*rest);
    *word = *rest;
    word->length = 0;
    while (word->length < rest->length && !keel_is_blank(rest->at[word->length]))
        word->length++;
    rest->at += word->length;
    rest->length -= word->length;
    return word->length;
}

static bool read_entry(reading *r, keel_text piece)
{
    keel_text rest = piece, word;

    *r = (reading){ .entry = { .zone = keel_text_of(""), .weight = 1 } };
    if (!next_word(&rest, &word))
        return fail(r, piece.at, "an entry is empty");
    if (!read_url(r, word))
        return false;
    while (next_word(&rest, &word))
        if (!read_attribute(r, word))
            return false;
    if (r->entry.name.length > KEEL_ENDPOINT_NAME_MAX)
        return fail(r, r->entry.name.at, "too long to be a name: give one with name=");
    return true;
}

static bool is_same(keel_text a, keel_text b)
{
    return a.length == b.length && !memcmp(a.at, b.at, a.length);
}

static bool is_new(reading *r, const keel_endpoint_text *before, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(before[i].name, r->entry.name))
            return fail(r, r->entry.name.at,
                        "an earlier entry has that name: tell them apart with name=");
    return true;
}

size_t keel_endpoint_list_read(keel_text text,
                               keel_endpoint_text entries[KEEL_ENDPOINTS_MAX],
                               keel_endpoint_mistake *mistake)
{
    keel_text rest = text, piece;
    size_t count = 0;
    reading r = { .why = "there is no endpoint", .at = text.at };

    for (;; count++) {
        bool is_last = !keel_text_split(rest, ",", &piece, &rest);

        if (is_last)
            piece = rest;
        if (count == KEEL_ENDPOINTS_MAX)
            fail(&r, piece.at, "there are 64 endpoints at most");
        else if (read_entry(&r, piece) && is_new(&r, entries, count))
            entries[count] = r.entry;
        if (r.why)
            break;
        if (is_last)
            return count + 1;
    }
    *mistake =
        (keel_endpoint_mistake){ count + 1, text.length ? (size_t)(r.at - text.at) : 0,
                                 r.why };
    return 0;
}
