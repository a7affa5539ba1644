/* SPDX-License-Identifier: MIT */
#include "operator.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/shown_text.h"
#include "base/warnings.h"
#include "keel.h"
#include "output.h"

/* ---- the command line -------------------------------------------------------------- */

int keel_operator_wrong(const keel_operator_command *command, const char *what)
{
    fprintf(stderr, "keel %s: %s\n%s", command->name, what, command->usage);
    return KEEL_EXIT_USAGE;
}

static void take_redis(keel_operator_place *place, const char *url, char *const *argv)
{
    place->by_redis = true;
    if (!url && argv[optind] && strchr(argv[optind], ':'))
        url = argv[optind++];
    if (url)
        place->url = url;
}

/* getopt's complaints begin with it */
static char *own_name(const char *name)
{
    static char text[32];

    snprintf(text, sizeof text, "keel %s", name);
    return text;
}

static int print_usage(const keel_operator_command *command)
{
    fputs(command->usage, stdout);
    return keel_output_end(command->name, 0);
}

int keel_operator_read(const keel_operator_command *command, keel_operator_place *place,
                       void *choices, int argc, char **argv)
{
    const char *wrong = NULL;
    int option;

    argv[0] = own_name(command->name);
    while (!wrong &&
           (option = getopt_long(argc, argv, "h", command->options, NULL)) != -1) {
        if (option == 'h')
            return print_usage(command);
        if (option == '?') {
            fputs(command->usage, stderr);
            return KEEL_EXIT_USAGE;
        }
        if (option == 'b')
            place->board = optarg;
        else if (option == 'R')
            take_redis(place, optarg, argv);
        else
            wrong = command->take(choices, option, optarg);
    }
    return wrong ? keel_operator_wrong(command, wrong) : -1;
}

/* ---- the settings of this environment ---------------------------------------------- */

typedef struct settings {
    keel_log log;
    keel_warnings warnings;
    keel_config *config;
} settings;

static void print_warnings(const char *command, settings *s)
{
    char text[KEEL_WARNING_SIZE];

    for (size_t i = 0; keel_warnings_read(&s->warnings, i, text, sizeof text); i++)
        fprintf(stderr, "keel %s: %s\n", command, text);
}

/* -1: read; else what to exit with. A mistake that was passed over may lead elsewhere than
 * was meant, so it is said. */
static int settings_read(const char *command, settings *s)
{
    keel_detail why = KEEL_DETAIL_INIT;
    const char *const *variables = (const char *const *)environ;

    *s = (settings){ .log = { .level = -1 } };
    if (keel_warnings_init(&s->warnings, NULL, &s->log)) {
        fprintf(stderr, "keel %s: out of memory\n", command);
        return KEEL_EXIT_SYSTEM;
    }
    if (keel_config_open(&s->config, NULL, &s->warnings, variables, &why) == KEEL_OK) {
        print_warnings(command, s);
        return -1;
    }
    fprintf(stderr, "keel %s: %s\n", command, why.text);
    keel_warnings_cleanup(&s->warnings);
    return why.code == KEEL_E_CONFIG ? KEEL_EXIT_CONFIG : KEEL_EXIT_SYSTEM;
}

static void settings_cleanup(settings *s)
{
    keel_config_close(s->config);
    keel_warnings_cleanup(&s->warnings);
}

/* ---- the source -------------------------------------------------------------------- */

static int exit_code(keel_status status, bool is_argument)
{
    switch (status) {
    case KEEL_E_NOMEM:
        return KEEL_EXIT_SYSTEM;
    case KEEL_E_CONFIG:
    case KEEL_E_UNSUPPORTED:
        return is_argument ? KEEL_EXIT_USAGE : KEEL_EXIT_CONFIG;
    default:
        return KEEL_EXIT_UNAVAILABLE;
    }
}

/* What a server has said may be in it. */
static void print_failure(const char *command, const char *where,
                          const keel_detail *why)
{
    char text[sizeof why->storage];

    snprintf(text, sizeof text, "%s", why->text);
    keel_shown_text(text);
    fprintf(stderr, "keel %s: %s%s%s\n", command, where, *where ? ": " : "", text);
}

int keel_operator_failed(const char *command, const keel_source *source,
                         const keel_detail *why)
{
    print_failure(command, source->name, why);
    return exit_code(why->code, false);
}

static keel_source *open_board(const char *command, const char *path, int *code)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_source *source;

    if (keel_board_source_open(&source, path, &why) == KEEL_OK)
        return source;
    print_failure(command, "", &why);
    *code = exit_code(why.code, false);
    return NULL;
}

static keel_source *open_redis(const char *command, const keel_process_settings *s,
                               const char *url, int *code)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_source *source;

    if (keel_redis_source_open(&source, s, url, &why) == KEEL_OK)
        return source;
    print_failure(command, "", &why);
    *code = exit_code(why.code, url);
    return NULL;
}

static keel_source *say_nowhere(const char *command, bool by_redis, int *code)
{
    if (by_redis)
        fprintf(stderr,
                "keel %s: which Redis? Give --redis URL, or set KEEL_REDIS as the "
                "service has it\n",
                command);
    else
        fprintf(stderr,
                "keel %s: which board? Give --board FILE, or set KEEL_BOARD as the "
                "service has it; or of which fleet, --redis URL or KEEL_REDIS\n",
                command);
    *code = KEEL_EXIT_USAGE;
    return NULL;
}

static keel_source *open_named(const char *command, const keel_operator_place *place,
                               const keel_process_settings *s, int *code)
{
    if (!place->by_redis && s->board)
        return open_board(command, s->board, code);
    if (place->url || s->redis)
        return open_redis(command, s, place->url, code);
    return say_nowhere(command, place->by_redis, code);
}

keel_source *keel_operator_source(const char *command, const keel_operator_place *place,
                                  int *code)
{
    keel_source *source;
    settings s;
    int wrong;

    if (place->board)
        return open_board(command, place->board, code);
    wrong = settings_read(command, &s);
    if (wrong >= 0) {
        *code = wrong;
        return NULL;
    }
    source = open_named(command, place, keel_config_process(s.config), code);
    settings_cleanup(&s);
    return source;
}

/* ---- names ------------------------------------------------------------------------- */

const keel_pipeline_view *keel_operator_find(const keel_view *view, const char *name)
{
    for (size_t i = 0; i < view->count; i++)
        if (!strcmp(view->pipelines[i].name, name))
            return &view->pipelines[i];
    return NULL;
}

static const char *nearest(const keel_view *view, const char *name)
{
    for (size_t i = 0; i < view->count; i++)
        if (keel_name_is_near(keel_text_of(name),
                              keel_text_of(view->pipelines[i].name)))
            return view->pipelines[i].name;
    return NULL;
}

int keel_operator_unknown(const char *command, const keel_source *source,
                          const keel_view *view, const char *name)
{
    const char *meant = nearest(view, name);
    char quoted[KEEL_QUOTE_SIZE];

    fprintf(stderr, "keel %s: no process has opened a pipeline %s on %s", command,
            keel_quote(quoted, keel_text_of(name)), source->name);
    if (meant)
        fprintf(stderr, ", did you mean \"%s\"?", meant);
    fputs(view->count ? "\nthere are:" : "\nthere are none yet", stderr);
    for (size_t i = 0; i < view->count; i++)
        fprintf(stderr, " %s", view->pipelines[i].name);
    fputs("\n", stderr);
    return KEEL_EXIT_USAGE;
}
