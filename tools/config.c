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

#include "base/name.h"
#include "config_list.h"
#include "keel.h"
#include "policy/config.h"
#include "policy/config_file.h"

static const char usage[] =
    "usage: keel config explain NAME [--settings TEXT] [--json]\n"
    "       keel config list [--json | --mdoc]\n"
    "       keel config check [--json] [FILE]\n";

static int wrong_usage(void)
{
    fputs(usage, stderr);
    return KEEL_EXIT_USAGE;
}

/* ---- the settings of this environment -------------------------------------------- */

typedef struct look {
    keel_log log;
    keel_warnings warnings;
    keel_config *config;
    keel_detail why;
} look;

static bool look_begin(look *l, const char *const *variables)
{
    *l = (look){ .log = { .level = -1 }, .why = KEEL_DETAIL_INIT };
    if (keel_warnings_init(&l->warnings, NULL, &l->log)) {
        fputs("keel config: out of memory\n", stderr);
        return false;
    }
    if (!keel_config_open(&l->config, NULL, &l->warnings, variables, &l->why))
        return true;
    fprintf(stderr, "keel config: %s\n", l->why.text);
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

static void look_end(look *l)
{
    keel_config_close(l->config);
    keel_warnings_cleanup(&l->warnings);
}

static int flushed(int code)
{
    if (fflush(stdout) || ferror(stdout)) {
        fputs("keel config: cannot write\n", stderr);
        return KEEL_EXIT_SYSTEM;
    }
    return code;
}

/* ---- explain --------------------------------------------------------------------- */

static void explain_text(const keel_explanation *explanation)
{
    printf("preset %s\n", explanation->preset);
    for (size_t i = 0; i < explanation->count; i++) {
        const keel_origin *origin = &explanation->origins[i];

        printf("%-28s %-12s %s", origin->key, origin->value, origin->layer);
        if (*origin->source)
            printf(" (%s)", origin->source);
        printf("%s%s\n", *origin->note ? ": " : "", origin->note);
    }
}

static void json_member(const char *before, const char *name, const char *value)
{
    printf("%s\"%s\":", before, name);
    keel_print_json_string(stdout, value);
}

static void explain_json(const char *name, const keel_explanation *explanation)
{
    json_member("{", "name", name);
    json_member(",", "preset", explanation->preset);
    fputs(",\"settings\":[", stdout);
    for (size_t i = 0; i < explanation->count; i++) {
        const keel_origin *origin = &explanation->origins[i];

        json_member(i ? ",\n{" : "\n{", "key", origin->key);
        json_member(",", "value", origin->value);
        json_member(",", "layer", origin->layer);
        json_member(",", "source", origin->source);
        json_member(",", "note", origin->note);
        putchar('}');
    }
    puts("\n]}");
}

static int explain_name(look *l, const char *name, const char *settings, bool json)
{
    keel_explanation explanation;
    keel_policy policy;

    if (keel_config_claim(l->config, name, &l->why) ||
        keel_config_resolve(l->config, name, settings, NULL, &policy, &explanation,
                            &l->why)) {
        fprintf(stderr, "keel config: %s\n", l->why.text);
        return KEEL_EXIT_CONFIG;
    }
    if (json)
        explain_json(name, &explanation);
    else
        explain_text(&explanation);
    keel_explanation_free(NULL, &explanation);
    print_warnings(l);
    return 0;
}

static int explain(int argc, char **argv)
{
    static const struct option options[] = {
        { "settings", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    static char own_name[] = "keel config explain";
    const char *settings = NULL;
    bool json = false;
    int option, code;
    look l;

    argv[0] = own_name; /* getopt's complaints begin with it */
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return wrong_usage();
        if (option == 's')
            settings = optarg;
        else
            json = true;
    }
    if (argc - optind != 1)
        return wrong_usage();
    if (!look_begin(&l, (const char *const *)environ))
        return KEEL_EXIT_CONFIG;
    code = explain_name(&l, argv[optind], settings, json);
    look_end(&l);
    return flushed(code);
}

/* ---- list ------------------------------------------------------------------------ */

static int list(int argc, char **argv)
{
    if (argc > 2)
        return wrong_usage();
    if (argc == 1)
        keel_config_list_text(stdout);
    else if (!strcmp(argv[1], "--json"))
        keel_config_list_json(stdout);
    else if (!strcmp(argv[1], "--mdoc"))
        keel_config_list_mdoc(stdout);
    else
        return wrong_usage();
    return flushed(0);
}

/* ---- findings -------------------------------------------------------------------- */

/* A warning taken apart. where is cut off at its length; line, column 0: none */
typedef struct finding {
    const char *where;
    size_t where_length;
    unsigned long line;
    unsigned long column;
    const char *message;
} finding;

/* "keel.conf:3", of the file whose path is shown so ("": none is read). */
static bool is_in_file(const char *text, const char *file)
{
    size_t length = strlen(file);

    return length && !strncmp(text, file, length) && text[length] == ':';
}

/* The colon behind a file, a variable or what is no name of one; NULL: no place. */
static const char *end_of_place(const char *text, const char *file)
{
    const char *quote;

    if (is_in_file(text, file))
        return strstr(text + strlen(file), ": ");
    if (!strncmp(text, KEEL_PREFIX, strlen(KEEL_PREFIX)))
        return strstr(text, ": ");
    quote = *text == '"' ? strstr(text, "\": ") : NULL;
    return quote ? quote + 1 : NULL;
}

static finding find_at(const char *text, const char *end, const char *file)
{
    static const char col[] = " col ";
    finding f = { text, (size_t)(end - text), 0, 0, end + 2 };
    const char *column = *text == '"' ? NULL : strstr(text, col);

    if (is_in_file(text, file)) {
        f.where_length = strlen(file);
        f.line = strtoul(text + f.where_length + 1, NULL, 10);
        column = strstr(text + f.where_length, col);
    }
    if (!column || column > end)
        return f;
    f.column = strtoul(column + strlen(col), NULL, 10);
    if (!f.line)
        f.where_length = (size_t)(column - text);
    return f;
}

/* "payments: " stands before what comes of all its settings together. */
static finding take_apart(const char *text, const char *file)
{
    const char *end = end_of_place(text, file), *colon, *behind;

    if (end)
        return find_at(text, end, file);
    colon = strstr(text, ": ");
    if (!colon)
        return (finding){ text, 0, 0, 0, text };
    behind = end_of_place(colon + 2, file);
    return behind ? find_at(colon + 2, behind, file)
                  : (finding){ text, (size_t)(colon - text), 0, 0, colon + 2 };
}

/* Right one by one, but no sense together. The library tells them apart by words only. */
static bool is_doubt(const char *text)
{
    static const char *const words[] = {
        " is longer than the deadline ",
        " + back-off > deadline ",
        ": nobody waits",
        " stands here a second time;",
        " is turned off here, and on again by ",
        " has no effect without ",
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(text, words[i]))
            return true;
    return false;
}

static void json_number(const char *name, unsigned long number)
{
    if (number)
        printf(",\"%s\":%lu", name, number);
    else
        printf(",\"%s\":null", name);
}

static void json_finding(const char *text, const char *file)
{
    finding f = take_apart(text, file);
    char where[KEEL_WARNING_SIZE];

    snprintf(where, sizeof where, "%.*s", (int)f.where_length, f.where);
    json_member("\n{", "where", where);
    json_number("line", f.line);
    json_number("column", f.column);
    json_member(",", "severity", is_doubt(text) ? "warning" : "error");
    json_member(",", "message", f.message);
    putchar('}');
}

/* Returns how many there were. */
static size_t json_findings(look *l, const char *path)
{
    char file[KEEL_CONFIG_PATH_SIZE], text[KEEL_WARNING_SIZE];
    size_t count = 0;

    keel_config_file_shown(file, path ? path : "");
    printf("{\"ok\":%s,\"findings\":[",
           keel_warnings_read(&l->warnings, 0, text, sizeof text) ? "false" : "true");
    for (; keel_warnings_read(&l->warnings, count, text, sizeof text); count++) {
        fputs(count ? "," : "", stdout);
        json_finding(text, file);
    }
    puts("\n]}");
    return count;
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
static keel_status resolve_all(look *l)
{
    char name[KEEL_NAME_MAX + 1];
    keel_policy policy;
    keel_status status =
        keel_config_resolve(l->config, "", NULL, NULL, &policy, NULL, &l->why);

    while (!status && keel_config_guess_name(l->config, name, sizeof name)) {
        status = keel_config_claim(l->config, name, &l->why);
        if (!status)
            status = keel_config_resolve(l->config, name, NULL, NULL, &policy, NULL,
                                         &l->why);
    }
    return status;
}

static int check_all(look *l, const char *file, bool json)
{
    size_t findings;

    if ((file && keel_config_use_file(l->config, file, &l->why)) || resolve_all(l)) {
        fprintf(stderr, "keel config: %s\n", l->why.text);
        return l->why.code == KEEL_E_NOMEM ? KEEL_EXIT_SYSTEM : KEEL_EXIT_CONFIG;
    }
    (void)keel_config_verify(l->config, NULL);
    findings = json ? json_findings(l, file ? file : getenv("KEEL_CONFIG_FILE"))
                    : print_warnings(l);
    if (!findings)
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
        { NULL, 0, NULL, 0 },
    };
    static char own_name[] = "keel config check";
    bool json = false;
    int option;

    argv[0] = own_name;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return wrong_usage();
        json = true;
    }
    if (argc - optind > 1)
        return wrong_usage();
    return check_file(argv[optind], json); /* NULL ends the arguments */
}

int keel_tool_config(int argc, char **argv)
{
    if (argc < 2)
        return wrong_usage();
    if (!strcmp(argv[1], "--help")) {
        fputs(usage, stdout);
        return flushed(0);
    }
    if (!strcmp(argv[1], "explain"))
        return explain(argc - 1, argv + 1);
    if (!strcmp(argv[1], "list"))
        return list(argc - 1, argv + 1);
    if (!strcmp(argv[1], "check"))
        return check(argc - 1, argv + 1);
    fprintf(stderr, "keel config: no subcommand \"%s\"\n", argv[1]);
    return wrong_usage();
}
