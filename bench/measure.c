/* SPDX-License-Identifier: MIT */
/* Slices, two threads and medians. Not for tables: that is report.c. */
#include "measure.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLICE_NS 1500000u
#define CLEAN 0.97

/* So many slices are thrown away before a figure is given up as inconclusive. */
enum { DROPS_MOST = 20 * BENCH_SLICES };

/* The second thread: parked on `go` except while two threads are timed. */
typedef struct helper {
    pthread_t thread;
    sem_t go;
    sem_t done;
    _Atomic int ready;
    bench_loop *loop; /* NULL: it ends */
    void *ctx;
    uint64_t n;
    double wall_ns;
    bool clean;
} helper;

static helper second;
static uint64_t ticks_at_open, steal_at_open;

/* processors */

static int processor(int index)
{
    cpu_set_t set;
    int found = 0;

    sched_getaffinity(0, sizeof set, &set);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set) && found++ == index)
            return (int)cpu;
    return -1;
}

static void pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void read_steal(uint64_t *steal, uint64_t *all)
{
    unsigned long long field[8] = { 0 };
    FILE *file = fopen("/proc/stat", "re");

    *steal = *all = 0;
    if (!file)
        return;
    if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &field[0],
               &field[1], &field[2], &field[3], &field[4], &field[5], &field[6],
               &field[7]) == 8)
        *steal = field[7];
    for (int i = 0; i < 8; i++)
        *all += field[i];
    fclose(file);
}

double bench_steal_percent(void)
{
    uint64_t steal, all;

    read_steal(&steal, &all);
    return all > ticks_at_open
               ? 100.0 * (double)(steal - steal_at_open) / (double)(all - ticks_at_open)
               : 0;
}

/* one slice */

static double clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

typedef struct lap {
    double wall_ns;
    double cpu_ns;
} lap;

static lap lap_run(bench_loop *loop, uint64_t n, void *ctx)
{
    double wall = clock_ns(CLOCK_MONOTONIC);
    double cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    lap taken;

    loop(n, ctx);
    taken.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    taken.wall_ns = clock_ns(CLOCK_MONOTONIC) - wall;
    return taken;
}

static bool is_clean(lap taken)
{
    return taken.cpu_ns >= CLEAN * taken.wall_ns;
}

/* Both threads spin here, so that neither begins before the other has its processor. */
static void meet(void)
{
    atomic_fetch_add(&second.ready, 1);
    while (atomic_load(&second.ready) != 2)
        ;
}

static void *help(void *ctx)
{
    pin(*(unsigned *)ctx);
    for (;;) {
        lap taken;

        sem_wait(&second.go);
        if (!second.loop)
            return NULL;
        meet();
        taken = lap_run(second.loop, second.n, second.ctx);
        second.wall_ns = taken.wall_ns;
        second.clean = is_clean(taken);
        sem_post(&second.done);
    }
}

static double time_two(const bench_side *side, uint64_t n, bool *clean)
{
    lap taken;

    second.loop = side->loop;
    second.ctx = side->second_ctx;
    second.n = n;
    atomic_store(&second.ready, 0);
    sem_post(&second.go);
    meet();
    taken = lap_run(side->loop, n, side->ctx);
    sem_wait(&second.done);
    *clean = is_clean(taken) && second.clean;
    return (taken.wall_ns + second.wall_ns) / 2 / (double)n;
}

static double time_one(const bench_side *side, uint64_t n, bool by_wall, bool *clean)
{
    lap taken = lap_run(side->loop, n, side->ctx);

    *clean = is_clean(taken);
    return (by_wall ? taken.wall_ns : taken.cpu_ns) / (double)n;
}

static double time_side(const bench_side *side, uint64_t n, bool by_wall, bool *clean)
{
    return side->second_ctx ? time_two(side, n, clean)
                            : time_one(side, n, by_wall, clean);
}

/* Warms up, and finds how often to repeat for a slice. */
static uint64_t slice_length(const bench_side *side)
{
    uint64_t n = 64;
    bool clean;

    while (time_side(side, n, true, &clean) * (double)n < SLICE_NS)
        n *= 2;
    return n;
}

/* ranges */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

bench_range bench_range_of(double *values, int count)
{
    bench_range range = { 0, 0, 0 };

    if (!count)
        return range;
    qsort(values, (size_t)count, sizeof *values, by_size);
    range.median =
        count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    range.min = values[0];
    range.max = values[count - 1];
    return range;
}

/* comparing */

typedef struct trial {
    const bench_side *side;
    uint64_t n;
    double ns;
} trial;

static trial trial_of(const bench_side *side)
{
    return (trial){ .side = side, .n = side ? slice_length(side) : 0 };
}

/* One slice of each. False: a processor was lost in one of them. */
static bool run_trials(trial *trials, int count, bool by_wall)
{
    bool all_clean = true;

    for (int i = 0; i < count; i++) {
        bool clean = true;

        if (trials[i].side)
            trials[i].ns = time_side(trials[i].side, trials[i].n, by_wall, &clean);
        all_clean = all_clean && clean;
    }
    return all_clean;
}

static double cost(const trial *trials)
{
    return (trials[0].ns - trials[2].ns) / trials[1].ns;
}

static double speed(const trial *trials)
{
    return trials[1].ns / trials[0].ns * (trials[0].side->second_ctx ? 2 : 1) /
           (trials[1].side->second_ctx ? 2 : 1);
}

/*
 * trials  subject, floor, and what is to be left out of the subject
 * waits   losing the processor is part of it
 */
static bench_result compare(trial *trials, double (*ratio_of)(const trial *),
                            bool waits)
{
    bool by_wall = waits || trials[0].side->second_ctx || trials[1].side->second_ctx;
    double subject[BENCH_SLICES], floor[BENCH_SLICES], ratio[BENCH_SLICES];
    bench_result result = { .slices = 0 };

    while (result.slices < BENCH_SLICES && result.dropped < DROPS_MOST) {
        if (!run_trials(trials, 3, by_wall) && !waits) {
            result.dropped++;
            continue;
        }
        subject[result.slices] = trials[0].ns;
        floor[result.slices] = trials[1].ns;
        ratio[result.slices] = ratio_of(trials);
        result.slices++;
    }
    result.subject = bench_range_of(subject, result.slices);
    result.floor = bench_range_of(floor, result.slices);
    result.ratio = bench_range_of(ratio, result.slices);
    return result;
}

bench_result bench_compare_cost(const bench_side *subject, const bench_side *less,
                                const bench_side *floor)
{
    trial trials[] = { trial_of(subject), trial_of(floor), trial_of(less) };

    return compare(trials, cost, false);
}

bench_result bench_compare_wall(const bench_side *subject, const bench_side *floor)
{
    trial trials[] = { trial_of(subject), trial_of(floor), trial_of(NULL) };

    return compare(trials, cost, true);
}

bench_result bench_compare_speed(const bench_side *subject, const bench_side *floor)
{
    trial trials[] = { trial_of(subject), trial_of(floor), trial_of(NULL) };

    return compare(trials, speed, false);
}

/* the process */

bool bench_open(void)
{
    static unsigned other;
    int first = processor(0);
    int next = processor(1);

    if (first < 0 || next < 0) {
        fprintf(stderr, "bench: two processors are needed\n");
        return false;
    }
    other = (unsigned)next;
    read_steal(&steal_at_open, &ticks_at_open);
    pin((unsigned)first);
    sem_init(&second.go, 0, 0);
    sem_init(&second.done, 0, 0);
    if (pthread_create(&second.thread, NULL, help, &other)) {
        fprintf(stderr, "bench: no second thread\n");
        return false;
    }
    return true;
}

void bench_close(void)
{
    second.loop = NULL;
    sem_post(&second.go);
    pthread_join(second.thread, NULL);
    sem_destroy(&second.go);
    sem_destroy(&second.done);
}
