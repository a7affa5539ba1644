/* SPDX-License-Identifier: MIT */
/* Sorting the KEEL_ variables: process-wide, a pipeline's, somebody else's. */
#ifndef KEEL_SETTINGS_CONFIG_ENVIRONMENT_H
#define KEEL_SETTINGS_CONFIG_ENVIRONMENT_H

#include "settings/config.h"
#include "settings/named_texts.h"

/* config_file points into `environment` and is NULL where none is named. */
typedef struct keel_environment {
    keel_process_settings process;
    unsigned seen; /* process-wide variables, a bit each */
    const char *config_file;
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

/* Letters of ASCII only, whatever the locale; cut to size. */
void keel_lower_case(char *to, size_t size, const char *from);

#endif
