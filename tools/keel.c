/* SPDX-License-Identifier: MIT */
/* keel(1): finds the subcommand and steps aside. */
#include <stdio.h>
#include <string.h>

#include <keel/status.h>

#include "keel.h"

static const char usage[] = "usage: keel config explain|list|check [option ...]\n"
                            "       keel simulate [--settings TEXT] [FILE | -]\n"
                            "       keel version\n"
                            "See keel(1), and keel SUBCOMMAND --help.\n";

static int version(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        fputs(usage, stderr);
        return KEEL_EXIT_USAGE;
    }
    printf("keel %s\n", keel_version());
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} subcommands[] = {
    { "config", keel_tool_config },
    { "simulate", keel_tool_simulate },
    { "version", version },
    { "--version", version },
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage, stderr);
        return KEEL_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        fputs(usage, stdout);
        return 0;
    }
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
        if (!strcmp(argv[1], subcommands[i].name))
            return subcommands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "keel: no subcommand \"%s\"\n%s", argv[1], usage);
    return KEEL_EXIT_USAGE;
}
