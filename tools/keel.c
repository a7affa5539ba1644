/* SPDX-License-Identifier: MIT */
/* keel(1): finds the subcommand and steps aside. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <keel/status.h>

#include "keel.h"

static const char usage[] = "usage: keel config explain|list|check [option ...]\n"
                            "       keel simulate [--settings TEXT] [FILE | -]\n"
                            "       keel version [--json]\n"
                            "See keel(1), and keel SUBCOMMAND --help.\n";

/* What cannot be written is not said to have been. */
static int said(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fputs("keel: standard output cannot be written\n", stderr);
    return KEEL_EXIT_SYSTEM;
}

static int version(int argc, char **argv)
{
    bool json = argc == 2 && !strcmp(argv[1], "--json");

    if (argc > 1 && !json) {
        fputs(usage, stderr);
        return KEEL_EXIT_USAGE;
    }
    printf(json ? "{\"schema\":1,\"version\":\"%s\"}\n" : "keel %s\n", keel_version());
    return said();
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
        return said();
    }
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
        if (!strcmp(argv[1], subcommands[i].name))
            return subcommands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "keel: no subcommand \"%s\"\n%s", argv[1], usage);
    return KEEL_EXIT_USAGE;
}
