/* SPDX-License-Identifier: MIT */
/* What the verbs of keel bag do with a bag that lives on, and what they print. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../tools/bag.h"
#include "../../tools/keel.h"
#include "support/suite.h"

enum { PRINTED = 4096 };

static keel_runtime *runtime;
static keel_bag *bag;
static char printed[PRINTED];

static void setup(void)
{
    ck_assert_int_eq(keel_open(&runtime, NULL, NULL), KEEL_OK);
    ck_assert_int_eq(
        keel_bag_open(&bag, runtime, "tool", "memory://?allow_flush=on", NULL),
        KEEL_OK);
}

static void teardown(void)
{
    keel_bag_close(bag);
    keel_close(runtime, 0);
}

static void put(const char *key, const char *value, uint32_t flags, int64_t ttl_ms)
{
    keel_bag_options options = { .size = sizeof options, .flags = flags };

    if (ttl_ms)
        options.ttl = keel_ttl_for_ms(ttl_ms);
    ck_assert_int_eq(keel_bag_set(bag, key, value, strlen(value), &options, NULL),
                     KEEL_OK);
}

/* Runs it with both outputs in a file, whose text is then printed's. */
static int run(int (*tool)(const keel_bag_request *), keel_bag_request *request)
{
    int out = dup(STDOUT_FILENO), error = dup(STDERR_FILENO), code;
    FILE *file = tmpfile();
    size_t length;

    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    code = tool(request);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    dup2(error, STDERR_FILENO);
    close(out);
    close(error);
    rewind(file);
    length = fread(printed, 1, sizeof printed - 1, file);
    printed[length] = '\0';
    fclose(file);
    return code;
}

static keel_bag_request request_of(const char *verb, char **arguments, int count)
{
    return (keel_bag_request){ .verb = verb,
                               .runtime = runtime,
                               .bag = bag,
                               .options = { .size = sizeof(keel_bag_options) },
                               .prefix = "",
                               .count = count,
                               .arguments = arguments };
}

static char key[] = "a";

START_TEST(get_prints_the_value_and_nothing_else)
{
    char *arguments[] = { key };
    keel_bag_request request = request_of("get", arguments, 1);

    put("a", "two\nlines", 0, 0);
    ck_assert_int_eq(run(keel_bag_tool_get, &request), 0);
    ck_assert_str_eq(printed, "two\nlines");
}
END_TEST

START_TEST(a_large_value_is_read_whole)
{
    static char large[100000];
    keel_bag_item item;

    memset(large, 'x', sizeof large - 1);
    put("a", large, 0, 0);
    ck_assert_int_eq(keel_bag_read_whole(bag, "a", &item, NULL, NULL), KEEL_OK);
    ck_assert_uint_eq(item.length, sizeof large - 1);
    ck_assert_int_eq(memcmp(item.buffer, large, item.length), 0);
    free(item.buffer);
}
END_TEST

START_TEST(json_tells_all_of_an_item)
{
    char *arguments[] = { key };
    keel_bag_request request = request_of("get", arguments, 1);
    char expected[128];

    request.json = true;
    put("a", "say \"x\"\n", 7, 0);
    ck_assert_int_eq(run(keel_bag_tool_get, &request), 0);
    ck_assert_str_eq(strstr(printed, "\"length\""),
                     "\"length\":8,\"value\":\"say \\\"x\\\"\\u000a\"}\n");
    snprintf(
        expected, sizeof expected,
        "{\"schema\":1,\"key\":\"a\",\"flags\":7,\"expires_at_ms\":0,\"token\":\"");
    ck_assert_int_eq(strncmp(printed, expected, strlen(expected)), 0);
    put("a", "\xff\x01", 0, 100000);
    ck_assert_int_eq(run(keel_bag_tool_get, &request), 0);
    ck_assert_ptr_nonnull(strstr(printed, "\"length\":2,\"value_hex\":\"ff01\"}\n"));
    ck_assert_ptr_null(strstr(printed, "\"expires_at_ms\":0"));
    ck_assert_ptr_nonnull(strstr(printed, ",\"marks\":[],\"length\""));
}
END_TEST

/* As a command line; nobody listens at port 1. */
#define WITH_STANDBY "failover(redis://127.0.0.1:1, memory://)"

static int run_line(const keel_bag_request *request)
{
    static char name[] = "bag";
    char *argv[8] = { name };
    int argc = 1;

    for (int i = 0; i < request->count; i++)
        argv[argc++] = request->arguments[i];
    optind = 0; /* begins anew */
    return keel_tool_bag(argc, argv);
}

START_TEST(that_a_standby_has_taken_it_is_told)
{
    static char verb[] = "set", spec[] = WITH_STANDBY, alone[] = "memory://";
    static char value[] = "1";
    char *arguments[] = { verb, spec, key, value };
    keel_bag_request request = request_of("set", arguments, 4);

    ck_assert_int_eq(run(run_line, &request), 0);
    ck_assert_ptr_nonnull(strstr(printed, "a standby has taken it"));
    arguments[1] = alone;
    ck_assert_int_eq(run(run_line, &request), 0);
    ck_assert_str_eq(printed, "");
}
END_TEST

START_TEST(json_tells_where_an_item_is_from)
{
    char *arguments[] = { key };
    keel_bag_request request = request_of("get", arguments, 1);

    request.json = true;
    ck_assert_int_eq(
        keel_bag_open(&request.bag, runtime, "standby", WITH_STANDBY, NULL), KEEL_OK);
    ck_assert_int_eq(keel_bag_set(request.bag, key, "1", 1, NULL, NULL), KEEL_OK);
    ck_assert_int_eq(run(keel_bag_tool_get, &request), 0);
    ck_assert_ptr_nonnull(strstr(printed, ",\"marks\":[\"from_standby\"],\"length\""));
    keel_bag_close(request.bag);
}
END_TEST

/* The token that get --json tells. */
static keel_bag_token told_token(void)
{
    char *arguments[] = { key }, text[KEEL_BAG_TOKEN_TEXT];
    keel_bag_request request = request_of("get", arguments, 1);
    keel_bag_token token = { .length = 0 };
    const char *at;

    request.json = true;
    ck_assert_int_eq(run(keel_bag_tool_get, &request), 0);
    at = strstr(printed, "\"token\":\"");
    ck_assert_int_eq(sscanf(at, "\"token\":\"%94[0-9a-f]", text), 1);
    ck_assert(keel_bag_token_read(text, &token));
    return token;
}

START_TEST(a_token_stores_and_deletes_what_was_seen_alone)
{
    static char value[] = "new";
    char *arguments[] = { key, value };
    keel_bag_request set = request_of("set", arguments, 2);
    keel_bag_request delete = request_of("delete", arguments, 1);

    put("a", "old", 0, 0);
    set.token = delete.token = told_token();
    ck_assert_int_eq(run(keel_bag_tool_store, &set), 0);
    ck_assert_int_eq(run(keel_bag_tool_store, &set), KEEL_BAG_EXIT_NO);
    ck_assert_str_eq(printed, "keel bag: a: it is another by now\n");
    ck_assert_int_eq(run(keel_bag_tool_delete, &delete), KEEL_BAG_EXIT_NO);
    delete.token = told_token();
    ck_assert_int_eq(run(keel_bag_tool_delete, &delete), 0);
}
END_TEST

START_TEST(numbers_go_up_and_down)
{
    static char by[] = "5";
    char *arguments[] = { key, by };
    keel_bag_request incr = request_of("incr", arguments, 2);
    keel_bag_request decr = request_of("decr", arguments, 1);

    put("a", "10", 0, 0);
    ck_assert_int_eq(run(keel_bag_tool_count, &incr), 0);
    ck_assert_str_eq(printed, "15\n");
    ck_assert_int_eq(run(keel_bag_tool_count, &decr), 0);
    ck_assert_str_eq(printed, "14\n");
    put("a", "x", 0, 0);
    ck_assert_int_eq(run(keel_bag_tool_count, &incr), KEEL_BAG_EXIT_NO);
    ck_assert_str_eq(printed, "keel bag: a: no number\n");
}
END_TEST

START_TEST(scan_and_copy_take_what_begins_with_the_prefix)
{
    static char to[] = "memory://";
    char *arguments[] = { to };
    keel_bag_request scan = request_of("scan", NULL, 0);
    keel_bag_request copy = request_of("copy", arguments, 1);
    size_t lines = 0;

    for (int i = 0; i < 1000; i++) {
        char name[32];

        snprintf(name, sizeof name, "%s:%d", i % 10 ? "other" : "mine", i);
        put(name, "x", 1, i % 2 ? 0 : 100000);
    }
    scan.prefix = copy.prefix = "mine:";
    ck_assert_int_eq(run(keel_bag_tool_scan, &scan), 0);
    for (const char *at = printed; (at = strstr(at, "mine:")); at++)
        lines++;
    ck_assert_uint_eq(lines, 100);
    ck_assert_ptr_null(strstr(printed, "other"));
    ck_assert_int_eq(run(keel_bag_tool_copy, &copy), 0);
    ck_assert_str_eq(printed,
                     "keel bag: 100 copied, 0 kept as they were, 0 gone meanwhile\n");
}
END_TEST

START_TEST(flush_leaves_nothing)
{
    keel_bag_request flush = request_of("flush", NULL, 0);
    keel_bag_request scan = request_of("scan", NULL, 0);

    put("a", "x", 0, 0);
    ck_assert_int_eq(run(keel_bag_tool_flush, &flush), 0);
    ck_assert_int_eq(run(keel_bag_tool_scan, &scan), 0);
    ck_assert_str_eq(printed, "");
}
END_TEST

SUITE_IN("keel bag", 30, setup, teardown, ONE(get_prints_the_value_and_nothing_else),
         ONE(a_large_value_is_read_whole), ONE(json_tells_all_of_an_item),
         ONE(json_tells_where_an_item_is_from),
         ONE(that_a_standby_has_taken_it_is_told),
         ONE(a_token_stores_and_deletes_what_was_seen_alone),
         ONE(numbers_go_up_and_down),
         ONE(scan_and_copy_take_what_begins_with_the_prefix), ONE(flush_leaves_nothing))
