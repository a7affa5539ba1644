/* SPDX-License-Identifier: MIT */
/* `./keel simulate`, the real command, run in a directory of its own. */
#ifndef KEEL_TESTS_TOOLS_SIMULATE_H
#define KEEL_TESTS_TOOLS_SIMULATE_H

/* Paths of files: the scenario, and what the last run said. */
typedef struct simulation {
    char dir[64];
    char script[96];
    char out[96];
    char err[96];
} simulation;

/* Under libcheck's asserts. */
void simulation_init(simulation *s);
void simulation_cleanup(simulation *s);

/* Runs it with arguments as a shell reads them; returns its exit code, -1: a signal. */
int simulate(const simulation *s, const char *arguments);

/* All of a file; to be freed. */
char *simulation_read(const char *path);

#endif
