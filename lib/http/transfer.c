/* SPDX-License-Identifier: MIT */
/*
 * The loop around curl_multi_perform. What it asks of the handle on the way is kept to
 * a few words, because every successful call pays for it.
 */
#include "http/transfer.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "base/thread.h"
#include "http/facts.h"

/* libcurl calls the progress function this often at least, and so do we. */
enum { POLL_MOST_MS = 1000 };

/* Without a descriptor to be woken by, the token is looked at this often. */
#define CANCEL_SLICE_NS (50 * KEEL_MS)

static int poll_timeout_ms(uint64_t until_ns, uint64_t now)
{
    /* up, so that the instant has come when the poll ends */
    uint64_t left_ms = keel_ns_add(keel_ns_left(until_ns, now), KEEL_MS - 1) / KEEL_MS;

    return left_ms > POLL_MOST_MS ? POLL_MOST_MS : (int)left_ms;
}

CURLMcode keel_transfer_wait(const keel_transfer *t, uint64_t until_ns, uint64_t now)
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
    if (now >= t->until_ns || !keel_easy_has_begun(t->easy))
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
        rc = keel_transfer_wait(t, until_ns, now);
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

static keel_transfer_end run_added(const keel_transfer *t, CURLcode *code)
{
    int running = 0;
    CURLMcode rc = curl_multi_perform(t->multi, &running);

    if (rc == CURLM_OK && running)
        return run_on(t, code);
    *code = rc == CURLM_OK ? result_of(t->multi) : code_of_multi(rc);
    return KEEL_TRANSFER_DONE;
}

/*
 * Where the protocol has a word for goodbye, libcurl says it when it closes a kept
 * connection and waits for the reply, two minutes if need be: in somebody else's call,
 * or in keel_pipeline_close. Such a connection is cut off now, while the descriptor is
 * surely its own; libcurl finds it dead and does not wait.
 */
static void cut_off(CURL *easy)
{
    curl_socket_t fd = keel_easy_socket(easy);

    if (fd != CURL_SOCKET_BAD)
        shutdown(fd, SHUT_RDWR);
}

/* Whatever is not one answered request of HTTP. */
static KEEL_SELDOM keel_transfer_end look_closer(const keel_transfer *t,
                                                 keel_transfer_result *result,
                                                 keel_transfer_end end)
{
    if (result->code == CURLE_OK &&
        keel_easy_is_connect_only(t->easy, result->response))
        end = KEEL_TRANSFER_UNSUPPORTED;
    result->resent = keel_easy_was_resent(t->easy);
    if (!keel_easy_is_http(t->easy))
        cut_off(t->easy);
    return end;
}

/* While the handle is still in the multi handle, for some answers depend on that. */
static keel_transfer_end look(const keel_transfer *t, keel_transfer_result *result,
                              keel_transfer_end end)
{
    result->response = 0;
    result->resent = false;
    if (result->code == CURLE_OK)
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &result->response);
    if (KEEL_LIKELY(result->response >= 200 && keel_easy_is_ordinary(t->easy)))
        return end;
    return look_closer(t, result, end);
}

keel_transfer_end keel_transfer_run(const keel_transfer *t,
                                    keel_transfer_result *result)
{
    keel_transfer_end end;

    if (curl_multi_add_handle(t->multi, t->easy) != CURLM_OK)
        return KEEL_TRANSFER_REFUSED;
    /* the only two options keel sets: no alarm for name resolution, and no waiting for
     * a resolver thread that hangs */
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L);
    end = run_added(t, &result->code);
    end = look(t, result, end);
    curl_multi_remove_handle(t->multi, t->easy);
    return end;
}
