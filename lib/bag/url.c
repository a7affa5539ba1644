/* SPDX-License-Identifier: MIT */
/* Taking a URL apart. Not for what its scheme makes of the pieces. */
#include "bag/url.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"

enum { SCHEMES = CURLU_NON_SUPPORT_SCHEME | CURLU_NO_AUTHORITY };

/* ---- libcurl's pieces ---------------------------------------------------------------- */

/* A copy of our own, "" where the piece is missing. False: no memory. */
static bool get(const keel_allocator *memory, CURLU *from, CURLUPart part, char **to)
{
    char *piece = NULL;

    if (curl_url_get(from, part, &piece, CURLU_URLDECODE) == CURLUE_OUT_OF_MEMORY)
        return false;
    *to = keel_memory_copy(memory, piece ? piece : "");
    if (piece && part == CURLUPART_PASSWORD)
        explicit_bzero(piece, strlen(piece));
    curl_free(piece);
    return *to != NULL;
}

/* An address in brackets is one without them to who connects to it. */
static void unbracket(char *host)
{
    size_t length = strlen(host);

    if (length < 2 || host[0] != '[' || host[length - 1] != ']')
        return;
    memmove(host, host + 1, length - 2);
    host[length - 2] = '\0';
}

static bool get_all(CURLU *from, keel_bag_url *url)
{
    const keel_allocator *memory = url->memory;
    char *port = NULL, *plain = NULL;
    bool done = get(memory, from, CURLUPART_USER, &url->user) &&
                get(memory, from, CURLUPART_PASSWORD, &url->password) &&
                get(memory, from, CURLUPART_HOST, &url->host) &&
                get(memory, from, CURLUPART_PATH, &url->location) &&
                get(memory, from, CURLUPART_PORT, &port);

    if (done) {
        unbracket(url->host);
        url->port = (uint16_t)strtoul(port, NULL, 10);
        curl_url_set(from, CURLUPART_PASSWORD, NULL, 0);
        done = curl_url_get(from, CURLUPART_URL, &plain, 0) == CURLUE_OK &&
               (url->plain = keel_memory_copy(memory, plain)) != NULL;
    }
    keel_memory_free(memory, port);
    curl_free(plain);
    return done;
}

/* ---- reading ------------------------------------------------------------------------- */

/* What follows three slashes is a path. libcurl knows that of file alone. */
static char *path_without_host(char *text)
{
    char *authority = strstr(text, "://");

    if (!authority || authority[3] != '/' || strncmp(text, "file:", 5) == 0)
        return NULL;
    return authority + 3;
}

static keel_status parse(CURLU *into, char *text, keel_detail *why)
{
    char *path = path_without_host(text);
    CURLUcode code;

    if (path)
        *path = '\0';
    code = curl_url_set(into, CURLUPART_URL, text, SCHEMES);
    if (path)
        *path = '/';
    if (code == CURLUE_OK && path)
        code = curl_url_set(into, CURLUPART_PATH, path, 0);
    if (code == CURLUE_OK)
        return KEEL_OK;
    if (code == CURLUE_OUT_OF_MEMORY)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    return keel_failf(why, KEEL_E_CONFIG, "not a URL: %s", curl_url_strerror(code));
}

/* ---- several hosts, or none ---------------------------------------------------------- */

/* What stands for them while libcurl reads the rest. */
#define STAND_IN "hosts"

/* Between user and path. */
static keel_text hosts_of(keel_text base)
{
    keel_text scheme, hosts = { base.at, 0 }, rest;
    const char *user_end;

    if (!keel_text_split(base, "://", &scheme, &rest))
        return hosts;
    hosts = rest;
    keel_text_split(rest, "/", &hosts, &rest);
    user_end = memrchr(hosts.at, '@', hosts.length);
    if (!user_end)
        return hosts;
    return (keel_text){ user_end + 1,
                        hosts.length - (size_t)(user_end + 1 - hosts.at) };
}

/*
 * libcurl takes no list of hosts, "a:1,b:2"; and where there is none, "redis:///run/x",
 * it takes the first part of the path for one, unless it knows the scheme.
 */
static bool needs_stand_in(keel_text base, keel_text hosts)
{
    bool is_file = base.length > 5 && memcmp(base.at, "file:", 5) == 0;
    bool has_path =
        hosts.at > base.at && hosts.at + hosts.length < base.at + base.length;

    if (!hosts.length)
        return has_path && !is_file;
    return memchr(hosts.at, ',', hosts.length) != NULL;
}

/* The text with other hosts; by malloc, NULL: no memory. */
static char *with_hosts(keel_text text, keel_text now)
{
    keel_text before = hosts_of(text);
    size_t begin = (size_t)(before.at - text.at), end = begin + before.length;
    char *to = malloc(text.length - before.length + now.length + 1);

    if (!to)
        return NULL;
    memcpy(to, text.at, begin);
    memcpy(to + begin, now.at, now.length);
    memcpy(to + begin + now.length, text.at + end, text.length - end);
    to[text.length - before.length + now.length] = '\0';
    return to;
}

/* Puts the hosts back where the stand-in was read. False: no memory. */
static bool restore_hosts(keel_bag_url *url, keel_text hosts)
{
    char *plain = with_hosts(keel_text_of(url->plain), hosts);

    keel_memory_free(url->memory, url->plain);
    keel_memory_free(url->memory, url->host);
    url->plain = plain ? keel_memory_copy(url->memory, plain) : NULL;
    free(plain);
    url->host = keel_memory_new(url->memory, hosts.length + 1);
    if (url->host)
        memcpy(url->host, hosts.at, hosts.length);
    return url->host && url->plain;
}

static keel_status read_base(keel_bag_url *url, keel_text base, keel_detail *why)
{
    keel_text hosts = hosts_of(base);
    bool has_stand_in = needs_stand_in(base, hosts);
    CURLU *parsed = curl_url();
    char *text = has_stand_in ? with_hosts(base, keel_text_of(STAND_IN))
                              : strndup(base.at, base.length);
    keel_status status = KEEL_E_NOMEM;

    if (parsed && text)
        status = parse(parsed, text, why);
    else
        keel_fail(why, KEEL_E_NOMEM, "out of memory");
    if (status == KEEL_OK &&
        !(get_all(parsed, url) && (!has_stand_in || restore_hosts(url, hosts))))
        status = keel_fail(why, KEEL_E_NOMEM, "out of memory");
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    curl_url_cleanup(parsed);
    return status;
}

keel_status keel_bag_url_read(keel_bag_url *url, const keel_allocator *memory,
                              keel_text text, keel_detail *why)
{
    keel_text base = text;
    keel_status status;

    *url = (keel_bag_url){ .memory = memory };
    keel_text_split(text, "?", &base, &url->query);
    if (memchr(text.at, '#', text.length))
        return keel_fail(why, KEEL_E_CONFIG, "\"#\" ends a URL; write it as %23");
    status = read_base(url, base, why);
    if (status != KEEL_OK)
        keel_bag_url_cleanup(url);
    return status;
}

void keel_bag_url_cleanup(keel_bag_url *url)
{
    char *const pieces[] = { url->plain, url->user, url->password, url->host,
                             url->location };

    if (url->password)
        explicit_bzero(url->password, strlen(url->password));
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        keel_memory_free(url->memory, pieces[i]);
    *url = (keel_bag_url){ .port = 0 };
}

/* ---- the query ----------------------------------------------------------------------- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | ' ');
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool keel_bag_query_decode(keel_text value, char *to, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < value.length; i++) {
        int c = (unsigned char)value.at[i];

        if (c == '%') {
            int high = i + 2 < value.length ? hex_of(value.at[i + 1]) : -1;
            int low = high >= 0 ? hex_of(value.at[i + 2]) : -1;

            c = low >= 0 ? high << 4 | low : 0;
            i += 2;
        }
        if (!c || at + 1 >= size)
            return false;
        to[at++] = (char)c;
    }
    to[at] = '\0';
    return true;
}

bool keel_bag_query_next(keel_text *query, keel_text *key, keel_text *value)
{
    keel_text item = *query, rest = { "", 0 };

    if (!query->length)
        return false;
    keel_text_split(*query, "&", &item, &rest);
    *query = rest;
    *key = item;
    *value = (keel_text){ "", 0 };
    keel_text_split(item, "=", key, value);
    return true;
}
