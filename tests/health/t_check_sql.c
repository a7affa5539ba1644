/* SPDX-License-Identifier: MIT */
/*
 * health=sql against a real MariaDB: whom it takes for well, and that a server which bars
 * a host for handshakes that it broke off does not bar the one that checks.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/comes.h"
#include "support/mariadb.h"
#include "support/opened.h"
#include "support/suite.h"

enum { ADDRESS_SIZE = 64, CHECKS = 6, CONNECTIONS_MOST = 10 };

static opened o;
static test_mariadb server;
static char settings[1024];

/* Without a port: a socket's path. */
static void check(const char *check, const char *host, unsigned port)
{
    int length = snprintf(settings, sizeof settings,
                          "none; health.interval=20ms; health.timeout=1s; "
                          "health.delay=0; health=%s; health.target=%s",
                          check, host);

    if (port)
        snprintf(settings + length, sizeof settings - (size_t)length, ":%u", port);
    opened_init(&o, OPENED_REAL, NULL, settings);
}

static void expect(keel_check_state wanted)
{
    COMES(opened_look(&o).check == wanted);
}

static void make_user(const char *statement)
{
    MYSQL *root = test_mariadb_connect(&server);

    ck_assert_ptr_nonnull(root);
    test_mariadb_tell(root, statement);
    mysql_close(root);
}

static void setup(void)
{
    memset(server.options, 0, sizeof server.options);
}

static void teardown(void)
{
    test_mariadb_stop(&server);
}

/* Denied, or broken off. */
static long long failed_logins(MYSQL *root)
{
    return test_mariadb_ask(root, "SELECT VARIABLE_VALUE FROM information_schema."
                                  "GLOBAL_STATUS WHERE VARIABLE_NAME="
                                  "'ABORTED_CONNECTS'");
}

/* ---- who is well -------------------------------------------------------------------- */

START_TEST(a_server_that_goes_and_comes_back_is_followed)
{
    ck_assert(test_mariadb_start(&server));
    make_user("CREATE USER keel_health@'%'");
    check("sql", "mysql://127.0.0.1", server.port);
    expect(KEEL_CHECK_HEALTHY);
    test_mariadb_freeze(&server); /* the kernel still accepts */
    expect(KEEL_CHECK_UNHEALTHY);
    test_mariadb_thaw(&server);
    expect(KEEL_CHECK_HEALTHY);
    test_mariadb_stop(&server);
    expect(KEEL_CHECK_UNHEALTHY);
    ck_assert(test_mariadb_start(&server));
    expect(KEEL_CHECK_HEALTHY);
    opened_cleanup(&o);
}
END_TEST

START_TEST(a_user_may_have_any_name_and_a_socket_a_path)
{
    MYSQL *root;

    ck_assert(test_mariadb_start(&server));
    make_user("CREATE OR REPLACE USER watch@localhost");
    check("sql:watch", server.socket, 0);
    expect(KEEL_CHECK_HEALTHY);
    root = test_mariadb_connect(&server);
    ck_assert_int_eq(failed_logins(root), 0);
    mysql_close(root);
    opened_cleanup(&o);
}
END_TEST

/* As app, who has a password. NULL: refused; *error says why. */
static MYSQL *log_in(const char *host, unsigned *error)
{
    MYSQL *app = mysql_init(NULL);

    ck_assert_ptr_nonnull(app);
    if (mysql_real_connect(app, host, "app", TEST_MARIADB_PASSWORD, "kv", server.port,
                           NULL, 0))
        return app;
    *error = mysql_errno(app);
    mysql_close(app);
    return NULL;
}

START_TEST(a_server_that_is_full_is_ill_until_there_is_room)
{
    MYSQL *apps[CONNECTIONS_MOST];
    unsigned error;

    server.options[0] = "--max-connections=10";
    ck_assert(test_mariadb_start(&server));
    /* the server may not have noticed yet that who made its tables has left */
    for (int i = 0; i < CONNECTIONS_MOST; i++)
        COMES((apps[i] = log_in("127.0.0.1", &error)) != NULL);
    check("sql", "127.0.0.1", server.port);
    expect(KEEL_CHECK_UNHEALTHY);
    for (int i = 0; i < CONNECTIONS_MOST; i++)
        mysql_close(apps[i]);
    expect(KEEL_CHECK_HEALTHY);
    opened_cleanup(&o);
}
END_TEST

/* ---- max_connect_errors ------------------------------------------------------------- */

/* No server counts what 127.0.0.1 does wrong; so another address of this machine. */
static bool own_address(char *to)
{
    struct ifaddrs *all = NULL;
    bool is_found = false;

    ck_assert_int_eq(getifaddrs(&all), 0);
    for (struct ifaddrs *one = all; one && !is_found; one = one->ifa_next)
        if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET &&
            !(one->ifa_flags & IFF_LOOPBACK))
            is_found =
                inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, to,
                          ADDRESS_SIZE);
    freeifaddrs(all);
    return is_found;
}

static char address[ADDRESS_SIZE], bind_option[ADDRESS_SIZE + 16];

/* It looks names up, since one that does not counts for no host. */
static void start_barring(void)
{
    snprintf(bind_option, sizeof bind_option, "--bind-address=%s", address);
    server.options[0] = "--max-connect-errors=2";
    server.options[1] = "--skip-name-resolve=OFF";
    server.options[2] = bind_option;
    ck_assert(test_mariadb_start(&server));
}

static const struct {
    const char *why;
    const char *statement;
} denied[] = {
    { "nobody of that name", "FLUSH PRIVILEGES" },
    { "one with a password", "CREATE USER u IDENTIFIED BY 'secret'" },
    { "one with another method",
      "CREATE USER u IDENTIFIED VIA ed25519 USING PASSWORD('secret')" },
    { "one who is let in by who runs him", "CREATE USER u IDENTIFIED VIA unix_socket" },
    { "one who is locked out", "CREATE USER u ACCOUNT LOCK" },
    { "one who must use TLS", "CREATE USER u REQUIRE SSL" },
    { "one of another host", "CREATE USER u@'203.0.113.9'" },
};

/* Until then all are denied; that app is let in afterwards forgets what was counted. */
static void expect_denied_and_not_barred(MYSQL *root, const char *why)
{
    long long enough = failed_logins(root) + CHECKS;
    unsigned error = 0;
    MYSQL *app;

    check("sql:u", address, server.port);
    COMES(failed_logins(root) >= enough);
    ck_assert_msg(opened_look(&o).check == KEEL_CHECK_HEALTHY, "%s", why);
    opened_cleanup(&o);
    app = log_in(address, &error);
    ck_assert_msg(app, "%s: %u", why, error);
    mysql_close(app);
}

/* Where there is no address but loopback's, that it is not barred is not proven. */
START_TEST(a_server_that_denies_the_user_is_at_work_and_bars_nobody)
{
    MYSQL *root;

    if (!own_address(address))
        snprintf(address, sizeof address, "127.0.0.1");
    start_barring();
    root = test_mariadb_connect(&server);
    test_mariadb_tell(root, "INSTALL SONAME 'auth_ed25519'");
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++) {
        test_mariadb_tell(root, "DROP USER IF EXISTS u, u@'203.0.113.9'");
        test_mariadb_tell(root, denied[i].statement);
        expect_denied_and_not_barred(root, denied[i].why);
    }
    mysql_close(root);
}
END_TEST

/* Reads a greeting and goes. */
static void break_off(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(server.port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    ck_assert_int_eq(inet_pton(AF_INET, address, &to.sin_addr), 1);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    close(fd);
}

/* What the test above is worth: this server does bar. */
START_TEST(a_server_bars_who_breaks_handshakes_off)
{
    unsigned error = 0;
    MYSQL *app = NULL;

    if (!own_address(address))
        return;
    start_barring();
    COMES((break_off(), app = log_in(address, &error), mysql_close(app), !app));
    ck_assert_uint_eq(error, 1129);
    check("sql", address, server.port);
    expect(KEEL_CHECK_UNHEALTHY);
    opened_cleanup(&o);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(a_server_that_goes_and_comes_back_is_followed),
        ONE(a_user_may_have_any_name_and_a_socket_a_path),
        ONE(a_server_that_is_full_is_ill_until_there_is_room),
        ONE(a_server_that_denies_the_user_is_at_work_and_bars_nobody),
        ONE(a_server_bars_who_breaks_handshakes_off),
    };
    int failed = 1;

    if (!test_mariadb_is_installed())
        return 77;
    if (test_mariadb_init(&server))
        failed = suite_run_in("check_sql", 60, setup, teardown, tests,
                              sizeof tests / sizeof tests[0]);
    test_mariadb_cleanup(&server);
    return failed;
}
