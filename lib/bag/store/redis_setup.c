/* SPDX-License-Identifier: MIT */
/* Options and URL of a Redis store, and what it tells of itself. Connects to nobody. */
#include <stdio.h>
#include <string.h>

#include "bag/store/redis_item.h"
#include "bag/store/redis_store.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"
#include "net/redis_tls.h"

enum {
    OPTION_PREFIX,
    OPTION_RAW,
    OPTION_EVICTS,
    OPTION_DB,
    OPTION_CONNECTIONS,
    OPTION_CONNECT_TIMEOUT,
    OPTION_IDLE,
    OPTION_PASSWORD
};

const keel_bag_option keel_redis_options[] = {
    [OPTION_PREFIX] = { .name = "prefix",
                        .type = KEEL_BAG_TEXT,
                        .meaning = "Stands before each key; flush and scan touch no "
                                   "others." },
    [OPTION_RAW] = { .name = "raw",
                     .type = KEEL_BAG_SWITCH,
                     .standard = "off",
                     .meaning = "Plain strings, as other clients read and write them; "
                                "without flags, tokens and nonces." },
    [OPTION_EVICTS] = { .name = "evicts",
                        .type = KEEL_BAG_SWITCH,
                        .standard = "on",
                        .meaning = "off: the server never drops items for want of "
                                   "memory; one that would is refused." },
    [OPTION_DB] = { .name = "db",
                    .type = KEEL_BAG_COUNT,
                    .max = UINT16_MAX,
                    .meaning = "The database, where the URL's path is that of a unix "
                               "socket." },
    [OPTION_CONNECTIONS] = { .name = "connections",
                             .type = KEEL_BAG_COUNT,
                             .min = 1,
                             .max = KEEL_POOL_MAX,
                             .standard = "16",
                             .meaning = "To one server at most; who needs one more "
                                        "waits." },
    [OPTION_CONNECT_TIMEOUT] = { .name = "connect_timeout",
                                 .type = KEEL_BAG_DURATION,
                                 .min = KEEL_MILLISECOND,
                                 .max = KEEL_HOUR,
                                 .standard = "1s",
                                 .meaning = "For looking the server up, connecting and "
                                            "logging in, within the call's deadline." },
    [OPTION_IDLE] = { .name = "idle",
                      .type = KEEL_BAG_DURATION,
                      .min = KEEL_MILLISECOND,
                      .max = 24 * KEEL_HOUR,
                      .standard = "1m",
                      .meaning = "A connection unused for longer is not used again." },
    [OPTION_PASSWORD] = { .name = "password",
                          .type = KEEL_BAG_SECRET,
                          .meaning = "In the place of the URL's." },
    { .name = NULL },
};

/* ---- the URL ------------------------------------------------------------------------- */

/* The URL as net/redis_url reads it, without user and password. False: no memory. */
static bool write_url(char **to, const keel_allocator *memory,
                      const keel_bag_setup *setup)
{
    size_t size = strlen(setup->url) + strlen(setup->host) + strlen(setup->location) +
                  sizeof "unix:" + sizeof "[]:65535";
    size_t scheme = strcspn(setup->url, ":");
    bool is_ipv6 = strchr(setup->host, ':') && !strchr(setup->host, ',');
    char port[sizeof ":65535"] = "";

    *to = keel_memory_new(memory, size);
    if (!*to)
        return false;
    if (setup->port)
        snprintf(port, sizeof port, ":%u", setup->port);
    if (*setup->host)
        snprintf(*to, size, "%.*s://%s%s%s%s%s", (int)scheme, setup->url,
                 is_ipv6 ? "[" : "", setup->host, is_ipv6 ? "]" : "", port,
                 setup->location);
    else
        snprintf(*to, size, "unix:%s", setup->location);
    return true;
}

static bool copy(char to[KEEL_REDIS_NAME_SIZE], const char *from)
{
    size_t length = strlen(from);

    if (length >= KEEL_REDIS_NAME_SIZE)
        return false;
    memcpy(to, from, length + 1);
    return true;
}

static keel_status set_login(keel_redis_url *url, const keel_bag_setup *setup,
                             keel_detail *why)
{
    const keel_bag_value *db = &setup->values[OPTION_DB];
    const char *secret = setup->values[OPTION_PASSWORD].text;

    if (!copy(url->user, setup->user) ||
        !copy(url->password, secret ? secret : setup->password))
        return keel_failf(why, KEEL_E_CONFIG, "user and password have %d bytes at most",
                          KEEL_REDIS_NAME_SIZE - 1);
    if (db->is_given && db->number && url->kind == KEEL_REDIS_CLUSTER)
        return keel_fail(why, KEEL_E_CONFIG, "a cluster has only database 0");
    if (db->is_given)
        url->db = (uint32_t)db->number;
    return KEEL_OK;
}

static keel_status read_url(keel_redis_url *url, const keel_bag_setup *setup,
                            keel_detail *why)
{
    const keel_allocator *memory = setup->runtime->memory;
    bool is_plain = strncmp(setup->url, "redis:", strlen("redis:")) == 0;
    keel_status status;
    char *text;

    if (!*setup->host && (!is_plain || strlen(setup->location) < 2))
        return keel_fail(why, KEEL_E_CONFIG,
                         is_plain ? "neither a host nor the path of a unix socket"
                                  : "a host is missing");
    if (strncmp(setup->url, "rediss:", strlen("rediss:")) == 0 && !keel_redis_has_tls())
        return keel_fail(why, KEEL_E_UNSUPPORTED,
                         "rediss:// needs a keel built with hiredis 1.0 or newer and "
                         "its ssl library; until then use a unix socket "
                         "(redis:///run/redis.sock) or a local TLS tunnel");
    if (!write_url(&text, memory, setup))
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    status = keel_redis_url_read(url, keel_text_of(text), why);
    keel_memory_free(memory, text);
    if (status == KEEL_OK)
        status = set_login(url, setup, why);
    return status;
}

/* ---- opening ------------------------------------------------------------------------- */

static keel_status check_prefix(keel_text prefix, keel_detail *why)
{
    if (prefix.length > KEEL_REDIS_PREFIX_MAX)
        return keel_failf(why, KEEL_E_CONFIG, "prefix has %d bytes at most",
                          KEEL_REDIS_PREFIX_MAX);
    return KEEL_OK;
}

static keel_status begin(keel_redis_store *s, const keel_bag_setup *setup,
                         keel_detail *why)
{
    const keel_bag_value *values = setup->values;
    keel_redis_terms terms = {
        .memory = s->memory,
        .clock = s->clock,
        .connections = (uint32_t)values[OPTION_CONNECTIONS].number,
        .connect_ns = values[OPTION_CONNECT_TIMEOUT].number,
        .idle_ns = values[OPTION_IDLE].number,
        .must_keep = !s->evicts,
    };
    keel_status status = read_url(&terms.url, setup, why);

    if (status == KEEL_OK)
        status = check_prefix(s->prefix, why);
    if (status == KEEL_OK && keel_redis_nodes_init(&s->nodes, &terms) != KEEL_OK)
        status = keel_fail(why, KEEL_E_NOMEM, "out of memory");
    keel_redis_url_wipe(&terms.url);
    return status;
}

keel_status keel_redis_store_open(void **state, const keel_bag_setup *setup,
                                  keel_detail *why)
{
    const keel_allocator *memory = setup->runtime->memory;
    keel_redis_store *s = keel_memory_new(memory, sizeof *s);
    keel_status status;

    if (!s)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    s->memory = memory;
    s->clock = &setup->runtime->clock;
    s->path = setup->path;
    s->prefix = keel_text_of(setup->values[OPTION_PREFIX].text);
    s->envelope = setup->values[OPTION_RAW].number ? 0 : KEEL_REDIS_ENVELOPE;
    s->value_max = keel_bag_value_max(setup, (UINT64_C(512) << 20) - s->envelope);
    s->evicts = setup->values[OPTION_EVICTS].number;
    status = begin(s, setup, why);
    if (status == KEEL_OK)
        *state = s;
    else
        keel_memory_free(memory, s);
    return status;
}

void keel_redis_store_close(void *state)
{
    keel_redis_store *s = state;

    keel_redis_nodes_cleanup(&s->nodes);
    keel_memory_free(s->memory, s);
}

/*
 * Neither durable nor volatile: whether what was acknowledged outlives the server is
 * its configuration's to decide, and changes while it runs.
 */
void keel_redis_store_look(void *state, keel_bag_abilities *a)
{
    const keel_redis_store *s = state;

    a->native = KEEL_CAN_GET | KEEL_CAN_SET | KEEL_CAN_ADD | KEEL_CAN_REPLACE |
                KEEL_CAN_APPEND | KEEL_CAN_INCR | KEEL_CAN_TOUCH | KEEL_CAN_DELETE |
                KEEL_CAN_FLUSH | KEEL_CAN_SCAN | KEEL_CAN_MANY | KEEL_CAN_TTL |
                KEEL_CAN_TELL_TTL | KEEL_TELLS_DELETE;
    if (s->envelope)
        a->native |=
            KEEL_CAN_CAS | KEEL_CAN_DELETE_CAS | KEEL_CAN_FLAGS | KEEL_HAS_NONCE;
    if (s->evicts)
        a->native |= KEEL_MAY_EVICT;
    a->value_max = s->value_max;
    a->batch_max = 128;
    a->ttl_step_ms = 1;
}
