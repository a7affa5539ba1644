/* SPDX-License-Identifier: MIT */
/*
 * Opening a database and keeping to deadlines. A wait for others' locks and a statement
 * that runs long both end at the deadline or with the cancel token; a disk that hangs in
 * a system call cannot be interrupted by anybody.
 */
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "schema.h"

enum { OPS_BETWEEN_LOOKS = 1000 };

/* ---- deadlines ----------------------------------------------------------------------- */

bool keel_sqlite_connection_is_over(const keel_sqlite_connection *c)
{
    return keel_now(c->file->runtime) >= c->until_ns ||
           (c->cancel && keel_cancel_fired(c->cancel));
}

/* Called every so many steps of a statement; not 0: it ends. */
static int look_at_clock(void *ctx)
{
    const keel_sqlite_connection *c = ctx;

    return !c->is_settling && keel_sqlite_connection_is_over(c);
}

/* 0.1 ms at first, 5 ms at most. */
bool keel_sqlite_connection_wait(const keel_sqlite_connection *c, int times)
{
    long ns = times < 6 ? 100000L << times : 5000000;

    if (keel_sqlite_connection_is_over(c))
        return false;
    nanosleep(&(struct timespec){ 0, ns }, NULL);
    return true;
}

/* Called while others hold a lock; 0: no longer. */
static int wait_for_lock(void *ctx, int times)
{
    return keel_sqlite_connection_wait(ctx, times);
}

/* ---- opening ------------------------------------------------------------------------- */

/*
 * SQLite would let everybody read a file that it makes. Not by open and close: closing a
 * file lets go of all locks that the process has on it, also of a connection's.
 */
static void make_private(const char *name)
{
    (void)mknod(name, S_IFREG | 0600, 0);
}

static int prepare_all(keel_sqlite_connection *c)
{
    int code = SQLITE_OK;

    for (size_t i = 0; i < SQL_STATEMENTS && code == SQLITE_OK; i++)
        code = sqlite3_prepare_v3(c->db, keel_sqlite_texts[i], -1,
                                  SQLITE_PREPARE_PERSISTENT, &c->statements[i], NULL);
    return code;
}

static int set_up(keel_sqlite_connection *c)
{
    static const char *const sync[] = { [SYNC_FULL] = "PRAGMA synchronous=FULL",
                                        [SYNC_NORMAL] = "PRAGMA synchronous=NORMAL",
                                        [SYNC_OFF] = "PRAGMA synchronous=OFF" };
    int code;

    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_handler(c->db, wait_for_lock, c);
    sqlite3_progress_handler(c->db, OPS_BETWEEN_LOOKS, look_at_clock, c);
    code = sqlite3_exec(c->db, "PRAGMA trusted_schema=OFF", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(c->db, sync[c->file->sync], NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = keel_sqlite_schema_make(c);
    return code == SQLITE_OK ? prepare_all(c) : code;
}

static int open_file(keel_sqlite_connection *c)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int code;

    if (c->file->may_make) {
        make_private(c->file->name);
        flags |= SQLITE_OPEN_CREATE;
    }
    code = sqlite3_open_v2(c->file->name, &c->db, flags, NULL);
    if (code == SQLITE_OK)
        code = set_up(c);
    c->is_ready = code == SQLITE_OK;
    return code;
}

/* Somebody has put another file in its place, as when a backup is restored. */
static bool is_moved(keel_sqlite_connection *c)
{
    int moved = 0;

    return sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) ==
               SQLITE_OK &&
           moved;
}

int keel_sqlite_connection_begin(keel_sqlite_connection *c, uint64_t until_ns,
                                 const keel_cancel *cancel)
{
    c->until_ns = until_ns;
    c->cancel = cancel;
    c->settling_errno = 0;
    if (c->is_ready && is_moved(c))
        keel_sqlite_connection_close(c);
    return c->is_ready ? SQLITE_OK : open_file(c);
}

void keel_sqlite_connection_close(keel_sqlite_connection *c)
{
    for (size_t i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_finalize(c->statements[i]);
        c->statements[i] = NULL;
    }
    sqlite3_close_v2(c->db);
    c->db = NULL;
    c->is_ready = false;
    c->token = c->token_end = 0;
    c->is_settling = false;
}

/* ---- statements ---------------------------------------------------------------------- */

sqlite3_stmt *keel_sqlite_statement_of(keel_sqlite_connection *c,
                                       keel_sqlite_statement which)
{
    return c->statements[which];
}

void keel_sqlite_rewind(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

int keel_sqlite_run(sqlite3_stmt *statement)
{
    int code;

    do
        code = sqlite3_step(statement);
    while (code == SQLITE_ROW);
    keel_sqlite_rewind(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int keel_sqlite_settle(keel_sqlite_connection *c, keel_sqlite_statement which)
{
    int code;

    c->is_settling = true;
    errno = 0;
    code = keel_sqlite_run(keel_sqlite_statement_of(c, which));
    if (code != SQLITE_OK)
        c->settling_errno = errno; /* which SQLite does not keep of a commit */
    c->is_settling = false;
    return code;
}

int keel_sqlite_bind_bytes(sqlite3_stmt *statement, int at, keel_bytes bytes)
{
    if (!bytes.length)
        return sqlite3_bind_zeroblob(statement, at, 0);
    return sqlite3_bind_blob64(statement, at, bytes.at, bytes.length, SQLITE_STATIC);
}

/* What the system said is kept by SQLite until it says something else. */
static int system_errno_of(const keel_sqlite_connection *c, int code)
{
    bool is_of_system =
        (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;

    if (!c->db || !is_of_system)
        return 0;
    return c->settling_errno ? c->settling_errno : sqlite3_system_errno(c->db);
}

keel_sqlite_failure keel_sqlite_failure_of(const keel_sqlite_connection *c, int code)
{
    return (keel_sqlite_failure){
        .path = c->file->path,
        .code = code,
        .system_errno = system_errno_of(c, code),
        .applied = KEEL_APPLIED_NO,
        .is_late = keel_now(c->file->runtime) >= c->until_ns,
        .is_cancelled = c->cancel && keel_cancel_fired(c->cancel),
    };
}
