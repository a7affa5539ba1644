/* SPDX-License-Identifier: MIT */
/*
 * Bytes that come in or are to go out: filled at the end, taken from the front. Not for
 * what they mean.
 */
#ifndef KEEL_TOOLS_SERVE_BUFFER_H
#define KEEL_TOOLS_SERVE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: empty. is_lost: there was no memory, so what it holds is not whole. */
typedef struct keel_serve_buffer {
    char *block;
    size_t begin, end, size;
    bool is_lost;
} keel_serve_buffer;

static inline size_t keel_serve_held(const keel_serve_buffer *b)
{
    return b->end - b->begin;
}

static inline char *keel_serve_front(const keel_serve_buffer *b)
{
    return b->block + b->begin;
}

/* Room for that many bytes behind its end; NULL: no memory. What is written there is part
 * of it once keel_serve_add has said how much. */
char *keel_serve_room(keel_serve_buffer *b, size_t length);

static inline void keel_serve_add(keel_serve_buffer *b, size_t length)
{
    b->end += length;
}

void keel_serve_put(keel_serve_buffer *b, const void *bytes, size_t length);
void keel_serve_put_text(keel_serve_buffer *b, const char *text);
void keel_serve_put_number(keel_serve_buffer *b, uint64_t number);

/* Takes from the front. */
void keel_serve_drop(keel_serve_buffer *b, size_t length);

void keel_serve_buffer_cleanup(keel_serve_buffer *b);

enum { KEEL_SERVE_DIGITS = 20 };

/* In decimal, without an end. Returns where it ends. */
char *keel_serve_digits(char *to, uint64_t number);

#endif
