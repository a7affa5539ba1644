/* SPDX-License-Identifier: MIT */
/* The table for people and the lines for machines. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static void print_processor(void)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "model name", 10) == 0) {
            printf("%s", line);
            break;
        }
    if (file)
        fclose(file);
}

void bench_report_begin(const char *title)
{
    struct utsname system;
    struct timespec tick = { 0, 0 };

    printf("== %s ==\n", title);
    print_processor();
    if (uname(&system) == 0)
        printf("kernel     : %s %s\n", system.release, system.machine);
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    printf("coarse tick: %.1f ms; %d slices, medians; U, V: one precise, coarse clock "
           "read and one atomic add\n\n",
           (double)tick.tv_nsec / 1e6, BENCH_SLICES);
    printf("%-44s %9s %19s  %-21s %9s %6s %13s %7s\n", "figure", "median ns",
           "min..max", "against", "ns", "ratio", "min..max", "goal");
}

void bench_report_end(void)
{
    printf("\nstolen by other guests meanwhile: %.1f %%\n\n", bench_steal_percent());
}

static const char *verdict(const bench_figure *figure, const bench_result *result)
{
    bool met = figure->kind == BENCH_SPEED ? result->ratio.median >= figure->goal
                                           : result->ratio.median <= figure->goal;

    if (figure->goal == 0)
        return "";
    if (result->slices < BENCH_SLICES_LEAST)
        return "inconclusive";
    return met ? "met" : "NOT MET";
}

static void print_row(const bench_figure *figure, const bench_result *result)
{
    char range[32], ratios[32], goal[16] = "";

    snprintf(range, sizeof range, "%.1f..%.1f", result->subject.min,
             result->subject.max);
    snprintf(ratios, sizeof ratios, "%.2f..%.2f", result->ratio.min, result->ratio.max);
    if (figure->goal != 0)
        snprintf(goal, sizeof goal, "%s%.2f",
                 figure->kind == BENCH_SPEED ? ">=" : "<=", figure->goal);
    printf("%-44s %9.1f %19s  %-21s %9.1f %6.2f %13s %7s %s\n", figure->name,
           result->subject.median, range, figure->floor_name, result->floor.median,
           result->ratio.median, ratios, goal, verdict(figure, result));
    fflush(stdout);
}

static void append_json(const bench_figure *figure, const bench_result *result)
{
    const char *path = getenv("BENCH_JSON");
    FILE *file = path && *path ? fopen(path, "ae") : NULL;
    char goal[32] = "null";

    if (!file)
        return;
    if (figure->goal != 0)
        snprintf(goal, sizeof goal, "%.2f", figure->goal);
    fprintf(file,
            "{\"name\": \"%s\", \"median\": %.3f, \"min\": %.3f, \"max\": %.3f, "
            "\"unit\": \"ns\", \"against\": \"%s\", \"floor\": %.3f, \"ratio\": %.4f, "
            "\"goal\": %s, \"goal_is_least\": %s, \"verdict\": \"%s\"}\n",
            figure->name, result->subject.median, result->subject.min,
            result->subject.max, figure->floor_name, result->floor.median,
            result->ratio.median, goal, figure->kind == BENCH_SPEED ? "true" : "false",
            verdict(figure, result));
    fclose(file);
}

static bench_result measure(const bench_figure *figure)
{
    switch (figure->kind) {
    case BENCH_SPEED:
        return bench_compare_speed(&figure->subject, &figure->floor);
    case BENCH_WALL:
        return bench_compare_wall(&figure->subject, &figure->floor);
    default:
        return bench_compare_cost(&figure->subject, NULL, &figure->floor);
    }
}

static void print(const bench_figure *figure, const bench_result *result)
{
    print_row(figure, result);
    append_json(figure, result);
}

double bench_report(const bench_figure *figure)
{
    bench_result result = measure(figure);

    print(figure, &result);
    return result.ratio.median;
}

void bench_report_all(const bench_figure *figures, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bench_report(&figures[i]);
}

void bench_report_share(const bench_figure *figure, const bench_side *less)
{
    bench_result result = bench_compare_cost(&figure->subject, less, &figure->floor);

    print(figure, &result);
}
