/* SPDX-License-Identifier: MIT */
/* keel(1): finds the subcommand and steps aside. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <keel/status.h>

#include "keel.h"

static const char usage[] =
    "usage: keel bag VERB [option ...] SPEC [argument ...]\n"
    "           what is in a bag, read and written\n"
    "       keel config explain|list|check [option ...]\n"
    "           the settings of an environment: what they come to, and what is wrong\n"
    "       keel status [option ...] [NAME ...]\n"
    "           what the pipelines of a running service are doing\n"
    "       keel events [option ...]\n"
    "           what has happened to them\n"
    "       keel lock [option ...] NAME open|closed|disabled|observe\n"
    "       keel unlock [option ...] NAME\n"
    "           an operator's hand on a breaker\n"
    "       keel exec [option ...] NAME -- COMMAND [argument ...]\n"
    "           a command under a pipeline\n"
    "       keel serve SPEC [option ...]\n"
    "           a bag behind memcached's protocol\n"
    "       keel simulate [option ...] [FILE | -]\n"
    "           what a policy would do in an outage, on a virtual clock\n"
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

static bool is_help(const char *argument)
{
    return !strcmp(argument, "--help") || !strcmp(argument, "-h");
}

static int print_usage(void)
{
    fputs(usage, stdout);
    return said();
}

static int version(int argc, char **argv)
{
    bool json = argc == 2 && !strcmp(argv[1], "--json");

    if (argc == 2 && is_help(argv[1]))
        return print_usage();
    if (argc > 1 && !json) {
        fprintf(stderr, "keel version: takes --json or nothing\n%s", usage);
        return KEEL_EXIT_USAGE;
    }
    printf(json ? "{\"schema\":1,\"version\":\"%s\"}\n" : "keel %s\n", keel_version());
    return said();
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} subcommands[] = {
    { "bag", keel_tool_bag },           { "config", keel_tool_config },
    { "events", keel_tool_events },     { "exec", keel_tool_exec },
    { "lock", keel_tool_lock },         { "serve", keel_tool_serve },
    { "simulate", keel_tool_simulate }, { "status", keel_tool_status },
    { "unlock", keel_tool_unlock },     { "version", version },
    { "--version", version },
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage, stderr);
        return KEEL_EXIT_USAGE;
    }
    if (is_help(argv[1]) || !strcmp(argv[1], "help"))
        return print_usage();
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
        if (!strcmp(argv[1], subcommands[i].name))
            return subcommands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "keel: no subcommand \"%s\"\n%s", argv[1], usage);
    return KEEL_EXIT_USAGE;
}
