/* SPDX-License-Identifier: MIT */
/* The grammar of endpoint lists. */
#include <stdio.h>
#include <string.h>

#include "settings/endpoint_list.h"
#include "support/settled.h"
#include "support/suite.h"

static keel_endpoint_text entries[KEEL_ENDPOINTS_MAX];
static keel_endpoint_mistake mistake;

static size_t read_list(const char *text)
{
    return keel_endpoint_list_read(keel_text_of(text), entries, &mistake);
}

static const struct {
    const char *why;
    const char *text;
    const char *url, *name, *zone; /* of the last entry */
    uint32_t tier, weight;
    size_t count;
} lists[] = {
    { "the shortest", "a:1", "a:1", "a:1", "", 0, 1, 1 },
    { "a URL", "https://a.example:443", "https://a.example:443", "a.example:443", "", 0,
      1, 1 },
    { "a URL without a port", "http://a", "http://a", "a", "", 0, 1, 1 },
    { "a URL with a path", "https://a:443/v1/", "https://a:443/v1/", "a:443", "", 0, 1,
      1 },
    { "a socket's path", "/run/app.sock", "/run/app.sock", "/run/app.sock", "", 0, 1,
      1 },
    { "IPv4", "10.0.0.7:6379", "10.0.0.7:6379", "10.0.0.7:6379", "", 0, 1, 1 },
    { "IPv6", "[::1]:6379", "[::1]:6379", "[::1]:6379", "", 0, 1, 1 },
    { "a URL with IPv6", "redis://[2001:db8::1]/0", "redis://[2001:db8::1]/0",
      "[2001:db8::1]", "", 0, 1, 1 },
    { "all that can be said", "https://a name=first zone=eu-1a tier=9 weight=1000",
      "https://a", "first", "eu-1a", 9, 1000, 1 },
    { "in any order, with any blanks", "  a:1\tweight=2   zone=z ,  b:1  tier=1 ",
      "b:1", "b:1", "", 1, 1, 2 },
    { "no blank after the comma", "a:1,b:1,c:1", "c:1", "c:1", "", 0, 1, 3 },
    { "one host twice, told apart", "https://a/x name=x, https://a/y name=y",
      "https://a/y", "y", "", 0, 1, 2 },
    { "the last port", "a:65535", "a:65535", "a:65535", "", 0, 1, 1 },
};

static void same_text(keel_text text, const char *expected)
{
    ck_assert_msg(keel_text_is(text, expected), "%.*s is not %s", (int)text.length,
                  text.at, expected);
}

START_TEST(a_list_is_read_whole)
{
    const keel_endpoint_text *last;

    ck_assert_msg(read_list(lists[_i].text) == lists[_i].count, "%s: %s", lists[_i].why,
                  mistake.why);
    last = &entries[lists[_i].count - 1];
    same_text(last->url, lists[_i].url);
    same_text(last->name, lists[_i].name);
    same_text(last->zone, lists[_i].zone);
    ck_assert_uint_eq(last->tier, lists[_i].tier);
    ck_assert_uint_eq(last->weight, lists[_i].weight);
}
END_TEST

static const struct {
    const char *why;
    const char *text;
    size_t entry, offset;
    const char *says;
} mistakes[] = {
    { "nothing", "", 1, 0, "empty" },
    { "an entry forgotten", "a:1,,b:1", 2, 4, "empty" },
    { "a comma too many", "a:1, ", 2, 4, "empty" },
    { "no port and no scheme", "a", 1, 0, "neither" },
    { "a port of 0", "a:0", 1, 2, "1 to 65535" },
    { "no port after the colon", "a:", 1, 2, "1 to 65535" },
    { "a port too large", "a:65536", 1, 2, "1 to 65535" },
    { "a port that is none", "a:http", 1, 2, "1 to 65535" },
    { "a socket as others write it", "unix:/run/a", 1, 0, "its absolute path" },
    { "a socket as a URL", "unix:///run/a", 1, 0, "its absolute path" },
    { "no host", "https://", 1, 8, "no host" },
    { "no host but a port", ":80", 1, 0, "no host" },
    { "no host but a path", "https:///v1", 1, 8, "no host" },
    { "an address without its end", "[::1:80", 1, 0, "no end" },
    { "no colon after an address", "[::1]80", 1, 5, "a port" },
    { "an address that is none", "[a.example]:80", 1, 1, "IPv6" },
    { "one of too few groups", "http://[1:2]:80", 1, 8, "IPv6" },
    { "one of IPv4", "[127.0.0.1]:80", 1, 1, "IPv6" },
    { "a host with an odd byte", "a$b:80", 1, 0, "a name" },
    { "no scheme", "://a", 1, 0, "scheme" },
    { "a scheme in capitals", "HTTP://a", 1, 0, "lower case" },
    { "a query", "https://a/x?y", 1, 9, "query" },
    { "a fragment", "https://a/#y", 1, 9, "fragment" },
    { "a password", "https://u:p@a:443", 1, 8, "password" },
    { "a user alone", "https://u@a:443", 1, 8, "password" },
    { "a password without a scheme", "u:p@a:443", 1, 0, "password" },
    { "a tier too far", "a:1 tier=10", 1, 9, "0 to 9" },
    { "a tier that is none", "a:1 tier=first", 1, 9, "0 to 9" },
    { "no weight", "a:1 weight=0", 1, 11, "1 to 1000" },
    { "too much weight", "a:1, b:1 weight=1001", 2, 16, "1 to 1000" },
    { "no name", "a:1 name=", 1, 9, "a word" },
    { "a name in quotation marks", "a:1 name=\"x\"", 1, 9, "a word" },
    { "another key", "a:1 region=eu", 1, 4, "only name=" },
    { "a word without a key", "a:1 b:1", 1, 4, "commas" },
    { "a key twice", "a:1 tier=1 tier=2", 1, 11, "twice" },
    { "an endpoint twice", "a:1, b:1, a:1", 3, 10, "name=" },
    { "a name twice", "a:1 name=x, b:1 name=x", 2, 21, "name=" },
    { "an unprintable byte", "https://a/\x01", 1, 9, "unprintable" },
};

START_TEST(a_mistake_is_told_with_entry_and_column)
{
    ck_assert_msg(!read_list(mistakes[_i].text), "%s", mistakes[_i].why);
    ck_assert_msg(strstr(mistake.why, mistakes[_i].says), "%s: %s", mistakes[_i].why,
                  mistake.why);
    ck_assert_msg(
        mistake.entry == mistakes[_i].entry && mistake.offset == mistakes[_i].offset,
        "%s: entry %zu, %zu", mistakes[_i].why, mistake.entry, mistake.offset);
}
END_TEST

START_TEST(there_are_64_at_most_and_no_65th)
{
    char text[1024];
    size_t at = 0;

    for (int i = 0; i < KEEL_ENDPOINTS_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%sh:%d", i ? "," : "",
                               i + 1);
    ck_assert_uint_eq(read_list(text), KEEL_ENDPOINTS_MAX);
    snprintf(text + at, sizeof text - at, ",h:99");
    ck_assert_uint_eq(read_list(text), 0);
    ck_assert_uint_eq(mistake.entry, KEEL_ENDPOINTS_MAX + 1);
}
END_TEST

START_TEST(what_is_too_long_is_no_url_name_or_zone)
{
    char long_word[KEEL_ENDPOINT_URL_MAX + 2], text[KEEL_ENDPOINT_URL_MAX + 64];

    memset(long_word, 'x', sizeof long_word);
    long_word[sizeof long_word - 1] = '\0';
    snprintf(text, sizeof text, "/%s", long_word + 2);
    ck_assert_uint_eq(read_list(text), 0); /* too long to be its own name */
    snprintf(text, sizeof text, "/%s name=x", long_word + 2);
    ck_assert_uint_eq(read_list(text), 1);
    snprintf(text, sizeof text, "/%s name=x", long_word + 1);
    ck_assert_uint_eq(read_list(text), 0);
    snprintf(text, sizeof text, "a:1 zone=%.*s", KEEL_ENDPOINT_ZONE_MAX, long_word);
    ck_assert_uint_eq(read_list(text), 1);
    snprintf(text, sizeof text, "a:1 zone=%.*s", KEEL_ENDPOINT_ZONE_MAX + 1, long_word);
    ck_assert_uint_eq(read_list(text), 0);
    snprintf(text, sizeof text, "a:1 name=%.*s", KEEL_ENDPOINT_NAME_MAX, long_word);
    ck_assert_uint_eq(read_list(text), 1);
    snprintf(text, sizeof text, "a:1 name=%.*s", KEEL_ENDPOINT_NAME_MAX + 1, long_word);
    ck_assert_uint_eq(read_list(text), 0);
}
END_TEST

/* ---- in settings ---------------------------------------------------------------- */

START_TEST(settings_come_to_a_list_and_what_goes_with_it)
{
    settled s;

    settle(&s,
           ENV("KEEL_PAYMENTS__ENDPOINTS=https://a:443 zone=eu-1a, https://b:443",
               "KEEL_PAYMENTS__ENDPOINTS_ZONE=eu-1a",
               "KEEL_PAYMENTS__EJECT_TIME=10s..60s"),
           "endpoints=c:1; endpoints.choice=sticky; eject.success_rate=off");
    ck_assert_uint_eq(settled_warnings(&s), 0);
    same_text(s.policy.endpoints, "https://a:443 zone=eu-1a, https://b:443");
    same_text(s.policy.endpoints_zone, "eu-1a");
    ck_assert_int_eq(s.policy.endpoints_by, KEEL_ENDPOINTS_BY_AFFINITY);
    ck_assert(s.policy.eject);
    ck_assert_uint_eq(s.policy.eject_base_ns, 10 * KEEL_SECOND);
    ck_assert_uint_eq(s.policy.eject_longest_ns, 60 * KEEL_SECOND);
    ck_assert(s.policy.eject_deviations == 0);
    ck_assert_str_eq(settled_origin(&s, "endpoints")->value,
                     "https://a:443 zone=eu-1a, https://b:443");
    settled_cleanup(&s);
}
END_TEST

START_TEST(a_wrong_list_leaves_the_one_of_before_and_quotes_no_password)
{
    settled s;

    settle(&s, ENV("KEEL_PAYMENTS=endpoints=b:1, https://u:hunter2@a:443"),
           "endpoints=c:1");
    same_text(s.policy.endpoints, "c:1");
    ck_assert(settled_warned(&s, "KEEL_PAYMENTS col 24: endpoints, entry 2: user and "
                                 "password"));
    ck_assert(!settled_warned(&s, "hunter2"));
    settled_cleanup(&s);
}
END_TEST

START_TEST(without_endpoints_what_goes_with_them_has_no_effect)
{
    settled s;

    settle(&s, NO_ENV, "endpoints.choice=sticky");
    ck_assert_uint_eq(s.policy.endpoints.length, 0);
    ck_assert(settled_warned(&s, "endpoints.choice has no effect without endpoints"));
    settled_cleanup(&s);
}
END_TEST

START_TEST(ejection_is_off_with_the_preset_none_until_it_is_named)
{
    settled s;

    settle(&s, NO_ENV, "none; endpoints=a:1");
    ck_assert(!s.policy.eject);
    settled_cleanup(&s);
    settle(&s, NO_ENV, "none; endpoints=a:1; eject.consecutive=3");
    ck_assert(s.policy.eject);
    ck_assert_uint_eq(s.policy.eject_consecutive, 3);
    settled_cleanup(&s);
}
END_TEST

SUITE("endpoint list", 10, ROWS(a_list_is_read_whole, lists),
      ROWS(a_mistake_is_told_with_entry_and_column, mistakes),
      ONE(there_are_64_at_most_and_no_65th),
      ONE(what_is_too_long_is_no_url_name_or_zone),
      ONE(settings_come_to_a_list_and_what_goes_with_it),
      ONE(a_wrong_list_leaves_the_one_of_before_and_quotes_no_password),
      ONE(without_endpoints_what_goes_with_them_has_no_effect),
      ONE(ejection_is_off_with_the_preset_none_until_it_is_named))
