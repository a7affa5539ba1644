/* SPDX-License-Identifier: MIT */
#include "serve_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_ROOM = 16 * 1024,
    TURN_READS = 8 /* then others have theirs */
};

/* ---- sending ------------------------------------------------------------------------- */

/* What the peer does not take yet stays. False: it is gone. */
static bool send_out(keel_serve_connection *c, keel_serve_desk *desk)
{
    while (keel_serve_held(&c->out)) {
        ssize_t sent = send(c->fd, keel_serve_front(&c->out), keel_serve_held(&c->out),
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        keel_serve_drop(&c->out, (size_t)sent);
        keel_serve_count(&desk->counts, KEEL_SERVE_BYTES_WRITTEN, (uint64_t)sent);
    }
    return true;
}

/* ---- receiving ----------------------------------------------------------------------- */

typedef enum received { RECEIVED_ALL, RECEIVED_SOME, RECEIVED_END } received;

/* RECEIVED_ALL: there is no more at the moment. */
static received receive(keel_serve_connection *c, keel_serve_desk *desk)
{
    size_t held = keel_serve_held(&c->in);
    size_t room = c->parser.wanted > held ? c->parser.wanted - held : 0;
    char *to = keel_serve_room(&c->in, room > READ_ROOM ? room : READ_ROOM);
    ssize_t got;

    if (!to)
        return RECEIVED_END;
    room = c->in.size - c->in.end;
    do
        got = recv(c->fd, to, room, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? RECEIVED_ALL : RECEIVED_END;
    keel_serve_add(&c->in, (size_t)got);
    keel_serve_count(&desk->counts, KEEL_SERVE_BYTES_READ, (uint64_t)got);
    if (!got)
        return RECEIVED_END;
    return (size_t)got < room ? RECEIVED_ALL : RECEIVED_SOME;
}

/* ---- answering ----------------------------------------------------------------------- */

static void complain(keel_serve_connection *c, const keel_serve_request *r)
{
    if (!r->is_quiet) {
        keel_serve_put_text(&c->out, r->complaint);
        keel_serve_put_text(&c->out, "\r\n");
    }
    c->is_ending = c->is_ending || r->ends;
}

/* One step of what has come. False: that needs more to come. */
static bool answer_next(keel_serve_connection *c, keel_serve_desk *desk)
{
    keel_serve_request r;
    size_t answered;

    if (!keel_serve_held(&c->in))
        return false;
    switch (keel_serve_parse(&c->parser, keel_serve_front(&c->in),
                             keel_serve_held(&c->in), &r)) {
    case KEEL_SERVE_MORE:
        return false;
    case KEEL_SERVE_PASSED:
        break;
    case KEEL_SERVE_WRONG:
        complain(c, &r);
        break;
    case KEEL_SERVE_REQUEST:
        answered = keel_serve_answer(desk, &r, &c->out);
        c->is_ending = c->is_ending || r.verb == KEEL_SERVE_QUIT;
        keel_serve_drop(&c->in, keel_serve_taken(&c->parser, &r, answered));
        return true;
    }
    keel_serve_drop(&c->in, r.size);
    return true;
}

/* False: the rest has to wait until what there is has been sent. */
static bool answer_all(keel_serve_connection *c, keel_serve_desk *desk)
{
    while (!c->is_ending && keel_serve_held(&c->out) < KEEL_SERVE_OUT_MAX) {
        if (!answer_next(c, desk))
            return true;
        /* without memory an answer is not whole, and whoever read on would go wrong */
        c->is_ending = c->is_ending || c->out.is_lost;
    }
    return false;
}

bool keel_serve_take_turn(keel_serve_connection *c, keel_serve_desk *desk)
{
    received last = RECEIVED_SOME;

    for (unsigned reads = 0;;) {
        bool is_done = answer_all(c, desk);

        if (c->out.is_lost || !send_out(c, desk))
            return false;
        c->is_blocked = keel_serve_held(&c->out) > 0;
        if (c->is_blocked || c->is_ending)
            return c->is_blocked;
        if (!is_done)
            continue;
        if (last == RECEIVED_ALL || reads++ == TURN_READS)
            return true;
        last = receive(c, desk);
        if (last == RECEIVED_END)
            return false; /* all that was whole has been answered */
    }
}

bool keel_serve_is_at_rest(const keel_serve_connection *c)
{
    return !c->is_blocked && keel_serve_is_between(&c->parser, keel_serve_held(&c->in));
}

/* ---- from its beginning to its end --------------------------------------------------- */

keel_serve_connection *keel_serve_connection_new(int fd, size_t line_max,
                                                 size_t value_max)
{
    keel_serve_connection *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->fd = fd;
    c->parser = (keel_serve_parser){ .line_max = line_max, .value_max = value_max };
    return c;
}

void keel_serve_connection_free(keel_serve_connection *c)
{
    close(c->fd);
    keel_serve_buffer_cleanup(&c->in);
    keel_serve_buffer_cleanup(&c->out);
    free(c);
}
