/* SPDX-License-Identifier: MIT */
/*
 * All SQL there is. Items are found by the bytes of their keys; e is when they expire, in
 * ms since 1970 by the clocks of those who ask, 0: never; c is their token, which is the
 * nonce of their last write.
 *
 * Each verb is one statement that is its own transaction, so that no answer is waited for
 * with a lock held, and a statement that fails has changed nothing. The number of rows
 * that it says to have changed tells whether its condition was met: a new token makes
 * every change one.
 */
#include "schema.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIVE "(e = 0 OR e > $n)"
#define INSERT "INSERT INTO $t (k, v, f, e, c) VALUES ($k, $v, $f, "

/* A number as keel_bag_number_read has it: digits, then blanks, and no more than 64 bits. */
#define DIGITS "TRIM(TRAILING ' ' FROM v)"
#define SIGNIFICANT "TRIM(LEADING '0' FROM " DIGITS ")"
#define IS_NUMBER                                                                      \
    DIGITS " <> '' AND CONVERT(" DIGITS " USING latin1) NOT REGEXP '[^0-9]'"           \
           " AND (LENGTH(" SIGNIFICANT ") < 20 OR (LENGTH(" SIGNIFICANT ") = 20"       \
           " AND " SIGNIFICANT " <= _binary'18446744073709551615'))"
#define NUMBER "CAST(CONVERT(" DIGITS " USING latin1) AS UNSIGNED)"
#define ROOM "(18446744073709551615 - $b)" /* below the largest */

/* The number comes back with the answer, as if it were a row's that was inserted. */
#define COUNT_AS(number)                                                               \
    "UPDATE $t SET v = LAST_INSERT_ID(CAST(" number                                    \
    " AS UNSIGNED)), c = $c WHERE k = $k AND " LIVE " AND " IS_NUMBER

const keel_mysql_pattern keel_mysql_patterns[SQL_TEXTS] = {
    [SQL_FIND] = { 4, "SELECT v, f, e, c FROM $t WHERE k = $k AND " LIVE },
    [SQL_FIND_MANY] = { 5, "SELECT v, f, e, c, k FROM $t WHERE k IN ($K) AND " LIVE },
    [SQL_SEEN] = { 2, "SELECT e, c FROM $t WHERE k = $k AND " LIVE },
    [SQL_SET] = { 0, INSERT "$e, $c) ON DUPLICATE KEY UPDATE v = VALUES(v), "
                            "f = VALUES(f), e = VALUES(e), c = VALUES(c)" },
    /* e comes last: the others are read with the one that is there */
    [SQL_SET_KEEPING] = { 0, INSERT "0, $c) ON DUPLICATE KEY UPDATE v = VALUES(v), "
                                    "f = VALUES(f), c = VALUES(c), "
                                    "e = IF(" LIVE ", e, 0)" },
    [SQL_ADD] = { 0, INSERT "$e, $c) ON DUPLICATE KEY UPDATE "
                            "v = IF(" LIVE ", v, VALUES(v)), "
                            "f = IF(" LIVE ", f, VALUES(f)), "
                            "c = IF(" LIVE ", c, VALUES(c)), "
                            "e = IF(" LIVE ", e, VALUES(e))" },
    [SQL_REPLACE] = { 0, "UPDATE $t SET v = $v, f = $f, e = $e, c = $c "
                         "WHERE k = $k AND " LIVE },
    [SQL_CAS] = { 0, "UPDATE $t SET v = $v, f = $f, e = $e, c = $c "
                     "WHERE k = $k AND c = $x AND " LIVE },
    [SQL_APPEND] = { 0, "UPDATE $t SET v = CONCAT(v, $v), c = $c WHERE k = $k AND "
                        "LENGTH(v) <= $l AND " LIVE },
    [SQL_PREPEND] = { 0, "UPDATE $t SET v = CONCAT($v, v), c = $c WHERE k = $k AND "
                         "LENGTH(v) <= $l AND " LIVE },
    [SQL_LENGTH] = { 1, "SELECT LENGTH(v) FROM $t WHERE k = $k AND " LIVE },
    [SQL_COUNT_UP] = { 0, COUNT_AS("IF(" NUMBER " > " ROOM ", " NUMBER " - " ROOM
                                   " - 1, " NUMBER " + $b)") },
    [SQL_COUNT_DOWN] = { 0, COUNT_AS("IF(" NUMBER " < $b, 0, " NUMBER " - $b)") },
    [SQL_TOUCH] = { 0, "UPDATE $t SET e = $e WHERE k = $k AND " LIVE },
    [SQL_TOUCH_SEEN] = { 0, "UPDATE $t SET e = $e WHERE k = $k AND c = $x AND " LIVE },
    [SQL_DELETE] = { 0, "DELETE FROM $t WHERE k = $k AND " LIVE },
    [SQL_DELETE_SEEN] = { 0, "DELETE FROM $t WHERE k = $k AND c = $x AND " LIVE },
    [SQL_DELETE_ALL] = { 0, "DELETE FROM $t" },
    /* by two statements: one that went by the expiry would lock in another order than
     * those who write an item, and now and then one of the two would have to give way */
    [SQL_EXPIRED] = { 1, "SELECT k FROM $t WHERE e <> 0 AND e <= $n LIMIT $l" },
    [SQL_SWEEP] = { 0, "DELETE FROM $t WHERE k IN ($K) AND e <> 0 AND e <= $n" },
    [SQL_KEYS] = { 1,
                   "SELECT k FROM $t WHERE k > $k AND " LIVE " ORDER BY k LIMIT $l" },
};

/*
 * Strict, or what does not fit would be cut and kept. Bytes are bytes, in both directions.
 */
static const keel_mysql_pattern session = {
    0, "SET NAMES binary, SESSION autocommit = 1, SESSION sql_mode = "
       "'STRICT_ALL_TABLES'"
};
static const keel_mysql_pattern promises = {
    2, "SELECT @@max_allowed_packet, @@innodb_flush_log_at_trx_commit"
};
static const keel_mysql_pattern table = {
    0, "CREATE TABLE IF NOT EXISTS $t ("
       "k VARBINARY(250) NOT NULL PRIMARY KEY, v LONGBLOB NOT NULL, "
       "f INT UNSIGNED NOT NULL, e BIGINT NOT NULL, c BIGINT UNSIGNED NOT NULL, "
       "KEY e (e)) ENGINE=InnoDB"
};
/* Not as the head of an answer has them: to a session of bytes every text is bytes. */
static const keel_mysql_pattern columns = {
    3, "SELECT column_name, column_type, column_key FROM information_schema.columns "
       "WHERE table_schema = DATABASE() AND table_name = $k"
};
static const keel_mysql_pattern engine = {
    1, "SELECT engine FROM information_schema.tables "
       "WHERE table_schema = DATABASE() AND table_name = $k"
};

/* ---- asking -------------------------------------------------------------------------- */

static int ask(keel_mysql_connection *c, const keel_mysql_pattern *pattern,
               MYSQL_RES **rows)
{
    const char *name = c->server->table;
    const keel_mysql_values values = { .table = name, .key = { name, strlen(name) } };

    keel_mysql_statement_clear(&c->statement);
    keel_mysql_statement_add(&c->statement, c->my, pattern->text, &values);
    return keel_mysql_connection_run(c, pattern->columns, rows);
}

static int tell(keel_mysql_connection *c, const keel_mysql_pattern *pattern)
{
    MYSQL_RES *none;

    return ask(c, pattern, &none);
}

/* ---- the server's promises ----------------------------------------------------------- */

static int check_promises(keel_mysql_connection *c)
{
    MYSQL_RES *rows;
    MYSQL_ROW row;
    int code = ask(c, &promises, &rows);

    if (code)
        return code;
    row = mysql_fetch_row(rows);
    if (row && row[0] && row[1]) {
        c->packet_max = strtoull(row[0], NULL, 10);
        /* of 3 only MariaDB knows, as of 1 with a step more */
        if (c->server->is_durable && *row[1] != '1' && *row[1] != '3')
            code = KEEL_MYSQL_NOT_DURABLE;
    }
    mysql_free_result(rows);
    return code;
}

/* ---- the table ----------------------------------------------------------------------- */

enum { NAME, TYPE, KEY };

/* An old server tells how wide numbers are printed, "int(10) unsigned". */
typedef struct column_rule {
    const char *name;
    const char *type;
    bool is_unsigned;
    bool is_key; /* it alone */
    const char *words;
} column_rule;

static const column_rule rules[] = {
    { "k", "varbinary(250)", false, true, "k is VARBINARY(250) and the primary key" },
    { "v", "longblob", false, false, "v is LONGBLOB" },
    { "f", "int", true, false, "f is INT UNSIGNED" },
    { "e", "bigint", false, false, "e is BIGINT" },
    { "c", "bigint", true, false, "c is BIGINT UNSIGNED" },
};

static bool follows(const column_rule *rule, MYSQL_ROW row)
{
    return strncmp(row[TYPE], rule->type, strlen(rule->type)) == 0 &&
           !strstr(row[TYPE], "unsigned") == !rule->is_unsigned &&
           !strcmp(row[KEY], "PRI") == rule->is_key;
}

/* False: there is none of that name, or it is another. */
static bool has_column(const column_rule *rule, MYSQL_RES *rows)
{
    MYSQL_ROW row;

    mysql_data_seek(rows, 0);
    while ((row = mysql_fetch_row(rows)) != NULL)
        if (row[NAME] && row[TYPE] && row[KEY] && strcmp(row[NAME], rule->name) == 0)
            return follows(rule, row);
    return false;
}

static int refuse(keel_mysql_connection *c, const char *rule)
{
    snprintf(c->words, sizeof c->words, "the table %s is no bag, in which %s",
             c->server->table, rule);
    return KEEL_MYSQL_NO_BAG;
}

static int judge_columns(keel_mysql_connection *c, MYSQL_RES *rows)
{
    if (!mysql_num_rows(rows)) {
        snprintf(c->words, sizeof c->words, "there is no table %s, and create is off",
                 c->server->table);
        return ER_NO_SUCH_TABLE;
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!has_column(&rules[i], rows))
            return refuse(c, rules[i].words);
    return 0;
}

static int check_columns(keel_mysql_connection *c)
{
    MYSQL_RES *rows;
    int code = ask(c, &columns, &rows);

    if (!code)
        code = judge_columns(c, rows);
    mysql_free_result(rows);
    return code;
}

/* Others have no transactions: a crash would leave half of what a statement did. */
static int check_engine(keel_mysql_connection *c)
{
    MYSQL_RES *rows;
    MYSQL_ROW row;
    int code = ask(c, &engine, &rows);
    bool is_right;

    if (code)
        return code;
    row = mysql_fetch_row(rows);
    is_right = row && row[0] && strcasecmp(row[0], "InnoDB") == 0;
    mysql_free_result(rows);
    return is_right ? 0 : refuse(c, "the engine is InnoDB");
}

/* Looked for before it is made: a server that is read-only may have it. */
static int check_table(keel_mysql_connection *c)
{
    int code = check_columns(c);

    if (code == ER_NO_SUCH_TABLE && c->server->creates) {
        code = tell(c, &table);
        if (!code)
            code = check_columns(c);
    }
    return code ? code : check_engine(c);
}

int keel_mysql_schema_begin(keel_mysql_connection *c)
{
    int code = tell(c, &session);

    if (!code)
        code = check_promises(c);
    if (code || atomic_load_explicit(&c->server->is_checked, memory_order_relaxed))
        return code;
    code = check_table(c);
    if (!code)
        atomic_store_explicit(&c->server->is_checked, true, memory_order_relaxed);
    return code;
}
