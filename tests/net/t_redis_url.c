/* SPDX-License-Identifier: MIT */
/* KEEL_REDIS: what it means, what is wrong with it, and that no secret is told. */
#include <stdio.h>
#include <string.h>

#include "net/redis_tls.h"
#include "net/redis_url.h"
#include "support/suite.h"

#define LONG_NAME                                                                      \
    "0123456789012345678901234567890123456789012345678901234567890123456789"           \
    "0123456789012345678901234567890123456789012345678901234567890123456789"           \
    "0123456789012345678901234567890123456789012345678901234567890123456789"           \
    "0123456789012345678901234567890123456789012345678901234567890123456789"

typedef struct good_case {
    const char *why;
    const char *text;
    const char *printed;
    keel_redis_kind kind;
    const char *user, *password;
} good_case;

static const good_case good[] = {
    { "the port has a default", "redis://cache", "redis://cache:6379",
      KEEL_REDIS_SERVER, "", "" },
    { "all there is", "redis://joe:secret@cache.example:7000/3",
      "redis://***@cache.example:7000/3", KEEL_REDIS_SERVER, "joe", "secret" },
    { "a slash and no database", "redis://cache/", "redis://cache:6379",
      KEEL_REDIS_SERVER, "", "" },
    { "only a password", "redis://:secret@cache", "redis://***@cache:6379",
      KEEL_REDIS_SERVER, "", "secret" },
    { "only a user, whose password is in a file", "redis://joe@cache",
      "redis://***@cache:6379", KEEL_REDIS_SERVER, "joe", "" },
    { "the first colon ends the user", "redis://a:b:c@cache", "redis://***@cache:6379",
      KEEL_REDIS_SERVER, "a", "b:c" },
    { "the last @ ends the password", "redis://a:b@c@cache", "redis://***@cache:6379",
      KEEL_REDIS_SERVER, "a", "b@c" },
    { "escapes", "redis://%6aoe:%40%2F%25@cache", "redis://***@cache:6379",
      KEEL_REDIS_SERVER, "joe", "@/%" },
    { "a slash in a password", "redis://:a/b@cache", "redis://***@cache:6379",
      KEEL_REDIS_SERVER, "", "a/b" },
    { "IPv6 has brackets", "redis://[::1]:7000", "redis://[::1]:7000",
      KEEL_REDIS_SERVER, "", "" },
    { "IPv6 without a port", "redis://[fe80::1]/1", "redis://[fe80::1]:6379/1",
      KEEL_REDIS_SERVER, "", "" },
    { "IPv6 with a zone", "redis://[fe80::1%eth0]", "redis://[fe80::1%eth0]:6379",
      KEEL_REDIS_SERVER, "", "" },
    { "a socket", "unix:/run/redis.sock", "unix:/run/redis.sock", KEEL_REDIS_UNIX, "",
      "" },
    { "a socket's database", "unix:/run/redis.sock?db=5", "unix:/run/redis.sock?db=5",
      KEEL_REDIS_UNIX, "", "" },
    { "sentinels have a port of their own", "redis+sentinel://a,b:1,[::1]/mymaster",
      "redis+sentinel://a:26379,b:1,[::1]:26379/mymaster", KEEL_REDIS_SENTINEL, "",
      "" },
    { "a master's database", "redis+sentinel://joe:secret@a/my%2Fmaster/2",
      "redis+sentinel://***@a:26379/my/master/2", KEEL_REDIS_SENTINEL, "joe",
      "secret" },
    { "a cluster", "redis+cluster://a:1,b:2", "redis+cluster://a:1,b:2",
      KEEL_REDIS_CLUSTER, "", "" },
    { "as many hosts as there may be",
      "redis+cluster://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p",
      "redis+cluster://a:6379,b:6379,c:6379,d:6379,e:6379,f:6379,g:6379,h:6379,i:6379,"
      "j:6379,k:6379,l:6379,m:6379,n:6379,o:6379,p:6379",
      KEEL_REDIS_CLUSTER, "", "" },
    { "the largest numbers", "redis://cache:65535/65535", "redis://cache:65535/65535",
      KEEL_REDIS_SERVER, "", "" },
};

START_TEST(a_url_is_read_and_printed_without_its_secrets)
{
    const good_case *row = &good[_i];
    char printed[KEEL_REDIS_URL_TEXT_SIZE];
    keel_detail why = KEEL_DETAIL_INIT;
    keel_redis_url url;

    ck_assert_msg(keel_redis_url_read(&url, keel_text_of(row->text), &why) == KEEL_OK,
                  "%s: %s", row->why, why.text);
    ck_assert_str_eq(keel_redis_url_print(&url, printed), row->printed);
    ck_assert_int_eq(url.kind, row->kind);
    ck_assert_str_eq(url.user, row->user);
    ck_assert_str_eq(url.password, row->password);
}
END_TEST

typedef struct bad_case {
    const char *why;
    const char *text;
    const char *says;
} bad_case;

/* "hunter" and what follows it is the secret everywhere. */
static const bad_case bad[] = {
    { "nothing", "", "begins with none of" },
    { "no scheme", "joe:hunter@cache", "begins with none of" },
    { "another scheme", "http://:hunter@cache", "begins with none of" },
    { "TLS for sentinels is not known", "rediss+sentinel://a/m",
      "begins with none of" },
    { "no host", "redis://", "host 1 is not a host" },
    { "no host after a secret", "redis://:hunter@", "host 1 is not a host" },
    { "a forgotten host", "redis://:hunter2", "host 1 is not a host" },
    { "a forgotten host and @", "redis://joe:hunter2", "follows host \"joe\"" },
    { "a forgotten host, of digits", "redis://joe:99999", "follows host \"joe\"" },
    { "port 0", "redis://cache:0", "number from 1 to 65535" },
    { "no port after a colon", "redis://cache:", "number from 1 to 65535" },
    { "a large port", "redis://:hunter@cache:65536", "number from 1 to 65535" },
    { "IPv6 without brackets", "redis://::1:6379", "host 1 is not a host" },
    { "IPv6 without brackets, digit first", "redis://1::2",
      "IPv6 address has brackets" },
    { "a bracket is open", "redis://[::1", "host 1 is not a host" },
    { "brackets around a name", "redis://[cache]", "host 1 is not a host" },
    { "a blank in a host", "redis://ca che", "host 1 is not a host" },
    { "a question", "redis://cache?db=1", "host 1 is not a host" },
    { "a long host", "redis://" LONG_NAME, "host 1 is not a host" },
    { "two servers", "redis://:hunter@a,b", "at most 1 hosts" },
    { "too many hosts", "redis+cluster://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
      "at most 16 hosts" },
    { "an empty host among others", "redis+cluster://a,,b", "host 2 is not a host" },
    { "a half escape", "redis://:hunter%4@cache", "two hexadecimal digits" },
    { "a wrong escape", "redis://:hunter%zz@cache", "two hexadecimal digits" },
    { "an escaped NUL", "redis://:hunter%00@cache", "two hexadecimal digits" },
    { "a long password", "redis://:hunter" LONG_NAME "@cache", "at most 255 bytes" },
    { "a named database", "redis://:hunter@cache/users", "number from 0 to 65535" },
    { "a large database", "redis://cache/65536", "number from 0 to 65535" },
    { "a path of two", "redis://cache/1/2", "number from 0 to 65535" },
    { "no master's name", "redis+sentinel://a,b", "needs the master's name" },
    { "an empty master's name", "redis+sentinel://a,b//1", "needs the master's name" },
    { "a cluster's database", "redis+cluster://a/1", "only database 0" },
    { "a relative path", "unix:redis.sock", "begins with /" },
    { "no path", "unix:", "begins with /" },
    { "a long path", "unix:/" LONG_NAME, "at most 107 bytes" },
    { "another question", "unix:/run/redis.sock?user=hunter", "only ?db=N" },
    { "an empty question", "unix:/run/redis.sock?db=", "number from 0 to 65535" },
};

START_TEST(what_is_wrong_is_told_and_no_secret_with_it)
{
    static const keel_redis_url none;
    const bad_case *row = &bad[_i];
    keel_detail why = KEEL_DETAIL_INIT;
    keel_redis_url url;

    memset(&url, 7, sizeof url);
    ck_assert_msg(keel_redis_url_read(&url, keel_text_of(row->text), &why) ==
                      KEEL_E_CONFIG,
                  "%s", row->why);
    ck_assert_msg(strstr(why.text, row->says), "%s: %s", row->why, why.text);
    ck_assert_msg(!strstr(why.text, "hunter"), "%s: %s", row->why, why.text);
    ck_assert_msg(!strstr(why.text, "99999"), "%s: %s", row->why, why.text);
    ck_assert_msg(strlen(why.text) < sizeof why.storage - 1, "%s: cut", row->why);
    ck_assert_msg(memcmp(&url, &none, sizeof url) == 0, "%s: not wiped", row->why);
}
END_TEST

START_TEST(tls_is_read_where_it_is_built_and_else_refused_with_the_ways_out)
{
    char printed[KEEL_REDIS_URL_TEXT_SIZE];
    keel_detail why = KEEL_DETAIL_INIT;
    keel_redis_url url;
    keel_status status =
        keel_redis_url_read(&url, keel_text_of("rediss://:hunter@cache"), &why);

    if (keel_redis_has_tls()) {
        ck_assert_int_eq(status, KEEL_OK);
        ck_assert(url.tls);
        ck_assert_str_eq(keel_redis_url_print(&url, printed),
                         "rediss://***@cache:6379");
        return;
    }
    ck_assert_int_eq(status, KEEL_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why.text, "unix:PATH"));
    ck_assert_ptr_nonnull(strstr(why.text, "tunnel"));
    ck_assert_ptr_null(strstr(why.text, "hunter"));
}
END_TEST

START_TEST(a_long_url_is_printed_cut_and_ended)
{
    char printed[KEEL_REDIS_URL_TEXT_SIZE];
    char text[KEEL_REDIS_HOSTS * 128] = "redis+cluster://";
    keel_redis_url url;

    for (int i = 0; i < KEEL_REDIS_HOSTS; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.100s",
                 i ? "," : "", LONG_NAME);
    ck_assert_int_eq(keel_redis_url_read(&url, keel_text_of(text), NULL), KEEL_OK);
    ck_assert_uint_eq(strlen(keel_redis_url_print(&url, printed)), sizeof printed - 1);
}
END_TEST

SUITE("redis_url", 10, ROWS(a_url_is_read_and_printed_without_its_secrets, good),
      ROWS(what_is_wrong_is_told_and_no_secret_with_it, bad),
      ONE(tls_is_read_where_it_is_built_and_else_refused_with_the_ways_out),
      ONE(a_long_url_is_printed_cut_and_ended))
