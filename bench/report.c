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
    printf("%-46s %9s %19s  %-22s %8s %6s %14s %7s\n", "figure", "median", "min..max",
           "against", "floor", "ratio", "min..max", "goal");
}

void bench_report_end(void)
{
    printf("\nstolen by other guests meanwhile: %.1f %%\n\n", bench_steal_percent());
}

static const char *verdict(const bench_line *line)
{
    bool met = line->kind == BENCH_SPEED ? line->ratio.median >= line->goal
                                         : line->ratio.median <= line->goal;

    if (line->kind == BENCH_SHOWN)
        return "";
    if (line->slices && line->slices < BENCH_SLICES_LEAST)
        return "inconclusive";
    return met ? "met" : "NOT MET";
}

static void print_row(const bench_line *line)
{
    char range[32], ratios[32], goal[16] = "";

    snprintf(range, sizeof range, "%.1f..%.1f", line->value.min, line->value.max);
    snprintf(ratios, sizeof ratios, "%.2f..%.2f", line->ratio.min, line->ratio.max);
    if (line->kind != BENCH_SHOWN)
        snprintf(goal, sizeof goal, "%s%.2f",
                 line->kind == BENCH_SPEED ? ">=" : "<=", line->goal);
    printf("%-46s %6.1f %-2s %19s  %-22s %8.1f %6.2f %14s %7s %s\n", line->name,
           line->value.median, line->unit, range, line->floor_name, line->floor,
           line->ratio.median, ratios, goal, verdict(line));
    fflush(stdout);
}

static void append_json(const bench_line *line)
{
    const char *path = getenv("BENCH_JSON");
    FILE *file = path && *path ? fopen(path, "ae") : NULL;

    if (!file)
        return;
    fprintf(file,
            "{\"name\": \"%s\", \"median\": %.3f, \"min\": %.3f, \"max\": %.3f, "
            "\"unit\": \"%s\", \"against\": \"%s\", \"floor\": %.3f, \"ratio\": %.4f",
            line->name, line->value.median, line->value.min, line->value.max,
            line->unit, line->floor_name, line->floor, line->ratio.median);
    if (line->kind == BENCH_SHOWN)
        fprintf(file, ", \"goal\": null}\n");
    else
        fprintf(file, ", \"goal\": \"%s %.2f\", \"verdict\": \"%s\"}\n",
                line->kind == BENCH_SPEED ? ">=" : "<=", line->goal, verdict(line));
    fclose(file);
}

void bench_report_line(const bench_line *line)
{
    print_row(line);
    append_json(line);
}

double bench_report(const bench_figure *figure)
{
    const bench_side *less = figure->less.loop ? &figure->less : NULL;
    bench_result result =
        figure->kind == BENCH_SPEED
            ? bench_compare_speed(&figure->subject, &figure->floor)
            : bench_compare_cost(&figure->subject, less, &figure->floor);
    bench_line line = { .name = figure->name,
                        .kind = figure->kind,
                        .goal = figure->goal,
                        .floor_name = figure->floor_name,
                        .unit = "ns",
                        .value = result.subject,
                        .floor = result.floor.median,
                        .ratio = result.ratio,
                        .slices = result.slices };

    /* none at all is inconclusive too */
    line.slices = result.slices ? result.slices : 1;
    bench_report_line(&line);
    return result.ratio.median;
}
