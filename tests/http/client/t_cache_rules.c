/* SPDX-License-Identifier: MIT */
/* Which requests are the same, and what HTTP allows to be done with an answer. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "http/client/cache_rules.h"
#include "support/suite.h"

#define WALL 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

static const keel_request_field two_fields[] = { { "Accept", "text/plain" },
                                                 { "accept-language", "de" } };

/* ---- requests ------------------------------------------------------------------ */

static bool may_share(const char *method, const char *name, const char *value)
{
    keel_request_field field = { name, value };
    keel_request r = {
        .method = method, .url = "http://a/", .fields = &field, .count = name != NULL
    };

    return keel_request_may_share(&r);
}

START_TEST(reads_are_shared_unless_somebody_asks_for_his_own)
{
    ck_assert(may_share("GET", NULL, NULL));
    ck_assert(may_share("HEAD", NULL, NULL));
    ck_assert(!may_share("POST", NULL, NULL));
    ck_assert(!may_share("get", NULL, NULL)); /* methods have a case */
    ck_assert(may_share("GET", "Accept", "no-cache"));
    ck_assert(may_share("GET", "Cache-Control", "max-age=0"));
    ck_assert(!may_share("GET", "cache-control", "max-age=0, no-cache"));
    ck_assert(!may_share("GET", "Cache-Control", "No-Store"));
    ck_assert(!may_share("GET", "Pragma", "no-cache"));
}
END_TEST

#define FIELDS(name) .fields = (name), .count = sizeof(name) / sizeof *(name)
#define GET_B .method = "GET", .url = "http://a/b"

typedef struct pair_case {
    const char *why;
    keel_request other;
    bool same;
} pair_case;

static const keel_request_field upper_fields[] = { { "ACCEPT", "text/plain" },
                                                   { "Accept-Language", "de" } };
static const keel_request_field other_fields[] = { { "Accept", "text/plain" },
                                                   { "accept-language", "fr" } };
static const keel_request_field moved_fields[] = { { "Accept", "text/plain" },
                                                   { "accept-languag", "ede" } };
static const keel_request_field fewer_fields[] = { { "Accept", "text/plain" } };
static const keel_request_field known_fields[] = { { "Accept", "text/plain" },
                                                   { "accept-language", "de" },
                                                   { "authorization", "key" } };
static const keel_request_field traced_fields[] = { { "Accept", "text/plain" },
                                                    { "Traceparent", "00-1-2-01" },
                                                    { "accept-language", "de" },
                                                    { "x-keel-attempt", "2" } };

static const pair_case pairs[] = {
    { "the same", { GET_B, FIELDS(two_fields) }, true },
    { "names in another case", { GET_B, FIELDS(upper_fields) }, true },
    { "what tells it from others is left out", { GET_B, FIELDS(traced_fields) }, true },
    { "another method",
      { .method = "HEAD", .url = "http://a/b", FIELDS(two_fields) },
      false },
    { "another URL",
      { .method = "GET", .url = "http://a/c", FIELDS(two_fields) },
      false },
    { "credentials", { GET_B, FIELDS(known_fields) }, false },
    { "another value", { GET_B, FIELDS(other_fields) }, false },
    { "letters moved over", { GET_B, FIELDS(moved_fields) }, false },
    { "a field less", { GET_B, FIELDS(fewer_fields) }, false },
    { "none", { GET_B }, false },
};

START_TEST(requests_are_the_same_if_all_that_they_ask_is)
{
    keel_request one = { GET_B, FIELDS(two_fields) };
    keel_request_key *a = keel_request_key_new(NULL, &one);
    keel_request_key *b = keel_request_key_new(NULL, &pairs[_i].other);

    ck_assert_msg(keel_request_key_equals(a, b) == pairs[_i].same, "%s", pairs[_i].why);
    keel_memory_free(NULL, a);
    keel_memory_free(NULL, b);
}
END_TEST

static const struct {
    const char *why;
    keel_request request;
    bool has;
} credentials[] = {
    { "none", { GET_B, FIELDS(two_fields) }, false },
    { "a header", { GET_B, FIELDS(known_fields) }, true },
    { "in the URL", { .method = "GET", .url = "http://me:pw@a/b" }, true },
    { "a mark in a path is none", { .method = "GET", .url = "http://a/b@c" }, false },
    { "nor in a query", { .method = "GET", .url = "http://a?b@c" }, false },
    { "nor without a host", { .method = "GET", .url = "me@a" }, false },
    { "elsewhere", { GET_B, .has_credentials = true }, true },
};

START_TEST(credentials_are_seen_wherever_they_stand)
{
    keel_request_key *key = keel_request_key_new(NULL, &credentials[_i].request);

    ck_assert_msg(key->has_credentials == credentials[_i].has, "%s",
                  credentials[_i].why);
    keel_memory_free(NULL, key);
}
END_TEST

/* ---- answers ------------------------------------------------------------------- */

typedef struct rules_case {
    const char *why;
    keel_answer_head head;
    bool has_credentials;
    bool may_share;
    bool may_keep;
    uint64_t fresh_s;
    uint64_t expired_s;
    uint64_t stale_s; /* UINT64_MAX: the server does not say */
} rules_case;

#define CONTROL(text)                                                                  \
    {                                                                                  \
        .response = 200, .cache_control = (text)                                       \
    }
#define UNSAID UINT64_MAX
#define DATED "Sun, 06 Nov 1994 08:49:37 GMT"
#define LATER "Sun, 06 Nov 1994 08:50:37 GMT" /* 60 s */

static const rules_case rules_cases[] = {
    { "nothing is fresh by guess", CONTROL(NULL), false, true, true, 0, 0, UNSAID },
    { "max-age", CONTROL("max-age=60"), false, true, true, 60, 0, UNSAID },
    { "in any case", CONTROL("Max-Age=60"), false, true, true, 60, 0, UNSAID },
    { "in quotation marks", CONTROL("max-age=\"60\""), false, true, true, 60, 0,
      UNSAID },
    { "among others", CONTROL("foo=\"a, no-store\" ,, max-age=60 ,bar"), false, true,
      true, 60, 0, UNSAID },
    { "part of a name is no name", CONTROL("x-no-store, max-ages=5"), false, true, true,
      0, 0, UNSAID },
    { "what no directive is, may be quoted too",
      CONTROL("x \"a, no-store, b\", max-age=60"), false, true, true, 60, 0, UNSAID },
    { "twice is not to be believed", CONTROL("max-age=60, max-age=90"), false, true,
      true, 0, 0, UNSAID },
    { "nor is no number", CONTROL("max-age=1m"), false, true, true, 0, 0, UNSAID },
    { "nor a sign", CONTROL("max-age=-1"), false, true, true, 0, 0, UNSAID },
    { "nor nothing", CONTROL("max-age"), false, true, true, 0, 0, UNSAID },
    { "no-store", CONTROL("no-store, max-age=60"), false, false, false, 60, 0, UNSAID },
    { "private is one user's", CONTROL("private, max-age=60"), false, false, false, 60,
      0, UNSAID },
    { "of a field, too: all is safer", CONTROL("private=\"set-cookie\""), false, false,
      false, 0, 0, UNSAID },
    { "no-cache is for those who ask now", CONTROL("no-cache"), false, true, false, 0,
      0, UNSAID },
    { "served while fresh, and not after", CONTROL("max-age=60, must-revalidate"),
      false, true, true, 60, 0, 0 },
    { "s-maxage is ours, and says the same", CONTROL("max-age=5, s-maxage=60"), false,
      true, true, 60, 0, 0 },
    { "proxy-revalidate", CONTROL("proxy-revalidate"), false, true, true, 0, 0, 0 },
    { "RFC 5861", CONTROL("max-age=60, stale-if-error=30"), false, true, true, 60, 0,
      30 },
    { "which must-revalidate overrides",
      CONTROL("max-age=60, stale-if-error=30, must-revalidate"), false, true, true, 60,
      0, 0 },
    { "credentials", CONTROL("max-age=60"), true, true, false, 60, 0, UNSAID },
    { "credentials, and for all", CONTROL("public, max-age=60"), true, true, true, 60,
      0, UNSAID },
    { "credentials, and must-revalidate", CONTROL("must-revalidate"), true, true, true,
      0, 0, 0 },
    { "Expires",
      { .response = 200, .expires = LATER, .date = DATED },
      false,
      true,
      true,
      60,
      0,
      UNSAID },
    { "without a Date it is now",
      { .response = 200, .expires = LATER },
      false,
      true,
      true,
      60,
      0,
      UNSAID },
    { "an Expires of 0 is past",
      { .response = 200, .expires = "0", .date = DATED },
      false,
      true,
      true,
      0,
      0,
      UNSAID },
    { "what is no date of HTTP's is past",
      { .response = 200, .expires = "6 Nov 2094" },
      false,
      true,
      true,
      0,
      0,
      UNSAID },
    { "max-age wins over Expires",
      { .response = 200,
        .cache_control = "max-age=5",
        .expires = LATER,
        .date = DATED },
      false,
      true,
      true,
      5,
      0,
      UNSAID },
    { "it has been under way",
      { .response = 200, .cache_control = "max-age=60", .age = "20" },
      false,
      true,
      true,
      40,
      0,
      UNSAID },
    { "for too long",
      { .response = 200, .cache_control = "max-age=60", .age = "80" },
      false,
      true,
      true,
      0,
      20,
      UNSAID },
    { "varies by what the key has",
      { .response = 200, .vary = "Accept-Language, ACCEPT,authorization" },
      false,
      true,
      true,
      0,
      0,
      UNSAID },
    { "and by what it does not say",
      { .response = 200, .vary = "accept, cookie" },
      false,
      true,
      true,
      0,
      0,
      UNSAID },
    { "and by more than headers",
      { .response = 200, .vary = "*" },
      false,
      false,
      false,
      0,
      0,
      UNSAID },
    { "and by what keys leave out",
      { .response = 200, .vary = "accept, TraceParent" },
      false,
      false,
      false,
      0,
      0,
      UNSAID },
    { "half a name is another",
      { .response = 200, .vary = "tracepar" },
      false,
      true,
      true,
      0,
      0,
      UNSAID },
    { "a cookie is for one",
      { .response = 200, .cache_control = "public", .sets_cookie = true },
      false,
      false,
      false,
      0,
      0,
      UNSAID },
    { "a part is no whole", { .response = 206 }, false, true, false, 0, 0, UNSAID },
    { "an error is no good answer",
      { .response = 503 },
      false,
      true,
      false,
      0,
      0,
      UNSAID },
    { "moved for good", { .response = 301 }, false, true, true, 0, 0, UNSAID },
    { "a mark that does not end", CONTROL("x=\"a, no-store"), false, true, true, 0, 0,
      UNSAID },
    { "too large a number", CONTROL("max-age=99999999999999999999999"), false, true,
      true, UNSAID, 0, UNSAID },
};

static uint64_t seconds(uint64_t ns)
{
    return ns >= KEEL_NEVER - 1 ? UNSAID : ns / KEEL_S;
}

START_TEST(an_answer_is_used_as_its_headers_allow)
{
    const rules_case *row = &rules_cases[_i];
    keel_request request = { GET_B, FIELDS(two_fields),
                             .has_credentials = row->has_credentials };
    keel_request_key *key = keel_request_key_new(NULL, &request);
    keel_cache_rules rules;

    keel_cache_rules_read(&row->head, key, WALL, &rules);
    ck_assert_msg(rules.may_share == row->may_share, "%s: shared", row->why);
    ck_assert_msg(rules.may_keep == row->may_keep, "%s: kept", row->why);
    ck_assert_msg(seconds(rules.fresh_ns) == row->fresh_s, "%s: fresh", row->why);
    ck_assert_msg(seconds(rules.expired_ns) == row->expired_s, "%s: expired", row->why);
    ck_assert_msg(seconds(rules.stale_if_error_ns) == row->stale_s, "%s: stale",
                  row->why);
    keel_memory_free(NULL, key);
}
END_TEST

SUITE("cache_rules", 10, ONE(reads_are_shared_unless_somebody_asks_for_his_own),
      ROWS(requests_are_the_same_if_all_that_they_ask_is, pairs),
      ROWS(credentials_are_seen_wherever_they_stand, credentials),
      ROWS(an_answer_is_used_as_its_headers_allow, rules_cases))
