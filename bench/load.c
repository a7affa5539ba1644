/* SPDX-License-Identifier: MIT */
/* Requests by the clock, on one thread. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUARTER_NS (250 * NS_PER_MS)

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static bool say(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    return false;
}

/* ---- calling ----------------------------------------------------------------------------- */

bool load_open(load *l, const char *settings, const char *url, size_t room)
{
    static const char *const nothing[] = { NULL };
    const keel_options options = { .size = sizeof options, .environment = nothing };
    keel_detail why = KEEL_DETAIL_INIT;

    *l = (load){ .url = url, .room = room };
    l->calls = calloc(room, sizeof *l->calls);
    if (!l->calls)
        return say("load", "no memory");
    if (keel_open(&l->runtime, &options, &why) == KEEL_OK &&
        keel_pipeline_open(&l->pipeline, l->runtime, "service", settings, &why) ==
            KEEL_OK &&
        keel_http_open(&l->client, l->runtime, NULL, &why) == KEEL_OK)
        return true;
    return say("keel", why.text);
}

static void note(keel_status status, const keel_http_response *response,
                 const keel_detail *detail, void *ctx)
{
    load_call *call = ctx;

    (void)response;
    (void)detail;
    call->ended_ns = now_ns();
    call->status = status;
}

static bool start(load *l, uint64_t due_ns)
{
    load_call *call = &l->calls[l->count++];
    const keel_http_request request = {
        .size = sizeof request, .url = l->url, .done = note, .ctx = call
    };
    keel_detail why = KEEL_DETAIL_INIT;

    call->due_ns = due_ns;
    return keel_http_start(l->client, l->pipeline, &request, NULL, &why) == KEEL_OK ||
           say("a request", why.text);
}

bool load_run(load *l, double per_second, uint64_t until_ns)
{
    const uint64_t apart_ns = (uint64_t)(1e9 / per_second);
    uint64_t due_ns = now_ns(), now;

    for (; due_ns < until_ns; due_ns += apart_ns) {
        while ((now = now_ns()) < due_ns)
            if (keel_http_poll(l->client, due_ns - now) != KEEL_OK)
                return say("a request", "cannot be waited for");
        if (l->count == l->room)
            return say("load", "more calls than there is room for");
        if (!start(l, due_ns))
            return false;
    }
    return true;
}

bool load_drain(load *l)
{
    while (keel_http_in_flight(l->client))
        if (keel_http_poll(l->client, NS_PER_S) != KEEL_OK)
            return say("a request", "cannot be waited for");
    return true;
}

void load_close(load *l)
{
    keel_http_close(l->client);
    keel_pipeline_close(l->pipeline);
    keel_close(l->runtime, 0);
    free(l->calls);
    *l = (load){ .room = 0 };
}

/* ---- what was felt ----------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool is_refusal(keel_status status)
{
    return status >= KEEL_REJECTED_OPEN && status < KEEL_FAILED;
}

static void count(load_felt *felt, const load_call *call)
{
    felt->calls++;
    if (call->status == KEEL_OK) {
        felt->answered++;
        return;
    }
    if (is_refusal(call->status))
        felt->refused++;
    else
        felt->failed++;
    if (call->ended_ns > felt->last_error_ns)
        felt->last_error_ns = call->ended_ns;
}

load_felt load_look(const load *l, uint64_t from_ns, uint64_t to_ns)
{
    load_felt felt = { .calls = 0 };
    size_t times = 0;
    uint64_t *took_ns = calloc(l->count + 1, sizeof *took_ns);

    for (size_t i = 0; took_ns && i < l->count; i++) {
        const load_call *call = &l->calls[i];

        if (call->due_ns < from_ns || call->due_ns >= to_ns)
            continue;
        count(&felt, call);
        if (!is_refusal(call->status))
            took_ns[times++] = call->ended_ns - call->due_ns;
    }
    if (times) {
        qsort(took_ns, times, sizeof *took_ns, by_size);
        felt.p50_ns = took_ns[times / 2];
        felt.p99_ns = took_ns[times * 99 / 100];
    }
    free(took_ns);
    return felt;
}

uint64_t load_settled(const load *l, uint64_t from_ns, uint64_t to_ns,
                      uint64_t p99_limit_ns)
{
    unsigned in_a_row = 0;

    for (uint64_t at = from_ns; at + QUARTER_NS <= to_ns; at += QUARTER_NS) {
        load_felt felt = load_look(l, at, at + QUARTER_NS);
        bool is_well = felt.answered == felt.calls && felt.p99_ns <= p99_limit_ns;

        in_a_row = is_well ? in_a_row + 1 : 0;
        if (in_a_row == 4)
            return at - 3 * QUARTER_NS - from_ns;
    }
    return UINT64_MAX;
}

/* ---- the table --------------------------------------------------------------------------- */

void load_tell(const char *name, double value, double goal, const char *unit,
               bool goal_is_least)
{
    const char *path = getenv("BENCH_JSON");
    FILE *json = path && *path ? fopen(path, "ae") : NULL;
    const char *verdict =
        (goal_is_least ? value >= goal : value <= goal) ? "met" : "NOT MET";

    printf("%-52s %9.2f %s, goal %s %g %s\n", name, value, unit,
           goal_is_least ? ">=" : "<=", goal, verdict);
    fflush(stdout);
    if (!json)
        return;
    fprintf(json,
            "{\"name\": \"%s\", \"median\": %.3f, \"unit\": \"%s\", \"goal\": %g, "
            "\"goal_is_least\": %s, \"verdict\": \"%s\"}\n",
            name, value, unit, goal, goal_is_least ? "true" : "false", verdict);
    fclose(json);
}
