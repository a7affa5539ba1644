/* SPDX-License-Identifier: MIT */
/*
 * What a call needs beyond its 256 bytes: which endpoints it goes to, and several attempts
 * at once, which is hedging. Taken when the call begins, where there are endpoints, else
 * when the first copy is due, and given back with the call.
 *
 * The first attempt is the machine's own; its copies are here.
 *
 *   own fails, copies are open         the failure is kept, and the copies are waited for
 *   a copy fails                       the next one is due at once; the others go on
 *   one answers, well or for good      it is the call's; the others end, neutral
 *   the last of them fails             what the own attempt failed of is retried, or told
 *
 * A failure so never beats a success still under way. Who wins is decided by who reports
 * first; the losers' drivers learn of it from keel_call_attempt_is_open.
 */
#ifndef KEEL_CALL_RACE_H
#define KEEL_CALL_RACE_H

#include "call/machine.h"

/* An attempt beside the machine's own. */
typedef struct keel_copy {
    keel_admission admission;
    keel_endpoint_pick pick;
    uint64_t began_at;
    uint64_t until;
    uint32_t number;
    bool is_open;
} keel_copy;

/*
 * due_at      when the next copy is sent; KEEL_NEVER: none is
 * failure     what the own attempt failed of, once own_is_open is false
 * applied     what its failed copies may have done, all together
 * held_until  of the own attempt, which chaos holds back; 0: it does not
 * own_number  of the own attempt; 0: it is held, and a copy of it, sent first, has the number
 *             that would have been its own
 * sent        copies of the whole call; most: how many there may be; room: for so many
 */
struct keel_race {
    keel_endpoint_pick pick; /* of the own attempt */
    uint64_t tried;          /* endpoints, a bit each */
    uint64_t affinity;
    uint64_t due_at;
    uint64_t held_until;
    keel_outcome failure;
    keel_status failure_counts_as;
    keel_applied applied;
    uint32_t own_number;
    uint32_t sent;
    uint32_t most;
    uint32_t room;
    bool own_is_open;
    keel_copy copies[];
};

/* A call begins whose attempts go to endpoints. False: no memory. */
bool keel_race_begin(keel_machine *m);

/* An attempt of the machine's own begins. */
void keel_race_renew(keel_machine *m);

/* It is made: whether, and when, a copy of it is due. */
void keel_race_prepare(keel_machine *m, uint64_t now);

/* It is held back until then, and hedged meanwhile if it may be. */
void keel_race_hold(keel_machine *m, uint64_t until, uint64_t now);

/* One that is held is made now. */
void keel_race_let_go(keel_machine *m);

/* An instant has come that an open attempt, or the next copy, waited for. */
void keel_race_advance(keel_machine *m, uint64_t now);

/*
 * The own attempt has ended, and that was settled. True: it failed, and others are still
 * under way, or one is due; the failure is kept until it is known what becomes of them.
 */
bool keel_race_goes_on(keel_machine *m, const keel_outcome *failure,
                       keel_status counts_as, uint64_t now);

/* Ends a copy with what came of it. */
void keel_race_report(keel_machine *m, keel_copy *copy, const keel_outcome *outcome,
                      uint64_t now);

/* The latest copy, which its driver cannot make after all; no other is sent. */
void keel_race_withdraw(keel_machine *m, keel_copy *copy, uint64_t now);

/* The open copy of that number, 0: the latest; NULL: there is none. */
keel_copy *keel_race_copy(const keel_machine *m, uint32_t attempt);

/* Whether the machine's own attempt is under way; asked in its phase. */
static inline bool keel_race_own_is_open(const keel_machine *m)
{
    return !m->race || m->race->own_is_open;
}

/* Whether it is held, and copies of it may be sent. */
static inline bool keel_race_holds(const keel_machine *m)
{
    return m->race && m->race->own_is_open && m->race->held_until;
}

/* All copies under way end, and count for nothing. */
void keel_race_stop(keel_machine *m, uint64_t now);

/* Gives the memory back; m->race is not NULL. */
void keel_race_free(keel_machine *m);

#endif
