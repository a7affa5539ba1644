/* SPDX-License-Identifier: MIT */
/*
 * The memcached store beside libmemcached, each on one connection to the same server,
 * over a unix socket and over TCP; and with a cache in this memcached and resilience
 * before it. Values of a hundred bytes. The server has one worker,
 * so that no thread of its own runs on the processor of one client and not of the other.
 */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/keel.h>

#include "report.h"
#include "support/memcached.h"

enum { MANY = 100, LENGTH = 100 };

#define LAYERED_KEY "layered"

/* Two ways to one server. */
typedef struct pair {
    test_memcached server;
    keel_bag *bag;
    keel_bag *layered;
    memcached_st *library;
} pair;

static pair by_socket, by_port;
static keel_runtime *rt;
static char value[LENGTH];
static char names[MANY][16];
static const char *keys[MANY];
static size_t lengths[MANY];

static void fail(const char *what)
{
    fprintf(stderr, "memcached: %s\n", what);
    test_memcached_cleanup(&by_socket.server);
    test_memcached_cleanup(&by_port.server);
    exit(1);
}

/* ---- keel ---------------------------------------------------------------------------- */

static void get_by(keel_bag *bag, const char *key, uint64_t n)
{
    char room[LENGTH];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = room,
                           .capacity = sizeof room };

    while (n--)
        if (keel_bag_get(bag, key, &item, NULL, NULL) != KEEL_OK)
            fail("keel_bag_get");
}

static void keel_gets(uint64_t n, void *ctx)
{
    get_by(((const pair *)ctx)->bag, names[0], n);
}

static void layers_get(uint64_t n, void *ctx)
{
    get_by(((const pair *)ctx)->layered, LAYERED_KEY, n);
}

static void keel_sets(uint64_t n, void *ctx)
{
    const pair *p = ctx;

    while (n--)
        if (keel_bag_set(p->bag, names[0], value, LENGTH, NULL, NULL) != KEEL_OK)
            fail("keel_bag_set");
}

static void keel_gets_many(uint64_t n, void *ctx)
{
    static char room[MANY][LENGTH];
    static keel_bag_item items[MANY];
    static keel_status statuses[MANY];
    const pair *p = ctx;

    for (int i = 0; i < MANY; i++)
        items[i] = (keel_bag_item){ .size = sizeof items[i],
                                    .buffer = room[i],
                                    .capacity = LENGTH };
    while (n--)
        if (keel_bag_get_many(p->bag, keys, items, statuses, MANY, NULL, NULL) !=
            KEEL_OK)
            fail("keel_bag_get_many");
}

/* ---- libmemcached -------------------------------------------------------------------- */

static void library_gets(uint64_t n, void *ctx)
{
    const pair *p = ctx;

    while (n--) {
        memcached_return_t rc;
        size_t length;
        uint32_t flags;
        char *got =
            memcached_get(p->library, keys[0], lengths[0], &length, &flags, &rc);

        if (!got)
            fail("memcached_get");
        free(got);
    }
}

static void library_sets(uint64_t n, void *ctx)
{
    const pair *p = ctx;

    while (n--)
        if (memcached_set(p->library, keys[0], lengths[0], value, LENGTH, 0, 0) !=
            MEMCACHED_SUCCESS)
            fail("memcached_set");
}

static void library_gets_many(uint64_t n, void *ctx)
{
    const pair *p = ctx;

    while (n--) {
        memcached_result_st result;
        memcached_return_t rc;
        int count = 0;

        if (memcached_mget(p->library, keys, lengths, MANY) != MEMCACHED_SUCCESS)
            fail("memcached_mget");
        memcached_result_create(p->library, &result);
        while (memcached_fetch_result(p->library, &result, &rc))
            count++;
        memcached_result_free(&result);
        if (count != MANY)
            fail("memcached_fetch_result");
    }
}

/* ---- both ---------------------------------------------------------------------------- */

/* What is read once is a hit from then on. */
static void open_layered(pair *p, const char *cache)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char spec[2 * SPAWNED_PATH_SIZE];

    snprintf(spec, sizeof spec, "resilient(cache{ttl=1h}(cache=%s, source=memory://))",
             cache);
    if (keel_bag_open(&p->layered, rt, "layered", spec, &why) != KEEL_OK ||
        keel_bag_set(p->layered, LAYERED_KEY, value, LENGTH, NULL, &why) != KEEL_OK)
        fail(why.text);
    layers_get(1, p);
}

static void open_pair(pair *p, bool is_unix)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char spec[SPAWNED_PATH_SIZE + 32];

    if (!(is_unix ? test_memcached_start_unix(&p->server, "-t", "1")
                  : test_memcached_start(&p->server, "-t", "1")))
        exit(1);
    p->library = memcached_create(NULL);
    if (is_unix) {
        snprintf(spec, sizeof spec, "memcached://%s", p->server.socket);
        memcached_server_add_unix_socket(p->library, p->server.socket);
    } else {
        snprintf(spec, sizeof spec, "memcached://127.0.0.1:%u", p->server.port);
        memcached_server_add(p->library, "127.0.0.1", p->server.port);
        memcached_behavior_set(p->library, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    }
    open_layered(p, spec);
    if (keel_bag_open(&p->bag, rt, "bench", spec, &why) != KEEL_OK)
        fail(why.text);
    for (int i = 0; i < MANY; i++)
        if (keel_bag_set(p->bag, keys[i], value, LENGTH, NULL, &why) != KEEL_OK)
            fail(why.text);
}

static void close_pair(pair *p)
{
    keel_bag_close(p->layered);
    keel_bag_close(p->bag);
    memcached_free(p->library);
    test_memcached_cleanup(&p->server);
}

static void compare(const char *way, pair *p)
{
    char get[64], layers[64], set[64], many[64];
    const bench_figure figures[] = {
        { get, BENCH_WALL, 1.0, "libmemcached", BENCH_ONE(keel_gets, p),
          BENCH_ONE(library_gets, p) },
        { layers, BENCH_WALL, 1.01, "libmemcached", BENCH_ONE(layers_get, p),
          BENCH_ONE(library_gets, p) },
        { layers, BENCH_WALL, 0, "the bag alone", BENCH_ONE(layers_get, p),
          BENCH_ONE(keel_gets, p) },
        { set, BENCH_WALL, 1.0, "libmemcached", BENCH_ONE(keel_sets, p),
          BENCH_ONE(library_sets, p) },
        { many, BENCH_WALL, 1.0, "libmemcached", BENCH_ONE(keel_gets_many, p),
          BENCH_ONE(library_gets_many, p) },
    };

    snprintf(get, sizeof get, "get, %s", way);
    snprintf(layers, sizeof layers, "get, resilient(cache), %s", way);
    snprintf(set, sizeof set, "set, %s", way);
    snprintf(many, sizeof many, "get of %d, %s", MANY, way);
    bench_report_all(figures, sizeof figures / sizeof *figures);
}

int main(void)
{
    static const char *const none[] = { NULL };
    const keel_options options = { .size = sizeof options, .environment = none };

    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "key:%d", i);
        keys[i] = names[i];
        lengths[i] = strlen(names[i]);
    }
    memset(value, 'v', sizeof value);
    if (keel_open(&rt, &options, NULL) != KEEL_OK)
        return 1;
    open_pair(&by_socket, true); /* before this program is bound to a processor */
    open_pair(&by_port, false);
    if (!bench_open())
        fail("no second thread");
    bench_report_begin("memcached");
    compare("unix socket", &by_socket);
    compare("TCP", &by_port);
    bench_report_end();
    bench_close();
    close_pair(&by_socket);
    close_pair(&by_port);
    keel_close(rt, 0);
    return 0;
}
