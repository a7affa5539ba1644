/* SPDX-License-Identifier: MIT */
/* A window of either kind. */
#include "policy/window.h"

#include "policy/window_kinds.h"

keel_recorded keel_window_record(const keel_window *window, uint32_t generation,
                                 uint64_t now, bool failed, bool slow)
{
    return window->time ? keel_time_window_record(window, generation, now, failed, slow)
                        : keel_count_window_record(window, generation, failed, slow);
}

static _Atomic uint64_t *head_of(const keel_window *window)
{
    return window->time ? &window->time->head : &window->by_count->head;
}

uint64_t keel_window_head(const keel_window *window)
{
    return atomic_load_explicit(head_of(window), memory_order_acquire);
}

/* the generation is the head's uppermost part in both kinds */
uint32_t keel_window_generation(const keel_window *window)
{
    return (uint32_t)(keel_window_head(window) >> (window->time ? 54 : 40));
}

void keel_window_begin(const keel_window *window, uint64_t head, uint32_t generation)
{
    if (!head)
        return; /* nothing was ever in it */
    if (window->time)
        keel_time_window_begin(window, head, generation);
    else
        keel_count_window_begin(window, head, generation);
}

keel_totals keel_window_sum(const keel_window *window, uint32_t generation,
                            uint64_t now)
{
    return window->time ? keel_time_window_sum(window, generation, now)
                        : keel_count_window_sum(window, generation);
}

keel_totals keel_window_last(const keel_window *window, uint32_t generation)
{
    return window->time ? keel_time_window_last(window, generation)
                        : keel_count_window_sum(window, generation);
}

void keel_window_refit(const keel_window *to, const keel_window *from,
                       uint32_t generation, uint64_t now)
{
    if (to->time && from->time && to->width_ns == from->width_ns)
        keel_time_window_refit(to, from, generation, now);
    else if (to->by_count && from->by_count)
        keel_count_window_refit(to, from, generation);
}

bool keel_window_is_same(const keel_window *a, const keel_window *b)
{
    return a->time == b->time && a->by_count == b->by_count;
}

void keel_window_renew(const keel_window *window, uint32_t generation, uint64_t now)
{
    if (window->time)
        keel_time_window_renew(window, generation, now);
    else
        keel_count_window_renew(window, generation);
}

void keel_window_retire(const keel_window *window)
{
    if (window->time)
        keel_time_window_retire(window);
}

void keel_window_revive(const keel_window *window)
{
    if (window->time)
        keel_time_window_revive(window);
}
