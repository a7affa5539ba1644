/* SPDX-License-Identifier: MIT */
/* keel status: what the pipelines of a running service are doing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "keel.h"
#include "operator.h"
#include "output.h"
#include "settings/policy.h"
#include "status_history.h"

static const char usage[] =
    "usage: keel status [--board FILE | --redis[=URL]] [--check] [--json] [NAME ...]\n"
    "       keel status [--board FILE] [--json] --history NAME\n"
    "           state, since when, why, next probe and lock of each pipeline\n"
    "           --check: exit with 1 unless all that are named let calls through\n"
    "           --history: of one, its last minute, second by second\n";

typedef struct choices {
    keel_operator_place place;
    bool check;
    bool json;
    const char *history; /* a name; NULL: the state is wanted */
    char **names;
    int name_count;
} choices;

static bool is_chosen(const choices *chosen, const char *name)
{
    for (int i = 0; i < chosen->name_count; i++)
        if (!strcmp(chosen->names[i], name))
            return true;
    return chosen->name_count == 0;
}

/* ---- one line each ----------------------------------------------------------------- */

enum { COLUMNS = 6, CELL_SIZE = KEEL_NAME_MAX + 1 };

/* The last column, the lock, has no width of its own. */
typedef char row[COLUMNS][CELL_SIZE];

static const row titles = { "NAME", "STATE", "SINCE", "WHY", "PROBE", "FAILED" };

static void write_cell(char *cell, bool is_known, const char *text)
{
    snprintf(cell, CELL_SIZE, "%s", is_known ? text : "-");
}

static const char *state_name(const keel_pipeline_view *p)
{
    return p->has_state ? keel_breaker_state_name(p->state) : "unknown";
}

static void write_probe(char *cell, const keel_pipeline_view *p)
{
    char text[KEEL_OUTPUT_TEXT_SIZE];

    if (p->has_state && p->state == KEEL_BREAKER_OPEN)
        write_cell(cell, true,
                   p->probe_in_ns ? keel_output_length(text, p->probe_in_ns) : "now");
    else if (p->has_state && p->state == KEEL_BREAKER_HALF_OPEN && !p->is_of_fleet)
        snprintf(cell, CELL_SIZE, "%" PRIu32 " left", p->permits);
    else
        write_cell(cell, false, NULL);
}

/* "12/20", "3/-" where the calls are not known, "-". */
static void write_failed(char *cell, const keel_pipeline_view *p)
{
    const keel_totals *t = &p->totals;

    if (!p->has_breaker || t->failed == KEEL_VIEW_UNKNOWN)
        write_cell(cell, false, NULL);
    else if (t->total == KEEL_VIEW_UNKNOWN)
        snprintf(cell, CELL_SIZE, "%" PRIu64 "/-", t->failed);
    else
        snprintf(cell, CELL_SIZE, "%" PRIu64 "/%" PRIu64, t->failed, t->total);
}

static void write_row(row cells, const keel_pipeline_view *p)
{
    char text[KEEL_OUTPUT_TEXT_SIZE];

    write_cell(cells[0], true, p->name);
    write_cell(cells[1], p->has_breaker, state_name(p));
    write_cell(cells[2], p->since_s, keel_output_instant(text, p->since_s * 1000, 0));
    write_cell(cells[3], p->cause, keel_view_cause_name(p->cause));
    write_probe(cells[4], p);
    write_failed(cells[5], p);
}

static void widen(int widths[COLUMNS], const row cells)
{
    for (int i = 0; i < COLUMNS; i++)
        if ((int)strlen(cells[i]) > widths[i])
            widths[i] = (int)strlen(cells[i]);
}

static void print_row(const int widths[COLUMNS], const row cells)
{
    for (int i = 0; i < COLUMNS; i++)
        printf("%-*s  ", widths[i], cells[i]);
}

static void print_lock(const keel_lock_state *lock)
{
    char left[KEEL_OUTPUT_TEXT_SIZE];

    if (!lock->size) {
        puts("-");
        return;
    }
    printf("%s by %s", keel_lock_name(lock->lock),
           *lock->actor ? lock->actor : "somebody");
    if (lock->left_ns)
        printf(", %s left", keel_output_length(left, lock->left_ns));
    printf("%s%s\n", *lock->reason ? ": " : "", lock->reason);
}

static void print_table(const keel_view *view, const choices *chosen)
{
    int widths[COLUMNS] = { 0 };
    row cells;

    widen(widths, titles);
    for (size_t i = 0; i < view->count; i++)
        if (is_chosen(chosen, view->pipelines[i].name)) {
            write_row(cells, &view->pipelines[i]);
            widen(widths, cells);
        }
    print_row(widths, titles);
    puts("LOCK");
    for (size_t i = 0; i < view->count; i++)
        if (is_chosen(chosen, view->pipelines[i].name)) {
            write_row(cells, &view->pipelines[i]);
            print_row(widths, cells);
            print_lock(&view->pipelines[i].lock);
        }
}

/* ---- limits, endpoints and checks of those that are named ------------------------ */

static void print_places(const keel_pipeline_view *p)
{
    const keel_places_view *places = &p->places;

    if (places->limit)
        printf("%s: bulkhead of the %s, %" PRIu64 " of %" PRIu64 " places %s%s\n",
               p->name, p->is_of_fleet ? "fleet" : "host", places->in_use,
               places->limit, p->is_of_fleet ? "leased" : "in use",
               places->others_wait ? ", a member waits for more" : "");
}

static void print_tokens(const keel_pipeline_view *p)
{
    const keel_tokens_view *tokens = &p->tokens;
    char period[KEEL_OUTPUT_TEXT_SIZE];

    if (tokens->count)
        printf("%s: rate of the %s, %" PRIu64 " of %" PRIu64 " tokens left, %" PRIu64
               " in %s\n",
               p->name, p->is_of_fleet ? "fleet" : "host", tokens->left, tokens->burst,
               tokens->count, keel_output_length(period, tokens->period_ns));
}

/* "payments: endpoint a:443 open, probe in 3.8s, ejected for 25s, ill, 5/8 failed" */
static void print_endpoint(const keel_endpoint_line *e)
{
    char text[KEEL_OUTPUT_TEXT_SIZE];

    printf("%s: endpoint %s %s", e->pipeline, e->name,
           keel_breaker_state_name(e->state));
    if (e->state == KEEL_BREAKER_OPEN)
        printf(", probe %s%s", e->probe_in_ns ? "in " : "now",
               e->probe_in_ns ? keel_output_length(text, e->probe_in_ns) : "");
    if (e->ejected_left_ns)
        printf(", ejected for %s", keel_output_length(text, e->ejected_left_ns));
    if (e->is_ill)
        fputs(", ill", stdout);
    printf(", %" PRIu64 "/%" PRIu64 " failed\n", e->totals.failed, e->totals.total);
}

static void print_endpoints(const keel_view *view, const char *name)
{
    for (size_t i = 0; i < view->endpoint_count; i++)
        if (!strcmp(view->endpoints[i].pipeline, name))
            print_endpoint(&view->endpoints[i]);
}

static void print_check(const keel_pipeline_view *p)
{
    const keel_check_view *check = &p->check;
    char age[KEEL_OUTPUT_TEXT_SIZE];

    if (!check->is_known)
        return;
    printf("%s: active check %s, %s", p->name, keel_view_check_name(check->state),
           keel_status_name(check->status));
    if (check->http_code)
        printf(" (HTTP %" PRIu32 ")", check->http_code);
    printf(" %s ago\n", keel_output_length(age, check->age_ns));
}

/* What each process has for itself: one number, or from the least to the most. */
static void print_range(const char *name, const char *what,
                        const keel_range_view *range, uint64_t unit, const char *sign)
{
    if (!range->processes)
        return;
    printf("%s: %s %" PRIu64 "%s", name, what, range->least / unit, sign);
    if (range->least / unit != range->most / unit)
        printf(" to %" PRIu64 "%s", range->most / unit, sign);
    putchar('\n');
}

static void print_found(const keel_pipeline_view *p)
{
    print_range(p->name, "adaptive limit", &p->adaptive, 1, "");
    print_range(p->name, "throttle refuses", &p->throttle, KEEL_PPM / 100, "%");
}

static void print_details(const keel_view *view, const choices *chosen)
{
    for (size_t i = 0; i < view->count; i++)
        if (is_chosen(chosen, view->pipelines[i].name)) {
            print_places(&view->pipelines[i]);
            print_tokens(&view->pipelines[i]);
            print_endpoints(view, view->pipelines[i].name);
            print_check(&view->pipelines[i]);
            print_found(&view->pipelines[i]);
        }
}

static void print_text(const keel_view *view, const choices *chosen)
{
    print_table(view, chosen);
    if (chosen->name_count)
        print_details(view, chosen);
}

/* ---- JSON -------------------------------------------------------------------------- */

static void print_lock_json(const keel_lock_state *lock)
{
    char version[KEEL_OUTPUT_TEXT_SIZE];

    if (!lock->size) {
        fputs(",\"lock\":null", stdout);
        return;
    }
    /* more than a JSON number is sure to hold */
    snprintf(version, sizeof version, "%" PRIu64, lock->version);
    keel_print_json_text(stdout, ",\"lock\":{", "lock", keel_lock_name(lock->lock));
    keel_print_json_text(stdout, ",", "actor", lock->actor);
    keel_print_json_text(stdout, ",", "reason", lock->reason);
    keel_print_json_known(stdout, ",", "set_s", lock->set_s);
    keel_print_json_known(stdout, ",", "left_ns", lock->left_ns);
    keel_print_json_text(stdout, ",", "version", version);
    putchar('}');
}

/* A fleet does not tell it. */
static void print_told_json(const char *name, const keel_pipeline_view *p,
                            uint64_t number)
{
    if (p->is_of_fleet)
        printf(",\"%s\":null", name);
    else
        keel_print_json_number(stdout, ",", name, number);
}

static void print_number_json(const char *name, uint64_t number)
{
    if (number == KEEL_VIEW_UNKNOWN)
        printf(",\"%s\":null", name);
    else
        keel_print_json_number(stdout, ",", name, number);
}

static void print_breaker_json(const keel_pipeline_view *p)
{
    keel_print_json_text(stdout, ",", "state", state_name(p));
    keel_print_json_number(stdout, ",", "generation", p->generation);
    keel_print_json_known(stdout, ",", "since_s", p->since_s);
    keel_print_json_text(stdout, ",", "cause", keel_view_cause_name(p->cause));
    keel_print_json_number(stdout, ",", "probe_in_ns", p->probe_in_ns);
    print_told_json("permits", p, p->permits);
    print_number_json("calls", p->totals.total);
    print_number_json("failures", p->totals.failed);
    print_number_json("slow", p->totals.slow);
    print_lock_json(&p->lock);
}

static void print_range_json(const char *name, const char *least, const char *most,
                             const keel_range_view *range)
{
    if (!range->processes)
        return;
    printf(",\"%s\":{", name);
    keel_print_json_number(stdout, "", least, range->least);
    keel_print_json_number(stdout, ",", most, range->most);
    keel_print_json_number(stdout, ",", "processes", range->processes);
    putchar('}');
}

/* What is not known here is absent. */
static void print_limits_json(const keel_pipeline_view *p)
{
    if (p->places.limit) {
        keel_print_json_number(stdout, ",\"bulkhead\":{", "in_use", p->places.in_use);
        keel_print_json_number(stdout, ",", "limit", p->places.limit);
        if (p->is_of_fleet)
            printf(",\"others_wait\":%s", p->places.others_wait ? "true" : "false");
        putchar('}');
    }
    if (p->tokens.count) {
        keel_print_json_number(stdout, ",\"rate\":{", "left", p->tokens.left);
        keel_print_json_number(stdout, ",", "burst", p->tokens.burst);
        keel_print_json_number(stdout, ",", "count", p->tokens.count);
        keel_print_json_number(stdout, ",", "period_ns", p->tokens.period_ns);
        putchar('}');
    }
    print_range_json("adaptive", "least", "most", &p->adaptive);
    print_range_json("throttle", "least_ppm", "most_ppm", &p->throttle);
}

static void print_endpoint_json(const keel_endpoint_line *e, const char *before)
{
    keel_print_json_text(stdout, before, "name", e->name);
    keel_print_json_text(stdout, ",", "state", keel_breaker_state_name(e->state));
    keel_print_json_number(stdout, ",", "probe_in_ns", e->probe_in_ns);
    keel_print_json_number(stdout, ",", "ejected_left_ns", e->ejected_left_ns);
    keel_print_json_number(stdout, ",", "ejections", e->ejections);
    printf(",\"healthy\":%s", e->is_ill ? "false" : "true");
    keel_print_json_number(stdout, ",", "calls", e->totals.total);
    keel_print_json_number(stdout, ",", "failures", e->totals.failed);
    putchar('}');
}

/* Absent where there are none, or nobody here knows them. */
static void print_endpoints_json(const keel_view *view, const char *name)
{
    size_t printed = 0;

    for (size_t i = 0; i < view->endpoint_count; i++)
        if (!strcmp(view->endpoints[i].pipeline, name))
            print_endpoint_json(&view->endpoints[i],
                                printed++ ? ",{" : ",\"endpoints\":[{");
    if (printed)
        putchar(']');
}

static void print_check_json(const keel_check_view *check)
{
    if (!check->is_known)
        return;
    keel_print_json_text(stdout, ",\"check\":{", "state",
                         keel_view_check_name(check->state));
    keel_print_json_text(stdout, ",", "status", keel_status_name(check->status));
    keel_print_json_known(stdout, ",", "http_code", check->http_code);
    keel_print_json_number(stdout, ",", "age_ns", check->age_ns);
    putchar('}');
}

static void print_pipeline_json(const keel_view *view, const keel_pipeline_view *p,
                                const char *before)
{
    keel_print_json_text(stdout, before, "name", p->name);
    print_told_json("processes", p, p->processes);
    printf(",\"breaker\":%s", p->has_breaker ? "true" : "false");
    if (p->has_breaker)
        print_breaker_json(p);
    print_limits_json(p);
    print_endpoints_json(view, p->name);
    print_check_json(&p->check);
    putchar('}');
}

static void print_json(const keel_source *source, const keel_view *view,
                       const choices *chosen)
{
    const char *before = "\n{";

    fputs("{\"schema\":1", stdout);
    keel_print_json_text(stdout, ",", "source", source->name);
    fputs(",\"pipelines\":[", stdout);
    for (size_t i = 0; i < view->count; i++)
        if (is_chosen(chosen, view->pipelines[i].name)) {
            print_pipeline_json(view, &view->pipelines[i], before);
            before = ",\n{";
        }
    fputs("],\n\"processes\":[", stdout);
    for (size_t i = 0; i < view->process_count; i++) {
        keel_print_json_number(stdout, i ? ",\n{" : "\n{", "pid",
                               view->processes[i].pid);
        keel_print_json_known(stdout, ",", "since_s", view->processes[i].since_s);
        putchar('}');
    }
    keel_print_json_known(stdout, "],\n", "members", view->members);
    puts("}");
}

/* ---- the subcommand ---------------------------------------------------------------- */

/* A lock decides in the place of the state. What nobody knows is not known to be well. */
static bool lets_through(const keel_pipeline_view *p)
{
    if (p->lock.size)
        return p->lock.lock != KEEL_LOCK_OPEN;
    return !p->has_breaker || (p->has_state && p->state == KEEL_BREAKER_CLOSED);
}

static int check(const keel_view *view, const choices *chosen)
{
    for (size_t i = 0; i < view->count; i++)
        if (is_chosen(chosen, view->pipelines[i].name) &&
            !lets_through(&view->pipelines[i]))
            return 1;
    return 0;
}

static int show(const keel_source *source, const keel_view *view, const choices *chosen)
{
    for (int i = 0; i < chosen->name_count; i++)
        if (!keel_operator_find(view, chosen->names[i]))
            return keel_operator_unknown("status", source, view, chosen->names[i]);
    if (chosen->json)
        print_json(source, view, chosen);
    else if (view->count)
        print_text(view, chosen);
    else
        fprintf(stderr, "keel status: no pipeline shares anything on %s yet\n",
                source->name);
    if (view->is_cut)
        fprintf(stderr, "keel status: there are more on %s than could be read\n",
                source->name);
    return chosen->check ? check(view, chosen) : 0;
}

static int look(keel_source *source, const choices *chosen)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_view view;
    int code;

    if (source->look(source, &view, &why) != KEEL_OK)
        return keel_operator_failed("status", source, &why);
    code = chosen->history
               ? keel_history_show(source, &view, chosen->history, chosen->json)
               : show(source, &view, chosen);
    keel_view_cleanup(&view);
    return code;
}

static int run(const choices *chosen)
{
    int code;
    keel_source *source = keel_operator_source("status", &chosen->place, &code);

    if (!source)
        return code;
    code = look(source, chosen);
    source->close(source);
    return keel_output_end("status", code);
}

static const char *take_option(void *to, int option, const char *argument)
{
    choices *chosen = to;

    chosen->check |= option == 'c';
    chosen->json |= option == 'j';
    if (option == 'H')
        chosen->history = argument;
    return NULL;
}

int keel_tool_status(int argc, char **argv)
{
    static const struct option options[] = {
        KEEL_OPERATOR_OPTIONS,
        { "check", no_argument, NULL, 'c' },
        { "json", no_argument, NULL, 'j' },
        { "history", required_argument, NULL, 'H' },
        { NULL, 0, NULL, 0 },
    };
    const keel_operator_command command = { "status", usage, options, take_option };
    choices chosen = { .check = false };
    int code = keel_operator_read(&command, &chosen.place, &chosen, argc, argv);

    if (code >= 0)
        return code;
    chosen.names = argv + optind;
    chosen.name_count = argc - optind;
    if (chosen.check && !chosen.name_count)
        return keel_operator_wrong(&command, "--check which NAME?");
    if (chosen.history && (chosen.check || chosen.name_count))
        return keel_operator_wrong(&command, "--history is of one NAME, and alone");
    return run(&chosen);
}
