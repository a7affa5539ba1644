/* SPDX-License-Identifier: MIT */
/*
 * Who asks Amazon's services, and where: endpoint, credentials, and requests signed with
 * them. Knows none of the services.
 */
#ifndef KEEL_BAG_STORE_AWS_H
#define KEEL_BAG_STORE_AWS_H

#include "bag/store/web.h"

/* The options of a store at Amazon, first in its table, in this order. */
enum {
    KEEL_AWS_ENDPOINT,
    KEEL_AWS_ACCESS_KEY,
    KEEL_AWS_SECRET,
    KEEL_AWS_SESSION_TOKEN,
    KEEL_AWS_OPTIONS
};

/* clang-format off */
#define KEEL_AWS_OPTION_ROWS                                                           \
    { .name = "endpoint",                                                              \
      .type = KEEL_BAG_TEXT,                                                           \
      .meaning = "Where the service is, if not where Amazon has it for that region: "  \
                 "http://127.0.0.1:4567." },                                           \
    { .name = "access_key",                                                            \
      .type = KEEL_BAG_TEXT,                                                           \
      .meaning = "The identifier of the key that requests are signed with." },         \
    { .name = "secret",                                                                \
      .type = KEEL_BAG_SECRET,                                                         \
      .meaning = "The key itself." },                                                  \
    { .name = "session_token",                                                         \
      .type = KEEL_BAG_SECRET,                                                         \
      .meaning = "What belongs to a key that is good for a while only." }
/* clang-format on */

enum { KEEL_AWS_HOST_SIZE = 300 };

typedef struct keel_aws {
    const char *service, *region;
    const char *key_id, *secret;
    const char *session_token;           /* NULL: none */
    char origin[KEEL_AWS_HOST_SIZE + 8]; /* https://host */
    const char *host;                    /* in it */
    bool is_s3;
} keel_aws;

/*
 * A request that is being made: sign.method, path, query and what headers there are are
 * the caller's; web.body, writes and body_max too.
 */
typedef struct keel_aws_request {
    keel_sigv4_request sign;
    char url[KEEL_WEB_URL_SIZE];
    char hash[KEEL_SIGV4_HASH];
    char authorization[KEEL_SIGV4_TEXT];
    keel_web_request web;
} keel_aws_request;

/*
 * host     Amazon's, where no endpoint is given
 * values   those of KEEL_AWS_OPTION_ROWS
 * Returns  KEEL_OK; KEEL_E_CONFIG, and why
 */
keel_status keel_aws_init(keel_aws *aws, const keel_bag_setup *setup,
                          const char *service, const char *host,
                          const keel_bag_value *values, keel_detail *why);

/* A header that is signed; its name in lower case. */
void keel_aws_header(keel_aws_request *r, const char *name, const char *value);
void keel_aws_query(keel_aws_request *r, const char *name, const char *value);

/* Signs it, and fills in all of web. False: it is too large to be signed, or no memory. */
bool keel_aws_finish(const keel_aws *aws, keel_aws_request *r);

#endif
