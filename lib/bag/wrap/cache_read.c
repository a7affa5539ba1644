/* SPDX-License-Identifier: MIT */
/*
 * Reading through the cache: from it, from the source by the one who asks first, or with
 * what is past its time where the source cannot be asked.
 */
#include "bag/wrap/cache.h"
#include "bag/wrap/key_hash.h"
#include "base/detail.h"
#include "call/runtime.h"

enum { LOOKS_AGAIN = 3, VALUE_LIKELY = 1000 };

typedef struct reading {
    keel_cache *c;
    const keel_bag_op *op;
    keel_bytes key;
    uint64_t hash;
    keel_bag_item *item;
    keel_detail *why;
    keel_cache_look *look; /* apart, because it is large and not to be cleared */
} reading;

/* ---- answers ------------------------------------------------------------------------- */

static keel_status ask_alone(const reading *r)
{
    const keel_bag_child *source = r->c->source;

    return source->ops->get(source->state, r->op, r->key, r->item, r->why);
}

static bool may_be_stale(const reading *r)
{
    return keel_cache_may_be_stale(r->op, &r->look->seen);
}

static keel_status give_stale(const reading *r)
{
    return keel_cache_give_stale(r->c, &r->look->seen, r->item);
}

/* What the source has said, to the leader and to those who follow. */
static keel_status conclude(const reading *r, const keel_flight *flight)
{
    if (flight->status == KEEL_NOT_FOUND) {
        r->item->marks = flight->marks;
        return KEEL_NOT_FOUND;
    }
    if (flight->status != KEEL_OK) {
        if (may_be_stale(r) && keel_cache_is_outage(flight->status))
            return give_stale(r);
        keel_detail_fill(r->why, &flight->detail);
        return flight->status;
    }
    r->item->flags = flight->flags;
    r->item->expires_at_ms = flight->expires_at_ms;
    r->item->marks = flight->marks;
    r->item->token.length = 0;
    return keel_bag_item_fill(r->item, flight->buffer + KEEL_CACHE_HEAD,
                              flight->length);
}

static uint64_t now_of(const reading *r)
{
    const keel_clock *clock = &r->c->runtime->clock;

    return clock->now(clock->ctx);
}

/* ---- leading ------------------------------------------------------------------------- */

static size_t likely_length(const reading *r)
{
    size_t capacity = r->item->capacity;

    if (capacity < VALUE_LIKELY)
        return VALUE_LIKELY;
    return capacity < KEEL_CACHE_ROOM_MAX ? capacity : KEEL_CACHE_ROOM_MAX;
}

/* The whole item, whatever the caller's buffer can take: others may have larger ones. */
static void ask(const reading *r, keel_flight *flight)
{
    const keel_bag_child *source = r->c->source;
    keel_bag_item item = { .size = sizeof item, .length = likely_length(r) };
    keel_bag_op op = *r->op;

    flight->wishes = op.wishes & KEEL_CACHE_WISHES_OF_FAILURE;
    if (source->abilities.effective & KEEL_CAN_TELL_TTL)
        op.wishes |= KEEL_BAG_WANT_TTL;
    do {
        if (!keel_flights_room(&r->c->flights, flight, KEEL_CACHE_HEAD + item.length)) {
            flight->status =
                keel_bag_fail(&flight->detail, KEEL_E_NOMEM, KEEL_APPLIED_NO,
                              r->c->path, "out of memory");
            return;
        }
        item = (keel_bag_item){ .size = sizeof item,
                                .buffer = flight->buffer + KEEL_CACHE_HEAD,
                                .capacity = flight->capacity - KEEL_CACHE_HEAD,
                                .expires_at_ms = -1 };
        flight->status =
            source->ops->get(source->state, &op, r->key, &item, &flight->detail);
    } while (flight->status == KEEL_E_BUFFER);
    flight->length = item.length;
    flight->flags = item.flags;
    flight->marks = item.marks;
    flight->expires_at_ms = item.expires_at_ms;
}

static void fill(const reading *r, keel_flight *flight)
{
    keel_cache *c = r->c;
    const keel_cache_answer answer = { .status = flight->status,
                                       .flags = flight->flags,
                                       .marks = flight->marks,
                                       .expires_at_ms = flight->expires_at_ms,
                                       .bytes = flight->buffer,
                                       .length = flight->length };

    if (keel_flights_is_spoiled(&c->flights, flight) ||
        !keel_cache_fill(c, r->op, r->key, &r->look->seen, &answer)) {
        keel_cache_lease_end(c, r->op, r->key, r->look);
        return;
    }
    /* a write meanwhile has left its mark in the cache, unless the cache has lost it */
    if (keel_flights_is_spoiled(&c->flights, flight))
        keel_cache_mark(c, r->op, r->key, r->hash, KEEL_CACHE_WRITTEN);
}

static keel_status give(const reading *r)
{
    return r->look->seen.use == KEEL_CACHE_FRESH
               ? keel_cache_give_fresh(r->c, &r->look->seen, r->item)
               : give_stale(r);
}

/* True: it is for this process to ask. */
static bool may_ask(const reading *r, keel_flight *flight)
{
    keel_cache *c = r->c;

    if (!c->lease_ms)
        return true;
    if (!keel_cache_lease(c, r->op, r->key, r->item->capacity, r->look))
        return false;
    keel_flights_saw(&c->flights, flight, &r->look->seen.token);
    return true;
}

static keel_status lead(const reading *r, keel_flight *flight)
{
    keel_flights *flights = &r->c->flights;
    keel_status status;

    flight->is_void = !may_ask(r, flight);
    if (!flight->is_void) {
        keel_cache_add(r->c, KEEL_COUNT_MISSES);
        ask(r, flight);
        flight->was_late = now_of(r) >= r->op->deadline_at_ns;
        fill(r, flight);
    }
    keel_flights_land(flights, flight);
    status = flight->is_void ? give(r) : conclude(r, flight);
    keel_flights_leave(flights, flight);
    return status;
}

/* ---- following ----------------------------------------------------------------------- */

static keel_status not_landed(const reading *r, keel_status waited)
{
    if (waited == KEEL_CANCELLED)
        return keel_bag_fail(r->why, KEEL_CANCELLED, KEEL_APPLIED_NO, r->c->path,
                             "cancelled while another asked the source");
    if (may_be_stale(r))
        return give_stale(r);
    if (now_of(r) >= r->op->deadline_at_ns)
        return keel_bag_fail(r->why, KEEL_DEADLINE, KEEL_APPLIED_NO, r->c->path,
                             "the one who asked the source had no answer in time");
    return ask_alone(r);
}

static bool is_answer(const keel_flight *flight)
{
    return flight->status == KEEL_OK || flight->status == KEEL_NOT_FOUND;
}

/* The leader's time or patience was over, not this one's; or he need not have asked. */
static bool gave_up(const keel_flight *flight)
{
    return flight->is_void || flight->status == KEEL_CANCELLED ||
           flight->status == KEEL_DEADLINE ||
           flight->status == KEEL_REJECTED_DEADLINE ||
           (flight->was_late && !is_answer(flight));
}

/* Who wished otherwise might have been told something else, unless it is a sound answer. */
static bool is_for(const reading *r, const keel_flight *flight)
{
    return flight->wishes == (r->op->wishes & KEEL_CACHE_WISHES_OF_FAILURE) ||
           (is_answer(flight) && !(flight->marks & KEEL_BAG_STALE));
}

/* False: it is to be tried again. */
static bool follow(const reading *r, keel_flight *flight, keel_status *status)
{
    keel_cache *c = r->c;
    uint64_t until = keel_ns_add(now_of(r), c->wait_ns);
    bool is_over = true;

    keel_cache_add(c, KEEL_COUNT_FOLLOWED);
    if (c->revalidates && may_be_stale(r)) {
        *status = give_stale(r);
    } else {
        *status =
            keel_flights_wait(&c->flights, flight,
                              keel_ns_min(until, r->op->deadline_at_ns), r->op->cancel);
        if (*status != KEEL_OK)
            *status = not_landed(r, *status);
        else if (gave_up(flight) || !is_for(r, flight))
            is_over = false;
        else
            *status = conclude(r, flight);
    }
    keel_flights_leave(&c->flights, flight);
    return is_over;
}

/* ---- reading ------------------------------------------------------------------------- */

static keel_status read_through(const reading *r)
{
    keel_cache *c = r->c;

    for (unsigned looks = 0;; looks++) {
        uint32_t turn = keel_flights_turn(&c->flights, r->hash);
        keel_flight *flight;
        keel_status status;

        keel_cache_look_up(c, r->op, r->key, r->item->capacity, r->look);
        if (r->look->seen.use == KEEL_CACHE_FRESH)
            return keel_cache_give_fresh(c, &r->look->seen, r->item);
        switch (keel_flights_join(&c->flights, r->key, r->hash, &r->look->seen.token,
                                  looks < LOOKS_AGAIN ? &turn : NULL, &flight)) {
        case KEEL_FLIGHT_LEADS:
            return lead(r, flight);
        case KEEL_FLIGHT_FOLLOWS:
            if (follow(r, flight, &status))
                return status;
            break;
        case KEEL_FLIGHT_IS_OVER:
            break;
        case KEEL_FLIGHT_NO_MEMORY:
            return ask_alone(r);
        }
    }
}

keel_status keel_cache_get(void *state, const keel_bag_op *op, keel_bytes key,
                           keel_bag_item *item, keel_detail *why)
{
    keel_cache *c = state;
    keel_cache_look look;
    const reading r = { .c = c,
                        .op = op,
                        .key = key,
                        .hash = keel_key_hash(key),
                        .item = item,
                        .why = why,
                        .look = &look };
    keel_status status;

    if (keel_cache_is_bypassed(c, op, r.hash))
        return ask_alone(&r);
    keel_cache_look_init(&look);
    status = read_through(&r);
    keel_cache_look_cleanup(c, &look);
    return status;
}
