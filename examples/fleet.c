/* SPDX-License-Identifier: MIT */
/*
 * Two members of a fleet in one program, with a runtime each as two hosts would have.
 * One finds out that the dependency is down; the other knows it without a single call.
 * Wants a Redis: KEEL_REDIS=redis://localhost ./fleet
 */
#include <keel/keel.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>

#define PATIENCE_NS (10 * (uint64_t)1000000000)

typedef struct member {
    keel_runtime *rt;
    keel_pipeline *db;
    unsigned calls;
} member;

static bool join(member *m)
{
    keel_detail why = KEEL_DETAIL_INIT;

    if (keel_open(&m->rt, NULL, &why) == KEEL_OK &&
        keel_pipeline_open(&m->db, m->rt, "fleet-example",
                           "none; breaker.min_calls=8; breaker.open=500ms",
                           &why) == KEEL_OK)
        return true;
    fprintf(stderr, "fleet: %s\n", why.text);
    return false;
}

static bool is(const member *m, keel_breaker_state state)
{
    keel_pipeline_stats stats = { .size = sizeof stats };

    return keel_pipeline_look(m->db, &stats) == KEEL_OK && stats.state == state;
}

/* One calls every millisecond until both are in that state. */
static bool call_until(member *one, const member *other, keel_breaker_state state,
                       keel_status outcome)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    uint64_t until = keel_now(one->rt) + PATIENCE_NS;
    keel_permit permit;

    while (!is(one, state) || !is(other, state)) {
        if (keel_now(one->rt) > until)
            return false;
        if (keel_permit_take(one->db, &permit, NULL) == KEEL_OK) {
            one->calls++;
            keel_permit_end(&permit, outcome);
        }
        thrd_sleep(&pause, NULL);
    }
    printf("both are %s after calls by one: %u, by the other: %u\n",
           keel_breaker_state_name(state), one->calls, other->calls);
    return true;
}

int main(void)
{
    member one = { 0 }, other = { 0 };
    const char *redis = getenv("KEEL_REDIS");
    bool done;

    if (!redis || !*redis) {
        puts("set KEEL_REDIS, and there is a fleet to see");
        return 0;
    }
    if (!join(&one) || !join(&other))
        return 1; /* and all that was opened ends with the process */
    done = call_until(&one, &other, KEEL_BREAKER_OPEN, KEEL_FAILED) &&
           call_until(&one, &other, KEEL_BREAKER_CLOSED, KEEL_OK);
    keel_pipeline_close(one.db);
    keel_pipeline_close(other.db);
    done = keel_close(one.rt, 0) == KEEL_OK && done;
    return keel_close(other.rt, 0) == KEEL_OK && done ? 0 : 1;
}
