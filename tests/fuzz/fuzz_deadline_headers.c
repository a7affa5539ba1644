/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the headers of a request: no crash, never more time than the ceiling, no
 * number out of nothing, and what is then written is read back as no more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/deadline_header.h"
#include "http/inbound.h"

enum { HEADERS = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The values of a request, each ended by NUL; those that are missing were not sent. */
typedef struct request {
    const char *at;
    const char *end;
    unsigned asked;
} request;

static const char *next_value(const char *name, void *ctx)
{
    request *r = ctx;
    const char *value = r->at;

    if (!*name || ++r->asked > HEADERS)
        __builtin_trap();
    if (value >= r->end)
        return NULL;
    r->at += strlen(value) + 1;
    return value;
}

static void check_round(uint64_t ns)
{
    for (int form = KEEL_HEADER_KEEL; form <= KEEL_HEADER_ENVOY; form++) {
        keel_header header;
        uint64_t back;

        keel_timeout_write((keel_header_form)form, ns, &header);
        if (!memchr(header.value, '\0', sizeof header.value) ||
            !keel_timeout_read((keel_header_form)form, header.value, &back) ||
            (back > ns && back != KEEL_MS))
            __builtin_trap();
    }
}

/* The first eight bytes are the clock, the next eight the ceiling. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keel_inbound_options options = { .size = sizeof options, .allowance_ns = KEEL_MS };
    keel_inbound in;
    uint64_t now;
    char *text;
    request r;

    if (size < 16)
        return 0;
    memcpy(&now, data, 8);
    memcpy(&options.ceiling_ns, data + 8, 8);
    size -= 16;
    text = calloc(1, size + 1);
    if (!text)
        return 0;
    memcpy(text, data + 16, size);
    r = (request){ text, text + size, 0 };
    keel_inbound_read(&in, next_value, &r, &options, now);
    if (options.ceiling_ns && options.ceiling_ns != KEEL_NEVER &&
        (!in.deadline_at_ns ||
         keel_ns_left(in.deadline_at_ns, now) > options.ceiling_ns + (now == 0)))
        __builtin_trap();
    if (!size && (in.attempt || in.header || in.ignored))
        __builtin_trap();
    check_round(keel_ns_left(in.deadline_at_ns, now));
    free(text);
    return 0;
}
