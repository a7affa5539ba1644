/* SPDX-License-Identifier: MIT */
/*
 * Stories: what keel simulate prints for a scenario, worked out by hand. They stand in
 * tests/tools/scenarios, one step a line, beside it what its line must say and why:
 *
 *     = a sentence that the story proves
 *     settings none; breaker.consecutive=2; breaker.open=5s; breaker.open_jitter=0
 *     {"call":"fail","times":2} => state=open failed=2    # two in a row
 *     {"call":"ok"} => rejected=1 retry_after_ns=5s
 *     transitions closed>open@0s:consecutive
 *
 * NAME/KEY=... is what a line says of the endpoint of that name, and at the end stands
 * what happened to endpoints, * being all of them:
 *
 *     {"call":"ok"} => endpoint=a a/attempts=1 a/weight=0.5
 *     endpoint_events a:closed>open:consecutive@0s a:ejected:consecutive[30s]@0s *:panic@0s
 *
 * `settings` goes on over lines that are indented; random, seed and start are those of
 * a scenario; `exit 2 WORDS` ends a story that is wrong, with words of its message.
 * Each story is run by the real command. Not for what is wrong before anything runs:
 * t_simulate_wrong.c.
 */
#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>

#include "base/text.h"
#include "support/suite.h"
#include "tools/simulate.h"

enum { STORIES_MAX = 400, STEPS_MAX = 60, LINE_SIZE = 1024, SETTINGS_SIZE = 2048 };

typedef struct story {
    char *file;
    int line;
    char *name;
    char settings[SETTINGS_SIZE];
    json_t *scenario;
    char *expected[STEPS_MAX]; /* of each step, "" where nothing is said */
    char *transitions;         /* NULL: not said; nor are */
    char *endpoint_events;
    int exit_code;
    char *error; /* words of the message */
} story;

static story stories[STORIES_MAX];
static int story_count;

/* ---- reading stories ------------------------------------------------------------- */

static noreturn void bad_story(const char *file, int line, const char *why)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, why);
    exit(99);
}

static char *trim(char *text)
{
    size_t length;

    while (isspace((unsigned char)*text))
        text++;
    length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

static story *new_story(const char *file, int line, const char *name)
{
    story *s = &stories[story_count];

    if (story_count == STORIES_MAX)
        bad_story(file, line, "no room for more stories");
    story_count++;
    s->file = strdup(file);
    s->name = strdup(name);
    s->error = strdup("");
    s->line = line;
    s->scenario = json_pack("{s:[]}", "steps");
    return s;
}

static void add_settings(story *s, const char *text)
{
    size_t used = strlen(s->settings);

    snprintf(s->settings + used, sizeof s->settings - used, "%s%s", used ? "\n" : "",
             text);
    json_object_set_new(s->scenario, "settings", json_string(s->settings));
}

static void add_step(story *s, char *text, int line)
{
    json_t *steps = json_object_get(s->scenario, "steps");
    size_t number = json_array_size(steps);
    char *arrow = strstr(text, " => ");
    json_t *step;

    if (arrow)
        *arrow = '\0';
    step = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!step || number == STEPS_MAX)
        bad_story(s->file, line, "not a step");
    json_array_append_new(steps, step);
    s->expected[number] = strdup(arrow ? trim(arrow + 4) : "");
}

static void add_member(story *s, const char *key, const char *text, int line)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    if (!value || json_object_set_new(s->scenario, key, value))
        bad_story(s->file, line, "not a value");
}

/* The text behind a word that the line begins with, or NULL. */
static char *after_word(char *text, const char *word)
{
    size_t length = strlen(word);

    return strncmp(text, word, length) == 0 && isspace((unsigned char)text[length])
               ? trim(text + length)
               : NULL;
}

static void add_exit(story *s, char *text)
{
    s->exit_code = (int)strtol(text, &text, 10);
    free(s->error);
    s->error = strdup(trim(text));
}

/* A line that begins with a word; false: it does not. */
static bool read_word_line(story *s, int line, char *text)
{
    static const char *const members[] = { "random", "seed", "start" };
    char *rest;

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if ((rest = after_word(text, members[i]))) {
            add_member(s, members[i], rest, line);
            return true;
        }
    if ((rest = after_word(text, "settings")))
        add_settings(s, rest);
    else if ((rest = after_word(text, "transitions")))
        s->transitions = strdup(rest);
    else if ((rest = after_word(text, "endpoint_events")))
        s->endpoint_events = strdup(rest);
    else if ((rest = after_word(text, "exit")))
        add_exit(s, rest);
    return rest;
}

static void read_line(const char *file, int line, char *text)
{
    static story *s;
    bool is_indented = isspace((unsigned char)*text);
    char *comment = strstr(text, " # ");

    if (comment)
        *comment = '\0';
    text = trim(text);
    if (!*text || *text == '#')
        return;
    if (*text == '=')
        s = new_story(file, line, trim(text + 1));
    else if (!s)
        bad_story(file, line, "a story begins with =");
    else if (is_indented)
        add_settings(s, text);
    else if (*text == '{')
        add_step(s, text, line);
    else if (!read_word_line(s, line, text))
        bad_story(file, line, "not understood");
}

static void read_file(const char *dir, const char *name)
{
    char path[512], text[LINE_SIZE];
    FILE *file;
    int line = 0;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "re");
    if (!file)
        bad_story(path, 0, "cannot be opened");
    while (fgets(text, sizeof text, file))
        read_line(name, ++line, text);
    fclose(file);
}

static int is_stories(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 8 && strcmp(entry->d_name + length - 8, ".stories") == 0;
}

static void read_stories(void)
{
    const char *source = getenv("srcdir");
    struct dirent **entries;
    char dir[256];
    int count;

    snprintf(dir, sizeof dir, "%s/tests/tools/scenarios", source ? source : ".");
    count = scandir(dir, &entries, is_stories, alphasort);
    if (count <= 0)
        bad_story(dir, 0, "no stories");
    for (int i = 0; i < count; i++) {
        read_file(dir, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* ---- running the command --------------------------------------------------------- */

typedef struct output {
    int exit_code;
    char *lines; /* standard output */
    char *error;
} output;

static output run(const json_t *scenario)
{
    simulation s;
    output o;

    simulation_init(&s);
    ck_assert_int_eq(json_dump_file(scenario, s.script, 0), 0);
    o.exit_code = simulate(&s, s.script);
    o.lines = simulation_read(s.out);
    o.error = simulation_read(s.err);
    simulation_cleanup(&s);
    return o;
}

/* ---- comparing ------------------------------------------------------------------- */

/* A duration with its unit as nanoseconds, anything else as it stands. */
static void append_plain(char *to, size_t size, const char *text, size_t length)
{
    size_t used = strlen(to);
    keel_text piece = { text, length };
    uint64_t ns;

    if (length && isdigit((unsigned char)*text) &&
        isalpha((unsigned char)text[length - 1]) &&
        keel_parse_duration(piece, &ns) == KEEL_PARSE_OK)
        snprintf(to + used, size - used, "%llu", (unsigned long long)ns);
    else
        snprintf(to + used, size - used, "%.*s", (int)length, text);
}

/* "[50ms,100ms]" as "[50000000,100000000]". */
static void plain(char *to, size_t size, const char *text)
{
    *to = '\0';
    while (*text) {
        size_t length = strcspn(text, "[],@");

        append_plain(to, size, text, length);
        text += length;
        if (*text)
            append_plain(to, size, text++, 1);
    }
}

static void value_text(const json_t *value, char *to, size_t size)
{
    char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    ck_assert_ptr_nonnull(dumped);
    if (json_is_string(value))
        snprintf(to, size, "%s", json_string_value(value));
    else if (json_is_real(value))
        snprintf(to, size, "%.4g", json_real_value(value));
    else
        snprintf(to, size, "%s", dumped);
    free(dumped);
}

/* KEY of the line, or NAME/KEY of one of its endpoints; NULL: it has none. */
static const json_t *member(const json_t *line, char *key)
{
    char *slash = strchr(key, '/');
    json_t *endpoint;
    size_t i;

    if (!slash)
        return json_object_get(line, key);
    json_array_foreach(json_object_get(line, "endpoints"), i, endpoint)
    {
        const char *name = json_string_value(json_object_get(endpoint, "name"));

        if (strlen(name) == (size_t)(slash - key) && !strncmp(name, key, strlen(name)))
            return json_object_get(endpoint, slash + 1);
    }
    return NULL;
}

static void check_line(const story *s, size_t step, const json_t *line)
{
    char *rest = s->expected[step], *item, *state = NULL;

    for (item = strtok_r(rest, " ", &state); item; item = strtok_r(NULL, " ", &state)) {
        char *equals = strchr(item, '=');
        char wanted[512], got[512];

        ck_assert_msg(equals, "%s: %s: no = in %s", s->file, s->name, item);
        *equals = '\0';
        plain(wanted, sizeof wanted, equals + 1);
        ck_assert_msg(member(line, item), "%s: no key %s", s->file, item);
        value_text(member(line, item), got, sizeof got);
        ck_assert_msg(strcmp(wanted, got) == 0,
                      "%s:%d: %s\n  step %zu: %s is %s, not %s (%s)", s->file, s->line,
                      s->name, step + 1, item, got, wanted, equals + 1);
    }
}

/* "closed>open:consecutive@0", one after the other. */
static void write_transitions(const json_t *transitions, char *to, size_t size)
{
    json_t *transition;
    size_t i;

    *to = '\0';
    json_array_foreach(transitions, i, transition)
    {
        const char *from, *into, *cause;
        json_int_t at;
        size_t used = strlen(to);

        ck_assert_int_eq(json_unpack(transition, "{s:I,s:s,s:s,s:s}", "at_ns", &at,
                                     "from", &from, "to", &into, "cause", &cause),
                         0);
        snprintf(to + used, size - used, "%s%s>%s:%s@%lld", used ? " " : "", from, into,
                 cause, (long long)at);
    }
}

static const char *word_of(const json_t *event, const char *key, const char *otherwise)
{
    const json_t *word = json_object_get(event, key);

    ck_assert_ptr_nonnull(word);
    return json_is_string(word) ? json_string_value(word) : otherwise;
}

/* "a:ejected:consecutive[30000000000]@0", of a move its states in the place of its name. */
static void write_endpoint_event(const json_t *event, char *to, size_t size)
{
    const char *endpoint = word_of(event, "endpoint", "*");
    const char *cause = word_of(event, "cause", "");
    const json_t *length = json_object_get(event, "for_ns");
    char what[64], how_long[32] = "";

    snprintf(what, sizeof what, "%s", word_of(event, "event", ""));
    if (!strcmp(what, "endpoint_transition"))
        snprintf(what, sizeof what, "%s>%s", word_of(event, "from", ""),
                 word_of(event, "to", ""));
    if (json_is_integer(length))
        snprintf(how_long, sizeof how_long, "[%lld]",
                 (long long)json_integer_value(length));
    snprintf(to, size, "%s:%s%s%s%s@%lld", endpoint, what, *cause ? ":" : "", cause,
             how_long, (long long)json_integer_value(json_object_get(event, "at_ns")));
}

static void write_endpoint_events(const json_t *events, char *to, size_t size)
{
    json_t *event;
    size_t i;

    *to = '\0';
    json_array_foreach(events, i, event)
    {
        size_t used = strlen(to);

        snprintf(to + used, size - used, "%s", i ? " " : "");
        used = strlen(to);
        write_endpoint_event(event, to + used, size - used);
    }
}

/* What a story says of them, in the same words; "none" is nothing. */
static void write_wanted(char *said, char *to, size_t size)
{
    char *state = NULL;

    *to = '\0';
    for (char *item = strtok_r(said, " ", &state); item && strcmp(item, "none") != 0;
         item = strtok_r(NULL, " ", &state)) {
        size_t used = strlen(to);

        snprintf(to + used, size - used, "%s", used ? " " : "");
        used = strlen(to);
        plain(to + used, size - used, item);
    }
}

static void check_events(const story *s, char *said, const char *got)
{
    char wanted[4096];

    write_wanted(said, wanted, sizeof wanted);
    ck_assert_msg(strcmp(wanted, got) == 0, "%s:%d: %s\n  events are %s\n  not %s",
                  s->file, s->line, s->name, got, wanted);
}

static void check_end(const story *s, const json_t *end)
{
    char got[4096];

    ck_assert(json_is_true(json_object_get(end, "end")));
    if (s->transitions) {
        write_transitions(json_object_get(end, "transitions"), got, sizeof got);
        check_events(s, s->transitions, got);
    }
    if (s->endpoint_events) {
        ck_assert_ptr_nonnull(json_object_get(end, "endpoint_events"));
        write_endpoint_events(json_object_get(end, "endpoint_events"), got, sizeof got);
        check_events(s, s->endpoint_events, got);
    }
}

static void check_lines(const story *s, char *lines)
{
    size_t steps = json_array_size(json_object_get(s->scenario, "steps"));
    char *state = NULL, *text = strtok_r(lines, "\n", &state);
    json_t *line = NULL;

    for (size_t i = 0; i < steps; i++, text = strtok_r(NULL, "\n", &state)) {
        if (!text && s->exit_code)
            return; /* it went wrong here */
        ck_assert_msg(text, "%s: %s: no line %zu", s->file, s->name, i + 1);
        line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        ck_assert_msg(line, "%s: not JSON: %s", s->file, text);
        check_line(s, i, line);
        json_decref(line);
    }
    ck_assert_ptr_nonnull(text);
    line = json_loads(text, 0, NULL);
    check_end(s, line);
    json_decref(line);
    ck_assert_ptr_null(strtok_r(NULL, "\n", &state));
}

START_TEST(every_line_of_a_story_is_as_worked_out_by_hand)
{
    const story *s = &stories[_i];
    output o = run(s->scenario);

    ck_assert_msg(o.exit_code == s->exit_code, "%s:%d: %s\n  exit %d: %s", s->file,
                  s->line, s->name, o.exit_code, o.error);
    ck_assert_msg(strstr(o.error, s->error), "%s:%d: %s\n  not \"%s\" but: %s", s->file,
                  s->line, s->name, s->error, o.error);
    check_lines(s, o.lines);
    free(o.lines);
    free(o.error);
}
END_TEST

int main(void)
{
    suite_test stories_told = { every_line_of_a_story_is_as_worked_out_by_hand, 0 };

    read_stories();
    stories_told.rows = (size_t)story_count;
    return suite_run("simulate", 10, &stories_told, 1);
}
