/* SPDX-License-Identifier: MIT */
/* The explorer: coroutines, schedules, depth-first replay. */
#include "model/explore.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include "base/thread.h"
#include "support/sanitizers.h"

enum { STACK_SIZE = 256 << 10, MOST_SWITCHES = 8, MOST_STEPS = 5000 };

static ucontext_t home, threads[2];
static char stacks[2][STACK_SIZE];
/* 1000: far beyond the threads that own a stripe */
static keel_thread own_parts[2] = { { .index = 0 }, { .index = 1 } };
static keel_thread sharing_parts[2] = { { .index = 1000 }, { .index = 1000 } };

static const explore_case *the_case;
static int running = -1; /* which thread; -1: none, nothing is stepped */
static bool ended[2];
static unsigned steps;
static unsigned switches[MOST_SWITCHES];
static unsigned switch_count, switches_taken;
static int first;
static uint64_t schedules;

bool explore_is_possible(void)
{
    return !HAS_THREAD_SANITIZER;
}

uint64_t explore_schedules(void)
{
    return schedules;
}

const char *explore_schedule(void)
{
    static char text[128];
    int length =
        snprintf(text, sizeof text, "%s: start %d, switches", the_case->why, first);

    for (unsigned i = 0; i < switch_count; i++)
        length +=
            snprintf(text + length, sizeof text - (size_t)length, " %u", switches[i]);
    return text;
}

static void go_to(int who)
{
    int from = running;

    running = who;
    keel_thread_mine =
        the_case->shares_a_stripe ? &sharing_parts[who] : &own_parts[who];
    swapcontext(from < 0 ? &home : &threads[from], &threads[who]);
}

void explore_step(void)
{
    if (running < 0)
        return;
    if (++steps > MOST_STEPS) {
        running = -1;
        ck_abort_msg("a thread goes on without end; %s", explore_schedule());
    }
    if (switches_taken < switch_count && steps == switches[switches_taken] &&
        !ended[1 - running]) {
        switches_taken++;
        go_to(1 - running);
    }
}

static void enter(int who)
{
    the_case->run[who](who);
    ended[who] = true;
    if (!ended[1 - who])
        go_to(1 - who);
    running = -1;
    setcontext(&home);
}

static void prepare(int who)
{
    getcontext(&threads[who]);
    threads[who].uc_stack.ss_sp = stacks[who];
    threads[who].uc_stack.ss_size = STACK_SIZE;
    threads[who].uc_link = &home;
    makecontext(&threads[who], (void (*)(void))enter, 1, who);
    ended[who] = false;
}

/* One run. False: the last switch had nobody to switch to. */
static bool run_once(void)
{
    keel_thread *own = keel_thread_mine;

    the_case->begin();
    prepare(0);
    prepare(1);
    steps = 0;
    switches_taken = 0;
    schedules++;
    go_to(first);
    keel_thread_mine = own;
    the_case->check();
    return switches_taken == switch_count;
}

/* With a sanitizer one fewer: all of them are tried without it, and it takes long. */
static unsigned most_switches(void)
{
    return the_case->preemptions - (HAS_SANITIZER && the_case->preemptions > 2);
}

static void explore_from(unsigned last)
{
    unsigned all;

    if (!run_once())
        return;
    all = steps;
    if (switch_count == most_switches())
        return;
    switch_count++;
    for (unsigned at = last + 1; at <= all; at++) {
        switches[switch_count - 1] = at;
        explore_from(at);
    }
    switch_count--;
}

void explore(const explore_case *c)
{
    ck_assert_uint_le(c->preemptions, MOST_SWITCHES);
    the_case = c;
    schedules = 0;
    for (first = 0; first < 2; first++) {
        switch_count = 0;
        explore_from(0);
    }
}
