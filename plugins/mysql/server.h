/* SPDX-License-Identifier: MIT */
/* Which server, database and table a bag is in, and how it is spoken to. Connects not. */
#ifndef KEEL_PLUGINS_MYSQL_SERVER_H
#define KEEL_PLUGINS_MYSQL_SERVER_H

#include <keel/bag_plugin.h>
#include <stdatomic.h>

#include "lookup.h"

enum { KEEL_MYSQL_NAME_SIZE = 65, KEEL_MYSQL_SOCKET_SIZE = 108 };

enum {
    OPTION_DATABASE,
    OPTION_TABLE,
    OPTION_CREATE,
    OPTION_DURABLE,
    OPTION_TLS,
    OPTION_TLS_CA,
    OPTION_CONNECTIONS,
    OPTION_CONNECT_TIMEOUT,
    OPTION_IDLE,
    OPTION_PASSWORD
};

extern const keel_bag_option keel_mysql_options[];

/*
 * What all connections of a store have in common.
 *
 * path        of the bag in its tree, for texts
 * host        "": by the unix socket
 * creates     makes the table where it is not there
 * is_durable  a server that may lose what it acknowledged is refused
 * is_checked  the table was seen to be a bag's
 */
typedef struct keel_mysql_server {
    keel_runtime *runtime;
    const char *path;
    const char *user, *password;
    char host[KEEL_MYSQL_HOST_SIZE];
    uint16_t port;
    char socket[KEEL_MYSQL_SOCKET_SIZE];
    char database[KEEL_MYSQL_NAME_SIZE], table[KEEL_MYSQL_NAME_SIZE];
    bool has_tls;
    const char *tls_ca;
    bool creates;
    bool is_durable;
    uint64_t connect_ns, idle_ns;
    atomic_bool is_checked;
} keel_mysql_server;

/* KEEL_OK, or KEEL_E_CONFIG and why. Texts of the setup are borrowed. */
keel_status keel_mysql_server_read(keel_mysql_server *server,
                                   const keel_bag_setup *setup, keel_detail *why);

#endif
