/* SPDX-License-Identifier: MIT */
/*
 * What callers feel of an endpoint that fails, of one that becomes slow, and of a region
 * that is cut off, at a fixed rate of requests: with the standard settings, and beside
 * that in turns through all endpoints, with neither retries nor ejection.
 */
#include <stdio.h>
#include <string.h>

#include "load.h"
#include "measure.h"
#include "station.h"

#define SERVICE_NS (20 * NS_PER_MS)
#define WELL_NS (3 * NS_PER_S)
#define ILL_NS (4 * NS_PER_S)
#define PER_SECOND 1000.0
#define KEEL "timeout=500ms; "
#define PLAIN "none; timeout=500ms; endpoints.choice=round_robin; eject=off; "

#define TWO_REGIONS                                                                    \
    "%s zone=eu-1, %s zone=eu-1, %s zone=eu-2 tier=1, %s zone=eu-2 tier=1"

enum { STATIONS = 4, ROUNDS = 3, SETTINGS_SIZE = 512 };

typedef struct scenario scenario;

/*
 * list     of endpoints, as a format of their URLs
 * more     settings of keel's, for this one
 * judge    the figure; goal  what it may be
 */
struct scenario {
    const char *name;
    const char *list;
    const char *more;
    void (*fall_ill)(station *stations);
    double (*judge)(const load *l, uint64_t ill_ns, uint64_t end_ns);
    const char *unit;
    double goal;
};

/* ---- what happens ------------------------------------------------------------------------ */

static void fail_one(station *stations)
{
    station_fail(&stations[0], 1000);
}

static void slow_one(station *stations)
{
    station_serve_in(&stations[0], 2 * NS_PER_S);
}

static void cut_region(station *stations)
{
    station_freeze(&stations[0]);
    station_freeze(&stations[1]);
}

/* ---- what is felt ------------------------------------------------------------------------ */

/* Those under way when it happened, too. */
static double errors(const load *l, uint64_t ill_ns, uint64_t end_ns)
{
    load_felt felt = load_look(l, ill_ns - NS_PER_S, end_ns);

    return (double)(felt.failed + felt.refused);
}

static double settled_s(const load *l, uint64_t ill_ns, uint64_t end_ns)
{
    load_felt well = load_look(l, ill_ns - 2 * NS_PER_S, ill_ns - NS_PER_S);
    uint64_t ns = load_settled(l, ill_ns, end_ns, well.p99_ns * 3 / 2);

    return ns == UINT64_MAX ? (double)(end_ns - ill_ns) / 1e9 : (double)ns / 1e9;
}

static double last_error_ms(const load *l, uint64_t ill_ns, uint64_t end_ns)
{
    uint64_t at_ns = load_look(l, ill_ns - NS_PER_S, end_ns).last_error_ns;

    return at_ns > ill_ns ? (double)(at_ns - ill_ns) / 1e6 : 0;
}

static const scenario scenarios[] = {
    { "one of three fails: errors", "%s, %s, %s", "", fail_one, errors, "calls", 10 },
    { "one of three is 2 s slow: p99 is back after", "%s, %s, %s",
      "breaker.slow_call=200ms; ", slow_one, settled_s, "s", 2 },
    { "one of two regions is cut: last error after", TWO_REGIONS, "", cut_region,
      last_error_ms, "ms", 600 },
    { "the same, with room for all (bulkhead=1000): errors", TWO_REGIONS,
      "bulkhead=1000; ", cut_region, errors, "calls", 0 },
};

/* ---- one round --------------------------------------------------------------------------- */

static void settings_for(const scenario *s, const char *policies, const char *more,
                         const station *stations, char settings[SETTINGS_SIZE])
{
    int length = snprintf(settings, SETTINGS_SIZE, "%s%sendpoints=", policies, more);

    for (const char *at = s->list; *at && length < SETTINGS_SIZE - 1; at++) {
        if (at[0] == '%' && at[1] == 's') {
            length += snprintf(settings + length, (size_t)(SETTINGS_SIZE - length),
                               "%s", (stations++)->url);
            at++;
        } else {
            settings[length++] = *at;
            settings[length] = '\0';
        }
    }
}

static void show(const load *l, const char *who, uint64_t ill_ns, uint64_t end_ns)
{
    load_felt well = load_look(l, ill_ns - 2 * NS_PER_S, ill_ns - NS_PER_S);
    load_felt ill = load_look(l, ill_ns, end_ns);

    printf("    %-11s %zu answered, %zu failed, %zu refused; p99 %.0f ms, before it "
           "%.0f ms\n",
           who, ill.answered, ill.failed, ill.refused, (double)ill.p99_ns / 1e6,
           (double)well.p99_ns / 1e6);
}

/* Negative: it could not be measured. */
static double live(const scenario *s, station *stations, const char *settings,
                   const char *who)
{
    double figure = -1;
    uint64_t begin_ns = now_ns(), ill_ns = begin_ns + WELL_NS, end_ns = ill_ns + ILL_NS;
    load l;

    if (load_open(&l, settings, "/", (size_t)(8 * PER_SECOND)) &&
        load_run(&l, PER_SECOND, ill_ns)) {
        s->fall_ill(stations);
        if (load_run(&l, PER_SECOND, end_ns) && load_drain(&l)) {
            show(&l, who, ill_ns, end_ns);
            figure = s->judge(&l, ill_ns, end_ns);
        }
    }
    load_close(&l);
    return figure;
}

static double play(const scenario *s, const char *policies, const char *more,
                   const char *who)
{
    station stations[STATIONS] = { { .pid = 0 } };
    char settings[SETTINGS_SIZE];
    double figure = -1;
    int started = 0;

    while (started < STATIONS &&
           station_start(&stations[started], STATION_MANY, SERVICE_NS))
        started++;
    if (started == STATIONS) {
        settings_for(s, policies, more, stations, settings);
        figure = live(s, stations, settings, who);
    }
    for (int i = 0; i < STATIONS; i++)
        station_stop(&stations[i]);
    return figure;
}

static bool measure(const scenario *s)
{
    double figures[ROUNDS], plain;
    bench_range range;

    printf("%s\n", s->name);
    plain = play(s, PLAIN, "", "without:");
    for (int i = 0; i < ROUNDS; i++)
        figures[i] = play(s, KEEL, s->more, "with keel:");
    range = bench_range_of(figures, ROUNDS);
    printf("    without %.1f %s; with keel %.1f to %.1f\n", plain, s->unit, range.min,
           range.max);
    load_tell(s->name, range.median, s->goal, s->unit, false);
    return plain >= 0 && range.min >= 0;
}

int main(void)
{
    bool is_done = true;

    for (size_t i = 0; is_done && i < sizeof scenarios / sizeof *scenarios; i++)
        is_done = measure(&scenarios[i]);
    return !is_done;
}
