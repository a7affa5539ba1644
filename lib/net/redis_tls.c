/* SPDX-License-Identifier: MIT */
/*
 * hiredis runs the session, on a context that borrows our descriptor and never blocks;
 * the waits are ours. The session itself is made here, as only so a certificate is held
 * against the host's name in every hiredis that has TLS. Built only with such a one.
 */
#include "net/redis_tls.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <hiredis/sds.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/sigpipe.h"

struct keel_redis_tls {
    const keel_allocator *memory;
    keel_socket *socket;
    redisContext *context;
    SSL *session; /* the context's */
};

/* A host named by its number has that in its certificate. */
static bool expect_host(SSL *session, const char *host)
{
    X509_VERIFY_PARAM *expected = SSL_get0_param(session);

    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_ip_asc(expected, host) == 1 ||
           (SSL_set_tlsext_host_name(session, host) == 1 &&
            SSL_set1_host(session, host) == 1);
}

/* A context for one session; it lives as long as that. */
static SSL *session_new(const char *host)
{
    SSL_CTX *settings = SSL_CTX_new(TLS_client_method());
    SSL *session = NULL;

    if (!settings)
        return NULL;
    SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_min_proto_version(settings, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_default_verify_paths(settings) == 1)
        session = SSL_new(settings);
    SSL_CTX_free(settings);
    if (session && !expect_host(session, host)) {
        SSL_free(session);
        return NULL;
    }
    return session;
}

/* What hiredis says of it holds no secret: OpenSSL's reason. */
static keel_status fail(const keel_redis_tls *tls, keel_detail *why)
{
    long verdict = SSL_get_verify_result(tls->session);

    if (verdict != X509_V_OK)
        return keel_failf(why, KEEL_FAILED, "TLS: the certificate is refused: %s",
                          X509_verify_cert_error_string(verdict));
    return keel_failf(why, KEEL_FAILED, "TLS: %s",
                      tls->context->errstr[0] ? tls->context->errstr : "it ended");
}

/* Until the direction that the session waits for is free. */
static keel_status await(const keel_redis_tls *tls, uint64_t until_ns, keel_detail *why)
{
    short events = SSL_want(tls->session) == SSL_WRITING ? POLLOUT : POLLIN;

    return keel_socket_await(tls->socket, events, until_ns, why);
}

/* OpenSSL writes to the socket as it likes, also to read. */
static ssize_t read_some(const keel_redis_tls *tls, void *to, size_t size)
{
    keel_sigpipe guard;
    ssize_t length;

    keel_sigpipe_block(&guard);
    ERR_clear_error(); /* what others left in this thread would be taken for ours */
    length = tls->context->funcs->read(tls->context, to, size);
    keel_sigpipe_restore(&guard);
    return length;
}

static ssize_t write_some(const keel_redis_tls *tls)
{
    keel_sigpipe guard;
    ssize_t length;

    keel_sigpipe_block(&guard);
    ERR_clear_error(); /* what others left in this thread would be taken for ours */
    length = tls->context->funcs->write(tls->context);
    keel_sigpipe_restore(&guard);
    return length;
}

keel_status keel_redis_tls_read(keel_redis_tls *tls, void *to, size_t size,
                                size_t *length, uint64_t until_ns, keel_detail *why)
{
    keel_status status = KEEL_OK;
    ssize_t got;

    *length = 0;
    while ((got = read_some(tls, to, size)) == 0 && status == KEEL_OK)
        status = await(tls, until_ns, why);
    if (got < 0)
        return fail(tls, why);
    *length = (size_t)got;
    return got ? KEEL_OK : status;
}

/* A record goes out whole or not at all; then what may be a password is wiped. */
keel_status keel_redis_tls_write(keel_redis_tls *tls, const char *bytes, size_t size,
                                 uint64_t until_ns, keel_detail *why)
{
    redisContext *context = tls->context;
    keel_status status = KEEL_OK;
    ssize_t written;

    if (redisAppendFormattedCommand(context, bytes, size) != REDIS_OK)
        return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
    while ((written = write_some(tls)) == 0 && status == KEEL_OK)
        status = await(tls, until_ns, why);
    explicit_bzero(context->obuf, size);
    sdsclear(context->obuf);
    if (written < 0)
        return fail(tls, why);
    return written ? KEEL_OK : status;
}

static keel_status start(keel_redis_tls *tls, const char *host, keel_detail *why)
{
    tls->context = redisConnectFd(tls->socket->own.fd);
    if (!tls->context || tls->context->err)
        return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
    tls->context->flags &= ~REDIS_BLOCK;
    tls->session = session_new(host);
    if (!tls->session)
        return keel_fail(why, KEEL_FAILED, "TLS: OpenSSL makes no session");
    if (redisInitiateSSL(tls->context, tls->session) == REDIS_OK)
        return KEEL_OK;
    fail(tls, why);
    SSL_free(tls->session); /* on success it is the context's */
    return KEEL_FAILED;
}

bool keel_redis_has_tls(void)
{
    return true;
}

keel_status keel_redis_tls_new(keel_redis_tls **out, const keel_allocator *memory,
                               keel_socket *s, const char *host, keel_detail *why)
{
    keel_redis_tls *tls = keel_memory_new(memory, sizeof *tls);
    keel_status status;

    *out = NULL;
    if (!tls)
        return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
    tls->memory = memory;
    tls->socket = s;
    status = start(tls, host, why);
    if (status == KEEL_OK)
        *out = tls;
    else
        keel_redis_tls_free(tls);
    return status;
}

/* The context would close the descriptor, which is the socket's. */
void keel_redis_tls_free(keel_redis_tls *tls)
{
    if (!tls)
        return;
    if (tls->context)
        redisFreeKeepFd(tls->context);
    keel_memory_free(tls->memory, tls);
}
