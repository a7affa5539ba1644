/* SPDX-License-Identifier: MIT */
/*
 * keel_curl_perform: the blocking loop of keel_call_next around one libcurl transfer an
 * attempt. What a transfer's end means is decided in classify.c.
 */
#include <keel/curl.h>

#include <errno.h>
#include <stdio.h>

#include "base/detail.h"
#include "base/thread.h"
#include "call/machine.h"
#include "http/pool.h"
#include "http/sigpipe.h"
#include "http/transfer.h"

/*
 * attempted  code and facts are those of the latest attempt
 * cancelled  the token fired while it was under way
 * resent     libcurl sent some request twice by itself
 * stuck      a hook could not start over: the attempt before was the last
 * broken     why keel itself cannot go on; KEEL_OK: it can
 */
typedef struct session {
    keel_pipeline *pipeline;
    CURL *easy;
    keel_curl_options options;
    keel_call_options call_options;
    bool has_options;
    keel_curl_pool *pool;
    keel_call call;
    bool attempted;
    bool cancelled;
    CURLcode code;
    keel_http_facts facts;
    bool resent;
    bool stuck;
    keel_status broken;
    const char *broken_text;
} session;

static bool give_up(session *s, keel_status status, const char *text)
{
    s->broken = status;
    s->broken_text = text;
    return false;
}

/* ---- one attempt ----------------------------------------------------------------- */

/*
 * A request declared unsafe gets a multi handle without any kept connection: libcurl
 * re-sends by itself only what it sent on a reused one (and what an HTTP/2 peer says it
 * has not looked at), and no option may be set that would forbid the reuse.
 */
static bool wants_fresh_connection(const session *s)
{
    return s->options.safety == KEEL_CURL_UNSAFE;
}

static CURLM *multi_take(session *s)
{
    return wants_fresh_connection(s) ? curl_multi_init() : keel_curl_pool_take(s->pool);
}

static void multi_give(session *s, CURLM *multi)
{
    if (wants_fresh_connection(s))
        curl_multi_cleanup(multi);
    else
        keel_curl_pool_give(s->pool, multi);
}

static keel_transfer_end transfer(session *s, CURLM *multi)
{
    keel_runtime *runtime = s->pipeline->runtime;
    uint64_t connect_ns = keel_call_connect_timeout_ns(&s->call);
    uint64_t left_ns = keel_machine_allowance(keel_machine_of(&s->call));
    uint64_t now = keel_now(runtime); /* last: rather a little late than early */
    bool resent;
    keel_transfer t = {
        .multi = multi,
        .easy = s->easy,
        .runtime = runtime,
        .until_ns = keel_ns_add(now, left_ns),
        .connect_until_ns = connect_ns ? keel_ns_add(now, connect_ns) : KEEL_NEVER,
        .cancel = s->call_options.cancel,
    };
    keel_transfer_end end = keel_transfer_run(&t, &s->code, &resent);

    if (resent)
        keel_count(&s->pipeline->counters->resends);
    s->resent |= resent;
    return end;
}

/* True: there is something to report. False: keel gives up. */
static bool attempt(session *s)
{
    CURLM *multi = multi_take(s);
    keel_transfer_end end;

    if (!multi)
        return give_up(s, KEEL_E_NOMEM, "curl: out of memory");
    end = transfer(s, multi);
    multi_give(s, multi);
    if (end == KEEL_TRANSFER_REFUSED)
        return give_up(s, KEEL_E_ARGUMENT,
                       "curl: the handle is in another multi handle");
    s->cancelled = end == KEEL_TRANSFER_CANCELLED;
    s->attempted = true;
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

/* ---- what came of it ------------------------------------------------------------- */

/* True: a success, of which nothing more is asked, for this is the hot path. */
static bool facts_read(session *s)
{
    long response = 0;

    if (s->code == CURLE_OK)
        curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &response);
    if (s->code == CURLE_OK && response < 400) {
        s->facts = (keel_http_facts){ .response = response };
        return true;
    }
    keel_transfer_facts(s->easy, s->code, s->options.safety, &s->facts);
    return false;
}

/*
 * Whether a request may go out again is known only now that libcurl has looked at its
 * options and done what it did, so the call is told anew with each outcome.
 */
static void judge(session *s, keel_outcome *outcome)
{
    keel_machine *m = keel_machine_of(&s->call);
    keel_bar bar = KEEL_BAR_NOT_IDEMPOTENT;

    outcome->status = s->cancelled ? KEEL_CANCELLED : keel_http_classify(&s->facts);
    outcome->retry_after_ns = s->facts.retry_after_ns;
    outcome->never_sent = keel_http_never_sent(&s->facts);
    outcome->system_errno = (int)s->code;
    outcome->applied = keel_http_applied(&s->facts);
    m->flags.is_idempotent = keel_http_may_repeat(
        &s->facts, s->options.sink_reset != NULL, s->options.body_rewind != NULL, &bar);
    m->flags.bar = bar;
}

static KEEL_SELDOM void report_other(session *s)
{
    keel_outcome outcome = { .size = sizeof outcome };

    judge(s, &outcome);
    keel_call_report_attempt(&s->call, 0, &outcome);
}

static void report(session *s)
{
    if (!facts_read(s)) {
        report_other(s);
        return;
    }
    keel_call_report(&s->call, KEEL_OK);
    keel_machine_of(&s->call)->applied = KEEL_APPLIED_YES;
}

/* ---- the call -------------------------------------------------------------------- */

/*
 * Before another attempt: what the one before delivered is forgotten and what it read
 * is taken back. Not earlier, because the answer of a last attempt is the caller's.
 */
static bool start_over(session *s)
{
    if (!s->attempted)
        return true;
    if (s->facts.received && s->options.sink_reset &&
        s->options.sink_reset(s->options.ctx) != 0)
        return false;
    return !s->facts.consumed || !s->options.body_rewind ||
           s->options.body_rewind(s->options.ctx) == 0;
}

static void drive(session *s)
{
    keel_call_begin(&s->call, s->pipeline, s->has_options ? &s->call_options : NULL);
    while (keel_call_next(&s->call)) {
        s->stuck = !start_over(s);
        if (s->stuck)
            break;
        if (!attempt_quietly(s))
            break;
        report(s);
    }
}

/* libcurl's word for how a call ended. */
static CURLcode code_of(const session *s, keel_status status)
{
    switch (status) {
    case KEEL_E_ARGUMENT:
        return CURLE_BAD_FUNCTION_ARGUMENT;
    case KEEL_E_NOMEM:
        return CURLE_OUT_OF_MEMORY;
    case KEEL_E_UNSUPPORTED:
        return CURLE_NOT_BUILT_IN;
    case KEEL_CANCELLED:
        return CURLE_ABORTED_BY_CALLBACK;
    default:
        break;
    }
    if (s->attempted)
        return s->code;
    return status == KEEL_REJECTED_DEADLINE || status == KEEL_TIMEOUT ||
                   status == KEEL_DEADLINE
               ? CURLE_OPERATION_TIMEDOUT
               : CURLE_ABORTED_BY_CALLBACK;
}

/* What the wire said, before the sentence of what that means. */
static void explain(const session *s, keel_detail *all)
{
    char answer[32];
    const char *what = answer;
    const char *text = all->text;
    bool is_answered = s->code == CURLE_OK || s->code == CURLE_HTTP_RETURNED_ERROR;

    if (!s->attempted || all->code == KEEL_OK || all->code == KEEL_TIMEOUT ||
        all->code == KEEL_DEADLINE || all->code == KEEL_CANCELLED ||
        keel_status_is_rejected(all->code) || keel_status_is_error(all->code))
        return;
    snprintf(answer, sizeof answer, "HTTP %ld", s->facts.response);
    if (!is_answered)
        what = curl_easy_strerror(s->code);
    snprintf(all->storage, sizeof all->storage, "%s: %s", what, text);
    all->text = all->storage;
}

/* What keel_call_end cannot know. all may be NULL. */
static keel_status amend(const session *s, keel_status status, keel_detail *all)
{
    if (s->broken != KEEL_OK)
        return keel_fail(all, s->broken, s->broken_text);
    if (s->stuck)
        status = keel_http_classify(&s->facts);
    if (all && s->stuck) {
        all->code = status;
        all->reason = KEEL_REASON_NOT_RETRYABLE;
        all->text = "called and failed; what it delivered or read cannot be undone";
    } else if (all && status == KEEL_OK && s->resent) {
        all->text = "done; libcurl found a kept connection dead and sent the request "
                    "again on a fresh one";
    }
    return status;
}

static KEEL_SELDOM keel_status finish_and_tell(session *s, keel_detail *why)
{
    keel_detail all = { .size = sizeof all };
    keel_status status = amend(s, keel_call_end(&s->call, &all), &all);

    explain(s, &all);
    keel_detail_fill(why, &all);
    return status;
}

static keel_status finish(session *s, keel_detail *why)
{
    return why ? finish_and_tell(s, why)
               : amend(s, keel_call_end(&s->call, NULL), NULL);
}

/* KEEL_DISABLED: the plain call, no option set. */
static KEEL_SELDOM keel_status perform_plainly(session *s, keel_detail *why)
{
    keel_detail all = { .size = sizeof all, .attempts = 1 };

    s->attempted = true;
    s->code = curl_easy_perform(s->easy);
    (void)facts_read(s);
    all.code = keel_http_classify(&s->facts);
    all.text = keel_status_text(all.code);
    all.applied = keel_http_applied(&s->facts);
    all.system_errno = (int)s->code;
    keel_detail_fill(why, &all);
    return all.code;
}

/* The pipeline's pool; the first call makes it, and says how it is freed. */
static keel_status pool_get(session *s, keel_detail *why)
{
    keel_pipeline *pipeline = s->pipeline;

    if (!atomic_load_explicit(&pipeline->http_free, memory_order_relaxed))
        atomic_store_explicit(&pipeline->http_free, keel_curl_pool_free,
                              memory_order_relaxed);
    return keel_curl_pool_get(&pipeline->http, pipeline->runtime->memory, &s->pool,
                              why);
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
    return finish(s, why);
}

/* What is not set here is set before it is read; most of it concerns failures only. */
static void clear(session *s, keel_pipeline *pipeline, CURL *easy)
{
    s->pipeline = pipeline;
    s->easy = easy;
    s->has_options = false;
    s->options.safety = KEEL_CURL_BY_METHOD;
    s->options.sink_reset = NULL;
    s->options.body_rewind = NULL;
    s->call_options.cancel = NULL;
    s->attempted = false;
    s->cancelled = false;
    s->resent = false;
    s->stuck = false;
    s->code = CURLE_OK;
    s->broken = KEEL_OK;
}

static bool take_options(session *s, const keel_curl_options *options)
{
    s->has_options = true;
    s->options = (keel_curl_options){ .size = sizeof s->options };
    s->call_options = (keel_call_options){ .size = sizeof s->call_options };
    if (!keel_options_read(&s->options, sizeof s->options, options) ||
        !keel_options_read(&s->call_options, sizeof s->call_options, s->options.call))
        return false;
    s->call_options.idempotent = false; /* see judge */
    return true;
}

keel_status keel_curl_perform_with(keel_pipeline *pipeline, void *easy,
                                   const keel_curl_options *options, int *curl_code,
                                   keel_detail *why)
{
    int saved = errno;
    session s;
    keel_status status;

    clear(&s, pipeline, easy);
    if (options && !take_options(&s, options))
        status = keel_fail(why, KEEL_E_ARGUMENT,
                           "curl: options, or their call's: " KEEL_OPTIONS_REFUSED);
    else
        status = perform(&s, why);
    if (curl_code)
        *curl_code = (int)code_of(&s, status);
    errno = saved;
    return status;
}

int keel_curl_perform(keel_pipeline *pipeline, void *easy)
{
    int code;

    (void)keel_curl_perform_with(pipeline, easy, NULL, &code, NULL);
    return code;
}
