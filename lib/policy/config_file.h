/* SPDX-License-Identifier: MIT */
/* Reading KEEL_CONFIG_FILE: lines of NAME=settings, "#" begins a comment. */
#ifndef KEEL_POLICY_CONFIG_FILE_H
#define KEEL_POLICY_CONFIG_FILE_H

#include "policy/named_texts.h"

enum { KEEL_CONFIG_FILE_MAX = 1 << 20 };

/*
 * Reads the file and tells what is wrong with its lines, those of unknown pipelines
 * included. The entries are the caller's to clean up, whatever is returned.
 * Returns  KEEL_OK
 *          KEEL_E_CONFIG  it cannot be read: a mistake was reported; entries is empty
 *          KEEL_E_NOMEM
 */
keel_status keel_config_file_read(keel_named_texts *entries, const char *path,
                                  bool chaos_allowed, keel_report *report);

/* The same for its contents. `text` is NUL-terminated. */
keel_status keel_config_file_parse(keel_named_texts *entries, const char *path,
                                   const char *text, bool chaos_allowed,
                                   keel_report *report);

#endif
