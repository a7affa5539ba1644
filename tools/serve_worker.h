/* SPDX-License-Identifier: MIT */
/*
 * A thread that owns connections: it waits for all of them at once, and answers one at a
 * time, so while a bag is slow to answer one of them the others of the same worker wait.
 */
#ifndef KEEL_TOOLS_SERVE_WORKER_H
#define KEEL_TOOLS_SERVE_WORKER_H

#include <pthread.h>

#include "serve_connection.h"

/*
 * What all workers go by. All but the atomics is set before they are started.
 *
 * idle_ns      a client that says nothing for so long is closed; 0: none is
 * is_stopping  no more connections come; those at rest are closed
 * grace_at_ns  and all of them then; set before is_stopping
 * connections  open now
 * ended_fd     an eventfd: 1 for each worker that has ended
 */
typedef struct keel_serve_house {
    keel_serve_source source;
    size_t line_max, value_max;
    uint64_t idle_ns;
    _Atomic bool is_stopping;
    uint64_t grace_at_ns;
    _Atomic size_t connections;
    int ended_fd;
} keel_serve_house;

/* incoming_mu guards: incoming */
typedef struct keel_serve_worker {
    keel_serve_house *house;
    keel_serve_desk desk;
    pthread_t thread;
    int epoll_fd, wake_fd;
    _Atomic size_t load; /* connections, for whoever hands out new ones */
    pthread_mutex_t incoming_mu;
    keel_serve_connection *incoming;
    keel_serve_connection *oldest, *newest;
    keel_serve_buffer spare_in, spare_out;
    bool is_closing; /* it has seen that the house is stopping */
} keel_serve_worker;

/* Starts it. False: errno says what there is not enough of. */
bool keel_serve_worker_start(keel_serve_worker *w, keel_serve_house *house);

/* Hands it a connection; house->connections counts it already. */
void keel_serve_worker_give(keel_serve_worker *w, keel_serve_connection *c);

/* Makes it look at house->is_stopping. */
void keel_serve_worker_wake(keel_serve_worker *w);

/* Waits for its end, which comes after is_stopping. */
void keel_serve_worker_join(keel_serve_worker *w);

#endif
