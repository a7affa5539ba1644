/* SPDX-License-Identifier: MIT */
/*
 * Replies of the scripts and messages of the channel, taken apart. Every byte of them
 * may be hostile. Not for what is asked (wire_write.c).
 */
#include "share/wire.h"

#include <string.h>

#define EPOCH_END (UINT64_C(1) << 53)
#define EPOCH_JUMP (UINT64_C(1) << 20)

/* ---- pieces of a reply ----------------------------------------------------------- */

/* The elements of an array that has at least so many; NULL: it is not one. */
static redisReply *const *elements(const redisReply *reply, size_t least)
{
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < least)
        return NULL;
    for (size_t i = 0; i < reply->elements; i++)
        if (!reply->element[i])
            return NULL;
    return reply->element;
}

static bool number(const redisReply *reply, uint64_t most, uint64_t *value)
{
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0 ||
        (uint64_t)reply->integer > most)
        return false;
    *value = (uint64_t)reply->integer;
    return true;
}

static bool number32(const redisReply *reply, uint32_t *value)
{
    uint64_t wide;

    if (!number(reply, UINT32_MAX, &wide))
        return false;
    *value = (uint32_t)wide;
    return true;
}

static bool text(const redisReply *reply, size_t most, keel_text *value)
{
    if (reply->type != REDIS_REPLY_STRING || (size_t)reply->len > most)
        return false;
    *value = (keel_text){ reply->str, (size_t)reply->len };
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Sixteen hexadecimal digits. */
static bool generation(keel_text t, uint64_t *gen)
{
    uint64_t value = 0;

    if (t.length != 16)
        return false;
    for (size_t i = 0; i < t.length; i++) {
        int digit = hex_digit(t.at[i]);

        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *gen = value;
    return true;
}

/* ---- views ----------------------------------------------------------------------- */

enum { VIEW_SIZE = 44, MISMATCH = 1, REFUSED = 2, NEWER = 4 };

bool keel_wire_epoch_is_plausible(uint64_t seen, uint64_t epoch)
{
    return epoch < EPOCH_END && (!seen || epoch <= seen + EPOCH_JUMP);
}

void keel_wire_view_judge(keel_wire_view *view, const keel_wire_known *known)
{
    if (!keel_wire_epoch_is_plausible(known->epoch, view->epoch)) {
        view->state = KEEL_WIRE_UNKNOWN;
        view->epoch = 0;
    }
    if (view->state != KEEL_BREAKER_OPEN)
        view->remaining_ms = 0;
    else if (view->remaining_ms > known->most_ms)
        view->remaining_ms = known->most_ms;
}

static uint64_t unpack(const unsigned char **at, unsigned bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | *(*at)++;
    return value;
}

static bool view_is_sound(const keel_wire_view *view, uint64_t lock)
{
    return view->state <= KEEL_WIRE_UNKNOWN && lock <= KEEL_LOCK_OBSERVE &&
           view->lock_epoch < EPOCH_END && view->watch < EPOCH_END;
}

static bool view_read(const redisReply *reply, const keel_wire_known *known,
                      keel_wire_view *view)
{
    const unsigned char *at;
    uint64_t lock, flags;

    if (reply->type != REDIS_REPLY_STRING || (size_t)reply->len != VIEW_SIZE)
        return false;
    at = (const unsigned char *)reply->str;
    view->state = (uint8_t)unpack(&at, 1);
    lock = unpack(&at, 1);
    flags = unpack(&at, 1);
    view->cause = (uint8_t)unpack(&at, 1);
    view->epoch = unpack(&at, 8);
    view->remaining_ms = (uint32_t)unpack(&at, 4);
    view->since_ms = (uint32_t)unpack(&at, 4);
    view->lock_epoch = unpack(&at, 8);
    view->lock_remaining_ms = (uint32_t)unpack(&at, 4);
    view->watch = unpack(&at, 8);
    view->again_ms = (uint32_t)unpack(&at, 4);
    view->lock = (keel_lock)lock;
    view->mismatch = flags & MISMATCH;
    view->refused = flags & REFUSED;
    view->newer = flags & NEWER;
    keel_wire_view_judge(view, known);
    return view_is_sound(view, lock);
}

/* ---- sync ------------------------------------------------------------------------ */

enum { SYNC_HEAD = 7, PACE_MAX_MS = 60000 };

static bool sync_head(redisReply *const *e, keel_wire_synced *synced)
{
    uint64_t applied;
    keel_text gen;

    synced->min_reader = KEEL_WIRE_FORMAT;
    if (!number(e[1], EPOCH_END, &synced->now_ms) || !text(e[2], 16, &gen) ||
        !generation(gen, &synced->gen) || !number32(e[3], &synced->pace_ms) ||
        !number32(e[4], &synced->live) || !number(e[5], 1, &applied) ||
        !number(e[6], UINT32_MAX, &synced->corrupt))
        return false;
    synced->applied = applied;
    if (synced->pace_ms > PACE_MAX_MS)
        synced->pace_ms = PACE_MAX_MS;
    if (!synced->live) /* whoever asks is one */
        synced->live = 1;
    return true;
}

bool keel_wire_sync_read(const redisReply *reply, const keel_wire_sync *asked,
                         keel_wire_synced *synced, keel_wire_view *views)
{
    redisReply *const *e = elements(reply, 2);
    uint64_t served;

    *synced = (keel_wire_synced){ .live = 1 };
    if (!e || !number(e[0], 1, &served))
        return false;
    if (served == 1)
        return number32(e[1], &synced->min_reader) &&
               synced->min_reader > KEEL_WIRE_FORMAT;
    if (reply->elements != SYNC_HEAD + asked->count || !sync_head(e, synced))
        return false;
    for (size_t i = 0; i < asked->count; i++) {
        const keel_wire_report *r = &asked->reports[i];
        keel_wire_known known = { r->state == KEEL_WIRE_UNKNOWN ? 0 : r->epoch,
                                  r->opening.most_ms };

        if (!view_read(e[SYNC_HEAD + i], &known, &views[i]))
            return false;
    }
    return true;
}

/* ---- half-open rounds ------------------------------------------------------------ */

static bool fences_read(redisReply *const *e, size_t count, keel_wire_claimed *claimed)
{
    if (count > KEEL_WIRE_FENCES)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!number32(e[i], &claimed->fences[i]))
            return false;
    claimed->count = count;
    return true;
}

/* A lease that is longer than asked for is cut: who holds it too long holds nothing. */
bool keel_wire_claim_read(const redisReply *reply, const keel_wire_claim *asked,
                          keel_wire_claimed *claimed)
{
    redisReply *const *e = elements(reply, 3);
    keel_wire_known known = { asked->epoch, asked->most_ms };
    uint64_t as;

    claimed->count = 0;
    if (!e || !number(e[0], KEEL_WIRE_LOCKED, &as) ||
        !view_read(e[1], &known, &claimed->view) ||
        !number32(e[2], &claimed->lease_ms) ||
        !fences_read(e + 3, reply->elements - 3, claimed))
        return false;
    claimed->as = (keel_wire_claimed_as)as;
    if (claimed->lease_ms > asked->lease_ms)
        claimed->lease_ms = asked->lease_ms;
    return (claimed->as == KEEL_WIRE_GRANTED) == (claimed->count > 0) &&
           claimed->count <= asked->want;
}

bool keel_wire_result_read(const redisReply *reply, const keel_wire_known *known,
                           keel_wire_ended *ended)
{
    redisReply *const *e = elements(reply, 3);
    uint64_t as, waiting;

    if (!e || !number(e[0], KEEL_WIRE_RENEWED, &as) ||
        !view_read(e[1], known, &ended->view) || !number(e[2], 1, &waiting))
        return false;
    ended->as = (keel_wire_ended_as)as;
    ended->waiting = waiting;
    return true;
}

/* ---- locks and looks ------------------------------------------------------------- */

bool keel_wire_lock_read(const redisReply *reply, const keel_wire_known *known,
                         keel_wire_locked *locked)
{
    redisReply *const *e = elements(reply, 5);
    uint64_t conflict;

    if (!e || !number(e[0], 1, &conflict) || !view_read(e[1], known, &locked->view) ||
        !text(e[2], KEEL_WIRE_REASON, &locked->reason) ||
        !text(e[3], KEEL_WIRE_ACTOR, &locked->actor))
        return false;
    locked->done = !conflict;
    return true;
}

/* As the caller has encoded it. */
static bool name_is_plain(keel_text name)
{
    if (!name.length || name.length > KEEL_WIRE_NAME)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || (c && strchr("._%-", c))))
            return false;
    }
    return true;
}

bool keel_wire_names_read(const redisReply *reply, keel_text *names, size_t size,
                          keel_wire_page *page)
{
    redisReply *const *e = elements(reply, 4), *const * listed;

    *page = (keel_wire_page){ .count = 0 };
    listed = e ? elements(e[3], 0) : NULL;
    if (!e || e[3]->type != REDIS_REPLY_ARRAY || (!listed && e[3]->elements) ||
        !number32(e[2], &page->live))
        return false;
    page->listed = e[3]->elements;
    for (size_t i = 0; i < page->listed && page->count < size; i++)
        if (text(listed[i], KEEL_WIRE_NAME, &names[page->count]) &&
            name_is_plain(names[page->count]))
            page->count++;
    return true;
}

static bool look_read(const redisReply *reply, keel_wire_look *look)
{
    static const keel_wire_known nothing = { 0, UINT32_MAX };
    redisReply *const *e = elements(reply, 14);

    return e && view_read(e[0], &nothing, &look->view) &&
           text(e[1], KEEL_WIRE_REASON, &look->reason) &&
           text(e[2], KEEL_WIRE_ACTOR, &look->actor) &&
           number(e[3], EPOCH_END, &look->locked_at_ms) &&
           number(e[4], EPOCH_END, &look->calls) &&
           number(e[5], EPOCH_END, &look->bad) &&
           number(e[6], EPOCH_END, &look->slow) &&
           number(e[7], EPOCH_END, &look->places) &&
           number(e[8], EPOCH_END, &look->places_limit) &&
           number(e[9], 1, &look->others_wait) &&
           number(e[10], EPOCH_END, &look->tokens) &&
           number(e[11], EPOCH_END, &look->rate_count) &&
           number(e[12], EPOCH_END, &look->period_us) &&
           number(e[13], EPOCH_END, &look->burst);
}

bool keel_wire_looks_read(const redisReply *reply, keel_wire_look *looks, size_t count)
{
    redisReply *const *e = elements(reply, 4), *const *all =
                                                   e ? elements(e[3], 1) : NULL;

    if (!all || e[3]->elements != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!look_read(all[i], &looks[i]))
            return false;
    return true;
}

/* ---- limits ---------------------------------------------------------------------- */

enum { WAIT_MAX_MS = 60000 };

bool keel_wire_rate_read(const redisReply *reply, uint32_t want, uint32_t *granted,
                         uint32_t *wait_ms)
{
    redisReply *const *e = elements(reply, 3);

    *granted = *wait_ms = 0;
    if (!e || !number32(e[0], granted) || !number32(e[1], wait_ms) || *granted > want) {
        *granted = *wait_ms = 0;
        return false;
    }
    if (*wait_ms > WAIT_MAX_MS)
        *wait_ms = WAIT_MAX_MS;
    return true;
}

bool keel_wire_places_read(const redisReply *reply, uint16_t want, uint16_t *granted,
                           bool *waiting)
{
    redisReply *const *e = elements(reply, 4);
    uint64_t places, others_wait;

    *granted = 0;
    if (!e || !number(e[0], want, &places) || !number(e[2], 1, &others_wait))
        return false;
    *granted = (uint16_t)places;
    *waiting = others_wait;
    return true;
}

/* ---- messages -------------------------------------------------------------------- */

static bool cut(keel_text *rest, const char *at, keel_text *piece)
{
    keel_text after;

    if (keel_text_split(*rest, at, piece, &after)) {
        *rest = after;
        return true;
    }
    *piece = *rest;
    *rest = (keel_text){ rest->at + rest->length, 0 };
    return piece->length > 0;
}

static bool cut_number(keel_text *line, uint64_t most, uint64_t *value)
{
    keel_text piece;

    return cut(line, " ", &piece) && keel_parse_count(piece, value) == KEEL_PARSE_OK &&
           *value <= most;
}

bool keel_wire_message_read(keel_text whole, keel_wire_message *message)
{
    keel_text head, version;

    message->rest = whole;
    return cut(&message->rest, "\n", &head) && cut(&head, " ", &version) &&
           keel_text_is(version, "v1") && generation(head, &message->gen);
}

static bool event_read(keel_text line, keel_wire_event *event)
{
    keel_wire_view *v = &event->view;
    uint64_t state, remaining, cause, lock, lock_remaining;

    *v = (keel_wire_view){ .state = KEEL_WIRE_UNKNOWN };
    if (!cut(&line, " ", &event->name) || !name_is_plain(event->name) ||
        !cut_number(&line, EPOCH_END - 1, &v->epoch) ||
        !cut_number(&line, KEEL_WIRE_UNKNOWN, &state) ||
        !cut_number(&line, UINT32_MAX, &remaining) ||
        !cut_number(&line, UINT8_MAX, &cause) ||
        !cut_number(&line, KEEL_LOCK_OBSERVE, &lock) ||
        !cut_number(&line, EPOCH_END - 1, &v->lock_epoch) ||
        !cut_number(&line, UINT32_MAX, &lock_remaining) ||
        !cut_number(&line, EPOCH_END - 1, &v->watch) || line.length)
        return false;
    v->state = (uint8_t)state;
    v->remaining_ms = (uint32_t)remaining;
    v->cause = (uint8_t)cause;
    v->lock = (keel_lock)lock;
    v->lock_remaining_ms = (uint32_t)lock_remaining;
    return true;
}

bool keel_wire_message_next(keel_wire_message *message, keel_wire_event *event)
{
    keel_text line;

    while (message->rest.length) {
        cut(&message->rest, "\n", &line);
        if (event_read(line, event))
            return true;
    }
    return false;
}
