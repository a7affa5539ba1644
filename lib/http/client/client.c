/* SPDX-License-Identifier: MIT */
/* keel_http as its author sees it. What is done in a turn is turn.c's. */
#include "http/client/client.h"

#include <errno.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/thread.h"
#include "http/check.h"

enum { FIRST_SLOTS = 64 };

/* ---- opening --------------------------------------------------------------------------- */

static bool multi_open(keel_http *client)
{
    client->holds_libcurl = keel_http_hold_libcurl();
    client->multi = curl_multi_init();
    if (!client->multi)
        return false;
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, keel_http_watch_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, keel_http_set_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)KEEL_HTTP_CONNECTIONS);
    return true;
}

static keel_status choose_loop(keel_http *client, const keel_http_options *options,
                               keel_detail *why)
{
    keel_http_watch *loop = &client->sockets.loop;

    loop->size = sizeof *loop;
    if (!options->watch)
        return keel_http_wait_open(client, why);
    if (!keel_options_read(loop, sizeof *loop, options->watch))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_http_watch: " KEEL_OPTIONS_REFUSED);
    if (!loop->watch || !loop->timer)
        return keel_failf(why, KEEL_E_ARGUMENT,
                          "keel_http_watch: %s is NULL, and a loop needs both",
                          loop->watch ? "timer" : "watch");
    client->has_loop = true;
    return KEEL_OK;
}

static keel_status open_parts(keel_http *client, const keel_http_options *options,
                              keel_detail *why)
{
    keel_status status = choose_loop(client, options, why);

    if (status != KEEL_OK)
        return status;
    client->bell = keel_bell_claim();
    if (!client->bell)
        return keel_fail(why, KEEL_E_SYSTEM, "http: no descriptor to be had");
    if (!multi_open(client))
        return keel_fail(why, KEEL_E_NOMEM, "http: out of memory");
    client->sockets.loop.watch(keel_bell_fd(client->bell), true, false,
                               &client->bell_slot, client->sockets.loop.ctx);
    keel_bell_sleep(client->bell);
    return KEEL_OK;
}

static keel_http *client_new(keel_runtime *runtime, const keel_http_options *options)
{
    keel_http *client = keel_memory_new(runtime->memory, sizeof *client);

    if (!client)
        return NULL;
    client->runtime = runtime;
    client->incarnation = keel_process_incarnation();
    client->prepare = options->prepare;
    client->prepare_ctx = options->prepare_ctx;
    client->sockets.memory = runtime->memory;
    client->timers.memory = runtime->memory;
    client->curl_at_ns = KEEL_NEVER;
    client->armed_ns = KEEL_NEVER;
    client->due_ns = KEEL_NEVER;
    client->epoll = (keel_descriptor)KEEL_DESCRIPTOR_NONE;
    return client;
}

static keel_status open_client(keel_http **out, keel_runtime *runtime,
                               const keel_http_options *given, keel_detail *why)
{
    keel_http_options options = { .size = sizeof options };
    keel_http *client;
    keel_status status;

    if (!keel_options_read(&options, sizeof options, given))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_http_options: " KEEL_OPTIONS_REFUSED);
    status = keel_http_check(why);
    if (status != KEEL_OK)
        return status;
    client = client_new(runtime, &options);
    if (!client)
        return keel_fail(why, KEEL_E_NOMEM, "http: out of memory");
    status = open_parts(client, &options, why);
    if (status != KEEL_OK) {
        keel_http_destroy(client);
        return status;
    }
    *out = client;
    return keel_succeed(why);
}

keel_status keel_http_open(keel_http **out, keel_runtime *runtime,
                           const keel_http_options *options, keel_detail *why)
{
    int saved = errno;
    keel_status status;

    if (out)
        *out = NULL;
    if (!out || !runtime)
        return keel_failf(why, KEEL_E_ARGUMENT, "http: %s is NULL",
                          out ? "runtime" : "out");
    status = open_client(out, runtime, options, why);
    errno = saved;
    return status;
}

/* ---- closing ---------------------------------------------------------------------------- */

/* In a forked child all of it is still the parent's. */
static bool is_ours(const keel_http *client)
{
    return client->incarnation == keel_process_incarnation();
}

static void free_spare(keel_http *client)
{
    while (client->spare) {
        keel_exchange *x = client->spare;

        client->spare = x->next;
        keel_memory_free(client->runtime->memory, x);
    }
}

static void free_rest(keel_http *client)
{
    const keel_allocator *memory = client->runtime->memory;

    free_spare(client);
    keel_timers_cleanup(&client->timers);
    keel_sockets_cleanup(&client->sockets);
    keel_memory_free(memory, client->slots);
    keel_http_wait_close(client);
    keel_memory_free(memory, client);
}

void keel_http_destroy(keel_http *client)
{
    keel_sockets *sockets = &client->sockets;

    if (client->multi) {
        sockets->loop.watch(keel_bell_fd(client->bell), false, false,
                            &client->bell_slot, sockets->loop.ctx);
        keel_http_curl_begin(client); /* a TLS connection says goodbye */
        keel_attempts_cleanup(client);
        curl_multi_cleanup(client->multi);
        keel_http_curl_end(client);
        keel_sockets_tell(sockets);
        if (client->has_loop)
            sockets->loop.timer(KEEL_NEVER, sockets->loop.ctx);
    }
    if (client->holds_libcurl)
        curl_global_cleanup();
    keel_bell_release(client->bell);
    free_rest(client);
}

void keel_http_end_all(keel_http *client)
{
    keel_exchange *x;

    for (uint32_t i = 0; i < client->slots_used; i++)
        if (client->slots[i].exchange)
            keel_exchange_cancel(client->slots[i].exchange);
    while ((x = keel_http_queue_take(&client->ready))) {
        x->is_ready = false;
        if (!x->is_ended)
            keel_exchange_advance(x);
    }
    while ((x = keel_http_queue_take(&client->ended)))
        keel_exchange_tell(x);
}

/* keel's own memory alone: of what libcurl was doing when the parent forked it knows
 * nothing, and would talk to those whom the parent is talking to. */
static void abandon_attempts(keel_http *client, keel_attempt_handle *a)
{
    while (a) {
        keel_attempt_handle *next = a->next;

        keel_memory_free(client->runtime->memory, a->travel);
        keel_memory_free(client->runtime->memory, a->body);
        keel_memory_free(client->runtime->memory, a);
        a = next;
    }
}

static void abandon(keel_http *client)
{
    for (uint32_t i = 0; i < client->slots_used; i++) {
        keel_exchange *x = client->slots[i].exchange;

        if (!x)
            continue;
        abandon_attempts(client, x->attempts);
        if (x->answer) {
            x->answer->next = NULL;
            abandon_attempts(client, x->answer);
        }
        keel_equal_abandon(x->equal);
        keel_memory_free(client->runtime->memory, x->text);
        keel_memory_free(client->runtime->memory, x);
    }
    abandon_attempts(client, client->idle);
    keel_sockets_abandon(&client->sockets);
    free_rest(client);
}

/* Whoever is called in the midst of moving a request on must find it there afterwards, and
 * leave ends it. */
static void close_ours(keel_http *client)
{
    bool is_in_the_midst = client->depth != client->author_depth;

    keel_http_enter(client);
    client->is_closed = true;
    if (!is_in_the_midst)
        keel_http_end_all(client);
    keel_http_leave(client);
}

void keel_http_close(keel_http *client)
{
    int saved = errno;

    if (!client)
        return;
    if (!is_ours(client))
        abandon(client);
    else if (!client->is_closed)
        close_ours(client);
    errno = saved;
}

/* ---- requests ------------------------------------------------------------------------------ */

static bool slots_reserve(keel_http *client)
{
    uint32_t room = client->slots_room ? 2 * client->slots_room : FIRST_SLOTS;
    keel_exchange_slot *larger;

    if (client->first_free || client->slots_used < client->slots_room)
        return true;
    larger =
        keel_memory_resize(client->runtime->memory, client->slots,
                           client->slots_used * sizeof *larger, room * sizeof *larger);
    if (!larger)
        return false;
    client->slots = larger;
    client->slots_room = room;
    return true;
}

static uint32_t slot_take(keel_http *client)
{
    uint32_t slot = client->first_free ? client->first_free - 1 : client->slots_used++;

    if (client->first_free)
        client->first_free = client->slots[slot].next_free;
    return slot;
}

/* What a ticket says: generation above, slot below, from 1. */
static uint64_t ticket_of(const keel_http *client, uint32_t slot)
{
    return (uint64_t)client->slots[slot].generation << 32 | (slot + 1);
}

static keel_exchange *exchange_of(const keel_http *client, uint64_t ticket)
{
    uint32_t slot = (uint32_t)ticket - 1;

    return slot < client->slots_used && ticket == ticket_of(client, slot)
               ? client->slots[slot].exchange
               : NULL;
}

static keel_exchange *exchange_take(keel_http *client)
{
    keel_exchange *x = client->spare;

    if (!x)
        return keel_memory_new(client->runtime->memory, sizeof *x);
    client->spare = x->next;
    client->spare_count--;
    memset(x, 0, offsetof(keel_exchange, room));
    return x;
}

/* All that can fail comes before the call begins. */
static keel_exchange *exchange_new(keel_http *client, const keel_http_request *request)
{
    keel_exchange *x;

    if (!slots_reserve(client) ||
        !keel_timers_reserve(&client->timers, client->slots_used + 1))
        return NULL;
    x = exchange_take(client);
    if (!x)
        return NULL;
    x->client = client;
    if (!keel_http_request_copy(x, request)) {
        keel_exchange_free(x);
        return NULL;
    }
    x->slot = slot_take(client);
    client->slots[x->slot].exchange = x;
    client->in_flight++;
    return x;
}

/*
 * Whether an answer may be had again is told with each outcome. What is delivered as it
 * arrives can come from one attempt alone, so such a call is not idempotent to begin with.
 */
static void begin(keel_exchange *x, keel_pipeline *pipeline,
                  const keel_http_request *request, keel_call_options *options)
{
    const keel_bell *bell = x->client->bell;

    x->cancel = options->cancel;
    if (x->cancel)
        keel_cancel_rings(x->cancel, keel_bell_set(bell));
    options->cancel = &x->own;
    options->idempotent = x->is_repeatable && !x->on_body;
    options->wake = keel_bell_ring;
    options->wake_ctx = keel_bell_ctx(bell, x->slot);
    keel_call_begin(&x->call, pipeline, options);
    if (x->is_repeatable)
        keel_machine_may_repeat_chaos(keel_machine_of(&x->call));
    keel_equal_begin(x, request);
    keel_http_make_ready(x);
}

static keel_status check_client(const keel_http *client, keel_detail *why)
{
    if (!is_ours(client))
        return keel_fail(why, KEEL_E_STATE,
                         "http: the client is the parent process's: a child opens one "
                         "of its own");
    if (client->is_closed)
        return keel_fail(why, KEEL_E_STATE, "http: the client is being closed");
    return KEEL_OK;
}

/* What start and perform have in common; done and its ctx are theirs. */
static keel_status check(keel_http *client, keel_pipeline *pipeline,
                         const keel_http_request *given, keel_http_request *request,
                         keel_call_options *options, keel_detail *why)
{
    keel_status status;

    if (!client || !pipeline || !given)
        return keel_failf(why, KEEL_E_ARGUMENT, "http: %s is NULL",
                          !client     ? "client"
                          : !pipeline ? "pipeline"
                                      : "request");
    status = check_client(client, why);
    if (status != KEEL_OK)
        return status;
    if (!keel_options_read(request, sizeof *request, given))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_http_request: " KEEL_OPTIONS_REFUSED);
    if (!keel_options_read(options, sizeof *options, request->call))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_http_request.call: " KEEL_OPTIONS_REFUSED);
    return keel_http_request_check(request, why);
}

static keel_status start(keel_http *client, keel_pipeline *pipeline,
                         const keel_http_request *request, keel_call_options *options,
                         keel_http_done_fn *done, void *ctx, uint64_t *ticket,
                         keel_detail *why)
{
    keel_exchange *x;

    keel_http_enter(client);
    x = exchange_new(client, request);
    if (x) {
        x->done = done;
        x->done_ctx = ctx;
        begin(x, pipeline, request, options);
        if (ticket)
            *ticket = ticket_of(client, x->slot);
    }
    keel_http_leave(client);
    return x ? keel_succeed(why) : keel_fail(why, KEEL_E_NOMEM, "http: out of memory");
}

keel_status keel_http_start(keel_http *client, keel_pipeline *pipeline,
                            const keel_http_request *request, uint64_t *ticket,
                            keel_detail *why)
{
    int saved = errno;
    keel_http_request own = { .size = sizeof own };
    keel_call_options options = { .size = sizeof options };
    keel_status status;

    if (ticket)
        *ticket = 0;
    status = check(client, pipeline, request, &own, &options, why);
    if (status == KEEL_OK && !own.done)
        status =
            keel_fail(why, KEEL_E_ARGUMENT, "http: done is NULL: nobody would be told");
    if (status == KEEL_OK)
        status =
            start(client, pipeline, &own, &options, own.done, own.ctx, ticket, why);
    errno = saved;
    return status;
}

keel_status keel_http_cancel(keel_http *client, uint64_t ticket)
{
    int saved = errno;
    keel_exchange *x;

    if (!client)
        return KEEL_E_ARGUMENT;
    x = is_ours(client) ? exchange_of(client, ticket) : NULL;
    if (!x || x->is_ended)
        return KEEL_E_STATE;
    keel_http_enter(client);
    keel_exchange_cancel(x);
    keel_http_leave(client);
    errno = saved;
    return KEEL_OK;
}

size_t keel_http_in_flight(const keel_http *client)
{
    return client ? client->in_flight : 0;
}

/* ---- driving ---------------------------------------------------------------------------------- */

/* Not from a callback: that is inside a turn already. */
static bool may_turn(const keel_http *client)
{
    return client && is_ours(client) && !client->depth;
}

void keel_http_ready(keel_http *client, int fd, bool can_read, bool can_write)
{
    int saved = errno;

    if (!may_turn(client))
        return;
    keel_http_enter(client);
    keel_http_socket_ready(client, fd, can_read, can_write);
    keel_http_turn(client);
    keel_http_leave(client);
    errno = saved;
}

void keel_http_timer(keel_http *client)
{
    int saved = errno;

    if (client && is_ours(client))
        client->armed_ns = KEEL_NEVER; /* inside a turn, too: its end sets it again */
    if (!may_turn(client))
        return;
    keel_http_enter(client);
    keel_http_turn(client);
    keel_http_leave(client);
    errno = saved;
}

keel_status keel_http_poll(keel_http *client, uint64_t wait_ns)
{
    int saved = errno;
    keel_status status;

    if (!client)
        return KEEL_E_ARGUMENT;
    if (!may_turn(client) || client->has_loop)
        return KEEL_E_STATE;
    status = keel_http_wait(client, keel_ns_add(keel_http_now(client), wait_ns));
    errno = saved;
    return status;
}

/* ---- waiting for one --------------------------------------------------------------------------- */

typedef struct waiter {
    const keel_http *client;
    bool is_told;
    keel_status status;
    const keel_http_response *response;
    keel_detail *why;
} waiter;

/* Of a client that was closed meanwhile it could not be given back any more. */
static void note_lost(waiter *w, const keel_detail *detail)
{
    keel_detail all = *detail;

    all.code = w->status = KEEL_CANCELLED;
    all.reason = KEEL_REASON_CANCELLED;
    all.text = "the client was closed, and the answer went with it";
    keel_detail_fill(w->why, &all);
}

static void note(keel_status status, const keel_http_response *response,
                 const keel_detail *detail, void *ctx)
{
    waiter *w = ctx;

    w->is_told = true;
    if (response && w->client->is_closed) {
        note_lost(w, detail);
        return;
    }
    w->status = status;
    w->response = response;
    keel_detail_fill(w->why, detail);
    if (response)
        keel_answer_lend(response);
}

/* Told at once, since the waiter and the request's body go with their caller. */
static void give_up(keel_http *client, waiter *w, uint64_t ticket)
{
    w->why = NULL;
    (void)keel_http_cancel(client, ticket);
    while (!w->is_told) {
        keel_http_enter(client);
        keel_http_turn(client);
        keel_http_leave(client);
    }
    keel_http_response_free(w->response);
    w->response = NULL;
}

static keel_status wait_for(keel_http *client, waiter *w, uint64_t ticket,
                            keel_detail *why)
{
    keel_status status = KEEL_OK;

    while (!w->is_told && status == KEEL_OK)
        status = keel_http_wait(client, KEEL_NEVER);
    if (status == KEEL_OK)
        return w->status;
    give_up(client, w, ticket);
    return keel_fail(why, status, "http: cannot wait for sockets");
}

static keel_status perform(keel_http *client, keel_pipeline *pipeline,
                           const keel_http_request *given, waiter *w, keel_detail *why)
{
    keel_http_request request = { .size = sizeof request };
    keel_call_options options = { .size = sizeof options };
    keel_status status = check(client, pipeline, given, &request, &options, why);
    uint64_t ticket = 0;

    if (status != KEEL_OK)
        return status;
    if (client->has_loop)
        return keel_fail(why, KEEL_E_STATE,
                         "http: a loop drives this client, so nothing may wait for it: "
                         "keel_http_start does not");
    if (client->depth)
        return keel_fail(why, KEEL_E_STATE,
                         "http: a callback of this client must not wait for it: "
                         "keel_http_start does not");
    status = start(client, pipeline, &request, &options, note, w, &ticket, why);
    return status == KEEL_OK ? wait_for(client, w, ticket, why) : status;
}

keel_status keel_http_perform(keel_http *client, keel_pipeline *pipeline,
                              const keel_http_request *request,
                              const keel_http_response **response, keel_detail *why)
{
    int saved = errno;
    waiter w = { .client = client, .why = why };
    keel_status status = perform(client, pipeline, request, &w, why);

    if (response)
        *response = w.response;
    else
        keel_http_response_free(w.response);
    errno = saved;
    return status;
}

static void give_back_own(keel_attempt_handle *a)
{
    if (a->is_kept && is_ours(a->client)) {
        a->is_kept = false;
        keel_attempt_drop(a);
    }
}

static void give_back_anothers(keel_equal *e)
{
    if (e->is_kept && is_ours(e->client)) {
        e->is_kept = false;
        keel_equal_free(e);
    }
}

void keel_http_response_free(const keel_http_response *response)
{
    int saved = errno;
    void *owner;

    if (!response)
        return;
    owner = (void *)(uintptr_t)response->keel_private;
    if (keel_answer_is_anothers(response))
        give_back_anothers(owner);
    else
        give_back_own(owner);
    errno = saved;
}
