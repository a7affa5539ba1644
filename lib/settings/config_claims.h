/* SPDX-License-Identifier: MIT */
/*
 * The names of pipelines that were opened, and what is to be said of texts that belong
 * to none of them. Reads no text's settings.
 */
#ifndef KEEL_SETTINGS_CONFIG_CLAIMS_H
#define KEEL_SETTINGS_CONFIG_CLAIMS_H

#include "settings/named_texts.h"

typedef struct keel_claim keel_claim;

/* Begins as all zero, but for memory. */
typedef struct keel_claims {
    const keel_allocator *memory;
    keel_claim *first;
} keel_claims;

/* As keel_config_claim. */
keel_status keel_claims_add(keel_claims *claims, const char *name, keel_detail *why);
void keel_claims_cleanup(keel_claims *claims);

/* Reports those that nobody claimed, with what may have been meant. */
void keel_claims_warn_of_rest(const keel_claims *claims,
                              const keel_named_texts *entries, bool are_variables,
                              keel_report *report);

/* As keel_config_warn_of_slips. */
void keel_claims_warn_of_slips(const keel_claims *claims,
                               const keel_named_texts *variables, const char *name,
                               keel_report *report);

/* As keel_config_guess_name, among these. */
bool keel_claims_guess(const keel_claims *claims, const keel_named_texts *entries,
                       char *name, size_t size);

#endif
