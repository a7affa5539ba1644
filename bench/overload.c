/* SPDX-License-Identifier: MIT */
/*
 * Three times what a server can do, with each of the adaptive limits and without one: how
 * much of its capacity reaches the callers, and how long it takes after the load's end
 * until all is as it was. The server does not notice that a caller has given up.
 */
#include <stdio.h>

#include "load.h"
#include "measure.h"
#include "station.h"

#define SERVICE_NS (40 * NS_PER_MS)
#define WELL_NS (3 * NS_PER_S)
#define OVER_NS (8 * NS_PER_S)
#define AFTER_NS (6 * NS_PER_S)
#define POLICIES "none; timeout=500ms; deadline=500ms; "

/* Of requests a second; CAPACITY is WORKERS / SERVICE_NS. */
enum { WORKERS = 20, CAPACITY = 500, ROUNDS = 3, MOST_CALLS = 50 * CAPACITY };

static const char without[] = "adaptive=off";
static const char *const limits[] = { "adaptive=aimd", "adaptive=vegas",
                                      "adaptive=gradient2" };

typedef struct figures {
    double goodput, back_s;
} figures;

/* What reaches the callers of the server's capacity while it has too much to do. */
static double goodput(const char *limit, const load *l, uint64_t from_ns,
                      uint64_t to_ns)
{
    load_felt felt = load_look(l, from_ns, to_ns);

    printf("    %-19s %zu of %zu answered, %zu failed, %zu refused; p50 %.0f ms, p99 "
           "%.0f ms\n",
           limit, felt.answered, felt.calls, felt.failed, felt.refused,
           (double)felt.p50_ns / 1e6, (double)felt.p99_ns / 1e6);
    return (double)felt.answered / ((double)(to_ns - from_ns) / 1e9 * CAPACITY);
}

/* As long as was looked at, if it was never. */
static double back_after_s(const load *l, uint64_t over_ns, uint64_t after_ns,
                           uint64_t end_ns)
{
    load_felt well = load_look(l, over_ns - WELL_NS / 2, over_ns);
    uint64_t ns = load_settled(l, after_ns, end_ns, well.p99_ns * 3 / 2);

    return ns == UINT64_MAX ? (double)(end_ns - after_ns) / 1e9 : (double)ns / 1e9;
}

static bool live(const char *limit, const char *url, figures *f)
{
    uint64_t over_ns = now_ns() + WELL_NS, after_ns = over_ns + OVER_NS;
    uint64_t end_ns = after_ns + AFTER_NS;
    char settings[128];
    bool is_done;
    load l;

    snprintf(settings, sizeof settings, "%s%s", POLICIES, limit);
    is_done = load_open(&l, settings, url, MOST_CALLS) &&
              load_run(&l, CAPACITY / 2.0, over_ns) &&
              load_run(&l, 3.0 * CAPACITY, after_ns) &&
              load_run(&l, CAPACITY / 2.0, end_ns) && load_drain(&l);
    if (is_done) {
        f->goodput = goodput(limit, &l, over_ns, after_ns);
        f->back_s = back_after_s(&l, over_ns, after_ns, end_ns);
    }
    load_close(&l);
    return is_done;
}

static bool play(const char *limit, figures *f)
{
    station server;
    bool is_done =
        station_start(&server, WORKERS, SERVICE_NS) && live(limit, server.url, f);

    station_stop(&server);
    return is_done;
}

static bool measure(const char *limit)
{
    double shares[ROUNDS], backs[ROUNDS];
    bench_range share, back;
    char name[64];
    figures f;

    for (int i = 0; i < ROUNDS; i++) {
        if (!play(limit, &f))
            return false;
        shares[i] = f.goodput;
        backs[i] = f.back_s;
    }
    share = bench_range_of(shares, ROUNDS);
    back = bench_range_of(backs, ROUNDS);
    printf("    goodput %.2f to %.2f, back after %.2f to %.2f s\n", share.min,
           share.max, back.min, back.max);
    snprintf(name, sizeof name, "3 x capacity, %s: goodput", limit);
    load_tell(name, share.median, 0.9, "of capacity", true);
    snprintf(name, sizeof name, "3 x capacity, %s: back after", limit);
    load_tell(name, back.median, 5, "s", false);
    return true;
}

int main(void)
{
    figures f;
    bool is_done;

    printf("a server with %d workers, 40 ms each: %d requests a second\n", (int)WORKERS,
           (int)CAPACITY);
    is_done = play(without, &f);
    if (is_done)
        printf("    %s: goodput %.2f of capacity, back after %.1f s, or never\n",
               without, f.goodput, f.back_s);
    for (size_t i = 0; is_done && i < sizeof limits / sizeof *limits; i++)
        is_done = measure(limits[i]);
    return !is_done;
}
