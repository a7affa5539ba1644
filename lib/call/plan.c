/* SPDX-License-Identifier: MIT */
/* Making plans. Not for when they are freed: that is pipeline.c. */
#include "call/plan.h"

#include "base/clock.h"
#include "base/memory.h"

enum {
    COARSE_TICKS = 8
}; /* a length of fewer ticks of the coarse clock is too short */

/* What is needed to place blocks; full is set when one found no room. */
typedef struct placing {
    keel_plan *plan;
    const keel_plan_parts *parts;
    bool full;
} placing;

/* The board that a scope counts on. */
static keel_board *board_of(const placing *p, keel_scope scope)
{
    return scope != KEEL_SCOPE_PROCESS && p->parts->shared ? p->parts->shared
                                                           : p->parts->board;
}

static bool is_shared(const placing *p, keel_scope scope)
{
    return board_of(p, scope) == p->parts->shared;
}

static void *place(placing *p, keel_board *board, keel_block_kind kind, uint64_t width,
                   uint32_t count, size_t size)
{
    keel_block_key key = { p->parts->name, kind, width, count };
    void *block = keel_board_block(board, &key, size);

    p->full = p->full || !block;
    return block;
}

/* One that other settings do without; given back with the plan. */
static void *borrow(placing *p, keel_board *board, keel_block_kind kind, uint64_t width,
                    uint32_t count, size_t size)
{
    keel_block_key key = { p->parts->name, kind, width, count };
    void *block = keel_board_lend(board, &key, size);
    keel_plan *plan = p->plan;

    if (block) {
        plan->lent_by[plan->lent_count] = board;
        plan->lent[plan->lent_count++] = block;
    }
    p->full = p->full || !block;
    return block;
}

/* A shared window has stripes of its own: other windows of that name may count elsewhere
 * at the same time. In all of them refusals are counted (history.h). */
static const keel_stripes *place_lines(placing *p, keel_lines *lines, uint64_t width,
                                       uint32_t count)
{
    keel_stripes *own =
        place(p, p->parts->board, KEEL_BLOCK_OWN_LINES, width, count, sizeof *own);

    lines->board = p->parts->shared;
    lines->words = place(p, p->parts->shared, KEEL_BLOCK_LINES, width, count,
                         sizeof *lines->words);
    if (own && lines->words)
        keel_lines_join(lines, own);
    return own;
}

static void place_time_window(placing *p, keel_window *window,
                              const keel_policy *policy)
{
    bool has_slow = policy->slow_call_ns != 0;
    uint32_t buckets = policy->window_buckets;
    /* slow calls have buckets of their own, hence other geometry: told by the width */
    uint64_t width = policy->window_ns / (buckets ? buckets : 1) * 2 + has_slow;
    const keel_stripes *stripes = p->parts->stripes;
    keel_lines lines = { .words = NULL };
    void *words = borrow(p, board_of(p, policy->share), KEEL_BLOCK_TIME_WINDOW, width,
                         buckets, keel_time_window_size(buckets, has_slow));

    if (is_shared(p, policy->share))
        stripes = place_lines(p, &lines, width, buckets);
    keel_time_window_init(window, words, stripes, KEEL_STRIPE_WINDOW, policy->window_ns,
                          buckets, has_slow);
    window->lines = lines;
}

static void place_window(placing *p, keel_window *window, const keel_policy *policy)
{
    uint32_t calls = policy->window_calls;
    void *words;

    if (!calls) {
        place_time_window(p, window, policy);
        return;
    }
    words = borrow(p, board_of(p, policy->share), KEEL_BLOCK_COUNT_WINDOW, 0, calls,
                   keel_count_window_size(calls));
    keel_count_window_init(window, words, calls);
    if (is_shared(p, policy->share)) /* where refusals are counted */
        window->stripes = place_lines(p, &window->lines, 0, calls);
}

static void place_breaker(placing *p, keel_breaker *breaker, const keel_policy *policy)
{
    keel_board *board = board_of(p, policy->share);
    uint32_t permits = policy->half_open_permits;

    breaker->words = place(p, board, KEEL_BLOCK_BREAKER, 0, 0, sizeof *breaker->words);
    if (is_shared(p, policy->share))
        breaker->self = keel_board_self(board);
    if (policy->share == KEEL_SCOPE_FLEET)
        breaker->fleet =
            place(p, board, KEEL_BLOCK_FLEET, 0, 0, sizeof *breaker->fleet);
    if (permits > KEEL_BREAKER_OWN_LEASES)
        breaker->leases =
            borrow(p, board, KEEL_BLOCK_LEASES, 0, permits, permits * sizeof(uint64_t));
    else if (breaker->words)
        breaker->leases = breaker->words->leases;
    if (policy->slow_call_ns)
        breaker->starts.words = place(p, p->parts->board, KEEL_BLOCK_STARTS, 0, 0,
                                      sizeof *breaker->starts.words);
    place_window(p, &breaker->window, policy);
}

static void place_shared_places(placing *p, keel_places *places,
                                const keel_policy *policy)
{
    keel_board *board = p->parts->shared;
    uint32_t room = keel_places_room(policy->bulkhead);

    places->words =
        borrow(p, board, KEEL_BLOCK_PLACES, 0, room, room * sizeof(uint64_t));
    places->limit =
        policy->bulkhead < KEEL_PLACES_MAX ? policy->bulkhead : KEEL_PLACES_MAX;
    places->self = keel_board_self(board);
}

static void place_bulkhead(placing *p, keel_bulkhead *bulkhead,
                           const keel_policy *policy)
{
    keel_board *own = p->parts->board;

    bulkhead->words = place(p, own, KEEL_BLOCK_BULKHEAD, 0, 0, sizeof *bulkhead->words);
    if (policy->deadline_ns)
        bulkhead->starts.words =
            place(p, own, KEEL_BLOCK_STARTS, 1, 0, sizeof *bulkhead->starts.words);
    if (!policy->bulkhead) /* places of an adaptive limit alone are nobody else's */
        return;
    if (is_shared(p, policy->bulkhead_scope))
        place_shared_places(p, &bulkhead->places, policy);
    if (policy->bulkhead_scope != KEEL_SCOPE_FLEET)
        return;
    bulkhead->fleet = place(p, board_of(p, KEEL_SCOPE_FLEET), KEEL_BLOCK_FLEET_PLACES,
                            0, 0, sizeof *bulkhead->fleet);
    if (bulkhead->fleet)
        bulkhead->places.leased = &bulkhead->fleet->leased;
}

static void place_rate(placing *p, keel_rate *rate, const keel_policy *policy)
{
    keel_board *board = board_of(p, policy->rate_scope);

    keel_rate_init(rate, place(p, board, KEEL_BLOCK_RATE, 0, 0, sizeof *rate->words),
                   policy);
    if (policy->rate_scope == KEEL_SCOPE_FLEET)
        rate->fleet =
            place(p, board, KEEL_BLOCK_FLEET_TOKENS, 0, 0, sizeof *rate->fleet);
}

static void place_adaptive(placing *p, keel_adaptive *adaptive,
                           const keel_policy *policy)
{
    keel_adaptive_words *words =
        place(p, p->parts->board, KEEL_BLOCK_ADAPTIVE, 0, 0, sizeof *words);

    keel_adaptive_init(adaptive, words, policy);
}

/* A window of other geometry has lines of its own: both may count for a while. */
static void place_throttle(placing *p, keel_throttle *throttle,
                           const keel_policy *policy)
{
    keel_board *board = p->parts->board;
    uint64_t width = keel_throttle_width(policy);
    uint32_t count = keel_stripes_wanted();
    keel_throttle_words *words =
        place(p, board, KEEL_BLOCK_THROTTLE, width, 0, keel_throttle_size());
    keel_stripe_line *lines =
        place(p, board, KEEL_BLOCK_THROTTLE_LINES, width, count, count * sizeof *lines);

    if (words && lines)
        keel_throttle_init(throttle, words, lines, count, policy);
}

/* A length that is 0 is off, and no reason against the coarse clock. */
static bool all_reach(uint64_t least, const uint64_t *lengths, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lengths[i] && lengths[i] < least)
            return false;
    return true;
}

static bool coarse_is_enough(const keel_plan *plan, uint64_t tick_ns)
{
    const keel_policy *p = &plan->policy;
    const uint64_t lengths[] = {
        p->deadline_ns,
        p->timeout_ns,
        p->connect_timeout_ns,
        p->retry ? p->backoff.base_ns : 0,
        p->retry ? p->throttle_base_ns : 0,
        p->breaker && p->window_ns ? plan->breaker.window.width_ns : 0,
        p->breaker ? p->open_first_ns : 0,
        p->breaker ? p->half_open_max_wait_ns : 0,
        p->breaker ? p->lease_ns : 0,
        p->breaker ? p->stable_ns : 0,
        p->breaker ? p->ramp_up_ns : 0,
        p->bulkhead ? p->bulkhead_wait_ns : 0,
        p->rate.count ? plan->rate.interval_ns : 0,
        p->rate.count ? p->rate_wait_ns : 0,
        p->throttle ? plan->throttle.window.width_ns : 0,
        p->chaos_rate_ppm ? p->chaos_latency_ns : 0,
        plan->endpoints ? p->slow_start_ns : 0,
        plan->endpoints && p->eject ? p->eject_base_ns : 0,
    };

    /* how slow a call was is measured precisely, and how long attempts take */
    return tick_ns && !(p->breaker && p->slow_call_ns) && !p->adaptive && !p->hedge &&
           !p->infeasible_ppm &&
           all_reach(COARSE_TICKS * tick_ns, lengths,
                     sizeof lengths / sizeof lengths[0]);
}

static keel_queue *new_queue(placing *p, const keel_plan_parts *parts, uint32_t limit)
{
    keel_waiter *waiters =
        place(p, parts->board, KEEL_BLOCK_QUEUE, 0, limit, limit * sizeof(keel_waiter));
    keel_queue *queue =
        waiters ? keel_memory_new(parts->memory,
                                  sizeof *queue + limit * sizeof queue->hooks[0])
                : NULL;

    if (!queue)
        return NULL;
    queue->limit = limit;
    queue->waiters = waiters;
    queue->next = atomic_load_explicit(&parts->bulkhead->queues, memory_order_relaxed);
    atomic_store_explicit(&parts->bulkhead->queues, queue, memory_order_release);
    return queue;
}

/* Calls of different plans meet in one queue, so queues are the pipeline's. */
static bool find_queue(placing *p, keel_plan *plan, const keel_plan_parts *parts)
{
    uint32_t limit = plan->policy.bulkhead_queue;
    keel_queue *queue =
        atomic_load_explicit(&parts->bulkhead->queues, memory_order_relaxed);

    plan->bulkhead.common = parts->bulkhead;
    if (!plan->policy.bulkhead || !limit)
        return true;
    while (queue && queue->limit != limit)
        queue = queue->next;
    plan->bulkhead.queue = queue ? queue : new_queue(p, parts, limit);
    return plan->bulkhead.queue != NULL;
}

static void place_hedge(placing *p, keel_plan *plan)
{
    plan->hedge =
        place(p, p->parts->board, KEEL_BLOCK_HEDGE, 0, 0, sizeof *plan->hedge);
}

static void place_latency(placing *p, keel_plan *plan)
{
    plan->latency =
        place(p, p->parts->board, KEEL_BLOCK_LATENCY, 0, 0, sizeof *plan->latency);
}

/* The texts that describe them lie in settings that may go; the set has copies. */
static keel_status make_endpoints(keel_plan *plan, const keel_plan_parts *parts)
{
    const placing p = { .parts = parts };
    keel_scope scope = plan->policy.share;
    const keel_endpoint_parts own = { .memory = parts->memory,
                                      .board = parts->board,
                                      .shared = board_of(&p, scope),
                                      .is_shared = is_shared(&p, scope),
                                      .pipeline = parts->name };
    keel_status status = keel_endpoints_new(&plan->endpoints, &own, &plan->policy);

    plan->policy.endpoints = plan->policy.endpoints_zone = keel_text_of(NULL);
    return status;
}

static void place_all(placing *p, keel_plan *plan)
{
    const keel_policy *policy = &plan->policy;
    void *words;

    if (policy->breaker)
        place_breaker(p, &plan->breaker, policy);
    if (plan->has_places)
        place_bulkhead(p, &plan->bulkhead, policy);
    if (policy->adaptive)
        place_adaptive(p, &plan->adaptive, policy);
    if (policy->throttle)
        place_throttle(p, &plan->throttle, policy);
    if (policy->rate.count)
        place_rate(p, &plan->rate, policy);
    if (policy->hedge)
        place_hedge(p, plan);
    if ((policy->hedge && policy->hedge_quantile_ppm) || policy->infeasible_ppm)
        place_latency(p, plan);
    if (policy->retry && policy->budget_mode != KEEL_BUDGET_OFF) {
        words = place(p, p->parts->board, KEEL_BLOCK_BUDGET, 0, 0, keel_budget_size());
        if (words)
            keel_budget_init(&plan->budget, words, p->parts->stripes);
    }
}

keel_plan *keel_plan_new(const keel_plan_parts *parts, const keel_policy *policy,
                         bool *is_board_full)
{
    keel_plan *plan = keel_memory_new(parts->memory, sizeof *plan);
    placing p = { .plan = plan, .parts = parts };
    keel_status status;

    *is_board_full = false;
    if (!plan)
        return NULL;
    plan->memory = parts->memory;
    plan->shared = parts->shared;
    plan->policy = *policy;
    if (!policy->retry)
        plan->policy.budget_mode = KEEL_BUDGET_OFF; /* nobody has placed its words */
    plan->has_places = policy->bulkhead || policy->adaptive;
    place_all(&p, plan);
    status = p.full ? KEEL_E_LIMIT : make_endpoints(plan, parts);
    p.full = status == KEEL_E_LIMIT;
    plan->uses_coarse_clock = coarse_is_enough(plan, parts->tick_ns);
    plan->is_simple = !policy->bulkhead_queue && !policy->chaos_rate_ppm &&
                      !policy->throttle && !policy->per_call && !policy->hedge &&
                      !policy->infeasible_ppm && !plan->endpoints &&
                      !plan->bulkhead.places.words && !plan->rate.fleet;
    plan->needs_time = policy->rate.count || policy->adaptive ||
                       plan->breaker.starts.words || plan->bulkhead.starts.words;
    if (!status && find_queue(&p, plan, parts))
        return plan;
    *is_board_full = p.full;
    keel_plan_free(plan);
    return NULL;
}

void keel_plan_free(keel_plan *plan)
{
    if (!plan)
        return;
    keel_endpoints_free(plan->endpoints);
    for (uint32_t i = 0; i < plan->lent_count; i++)
        keel_board_give_back(plan->lent_by[i], plan->lent[i]);
    keel_memory_free(plan->memory, plan);
}

void keel_plan_free_all(keel_plan **list)
{
    while (*list) {
        keel_plan *plan = *list;

        *list = plan->next_retired;
        keel_plan_free(plan);
    }
}

/* Whether other processes count in a plan's window too: then it is not ours to change. */
static bool is_everybodys(const keel_plan *plan)
{
    const keel_window *window = &plan->breaker.window;
    const void *words = window->time ? (const void *)window->time : window->by_count;

    return plan->breaker.self && keel_board_has_other_users(plan->shared, words);
}

/* Calls under way come by the long way then, which looks for the window of now. */
static void take_over_window(const keel_plan *plan, const keel_plan *old, uint64_t now)
{
    const keel_breaker *from = old->policy.breaker ? &old->breaker : NULL;

    if (from && plan->policy.breaker &&
        keel_window_is_same(&plan->breaker.window, &from->window))
        return;
    if (from && !is_everybodys(old))
        keel_window_retire(&from->window);
    if (plan->policy.breaker && !is_everybodys(plan))
        keel_breaker_take_over_window(&plan->breaker, from, now);
}

/* The limiter's debt is told in the old limit's time; what no limit changed is kept. */
static void take_over_rate(const keel_plan *plan, const keel_plan *old, uint64_t now)
{
    const keel_rate *to = &plan->rate, *from = &old->rate;

    if (plan->policy.rate.count &&
        (to->interval_ns != from->interval_ns || to->burst_ns != from->burst_ns))
        keel_rate_fit(to, now);
}

/* Each mode of the budget counts in a unit of its own. */
static void take_over_budget(const keel_plan *plan, const keel_plan *old)
{
    if (plan->budget.words && plan->policy.budget_mode != old->policy.budget_mode)
        atomic_store_explicit(&plan->budget.words->spent, 0, memory_order_relaxed);
}

/* Of a fleet's bulkhead no more than is leased, until its relay has seen the new one. */
static uint64_t limit_of(const keel_plan *plan)
{
    const keel_bulkhead *bulkhead = &plan->bulkhead;

    if (!plan->policy.bulkhead)
        return UINT64_MAX;
    return bulkhead->fleet && !bulkhead->places.words
               ? keel_fleet_places_limit(&bulkhead->fleet->leased,
                                         plan->policy.bulkhead)
               : plan->policy.bulkhead;
}

/* Of two plans the one that knows the pipeline's places; NULL: there are none. */
static const keel_plan *with_places(const keel_plan *plan, const keel_plan *old)
{
    if (plan->has_places)
        return plan;
    return old && old->has_places ? old : NULL;
}

void keel_plan_adapt(const keel_plan *plan, const keel_plan *old)
{
    const keel_plan *placed = with_places(plan, old);

    if (placed)
        keel_bulkhead_adapt(&placed->bulkhead, keel_plan_adaptive_limit(plan));
}

/* With the bulkhead off, those who still wait in its queue need not. */
static void set_bulkhead(const keel_plan *plan, const keel_plan *old, uint64_t now)
{
    const keel_plan *placed = with_places(plan, old);

    if (!placed)
        return;
    keel_plan_adapt(plan, old);
    keel_bulkhead_set(&placed->bulkhead, limit_of(plan), placed->policy.bulkhead_lifo,
                      now);
}

/* Another rule begins anew from the same limit. Whoever is refused by the throttle is so
 * by the factor of now. */
static void take_over_overload(const keel_plan *plan, const keel_plan *old)
{
    if (plan->policy.adaptive && plan->policy.adaptive != old->policy.adaptive)
        keel_adaptive_forget(&plan->adaptive);
    if (plan->policy.throttle)
        keel_throttle_look_again(&plan->throttle);
}

void keel_plan_take_over(const keel_plan *plan, const keel_plan *old, uint64_t now)
{
    set_bulkhead(plan, old, now);
    /* another process may have left the window that we come to */
    if (plan->breaker.self)
        keel_window_revive(&plan->breaker.window);
    if (!old)
        return;
    take_over_window(plan, old, now);
    if (plan->policy.breaker && old->policy.breaker &&
        plan->policy.half_open_permits != old->policy.half_open_permits)
        keel_breaker_restart_round(&plan->breaker, &plan->policy);
    take_over_rate(plan, old, now);
    take_over_budget(plan, old);
    take_over_overload(plan, old);
    keel_endpoints_take_over(plan->endpoints, &plan->policy, old->endpoints,
                             &old->policy, now);
}
