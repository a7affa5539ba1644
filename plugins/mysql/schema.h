/* SPDX-License-Identifier: MIT */
/* The table of a bag in MySQL, and every statement that is run on it. */
#ifndef KEEL_PLUGINS_MYSQL_SCHEMA_H
#define KEEL_PLUGINS_MYSQL_SCHEMA_H

#include "connection.h"

/* In keel_mysql_patterns; for the letters after "$" see keel_mysql_values. */
typedef enum keel_mysql_text {
    SQL_FIND,
    SQL_FIND_MANY,
    SQL_SEEN,
    SQL_SET,
    SQL_SET_KEEPING,
    SQL_ADD,
    SQL_REPLACE,
    SQL_CAS,
    SQL_APPEND,
    SQL_PREPEND,
    SQL_LENGTH,
    SQL_COUNT_UP,
    SQL_COUNT_DOWN,
    SQL_TOUCH,
    SQL_TOUCH_SEEN,
    SQL_DELETE,
    SQL_DELETE_SEEN,
    SQL_DELETE_ALL,
    SQL_EXPIRED,
    SQL_SWEEP,
    SQL_KEYS,
    SQL_TEXTS
} keel_mysql_text;

/* columns: of the rows that are the answer; 0: there are none. */
typedef struct keel_mysql_pattern {
    unsigned columns;
    const char *text;
} keel_mysql_pattern;

extern const keel_mysql_pattern keel_mysql_patterns[SQL_TEXTS];

/* Columns of SQL_FIND and SQL_FIND_MANY, and of SQL_SEEN. */
enum { COLUMN_VALUE, COLUMN_FLAGS, COLUMN_EXPIRY, COLUMN_TOKEN, COLUMN_KEY };
enum { SEEN_EXPIRY, SEEN_TOKEN };

/*
 * Sets the session up, and looks whether the server keeps what it acknowledges and, once
 * for a store, whether the table is a bag's; makes it where that is wished. Returns 0 or
 * a code.
 */
int keel_mysql_schema_begin(keel_mysql_connection *c);

#endif
