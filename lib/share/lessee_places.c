/* SPDX-License-Identifier: MIT */
/*
 * Leasing places of a fleet's bulkhead. What goes back is first no longer lent here, and
 * then told: so at no instant are more places in use than the fleet has given out.
 */
#include "share/lessee.h"

#define LEASE_MS 6000u
#define LEASE_NS (LEASE_MS * KEEL_MS)
#define QUIET_NS (2 * KEEL_S)     /* nothing missed for so long: some may go back */
#define UNUSED_NS (10 * KEEL_S)   /* nor used: all of them, where others wait */
#define BESIDE_NS (100 * KEEL_MS) /* between looks while others wait */
#define PAUSE_NS (10 * KEEL_MS)
#define PAUSE_MOST_NS (200 * KEEL_MS)

void keel_lessee_init(keel_lessee *l, keel_pipeline *pipeline)
{
    *l = (keel_lessee){ .pipeline = pipeline, .tokens = { .missed_at = KEEL_NEVER } };
}

void keel_lessee_rejoin(keel_lessee *l)
{
    l->places.look_at = l->places.ask_at = 0;
    l->tokens.look_at = l->tokens.ask_at = 0;
    l->tokens.is_heard = false;
}

static uint32_t cut(uint64_t n)
{
    return (uint32_t)keel_ns_min(n, KEEL_WIRE_PLACES);
}

static bool is_missed(const keel_plan *plan)
{
    return atomic_load(&plan->bulkhead.fleet->wanted) != 0;
}

/* Those in use here; on a board, of the whole host. */
static uint32_t in_use(const keel_bulkhead *bulkhead)
{
    return bulkhead->places.words ? keel_places_taken(&bulkhead->places)
                                  : cut(atomic_load(&bulkhead->words->in_use));
}

/* Calls that found no place since the last look, and those that wait for one still. */
static uint32_t take_missed(keel_leased_places *p, const keel_bulkhead *bulkhead)
{
    uint64_t refused, before = p->refused;

    /* before the look: who is counted later marks it again */
    atomic_store(&bulkhead->fleet->wanted, 0);
    refused = p->refused = atomic_load(&bulkhead->fleet->refused);
    return cut(refused - before + keel_bulkhead_waiting(bulkhead));
}

static uint32_t decide(keel_leased_places *p, const keel_plan *plan, uint32_t members,
                       uint64_t now)
{
    keel_places_demand d = { .limit = plan->policy.bulkhead,
                             .members = members,
                             .leased = p->have,
                             .in_use = in_use(&plan->bulkhead),
                             .missed = take_missed(p, &plan->bulkhead),
                             .is_full = p->is_full,
                             .others_wait = p->others_wait };

    if (d.missed)
        p->missed_at = now;
    if (d.missed || d.in_use)
        p->used_at = now;
    d.is_quiet = keel_ns_left(now, p->missed_at) >= QUIET_NS;
    d.is_unused = keel_ns_left(now, p->used_at) >= UNUSED_NS;
    if (p->listens)
        d.missed = 0;
    return cut(keel_fleet_places_want(&d));
}

bool keel_lessee_places(keel_lessee *l, const keel_plan *plan, uint32_t members,
                        uint64_t now, keel_wire_places *request)
{
    keel_leased_places *p = &l->places;
    const keel_bulkhead *bulkhead = &plan->bulkhead;
    uint64_t lent;

    if (now < p->ask_at || (now < p->look_at && !is_missed(plan)))
        return false;
    atomic_store_explicit(&bulkhead->fleet->members, members, memory_order_relaxed);
    p->wish = decide(p, plan, members, now);
    lent = keel_fleet_places_limit(&bulkhead->fleet->leased, plan->policy.bulkhead);
    if (lent > p->wish)
        keel_bulkhead_lease(bulkhead, p->wish, plan->policy.bulkhead_lifo, now);
    /* places that are still in use are still leased */
    p->asked = (uint16_t)cut(keel_bulkhead_bound(bulkhead));
    if (p->asked < p->wish)
        p->asked = (uint16_t)p->wish;
    p->asked_at = now;
    *request = (keel_wire_places){ .name = l->pipeline->name,
                                   .limit = plan->policy.bulkhead,
                                   .want = p->asked,
                                   .have = p->most,
                                   .lease_ms = LEASE_MS };
    if (p->most < p->asked)
        p->most = p->asked;
    if (p->least > p->asked)
        p->least = p->asked;
    return true;
}

/* Who asked in vain asks again a little later each time; while calls wait, unasked. */
static void choose_next_look(keel_leased_places *p, const keel_bulkhead *bulkhead,
                             uint64_t now)
{
    uint64_t longer = keel_ns_min(2 * p->pause_ns, PAUSE_MOST_NS);

    p->pause_ns = p->is_full && longer > PAUSE_NS ? longer : PAUSE_NS;
    p->ask_at = now + p->pause_ns;
    if (keel_bulkhead_waiting(bulkhead))
        p->look_at = p->ask_at;
    else
        p->look_at = now + (p->others_wait ? BESIDE_NS : KEEL_LESSEE_LOOK_NS);
}

void keel_lessee_placed(keel_lessee *l, const keel_plan *plan, uint16_t granted,
                        bool others_wait, uint64_t now)
{
    keel_leased_places *p = &l->places;

    p->listens = granted < p->asked;
    if (p->listens || p->asked > p->have)
        p->is_full = p->listens;
    p->have = p->most = p->least = granted;
    p->others_wait = others_wait;
    p->leased_until = p->asked_at + LEASE_NS;
    keel_bulkhead_lease(&plan->bulkhead, keel_ns_min(granted, p->wish),
                        plan->policy.bulkhead_lifo, now);
    choose_next_look(p, &plan->bulkhead, now);
}

/* Until the lease has run out at the server others may not count on these places, nor
 * we on theirs. */
void keel_lessee_places_alone(const keel_lessee *l, const keel_plan *plan,
                              uint32_t members, uint64_t now)
{
    const keel_leased_places *p = &l->places;
    uint64_t share = keel_fleet_places_share(plan->policy.bulkhead, members);

    if (now < p->leased_until && p->least < share)
        share = p->least ? p->least : 1;
    keel_bulkhead_lease(&plan->bulkhead, share, plan->policy.bulkhead_lifo, now);
}

uint64_t keel_lessee_places_next(const keel_lessee *l, const keel_plan *plan)
{
    const keel_leased_places *p = &l->places;

    return is_missed(plan) || p->look_at < p->ask_at ? p->ask_at : p->look_at;
}
