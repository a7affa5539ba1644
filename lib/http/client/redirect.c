/* SPDX-License-Identifier: MIT */
/* Where a redirect may lead. libcurl's parser takes the URLs apart. */
#include "http/client/redirect.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

/* What two URLs are compared by; NULL: there is none, or it is not a URL. */
typedef struct origin {
    char *scheme;
    char *host;
    char *port;
} origin;

static void origin_cleanup(origin *o)
{
    curl_free(o->scheme);
    curl_free(o->host);
    curl_free(o->port);
}

static bool origin_read(origin *o, const char *url)
{
    CURLU *parts = curl_url();
    bool done;

    *o = (origin){ NULL, NULL, NULL };
    done =
        parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &o->scheme, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &o->host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &o->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_url_cleanup(parts);
    return done;
}

static bool is(const origin *o, const char *scheme, const char *port)
{
    return strcmp(o->scheme, scheme) == 0 && (!port || strcmp(o->port, port) == 0);
}

static bool is_same_host(const origin *from, const origin *to)
{
    return strcasecmp(from->host, to->host) == 0 &&
           (is(from, to->scheme, to->port) ||
            (is(from, "http", "80") && is(to, "https", "443")));
}

static keel_hop hop(keel_http_redirects allowed, const origin *from, const origin *to)
{
    if (!is(to, "http", NULL) && !is(to, "https", NULL))
        return KEEL_HOP_NONE;
    if (is_same_host(from, to))
        return KEEL_HOP_SAME;
    if (allowed != KEEL_HTTP_ANY_HOST ||
        (is(from, "https", NULL) && is(to, "http", NULL)))
        return KEEL_HOP_NONE;
    return KEEL_HOP_ELSEWHERE;
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

keel_hop keel_http_hop(keel_http_redirects allowed, long status, const char *from,
                       const char *to)
{
    keel_hop answer = KEEL_HOP_NONE;
    origin a = { NULL, NULL, NULL }, b = { NULL, NULL, NULL };

    if (allowed == KEEL_HTTP_NO_REDIRECT || !is_redirect(status) || !from || !to)
        return KEEL_HOP_NONE;
    if (origin_read(&a, from) && origin_read(&b, to))
        answer = hop(allowed, &a, &b);
    origin_cleanup(&a);
    origin_cleanup(&b);
    return answer;
}

const char *keel_http_hop_method(long status, const char *method)
{
    bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

    if (is_read)
        return method;
    if (status == 303 ||
        ((status == 301 || status == 302) && strcmp(method, "POST") == 0))
        return "GET";
    return method;
}

bool keel_http_is_confidential(const char *name)
{
    static const char *const names[] = { "Authorization", "Cookie",
                                         "Proxy-Authorization" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}
