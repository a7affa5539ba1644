/* SPDX-License-Identifier: MIT */
/* keel status: what the pipelines of a running service are doing. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "keel.h"
#include "operator.h"
#include "output.h"

static const char usage[] =
    "usage: keel status [--board FILE] [--check] [--json] [NAME ...]\n"
    "           state, since when, why, next probe and lock of each pipeline\n"
    "           --check: exit with 1 unless all that are named let calls through\n";

typedef struct choices {
    const char *board;
    bool check;
    bool json;
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

static void write_row(row cells, const keel_pipeline_view *p)
{
    char text[KEEL_OUTPUT_TEXT_SIZE];

    write_cell(cells[0], true, p->name);
    write_cell(cells[1], p->has_breaker, keel_breaker_state_name(p->state));
    write_cell(cells[2], p->since_s, keel_output_instant(text, p->since_s * 1000, 0));
    write_cell(cells[3], p->cause, keel_cause_name(p->cause));
    if (p->has_breaker && p->state == KEEL_BREAKER_OPEN)
        write_cell(cells[4], true,
                   p->probe_in_ns ? keel_output_length(text, p->probe_in_ns) : "now");
    else if (p->has_breaker && p->state == KEEL_BREAKER_HALF_OPEN)
        snprintf(cells[4], CELL_SIZE, "%" PRIu32 " left", p->permits);
    else
        write_cell(cells[4], false, NULL);
    snprintf(cells[5], CELL_SIZE, "%" PRIu64 "/%" PRIu64, p->totals.failed,
             p->totals.total);
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

static void print_text(const keel_view *view, const choices *chosen)
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

static void print_breaker_json(const keel_pipeline_view *p)
{
    keel_print_json_text(stdout, ",", "state", keel_breaker_state_name(p->state));
    keel_print_json_number(stdout, ",", "generation", p->generation);
    keel_print_json_known(stdout, ",", "since_s", p->since_s);
    keel_print_json_text(stdout, ",", "cause", keel_cause_name(p->cause));
    keel_print_json_number(stdout, ",", "probe_in_ns", p->probe_in_ns);
    keel_print_json_number(stdout, ",", "permits", p->permits);
    keel_print_json_number(stdout, ",", "calls", p->totals.total);
    keel_print_json_number(stdout, ",", "failures", p->totals.failed);
    keel_print_json_number(stdout, ",", "slow", p->totals.slow);
    print_lock_json(&p->lock);
}

static void print_pipeline_json(const keel_pipeline_view *p, const char *before)
{
    keel_print_json_text(stdout, before, "name", p->name);
    keel_print_json_number(stdout, ",", "processes", p->processes);
    printf(",\"breaker\":%s", p->has_breaker ? "true" : "false");
    if (p->has_breaker)
        print_breaker_json(p);
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
            print_pipeline_json(&view->pipelines[i], before);
            before = ",\n{";
        }
    fputs("],\n\"processes\":[", stdout);
    for (size_t i = 0; i < view->process_count; i++) {
        keel_print_json_number(stdout, i ? ",\n{" : "\n{", "pid",
                               view->processes[i].pid);
        keel_print_json_known(stdout, ",", "since_s", view->processes[i].since_s);
        putchar('}');
    }
    puts("]}");
}

/* ---- the subcommand ---------------------------------------------------------------- */

/* A lock decides in the place of the state. */
static bool lets_through(const keel_pipeline_view *p)
{
    if (p->lock.size)
        return p->lock.lock != KEEL_LOCK_OPEN;
    return p->state == KEEL_BREAKER_CLOSED;
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
    return chosen->check ? check(view, chosen) : 0;
}

static int look(const choices *chosen)
{
    int code = KEEL_EXIT_SYSTEM;
    keel_source *source = keel_operator_source("status", chosen->board, &code);
    keel_view view;

    if (!source)
        return code;
    if (source->look(source, &view) == KEEL_OK) {
        code = show(source, &view, chosen);
        keel_view_cleanup(&view);
    } else {
        fputs("keel status: out of memory\n", stderr);
    }
    source->close(source);
    return keel_output_end("status", code);
}

static int wrong_usage(const char *what)
{
    fprintf(stderr, "%s%s", what, usage);
    return KEEL_EXIT_USAGE;
}

int keel_tool_status(int argc, char **argv)
{
    static const struct option options[] = {
        { "board", required_argument, NULL, 'b' },
        { "check", no_argument, NULL, 'c' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    static char own_name[] = "keel status";
    choices chosen = { .board = NULL };
    int option;

    argv[0] = own_name; /* getopt's complaints begin with it */
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return keel_output_end("status", 0);
        }
        if (option == '?')
            return wrong_usage("");
        if (option == 'b')
            chosen.board = optarg;
        chosen.check = chosen.check || option == 'c';
        chosen.json = chosen.json || option == 'j';
    }
    chosen.names = argv + optind;
    chosen.name_count = argc - optind;
    if (chosen.check && !chosen.name_count)
        return wrong_usage("keel status: --check which NAME?\n");
    return look(&chosen);
}
