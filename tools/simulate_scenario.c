/* SPDX-License-Identifier: MIT */
/* Reading a scenario. Not for what its steps do: simulate_run.c. */
#include "simulate_scenario.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "keel.h"
#include "settings/value.h"

/* ---- what is wrong --------------------------------------------------------------- */

bool keel_sim_wrong(keel_sim_error *error, size_t step, const char *format, ...)
{
    int used = 0;
    va_list args;

    if (step)
        used = snprintf(error->text, sizeof error->text, "step %zu: ", step);
    va_start(args, format);
    vsnprintf(error->text + used, sizeof error->text - (size_t)used, format, args);
    va_end(args);
    error->code = KEEL_EXIT_USAGE;
    return false;
}

bool keel_sim_failed(keel_sim_error *error, const char *why)
{
    snprintf(error->text, sizeof error->text, "%s", why);
    error->code = KEEL_EXIT_SYSTEM;
    return false;
}

/* A scenario under construction, and where in it we are. */
typedef struct reader {
    keel_scenario *scenario;
    json_t *labels; /* name: number */
    keel_sim_error *error;
    size_t step; /* 0: not in a step */
} reader;

#define WRONG(r, ...) keel_sim_wrong((r)->error, (r)->step, __VA_ARGS__)

/* A key or word of the scenario's, fit for a message. */
#define QUOTED(text) keel_quote((char[KEEL_QUOTE_SIZE]){ "" }, keel_text_of(text))

/* ---- single values --------------------------------------------------------------- */

static bool read_text(reader *r, const char *key, json_t *value, const char **out)
{
    *out = "";
    if (!json_is_string(value))
        return WRONG(r, "\"%s\" must be a string", key);
    *out = json_string_value(value);
    return true;
}

static bool read_bool(reader *r, const char *key, json_t *value, bool *out)
{
    if (!json_is_boolean(value))
        return WRONG(r, "\"%s\" must be true or false", key);
    *out = json_is_true(value);
    return true;
}

static bool read_count(reader *r, const char *key, json_t *value, uint64_t least,
                       uint64_t *out)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || (uint64_t)number < least)
        return WRONG(r, "\"%s\" must be a whole number, %s", key,
                     least ? "1 or more" : "0 or more");
    *out = (uint64_t)number;
    return true;
}

/* A string of the settings' grammar, or a bare 0. */
static bool read_duration(reader *r, const char *key, json_t *value, uint64_t *out)
{
    const char *text = json_string_value(value);
    keel_parse parse;

    if (json_is_integer(value) && json_integer_value(value) == 0) {
        *out = 0;
        return true;
    }
    if (!text)
        return WRONG(r, "\"%s\" must be a duration, such as \"250ms\"", key);
    parse = keel_parse_duration(keel_text_of(text), out);
    if (parse != KEEL_PARSE_OK)
        return WRONG(r, "\"%s\": %s %s", key, QUOTED(text), keel_parse_reason(parse));
    return true;
}

/* One of some words that a slip could have made another of; NULL: none. */
static const char *nearest(const char *said, const char *const *words)
{
    for (; *words; words++)
        if (keel_name_distance(keel_text_of(said), keel_text_of(*words), 1) <= 1 ||
            keel_name_is_near(keel_text_of(said), keel_text_of(*words)))
            return *words;
    return NULL;
}

/* "unknown key", and what might have been said in its place. */
static bool wrong_word(reader *r, const char *what, const char *said,
                       const char *const *words)
{
    char allowed[160] = "", meant[64] = ";";
    const char *near = nearest(said, words);
    size_t at = 0;

    for (size_t i = 0; words[i] && at < sizeof allowed; i++)
        at += (size_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", i ? ", " : "",
                               words[i]);
    if (near)
        snprintf(meant, sizeof meant, ", did you mean \"%s\"?", near);
    return WRONG(r, "%s %s%s allowed: %s", what, QUOTED(said), meant, allowed);
}

/* Which of some words; the list ends with NULL. */
static bool read_word(reader *r, const char *key, json_t *value,
                      const char *const *words, size_t *index)
{
    const char *text;
    char what[40];

    *index = 0;
    if (!read_text(r, key, value, &text))
        return false;
    for (; words[*index]; (*index)++)
        if (!strcmp(words[*index], text))
            return true;
    snprintf(what, sizeof what, "\"%s\" cannot be", key);
    (void)wrong_word(r, what, text, words);
    return false; /* said outright, for whoever takes *index for an index */
}

static bool is_one_of(const char *key, const char *const *keys)
{
    for (; *keys; keys++)
        if (!strcmp(*keys, key))
            return true;
    return false;
}

/* ---- outcomes -------------------------------------------------------------------- */

/* key: beside which the word stands */
static bool read_status(reader *r, const char *key, json_t *value,
                        keel_sim_outcome *out)
{
    static const char *const words[] = { "ok",           "fail", "throttled", "ignored",
                                         "client_error", "hang", NULL };
    static const keel_status statuses[] = { KEEL_OK,           KEEL_FAILED,
                                            KEEL_THROTTLED,    KEEL_IGNORED,
                                            KEEL_CLIENT_ERROR, KEEL_TIMEOUT };
    size_t index;

    if (!read_word(r, key, value, words, &index))
        return false;
    out->status = statuses[index];
    out->hangs = out->status == KEEL_TIMEOUT;
    return true;
}

static bool read_outcome_member(reader *r, const char *key, json_t *value,
                                keel_sim_outcome *out)
{
    static const char *const known[] = { "as", "takes", "retry_after", "safe", NULL };

    if (!strcmp(key, "as"))
        return read_status(r, key, value, out);
    if (!strcmp(key, "takes"))
        return read_duration(r, key, value, &out->takes_ns);
    if (!strcmp(key, "retry_after"))
        return read_duration(r, key, value, &out->retry_after_ns);
    if (!strcmp(key, "safe"))
        return read_bool(r, key, value, &out->never_sent);
    return wrong_word(r, "an outcome has no", key, known);
}

static bool read_outcome(reader *r, const char *of, json_t *value,
                         keel_sim_outcome *out)
{
    const char *key;
    json_t *member;

    if (json_is_string(value))
        return read_status(r, of, value, out);
    if (!json_is_object(value))
        return WRONG(r, "an outcome must be a word or an object");
    if (!json_object_get(value, "as"))
        return WRONG(r, "an outcome needs \"as\"");
    json_object_foreach(
        value, key, member) if (!read_outcome_member(r, key, member, out)) return false;
    if (out->hangs && json_object_get(value, "takes"))
        return WRONG(r, "what hangs never answers: \"takes\" has no meaning");
    return true;
}

static bool allocate_outcomes(reader *r, keel_sim_step *step, size_t count)
{
    step->outcomes = calloc(count, sizeof *step->outcomes);
    if (!step->outcomes)
        return keel_sim_failed(r->error, "out of memory");
    step->outcome_count = count;
    return true;
}

static bool read_outcomes(reader *r, json_t *value, keel_sim_step *step)
{
    size_t i;
    json_t *item;

    if (!json_is_array(value))
        return allocate_outcomes(r, step, 1) &&
               read_outcome(r, "call", value, step->outcomes);
    if (json_array_size(value) == 0)
        return WRONG(r, "\"call\" needs at least one outcome");
    if (!allocate_outcomes(r, step, json_array_size(value)))
        return false;
    json_array_foreach(
        value, i,
        item) if (!read_outcome(r, "call", item, &step->outcomes[i])) return false;
    return true;
}

/* ---- verbs ----------------------------------------------------------------------- */

static bool read_call(reader *r, json_t *object, json_t *value, keel_sim_step *step)
{
    json_t *times = json_object_get(object, "times");
    json_t *idempotent = json_object_get(object, "idempotent");
    json_t *deadline = json_object_get(object, "deadline");
    json_t *affinity = json_object_get(object, "affinity");

    step->times = 1;
    step->is_idempotent = true;
    step->has_deadline = deadline != NULL;
    return read_outcomes(r, value, step) &&
           (!times || read_count(r, "times", times, 1, &step->times)) &&
           (!idempotent ||
            read_bool(r, "idempotent", idempotent, &step->is_idempotent)) &&
           (!deadline || read_duration(r, "deadline", deadline, &step->deadline_ns)) &&
           (!affinity || read_count(r, "affinity", affinity, 1, &step->affinity));
}

/* Labels are numbered in the order of their first begin. */
static bool read_begin(reader *r, json_t *object, json_t *value, keel_sim_step *step)
{
    json_t *number;

    (void)object;
    if (!read_text(r, "begin", value, &step->text))
        return false;
    number = json_object_get(r->labels, step->text);
    step->label =
        number ? (size_t)json_integer_value(number) : r->scenario->label_count;
    if (!number &&
        json_object_set_new(r->labels, step->text,
                            json_integer((json_int_t)r->scenario->label_count++)))
        return keel_sim_failed(r->error, "out of memory");
    return true;
}

static bool read_end(reader *r, json_t *object, json_t *value, keel_sim_step *step)
{
    json_t *as = json_object_get(object, "as");
    json_t *number;

    if (!read_text(r, "end", value, &step->text))
        return false;
    number = json_object_get(r->labels, step->text);
    if (!number)
        return WRONG(r, "nothing was begun as %s", QUOTED(step->text));
    step->label = (size_t)json_integer_value(number);
    if (!as)
        return WRONG(r, "\"end\" needs \"as\", what came of the attempt");
    if (!allocate_outcomes(r, step, 1) || !read_outcome(r, "as", as, step->outcomes))
        return false;
    if (step->outcomes->hangs)
        return WRONG(r, "what hangs does not end: leave it without an \"end\"");
    if (json_is_object(as) && json_object_get(as, "takes"))
        return WRONG(r, "an \"end\" takes what the clock has advanced since its "
                        "\"begin\": leave \"takes\" out");
    if (json_is_object(as) && json_object_get(as, "safe"))
        return WRONG(r, "an \"end\" is not retried: leave \"safe\" out");
    return true;
}

static bool read_advance(reader *r, json_t *object, json_t *value, keel_sim_step *step)
{
    (void)object;
    return read_duration(r, "advance", value, &step->length_ns);
}

/* A "for" that is there must not be 0: without one there is no end. */
static bool read_for(reader *r, json_t *object, keel_sim_step *step)
{
    json_t *value = json_object_get(object, "for");

    if (!value)
        return true;
    if (!read_duration(r, "for", value, &step->length_ns))
        return false;
    return step->length_ns || WRONG(r, "\"for\" must be longer than 0");
}

static bool read_lock(reader *r, json_t *object, json_t *value, keel_sim_step *step)
{
    static const char *const words[] = { "open", "closed", "disabled", "observe",
                                         NULL };
    static const keel_lock locks[] = { KEEL_LOCK_OPEN, KEEL_LOCK_CLOSED,
                                       KEEL_LOCK_DISABLED, KEEL_LOCK_OBSERVE };
    size_t index;

    if (!read_word(r, "lock", value, words, &index))
        return false;
    step->lock = locks[index];
    return read_for(r, object, step);
}

static bool read_transition(reader *r, json_t *object, json_t *value,
                            keel_sim_step *step)
{
    static const char *const words[] = { "closed", "open", "half_open", NULL };
    static const keel_breaker_state states[] = { KEEL_BREAKER_CLOSED, KEEL_BREAKER_OPEN,
                                                 KEEL_BREAKER_HALF_OPEN };
    size_t index;

    if (!read_word(r, "transition", value, words, &index))
        return false;
    step->state = states[index];
    if (step->state != KEEL_BREAKER_OPEN && json_object_get(object, "for"))
        return WRONG(r, "\"for\" is the length of an open period, and goes with "
                        "\"open\" only");
    return read_for(r, object, step);
}

static bool read_true(reader *r, json_t *object, json_t *value, keel_sim_step *step)
{
    (void)object;
    return json_is_true(value) ||
           WRONG(r, "\"%s\" must be true", keel_sim_verb_name(step->verb));
}

static bool read_reload(reader *r, json_t *object, json_t *value, keel_sim_step *step)
{
    (void)object;
    return read_text(r, "reload", value, &step->text);
}

static bool read_endpoint_name(reader *r, json_t *value, keel_sim_step *step)
{
    r->scenario->endpoint_count++;
    return read_text(r, "endpoint", value, &step->endpoints[step->endpoint_count++]);
}

static bool read_endpoint_names(reader *r, json_t *value, keel_sim_step *step)
{
    size_t i, count = json_is_array(value) ? json_array_size(value) : 1;
    json_t *item;

    if (!count)
        return WRONG(r, "\"endpoint\" needs at least one name");
    step->endpoints = calloc(count, sizeof *step->endpoints);
    if (!step->endpoints)
        return keel_sim_failed(r->error, "out of memory");
    if (!json_is_array(value))
        return read_endpoint_name(r, value, step);
    json_array_foreach(value, i,
                       item) if (!read_endpoint_name(r, item, step)) return false;
    return true;
}

static bool read_health(reader *r, json_t *value, keel_sim_step *step)
{
    static const char *const words[] = { "ok", "fail", NULL };
    size_t index;

    if (!read_word(r, "health", value, words, &index))
        return false;
    step->says_health = true;
    step->is_healthy = index == 0;
    return true;
}

static bool read_endpoint(reader *r, json_t *object, json_t *value, keel_sim_step *step)
{
    json_t *as = json_object_get(object, "as");
    json_t *health = json_object_get(object, "health");

    if (!as == !health)
        return WRONG(r, "\"endpoint\" needs either \"as\", how attempts that go there "
                        "end, or \"health\", what a check finds");
    if (!read_endpoint_names(r, value, step))
        return false;
    if (health)
        return read_health(r, health, step);
    return json_is_null(as) ||
           (allocate_outcomes(r, step, 1) && read_outcome(r, "as", as, step->outcomes));
}

static const struct verb {
    const char *name;
    bool (*read)(reader *r, json_t *object, json_t *value, keel_sim_step *step);
    const char *beside[5]; /* the keys that may stand beside it */
} verbs[] = {
    [KEEL_SIM_CALL] = { "call",
                        read_call,
                        { "times", "idempotent", "deadline", "affinity" } },
    [KEEL_SIM_BEGIN] = { "begin", read_begin, { NULL } },
    [KEEL_SIM_END] = { "end", read_end, { "as" } },
    [KEEL_SIM_ADVANCE] = { "advance", read_advance, { NULL } },
    [KEEL_SIM_LOCK] = { "lock", read_lock, { "for" } },
    [KEEL_SIM_UNLOCK] = { "unlock", read_true, { NULL } },
    [KEEL_SIM_TRANSITION] = { "transition", read_transition, { "for" } },
    [KEEL_SIM_RESET] = { "reset", read_true, { NULL } },
    [KEEL_SIM_RELOAD] = { "reload", read_reload, { NULL } },
    [KEEL_SIM_ENDPOINT] = { "endpoint", read_endpoint, { "as", "health" } },
};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

const char *keel_sim_verb_name(keel_sim_verb verb)
{
    return verbs[verb].name;
}

/* ---- steps ----------------------------------------------------------------------- */

static bool find_verb(reader *r, json_t *object, size_t *verb)
{
    *verb = VERBS;
    for (size_t i = 0; i < VERBS; i++) {
        if (!json_object_get(object, verbs[i].name))
            continue;
        if (*verb != VERBS)
            return WRONG(r, "two verbs, \"%s\" and \"%s\": one step does one thing",
                         verbs[*verb].name, verbs[i].name);
        *verb = i;
    }
    return true;
}

/* A key that no step has: say which there are beside this verb, or which verbs. */
static bool unknown_key(reader *r, const char *key, size_t verb)
{
    const char *words[VERBS + 1] = { NULL };

    if (verb < VERBS && !verbs[verb].beside[0])
        return WRONG(r, "unknown key %s: \"%s\" stands alone", QUOTED(key),
                     verbs[verb].name);
    if (verb < VERBS)
        return wrong_word(r, "unknown key", key, verbs[verb].beside);
    for (size_t i = 0; i < VERBS; i++)
        words[i] = verbs[i].name;
    return wrong_word(r, "unknown key", key, words);
}

static bool check_keys(reader *r, json_t *object, size_t verb)
{
    static const char *const known[] = { "times", "idempotent", "deadline", "affinity",
                                         "as",    "for",        "health",   NULL };
    const char *key;
    json_t *unused;

    json_object_foreach(object, key, unused)
    {
        if (verb < VERBS &&
            (!strcmp(key, verbs[verb].name) || is_one_of(key, verbs[verb].beside)))
            continue;
        if (!is_one_of(key, known))
            return unknown_key(r, key, verb);
        if (verb < VERBS)
            return WRONG(r, "\"%s\" does not go with \"%s\"", key, verbs[verb].name);
    }
    return verb < VERBS ||
           WRONG(r,
                 "no verb: a step is one of call, begin, end, advance, lock, unlock, "
                 "transition, reset, reload, endpoint");
}

static bool read_step(reader *r, json_t *object, keel_sim_step *step)
{
    size_t verb;

    if (!json_is_object(object))
        return WRONG(r, "a step must be an object");
    if (!find_verb(r, object, &verb) || !check_keys(r, object, verb))
        return false;
    step->verb = (keel_sim_verb)verb;
    return verbs[verb].read(r, object, json_object_get(object, verbs[verb].name), step);
}

static bool read_steps(reader *r, json_t *array)
{
    keel_scenario *s = r->scenario;
    json_t *object;
    size_t i;

    if (!json_is_array(array))
        return WRONG(r, "\"steps\" must be an array of steps");
    s->steps = calloc(json_array_size(array) + 1, sizeof *s->steps);
    r->labels = json_object();
    if (!s->steps || !r->labels)
        return keel_sim_failed(r->error, "out of memory");
    s->step_count = json_array_size(array);
    json_array_foreach(array, i, object)
    {
        r->step = i + 1;
        if (!read_step(r, object, &s->steps[i]))
            return false;
    }
    r->step = 0;
    return true;
}

/* ---- the whole ------------------------------------------------------------------- */

static bool read_draws(reader *r, json_t *array)
{
    keel_scenario *s = r->scenario;
    json_t *number;
    size_t i;

    if (!json_is_array(array) || json_array_size(array) == 0)
        return WRONG(r, "\"random\" must be an array of at least one number");
    s->draws = calloc(json_array_size(array), sizeof *s->draws);
    if (!s->draws)
        return keel_sim_failed(r->error, "out of memory");
    s->draw_count = json_array_size(array);
    json_array_foreach(array, i, number)
    {
        double u = json_number_value(number);

        if (!json_is_number(number) || !(u >= 0 && u < 1))
            return WRONG(r, "\"random\": number %zu is not in [0,1)", i + 1);
        s->draws[i] = u;
    }
    return true;
}

static bool read_member(reader *r, const char *key, json_t *value)
{
    static const char *const known[] = { "settings", "steps", "random",
                                         "seed",     "start", NULL };
    keel_scenario *s = r->scenario;

    if (!strcmp(key, "settings"))
        return read_text(r, key, value, &s->settings);
    if (!strcmp(key, "random"))
        return read_draws(r, value);
    if (!strcmp(key, "seed"))
        return read_count(r, key, value, 0, &s->seed);
    if (!strcmp(key, "start"))
        return read_duration(r, key, value, &s->start_ns);
    if (!strcmp(key, "steps"))
        return read_steps(r, value);
    return wrong_word(r, "a scenario has no", key, known);
}

static bool read_scenario(reader *r, json_t *root)
{
    const char *key;
    json_t *value;

    if (!json_is_object(root))
        return WRONG(r, "a scenario must be a JSON object");
    json_object_foreach(root, key, value) if (!read_member(r, key, value)) return false;
    return r->scenario->steps || WRONG(r, "the scenario has no \"steps\"");
}

bool keel_scenario_init(keel_scenario *scenario, json_t *root, keel_sim_error *error)
{
    reader r = { .scenario = scenario, .error = error };
    bool is_right;

    *scenario = (keel_scenario){ .root = root, .settings = "" };
    is_right = read_scenario(&r, root);
    json_decref(r.labels);
    return is_right;
}

void keel_scenario_cleanup(keel_scenario *scenario)
{
    for (size_t i = 0; i < scenario->step_count; i++) {
        free(scenario->steps[i].outcomes);
        free(scenario->steps[i].endpoints);
    }
    free(scenario->steps);
    free(scenario->draws);
    json_decref(scenario->root);
}
