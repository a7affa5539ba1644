/* SPDX-License-Identifier: MIT */
/*
 * Requests that may get what another one was answered: an equal one that is under way,
 * or the last good one while the dependency is down. Joining comes before everything
 * else: who follows makes no step of its call, and policies hear nothing of it. Which
 * are equal is request_key.c's to say, what may be shared and kept cache_rules.c's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/thread.h"
#include "base/wall.h"
#include "http/client/answer_copy.h"
#include "http/client/client.h"
#include "http/client/target.h"

enum { OWN_WAY_SIZE = 128 };

static keel_machine *machine_of(const keel_exchange *x)
{
    return keel_machine_of(&x->call);
}

/* ---- beginning ------------------------------------------------------------------------ */

/*
 * What else an answer depends on beside the request itself. What `prepare` sets is not
 * known, so only those who have the same are equal.
 */
static void write_own_way(const keel_exchange *x, char to[OWN_WAY_SIZE])
{
    const keel_http *client = x->client;

    snprintf(to, OWN_WAY_SIZE, "%d %zu %zu %d %" PRIxPTR " %" PRIxPTR,
             (int)x->redirects, x->body_max, x->headers_max,
             machine_of(x)->flags.is_nested, (uintptr_t)client->prepare,
             (uintptr_t)client->prepare_ctx);
}

/* NULL: it is not to be shared, or there is no memory. No header is called ":". */
static keel_request_key *key_of(const keel_exchange *x, const keel_http_request *r)
{
    const keel_allocator *memory = x->client->runtime->memory;
    keel_request_field *fields =
        keel_memory_new(memory, (r->header_count + 1) * sizeof *fields);
    const keel_request request = { .method = x->method,
                                   .url = machine_of(x)->plan->endpoints
                                              ? keel_http_path(x->url)
                                              : x->url,
                                   .fields = fields,
                                   .count = r->header_count + 1,
                                   .has_credentials = x->client->prepare != NULL };
    keel_request_key *key = NULL;
    char own_way[OWN_WAY_SIZE];

    if (!fields)
        return NULL;
    write_own_way(x, own_way);
    fields[0] = (keel_request_field){ ":", own_way };
    for (size_t i = 0; i < r->header_count; i++)
        fields[i + 1] = (keel_request_field){ r->headers[i].name, r->headers[i].value };
    if (keel_request_may_share(&request))
        key = keel_request_key_new(memory, &request);
    keel_memory_free(memory, fields);
    return key;
}

static void free_memory(keel_equal *e)
{
    const keel_allocator *memory = e->client->runtime->memory;

    keel_shared_answer_drop(e->answer);
    keel_memory_free(memory, e->key);
    keel_memory_free(memory, e);
}

static keel_equal *make(keel_exchange *x, const keel_http_request *request)
{
    const keel_allocator *memory = x->client->runtime->memory;
    const keel_machine *m = machine_of(x);
    keel_equal *e = keel_memory_new(memory, sizeof *e);

    if (!e)
        return NULL;
    e->client = x->client;
    e->key = key_of(x, request);
    e->common =
        e->key ? keel_http_common_get(m->pipeline, m->plan->policy.stale_bytes) : NULL;
    if (e->common)
        return e;
    free_memory(e);
    return NULL;
}

/* A follower's deadline runs from here, also should it come to lead. */
static void join(keel_exchange *x, keel_equal *e)
{
    keel_machine *m = machine_of(x);
    uint64_t limit = m->plan->policy.deadline_ns;

    e->seat.key = e->key;
    e->seat.wake = keel_bell_ring;
    e->seat.ctx = keel_bell_ctx(x->client->bell, x->slot);
    if (keel_coalesce_join(e->common->coalescer, &e->seat) == KEEL_SEAT_LEADS) {
        e->role = KEEL_EQUAL_LEADS;
        return;
    }
    e->role = KEEL_EQUAL_FOLLOWS;
    if (limit)
        m->deadline_at = keel_ns_min(m->deadline_at, keel_ns_add(e->began_at, limit));
}

/* As the settings are now; with `stale` off, nothing is kept any longer. */
static void limit_stale(const keel_pipeline *pipeline, const keel_policy *policy)
{
    const keel_http_common *common = keel_http_common_look(pipeline);

    if (common)
        keel_stale_limit(common->stale, policy->stale_ns ? policy->stale_bytes : 0);
}

/* Without memory for it a request goes alone. */
void keel_equal_begin(keel_exchange *x, const keel_http_request *request)
{
    keel_machine *m = machine_of(x);
    const keel_policy *policy = m->plan ? &m->plan->policy : NULL;
    keel_equal *e;

    if (!policy || m->phase != KEEL_PHASE_READY)
        return;
    limit_stale(m->pipeline, policy);
    if (!(policy->coalesce || policy->stale_ns) || !x->is_repeatable || x->on_body ||
        x->body_length)
        return;
    e = x->equal = make(x, request);
    if (!e)
        return;
    e->began_at = keel_machine_now(m);
    e->stale_ns = policy->stale_ns;
    if (policy->coalesce)
        join(x, e);
}

/* ---- following ------------------------------------------------------------------------ */

static bool is_over(const keel_exchange *x)
{
    const keel_machine *m = machine_of(x);

    return keel_cancel_fired(&x->own) || keel_machine_now(m) >= m->deadline_at;
}

static void land(keel_exchange *x)
{
    keel_equal *e = x->equal;

    e->role = KEEL_EQUAL_LANDED;
    keel_machine_end_as(machine_of(x), e->began_at, e->answer->status,
                        e->answer->reason, e->answer->retry_after_ns);
}

static void leave(keel_equal *e)
{
    if (e->role == KEEL_EQUAL_LEADS || e->role == KEEL_EQUAL_FOLLOWS)
        keel_coalesce_leave(e->common->coalescer, &e->seat);
    e->role = KEEL_EQUAL_ALONE;
}

/* Who leaves polls its call, which ends at once: it is cancelled, or out of time. */
bool keel_equal_follow(keel_exchange *x, bool *has_ended)
{
    keel_equal *e = x->equal;

    if (e->role != KEEL_EQUAL_FOLLOWS)
        return false;
    switch (keel_coalesce_look(e->common->coalescer, &e->seat, &e->answer)) {
    case KEEL_SEAT_LANDED:
        land(x);
        *has_ended = true;
        return true;
    case KEEL_SEAT_FOLLOWS:
        if (!is_over(x))
            return true;
        leave(e);
        return false;
    case KEEL_SEAT_LEADS:
        e->role = KEEL_EQUAL_LEADS;
        return false;
    default:
        e->role = KEEL_EQUAL_ALONE;
        return false;
    }
}

bool keel_equal_waits_on(keel_exchange *x)
{
    keel_equal *e = x->equal;

    if (!e || e->role != KEEL_EQUAL_FOLLOWS || e->is_late)
        return false;
    e->is_late = true;
    return true;
}

/* ---- the end: what others get ---------------------------------------------------------- */

static bool is_good(const keel_exchange *x, const keel_detail *detail)
{
    return detail->code == KEEL_OK && x->answer;
}

/* NULL: no memory. */
static keel_shared_answer *copy_of(const keel_exchange *x, const keel_detail *detail)
{
    const keel_allocator *memory = x->client->runtime->memory;
    const keel_attempt_handle *a = x->answer;
    keel_shared_answer *copy = a ? keel_answer_copy(memory, a->easy, a->body, a->length)
                                 : keel_shared_answer_new(memory, 0, 0);

    if (!copy)
        return NULL;
    copy->status = detail->code;
    copy->reason = detail->reason;
    copy->retry_after_ns = detail->retry_after_ns;
    return copy;
}

static void hand_on(keel_exchange *x, keel_shared_answer *copy)
{
    keel_equal *e = x->equal;
    keel_cache_rules rules;

    keel_answer_copy_rules(copy, e->key, keel_wall_seconds(), &rules);
    if (e->role == KEEL_EQUAL_LEADS)
        keel_coalesce_land(e->common->coalescer, &e->seat, copy, rules.may_share);
    e->role = KEEL_EQUAL_ALONE;
    if (e->stale_ns)
        keel_stale_keep(e->common->stale, e->key, copy, &rules, e->stale_ns,
                        keel_http_now(x->client));
}

/* A copy is made only for somebody; who joins too late leads. */
static void tell_others(keel_exchange *x, const keel_detail *detail)
{
    keel_equal *e = x->equal;
    bool is_wanted = e->stale_ns && is_good(x, detail);
    keel_shared_answer *copy;

    if (!is_wanted && e->role == KEEL_EQUAL_LEADS)
        is_wanted = keel_coalesce_is_followed(e->common->coalescer, &e->seat);
    copy = is_wanted ? copy_of(x, detail) : NULL;
    if (copy)
        hand_on(x, copy);
    keel_shared_answer_drop(copy);
    leave(e);
}

/* ---- the end: what is kept of a URL ----------------------------------------------------- */

/* RFC 9110, 9.2.1. */
static bool is_safe(const char *method)
{
    static const char *const safe[] = { "GET", "HEAD", "OPTIONS", "TRACE" };

    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (!strcmp(safe[i], method))
            return true;
    return false;
}

static long response_of(const keel_exchange *x)
{
    long response = 0;

    if (x->answer)
        curl_easy_getinfo(x->answer->easy, CURLINFO_RESPONSE_CODE, &response);
    return response;
}

/* It was changed, or may have been (an error that was answered changes nothing, RFC 9111,
 * 4.4); or is no longer there. */
static bool has_changed(const keel_exchange *x, const keel_detail *detail)
{
    long response = response_of(x);

    if (is_safe(x->method))
        return response == 404 || response == 410;
    return detail->code == KEEL_OK ||
           (detail->applied != KEEL_APPLIED_NO && detail->code != KEEL_CLIENT_ERROR);
}

/* By its path, too, as it is kept where there are endpoints. */
static void forget_changed(const keel_exchange *x, const keel_detail *detail)
{
    const keel_http_common *common = keel_http_common_look(machine_of(x)->pipeline);

    if (!common || !has_changed(x, detail))
        return;
    keel_stale_forget(common->stale, x->url);
    keel_stale_forget(common->stale, keel_http_path(x->url));
}

/* ---- the end: what its author gets ------------------------------------------------------- */

static const keel_http_response *show(keel_equal *e, const keel_detail *detail)
{
    const keel_shared_answer *answer = e->answer;

    if (!answer->response)
        return NULL;
    e->response = (keel_http_response){ .size = sizeof e->response,
                                        .status = (int)answer->response,
                                        .body = keel_answer_copy_body(answer),
                                        .body_length = answer->body_length,
                                        .url = keel_answer_copy_url(answer),
                                        .attempts = detail->attempts,
                                        .endpoint = -1,
                                        .keel_private = e };
    return &e->response;
}

static const keel_http_response *show_shared(keel_exchange *x,
                                             const keel_detail *detail)
{
    keel_equal *e = x->equal;

    keel_count(&machine_of(x)->pipeline->coalesced);
    if (!show(e, detail))
        return NULL;
    e->response.is_shared = true;
    return &e->response;
}

/* False: there is none. */
static bool stand_in(keel_exchange *x, keel_detail *detail,
                     const keel_http_response **response)
{
    keel_pipeline *pipeline = machine_of(x)->pipeline;
    keel_equal *e = x->equal;
    uint64_t now = keel_http_now(x->client), expired_ns;
    keel_shared_answer *found =
        keel_stale_find(e->common->stale, e->key, now, &expired_ns);

    if (!found)
        return false;
    keel_shared_answer_drop(e->answer);
    e->answer = found;
    *response = show(e, detail);
    e->response.is_stale = true;
    e->response.expired_ns = expired_ns;
    detail->fallback = true;
    keel_count(&pipeline->stale_served);
    keel_pipeline_tell(pipeline,
                       (keel_event_record){ .type = KEEL_EVENT_FALLBACK,
                                            .status = (uint16_t)detail->code },
                       now);
    keel_events_deliver(pipeline->runtime);
    return true;
}

keel_status keel_equal_end(keel_exchange *x, keel_status status, keel_detail *detail,
                           const keel_http_response **response)
{
    keel_equal *e = x->equal;

    if (!e || e->role != KEEL_EQUAL_LANDED)
        forget_changed(x, detail);
    if (!e)
        return status;
    if (e->role == KEEL_EQUAL_LANDED)
        *response = show_shared(x, detail);
    else
        tell_others(x, detail);
    if (e->stale_ns && !detail->fallback && keel_stale_may_serve(status) &&
        stand_in(x, detail, response))
        return KEEL_OK;
    return status;
}

/* ---- memory --------------------------------------------------------------------------------- */

void keel_equal_free(keel_equal *e)
{
    if (!e)
        return;
    leave(e);
    if (!e->is_kept)
        free_memory(e);
}

void keel_equal_abandon(keel_equal *e)
{
    if (e)
        free_memory(e);
}
