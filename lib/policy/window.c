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

keel_totals keel_window_sum(const keel_window *window, uint32_t generation,
                            uint64_t now)
{
    return window->time ? keel_time_window_sum(window, generation, now)
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
