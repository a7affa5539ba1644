/* SPDX-License-Identifier: MIT */
/*
 * The memcached store: memcached://host:port, memcached:///path/of/socket. Items are
 * stored as they are, so that other clients may share them. Here is what it is opened
 * with; reading and writing are files of their own.
 */
#include <string.h>

#include "bag/registry.h"
#include "bag/store/memcached_read.h"
#include "bag/store/memcached_write.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

enum { PORT = 11211 };

/* What the server keeps beside the value counts, too: its own 64 bytes, and the key. */
enum { BESIDE_VALUE = 512 };

enum { OPTION_CONNECTIONS, OPTION_CONNECT, OPTION_IDLE, OPTION_PROTOCOL, OPTION_ITEM };

static const keel_bag_option options[] = {
    [OPTION_CONNECTIONS] = { .name = "connections",
                             .type = KEEL_BAG_COUNT,
                             .min = 1,
                             .max = KEEL_POOL_MAX,
                             .standard = "16",
                             .meaning =
                                 "Connections at once; who finds them all in use "
                                 "waits for one until his deadline." },
    [OPTION_CONNECT] = { .name = "connect",
                         .type = KEEL_BAG_DURATION,
                         .min = KEEL_MS,
                         .max = 3600 * KEEL_S,
                         .standard = "1s",
                         .meaning = "How long making a connection may take, its host's "
                                    "look-up and first answer included." },
    [OPTION_IDLE] = { .name = "idle",
                      .type = KEEL_BAG_DURATION,
                      .min = 0,
                      .max = UINT64_C(24) * 3600 * KEEL_S,
                      .standard = "1m",
                      .meaning =
                          "A connection that nobody has used for so long is closed "
                          "rather than used." },
    [OPTION_PROTOCOL] = { .name = "protocol",
                          .type = KEEL_BAG_WORD,
                          .words = "auto|meta|classic",
                          .standard = "auto",
                          .meaning =
                              "Meta commands if the server has them, only those, "
                              "or only the classic ones." },
    [OPTION_ITEM] = { .name = "item_max",
                      .type = KEEL_BAG_SIZE,
                      .min = 1024,
                      .max = UINT64_C(1) << 30,
                      .standard = "1MiB",
                      .meaning = "The server's own limit (-I). A value that is not 512 "
                                 "bytes smaller is refused before anything is sent." },
    { .name = NULL },
};

/* ---- opening ------------------------------------------------------------------------- */

static keel_status refuse(const keel_bag_setup *setup, const char *what,
                          keel_detail *why)
{
    return keel_bag_fail(why, KEEL_E_CONFIG, KEEL_APPLIED_NO, setup->path, "%s", what);
}

static bool has_location(const keel_bag_setup *setup)
{
    return setup->location[0] && strcmp(setup->location, "/") != 0;
}

/* What of the URL can be seen to be wrong. */
static keel_status check(const keel_bag_setup *setup, keel_detail *why)
{
    keel_address address;

    if (setup->user[0] || setup->password[0])
        return refuse(setup, "it logs in nowhere: leave user and password out", why);
    if (setup->host[0] && has_location(setup))
        return refuse(setup, "it is at a host or at the path of a socket, not at both",
                      why);
    if (!setup->host[0] && !has_location(setup))
        return refuse(setup, "where is it? memcached://host:port, or memcached:///path",
                      why);
    if (strlen(setup->host) >= KEEL_HOST_SIZE)
        return refuse(setup, "the host's name is too long", why);
    if (!setup->host[0] && !keel_address_unix(&address, setup->location))
        return refuse(setup, "the path of a unix socket is too long", why);
    return KEEL_OK;
}

static keel_memcached_server server_of(keel_memcached_store *s,
                                       const keel_bag_setup *setup)
{
    return (keel_memcached_server){
        .path = setup->host[0] ? NULL : setup->location,
        .host = setup->host,
        .port = setup->port ? setup->port : PORT,
        .resolver = &s->resolver,
        .speech = (keel_memcached_speech)setup->values[OPTION_PROTOCOL].number,
        .value_max = (size_t)setup->values[OPTION_ITEM].number
    };
}

static void close_store(void *state)
{
    keel_memcached_store *s = state;

    keel_pool_cleanup(&s->pool);
    keel_shared_resolver_cleanup(&s->resolver);
    keel_memory_free(s->memory, s);
}

static keel_status open_store(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    const keel_allocator *memory = setup->runtime->memory;
    keel_status status = check(setup, why);
    keel_memcached_store *s;

    if (status != KEEL_OK)
        return status;
    s = keel_memory_new(memory, sizeof *s);
    if (!s)
        return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
    s->memory = memory;
    s->clock = &setup->runtime->clock;
    s->path = setup->path;
    s->value_max = (size_t)setup->values[OPTION_ITEM].number - BESIDE_VALUE;
    s->connect_ns = setup->values[OPTION_CONNECT].number;
    s->server = server_of(s, setup);
    keel_pool_init(&s->pool, &keel_memcached_connections, s, s->clock,
                   (uint32_t)setup->values[OPTION_CONNECTIONS].number,
                   setup->values[OPTION_IDLE].number);
    if (!s->server.path)
        status = keel_shared_resolver_init(&s->resolver, memory);
    if (status != KEEL_OK) {
        close_store(s);
        return keel_fail(why, status, keel_status_text(status));
    }
    *state = s;
    return KEEL_OK;
}

/* What an old server lacks of it is said when it is asked for: it may be away now. */
static void look(void *state, keel_bag_abilities *a)
{
    const keel_memcached_store *s = state;

    a->native = KEEL_CAN_GET | KEEL_CAN_SET | KEEL_CAN_ADD | KEEL_CAN_REPLACE |
                KEEL_CAN_APPEND | KEEL_CAN_CAS | KEEL_CAN_INCR | KEEL_CAN_TOUCH |
                KEEL_CAN_DELETE | KEEL_CAN_FLUSH | KEEL_CAN_MANY | KEEL_CAN_TTL |
                KEEL_CAN_FLAGS | KEEL_IS_VOLATILE | KEEL_MAY_EVICT | KEEL_TELLS_DELETE;
    if (s->server.speech != KEEL_MEMCACHED_CLASSIC)
        a->native |= KEEL_CAN_DELETE_CAS | KEEL_CAN_TELL_TTL;
    a->value_max = s->value_max;
    a->batch_max = 128;
    a->ttl_step_ms = 1000;
}

/* Making a connection has its own answer. */
static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    const keel_mc_request version = { .verb = KEEL_MC_ASK_VERSION };
    keel_memcached_exchange e;
    keel_mc_reply reply;
    keel_status status = keel_memcached_exchange_begin(&e, state, op, why);

    if (status != KEEL_OK)
        return status;
    if (e.taken.is_used)
        status = keel_memcached_exchange_ask(
            &e, &version, KEEL_MEMCACHED_SET(KEEL_MC_VERSION), &reply);
    return keel_memcached_exchange_end(&e, status);
}

const keel_bag_ops keel_store_memcached = {
    .size = sizeof keel_store_memcached,
    .abi = KEEL_BAG_ABI,
    .name = "memcached",
    .options = options,
    .meaning = "A memcached server.",
    .open = open_store,
    .close = close_store,
    .look = look,
    .get = keel_memcached_store_get,
    .get_many = keel_memcached_store_get_many,
    .store = keel_memcached_store_put,
    .add_to = keel_memcached_store_add_to,
    .touch = keel_memcached_store_touch,
    .remove = keel_memcached_store_remove,
    .flush = keel_memcached_store_flush,
    .health = health,
};
