/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a client says to keel serve, over a real bag in memory: no crash, every
 * step takes something or waits for more, and every answer is made of whole lines. What
 * has come lies in a block of exactly its size, so that a read beyond it is seen.
 */
#include <stdlib.h>
#include <string.h>

#include "../../tools/serve_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE_MAX_SIZE = 2048, VALUE_MAX_SIZE = 4096 };

static keel_serve_source source;
static keel_serve_desk desk = { .source = &source };

static void put_no_stats(keel_serve_buffer *out, void *ctx)
{
    (void)ctx;
    keel_serve_put_text(out, "STAT none 0\r\n");
}

/* The runtime once, a bag for each input: so that an input is the same whenever it comes. */
static void open_source(void)
{
    source.stats = put_no_stats;
    source.token_kinds = 0;
    source.abilities.size = sizeof source.abilities;
    if ((!source.runtime && keel_open(&source.runtime, NULL, NULL) != KEEL_OK) ||
        keel_bag_open(&source.bag, source.runtime, "fuzz",
                      "memory://?allow_flush=on&max=8MiB", NULL) != KEEL_OK ||
        keel_bag_look(source.bag, &source.abilities) != KEEL_OK)
        abort();
}

/* What has come and is not taken yet. */
typedef struct input {
    char *at;
    size_t length;
} input;

static void take_from(input *in, size_t length)
{
    char *left;

    if (length > in->length)
        __builtin_trap();
    left = malloc(in->length - length + 1);
    if (!left)
        abort();
    memcpy(left, in->at + length, in->length - length);
    free(in->at);
    in->at = left;
    in->length -= length;
}

static void check_answer(keel_serve_buffer *out)
{
    size_t length = keel_serve_held(out);

    if (length && (length < 2 || memcmp(keel_serve_front(out) + length - 2, "\r\n", 2)))
        __builtin_trap();
    keel_serve_drop(out, length);
}

/* False: more has to come, or it is over. */
static bool step(keel_serve_parser *parser, input *in, keel_serve_buffer *out)
{
    size_t keys_at = parser->keys_at, taken;
    keel_serve_request r;

    switch (keel_serve_parse(parser, in->at, in->length, &r)) {
    case KEEL_SERVE_MORE:
        return false;
    case KEEL_SERVE_PASSED:
        taken = r.size;
        break;
    case KEEL_SERVE_WRONG:
        keel_serve_put_text(out, r.complaint);
        keel_serve_put_text(out, "\r\n");
        if (r.ends)
            return false;
        taken = r.size;
        break;
    default:
        taken = keel_serve_taken(parser, &r, keel_serve_answer(&desk, &r, out));
        if (r.verb == KEEL_SERVE_QUIT)
            return false;
        if (!taken && parser->keys_at <= keys_at)
            __builtin_trap(); /* it would go on for ever */
        check_answer(out);
        break;
    }
    take_from(in, taken);
    return true;
}

/* The first byte says in how large pieces the rest comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keel_serve_parser parser = { .line_max = LINE_MAX_SIZE,
                                 .value_max = VALUE_MAX_SIZE };
    keel_serve_buffer out = { 0 };
    input in = { NULL, 0 };
    size_t piece, at = 1;

    if (!size)
        return 0;
    open_source();
    piece = data[0] ? data[0] : size;
    for (; at < size; at += piece) {
        size_t some = size - at < piece ? size - at : piece;
        char *grown = malloc(in.length + some);

        if (!grown)
            abort();
        if (in.length)
            memcpy(grown, in.at, in.length);
        memcpy(grown + in.length, data + at, some);
        free(in.at);
        in.at = grown;
        in.length += some;
        while (in.length && step(&parser, &in, &out))
            ;
        if (in.length > LINE_MAX_SIZE + VALUE_MAX_SIZE + 256 + 2)
            break; /* it has ended before */
        check_answer(&out);
    }
    free(in.at);
    keel_serve_buffer_cleanup(&out);
    keel_serve_desk_cleanup(&desk);
    keel_bag_close(source.bag);
    return 0;
}
