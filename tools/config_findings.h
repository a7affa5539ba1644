/* SPDX-License-Identifier: MIT */
/* What `keel config check` found, kept to be printed for programs. */
#ifndef KEEL_TOOLS_CONFIG_FINDINGS_H
#define KEEL_TOOLS_CONFIG_FINDINGS_H

#include <stdio.h>

#include "settings/report.h"

typedef struct keel_kept_finding keel_kept_finding;

/* Begins as all zero. */
typedef struct keel_findings {
    keel_kept_finding *kept;
    size_t count;
    size_t room;
    bool is_out_of_memory;
} keel_findings;

/* To listen with; ctx is a keel_findings. */
void keel_findings_add(const keel_finding *finding, void *ctx);
void keel_findings_cleanup(keel_findings *findings);

/* One JSON object. path: of the file that was read, NULL: none. */
void keel_findings_print(const keel_findings *findings, const char *path, FILE *out);

#endif
