/* SPDX-License-Identifier: MIT */
/*
 * keel config: what the settings of this environment come to (explain), which there are
 * (list), and whether they are right (check).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bag/check.h"
#include "base/name.h"
#include "call/sharing.h"
#include "config_findings.h"
#include "config_list.h"
#include "keel.h"
#include "output.h"
#include "settings/config.h"
#include "settings/layers.h"

static const char usage[] =
    "usage: keel config explain [--settings TEXT] [--changed] [--json] NAME\n"
    "           what holds for a pipeline, and who said so\n"
    "       keel config list [--json | --mdoc]\n"
    "           every setting: its meaning, what is allowed, its default\n"
    "       keel config check [--json] [FILE]\n"
    "           what is wrong in the environment and the file\n";

static bool is_help(const char *argument)
{
    return !strcmp(argument, "--help") || !strcmp(argument, "-h");
}

static int flushed(int code)
{
    if (fflush(stdout) || ferror(stdout)) {
        fputs("keel config: cannot write\n", stderr);
        return KEEL_EXIT_SYSTEM;
    }
    return code;
}

/* It was asked for. */
static int print_usage(void)
{
    fputs(usage, stdout);
    return flushed(0);
}

/* Behind a complaint. */
static int show_usage(void)
{
    fputs(usage, stderr);
    return KEEL_EXIT_USAGE;
}

static int wrong_usage(const char *what)
{
    fprintf(stderr, "keel config %s\n", what);
    return show_usage();
}

/* ---- the settings of this environment -------------------------------------------- */

typedef struct look {
    keel_log log;
    keel_warnings warnings;
    keel_findings findings;
    keel_config *config;
    keel_detail why;
} look;

static bool look_begin(look *l, const char *const *variables)
{
    keel_finding_listener listener = { keel_findings_add, &l->findings };

    *l = (look){ .log = { .level = -1 }, .why = KEEL_DETAIL_INIT };
    if (keel_warnings_init(&l->warnings, NULL, &l->log)) {
        fputs("keel config: out of memory\n", stderr);
        return false;
    }
    if (!keel_config_open_listened(&l->config, NULL, &l->warnings, &listener, variables,
                                   &l->why))
        return true;
    fprintf(stderr, "keel config: %s\n", l->why.text);
    keel_findings_cleanup(&l->findings);
    keel_warnings_cleanup(&l->warnings);
    return false;
}

/* Returns how many warnings there were. */
static size_t print_warnings(look *l)
{
    char line[KEEL_WARNING_SIZE];
    size_t count = 0;

    while (keel_warnings_read(&l->warnings, count, line, sizeof line)) {
        fprintf(stderr, "keel config: %s\n", line);
        count++;
    }
    return count;
}

static void tell_if_disabled(const look *l, FILE *out)
{
    if (keel_config_process(l->config)->disabled)
        fputs("KEEL_DISABLED is on: none of these settings is in force\n", out);
}

static void look_end(look *l)
{
    keel_config_close(l->config);
    keel_findings_cleanup(&l->findings);
    keel_warnings_cleanup(&l->warnings);
}

/* ---- explain --------------------------------------------------------------------- */

typedef struct explain_options {
    const char *settings;
    bool json;
    bool only_changed;
} explain_options;

static bool is_built_in(const keel_origin *origin)
{
    return !strcmp(origin->layer, keel_layer_name(KEEL_LAYER_BUILT_IN));
}

/* "preset patient" and "KEEL_PAYMENTS col 1" name their layers themselves. */
static bool names_its_layer(const keel_origin *origin)
{
    return !strncmp(origin->source, origin->layer, strlen(origin->layer)) ||
           !strncmp(origin->layer, KEEL_PREFIX, strlen(KEEL_PREFIX));
}

static void explain_line(const keel_origin *origin)
{
    printf("%-28s %-12s ", origin->key, origin->value);
    if (!*origin->source)
        fputs(origin->layer, stdout);
    else if (names_its_layer(origin))
        fputs(origin->source, stdout);
    else
        printf("%s (%s)", origin->layer, origin->source);
    printf("%s%s\n", *origin->note ? ": " : "", origin->note);
}

static void explain_text(const keel_explanation *explanation, bool only_changed)
{
    printf("preset %s\n", explanation->preset);
    for (size_t i = 0; i < explanation->count; i++)
        if (!only_changed || !is_built_in(&explanation->origins[i]))
            explain_line(&explanation->origins[i]);
}

static void explain_json(const char *name, const keel_explanation *explanation,
                         bool only_changed)
{
    const char *before = "\n{";

    keel_print_json_text(stdout, "{", "name", name);
    keel_print_json_text(stdout, ",", "preset", explanation->preset);
    fputs(",\"settings\":[", stdout);
    for (size_t i = 0; i < explanation->count; i++) {
        const keel_origin *origin = &explanation->origins[i];

        if (only_changed && is_built_in(origin))
            continue;
        keel_print_json_text(stdout, before, "key", origin->key);
        keel_print_json_text(stdout, ",", "value", origin->value);
        keel_print_json_text(stdout, ",", "layer", origin->layer);
        keel_print_json_text(stdout, ",", "source", origin->source);
        keel_print_json_text(stdout, ",", "note", origin->note);
        putchar('}');
        before = ",\n{";
    }
    puts("\n]}");
}

static int explain_name(look *l, const char *name, const explain_options *options)
{
    keel_explanation explanation;
    keel_policy policy;

    if (keel_config_claim(l->config, name, &l->why) ||
        keel_config_resolve(l->config, name, options->settings, NULL, &policy,
                            &explanation, &l->why)) {
        fprintf(stderr, "keel config: %s\n", l->why.text);
        return KEEL_EXIT_CONFIG;
    }
    keel_config_warn_of_slips(l->config, name);
    tell_if_disabled(l, options->json ? stderr : stdout);
    if (options->json)
        explain_json(name, &explanation, options->only_changed);
    else
        explain_text(&explanation, options->only_changed);
    keel_explanation_free(NULL, &explanation);
    print_warnings(l);
    return 0;
}

static int explain_in_environment(const char *name, const explain_options *options)
{
    look l;
    int code;

    if (!look_begin(&l, (const char *const *)environ))
        return KEEL_EXIT_CONFIG;
    code = explain_name(&l, name, options);
    look_end(&l);
    return flushed(code);
}

static int explain(int argc, char **argv)
{
    static const struct option options[] = {
        { "settings", required_argument, NULL, 's' },
        { "changed", no_argument, NULL, 'c' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    static char own_name[] = "keel config explain";
    explain_options chosen = { .settings = NULL };
    int option;

    argv[0] = own_name; /* getopt's complaints begin with it */
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h')
            return print_usage();
        if (option == '?')
            return show_usage();
        if (option == 's')
            chosen.settings = optarg;
        chosen.json = chosen.json || option == 'j';
        chosen.only_changed = chosen.only_changed || option == 'c';
    }
    if (argc - optind > 1)
        return wrong_usage("explain: one NAME only; a TEXT with blanks wants quotes");
    if (argc - optind < 1)
        return wrong_usage(
            chosen.settings ? "explain: no NAME is left behind the TEXT of --settings"
                            : "explain: which NAME?");
    return explain_in_environment(argv[optind], &chosen);
}

/* ---- list ------------------------------------------------------------------------ */

static int list(int argc, char **argv)
{
    static const struct {
        const char *option;
        void (*print)(FILE *out);
    } forms[] = {
        { "--json", keel_config_list_json },
        { "--mdoc", keel_config_list_mdoc },
    };

    if (argc == 1) {
        keel_config_list_text(stdout);
        return flushed(0);
    }
    if (is_help(argv[1]))
        return print_usage();
    for (size_t i = 0; argc == 2 && i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(argv[1], forms[i].option) != 0)
            continue;
        forms[i].print(stdout);
        return flushed(0);
    }
    return wrong_usage("list: takes --json or --mdoc, or nothing");
}

/* ---- check ----------------------------------------------------------------------- */

/*
 * Strict mode would stop at the first mistake; here all of them are wanted. A wrong
 * value of KEEL_STRICT is one of them.
 */
static bool is_kept(const char *variable, bool has_file)
{
    static const char file[] = "KEEL_CONFIG_FILE=";

    return strcmp(variable, "KEEL_STRICT=on") != 0 &&
           !(has_file && !strncmp(variable, file, strlen(file)));
}

/* The environment, lenient. NULL: out of memory. */
static const char **lenient_environment(bool has_file)
{
    size_t count = 0;
    const char **variables;

    while (environ[count])
        count++;
    variables = calloc(count + 1, sizeof *variables);
    if (!variables)
        return NULL;
    count = 0;
    for (char **variable = environ; *variable; variable++)
        if (is_kept(*variable, has_file))
            variables[count++] = *variable;
    return variables;
}

/*
 * Pipelines are named in code; here whatever reads like settings counts as one, and one
 * more has the defaults alone.
 */
static keel_status resolve_all(look *l, unsigned *names)
{
    char name[KEEL_NAME_MAX + 1];
    keel_policy policy;
    keel_status status =
        keel_config_resolve(l->config, "", NULL, NULL, &policy, NULL, &l->why);

    for (*names = 0; !status && keel_config_guess_name(l->config, name, sizeof name);
         ++*names) {
        status = keel_config_claim(l->config, name, &l->why);
        if (!status)
            status = keel_config_resolve(l->config, name, NULL, NULL, &policy, NULL,
                                         &l->why);
    }
    return status;
}

/* So are bags, whose specs stand in variables of their own. */
static keel_status check_bags(look *l, unsigned *names)
{
    char name[KEEL_NAME_MAX + 1];
    keel_status status = KEEL_OK;

    for (size_t i = 0; !status && keel_config_bag_at(l->config, i, name, sizeof name);
         i++)
        status = keel_bag_find_secrets(l->config, NULL, name, &l->why);
    *names = 0;
    for (size_t i = 0; !status && keel_config_bag_at(l->config, i, name, sizeof name);
         i++)
        if (*name) {
            status = keel_bag_check(l->config, NULL, name, NULL, &l->why);
            ++*names;
        }
    return status;
}

static void print_findings(look *l, const char *file, bool json, unsigned names)
{
    tell_if_disabled(l, stderr);
    if (json)
        keel_findings_print(&l->findings, file ? file : getenv("KEEL_CONFIG_FILE"),
                            stdout);
    else if (!print_warnings(l))
        printf("%u name%s, no mistakes\n", names, names == 1 ? "" : "s");
}

static int check_all(look *l, const char *file, bool json)
{
    unsigned names, bags;

    /* Bags first: what a pipeline in one of them is called is not for guessing. */
    if ((file && keel_config_use_file(l->config, file, &l->why)) ||
        check_bags(l, &bags) || resolve_all(l, &names)) {
        fprintf(stderr, "keel config: %s\n", l->why.text);
        return l->why.code == KEEL_E_NOMEM ? KEEL_EXIT_SYSTEM : KEEL_EXIT_CONFIG;
    }
    (void)keel_config_check_process(l->config, keel_sharing_check, NULL);
    (void)keel_config_verify(l->config, NULL);
    if (l->findings.is_out_of_memory) {
        fputs("keel config: out of memory\n", stderr);
        return KEEL_EXIT_SYSTEM;
    }
    print_findings(l, file, json, names + bags);
    if (!l->findings.count)
        return 0;
    return keel_config_mistakes(l->config) ? KEEL_EXIT_CONFIG : KEEL_EXIT_LINT;
}

static int check_file(const char *file, bool json)
{
    const char **variables = lenient_environment(file != NULL);
    int code = KEEL_EXIT_SYSTEM;
    look l;

    if (!variables) {
        fputs("keel config: out of memory\n", stderr);
    } else if (look_begin(&l, variables)) {
        code = check_all(&l, file, json);
        look_end(&l);
    }
    free(variables);
    return flushed(code);
}

static int check(int argc, char **argv)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    static char own_name[] = "keel config check";
    bool json = false;
    int option;

    argv[0] = own_name;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h')
            return print_usage();
        if (option == '?')
            return show_usage();
        json = true;
    }
    if (argc - optind > 1)
        return wrong_usage("check: one FILE at most");
    return check_file(argv[optind], json); /* NULL ends the arguments */
}

int keel_tool_config(int argc, char **argv)
{
    if (argc < 2)
        return wrong_usage("what? explain, list or check");
    if (is_help(argv[1]))
        return print_usage();
    if (!strcmp(argv[1], "explain"))
        return explain(argc - 1, argv + 1);
    if (!strcmp(argv[1], "list"))
        return list(argc - 1, argv + 1);
    if (!strcmp(argv[1], "check"))
        return check(argc - 1, argv + 1);
    fprintf(stderr, "keel config: no subcommand \"%s\"\n", argv[1]);
    return show_usage();
}
