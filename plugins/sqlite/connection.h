/* SPDX-License-Identifier: MIT */
/*
 * One connection to the database file: its statements, prepared once, and the deadline of
 * whoever uses it. Knows no verb.
 */
#ifndef KEEL_PLUGINS_SQLITE_CONNECTION_H
#define KEEL_PLUGINS_SQLITE_CONNECTION_H

#include <keel/keel.h>

#include "failure.h"

/* How much of a commit is on the disk when it returns; in the order of sync=. */
typedef enum keel_sqlite_sync { SYNC_FULL, SYNC_NORMAL, SYNC_OFF } keel_sqlite_sync;

typedef enum keel_sqlite_statement {
    SQL_BEGIN_READ,
    SQL_BEGIN_WRITE,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_FIND,
    SQL_PUT,
    SQL_APPEND,
    SQL_PREPEND,
    SQL_COUNT,
    SQL_TOUCH,
    SQL_DELETE,
    SQL_DELETE_ALL,
    SQL_SWEEP,
    SQL_KEYS,
    SQL_TOKENS,
    SQL_STATEMENTS
} keel_sqlite_statement;

/*
 * What all connections of a store have in common. may_make: while the store is opened;
 * a file that is gone later is missing, and no empty one
 */
typedef struct keel_sqlite_file {
    keel_runtime *runtime;
    const char *path; /* of the bag in its tree, for texts */
    const char *name; /* of the file */
    keel_sqlite_sync sync;
    bool may_make;
} keel_sqlite_file;

/*
 * is_ready    it is open, and its statements are prepared
 * until_ns, cancel  of the use that is under way
 * is_settling a transaction is being ended: nothing may interrupt that
 * token, token_end  numbers reserved for tokens: the next, and behind the last
 * writes      since it was opened
 */
typedef struct keel_sqlite_connection {
    const keel_sqlite_file *file;
    sqlite3 *db;
    bool is_ready;
    sqlite3_stmt *statements[SQL_STATEMENTS];
    uint64_t until_ns;
    const keel_cancel *cancel;
    bool is_settling;
    int settling_errno; /* of the system, where that failed */
    uint64_t token, token_end;
    uint64_t writes;
} keel_sqlite_connection;

/* Begins a use of it: opens it where it is not, or its file is another one by now. */
int keel_sqlite_connection_begin(keel_sqlite_connection *c, uint64_t until_ns,
                                 const keel_cancel *cancel);
void keel_sqlite_connection_close(keel_sqlite_connection *c);

/* A short wait while others hold a lock, the longer the oftener; false: no time is left. */
bool keel_sqlite_connection_wait(const keel_sqlite_connection *c, int times);

/* Whether the use that is under way has to end. */
bool keel_sqlite_connection_is_over(const keel_sqlite_connection *c);

/*
 * Prepares to run a statement anew, after which it is bound; the bound bytes are borrowed
 * until keel_sqlite_rewind.
 */
sqlite3_stmt *keel_sqlite_statement_of(keel_sqlite_connection *c,
                                       keel_sqlite_statement which);
/* SQLITE_OK: it has run and has no rows left; it may be run again. */
int keel_sqlite_run(sqlite3_stmt *statement);
/* The same for SQL_COMMIT and SQL_ROLLBACK, which no deadline interrupts. */
int keel_sqlite_settle(keel_sqlite_connection *c, keel_sqlite_statement which);
/* Ends it, whatever it was at, and lets go of what was bound. */
void keel_sqlite_rewind(sqlite3_stmt *statement);

/* Bytes, also none: an empty value is not NULL. */
int keel_sqlite_bind_bytes(sqlite3_stmt *statement, int at, keel_bytes bytes);

/* The failure of a code, with nothing applied yet. */
keel_sqlite_failure keel_sqlite_failure_of(const keel_sqlite_connection *c, int code);

#endif
