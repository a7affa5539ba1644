/* SPDX-License-Identifier: MIT */
/* Differences of a window between two tellings. */
#include "share/deltas.h"

#include <string.h>

#include "base/clock.h"

static uint32_t divide_up(uint64_t a, uint64_t b)
{
    return (uint32_t)((a + b - 1) / b);
}

bool keel_deltas_fit(keel_deltas *d, const keel_window *window, uint32_t *slot_ms)
{
    uint32_t group, slots;

    if (!window->time)
        return false;
    group = divide_up(window->count, KEEL_WIRE_SLOTS);
    if (window->width_ns * group < KEEL_MS)
        group = divide_up(KEEL_MS, window->width_ns);
    slots = divide_up(window->count, group);
    if (d->slots != slots || d->group != group)
        keel_deltas_forget(d);
    d->slots = slots;
    d->group = group;
    *slot_ms = (uint32_t)(window->width_ns * group / KEEL_MS);
    return true;
}

void keel_deltas_forget(keel_deltas *d)
{
    memset(d->told, 0, sizeof d->told);
    d->count = 0;
}

/* What is in the slots now; those of several buckets are added up. */
static void add_up(const keel_deltas *d, const keel_totals *ages, uint32_t count,
                   uint64_t newest, keel_told *now)
{
    for (uint32_t age = 0; age < count && age <= newest; age++) {
        uint64_t number = (newest - age) / d->group;
        keel_told *slot = &now[number % d->slots];

        if (number + d->slots <= newest / d->group)
            continue; /* the oldest buckets' slot has gone on already */
        slot->number = number;
        slot->ok += (uint32_t)(ages[age].total - ages[age].failed);
        slot->bad += (uint32_t)ages[age].failed;
        slot->slow += (uint32_t)ages[age].slow;
    }
}

static uint32_t more(uint32_t now, uint32_t told)
{
    return now > told ? now - told : 0;
}

static void note(keel_deltas *d, const keel_told *now, uint64_t newest)
{
    keel_told *told = &d->told[now->number % d->slots];
    uint64_t age = newest - now->number;
    keel_wire_delta delta;

    if (told->number != now->number)
        *told = (keel_told){ .number = now->number };
    delta = (keel_wire_delta){ .age = (uint8_t)age,
                               .ok = more(now->ok, told->ok),
                               .bad = more(now->bad, told->bad),
                               .slow = more(now->slow, told->slow) };
    if (!delta.ok && !delta.bad && !delta.slow)
        return;
    d->has_bad = d->has_bad || delta.bad || delta.slow;
    d->news[d->count++] = delta;
}

void keel_deltas_look(keel_deltas *d, const keel_window *window, uint32_t generation,
                      uint64_t now)
{
    keel_totals ages[KEEL_WINDOW_MAX_BUCKETS];
    uint64_t newest;

    if (d->generation != generation)
        keel_deltas_forget(d);
    d->generation = generation;
    d->count = 0;
    d->has_bad = false;
    memset(d->seen, 0, sizeof d->seen);
    newest = keel_window_by_age(window, generation, now, ages, window->count);
    add_up(d, ages, window->count, newest, d->seen);
    for (uint32_t i = 0; i < d->slots; i++)
        if (d->seen[i].ok || d->seen[i].bad)
            note(d, &d->seen[i], newest / d->group);
}

void keel_deltas_tell(keel_deltas *d)
{
    for (uint32_t i = 0; i < d->slots; i++)
        if (d->seen[i].ok || d->seen[i].bad)
            d->told[i] = d->seen[i];
    d->count = 0;
    d->has_bad = false;
}
