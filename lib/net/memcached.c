/* SPDX-License-Identifier: MIT */
/* Connecting, and bytes to and fro. */
#include "net/memcached.h"

#include <string.h>

#include "base/clock.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/thread.h"

/*
 * FIRST: what a buffer begins with; many replies come with one read of the socket.
 * KEPT: what of a buffer a connection keeps while nobody uses it.
 */
enum { FIRST = 1 << 14, KEPT = 1 << 16 };

/* After so long without a sign the kernel gives up, where no deadline has come first. */
#define UNACKNOWLEDGED_NS (10 * KEEL_S)

#define CANCEL_SLICE_NS (10 * KEEL_MS) /* where there is no descriptor to be woken by */

/* Bytes from `begin` to `end` are yet to be read, or sent. */
typedef struct buffer {
    char *at;
    size_t size;
    size_t begin, end;
} buffer;

struct keel_memcached {
    const keel_allocator *memory;
    keel_socket socket;
    size_t value_max;
    bool speaks_meta;
    buffer out, in;
};

/* ---- buffers ------------------------------------------------------------------------- */

/* Room for so many bytes behind `begin`, by moving them to the front or to more memory. */
static bool make_room(const keel_allocator *memory, buffer *b, size_t size)
{
    size_t used = b->end - b->begin, wanted = size > FIRST ? size : FIRST;
    char *at = b->at;

    if (b->size - b->begin >= size)
        return true;
    if (b->size < size) {
        at = keel_memory_new(memory, wanted);
        if (!at)
            return false;
    }
    if (used)
        memmove(at, b->at + b->begin, used);
    if (at != b->at) {
        keel_memory_free(memory, b->at);
        b->size = wanted;
    }
    b->at = at;
    b->begin = 0;
    b->end = used;
    return true;
}

static void drop_large(const keel_allocator *memory, buffer *b)
{
    if (b->size > KEPT) {
        keel_memory_free(memory, b->at);
        *b = (buffer){ .at = NULL };
    }
}

static keel_status no_memory(keel_detail *why)
{
    return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
}

/* ---- waiting ------------------------------------------------------------------------- */

/*
 * Before each sleep: a token wakes by the thread's descriptor, which was emptied just now,
 * so the token is looked at after that. Where there is none, sleeps are short.
 */
static keel_status arm(keel_memcached *m, const keel_memcached_wait *wait,
                       uint64_t *until_ns, keel_detail *why)
{
    *until_ns = wait->until_ns;
    m->socket.interrupt_fd = wait->cancel ? keel_thread_wake_fd() : -1;
    if (wait->cancel && keel_cancel_fired(wait->cancel))
        return keel_fail(why, KEEL_CANCELLED, "cancelled before the server answered");
    if (wait->cancel && m->socket.interrupt_fd < 0)
        *until_ns =
            keel_ns_min(*until_ns, keel_ns_add(keel_socket_now(), CANCEL_SLICE_NS));
    return KEEL_OK;
}

/* Whether to sleep again: its slice was over, or it was woken for something else. */
static bool was_for_nothing(keel_status status, const keel_memcached_wait *wait)
{
    if (!wait->cancel)
        return false;
    return status == KEEL_CANCELLED
               ? !keel_cancel_fired(wait->cancel)
               : status == KEEL_TIMEOUT && keel_socket_now() < wait->until_ns;
}

/* ---- requests ------------------------------------------------------------------------ */

keel_status keel_memcached_add(keel_memcached *m, const keel_mc_request *request,
                               keel_detail *why)
{
    buffer *out = &m->out;
    size_t used = out->end - out->begin;

    if (!make_room(m->memory, out, used + keel_mc_request_room(request)))
        return no_memory(why);
    out->end = (size_t)(keel_mc_request_write(out->at + out->end, request) - out->at);
    return KEEL_OK;
}

keel_status keel_memcached_send(keel_memcached *m, const keel_memcached_wait *wait,
                                keel_detail *why)
{
    buffer *out = &m->out;
    uint64_t until_ns;
    keel_status status = arm(m, wait, &until_ns, why);

    if (status == KEEL_OK)
        status = keel_socket_write(&m->socket, out->at + out->begin,
                                   out->end - out->begin, wait->until_ns, why);
    out->begin = out->end = 0;
    return status;
}

/* ---- replies ------------------------------------------------------------------------- */

static keel_status read_more(keel_memcached *m, size_t needed,
                             const keel_memcached_wait *wait, keel_detail *why)
{
    buffer *in = &m->in;
    uint64_t until_ns;
    size_t length = 0;
    keel_status status;

    if (!make_room(m->memory, in, needed))
        return no_memory(why);
    do {
        status = arm(m, wait, &until_ns, why);
        if (status != KEEL_OK)
            return status;
        status = keel_socket_read(&m->socket, in->at + in->end, in->size - in->end,
                                  &length, until_ns, why);
    } while (was_for_nothing(status, wait));
    in->end += length;
    return status;
}

keel_status keel_memcached_hear(keel_memcached *m, keel_mc_reply *reply,
                                const keel_memcached_wait *wait, keel_detail *why)
{
    buffer *in = &m->in;
    size_t size;

    if (in->begin == in->end)
        in->begin = in->end = 0;
    for (;;) {
        const keel_text from = { in->at + in->begin, in->end - in->begin };
        keel_mc_read read = from.length
                                ? keel_mc_reply_read(from, m->value_max, reply, &size)
                                : KEEL_MC_MORE;
        keel_status status;

        if (read == KEEL_MC_WRONG)
            return keel_fail(
                why, KEEL_FAILED,
                "what came is no reply of memcached, or a value larger than "
                "item_max");
        if (read == KEEL_MC_READ) {
            in->begin += size;
            return KEEL_OK;
        }
        status = read_more(m, from.length ? size : 1, wait, why);
        if (status != KEEL_OK)
            return status;
    }
}

/* ---- opening ------------------------------------------------------------------------- */

static keel_status connect_to(keel_memcached *m, const keel_memcached_server *server,
                              const keel_memcached_wait *wait, keel_detail *why)
{
    const keel_dialer dialer = { .memory = m->memory,
                                 .interrupt_fd = m->socket.interrupt_fd,
                                 .timeout_ns = UNACKNOWLEDGED_NS };
    keel_addresses to;
    keel_status status;

    if (server->path)
        return keel_dial_unix(&dialer, &m->socket, server->path, wait->until_ns, why);
    status = keel_shared_resolver_ask(server->resolver, server->host, server->port,
                                      dialer.interrupt_fd, wait->until_ns, &to, why);
    return status == KEEL_OK
               ? keel_dial_any(&dialer, &m->socket, &to, wait->until_ns, why)
               : status;
}

/* Whoever is woken for nothing connects anew: seldom, and nothing has been said yet. */
static keel_status dial(keel_memcached *m, const keel_memcached_server *server,
                        const keel_memcached_wait *wait, keel_detail *why)
{
    keel_status status;
    uint64_t until_ns;

    do {
        status = arm(m, wait, &until_ns, why);
        if (status == KEEL_OK)
            status = connect_to(m, server, wait, why);
    } while (status == KEEL_CANCELLED && was_for_nothing(status, wait));
    return status;
}

/*
 * A number is counted up by nothing at a key that nobody has. Servers before 1.6.10 have
 * other meta commands than those of today, and lack this one.
 */
static keel_status greet(keel_memcached *m, keel_memcached_speech speech,
                         keel_mc_reply *reply, const keel_memcached_wait *wait,
                         keel_detail *why)
{
    static const keel_text key = { "keel:probe", 10 };
    const keel_mc_request count = {
        .verb = KEEL_MC_META_COUNT, .keys = &key, .count = 1, .gives = KEEL_MC_GIVES_BY
    };
    const keel_mc_request version = { .verb = KEEL_MC_ASK_VERSION };
    keel_status status = keel_memcached_add(
        m, speech == KEEL_MEMCACHED_CLASSIC ? &version : &count, why);

    if (status == KEEL_OK)
        status = keel_memcached_send(m, wait, why);
    if (status == KEEL_OK)
        status = keel_memcached_hear(m, reply, wait, why);
    return status;
}

static keel_status refuse(const keel_mc_reply *reply, keel_detail *why)
{
    char quoted[KEEL_QUOTE_SIZE];

    return keel_failf(why, KEEL_FAILED, "the server refuses: %s",
                      keel_quote(quoted, reply->text));
}

/* Somebody keeps a text at that key; but who says so has understood what was asked. */
static bool is_no_number(const keel_mc_reply *reply)
{
    static const char begins[] = "cannot increment";

    return reply->kind == KEEL_MC_CLIENT_ERROR &&
           reply->text.length >= sizeof begins - 1 &&
           memcmp(reply->text.at, begins, sizeof begins - 1) == 0;
}

/* NF is what a server says that has the meta commands; ERROR, one that has not. */
static keel_status judge(keel_memcached *m, keel_memcached_speech speech,
                         const keel_mc_reply *reply, keel_detail *why)
{
    if (is_no_number(reply)) {
        m->speaks_meta = true;
        return KEEL_OK;
    }
    switch (reply->kind) {
    case KEEL_MC_NF:
    case KEEL_MC_HD:
        m->speaks_meta = true;
        return KEEL_OK;
    case KEEL_MC_VERSION:
        return KEEL_OK;
    case KEEL_MC_ERROR:
        if (speech == KEEL_MEMCACHED_AUTO)
            return KEEL_OK;
        return keel_fail(why, KEEL_FAILED, "the server has no meta commands");
    default:
        return refuse(reply, why);
    }
}

keel_status keel_memcached_open(keel_memcached **out, const keel_allocator *memory,
                                const keel_memcached_server *server,
                                const keel_memcached_wait *wait, keel_detail *why)
{
    keel_memcached *m = keel_memory_new(memory, sizeof *m);
    keel_mc_reply reply;
    keel_status status;

    *out = NULL;
    if (!m)
        return no_memory(why);
    m->memory = memory;
    m->value_max = server->value_max;
    keel_socket_init(&m->socket, -1);
    status = dial(m, server, wait, why);
    if (status == KEEL_OK)
        status = greet(m, server->speech, &reply, wait, why);
    if (status == KEEL_OK)
        status = judge(m, server->speech, &reply, why);
    if (status == KEEL_OK)
        *out = m;
    else
        keel_memcached_close(m);
    return status;
}

/* ---- the rest ------------------------------------------------------------------------ */

bool keel_memcached_speaks_meta(const keel_memcached *m)
{
    return m->speaks_meta;
}

bool keel_memcached_is_quiet(const keel_memcached *m)
{
    return m->in.begin == m->in.end && keel_socket_is_quiet(&m->socket);
}

void keel_memcached_rest(keel_memcached *m)
{
    drop_large(m->memory, &m->out);
    if (m->in.begin == m->in.end)
        drop_large(m->memory, &m->in);
}

void keel_memcached_close(keel_memcached *m)
{
    if (!m)
        return;
    keel_socket_close(&m->socket);
    keel_memory_free(m->memory, m->out.at);
    keel_memory_free(m->memory, m->in.at);
    keel_memory_free(m->memory, m);
}
