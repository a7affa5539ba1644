/* SPDX-License-Identifier: MIT */
/* keel-conform over the memcached store: each way to a server, each set of commands. */
#include <stdio.h>
#include <string.h>

#include "support/memcached.h"
#include "support/suite.h"

static const struct {
    const char *why;
    bool is_unix;
    const char *options;
} ways[] = {
    { "as it is by itself", false, "?allow_flush=on" },
    { "meta commands over a unix socket", true, "?allow_flush=on&protocol=meta" },
    { "classic commands", false, "?allow_flush=on&protocol=classic" },
    { "classic commands over a unix socket", true, "?allow_flush=on&protocol=classic" },
};

static test_memcached server;

static void stop(void)
{
    test_memcached_cleanup(&server);
}

START_TEST(what_every_bag_promises_this_one_keeps)
{
    char command[512], said[4096];
    FILE *kit;

    ck_assert(ways[_i].is_unix ? test_memcached_start_unix(&server, NULL, NULL)
                               : test_memcached_start(&server, NULL, NULL));
    if (ways[_i].is_unix)
        snprintf(command, sizeof command,
                 "./keel-conform --quiet 'memcached://%s%s' 2>&1", server.socket,
                 ways[_i].options);
    else
        snprintf(command, sizeof command,
                 "./keel-conform --quiet 'memcached://127.0.0.1:%u%s' 2>&1",
                 server.port, ways[_i].options);
    kit = popen(command, "r");
    ck_assert_ptr_nonnull(kit);
    said[fread(said, 1, sizeof said - 1, kit)] = '\0';
    ck_assert_msg(pclose(kit) == 0, "%s: %s", ways[_i].why, said);
    ck_assert_ptr_nonnull(strstr(said, " passed, 0 failed"));
}
END_TEST

int main(void)
{
    const suite_test tests[] = { ROWS(what_every_bag_promises_this_one_keeps, ways) };

    if (!test_memcached_is_installed())
        return 77;
    return suite_run_in("memcached_conform", 120, NULL, stop, tests,
                        sizeof tests / sizeof tests[0]);
}
