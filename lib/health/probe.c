/* SPDX-License-Identifier: MIT */
/* Probes: a handle of libcurl's each, set up, judged and thrown away. */
#include "health/probe.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "settings/address.h"

enum { URL_SIZE = KEEL_HEALTH_PATH_SIZE + KEEL_HEALTH_TARGET_SIZE + 32 };

/* ---- sockets ------------------------------------------------------------------------ */

void keel_probe_sockets_init(keel_probe_sockets *sockets)
{
    for (size_t i = 0; i < KEEL_PROBE_SOCKETS; i++)
        sockets->at[i] = (keel_descriptor)KEEL_DESCRIPTOR_NONE;
}

void keel_probe_sockets_close(keel_probe_sockets *sockets)
{
    for (size_t i = 0; i < KEEL_PROBE_SOCKETS; i++)
        keel_descriptor_close(&sockets->at[i]);
}

/* fd -1: one that is free. */
static keel_descriptor *find(keel_probe_sockets *sockets, int fd)
{
    for (size_t i = 0; i < KEEL_PROBE_SOCKETS; i++)
        if (sockets->at[i].fd == fd)
            return &sockets->at[i];
    return NULL;
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    keel_descriptor *own = find(ctx, -1);

    (void)purpose;
    if (!own)
        return CURL_SOCKET_BAD;
    keel_descriptor_set(own, socket(address->family, address->socktype | SOCK_CLOEXEC,
                                    address->protocol));
    return own->fd;
}

static int close_socket(void *ctx, curl_socket_t fd)
{
    keel_descriptor *own = find(ctx, fd);

    if (own)
        keel_descriptor_close(own);
    return 0;
}

/* ---- words and answers -------------------------------------------------------------- */

/*
 * A server that wants a password first has answered: it is there and at work. What begins
 * with none of these is bad, as -LOADING is.
 */
static const struct exchange {
    const char *say; /* NULL: to connect is enough */
    const char *good[4];
} exchanges[] = {
    [KEEL_HEALTH_TCP] = { NULL, { NULL } },
    [KEEL_HEALTH_REDIS] = { "PING\r\n", { "+PONG", "-NOAUTH", "-NOPERM", NULL } },
    [KEEL_HEALTH_MEMCACHED] = { "version\r\n", { "VERSION ", NULL } },
};

/* 1: they begin so; 0: they may yet; -1: they do not. */
static int begins(const char *bytes, size_t length, const char *with)
{
    size_t wanted = strlen(with), compared = length < wanted ? length : wanted;

    if (memcmp(bytes, with, compared) != 0)
        return -1;
    return compared == wanted;
}

keel_probe_state keel_probe_judge(keel_health_kind kind, const char *bytes,
                                  size_t length)
{
    keel_probe_state state = KEEL_PROBE_BAD;

    for (const char *const *good = exchanges[kind].good; *good; good++) {
        int begin = begins(bytes, length, *good);

        if (begin > 0)
            return KEEL_PROBE_GOOD;
        if (begin == 0)
            state = KEEL_PROBE_HEARS;
    }
    return state;
}

/* So few bytes are taken at once by a connection that is new, or there is none. */
static bool send_all(const keel_probe *probe, const void *bytes, size_t length)
{
    size_t sent = 0;

    return curl_easy_send(probe->easy, bytes, length, &sent) == CURLE_OK &&
           sent == length;
}

static keel_probe_state say(const keel_probe *probe)
{
    const char *word = exchanges[probe->kind].say;

    if (!word)
        return KEEL_PROBE_GOOD;
    return send_all(probe, word, strlen(word)) ? KEEL_PROBE_HEARS : KEEL_PROBE_BAD;
}

static keel_probe_state take_word(keel_probe *probe, size_t length)
{
    probe->length += length;
    return keel_probe_judge(probe->kind, probe->reply, probe->length);
}

/* A goodbye that could not be said changes nothing. */
static keel_probe_state take_sql(keel_probe *probe, size_t length)
{
    keel_mysql_handshake *sql = &probe->sql;
    bool is_sent;

    keel_mysql_handshake_take(sql, probe->reply, length);
    is_sent = !sql->out_length || send_all(probe, sql->out, sql->out_length);
    sql->out_length = 0;
    if (sql->state == KEEL_MYSQL_IS_WELL)
        return KEEL_PROBE_GOOD;
    return is_sent && sql->state != KEEL_MYSQL_IS_ILL ? KEEL_PROBE_HEARS
                                                      : KEEL_PROBE_BAD;
}

void keel_probe_hear(keel_probe *probe)
{
    size_t got = 0;
    CURLcode code = curl_easy_recv(probe->easy, probe->reply + probe->length,
                                   sizeof probe->reply - probe->length, &got);

    if (code == CURLE_AGAIN)
        return;
    if (code != CURLE_OK || !got)
        probe->state = KEEL_PROBE_BAD;
    else if (probe->kind == KEEL_HEALTH_SQL)
        probe->state = take_sql(probe, got);
    else
        probe->state = take_word(probe, got);
}

int keel_probe_fd(const keel_probe *probe)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    curl_easy_getinfo(probe->easy, CURLINFO_ACTIVESOCKET, &fd);
    return fd;
}

/* ---- handles ------------------------------------------------------------------------ */

static size_t pass_over(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * count;
}

/* https wherever TLS is asked for: libcurl then shakes hands when it connects. */
static void write_url(const keel_health_policy *policy, const keel_address_parts *to,
                      char *url)
{
    const char *scheme = to->tls ? "https" : "http";

    if (to->host.length)
        snprintf(url, URL_SIZE, "%s://%.*s:%u%s", scheme, (int)to->host.length,
                 to->host.at, (unsigned)keel_address_port(policy, to), policy->path);
    else
        snprintf(url, URL_SIZE, "%s://localhost%s", scheme, policy->path);
}

/* What all have in common: a connection of its own, and nothing of the environment's. */
static void set_common(CURL *easy, keel_probe_sockets *sockets)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, pass_over);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, sockets);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
}

static void aim(CURL *easy, const keel_health_policy *policy)
{
    keel_address_parts to;
    char url[URL_SIZE];

    (void)keel_address_read(keel_text_of(policy->target), &to);
    write_url(policy, &to, url);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    if (!to.host.length)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, policy->target);
    if (policy->kind == KEEL_HEALTH_HTTP) {
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "keel-health");
    } else {
        curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    }
}

bool keel_probe_start(keel_probe *probe, CURLM *multi, const keel_health_policy *policy,
                      keel_probe_sockets *sockets)
{
    *probe = (keel_probe){ .state = KEEL_PROBE_BAD, .kind = policy->kind };
    keel_mysql_handshake_init(&probe->sql, policy->user);
    probe->easy = curl_easy_init();
    if (!probe->easy)
        return false;
    set_common(probe->easy, sockets);
    aim(probe->easy, policy);
    curl_easy_setopt(probe->easy, CURLOPT_PRIVATE, probe);
    if (curl_multi_add_handle(multi, probe->easy) != CURLM_OK) {
        curl_easy_cleanup(probe->easy);
        probe->easy = NULL;
        return false;
    }
    probe->state = KEEL_PROBE_CONNECTS;
    return true;
}

static keel_probe_state judge_http(keel_probe *probe)
{
    long code = 0;

    curl_easy_getinfo(probe->easy, CURLINFO_RESPONSE_CODE, &code);
    probe->code = (uint16_t)code;
    return code >= 200 && code < 300 ? KEEL_PROBE_GOOD : KEEL_PROBE_BAD;
}

void keel_probe_connected(keel_probe *probe, CURLcode code)
{
    if (code != CURLE_OK)
        probe->state = KEEL_PROBE_BAD;
    else if (probe->kind == KEEL_HEALTH_HTTP)
        probe->state = judge_http(probe);
    else if (probe->kind == KEEL_HEALTH_SQL)
        probe->state = KEEL_PROBE_HEARS; /* the server speaks first */
    else
        probe->state = say(probe);
}

void keel_probe_stop(keel_probe *probe, CURLM *multi)
{
    if (probe->easy) {
        curl_multi_remove_handle(multi, probe->easy);
        curl_easy_cleanup(probe->easy);
    }
    *probe = (keel_probe){ .state = KEEL_PROBE_NONE };
}
