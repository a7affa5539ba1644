/* SPDX-License-Identifier: MIT */
/*
 * What this member of a fleet leases of one pipeline's limits: places of its bulkhead,
 * tokens of its rate. Decisions and moves on words, no I/O: the relay asks what there is
 * to send, and brings the answers. One thread. Not for its breaker (follower.h).
 *
 * Instants are the runtime's clock's.
 */
#ifndef KEEL_SHARE_LESSEE_H
#define KEEL_SHARE_LESSEE_H

#include "call/pipeline.h"
#include "share/wire.h"

#define KEEL_LESSEE_LOOK_NS KEEL_S /* leases are renewed as often, six times in one */

typedef struct keel_leased_places {
    uint32_t wish;  /* no more than this was wanted at the last look */
    uint16_t have;  /* according to the last answer */
    uint16_t most;  /* that we may have: an answer may have been lost */
    uint16_t least; /* that we have in any case: likewise */
    uint16_t asked; /* under way */
    uint64_t leased_until;
    uint64_t asked_at;
    uint64_t refused; /* of the words, at the last look */
    uint64_t used_at; /* a place was last seen in use, or missed */
    uint64_t missed_at;
    bool is_full; /* the fleet: it had fewer than were asked for */
    bool listens; /* who asks in vain cannot hear that others do: now it does not ask */
    bool others_wait;
    uint64_t look_at; /* the next one, at the latest */
    uint64_t ask_at;  /* and not before */
    uint64_t pause_ns;
} keel_leased_places;

typedef struct keel_leased_tokens {
    bool is_heard;   /* the fleet has answered since it was joined */
    uint32_t target; /* how many should be here */
    uint32_t taken;  /* of the words, at the last look */
    uint64_t missed; /* the same */
    uint64_t looked_at;
    uint64_t used_at;
    uint64_t missed_at; /* KEEL_NEVER: not yet */
    uint64_t look_at;
    uint64_t ask_at;
} keel_leased_tokens;

typedef struct keel_lessee {
    keel_pipeline *pipeline;
    keel_leased_places places;
    keel_leased_tokens tokens;
} keel_lessee;

void keel_lessee_init(keel_lessee *l, keel_pipeline *pipeline);

/* After the connection was lost. */
void keel_lessee_rejoin(keel_lessee *l);

/*
 * What is to be sent for the plan of now. False: nothing yet. members: of the fleet when
 * it was last heard of, 0: never.
 */
bool keel_lessee_places(keel_lessee *l, const keel_plan *plan, uint32_t members,
                        uint64_t now, keel_wire_places *request);
void keel_lessee_placed(keel_lessee *l, const keel_plan *plan, uint16_t granted,
                        bool others_wait, uint64_t now);

bool keel_lessee_tokens(keel_lessee *l, const keel_plan *plan, uint32_t members,
                        uint64_t now, keel_wire_rate *request);
void keel_lessee_lent(keel_lessee *l, const keel_plan *plan,
                      const keel_wire_rate *request, uint32_t granted, uint32_t wait_ms,
                      uint64_t now);

/* While the fleet cannot be asked: this member's part of the limits. */
void keel_lessee_places_alone(const keel_lessee *l, const keel_plan *plan,
                              uint32_t members, uint64_t now);
void keel_lessee_tokens_alone(const keel_plan *plan, uint32_t members);

/* When there may be something to send, at the latest. */
uint64_t keel_lessee_places_next(const keel_lessee *l, const keel_plan *plan);
uint64_t keel_lessee_tokens_next(const keel_lessee *l, const keel_plan *plan);

#endif
