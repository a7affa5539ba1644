/* SPDX-License-Identifier: MIT */
/*
 * Scenarios that are wrong, and the command line of keel simulate. What is wrong is
 * said with its step or column, before anything is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "support/suite.h"
#include "tools/simulate.h"

/* ---- running --------------------------------------------------------------------- */

static simulation room;

static void enter(void)
{
    simulation_init(&room);
}

static void leave(void)
{
    simulation_cleanup(&room);
}

static void write_script(const char *text)
{
    FILE *file = fopen(room.script, "we");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void expect_words(const char *path, const char *words)
{
    char *text = simulation_read(path);

    ck_assert_msg(strstr(text, words), "not \"%s\" but: %s", words, text);
    free(text);
}

static void expect_no_words(const char *path, const char *words)
{
    char *text = simulation_read(path);

    ck_assert_msg(!strstr(text, words), "\"%s\" in: %s", words, text);
    free(text);
}

static void expect_empty(const char *path)
{
    char *text = simulation_read(path);

    ck_assert_str_eq(text, "");
    free(text);
}

/* ---- wrong before anything runs -------------------------------------------------- */

#define STEP(step) "{\"settings\":\"none\",\"steps\":[{\"call\":\"ok\"}," step "]}"

static const struct {
    const char *text;
    const char *words;
} wrong[] = {
    { "", "line 1 col 0:" },
    { "{\"steps\":[]", "line 1 col 11:" },
    { "{\n \"steps\":[],\n \"steps\":[]}", "line 3 col 8: duplicate object key" },
    { "{\"steps\":[]} x", "col 14: end of file expected" },
    { "[]", "a scenario must be a JSON object" },
    { "{}", "the scenario has no \"steps\"" },
    { "{\"steps\":{}}", "\"steps\" must be an array of steps" },
    { "{\"steps\":[],\"pace\":1}",
      "a scenario has no \"pace\"; allowed: settings, steps, random, seed, start" },
    { "{\"step\":[]}", "a scenario has no \"step\", did you mean \"steps\"? allowed:" },
    { "{\"steps\":[],\"settings\":7}", "\"settings\" must be a string" },
    { "{\"steps\":[],\"settings\":\"none; timeot=1s\"}",
      "keel simulate: settings col 7: unknown setting \"timeot\", did you mean "
      "\"timeout\"?\n" },
    { "{\"steps\":[],\"settings\":\"timeout=800\"}", "settings col 9:" },
    { "{\"steps\":[],\"start\":5}", "\"start\" must be a duration, such as \"250ms\"" },
    { "{\"steps\":[],\"start\":\"5\"}", "\"start\": \"5\" needs a unit" },
    { "{\"steps\":[],\"start\":\"-5s\"}", "\"start\": \"-5s\" not understood" },
    { "{\"steps\":[],\"seed\":-1}", "\"seed\" must be a whole number, 0 or more" },
    { "{\"steps\":[],\"seed\":1.5}", "\"seed\" must be a whole number" },
    { "{\"steps\":[],\"random\":0.5}", "\"random\" must be an array of at least one" },
    { "{\"steps\":[],\"random\":[]}", "\"random\" must be an array of at least one" },
    { "{\"steps\":[],\"random\":[0.5,1]}", "\"random\": number 2 is not in [0,1)" },
    { "{\"steps\":[],\"random\":[-0.1]}", "\"random\": number 1 is not in [0,1)" },
    { "{\"steps\":[],\"random\":[\"0.5\"]}", "\"random\": number 1 is not in [0,1)" },
    { "{\"steps\":[],\"random\":[1e999]}", "line 1 col 27: real number overflow" },
    { "{\"steps\":[],\"random\":[NaN]}", "line 1 col 25: invalid token" },

    { STEP("7"), "step 2: a step must be an object" },
    { STEP("{}"), "step 2: no verb: a step is one of call, begin, end" },
    { STEP("{\"times\":3}"), "step 2: no verb" },
    { STEP("{\"cal\":\"ok\"}"), "step 2: unknown key \"cal\", did you mean \"call\"? "
                                "allowed: call, begin, end, advance, "
                                "lock, unlock, transition, reset, reload" },
    { STEP("{\"call\":\"ok\",\"advance\":\"1s\"}"), "step 2: two verbs, \"call\" and" },
    { STEP("{\"call\":\"ok\",\"tims\":3}"),
      "step 2: unknown key \"tims\", did you mean \"times\"? allowed: times, "
      "idempotent, "
      "deadline" },
    { STEP("{\"begin\":\"a\",\"tims\":3}"),
      "step 2: unknown key \"tims\": \"begin\" stands alone" },
    { STEP("{\"advance\":\"1s\",\"times\":3}"),
      "\"times\" does not go with \"advance\"" },
    { STEP("{\"begin\":\"a\",\"idempotent\":true}"),
      "step 2: \"idempotent\" does not go with \"begin\"" },
    { STEP("{\"call\":\"ok\",\"for\":\"1s\"}"), "\"for\" does not go with \"call\"" },

    { STEP("{\"call\":\"okay\"}"),
      "step 2: \"call\" cannot be \"okay\"; allowed: ok, fail, throttled, ignored, "
      "client_error, hang" },
    { STEP("{\"call\":[\"ok\",\"ignore\"]}"),
      "step 2: \"call\" cannot be \"ignore\", did you mean \"ignored\"? allowed: ok" },
    { STEP("{\"call\":{\"as\":\"o\"}}"), "step 2: \"as\" cannot be \"o\"" },
    { STEP("{\"begin\":\"a\"},{\"end\":\"a\",\"as\":\"no\"}"),
      "step 3: \"as\" cannot be \"no\"" },
    { STEP("{\"begin\":\"a\"},{\"end\":\"a\",\"as\":{\"as\":\"fail\",\"safe\":true}}"),
      "step 3: an \"end\" is not retried: leave \"safe\" out" },
    { STEP("{\"call\":7}"), "step 2: an outcome must be a word or an object" },
    { STEP("{\"call\":[]}"), "step 2: \"call\" needs at least one outcome" },
    { STEP("{\"call\":[[\"ok\"]]}"), "step 2: an outcome must be a word or an object" },
    { STEP("{\"call\":{\"takes\":\"1s\"}}"), "step 2: an outcome needs \"as\"" },
    { STEP("{\"call\":{\"as\":\"ok\",\"take\":\"1s\"}}"),
      "step 2: an outcome has no \"take\", did you mean \"takes\"? allowed: as, takes, "
      "retry_after, safe" },
    { STEP("{\"call\":{\"as\":\"ok\",\"takes\":1}}"), "\"takes\" must be a duration" },
    { STEP("{\"call\":{\"as\":\"ok\",\"safe\":1}}"), "\"safe\" must be true or false" },
    { STEP("{\"call\":{\"as\":\"hang\",\"takes\":\"1s\"}}"),
      "step 2: what hangs never answers" },
    { STEP("{\"call\":\"ok\",\"times\":0}"),
      "step 2: \"times\" must be a whole number, 1 or more" },
    { STEP("{\"call\":\"ok\",\"times\":-3}"),
      "step 2: \"times\" must be a whole number" },
    { STEP("{\"call\":\"ok\",\"times\":\"3\"}"), "\"times\" must be a whole number" },
    { STEP("{\"call\":\"ok\",\"times\":1.5}"), "\"times\" must be a whole number" },
    { STEP("{\"call\":\"ok\",\"idempotent\":0}"),
      "\"idempotent\" must be true or false" },
    { STEP("{\"call\":\"ok\",\"deadline\":\"-1s\"}"),
      "\"deadline\": \"-1s\" not under" },
    { STEP("{\"call\":\"ok\",\"deadline\":\"99999999999h\"}"), "too large" },

    { STEP("{\"call\":\"ok\",\"affinity\":0}"),
      "step 2: \"affinity\" must be a whole number, 1 or more" },
    { STEP("{\"begin\":\"a\",\"affinity\":3}"),
      "step 2: \"affinity\" does not go with \"begin\"" },

    { STEP("{\"endpoint\":\"a\"}"), "step 2: \"endpoint\" needs either \"as\"" },
    { STEP("{\"endpoint\":\"a\",\"as\":\"ok\",\"health\":\"ok\"}"),
      "step 2: \"endpoint\" needs either" },
    { STEP("{\"endpoint\":\"a\",\"for\":\"1s\"}"),
      "step 2: \"for\" does not go with \"endpoint\"" },
    { STEP("{\"endpoint\":\"a\",\"ass\":\"ok\"}"),
      "step 2: unknown key \"ass\", did you mean \"as\"? allowed: as, health" },
    { STEP("{\"endpoint\":7,\"as\":\"ok\"}"), "step 2: \"endpoint\" must be a string" },
    { STEP("{\"endpoint\":[],\"as\":\"ok\"}"),
      "step 2: \"endpoint\" needs at least one name" },
    { STEP("{\"endpoint\":[\"a\",7],\"as\":\"ok\"}"),
      "step 2: \"endpoint\" must be a string" },
    { STEP("{\"endpoint\":\"a\",\"as\":\"okay\"}"), "\"as\" cannot be \"okay\"" },
    { STEP("{\"endpoint\":\"a\",\"as\":[\"ok\"]}"),
      "step 2: an outcome must be a word or an object" },
    { STEP("{\"endpoint\":\"a\",\"health\":\"ill\"}"),
      "step 2: \"health\" cannot be \"ill\"; allowed: ok, fail" },
    { STEP("{\"endpoint\":\"a\",\"health\":null}"), "\"health\" must be a string" },
    { STEP("{\"endpoint\":\"a\",\"as\":\"ok\"}"),
      "step 2: the settings name no endpoints" },
    { STEP("{\"reload\":\"none; endpoints=a:1, b:2\"},"
           "{\"endpoint\":[\"a:1\",\"b\"],\"health\":\"fail\"}"),
      "step 3: the settings name no endpoint \"b\"" },
    { STEP("{\"reload\":\"none; endpoints=a:1\"},{\"reload\":\"none\"},"
           "{\"endpoint\":\"a:1\",\"as\":null}"),
      "step 4: the settings name no endpoints" },

    { STEP("{\"begin\":1}"), "step 2: \"begin\" must be a string" },
    { STEP("{\"end\":\"a\",\"as\":\"ok\"}"), "step 2: nothing was begun as \"a\"" },
    { STEP("{\"begin\":\"a\"},{\"end\":\"a\"}"), "step 3: \"end\" needs \"as\"" },
    { STEP("{\"begin\":\"a\"},{\"end\":\"a\",\"as\":\"hang\"}"),
      "step 3: what hangs does not end" },
    { STEP("{\"begin\":\"a\"},{\"end\":\"a\",\"as\":[\"ok\"]}"),
      "step 3: an outcome must be a word or an object" },
    { STEP("{\"begin\":\"a\"},{\"end\":\"a\",\"as\":{\"as\":\"ok\",\"takes\":\"1s\"}}"),
      "step 3: an \"end\" takes what the clock has advanced" },

    { STEP("{\"advance\":\"3\"}"), "step 2: \"advance\": \"3\" needs a unit" },
    { STEP("{\"advance\":3}"), "step 2: \"advance\" must be a duration" },
    { STEP("{\"advance\":\"-3s\"}"), "step 2: \"advance\": \"-3s\" not understood" },
    { STEP("{\"lock\":\"shut\"}"),
      "step 2: \"lock\" cannot be \"shut\"; allowed: open, closed, disabled, observe" },
    { STEP("{\"lock\":\"open\",\"for\":0}"), "step 2: \"for\" must be longer than 0" },
    { STEP("{\"unlock\":false}"), "step 2: \"unlock\" must be true" },
    { STEP("{\"reset\":1}"), "step 2: \"reset\" must be true" },
    { STEP("{\"transition\":\"half-open\"}"),
      "\"transition\" cannot be \"half-open\", did you mean \"half_open\"?" },
    { STEP("{\"transition\":\"closed\",\"for\":\"1s\"}"),
      "step 2: \"for\" is the length" },
    { STEP("{\"reload\":true}"), "step 2: \"reload\" must be a string" },
    { STEP("{\"reload\":\"none; timeot=1s\"}"), "step 2: settings col 7:" },
    { STEP("{\"reload\":\"none\"},{\"reload\":\"none; timeout=1\"}"),
      "step 3: settings col 15: timeout \"1\" needs a unit" },
    { STEP("{\"reload\":\"timeout=1s; timeout.connect=1s\"}"),
      "step 2: settings col 13: timeout.connect=1s must be below timeout" },
};

START_TEST(what_is_wrong_is_said_with_its_place_before_anything_is_printed)
{
    write_script(wrong[_i].text);
    ck_assert_int_eq(simulate(&room, room.script), 2);
    expect_empty(room.out);
    expect_words(room.err, wrong[_i].words);
    expect_no_words(room.err, "ignored\n");
}
END_TEST

/* ---- wrong while it runs --------------------------------------------------------- */

static const struct {
    const char *text;
    const char *words;
} stopped[] = {
    { STEP("{\"begin\":\"a\"},{\"begin\":\"a\"}"), "step 3: \"a\" has begun and not" },
    { STEP("{\"begin\":\"a\"},{\"end\":\"a\",\"as\":\"ok\"},{\"end\":\"a\",\"as\":"
           "\"ok\"}"),
      "step 4: \"a\" is not in flight" },
    { STEP("{\"begin\":\"a\\nb\"},{\"begin\":\"a\\nb\"}"), "\"a\\x0ab\" has begun" },
    { STEP("{\"call\":\"hang\"}"), "step 2: the attempt hangs for ever" },
    { STEP("{\"lock\":\"open\"}"), "step 2: the breaker is off" },
    { STEP("{\"unlock\":true}"), "step 2: the breaker is off" },
    { STEP("{\"reset\":true}"), "step 2: the breaker is off" },
    { STEP("{\"transition\":\"open\"}"), "step 2: the breaker is off" },
    { STEP("{\"advance\":\"100000h\"}"), "step 2: the clock would run beyond its end" },
};

START_TEST(what_is_found_while_running_leaves_the_lines_before_it)
{
    char *text;

    write_script(stopped[_i].text);
    ck_assert_int_eq(simulate(&room, room.script), 2);
    expect_words(room.err, stopped[_i].words);
    text = simulation_read(room.out);
    ck_assert_int_eq(strncmp(text, "{\"step\":1,", 10), 0);
    ck_assert_ptr_null(strstr(text, "{\"end\""));
    free(text);
}
END_TEST

/* ---- the command line ------------------------------------------------------------ */

static const char one_call[] =
    "{\"settings\":\"none\",\"steps\":[{\"call\":\"fail\"}]}";

START_TEST(a_line_has_these_keys_in_this_order)
{
    write_script(one_call);
    ck_assert_int_eq(simulate(&room, room.script), 0);
    expect_words(room.out,
                 "{\"step\":1,\"at_ns\":0,\"do\":\"call\",\"ok\":0,\"failed\":1,"
                 "\"ignored\":0,\"rejected\":0,\"reason\":\"exhausted\","
                 "\"attempts\":1,\"waits_ns\":null,\"hedges\":null,"
                 "\"state\":null,\"lock\":null,\"generation\":null,"
                 "\"calls\":null,\"failures\":null,\"slow\":null,"
                 "\"ignored_total\":0,\"late_results\":0,\"in_flight\":null,"
                 "\"permits\":null,\"retry_after_ns\":null,"
                 "\"limit\":null,\"throttle_ppm\":null,"
                 "\"endpoints\":null,\"panic\":null,\"endpoint\":null}\n"
                 "{\"end\":true,\"transitions\":[]}\n");
    expect_empty(room.err);
}
END_TEST

START_TEST(endpoints_have_these_keys_at_the_end_of_a_line)
{
    write_script("{\"settings\":\"none; endpoints=h:1 name=a, /s; eject.consecutive=1; "
                 "eject.jitter=0; endpoints.choice=round_robin\","
                 "\"steps\":[{\"call\":\"fail\"}]}");
    ck_assert_int_eq(simulate(&room, room.script), 0);
    expect_words(
        room.out,
        "\"retry_after_ns\":null,\"limit\":null,\"throttle_ppm\":null,\"endpoints\":["
        "{\"name\":\"a\",\"attempts\":1,\"state\":null,\"ejected\":true,"
        "\"ejections\":1,\"healthy\":true,\"in_flight\":0,\"weight\":1},"
        "{\"name\":\"/s\",\"attempts\":0,\"state\":null,\"ejected\":false,"
        "\"ejections\":0,\"healthy\":true,\"in_flight\":0,\"weight\":1}],"
        "\"panic\":false,\"endpoint\":\"a\"}\n"
        "{\"end\":true,\"transitions\":[],\"endpoint_events\":["
        "{\"at_ns\":0,\"endpoint\":\"a\",\"event\":\"ejected\",\"from\":null,"
        "\"to\":null,\"cause\":\"consecutive\",\"for_ns\":30000000000}]}\n");
    expect_empty(room.err);
}
END_TEST

START_TEST(without_a_file_or_with_a_dash_it_reads_standard_input)
{
    char arguments[128];

    write_script(one_call);
    snprintf(arguments, sizeof arguments, "<%s", room.script);
    ck_assert_int_eq(simulate(&room, arguments), 0);
    expect_words(room.out, "{\"end\":true");
    snprintf(arguments, sizeof arguments, "- <%s", room.script);
    ck_assert_int_eq(simulate(&room, arguments), 0);
    expect_words(room.out, "{\"end\":true");
}
END_TEST

START_TEST(settings_on_the_command_line_replace_those_of_the_scenario)
{
    char arguments[160];

    write_script("{\"settings\":\"wrong\",\"steps\":[{\"call\":\"fail\"}]}");
    snprintf(arguments, sizeof arguments, "--settings 'none; bulkhead=3' %s",
             room.script);
    ck_assert_int_eq(simulate(&room, arguments), 0);
    expect_words(room.out, "\"in_flight\":0");
    snprintf(arguments, sizeof arguments, "--settings='none; bulkhead=x' %s",
             room.script);
    ck_assert_int_eq(simulate(&room, arguments), 2);
    expect_words(room.err, "settings col 16: bulkhead \"x\"");
    expect_empty(room.out);
}
END_TEST

START_TEST(without_settings_it_is_the_standard_preset)
{
    write_script("{\"steps\":[{\"call\":\"ok\"}]}");
    ck_assert_int_eq(simulate(&room, room.script), 0);
    expect_words(room.out, "\"waits_ns\":[],\"hedges\":null,\"state\":\"closed\"");
    expect_words(room.out, "\"in_flight\":0");
}
END_TEST

START_TEST(variables_of_the_process_change_nothing)
{
    write_script(one_call);
    ck_assert_int_eq(setenv("KEEL_SIMULATED", "bulkhead=3", 1), 0);
    ck_assert_int_eq(setenv("KEEL_DISABLED", "on", 1), 0);
    ck_assert_int_eq(simulate(&room, room.script), 0);
    expect_words(room.out, "\"in_flight\":null");
}
END_TEST

START_TEST(a_bad_idea_is_warned_of_and_runs)
{
    write_script("{\"settings\":\"none; bulkhead=1; bulkhead.queue=5\",\"steps\":["
                 "{\"reload\":\"none; timeout=5s; deadline=2s\"}]}");
    ck_assert_int_eq(simulate(&room, room.script), 0);
    expect_words(room.err, "warning: bulkhead.queue=5 with bulkhead.wait=0");
    expect_words(room.err, "warning: timeout 5s is longer than the deadline 2s");
    expect_words(room.out, "{\"end\":true");
}
END_TEST

START_TEST(what_was_begun_and_never_ended_is_told_of)
{
    write_script("{\"settings\":\"none; bulkhead=2\",\"steps\":["
                 "{\"begin\":\"a\"},{\"end\":\"a\",\"as\":\"ok\"},{\"begin\":\"b\"},"
                 "{\"begin\":\"a\"},{\"begin\":\"c\"}]}");
    ck_assert_int_eq(simulate(&room, room.script), 0);
    expect_words(room.err, "warning: step 3: \"b\" was begun and not ended\n");
    expect_words(room.err, "warning: step 4: \"a\" was begun and not ended\n");
    expect_no_words(room.err, "\"c\""); /* it was refused */
}
END_TEST

/* ---- a pipeline of this environment ---------------------------------------------- */

static void set(const char *name, const char *value)
{
    ck_assert_int_eq(setenv(name, value, 1), 0);
}

START_TEST(a_pipelines_own_settings_lie_over_those_of_the_script)
{
    char arguments[160];

    write_script("{\"settings\":\"none; bulkhead=2\",\"steps\":[{\"call\":\"ok\"},"
                 "{\"lock\":\"open\"},{\"unlock\":true},{\"reload\":\"none\"}]}");
    set("KEEL_PAY_ROLL", "bulkhead=off; breaker=on; chaos.rate=0");
    set("KEEL_DISABLED", "on");
    set("KEEL_LOG", "debug");
    snprintf(arguments, sizeof arguments, "--pipeline pay-roll %s", room.script);
    ck_assert_int_eq(simulate(&room, arguments), 0);
    expect_words(room.out, "\"state\":\"closed\"");
    expect_no_words(room.out, "\"in_flight\":0");
    expect_no_words(room.out, "\"state\":null"); /* after the reload too */
    expect_empty(room.err);
}
END_TEST

START_TEST(what_is_wrong_in_a_pipelines_own_settings_is_an_error)
{
    char arguments[160];

    write_script(one_call);
    set("KEEL_PAYMENTS", "timeout=1");
    snprintf(arguments, sizeof arguments, "--pipeline payments %s", room.script);
    ck_assert_int_eq(simulate(&room, arguments), 2);
    expect_words(room.err, "keel simulate: KEEL_PAYMENTS col 9: timeout \"1\" needs");
    set("KEEL_PAYMENTS", "timeout=1s");
    set("KEEL_LOGG", "info");
    ck_assert_int_eq(simulate(&room, arguments), 2);
    expect_words(room.err, "KEEL_LOGG: unknown variable, did you mean KEEL_LOG?");
    snprintf(arguments, sizeof arguments, "--pipeline Payments %s", room.script);
    ck_assert_int_eq(unsetenv("KEEL_LOGG"), 0);
    ck_assert_int_eq(simulate(&room, arguments), 2);
    expect_words(room.err, "\"Payments\" is no name for a pipeline");
}
END_TEST

/* Not even a board that cannot be is looked at, nor a Redis with a password. */
START_TEST(a_simulation_shares_with_nobody_and_says_nothing_of_it)
{
    char arguments[160];

    write_script("{\"settings\":\"share=fleet; share.trip=any; bulkhead=1; "
                 "bulkhead.scope=fleet; rate=5/s; rate.scope=host\",\"steps\":["
                 "{\"begin\":\"a\"},{\"begin\":\"b\"},{\"end\":\"a\",\"as\":\"ok\"},"
                 "{\"reload\":\"share.reporters=2\"}]}");
    ck_assert_int_eq(simulate(&room, room.script), 0);
    expect_words(room.out, "\"reason\":\"bulkhead_full\"");
    expect_empty(room.err);
    set("KEEL_BOARD", "nowhere");
    set("KEEL_REDIS", "redis://:secret@127.0.0.1:1");
    set("KEEL_REDIS_PASSWORD_FILE", "/nowhere");
    set("KEEL_REDIS__TIMEOUT", "soon");
    set("KEEL_NAMESPACE", "a:b");
    snprintf(arguments, sizeof arguments, "--pipeline payments %s", room.script);
    ck_assert_int_eq(simulate(&room, arguments), 0);
    expect_words(room.out, "\"reason\":\"bulkhead_full\"");
    expect_empty(room.err);
}
END_TEST

static char *lines_with(const char *seed)
{
    char text[512];

    snprintf(text, sizeof text,
             "{\"settings\":\"none; retry.attempts=9; retry.backoff=1s..1h; "
             "retry.budget=off\",%s\"steps\":[{\"call\":\"fail\"}]}",
             seed);
    write_script(text);
    ck_assert_int_eq(simulate(&room, room.script), 0);
    return simulation_read(room.out);
}

START_TEST(the_same_scenario_gives_the_same_bytes_and_another_seed_others)
{
    char *first = lines_with(""), *again = lines_with(""),
         *other = lines_with("\"seed\":7,"), *same = lines_with("\"seed\":7,");

    ck_assert_str_eq(first, again);
    ck_assert_str_eq(other, same);
    ck_assert_str_ne(first, other);
    free(first);
    free(again);
    free(other);
    free(same);
}
END_TEST

START_TEST(help_is_printed_and_wrong_usage_is_exit_2)
{
    ck_assert_int_eq(simulate(&room, "--help"), 0);
    expect_words(room.out, "usage: keel simulate [--settings TEXT] [--pipeline NAME]");
    ck_assert_int_eq(simulate(&room, "--nonsense"), 2);
    expect_words(room.err, "keel simulate: unrecognized option '--nonsense'");
    expect_words(room.err, "usage: keel simulate");
    ck_assert_int_eq(simulate(&room, "-h"), 0);
    expect_words(room.out, "what a policy would do");
    ck_assert_int_eq(simulate(&room, "one two"), 2);
    expect_words(room.err, "keel simulate: one FILE only");
    expect_words(room.err, "usage: keel simulate");
    expect_empty(room.out);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named)
{
    ck_assert_int_eq(simulate(&room, "/nowhere/at/all"), 2);
    expect_words(room.err, "keel simulate: cannot open /nowhere/at/all: No such file");
    ck_assert_int_eq(simulate(&room, "/tmp"), 2);
    expect_words(room.err, "keel simulate: cannot read the scenario: Is a directory");
}
END_TEST

START_TEST(output_that_cannot_be_written_is_an_error)
{
    char command[256];
    int status;

    write_script(one_call);
    snprintf(command, sizeof command, "./keel simulate %s >/dev/full 2>%s", room.script,
             room.err);
    status = system(command);
    ck_assert_int_eq(WEXITSTATUS(status), 71);
    expect_words(room.err, "cannot write");
}
END_TEST

SUITE_IN("simulate_wrong", 10, enter, leave,
         ROWS(what_is_wrong_is_said_with_its_place_before_anything_is_printed, wrong),
         ROWS(what_is_found_while_running_leaves_the_lines_before_it, stopped),
         ONE(a_line_has_these_keys_in_this_order),
         ONE(endpoints_have_these_keys_at_the_end_of_a_line),
         ONE(without_a_file_or_with_a_dash_it_reads_standard_input),
         ONE(settings_on_the_command_line_replace_those_of_the_scenario),
         ONE(without_settings_it_is_the_standard_preset),
         ONE(variables_of_the_process_change_nothing),
         ONE(a_bad_idea_is_warned_of_and_runs),
         ONE(what_was_begun_and_never_ended_is_told_of),
         ONE(a_pipelines_own_settings_lie_over_those_of_the_script),
         ONE(what_is_wrong_in_a_pipelines_own_settings_is_an_error),
         ONE(a_simulation_shares_with_nobody_and_says_nothing_of_it),
         ONE(the_same_scenario_gives_the_same_bytes_and_another_seed_others),
         ONE(help_is_printed_and_wrong_usage_is_exit_2),
         ONE(a_file_that_cannot_be_read_is_named),
         ONE(output_that_cannot_be_written_is_an_error))
