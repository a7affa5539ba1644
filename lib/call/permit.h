/* SPDX-License-Identifier: MIT */
/*
 * The inside of a keel_permit. One taken at a pipeline's gate follows no plan; all others
 * follow that of their beginning, as a call does (planned_permit.c).
 */
#ifndef KEEL_CALL_PERMIT_H
#define KEEL_CALL_PERMIT_H

#include "call/admission.h"

typedef enum keel_permit_kind {
    KEEL_PERMIT_NONE = 0,
    KEEL_PERMIT_ENDED = 0x656e6464,
    KEEL_PERMIT_PLANNED = 0x6b706d74,
    KEEL_PERMIT_BREAKER = 0x6b627265, /* at the gate of a closed breaker */
    KEEL_PERMIT_TIMED = 0x6b74696d,   /* the same, where slow calls are watched */
    KEEL_PERMIT_PLACE = 0x6b706c63,   /* of a bulkhead alone */
    KEEL_PERMIT_TOKEN = 0x6b746b6e    /* of a limiter alone */
} keel_permit_kind;

typedef struct permit {
    keel_pipeline *pipeline;
    const keel_plan *plan; /* NULL: a plain one (KEEL_DISABLED) */
    uint64_t incarnation;
    uint64_t began_at; /* 0: nobody needs it */
    keel_admission admission;
    uint32_t kind; /* unlikely numbers, for storage that was never a permit */
    uint32_t phase;
} permit;

_Static_assert(sizeof(permit) <= sizeof(keel_permit),
               "keel_permit has room for a permit");

/* What a wait needs to know. */
typedef struct patience {
    uint64_t until;
    keel_cancel *cancel;
} patience;

/* Taken in this very process: a child's end of its parent's permit is about nothing. */
static inline bool keel_permit_is_ours(const permit *p)
{
    return p->incarnation == keel_process_incarnation();
}

/*
 * Takes a permit by the plan of now; waits where there is patience (NULL: not at all).
 * Returns what keel_permit_take and keel_permit_wait return.
 */
keel_status keel_planned_permit_take(keel_pipeline *pipeline, permit *p,
                                     const patience *patient, uint64_t *retry_after_ns);

void keel_planned_permit_end(permit *p, keel_status status);
void keel_planned_permit_end_outcome(permit *p, const keel_outcome *outcome);

/* Makes a permit from the gate one of the plan of now; it holds nothing yet. */
void keel_planned_permit_become(permit *p);

#endif
