/* SPDX-License-Identifier: MIT */
/* A bag in a table of MariaDB, through the plugin as it was built. */
#ifndef KEEL_TESTS_BAG_MYSQL_FIXTURE_H
#define KEEL_TESTS_BAG_MYSQL_FIXTURE_H

#include <keel/keel.h>
#include <stdio.h>
#include <string.h>

#include "support/mariadb.h"
#include "support/plugins.h"
#include "support/proxy.h"
#include "support/suite.h"

enum { SLACK_MS = 4000 }; /* of a busy machine; what does not end lasts for longer */

static test_mariadb server;
static spawned folder; /* of the plugin */
static keel_runtime *rt;
static keel_bag *bag;
static keel_detail why; /* of the last verb */
static char value[4096];
static keel_bag_item item;

static inline void open_runtime(void)
{
    static char path[SPAWNED_PATH_SIZE + 32];
    static const char *const environment[] = {
        path, "KEEL_CHAOS=allow", "KEEL_TEST_PASSWORD=" TEST_MARIADB_PASSWORD, NULL
    };
    const keel_options options = { .size = sizeof options, .environment = environment };

    ck_assert(spawned_init(&folder, "mysql"));
    plugins_add(&folder, ".libs/keel_bag_mysql.so", "mysql");
    snprintf(path, sizeof path, "KEEL_PLUGIN_PATH=%s", folder.dir);
    why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_open(&rt, &options, &why), KEEL_OK);
}

static inline void close_runtime(void)
{
    keel_bag_close(bag);
    bag = NULL;
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    spawned_cleanup(&folder);
}

static inline keel_status try_to_open(const char *spec)
{
    keel_bag_close(bag);
    bag = NULL;
    return keel_bag_open(&bag, rt, "test", spec, &why);
}

static inline void open_spec(const char *spec)
{
    ck_assert_msg(try_to_open(spec) == KEEL_OK, "%s: %s", spec, why.text);
}

/* A bag at a port of loopback, whose table is made; query: "" or "&connections=1". Unless
 * it says how long connecting may take, that is as long as a busy machine needs. */
static inline void open_at(uint16_t port, const char *query)
{
    const char *patience =
        strstr(query, "connect_timeout") ? "" : "&connect_timeout=20s";
    char spec[512];

    snprintf(
        spec, sizeof spec,
        "mysql://app@127.0.0.1:%u/kv?create=on&password_env=KEEL_TEST_PASSWORD%s%s",
        port, query, patience);
    open_spec(spec);
}

static inline keel_bag_options within(uint64_t ms)
{
    return (keel_bag_options){ .size = sizeof(keel_bag_options),
                               .deadline_at_ns = keel_now(rt) + ms * 1000000 };
}

static inline uint64_t now_ms(void)
{
    return keel_now(rt) / 1000000;
}

static inline keel_status set_text(const char *key, const char *text)
{
    return keel_bag_set(bag, key, text, strlen(text), NULL, &why);
}

static inline keel_status get_text(const char *key)
{
    memset(value, 0, sizeof value);
    item = (keel_bag_item){ .size = sizeof item,
                            .buffer = value,
                            .capacity = sizeof value - 1 };
    return keel_bag_get(bag, key, &item, NULL, &why);
}

#define EXPECT(wanted, call)                                                           \
    do {                                                                               \
        keel_status expect_status = (call);                                            \
                                                                                       \
        ck_assert_msg(expect_status == (wanted), "%s: %s, not %s: %s", #call,          \
                      keel_status_name(expect_status), keel_status_name(wanted),       \
                      why.text);                                                       \
    } while (0)

#endif
