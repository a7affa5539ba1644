/* SPDX-License-Identifier: MIT */
/*
 * A call around an easy handle in the author's own multi handle: keel_call_poll, put in
 * words of what to do with the handle.
 *
 *   between  --an attempt may be made-->  added    --libcurl is done-->  between
 *                                         added    --its time is up-->   removing
 *                                         removing --it is out-->        between
 *
 * The call is polled between attempts alone, so that no copy of one under way falls due.
 */
#include <keel/curl.h>

#include <errno.h>

#include "base/detail.h"
#include "base/thread.h"
#include "http/check.h"
#include "http/facts.h"
#include "http/tell.h"

enum { MAGIC = 0x6b63746d };

typedef enum phase {
    BETWEEN, /* the handle is the author's to look at */
    ADDED,   /* it is in his multi handle */
    REMOVING /* it is to be taken out */
} phase;

typedef struct transfer {
    keel_curl_session session;
    uint32_t magic;
    phase phase;
    uint64_t until_ns; /* by the pipeline's clock */
    uint64_t connect_until_ns;
} transfer;

_Static_assert(sizeof(transfer) <= sizeof(keel_curl_transfer),
               "keel_curl_transfer is 768 bytes for good");

static transfer *inside_of(keel_curl_transfer *given)
{
    transfer *t = given ? (transfer *)(void *)given->keel_private : NULL;

    return t && t->magic == MAGIC ? t : NULL;
}

/* ---- beginning ------------------------------------------------------------------------ */

static keel_status start(transfer *t, keel_pipeline *pipeline, CURL *easy,
                         const keel_curl_options *options, keel_detail *why)
{
    keel_curl_session *s = &t->session;

    keel_session_clear(s, pipeline, easy);
    if (options && !keel_session_take_options(s, options))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "curl: options, or their call's: " KEEL_OPTIONS_REFUSED);
    if (keel_http_check(why) != KEEL_OK)
        return KEEL_E_UNSUPPORTED;
    keel_session_begin(s);
    t->phase = BETWEEN;
    t->magic = MAGIC;
    return keel_succeed(why);
}

keel_status keel_curl_multi_start(keel_curl_transfer *given, keel_pipeline *pipeline,
                                  void *easy, const keel_curl_options *options,
                                  keel_detail *why)
{
    int saved = errno;
    transfer *t;
    keel_status status;

    if (!given)
        return keel_fail(why, KEEL_E_ARGUMENT, "curl: transfer is NULL");
    t = (transfer *)(void *)given->keel_private;
    t->magic = 0;
    if (!pipeline || !easy)
        return keel_fail(why, KEEL_E_ARGUMENT, "curl: pipeline or handle is NULL");
    status = start(t, pipeline, easy, options, why);
    errno = saved;
    return status;
}

/* ---- under way -------------------------------------------------------------------------- */

/* A plain call (KEEL_DISABLED) has no limits. */
static uint64_t now_of(const transfer *t)
{
    const keel_machine *m = keel_machine_of(&t->session.call);

    return m->plan ? keel_machine_now(m) : 0;
}

static void set_times(transfer *t)
{
    const keel_machine *m = keel_machine_of(&t->session.call);
    uint64_t connect_ns = m->plan ? keel_machine_connect_ns(m) : 0;
    uint64_t now = now_of(t);

    t->until_ns = keel_ns_add(now, keel_call_timeout_ns(&t->session.call));
    t->connect_until_ns = connect_ns ? keel_ns_add(now, connect_ns) : KEEL_NEVER;
}

/* False: the author's hooks cannot take back what the attempt before has done. */
static bool may_add(transfer *t)
{
    keel_curl_session *s = &t->session;
    keel_bar bar;

    if (s->attempted && !keel_session_start_over(s, &bar)) {
        keel_machine_take_back(keel_machine_of(&s->call), bar);
        return false;
    }
    curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(s->easy, CURLOPT_QUICK_EXIT, 1L);
    set_times(t);
    return true;
}

static keel_curl_step go_on(transfer *t, uint64_t *wake_at)
{
    switch (keel_call_poll(&t->session.call, NULL, wake_at)) {
    case KEEL_STEP_ATTEMPT:
        if (!may_add(t))
            return KEEL_CURL_ENDED;
        t->phase = ADDED;
        return KEEL_CURL_ADD;
    case KEEL_STEP_WAIT:
        return KEEL_CURL_WAIT;
    default:
        return KEEL_CURL_ENDED;
    }
}

/* A code of libcurl's with which keel ends it; CURLE_OK: not yet. */
static CURLcode verdict(transfer *t, uint64_t *wake_at)
{
    uint64_t now = now_of(t);
    bool has_begun = keel_easy_has_begun(t->session.easy);

    if (keel_cancel_fired(t->session.call_options.cancel))
        return CURLE_ABORTED_BY_CALLBACK;
    if (now >= t->until_ns || (!has_begun && now >= t->connect_until_ns))
        return CURLE_OPERATION_TIMEDOUT;
    *wake_at = has_begun ? t->until_ns : keel_ns_min(t->until_ns, t->connect_until_ns);
    return CURLE_OK;
}

static keel_curl_step look(transfer *t, uint64_t *wake_at)
{
    CURLcode code = verdict(t, wake_at);

    if (code == CURLE_OK)
        return KEEL_CURL_WAIT;
    t->session.cancelled = code == CURLE_ABORTED_BY_CALLBACK;
    t->session.result = (keel_transfer_result){ .code = code };
    t->phase = REMOVING;
    return KEEL_CURL_REMOVE;
}

/* With the handle out of the multi handle. */
static void hear(transfer *t)
{
    keel_curl_session *s = &t->session;

    t->phase = BETWEEN;
    s->attempted = true;
    s->result.resent = keel_easy_was_resent(s->easy);
    if (s->result.resent) {
        keel_count(&s->pipeline->counters->resends);
        s->resent = true;
    }
    (void)keel_session_report(s);
}

static keel_curl_step next(transfer *t, uint64_t *wake_at)
{
    if (t->phase == ADDED)
        return look(t, wake_at);
    if (t->phase == REMOVING)
        hear(t);
    return go_on(t, wake_at);
}

keel_curl_step keel_curl_multi_next(keel_curl_transfer *given, uint64_t *wake_at_ns)
{
    int saved = errno;
    transfer *t = inside_of(given);
    uint64_t wake_at = KEEL_NEVER;
    keel_curl_step step = t ? next(t, &wake_at) : KEEL_CURL_ENDED;

    if (wake_at_ns)
        *wake_at_ns = wake_at;
    errno = saved;
    return step;
}

void keel_curl_multi_done(keel_curl_transfer *given, int curl_code)
{
    int saved = errno;
    transfer *t = inside_of(given);

    if (!t || t->phase == BETWEEN)
        return;
    if (t->phase == ADDED) { /* else keel's own verdict came first */
        t->session.result = (keel_transfer_result){ .code = (CURLcode)curl_code };
        if (curl_code == CURLE_OK)
            curl_easy_getinfo(t->session.easy, CURLINFO_RESPONSE_CODE,
                              &t->session.result.response);
    }
    hear(t);
    errno = saved;
}

/* ---- the end --------------------------------------------------------------------------------- */

keel_status keel_curl_multi_end(keel_curl_transfer *given, int *curl_code,
                                keel_detail *why)
{
    int saved = errno;
    transfer *t = inside_of(given);
    keel_status status;

    if (curl_code)
        *curl_code = CURLE_BAD_FUNCTION_ARGUMENT;
    if (!t)
        return keel_fail(why, given ? KEEL_E_STATE : KEEL_E_ARGUMENT,
                         "curl: the transfer was not begun, or has ended already");
    status = keel_curl_end(&t->session, why);
    if (curl_code)
        *curl_code = (int)keel_curl_code_of(&t->session, status);
    t->magic = 0;
    errno = saved;
    return status;
}
