/* SPDX-License-Identifier: MIT */
/*
 * TLS to Redis by hiredis' ssl library on keel's own socket. Which of redis_tls.c and
 * redis_no_tls.c is built says whether this keel has it. Certificates are verified by
 * the system's authorities, and against the host's name.
 */
#ifndef KEEL_NET_REDIS_TLS_H
#define KEEL_NET_REDIS_TLS_H

#include <keel/runtime.h>

#include "net/socket.h"

typedef struct keel_redis_tls keel_redis_tls;

/* False: built with a hiredis that lacks it, before 1.0. */
bool keel_redis_has_tls(void);

/*
 * Begins a session on a connected socket; borrowed, and outlives it. The peer is
 * verified by the time the first byte is read. memory is kept.
 * KEEL_FAILED, KEEL_E_NOMEM, KEEL_E_UNSUPPORTED
 */
keel_status keel_redis_tls_new(keel_redis_tls **out, const keel_allocator *memory,
                               keel_socket *s, const char *host, keel_detail *why);

/* As keel_socket_read and keel_socket_write; each may wait for either direction. */
keel_status keel_redis_tls_read(keel_redis_tls *tls, void *to, size_t size,
                                size_t *length, uint64_t until_ns, keel_detail *why);
keel_status keel_redis_tls_write(keel_redis_tls *tls, const char *bytes, size_t size,
                                 uint64_t until_ns, keel_detail *why);

/* Not a byte is sent, and the socket stays open. NULL is fine. */
void keel_redis_tls_free(keel_redis_tls *tls);

#endif
