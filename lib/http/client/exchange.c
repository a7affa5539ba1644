/* SPDX-License-Identifier: MIT */
/*
 * A request as a call: polled, its attempts begun and ended as it says, its outcome told
 * once. What HTTP's and libcurl's answers mean is decided in classify.c.
 */
#include "base/detail.h"
#include "base/memory.h"
#include "base/thread.h"
#include "call/race.h"
#include "http/client/client.h"
#include "http/tell.h"

static keel_machine *machine_of(keel_exchange *x)
{
    return keel_machine_of(&x->call);
}

uint64_t keel_exchange_now(const keel_exchange *x)
{
    const keel_machine *m = keel_machine_of(&x->call);

    return m->plan ? keel_machine_now(m) : 0;
}

/* ---- its attempts ------------------------------------------------------------------------ */

static void unlink_attempt(keel_exchange *x, const keel_attempt_handle *a)
{
    keel_attempt_handle **at = &x->attempts;

    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
}

/* Those that the call has given up. */
static void drop_lost(keel_exchange *x)
{
    keel_attempt_handle *next;

    for (keel_attempt_handle *a = x->attempts; a; a = next) {
        next = a->next;
        if (keel_call_attempt_is_open(&x->call, a->number))
            continue;
        unlink_attempt(x, a);
        keel_attempt_drop(a);
    }
}

static void drop_answer(keel_exchange *x)
{
    if (x->answer)
        keel_attempt_drop(x->answer);
    x->answer = NULL;
}

/* ---- what came of one -------------------------------------------------------------------- */

static keel_status status_of(const keel_attempt_handle *a, const keel_http_facts *facts)
{
    if (a->is_too_large)
        return KEEL_E_TOO_LARGE;
    if (a->has_no_memory)
        return KEEL_E_NOMEM;
    if (a->is_unwanted)
        return KEEL_CANCELLED;
    if (facts->code == CURLE_URL_MALFORMAT)
        return KEEL_E_ARGUMENT;
    return keel_http_classify(facts);
}

/* The head of an answer that was cut short for us says no less than a whole one. */
static keel_applied applied_of(keel_exchange *x, const keel_attempt_handle *a,
                               keel_http_facts facts)
{
    if ((a->is_too_large || a->is_unwanted) && a->is_head_whole)
        facts.code = CURLE_OK;
    if (!a->sends)
        return x->may_have_left ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO;
    x->may_have_left = true;
    return keel_http_applied(&facts);
}

/* Whether a request may go out again is known only now: the call is told anew. */
static keel_outcome judge(keel_exchange *x, const keel_attempt_handle *a,
                          const keel_http_facts *facts, keel_bar *bar)
{
    bool may_repeat = keel_http_may_repeat(facts, !a->has_streamed, true, bar);

    keel_machine_may_repeat(machine_of(x), may_repeat, *bar);
    return (keel_outcome){ .size = sizeof(keel_outcome),
                           .status = status_of(a, facts),
                           .retry_after_ns = facts->retry_after_ns,
                           .never_sent = !a->sends,
                           .system_errno = (int)facts->code,
                           .applied = applied_of(x, a, *facts) };
}

/*
 * False: a copy has failed, and what the call ends with, should it end, is what the first
 * of them came to.
 */
static KEEL_SELDOM bool report_closely(keel_exchange *x, const keel_attempt_handle *a)
{
    keel_bar bar = KEEL_BAR_NOT_IDEMPOTENT;
    keel_http_facts facts;
    keel_outcome outcome;
    bool is_told;

    keel_attempt_facts(a, &facts);
    outcome = judge(x, a, &facts, &bar);
    is_told = !a->is_copy || keel_machine_is_final(outcome.status);
    if (is_told) {
        x->code = facts.code;
        x->status = facts.response;
    }
    keel_call_report_attempt(&x->call, a->number, &outcome);
    if (x->on_body) /* no copy beside the next one, whatever may be tried again */
        keel_machine_may_repeat(machine_of(x), false, bar);
    return is_told;
}

/* Alone under way, as nearly every one is, it takes the short way. */
static void report_success(keel_exchange *x, const keel_attempt_handle *a)
{
    const keel_outcome outcome = { .size = sizeof outcome,
                                   .status = KEEL_OK,
                                   .applied = KEEL_APPLIED_YES };

    if (x->attempts) {
        keel_call_report_attempt(&x->call, a->number, &outcome);
        return;
    }
    keel_call_report(&x->call, KEEL_OK);
    keel_machine_say_applied(machine_of(x), KEEL_APPLIED_YES);
}

/* HTTP's status of a whole answer; 0: there is none. */
static long answer_of(const keel_attempt_handle *a)
{
    long status = 0;

    if (keel_attempt_is_answered(a))
        curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

void keel_exchange_hear(keel_exchange *x, keel_attempt_handle *a)
{
    long status = answer_of(a);
    bool is_told = true;

    unlink_attempt(x, a);
    if (a->is_resent)
        keel_count(&machine_of(x)->pipeline->counters->resends);
    if (!keel_call_attempt_is_open(&x->call, a->number)) { /* another one has won */
        keel_attempt_drop(a);
        return;
    }
    if (status && status < 400)
        report_success(x, a);
    else
        is_told = report_closely(x, a);
    if (is_told)
        drop_answer(x);
    if (is_told && status)
        x->answer = a;
    else
        keel_attempt_drop(a);
    keel_http_make_ready(x);
}

/* ---- going on ------------------------------------------------------------------------------ */

static void end(keel_exchange *x)
{
    keel_http *client = x->client;

    keel_timers_set(&client->timers, &x->timer, KEEL_NEVER);
    x->is_ended = true;
    keel_http_queue_add(&client->ended, x);
}

/*
 * An instant that has come by now, and not yet by the coarser clock of the pipeline, is
 * asked for again a little later.
 */
static void set_timer(keel_exchange *x, uint64_t wake_at)
{
    uint64_t now = keel_http_now(x->client);

    for (const keel_attempt_handle *a = x->attempts; a; a = a->next)
        if (!a->sends)
            wake_at = keel_ns_min(wake_at, a->connect_until_ns);
    if (wake_at <= now)
        wake_at = keel_ns_add(now, KEEL_MS);
    keel_timers_set(&x->client->timers, &x->timer, wake_at);
}

/* A copy that cannot be sent harms nobody. */
static void begin_attempt(keel_exchange *x, uint32_t number)
{
    keel_machine *m = machine_of(x);
    keel_status status = keel_attempt_begin(x, number);
    const keel_outcome none = { .size = sizeof none,
                                .status = status,
                                .never_sent = true,
                                .applied = KEEL_APPLIED_NO };

    if (status == KEEL_OK)
        return;
    if (keel_race_copy(m, number))
        keel_race_withdraw(m, keel_race_copy(m, number), keel_machine_now(m));
    else
        keel_call_report_attempt(&x->call, number, &none);
}

/* By now its time is up, or it was up before it was connected. */
static bool is_late(const keel_attempt_handle *a, uint64_t now)
{
    return now >= a->until_ns || (!a->sends && now >= a->connect_until_ns);
}

/* Who is cancelled waits for no answer. */
static bool has_late(const keel_exchange *x, uint64_t now)
{
    if (keel_cancel_fired(&x->own))
        return false;
    for (const keel_attempt_handle *a = x->attempts; a; a = a->next)
        if (is_late(a, now))
            return true;
    return false;
}

/*
 * The call would end a late attempt by itself, knowing neither whether it was sent nor
 * whether its answer lies there; so it is asked as of an instant at which none is late.
 * False: one is.
 */
static bool ask_call(keel_exchange *x, keel_step *step, uint32_t *number,
                     uint64_t *wake_at)
{
    uint64_t now = keel_exchange_now(x);

    drop_lost(x);
    if (has_late(x, now))
        return false;
    *step = keel_call_poll_at(&x->call, now, number, wake_at);
    drop_lost(x);
    return true;
}

/* Whom a listener has given up in there is ready once more, and ends when its turn comes:
 * one link holds it in one queue. */
static void advance_call(keel_exchange *x)
{
    uint64_t wake_at;
    uint32_t number;
    keel_step step;

    do {
        if (!ask_call(x, &step, &number, &wake_at)) {
            keel_exchange_look(x);
            return;
        }
        if (step == KEEL_STEP_ATTEMPT)
            begin_attempt(x, number);
    } while (step == KEEL_STEP_ATTEMPT);
    if (step != KEEL_STEP_ENDED)
        set_timer(x, wake_at);
    else if (!x->is_ready)
        end(x);
}

void keel_exchange_advance(keel_exchange *x)
{
    bool has_ended = false;

    if (x->cancel && keel_cancel_fired(x->cancel))
        keel_cancel_fire(&x->own);
    if (!x->equal || !keel_equal_follow(x, &has_ended))
        advance_call(x);
    else if (has_ended)
        end(x);
    else
        set_timer(x, machine_of(x)->deadline_at);
}

/*
 * An answer that lies there is not late because the loop was: it may have stood still, or
 * have more to report.
 */
static void take_what_came(const keel_exchange *x)
{
    keel_http *client = x->client;
    int fds[1 + KEEL_HEDGES_MAX];
    size_t count = 0;

    for (const keel_attempt_handle *a = x->attempts; a; a = a->next)
        fds[count++] = a->fd;
    for (size_t i = 0; i < count; i++)
        keel_http_look_at_socket(client, fds[i]);
}

/* The call would end a late attempt by itself, not knowing whether it was sent. */
static void end_late(keel_exchange *x, uint64_t now)
{
    keel_attempt_handle *next;

    for (keel_attempt_handle *a = x->attempts; a; a = next) {
        next = a->next;
        if (!is_late(a, now))
            continue;
        keel_attempt_stop(a, CURLE_OPERATION_TIMEDOUT);
        keel_exchange_hear(x, a);
    }
}

void keel_exchange_look(keel_exchange *x)
{
    const keel_http *client = x->client;
    uint64_t now = keel_exchange_now(x);

    if (keel_equal_waits_on(x)) {
        set_timer(x, now);
        return;
    }
    take_what_came(x);
    if (client->is_closed)
        return; /* x may be gone */
    if (!keel_cancel_fired(&x->own))
        end_late(x, now);
    keel_http_make_ready(x);
}

void keel_exchange_cancel(keel_exchange *x)
{
    keel_cancel_fire(&x->own);
    keel_http_make_ready(x);
}

/* ---- its end ---------------------------------------------------------------------------------- */

static void leave_slot(keel_exchange *x)
{
    keel_http *client = x->client;
    keel_exchange_slot *slot = &client->slots[x->slot];

    slot->exchange = NULL;
    slot->generation++;
    slot->next_free = client->first_free;
    client->first_free = x->slot + 1;
    client->in_flight--;
}

void keel_exchange_free(keel_exchange *x)
{
    keel_http *client = x->client;
    const keel_allocator *memory = client->runtime->memory;

    keel_equal_free(x->equal);
    x->equal = NULL;
    keel_memory_free(memory, x->text);
    x->text = NULL;
    if (client->spare_count == KEEL_HTTP_SPARE_MAX) {
        keel_memory_free(memory, x);
        return;
    }
    x->next = client->spare;
    client->spare = x;
    client->spare_count++;
}

/*
 * Its author may close the client in there, which then waits for us to be freed. An answer
 * that he keeps is no longer ours.
 */
void keel_exchange_tell(keel_exchange *x)
{
    const keel_http_response *response = NULL;
    keel_detail detail = { .size = sizeof detail };
    const char *pipeline = machine_of(x)->pipeline->name;
    keel_status status = keel_call_end(&x->call, &detail);
    unsigned outer;

    leave_slot(x);
    if (detail.attempts)
        keel_http_explain(&detail, x->code, x->status);
    keel_unfit_explain(x, pipeline, &detail);
    if (x->answer)
        response = keel_answer_show(x->answer, detail.attempts);
    status = keel_equal_end(x, status, &detail, &response);
    outer = keel_http_author_begin(x->client);
    x->done(status, response, &detail, x->done_ctx);
    keel_http_author_end(x->client, outer);
    if (x->answer && x->answer->is_kept)
        x->answer->exchange = NULL;
    else
        drop_answer(x);
    keel_exchange_free(x);
}
