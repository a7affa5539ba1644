/* SPDX-License-Identifier: MIT */
/*
 * One question to the source for each key, however many ask at once: the first one
 * leads, the others follow and are given its answer. Knows nothing of caches.
 */
#ifndef KEEL_BAG_WRAP_CACHE_FLIGHTS_H
#define KEEL_BAG_WRAP_CACHE_FLIGHTS_H

#include <pthread.h>
#include <stdatomic.h>

#include <keel/bag_plugin.h>

#include "base/clock.h"

enum { KEEL_FLIGHT_PARTS = 64, KEEL_FLIGHT_TURNS = 1024 };

/*
 * What is under way for a key. The leader writes the answer, from status on, and lands;
 * then all read it. Where in the buffer the value lies is for the leader and his
 * followers to know.
 */
typedef struct keel_flight {
    struct keel_flight *next;
    uint64_t hash;
    uint32_t users;
    bool is_listed;  /* others may join */
    bool is_spoiled; /* the key was written meanwhile */
    bool is_void;    /* nobody was asked: there is something in the cache now */
    bool was_late;   /* the leader's time was over when his question failed */
    uint32_t wishes; /* the leader's */
    _Atomic uint32_t has_landed;
    keel_bag_token seen; /* what the cache had when it began */
    keel_status status;
    keel_detail detail;
    uint32_t flags;
    uint32_t marks;
    int64_t expires_at_ms;
    char *buffer;
    size_t capacity;
    size_t length;
    size_t key_length;
    char key[];
} keel_flight;

/* flights_mu guards: first, and of each flight next, users, is_listed, is_spoiled, seen
 */
typedef struct keel_flight_part {
    pthread_mutex_t flights_mu;
    keel_flight *first;
} keel_flight_part;

typedef struct keel_flights {
    const keel_allocator *memory;
    const keel_clock *clock;
    _Atomic uint32_t turns[KEEL_FLIGHT_TURNS]; /* count landings of keys */
    keel_flight_part parts[KEEL_FLIGHT_PARTS];
} keel_flights;

typedef enum keel_flight_role {
    KEEL_FLIGHT_LEADS,    /* asks, lands, leaves */
    KEEL_FLIGHT_FOLLOWS,  /* waits, leaves */
    KEEL_FLIGHT_IS_OVER,  /* one has landed since `turn`: look into the cache again */
    KEEL_FLIGHT_NO_MEMORY /* ask alone */
} keel_flight_role;

void keel_flights_init(keel_flights *f, const keel_allocator *memory,
                       const keel_clock *clock);
void keel_flights_cleanup(keel_flights *f);

/* To be read before the look into the cache that finds nothing. */
uint32_t keel_flights_turn(keel_flights *f, uint64_t hash);

/*
 * seen   what the cache had: whoever saw something else asks for himself, since a write
 *        may lie between
 * turn   NULL: as leader at least, even if one has just landed
 */
keel_flight_role keel_flights_join(keel_flights *f, keel_bytes key, uint64_t hash,
                                   const keel_bag_token *seen, const uint32_t *turn,
                                   keel_flight **flight);

/* The leader has put something into the cache: who sees that may follow him. */
void keel_flights_saw(keel_flights *f, keel_flight *flight, const keel_bag_token *seen);

/* The leader's answer is there. Nobody joins any more. */
void keel_flights_land(keel_flights *f, keel_flight *flight);

/* KEEL_OK: it has landed; KEEL_TIMEOUT: not until then; KEEL_CANCELLED. */
keel_status keel_flights_wait(const keel_flights *f, keel_flight *flight,
                              uint64_t until_ns, const keel_cancel *cancel);

/* Frees it after the last one. */
void keel_flights_leave(keel_flights *f, keel_flight *flight);

/* A key, or every one, was written: who asked before may be answered, and no more. */
void keel_flights_spoil(keel_flights *f, keel_bytes key, uint64_t hash);
void keel_flights_spoil_all(keel_flights *f);
bool keel_flights_is_spoiled(keel_flights *f, const keel_flight *flight);

/* At least that much room in the buffer; what was in it is lost. False: no memory. */
bool keel_flights_room(const keel_flights *f, keel_flight *flight, size_t size);

#endif
