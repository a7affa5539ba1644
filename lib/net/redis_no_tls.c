/* SPDX-License-Identifier: MIT */
/* Where hiredis has no ssl library: rediss:// is refused when it is read. */
#include "base/detail.h"
#include "net/redis_tls.h"

bool keel_redis_has_tls(void)
{
    return false;
}

keel_status keel_redis_tls_new(keel_redis_tls **out, const keel_allocator *memory,
                               keel_socket *s, const char *host, keel_detail *why)
{
    (void)memory;
    (void)s;
    (void)host;
    *out = NULL;
    return keel_fail(why, KEEL_E_UNSUPPORTED, "built without TLS to Redis");
}

keel_status keel_redis_tls_read(keel_redis_tls *tls, void *to, size_t size,
                                size_t *length, uint64_t until_ns, keel_detail *why)
{
    (void)tls;
    (void)to;
    (void)size;
    (void)until_ns;
    *length = 0;
    return keel_fail(why, KEEL_E_UNSUPPORTED, "built without TLS to Redis");
}

keel_status keel_redis_tls_write(keel_redis_tls *tls, const char *bytes, size_t size,
                                 uint64_t until_ns, keel_detail *why)
{
    (void)tls;
    (void)bytes;
    (void)size;
    (void)until_ns;
    return keel_fail(why, KEEL_E_UNSUPPORTED, "built without TLS to Redis");
}

void keel_redis_tls_free(keel_redis_tls *tls)
{
    (void)tls;
}
