/* SPDX-License-Identifier: MIT */
/* keel simulate: what a policy would do, on a virtual clock. The command line only. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "keel.h"
#include "simulate_run.h"

static const char usage[] =
    "usage: keel simulate [--settings TEXT] [--pipeline NAME] [FILE | -]\n"
    "           what a policy would do in the outage that FILE describes\n";

/* What takes the place of the script's own. */
typedef struct choices {
    const char *settings;
    const char *pipeline;
} choices;

/* Many short lines: fewer, longer writes. */
static char output[1 << 16];

static bool load(FILE *file, json_t **root, keel_sim_error *error)
{
    json_error_t at;

    *root = json_loadf(file, JSON_REJECT_DUPLICATES, &at);
    if (*root)
        return true;
    if (ferror(file))
        return keel_sim_wrong(error, 0, "cannot read the scenario: %m");
    return keel_sim_wrong(error, 0, "line %d col %d: %s", at.line, at.column, at.text);
}

static int flushed(void)
{
    if (!fflush(stdout) && !ferror(stdout))
        return 0;
    fputs("keel simulate: cannot write\n", stderr);
    return KEEL_EXIT_SYSTEM;
}

static bool run(FILE *file, const choices *chosen, keel_sim_error *error)
{
    keel_scenario scenario;
    json_t *root;
    bool ran;

    if (!load(file, &root, error))
        return false;
    ran = keel_scenario_init(&scenario, root, error);
    scenario.pipeline = chosen->pipeline;
    ran = ran && keel_sim_run(&scenario,
                              chosen->settings ? chosen->settings : scenario.settings,
                              stdout, stderr, error);
    keel_scenario_cleanup(&scenario);
    return ran;
}

static int simulate(const char *path, const choices *chosen)
{
    keel_sim_error error = { .code = 0 };
    bool is_stdin = !strcmp(path, "-");
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    bool ran = file ? run(file, chosen, &error)
                    : keel_sim_wrong(&error, 0, "cannot open %s: %m", path);
    int code = flushed();

    if (file && !is_stdin)
        fclose(file);
    if (ran)
        return code;
    fprintf(stderr, "keel simulate: %s\n", error.text);
    return error.code;
}

static int wrong_usage(const char *what)
{
    fprintf(stderr, "%s%s", what, usage);
    return KEEL_EXIT_USAGE;
}

int keel_tool_simulate(int argc, char **argv)
{
    static const struct option options[] = {
        { "settings", required_argument, NULL, 's' },
        { "pipeline", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    static char own_name[] = "keel simulate";
    choices chosen = { NULL, NULL };
    int option;

    argv[0] = own_name; /* getopt's complaints begin with it */
    setvbuf(stdout, output, _IOFBF, sizeof output);
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            chosen.settings = optarg;
            break;
        case 'p':
            chosen.pipeline = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return flushed();
        default:
            return wrong_usage("");
        }
    }
    if (argc - optind > 1)
        return wrong_usage("keel simulate: one FILE only; a TEXT with blanks wants "
                           "quotes\n");
    return simulate(optind < argc ? argv[optind] : "-", &chosen);
}
