/* SPDX-License-Identifier: MIT */
/*
 * All SQL there is. Items are found by the bytes of their keys in one b-tree; e is when
 * they expire, in ms since 1970, 0: never; c their token, n the nonce of their last write.
 */
#include "schema.h"

/* Of the tables. */
#define TABLES_VERSION 1

#define TEXT_(number) #number
#define TEXT(number) TEXT_(number)

#define LIVE "(e = 0 OR e > ?2)"

const char *const keel_sqlite_texts[SQL_STATEMENTS] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_FIND] = "SELECT v, f, e, c, n FROM keel_bag WHERE k = ?1 AND " LIVE,
    [SQL_PUT] =
        "INSERT INTO keel_bag (k, v, f, e, c, n) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
        "ON CONFLICT (k) DO UPDATE SET v = excluded.v, f = excluded.f, "
        "e = excluded.e, c = excluded.c, n = excluded.n",
    /* without the cast the value would become a text */
    [SQL_APPEND] = "UPDATE keel_bag SET v = CAST(v || ?2 AS BLOB), c = ?3, n = ?4 "
                   "WHERE k = ?1",
    [SQL_PREPEND] = "UPDATE keel_bag SET v = CAST(?2 || v AS BLOB), c = ?3, n = ?4 "
                    "WHERE k = ?1",
    [SQL_COUNT] = "UPDATE keel_bag SET v = ?2, c = ?3, n = ?4 WHERE k = ?1",
    [SQL_TOUCH] = "UPDATE keel_bag SET e = ?2 WHERE k = ?1",
    [SQL_DELETE] = "DELETE FROM keel_bag WHERE k = ?1",
    [SQL_DELETE_ALL] = "DELETE FROM keel_bag",
    [SQL_SWEEP] = "DELETE FROM keel_bag WHERE k IN "
                  "(SELECT k FROM keel_bag WHERE e <> 0 AND e <= ?1 LIMIT 128)",
    [SQL_KEYS] = "SELECT k FROM keel_bag WHERE k > ?1 AND " LIVE " ORDER BY k LIMIT ?3",
    [SQL_TOKENS] = "UPDATE keel_bag_tokens SET next = next + " TEXT(
        KEEL_SQLITE_TOKENS_AT_ONCE) " RETURNING next",
};

/* The first token differs from file to file, or a copy that was begun anew could have a
 * token of before. */
static const char tables[] =
    "CREATE TABLE IF NOT EXISTS keel_bag ("
    " k BLOB NOT NULL PRIMARY KEY, v BLOB NOT NULL, f INTEGER NOT NULL,"
    " e INTEGER NOT NULL, c INTEGER NOT NULL, n INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS keel_bag_expiry ON keel_bag (e) WHERE e <> 0;"
    "CREATE TABLE IF NOT EXISTS keel_bag_tokens ("
    " one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO keel_bag_tokens VALUES (1, abs(random() / 4));"
    "PRAGMA user_version = " TEXT(TABLES_VERSION) ";";

static int ask_version(keel_sqlite_connection *c, int *version)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(c->db, "PRAGMA user_version", -1, &statement, NULL);

    *version = 0;
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        *version = code == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* Of several processes that begin at once one makes the tables, and the others see it. */
static int make_tables(keel_sqlite_connection *c)
{
    int code = sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    if (code != SQLITE_OK)
        return code;
    code = sqlite3_exec(c->db, tables, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

/* Where two do this at once, SQLite tells one of them that it is busy without a wait. */
static int use_log(keel_sqlite_connection *c)
{
    int code, times = 0;

    do
        code = sqlite3_exec(c->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
    while ((code & 0xff) == SQLITE_BUSY && keel_sqlite_connection_wait(c, times++));
    return code;
}

int keel_sqlite_schema_make(keel_sqlite_connection *c)
{
    int version = 0, code = use_log(c);

    if (code == SQLITE_OK)
        code = ask_version(c, &version);
    if (code != SQLITE_OK || version == TABLES_VERSION)
        return code;
    return version ? SQLITE_MISMATCH : make_tables(c);
}
