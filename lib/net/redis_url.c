/* SPDX-License-Identifier: MIT */
/*
 * KEEL_REDIS, read and printed. What stands before the last @ may be a password and is
 * never told; nor is what follows a host, which is where a password comes to stand when
 * the host was forgotten.
 */
#include "net/redis_url.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/detail.h"
#include "net/redis_tls.h"

enum { MOST_DB = 65535 };

typedef struct scheme {
    const char *begin;
    keel_redis_kind kind;
    bool tls;
    uint16_t port; /* unless another is named */
} scheme;

static const scheme schemes[] = {
    { "redis://", KEEL_REDIS_SERVER, false, 6379 },
    { "rediss://", KEEL_REDIS_SERVER, true, 6379 },
    { "unix:", KEEL_REDIS_UNIX, false, 0 },
    { "redis+sentinel://", KEEL_REDIS_SENTINEL, false, 26379 },
    { "redis+cluster://", KEEL_REDIS_CLUSTER, false, 6379 },
};

static const scheme *scheme_of(keel_text text)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t length = strlen(schemes[i].begin);

        if (text.length >= length && memcmp(text.at, schemes[i].begin, length) == 0)
            return &schemes[i];
    }
    return NULL;
}

static keel_text text_after(keel_text text, size_t length)
{
    return (keel_text){ text.at + length, text.length - length };
}

/* -1: not a hexadecimal digit. */
static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) % 16 : -1;
}

/* One byte, or what %41 stands for; 0: neither, as no NUL can be meant. */
static char decode_one(keel_text text, size_t *at)
{
    int high, low;

    if (text.at[*at] != '%')
        return text.at[(*at)++];
    if (text.length - *at < 3)
        return 0;
    high = digit_of(text.at[*at + 1]);
    low = digit_of(text.at[*at + 2]);
    *at += 3;
    return high < 0 || low < 0 ? 0 : (char)(high * 16 + low);
}

/* False: a bad escape, a NUL, or too long. */
static bool decode(char to[KEEL_REDIS_NAME_SIZE], keel_text text)
{
    size_t length = 0;

    for (size_t at = 0; at < text.length;) {
        char c = decode_one(text, &at);

        if (!c || length + 1 == KEEL_REDIS_NAME_SIZE)
            return false;
        to[length++] = c;
    }
    to[length] = '\0';
    return true;
}

static keel_status read_db(keel_redis_url *url, keel_text text, keel_detail *why)
{
    uint64_t db;

    if (keel_parse_count(text, &db) != KEEL_PARSE_OK || db > MOST_DB)
        return keel_failf(why, KEEL_E_CONFIG,
                          "what stands for the database is not a number from 0 to %d",
                          MOST_DB);
    url->db = (uint32_t)db;
    return KEEL_OK;
}

static keel_status read_user_info(keel_redis_url *url, keel_text info, keel_detail *why)
{
    keel_text user = info, password = { "", 0 };

    keel_text_split(info, ":", &user, &password);
    if (!decode(url->user, user) || !decode(url->password, password))
        return keel_failf(why, KEEL_E_CONFIG,
                          "user and password have at most %d bytes each, and a %% "
                          "stands before two hexadecimal digits",
                          KEEL_REDIS_NAME_SIZE - 1);
    return KEEL_OK;
}

static bool is_of(keel_text text, const char *others)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_letter && !(c >= '0' && c <= '9') && (!c || !strchr(others, c)))
            return false;
    }
    return true;
}

/* Takes the name off the text and leaves what follows it. */
static bool take_host_name(keel_text *text, keel_text *name)
{
    const char *end;

    if (text->length && text->at[0] == '[') {
        end = memchr(text->at, ']', text->length);
        if (!end)
            return false;
        *name = (keel_text){ text->at + 1, (size_t)(end - text->at) - 1 };
        *text = text_after(*text, name->length + 2);
        return is_of(*name, ":.%") && memchr(name->at, ':', name->length);
    }
    end = memchr(text->at, ':', text->length);
    *name = (keel_text){ text->at, end ? (size_t)(end - text->at) : text->length };
    *text = text_after(*text, name->length);
    return is_of(*name, ".-_");
}

/* The rest after a name: nothing, or a colon and a port. */
static bool read_port(keel_text text, uint16_t *port)
{
    uint64_t number;

    if (!text.length)
        return true;
    if (text.at[0] != ':' ||
        keel_parse_count(text_after(text, 1), &number) != KEEL_PARSE_OK || !number ||
        number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static keel_status read_host(keel_redis_url *url, keel_text text, uint16_t port,
                             keel_detail *why)
{
    keel_redis_host *host = &url->hosts[url->host_count];
    char quoted[KEEL_QUOTE_SIZE];
    keel_text name;

    if (!take_host_name(&text, &name) || !name.length ||
        name.length >= sizeof host->name)
        return keel_failf(why, KEEL_E_CONFIG,
                          "host %u is not a host: a name, an IPv4 address, or an "
                          "IPv6 address in brackets, then perhaps :port",
                          (unsigned)url->host_count + 1);
    host->port = port;
    if (!read_port(text, &host->port))
        return keel_failf(why, KEEL_E_CONFIG,
                          "what follows host %s is not a port: a colon and a number "
                          "from 1 to 65535 (an IPv6 address has brackets)",
                          keel_quote(quoted, name));
    memcpy(host->name, name.at, name.length);
    url->host_count++;
    return KEEL_OK;
}

static keel_status read_hosts(keel_redis_url *url, keel_text text, const scheme *by,
                              keel_detail *why)
{
    size_t most = by->kind == KEEL_REDIS_SERVER ? 1 : KEEL_REDIS_HOSTS;
    keel_text one;
    bool has_more;

    do {
        keel_status status;

        if (url->host_count == most)
            return keel_failf(why, KEEL_E_CONFIG,
                              "%s takes at most %u hosts, and there are more",
                              by->begin, (unsigned)most);
        has_more = keel_text_split(text, ",", &one, &text);
        status = read_host(url, has_more ? one : text, by->port, why);
        if (status != KEEL_OK)
            return status;
    } while (has_more);
    return KEEL_OK;
}

/* What follows the hosts and a slash. */
static keel_status read_tail(keel_redis_url *url, keel_text tail, keel_detail *why)
{
    keel_text master = tail, db = { "", 0 };

    if (url->kind == KEEL_REDIS_CLUSTER && tail.length)
        return keel_fail(why, KEEL_E_CONFIG,
                         "redis+cluster:// ends with its hosts: a cluster has only "
                         "database 0");
    if (url->kind == KEEL_REDIS_SERVER)
        return tail.length ? read_db(url, tail, why) : KEEL_OK;
    if (url->kind == KEEL_REDIS_SENTINEL) {
        keel_text_split(tail, "/", &master, &db);
        if (!master.length || !decode(url->master, master))
            return keel_fail(why, KEEL_E_CONFIG,
                             "redis+sentinel:// needs the master's name after its "
                             "hosts, as in redis+sentinel://s1,s2/mymaster");
    }
    return db.length ? read_db(url, db, why) : KEEL_OK;
}

/* What stands after the last @, and whether there is one. */
static bool split_user_info(keel_text text, keel_text *info, keel_text *rest)
{
    const char *at = memrchr(text.at, '@', text.length);

    *rest = text;
    if (!at)
        return false;
    *info = (keel_text){ text.at, (size_t)(at - text.at) };
    *rest = text_after(text, info->length + 1);
    return true;
}

static keel_status read_network(keel_redis_url *url, keel_text text, const scheme *by,
                                keel_detail *why)
{
    keel_text info, hosts, tail = { "", 0 };
    keel_status status = KEEL_OK;

    if (split_user_info(text, &info, &text))
        status = read_user_info(url, info, why);
    hosts = text;
    keel_text_split(text, "/", &hosts, &tail);
    if (status == KEEL_OK)
        status = read_hosts(url, hosts, by, why);
    return status == KEEL_OK ? read_tail(url, tail, why) : status;
}

static keel_status read_unix(keel_redis_url *url, keel_text text, keel_detail *why)
{
    keel_text path = text, query = { "db=0", 4 };

    keel_text_split(text, "?", &path, &query);
    if (!path.length || path.at[0] != '/' || path.length >= sizeof url->path ||
        memchr(path.at, '\0', path.length))
        return keel_failf(why, KEEL_E_CONFIG,
                          "unix: is followed by a path that begins with / and has at "
                          "most %u bytes",
                          (unsigned)sizeof url->path - 1);
    memcpy(url->path, path.at, path.length);
    if (query.length < 3 || memcmp(query.at, "db=", 3) != 0)
        return keel_fail(why, KEEL_E_CONFIG, "after unix:PATH only ?db=N is known");
    return read_db(url, text_after(query, 3), why);
}

static keel_status read_all(keel_redis_url *url, keel_text text, keel_detail *why)
{
    const scheme *by = scheme_of(text);

    if (!by)
        return keel_fail(why, KEEL_E_CONFIG,
                         "begins with none of redis://, rediss://, unix:, "
                         "redis+sentinel:// and redis+cluster://");
    if (by->tls && !keel_redis_has_tls())
        return keel_fail(why, KEEL_E_UNSUPPORTED,
                         "rediss:// needs a keel built with hiredis 1.0 or newer and "
                         "its ssl library; until then use a unix socket (unix:PATH) or "
                         "a local TLS tunnel");
    url->kind = by->kind;
    url->tls = by->tls;
    text = text_after(text, strlen(by->begin));
    return by->kind == KEEL_REDIS_UNIX ? read_unix(url, text, why)
                                       : read_network(url, text, by, why);
}

void keel_redis_url_wipe(keel_redis_url *url)
{
    explicit_bzero(url, sizeof *url);
}

keel_status keel_redis_url_read(keel_redis_url *url, keel_text text, keel_detail *why)
{
    keel_status status;

    *url = (keel_redis_url){ .kind = KEEL_REDIS_SERVER };
    status = read_all(url, text, why);
    if (status != KEEL_OK)
        keel_redis_url_wipe(url);
    return status == KEEL_OK ? keel_succeed(why) : status;
}

typedef struct printing {
    char *to;
    size_t length;
} printing;

__attribute__((format(printf, 2, 3))) static void print(printing *p, const char *format,
                                                        ...)
{
    size_t room = KEEL_REDIS_URL_TEXT_SIZE - p->length;
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(p->to + p->length, room, format, args);
    va_end(args);
    if (length > 0)
        p->length += (size_t)length < room ? (size_t)length : room - 1;
}

static const char *scheme_text(const keel_redis_url *url)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (schemes[i].kind == url->kind && schemes[i].tls == url->tls)
            return schemes[i].begin;
    return "";
}

const char *keel_redis_url_print(const keel_redis_url *url,
                                 char to[KEEL_REDIS_URL_TEXT_SIZE])
{
    printing p = { .to = to, .length = 0 };

    print(&p, "%s%s%s", scheme_text(url),
          url->user[0] || url->password[0] ? "***@" : "", url->path);
    for (size_t i = 0; i < url->host_count; i++) {
        const keel_redis_host *host = &url->hosts[i];
        bool is_ipv6 = strchr(host->name, ':') != NULL;

        print(&p, "%s%s%s%s:%u", i ? "," : "", is_ipv6 ? "[" : "", host->name,
              is_ipv6 ? "]" : "", host->port);
    }
    if (url->master[0])
        print(&p, "/%s", url->master);
    if (url->db)
        print(&p, "%s%u", url->kind == KEEL_REDIS_UNIX ? "?db=" : "/", url->db);
    return to;
}
