/* SPDX-License-Identifier: MIT */
/* Sorting the KEEL_ variables: process-wide, a pipeline's, somebody else's. */
#ifndef KEEL_SETTINGS_CONFIG_ENVIRONMENT_H
#define KEEL_SETTINGS_CONFIG_ENVIRONMENT_H

#include "settings/config_process.h"
#include "settings/named_texts.h"

/* The texts of `process` point into the environment that was read. */
typedef struct keel_environment {
    keel_process_variables process;
    keel_named_texts entries;
} keel_environment;

/*
 * out       its entries' memory is set; filled; entries are the caller's to clean up
 * Returns   KEEL_OK, KEEL_E_NOMEM
 */
keel_status keel_environment_read(keel_environment *out, const char *const *environment,
                                  keel_report *report);

/* The process-wide variable that one of another name was most likely meant to be; NULL:
 * none is near. */
const char *keel_environment_nearest(const char *name);

#endif
