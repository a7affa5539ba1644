/* SPDX-License-Identifier: MIT */
/* The histogram of recent durations. */
#include "policy/latency.h"

#include "base/clock.h"
#include "base/thread.h"
#include "settings/policy.h"

enum {
    OCTAVE_CELLS = 8,
    FIRST_BIT = 12, /* 4096 ns */
    LAST_BIT = FIRST_BIT + KEEL_LATENCY_CELLS / OCTAVE_CELLS,
    WEIGHT = 64 /* of one duration: six halvings leave something of it */
};

/* Below the top by more than threads could add at once, having looked. */
#define FULL (UINT32_MAX - 4096u * WEIGHT)

/* 2^31 * 2^(k/8): where the cells of an octave begin, but for the first */
static const uint32_t edges[OCTAVE_CELLS - 1] = { 0x8b95c1e4, 0x9837f052, 0xa5fed6aa,
                                                  0xb504f334, 0xc5672a11, 0xd744fccb,
                                                  0xeac0c6e8 };

/* 2^31 * 2^((k + 0.5)/8): what is told of them, which is as far from either end */
static const uint32_t middles[OCTAVE_CELLS] = { 0x85aac368, 0x91c3d374, 0x9ef53261,
                                                0xad583eea, 0xbd08a39f, 0xce248c15,
                                                0xe0ccdeec, 0xf5257d15 };

static unsigned cell_of(uint64_t ns)
{
    unsigned bit, part = 0;
    uint32_t mantissa;

    if (ns < (uint64_t)1 << FIRST_BIT)
        return 0;
    if (ns >= (uint64_t)1 << LAST_BIT)
        return KEEL_LATENCY_CELLS - 1;
    bit = 63u - (unsigned)__builtin_clzll(ns);
    mantissa = (uint32_t)(ns << (63 - bit) >> 32);
    for (unsigned i = 0; i < OCTAVE_CELLS - 1; i++)
        part += mantissa >= edges[i];
    return (bit - FIRST_BIT) * OCTAVE_CELLS + part;
}

static uint64_t middle_of(unsigned cell)
{
    unsigned octave = cell / OCTAVE_CELLS;

    return (uint64_t)middles[cell % OCTAVE_CELLS] << octave >> (31 - FIRST_BIT);
}

static uint64_t epoch_of(uint64_t now_ns)
{
    return now_ns / KEEL_LATENCY_HALF_LIFE_NS & UINT32_MAX;
}

/*
 * What a word weighs in an epoch. One epoch ahead is a neighbour whose clock is a
 * little ahead of ours; further ahead is no clock of ours, and nothing.
 */
static uint32_t weight_in(uint64_t word, uint64_t epoch)
{
    uint64_t own = word >> 32;
    uint64_t age = epoch > own ? epoch - own : 0;

    if (own > epoch + 1 || age >= 32)
        return 0;
    return (uint32_t)word >> age;
}

/* The first duration of an epoch in its cell brings what is older up to date. */
static KEEL_APART void renew(_Atomic uint64_t *cell, uint64_t old, uint64_t epoch)
{
    uint64_t weight, next;

    do {
        weight = weight_in(old, epoch);
        next = (old >> 32 == epoch + 1 ? epoch + 1 : epoch) << 32 | weight;
        next += weight < FULL ? WEIGHT : 0;
        /* relaxed: a cell stands for itself, nothing is published by it */
    } while (!atomic_compare_exchange_weak_explicit(
        cell, &old, next, memory_order_relaxed, memory_order_relaxed));
}

void keel_latency_record(keel_latency_words *words, uint64_t duration_ns,
                         uint64_t now_ns)
{
    _Atomic uint64_t *cell = &words->cells[cell_of(duration_ns)];
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed);
    uint64_t epoch = epoch_of(now_ns);

    if (old >> 32 != epoch)
        renew(cell, old, epoch);
    else if (KEEL_LIKELY((uint32_t)old < FULL))
        /* relaxed: as above. In an epoch begun since, it weighs what a new one does */
        atomic_fetch_add_explicit(cell, WEIGHT, memory_order_relaxed);
}

bool keel_latency_quantile(const keel_latency_words *words, uint32_t ppm,
                           uint64_t now_ns, uint64_t *ns)
{
    uint64_t epoch = epoch_of(now_ns), total = 0, rank, below = 0;
    uint32_t weights[KEEL_LATENCY_CELLS];
    unsigned cell;

    *ns = 0;
    for (cell = 0; cell < KEEL_LATENCY_CELLS; cell++) {
        weights[cell] = weight_in(
            atomic_load_explicit(&words->cells[cell], memory_order_relaxed), epoch);
        total += weights[cell];
    }
    if (total < (uint64_t)KEEL_LATENCY_LEAST * WEIGHT)
        return false;
    rank = (total * (ppm < KEEL_PPM ? ppm : KEEL_PPM) + KEEL_PPM - 1) / KEEL_PPM;
    for (cell = 0; cell < KEEL_LATENCY_CELLS - 1; cell++) {
        below += weights[cell];
        if (below && below >= rank)
            break;
    }
    *ns = middle_of(cell);
    return true;
}
