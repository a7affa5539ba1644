/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a memcached says: no byte is read beyond those that are there, what is
 * asked for is bounded, and whether they come at once or bit by bit makes no difference.
 */
#include <string.h>

#include "net/memcached_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUE_MAX = 4096, NEEDED_MAX = KEEL_MC_REPLY_LINE + VALUE_MAX + 2 };

static void check(int condition)
{
    if (!condition)
        __builtin_trap();
}

static void lies_in(keel_text all, keel_text part)
{
    check(!part.length ||
          (part.at >= all.at && part.at + part.length <= all.at + all.length));
}

/* With fewer bytes it is never read, nor is more asked for than it has. */
static void read_in_pieces(keel_text reply, size_t step)
{
    keel_mc_reply got;
    size_t needed;

    for (size_t length = 0; length < reply.length; length += step) {
        check(keel_mc_reply_read((keel_text){ reply.at, length }, VALUE_MAX, &got,
                                 &needed) == KEEL_MC_MORE);
        check(needed > length && needed <= reply.length);
    }
}

/* The first byte is the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keel_text rest = { (const char *)data + (size > 0), size - (size > 0) };
    size_t step = size ? (size_t)data[0] + 1 : 1;
    keel_mc_read read = KEEL_MC_READ;

    while (read == KEEL_MC_READ && rest.length) {
        keel_mc_reply reply;
        size_t needed;

        read = keel_mc_reply_read(rest, VALUE_MAX, &reply, &needed);
        if (read == KEEL_MC_MORE)
            check(needed > rest.length && needed <= NEEDED_MAX);
        if (read != KEEL_MC_READ)
            break;
        check(needed <= rest.length && reply.value.length <= VALUE_MAX);
        lies_in(rest, reply.value);
        lies_in(rest, reply.key);
        lies_in(rest, reply.text);
        read_in_pieces((keel_text){ rest.at, needed }, step);
        rest = (keel_text){ rest.at + needed, rest.length - needed };
    }
    return 0;
}
