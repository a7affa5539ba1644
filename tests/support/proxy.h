/* SPDX-License-Identifier: MIT */
/*
 * A proxy between a test and a TCP server on loopback that does wrong by order: the
 * same wrong each time. A thread of the test program; knows nothing of what is spoken.
 */
#ifndef KEEL_TESTS_SUPPORT_PROXY_H
#define KEEL_TESTS_SUPPORT_PROXY_H

#include <stddef.h>
#include <stdint.h>

typedef enum proxy_fault {
    PROXY_FORWARD,      /* no fault */
    PROXY_DELAY,        /* what the server sends arrives ms later */
    PROXY_DRIP,         /* what the server sends arrives byte by byte, one each ms */
    PROXY_CUT,          /* half of what the server sends next arrives, then the end */
    PROXY_RESET_BEFORE, /* the next request is not forwarded; a reset comes back */
    PROXY_RESET_AFTER,  /* it is forwarded and answered; a reset comes back */
    PROXY_ANSWER,       /* it is not forwarded; `answer` comes back */
    PROXY_BLACK_HOLE,   /* connections are accepted, and nothing moves on any */
    PROXY_REFUSE        /* connections are reset, and new ones refused */
} proxy_fault;

/* The name for an answer that no protocol knows. */
#define PROXY_GARBAGE "\x16\x03\x01 no such protocol \xff\xfe\r\n\r\n"

typedef struct proxy_order {
    proxy_fault fault;
    unsigned ms;
    const char *answer; /* kept as a pointer; NULL: PROXY_GARBAGE */
    size_t answer_size;
} proxy_order;

typedef struct proxy proxy;

/* Forwards to 127.0.0.1:target_port. NULL: no socket or thread to be had. */
proxy *proxy_start(uint16_t target_port);

/* Where it listens on 127.0.0.1: the same port all the time. */
uint16_t proxy_port(const proxy *p);

/*
 * Holds from when it returns, for what has not gone through by then, on connections old
 * and new.
 */
void proxy_set(proxy *p, proxy_order order);

/* The same for a fault that says it all. */
void proxy_do(proxy *p, proxy_fault fault);

/* Connections accepted since the start. */
unsigned proxy_accepted(proxy *p);

/* Resets all connections and ends. NULL is fine. */
void proxy_stop(proxy *p);

#endif
