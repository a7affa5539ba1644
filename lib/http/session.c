/* SPDX-License-Identifier: MIT */
/*
 * A call around the author's own easy handle, whoever drives it: what a transfer's end
 * means to the call, and what is done before the next one. classify.c decides.
 */
#include "http/session.h"

#include "base/detail.h"
#include "base/thread.h"
#include "http/facts.h"

/* ---- its beginning ----------------------------------------------------------------- */

/* What is not set here is set before it is read; most of it concerns failures only. */
void keel_session_clear(keel_curl_session *s, keel_pipeline *pipeline, CURL *easy)
{
    s->pipeline = pipeline;
    s->easy = easy;
    s->has_options = false;
    s->options.safety = KEEL_CURL_BY_METHOD;
    s->options.sink_reset = NULL;
    s->options.body_rewind = NULL;
    s->call_options.cancel = NULL;
    s->multi = NULL;
    s->attempted = false;
    s->cancelled = false;
    s->resent = false;
    s->may_have_left = false;
    s->broken = KEEL_OK;
}

bool keel_session_take_options(keel_curl_session *s, const keel_curl_options *options)
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

/* What has no effect on one handle with a URL of its own, the author may not know. */
static void warn_of_settings(const keel_machine *m)
{
    if (m->plan && m->plan->policy.hedge)
        keel_pipeline_warn_once(m->pipeline, KEEL_WARNED_NOT_HEDGED);
    if (m->plan && m->plan->endpoints)
        keel_pipeline_warn_once(m->pipeline, KEEL_WARNED_OWN_URL);
}

void keel_session_begin(keel_curl_session *s)
{
    keel_call_begin(&s->call, s->pipeline, s->has_options ? &s->call_options : NULL);
    keel_machine_of(&s->call)->flags.has_own_url = true;
    if (s->options.safety == KEEL_CURL_IDEMPOTENT)
        keel_machine_may_repeat_chaos(keel_machine_of(&s->call));
    warn_of_settings(keel_machine_of(&s->call));
}

/* ---- what came of it ------------------------------------------------------------- */

/*
 * Whether a request may go out again is known only now that libcurl has looked at its
 * options and done what it did, so the call is told anew with each outcome.
 */
static void judge(keel_curl_session *s, keel_outcome *outcome)
{
    keel_bar bar = KEEL_BAR_NOT_IDEMPOTENT;
    bool may_repeat = keel_http_may_repeat(&s->facts, s->options.sink_reset != NULL,
                                           s->options.body_rewind != NULL, &bar);

    keel_machine_may_repeat(keel_machine_of(&s->call), may_repeat, bar);
    outcome->status = s->cancelled ? KEEL_CANCELLED : keel_http_classify(&s->facts);
    outcome->retry_after_ns = s->facts.retry_after_ns;
    outcome->never_sent = keel_http_never_sent(&s->facts);
    outcome->system_errno = (int)s->result.code;
    s->may_have_left |= !outcome->never_sent;
    outcome->applied = keel_http_applied(&s->facts);
    if (outcome->applied == KEEL_APPLIED_NO && s->may_have_left)
        outcome->applied = KEEL_APPLIED_UNKNOWN; /* an attempt before may have been */
}

static KEEL_SELDOM void report_closely(keel_curl_session *s)
{
    keel_outcome outcome = { .size = sizeof outcome };

    keel_easy_facts(s->easy, s->result.code, s->options.safety, &s->facts);
    judge(s, &outcome);
    keel_call_report_attempt(&s->call, 0, &outcome);
}

bool keel_session_report(keel_curl_session *s)
{
    if (s->result.code != CURLE_OK || s->result.response >= 400) {
        report_closely(s);
        return false;
    }
    keel_call_report(&s->call, KEEL_OK);
    /* sent twice, and it must not be: the first sending may have been applied as well */
    keel_machine_say_applied(keel_machine_of(&s->call),
                             s->resent && s->options.safety == KEEL_CURL_UNSAFE
                                 ? KEEL_APPLIED_UNKNOWN
                                 : KEEL_APPLIED_YES);
    return true;
}

/*
 * Before another attempt: what the one before delivered is forgotten and what it read
 * is taken back. Not earlier, because the answer of a last attempt is the caller's.
 * False: that cannot be done, and *bar says which.
 */
bool keel_session_start_over(keel_curl_session *s, keel_bar *bar)
{
    *bar = KEEL_BAR_ANSWERED;
    if (s->facts.received && s->options.sink_reset &&
        s->options.sink_reset(s->options.ctx) != 0)
        return false;
    *bar = KEEL_BAR_BODY_READ;
    return !s->facts.consumed || !s->options.body_rewind ||
           s->options.body_rewind(s->options.ctx) == 0;
}
