/* SPDX-License-Identifier: MIT */
/*
 * The endpoints of a pipeline: from its settings to its plan, through reloads, shared by
 * processes, and looked at.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call/host.h"
#include "call/pipeline.h"
#include "support/board_file.h"
#include "support/child.h"
#include "support/opened.h"
#include "support/suite.h"

#define BREAKER                                                                        \
    "none; breaker.window=8calls; breaker.min_calls=4; breaker.open=5s; "              \
    "breaker.open_jitter=0; breaker.half_open_permits=1; "                             \
    "breaker.half_open_max_wait=1h; breaker.lease=1h; "

static board_file file;
static opened a, b;

/* ---- what a call does with them ------------------------------------------------- */

static const keel_plan *plan_of(const opened *o)
{
    return atomic_load(&o->pipeline->plan);
}

/* tried: a bit for each that is not wanted. */
static keel_status choose(opened *o, uint64_t tried, keel_endpoint_pick *pick)
{
    const keel_plan *plan = plan_of(o);
    const keel_endpoint_request request = { .now = vclock_now(&o->clock),
                                            .random = &o->rt->random,
                                            .tried = tried };
    keel_endpoint_changes changes = { .count = 0 };
    uint64_t retry_after;

    return keel_endpoints_choose(plan->endpoints, &plan->policy, &request, pick,
                                 &retry_after, &changes);
}

static bool end(opened *o, keel_endpoint_pick *pick, keel_breaker_outcome outcome)
{
    const keel_plan *plan = plan_of(o);
    const keel_breaker_result result = { .outcome = outcome };
    keel_endpoint_changes changes = { .count = 0 };

    return keel_endpoints_end(plan->endpoints, &plan->policy, pick, &result,
                              vclock_now(&o->clock), &o->rt->random, &changes);
}

/* So many attempts at one of two endpoints, each of which fails. */
static void fail_at(opened *o, uint32_t index, int count)
{
    keel_endpoint_pick pick;

    while (count--) {
        ck_assert_int_eq(choose(o, index ? 1 : 2, &pick), KEEL_OK);
        ck_assert_uint_eq(pick.index, index);
        ck_assert(end(o, &pick, KEEL_OUTCOME_FAILED));
    }
}

static keel_endpoint_stats look(const opened *o, uint32_t index)
{
    keel_endpoint_stats stats = { .size = sizeof stats };

    ck_assert_int_eq(keel_pipeline_endpoint_look(o->pipeline, index, &stats), KEEL_OK);
    return stats;
}

/* ---- looks ---------------------------------------------------------------------- */

START_TEST(a_look_tells_what_the_settings_say_and_what_has_happened)
{
    keel_endpoint_pick pick;
    keel_endpoint_stats stats;

    opened_init(&a, OPENED_VIRTUAL, NULL,
                BREAKER "eject=on; eject.jitter=0; endpoints=https://a:443/v1 zone=z "
                        "name=first weight=3, b:1 tier=2");
    stats = look(&a, 0);
    ck_assert_str_eq(stats.url, "https://a:443/v1");
    ck_assert_str_eq(stats.name, "first");
    ck_assert_str_eq(stats.zone, "z");
    ck_assert_uint_eq(stats.weight, 3);
    ck_assert(stats.weight_now == 3 && stats.breaker_on && stats.healthy);
    stats = look(&a, 1);
    ck_assert_str_eq(stats.name, "b:1");
    ck_assert_uint_eq(stats.tier, 2);
    fail_at(&a, 1, 4);
    ck_assert_int_eq(choose(&a, 0, &pick), KEEL_OK);
    ck_assert_uint_eq(look(&a, 0).in_flight, 1);
    ck_assert(end(&a, &pick, KEEL_OUTCOME_OK));
    ck_assert_uint_eq(look(&a, 0).successes, 1);
    stats = look(&a, 1);
    ck_assert_int_eq(stats.state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(stats.open_left_ns, 5 * KEEL_S);
    ck_assert_uint_eq(stats.failures, 4);
    opened_cleanup(&a);
}
END_TEST

START_TEST(an_ejection_is_seen_until_it_is_over)
{
    opened_init(&a, OPENED_VIRTUAL, NULL,
                "none; endpoints=a:1, b:1; eject.consecutive=3; eject.jitter=0");
    fail_at(&a, 0, 3);
    ck_assert_uint_eq(look(&a, 0).ejected_left_ns, 30 * KEEL_S);
    ck_assert_uint_eq(look(&a, 0).ejections, 1);
    ck_assert(!look(&a, 0).breaker_on);
    vclock_advance(&a.clock, 30 * KEEL_S);
    ck_assert_uint_eq(look(&a, 0).ejected_left_ns, 0);
    opened_cleanup(&a);
}
END_TEST

START_TEST(beyond_the_last_and_without_any_there_is_nothing_to_see)
{
    keel_endpoint_stats stats = { .size = sizeof stats, .weight = 77 };

    opened_init(&a, OPENED_VIRTUAL, NULL, "none; endpoints=a:1");
    ck_assert_int_eq(keel_pipeline_endpoint_look(a.pipeline, 1, &stats), KEEL_E_STATE);
    opened_cleanup(&a);
    opened_init(&a, OPENED_VIRTUAL, NULL, "none");
    ck_assert_int_eq(keel_pipeline_endpoint_look(a.pipeline, 0, &stats), KEEL_E_STATE);
    ck_assert_uint_eq(stats.weight, 77);
    opened_cleanup(&a);
}
END_TEST

START_TEST(a_look_writes_no_further_than_it_was_told)
{
    struct {
        keel_endpoint_stats stats;
        char behind[8];
    } room;

    opened_init(&a, OPENED_VIRTUAL, NULL, "none; endpoints=a:1 weight=5");
    memset(&room, 0x5a, sizeof room);
    room.stats.size = offsetof(keel_endpoint_stats, weight_now);
    ck_assert_int_eq(keel_pipeline_endpoint_look(a.pipeline, 0, &room.stats), KEEL_OK);
    ck_assert_uint_eq(room.stats.weight, 5);
    for (size_t i = room.stats.size; i < sizeof room; i++)
        ck_assert_int_eq(((char *)&room)[i], 0x5a);
    room.stats.size = sizeof room;
    ck_assert_int_eq(keel_pipeline_endpoint_look(a.pipeline, 0, &room.stats), KEEL_OK);
    ck_assert_str_eq(room.stats.url, "a:1");
    ck_assert_int_eq(room.behind[0], 0x5a);
    room.stats.size = 0;
    ck_assert_int_eq(keel_pipeline_endpoint_look(a.pipeline, 0, &room.stats),
                     KEEL_E_ARGUMENT);
    opened_cleanup(&a);
}
END_TEST

START_TEST(what_endpoints_take_of_the_board_is_the_pipelines)
{
    uint64_t before;

    opened_init(&a, OPENED_VIRTUAL, NULL, "none");
    before = opened_look(&a).board_bytes;
    ck_assert_int_eq(
        keel_pipeline_override(a.pipeline, "endpoints=a:1, b:1", KEEL_S, NULL),
        KEEL_OK);
    ck_assert_uint_ge(opened_look(&a).board_bytes,
                      before + 2 * sizeof(keel_endpoint_words));
    opened_cleanup(&a);
}
END_TEST

/* ---- settings that change ------------------------------------------------------- */

START_TEST(an_override_with_another_list_keeps_what_is_known_by_name)
{
    opened_init(&a, OPENED_VIRTUAL, NULL,
                BREAKER "eject=off; endpoints=a:1, b:1; endpoints.slow_start=10s");
    fail_at(&a, 1, 4);
    ck_assert_int_eq(
        keel_pipeline_override(a.pipeline, "endpoints=c:1, b:1, a:1", KEEL_S, NULL),
        KEEL_OK);
    ck_assert_str_eq(look(&a, 1).url, "b:1");
    ck_assert_int_eq(look(&a, 1).state, KEEL_BREAKER_OPEN);
    ck_assert_int_eq(look(&a, 2).state, KEEL_BREAKER_CLOSED);
    ck_assert(look(&a, 0).weight_now < 0.11); /* it is new */
    vclock_advance(&a.clock, KEEL_S);
    ck_assert_str_eq(look(&a, 0).url, "a:1");
    ck_assert_int_eq(look(&a, 1).state, KEEL_BREAKER_OPEN);
    opened_cleanup(&a);
}
END_TEST

START_TEST(a_call_under_way_keeps_the_endpoints_it_began_with)
{
    const keel_plan *plan;
    uint32_t phase;

    opened_init(&a, OPENED_VIRTUAL, NULL, "none; endpoints=a:1");
    plan = keel_plan_enter(a.pipeline, &phase);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(
            keel_pipeline_override(
                a.pipeline, i % 2 ? "endpoints=b:1" : "endpoints=c:1", KEEL_S, NULL),
            KEEL_OK);
    ck_assert_str_eq(plan->endpoints->entries[0].url, "a:1");
    keel_plan_exit(a.pipeline, phase);
    opened_cleanup(&a);
}
END_TEST

START_TEST(a_pipeline_opens_with_endpoints_or_says_why_not)
{
    const char *const environment[] = { NULL };
    failing_allocator f;

    for (long n = 1; n == 1 || f.failed; n++) {
        keel_options options = { .size = sizeof options, .environment = environment };
        keel_pipeline *pipeline = NULL;
        keel_runtime *rt = NULL;

        failing_allocator_init(&f, n);
        options.allocator = &f.allocator;
        if (keel_open(&rt, &options, NULL) == KEEL_OK) {
            keel_status status = keel_pipeline_open(&pipeline, rt, "payments",
                                                    "endpoints=a:1, b:1 zone=z", NULL);

            ck_assert(status == KEEL_OK || status == KEEL_E_NOMEM);
            ck_assert(!pipeline == (status != KEEL_OK));
            keel_pipeline_close(pipeline);
            ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
        }
        ck_assert_int_eq(f.live, 0);
    }
}
END_TEST

/* ---- processes of a host -------------------------------------------------------- */

static void begin_shared(const char *settings)
{
    board_file_init(&file);
    opened_init(&a, OPENED_VIRTUAL, file.environment, settings);
    ck_assert_ptr_nonnull(a.rt->shared);
}

static void finish_shared(void)
{
    opened_cleanup(&a);
    board_file_cleanup(&file);
}

START_TEST(what_one_process_learns_of_an_endpoint_the_other_knows)
{
    keel_endpoint_pick pick;

    begin_shared(BREAKER "endpoints=a:1, b:1; eject.consecutive=3; eject.jitter=0");
    opened_init(&b, OPENED_VIRTUAL, file.environment,
                BREAKER "endpoints=b:1, a:1; eject.consecutive=3; eject.jitter=0");
    fail_at(&a, 0, 2);
    fail_at(&b, 1, 1); /* the same one, in another order */
    ck_assert_uint_eq(look(&a, 0).ejections, 1);
    ck_assert_uint_eq(look(&b, 1).ejected_left_ns, 30 * KEEL_S);
    ck_assert_int_eq(choose(&b, 0, &pick), KEEL_OK);
    ck_assert_uint_eq(pick.index, 0);
    ck_assert_uint_eq(look(&b, 0).in_flight, 1);
    ck_assert_uint_eq(look(&a, 1).in_flight, 0); /* each counts its own */
    ck_assert(end(&b, &pick, KEEL_OUTCOME_OK));
    ck_assert_uint_eq(look(&a, 1).successes, 1);
    opened_cleanup(&b);
    finish_shared();
}
END_TEST

START_TEST(without_sharing_each_process_has_endpoints_of_its_own)
{
    begin_shared("none; share=off; endpoints=a:1, b:1; eject.consecutive=3");
    opened_init(&b, OPENED_VIRTUAL, file.environment,
                "none; share=off; endpoints=a:1, b:1; eject.consecutive=3");
    fail_at(&a, 0, 3);
    ck_assert_uint_eq(look(&a, 0).ejections, 1);
    ck_assert_uint_eq(look(&b, 0).ejections, 0);
    opened_cleanup(&b);
    finish_shared();
}
END_TEST

/* In a child that is killed with them: a probe of the first endpoint, and several attempts
 * at the other. */
static void hold_picks(int ready)
{
    keel_endpoint_pick pick;

    vclock_advance(&a.clock, 5 * KEEL_S);
    CHILD(look(&a, 1).in_flight == 0); /* notices that it is a child, and joins */
    CHILD(choose(&a, 2, &pick) == KEEL_OK && pick.index == 0);
    for (int i = 0; i < 5; i++)
        CHILD(choose(&a, 1, &pick) == KEEL_OK && pick.index == 1);
    CHILD(write(ready, "", 1) == 1);
    for (;;)
        pause();
}

static void kill_one_that_holds_picks(void)
{
    int ready[2];
    pid_t pid;
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0)
        hold_picks(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    close(ready[0]);
    close(ready[1]);
}

START_TEST(picks_of_a_process_that_was_killed_come_back)
{
    keel_endpoint_pick pick;

    begin_shared(BREAKER "eject=off; endpoints=a:1, b:1");
    fail_at(&a, 0, 4);
    kill_one_that_holds_picks();
    vclock_advance(&a.clock, 5 * KEEL_S);
    ck_assert_int_eq(look(&a, 0).state, KEEL_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(look(&a, 1).in_flight, 0);
    keel_host_bury(a.rt, vclock_now(&a.clock));
    /* its probe counts as failed, as one whose lease has run out */
    ck_assert_int_eq(choose(&a, 0, &pick), KEEL_OK);
    ck_assert_uint_eq(pick.index, 1);
    ck_assert(end(&a, &pick, KEEL_OUTCOME_OK));
    ck_assert_int_eq(choose(&a, 2, &pick), KEEL_OK);
    ck_assert(end(&a, &pick, KEEL_OUTCOME_OK));
    ck_assert_int_eq(look(&a, 0).state, KEEL_BREAKER_OPEN);
    vclock_advance(&a.clock, 60 * KEEL_S);
    ck_assert_int_eq(choose(&a, 2, &pick), KEEL_OK);
    ck_assert_uint_eq(pick.index, 0);
    ck_assert(end(&a, &pick, KEEL_OUTCOME_OK));
    ck_assert_int_eq(look(&a, 0).state, KEEL_BREAKER_CLOSED);
    finish_shared();
}
END_TEST

/* What a child that forked under way ends was its parent's. */
static void end_what_the_parent_began(void)
{
    keel_endpoint_pick pick;

    CHILD(look(&a, 0).in_flight == 0); /* notices that it is a child */
    CHILD(choose(&a, 0, &pick) == KEEL_OK);
    CHILD(look(&a, 0).in_flight == 1);
    CHILD(end(&a, &pick, KEEL_OUTCOME_OK));
    pick.flags = KEEL_PICK_HELD;
    CHILD(end(&a, &pick, KEEL_OUTCOME_NEUTRAL));
    CHILD(look(&a, 0).in_flight == 0);
}

START_TEST(a_forked_child_begins_with_nothing_under_way)
{
    keel_endpoint_pick pick;

    begin_shared("none; endpoints=a:1");
    ck_assert_int_eq(choose(&a, 0, &pick), KEEL_OK);
    child_await(child_fork(end_what_the_parent_began));
    ck_assert_uint_eq(look(&a, 0).in_flight, 1);
    ck_assert(end(&a, &pick, KEEL_OUTCOME_OK));
    finish_shared();
}
END_TEST

SUITE("endpoints", 30, ONE(a_look_tells_what_the_settings_say_and_what_has_happened),
      ONE(an_ejection_is_seen_until_it_is_over),
      ONE(beyond_the_last_and_without_any_there_is_nothing_to_see),
      ONE(a_look_writes_no_further_than_it_was_told),
      ONE(what_endpoints_take_of_the_board_is_the_pipelines),
      ONE(an_override_with_another_list_keeps_what_is_known_by_name),
      ONE(a_call_under_way_keeps_the_endpoints_it_began_with),
      ONE(a_pipeline_opens_with_endpoints_or_says_why_not),
      ONE(what_one_process_learns_of_an_endpoint_the_other_knows),
      ONE(without_sharing_each_process_has_endpoints_of_its_own),
      ONE(picks_of_a_process_that_was_killed_come_back),
      ONE(a_forked_child_begins_with_nothing_under_way))
