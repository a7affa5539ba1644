/* SPDX-License-Identifier: MIT */
/*
 * Leaders hang in buckets, each with a ring of its followers.
 *
 *   none    --join, nobody leads-->      leads
 *           --join, somebody leads-->    follows
 *   leads   --land-->                    none; its followers landed, or alone
 *           --leave-->                   none; its first follower leads
 *   follows --the leader landed-->       landed, or alone
 *           --leave-->                   none
 */
#include "http/client/coalesce.h"

#include <pthread.h>

#include "base/memory.h"
#include "base/random.h"

enum { BUCKETS = 1024 };

/* seats_mu guards: buckets, and of each seat all but key, wake and ctx */
struct keel_coalescer {
    const keel_allocator *memory;
    uint64_t seed;
    pthread_mutex_t seats_mu;
    keel_seat *buckets[BUCKETS];
};

/* Who is to be woken once the lock is given back. */
typedef struct bell {
    void (*fn)(void *ctx);
    void *ctx;
} bell;

bool keel_coalescer_open(keel_coalescer **coalescer, const keel_allocator *memory)
{
    keel_coalescer *c = keel_memory_new(memory, sizeof *c);

    *coalescer = NULL;
    if (!c)
        return false;
    if (pthread_mutex_init(&c->seats_mu, NULL)) {
        keel_memory_free(memory, c);
        return false;
    }
    c->memory = memory;
    c->seed = keel_random_number();
    *coalescer = c;
    return true;
}

void keel_coalescer_close(keel_coalescer *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->seats_mu);
    keel_memory_free(c->memory, c);
}

/* ---- buckets and rings --------------------------------------------------------- */

/* Where the leader of equal requests hangs, or would. */
static keel_seat **find_locked(keel_coalescer *c, const keel_seat *seat)
{
    keel_seat **at = &c->buckets[seat->hash % BUCKETS];

    while (*at && !keel_request_key_equals((*at)->key, seat->key))
        at = &(*at)->chained;
    return at;
}

static void lead_locked(keel_seat **at, keel_seat *seat)
{
    seat->state = KEEL_SEAT_LEADS;
    seat->chained = *at;
    *at = seat;
}

static void unring_locked(keel_seat *seat)
{
    seat->previous->next = seat->next;
    seat->next->previous = seat->previous;
    seat->next = seat->previous = seat;
}

static bell bell_of(const keel_seat *seat)
{
    return (bell){ seat->wake, seat->ctx };
}

static void ring(bell heard)
{
    if (heard.fn)
        heard.fn(heard.ctx);
}

/* ---- joining and looking ------------------------------------------------------- */

keel_seat_state keel_coalesce_join(keel_coalescer *c, keel_seat *seat)
{
    keel_seat_state state;
    keel_seat **at;

    seat->hash = keel_request_hash(seat->key->text, seat->key->length, c->seed);
    seat->next = seat->previous = seat;
    seat->answer = NULL;
    pthread_mutex_lock(&c->seats_mu);
    at = find_locked(c, seat);
    if (*at) {
        seat->state = KEEL_SEAT_FOLLOWS;
        seat->next = *at; /* at the end of the ring */
        seat->previous = (*at)->previous;
        seat->previous->next = seat->next->previous = seat;
    } else {
        lead_locked(at, seat);
    }
    state = seat->state;
    pthread_mutex_unlock(&c->seats_mu);
    return state;
}

keel_seat_state keel_coalesce_look(keel_coalescer *c, keel_seat *seat,
                                   keel_shared_answer **answer)
{
    keel_seat_state state;

    *answer = NULL;
    pthread_mutex_lock(&c->seats_mu);
    state = seat->state;
    if (state == KEEL_SEAT_LANDED) {
        *answer = seat->answer;
        seat->answer = NULL;
    }
    if (state == KEEL_SEAT_LANDED || state == KEEL_SEAT_ALONE)
        seat->state = KEEL_SEAT_NONE;
    pthread_mutex_unlock(&c->seats_mu);
    return state;
}

bool keel_coalesce_is_followed(keel_coalescer *c, const keel_seat *seat)
{
    bool is_followed;

    pthread_mutex_lock(&c->seats_mu);
    is_followed = seat->state == KEEL_SEAT_LEADS && seat->next != seat;
    pthread_mutex_unlock(&c->seats_mu);
    return is_followed;
}

/* ---- landing ------------------------------------------------------------------- */

static bool is_the_leaders_own(keel_status status)
{
    return status == KEEL_CANCELLED || status == KEEL_DEADLINE ||
           status == KEEL_REJECTED_DEADLINE;
}

/* Takes a leader out; whoever joins from now on begins anew. */
static bool retire(keel_coalescer *c, keel_seat *seat)
{
    keel_seat **at;
    bool leads;

    pthread_mutex_lock(&c->seats_mu);
    leads = seat->state == KEEL_SEAT_LEADS;
    if (leads) {
        at = find_locked(c, seat);
        *at = seat->chained;
        seat->state = KEEL_SEAT_NONE;
    }
    pthread_mutex_unlock(&c->seats_mu);
    return leads;
}

/* False: nobody follows any more. */
static bool serve_next(keel_coalescer *c, keel_seat *leader, keel_shared_answer *answer,
                       bool may_share)
{
    bell heard = { NULL, NULL };
    keel_seat *seat;

    pthread_mutex_lock(&c->seats_mu);
    seat = leader->next;
    if (seat != leader) {
        unring_locked(seat);
        seat->state = may_share ? KEEL_SEAT_LANDED : KEEL_SEAT_ALONE;
        seat->answer = may_share ? keel_shared_answer_hold(answer) : NULL;
        heard = bell_of(seat);
    }
    pthread_mutex_unlock(&c->seats_mu);
    if (seat == leader)
        return false;
    ring(heard);
    return true;
}

void keel_coalesce_land(keel_coalescer *c, keel_seat *seat, keel_shared_answer *answer,
                        bool may_share)
{
    if (is_the_leaders_own(answer->status)) {
        keel_coalesce_leave(c, seat);
        return;
    }
    if (retire(c, seat))
        while (serve_next(c, seat, answer, may_share))
            ;
}

/* ---- leaving ------------------------------------------------------------------- */

/* The oldest follower takes the leader's place in bucket and ring. */
static bell succeed_locked(keel_coalescer *c, keel_seat *leader)
{
    keel_seat **at = find_locked(c, leader);
    keel_seat *heir = leader->next;

    *at = leader->chained;
    if (heir == leader)
        return (bell){ NULL, NULL };
    lead_locked(at, heir);
    return bell_of(heir);
}

void keel_coalesce_leave(keel_coalescer *c, keel_seat *seat)
{
    bell heard = { NULL, NULL };
    keel_shared_answer *answer;

    pthread_mutex_lock(&c->seats_mu);
    if (seat->state == KEEL_SEAT_LEADS)
        heard = succeed_locked(c, seat);
    if (seat->state == KEEL_SEAT_LEADS || seat->state == KEEL_SEAT_FOLLOWS)
        unring_locked(seat);
    answer = seat->answer;
    seat->answer = NULL;
    seat->state = KEEL_SEAT_NONE;
    pthread_mutex_unlock(&c->seats_mu);
    keel_shared_answer_drop(answer);
    ring(heard);
}
