/* SPDX-License-Identifier: MIT */
/*
 * Questions to a handle. libcurl answers none of them outright; each comment says why
 * the answer can be trusted.
 */
#include "http/facts.h"

#include <string.h>
#include <strings.h>

#include "base/wall.h"
#include "http/retry_after.h"

static long long_info(CURL *easy, CURLINFO info)
{
    long value = 0;

    curl_easy_getinfo(easy, info, &value);
    return value;
}

static curl_off_t size_info(CURL *easy, CURLINFO info)
{
    curl_off_t value = 0;

    curl_easy_getinfo(easy, info, &value);
    return value;
}

/* The protocol of the latest connection; NULL: there was none. */
static const char *scheme_of(CURL *easy)
{
    const char *scheme = NULL;

    curl_easy_getinfo(easy, CURLINFO_SCHEME, &scheme);
    return scheme;
}

static bool is_http(const char *scheme)
{
    static const char *const http[] = { "http", "https", "ws", "wss" };

    for (size_t i = 0; i < sizeof http / sizeof *http; i++)
        if (strcasecmp(scheme, http[i]) == 0)
            return true;
    return false;
}

bool keel_easy_is_http(CURL *easy)
{
    const char *scheme = scheme_of(easy);

    return scheme && is_http(scheme);
}

/* libcurl counts what it sent of HTTP, and notes when it was sent. */
static bool is_counted(CURL *easy)
{
    return long_info(easy, CURLINFO_REQUEST_SIZE) > 0 ||
           size_info(easy, CURLINFO_PRETRANSFER_TIME_T) > 0;
}

/*
 * Either count alone proves it. The commands of other protocols are not counted, and
 * may follow as soon as there is a connection.
 */
bool keel_easy_has_begun(CURL *easy)
{
    const char *scheme = scheme_of(easy);

    return (scheme && !is_http(scheme)) || is_counted(easy);
}

/* libcurl numbers the requests of a transfer. None has a header of this name. */
static CURLHcode ask_request(CURL *easy, int number)
{
    struct curl_header *header;

    return curl_easy_header(easy, "-", 0, CURLH_HEADER, number, &header);
}

bool keel_easy_is_ordinary(CURL *easy)
{
    return ask_request(easy, 1) == CURLHE_NOREQUEST;
}

/*
 * One number more than there were redirects (and steps of authentication, which count
 * as such) is a sending of libcurl's own. A libcurl without this interface does not tell.
 */
bool keel_easy_was_resent(CURL *easy)
{
    switch (ask_request(easy, (int)long_info(easy, CURLINFO_REDIRECT_COUNT) + 1)) {
    case CURLHE_OK:
    case CURLHE_BADINDEX:
    case CURLHE_MISSING:
        return true;
    default:
        return false;
    }
}

curl_socket_t keel_easy_socket(CURL *easy)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    return fd;
}

/* Nothing was sent, or no more than the upgrade to a WebSocket, and there it is. */
bool keel_easy_is_connect_only(CURL *easy, long response)
{
    return (response == 101 || !is_counted(easy)) &&
           keel_easy_socket(easy) != CURL_SOCKET_BAD;
}

static const char *method_of(CURL *easy)
{
    const char *method = NULL;

    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_METHOD, &method);
    return method;
}

static bool is_repeatable(CURL *easy, keel_curl_safety safety)
{
    if (safety != KEEL_CURL_BY_METHOD)
        return safety == KEEL_CURL_IDEMPOTENT;
    /* after a redirect the method is that of the last request: a GET that was a POST */
    return long_info(easy, CURLINFO_REDIRECT_COUNT) == 0 &&
           keel_http_method_is_idempotent(method_of(easy));
}

/*
 * A read that libcurl sent on a kept connection, which was dead, and for which it then
 * got no other: of such a one it has forgotten that there is no body.
 */
static bool is_unconnected_read(const char *method, CURLcode code)
{
    bool is_read = method && (!strcmp(method, "GET") || !strcmp(method, "HEAD"));

    return is_read &&
           (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
            code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_PROXY ||
            code == CURLE_SSL_CONNECT_ERROR);
}

/* Whether there is one; libcurl says 0 for none, -1 for one of unknown length. */
static bool has_body(CURL *easy, CURLcode code)
{
    curl_off_t length = size_info(easy, CURLINFO_CONTENT_LENGTH_UPLOAD_T);

    return length > 0 || (length < 0 && !is_unconnected_read(method_of(easy), code));
}

/*
 * What was read from the caller but not sent is not counted. So every body counts whose
 * request was begun, whatever the method; and after a redirect, for then libcurl tells of
 * the last request only.
 */
static bool body_consumed(CURL *easy, CURLcode code)
{
    return size_info(easy, CURLINFO_SIZE_UPLOAD_T) > 0 ||
           long_info(easy, CURLINFO_REDIRECT_COUNT) > 0 ||
           (size_info(easy, CURLINFO_PRETRANSFER_TIME_T) > 0 && has_body(easy, code));
}

static void read_retry_after(CURL *easy, keel_http_facts *facts)
{
    struct curl_header *header;

    if (facts->response != 429 && facts->response / 100 != 5)
        return;
    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) ==
        CURLHE_OK)
        facts->asked_to_wait = keel_retry_after_read(header->value, keel_wall_seconds(),
                                                     &facts->retry_after_ns);
}

void keel_easy_facts(CURL *easy, CURLcode code, keel_curl_safety safety,
                     keel_http_facts *facts)
{
    *facts = (keel_http_facts){
        .code = code,
        .request_begun = keel_easy_has_begun(easy),
        .received = long_info(easy, CURLINFO_HEADER_SIZE) > 0 ||
                    size_info(easy, CURLINFO_SIZE_DOWNLOAD_T) > 0,
        .consumed = body_consumed(easy, code),
        .repeatable = is_repeatable(easy, safety),
    };
    /* 550 is FTP's word for something else */
    if (keel_easy_is_http(easy))
        facts->response = long_info(easy, CURLINFO_RESPONSE_CODE);
    read_retry_after(easy, facts);
}
