/* SPDX-License-Identifier: MIT */
/*
 * The S3 store: objects of a bucket, below a prefix. What is of objects with ETags in
 * general is in objects.c; here is how S3 is asked, what it lists and how it refuses.
 */
#include <stdio.h>
#include <string.h>

#include "bag/registry.h"
#include "bag/store/aws.h"
#include "bag/store/objects.h"
#include "bag/store/envelope.h"
#include "bag/store/s3_reply.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/text.h"
#include "call/runtime.h"

enum {
    BUCKET_MIN = 3,
    BUCKET_MAX = 63,
    PREFIX_MAX = 200,
    LIST_MAX = 4 << 20,
    TOKEN_SIZE = 1536
};

enum { OPTION_CONDITIONS = KEEL_AWS_OPTIONS, OPTION_WEB };

static const keel_bag_option options[] = { KEEL_AWS_OPTION_ROWS,
                                           KEEL_OBJECTS_OPTION_ROW,
                                           KEEL_WEB_OPTION_ROWS };

_Static_assert(KEEL_OBJECT_PATH_SIZE >
                   1 + BUCKET_MAX + 1 + PREFIX_MAX + 1 + KEEL_OBJECT_NAME_SIZE,
               "any object's path has room");

/* prefix ends with "/", or is empty. is_in_path: the bucket is not in the host's name */
typedef struct s3 {
    keel_objects objects; /* first */
    keel_aws aws;
    char bucket[BUCKET_MAX + 1];
    char prefix[PREFIX_MAX + 2];
    bool is_in_path;
} s3;

/* ---- opening ------------------------------------------------------------------------- */

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static keel_status read_location(s3 *s, const char *location, keel_detail *why)
{
    const char *at = location + (*location == '/');
    size_t bucket = strspn(at, LOWER ".-");
    const char *prefix = at + bucket + (at[bucket] == '/');
    size_t length = strlen(prefix);

    if (bucket < BUCKET_MIN || bucket > BUCKET_MAX || (at[bucket] && at[bucket] != '/'))
        return keel_fail(
            why, KEEL_E_CONFIG,
            "a bucket is named by 3 to 63 lower-case letters, digits, \".\" "
            "and \"-\": s3://region/bucket/prefix");
    while (length && prefix[length - 1] == '/')
        length--;
    if (length > PREFIX_MAX || strspn(prefix, LOWER UPPER "_-.:=/") < length)
        return keel_fail(why, KEEL_E_CONFIG,
                         "a prefix has letters, digits and \"_-.:=/\", 200 at most");
    memcpy(s->bucket, at, bucket);
    snprintf(s->prefix, sizeof s->prefix, "%.*s%s", (int)length, prefix,
             length ? "/" : "");
    return KEEL_OK;
}

/* A bucket with dots has no certificate for the host that it would name. */
static keel_status init(s3 *s, const keel_bag_setup *setup,
                        const keel_objects_kind *kind, keel_detail *why)
{
    char host[KEEL_AWS_HOST_SIZE];
    keel_status status = read_location(s, setup->location, why);

    if (status != KEEL_OK)
        return status;
    s->is_in_path = setup->values[KEEL_AWS_ENDPOINT].text || strchr(s->bucket, '.');
    snprintf(host, sizeof host, "%s%ss3.%s.amazonaws.com",
             s->is_in_path ? "" : s->bucket, s->is_in_path ? "" : ".", setup->host);
    status = keel_aws_init(&s->aws, setup, "s3", host, setup->values, why);
    if (status != KEEL_OK)
        return status;
    return keel_objects_init(&s->objects, setup, kind,
                             &setup->values[OPTION_CONDITIONS],
                             setup->values + OPTION_WEB, why);
}

static void close_store(void *state)
{
    s3 *s = state;

    keel_objects_cleanup(&s->objects);
    keel_memory_free(s->objects.runtime->memory, s);
}

static void look(void *state, keel_bag_abilities *a)
{
    keel_objects_look(state, a);
    a->native |= KEEL_CAN_SCAN | KEEL_CAN_FLUSH | KEEL_IS_DURABLE;
}

/* ---- requests ------------------------------------------------------------------------ */

static void write_path(const s3 *s, const char *name, char path[KEEL_OBJECT_PATH_SIZE])
{
    snprintf(path, KEEL_OBJECT_PATH_SIZE, "/%s%s%s%s", s->is_in_path ? s->bucket : "",
             s->is_in_path ? "/" : "", name ? s->prefix : "", name ? name : "");
}

static bool write_request(const keel_objects *o, const keel_object_request *q,
                          keel_object_room *room)
{
    const s3 *s = (const s3 *)o;
    keel_aws_request *r = &room->aws;

    *r = (keel_aws_request){ .sign = { .method = q->method, .path = room->path } };
    write_path(s, q->name, room->path);
    r->web.body = q->body;
    r->web.writes = strcmp(q->method, "GET") != 0;
    r->web.body_max = keel_objects_answer_max(q->method);
    if (q->if_match)
        keel_aws_header(r, "if-match", q->if_match);
    if (q->if_none_match)
        keel_aws_header(r, "if-none-match", "*");
    snprintf(room->range, sizeof room->range, "bytes=0-%d", KEEL_ENVELOPE_SIZE - 1);
    if (q->only_envelope)
        keel_aws_header(r, "range", room->range);
    return keel_aws_finish(&s->aws, r);
}

/* ---- refusals ------------------------------------------------------------------------ */

static keel_text code_of(const keel_web_answer *a)
{
    return keel_s3_error_code((keel_text){ a->body ? a->body : "", a->length });
}

static bool is_none(const keel_web_answer *a)
{
    return !keel_text_is(code_of(a), "NoSuchBucket");
}

/* 409: another was writing that very object. */
static bool asks_for_less(const keel_web_answer *a)
{
    return a->response == 409 || a->response == 429 ||
           keel_text_is(code_of(a), "SlowDown") ||
           (a->response == 503 && a->asked_to_wait);
}

/*
 * What S3 refuses with a 4xx it has not done, RequestTimeout among them: the body never
 * came. After a 5xx nobody knows.
 */
static keel_status refuse(const keel_objects *o, const keel_web_answer *a, bool writes,
                          keel_detail *why)
{
    bool is_known = !writes || a->response < 500 || a->response == 501;
    char quoted[KEEL_QUOTE_SIZE];

    keel_quote(quoted, code_of(a));
    if (asks_for_less(a))
        return keel_web_refused(&o->web, a, KEEL_THROTTLED, KEEL_APPLIED_NO, why,
                                "S3 asks for less: %ld %s", a->response, quoted);
    return keel_web_refused(&o->web, a, KEEL_FAILED,
                            is_known ? KEEL_APPLIED_NO : KEEL_APPLIED_UNKNOWN, why,
                            "S3 refuses: %ld %s", a->response, quoted);
}

/* ---- all there is -------------------------------------------------------------------- */

/* The key of a listed name; false: it is none of this bag's. */
static bool read_name(const s3 *s, keel_text name, char key[KEEL_BAG_KEY_MAX + 1])
{
    size_t length = strlen(s->prefix);

    if (name.length < length || memcmp(name.at, s->prefix, length) != 0)
        return false;
    return keel_object_name_read((keel_text){ name.at + length, name.length - length },
                                 key);
}

static void stand_at(keel_bag_cursor *cursor, const char *key)
{
    cursor->length = (uint16_t)strlen(key);
    memcpy(cursor->bytes, key, cursor->length);
}

/* Where a page begins: behind a key, or where S3 said that the next one does. */
typedef struct place {
    char after[PREFIX_MAX + 2 + KEEL_OBJECT_NAME_SIZE];
    char token[TOKEN_SIZE];
} place;

static void begin_at(const s3 *s, const keel_bag_cursor *cursor, place *p)
{
    char name[KEEL_OBJECT_NAME_SIZE];

    p->after[0] = p->token[0] = '\0';
    if (!cursor->length)
        return;
    keel_object_name_write(name, (keel_bytes){ cursor->bytes, cursor->length });
    snprintf(p->after, sizeof p->after, "%s%s", s->prefix, name);
}

static keel_status list(s3 *s, const keel_bag_op *op, const place *p,
                        keel_web_answer *answer, keel_detail *why)
{
    char path[KEEL_OBJECT_PATH_SIZE];
    keel_aws_request r = { .sign = { .method = "GET", .path = path } };
    keel_status status;

    *answer = (keel_web_answer){ .response = 0 };
    write_path(s, NULL, path);
    r.web.body_max = LIST_MAX;
    keel_aws_query(&r, "list-type", "2");
    keel_aws_query(&r, "prefix", s->prefix);
    if (p->token[0])
        keel_aws_query(&r, "continuation-token", p->token);
    else if (p->after[0])
        keel_aws_query(&r, "start-after", p->after);
    if (!keel_aws_finish(&s->aws, &r))
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->objects.path,
                             "the request cannot be signed");
    status = keel_web_exchange(&s->objects.web, op, &r.web, answer, why);
    if (status == KEEL_OK && answer->response != 200)
        status = refuse(&s->objects, answer, false, why);
    return status;
}

/* A page as it is being told. */
typedef struct page {
    keel_bag_cursor *cursor;
    keel_bag_scan_fn *fn;
    void *ctx;
    unsigned said;
    bool is_enough; /* the caller has said so */
} page;

static void say_keys(const s3 *s, keel_text xml, page *p)
{
    char key[KEEL_BAG_KEY_MAX + 1];
    keel_text name;

    while (!p->is_enough && keel_s3_next(&xml, "Key", &name)) {
        if (!read_name(s, name, key))
            continue;
        stand_at(p->cursor, key);
        p->said++;
        p->is_enough = !p->fn(key, p->ctx);
    }
}

/* True: there is another page, which the place then is. */
static bool move_on(keel_text xml, place *p)
{
    keel_text from = xml, is_cut, token;

    p->token[0] = '\0';
    if (!keel_s3_next(&from, "IsTruncated", &is_cut) || !keel_text_is(is_cut, "true"))
        return false;
    if (keel_s3_next(&xml, "NextContinuationToken", &token))
        keel_text_copy(p->token, sizeof p->token, token);
    return true;
}

/* What is not this bag's cannot be stood behind: a page of nothing else is passed by. */
static keel_status scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    s3 *s = state;
    page said = { .cursor = cursor, .fn = fn, .ctx = ctx };
    bool has_more = true;
    keel_status status = KEEL_OK;
    place p;

    begin_at(s, cursor, &p);
    do {
        keel_web_answer answer;

        status = list(s, op, &p, &answer, why);
        if (status == KEEL_OK) {
            const keel_text xml = { answer.body ? answer.body : "", answer.length };

            say_keys(s, xml, &said);
            has_more = move_on(xml, &p);
        }
        keel_web_answer_free(&s->objects.web, &answer);
    } while (status == KEEL_OK && !said.said && has_more && p.token[0]);
    if (status == KEEL_OK)
        cursor->is_at_end = !said.is_enough && !(said.said && has_more);
    return status;
}

/* One key after the other; the first that cannot be deleted ends it. */
typedef struct sweep {
    s3 *s;
    const keel_bag_op *op;
    keel_detail *why;
    keel_status status;
    bool has_deleted;
} sweep;

static bool delete_key(const char *key, void *ctx)
{
    sweep *w = ctx;
    char name[KEEL_OBJECT_NAME_SIZE];

    keel_object_name_write(name, (keel_bytes){ key, strlen(key) });
    w->status = keel_objects_delete(&w->s->objects, w->op, name, NULL, w->why);
    if (w->status == KEEL_NOT_FOUND)
        w->status = KEEL_OK;
    w->has_deleted = w->has_deleted || w->status == KEEL_OK;
    return w->status == KEEL_OK;
}

static keel_status flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    sweep w = { .s = state, .op = op, .why = why };
    keel_bag_cursor cursor = { .length = 0 };
    keel_status status = KEEL_OK;

    while (!cursor.is_at_end && status == KEEL_OK && w.status == KEEL_OK)
        status = scan(state, op, &cursor, delete_key, &w, why);
    if (status == KEEL_OK)
        status = w.status;
    if (status != KEEL_OK && w.has_deleted && why &&
        why->size > offsetof(keel_detail, applied))
        why->applied = KEEL_APPLIED_UNKNOWN; /* of some it is known, of all it is not */
    return status;
}

/* ---- the table ----------------------------------------------------------------------- */

/* Conditions of DELETE are younger than those of PUT, and not everywhere. */
static const keel_objects_kind kind = { .write = write_request,
                                        .is_none = is_none,
                                        .refuse = refuse,
                                        .deletes_if_match = false };

static keel_status open_store(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    s3 *s = keel_memory_new(setup->runtime->memory, sizeof *s);
    keel_status status;

    if (!s)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    status = init(s, setup, &kind, why);
    if (status == KEEL_OK)
        *state = s;
    else
        keel_memory_free(setup->runtime->memory, s);
    return status;
}

const keel_bag_ops keel_store_s3 = {
    .size = sizeof keel_store_s3,
    .abi = KEEL_BAG_ABI,
    .name = "s3",
    .options = options,
    .meaning = "Objects of a bucket of Amazon S3, or of what speaks like it.",
    .open = open_store,
    .close = close_store,
    .look = look,
    .get = keel_objects_get,
    .get_many = keel_objects_get_many,
    .store = keel_objects_store,
    .remove = keel_objects_remove,
    .flush = flush,
    .scan = scan,
    .health = keel_objects_health,
};
