/* SPDX-License-Identifier: MIT */
/* The table of SQLite's codes. Whether a write was applied is the transaction's to say. */
#include "failure.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static keel_status waited_status(const keel_sqlite_failure *f)
{
    if (f->is_cancelled)
        return KEEL_CANCELLED;
    return f->is_late ? KEEL_DEADLINE : KEEL_FAILED;
}

static keel_status status_of(const keel_sqlite_failure *f)
{
    switch (f->code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
        return waited_status(f);
    case SQLITE_READONLY:
        return KEEL_READ_ONLY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return KEEL_CORRUPT;
    case SQLITE_NOMEM:
        return KEEL_E_NOMEM;
    case SQLITE_TOOBIG:
        return KEEL_E_TOO_LARGE;
    default:
        return KEEL_FAILED;
    }
}

static const char *sentence_of(const keel_sqlite_failure *f, keel_status status)
{
    if (status == KEEL_CANCELLED)
        return "cancelled by the caller";
    if (status == KEEL_DEADLINE)
        return (f->code & 0xff) == SQLITE_INTERRUPT
                   ? "it was not done by the deadline"
                   : "the database was locked by others until the deadline";
    if (f->code == SQLITE_MISMATCH)
        return "the file is of another version of keel, or no bag";
    return sqlite3_errstr(f->code);
}

keel_status keel_sqlite_failure_tell(const keel_sqlite_failure *f, keel_detail *why)
{
    keel_status status = status_of(f);
    int system_errno = f->code == SQLITE_FULL ? ENOSPC : f->system_errno;

    keel_bag_fail(why, status, f->applied, f->path, "%s%s%s (SQLite's code %d)",
                  sentence_of(f, status), system_errno ? ": " : "",
                  system_errno ? strerrordesc_np(system_errno) : "", f->code);
    if (why && why->size > offsetof(keel_detail, system_errno))
        why->system_errno = system_errno;
    return status;
}
