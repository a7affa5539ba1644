/* SPDX-License-Identifier: MIT */
/*
 * One breaker that a fleet shares, as the relay knows it: what the fleet said last, what
 * it has been told, and the probes it has lent. Decisions and moves on words, no I/O: the
 * relay asks what there is to say, and brings the answers. One thread.
 *
 * Instants are the runtime's clock's.
 */
#ifndef KEEL_SHARE_FOLLOWER_H
#define KEEL_SHARE_FOLLOWER_H

#include "call/pipeline.h"
#include "policy/fleet.h"
#include "share/deltas.h"
#include "share/wire.h"

#define KEEL_FOLLOWER_FAST_NS (10 * KEEL_MS)

typedef struct keel_follower {
    keel_pipeline *pipeline;
    char name[KEEL_WIRE_NAME + 1];

    /* what the fleet said last */
    uint64_t epoch; /* 0: nothing yet */
    uint8_t state;  /* UNKNOWN with epoch 0 */
    uint64_t since_at;
    uint64_t until_at;
    uint64_t gen; /* of the server's data, for the log */
    uint32_t members;
    bool has_recalled;

    /* what it is to be told, and when */
    keel_deltas deltas;
    uint64_t register_at; /* to say once more that it is known here */
    uint64_t watch;       /* the fleet wants all that was counted; 0: no */
    uint64_t answered;    /* the last such wish that was met */
    uint64_t again_at;    /* a verdict waits for another report; KEEL_NEVER: no */
    uint64_t earliest_at; /* no report before */
    uint32_t asked_in;    /* the relay's tick */
    bool is_off;          /* its settings have no breaker now */
    bool must_report;
    uint32_t tripped_in; /* the generation whose trip here has been told, plus 1 */
    uint32_t cfg_hash;
    uint32_t cfg_version;
    uint64_t left_out_at; /* to say again that outcomes from here do not count */

    /* probes that are lent */
    uint32_t fence_count;
    uint32_t fences[KEEL_WIRE_FENCES];
    uint32_t generation; /* the round they are of, here */
    keel_fleet_round told;
    uint64_t renew_at;
    uint32_t renewed;  /* of the fences, this time */
    bool others_wait;  /* for a probe */
    bool lacks_probe;  /* somebody here does, as of the last look */
    uint64_t claim_at; /* no claim before */
    uint64_t claim_pause_ns;

    /* the lock */
    uint64_t lock_epoch; /* of the fleet's that stands here; 0: none ever did */
    uint64_t lock_said;  /* the last one here that was sent */
    uint64_t lock_word;  /* ours when the two agreed last */
    bool lock_is_heard;  /* it is known what the fleet has */
    bool lock_is_lost;   /* the server knows an older one, or none */
    bool wants_reason;   /* who set it, and why, is to be asked */

    /* on its own, while the fleet cannot be asked */
    uint32_t periods;  /* open ones that passed without a probe from here */
    bool is_alone;     /* goes by the rules here */
    uint64_t alone_at; /* when it may go its own way; KEEL_NEVER: not drawn yet */
} keel_follower;

void keel_follower_init(keel_follower *f, keel_pipeline *pipeline);

/* Enters the pipeline's plan of now for the relay's use; false: no breaker, no fleet. */
typedef struct keel_follower_visit {
    const keel_plan *plan;
    uint32_t phase;
} keel_follower_visit;
bool keel_follower_enter(keel_follower *f, keel_follower_visit *visit);
void keel_follower_exit(const keel_follower *f, const keel_follower_visit *visit);

/*
 * What is to be reported. False: nothing now; *next is when there may be, at the latest.
 * The deltas are in the follower; once it is sent they count as told.
 *
 * occasion  the relay speaks anyway: what can wait until then does, so that many breakers
 *           make one command
 */
typedef enum keel_occasion {
    KEEL_OCCASION_NONE,
    KEEL_OCCASION_TICK, /* once a second what is open is asked for: messages get lost */
    KEEL_OCCASION_BEAT  /* every few seconds it is said that it is known here */
} keel_occasion;
bool keel_follower_report(keel_follower *f, const keel_plan *plan, uint64_t now,
                          keel_occasion occasion, keel_wire_report *report,
                          uint64_t *next);

void keel_follower_sent(keel_follower *f, const keel_wire_report *report, uint64_t now);

/* The server has much to do: no report before an instant. */
void keel_follower_pace(keel_follower *f, uint64_t earliest_at);

/* The answer to a report, or a message: what the fleet's breaker is now. */
void keel_follower_hear(keel_follower *f, const keel_plan *plan,
                        const keel_wire_view *view, uint64_t now);

/* After the connection was lost: everything is to be said anew. */
void keel_follower_rejoin(keel_follower *f);

/* Probes. False: there is nothing to send. */
bool keel_follower_claim(keel_follower *f, const keel_plan *plan, uint64_t now,
                         keel_wire_claim *claim);
void keel_follower_claimed(keel_follower *f, const keel_plan *plan,
                           const keel_wire_claimed *answer, uint64_t now);
bool keel_follower_result(keel_follower *f, const keel_plan *plan, uint64_t now,
                          keel_wire_result *result);
void keel_follower_ended(keel_follower *f, const keel_plan *plan,
                         const keel_wire_result *sent, const keel_wire_ended *answer,
                         uint64_t now);

/* The operator's lock here, where it is news to the fleet. */
bool keel_follower_lock(keel_follower *f, const keel_plan *plan, uint64_t now,
                        keel_wire_lock *lock, keel_note *note);
void keel_follower_locked(keel_follower *f, const keel_plan *plan,
                          const keel_wire_locked *answer, uint64_t now);
void keel_follower_hear_lock(keel_follower *f, const keel_plan *plan,
                             const keel_wire_view *view, uint64_t now);

/* Who has set the fleet's lock, and why; with that it is told. */
void keel_follower_explain_lock(keel_follower *f, const keel_plan *plan,
                                const keel_wire_look *look, uint64_t now);
/* It could not be asked: what is known so far is told, the rest when it is there. */
void keel_follower_leave_unexplained(keel_follower *f, const keel_plan *plan,
                                     uint64_t now);

/*
 * What the wire asks of settings.
 * keep_ms  how long the breaker's keys outlive their last use
 * most_ms  longer than this it is never open
 * opening  with its jitter drawn, and what the other side wishes
 */
uint32_t keel_follower_keep_ms(const keel_policy *policy);
uint32_t keel_follower_most_ms(const keel_policy *policy);
keel_wire_opening keel_follower_opening(const keel_follower *f, const keel_plan *plan,
                                        uint64_t now);

/* The fleet has its say, until a moment from now; heard just now, or only kept up. */
void keel_follower_hold(const keel_follower *f, const keel_plan *plan, uint64_t now);
void keel_follower_govern(keel_follower *f, const keel_plan *plan, uint64_t now);

/* While it is not: probes as many as the whole fleet would have sent, by chance. */
void keel_follower_alone(keel_follower *f, const keel_plan *plan, uint64_t now);

/* Whether to look every few milliseconds, because something is under way. */
bool keel_follower_is_busy(const keel_follower *f, uint64_t now);

#endif
