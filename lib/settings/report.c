/* SPDX-License-Identifier: MIT */
/* Collecting what is wrong with settings. */
#include "settings/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what was said before -------------------------------------------------------- */

/* "keel.conf:3" is a line of "keel.conf". */
static bool is_line_of(const char *where, const char *file)
{
    size_t length = strlen(file);

    return where && !strncmp(where, file, length) && where[length] == ':';
}

/* The index of the oldest kept warning that counts as said. */
static size_t said_from(const keel_report *report, const char *where)
{
    size_t total, fallen;

    if (!report->anew || !is_line_of(where, report->anew))
        return 0;
    total = keel_warnings_total(report->warnings);
    fallen = total > KEEL_WARNINGS_KEPT ? total - KEEL_WARNINGS_KEPT : 0;
    return report->since > fallen ? report->since - fallen : 0;
}

/* Reload and reopening look at the same texts again; once is enough for a reader. */
static bool was_said(const keel_report *report, const char *where, const char *line)
{
    char said[KEEL_WARNING_SIZE];

    for (size_t i = said_from(report, where);
         keel_warnings_read(report->warnings, i, said, sizeof said); i++)
        if (!strcmp(said, line))
            return true;
    return false;
}

/* ---- saying it ------------------------------------------------------------------- */

static void write_line(const keel_finding *f, const char *ending,
                       char line[KEEL_WARNING_SIZE])
{
    char column[32] = "";

    if (f->spot.column)
        snprintf(column, sizeof column, " col %zu", f->spot.column);
    snprintf(line, KEEL_WARNING_SIZE, "%s%s%s%s%s%s", f->subject,
             f->spot.where ? f->spot.where : "", column, f->spot.where ? ": " : "",
             f->message, ending);
}

static void count(size_t *counter, char first[KEEL_WARNING_SIZE], const char *line)
{
    if (!(*counter)++)
        memcpy(first, line, KEEL_WARNING_SIZE);
}

/* A question has its own mark. */
static const char *ending_of(const char *message)
{
    size_t length = strlen(message);

    return length && message[length - 1] == '?' ? " ignored" : "; ignored";
}

/* What explains a refusal is said plainly: then nothing was ignored. */
static void tell(keel_report *report, const keel_finding *f, const char *ending)
{
    char plain[KEEL_WARNING_SIZE], line[KEEL_WARNING_SIZE];

    write_line(f, "", plain);
    write_line(f, report->is_strict ? "" : ending, line);
    if (f->is_mistake)
        count(&report->mistakes, report->first, plain);
    if (!report->warnings || was_said(report, f->spot.where, line))
        return;
    keel_warn(report->warnings, "%s", line);
    if (f->is_mistake)
        count(&report->told, report->first_told, plain);
    if (report->listener.fn)
        report->listener.fn(f, report->listener.ctx);
}

static bool is_wanted(const keel_report *report, keel_spot spot)
{
    return report &&
           (!report->only || (spot.where && strcmp(spot.where, report->only) == 0));
}

typedef enum finding_kind { MISTAKE, IGNORED_MISTAKE, LINT } finding_kind;

static void __attribute__((format(printf, 4, 0)))
find(keel_report *report, finding_kind kind, keel_spot spot, const char *format,
     va_list args)
{
    char message[KEEL_WARNING_SIZE];

    if (!is_wanted(report, spot))
        return;
    vsnprintf(message, sizeof message, format, args);
    tell(report, &(keel_finding){ kind != LINT, report->subject, spot, message },
         kind == IGNORED_MISTAKE ? ending_of(message) : "");
}

void keel_report_mistake(keel_report *report, keel_spot spot, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    find(report, MISTAKE, spot, format, args);
    va_end(args);
}

void keel_report_ignored(keel_report *report, keel_spot spot, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    find(report, IGNORED_MISTAKE, spot, format, args);
    va_end(args);
}

void keel_report_lint(keel_report *report, keel_spot spot, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    find(report, LINT, spot, format, args);
    va_end(args);
}

keel_status keel_report_verdict(const keel_report *report, bool strict,
                                keel_detail *why)
{
    if (strict && report->mistakes)
        return keel_failf(why, KEEL_E_CONFIG, "%s", report->first);
    return keel_succeed(why);
}
