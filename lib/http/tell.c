/* SPDX-License-Identifier: MIT */
/* The end of a call, as status, code and sentence. Nothing here drives a transfer. */
#include "http/tell.h"

#include <stdio.h>

#include "base/detail.h"
#include "base/thread.h"
#include "http/facts.h"

/* Where the latest attempt has no code of libcurl's to say it with. */
static CURLcode code_of_refusal(keel_status status)
{
    return status == KEEL_REJECTED_DEADLINE || status == KEEL_TIMEOUT ||
                   status == KEEL_DEADLINE
               ? CURLE_OPERATION_TIMEDOUT
               : CURLE_ABORTED_BY_CALLBACK;
}

CURLcode keel_curl_code_of(const keel_curl_session *s, keel_status status)
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
        return s->attempted ? s->result.code : code_of_refusal(status);
    }
}

void keel_http_explain(keel_detail *all, CURLcode code, long response)
{
    char answer[32];
    const char *what = answer;
    const char *text = all->text;

    if (all->code == KEEL_OK || all->code == KEEL_TIMEOUT ||
        all->code == KEEL_DEADLINE || all->code == KEEL_CANCELLED ||
        keel_status_is_rejected(all->code) || keel_status_is_error(all->code))
        return;
    snprintf(answer, sizeof answer, "HTTP %ld", response);
    if (code != CURLE_OK && code != CURLE_HTTP_RETURNED_ERROR)
        what = curl_easy_strerror(code);
    snprintf(all->storage, sizeof all->storage, "%s: %s", what, text);
    all->text = all->storage;
}

static KEEL_SELDOM keel_status end_and_tell(keel_curl_session *s, keel_detail *why)
{
    keel_detail all = { .size = sizeof all };
    keel_status status = keel_call_end(&s->call, &all);

    if (s->broken != KEEL_OK)
        status = keel_fail(&all, s->broken, s->broken_text);
    else if (status == KEEL_OK && s->resent && !all.fallback)
        all.text = "done; libcurl found a kept connection dead and sent the request "
                   "again on a fresh one";
    if (s->attempted)
        keel_http_explain(&all, s->result.code, s->facts.response);
    keel_detail_fill(why, &all);
    return status;
}

keel_status keel_curl_end(keel_curl_session *s, keel_detail *why)
{
    keel_status status;

    if (why)
        return end_and_tell(s, why);
    status = keel_call_end(&s->call, NULL);
    return s->broken == KEEL_OK ? status : s->broken;
}

keel_status keel_curl_end_plainly(keel_curl_session *s, keel_detail *why)
{
    keel_detail all = { .size = sizeof all, .attempts = 1 };

    keel_easy_facts(s->easy, s->result.code, s->options.safety, &s->facts);
    all.code = keel_http_classify(&s->facts);
    all.text = keel_status_text(all.code);
    all.applied = keel_http_applied(&s->facts);
    all.system_errno = (int)s->result.code;
    keel_detail_fill(why, &all);
    return all.code;
}
