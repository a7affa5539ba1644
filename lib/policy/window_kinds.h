/* SPDX-License-Identifier: MIT */
/* What window.c chooses from: time_window.c and count_window.c. */
#ifndef KEEL_POLICY_WINDOW_KINDS_H
#define KEEL_POLICY_WINDOW_KINDS_H

#include "policy/window.h"

keel_recorded keel_time_window_record(const keel_window *window, uint32_t generation,
                                      uint64_t now, bool failed, bool slow);
void keel_time_window_begin(const keel_window *window, uint64_t head,
                            uint32_t generation);
keel_totals keel_time_window_sum(const keel_window *window, uint32_t generation,
                                 uint64_t now);
keel_totals keel_time_window_last(const keel_window *window, uint32_t generation);
void keel_time_window_retire(const keel_window *window);
void keel_time_window_revive(const keel_window *window);
void keel_time_window_renew(const keel_window *window, uint32_t generation,
                            uint64_t now);
void keel_time_window_refit(const keel_window *to, const keel_window *from,
                            uint32_t generation, uint64_t now);

keel_recorded keel_count_window_record(const keel_window *window, uint32_t generation,
                                       bool failed, bool slow);
void keel_count_window_begin(const keel_window *window, uint64_t head,
                             uint32_t generation);
keel_totals keel_count_window_sum(const keel_window *window, uint32_t generation);
void keel_count_window_renew(const keel_window *window, uint32_t generation);
void keel_count_window_refit(const keel_window *to, const keel_window *from,
                             uint32_t generation);

#endif
