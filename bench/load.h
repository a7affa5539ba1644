/* SPDX-License-Identifier: MIT */
/*
 * Callers that do not wait for each other: requests through keel_http at a fixed rate,
 * whatever comes of them, and what each one felt. A request's time counts from the
 * instant at which it was due, so that a late start is not overlooked.
 */
#ifndef KEEL_BENCH_LOAD_H
#define KEEL_BENCH_LOAD_H

#include <keel/keel.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* ended_ns 0: under way. */
typedef struct load_call {
    uint64_t due_ns;
    uint64_t ended_ns;
    keel_status status;
} load_call;

typedef struct load {
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    keel_http *client;
    const char *url;
    load_call *calls; /* in the order in which they were due */
    size_t count, room;
} load;

/*
 * What calls that were due in a time felt; 0 for no calls.
 * p50_ns, p99_ns  of those that were not refused
 * last_error_ns   the instant at which the last one ended that failed or was refused;
 *                 0: none was
 */
typedef struct load_felt {
    size_t calls, answered, refused, failed;
    uint64_t p50_ns, p99_ns;
    uint64_t last_error_ns;
} load_felt;

uint64_t now_ns(void);

/*
 * Opens runtime, pipeline and client.
 *
 * settings  of the pipeline; no environment is read
 * url       borrowed; "/" where the settings name endpoints
 * room      calls that there will be at most
 * Returns   false: stderr says why
 */
bool load_open(load *l, const char *settings, const char *url, size_t room);

/* Calls so often, until then; in how many calls that fit. False: stderr says why. */
bool load_run(load *l, double per_second, uint64_t until_ns);

/* Waits for what is under way. */
bool load_drain(load *l);

/* What was felt by the calls that were due from `from` to before `to`. */
load_felt load_look(const load *l, uint64_t from_ns, uint64_t to_ns);

/*
 * How long after `from` the first second began in which all was well: no call failed or
 * was refused, and the 99th percentile of none of its quarters was above a limit.
 * UINT64_MAX: there was none.
 */
uint64_t load_settled(const load *l, uint64_t from_ns, uint64_t to_ns,
                      uint64_t p99_limit_ns);

/* Prints a figure with its goal, and adds it to BENCH_JSON; true: it met the goal. */
void load_tell(const char *name, double value, double goal, const char *unit,
               bool goal_is_least);

void load_close(load *l);

#endif
