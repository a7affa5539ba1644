/* SPDX-License-Identifier: MIT */
/* keel events: what has happened to the pipelines of a running service, in order. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/wall.h"
#include "keel.h"
#include "operator.h"
#include "output.h"

enum { POLL_MS = 50, POLLS_A_SECOND = 1000 / POLL_MS };

static const char usage[] =
    "usage: keel events [--board FILE | --redis[=URL]] [--follow] [--json]\n"
    "                   [--since LENGTH]\n"
    "           transitions and locks, oldest first; --follow: and those to come\n";

typedef struct choices {
    keel_operator_place place;
    bool follow;
    bool json;
    bool has_since;
    uint64_t since_ms; /* since 1970 */
} choices;

/* ---- printing ---------------------------------------------------------------------- */

static void print_calls(const keel_event_view *e)
{
    if (e->cause == KEEL_CAUSE_PROBES_OK || e->cause == KEEL_CAUSE_PROBES_FAILED)
        printf(", %" PRIu64 " of %" PRIu64 " probes succeeded", e->total - e->failed,
               e->total);
    else
        printf(", %" PRIu64 " of %" PRIu64 " failed", e->failed, e->total);
}

static void print_transition(const keel_event_view *e)
{
    printf("%s -> %s (%s)", keel_breaker_state_name(e->from),
           keel_breaker_state_name(e->to), keel_view_cause_name(e->cause));
    if (e->total) /* a fleet does not tell; after an open time there are none */
        print_calls(e);
}

static void print_lock(const keel_event_view *e)
{
    const keel_lock_state *lock = &e->lock;

    if (lock->lock != KEEL_LOCK_NONE)
        printf("locked %s", keel_lock_name(lock->lock));
    else if (e->cause == KEEL_CAUSE_EXPIRED)
        printf("unlocked (expired)%s", *lock->actor ? ", was locked" : "");
    else
        fputs("unlocked", stdout);
    if (*lock->actor)
        printf(" by %s", lock->actor);
    printf("%s%s", *lock->reason ? ": " : "", lock->reason);
}

static void print_health(const keel_event_view *e)
{
    if (e->status == KEEL_OK)
        printf("healthy");
    else
        printf("unhealthy (%s)", keel_status_name(e->status));
}

static void print_ejected(const keel_event_view *e)
{
    char length[KEEL_OUTPUT_TEXT_SIZE];

    printf("ejected for %s (%s)", keel_output_length(length, e->out_ns),
           keel_cause_name(e->cause));
}

static bool is_transition(const keel_event_view *e)
{
    return e->type == KEEL_EVENT_TRANSITION ||
           e->type == KEEL_EVENT_ENDPOINT_TRANSITION;
}

static void print_text(const keel_event_view *e)
{
    char instant[KEEL_OUTPUT_TEXT_SIZE];

    printf("%s %s ", keel_output_instant(instant, e->wall_ms, 1), e->name);
    if (*e->endpoint)
        printf("%s ", e->endpoint);
    if (is_transition(e))
        print_transition(e);
    else if (e->type == KEEL_EVENT_LOCKED)
        print_lock(e);
    else if (e->type == KEEL_EVENT_HEALTH)
        print_health(e);
    else if (e->type == KEEL_EVENT_EJECTED)
        print_ejected(e);
    else
        printf("%s%s%s", keel_event_type_name(e->type), e->cause ? " " : "",
               e->cause ? keel_cause_name(e->cause) : "");
    if (!e->is_of_fleet)
        printf(" [%" PRIu32 "]", e->pid);
    putchar('\n');
}

static void print_transition_json(const keel_event_view *e)
{
    keel_print_json_text(stdout, ",", "from", keel_breaker_state_name(e->from));
    keel_print_json_text(stdout, ",", "to", keel_breaker_state_name(e->to));
    keel_print_json_number(stdout, ",", "generation", e->generation);
}

static void print_lock_json(const keel_lock_state *lock)
{
    keel_print_json_text(stdout, ",", "lock", keel_lock_name(lock->lock));
    keel_print_json_text(stdout, ",", "actor", lock->actor);
    keel_print_json_text(stdout, ",", "reason", lock->reason);
}

/* A fleet does not tell it. */
static void print_told_json(const char *name, const keel_event_view *e, uint64_t number)
{
    if (e->is_of_fleet)
        printf(",\"%s\":null", name);
    else
        keel_print_json_number(stdout, ",", name, number);
}

static void print_json(const keel_event_view *e)
{
    char instant[KEEL_OUTPUT_TEXT_SIZE];

    keel_print_json_number(stdout, "{", "schema", 1);
    keel_print_json_number(stdout, ",", "sequence", e->sequence);
    keel_print_json_text(stdout, ",", "at",
                         keel_output_instant(instant, e->wall_ms, 1));
    keel_print_json_text(stdout, ",", "name", e->name);
    keel_print_json_text(stdout, ",", "type", keel_event_type_name(e->type));
    print_told_json("pid", e, e->pid);
    if (*e->endpoint)
        keel_print_json_text(stdout, ",", "endpoint", e->endpoint);
    if (is_transition(e))
        print_transition_json(e);
    if (e->type == KEEL_EVENT_EJECTED)
        keel_print_json_number(stdout, ",", "for_ns", e->out_ns);
    if (e->type == KEEL_EVENT_LOCKED)
        print_lock_json(&e->lock);
    if (e->type == KEEL_EVENT_HEALTH)
        keel_print_json_text(stdout, ",", "status", keel_status_name(e->status));
    keel_print_json_text(stdout, ",", "cause", keel_view_cause_name(e->cause));
    print_told_json("calls", e, e->total);
    print_told_json("failures", e, e->failed);
    puts("}");
}

static void print_lost(const choices *chosen, uint64_t lost)
{
    if (chosen->json)
        printf("{\"schema\":1,\"type\":\"lost\",\"count\":%" PRIu64 "}\n", lost);
    else
        printf("%" PRIu64 " events were overwritten before they were read\n", lost);
}

static void print_event(const keel_event_view *event, const choices *chosen)
{
    if (event->wall_ms < chosen->since_ms)
        return;
    if (chosen->json)
        print_json(event);
    else
        print_text(event);
}

/* ---- following --------------------------------------------------------------------- */

static void print_away(const keel_source *source, const keel_detail *why)
{
    keel_operator_failed("events", source, why);
    fputs("keel events: trying again\n", stderr);
}

/* Prints what there is. KEEL_EVENT_AWAIT: there will be more in a moment. */
static keel_event_found print_all(keel_source *source, keel_event_cursor *cursor,
                                  const choices *chosen)
{
    for (;;) {
        keel_detail why = KEEL_DETAIL_INIT;
        keel_event_view event;
        uint64_t lost;
        keel_event_found found = source->next(source, cursor, &event, &lost, &why);

        if (found == KEEL_EVENT_FOUND)
            print_event(&event, chosen);
        else if (found == KEEL_EVENT_LOST)
            print_lost(chosen, lost);
        else if (found == KEEL_EVENT_AWAY)
            print_away(source, &why);
        else if (found == KEEL_EVENT_BACK)
            fprintf(stderr, "keel events: %s: there again\n", source->name);
        else
            return found;
    }
}

/* False: whoever read our output has gone. */
static bool rest(const keel_source *source)
{
    struct pollfd fds[] = { { .fd = STDOUT_FILENO },
                            { .fd = source->fd(source), .events = POLLIN } };

    return poll(fds, 2, POLL_MS) <= 0 || !fds[0].revents;
}

/* After a restart of the machine, or by a hand that removed it, the file is another. */
static void reopen(keel_source **source, keel_event_cursor *cursor)
{
    keel_source *fresh;

    if ((*source)->is_current(*source) ||
        keel_board_source_open(&fresh, (*source)->name, NULL) != KEEL_OK)
        return;
    fprintf(stderr, "keel events: %s is another board now\n", fresh->name);
    (*source)->close(*source);
    *source = fresh;
    *cursor = fresh->begin(fresh);
}

static void print_events(keel_source **source, const choices *chosen)
{
    keel_event_cursor cursor = (*source)->begin(*source);
    unsigned polls = 0;

    while (print_all(*source, &cursor, chosen) == KEEL_EVENT_AWAIT || chosen->follow) {
        if (fflush(stdout) || !rest(*source))
            return;
        if (chosen->follow && ++polls % POLLS_A_SECOND == 0)
            reopen(source, &cursor);
    }
}

/* ---- the subcommand ---------------------------------------------------------------- */

/* NULL: the source can be asked for that. */
static const char *what_is_missing(const keel_source *source, const choices *chosen)
{
    if (source->keeps_events)
        return NULL;
    if (chosen->has_since)
        return "Redis keeps no journal, so there is no --since; a board keeps one";
    return chosen->follow ? NULL
                          : "Redis keeps no journal; --follow prints what happens from "
                            "now on";
}

static int run(const keel_operator_command *command, const choices *chosen)
{
    int code;
    keel_source *source = keel_operator_source("events", &chosen->place, &code);
    const char *missing = source ? what_is_missing(source, chosen) : NULL;

    if (!source)
        return code;
    if (!missing)
        print_events(&source, chosen);
    source->close(source);
    return missing ? keel_operator_wrong(command, missing)
                   : keel_output_end("events", 0);
}

static bool read_since(const char *text, uint64_t *since_ms)
{
    uint64_t ns, now_ms = keel_wall_ms();

    if (keel_parse_duration(keel_text_of(text), &ns))
        return false;
    *since_ms =
        now_ms - (ns / KEEL_MILLISECOND < now_ms ? ns / KEEL_MILLISECOND : now_ms);
    return true;
}

static const char *take_option(void *to, int option, const char *argument)
{
    choices *chosen = to;

    chosen->follow |= option == 'f';
    chosen->json |= option == 'j';
    if (option != 's')
        return NULL;
    chosen->has_since = true;
    return read_since(argument, &chosen->since_ms)
               ? NULL
               : "--since takes a length of time with its unit, such as 10m";
}

int keel_tool_events(int argc, char **argv)
{
    static const struct option options[] = {
        KEEL_OPERATOR_OPTIONS,
        { "follow", no_argument, NULL, 'f' },
        { "json", no_argument, NULL, 'j' },
        { "since", required_argument, NULL, 's' },
        { NULL, 0, NULL, 0 },
    };
    const keel_operator_command command = { "events", usage, options, take_option };
    choices chosen = { .follow = false };
    int code = keel_operator_read(&command, &chosen.place, &chosen, argc, argv);

    if (code >= 0)
        return code;
    if (optind < argc)
        return keel_operator_wrong(&command, "takes options alone");
    return run(&command, &chosen);
}
