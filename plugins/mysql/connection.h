/* SPDX-License-Identifier: MIT */
/*
 * One connection to the server, by libmariadb's calls that do not wait: where those would,
 * it is waited here until an instant. Knows no verb.
 */
#ifndef KEEL_PLUGINS_MYSQL_CONNECTION_H
#define KEEL_PLUGINS_MYSQL_CONNECTION_H

#include <mysql.h>

#include "failure.h"
#include "server.h"
#include "statement.h"

/*
 * my          NULL: there is no connection
 * wait        of the use that is under way
 * is_given_up the server was not waited for any longer: what was under way has to fail
 * packet_max  bytes of a request; 0: not known yet
 * words       of the last failure
 * used_at_ns  when it was last needed
 * writes      since it was made
 */
typedef struct keel_mysql_connection {
    keel_mysql_server *server;
    MYSQL *my;
    keel_mysql_wait wait;
    bool is_given_up;
    uint64_t packet_max;
    keel_mysql_statement statement;
    char words[KEEL_MYSQL_WORDS_SIZE];
    uint64_t used_at_ns;
    uint64_t writes;
} keel_mysql_connection;

/*
 * Begins to use libmariadb, which would have the whole process ignore SIGPIPE. False: it
 * cannot be used.
 */
bool keel_mysql_library_init(void);

/*
 * Begins a use of it: connects where it is not, was idle for too long, or the server has
 * ended it. Returns 0 or a code.
 */
int keel_mysql_connection_begin(keel_mysql_connection *c, uint64_t until_ns,
                                const keel_cancel *cancel);

/* Without a word to the server where there is more under way. */
void keel_mysql_connection_close(keel_mysql_connection *c, bool is_clean);
void keel_mysql_connection_cleanup(keel_mysql_connection *c);

/*
 * Sends c->statement and waits for the answer. Returns 0 or a code.
 *
 * columns  of the rows that it has to have; 0: it has none
 * rows     out, to be freed with mysql_free_result; NULL: no columns, or a failure
 */
int keel_mysql_connection_run(keel_mysql_connection *c, unsigned columns,
                              MYSQL_RES **rows);

/*
 * Begins a statement: the server is told how long it may be at it, so that it says itself
 * what became of it, where it is one that can be told so.
 */
void keel_mysql_connection_begin_statement(keel_mysql_connection *c);

#endif
