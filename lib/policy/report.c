/* SPDX-License-Identifier: MIT */
/* Collecting what is wrong with settings. */
#include "policy/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Reload and reopening look at the same texts again; once is enough for a reader. */
static bool was_said(keel_warnings *warnings, const char *line)
{
    char said[KEEL_WARNING_SIZE];

    for (size_t i = 0; keel_warnings_read(warnings, i, said, sizeof said); i++)
        if (!strcmp(said, line))
            return true;
    return false;
}

static void say(keel_report *report, const char *line)
{
    if (!report->warnings)
        return;
    if (report->repeat || !was_said(report->warnings, line))
        keel_warn(report->warnings, "%s", line);
}

static void format_line(const keel_report *report, char line[KEEL_WARNING_SIZE],
                        const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void format_line(const keel_report *report, char line[KEEL_WARNING_SIZE],
                        const char *format, va_list args)
{
    int at = snprintf(line, KEEL_WARNING_SIZE, "%s", report->subject);

    if (at >= 0 && at < KEEL_WARNING_SIZE)
        vsnprintf(line + at, (size_t)(KEEL_WARNING_SIZE - at), format, args);
}

/*
 * The first mistake is what a refusal is explained with, and then nothing was ignored:
 * everything was refused.
 */
static void keep_first(keel_report *report, const char line[KEEL_WARNING_SIZE])
{
    static const char ignored[] = "; ignored";
    size_t length = strlen(line);

    memcpy(report->first, line, KEEL_WARNING_SIZE);
    if (length >= sizeof ignored &&
        strcmp(line + length - (sizeof ignored - 1), ignored) == 0)
        report->first[length - (sizeof ignored - 1)] = '\0';
}

void keel_report_mistake(keel_report *report, const char *format, ...)
{
    char line[KEEL_WARNING_SIZE];
    va_list args;

    if (!report)
        return;
    va_start(args, format);
    format_line(report, line, format, args);
    va_end(args);
    if (!report->mistakes++)
        keep_first(report, line);
    say(report, line);
}

void keel_report_lint(keel_report *report, const char *format, ...)
{
    char line[KEEL_WARNING_SIZE];
    va_list args;

    if (!report)
        return;
    va_start(args, format);
    format_line(report, line, format, args);
    va_end(args);
    say(report, line);
}

keel_status keel_report_verdict(const keel_report *report, bool strict,
                                keel_detail *why)
{
    if (strict && report->mistakes)
        return keel_failf(why, KEEL_E_CONFIG, "%s", report->first);
    return keel_succeed(why);
}
