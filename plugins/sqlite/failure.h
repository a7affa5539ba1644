/* SPDX-License-Identifier: MIT */
/* What SQLite's codes mean to who calls a bag. */
#ifndef KEEL_PLUGINS_SQLITE_FAILURE_H
#define KEEL_PLUGINS_SQLITE_FAILURE_H

#include <keel/bag_plugin.h>
#include <sqlite3.h>

/* is_late, is_cancelled: why SQLite may have been interrupted, or has not waited on */
typedef struct keel_sqlite_failure {
    const char *path;
    int code; /* SQLite's extended one */
    int system_errno;
    keel_applied applied;
    bool is_late;
    bool is_cancelled;
} keel_sqlite_failure;

/* Returns the status, having filled in why. */
keel_status keel_sqlite_failure_tell(const keel_sqlite_failure *f, keel_detail *why);

#endif
