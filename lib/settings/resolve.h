/* SPDX-License-Identifier: MIT */
/*
 * From settled layers to the numbers the policies run on, to the lines of `keel config
 * explain`, and to the doubts a reader should hear of.
 */
#ifndef KEEL_SETTINGS_RESOLVE_H
#define KEEL_SETTINGS_RESOLVE_H

#include "settings/config.h"
#include "settings/layers.h"

void keel_resolve(const keel_layers *layers, keel_policy *out);

/* KEEL_OK, KEEL_E_NOMEM. */
keel_status keel_explain(const keel_layers *layers, const keel_allocator *memory,
                         keel_explanation *out);

/* Arithmetic that cannot be meant, as lint. What nobody named is never told of. */
void keel_lint(const keel_layers *layers, const keel_policy *policy,
               keel_report *report);

#endif
