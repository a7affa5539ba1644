/* SPDX-License-Identifier: MIT */
/* What an operator does to a breaker, and the pure look at one. */
#include "policy/breaker.h"

#include "base/clock.h"
#include "policy/breaker_moves.h"

keel_lock keel_breaker_lock_now(const keel_breaker *breaker, uint64_t now)
{
    uint64_t until;

    return keel_breaker_locked(breaker, now, &until);
}

void keel_breaker_lock(const keel_breaker *breaker, keel_lock lock, uint64_t until)
{
    atomic_store_explicit(&breaker->words->lock, keel_lock_pack(lock, 0, until),
                          memory_order_release);
}

bool keel_breaker_relock(keel_breaker_words *words, uint64_t *seen, uint64_t fresh)
{
    /* release: who acquires the word sees the note it names */
    return atomic_compare_exchange_strong_explicit(
        &words->lock, seen, fresh, memory_order_acq_rel, memory_order_acquire);
}

uint64_t keel_breaker_take_lock_off(keel_breaker_words *words, uint64_t now)
{
    uint64_t word = atomic_load_explicit(&words->lock, memory_order_relaxed);

    return keel_lock_is_over(word, now) && keel_breaker_relock(words, &word, 0) ? word
                                                                                : 0;
}

void keel_breaker_reset(const keel_breaker *breaker, uint64_t now,
                        keel_changes *changes)
{
    keel_breaker_now seen;

    do
        seen = keel_breaker_read(breaker);
    while (!keel_breaker_change(breaker, &seen, KEEL_BREAKER_CLOSED, 0, 0, now,
                                KEEL_CAUSE_RESET, changes));
}

static bool go_open(const keel_breaker *breaker, const keel_policy *policy,
                    const keel_breaker_now *seen, uint64_t for_ns, uint64_t now,
                    const keel_random *random, keel_changes *changes)
{
    bool is_open = seen->s.state == KEEL_BREAKER_OPEN;

    if (!for_ns)
        return is_open || keel_breaker_open(breaker, policy, seen, now, 0, random,
                                            KEEL_CAUSE_OPERATOR, changes);
    /* one that is open already has another end, and is not opened once more */
    return keel_breaker_change(breaker, seen, KEEL_BREAKER_OPEN, 0,
                               is_open ? keel_breaker_opens(seen)
                                       : keel_breaker_opens_after(policy, seen, now),
                               keel_ns_add(now, for_ns), KEEL_CAUSE_OPERATOR, changes);
}

keel_status keel_breaker_go(const keel_breaker *breaker, const keel_policy *policy,
                            keel_breaker_state to, uint64_t for_ns, uint64_t now,
                            const keel_random *random, keel_changes *changes)
{
    bool done = false;

    while (!done) {
        keel_breaker_now seen = keel_breaker_read(breaker);

        if (to == KEEL_BREAKER_HALF_OPEN && seen.s.state == KEEL_BREAKER_CLOSED)
            return KEEL_E_STATE;
        if (to == KEEL_BREAKER_OPEN)
            done = go_open(breaker, policy, &seen, for_ns, now, random, changes);
        else if (seen.s.state == to)
            done = true;
        else if (to == KEEL_BREAKER_HALF_OPEN)
            done = keel_breaker_change(breaker, &seen, to, policy->half_open_permits,
                                       keel_breaker_opens(&seen),
                                       keel_ns_add(now, policy->half_open_max_wait_ns),
                                       KEEL_CAUSE_OPERATOR, changes);
        else
            done = keel_breaker_close(breaker, policy, &seen, now, KEEL_CAUSE_OPERATOR,
                                      changes);
    }
    return KEEL_OK;
}

void keel_breaker_restart_round(const keel_breaker *breaker, const keel_policy *policy)
{
    keel_changes unseen = { .count = 0 };
    keel_breaker_now seen;

    do {
        seen = keel_breaker_read(breaker);
        if (seen.s.state != KEEL_BREAKER_HALF_OPEN)
            return;
    } while (!keel_breaker_change(breaker, &seen, KEEL_BREAKER_HALF_OPEN,
                                  policy->half_open_permits, keel_breaker_opens(&seen),
                                  keel_breaker_due(&seen), KEEL_CAUSE_NONE, &unseen));
}

/* While open, nothing is recorded and the window that tripped stays readable. */
static uint32_t window_generation(const keel_window *window, const keel_state *s)
{
    return s->state == KEEL_BREAKER_OPEN ? keel_window_generation(window)
                                         : s->generation;
}

void keel_breaker_take_over_window(const keel_breaker *to, const keel_breaker *from,
                                   uint64_t now)
{
    keel_breaker_now seen = keel_breaker_read(to);
    uint32_t generation =
        window_generation(from ? &from->window : &to->window, &seen.s);

    if (from && keel_window_is_same(&to->window, &from->window))
        return;
    keel_window_renew(&to->window, generation, now);
    if (from)
        keel_window_refit(&to->window, &from->window, generation, now);
}

keel_breaker_view keel_breaker_look(const keel_breaker *breaker, uint64_t now)
{
    keel_breaker_now seen = keel_breaker_read(breaker);
    keel_breaker_view view = { .state = seen.s.state,
                               .generation = seen.s.generation,
                               .is_ramping = seen.s.state == KEEL_BREAKER_CLOSED &&
                                             seen.s.left == KEEL_RAMPING,
                               .permits_left = seen.s.state == KEEL_BREAKER_HALF_OPEN
                                                   ? seen.s.left
                                                   : 0,
                               .due_at_ns = keel_breaker_due(&seen) };
    uint64_t until;

    view.lock = keel_breaker_locked(breaker, now, &until);
    view.totals = keel_window_sum(&breaker->window,
                                  window_generation(&breaker->window, &seen.s), now);
    return view;
}

keel_breaker_view keel_breaker_look_back(const keel_breaker *breaker, uint64_t now)
{
    keel_breaker_view view = keel_breaker_look(breaker, now);

    if (view.state == KEEL_BREAKER_OPEN)
        view.totals = keel_window_last(&breaker->window,
                                       keel_window_generation(&breaker->window));
    return view;
}
