/* SPDX-License-Identifier: MIT */
/*
 * A statement as it is sent: a text with values in it, quoted. Texts and not prepared
 * statements: each verb is one exchange from the first on, also on a connection that is
 * new or that a proxy shares, and any number of keys fits one of them.
 */
#ifndef KEEL_PLUGINS_MYSQL_STATEMENT_H
#define KEEL_PLUGINS_MYSQL_STATEMENT_H

#include <keel/bag_plugin.h>
#include <mysql.h>

/* What stands for what in a text: "$k", … */
typedef struct keel_mysql_values {
    const char *table;      /* $t */
    keel_bytes key;         /* $k */
    const keel_bytes *keys; /* $K: all of them, cut by commas */
    size_t key_count;
    keel_bytes value;      /* $v */
    uint32_t flags;        /* $f */
    int64_t expires_at_ms; /* $e; KEEL_BAG_KEEP_EXPIRY: that of the item */
    uint64_t token;        /* $c: the item's when this is done */
    uint64_t expected;     /* $x: its token before */
    int64_t now_ms;        /* $n */
    uint64_t by;           /* $b */
    uint32_t limit;        /* $l: rows, or bytes */
} keel_mysql_values;

/* is_short  there was no memory for all of it */
typedef struct keel_mysql_statement {
    char *text;
    size_t length, capacity;
    bool is_short;
} keel_mysql_statement;

/* Begins anew, keeping the memory unless it is much. */
void keel_mysql_statement_clear(keel_mysql_statement *s);
void keel_mysql_statement_cleanup(keel_mysql_statement *s);

/* For so long the server may be at what follows: MariaDB's own words. */
void keel_mysql_statement_add_limit(keel_mysql_statement *s, uint64_t ns);

/* my: knows how the server wants bytes to be quoted. values: borrowed. */
void keel_mysql_statement_add(keel_mysql_statement *s, MYSQL *my, const char *pattern,
                              const keel_mysql_values *values);

#endif
