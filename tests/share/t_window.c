/* SPDX-License-Identifier: MIT */
/*
 * The fleet's window against one that keeps everything: whatever members say of whichever
 * slots, the sum that is kept must be that of the slots. KEEL_SEED repeats a run.
 */
#include "share/fleet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/seed.h"

enum { REPORTS = 3000, WIDTH = 8, SLOT_MS = 5, SLOTS_MOST = 1 << 16 };

typedef struct model {
    uint64_t first; /* the slot of slots[0] */
    struct {
        uint64_t calls, bad, slow;
    } slots[SLOTS_MOST];
} model;

static model everything;
static uint64_t draws;

static uint32_t draw(uint32_t below)
{
    return (uint32_t)(keel_mix(draws++) % below);
}

static void draws_begin(void)
{
    const char *given = getenv("KEEL_SEED");

    draws = given ? strtoull(given, NULL, 10) : keel_seed();
    printf("window: KEEL_SEED=%" PRIu64 "\n", draws);
}

/* Few deltas, most of them of now, some of slots that are no part of the window. */
static void report_some(member *m)
{
    keel_wire_delta deltas[3];
    keel_wire_report r = report_seen(1);
    uint64_t now;

    r.slots = WIDTH;
    r.slot_ms = SLOT_MS;
    r.failure_ppm = 0; /* nothing opens it */
    r.registers = draw(20) == 0;
    r.deltas = deltas;
    r.delta_count = (uint8_t)(1 + draw(3));
    for (unsigned i = 0; i < r.delta_count; i++)
        deltas[i] = (keel_wire_delta){ .age = (uint8_t)(draw(2) ? 0 : draw(WIDTH + 2)),
                                       .ok = draw(5),
                                       .bad = draw(3),
                                       .slow = draw(2) };
    member_report(m, &r);
    now = m->last.now_ms / SLOT_MS;
    if (!everything.first)
        everything.first = now - WIDTH - 2;
    ck_assert_uint_lt(now - everything.first, SLOTS_MOST);
    for (unsigned i = 0; i < r.delta_count; i++) {
        uint64_t at = now - deltas[i].age - everything.first;

        if (deltas[i].age >= WIDTH)
            continue;
        everything.slots[at].calls += deltas[i].ok + deltas[i].bad;
        everything.slots[at].bad += deltas[i].bad;
        everything.slots[at].slow += deltas[i].slow;
    }
}

static void add_slots(uint64_t newest, keel_wire_look *sum)
{
    for (unsigned age = 0; age < WIDTH; age++) {
        uint64_t at = newest - age - everything.first;

        sum->calls += everything.slots[at].calls;
        sum->bad += everything.slots[at].bad;
        sum->slow += everything.slots[at].slow;
    }
}

static void expect_the_sum(member *m)
{
    static const char *const names[] = { BREAKER };
    keel_command command = command_new();
    keel_wire_look look, sum = { .calls = 0 };
    redisReply *reply;

    ck_assert(keel_wire_looks_write(&command, &m->fleet, names, 1));
    reply = fleet_run(&command);
    ck_assert(keel_wire_looks_read(reply, &look, 1));
    add_slots((uint64_t)reply->element[0]->integer / SLOT_MS, &sum);
    freeReplyObject(reply);
    ck_assert_uint_eq(look.calls, sum.calls);
    ck_assert_uint_eq(look.bad, sum.bad);
    ck_assert_uint_eq(look.slow, sum.slow);
}

START_TEST(the_sum_that_is_kept_is_that_of_the_slots)
{
    member a = member_named("a"), b = member_named("b");

    draws_begin();
    for (unsigned i = 0; i < REPORTS; i++) {
        member *m = draw(2) ? &a : &b;

        report_some(m);
        expect_the_sum(m);
    }
}
END_TEST

FLEET_SUITE("share/window", ONE(the_sum_that_is_kept_is_that_of_the_slots))
