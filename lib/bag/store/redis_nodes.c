/* SPDX-License-Identifier: MIT */
/* Servers, their pools, and how a connection to one is made. */
#include "bag/store/redis_nodes.h"

#include <string.h>

#include "base/detail.h"
#include "base/memory.h"

/*
 * How long a server may leave what was sent unacknowledged; a deadline comes sooner, this
 * is for the kernel, which would otherwise try for a quarter of an hour.
 */
#define UNACKNOWLEDGED_NS (10 * KEEL_S)

/* Several items of the largest size that Redis takes (512 MiB) make no sense in one. */
enum { REPLY_BYTES = 1 << 30 };

/* ---- connections --------------------------------------------------------------------- */

static keel_status refuse_eviction(keel_detail *why)
{
    return keel_fail(why, KEEL_FAILED,
                     "evicts=off, and the server drops items when it is full: its "
                     "maxmemory-policy is not noeviction");
}

/* Asked of each server where evicts=off promises that it keeps all. */
static keel_status check_policy(keel_redis *r, uint64_t until_ns, keel_detail *why)
{
    const keel_redis_command info = KEEL_REDIS_COMMAND("INFO", "memory");
    redisReply *reply;
    keel_status status = keel_redis_ask(r, &info, &reply, until_ns, why);

    if (status != KEEL_OK)
        return status;
    if (reply->type != REDIS_REPLY_STRING)
        status = keel_fail(why, KEEL_FAILED,
                           "evicts=off, and Redis refuses INFO, which tells whether it "
                           "is so");
    else if (!strstr(reply->str, "maxmemory_policy:noeviction") &&
             !strstr(reply->str, "maxmemory:0\r"))
        status = refuse_eviction(why);
    freeReplyObject(reply);
    return status;
}

static keel_status connect_to(const keel_redis_node *node, keel_redis_connection *c,
                              uint64_t until_ns, keel_detail *why)
{
    const keel_redis_terms *terms = &node->all->terms;
    const keel_redis_url *url = &terms->url;
    keel_status status;

    switch (url->kind) {
    case KEEL_REDIS_SENTINEL:
        status = keel_redis_find(&c->redis, &c->dialer, url, (keel_text){ "", 0 },
                                 until_ns, why);
        break;
    case KEEL_REDIS_CLUSTER:
        status = keel_redis_open(&c->redis, &c->dialer, url, &node->at, until_ns, why);
        break;
    case KEEL_REDIS_UNIX:
    case KEEL_REDIS_SERVER:
    default:
        status = keel_redis_open(&c->redis, &c->dialer, url,
                                 url->kind == KEEL_REDIS_UNIX ? NULL : &url->hosts[0],
                                 until_ns, why);
    }
    if (status != KEEL_OK)
        return status;
    keel_redis_allow(c->redis, REPLY_BYTES);
    keel_redis_sleep(c->redis);
    return terms->must_keep ? check_policy(c->redis, until_ns, why) : KEEL_OK;
}

static void close_connection(void *ctx, void *connection)
{
    const keel_redis_node *node = ctx;
    keel_redis_connection *c = connection;

    keel_redis_close(c->redis);
    keel_memory_free(node->all->terms.memory, c);
}

/* A resolver serves one thread, so each connection that is made has one for that while. */
static keel_status open_connection(void *ctx, uint64_t until_ns, void **connection,
                                   keel_detail *why)
{
    const keel_redis_node *node = ctx;
    const keel_redis_terms *terms = &node->all->terms;
    uint64_t until =
        keel_ns_min(until_ns, keel_ns_add(keel_socket_now(), terms->connect_ns));
    keel_redis_connection *c = keel_memory_new(terms->memory, sizeof *c);
    keel_status status;

    if (!c)
        return keel_fail(why, KEEL_E_NOMEM, keel_status_text(KEEL_E_NOMEM));
    c->dialer = (keel_dialer){ .memory = terms->memory,
                               .interrupt_fd = -1,
                               .timeout_ns = UNACKNOWLEDGED_NS };
    status = keel_resolver_new(&c->dialer.resolver, NULL);
    if (status == KEEL_OK) {
        status = connect_to(node, c, until, why);
        keel_resolver_leave(c->dialer.resolver);
        c->dialer.resolver = NULL;
    } else {
        keel_fail(why, status, keel_status_text(status));
    }
    if (status == KEEL_OK)
        *connection = c;
    else
        close_connection(ctx, c);
    return status;
}

static const keel_pool_kind connections = { open_connection, close_connection };

/* ---- nodes --------------------------------------------------------------------------- */

static bool has_slots_locked(const keel_redis_nodes *n, size_t number)
{
    return memchr(n->owner, (int)number + 1, sizeof n->owner) != NULL;
}

/*
 * Servers that come back under other addresses would fill the table by and by. Those of the
 * URL stay: they are the way back in. Nobody has a connection whom nobody uses.
 */
static keel_redis_node *reuse_locked(keel_redis_nodes *n, const keel_redis_host *at)
{
    for (size_t i = n->terms.url.host_count; i < n->node_count; i++) {
        keel_redis_node *node = n->node[i];

        if (node->users || has_slots_locked(n, i))
            continue;
        keel_pool_drain(&node->pool);
        node->at = *at;
        return node;
    }
    return NULL;
}

static keel_redis_node *add_locked(keel_redis_nodes *n, const keel_redis_host *at)
{
    const keel_redis_terms *terms = &n->terms;
    keel_redis_node *node;

    if (n->node_count == KEEL_REDIS_NODES)
        return at ? reuse_locked(n, at) : NULL;
    node = keel_memory_new(terms->memory, sizeof *node);
    if (!node)
        return NULL;
    node->all = n;
    if (at)
        node->at = *at;
    keel_pool_init(&node->pool, &connections, node, terms->clock, terms->connections,
                   terms->idle_ns);
    n->node[n->node_count++] = node;
    return node;
}

keel_status keel_redis_nodes_init(keel_redis_nodes *n, const keel_redis_terms *terms)
{
    const keel_redis_url *url = &terms->url;
    bool is_cluster = url->kind == KEEL_REDIS_CLUSTER;
    size_t count = is_cluster ? url->host_count : 1;

    *n = (keel_redis_nodes){ .terms = *terms };
    pthread_mutex_init(&n->nodes_mu, NULL);
    for (size_t i = 0; i < count; i++)
        if (!add_locked(n, is_cluster ? &url->hosts[i] : NULL)) {
            keel_redis_nodes_cleanup(n);
            return KEEL_E_NOMEM;
        }
    return KEEL_OK;
}

void keel_redis_nodes_cleanup(keel_redis_nodes *n)
{
    for (size_t i = 0; i < n->node_count; i++) {
        keel_pool_cleanup(&n->node[i]->pool);
        keel_memory_free(n->terms.memory, n->node[i]);
    }
    pthread_mutex_destroy(&n->nodes_mu);
    keel_redis_url_wipe(&n->terms.url);
}

size_t keel_redis_nodes_count(keel_redis_nodes *n)
{
    size_t count;

    pthread_mutex_lock(&n->nodes_mu);
    count = n->node_count;
    pthread_mutex_unlock(&n->nodes_mu);
    return count;
}

/* ---- slots --------------------------------------------------------------------------- */

keel_redis_node *keel_redis_nodes_of(keel_redis_nodes *n, uint32_t slot)
{
    keel_redis_node *node;
    size_t owner;

    if (n->terms.url.kind != KEEL_REDIS_CLUSTER)
        return n->node[0];
    pthread_mutex_lock(&n->nodes_mu);
    owner = n->owner[slot];
    node = n->node[owner ? owner - 1 : n->turn % n->node_count];
    node->users++;
    pthread_mutex_unlock(&n->nodes_mu);
    return node;
}

static size_t find_locked(const keel_redis_nodes *n, const keel_redis_node *node)
{
    for (size_t i = 0; i < n->node_count; i++)
        if (n->node[i] == node)
            return i;
    return 0;
}

keel_redis_node *keel_redis_nodes_at(keel_redis_nodes *n, const keel_redis_host *at)
{
    keel_redis_node *node = NULL;

    pthread_mutex_lock(&n->nodes_mu);
    for (size_t i = 0; i < n->node_count && !node; i++)
        if (n->node[i]->at.port == at->port &&
            strcmp(n->node[i]->at.name, at->name) == 0)
            node = n->node[i];
    if (!node)
        node = add_locked(n, at);
    if (node)
        node->users++;
    pthread_mutex_unlock(&n->nodes_mu);
    return node;
}

void keel_redis_nodes_leave(keel_redis_nodes *n, keel_redis_node *node)
{
    if (!node || n->terms.url.kind != KEEL_REDIS_CLUSTER)
        return;
    pthread_mutex_lock(&n->nodes_mu);
    node->users--;
    pthread_mutex_unlock(&n->nodes_mu);
}

void keel_redis_nodes_learn(keel_redis_nodes *n, uint32_t slot,
                            const keel_redis_node *owner)
{
    pthread_mutex_lock(&n->nodes_mu);
    n->owner[slot] = (uint8_t)(find_locked(n, owner) + 1);
    pthread_mutex_unlock(&n->nodes_mu);
}

void keel_redis_nodes_forget(keel_redis_nodes *n, const keel_redis_node *lost)
{
    size_t number;

    pthread_mutex_lock(&n->nodes_mu);
    number = find_locked(n, lost);
    for (size_t slot = 0; slot < KEEL_REDIS_SLOTS; slot++)
        if (n->owner[slot] == number + 1)
            n->owner[slot] = 0;
    if (n->turn % n->node_count == number)
        n->turn++;
    pthread_mutex_unlock(&n->nodes_mu);
}

/* ---- in turn ------------------------------------------------------------------------- */

static int compare(const keel_redis_host *a, const keel_redis_host *b)
{
    int order = strcmp(a->name, b->name);

    return order ? order : a->port - b->port;
}

keel_redis_node *keel_redis_nodes_after(keel_redis_nodes *n, const keel_redis_host *at)
{
    keel_redis_node *next = NULL;

    if (n->terms.url.kind != KEEL_REDIS_CLUSTER)
        return at ? NULL : n->node[0];
    pthread_mutex_lock(&n->nodes_mu);
    for (size_t i = 0; i < n->node_count; i++) {
        keel_redis_node *node = n->node[i];

        if ((!at || compare(&node->at, at) > 0) &&
            (!next || compare(&node->at, &next->at) < 0) && has_slots_locked(n, i))
            next = node;
    }
    if (next)
        next->users++;
    pthread_mutex_unlock(&n->nodes_mu);
    return next;
}
