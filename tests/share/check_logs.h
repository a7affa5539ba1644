/* SPDX-License-Identifier: MIT */
/*
 * Reads what the members of a fleet wrote while they were tormented, and says which
 * invariants of the fleet protocol do not hold. Knows nothing of how they were.
 *
 * A directory has a file for each run of a member and one of the tormentor's. A line is
 * an instant of CLOCK_MONOTONIC in nanoseconds, a subsystem, and a message:
 *
 *     81000000 fleet pipeline=p epoch=4 state=open left_ms=300 data=00000000000000aa
 *     81000000 fleet pipeline=p epoch=5 lent=1
 *     81000000 fleet pipeline=p epoch=5 probe=good answer=0
 *     81000000 fleet fleet=lost why="…"
 *     81000000 fleet fleet=joined member=…
 *     81000000 breaker pipeline=p from=open to=closed cause=fleet generation=7
 *     81000000 torment lost           the server's data is gone
 *     81000000 torment stop=FILE      a member's time stands still, until
 *     81000000 torment cont=FILE
 *     81000000 torment alive=FILE     at the end, with nothing wrong any more
 */
#ifndef KEEL_TESTS_SHARE_CHECK_LOGS_H
#define KEEL_TESTS_SHARE_CHECK_LOGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct check_rules {
    unsigned permits;      /* of a half-open round */
    unsigned lease_ms;     /* of one of them, as the server keeps it */
    unsigned open_most_ms; /* how long one epoch is open at most */
} check_rules;

/* What is wrong goes to `out`, one paragraph each with the lines that show it. Returns
 * how much; -1: the logs cannot be read. */
int check_logs(const char *directory, const check_rules *rules, FILE *out);

/* The number of the closed epoch that a member is in, as its file has it so far; 0: it is
 * in another state, knows of none, is open by itself or has lost the fleet. */
uint64_t check_well_epoch(const char *directory, const char *file);

#endif
