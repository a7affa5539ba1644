/* SPDX-License-Identifier: MIT */
/* The tables of a bag in SQLite, and every statement that is run on them. */
#ifndef KEEL_PLUGINS_SQLITE_SCHEMA_H
#define KEEL_PLUGINS_SQLITE_SCHEMA_H

#include "connection.h"

extern const char *const keel_sqlite_texts[SQL_STATEMENTS];

/* How many numbers for tokens are taken at once. */
#define KEEL_SQLITE_TOKENS_AT_ONCE 1024

/* Columns of SQL_FIND. */
enum { COLUMN_VALUE, COLUMN_FLAGS, COLUMN_EXPIRY, COLUMN_TOKEN, COLUMN_NONCE };

/*
 * Makes the tables where they are not there. Returns SQLite's code; SQLITE_MISMATCH: the
 * file is another keel's, or somebody else's.
 */
int keel_sqlite_schema_make(keel_sqlite_connection *c);

#endif
