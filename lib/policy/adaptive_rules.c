/* SPDX-License-Identifier: MIT */
/* The rules of the adaptive limit. */
#include "policy/adaptive_rules.h"

#include <math.h>

#define DECREASE 0.9

/* gradient2 */
#define TOLERANCE 1.5 /* noise, and a little queue, are no overload */
#define SMOOTHING 0.2
#define LEAST_GRADIENT 0.5
#define QUEUE 4 /* what a limit may always grow by */
#define DRIFT 0.95

enum { LONG_WINDOWS = 600, FIRST_WINDOWS = 10 };

/* vegas: windows until the least time is measured anew, for each one of the limit */
enum { PROBE_WINDOWS = 30 };

/* A limit that is hardly used tells nothing of itself. */
static bool is_used(double limit, const keel_adaptive_sample *sample)
{
    return 2 * (double)sample->in_flight >= limit;
}

static double aimd(double limit, const keel_adaptive_sample *sample)
{
    if (sample->dropped)
        return floor(limit * DECREASE);
    return is_used(limit, sample) ? limit + 1 : limit;
}

/* ---- vegas ----------------------------------------------------------------------- */

double keel_vegas_queue(double limit, double least_ns, double rtt_ns)
{
    return ceil(limit * (1 - least_ns / rtt_ns));
}

/* Half the windows to all of them, so that callers do not all measure at once. */
static uint32_t windows_until_probe(double limit, const keel_random *random)
{
    double jitter = 0.5 + 0.5 * keel_random_draw(random);

    return (uint32_t)(PROBE_WINDOWS * limit * jitter) + 1;
}

/* The least time follows a dependency that has become slower for good only because it
 * is forgotten now and then. True: it was measured anew. */
static bool renew_least(keel_adaptive_state *state, double rtt_ns,
                        const keel_random *random)
{
    bool is_new = state->windows == 0 || !(state->rtt_ns > 0);

    if (is_new)
        state->windows = windows_until_probe(state->limit, random);
    state->windows--;
    if (is_new || rtt_ns < state->rtt_ns)
        state->rtt_ns = rtt_ns;
    return is_new;
}

static double vegas_step(double limit, double queue)
{
    double step = fmax(1, log10(limit));

    if (queue <= step)
        return limit + 6 * step;
    if (queue < 3 * step)
        return limit + step;
    return queue > 6 * step ? limit - step : limit;
}

static double vegas(keel_adaptive_state *state, const keel_adaptive_sample *sample,
                    const keel_random *random)
{
    if (sample->dropped)
        return state->limit * DECREASE;
    if (renew_least(state, sample->rtt_ns, random) || !is_used(state->limit, sample))
        return state->limit;
    return vegas_step(state->limit,
                      keel_vegas_queue(state->limit, state->rtt_ns, sample->rtt_ns));
}

/* ---- gradient2 ------------------------------------------------------------------- */

static double smoothed(double limit, double gradient)
{
    return limit * (1 - SMOOTHING) + (limit * gradient + QUEUE) * SMOOTHING;
}

double keel_gradient2(double limit, double long_ns, double short_ns)
{
    return smoothed(limit,
                    fmin(1, fmax(LEAST_GRADIENT, TOLERANCE * long_ns / short_ns)));
}

/* The plain mean of the first windows, then an exponential one. */
static void lengthen(keel_adaptive_state *state, double short_ns)
{
    double part = 2.0 / (LONG_WINDOWS + 1);

    if (state->windows < FIRST_WINDOWS)
        part = 1.0 / ++state->windows;
    state->rtt_ns += (short_ns - state->rtt_ns) * part;
    /* what was slow for long and is no more would leave too much room for a queue */
    if (state->rtt_ns > 2 * short_ns)
        state->rtt_ns *= DRIFT;
}

static double gradient2(keel_adaptive_state *state, const keel_adaptive_sample *sample)
{
    if (sample->dropped) /* no time is longer than that of who never answers */
        return smoothed(state->limit, LEAST_GRADIENT);
    lengthen(state, sample->rtt_ns);
    return is_used(state->limit, sample)
               ? keel_gradient2(state->limit, state->rtt_ns, sample->rtt_ns)
               : state->limit;
}

double keel_adaptive_rule(keel_algorithm algorithm, keel_adaptive_state *state,
                          const keel_adaptive_sample *sample, const keel_random *random)
{
    if (!sample->dropped && !(sample->rtt_ns > 0))
        return state->limit;
    switch (algorithm) {
    case KEEL_ALGORITHM_AIMD:
        return aimd(state->limit, sample);
    case KEEL_ALGORITHM_VEGAS:
        return vegas(state, sample, random);
    case KEEL_ALGORITHM_GRADIENT2:
        return gradient2(state, sample);
    case KEEL_ALGORITHM_OFF:
        break;
    }
    return state->limit;
}
