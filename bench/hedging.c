/* SPDX-License-Identifier: MIT */
/*
 * A server that stalls one request in fifty for a second: the 99th percentile with a
 * second copy of what is slower than 95 in 100, and without, and what the copies cost.
 */
#include <stdio.h>

#include "load.h"
#include "measure.h"
#include "station.h"

#define SERVICE_NS (10 * NS_PER_MS)
#define WARM_UP_NS (2 * NS_PER_S)
#define ROUND_NS (6 * NS_PER_S)
#define PER_SECOND 500.0

enum { STALLED_PERMILLE = 20, ROUNDS = 3 };

static const char *const ways[] = {
    "standard; timeout=3s; bulkhead=1000; hedge=off",
    "standard; timeout=3s; bulkhead=1000; hedge=p95",
};

/* sent: requests that came to the server, for each call. */
typedef struct figures {
    double p50_ms, p99_ms, sent;
} figures;

static station server;

static bool measure(const char *settings, figures *f)
{
    uint64_t begin_ns = now_ns() + WARM_UP_NS, end_ns = begin_ns + ROUND_NS;
    uint64_t arrived;
    load_felt felt;
    bool is_done;
    load l;

    is_done = load_open(&l, settings, server.url, (size_t)(10 * PER_SECOND)) &&
              load_run(&l, PER_SECOND, begin_ns) && load_drain(&l);
    arrived = station_arrived(&server);
    begin_ns = now_ns();
    is_done = is_done && load_run(&l, PER_SECOND, end_ns) && load_drain(&l);
    if (is_done) {
        felt = load_look(&l, begin_ns, end_ns);
        f->p50_ms = (double)felt.p50_ns / 1e6;
        f->p99_ms = (double)felt.p99_ns / 1e6;
        f->sent = (double)(station_arrived(&server) - arrived) / (double)felt.calls;
        printf("    %-46s p50 %6.1f ms, p99 %7.1f ms, %.3f requests a call\n", settings,
               f->p50_ms, f->p99_ms, f->sent);
        is_done = felt.answered == felt.calls;
    }
    load_close(&l);
    return is_done;
}

static bool show(void)
{
    double better[ROUNDS], more[ROUNDS];
    bench_range range;

    for (int i = 0; i < ROUNDS; i++) {
        figures without, with;

        if (!measure(ways[0], &without) || !measure(ways[1], &with))
            return false;
        better[i] = without.p99_ms / with.p99_ms;
        more[i] = 100 * (with.sent - without.sent);
    }
    range = bench_range_of(better, ROUNDS);
    printf("    better by %.1f to %.1f times\n", range.min, range.max);
    load_tell("hedge=p95: 99th percentile better by", range.median, 5, "times", true);
    range = bench_range_of(more, ROUNDS);
    printf("    %.1f to %.1f %% more\n", range.min, range.max);
    load_tell("hedge=p95: more requests", range.median, 6, "%", false);
    return true;
}

int main(void)
{
    bool is_done;

    printf("a server that stalls one request in fifty for a second\n");
    if (!station_start(&server, STATION_MANY, SERVICE_NS))
        return 1;
    station_stall(&server, STALLED_PERMILLE, NS_PER_S);
    is_done = show();
    station_stop(&server);
    return !is_done;
}
