/* SPDX-License-Identifier: MIT */
/*
 * A caller's deadline becomes ours. Whatever the headers hold, the outcome lies within
 * the ceiling: strangers write headers too.
 */
#include "http/inbound.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/detail.h"
#include "http/deadline_header.h"

enum { ALLOWANCE_MS = 5 };

static void read_timeout(keel_header_form form, keel_header_get_fn *get, void *ctx,
                         uint64_t *shortest_ns, keel_inbound *in)
{
    const keel_header_words *words = keel_header_words_of(form);
    const char *text = get(words->timeout, ctx);
    uint64_t ns;

    if (!text)
        return;
    if (!keel_timeout_read(form, text, &ns)) {
        in->ignored = words->odd_timeout;
    } else if (ns < *shortest_ns) {
        *shortest_ns = ns;
        in->header = words->timeout;
    }
}

static void read_attempt(keel_header_form form, keel_header_get_fn *get, void *ctx,
                         keel_inbound *in)
{
    const keel_header_words *words = keel_header_words_of(form);
    const char *text = get(words->attempt, ctx);
    uint32_t attempt;

    if (!text)
        return;
    if (!keel_attempt_read(form, text, &attempt))
        in->ignored = words->odd_attempt;
    else if (attempt > in->attempt)
        in->attempt = attempt;
}

void keel_inbound_read(keel_inbound *inbound, keel_header_get_fn *get, void *ctx,
                       const keel_inbound_options *options, uint64_t now_ns)
{
    static const keel_header_form forms[] = { KEEL_HEADER_KEEL, KEEL_HEADER_GRPC,
                                              KEEL_HEADER_ENVOY };
    uint64_t left_ns = KEEL_NEVER, deadline_at;

    *inbound = (keel_inbound){ .size = sizeof *inbound };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        read_timeout(forms[i], get, ctx, &left_ns, inbound);
        read_attempt(forms[i], get, ctx, inbound);
    }
    if (inbound->header)
        left_ns = keel_ns_left(left_ns, options->allowance_ns);
    if (options->ceiling_ns && options->ceiling_ns < left_ns) {
        left_ns = options->ceiling_ns;
        inbound->header = NULL;
    }
    if (left_ns == KEEL_NEVER)
        return;
    deadline_at = keel_ns_add(now_ns, left_ns);
    inbound->deadline_at_ns = deadline_at ? deadline_at : 1; /* 0 would say: none */
}

keel_status keel_deadline_from_headers(keel_runtime *runtime, keel_header_get_fn *get,
                                       void *ctx, const keel_inbound_options *options,
                                       keel_inbound *inbound)
{
    keel_inbound_options own = { .size = sizeof own };
    keel_inbound all;
    int saved = errno;
    size_t size;

    if (!runtime || !get || !inbound || inbound->size < sizeof inbound->size ||
        !keel_options_read(&own, sizeof own, options))
        return KEEL_E_ARGUMENT;
    if (!own.allowance_ns)
        own.allowance_ns = ALLOWANCE_MS * KEEL_MS;
    keel_inbound_read(&all, get, ctx, &own, keel_now(runtime));
    size = all.size = inbound->size < sizeof all ? inbound->size : sizeof all;
    memcpy((char *)inbound + sizeof size, (char *)&all + sizeof size,
           size - sizeof size);
    errno = saved;
    return KEEL_OK;
}
