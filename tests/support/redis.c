/* SPDX-License-Identifier: MIT */
/* Starting, freezing and stopping private Redis servers. */
#include "support/redis.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/loopback.h"
#include "support/pause.h"

enum { POLL_MS = 5, READY_POLLS = 4000, START_TRIES = 5, COMMAND_S = 5 };

/* A cluster's nodes talk to each other on their port plus this. */
enum { BUS_OFFSET = 10000 };

/* ---- where it is ----------------------------------------------------------------- */

static const char *const redis_places[] = { "/usr/bin/redis-server",
                                            "/usr/local/bin/redis-server" };
static const char *const valkey_places[] = { "/usr/bin/valkey-server",
                                             "/usr/local/bin/valkey-server" };

static const char *server_path(void)
{
    const char *wanted = getenv("KEEL_TEST_REDIS");
    bool valkey = wanted && strcmp(wanted, "valkey") == 0;
    const char *const *places = valkey ? valkey_places : redis_places;

    for (size_t i = 0; i < sizeof redis_places / sizeof *redis_places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool test_redis_is_installed(void)
{
    return server_path() != NULL;
}

/* ---- asking ---------------------------------------------------------------------- */

redisContext *test_redis_connect(const test_redis *r)
{
    const struct timeval limit = { COMMAND_S, 0 };
    redisContext *c = redisConnectWithTimeout("127.0.0.1", r->port, limit);

    if (c && !c->err && redisSetTimeout(c, limit) == REDIS_OK)
        return c;
    redisFree(c);
    return NULL;
}

static redisReply *ask(const test_redis *r, const char *format, va_list arguments)
{
    redisContext *c = test_redis_connect(r);
    redisReply *reply = c ? redisvCommand(c, format, arguments) : NULL;

    redisFree(c);
    return reply;
}

redisReply *test_redis_ask(const test_redis *r, const char *format, ...)
{
    redisReply *reply;
    va_list arguments;

    va_start(arguments, format);
    reply = ask(r, format, arguments);
    va_end(arguments);
    return reply;
}

long long test_redis_number(const test_redis *r, const char *format, ...)
{
    redisReply *reply;
    va_list arguments;
    long long value;

    va_start(arguments, format);
    reply = ask(r, format, arguments);
    va_end(arguments);
    value = reply && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    freeReplyObject(reply);
    return value;
}

/* Whether the reply, which is freed, is a text that holds another. */
static bool has(redisReply *reply, const char *text)
{
    bool found = reply && reply->str && strstr(reply->str, text);

    freeReplyObject(reply);
    return found;
}

/* ---- being ready ----------------------------------------------------------------- */

static bool answers(const test_redis *r)
{
    return has(test_redis_ask(r, "PING"), "PONG");
}

static bool has_caught_up(const test_redis *r)
{
    return has(test_redis_ask(r, "INFO replication"), "master_link_status:up");
}

static bool sees_whole_cluster(const test_redis *r)
{
    return has(test_redis_ask(r, "CLUSTER INFO"), "cluster_state:ok");
}

/* With the identity it hears from the master come the replicas. */
static bool knows_master(const test_redis *r)
{
    redisReply *reply = test_redis_ask(r, "SENTINEL MASTERS");
    const redisReply *master = reply && reply->elements ? reply->element[0] : NULL;
    bool knows = false;

    for (size_t i = 1; master && i < master->elements; i += 2)
        if (strcmp(master->element[i - 1]->str, "runid") == 0)
            knows = master->element[i]->len > 0;
    freeReplyObject(reply);
    return knows;
}

static bool await(test_redis *r, bool (*is_ready)(const test_redis *))
{
    for (int i = 0; i < READY_POLLS; i++) {
        if (is_ready(r))
            return true;
        if (spawned_has_ended(&r->process))
            break;
        pause_ns(POLL_MS * KEEL_MS);
    }
    return false;
}

/* ---- starting -------------------------------------------------------------------- */

static bool write_config(const test_redis *r, const char *config)
{
    char path[SPAWNED_PATH_SIZE];
    FILE *file;

    spawned_path(&r->process, "conf", path);
    file = fopen(path, "we");
    if (!file)
        return false;
    fprintf(file, "bind 127.0.0.1\nport %u\ndir %s\n", r->port, r->process.dir);
    if (!r->is_sentinel)
        fprintf(file,
                "unixsocket %s\nsave \"\"\nappendonly no\n"
                "repl-diskless-sync-delay 0\n",
                r->socket);
    fputs(config, file);
    return fclose(file) == 0;
}

static bool run(test_redis *r)
{
    char config[SPAWNED_PATH_SIZE];
    const char *argv[] = { server_path(), config, r->is_sentinel ? "--sentinel" : NULL,
                           NULL };

    spawned_path(&r->process, "conf", config);
    if (argv[0] && spawned_start(&r->process, SIGKILL, argv) && await(r, answers))
        return true;
    spawned_stop(&r->process);
    return false;
}

/* A free port may be taken between asking for it and listening: then others are tried.
 */
static bool start(test_redis *r, const char *config)
{
    if (!spawned_init(&r->process, "redis"))
        return false;
    spawned_path(&r->process, "socket", r->socket);
    for (int i = 0; i < START_TRIES; i++) {
        r->port = loopback_free_ports(BUS_OFFSET);
        if (write_config(r, config) && run(r))
            return true;
    }
    fprintf(stderr, "redis does not start:\n");
    spawned_print_output(&r->process);
    test_redis_cleanup(r);
    return false;
}

static bool start_until(test_redis *r, const char *config,
                        bool (*is_ready)(const test_redis *))
{
    if (!start(r, config))
        return false;
    if (await(r, is_ready))
        return true;
    fprintf(stderr, "redis on port %u is not ready:\n", r->port);
    spawned_print_output(&r->process);
    test_redis_cleanup(r);
    return false;
}

bool test_redis_start(test_redis *r, const char *config)
{
    *r = (test_redis){ .port = 0 };
    return start(r, config);
}

bool test_redis_start_replica(test_redis *r, const test_redis *master)
{
    char config[64];

    *r = (test_redis){ .port = 0 };
    snprintf(config, sizeof config, "replicaof 127.0.0.1 %u\n", master->port);
    return start_until(r, config, has_caught_up);
}

bool test_redis_start_sentinel(test_redis *r, const test_redis *master,
                               const char *master_name, unsigned down_ms)
{
    char config[512];

    *r = (test_redis){ .is_sentinel = true };
    snprintf(config, sizeof config,
             "sentinel monitor %s 127.0.0.1 %u 1\n"
             "sentinel down-after-milliseconds %s %u\n"
             "sentinel failover-timeout %s %u\n",
             master_name, master->port, master_name, down_ms, master_name, 4 * down_ms);
    return start_until(r, config, knows_master);
}

bool test_redis_restart(test_redis *r)
{
    test_redis_stop(r);
    return run(r);
}

/* ---- stopping -------------------------------------------------------------------- */

void test_redis_stop(test_redis *r)
{
    spawned_stop(&r->process);
}

void test_redis_freeze(const test_redis *r)
{
    kill(r->process.pid, SIGSTOP);
}

void test_redis_thaw(const test_redis *r)
{
    kill(r->process.pid, SIGCONT);
}

void test_redis_cleanup(test_redis *r)
{
    spawned_cleanup(&r->process);
}

/* ---- a cluster ------------------------------------------------------------------- */

enum { SLOTS = 16384 };

static bool is_ok(redisReply *reply)
{
    bool ok = reply && reply->type == REDIS_REPLY_STATUS;

    freeReplyObject(reply);
    return ok;
}

/* One command for all its slots: ranges came with 7.0 only. */
static bool give_slots(const test_redis *r, int first, int end)
{
    static char numbers[SLOTS][sizeof "-2147483648"];
    static const char *argv[SLOTS + 2] = { "CLUSTER", "ADDSLOTS" };
    redisContext *c = test_redis_connect(r);
    bool ok;

    if (!c)
        return false;
    for (int slot = first; slot < end; slot++) {
        snprintf(numbers[slot], sizeof numbers[slot], "%d", slot);
        argv[2 + slot - first] = numbers[slot];
    }
    ok = is_ok(redisCommandArgv(c, 2 + end - first, argv, NULL));
    redisFree(c);
    return ok;
}

/* Each begins with an epoch of its own: nodes that met with one alike would settle that
 * among them later, and a slot that was moved meanwhile might go back. */
static bool join(test_redis_cluster *c)
{
    for (int i = 0; i < TEST_REDIS_NODES; i++) {
        if (!is_ok(
                test_redis_ask(&c->nodes[i], "CLUSTER SET-CONFIG-EPOCH %d", i + 1)) ||
            !give_slots(&c->nodes[i], i * SLOTS / TEST_REDIS_NODES,
                        (i + 1) * SLOTS / TEST_REDIS_NODES))
            return false;
        if (i > 0 && !is_ok(test_redis_ask(&c->nodes[0], "CLUSTER MEET 127.0.0.1 %d",
                                           c->nodes[i].port)))
            return false;
    }
    for (int i = 0; i < TEST_REDIS_NODES; i++)
        if (!await(&c->nodes[i], sees_whole_cluster))
            return false;
    return true;
}

bool test_redis_cluster_start(test_redis_cluster *c)
{
    *c = (test_redis_cluster){ .nodes = { { .port = 0 } } };
    for (int i = 0; i < TEST_REDIS_NODES; i++)
        if (!test_redis_start(&c->nodes[i], "cluster-enabled yes\n"
                                            "cluster-config-file nodes\n"
                                            "cluster-node-timeout 2000\n")) {
            test_redis_cluster_cleanup(c);
            return false;
        }
    if (join(c))
        return true;
    fprintf(stderr, "the nodes form no cluster:\n");
    spawned_print_output(&c->nodes[0].process);
    test_redis_cluster_cleanup(c);
    return false;
}

void test_redis_cluster_cleanup(test_redis_cluster *c)
{
    for (int i = 0; i < TEST_REDIS_NODES; i++)
        test_redis_cleanup(&c->nodes[i]);
}
