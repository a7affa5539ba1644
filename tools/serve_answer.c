/* SPDX-License-Identifier: MIT */
/* The classic commands, and what the meta commands share with them. */
#include "serve_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/shown_text.h"
#include "serve_token.h"

enum {
    LINE_END = 2,
    FIRST_ROOM = 2048,    /* for a value whose size is not known */
    ROOM_EACH = 64 * 1024 /* at most, for each of several */
};

/* ---- failures ------------------------------------------------------------------------ */

static const char *failure_before(keel_status status)
{
    if (status == KEEL_E_ARGUMENT)
        return "CLIENT_ERROR ";
    if (status == KEEL_UNKNOWN)
        return "SERVER_ERROR it may have been done: ";
    return "SERVER_ERROR ";
}

static void put_sentence(keel_serve_buffer *out, const char *before, const char *text)
{
    char shown[512];

    snprintf(shown, sizeof shown, "%s", text);
    keel_shown_text(shown);
    keel_serve_put_text(out, before);
    keel_serve_put_text(out, shown);
    keel_serve_put_text(out, "\r\n");
}

void keel_serve_put_failure(keel_serve_desk *desk, keel_serve_buffer *out,
                            keel_status status, const keel_detail *why)
{
    const char *text = *why->text ? why->text : keel_status_text(status);

    if (status == KEEL_E_TOO_LARGE) {
        keel_serve_put_text(out, "SERVER_ERROR object too large for cache\r\n");
        return;
    }
    if (status != KEEL_E_ARGUMENT)
        keel_serve_count(&desk->counts, KEEL_SERVE_BAG_FAILURES, 1);
    if (status == KEEL_UNKNOWN)
        keel_serve_count(&desk->counts, KEEL_SERVE_UNKNOWN_WRITES, 1);
    put_sentence(out, failure_before(status), text);
}

/* ---- what goes with a call ----------------------------------------------------------- */

keel_bag_options keel_serve_options(const keel_serve_desk *desk,
                                    const keel_serve_request *request)
{
    keel_serve_source *source = desk->source;
    keel_bag_options options = { .size = sizeof options,
                                 .cancel = &source->cancel,
                                 .flags = request->item_flags,
                                 .ttl = keel_ttl_memcached(request->expiry) };

    if (source->timeout_ns)
        options.deadline_at_ns =
            keel_ns_add(keel_now(source->runtime), source->timeout_ns);
    return options;
}

const char *keel_serve_loses(const keel_serve_desk *desk,
                             const keel_serve_request *request)
{
    uint32_t can = desk->source->abilities.effective;

    if (request->item_flags && !(can & KEEL_CAN_FLAGS))
        return "SERVER_ERROR the bag keeps no flags\r\n";
    if (request->expiry > 0 && !(can & KEEL_CAN_TTL))
        return "SERVER_ERROR the items of this bag do not expire\r\n";
    return NULL;
}

/* ---- reading ------------------------------------------------------------------------- */

static keel_status read_once(keel_serve_desk *desk, const char *key, bool expires,
                             const keel_bag_options *options, keel_bag_item *item,
                             keel_detail *why)
{
    keel_bag *bag = desk->source->bag;

    return expires ? keel_bag_get_and_touch(bag, key, item, options, why)
                   : keel_bag_get(bag, key, item, options, why);
}

/* What is given an end in the past is there to be read once: its length is asked first. */
static size_t first_room(keel_serve_desk *desk, const char *key, bool expires,
                         const keel_bag_options *options)
{
    bool may_end = options->ttl.kind == KEEL_TTL_ABSOLUTE || options->ttl.ms < 0;
    keel_bag_item item = { .size = sizeof item };

    if (expires && may_end)
        (void)keel_bag_get(desk->source->bag, key, &item, options, NULL);
    return item.length > FIRST_ROOM ? item.length : FIRST_ROOM;
}

/* An item may have grown since its length was told. A store that wants no more room than it
 * had would be asked for ever. */
keel_status keel_serve_read(keel_serve_desk *desk, const char *key, size_t before,
                            bool expires, const keel_bag_options *options,
                            keel_bag_item *item, keel_serve_buffer *out,
                            keel_detail *why)
{
    keel_status status = KEEL_E_BUFFER;
    size_t room = first_room(desk, key, expires, options);

    *item = (keel_bag_item){ .size = sizeof *item };
    while (status == KEEL_E_BUFFER && room > item->capacity) {
        char *to = keel_serve_room(out, before + room + LINE_END);

        if (!to) {
            why->text = "out of memory";
            return KEEL_E_NOMEM;
        }
        item->buffer = to + before;
        item->capacity = out->size - out->end - before - LINE_END;
        status = read_once(desk, key, expires, options, item, why);
        room = item->length + item->length / 8;
    }
    return status;
}

static char *put_word(char *to, const char *text, size_t length)
{
    memcpy(to, text, length);
    return to + length;
}

/* The longest line before a value, but for the key. */
enum {
    VALUE_LINE = sizeof "VALUE   4294967295 18446744073709551615 "
                        "18446744073709551615\r\n"
};

/* "VALUE key flags length [cas]\r\n". Returns where it ends. */
static char *put_value_line(keel_serve_desk *desk, char *to, const char *key,
                            const keel_bag_item *item, bool has_cas)
{
    to = put_word(to, "VALUE ", 6);
    to = put_word(to, key, strlen(key));
    *to++ = ' ';
    to = keel_serve_digits(to, item->flags);
    *to++ = ' ';
    to = keel_serve_digits(to, item->length);
    if (has_cas) {
        *to++ = ' ';
        to = keel_serve_digits(to, keel_serve_token_number(desk->source, &item->token));
    }
    return put_word(to, "\r\n", 2);
}

/* A get as it is answered. */
typedef struct getting {
    keel_serve_desk *desk;
    keel_serve_request *request;
    keel_serve_buffer *out;
    keel_bag_options options;
    bool has_cas, expires;
} getting;

static void count_read(const getting *g, bool is_hit)
{
    keel_serve_counts *counts = &g->desk->counts;

    keel_serve_count(counts, g->expires ? KEEL_SERVE_CMD_TOUCH : KEEL_SERVE_CMD_GET, 1);
    keel_serve_count(counts, is_hit ? KEEL_SERVE_GET_HITS : KEEL_SERVE_GET_MISSES, 1);
    if (g->expires)
        keel_serve_count(counts,
                         is_hit ? KEEL_SERVE_TOUCH_HITS : KEEL_SERVE_TOUCH_MISSES, 1);
}

/* The value is in out already, `before` bytes behind its end, and moves to its line. */
static void put_item(const getting *g, const char *key, const keel_bag_item *item)
{
    char *begin = g->out->block + g->out->end;
    char *at = put_value_line(g->desk, begin, key, item, g->has_cas);

    memmove(at, item->buffer, item->length);
    at = put_word(at + item->length, "\r\n", 2);
    keel_serve_add(g->out, (size_t)(at - begin));
}

/* False: the get ends here, with a failure. */
static bool answer_key(const getting *g, const char *key)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag_item item;
    keel_status status = keel_serve_read(g->desk, key, VALUE_LINE + strlen(key),
                                         g->expires, &g->options, &item, g->out, &why);

    if (status != KEEL_OK && status != KEEL_NOT_FOUND) {
        keel_serve_put_failure(g->desk, g->out, status, &why);
        g->request->is_at_end = true;
        return false;
    }
    count_read(g, status == KEEL_OK);
    if (status == KEEL_OK)
        put_item(g, key, &item);
    return true;
}

static bool is_full(const getting *g)
{
    return keel_serve_held(g->out) >= KEEL_SERVE_OUT_MAX;
}

static size_t end_keys(const getting *g, size_t answered)
{
    if (answered == g->request->key_count && g->request->is_at_end)
        keel_serve_put_text(g->out, "END\r\n");
    return answered;
}

static size_t answer_each(const getting *g)
{
    size_t answered = 0;

    while (answered < g->request->key_count && !is_full(g))
        if (!answer_key(g, g->request->keys[answered++]))
            return g->request->key_count;
    return end_keys(g, answered);
}

/* ---- several keys in one exchange ---------------------------------------------------- */

/* Values are read to a room of the desk's own, since each has a line before it. */
typedef struct batch {
    keel_bag_item items[KEEL_SERVE_KEYS];
    keel_status statuses[KEEL_SERVE_KEYS];
} batch;

static bool make_room(keel_serve_desk *desk, size_t each)
{
    char *room;

    each = each < FIRST_ROOM ? FIRST_ROOM : each > ROOM_EACH ? ROOM_EACH : each;
    if (each <= desk->room_each)
        return true;
    room = malloc(each * KEEL_SERVE_KEYS);
    if (!room)
        return desk->room_each > 0;
    free(desk->room);
    desk->room = room;
    desk->room_each = each;
    return true;
}

static keel_status read_batch(const getting *g, batch *b, keel_detail *why)
{
    keel_serve_desk *desk = g->desk;

    for (size_t i = 0; i < g->request->key_count; i++)
        b->items[i] = (keel_bag_item){ .size = sizeof b->items[i],
                                       .buffer = desk->room + i * desk->room_each,
                                       .capacity = desk->room_each };
    return keel_bag_get_many(desk->source->bag, g->request->keys, b->items, b->statuses,
                             g->request->key_count, &g->options, why);
}

/* One of them. What did not fit is asked for by itself, and next time there is room. */
static bool answer_read(const getting *g, const batch *b, size_t i,
                        const keel_detail *why)
{
    const char *key = g->request->keys[i];
    const keel_bag_item *item = &b->items[i];
    keel_status status = b->statuses[i];

    if (status == KEEL_E_BUFFER)
        return answer_key(g, key);
    if (status != KEEL_OK && status != KEEL_NOT_FOUND) {
        keel_serve_put_failure(g->desk, g->out, status, why);
        g->request->is_at_end = true;
        return false;
    }
    count_read(g, status == KEEL_OK);
    if (status == KEEL_OK &&
        keel_serve_room(g->out, VALUE_LINE + strlen(key) + item->length + LINE_END))
        put_item(g, key, item);
    return true;
}

static size_t answer_batch(const getting *g)
{
    keel_detail why = KEEL_DETAIL_INIT;
    size_t answered = 0, largest = 0;
    batch b;

    if (!make_room(g->desk, 0))
        return answer_each(g);
    (void)read_batch(g, &b, &why); /* each has its own status */
    while (answered < g->request->key_count && !is_full(g)) {
        size_t i = answered++;

        if (b.items[i].length > largest)
            largest = b.items[i].length;
        if (!answer_read(g, &b, i, &why))
            return g->request->key_count;
    }
    (void)make_room(g->desk, largest + largest / 8); /* else the same as now */
    return end_keys(g, answered);
}

static size_t answer_get(keel_serve_desk *desk, keel_serve_request *r,
                         keel_serve_buffer *out)
{
    getting g = { .desk = desk,
                  .request = r,
                  .out = out,
                  .options = keel_serve_options(desk, r),
                  .has_cas = r->verb == KEEL_SERVE_GETS || r->verb == KEEL_SERVE_GATS,
                  .expires = r->verb == KEEL_SERVE_GAT || r->verb == KEEL_SERVE_GATS };
    const char *loses = g.expires ? keel_serve_loses(desk, r) : NULL;

    if (loses) {
        keel_serve_put_text(out, loses);
        r->is_at_end = true;
        return r->key_count;
    }
    if (g.has_cas)
        g.options.wishes |= KEEL_BAG_WANT_TOKEN;
    if (r->key_count > 1 && !g.expires &&
        (desk->source->abilities.effective & KEEL_CAN_MANY))
        return answer_batch(&g);
    return answer_each(&g);
}

/* ---- storing ------------------------------------------------------------------------- */

/* A cas, as far as it goes without the token. */
typedef struct storing {
    keel_bag *bag;
    const keel_serve_request *request;
    const keel_bag_options *options;
} storing;

static keel_status store_with_token(void *ctx, const keel_bag_token *token,
                                    keel_detail *why)
{
    const storing *s = ctx;
    const keel_serve_request *r = s->request;

    return keel_bag_cas(s->bag, r->keys[0], token, r->value, r->length, s->options,
                        why);
}

static keel_status store(keel_serve_source *source, const keel_serve_request *r,
                         const keel_bag_options *o, keel_detail *why)
{
    storing s = { source->bag, r, o };
    const char *key = r->keys[0];

    switch (r->verb) {
    case KEEL_SERVE_ADD:
        return keel_bag_add(source->bag, key, r->value, r->length, o, why);
    case KEEL_SERVE_REPLACE:
        return keel_bag_replace(source->bag, key, r->value, r->length, o, why);
    case KEEL_SERVE_APPEND:
        return keel_bag_append(source->bag, key, r->value, r->length, o, why);
    case KEEL_SERVE_PREPEND:
        return keel_bag_prepend(source->bag, key, r->value, r->length, o, why);
    case KEEL_SERVE_CAS:
        return keel_serve_with_token(source, key, r->number, o, store_with_token, &s,
                                     why);
    default:
        return keel_bag_set(source->bag, key, r->value, r->length, o, why);
    }
}

static void count_cas(keel_serve_desk *desk, keel_status status)
{
    if (status == KEEL_OK)
        keel_serve_count(&desk->counts, KEEL_SERVE_CAS_HITS, 1);
    else if (status == KEEL_NOT_FOUND)
        keel_serve_count(&desk->counts, KEEL_SERVE_CAS_MISSES, 1);
    else if (status == KEEL_EXISTS)
        keel_serve_count(&desk->counts, KEEL_SERVE_CAS_BADVAL, 1);
}

static void put_outcome(keel_serve_desk *desk, keel_serve_buffer *out,
                        keel_status status, const char *done, const keel_detail *why)
{
    switch (status) {
    case KEEL_OK:
        keel_serve_put_text(out, done);
        break;
    case KEEL_NOT_STORED:
        keel_serve_put_text(out, "NOT_STORED\r\n");
        break;
    case KEEL_EXISTS:
        keel_serve_put_text(out, "EXISTS\r\n");
        break;
    case KEEL_NOT_FOUND:
        keel_serve_put_text(out, "NOT_FOUND\r\n");
        break;
    case KEEL_NOT_NUMBER:
        keel_serve_put_text(
            out, "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
        break;
    default:
        keel_serve_put_failure(desk, out, status, why);
        break;
    }
}

static void answer_store(keel_serve_desk *desk, const keel_serve_request *r,
                         keel_serve_buffer *out)
{
    keel_bag_options options = keel_serve_options(desk, r);
    keel_detail why = KEEL_DETAIL_INIT;
    const char *loses = keel_serve_loses(desk, r);
    keel_status status;

    keel_serve_count(&desk->counts, KEEL_SERVE_CMD_SET, 1);
    if (loses) {
        keel_serve_put_text(out, loses);
        return;
    }
    status = store(desk->source, r, &options, &why);
    if (r->verb == KEEL_SERVE_CAS)
        count_cas(desk, status);
    put_outcome(desk, out, status, "STORED\r\n", &why);
}

/* ---- changing ------------------------------------------------------------------------ */

static void answer_count(keel_serve_desk *desk, const keel_serve_request *r,
                         keel_serve_buffer *out)
{
    bool down = r->verb == KEEL_SERVE_DECR;
    keel_bag_options options = keel_serve_options(desk, r);
    keel_bag *bag = desk->source->bag;
    keel_detail why = KEEL_DETAIL_INIT;
    uint64_t number;
    keel_status status =
        down ? keel_bag_decr(bag, r->keys[0], r->number, &number, &options, &why)
             : keel_bag_incr(bag, r->keys[0], r->number, &number, &options, &why);

    if (status == KEEL_OK) {
        keel_serve_put_number(out, number);
        keel_serve_count(&desk->counts,
                         down ? KEEL_SERVE_DECR_HITS : KEEL_SERVE_INCR_HITS, 1);
    } else if (status == KEEL_NOT_FOUND) {
        keel_serve_count(&desk->counts,
                         down ? KEEL_SERVE_DECR_MISSES : KEEL_SERVE_INCR_MISSES, 1);
    }
    put_outcome(desk, out, status, "\r\n", &why);
}

static void answer_touch(keel_serve_desk *desk, const keel_serve_request *r,
                         keel_serve_buffer *out)
{
    keel_bag_options options = keel_serve_options(desk, r);
    keel_detail why = KEEL_DETAIL_INIT;
    const char *loses = keel_serve_loses(desk, r);
    keel_status status;

    keel_serve_count(&desk->counts, KEEL_SERVE_CMD_TOUCH, 1);
    if (loses) {
        keel_serve_put_text(out, loses);
        return;
    }
    status = keel_bag_touch(desk->source->bag, r->keys[0], &options, &why);
    if (status == KEEL_OK || status == KEEL_NOT_FOUND)
        keel_serve_count(
            &desk->counts,
            status == KEEL_OK ? KEEL_SERVE_TOUCH_HITS : KEEL_SERVE_TOUCH_MISSES, 1);
    put_outcome(desk, out, status, "TOUCHED\r\n", &why);
}

static void answer_delete(keel_serve_desk *desk, const keel_serve_request *r,
                          keel_serve_buffer *out)
{
    keel_bag_options options = keel_serve_options(desk, r);
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status = keel_bag_delete(desk->source->bag, r->keys[0], &options, &why);

    if (status == KEEL_OK || status == KEEL_NOT_FOUND)
        keel_serve_count(
            &desk->counts,
            status == KEEL_OK ? KEEL_SERVE_DELETE_HITS : KEEL_SERVE_DELETE_MISSES, 1);
    put_outcome(desk, out, status, "DELETED\r\n", &why);
}

static void answer_flush(keel_serve_desk *desk, const keel_serve_request *r,
                         keel_serve_buffer *out)
{
    keel_bag_options options = keel_serve_options(desk, r);
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status;

    if (r->expiry > 0) {
        keel_serve_put_text(out, "SERVER_ERROR a bag is flushed at once, or not\r\n");
        return;
    }
    keel_serve_count(&desk->counts, KEEL_SERVE_CMD_FLUSH, 1);
    options.ttl = (keel_ttl){ .kind = KEEL_TTL_NEVER };
    status = keel_bag_flush(desk->source->bag, &options, &why);
    put_outcome(desk, out, status, "OK\r\n", &why);
}

/* ---- of the server itself ------------------------------------------------------------ */

static void answer_stats(keel_serve_desk *desk, const keel_serve_request *r,
                         keel_serve_buffer *out)
{
    if (!strcmp(r->word, "reset")) { /* nothing is: other readers count on them */
        keel_serve_put_text(out, "RESET\r\n");
        return;
    }
    if (!*r->word)
        desk->source->stats(out, desk->source->stats_ctx);
    else if (strcmp(r->word, "settings") != 0 && strcmp(r->word, "items") != 0 &&
             strcmp(r->word, "slabs") != 0 && strcmp(r->word, "sizes") != 0) {
        keel_serve_put_text(out, "ERROR\r\n");
        return;
    }
    keel_serve_put_text(out, "END\r\n");
}

/* Clients go by the number of what they know; the commands are those of 1.6. */
static void answer_version(keel_serve_buffer *out)
{
    keel_serve_put_text(out, "VERSION 1.6.0-keel-");
    keel_serve_put_text(out, keel_version());
    keel_serve_put_text(out, "\r\n");
}

static void answer_one(keel_serve_desk *desk, const keel_serve_request *r,
                       keel_serve_buffer *out)
{
    switch (r->verb) {
    case KEEL_SERVE_INCR:
    case KEEL_SERVE_DECR:
        answer_count(desk, r, out);
        break;
    case KEEL_SERVE_TOUCH:
        answer_touch(desk, r, out);
        break;
    case KEEL_SERVE_DELETE:
        answer_delete(desk, r, out);
        break;
    case KEEL_SERVE_FLUSH:
        answer_flush(desk, r, out);
        break;
    case KEEL_SERVE_VERSION:
        answer_version(out);
        break;
    case KEEL_SERVE_VERBOSITY:
        keel_serve_put_text(out, "OK\r\n");
        break;
    case KEEL_SERVE_STATS:
        answer_stats(desk, r, out);
        break;
    case KEEL_SERVE_QUIT:
        break;
    default:
        if (r->verb >= KEEL_SERVE_META_GET)
            keel_serve_answer_meta(desk, r, out);
        else
            answer_store(desk, r, out);
        break;
    }
}

size_t keel_serve_answer(keel_serve_desk *desk, keel_serve_request *request,
                         keel_serve_buffer *out)
{
    size_t end;

    if (request->verb <= KEEL_SERVE_GATS)
        return answer_get(desk, request, out);
    end = keel_serve_held(out);
    answer_one(desk, request, out);
    /* noreply wants none; what a meta command's q leaves out, it knows itself */
    if (request->is_quiet && request->verb < KEEL_SERVE_META_GET)
        out->end = out->begin + end;
    return request->key_count;
}

void keel_serve_desk_cleanup(keel_serve_desk *desk)
{
    free(desk->room);
    desk->room = NULL;
    desk->room_each = 0;
}
