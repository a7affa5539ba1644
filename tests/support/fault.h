/* SPDX-License-Identifier: MIT */
/*
 * A server that misbehaves on demand: raw TCP on loopback, one thread, and a script
 * that says what becomes of the first request, the second, and so on. For what no
 * well-behaved server can be made to do.
 */
#ifndef KEEL_TESTS_SUPPORT_FAULT_H
#define KEEL_TESTS_SUPPORT_FAULT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What follows after a step's text was sent. */
typedef enum fault_then {
    FAULT_KEEP,  /* the connection stays for the next request */
    FAULT_CLOSE, /* it is closed in order */
    FAULT_RESET, /* it is reset */
    FAULT_HANG   /* it stays open, and nothing is ever said on it again */
} fault_then;

/*
 * send     sent when the head of a request has arrived; "": nothing
 * drip_ms  so long between two bytes; 0: all at once
 * early    do not wait for the body of the request
 */
typedef struct fault_step {
    const char *send;
    fault_then then;
    int drip_ms;
    bool early;
} fault_step;

enum { FAULT_CONNECTIONS = 32, FAULT_REQUEST_SIZE = 4096 };

typedef struct fault_connection {
    int fd; /* -1: free */
    bool silent;
    size_t length;
    char request[FAULT_REQUEST_SIZE];
} fault_connection;

/* mu guards: last_request */
typedef struct fault_server {
    uint16_t port;
    atomic_int requests;    /* seen so far */
    atomic_int connections; /* accepted so far */
    const fault_step *steps;
    int step_count; /* the last step is repeated */
    int listener;
    int stop_fd;
    pthread_t thread;
    pthread_mutex_t mu;
    char last_request[FAULT_REQUEST_SIZE];
    fault_connection open[FAULT_CONNECTIONS];
} fault_server;

/* steps is borrowed. False: no socket or thread was to be had. */
bool fault_start(fault_server *server, const fault_step *steps, int step_count);
void fault_stop(fault_server *server);

/* Whether the latest request contains text. */
bool fault_saw(fault_server *server, const char *text);

#endif
