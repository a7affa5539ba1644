/* SPDX-License-Identifier: MIT */
/* Targets: their words on the board, their lease, what is told of them. */
#include "health/target.h"

#include <string.h>

#include "base/memory.h"
#include "board/layout.h"
#include "settings/address.h"

enum { FORGET_INTERVALS = 10 };

/* ---- what is wanted ----------------------------------------------------------------- */

static bool has_callback(const keel_pipeline *pipeline)
{
    keel_health *h = atomic_load(&pipeline->runtime->health);

    return h && keel_health_has_callback(h, pipeline);
}

static bool is_complete(const keel_health_policy *policy)
{
    return *policy->target && keel_address_is_complete(policy);
}

/* A URL that is too long for a target is none that a check could ask. */
static void want_endpoints(keel_pipeline *pipeline, const keel_endpoints *set,
                           keel_target_key *key, keel_target_fn *fn, void *ctx)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const keel_endpoint_entry *entry = &set->entries[i];

        if (strlen(entry->url) >= sizeof key->policy.target)
            continue;
        keel_text_copy(key->policy.target, sizeof key->policy.target,
                       keel_text_of(entry->url));
        keel_text_copy(key->endpoint, sizeof key->endpoint, keel_text_of(entry->name));
        if (is_complete(&key->policy))
            fn(pipeline, key, ctx);
    }
}

static void want_of(keel_pipeline *pipeline, const keel_plan *plan, keel_target_fn *fn,
                    void *ctx)
{
    keel_target_key key = { .policy = plan->policy.health };

    switch (key.policy.kind) {
    case KEEL_HEALTH_OFF:
        return;
    case KEEL_HEALTH_CALLBACK:
        if (has_callback(pipeline))
            fn(pipeline, &key, ctx);
        return;
    case KEEL_HEALTH_HTTP:
    case KEEL_HEALTH_TCP:
    case KEEL_HEALTH_REDIS:
    case KEEL_HEALTH_MEMCACHED:
    case KEEL_HEALTH_SQL:
        break;
    }
    if (plan->endpoints)
        want_endpoints(pipeline, plan->endpoints, &key, fn, ctx);
    else if (is_complete(&key.policy))
        fn(pipeline, &key, ctx);
}

void keel_targets_wanted(keel_pipeline *pipeline, keel_target_fn *fn, void *ctx)
{
    keel_stripe stripe = keel_stripe_mine(&pipeline->stripes);
    const keel_plan *plan;
    uint32_t phase;

    if (!atomic_load(&pipeline->handles) || keel_runtime_is_disabled(pipeline->runtime))
        return;
    /* as it is: an override that is over is lifted by calls, under a lock that a child
     * which has just noticed its fork cannot take */
    plan = keel_plan_enter_as_it_is(pipeline, stripe, &phase);
    want_of(pipeline, plan, fn, ctx);
    keel_plan_exit_at(stripe, phase);
}

/* ---- words -------------------------------------------------------------------------- */

static uint64_t mix(uint64_t mark, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        mark = (mark ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return mark;
}

/* What is checked, as a number (FNV-1a): another user, path or place,
 * another state. */
static uint64_t mark_of(const keel_target_key *key)
{
    uint64_t mark = 0xcbf29ce484222325u ^ key->policy.kind;

    mark = mix(mark, key->policy.user, sizeof key->policy.user);
    mark = mix(mark, key->policy.path, sizeof key->policy.path);
    mark = mix(mark, key->policy.target, sizeof key->policy.target);
    return mix(mark, key->endpoint, sizeof key->endpoint);
}

static bool borrow(keel_target *t, keel_board *board)
{
    const keel_block_key key = { t->pipeline->name, KEEL_BLOCK_HEALTH, mark_of(&t->key),
                                 0 };

    t->words = keel_board_lend(board, &key, sizeof *t->words);
    t->board = t->words ? board : NULL;
    return t->words != NULL;
}

/* On the shared board, by whose owners' slots leases are told apart; a process without a
 * slot, and one for which there is no room, asks for itself. */
static bool place(keel_target *t)
{
    keel_runtime *rt = t->pipeline->runtime;

    if (rt->shared && atomic_load(keel_board_self(rt->shared)) &&
        borrow(t, rt->shared)) {
        t->self = keel_board_self(rt->shared);
        return true;
    }
    return borrow(t, rt->board);
}

static bool is_endpoint(const keel_target *t)
{
    return *t->key.endpoint;
}

static keel_health_view view_of(const keel_target *t)
{
    return keel_health_view_of(
        atomic_load_explicit(&t->words->state, memory_order_acquire));
}

keel_target *keel_target_new(keel_pipeline *pipeline, const keel_target_key *key,
                             uint64_t now)
{
    const keel_allocator *memory = pipeline->runtime->memory;
    keel_target *t = keel_memory_new(memory, sizeof *t);

    if (!t)
        return NULL;
    t->pipeline = pipeline;
    t->key = *key;
    if (!place(t)) {
        keel_memory_free(memory, t);
        return NULL;
    }
    t->told = view_of(t).changes; /* what was found before is no news */
    t->due_at = keel_ns_add(now, key->policy.delay_ns);
    if (!is_endpoint(t))
        atomic_store_explicit(&pipeline->health, t->words, memory_order_release);
    return t;
}

static uint64_t self_of(const keel_target *t)
{
    return t->self ? atomic_load_explicit(t->self, memory_order_acquire) : 0;
}

void keel_target_free(keel_target *t)
{
    keel_health_words *ours = t->words;

    /* a look a moment too late reads words of the same meaning */
    atomic_compare_exchange_strong(&t->pipeline->health, &ours, NULL);
    if (t->leads)
        keel_health_leave(t->words, self_of(t));
    keel_board_give_back(t->board, t->words);
    keel_memory_free(t->pipeline->runtime->memory, t);
}

/* ---- who asks ----------------------------------------------------------------------- */

static bool is_gone(uint32_t slot, void *board)
{
    uint64_t start_ticks;
    uint32_t pid;

    return !keel_board_owner_at(board, slot, &pid, &start_ticks);
}

/* Whoever takes over goes on where the one before has stopped, unless that was long ago:
 * a board outlives its processes. */
static void begin_to_lead(keel_target *t, uint64_t now)
{
    uint64_t checked_at, next;

    keel_health_forget(t->words, FORGET_INTERVALS * t->key.policy.interval_ns, now);
    checked_at = view_of(t).checked_at_ns;
    next = checked_at ? keel_ns_add(checked_at, t->key.policy.interval_ns) : 0;
    if (next > t->due_at)
        t->due_at = next;
}

static bool leads(keel_target *t, uint64_t now)
{
    uint64_t self = self_of(t);

    if (!t->self)
        return true;
    return self &&
           keel_health_lead(t->words, self, now, &t->lease_seen, is_gone, t->board);
}

/* ---- what is told ------------------------------------------------------------------- */

static keel_status last_status(const keel_target *t)
{
    return (keel_status)(atomic_load_explicit(&t->words->result, memory_order_relaxed) &
                         UINT16_MAX);
}

static void tell(keel_target *t, const keel_health_view *view, bool is_ours)
{
    if (view->changes == t->told)
        return;
    t->told = view->changes;
    if (view->state == KEEL_CHECK_UNKNOWN)
        return;
    keel_pipeline_checked(t->pipeline, t->key.endpoint, view->state,
                          view->state == KEEL_CHECK_HEALTHY ? KEEL_OK : last_status(t),
                          is_ours);
}

/* Said at each look, not only when it changes: the endpoint may be in a new set by now, and
 * who has found it may have been killed before he could say so. */
static void say(const keel_target *t, keel_check_state state)
{
    if (is_endpoint(t))
        keel_pipeline_say_health(t->pipeline, t->key.endpoint,
                                 state != KEEL_CHECK_UNHEALTHY);
}

void keel_target_look(keel_target *t, uint64_t now)
{
    keel_health_view view;
    bool led = t->leads;

    t->leads = leads(t, now);
    if (t->leads && !led)
        begin_to_lead(t, now);
    view = view_of(t);
    tell(t, &view, false);
    say(t, view.state);
}

void keel_target_answered(keel_target *t, keel_status status, uint16_t code,
                          uint64_t now)
{
    keel_health_view view;
    bool is_ours;

    atomic_store_explicit(&t->words->result,
                          (uint64_t)code << 16 | ((uint64_t)status & UINT16_MAX),
                          memory_order_relaxed);
    is_ours =
        keel_health_count(t->words, &t->key.policy, status == KEEL_OK, now, &view);
    tell(t, &view, is_ours);
    say(t, view.state);
}

uint64_t keel_target_interval(const keel_target *t)
{
    const keel_random *random = &t->pipeline->runtime->random;

    /* a tenth more or less, so that checkers do not come all at once */
    return (uint64_t)((double)t->key.policy.interval_ns *
                      (0.9 + 0.2 * keel_random_draw(random)));
}
