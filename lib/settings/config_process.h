/* SPDX-License-Identifier: MIT */
/* Reading the process-wide variables: KEEL_LOG, KEEL_BOARD and their kind. */
#ifndef KEEL_SETTINGS_CONFIG_PROCESS_H
#define KEEL_SETTINGS_CONFIG_PROCESS_H

#include "base/text.h"
#include "settings/config.h"

/* Texts are the caller's own values, not copies. config_file NULL: none is named. */
typedef struct keel_process_variables {
    keel_process_settings settings;
    const char *config_file;
    unsigned seen; /* a bit for each variable */
} keel_process_variables;

/* What holds where none is set. */
keel_process_variables keel_process_defaults(void);

/* False: `name` is not one of them. */
bool keel_process_take(keel_process_variables *out, const char *name, const char *value,
                       keel_report *report);

/* The one that another name, without KEEL_, was most likely meant to be; NULL: none is
 * near. */
const char *keel_process_nearest(keel_text own);

#endif
