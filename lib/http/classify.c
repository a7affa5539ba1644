/* SPDX-License-Identifier: MIT */
/*
 * From libcurl's codes and HTTP's to keel's statuses. Three questions are kept apart:
 * whom to blame (the status), whether the request left (never sent), and whether
 * sending it again is safe.
 */
#include "http/classify.h"

#include <string.h>

bool keel_http_method_is_idempotent(const char *method)
{
    static const char *const idempotent[] = { "GET",   "HEAD", "OPTIONS",
                                              "TRACE", "PUT",  "DELETE" };

    for (size_t i = 0; method && i < sizeof idempotent / sizeof *idempotent; i++)
        if (strcmp(method, idempotent[i]) == 0)
            return true;
    return false;
}

/* RFC 9110 says which answers are the server's trouble and which are ours. */
static keel_status classify_response(long response, bool asked_to_wait)
{
    if (response < 400)
        return KEEL_OK;
    switch (response) {
    case 429:
        return KEEL_THROTTLED;
    case 503:
        return asked_to_wait ? KEEL_THROTTLED : KEEL_FAILED;
    case 408: /* Request Timeout: the server gave up waiting for us */
    case 425: /* Too Early: the same request later is fine */
        return KEEL_FAILED;
    case 501: /* Not Implemented: it will not be by the next attempt */
    case 505: /* HTTP Version Not Supported */
        return KEEL_CLIENT_ERROR;
    default:
        return response < 500 ? KEEL_CLIENT_ERROR : KEEL_FAILED;
    }
}

static keel_status classify_code(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return KEEL_TIMEOUT;

    /* the peer is there, and no repetition changes its mind or ours */
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_REMOTE_ACCESS_DENIED:
    case CURLE_REMOTE_FILE_NOT_FOUND:
    case CURLE_LOGIN_DENIED:
    case CURLE_AUTH_ERROR:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_RANGE_ERROR:
        return KEEL_CLIENT_ERROR;

    /* the caller's own doing, or this machine's: says nothing of the peer */
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_WRITE_ERROR:
    case CURLE_READ_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_BAD_DOWNLOAD_RESUME:
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_CHUNK_FAILED:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_NOT_BUILT_IN:
    case CURLE_FUNCTION_NOT_FOUND:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_SETOPT_OPTION_SYNTAX:
    case CURLE_FAILED_INIT:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_INTERFACE_FAILED:
    case CURLE_RECURSIVE_API_CALL:
    case CURLE_NO_CONNECTION_AVAILABLE:
    case CURLE_FILE_COULDNT_READ_FILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
        return KEEL_IGNORED;

    default:
        return KEEL_FAILED;
    }
}

keel_status keel_http_classify(const keel_http_facts *facts)
{
    keel_status status;

    /* with CURLOPT_FAILONERROR the answer is behind the error code */
    if (facts->code == CURLE_OK || facts->code == CURLE_HTTP_RETURNED_ERROR)
        return classify_response(facts->response, facts->asked_to_wait);
    status = classify_code(facts->code);
    /* nobody answered, and the request was one that must not happen twice */
    if (status == KEEL_FAILED && !facts->repeatable && !keel_http_never_sent(facts))
        return KEEL_UNKNOWN;
    return status;
}

bool keel_http_never_sent(const keel_http_facts *facts)
{
    if (facts->request_begun)
        return false;
    switch (facts->code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_ABORTED_BY_CALLBACK:
        return true;
    default:
        return false;
    }
}

bool keel_http_may_repeat(const keel_http_facts *facts, bool can_reset_sink,
                          bool can_rewind_body, keel_bar *bar)
{
    if (keel_http_never_sent(facts))
        return true;
    if (!facts->repeatable)
        *bar = KEEL_BAR_NOT_IDEMPOTENT;
    else if (facts->received && !can_reset_sink)
        *bar = KEEL_BAR_ANSWERED;
    else if (facts->consumed && !can_rewind_body)
        *bar = KEEL_BAR_BODY_READ;
    else
        return true;
    return false;
}

keel_applied keel_http_applied(const keel_http_facts *facts)
{
    if (keel_http_never_sent(facts))
        return KEEL_APPLIED_NO;
    if (facts->code == CURLE_OK && facts->response < 400)
        return KEEL_APPLIED_YES;
    return KEEL_APPLIED_UNKNOWN;
}
