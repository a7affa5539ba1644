/* SPDX-License-Identifier: MIT */
/*
 * One client: what it has sent and what it is to get. Requests are answered in their
 * order, and no more of them than its answers can be sent. Belongs to one worker.
 */
#ifndef KEEL_TOOLS_SERVE_CONNECTION_H
#define KEEL_TOOLS_SERVE_CONNECTION_H

#include "serve_answer.h"

/*
 * older, newer  in its worker's list, by active_at_ns
 * is_blocked    what it is to get waits for it to read
 * is_ending     it is closed once it has got that
 */
typedef struct keel_serve_connection {
    int fd;
    keel_serve_parser parser;
    keel_serve_buffer in, out;
    uint64_t active_at_ns;
    struct keel_serve_connection *older, *newer;
    bool is_blocked, is_ending;
} keel_serve_connection;

/* Takes fd over, which does not block. NULL: no memory, and the caller still has it. */
keel_serve_connection *keel_serve_connection_new(int fd, size_t line_max,
                                                 size_t value_max);

void keel_serve_connection_free(keel_serve_connection *c);

/* Reads what has come, answers it and sends what can be sent. False: it is over. */
bool keel_serve_take_turn(keel_serve_connection *c, keel_serve_desk *desk);

/* Whether nothing is under way: no half request, and no answer. */
bool keel_serve_is_at_rest(const keel_serve_connection *c);

#endif
