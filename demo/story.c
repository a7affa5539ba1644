/* SPDX-License-Identifier: MIT */
/* Adding up what was measured. */
#include "story.h"

tally story_sum(const story *s, int service, unsigned from, unsigned to)
{
    tally sum = { 0 };

    for (unsigned i = from; i < to && i < s->seconds; i++) {
        const tally *t = &s->felt[service][i];

        sum.answered += t->answered;
        sum.failed += t->failed;
        sum.refused += t->refused;
        sum.attempts += t->attempts;
        sum.retries += t->retries;
        sum.hung += t->hung;
        sum.lost_ns += t->lost_ns;
        sum.stuck += t->stuck;
        if (t->longest_ns > sum.longest_ns)
            sum.longest_ns = t->longest_ns;
    }
    return sum;
}

int story_phase(const story *s, unsigned second)
{
    int at = 0;

    for (int i = 0; i < PHASES; i++)
        if (s->schedule->phases[i].seconds && s->schedule->phases[i].begins <= second)
            at = i;
    return at;
}

const char *story_cause(keel_cause cause)
{
    switch (cause) {
    case KEEL_CAUSE_FAILURE_RATE:
        return "too many failures";
    case KEEL_CAUSE_CONSECUTIVE:
        return "failures in a row";
    case KEEL_CAUSE_OPEN_ELAPSED:
        return "probes may pass";
    case KEEL_CAUSE_PROBES_OK:
        return "probes answered";
    case KEEL_CAUSE_PROBES_FAILED:
        return "probes failed";
    default:
        return keel_cause_name(cause);
    }
}
