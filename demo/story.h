/* SPDX-License-Identifier: MIT */
/*
 * All that was measured, second by second; filled while it happens, read by timeline,
 * summary and picture. It holds no threads and no locks.
 */
#ifndef KEEL_DEMO_STORY_H
#define KEEL_DEMO_STORY_H

#include <keel/keel.h>

#include "schedule.h"

enum { PLAIN, KEEL, SERVICES };
enum { MAX_TRANSITIONS = 256 };

/*
 * What the callers of one service felt in a second, or in many.
 *
 * refused   told no by keel, nothing was sent
 * attempts  requests that went out, retries included
 * hung      requests that took longer than a second
 * lost_ns   spent waiting in requests that were not answered
 * stuck     callers that had waited for more than a quarter second, on average
 */
typedef struct tally {
    unsigned answered;
    unsigned failed;
    unsigned refused;
    unsigned attempts;
    unsigned retries;
    unsigned hung;
    uint64_t lost_ns;
    uint64_t longest_ns;
    uint64_t median_ns;
    double stuck;
} tally;

typedef struct transition {
    uint64_t at_ns;
    keel_breaker_state from;
    keel_breaker_state to;
    keel_cause cause;
} transition;

/*
 * An instant of 0 has not come.
 * is_default  nothing in the environment changes keel's settings
 */
typedef struct story {
    const schedule *schedule;
    unsigned callers;
    bool is_default;
    uint64_t begun_ns;
    unsigned seconds; /* lived so far */
    tally felt[SERVICES][MAX_SECONDS];
    keel_breaker_state breaker[MAX_SECONDS]; /* at the second's end */
    transition transitions[MAX_TRANSITIONS];
    unsigned transition_count;
    uint64_t phase_began_ns[PHASES];
    uint64_t first_answer_ns[SERVICES][PHASES];
} story;

/* The seconds from..to-1 of a service, added up; stuck becomes caller-seconds. */
tally story_sum(const story *s, int service, unsigned from, unsigned to);

/* The last phase that began at or before this second. */
int story_phase(const story *s, unsigned second);

/* In words for a timeline. */
const char *story_cause(keel_cause cause);

#endif
