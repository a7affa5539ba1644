/* SPDX-License-Identifier: MIT */
/* Lists of what is under way, 64 of them with a lock each. */
#include "bag/wrap/cache_flights.h"

#include <limits.h>
#include <string.h>

#include "base/memory.h"

#define CANCEL_LOOK_NS                                                                 \
    (10 * KEEL_MS) /* a token wakes who sleeps on its word, not here */

void keel_flights_init(keel_flights *f, const keel_allocator *memory,
                       const keel_clock *clock)
{
    f->memory = memory;
    f->clock = clock;
    for (size_t i = 0; i < KEEL_FLIGHT_TURNS; i++)
        atomic_init(&f->turns[i], 0);
    for (size_t i = 0; i < KEEL_FLIGHT_PARTS; i++) {
        pthread_mutex_init(&f->parts[i].flights_mu, NULL);
        f->parts[i].first = NULL;
    }
}

void keel_flights_cleanup(keel_flights *f)
{
    for (size_t i = 0; i < KEEL_FLIGHT_PARTS; i++)
        pthread_mutex_destroy(&f->parts[i].flights_mu);
}

/* ---- lists --------------------------------------------------------------------------- */

static keel_flight_part *lock_part(keel_flights *f, uint64_t hash)
{
    keel_flight_part *part = &f->parts[hash % KEEL_FLIGHT_PARTS];

    pthread_mutex_lock(&part->flights_mu);
    return part;
}

static void unlock(keel_flight_part *part)
{
    pthread_mutex_unlock(&part->flights_mu);
}

static bool is_of(const keel_flight *flight, keel_bytes key, uint64_t hash)
{
    return flight->hash == hash && flight->key_length == key.length &&
           memcmp(flight->key, key.at, key.length) == 0;
}

static keel_flight *find_locked(const keel_flight_part *part, keel_bytes key,
                                uint64_t hash)
{
    keel_flight *flight = part->first;

    while (flight && !is_of(flight, key, hash))
        flight = flight->next;
    return flight;
}

static void unlist_locked(keel_flight_part *part, keel_flight *flight)
{
    keel_flight **link = &part->first;

    if (!flight->is_listed)
        return;
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    flight->is_listed = false;
}

static bool is_same(const keel_bag_token *a, const keel_bag_token *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* ---- joining ------------------------------------------------------------------------- */

static keel_flight *new_flight(const keel_flights *f, keel_bytes key, uint64_t hash,
                               const keel_bag_token *seen)
{
    keel_flight *flight = keel_memory_new(f->memory, sizeof *flight + key.length);

    if (!flight)
        return NULL;
    flight->hash = hash;
    flight->users = 1;
    flight->seen = *seen;
    flight->detail = (keel_detail)KEEL_DETAIL_INIT;
    flight->key_length = key.length;
    memcpy(flight->key, key.at, key.length);
    return flight;
}

static void list_locked(keel_flight_part *part, keel_flight *flight)
{
    flight->next = part->first;
    flight->is_listed = true;
    part->first = flight;
}

/* Other bits than those that choose the list. */
static _Atomic uint32_t *turn_of(keel_flights *f, uint64_t hash)
{
    return &f->turns[(hash >> 32) % KEEL_FLIGHT_TURNS];
}

uint32_t keel_flights_turn(keel_flights *f, uint64_t hash)
{
    /* acquire pairs with the release of landing: the fill before it is seen */
    return atomic_load_explicit(turn_of(f, hash), memory_order_acquire);
}

/* One that may be followed; else NULL, and there is none in the list any more. */
static keel_flight *follow_locked(keel_flight_part *part, keel_bytes key, uint64_t hash,
                                  const keel_bag_token *seen)
{
    keel_flight *flight = find_locked(part, key, hash);

    if (flight && is_same(&flight->seen, seen)) {
        flight->users++;
        return flight;
    }
    if (flight)
        unlist_locked(part, flight);
    return NULL;
}

keel_flight_role keel_flights_join(keel_flights *f, keel_bytes key, uint64_t hash,
                                   const keel_bag_token *seen, const uint32_t *turn,
                                   keel_flight **out)
{
    /* before the lock: nobody allocates under one */
    keel_flight *own = new_flight(f, key, hash, seen);
    keel_flight_part *part = lock_part(f, hash);
    keel_flight_role role = KEEL_FLIGHT_FOLLOWS;

    *out = follow_locked(part, key, hash, seen);
    if (!*out && turn && keel_flights_turn(f, hash) != *turn) {
        role = KEEL_FLIGHT_IS_OVER;
    } else if (!*out && !own) {
        role = KEEL_FLIGHT_NO_MEMORY;
    } else if (!*out) {
        role = KEEL_FLIGHT_LEADS;
        *out = own;
        list_locked(part, own);
    }
    unlock(part);
    if (role != KEEL_FLIGHT_LEADS)
        keel_memory_free(f->memory, own);
    return role;
}

void keel_flights_saw(keel_flights *f, keel_flight *flight, const keel_bag_token *seen)
{
    keel_flight_part *part = lock_part(f, flight->hash);

    flight->seen = *seen;
    unlock(part);
}

/* ---- landing ------------------------------------------------------------------------- */

void keel_flights_land(keel_flights *f, keel_flight *flight)
{
    keel_flight_part *part = lock_part(f, flight->hash);

    unlist_locked(part, flight);
    atomic_fetch_add_explicit(turn_of(f, flight->hash), 1, memory_order_release);
    unlock(part);
    /* release pairs with the acquire of waiting: the answer is read behind it */
    atomic_store_explicit(&flight->has_landed, 1, memory_order_release);
    f->clock->wake((const uint32_t *)&flight->has_landed, INT_MAX, f->clock->ctx);
}

keel_status keel_flights_wait(const keel_flights *f, keel_flight *flight,
                              uint64_t until_ns, const keel_cancel *cancel)
{
    while (!atomic_load_explicit(&flight->has_landed, memory_order_acquire)) {
        uint64_t now = f->clock->now(f->clock->ctx);
        uint64_t step = cancel ? keel_ns_min(until_ns, now + CANCEL_LOOK_NS) : until_ns;

        if (cancel && keel_cancel_fired(cancel))
            return KEEL_CANCELLED;
        if (now >= until_ns)
            return KEEL_TIMEOUT;
        f->clock->wait((const uint32_t *)&flight->has_landed, 0, step, f->clock->ctx);
    }
    return KEEL_OK;
}

void keel_flights_leave(keel_flights *f, keel_flight *flight)
{
    keel_flight_part *part = lock_part(f, flight->hash);
    bool is_last = --flight->users == 0;

    unlock(part);
    if (!is_last)
        return;
    keel_memory_free(f->memory, flight->buffer);
    keel_memory_free(f->memory, flight);
}

/* ---- spoiling ------------------------------------------------------------------------ */

void keel_flights_spoil(keel_flights *f, keel_bytes key, uint64_t hash)
{
    keel_flight_part *part = lock_part(f, hash);
    keel_flight *flight = find_locked(part, key, hash);

    if (flight) {
        flight->is_spoiled = true;
        unlist_locked(part, flight);
    }
    unlock(part);
}

void keel_flights_spoil_all(keel_flights *f)
{
    for (size_t i = 0; i < KEEL_FLIGHT_PARTS; i++) {
        keel_flight_part *part = lock_part(f, i);

        while (part->first) {
            part->first->is_spoiled = true;
            unlist_locked(part, part->first);
        }
        unlock(part);
    }
}

bool keel_flights_is_spoiled(keel_flights *f, const keel_flight *flight)
{
    keel_flight_part *part = lock_part(f, flight->hash);
    bool is_spoiled = flight->is_spoiled;

    unlock(part);
    return is_spoiled;
}

/* ---- values -------------------------------------------------------------------------- */

bool keel_flights_room(const keel_flights *f, keel_flight *flight, size_t size)
{
    if (size <= flight->capacity)
        return true;
    keel_memory_free(f->memory, flight->buffer);
    flight->capacity = 0;
    flight->buffer = keel_memory_new(f->memory, size);
    if (flight->buffer)
        flight->capacity = size;
    return flight->buffer != NULL;
}
