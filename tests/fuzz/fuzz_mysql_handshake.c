/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a MySQL says when somebody logs in: no byte is read beyond those that
 * are there, what is answered has room, and whether they come at once or bit by bit makes
 * no difference.
 */
#include <string.h>

#include "net/mysql_handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
    if (!condition)
        __builtin_trap();
}

static void take_in_pieces(keel_mysql_handshake *h, const uint8_t *bytes, size_t size,
                           size_t step)
{
    keel_mysql_handshake_init(h, "keel_health");
    for (size_t at = 0; at < size; at += step) {
        size_t length = size - at < step ? size - at : step;
        uint8_t piece[256];

        memcpy(piece, bytes + at, length);
        keel_mysql_handshake_take(h, piece, length);
        check(h->out_length <= sizeof h->out);
    }
}

/* The first byte is the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static keel_mysql_handshake whole, pieces;
    size_t skip = size > 0, step = size ? (size_t)data[0] + 1 : 1;

    keel_mysql_handshake_init(&whole, "keel_health");
    keel_mysql_handshake_take(&whole, data + skip, size - skip);
    take_in_pieces(&pieces, data + skip, size - skip, step);
    check(whole.state == pieces.state);
    check(whole.out_length <= sizeof whole.out);
    check(whole.out_length == pieces.out_length &&
          memcmp(whole.out, pieces.out, whole.out_length) == 0);
    return 0;
}
