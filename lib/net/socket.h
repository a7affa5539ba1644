/* SPDX-License-Identifier: MIT */
/*
 * A stream socket of keel's own: never blocking, closed on exec, without SIGPIPE. Every
 * wait has an instant at which it ends, and ends at once when the interrupt descriptor
 * can be read. Not for names, which are looked up first (net/resolver.h), nor for what is
 * said.
 *
 * What all of these return:
 *   KEEL_OK
 *   KEEL_TIMEOUT    the instant came
 *   KEEL_CANCELLED  interrupted
 *   KEEL_FAILED     the peer closed, reset or refused; why->system_errno, 0: it closed
 *   KEEL_E_SYSTEM   no descriptor to be had; why->system_errno
 * A socket is used by one thread at a time.
 */
#ifndef KEEL_NET_SOCKET_H
#define KEEL_NET_SOCKET_H

#include <sys/socket.h>

#include <keel/status.h>

#include "net/descriptor.h"

typedef struct keel_address {
    struct sockaddr_storage at;
    socklen_t size;
} keel_address;

typedef struct keel_socket {
    keel_descriptor own;
    int interrupt_fd;    /* borrowed, never read from here; -1: none */
    bool sleeps;         /* keel_socket_sleep */
    uint64_t timeout_ns; /* of reads that sleep, as the kernel has it */
} keel_socket;

/* The instant by the clock that all waits here go by: CLOCK_MONOTONIC. */
uint64_t keel_socket_now(void);

/* False: longer than an address can be. */
bool keel_address_unix(keel_address *address, const char *path);

void keel_socket_init(keel_socket *s, int interrupt_fd);

/*
 * Connects. That succeeds with a peer that is frozen: only an answer proves that
 * somebody is there.
 *
 * timeout_ns  how long the peer may leave what is sent later unacknowledged
 */
keel_status keel_socket_connect(keel_socket *s, const keel_address *to,
                                uint64_t timeout_ns, uint64_t until_ns,
                                keel_detail *why);

/*
 * Reads what is there, or else waits for it; an instant in the past: only looks.
 * *length is not 0 on KEEL_OK and 0 otherwise.
 */
keel_status keel_socket_read(keel_socket *s, void *to, size_t size, size_t *length,
                             uint64_t until_ns, keel_detail *why);

/* Writes all of it; on anything but KEEL_OK an unknown part is on its way. */
keel_status keel_socket_write(keel_socket *s, const void *bytes, size_t size,
                              uint64_t until_ns, keel_detail *why);

/* The same, and how many bytes the kernel took: of 0 none will ever arrive. */
keel_status keel_socket_write_counting(keel_socket *s, const void *bytes, size_t size,
                                       size_t *sent, uint64_t until_ns,
                                       keel_detail *why);

/*
 * From now on reads sleep in the kernel's own wait instead of in poll, which takes one
 * call in the place of two: worth it where a reply is there within microseconds. They
 * may end up to 30 ms after their instant. Not for sockets with an interrupt, and without
 * effect on them.
 */
void keel_socket_sleep(keel_socket *s);

/* Waits until one of the poll events is there: the wait of the two above. */
keel_status keel_socket_await(keel_socket *s, short events, uint64_t until_ns,
                              keel_detail *why);

/* Whether there is nothing to read: no byte, no end and no error. */
bool keel_socket_is_quiet(const keel_socket *s);

/*
 * Gives the descriptor back, if it is still this socket's; no socket is fine. Also what
 * a forked child does with its parent's, which goes on there and may have been in the
 * midst of any function above.
 */
void keel_socket_close(keel_socket *s);

#endif
