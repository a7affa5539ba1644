/* SPDX-License-Identifier: MIT */
/* Words of active checks on a board, read from outside. */
#include "ops/board_checks.h"

#include <string.h>

#include "base/clock.h"
#include "base/detail.h"
#include "policy/health_state.h"

/* What a file says is no status before it was looked at. */
static keel_status status_of(uint64_t result)
{
    keel_status status = (keel_status)(result & UINT16_MAX);

    return keel_status_is_known(status) ? status : KEEL_FAILED;
}

static void read_words(keel_health_words *words, uint64_t now, keel_check_view *check)
{
    keel_health_view seen =
        keel_health_view_of(atomic_load_explicit(&words->state, memory_order_acquire));
    uint64_t result = atomic_load_explicit(&words->result, memory_order_relaxed);

    if (!seen.checked_at_ns)
        return;
    *check = (keel_check_view){ .is_known = true,
                                .state = seen.state,
                                .age_ns = keel_ns_left(now, seen.checked_at_ns),
                                .status = status_of(result),
                                .http_code = (uint32_t)(result >> 16 & UINT16_MAX) };
}

/* Processes with other settings may check another path: the younger answer is shown. */
void keel_board_checks(const keel_seen_board *d, uint64_t now, keel_pipeline_view *view)
{
    for (uint32_t i = 0; i < d->count; i++) {
        const keel_seen_block *at = &d->blocks[i];
        keel_check_view check = { .is_known = false };

        if (!keel_seen_block_is(at, KEEL_BLOCK_HEALTH, sizeof(keel_health_words)) ||
            !keel_seen_block_is_used(at) || strcmp(at->e.name, view->name) != 0)
            continue;
        read_words(at->block, now, &check);
        if (check.is_known &&
            (!view->check.is_known || check.age_ns < view->check.age_ns))
            view->check = check;
    }
}
