/* SPDX-License-Identifier: MIT */
/*
 * Telling what is wrong with settings: counts mistakes apart from lint, keeps the first
 * mistake for the caller's detail, and passes each line on as a warning.
 */
#ifndef KEEL_SETTINGS_REPORT_H
#define KEEL_SETTINGS_REPORT_H

#include "base/detail.h"
#include "base/warnings.h"

/* column 0: all of it; where NULL: what all settings together come to. */
typedef struct keel_spot {
    const char *where; /* "KEEL_PAYMENTS", "keel.conf:3" */
    size_t column;
} keel_spot;

/* One thing that was found, for those to whom a line of text is not enough. */
typedef struct keel_finding {
    bool is_mistake;     /* false: lint */
    const char *subject; /* as in keel_report */
    keel_spot spot;
    const char *message;
} keel_finding;

typedef struct keel_finding_listener {
    void (*fn)(const keel_finding *finding, void *ctx); /* NULL: nobody listens */
    void *ctx;
} keel_finding_listener;

/*
 * warnings  where lines go; NULL: they are only counted
 * listener  hears of the same, before their line is cut
 * subject   said before each line ("payments: "), or ""
 * is_strict  what is wrong is refused: nothing is ignored
 * only      mistakes of another source than this one do not count; NULL: all do
 * anew      the file that was just read again: what was said of its lines before the
 *           warning of number `since` is said again; NULL: none
 * told      mistakes that were not among the warnings kept
 */
typedef struct keel_report {
    keel_warnings *warnings;
    keel_finding_listener listener;
    const char *subject;
    bool is_strict;
    const char *only;
    const char *anew;
    size_t since;
    size_t mistakes;
    char first[KEEL_WARNING_SIZE];
    size_t told;
    char first_told[KEEL_WARNING_SIZE];
} keel_report;

/*
 * A mistake: an error in strict mode. The second says at the end that what is wrong was
 * ignored, where it was. report may be NULL: then nothing is said.
 */
void keel_report_mistake(keel_report *report, keel_spot spot, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void keel_report_ignored(keel_report *report, keel_spot spot, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A doubtful idea: never an error. */
void keel_report_lint(keel_report *report, keel_spot spot, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* KEEL_OK, or with mistakes in strict mode KEEL_E_CONFIG and the first of them. */
keel_status keel_report_verdict(const keel_report *report, bool strict,
                                keel_detail *why);

#endif
