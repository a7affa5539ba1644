/* SPDX-License-Identifier: MIT */
/*
 * keel exec: a command under a pipeline. Short-lived processes share what they learn by
 * the board that KEEL_BOARD names.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/keel.h>

#include "base/text.h"
#include "exec_child.h"
#include "exec_share.h"
#include "keel.h"
#include "output.h"

static const char usage[] =
    "usage: keel exec [--settings TEXT] [--idempotent] [--wait-share LENGTH] NAME\n"
    "                 -- COMMAND [argument ...]\n"
    "           runs COMMAND if the pipeline lets it; 75: it does not\n";

/* wait_share_ns: for how long to wait for the fleet's view; a board's is there at once */
typedef struct choices {
    const char *name;
    const char *settings;
    bool idempotent;
    uint64_t wait_share_ns;
    char **command;
} choices;

typedef struct execution {
    const choices *chosen;
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    keel_child command;
    keel_child_result result; /* of the last attempt */
    unsigned attempts;
} execution;

/* ---- the call ---------------------------------------------------------------------- */

static keel_status outcome_of(const execution *x)
{
    const keel_child_result *r = &x->result;

    if (r->code == 0 && !r->timed_out)
        return KEEL_OK;
    if (x->command.told)
        return KEEL_CANCELLED; /* nor has who asked us to end patience for a retry */
    if (r->timed_out)
        return KEEL_TIMEOUT;
    if (r->code == KEEL_CHILD_NOT_EXECUTABLE || r->code == KEEL_CHILD_NOT_FOUND)
        return KEEL_IGNORED; /* says nothing of what the command would have called */
    return r->code == KEEL_EXIT_REJECTED ? KEEL_THROTTLED : KEEL_FAILED;
}

static void make_attempt(execution *x, keel_call *call)
{
    x->attempts++;
    x->result = keel_child_run(&x->command, keel_call_timeout_ns(call));
    keel_call_report(call, outcome_of(x));
}

static keel_status make_call(execution *x, keel_detail *why)
{
    const keel_call_options options = { .size = sizeof options,
                                        .idempotent = x->chosen->idempotent };
    bool goes_on = true;
    keel_call call;

    keel_call_begin(&call, x->pipeline, &options);
    while (goes_on) {
        uint64_t wake_at;

        switch (keel_call_poll(&call, NULL, &wake_at)) {
        case KEEL_STEP_ATTEMPT:
            make_attempt(x, &call);
            break;
        case KEEL_STEP_WAIT:
            goes_on = keel_child_rest(&x->command, wake_at);
            break;
        case KEEL_STEP_ENDED:
            goes_on = false;
            break;
        }
    }
    return keel_call_end(&call, why);
}

/* ---- what comes of it -------------------------------------------------------------- */

static void say_result(const execution *x)
{
    if (x->result.start_error)
        fprintf(stderr, "keel exec: %s: %s\n", x->chosen->command[0],
                strerror(x->result.start_error));
    else if (x->result.timed_out)
        fprintf(stderr, "keel exec: %s: %s was ended, its time was over\n",
                x->chosen->name, x->chosen->command[0]);
}

static int say_refusal(const execution *x, keel_status status, const keel_detail *why)
{
    char length[KEEL_OUTPUT_TEXT_SIZE];

    fprintf(stderr, "keel exec: %s: %s", x->chosen->name, why->text);
    if (why->retry_after_ns)
        fprintf(stderr, "; come back in %s",
                keel_output_length(length, why->retry_after_ns));
    fputs("\n", stderr);
    return status >= KEEL_REJECTED_OPEN && status < KEEL_FAILED ? KEEL_EXIT_REJECTED
                                                                : KEEL_EXIT_SYSTEM;
}

static int conclude(const execution *x, keel_status status, const keel_detail *why)
{
    if (x->attempts) {
        say_result(x);
        return x->result.code;
    }
    if (x->command.told)
        return KEEL_CHILD_SIGNALLED + x->command.told;
    return say_refusal(x, status, why);
}

/* ---- the runtime ------------------------------------------------------------------- */

static int wrong_start(const keel_detail *why)
{
    fprintf(stderr, "keel exec: %s\n", why->text);
    return why->code == KEEL_E_CONFIG ? KEEL_EXIT_CONFIG : KEEL_EXIT_SYSTEM;
}

/* Settings that are passed over; KEEL_LOG prints them itself. */
static void print_warnings(keel_runtime *runtime)
{
    char text[512];

    for (size_t i = 0; !getenv("KEEL_LOG"); i++) {
        if (!keel_runtime_warning(runtime, i, text, sizeof text))
            return;
        fprintf(stderr, "keel exec: %s\n", text);
    }
}

static int run_under_pipeline(execution *x, keel_detail *why)
{
    keel_status status = keel_pipeline_open(&x->pipeline, x->runtime, x->chosen->name,
                                            x->chosen->settings, why);
    int code;

    if (status != KEEL_OK)
        return wrong_start(why);
    print_warnings(x->runtime);
    if (keel_exec_await_share(x->pipeline, &x->command, x->chosen->wait_share_ns))
        status = make_call(x, why);
    code = conclude(x, status, why);
    keel_pipeline_close(x->pipeline);
    return code;
}

static int run(const choices *chosen)
{
    execution x = { .chosen = chosen };
    keel_detail why = KEEL_DETAIL_INIT;
    int code;

    if (keel_open(&x.runtime, NULL, &why) != KEEL_OK)
        return wrong_start(&why);
    if (keel_child_init(&x.command, chosen->command)) {
        code = run_under_pipeline(&x, &why);
    } else {
        fputs("keel exec: there is no monotonic clock\n", stderr);
        code = KEEL_EXIT_SYSTEM;
    }
    keel_close(x.runtime, 0);
    return code;
}

/* ---- arguments --------------------------------------------------------------------- */

static int wrong_usage(const char *what)
{
    fprintf(stderr, "%s%s", what, usage);
    return KEEL_EXIT_USAGE;
}

/* Where our own arguments end: what follows "--" is the command's. */
static int own_arguments(int argc, char **argv)
{
    int count = 0;

    while (count < argc && strcmp(argv[count], "--") != 0)
        count++;
    return count;
}

/* -1: go on; else what to exit with. */
static int take_options(choices *chosen, int argc, char **argv)
{
    static const struct option options[] = {
        { "settings", required_argument, NULL, 's' },
        { "idempotent", no_argument, NULL, 'i' },
        { "wait-share", required_argument, NULL, 'w' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return keel_output_end("exec", 0);
        }
        if (option == '?')
            return wrong_usage("");
        if (option == 's')
            chosen->settings = optarg;
        chosen->idempotent = chosen->idempotent || option == 'i';
        if (option == 'w' &&
            keel_parse_duration(keel_text_of(optarg), &chosen->wait_share_ns))
            return wrong_usage("keel exec: --wait-share takes a length of time with "
                               "its unit, such as 50ms\n");
    }
    return -1;
}

int keel_tool_exec(int argc, char **argv)
{
    static char own_name[] = "keel exec";
    choices chosen = { .name = NULL };
    int own = own_arguments(argc, argv), code;

    argv[0] = own_name; /* getopt's complaints begin with it */
    code = take_options(&chosen, own, argv);
    if (code >= 0)
        return code;
    if (own - optind != 1)
        return wrong_usage("keel exec: one NAME, and the COMMAND behind --\n");
    if (own + 1 >= argc)
        return wrong_usage("keel exec: which COMMAND? It stands behind --\n");
    chosen.name = argv[optind];
    chosen.command = argv + own + 1;
    return run(&chosen);
}
