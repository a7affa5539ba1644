/* SPDX-License-Identifier: MIT */
/* What subcommands print alike: JSON, instants, lengths of time, and the end of it. */
#ifndef KEEL_TOOLS_OUTPUT_H
#define KEEL_TOOLS_OUTPUT_H

#include <stdint.h>
#include <stdio.h>

void keel_print_json_string(FILE *out, const char *text);

/* before, then "name": and the value. */
void keel_print_json_text(FILE *out, const char *before, const char *name,
                          const char *value);
void keel_print_json_number(FILE *out, const char *before, const char *name,
                            uint64_t value);
/* null where it is 0, which is not known. */
void keel_print_json_known(FILE *out, const char *before, const char *name,
                           uint64_t value);

enum { KEEL_OUTPUT_TEXT_SIZE = 32 };

/* "2026-11-21T10:30:05Z", with milliseconds where has_ms; UTC. Returns to. */
const char *keel_output_instant(char to[KEEL_OUTPUT_TEXT_SIZE], uint64_t wall_ms,
                                int has_ms);

/* "350ms", "2.1s", "8m12s", "1h30m": what a person reads. Returns to. */
const char *keel_output_length(char to[KEEL_OUTPUT_TEXT_SIZE], uint64_t ns);

/* Writes out what was printed. code, or 71 with a sentence where that fails; a reader who
 * has gone away wants no more, which is no failure. */
int keel_output_end(const char *command, int code);

#endif
