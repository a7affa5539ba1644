/* SPDX-License-Identifier: MIT */
/* A user with the rights of lib/share/scripts/acl can do what keel does, and no more. */
#include "share/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static member user;

static void run_words(const char *words)
{
    redisReply *reply = redisCommand(fleet_connection, words);

    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", words, reply->str);
    freeReplyObject(reply);
}

/* As the administrator would paste it. */
static void create_user(void)
{
    const char *dir = getenv("srcdir");
    char path[512], line[2048], command[2200];
    FILE *file;

    snprintf(path, sizeof path, "%s/lib/share/scripts/acl", dir ? dir : ".");
    file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    snprintf(command, sizeof command, "ACL SETUSER keel on >secret %s", line);
    run_words(command);
}

static void start(void)
{
    fleet_start();
    create_user();
    freeReplyObject(fleet_ask("SET %s x", "others"));
    freeReplyObject(fleet_ask("AUTH keel secret"));
    user = member_named("a");
}

START_TEST(every_script_runs)
{
    const keel_wire_lock lock = { .name = BREAKER,
                                  .kind = KEEL_LOCK_NONE,
                                  .expected = KEEL_WIRE_ANY_LOCK,
                                  .reason = "",
                                  .actor = "" };
    const keel_wire_rate rate = { "orders", 10, 1000000, 10, 1, 0 };
    const keel_wire_places places = { "orders", 5, 2, 3, 60000 };
    static const char *const names[] = { BREAKER };
    keel_command command = command_new();
    keel_wire_claimed claimed;
    stored s = stored_as(KEEL_BREAKER_OPEN, 5);

    s.due = 1;
    member_sync(&user, NULL, 0, NULL);
    member_joins(&user);
    store(&s);
    claimed = member_claims(&user, 5, 2);
    member_ends(&user, 6, claimed.fences[0], KEEL_WIRE_RENEW);
    member_ends(&user, 6, claimed.fences[0], KEEL_WIRE_BAD);
    member_locks(&user, &lock);
    ck_assert(keel_wire_looks_write(&command, &user.fleet, names, 1));
    freeReplyObject(fleet_run(&command));
    command = command_new();
    ck_assert(keel_wire_names_write(&command, &user.fleet, 0, 9));
    freeReplyObject(fleet_run(&command));
    command = command_new();
    ck_assert(keel_wire_rate_write(&command, &user.fleet, &rate));
    freeReplyObject(fleet_run(&command));
    command = command_new();
    ck_assert(keel_wire_places_write(&command, &user.fleet, &places));
    freeReplyObject(fleet_run(&command));
}
END_TEST

START_TEST(with_quorum_watch_and_sharded_channel_too)
{
    keel_wire_delta delta;
    keel_wire_report r = report_with(1, 0, 9, &delta);

    r.registers = true;
    r.reporters = 1;
    user.fleet.sharded = true;
    ck_assert_int_eq(member_report(&user, &r).state, KEEL_BREAKER_OPEN);
    r.reporters = 2;
    r.name = "stock";
    ck_assert_int_eq(member_report(&user, &r).state, KEEL_BREAKER_CLOSED);
}
END_TEST

static const char *const allowed[] = { "PING", "ROLE", "SELECT 0",
                                       "SUBSCRIBE keel1:{shop}:ev" };

START_TEST(what_the_client_needs_is_allowed)
{
    run_words(allowed[_i]);
}
END_TEST

static const char *const denied[] = {
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG GET maxmemory",
    "KEYS *",
    "SCAN 0",
    "GET others",
    "SET others y",
    "EVAL return{redis.call('GET',KEYS[1])} 1 others",
    "EVAL return{redis.call('GET','others')} 0",
    "EVAL return{redis.call('FLUSHALL')} 0",
    "PUBLISH others hello",
    "SUBSCRIBE others",
    "PSUBSCRIBE *",
    "ACL LIST",
    "SCRIPT FLUSH",
    "SHUTDOWN",
    "CLIENT LIST",
    "INFO",
    "REPLICAOF NO ONE",
    "MONITOR",
};

START_TEST(everything_else_is_denied)
{
    redisReply *reply = redisCommand(fleet_connection, denied[_i]);

    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type == REDIS_REPLY_ERROR, "%s", denied[_i]);
    /* of a command, and of a script's user */
    ck_assert_msg(strstr(reply->str, "NOPERM") || strstr(reply->str, "The user"),
                  "%s: %s", denied[_i], reply->str);
    freeReplyObject(reply);
}
END_TEST

int main(void)
{
    const suite_test tests[] = { ONE(every_script_runs),
                                 ONE(with_quorum_watch_and_sharded_channel_too),
                                 ROWS(what_the_client_needs_is_allowed, allowed),
                                 ROWS(everything_else_is_denied, denied) };

    if (!test_redis_is_installed())
        return 77;
    return suite_run_in("share/acl", 60, start, fleet_stop, tests,
                        sizeof tests / sizeof tests[0]);
}
