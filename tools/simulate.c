/* SPDX-License-Identifier: MIT */
/* keel simulate: what a policy would do, on a virtual clock. The command line only. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "keel.h"
#include "simulate_run.h"

static const char usage[] = "usage: keel simulate [--settings TEXT] [FILE | -]\n";

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

static bool run(FILE *file, const char *settings, keel_sim_error *error)
{
    keel_scenario scenario;
    json_t *root;
    bool ran;

    if (!load(file, &root, error))
        return false;
    ran = keel_scenario_init(&scenario, root, error) &&
          keel_sim_run(&scenario, settings ? settings : scenario.settings, stdout,
                       stderr, error);
    keel_scenario_cleanup(&scenario);
    return ran;
}

static int simulate(const char *path, const char *settings)
{
    keel_sim_error error = { .code = 0 };
    bool is_stdin = !strcmp(path, "-");
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    bool ran = file ? run(file, settings, &error)
                    : keel_sim_wrong(&error, 0, "cannot open %s: %m", path);
    int code = flushed();

    if (file && !is_stdin)
        fclose(file);
    if (ran)
        return code;
    fprintf(stderr, "keel simulate: %s\n", error.text);
    return error.code;
}

int keel_tool_simulate(int argc, char **argv)
{
    static const struct option options[] = {
        { "settings", required_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    static char own_name[] = "keel simulate";
    const char *settings = NULL;
    int option;

    argv[0] = own_name; /* getopt's complaints begin with it */
    setvbuf(stdout, output, _IOFBF, sizeof output);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            settings = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return flushed();
        default:
            fputs(usage, stderr);
            return KEEL_EXIT_USAGE;
        }
    }
    if (argc - optind > 1) {
        fputs(usage, stderr);
        return KEEL_EXIT_USAGE;
    }
    return simulate(optind < argc ? argv[optind] : "-", settings);
}
