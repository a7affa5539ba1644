/* SPDX-License-Identifier: MIT */
/* Reading a configuration file: lines of NAME=settings, "#" begins a comment. */
#ifndef KEEL_SETTINGS_CONFIG_FILE_H
#define KEEL_SETTINGS_CONFIG_FILE_H

#include "settings/named_texts.h"

enum { KEEL_CONFIG_FILE_MAX = 1 << 20, KEEL_CONFIG_PATH_SIZE = 64 };

/*
 * A path as messages show it: its end if it is long, and a question mark for what would
 * break a line or colour a terminal.
 */
const char *keel_config_file_shown(char to[KEEL_CONFIG_PATH_SIZE], const char *path);

/*
 * Reads the file and tells what is wrong with its lines, those of unknown pipelines
 * included. The entries are the caller's to clean up, whatever is returned.
 *
 * named_by  the variable that holds the path, blamed if it cannot be read; NULL: none
 * Returns  KEEL_OK
 *          KEEL_E_CONFIG  it cannot be read: a mistake was reported; entries is empty
 *          KEEL_E_NOMEM
 */
keel_status keel_config_file_read(keel_named_texts *entries, const char *path,
                                  const char *named_by, bool chaos_allowed,
                                  keel_report *report);

/* The same for its contents. `text` is NUL-terminated. */
keel_status keel_config_file_parse(keel_named_texts *entries, const char *path,
                                   const char *text, bool chaos_allowed,
                                   keel_report *report);

#endif
