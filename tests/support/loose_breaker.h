/* SPDX-License-Identifier: MIT */
/*
 * A breaker on its own: no board, no pipeline, no clock but a number. For tests of
 * policies, which want to say every instant and every draw themselves.
 */
#ifndef KEEL_TESTS_SUPPORT_LOOSE_BREAKER_H
#define KEEL_TESTS_SUPPORT_LOOSE_BREAKER_H

#include "base/clock.h"
#include "policy/breaker.h"

enum { LOOSE_STRIPES = 8, LOOSE_WORDS = 4096, LOOSE_LEASES = 255 };

typedef struct loose_breaker {
    keel_policy policy; /* change it before use, then call loose_breaker_refit */
    keel_breaker breaker;
    keel_random random;
    double draws[16]; /* in order, cycled */
    unsigned draw_count;
    unsigned drawn;
    uint64_t now;
    keel_changes changes;    /* of the latest operation */
    uint64_t retry_after_ns; /* of the latest refusal */
    keel_breaker_words words;
    keel_starts_words starts;
    keel_stripe_line lines[LOOSE_STRIPES];
    keel_stripes stripes;
    _Atomic uint64_t leases[LOOSE_LEASES];
    _Alignas(64) uint64_t window[LOOSE_WORDS];
} loose_breaker;

/*
 * A time window of 10 s in 10 buckets, min_calls 4, failure rate 50 %, open 5s..60s
 * doubling without jitter, stable 10 s, 3 probes of which 1 may fail, lease 2 s,
 * max_wait 30 s. Starts at 1000 s.
 */
void loose_breaker_init(loose_breaker *b);

/* Follows the policy: window kind and size, slow calls, number of leases. */
void loose_breaker_refit(loose_breaker *b);

keel_status loose_admit(loose_breaker *b, keel_breaker_permit *permit);
bool loose_end(loose_breaker *b, const keel_breaker_permit *permit,
               keel_breaker_outcome outcome);
bool loose_end_with(loose_breaker *b, const keel_breaker_permit *permit,
                    keel_breaker_result result);

/* count calls, each admitted (the test fails if not) and ended at once. */
void loose_calls(loose_breaker *b, keel_breaker_outcome outcome, unsigned count);

keel_breaker_view loose_look(const loose_breaker *b);

/* Fails until it opens; from closed. */
void loose_trip(loose_breaker *b);

/* Opens, waits and admits one probe: half-open. */
void loose_probe(loose_breaker *b, keel_breaker_permit *permit);

#endif
