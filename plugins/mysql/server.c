/* SPDX-License-Identifier: MIT */
/* Options and URL. Names are of letters that need no quoting, and are quoted all the same. */
#include "server.h"

#include <string.h>

#include "common/turns.h"

#define MILLISECOND_NS UINT64_C(1000000)
#define HOUR_NS (3600000 * MILLISECOND_NS)
#define TABLE "keel_bag"

enum { PORT = 3306 };

const keel_bag_option keel_mysql_options[] = {
    [OPTION_DATABASE] = { .name = "database",
                          .type = KEEL_BAG_TEXT,
                          .meaning = "The database, where the URL's path is that of a "
                                     "unix socket." },
    [OPTION_TABLE] = { .name = "table",
                       .type = KEEL_BAG_TEXT,
                       .meaning = "The table, where the URL's path is that of a unix "
                                  "socket; keel_bag if none is named." },
    [OPTION_CREATE] = { .name = "create",
                        .type = KEEL_BAG_SWITCH,
                        .standard = "off",
                        .meaning = "Makes the table where it is not there." },
    [OPTION_DURABLE] = { .name = "durable",
                         .type = KEEL_BAG_SWITCH,
                         .standard = "on",
                         .meaning = "on: a server that may lose what it acknowledged "
                                    "when its machine crashes is refused." },
    [OPTION_TLS] = { .name = "tls",
                     .type = KEEL_BAG_SWITCH,
                     .standard = "off",
                     .meaning = "Only by TLS, to a server whose certificate is in its "
                                "host's name." },
    [OPTION_TLS_CA] = { .name = "tls_ca",
                        .type = KEEL_BAG_TEXT,
                        .meaning = "A file of the authorities that are trusted, in the "
                                   "place of the system's." },
    [OPTION_CONNECTIONS] = { .name = "connections",
                             .type = KEEL_BAG_COUNT,
                             .min = 1,
                             .max = KEEL_TURNS_MOST,
                             .standard = "16",
                             .meaning = "At most; who needs one more waits." },
    [OPTION_CONNECT_TIMEOUT] = { .name = "connect_timeout",
                                 .type = KEEL_BAG_DURATION,
                                 .min = MILLISECOND_NS,
                                 .max = HOUR_NS,
                                 .standard = "1s",
                                 .meaning = "For looking the server up, connecting and "
                                            "logging in, within the call's deadline." },
    [OPTION_IDLE] = { .name = "idle",
                      .type = KEEL_BAG_DURATION,
                      .min = MILLISECOND_NS,
                      .max = 24 * HOUR_NS,
                      .standard = "1m",
                      .meaning = "A connection unused for longer is not used again." },
    [OPTION_PASSWORD] = { .name = "password",
                          .type = KEEL_BAG_SECRET,
                          .meaning = "In the place of the URL's." },
    { .name = NULL },
};

static keel_status refuse(const keel_mysql_server *server, keel_detail *why,
                          const char *sentence)
{
    return keel_bag_fail(why, KEEL_E_CONFIG, KEEL_APPLIED_NO, server->path, "%s",
                         sentence);
}

/* ---- names --------------------------------------------------------------------------- */

static bool copy_name(char to[KEEL_MYSQL_NAME_SIZE], const char *from, size_t length)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789_$-";

    if (!length || length >= KEEL_MYSQL_NAME_SIZE || strspn(from, letters) < length)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

/* "/database" or "/database/table". */
static bool read_path(keel_mysql_server *server, const char *path)
{
    size_t length = path[0] ? strcspn(path + 1, "/") : 0;
    const char *table = path[0] ? path + 1 + length : path;

    if (!length || !copy_name(server->database, path + 1, length))
        return false;
    table = table[0] && table[1] ? table + 1 : TABLE;
    return copy_name(server->table, table, strlen(table));
}

static bool read_names(keel_mysql_server *server, const keel_bag_value *values)
{
    const char *database = values[OPTION_DATABASE].text;
    const char *table = values[OPTION_TABLE].text;

    if (!table)
        table = TABLE;
    return database && copy_name(server->database, database, strlen(database)) &&
           copy_name(server->table, table, strlen(table));
}

/* ---- the URL ------------------------------------------------------------------------- */

static keel_status read_host(keel_mysql_server *server, const keel_bag_setup *setup,
                             keel_detail *why)
{
    size_t length = strlen(setup->host);

    if (length >= sizeof server->host || strchr(setup->host, ','))
        return refuse(server, why, "its URL names one host, of 255 bytes at most");
    memcpy(server->host, setup->host, length + 1);
    server->port = setup->port ? setup->port : PORT;
    if (setup->values[OPTION_DATABASE].text || setup->values[OPTION_TABLE].text)
        return refuse(
            server, why,
            "database and table stand in the URL: mysql://HOST/DATABASE/TABLE");
    if (!read_path(server, setup->location))
        return refuse(
            server, why,
            "its URL ends in /DATABASE or /DATABASE/TABLE, of up to 64 letters, "
            "digits, \"_\", \"$\" and \"-\" each");
    return KEEL_OK;
}

static keel_status read_socket(keel_mysql_server *server, const keel_bag_setup *setup,
                               keel_detail *why)
{
    size_t length = strlen(setup->location);

    if (length < 2)
        return refuse(server, why, "neither a host nor the path of a unix socket");
    if (length >= sizeof server->socket)
        return refuse(server, why, "the path of its socket has 107 bytes at most");
    memcpy(server->socket, setup->location, length + 1);
    if (server->has_tls)
        return refuse(server, why, "there is no TLS on a unix socket");
    if (!read_names(server, setup->values))
        return refuse(
            server, why,
            "at a unix socket database= is needed, and table= may be; of up to "
            "64 letters, digits, \"_\", \"$\" and \"-\" each");
    return KEEL_OK;
}

keel_status keel_mysql_server_read(keel_mysql_server *server,
                                   const keel_bag_setup *setup, keel_detail *why)
{
    const keel_bag_value *values = setup->values;
    const char *secret = values[OPTION_PASSWORD].text;

    server->runtime = setup->runtime;
    server->path = setup->path;
    server->user = setup->user;
    server->password = secret ? secret : setup->password;
    server->has_tls = values[OPTION_TLS].number;
    server->tls_ca = values[OPTION_TLS_CA].text;
    server->creates = values[OPTION_CREATE].number;
    server->is_durable = values[OPTION_DURABLE].number;
    server->connect_ns = values[OPTION_CONNECT_TIMEOUT].number;
    server->idle_ns = values[OPTION_IDLE].number;
    if (!*setup->user)
        return refuse(server, why, "its URL names no user: mysql://USER@HOST/DATABASE");
    if (server->tls_ca && !server->has_tls)
        return refuse(server, why, "tls_ca says whom tls=on trusts");
    return *setup->host ? read_host(server, setup, why)
                        : read_socket(server, setup, why);
}
