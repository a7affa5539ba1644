/* SPDX-License-Identifier: MIT */
/*
 * One request for equal ones that are under way at once. The first one leads and makes
 * the call; the others follow, make none, and are given what came of it, a failure too,
 * which so counts once. Each follower keeps its own deadline: it leaves when that has
 * come. A leader that leaves without an answer, because its caller cancelled it or its
 * own time was over, is succeeded by the follower who has waited longest.
 *
 * No I/O, no thread, no waiting, no allocation after it is open: a follower is woken by
 * its hook, and looks.
 */
#ifndef KEEL_HTTP_CLIENT_COALESCE_H
#define KEEL_HTTP_CLIENT_COALESCE_H

#include <stdbool.h>

#include "http/client/shared_answer.h"
#include "http/client/request_key.h"

typedef enum keel_seat_state {
    KEEL_SEAT_NONE = 0,
    KEEL_SEAT_LEADS,   /* make the call, then land or leave */
    KEEL_SEAT_FOLLOWS, /* wait to be woken, or leave */
    KEEL_SEAT_LANDED,  /* the answer is there */
    KEEL_SEAT_ALONE    /* the answer was not for others: make the call by yourself */
} keel_seat_state;

/*
 * A request's place among equal ones. The caller's memory; all zero but key, wake and
 * ctx when it joins, and what is inside is keel's from then on.
 *
 * key        lives until the seat has left, or has been told LANDED or ALONE
 * wake, ctx  called once, outside locks, by the thread that gives the seat another
 *            state. That may be a moment after the seat has left, so ctx must outlive
 * it
 */
typedef struct keel_seat {
    const keel_request_key *key;
    void (*wake)(void *ctx);
    void *ctx;
    keel_seat_state state;
    uint64_t hash;
    struct keel_seat *chained; /* of leaders: the next one of the same bucket */
    struct keel_seat *next;    /* a ring: the leader, then its followers by age */
    struct keel_seat *previous;
    keel_shared_answer *answer;
} keel_seat;

typedef struct keel_coalescer keel_coalescer;

/* memory: borrowed. False: no memory. */
bool keel_coalescer_open(keel_coalescer **coalescer, const keel_allocator *memory);
/* When nobody is seated. NULL is fine. */
void keel_coalescer_close(keel_coalescer *coalescer);

/* KEEL_SEAT_LEADS or KEEL_SEAT_FOLLOWS. */
keel_seat_state keel_coalesce_join(keel_coalescer *coalescer, keel_seat *seat);

/*
 * What has become of a seat. With LANDED the answer is the caller's, who drops it, and
 * is given once; the seat is free then, as it is with ALONE.
 */
keel_seat_state keel_coalesce_look(keel_coalescer *coalescer, keel_seat *seat,
                                   keel_shared_answer **answer);

/* Whether anybody waits for a leader's answer at this moment. */
bool keel_coalesce_is_followed(keel_coalescer *coalescer, const keel_seat *seat);

/*
 * A leader's call has ended; the seat is free. Followers get the answer, or are told to
 * go alone if it may not be shared. An end that was the leader's alone (KEEL_CANCELLED,
 * KEEL_DEADLINE, KEEL_REJECTED_DEADLINE) is nobody else's: it leaves.
 */
void keel_coalesce_land(keel_coalescer *coalescer, keel_seat *seat,
                        keel_shared_answer *answer, bool may_share);

/* Gives up, whatever the state is; the seat is free. Twice does no harm. */
void keel_coalesce_leave(keel_coalescer *coalescer, keel_seat *seat);

#endif
