/* SPDX-License-Identifier: MIT */
/* Several requests of one call, a few at a time, in one place of the pool. */
#include <string.h>

#include "bag/store/web_inside.h"
#include "base/detail.h"
#include "base/sigpipe.h"
#include "call/runtime.h"
#include "http/facts.h"

/* What a lane is doing. */
typedef struct lane {
    bool is_busy;
    size_t number;
    uint64_t connect_until_ns;
    keel_web_going going;
    keel_web_answer answer;
} lane;

typedef struct requests {
    keel_web *web;
    const keel_bag_op *op;
    const keel_web_many *many;
    keel_detail *why;
    keel_web_handles *handles;
    lane lanes[KEEL_WEB_LANES];
    size_t next; /* the number of the one that is begun next */
    unsigned busy;
    bool is_clean; /* so far */
    bool is_short; /* of memory, for a lane at least */
} requests;

static uint64_t now_of(const requests *r)
{
    return keel_now(r->web->runtime);
}

/* ---- one of them --------------------------------------------------------------------- */

static void end(requests *r, lane *l, keel_status status)
{
    r->is_clean = r->is_clean && status == KEEL_OK;
    r->many->end(r->many->ctx, l->number, status, &l->answer);
    keel_web_answer_free(r->web, &l->answer);
}

static bool ready_lane(requests *r, unsigned i)
{
    CURL **easy = &r->handles->lanes[i].easy;

    if (!*easy)
        *easy = curl_easy_init();
    return *easy;
}

/* False: it has ended already. */
static bool begin_one(requests *r, unsigned i)
{
    lane *l = &r->lanes[i];
    const keel_web_request *request;
    CURL *easy = r->handles->lanes[i].easy;

    *l = (lane){ .number = r->next++ };
    request = r->many->begin(r->many->ctx, l->number, i);
    if (!request)
        return false;
    l->going = (keel_web_going){ .web = r->web,
                                 .op = r->op,
                                 .request = request,
                                 .answer = &l->answer,
                                 .lane = &r->handles->lanes[i] };
    if (keel_web_begin(&l->going, r->why) != KEEL_OK) {
        end(r, l, KEEL_E_NOMEM);
        return false;
    }
    curl_easy_setopt(easy, CURLOPT_PRIVATE, l);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_multi_add_handle(r->handles->multi, easy);
    l->connect_until_ns = keel_ns_add(now_of(r), r->web->connect_ns);
    l->is_busy = true;
    r->busy++;
    return true;
}

static void begin_next(requests *r, unsigned i)
{
    if (!ready_lane(r, i)) {
        r->is_short = true; /* others go on */
        return;
    }
    while (r->next < r->many->count && !keel_cancel_fired(r->op->cancel))
        if (begin_one(r, i))
            return;
}

static void end_one(requests *r, lane *l, keel_transfer_end how, CURLcode code)
{
    CURL *easy = l->going.lane->easy;
    keel_transfer_result result = { .code = code };

    if (code == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &result.response);
    curl_multi_remove_handle(r->handles->multi, easy);
    l->is_busy = false;
    r->busy--;
    end(r, l, keel_web_end(&l->going, how, &result, r->why));
}

/* ---- all of them --------------------------------------------------------------------- */

static void end_answered(requests *r)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(r->handles->multi, &left))) {
        CURLcode code = message->data.result;
        void *found = NULL;
        lane *l;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &found);
        l = found;
        end_one(r, l, KEEL_TRANSFER_DONE, code);
        begin_next(r, (unsigned)(l - r->lanes));
    }
}

/* Those that have no connection by now, or all. */
static void end_late(requests *r, uint64_t now)
{
    for (unsigned i = 0; i < KEEL_WEB_LANES; i++) {
        lane *l = &r->lanes[i];

        if (!l->is_busy ||
            (now < r->op->deadline_at_ns &&
             (now < l->connect_until_ns || keel_easy_has_begun(l->going.lane->easy))))
            continue;
        end_one(r, l, KEEL_TRANSFER_DONE, CURLE_OPERATION_TIMEDOUT);
        if (now < r->op->deadline_at_ns)
            begin_next(r, i);
    }
}

static void end_all(requests *r, keel_transfer_end how, CURLcode code)
{
    for (unsigned i = 0; i < KEEL_WEB_LANES; i++)
        if (r->lanes[i].is_busy)
            end_one(r, &r->lanes[i], how, code);
}

/* The next instant at which one may be late. */
static uint64_t next_late(const requests *r, uint64_t now)
{
    uint64_t at_ns = r->op->deadline_at_ns;

    for (unsigned i = 0; i < KEEL_WEB_LANES; i++)
        if (r->lanes[i].is_busy && r->lanes[i].connect_until_ns > now)
            at_ns = keel_ns_min(at_ns, r->lanes[i].connect_until_ns);
    return at_ns;
}

static void go_on(requests *r)
{
    const keel_transfer transfer = { .multi = r->handles->multi,
                                     .runtime = r->web->runtime,
                                     .cancel = r->op->cancel };
    int running;

    while (r->busy && curl_multi_perform(r->handles->multi, &running) == CURLM_OK) {
        uint64_t now;

        end_answered(r);
        if (keel_cancel_fired(r->op->cancel))
            end_all(r, KEEL_TRANSFER_CANCELLED, CURLE_ABORTED_BY_CALLBACK);
        now = now_of(r);
        end_late(r, now);
        if (r->busy)
            keel_transfer_wait(&transfer, next_late(r, now), now);
    }
    end_all(r, KEEL_TRANSFER_DONE, CURLE_OUT_OF_MEMORY);
}

/* Nothing was sent of those that are left. */
static void end_rest(requests *r, keel_status status, const char *text)
{
    const keel_web_going none = { .web = r->web, .op = r->op };
    lane l = { .is_busy = false };

    for (; r->next < r->many->count; r->next++) {
        l.number = r->next;
        end(r, &l, keel_web_say(&none, status, text, r->why));
    }
}

static void run(requests *r)
{
    uint32_t lanes = r->web->pool.most;
    keel_sigpipe guard;

    if (lanes > KEEL_WEB_LANES)
        lanes = KEEL_WEB_LANES;
    keel_sigpipe_block(&guard);
    for (unsigned i = 0; i < lanes && r->next < r->many->count; i++)
        begin_next(r, i);
    go_on(r);
    keel_sigpipe_restore(&guard);
    if (keel_cancel_fired(r->op->cancel))
        end_rest(r, KEEL_CANCELLED, "cancelled by the caller");
    else if (r->is_short && now_of(r) < r->op->deadline_at_ns)
        end_rest(r, KEEL_E_NOMEM, "out of memory");
    else
        end_rest(r, KEEL_DEADLINE, "the deadline came before its turn");
}

void keel_web_exchange_many(keel_web *web, const keel_bag_op *op,
                            const keel_web_many *many, keel_detail *why)
{
    requests r = { .web = web, .op = op, .many = many, .why = why, .is_clean = true };
    keel_detail said = KEEL_DETAIL_INIT;
    keel_pooled taken;
    keel_status status;

    if (now_of(&r) >= op->deadline_at_ns) {
        end_rest(&r, KEEL_DEADLINE, "the deadline had passed before");
        return;
    }
    status = keel_pool_take(&web->pool, op->deadline_at_ns, op->cancel, &taken, &said);
    if (status != KEEL_OK) {
        end_rest(&r, status, said.text);
        return;
    }
    r.handles = taken.connection;
    run(&r);
    keel_pool_give(&web->pool, &taken, r.is_clean);
}
