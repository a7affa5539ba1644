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
    {                                                                                  \
        "redis", optional_argument, NULL, 'R'                                          \
    }

/*
 * Takes an option of these two; any other is passed over. The URL may also be the next of
 * the arguments, which has a colon then, as no pipeline's name has.
 */
void keel_operator_take(keel_operator_place *place, int option, const char *argument,
                        char *const *argv);

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
