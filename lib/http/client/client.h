/* SPDX-License-Identifier: MIT */
/*
 * The inside of keel_http. A request (exchange) is a keel_call that is polled, with an
 * attempt for each easy handle it has under way; a turn of the client moves those on that
 * have something to do.
 *
 *   client.c    opening, closing, starting     turn.c     what a turn is made of
 *   exchange.c  the call, from start to done   attempt.c  one easy handle
 *   request.c   the author's request, copied   answer.c   what libcurl delivers
 *   waiting.c   the loop of those who have none
 *   unfit.c     what is said of a request that cannot be sent
 *   equal.c     requests that get what another one was answered, now or before
 */
#ifndef KEEL_HTTP_CLIENT_CLIENT_H
#define KEEL_HTTP_CLIENT_CLIENT_H

#include <curl/curl.h>

#include <keel/http.h>
#include <keel/http_headers.h>

#include "base/bell.h"
#include "base/sigpipe.h"
#include "call/pipeline.h"
#include "http/classify.h"
#include "http/client/common.h"
#include "http/client/sockets.h"
#include "http/client/timers.h"
#include "net/descriptor.h"

enum {
    KEEL_HTTP_ROOM = 224,        /* of an exchange, for texts that are short */
    KEEL_HTTP_SPARE_MAX = 64,    /* exchanges and easy handles kept for later */
    KEEL_HTTP_BODY_KEPT = 16384, /* the largest buffer that is kept with one */
    KEEL_HTTP_CONNECTIONS = 1024 /* that are kept alive */
};

typedef struct keel_exchange keel_exchange;

/* Headers of one attempt alone, which tell how much time is left to it. */
typedef struct keel_travel_headers {
    struct curl_slist lines[KEEL_CALL_HEADERS_MAX];
    char texts[KEEL_CALL_HEADERS_MAX][64];
} keel_travel_headers;

/*
 * What an easy handle is doing, or has done.
 *
 * exchange    whose attempt it is; NULL: nobody's any more
 * next        of its exchange's, of the idle or of the dropped ones
 * until_ns, connect_until_ns
 *             when it is given up, and when it is if nothing was sent by then: instants
 *             of the pipeline's clock
 * endpoint    its place in the pipeline's list; -1: there is none
 * fd          the socket that libcurl has named last for it; -1: none
 * ttl_s       how long libcurl believes an address, as the handle has it
 * travel      made when there first is something to tell; NULL: there was not
 * headers     those of its exchange, and what is told of the time left
 * sends       how often libcurl was about to send a request
 * hops        redirects that were followed
 * head_length bytes of heads, all of this attempt's answers
 * is_copy     it is one of several at once, and not the first of them
 * is_plain    the handle has keel's own settings, those of a GET, and no others
 * is_confidential  it still talks to the host that the request names
 * heard       some answer came since the request was sent last
 * is_late     it was not sent, or not again, because its time was up
 * is_head_whole, is_too_large, has_no_memory, is_unwanted, is_resent, has_streamed
 *             what was seen while the answer came
 * is_kept     its answer is lent to a caller of keel_http_perform
 */
typedef struct keel_attempt_handle {
    keel_http *client;
    keel_exchange *exchange;
    struct keel_attempt_handle *next;
    CURL *easy;
    uint32_t number;
    uint64_t until_ns;
    uint64_t connect_until_ns;
    size_t head_length;
    char *body;
    size_t length;
    size_t room;
    const char *method;
    keel_travel_headers *travel;
    struct curl_slist *headers;
    long ttl_s;
    int endpoint;
    int fd;
    CURLcode code;
    uint16_t sends;
    uint8_t hops;
    bool is_added;
    bool is_copy;
    bool is_plain;
    bool is_confidential;
    bool heard;
    bool is_head_whole;
    bool is_too_large;
    bool has_no_memory;
    bool is_unwanted;
    bool is_resent;
    bool is_late;
    bool has_streamed;
    bool is_kept;
    keel_http_response response;
} keel_attempt_handle;

/*
 * Where a request stands among equal ones.
 */
typedef enum keel_equal_role {
    KEEL_EQUAL_ALONE = 0, /* makes its own call */
    KEEL_EQUAL_LEADS,     /* likewise, and others wait for what comes of it */
    KEEL_EQUAL_FOLLOWS,   /* makes none so far */
    KEEL_EQUAL_LANDED     /* has the leader's answer, and makes none */
} keel_equal_role;

/*
 * What a request has that may get another one's answer: one that is under way
 * (coalesce.h), or the last good one (stale.h).
 *
 * seat      in use while it leads or follows
 * stale_ns  as the setting was when it began; 0: no answer that was kept
 * answer    another one's, held
 * is_late   it follows beyond its time
 * is_kept   it is lent to a caller of keel_http_perform
 */
typedef struct keel_equal {
    keel_http *client;
    keel_http_common *common;
    keel_request_key *key;
    keel_seat seat;
    keel_equal_role role;
    uint64_t began_at;
    uint64_t stale_ns;
    keel_shared_answer *answer;
    bool is_late;
    bool is_kept;
    keel_http_response response;
} keel_equal;

/* Why a request was not sent at all. */
typedef enum keel_unfit {
    KEEL_UNFIT_NOT = 0,
    KEEL_UNFIT_PATH,    /* it is one alone, and there are no endpoints */
    KEEL_UNFIT_ENDPOINT /* the chosen one is none of HTTP */
} keel_unfit;

/*
 * A request under way.
 *
 * timer     when it is to be polled again; first
 * next      of those that are ready, ended or spare
 * own       fired by keel_http_cancel, keel_http_close and for the author's token
 * attempts  open ones
 * answer    the one that was reported last, if it had one; a copy's only if it is final
 * equal     NULL: it goes alone, and what comes of it is nobody else's
 * may_have_left  a request of some attempt did, or may have
 * code, status   libcurl's and HTTP's of the latest that failed
 * unfit, unfit_endpoint
 *           why its latest attempt was not sent, and to which endpoint
 * headers, public_headers
 *           as libcurl takes them; the latter without what is confidential
 * text      where texts lie that room is too small for; NULL: in room
 */
struct keel_exchange {
    keel_timer timer;
    keel_exchange *next;
    keel_http *client;
    keel_call call;
    keel_cancel own;
    keel_cancel *cancel;
    keel_attempt_handle *attempts;
    keel_attempt_handle *answer;
    keel_equal *equal;
    uint32_t slot;
    bool is_ready;
    bool is_ended;
    bool is_repeatable;
    bool has_content_type;
    bool may_have_left;
    CURLcode code;
    long status;
    keel_unfit unfit;
    int unfit_endpoint;
    keel_http_redirects redirects;
    const char *method;
    const char *url;
    struct curl_slist *headers;
    struct curl_slist *public_headers;
    const void *body;
    size_t body_length;
    size_t body_max;
    size_t headers_max;
    keel_http_body_fn *on_body;
    keel_http_done_fn *done;
    void *body_ctx;
    void *done_ctx;
    void *text;
    _Alignas(struct curl_slist) char room[KEEL_HTTP_ROOM];
};

/* exchanges by number; generation tells a ticket from those before it */
typedef struct keel_exchange_slot {
    keel_exchange *exchange;
    uint32_t generation;
    uint32_t next_free; /* from 1; 0: none */
} keel_exchange_slot;

/* First in, first out. */
typedef struct keel_exchange_queue {
    keel_exchange *first;
    keel_exchange **end;
    size_t count;
} keel_exchange_queue;

/*
 * incarnation  the process whose client it is
 * curl_at_ns   when libcurl is to be asked again; KEEL_NEVER: when a socket is ready
 * armed_ns     what the loop's timer is set to
 * ready, ended exchanges to be polled, and to be told of
 * depth        turns and callbacks that are under way, one inside the other
 * author_depth depth at which the innermost done or on_body was called: nothing but that
 *              is under way while depth is the same
 * curl_depth   keel_http_curl_begin without its end so far
 * is_called_back  libcurl is at work, and may be calling the author
 * is_closed    freed once depth is 0
 * epoll, due_ns  for keel_http_poll
 */
struct keel_http {
    keel_runtime *runtime;
    uint64_t incarnation;
    void (*prepare)(void *easy, void *ctx);
    void *prepare_ctx;
    CURLM *multi;
    keel_bell *bell;
    void *bell_slot; /* the loop's word for its descriptor */
    keel_sockets sockets;
    keel_timers timers;
    uint64_t curl_at_ns;
    uint64_t armed_ns;
    keel_exchange_queue ready;
    keel_exchange_queue ended;
    keel_exchange_slot *slots;
    uint32_t slots_used;
    uint32_t slots_room;
    uint32_t first_free;
    size_t in_flight;
    keel_exchange *spare;
    uint32_t spare_count;
    keel_attempt_handle *idle;
    uint32_t idle_count;
    keel_attempt_handle *dropped;
    unsigned depth;
    unsigned author_depth;
    unsigned curl_depth;
    bool has_loop;
    bool holds_libcurl;
    bool is_called_back;
    bool is_closed;
    keel_sigpipe sigpipe;
    keel_descriptor epoll;
    uint64_t due_ns;
};

static inline uint64_t keel_http_now(const keel_http *client)
{
    return client->runtime->clock.now(client->runtime->clock.ctx);
}

/* ---- turn.c ------------------------------------------------------------------------ */

/* Around libcurl's own work: no SIGPIPE comes of it. */
void keel_http_curl_begin(keel_http *client);
void keel_http_curl_end(keel_http *client);

/*
 * Around what drives the client. leave ends with telling the loop what is wanted, and with
 * ending all and freeing a client that was closed meanwhile: then false.
 */
void keel_http_enter(keel_http *client);
bool keel_http_leave(keel_http *client);

/* Around done and on_body, in which the client may be closed at once. */
unsigned keel_http_author_begin(keel_http *client);
void keel_http_author_end(keel_http *client, unsigned outer);

/* Moves on whatever has something to do; between enter and leave. */
void keel_http_turn(keel_http *client);
/* libcurl's part of a turn, for a socket. */
void keel_http_socket_ready(keel_http *client, int fd, bool can_read, bool can_write);
/* Takes what lies in one that the loop has said nothing of; -1: in any. */
void keel_http_look_at_socket(keel_http *client, int fd);

void keel_http_make_ready(keel_exchange *x);

void keel_http_queue_add(keel_exchange_queue *queue, keel_exchange *x);
/* NULL: it is empty. */
keel_exchange *keel_http_queue_take(keel_exchange_queue *queue);

/* What libcurl calls, set in the multi handle and in each easy one; a connection may
 * outlive the attempt that opened it. */
int keel_http_watch_socket(CURL *easy, curl_socket_t fd, int what, void *client,
                           void *unused);
int keel_http_set_timer(CURLM *multi, long ms, void *client);
curl_socket_t keel_http_open_socket(void *attempt, curlsocktype purpose,
                                    struct curl_sockaddr *address);
int keel_http_close_socket(void *client, curl_socket_t fd);

/* ---- client.c ------------------------------------------------------------------------ */

/* Cancelled, and told, whatever they were at; those that had ended as they had. */
void keel_http_end_all(keel_http *client);

/* Frees what is left of a closed client. */
void keel_http_destroy(keel_http *client);

/* ---- exchange.c ---------------------------------------------------------------------- */

/* The instant, as its call's plan reads it; of a plain call 0: nothing of it is timed. */
uint64_t keel_exchange_now(const keel_exchange *x);

/* Polls the call and does what it says; it may end. */
void keel_exchange_advance(keel_exchange *x);

/* An attempt of it is over with a.code. */
void keel_exchange_hear(keel_exchange *x, keel_attempt_handle *a);

/* Its timer's instant has come, or an attempt's of it: what lies there is taken first. */
void keel_exchange_look(keel_exchange *x);

/* Tells its author how it ended, and frees it. */
void keel_exchange_tell(keel_exchange *x);

/* Ends it as cancelled, wherever it stands. */
void keel_exchange_cancel(keel_exchange *x);

/* One that has no call under way: is kept for a later request, or freed. */
void keel_exchange_free(keel_exchange *x);

/* ---- request.c ----------------------------------------------------------------------- */

/* KEEL_E_ARGUMENT: why says what is wrong with it. Whether it has a done is not looked at. */
keel_status keel_http_request_check(const keel_http_request *request, keel_detail *why);

/* Copies what is kept of it. False: no memory. */
bool keel_http_request_copy(keel_exchange *x, const keel_http_request *request);

/* ---- attempt.c ----------------------------------------------------------------------- */

/*
 * Sends the request off.
 * Returns  KEEL_OK          x has one attempt more
 *          KEEL_E_NOMEM
 *          KEEL_E_ARGUMENT  a path was asked for, and there are no endpoints
 *          KEEL_E_CONFIG    the endpoint is none of HTTP
 */
keel_status keel_attempt_begin(keel_exchange *x, uint32_t number);

/* Its time is up. */
bool keel_attempt_is_over(const keel_attempt_handle *a);

/* libcurl is done with it, or is not let finish: out of the multi handle. */
void keel_attempt_stop(keel_attempt_handle *a, CURLcode code);

/* Goes where the answer sends it; false: the answer stands. */
bool keel_attempt_hop(keel_attempt_handle *a);

/* Once stopped: whether there is an answer, all of it. */
bool keel_attempt_is_answered(const keel_attempt_handle *a);
/* What is known of it, once stopped. */
void keel_attempt_facts(const keel_attempt_handle *a, keel_http_facts *facts);

/* Nobody needs it any more. */
void keel_attempt_drop(keel_attempt_handle *a);
/* Puts away those that were dropped while libcurl was at work. */
void keel_attempts_sweep(keel_http *client);
void keel_attempts_cleanup(keel_http *client);

/* ---- answer.c ------------------------------------------------------------------------ */

/* Sets what libcurl calls while the answer comes. */
void keel_answer_listen(keel_attempt_handle *a);
void keel_answer_clear(keel_attempt_handle *a);

/* The answer as its author gets it; NULL: there is none. */
const keel_http_response *keel_answer_show(keel_attempt_handle *a, uint32_t attempts);

/* ---- equal.c -------------------------------------------------------------------------- */

/* Once its call has begun: takes a seat among equal requests, if the settings say so. */
void keel_equal_begin(keel_exchange *x, const keel_http_request *request);

/*
 * What it is to do. False: to poll its call. True: to wait until another one has an
 * answer, or its own deadline; or to end, *has_ended.
 */
bool keel_equal_follow(keel_exchange *x, bool *has_ended);

/*
 * Its time is up. True, once: whose answer it waits for may have it already, and is given
 * a moment to be told.
 */
bool keel_equal_waits_on(keel_exchange *x);

/*
 * The call has ended so, by detail: others are told, a good answer is kept, and in place
 * of a failure the last good one is given. Returns what the author is told.
 */
keel_status keel_equal_end(keel_exchange *x, keel_status status, keel_detail *detail,
                           const keel_http_response **response);

/* Gives up seat and memory; NULL is fine, and what is lent stays. */
void keel_equal_free(keel_equal *equal);

/* Memory alone, in a forked child. */
void keel_equal_abandon(keel_equal *equal);

/* Whose keel_private is a keel_equal, and not a keel_attempt_handle. */
static inline bool keel_answer_is_anothers(const keel_http_response *response)
{
    return response->is_shared || response->is_stale;
}

/* It is the caller's until keel_http_response_free. */
void keel_answer_lend(const keel_http_response *response);

/* ---- unfit.c -------------------------------------------------------------------------- */

/* An attempt was not sent for this status, which it then ends with. */
void keel_unfit_note(keel_exchange *x, keel_status status, int endpoint);

/* What of the request, or of the pipeline's settings, it was, in place of the status's
 * own text. */
void keel_unfit_explain(const keel_exchange *x, const char *pipeline,
                        keel_detail *detail);

/* ---- waiting.c ----------------------------------------------------------------------- */

/* An epoll set of the client's own in place of a loop. */
keel_status keel_http_wait_open(keel_http *client, keel_detail *why);
void keel_http_wait_close(keel_http *client);

/* Waits for what is due, at most until the instant, and does it. */
keel_status keel_http_wait(keel_http *client, uint64_t until_ns);

#endif
