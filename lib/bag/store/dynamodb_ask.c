/* SPDX-License-Identifier: MIT */
/* One signed request to DynamoDB, and what its answer's status means. */
#include <string.h>

#include "bag/store/crc32.h"
#include "bag/store/dynamodb.h"
#include "call/runtime.h"

#define API "DynamoDB_20120810."

/* An item of 400 KB in base64 with all around it; a batch has 16 MB of them at most. */
enum { ANSWER_MAX = 1 << 20, MANY_ANSWERS_MAX = 24 << 20, TARGET_SIZE = 64 };

/* ---- refusals ------------------------------------------------------------------------ */

/* Of a request that the service has answered with an error of its own. */
static keel_status refused(const keel_dynamo *s, const keel_web_answer *a,
                           keel_detail *why)
{
    json_t *reply = keel_dynamo_read(a->body, a->length);
    const char *name;
    keel_dynamo_error error = keel_dynamo_error_of(reply, &name);
    keel_status status = KEEL_FAILED;
    char quoted[KEEL_QUOTE_SIZE];

    if (error == KEEL_DYNAMO_THROTTLED)
        status = KEEL_THROTTLED;
    else if (error == KEEL_DYNAMO_TOO_LARGE)
        status = KEEL_E_TOO_LARGE;
    if (error == KEEL_DYNAMO_NOT_MET)
        status = KEEL_NOT_STORED;
    else /* its name alone: some messages quote what was signed */
        keel_web_refused(&s->web, a, status, KEEL_APPLIED_NO, why,
                         "DynamoDB refuses: %ld %s", a->response,
                         keel_quote(quoted, keel_text_of(name)));
    json_decref(reply);
    return status;
}

/* Of one that something has answered which need not be the service: after a 5xx nobody
 * knows what was done. */
static keel_status failed(const keel_dynamo *s, const keel_web_answer *a, bool writes,
                          keel_detail *why)
{
    bool is_known = !writes || a->response < 500 || a->response == 501;
    bool is_told_to_wait =
        a->response == 429 || (a->response == 503 && a->asked_to_wait);

    if (is_told_to_wait)
        return keel_web_refused(&s->web, a, KEEL_THROTTLED, KEEL_APPLIED_NO, why,
                                "DynamoDB is busy: %ld", a->response);
    return keel_web_refused(&s->web, a, KEEL_FAILED,
                            is_known ? KEEL_APPLIED_NO : KEEL_APPLIED_UNKNOWN, why,
                            "DynamoDB fails: %ld", a->response);
}

static bool is_whole(const keel_web_answer *a)
{
    return !a->has_crc32 || a->crc32 == keel_crc32(0, a->body, a->length);
}

static keel_status judge(const keel_dynamo *s, const keel_web_answer *a, bool writes,
                         json_t **reply, keel_detail *why)
{
    if (!is_whole(a))
        return keel_web_refused(&s->web, a, KEEL_FAILED,
                                writes ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO, why,
                                "the answer was damaged on its way");
    if (a->response == 400)
        return refused(s, a, why);
    if (a->response == 413)
        return keel_web_refused(&s->web, a, KEEL_E_TOO_LARGE, KEEL_APPLIED_NO, why,
                                "DynamoDB takes no request as large as that");
    if (a->response != 200)
        return failed(s, a, writes, why);
    *reply = keel_dynamo_read(a->body, a->length);
    if (*reply)
        return KEEL_OK;
    return keel_web_refused(&s->web, a, KEEL_FAILED,
                            writes ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO, why,
                            "the answer is not DynamoDB's");
}

keel_status keel_dynamo_corrupt(const keel_dynamo *s, keel_detail *why)
{
    return keel_bag_fail(why, KEEL_CORRUPT, KEEL_APPLIED_NO, s->path,
                         "what is stored under that key is damaged, or not keel's");
}

/* ---- asking -------------------------------------------------------------------------- */

static bool make(const keel_dynamo *s, const char *target, keel_dynamo_kind kind,
                 const keel_dynamo_text *text, keel_aws_request *r)
{
    memset(r, 0, sizeof *r);
    r->sign.method = "POST";
    r->sign.path = "/";
    r->web.type = "application/x-amz-json-1.0";
    r->web.body = (keel_bytes){ text->at, text->length };
    r->web.writes = kind == KEEL_DYNAMO_WRITES;
    r->web.body_max = kind == KEEL_DYNAMO_READS_MANY ? MANY_ANSWERS_MAX : ANSWER_MAX;
    keel_aws_header(r, "x-amz-target", target);
    return !text->has_failed && keel_aws_finish(&s->aws, r);
}

keel_status keel_dynamo_ask(keel_dynamo *s, const keel_bag_op *op,
                            const char *operation, keel_dynamo_kind kind,
                            keel_dynamo_text *text, json_t **reply, keel_detail *why)
{
    char target[TARGET_SIZE] = API;
    keel_web_answer answer = { .response = 0 };
    keel_aws_request r;
    keel_status status;

    *reply = NULL;
    strncat(target, operation, sizeof target - sizeof API);
    if (make(s, target, kind, text, &r))
        status = keel_web_exchange(&s->web, op, &r.web, &answer, why);
    else
        status =
            keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->path, "out of memory");
    if (status == KEEL_OK)
        status = judge(s, &answer, r.web.writes, reply, why);
    keel_web_answer_free(&s->web, &answer);
    keel_dynamo_text_free(text);
    return status;
}
