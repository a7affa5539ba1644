/* SPDX-License-Identifier: MIT */
/*
 * The loop around curl_multi_perform. What it asks of the handle on the way is kept to
 * a few words, because every successful call pays for it.
 */
#include "http/transfer.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/wall.h"
#include "http/retry_after.h"

/* Without a descriptor to be woken by, the token is looked at this often. */
#define CANCEL_SLICE_NS (50 * KEEL_MS)

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

/*
 * Whether some of the request may have left. libcurl counts what it sent, and notes
 * when sending was done; either alone proves it.
 */
static bool request_begun(CURL *easy)
{
    return long_info(easy, CURLINFO_REQUEST_SIZE) > 0 ||
           size_info(easy, CURLINFO_PRETRANSFER_TIME_T) > 0;
}

static int poll_timeout_ms(uint64_t until_ns, uint64_t now)
{
    /* up, so that the instant has come when the poll ends */
    uint64_t left_ms = keel_ns_add(keel_ns_left(until_ns, now), KEEL_MS - 1) / KEEL_MS;

    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

/* Sleeps until libcurl has work, the instant, or the token. */
static CURLMcode wait_for_work(const keel_transfer *t, uint64_t until_ns, uint64_t now)
{
    struct curl_waitfd wake = { .fd = -1, .events = CURL_WAIT_POLLIN };
    CURLMcode rc = CURLM_OK;

    if (!t->cancel)
        return curl_multi_poll(t->multi, NULL, 0, poll_timeout_ms(until_ns, now), NULL);
    wake.fd = keel_thread_wake_fd();
    if (wake.fd < 0)
        until_ns = keel_ns_min(until_ns, keel_ns_add(now, CANCEL_SLICE_NS));
    keel_thread_wait_begin(t->cancel);
    if (!keel_cancel_fired(t->cancel))
        rc = curl_multi_poll(t->multi, &wake, wake.fd >= 0,
                             poll_timeout_ms(until_ns, now), NULL);
    keel_thread_wait_end();
    return rc;
}

static CURLcode code_of_multi(CURLMcode rc)
{
    return rc == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY
                                     : CURLE_BAD_FUNCTION_ARGUMENT;
}

/* The result libcurl has for the only handle in there. */
static CURLcode result_of(CURLM *multi)
{
    int left;
    CURLMsg *message = curl_multi_info_read(multi, &left);

    return message ? message->data.result : CURLE_BAD_FUNCTION_ARGUMENT;
}

/*
 * True: time is up. The connect timeout holds until some of the request has left;
 * after that *until_ns is the attempt's.
 */
static bool is_over(const keel_transfer *t, uint64_t *until_ns, uint64_t now)
{
    if (now < *until_ns)
        return false;
    if (now >= t->until_ns || !request_begun(t->easy))
        return true;
    *until_ns = t->until_ns;
    return false;
}

/* Runs what is left of a transfer whose first steps are made. */
static keel_transfer_end run_on(const keel_transfer *t, CURLcode *code)
{
    uint64_t until_ns = keel_ns_min(t->connect_until_ns, t->until_ns);
    CURLMcode rc = CURLM_OK;
    int running = 1;

    while (running && rc == CURLM_OK) {
        uint64_t now = keel_now(t->runtime);

        if (is_over(t, &until_ns, now)) {
            *code = CURLE_OPERATION_TIMEDOUT;
            return KEEL_TRANSFER_DONE;
        }
        rc = wait_for_work(t, until_ns, now);
        if (keel_cancel_fired(t->cancel)) {
            *code = CURLE_ABORTED_BY_CALLBACK;
            return KEEL_TRANSFER_CANCELLED;
        }
        if (rc == CURLM_OK)
            rc = curl_multi_perform(t->multi, &running);
    }
    *code = rc == CURLM_OK ? result_of(t->multi) : code_of_multi(rc);
    return KEEL_TRANSFER_DONE;
}

static bool has_request(CURL *easy, int number)
{
    struct curl_header *header;
    CURLHcode rc = curl_easy_header(easy, "-", 0, CURLH_HEADER, number, &header);

    return rc != CURLHE_NOREQUEST && rc != CURLHE_NOHEADERS;
}

/*
 * libcurl re-sends by itself when a kept connection turns out dead. It numbers its
 * requests, and one number more than there were redirects is such a sending. The first
 * question is all that an ordinary transfer costs; where no answer came, libcurl does
 * not tell.
 */
static bool was_resent(CURL *easy)
{
    return has_request(easy, 1) &&
           has_request(easy, (int)long_info(easy, CURLINFO_REDIRECT_COUNT) + 1);
}

static keel_transfer_end run_added(const keel_transfer *t, CURLcode *code)
{
    int running = 0;
    CURLMcode rc = curl_multi_perform(t->multi, &running);

    if (rc == CURLM_OK && running)
        return run_on(t, code);
    *code = rc == CURLM_OK ? result_of(t->multi) : code_of_multi(rc);
    return KEEL_TRANSFER_DONE;
}

keel_transfer_end keel_transfer_run(const keel_transfer *t, CURLcode *code,
                                    bool *resent)
{
    keel_transfer_end end;

    *code = CURLE_OK;
    *resent = false;
    if (curl_multi_add_handle(t->multi, t->easy) != CURLM_OK)
        return KEEL_TRANSFER_REFUSED;
    /* the only two options keel sets: no alarm for name resolution, and no waiting for
     * a resolver thread that hangs */
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L);
    end = run_added(t, code);
    *resent = was_resent(t->easy);
    curl_multi_remove_handle(t->multi, t->easy);
    return end;
}

/* ---- what is known afterwards ---------------------------------------------------- */

static bool is_repeatable(CURL *easy, const char *method, keel_curl_safety safety)
{
    if (safety != KEEL_CURL_BY_METHOD)
        return safety == KEEL_CURL_IDEMPOTENT;
    /* after a redirect the method is that of the last request: a GET that was a POST */
    return long_info(easy, CURLINFO_REDIRECT_COUNT) == 0 &&
           keel_http_method_is_idempotent(method);
}

/*
 * A byte that was read from the caller but not sent is not counted by libcurl, so a
 * request that has begun and has a body, or may have one of unknown length, counts.
 */
static bool body_consumed(CURL *easy, const char *method, bool begun)
{
    curl_off_t length = -1;

    if (size_info(easy, CURLINFO_SIZE_UPLOAD_T) > 0)
        return true;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_UPLOAD_T, &length);
    return begun && (length > 0 || (length < 0 && keel_http_method_has_body(method)));
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

void keel_transfer_facts(CURL *easy, CURLcode code, keel_curl_safety safety,
                         keel_http_facts *facts)
{
    const char *method = NULL;
    bool begun = request_begun(easy);

    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_METHOD, &method);
    *facts = (keel_http_facts){
        .code = code,
        .response = long_info(easy, CURLINFO_RESPONSE_CODE),
        .request_begun = begun,
        .received = long_info(easy, CURLINFO_HEADER_SIZE) > 0 ||
                    size_info(easy, CURLINFO_SIZE_DOWNLOAD_T) > 0,
        .consumed = body_consumed(easy, method, begun),
        .repeatable = is_repeatable(easy, method, safety),
    };
    read_retry_after(easy, facts);
}
