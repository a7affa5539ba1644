/* SPDX-License-Identifier: MIT */
/*
 * What requests and replies of memcached's text protocol are made of: lines of words cut
 * by blanks, numbers, and the data blocks behind some of them. Pure functions over bytes,
 * the same for both ends; no socket, no memory, and nothing is kept between two of them.
 */
#ifndef KEEL_NET_MEMCACHED_TEXT_H
#define KEEL_NET_MEMCACHED_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* How far reading came. */
typedef enum keel_mc_read {
    KEEL_MC_READ,  /* it is whole */
    KEEL_MC_MORE,  /* so far it may be one */
    KEEL_MC_WRONG, /* whatever may follow, it is none */
} keel_mc_read;

/*
 * Cuts the first line off, without its end ("\r\n" or "\n").
 *
 * most     bytes of a line; a longer one is WRONG
 * *size    READ: the line with its end; MORE: bytes that are needed at least
 */
keel_mc_read keel_mc_line(keel_text from, size_t most, keel_text *line, size_t *size);

/*
 * The data block of `length` bytes that begins behind `head` bytes, and ends with "\r\n".
 * *size as above, from the beginning of `from`.
 */
keel_mc_read keel_mc_block(keel_text from, size_t head, size_t length, keel_text *block,
                           size_t *size);

/* The next word, taken off the front of the rest of a line; false: there is none. */
bool keel_mc_word(keel_text *rest, keel_text *word);

/* Decimal digits and nothing else, of 64 bits; of 32. */
bool keel_mc_number(keel_text text, uint64_t *number);
bool keel_mc_number32(keel_text text, uint32_t *number);

/* The same with "-" before it, perhaps. */
bool keel_mc_signed(keel_text text, int64_t *number);

/* ---- writing ------------------------------------------------------------------------- */

/* Each writes where `to` points, and returns what is behind it. Room is the caller's. */
char *keel_mc_put(char *to, const char *text);
char *keel_mc_put_text(char *to, keel_text text);
char *keel_mc_put_number(char *to, uint64_t number); /* 20 digits at most */
char *keel_mc_put_signed(char *to, int64_t number);

#endif
