/* SPDX-License-Identifier: MIT */
/* Signed requests. Not for sending them. */
#include "bag/store/aws.h"

#include <stdio.h>
#include <string.h>

#include "base/detail.h"
#include "base/wall.h"

/* ---- opening ------------------------------------------------------------------------- */

static keel_status set_origin(keel_aws *aws, const char *endpoint, const char *host,
                              keel_detail *why)
{
    int length = endpoint
                     ? snprintf(aws->origin, sizeof aws->origin, "%s", endpoint)
                     : snprintf(aws->origin, sizeof aws->origin, "https://%s", host);

    if (length <= 0 || (size_t)length >= sizeof aws->origin ||
        !keel_web_is_origin(aws->origin, &aws->host))
        return keel_fail(why, KEEL_E_CONFIG,
                         "endpoint is http:// or https:// and a host, with a port if "
                         "need be, and nothing behind it");
    return KEEL_OK;
}

keel_status keel_aws_init(keel_aws *aws, const keel_bag_setup *setup,
                          const char *service, const char *host,
                          const keel_bag_value *values, keel_detail *why)
{
    *aws = (keel_aws){ .service = service,
                       .region = setup->host,
                       .key_id = values[KEEL_AWS_ACCESS_KEY].text,
                       .secret = values[KEEL_AWS_SECRET].text,
                       .session_token = values[KEEL_AWS_SESSION_TOKEN].text,
                       .is_s3 = strcmp(service, "s3") == 0 };
    if (!*aws->region)
        return keel_failf(why, KEEL_E_CONFIG, "%s:// begins with a region", service);
    if (!aws->key_id || !*aws->key_id || !aws->secret)
        return keel_fail(why, KEEL_E_CONFIG,
                         "it needs access_key, and secret_file or secret_env");
    return set_origin(aws, values[KEEL_AWS_ENDPOINT].text, host, why);
}

/* ---- requests ------------------------------------------------------------------------ */

void keel_aws_header(keel_aws_request *r, const char *name, const char *value)
{
    r->sign.headers[r->sign.header_count++] = (keel_sigv4_pair){ name, value };
}

void keel_aws_query(keel_aws_request *r, const char *name, const char *value)
{
    r->sign.query[r->sign.query_count++] = (keel_sigv4_pair){ name, value };
}

/* Adds text that is encoded; false: it does not fit. */
static bool add_encoded(keel_aws_request *r, size_t *used, const char *text,
                        bool keeps_slash)
{
    size_t room = sizeof r->url - *used;
    size_t length = keel_sigv4_encode(text, keeps_slash, r->url + *used, room);

    *used += length;
    return length < room;
}

static bool add_plain(keel_aws_request *r, size_t *used, const char *text)
{
    size_t length = strlen(text);

    if (length >= sizeof r->url - *used)
        return false;
    memcpy(r->url + *used, text, length + 1);
    *used += length;
    return true;
}

static bool write_url(const keel_aws *aws, keel_aws_request *r)
{
    size_t used = 0;
    bool done =
        add_plain(r, &used, aws->origin) && add_encoded(r, &used, r->sign.path, true);

    for (size_t i = 0; i < r->sign.query_count && done; i++)
        done = add_plain(r, &used, i ? "&" : "?") &&
               add_encoded(r, &used, r->sign.query[i].name, false) &&
               add_plain(r, &used, "=") &&
               add_encoded(r, &used, r->sign.query[i].value, false);
    return done;
}

static bool add_signed_headers(const keel_aws *aws, keel_aws_request *r)
{
    const keel_bytes body = r->web.body;

    if (!keel_sigv4_hash(body.at, body.length, r->hash) ||
        !keel_sigv4_date(keel_wall_seconds(), r->sign.date))
        return false;
    keel_aws_header(r, "host", aws->host);
    keel_aws_header(r, "x-amz-date", r->sign.date);
    if (aws->is_s3)
        keel_aws_header(r, "x-amz-content-sha256", r->hash);
    if (aws->session_token)
        keel_aws_header(r, "x-amz-security-token", aws->session_token);
    r->sign.payload = r->hash;
    return true;
}

bool keel_aws_finish(const keel_aws *aws, keel_aws_request *r)
{
    keel_sigv4_request *s = &r->sign;

    s->region = aws->region;
    s->service = aws->service;
    s->key_id = aws->key_id;
    s->secret = aws->secret;
    s->encodes_path_once = aws->is_s3;
    if (!add_signed_headers(aws, r) || !write_url(aws, r) ||
        !keel_sigv4_sign(s, r->authorization))
        return false;
    for (size_t i = 0; i < s->header_count; i++)
        if (!keel_web_add_header(&r->web, s->headers[i].name, s->headers[i].value))
            return false;
    r->web.method = s->method;
    r->web.url = r->url;
    return keel_web_add_header(&r->web, "Authorization", r->authorization);
}
