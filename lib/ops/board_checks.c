/* SPDX-License-Identifier: MIT */
/* Words of active checks on a board, read from outside. */
#include "ops/board_checks.h"

#include <string.h>

#include "base/clock.h"
#include "base/detail.h"
#include "board/layout.h"
#include "policy/health_state.h"

static bool is_used(const keel_board_entry *e)
{
    uint64_t users = 0;

    for (size_t i = 0; i < sizeof e->users / sizeof e->users[0]; i++)
        users |= e->users[i];
    return users;
}

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
void keel_board_checks(const keel_board *board, uint64_t now, keel_pipeline_view *view)
{
    keel_board_entry e;
    void *block;

    for (uint32_t i = 0; keel_board_entry_at(board, i, &e, &block); i++) {
        keel_check_view check = { .is_known = false };

        if (!block || e.kind != KEEL_BLOCK_HEALTH ||
            e.size < sizeof(keel_health_words) || !is_used(&e) ||
            strcmp(e.name, view->name) != 0)
            continue;
        read_words(block, now, &check);
        if (check.is_known &&
            (!view->check.is_known || check.age_ns < view->check.age_ns))
            view->check = check;
    }
}
