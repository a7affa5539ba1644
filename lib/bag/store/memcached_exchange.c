/* SPDX-License-Identifier: MIT */
/* Connections taken, used and given back. */
#include "bag/store/memcached_exchange.h"

#include <errno.h>
#include <string.h>

#include "base/detail.h"
#include "base/thread.h"

/* ---- connections --------------------------------------------------------------------- */

/* The deadline is the runtime's clock's; sockets wait by the system's. */
static uint64_t socket_instant(const keel_memcached_store *s, uint64_t at_ns)
{
    if (keel_clock_is_real(s->clock))
        return at_ns;
    return keel_ns_add(keel_socket_now(),
                       keel_ns_left(at_ns, s->clock->now(s->clock->ctx)));
}

/* The token is the one that the thread waits for: keel_memcached_exchange_begin has said so. */
static keel_status open_connection(void *ctx, uint64_t until_ns, void **connection,
                                   keel_detail *why)
{
    const keel_memcached_store *s = ctx;
    const uint64_t connect_until = keel_ns_add(keel_socket_now(), s->connect_ns);
    const keel_memcached_wait wait = {
        .until_ns = keel_ns_min(socket_instant(s, until_ns), connect_until),
        .cancel = atomic_load(&keel_thread_self()->waits_on)
    };
    keel_memcached *m;
    keel_status status = keel_memcached_open(&m, s->memory, &s->server, &wait, why);

    *connection = m;
    return status;
}

static void close_connection(void *ctx, void *connection)
{
    (void)ctx;
    keel_memcached_close(connection);
}

const keel_pool_kind keel_memcached_connections = { open_connection, close_connection };

/* ---- failures ------------------------------------------------------------------------ */

/* In the caller's detail, which may be shorter than ours. */
static keel_status tell(const keel_memcached_exchange *e, keel_status status)
{
    keel_bag_fail(e->why, status,
                  e->is_in_doubt ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO,
                  e->store->path, "%s", e->said.text);
    if (e->why && e->why->size > offsetof(keel_detail, system_errno))
        e->why->system_errno = e->said.system_errno;
    return status;
}

static keel_status spoil(keel_memcached_exchange *e, keel_status status)
{
    e->is_spoilt = true;
    return tell(e, status);
}

keel_status keel_memcached_exchange_nonsense(keel_memcached_exchange *e)
{
    e->is_in_doubt = e->may_change;
    return spoil(
        e, keel_fail(&e->said, KEEL_FAILED, "what came is no reply to what was asked"));
}

keel_status keel_memcached_exchange_refuse(keel_memcached_exchange *e, const char *what)
{
    return keel_bag_fail(e->why, KEEL_E_UNSUPPORTED, KEEL_APPLIED_NO, e->store->path,
                         "%s needs meta commands, which the server has not", what);
}

static bool begins_with(keel_text text, const char *start)
{
    size_t length = strlen(start);

    return text.length >= length && memcmp(text.at, start, length) == 0;
}

/*
 * What memcached says before it has done anything. Of any other SERVER_ERROR, above all a
 * proxy's, nobody knows.
 */
static bool has_done_nothing(const keel_mc_reply *reply)
{
    return reply->kind != KEEL_MC_SERVER_ERROR ||
           begins_with(reply->text, "out of memory") ||
           begins_with(reply->text, "object too large");
}

static keel_status refusal(keel_memcached_exchange *e, const keel_mc_reply *reply)
{
    char quoted[KEEL_QUOTE_SIZE];

    if (begins_with(reply->text, "cannot increment or decrement non-numeric")) {
        e->is_in_doubt = false;
        return KEEL_NOT_NUMBER;
    }
    if (has_done_nothing(reply))
        e->is_in_doubt = false;
    if (begins_with(reply->text, "object too large")) {
        keel_fail(
            &e->said, KEEL_E_TOO_LARGE,
            "the server takes no items of item_max; a set has deleted the old one");
        return tell(e, KEEL_E_TOO_LARGE);
    }
    keel_failf(&e->said, KEEL_FAILED, "the server refuses: %s",
               keel_quote(quoted, reply->text.length
                                      ? reply->text
                                      : keel_text_of("ERROR, it has no such command")));
    return spoil(e, KEEL_FAILED);
}

/* ---- exchanges ----------------------------------------------------------------------- */

/* What the server has closed since is not used: what is lost there would be in doubt. */
static keel_status take(keel_memcached_exchange *e)
{
    keel_memcached_store *s = e->store;
    keel_status status;

    if (s->clock->now(s->clock->ctx) >= e->op->deadline_at_ns)
        return keel_fail(&e->said, KEEL_DEADLINE, "the deadline had passed before");
    for (;;) {
        status = keel_pool_take(&s->pool, e->op->deadline_at_ns, e->wait.cancel,
                                &e->taken, &e->said);
        e->connection = e->taken.connection;
        if (status != KEEL_OK || keel_pool_is_fresh(&e->taken) ||
            keel_memcached_is_quiet(e->connection))
            return status;
        keel_pool_give(&s->pool, &e->taken, false);
    }
}

static void leave(const keel_memcached_exchange *e)
{
    if (e->wait.cancel)
        keel_thread_wait_end();
    errno = e->errno_before;
}

keel_status keel_memcached_exchange_begin(keel_memcached_exchange *e,
                                          keel_memcached_store *store,
                                          const keel_bag_op *op, keel_detail *why)
{
    keel_status status;

    *e = (keel_memcached_exchange){ .store = store,
                                    .op = op,
                                    .why = why,
                                    .wait = { socket_instant(store, op->deadline_at_ns),
                                              op->cancel },
                                    .errno_before = errno,
                                    .said = KEEL_DETAIL_INIT };
    if (op->cancel)
        keel_thread_wait_begin(op->cancel);
    status = take(e);
    if (status == KEEL_OK)
        return KEEL_OK;
    tell(e, status);
    leave(e);
    return status;
}

keel_status keel_memcached_exchange_end(keel_memcached_exchange *e, keel_status status)
{
    if (!e->is_spoilt)
        keel_memcached_rest(e->connection);
    keel_pool_give(&e->store->pool, &e->taken, !e->is_spoilt);
    leave(e);
    return status;
}

/* Reading changes nothing, unless it gives the item another time. */
static bool changes(const keel_mc_request *request)
{
    switch (request->verb) {
    case KEEL_MC_GET:
    case KEEL_MC_GETS:
    case KEEL_MC_ASK_VERSION:
        return false;
    case KEEL_MC_META_GET:
        return request->gives & KEEL_MC_GIVES_TTL;
    case KEEL_MC_GAT:
    case KEEL_MC_GATS:
    case KEEL_MC_SET:
    case KEEL_MC_ADD:
    case KEEL_MC_REPLACE:
    case KEEL_MC_APPEND:
    case KEEL_MC_PREPEND:
    case KEEL_MC_CAS:
    case KEEL_MC_INCR:
    case KEEL_MC_DECR:
    case KEEL_MC_TOUCH:
    case KEEL_MC_DELETE:
    case KEEL_MC_FLUSH_ALL:
    case KEEL_MC_META_SET:
    case KEEL_MC_META_DELETE:
    case KEEL_MC_META_COUNT:
        break;
    }
    return true;
}

keel_status keel_memcached_exchange_add(keel_memcached_exchange *e,
                                        const keel_mc_request *request)
{
    keel_status status = keel_memcached_add(e->connection, request, &e->said);

    if (status != KEEL_OK)
        return spoil(e, status);
    e->will_change = e->will_change || changes(request);
    return KEEL_OK;
}

keel_status keel_memcached_exchange_send(keel_memcached_exchange *e)
{
    keel_status status;

    if (e->wait.cancel && keel_cancel_fired(e->wait.cancel))
        return spoil(e, keel_fail(&e->said, KEEL_CANCELLED,
                                  "cancelled before anything was sent"));
    e->is_in_doubt = e->may_change = e->will_change;
    e->will_change = false;
    status = keel_memcached_send(e->connection, &e->wait, &e->said);
    return status == KEEL_OK ? KEEL_OK : spoil(e, status);
}

keel_status keel_memcached_exchange_next(keel_memcached_exchange *e, uint32_t expected,
                                         keel_mc_reply *reply)
{
    keel_status status = keel_memcached_hear(e->connection, reply, &e->wait, &e->said);

    if (status != KEEL_OK)
        return spoil(e, status);
    if (expected & KEEL_MEMCACHED_SET(reply->kind)) {
        e->is_in_doubt = false;
        return KEEL_OK;
    }
    if (reply->kind == KEEL_MC_ERROR || reply->kind == KEEL_MC_CLIENT_ERROR ||
        reply->kind == KEEL_MC_SERVER_ERROR)
        return refusal(e, reply);
    return keel_memcached_exchange_nonsense(e);
}

keel_status keel_memcached_exchange_ask(keel_memcached_exchange *e,
                                        const keel_mc_request *request,
                                        uint32_t expected, keel_mc_reply *reply)
{
    keel_status status = keel_memcached_exchange_add(e, request);

    if (status == KEEL_OK)
        status = keel_memcached_exchange_send(e);
    return status == KEEL_OK ? keel_memcached_exchange_next(e, expected, reply)
                             : status;
}
