/* SPDX-License-Identifier: MIT */
/*
 * The store in MariaDB on a server that is well: what every bag promises, what its SQL
 * makes of numbers, bytes and times, tables that are no bags, locks of others, and what the
 * server refuses. What becomes of it when the network or the server fails is in
 * t_mysql_faults.c and t_mysql_server.c.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>

#include "mysql_fixture.h"
#include "support/child.h"
#include "support/latch.h"

static MYSQL *root;

/* ---- the resolver -------------------------------------------------------------------- */

static latch answered = LATCH_INIT;

/* The program's own is found before libc's. */
__attribute__((visibility("default"))) int getaddrinfo(const char *host,
                                                       const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **found)
{
    int (*libcs)(const char *, const char *, const struct addrinfo *,
                 struct addrinfo **);

    if (host && strcmp(host, "slow.invalid") == 0) {
        latch_await(&answered, 1);
        host = "127.0.0.1";
    }
    *(void **)&libcs = dlsym(RTLD_NEXT, "getaddrinfo");
    return libcs(host, service, hints, found);
}

/* ---- around -------------------------------------------------------------------------- */

static void setup(void)
{
    root = test_mariadb_connect(&server);
    ck_assert_ptr_nonnull(root);
    test_mariadb_tell(root, "DROP TABLE IF EXISTS keel_bag");
    open_runtime();
    open_at(server.port, "");
}

static void teardown(void)
{
    close_runtime();
    test_mariadb_tell(root, "SET GLOBAL sql_mode = DEFAULT, read_only = 0, "
                            "tx_read_only = 0, innodb_lock_wait_timeout = 50, "
                            "innodb_flush_log_at_trx_commit = 1, "
                            "max_allowed_packet = 16777216, max_connections = 151");
    mysql_close(root);
}

static FILE *begin_kit(const char *place)
{
    char command[1024];
    FILE *kit;

    snprintf(command, sizeof command,
             "KEEL_PLUGIN_PATH=%s ./keel-conform --quiet "
             "'mysql://app:" TEST_MARIADB_PASSWORD "@%s&create=on&allow_flush=on' 2>&1",
             folder.dir, place);
    kit = popen(command, "r");
    ck_assert_ptr_nonnull(kit);
    return kit;
}

static void end_kit(FILE *kit)
{
    char said[4096];

    said[fread(said, 1, sizeof said - 1, kit)] = '\0';
    ck_assert_msg(pclose(kit) == 0, "%s", said);
    ck_assert_ptr_nonnull(strstr(said, " passed, 0 failed"));
}

/* Both at once, as most of the time the kit waits for items to expire. */
START_TEST(what_every_bag_promises_this_one_keeps)
{
    char place[SPAWNED_PATH_SIZE + 64];
    FILE *by_port, *by_socket;

    snprintf(place, sizeof place, "127.0.0.1:%u/kv/by_port?connections=4", server.port);
    by_port = begin_kit(place);
    snprintf(place, sizeof place, "%s?database=kv&table=by_socket", server.socket);
    by_socket = begin_kit(place);
    end_kit(by_port);
    end_kit(by_socket);
}
END_TEST

/* ---- opening ------------------------------------------------------------------------- */

static const struct {
    const char *spec;
    const char *words;
} mistakes[] = {
    { "mysql://localhost/kv", "names no user" },
    { "mysql://app@localhost", "/DATABASE" },
    { "mysql://app@localhost/", "/DATABASE" },
    { "mysql://app@localhost/kv/a/b", "/DATABASE" },
    { "mysql://app@localhost/kv/a`b", "/DATABASE" },
    { "mysql://app@localhost/kv?table=items", "stand in the URL" },
    { "<mysql://app@a,b/kv>", "names one host" },
    { "mysql://app@/run/mysqld.sock", "database= is needed" },
    { "mysql://app@/run/mysqld.sock?database=kv&tls=on", "no TLS on a unix socket" },
    { "mysql://app@localhost/kv?tls_ca=/etc/ca.pem", "tls=on" },
    { "mysql://app@localhost/kv?password=hunter2", "password_file or password_env" },
    { "mysql://app@localhost/kv?connections=0", "connections is 1 to 64" },
};

START_TEST(what_can_be_seen_to_be_wrong_is_said_at_once)
{
    EXPECT(KEEL_E_CONFIG, try_to_open(mistakes[_i].spec));
    ck_assert_msg(strstr(why.text, mistakes[_i].words) != NULL, "%s", why.text);
}
END_TEST

START_TEST(a_password_is_in_no_text)
{
    char text[512], spec[256];

    keel_bag_describe(bag, text, sizeof text);
    ck_assert_ptr_null(strstr(text, TEST_MARIADB_PASSWORD));
    snprintf(spec, sizeof spec, "mysql://app:wrong-password@127.0.0.1:%u/kv",
             server.port);
    open_spec(spec);
    EXPECT(KEEL_FAILED, set_text("k", "v"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(strstr(why.text, "Access denied") != NULL, "%s", why.text);
    ck_assert_ptr_null(strstr(why.text, "wrong-password"));
    keel_bag_describe(bag, text, sizeof text);
    ck_assert_ptr_null(strstr(text, "wrong-password"));
}
END_TEST

START_TEST(a_host_is_found_by_its_name)
{
    char spec[256];

    snprintf(spec, sizeof spec,
             "mysql://app@localhost:%u/kv?create=on&password_env=KEEL_TEST_PASSWORD",
             server.port);
    open_spec(spec);
    EXPECT(KEEL_OK, set_text("k", "v"));
    open_spec("mysql://app@nowhere.invalid/kv");
    EXPECT(KEEL_FAILED, set_text("k", "v"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(strstr(why.text, "nowhere.invalid is not found") != NULL, "%s",
                  why.text);
}
END_TEST

/* Nobody can end the system's look-up: it is left behind. */
START_TEST(a_name_that_is_looked_up_for_long_is_left_at_the_deadline)
{
    keel_bag_options options;
    uint64_t begun;
    char spec[256];

    snprintf(spec, sizeof spec,
             "mysql://app@slow.invalid:%u/kv?create=on&password_env=KEEL_TEST_PASSWORD",
             server.port);
    open_spec(spec);
    begun = now_ms();
    options = within(400);
    EXPECT(KEEL_TIMEOUT, keel_bag_set(bag, "k", "v", 1, &options, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_uint_le(now_ms() - begun, 400 + SLACK_MS);
    latch_hit(&answered);
    EXPECT(KEEL_OK, set_text("k", "v"));
}
END_TEST

/* ---- tables -------------------------------------------------------------------------- */

#define KEY "k VARBINARY(250) PRIMARY KEY, "
#define REST "f INT UNSIGNED, e BIGINT, c BIGINT UNSIGNED"

static const struct {
    const char *why;
    const char *columns;
    const char *words;
} tables[] = {
    { "\"a\" and \"A\" would be one key",
      "k VARCHAR(250) PRIMARY KEY, v LONGBLOB, " REST, "k is VARBINARY(250)" },
    { "a longer key does not fit a cursor",
      "k VARBINARY(600) PRIMARY KEY, v LONGBLOB, " REST, "k is VARBINARY(250)" },
    { "an item could be there twice", "k VARBINARY(250), v LONGBLOB, " REST,
      "the primary key" },
    { "bytes that are no text would be refused", KEY "v LONGTEXT, " REST,
      "v is LONGBLOB" },
    { "flags above 2^31 do not fit",
      KEY "v LONGBLOB, f INT, e BIGINT, "
          "c BIGINT UNSIGNED",
      "f is INT UNSIGNED" },
    { "nor instants", KEY "v LONGBLOB, f INT UNSIGNED, e INT, c BIGINT UNSIGNED",
      "e is BIGINT" },
    { "nor tokens", KEY "v LONGBLOB, f INT UNSIGNED, e BIGINT, c BIGINT",
      "c is BIGINT UNSIGNED" },
    { "it could be there twice, too",
      "k VARBINARY(250), v LONGBLOB, " REST ", "
      "PRIMARY KEY (k, c)",
      "c is BIGINT UNSIGNED" },
    { "somebody else's", "name TEXT", "k is VARBINARY(250)" },
};

static void make_table(const char *columns, const char *engine)
{
    char statement[512];

    snprintf(statement, sizeof statement, "CREATE OR REPLACE TABLE keel_bag (%s) %s",
             columns, engine);
    test_mariadb_tell(root, statement);
}

START_TEST(a_table_that_is_no_bag_is_left_alone)
{
    make_table(tables[_i].columns, "");
    EXPECT(KEEL_FAILED, set_text("k", "v"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(strstr(why.text, tables[_i].words) != NULL, "%s: %s", tables[_i].why,
                  why.text);
    ck_assert_int_eq(test_mariadb_ask(root, "SELECT COUNT(*) FROM keel_bag"), 0);
}
END_TEST

START_TEST(a_table_without_transactions_is_none)
{
    make_table(KEY "v LONGBLOB, " REST, "ENGINE=MyISAM");
    EXPECT(KEEL_FAILED, set_text("k", "v"));
    ck_assert_msg(strstr(why.text, "the engine is InnoDB") != NULL, "%s", why.text);
    make_table(KEY "v LONGBLOB, " REST, "ENGINE=InnoDB");
    EXPECT(KEEL_OK, set_text("k", "v"));
}
END_TEST

START_TEST(without_create_the_table_has_to_be_there)
{
    char spec[256];

    snprintf(spec, sizeof spec,
             "mysql://app@127.0.0.1:%u/kv?password_env=KEEL_TEST_PASSWORD",
             server.port);
    open_spec(spec);
    EXPECT(KEEL_FAILED, set_text("k", "v"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(strstr(why.text, "no table keel_bag") != NULL, "%s", why.text);
    make_table(KEY "v LONGBLOB, " REST, "");
    EXPECT(KEEL_OK, set_text("k", "v"));
}
END_TEST

START_TEST(a_table_that_is_taken_away_is_made_anew)
{
    EXPECT(KEEL_OK, set_text("k", "v"));
    test_mariadb_tell(root, "DROP TABLE keel_bag");
    EXPECT(KEEL_FAILED, set_text("k", "w"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    EXPECT(KEEL_OK, set_text("k", "w"));
}
END_TEST

START_TEST(a_server_that_may_lose_writes_is_refused_unless_that_is_allowed)
{
    keel_bag_abilities abilities = { .size = sizeof abilities };

    test_mariadb_tell(root, "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    ck_assert_int_eq(keel_bag_look(bag, &abilities), KEEL_OK);
    ck_assert(abilities.native & KEEL_IS_DURABLE);
    EXPECT(KEEL_FAILED, set_text("k", "v"));
    ck_assert_msg(strstr(why.text, "durable=off") != NULL, "%s", why.text);
    open_at(server.port, "&durable=off");
    ck_assert_int_eq(keel_bag_look(bag, &abilities), KEEL_OK);
    ck_assert(!(abilities.native & KEEL_IS_DURABLE));
    EXPECT(KEEL_OK, set_text("k", "v"));
}
END_TEST

/* ---- values -------------------------------------------------------------------------- */

#define MOST "18446744073709551615"

/* by, and what "7" or the text becomes; NULL: no number. */
static const struct {
    const char *text;
    bool down;
    uint64_t by;
    const char *after;
} numbers[] = {
    { "0", false, 0, "0" },
    { "7", false, UINT64_MAX, "6" },
    { "9223372036854775807", false, 1, "9223372036854775808" },
    { "9223372036854775808", false, 0, "9223372036854775808" },
    { "18446744073709551614", false, 1, MOST },
    { MOST, false, 0, MOST },
    { MOST, false, 1, "0" },
    { MOST, false, UINT64_MAX, "18446744073709551614" },
    { MOST, true, UINT64_MAX, "0" },
    { MOST, true, 1, "18446744073709551614" },
    { "1", true, UINT64_MAX, "0" },
    { "0", true, 0, "0" },
    { "007", false, 1, "8" },
    { "00000000000000000000000000000012", false, 1, "13" },
    { "00000000" MOST, false, 0, MOST },
    { "12   ", false, 1, "13" },
    { "18446744073709551616", false, 0, NULL },
    { "99999999999999999999", false, 0, NULL },
    { "100000000000000000000", false, 0, NULL },
    { "", false, 1, NULL },
    { "  ", false, 1, NULL },
    { " 12", false, 1, NULL },
    { "12\n", false, 1, NULL },
    { "1 2", false, 1, NULL },
    { "-1", false, 1, NULL },
    { "1.5", false, 1, NULL },
    { "1e3", false, 1, NULL },
    { "0x10", false, 1, NULL },
    { "\xd9\xa1\xd9\xa2", false, 1, NULL }, /* digits, though not these */
    { "12\xff", false, 1, NULL },
};

START_TEST(a_number_has_64_bits_without_a_sign)
{
    keel_status wanted = numbers[_i].after ? KEEL_OK : KEEL_NOT_NUMBER;
    uint64_t number = 0;

    EXPECT(KEEL_OK, set_text("n", numbers[_i].text));
    if (numbers[_i].down)
        EXPECT(wanted, keel_bag_decr(bag, "n", numbers[_i].by, &number, NULL, &why));
    else
        EXPECT(wanted, keel_bag_incr(bag, "n", numbers[_i].by, &number, NULL, &why));
    EXPECT(KEEL_OK, get_text("n"));
    ck_assert_str_eq(value, wanted == KEEL_OK ? numbers[_i].after : numbers[_i].text);
    if (wanted == KEEL_OK)
        ck_assert_uint_eq(number, strtoull(numbers[_i].after, NULL, 10));
}
END_TEST

static const char *const modes[] = { "", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES",
                                     "PAD_CHAR_TO_FULL_LENGTH,PIPES_AS_CONCAT" };

START_TEST(bytes_are_bytes_in_every_mode_of_the_server)
{
    static const char key[] = "it's`\\'$k\xff\xc0;--";
    char statement[128], bytes[256], read[600];
    keel_bag_item all = { .size = sizeof all, .buffer = read, .capacity = sizeof read };

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    snprintf(statement, sizeof statement, "SET GLOBAL sql_mode = '%s'", modes[_i]);
    test_mariadb_tell(root, statement);
    EXPECT(KEEL_OK, keel_bag_set(bag, key, bytes, sizeof bytes, NULL, &why));
    EXPECT(KEEL_OK, keel_bag_append(bag, key, bytes, sizeof bytes, NULL, &why));
    EXPECT(KEEL_OK, keel_bag_get(bag, key, &all, NULL, &why));
    ck_assert_uint_eq(all.length, 2 * sizeof bytes);
    ck_assert_mem_eq(read, bytes, sizeof bytes);
    ck_assert_mem_eq(read + sizeof bytes, bytes, sizeof bytes);
}
END_TEST

/* The server says that no row was changed. */
START_TEST(an_expiry_that_is_there_already_is_touched)
{
    const keel_bag_options later = { .size = sizeof later,
                                     .ttl = keel_ttl_until_ms(4000000000000) };

    EXPECT(KEEL_OK, keel_bag_set(bag, "k", "v", 1, &later, &why));
    EXPECT(KEEL_OK, keel_bag_touch(bag, "k", &later, &why));
    EXPECT(KEEL_OK, get_text("k"));
    EXPECT(KEEL_OK, keel_bag_get_and_touch(bag, "k", &item, &later, &why));
    ck_assert_int_eq(item.expires_at_ms, 4000000000000);
    EXPECT(KEEL_NOT_FOUND, keel_bag_touch(bag, "other", &later, &why));
}
END_TEST

/* One clock judges, that of who asks: the server's may say another time. */
START_TEST(the_servers_time_is_nobodys)
{
    const keel_bag_options soon = { .size = sizeof soon,
                                    .ttl = keel_ttl_for_ms(3600000) };

    test_mariadb_tell(root, "SET GLOBAL time_zone = '+12:00'");
    EXPECT(KEEL_OK, keel_bag_set(bag, "k", "v", 1, &soon, &why));
    EXPECT(KEEL_OK, get_text("k"));
    test_mariadb_tell(root, "SET GLOBAL time_zone = DEFAULT");
    ck_assert_int_eq(test_mariadb_ask(root, "SELECT ABS(e / 1000 - 3600 - "
                                            "UNIX_TIMESTAMP()) < 60 FROM keel_bag"),
                     1);
}
END_TEST

START_TEST(what_has_expired_leaves_the_table_with_those_who_write)
{
    const keel_bag_options past = { .size = sizeof past, .ttl = keel_ttl_for_ms(-1) };
    char key[16];

    open_at(server.port, "&connections=1");
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "gone%d", i);
        EXPECT(KEEL_OK, keel_bag_set(bag, key, "x", 1, &past, &why));
    }
    for (int i = 0; i < 64; i++)
        EXPECT(KEEL_OK, set_text("stays", "x"));
    ck_assert_int_eq(test_mariadb_ask(root, "SELECT COUNT(*) FROM keel_bag"), 1);
}
END_TEST

static long long waits_for_rows(void)
{
    return test_mariadb_ask(root, "SELECT variable_value "
                                  "FROM information_schema.global_status "
                                  "WHERE variable_name = 'Innodb_row_lock_waits'");
}

static void expect_a_write_in_time(void)
{
    uint64_t begun;

    open_at(server.port, "");
    begun = now_ms();
    EXPECT(KEEL_OK, set_text("stays", "x"));
    ck_assert_uint_le(now_ms() - begun, 50 + SLACK_MS); /* of ten seconds */
}

/*
 * The first write of a connection is followed by a sweep, whose time may be over before it
 * meets the row.
 */
START_TEST(a_sweep_that_others_keep_out_takes_little_of_a_writers_time)
{
    enum { TRIES = 20 };
    long long waits;

    EXPECT(KEEL_OK, set_text("stays", "w"));
    EXPECT(KEEL_OK, set_text("gone", "x"));
    test_mariadb_tell(root, "UPDATE keel_bag SET e = 1 WHERE k = 'gone'");
    test_mariadb_tell(root, "BEGIN");
    test_mariadb_tell(root, "UPDATE keel_bag SET f = 1 WHERE k = 'gone'");
    waits = waits_for_rows();
    for (int i = 0; i < TRIES && waits_for_rows() == waits; i++)
        expect_a_write_in_time();
    ck_assert_int_gt(waits_for_rows(), waits);
    test_mariadb_tell(root, "ROLLBACK");
    EXPECT(KEEL_OK, set_text("stays", "y"));
}
END_TEST

/* ---- locks of others ----------------------------------------------------------------- */

static long long connection_of_the_bag(void)
{
    return test_mariadb_ask(root, "SELECT MAX(id) FROM information_schema.processlist "
                                  "WHERE user = 'app'");
}

/* False: the server's word, for which it has a tenth of the time, came too late. */
static bool is_told_in_time_that_others_keep_it_out(void)
{
    keel_bag_options options = within(200);
    uint64_t begun = now_ms();
    keel_status status = keel_bag_set(bag, "k", "x", 1, &options, &why);

    ck_assert_uint_le(now_ms() - begun, 200 + SLACK_MS);
    if (status == KEEL_UNKNOWN)
        return false;
    EXPECT(KEEL_DEADLINE, status);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    return true;
}

/* A machine that stands still proves nothing: then it is tried again. */
START_TEST(a_write_that_others_keep_out_ends_by_its_deadline_undone)
{
    long long connection;

    EXPECT(KEEL_OK, set_text("k", "before"));
    connection = connection_of_the_bag();
    test_mariadb_tell(root, "BEGIN");
    test_mariadb_tell(root, "UPDATE keel_bag SET f = 1");
    for (int tries = 1; !is_told_in_time_that_others_keep_it_out(); tries++) {
        ck_assert_int_lt(tries, 5);
        EXPECT(KEEL_OK, get_text("k")); /* by another connection */
        connection = connection_of_the_bag();
    }
    EXPECT(KEEL_OK, get_text("k")); /* reading waits for nobody */
    test_mariadb_tell(root, "ROLLBACK");
    EXPECT(KEEL_OK, get_text("k"));
    ck_assert_str_eq(value, "before");
    EXPECT(KEEL_OK, set_text("k", "after"));
    ck_assert_int_eq(connection_of_the_bag(), connection);
}
END_TEST

START_TEST(a_lock_that_the_server_does_not_wait_for_leaves_it_undone)
{
    test_mariadb_tell(root, "SET GLOBAL innodb_lock_wait_timeout = 0");
    EXPECT(KEEL_OK, set_text("k", "before"));
    test_mariadb_tell(root, "BEGIN");
    test_mariadb_tell(root, "UPDATE keel_bag SET f = 1");
    EXPECT(KEEL_FAILED, set_text("k", "x"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(strstr(why.text, "1205") != NULL, "%s", why.text);
    test_mariadb_tell(root, "ROLLBACK");
    EXPECT(KEEL_OK, set_text("k", "after"));
}
END_TEST

static keel_status flushed;

static void *flush(void *ctx)
{
    flushed = keel_bag_flush(bag, NULL, &why);
    return ctx;
}

/*
 * The flush has the first item and waits for the last; its rival has the last, and then
 * wants the first. It has done more, so that it is the flush that has to give way.
 */
START_TEST(who_gives_way_in_a_deadlock_has_changed_nothing)
{
    pthread_t thread;

    open_at(server.port, "&allow_flush=on");
    EXPECT(KEEL_OK, set_text("a", "first"));
    EXPECT(KEEL_OK, set_text("z", "last"));
    test_mariadb_tell(root, "CREATE OR REPLACE TABLE work (n INT)");
    test_mariadb_tell(root, "BEGIN");
    test_mariadb_tell(root, "INSERT INTO work SELECT seq FROM seq_1_to_1000");
    test_mariadb_tell(root, "UPDATE keel_bag SET f = 1 WHERE k = 'z'");
    ck_assert_int_eq(pthread_create(&thread, NULL, flush, NULL), 0);
    while (!test_mariadb_ask(root, "SELECT variable_value FROM "
                                   "information_schema.global_status WHERE "
                                   "variable_name = 'innodb_row_lock_current_waits'"))
        ;
    test_mariadb_tell(root, "UPDATE keel_bag SET f = 2 WHERE k = 'a'");
    pthread_join(thread, NULL);
    EXPECT(KEEL_FAILED, flushed);
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    ck_assert_msg(strstr(why.text, "deadlock") != NULL, "%s", why.text);
    test_mariadb_tell(root, "ROLLBACK");
    EXPECT(KEEL_OK, get_text("a"));
    EXPECT(KEEL_OK, keel_bag_flush(bag, NULL, &why));
    EXPECT(KEEL_NOT_FOUND, get_text("a"));
}
END_TEST

static keel_cancel cancel = KEEL_CANCEL_INIT;

static void *fire(void *ctx)
{
    MYSQL *other = test_mariadb_connect(&server);

    while (!test_mariadb_ask(other,
                             "SELECT COUNT(*) FROM information_schema.processlist "
                             "WHERE user = 'app' AND state LIKE 'Waiting%'"))
        ;
    mysql_close(other);
    keel_cancel_fire(&cancel);
    return ctx;
}

/* Ended by us: whether the server did it after all is not known then. */
START_TEST(a_token_ends_the_wait_for_an_answer)
{
    const keel_bag_options options = { .size = sizeof options, .cancel = &cancel };
    uint64_t begun = now_ms();
    pthread_t thread;
    keel_status status;

    EXPECT(KEEL_OK, set_text("k", "v"));
    test_mariadb_tell(root, "LOCK TABLES keel_bag WRITE");
    ck_assert_int_eq(pthread_create(&thread, NULL, fire, NULL), 0);
    item = (keel_bag_item){ .size = sizeof item };
    status = _i ? keel_bag_set(bag, "k", "w", 1, &options, &why)
                : keel_bag_get(bag, "k", &item, &options, &why);
    pthread_join(thread, NULL);
    EXPECT(_i ? KEEL_UNKNOWN : KEEL_CANCELLED, status);
    ck_assert_int_eq(why.applied, _i ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO);
    ck_assert_uint_lt(now_ms() - begun, 5000); /* of ten seconds */
    test_mariadb_tell(root, "UNLOCK TABLES");
    EXPECT(KEEL_OK, get_text("k"));
}
END_TEST

/* ---- what the server refuses --------------------------------------------------------- */

static const char *const read_only[] = { "SET GLOBAL read_only = 1",
                                         "SET GLOBAL tx_read_only = 1" };

START_TEST(a_server_that_is_read_only_is_read_and_not_written_to)
{
    long long connection;

    EXPECT(KEEL_OK, set_text("k", "v"));
    test_mariadb_tell(root, read_only[_i]);
    open_at(server.port, "");
    EXPECT(KEEL_OK, get_text("k"));
    connection = connection_of_the_bag();
    EXPECT(KEEL_READ_ONLY, set_text("k", "w"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    test_mariadb_tell(root, "SET GLOBAL read_only = 0, tx_read_only = 0");
    EXPECT(KEEL_OK, set_text("k", "w")); /* by another, perhaps to another server */
    ck_assert_int_gt(connection_of_the_bag(), connection);
}
END_TEST

START_TEST(more_than_the_server_takes_is_refused_before_it_is_sent)
{
    size_t size = 700 << 10;
    char *large = calloc(1, 2 * size);
    long long connection;

    memset(large, 'x', 2 * size);
    test_mariadb_tell(root, "SET GLOBAL max_allowed_packet = 1048576");
    open_at(server.port, "&value_max=64MiB");
    EXPECT(KEEL_OK, keel_bag_set(bag, "k", large, size, NULL, &why));
    connection = connection_of_the_bag();
    EXPECT(KEEL_E_TOO_LARGE, keel_bag_set(bag, "k", large, 2 * size, NULL, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    EXPECT(KEEL_E_TOO_LARGE, keel_bag_append(bag, "k", large, size, NULL, &why));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    EXPECT(KEEL_E_BUFFER, get_text("k"));
    ck_assert_uint_eq(item.length, size);
    ck_assert_int_eq(connection_of_the_bag(), connection);
    free(large);
}
END_TEST

enum { CONNECTIONS = 10 /* the fewest that it can be told */ };

START_TEST(a_server_that_is_full_says_so)
{
    MYSQL *others[CONNECTIONS];

    test_mariadb_tell(root, "SET GLOBAL max_connections = 10");
    for (int i = 0; i < CONNECTIONS; i++)
        others[i] = test_mariadb_connect(&server);
    EXPECT(KEEL_THROTTLED, set_text("k", "v"));
    ck_assert_int_eq(why.applied, KEEL_APPLIED_NO);
    for (int i = 0; i < CONNECTIONS; i++)
        mysql_close(others[i]);
    test_mariadb_tell(root, "SET GLOBAL max_connections = DEFAULT");
    EXPECT(KEEL_OK, set_text("k", "v"));
}
END_TEST

START_TEST(a_connection_that_an_operator_ends_is_not_noticed)
{
    char statement[64];

    EXPECT(KEEL_OK, set_text("k", "v"));
    snprintf(statement, sizeof statement, "KILL %lld", connection_of_the_bag());
    test_mariadb_tell(root, statement);
    while (test_mariadb_ask(root, "SELECT COUNT(*) FROM information_schema.processlist "
                                  "WHERE user = 'app'"))
        ;
    EXPECT(KEEL_OK, set_text("k", "w"));
}
END_TEST

static void close_in_child(void)
{
    keel_bag_close(bag);
}

/* The server would take the child's goodbye for its parent's. */
START_TEST(a_child_that_closes_the_bag_leaves_its_parents_session_alone)
{
    long long session;

    open_at(server.port, "&connections=1");
    EXPECT(KEEL_OK, set_text("k", "v"));
    session = connection_of_the_bag();
    child_await(child_fork(close_in_child));
    EXPECT(KEEL_OK, set_text("k", "w"));
    ck_assert_int_eq(connection_of_the_bag(), session);
}
END_TEST

int main(void)
{
    const suite_test tests[] = {
        ONE(what_every_bag_promises_this_one_keeps),
        ROWS(what_can_be_seen_to_be_wrong_is_said_at_once, mistakes),
        ONE(a_password_is_in_no_text),
        ONE(a_host_is_found_by_its_name),
        ONE(a_name_that_is_looked_up_for_long_is_left_at_the_deadline),
        ROWS(a_table_that_is_no_bag_is_left_alone, tables),
        ONE(a_table_without_transactions_is_none),
        ONE(without_create_the_table_has_to_be_there),
        ONE(a_table_that_is_taken_away_is_made_anew),
        ONE(a_server_that_may_lose_writes_is_refused_unless_that_is_allowed),
        ROWS(a_number_has_64_bits_without_a_sign, numbers),
        ROWS(bytes_are_bytes_in_every_mode_of_the_server, modes),
        ONE(an_expiry_that_is_there_already_is_touched),
        ONE(the_servers_time_is_nobodys),
        ONE(what_has_expired_leaves_the_table_with_those_who_write),
        ONE(a_sweep_that_others_keep_out_takes_little_of_a_writers_time),
        ONE(a_write_that_others_keep_out_ends_by_its_deadline_undone),
        ONE(a_lock_that_the_server_does_not_wait_for_leaves_it_undone),
        ONE(who_gives_way_in_a_deadlock_has_changed_nothing),
        { a_token_ends_the_wait_for_an_answer, 2 },
        ROWS(a_server_that_is_read_only_is_read_and_not_written_to, read_only),
        ONE(more_than_the_server_takes_is_refused_before_it_is_sent),
        ONE(a_server_that_is_full_says_so),
        ONE(a_connection_that_an_operator_ends_is_not_noticed),
        ONE(a_child_that_closes_the_bag_leaves_its_parents_session_alone),
    };
    int failed = 1;

    if (!test_mariadb_is_installed())
        return 77;
    if (test_mariadb_init(&server) && test_mariadb_start(&server))
        failed = suite_run_in("mysql", 60, setup, teardown, tests,
                              sizeof tests / sizeof tests[0]);
    test_mariadb_cleanup(&server);
    return failed;
}
