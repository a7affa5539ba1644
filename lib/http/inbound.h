/* SPDX-License-Identifier: MIT */
/* What a request's headers say of its deadline: keel_deadline_from_headers without a
 * clock. */
#ifndef KEEL_HTTP_INBOUND_H
#define KEEL_HTTP_INBOUND_H

#include <keel/http_headers.h>

/* options: without NULL, its allowance as it is. */
void keel_inbound_read(keel_inbound *inbound, keel_header_get_fn *get, void *ctx,
                       const keel_inbound_options *options, uint64_t now_ns);

#endif
