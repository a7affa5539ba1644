/* SPDX-License-Identifier: MIT */
/*
 * Items as objects. A token is the object's ETag and its expiry: with both a cas is one
 * request, and what has expired is none that a cas could find.
 */
#include "bag/store/objects.h"

#include <stdio.h>
#include <string.h>

#include "bag/store/envelope.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/random.h"
#include "call/runtime.h"

#define NO_ETAG "\"0\"" /* that of no object */

enum { ERROR_MAX = 64 * 1024 };

/* An object as it was seen. */
typedef struct seen {
    char etag[KEEL_WEB_ETAG_SIZE];
    keel_envelope envelope;
} seen;

static bool is_stored(long response)
{
    return response == 200 || response == 201 || response == 204;
}

/* ---- tokens -------------------------------------------------------------------------- */

enum { EXPIRY = sizeof(int64_t) };

/* Weak ETags match nothing, and long ones find no room: then there is none. */
static keel_bag_token token_of(const char *etag, int64_t expires_at_ms)
{
    keel_bag_token token = { .length = 0 };
    size_t length = strlen(etag);

    if (length < 3 || etag[0] != '"' || etag[length - 1] != '"' ||
        length - 2 > KEEL_BAG_TOKEN_MAX - EXPIRY)
        return token;
    memcpy(token.bytes, &expires_at_ms, EXPIRY);
    memcpy(token.bytes + EXPIRY, etag + 1, length - 2);
    token.length = (uint8_t)(EXPIRY + length - 2);
    return token;
}

/* What it was made of; false: it is no token of an object. */
static bool read_token(const keel_bag_token *token, char etag[KEEL_WEB_ETAG_SIZE],
                       int64_t *expires_at_ms)
{
    int length = token->length - EXPIRY;

    if (length <= 0 || token->length > KEEL_BAG_TOKEN_MAX)
        return false;
    memcpy(expires_at_ms, token->bytes, EXPIRY);
    snprintf(etag, KEEL_WEB_ETAG_SIZE, "\"%.*s\"", length,
             (const char *)token->bytes + EXPIRY);
    return true;
}

static bool is_over(int64_t expires_at_ms, int64_t now_ms)
{
    return expires_at_ms && expires_at_ms <= now_ms;
}

/* ---- requests ------------------------------------------------------------------------ */

size_t keel_objects_answer_max(const char *method)
{
    return strcmp(method, "GET") == 0 ? KEEL_ENVELOPE_SIZE + KEEL_OBJECT_VALUE_MAX
                                      : ERROR_MAX;
}

static keel_status say_unwritten(const keel_objects *o, keel_detail *why)
{
    return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, o->path,
                         "the request cannot be written or signed");
}

/* As keel_web_exchange. */
static keel_status send_request(keel_objects *o, const keel_bag_op *op,
                                const keel_object_request *r, keel_web_answer *answer,
                                keel_detail *why)
{
    keel_object_room room;

    *answer = (keel_web_answer){ .response = 0 };
    if (!o->kind->write(o, r, &room))
        return say_unwritten(o, why);
    return keel_web_exchange(&o->web, op, &room.aws.web, answer, why);
}

/* ---- reading ------------------------------------------------------------------------- */

static keel_status say_corrupt(const keel_objects *o, keel_detail *why)
{
    return keel_bag_fail(why, KEEL_CORRUPT, KEEL_APPLIED_NO, o->path,
                         "what is stored under that key is damaged, or not keel's");
}

/* What the answer to a GET says. KEEL_NOT_FOUND: there is no object. */
static keel_status judge(const keel_objects *o, const keel_web_answer *answer,
                         seen *found, keel_detail *why)
{
    *found = (seen){ .etag = "" };
    if (answer->response == 404 && o->kind->is_none(answer))
        return KEEL_NOT_FOUND;
    if (answer->response == 416)
        return say_corrupt(o, why); /* it has not even the bytes of an envelope */
    if (answer->response != 200 && answer->response != 206)
        return o->kind->refuse(o, answer, false, why);
    if (!keel_envelope_read(&found->envelope,
                            (keel_bytes){ answer->body, answer->length }))
        return say_corrupt(o, why);
    memcpy(found->etag, answer->etag, sizeof found->etag);
    return KEEL_OK;
}

/* The object, or its beginning. */
static keel_status fetch(keel_objects *o, const keel_bag_op *op, const char *name,
                         bool only_envelope, keel_web_answer *answer, seen *found,
                         keel_detail *why)
{
    const keel_object_request r = { .method = "GET",
                                    .name = name,
                                    .only_envelope = only_envelope };
    keel_status status = send_request(o, op, &r, answer, why);

    return status == KEEL_OK ? judge(o, answer, found, why) : status;
}

/* Whether there is an item, expired or not, and which. */
static keel_status peek(keel_objects *o, const keel_bag_op *op, const char *name,
                        seen *found, keel_detail *why)
{
    keel_web_answer answer;
    keel_status status = fetch(o, op, name, true, &answer, found, why);

    keel_web_answer_free(&o->web, &answer);
    return status;
}

/* The same, but what has expired is not there. */
static keel_status peek_live(keel_objects *o, const keel_bag_op *op, const char *name,
                             seen *found, keel_detail *why)
{
    keel_status status = peek(o, op, name, found, why);

    if (status == KEEL_OK && is_over(found->envelope.expires_at_ms, op->now_ms))
        return KEEL_NOT_FOUND;
    return status;
}

static keel_status give(const keel_objects *o, const keel_bag_op *op, const seen *found,
                        const keel_web_answer *answer, keel_bag_item *item,
                        keel_detail *why)
{
    keel_bytes value;

    if (is_over(found->envelope.expires_at_ms, op->now_ms))
        return KEEL_NOT_FOUND;
    if (!keel_envelope_value((keel_bytes){ answer->body, answer->length }, &value))
        return say_corrupt(o, why);
    item->flags = found->envelope.flags;
    item->expires_at_ms = found->envelope.expires_at_ms;
    item->marks = 0;
    item->token.length = 0;
    if (op->wishes & KEEL_BAG_WANT_TOKEN)
        item->token = token_of(found->etag, found->envelope.expires_at_ms);
    if (op->nonce_found)
        memcpy(op->nonce_found, found->envelope.mark, sizeof *op->nonce_found);
    return keel_bag_item_fill(item, value.at, value.length);
}

keel_status keel_objects_get(void *state, const keel_bag_op *op, keel_bytes key,
                             keel_bag_item *item, keel_detail *why)
{
    keel_objects *o = state;
    char name[KEEL_OBJECT_NAME_SIZE];
    keel_web_answer answer;
    seen found;
    keel_status status;

    keel_object_name_write(name, key);
    status = fetch(o, op, name, false, &answer, &found, why);
    if (status == KEEL_OK)
        status = give(o, op, &found, &answer, item, why);
    keel_web_answer_free(&o->web, &answer);
    return status;
}

/* ---- several at once ----------------------------------------------------------------- */

typedef struct several {
    keel_objects *o;
    const keel_bag_op *op;
    const keel_bytes *keys;
    keel_bag_item *items;
    keel_status *statuses;
    keel_detail *why;
    keel_object_room *rooms; /* one for each lane */
} several;

static const keel_web_request *begin_get(void *ctx, size_t number, unsigned lane)
{
    const several *s = ctx;
    keel_object_room *room = &s->rooms[lane];
    char name[KEEL_OBJECT_NAME_SIZE];
    const keel_object_request r = { .method = "GET", .name = name };

    keel_object_name_write(name, s->keys[number]);
    if (s->o->kind->write(s->o, &r, room))
        return &room->aws.web;
    s->statuses[number] = say_unwritten(s->o, s->why);
    return NULL;
}

static void end_get(void *ctx, size_t number, keel_status status,
                    const keel_web_answer *answer)
{
    const several *s = ctx;
    seen found;

    if (status == KEEL_OK)
        status = judge(s->o, answer, &found, s->why);
    if (status == KEEL_OK)
        status = give(s->o, s->op, &found, answer, &s->items[number], s->why);
    s->statuses[number] = status;
}

void keel_objects_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                           keel_bag_item items[], keel_status statuses[], size_t count,
                           keel_detail *why)
{
    keel_objects *o = state;
    several s = { o, op, keys, items, statuses, why, NULL };
    const keel_web_many many = {
        .count = count, .begin = begin_get, .end = end_get, .ctx = &s
    };
    size_t lanes = count < KEEL_WEB_LANES ? count : KEEL_WEB_LANES;

    s.rooms = keel_memory_new(o->runtime->memory, lanes * sizeof *s.rooms);
    for (size_t i = 0; i < count && !s.rooms; i++)
        statuses[i] =
            keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, o->path, "out of memory");
    if (s.rooms)
        keel_web_exchange_many(&o->web, op, &many, why);
    keel_memory_free(o->runtime->memory, s.rooms);
}

/* ---- what the server does with conditions -------------------------------------------- */

/* One request of the probe; its answer's status, or 0 with *status. */
static long try_step(keel_objects *o, const keel_bag_op *op,
                     const keel_object_request *r, keel_status *status,
                     keel_detail *why)
{
    keel_web_answer answer;
    long response;

    *status = send_request(o, op, r, &answer, why);
    response = *status == KEEL_OK ? answer.response : 0;
    /* only to say what is wrong where nobody can store at all */
    if (response && !is_stored(response) && response != 412 && response != 409 &&
        response != 501)
        *status = o->kind->refuse(o, &answer, false, why);
    keel_web_answer_free(&o->web, &answer);
    if (*status != KEEL_OK && why && why->size > offsetof(keel_detail, applied))
        why->applied = KEEL_APPLIED_NO; /* of what the caller wanted, nothing */
    return response;
}

static bool is_refused(long response)
{
    return response == 412 || response == 409;
}

/*
 * Stores an object of its own twice under conditions that the second time, and with an
 * ETag that is none, cannot be met. KEEL_OK: *heeds says what the server made of it.
 */
static keel_status probe_with(keel_objects *o, const keel_bag_op *op, const char *name,
                              bool *heeds, keel_detail *why)
{
    const keel_bytes body = { "probe", 5 };
    const keel_object_request steps[] = {
        { .method = "PUT", .name = name, .if_none_match = true, .body = body },
        { .method = "PUT", .name = name, .if_none_match = true, .body = body },
        { .method = "PUT", .name = name, .if_match = NO_ETAG, .body = body },
        { .method = "DELETE", .name = name, .if_match = NO_ETAG },
    };
    size_t count = o->kind->deletes_if_match ? 4 : 3;
    keel_status status;

    *heeds = true;
    for (size_t i = 0; i < count && *heeds; i++) {
        long response = try_step(o, op, &steps[i], &status, why);

        if (status != KEEL_OK)
            return status;
        *heeds = i ? is_refused(response) : is_stored(response);
    }
    return KEEL_OK;
}

static keel_status say_ignored(const keel_objects *o, keel_detail *why)
{
    return keel_bag_fail(why, KEEL_E_UNSUPPORTED, KEEL_APPLIED_NO, o->path,
                         "the server does not heed If-Match and If-None-Match: it "
                         "stored where it had to refuse; there is no add and no cas, "
                         "and conditions=off says so in the spec");
}

keel_status keel_objects_probe(keel_objects *o, const keel_bag_op *op, keel_detail *why)
{
    keel_objects_conditions known = atomic_load(&o->conditions);
    char name[KEEL_OBJECT_NAME_SIZE];
    keel_status status;
    bool heeds;

    if (known == KEEL_CONDITIONS_TRUST)
        return KEEL_OK;
    if (known != KEEL_CONDITIONS_PROBE)
        return say_ignored(o, why);
    /* no key has that name */
    snprintf(name, sizeof name, "=probe-%016llx",
             (unsigned long long)keel_random_number());
    status = probe_with(o, op, name, &heeds, why);
    if (status != KEEL_OK)
        return status;
    (void)keel_objects_delete(o, op, name, NULL,
                              NULL); /* left behind, it harms nobody */
    atomic_store(&o->conditions,
                 heeds ? KEEL_CONDITIONS_TRUST : KEEL_CONDITIONS_IGNORED);
    return heeds ? KEEL_OK : say_ignored(o, why);
}

/* ---- writing ------------------------------------------------------------------------- */

/* An item on its way to its object; body is the runtime's memory. */
typedef struct writing {
    keel_objects *o;
    const keel_bag_op *op;
    char name[KEEL_OBJECT_NAME_SIZE];
    keel_bytes value;
    keel_envelope envelope;
    uint8_t *body;
    keel_bag_token *fresh;
    keel_detail *why;
} writing;

static keel_status begin(writing *w, keel_objects *o, const keel_bag_op *op,
                         keel_bytes key, const keel_bag_put *put)
{
    uint64_t fresh = keel_random_number();

    w->o = o;
    w->op = op;
    w->value = put->value;
    w->envelope = (keel_envelope){ .flags = put->flags };
    if (put->expires_at_ms != KEEL_BAG_KEEP_EXPIRY)
        w->envelope.expires_at_ms = put->expires_at_ms;
    memcpy(w->envelope.mark, &op->nonce, sizeof op->nonce);
    memcpy(w->envelope.mark + sizeof op->nonce, &fresh, sizeof fresh);
    keel_object_name_write(w->name, key);
    w->body =
        keel_memory_new(o->runtime->memory, KEEL_ENVELOPE_SIZE + put->value.length);
    if (!w->body)
        return keel_bag_fail(w->why, KEEL_E_NOMEM, KEEL_APPLIED_NO, o->path,
                             "out of memory");
    if (put->value.length)
        memcpy(w->body + KEEL_ENVELOPE_SIZE, put->value.at, put->value.length);
    return KEEL_OK;
}

/* KEEL_NOT_STORED: the condition is not met, or there is no object to meet it. */
static keel_status write_object(const writing *w, const char *if_match,
                                bool if_none_match)
{
    const keel_object_request r = {
        .method = "PUT",
        .name = w->name,
        .if_match = if_match,
        .if_none_match = if_none_match,
        .body = { w->body, KEEL_ENVELOPE_SIZE + w->value.length },
    };
    keel_web_answer answer;
    keel_status status;

    keel_envelope_write(w->body, &w->envelope, w->value);
    status = send_request(w->o, w->op, &r, &answer, w->why);
    if (status == KEEL_OK && is_stored(answer.response))
        *w->fresh = token_of(answer.etag, w->envelope.expires_at_ms);
    else if (status == KEEL_OK &&
             (answer.response == 412 ||
              (if_match && answer.response == 404 && w->o->kind->is_none(&answer))))
        status = KEEL_NOT_STORED;
    else if (status == KEEL_OK)
        status = w->o->kind->refuse(w->o, &answer, true, w->why);
    keel_web_answer_free(&w->o->web, &answer);
    return status;
}

static void set_no_effect(keel_detail *why)
{
    if (why && why->size > offsetof(keel_detail, applied))
        why->applied = KEEL_APPLIED_NO;
}

/* The time that is left is that of whatever is there when it is looked at. */
static keel_status set(writing *w, bool keeps_expiry)
{
    seen found;
    keel_status status = KEEL_OK;

    if (keeps_expiry)
        status = peek_live(w->o, w->op, w->name, &found, w->why);
    if (keeps_expiry && status == KEEL_OK)
        w->envelope.expires_at_ms = found.envelope.expires_at_ms;
    if (status == KEEL_NOT_FOUND || status == KEEL_OK)
        return write_object(w, NULL, false);
    set_no_effect(w->why);
    return status;
}

/*
 * Over what has expired it is stored by the ETag of that. Another may come in between;
 * then all is refused, and it is looked at again.
 */
static keel_status add(writing *w)
{
    keel_status status = write_object(w, NULL, true);
    seen found;

    while (status == KEEL_NOT_STORED) {
        status = peek(w->o, w->op, w->name, &found, w->why);
        if (status == KEEL_OK && !is_over(found.envelope.expires_at_ms, w->op->now_ms))
            return KEEL_NOT_STORED;
        if (status == KEEL_OK && found.etag[0] != '"')
            return keel_bag_fail(w->why, KEEL_E_UNSUPPORTED, KEEL_APPLIED_NO,
                                 w->o->path, "the server's ETags are weak, or missing");
        if (status == KEEL_OK)
            status = write_object(w, found.etag, false);
        else if (status == KEEL_NOT_FOUND)
            status = write_object(w, NULL, true);
    }
    return status;
}

/* Why what was seen is not what is there. */
static keel_status tell_apart(keel_objects *o, const keel_bag_op *op, const char *name,
                              keel_detail *why)
{
    seen found;
    keel_status status = peek_live(o, op, name, &found, why);

    return status == KEEL_OK ? KEEL_EXISTS : status;
}

static keel_status cas(writing *w, const keel_bag_token *expected, bool keeps_expiry)
{
    char etag[KEEL_WEB_ETAG_SIZE];
    int64_t expires_at_ms;
    keel_status status = KEEL_NOT_STORED;

    if (read_token(expected, etag, &expires_at_ms) &&
        !is_over(expires_at_ms, w->op->now_ms)) {
        if (keeps_expiry)
            w->envelope.expires_at_ms = expires_at_ms;
        status = write_object(w, etag, false);
    }
    return status == KEEL_NOT_STORED ? tell_apart(w->o, w->op, w->name, w->why)
                                     : status;
}

keel_status keel_objects_store(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_put *put, keel_bag_token *fresh,
                               keel_detail *why)
{
    keel_objects *o = state;
    writing w = { .fresh = fresh, .why = why };
    bool keeps_expiry = put->expires_at_ms == KEEL_BAG_KEEP_EXPIRY;
    keel_status status = KEEL_OK;

    if (put->mode != KEEL_BAG_SET)
        status = keel_objects_probe(o, op, why);
    if (status == KEEL_OK)
        status = begin(&w, o, op, key, put);
    if (status != KEEL_OK)
        return status;
    if (put->mode == KEEL_BAG_SET)
        status = set(&w, keeps_expiry);
    else if (put->mode == KEEL_BAG_ADD)
        status = add(&w);
    else
        status = cas(&w, put->expected, keeps_expiry);
    keel_memory_free(o->runtime->memory, w.body);
    return status;
}

/* ---- deleting ------------------------------------------------------------------------ */

keel_status keel_objects_delete(keel_objects *o, const keel_bag_op *op,
                                const char *name, const char *if_match,
                                keel_detail *why)
{
    const keel_object_request r = { .method = "DELETE",
                                    .name = name,
                                    .if_match = if_match };
    keel_web_answer answer;
    keel_status status = send_request(o, op, &r, &answer, why);

    if (status == KEEL_OK && answer.response == 412)
        status = KEEL_NOT_STORED;
    else if (status == KEEL_OK && answer.response == 404 && o->kind->is_none(&answer))
        status = KEEL_NOT_FOUND;
    else if (status == KEEL_OK && !is_stored(answer.response))
        status = o->kind->refuse(o, &answer, true, why);
    keel_web_answer_free(&o->web, &answer);
    return status;
}

static keel_status delete_seen(keel_objects *o, const keel_bag_op *op, const char *name,
                               const keel_bag_token *expected, keel_detail *why)
{
    char etag[KEEL_WEB_ETAG_SIZE];
    int64_t expires_at_ms;
    keel_status status = keel_objects_probe(o, op, why);

    if (status != KEEL_OK)
        return status;
    status = KEEL_NOT_STORED;
    if (read_token(expected, etag, &expires_at_ms) &&
        !is_over(expires_at_ms, op->now_ms))
        status = keel_objects_delete(o, op, name, etag, why);
    return status == KEEL_NOT_STORED ? tell_apart(o, op, name, why) : status;
}

/* Looked at first: S3 answers the same whether there was one or not. */
keel_status keel_objects_remove(void *state, const keel_bag_op *op, keel_bytes key,
                                const keel_bag_token *expected, keel_detail *why)
{
    keel_objects *o = state;
    char name[KEEL_OBJECT_NAME_SIZE];
    seen found;
    keel_status status;

    keel_object_name_write(name, key);
    if (expected)
        return delete_seen(o, op, name, expected, why);
    status = peek_live(o, op, name, &found, why);
    if (status == KEEL_OK || status == KEEL_CORRUPT) { /* what is damaged can go */
        if (!o->kind->tells_delete)
            keel_bag_mark(op, KEEL_BAG_UNVERIFIED);
        return keel_objects_delete(o, op, name, NULL, why);
    }
    set_no_effect(why);
    return status;
}

/* ---- opening ------------------------------------------------------------------------- */

keel_status keel_objects_init(keel_objects *o, const keel_bag_setup *setup,
                              const keel_objects_kind *kind,
                              const keel_bag_value *conditions,
                              const keel_bag_value *web, keel_detail *why)
{
    o->runtime = setup->runtime;
    o->path = setup->path;
    o->kind = kind;
    atomic_init(&o->conditions, (keel_objects_conditions)conditions->number);
    return keel_web_init(&o->web, setup, web, why);
}

void keel_objects_cleanup(keel_objects *o)
{
    keel_web_cleanup(&o->web);
}

void keel_objects_look(void *state, keel_bag_abilities *a)
{
    const keel_objects *o = state;

    a->native = KEEL_CAN_GET | KEEL_CAN_SET | KEEL_CAN_DELETE | KEEL_CAN_TTL |
                KEEL_CAN_TELL_TTL | KEEL_CAN_FLAGS | KEEL_HAS_NONCE;
    a->native |= o->kind->tells_delete ? KEEL_TELLS_DELETE : 0;
    if (atomic_load(&o->conditions) != KEEL_CONDITIONS_OFF) {
        a->native |= KEEL_CAN_ADD | KEEL_CAN_CAS;
        a->native |= o->kind->deletes_if_match ? KEEL_CAN_DELETE_CAS : 0;
    }
    a->value_max = KEEL_OBJECT_VALUE_MAX;
    a->batch_max = 1;
    a->ttl_step_ms = 1;
}

keel_status keel_objects_health(void *state, const keel_bag_op *op, keel_detail *why)
{
    seen found;
    keel_status status = peek(state, op, "=health", &found, why);

    return status == KEEL_NOT_FOUND ? KEEL_OK : status;
}
