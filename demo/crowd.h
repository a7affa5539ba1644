/* SPDX-License-Identifier: MIT */
/*
 * The callers of the little service that keeps sessions: each has sessions of its own,
 * which it reads and writes all the time, and counts a visit now and then. It knows what
 * was acknowledged, and so can tell what was lost.
 */
#ifndef KEEL_DEMO_CROWD_H
#define KEEL_DEMO_CROWD_H

#include "keeper.h"

enum { CROWD_CALLERS = 8, CROWD_SESSIONS = 25 }; /* sessions of each */

/*
 * What they felt in a second, or in many.
 *
 * reads, stale, standby  that were answered; of these from a cache past its time, from
 *                        the standby
 * unread                 reads that failed
 * old, unmarked          reads that were answered with less than had been acknowledged;
 *                        of these the ones that did not say so
 * writes, visits         by how they ended
 */
typedef struct load {
    unsigned reads, stale, standby, unread;
    unsigned old, unmarked;
    unsigned writes[ENDINGS], visits[ENDINGS];
    uint64_t longest_ns;
} load;

/*
 * Instants, of what began after a phase did; 0: it has not come.
 *
 * read_ns, write_ns  the first read that was answered, session that was stored
 * standby_ns         the first answer of the standby
 * away_ns            the last answer that was not Redis'
 */
typedef struct moments {
    uint64_t read_ns, write_ns, standby_ns, away_ns;
} moments;

/*
 * What is kept in the end.
 *
 * lost    sessions that are older than what was acknowledged
 * late    sessions in a version whose write had failed
 * visits  the counter
 */
typedef struct audit {
    unsigned sessions, lost, late;
    unsigned visits;
} audit;

typedef struct crowd crowd;

/*
 * Starts the callers.
 *
 * how      copied for each
 * Returns  NULL: no memory or no threads
 */
crowd *crowd_start(const keeper *how);

/* Hands over what was felt since the last time, and begins anew. */
void crowd_take(crowd *c, load *felt);

/* Hands over the moments since the last time, and begins anew. */
void crowd_take_moments(crowd *c, moments *m);

/* Ends when the last thing under way has ended. */
void crowd_halt(crowd *c);

/* After it was halted: reads all of it back. False: something cannot be read. */
bool crowd_audit(const crowd *c, keeper *from, audit *a);

/* NULL is fine. */
void crowd_free(crowd *c);

#endif
