/* SPDX-License-Identifier: MIT */
/*
 * keel_curl_perform: the blocking loop of keel_call_next around one libcurl transfer an
 * attempt. What a transfer's end means to the call is session.c's, and told in tell.c.
 */
#include <keel/curl.h>

#include <errno.h>

#include "base/detail.h"
#include "base/thread.h"
#include "call/machine.h"
#include "base/sigpipe.h"
#include "http/tell.h"

typedef keel_curl_session session;

static bool give_up(session *s, keel_status status, const char *text)
{
    s->broken = status;
    s->broken_text = text;
    return false;
}

/* ---- the multi handle ------------------------------------------------------------ */

/*
 * A request declared unsafe gets a multi handle without any kept connection: libcurl
 * re-sends by itself only what it sent on a reused one (and what an HTTP/2 peer says it
 * has not looked at), and no option may be set that would forbid the reuse.
 */
static bool wants_fresh_connection(const session *s)
{
    return s->options.safety == KEEL_CURL_UNSAFE;
}

/*
 * One for all attempts, because libcurl reads CURLOPT_RESOLVE into the names that a
 * multi handle knows, once. A fresh one stays fresh: what is unsafe is tried again only
 * if no connection came about.
 */
static bool multi_take(session *s)
{
    if (s->multi)
        return true;
    s->multi =
        wants_fresh_connection(s) ? curl_multi_init() : keel_curl_pool_take(s->pool);
    return s->multi || give_up(s, KEEL_E_NOMEM, "curl: out of memory");
}

static void multi_give(session *s)
{
    if (!s->multi)
        return;
    if (wants_fresh_connection(s))
        keel_curl_multi_close(s->multi);
    else
        keel_curl_pool_give(s->pool, s->multi);
}

/* ---- one attempt ----------------------------------------------------------------- */

/* Before a second one the author's hooks have had some of the time. */
static uint64_t time_left(const session *s)
{
    return s->attempted ? keel_call_timeout_ns(&s->call)
                        : keel_machine_allowance(keel_machine_of(&s->call));
}

static keel_transfer_end transfer(session *s)
{
    keel_runtime *runtime = s->pipeline->runtime;
    uint64_t connect_ns = keel_machine_connect_ns(keel_machine_of(&s->call));
    uint64_t left_ns = time_left(s);
    uint64_t now = keel_now(runtime); /* last: rather a little late than early */
    keel_transfer t = {
        .multi = s->multi,
        .easy = s->easy,
        .runtime = runtime,
        .until_ns = keel_ns_add(now, left_ns),
        .connect_until_ns = connect_ns ? keel_ns_add(now, connect_ns) : KEEL_NEVER,
        .cancel = s->call_options.cancel,
    };

    if (left_ns)
        return keel_transfer_run(&t, &s->result);
    s->result = (keel_transfer_result){ .code = CURLE_OPERATION_TIMEDOUT };
    return KEEL_TRANSFER_DONE;
}

/* True: there is something to report. False: keel gives up. */
static bool attempt(session *s)
{
    keel_transfer_end end = transfer(s);

    if (end == KEEL_TRANSFER_REFUSED)
        return give_up(s, KEEL_E_ARGUMENT,
                       "curl: the handle is in another multi handle");
    if (end == KEEL_TRANSFER_UNSUPPORTED)
        return give_up(s, KEEL_E_UNSUPPORTED,
                       "curl: CURLOPT_CONNECT_ONLY: the connection would be gone");
    s->cancelled = end == KEEL_TRANSFER_CANCELLED;
    s->attempted = true;
    if (s->result.resent) {
        keel_count(&s->pipeline->counters->resends);
        s->resent = true;
    }
    return true;
}

static bool attempt_quietly(session *s)
{
    keel_sigpipe guard;
    bool reportable;

    keel_sigpipe_block(&guard);
    reportable = attempt(s);
    keel_sigpipe_restore(&guard);
    return reportable;
}

/* ---- the call -------------------------------------------------------------------- */

static void drive(session *s)
{
    keel_bar bar;

    keel_session_begin(s);
    while (keel_call_next(&s->call)) {
        if (s->attempted && !keel_session_start_over(s, &bar)) {
            keel_machine_take_back(keel_machine_of(&s->call), bar);
            break;
        }
        if (!multi_take(s) || !attempt_quietly(s) || keel_session_report(s))
            break;
    }
    multi_give(s);
}

/* The pipeline's pool; the first call makes it, and says how it is freed. */
static keel_status pool_get(session *s, keel_detail *why)
{
    keel_pipeline *pipeline = s->pipeline;

    if (!atomic_load_explicit(&pipeline->http_free, memory_order_relaxed))
        atomic_store_explicit(&pipeline->http_free, keel_curl_pool_free,
                              memory_order_relaxed);
    return keel_curl_pool_get(&pipeline->http, pipeline->runtime->memory,
                              &pipeline->runtime->clock, &s->pool, why);
}

/* KEEL_DISABLED: the plain call, no option set. */
static KEEL_SELDOM keel_status perform_plainly(session *s, keel_detail *why)
{
    s->attempted = true;
    s->result.code = curl_easy_perform(s->easy);
    return keel_curl_end_plainly(s, why);
}

static keel_status perform(session *s, keel_detail *why)
{
    keel_status status;

    if (!s->pipeline || !s->easy)
        return keel_fail(why, KEEL_E_ARGUMENT, "curl: pipeline or handle is NULL");
    if (keel_runtime_is_disabled(s->pipeline->runtime))
        return perform_plainly(s, why);
    status = pool_get(s, why);
    if (status != KEEL_OK)
        return status;
    drive(s);
    return keel_curl_end(s, why);
}

keel_status keel_curl_perform_with(keel_pipeline *pipeline, void *easy,
                                   const keel_curl_options *options, int *curl_code,
                                   keel_detail *why)
{
    int saved = errno;
    session s;
    keel_status status;

    keel_session_clear(&s, pipeline, easy);
    if (options && !keel_session_take_options(&s, options))
        status = keel_fail(why, KEEL_E_ARGUMENT,
                           "curl: options, or their call's: " KEEL_OPTIONS_REFUSED);
    else
        status = perform(&s, why);
    if (curl_code)
        *curl_code = (int)keel_curl_code_of(&s, status);
    errno = saved;
    return status;
}

int keel_curl_perform(keel_pipeline *pipeline, void *easy)
{
    int code;

    (void)keel_curl_perform_with(pipeline, easy, NULL, &code, NULL);
    return code;
}
