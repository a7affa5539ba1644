/* SPDX-License-Identifier: MIT */
/* Starting, freezing and stopping private MariaDB servers. */
#include "support/mariadb.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/loopback.h"
#include "support/pause.h"

enum { POLL_MS = 5, READY_POLLS = 4000, START_TRIES = 5, ARGUMENTS = 24, OPTION = 300 };

static const char *const places[] = { "/usr/sbin/mariadbd",
                                      "/usr/local/sbin/mariadbd" };

static const char *server_path(void)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool test_mariadb_is_installed(void)
{
    return server_path() != NULL;
}

/* ---- asking -------------------------------------------------------------------------- */

static MYSQL *connect_to(const test_mariadb *m, const char *database)
{
    MYSQL *root = mysql_init(NULL);

    if (root && mysql_real_connect(root, NULL, "root", "", database, 0, m->socket, 0))
        return root;
    mysql_close(root);
    return NULL;
}

MYSQL *test_mariadb_connect(const test_mariadb *m)
{
    return connect_to(m, "kv");
}

void test_mariadb_tell(MYSQL *root, const char *statement)
{
    ck_assert_msg(mysql_query(root, statement) == 0, "%s: %s", statement,
                  mysql_error(root));
    mysql_free_result(mysql_store_result(root));
}

long long test_mariadb_ask(MYSQL *root, const char *statement)
{
    MYSQL_RES *rows;
    MYSQL_ROW row;
    long long number;

    ck_assert_msg(mysql_query(root, statement) == 0, "%s: %s", statement,
                  mysql_error(root));
    rows = mysql_store_result(root);
    row = mysql_fetch_row(rows);
    ck_assert_msg(row && row[0], "%s: nothing", statement);
    number = strtoll(row[0], NULL, 10);
    mysql_free_result(rows);
    return number;
}

/* ---- starting ------------------------------------------------------------------------ */

static bool await(test_mariadb *m)
{
    MYSQL *root;

    for (int i = 0; i < READY_POLLS; i++) {
        root = connect_to(m, NULL);
        mysql_close(root);
        if (root)
            return true;
        if (spawned_has_ended(&m->process))
            break;
        pause_ns(POLL_MS * KEEL_MS);
    }
    return false;
}

/*
 * Root it stays where it is started by root: a server that changes its user would not hear
 * of our end. It keeps what it acknowledges over its own end, and not over the machine's.
 * Its temporary tables are in a folder of its own: a server that starts removes all that it
 * finds, those of others too.
 */
static bool run(test_mariadb *m)
{
    char data[OPTION], tmp[OPTION], socket_option[OPTION], port[OPTION];
    const char *argv[ARGUMENTS] = { server_path(),
                                    "--no-defaults",
                                    "--bind-address=127.0.0.1",
                                    "--skip-log-bin",
                                    "--skip-name-resolve",
                                    "--performance-schema=OFF",
                                    "--innodb-buffer-pool-size=32M",
                                    "--innodb-log-file-size=8M",
                                    "--innodb-flush-method=nosync",
                                    data,
                                    tmp,
                                    socket_option,
                                    port };
    size_t argc = 13;

    snprintf(data, sizeof data, "--datadir=%s/data", m->process.dir);
    snprintf(tmp, sizeof tmp, "--tmpdir=%s", m->process.dir);
    snprintf(socket_option, sizeof socket_option, "--socket=%s", m->socket);
    snprintf(port, sizeof port, "--port=%u", m->port);
    if (geteuid() == 0)
        argv[argc++] = "--user=root";
    for (size_t i = 0; m->options[i]; i++)
        argv[argc++] = m->options[i];
    if (argv[0] && spawned_start(&m->process, SIGKILL, argv) && await(m))
        return true;
    spawned_stop(&m->process);
    return false;
}

/* A free port may be taken between asking for it and listening: then others are tried. */
bool test_mariadb_start(test_mariadb *m)
{
    bool keeps_port = m->port != 0;

    for (int i = 0; i < START_TRIES; i++) {
        if (!keeps_port)
            m->port = loopback_free_port();
        if (run(m))
            return true;
    }
    fprintf(stderr, "mariadbd does not start:\n");
    spawned_print_output(&m->process);
    return false;
}

static bool make_users(test_mariadb *m)
{
    static const char *const statements[] = {
        "CREATE DATABASE kv",
        "CREATE USER app@'%' IDENTIFIED BY '" TEST_MARIADB_PASSWORD "'",
        "GRANT ALL ON kv.* TO app@'%'",
    };
    MYSQL *root = connect_to(m, NULL);
    bool are_made = root != NULL;

    for (size_t i = 0; are_made && i < sizeof statements / sizeof *statements; i++)
        are_made = mysql_query(root, statements[i]) == 0;
    mysql_close(root);
    return are_made;
}

bool test_mariadb_init(test_mariadb *m)
{
    char command[4 * OPTION];
    bool is_made;

    *m = (test_mariadb){ .port = 0 };
    if (!spawned_init(&m->process, "mariadb"))
        return false;
    spawned_path(&m->process, "socket", m->socket);
    snprintf(command, sizeof command,
             "mariadb-install-db --no-defaults --user=$(id -un) --skip-test-db "
             "--auth-root-authentication-method=normal --innodb-log-file-size=8M "
             "--datadir=%s/data --tmpdir=%s >%s/output 2>&1",
             m->process.dir, m->process.dir, m->process.dir);
    is_made = system(command) == 0 && test_mariadb_start(m) && make_users(m);
    test_mariadb_stop(m);
    if (!is_made) {
        spawned_print_output(&m->process);
        test_mariadb_cleanup(m);
    }
    return is_made;
}

/* ---- stopping ------------------------------------------------------------------------ */

void test_mariadb_stop(test_mariadb *m)
{
    spawned_stop(&m->process);
}

void test_mariadb_freeze(const test_mariadb *m)
{
    spawned_freeze(&m->process);
}

void test_mariadb_thaw(const test_mariadb *m)
{
    spawned_thaw(&m->process);
}

void test_mariadb_cleanup(test_mariadb *m)
{
    spawned_cleanup(&m->process);
}
