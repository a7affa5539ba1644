/* SPDX-License-Identifier: MIT */
/*
 * What the subcommands for operators have in common: where pipelines are found, and what
 * is said where that fails, or of a name that is none of them.
 */
#ifndef KEEL_TOOLS_OPERATOR_H
#define KEEL_TOOLS_OPERATOR_H

#include <getopt.h>

#include "ops/source.h"

/* Where to look, as the command line says. url NULL with by_redis: KEEL_REDIS */
typedef struct keel_operator_place {
    const char *board;
    const char *url;
    bool by_redis;
} keel_operator_place;

/* Of a table for getopt_long. */
#define KEEL_OPERATOR_OPTIONS                                                          \
    { "board", required_argument, NULL, 'b' },                                         \
        { "redis", optional_argument, NULL, 'R' },                                     \
    {                                                                                  \
        "help", no_argument, NULL, 'h'                                                 \
    }

/*
 * A subcommand's command line.
 * options  KEEL_OPERATOR_OPTIONS among them
 * take     an option that is none of these; NULL: taken, else what is wrong with it
 */
typedef struct keel_operator_command {
    const char *name; /* "status" */
    const char *usage;
    const struct option *options;
    const char *(*take)(void *choices, int option, const char *argument);
} keel_operator_command;

/*
 * Reads options; argv[optind] is the first other argument then. The URL of --redis may
 * also be the next of the arguments, which has a colon then, as no pipeline's name has.
 * -1: go on; else it was helped, or said what is wrong, and it is what to exit with.
 */
int keel_operator_read(const keel_operator_command *command, keel_operator_place *place,
                       void *choices, int argc, char **argv);

/* Says what is wrong with the command line. Returns what to exit with. */
int keel_operator_wrong(const keel_operator_command *command, const char *what);

/*
 * The source: --board, else --redis, else KEEL_BOARD, else KEEL_REDIS. NULL: it has been
 * said on standard error why there is none, and *code is what to exit with.
 */
keel_source *keel_operator_source(const char *command, const keel_operator_place *place,
                                  int *code);

/* Says what went wrong with a source. Returns what to exit with. */
int keel_operator_failed(const char *command, const keel_source *source,
                         const keel_detail *why);

/* NULL: there is no such pipeline. */
const keel_pipeline_view *keel_operator_find(const keel_view *view, const char *name);

/* Says so on standard error, with the name that was most likely meant and those there
 * are. Returns what to exit with. */
int keel_operator_unknown(const char *command, const keel_source *source,
                          const keel_view *view, const char *name);

#endif
