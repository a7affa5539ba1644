/* SPDX-License-Identifier: MIT */
/*
 * An HTTP client that never blocks: any number of requests at once on one thread, each a
 * call under its pipeline, driven by libcurl's multi interface. An event loop of the
 * program's watches its sockets (keel_http_watch; keel/adapters has epoll, libuv and
 * libevent), or keel_http_poll does. Needs no curl header. See keel_http_open(3).
 */
#ifndef KEEL_HTTP_H
#define KEEL_HTTP_H

#include <keel/curl.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A client: connections kept alive, and the requests that are under way. Used by one
 * thread at a time; a runtime may have any number of them.
 */
typedef struct keel_http keel_http;

/*
 * What a client asks of an event loop. Both may be called inside any function below that
 * takes the client, and must not call one themselves. size first.
 *
 * watch  from now on keel_http_ready is to be called when fd can be read or written, as
 *        wanted; with neither wanted, no more, and fd may be closed on return. *slot is
 *        the watcher's own: NULL at first, kept as long as something is wanted of
 *        this fd; the place itself is there only during the call
 * timer  from now on keel_http_timer is to be called at at_ns, an instant of keel_now,
 *        in place of whatever was asked before; too early or too often does no harm.
 *        UINT64_MAX: not any more
 * ctx    handed to both
 */
typedef struct keel_http_watch {
    size_t size;
    void (*watch)(int fd, bool want_read, bool want_write, void **slot, void *ctx);
    void (*timer)(uint64_t at_ns, void *ctx);
    void *ctx;
} keel_http_watch;

/*
 * Options of keel_http_open. size first; every zero means the default.
 *
 * watch    borrowed for keel_http_open; NULL: no loop, keel_http_poll waits
 * prepare  called with each easy handle, a CURL *, before its first use and whenever it
 *          was reset: for certificates, proxy, credentials. It sets the same each time
 *          and leaves what keel sets alone: URL, method, headers, body, callbacks,
 *          redirects, CURLOPT_PRIVATE, CURLOPT_ERRORBUFFER
 * prepare_ctx  handed to it
 */
typedef struct keel_http_options {
    size_t size;
    const keel_http_watch *watch;
    void (*prepare)(void *easy, void *ctx);
    void *prepare_ctx;
} keel_http_options;

/*
 * Opens a client. Unless prepare says otherwise no proxy is used, also none that the
 * environment names.
 *
 * out      receives the client; NULL on failure; closed with keel_http_close
 * runtime  borrowed; closed after the client
 * options  borrowed; NULL: defaults
 * Returns  KEEL_OK
 *          KEEL_E_UNSUPPORTED  libcurl is too old, or without AsynchDNS
 *          KEEL_E_SYSTEM       no descriptor to be had
 *          KEEL_E_NOMEM, KEEL_E_ARGUMENT
 */
KEEL_API KEEL_MUST_USE keel_status keel_http_open(keel_http **out,
                                                  keel_runtime *runtime,
                                                  const keel_http_options *options,
                                                  keel_detail *why);

/*
 * Closes a client and its connections. Requests under way end as KEEL_CANCELLED, and
 * `done` of each is called before this returns. May be called inside done and on_body.
 * Inside a listener of events, a fallback or a log hook, which are told in the midst of a
 * request, it only begins: the function of the client that told them calls every done and
 * frees the client before it returns. NULL is fine.
 *
 * A forked child that closes its parent's client only frees keel's memory and closes its
 * copies of the connections: no done is called and no byte is sent, since all of it is
 * still under way in the parent. What libcurl has allocated stays there.
 */
KEEL_API void keel_http_close(keel_http *client);

/* Whether a redirect is followed; the attempt's time goes on, and ten is the most. */
typedef enum keel_http_redirects {
    KEEL_HTTP_NO_REDIRECT = 0, /* it is the answer */
    KEEL_HTTP_SAME_HOST = 1,   /* to the same scheme, host and port, or to its https */
    KEEL_HTTP_ANY_HOST = 2     /* anywhere, but never from https to http */
} keel_http_redirects;

/* "Name" and "value"; neither may hold a line break, nor the name a colon. */
typedef struct keel_http_pair {
    const char *name;
    const char *value;
} keel_http_pair;

/*
 * An answer. Valid until `done` returns, or until keel_http_response_free.
 *
 * status       200, 404, …
 * body         its bytes, with a NUL behind them that does not count; never NULL. Empty
 *              where on_body took them
 * url          where it came from, after redirects
 * attempts     how many there were
 * endpoint     its place in the setting, from 0; -1: the pipeline has no endpoints, or
 *              the answer is another one's
 * is_shared    another request's that was equal and under way (`coalesce`); attempts is 0
 * is_stale     the last good one, in place of a failure or a refusal (`stale`): detail
 *              says of what, and fallback
 * expired_ns   of that: since when it is not fresh; 0: it still is
 */
typedef struct keel_http_response {
    size_t size;
    int status;
    const char *body;
    size_t body_length;
    const char *url;
    uint32_t attempts;
    int endpoint;
    const void *keel_private;
    bool is_shared;
    bool is_stale;
    uint64_t expired_ns;
} keel_http_response;

/*
 * Tells how a request ended: exactly once, on the thread that drives the client, never
 * inside keel_http_start. May start, cancel and close. KEEL_E_TOO_LARGE: the answer was
 * larger than allowed; counts for nothing.
 *
 * status    as keel_call_end
 * response  the answer behind status, a 404 and a 503 too; NULL: there was none
 * detail    the whole story; system_errno is libcurl's code
 */
typedef void keel_http_done_fn(keel_status status, const keel_http_response *response,
                               const keel_detail *detail, void *ctx);

/*
 * Takes a part of the body. Returns false: no more is wanted, the request ends as
 * KEEL_CANCELLED. May start, cancel and close.
 */
typedef bool keel_http_body_fn(const void *bytes, size_t length, void *ctx);

/*
 * A request. size first; every zero means the default.
 *
 * method         NULL: GET
 * url            absolute, http or https. Where the pipeline has endpoints, each attempt
 *                goes to the one that is chosen for it, and only the path and query of
 *                this URL count: they may stand here alone ("/orders?id=7"). Of one that
 *                is the path of a unix socket the host is localhost
 * headers        Content-Type is sent only if it stands here. With deadline.header the
 *                time left and the attempt's number are sent as well
 * body, body_length
 *                borrowed until done; sent again with every attempt
 * safety         may it be sent twice: by its method, or as said here. One that may not
 *                is never sent again by libcurl either, on a kept connection that died
 * call           deadline, cancel token, inherited attempt number and fallback, as for
 *                any call, size included; its idempotent and wake are not read. The
 *                struct is borrowed for keel_http_start, the token until done
 * redirects      one to another host takes neither Authorization, Cookie and
 *                Proxy-Authorization nor credentials and client certificates of prepare
 *                with it
 * body_max       of the answer; 0: 1 MiB, and no limit for what on_body takes
 * headers_max    of the answer's head in bytes; 0: 64 KiB
 * on_body        gets the body of an answer below 400 as it arrives. After its first byte
 *                there is no other attempt, and no copy of the request is sent beside
 *                the first. Bodies of other answers are kept as without it
 * done           not NULL
 * ctx            handed to both
 */
typedef struct keel_http_request {
    size_t size;
    const char *method;
    const char *url;
    const keel_http_pair *headers;
    size_t header_count;
    const void *body;
    size_t body_length;
    keel_curl_safety safety;
    const keel_call_options *call;
    keel_http_redirects redirects;
    size_t body_max;
    size_t headers_max;
    keel_http_body_fn *on_body;
    keel_http_done_fn *done;
    void *ctx;
} keel_http_request;

/*
 * Begins a request. Sends nothing yet: that, too, is done by the functions below.
 *
 * request  borrowed; texts are copied, the body is not
 * ticket   out, may be NULL: names the request for keel_http_cancel, never 0
 * Returns  KEEL_OK          done will be called
 *          KEEL_E_ARGUMENT  not a request; KEEL_E_NOMEM; nothing was begun
 *          KEEL_E_STATE     the client is being closed, or is a parent process's
 */
KEEL_API keel_status keel_http_start(keel_http *client, keel_pipeline *pipeline,
                                     const keel_http_request *request, uint64_t *ticket,
                                     keel_detail *why);

/*
 * Gives a request up; done is called soon after, not inside.
 * Returns  KEEL_OK; KEEL_E_STATE: it has ended, or never was; KEEL_E_ARGUMENT
 */
KEEL_API keel_status keel_http_cancel(keel_http *client, uint64_t ticket);

/* Requests whose done has not been called. */
KEEL_API size_t keel_http_in_flight(const keel_http *client);

/*
 * For programs without a loop: waits until something happens, at most wait_ns, and does
 * what there is to do.
 * Returns  KEEL_OK; KEEL_E_STATE: a loop watches this client, it is a parent process's,
 *          or this is a callback of it; KEEL_E_SYSTEM; KEEL_E_ARGUMENT
 */
KEEL_API keel_status keel_http_poll(keel_http *client, uint64_t wait_ns);

/* To be called by the loop: fd can be read or written (both, where it has an error). */
KEEL_API void keel_http_ready(keel_http *client, int fd, bool can_read, bool can_write);

/* To be called by the loop at the instant that was asked for. */
KEEL_API void keel_http_timer(keel_http *client);

/*
 * A header of the answer, the index-th of that name, from 0, in any case; NULL: there is
 * none. Lives as long as the response.
 */
KEEL_API const char *keel_http_header(const keel_http_response *response,
                                      const char *name, size_t index);

/*
 * Starts a request and waits for its end; others go on meanwhile. done need not be set,
 * and is not called.
 *
 * response  out, may be NULL: the answer, freed with keel_http_response_free before the
 *           client is closed; NULL: there was none
 * Returns   as keel_call_end, keel_http_start and keel_http_poll; KEEL_CANCELLED also where
 *           there was an answer, but a callback has closed the client meanwhile
 */
KEEL_API keel_status keel_http_perform(keel_http *client, keel_pipeline *pipeline,
                                       const keel_http_request *request,
                                       const keel_http_response **response,
                                       keel_detail *why);

/* Gives back what keel_http_perform made. NULL is fine. */
KEEL_API void keel_http_response_free(const keel_http_response *response);

#ifdef __cplusplus
}
#endif
#endif
