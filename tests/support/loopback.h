/* SPDX-License-Identifier: MIT */
/*
 * Bare sockets on 127.0.0.1, for tests that are one end of a connection themselves, and
 * ports for the servers that they start.
 */
#ifndef KEEL_TESTS_SUPPORT_LOOPBACK_H
#define KEEL_TESTS_SUPPORT_LOOPBACK_H

#include <netinet/in.h>
#include <stdint.h>

struct sockaddr_in loopback_address(uint16_t port);

/*
 * A port of 127.0.0.1 that nobody listens on, below 32768, and that neither the system nor
 * another test hands out while this process lives. 0: none.
 */
uint16_t loopback_free_port(void);

/* The first of two that are that far apart. */
uint16_t loopback_free_ports(uint16_t apart);

/* Close-on-exec; port 0: any free one. -1: errno. */
int loopback_listen(uint16_t port, int backlog);

/* Of a socket that is bound; 0: of none. */
uint16_t loopback_port(int fd);

#endif
