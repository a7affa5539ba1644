/* SPDX-License-Identifier: MIT */
/*
 * Telling what is wrong with settings: counts mistakes apart from lint, keeps the first
 * mistake for the caller's detail, and passes each line on as a warning.
 */
#ifndef KEEL_POLICY_REPORT_H
#define KEEL_POLICY_REPORT_H

#include "base/detail.h"
#include "base/warnings.h"

/*
 * warnings  where lines go; NULL: they are only counted
 * subject   said before each line ("payments: "), or ""
 * repeat    say a line again although it is among the warnings kept
 */
typedef struct keel_report {
    keel_warnings *warnings;
    const char *subject;
    bool repeat;
    size_t mistakes;
    char first[KEEL_WARNING_SIZE];
} keel_report;

/* A mistake: an error in strict mode. report may be NULL: then nothing is said. */
void keel_report_mistake(keel_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A doubtful idea: never an error. */
void keel_report_lint(keel_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* KEEL_OK, or with mistakes in strict mode KEEL_E_CONFIG and the first of them. */
keel_status keel_report_verdict(const keel_report *report, bool strict,
                                keel_detail *why);

#endif
