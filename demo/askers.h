/* SPDX-License-Identifier: MIT */
/*
 * The callers of a service whose dependency has several endpoints: each asks some ten
 * times a second. The service exists three times, and differs in how it picks an
 * endpoint; see ask() in askers.c.
 */
#ifndef KEEL_DEMO_ASKERS_H
#define KEEL_DEMO_ASKERS_H

#include <keel/keel.h>

#include "schedule.h"

enum { ASKERS = 16, ENDPOINTS = 4, NEAR_ENDPOINTS = 2, LATE_MS = 250 };

/* One address; all of them in turns; keel. */
typedef enum way { ONE, TURNS, KEPT, WAYS } way;

/*
 * What they felt in a second.
 *
 * retried     answered, or not, after more than one attempt
 * near, far   that the near region answered, and the other one
 * longest_ns  of those that ended
 */
typedef struct felt {
    unsigned answered, failed, retried;
    unsigned near, far;
    uint64_t longest_ns;
} felt;

/*
 * What they felt of a cut: of requests that ended after it and were begun before the
 * return. Instants are 0 where there was none.
 *
 * late         answered, but after more than LATE_MS
 * error_ns     the last one that failed had ended
 * trouble_ns   the last one that failed or was late
 * detour_ns    the last one that the other region did not answer at once
 * home_ns      the first answer of the near region after its return
 */
typedef struct cut {
    uint64_t begun_ns, ended_ns;
    unsigned failed, late;
    uint64_t error_ns, trouble_ns, detour_ns, home_ns;
} cut;

typedef struct askers askers;

/*
 * Starts the callers.
 *
 * urls      of the endpoints, the near ones first; borrowed
 * runtime, pipeline  of keel, borrowed; not read for the other ways
 * Returns   NULL: no memory or no threads
 */
askers *askers_start(way how, const char *const urls[ENDPOINTS], keel_runtime *runtime,
                     keel_pipeline *pipeline);

/* Hands over what was felt since the last time, and begins anew. */
void askers_take(askers *a, felt *to);

/* The near region is cut off in this phase, from now on; it has returned. */
void askers_cut(askers *a, int at);
void askers_return(askers *a, int at);
cut askers_look(askers *a, int at);

/* Ends when the last request under way has ended. */
void askers_halt(askers *a);

/* NULL is fine. */
void askers_free(askers *a);

#endif
