/* SPDX-License-Identifier: MIT */
/*
 * The process-wide variables: one small reader for each, and the table of their names.
 * Opens none of the files that they name and speaks to no server.
 */
#include "settings/config_process.h"

#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "settings/value.h"

#define DEFAULT_REDIS_TIMEOUT (100 * KEEL_MILLISECOND)
#define MIN_REDIS_TIMEOUT (10 * KEEL_MILLISECOND)
#define MAX_REDIS_TIMEOUT (10 * KEEL_SECOND)

typedef void set_fn(keel_process_variables *out, const char *name, const char *value,
                    keel_report *report);

/* ---- words ------------------------------------------------------------------------- */

/* Error, warning, … as a sentence has it: "error, warning, info or debug". */
static void join(char *to, size_t size, const char *const *words)
{
    size_t at = 0;

    for (size_t i = 0; words[i] && at < size; i++) {
        const char *joint = !i ? "" : words[i + 1] ? ", " : " or ";

        at += (size_t)snprintf(to + at, size - at, "%s%s", joint, words[i]);
    }
}

/* What other programs accept. */
static const char *in_our_words(const char *value)
{
    static const struct {
        const char *theirs;
        const char *ours;
    } words[] = {
        { "1", "on" },         { "yes", "on" },       { "true", "on" },
        { "enabled", "on" },   { "0", "off" },        { "no", "off" },
        { "false", "off" },    { "disabled", "off" }, { "err", "error" },
        { "warn", "warning" },
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(value, words[i].theirs))
            return words[i].ours;
    return value;
}

/* The word that a value was most likely meant to be; NULL: none is near. */
static const char *nearest_word(const char *value, const char *const *words)
{
    char lower[16];
    keel_text said;

    keel_lower_case(lower, sizeof lower, value);
    said = keel_text_of(in_our_words(lower));
    for (; *words; words++)
        if (keel_text_is(said, *words) || keel_name_is_near(said, keel_text_of(*words)))
            return *words;
    return NULL;
}

/* holds  what is in force all the same; NULL: the value is ignored */
static void report_process(const char *name, const char *value,
                           const char *const *words, const char *holds,
                           keel_report *report)
{
    keel_spot spot = { name, 1 };
    char quoted[KEEL_QUOTE_SIZE], meant[32] = ";", allowed[64];
    const char *near = nearest_word(value, words);

    if (near)
        snprintf(meant, sizeof meant, ", did you mean \"%s\"?", near);
    join(allowed, sizeof allowed, words);
    keel_quote(quoted, keel_text_of(value));
    if (holds)
        keel_report_mistake(report, spot, "%s not understood%s allowed: %s; %s holds",
                            quoted, meant, allowed, holds);
    else
        keel_report_ignored(report, spot, "%s not understood%s allowed: %s", quoted,
                            meant, allowed);
}

static void set_bool(bool *out, const char *name, const char *value,
                     keel_report *report)
{
    static const char *const words[] = { "on", "off", NULL };

    if (keel_parse_bool(keel_text_of(value), out))
        report_process(name, value, words, NULL, report);
}

static void set_strict(keel_process_variables *out, const char *name, const char *value,
                       keel_report *report)
{
    set_bool(&out->settings.strict, name, value, report);
}

static void set_disabled(keel_process_variables *out, const char *name,
                         const char *value, keel_report *report)
{
    set_bool(&out->settings.disabled, name, value, report);
}

static void set_chaos(keel_process_variables *out, const char *name, const char *value,
                      keel_report *report)
{
    static const char *const words[] = { "allow", NULL };

    if (strcmp(value, words[0]) != 0)
        report_process(name, value, words, NULL, report);
    else
        out->settings.chaos_allowed = true;
}

/* A wrong word asks for a log all the same: one that tells of just this. */
static void set_log(keel_process_variables *out, const char *name, const char *value,
                    keel_report *report)
{
    static const char *const levels[] = {
        [KEEL_LOG_ERROR] = "error",
        [KEEL_LOG_WARNING] = "warning",
        [KEEL_LOG_INFO] = "info",
        [KEEL_LOG_DEBUG] = "debug",
        NULL,
    };
    char lower[16];

    keel_lower_case(lower, sizeof lower, value);
    for (int level = KEEL_LOG_ERROR; level <= KEEL_LOG_DEBUG; level++) {
        if (!strcmp(lower, levels[level])) {
            out->settings.log_level = level;
            return;
        }
    }
    out->settings.log_level = KEEL_LOG_WARNING;
    report_process(name, value, levels, levels[KEEL_LOG_WARNING], report);
}

static void set_config_file(keel_process_variables *out, const char *name,
                            const char *value, keel_report *report)
{
    (void)name;
    (void)report;
    out->config_file = value;
}

/* ---- sharing ----------------------------------------------------------------------- */

/* A board is found by each process of the host, whatever folder it runs in. */
static void set_board(keel_process_variables *out, const char *name, const char *value,
                      keel_report *report)
{
    char quoted[KEEL_QUOTE_SIZE];

    if (*value == '/')
        out->settings.board = value;
    else
        keel_report_ignored(report, (keel_spot){ name, 1 },
                            "%s not understood; allowed: a path that begins with \"/\"",
                            keel_quote(quoted, keel_text_of(value)));
}

/* Whether "user:password@" stands in a URL; an empty password is none. */
static bool has_password(const char *url)
{
    keel_text scheme, rest, user_info, hosts, user, password;

    if (!keel_text_split(keel_text_of(url), "://", &scheme, &rest))
        return false;
    rest.length = strcspn(rest.at, "/?#");
    return keel_text_split(rest, "@", &user_info, &hosts) &&
           keel_text_split(user_info, ":", &user, &password) && password.length;
}

static void set_redis(keel_process_variables *out, const char *name, const char *value,
                      keel_report *report)
{
    out->settings.redis = value;
    if (has_password(value))
        keel_report_lint(report, (keel_spot){ name, 0 },
                         "whoever sees the environment sees the password in it; "
                         "KEEL_REDIS_PASSWORD_FILE names a file for it");
}

static void set_redis_password_file(keel_process_variables *out, const char *name,
                                    const char *value, keel_report *report)
{
    (void)name;
    (void)report;
    out->settings.redis_password_file = value;
}

static void set_redis_timeout(keel_process_variables *out, const char *name,
                              const char *value, keel_report *report)
{
    char quoted[KEEL_QUOTE_SIZE], min[32], max[32];
    uint64_t timeout;
    keel_parse parse = keel_parse_duration(keel_text_of(value), &timeout);

    if (!parse && (timeout < MIN_REDIS_TIMEOUT || timeout > MAX_REDIS_TIMEOUT))
        parse = KEEL_PARSE_RANGE;
    if (!parse) {
        out->settings.redis_timeout_ns = timeout;
        return;
    }
    keel_write_duration(min, sizeof min, MIN_REDIS_TIMEOUT);
    keel_write_duration(max, sizeof max, MAX_REDIS_TIMEOUT);
    keel_report_ignored(
        report, (keel_spot){ name, 1 }, "%s %s; allowed: a duration, %s to %s",
        keel_quote(quoted, keel_text_of(value)), keel_parse_reason(parse), min, max);
}

/* It becomes a part of keys in Redis, so what could end or split one is refused. */
static bool is_name_space(const char *value)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(value);

    return length <= KEEL_NAME_MAX && strspn(value, letters) == length &&
           !strchr("._-", *value);
}

static void set_name_space(keel_process_variables *out, const char *name,
                           const char *value, keel_report *report)
{
    char quoted[KEEL_QUOTE_SIZE];

    if (is_name_space(value))
        out->settings.name_space = value;
    else
        keel_report_ignored(report, (keel_spot){ name, 1 },
                            "%s not understood; allowed: letters and digits, and "
                            "behind the first also \".\", \"_\" and \"-\"; %d at most",
                            keel_quote(quoted, keel_text_of(value)), KEEL_NAME_MAX);
}

/* ---- plugins ------------------------------------------------------------------------ */

/* What a plugin is depends on no folder that a process happens to run in. */
static bool are_absolute(const char *paths)
{
    keel_text rest = keel_text_of(paths), one;

    do {
        one = rest;
        if (!keel_text_split(rest, ":", &one, &rest))
            rest.length = 0;
        if (!one.length || *one.at != '/')
            return false;
    } while (rest.length);
    return true;
}

static void set_plugin_path(keel_process_variables *out, const char *name,
                            const char *value, keel_report *report)
{
    char quoted[KEEL_QUOTE_SIZE];

    if (are_absolute(value))
        out->settings.plugin_path = value;
    else
        keel_report_ignored(report, (keel_spot){ name, 1 },
                            "%s not understood; allowed: paths that begin with \"/\", "
                            "cut by \":\"",
                            keel_quote(quoted, keel_text_of(value)));
}

/* ---- names ------------------------------------------------------------------------- */

/* set NULL: of a later version */
static const struct {
    const char *name;
    set_fn *set;
} process_wide[] = {
    { KEEL_PREFIX "LOG", set_log },
    { KEEL_PREFIX "STRICT", set_strict },
    { KEEL_PREFIX "DISABLED", set_disabled },
    { KEEL_PREFIX "CONFIG_FILE", set_config_file },
    { KEEL_PREFIX "CHAOS", set_chaos },
    { KEEL_PREFIX "BOARD", set_board },
    { KEEL_PREFIX "REDIS", set_redis },
    { KEEL_PREFIX "REDIS_PASSWORD_FILE", set_redis_password_file },
    { KEEL_PREFIX "REDIS__TIMEOUT", set_redis_timeout },
    { KEEL_PREFIX "NAMESPACE", set_name_space },
    { KEEL_PREFIX "ADMIN", NULL },
    { KEEL_PREFIX "PLUGIN_PATH", set_plugin_path },
};

enum { PROCESS_WIDE = sizeof process_wide / sizeof *process_wide };

/* Like getenv: of several equal names the first holds. */
static bool is_first(keel_process_variables *out, size_t index)
{
    unsigned bit = 1u << index;
    bool was_seen = out->seen & bit;

    out->seen |= bit;
    return !was_seen;
}

static size_t find_process_wide(const char *name)
{
    size_t i = 0;

    while (i < PROCESS_WIDE && strcmp(name, process_wide[i].name) != 0)
        i++;
    return i;
}

bool keel_process_take(keel_process_variables *out, const char *name, const char *value,
                       keel_report *report)
{
    size_t i = find_process_wide(name);

    if (i == PROCESS_WIDE)
        return false;
    if (!process_wide[i].set)
        keel_report_ignored(report, (keel_spot){ name, 0 }, "not in this version");
    else if (is_first(out, i))
        process_wide[i].set(out, name, value, report);
    return true;
}

static keel_text first_word(keel_text name)
{
    keel_text before, after;

    return keel_text_split(name, "_", &before, &after) ? before : name;
}

/* KEEL_REDIS__TIMEOUT has the form of a pipeline's key: KEEL_ORDERS__TIMEOUT is near. */
static bool has_two_underscores(keel_text name)
{
    keel_text before, after;

    return keel_text_split(name, "__", &before, &after);
}

/* One slip in LOG too, short as it is; KEEL_LOG_LEVEL and KEEL_CONFIG as well. */
static bool could_mean(keel_text read, keel_text known)
{
    keel_text word = first_word(read), known_word = first_word(known);

    if (word.length == known_word.length &&
        !memcmp(word.at, known_word.at, word.length))
        return true;
    return !has_two_underscores(known) &&
           (keel_name_is_near(read, known) || keel_name_distance(read, known, 1) <= 1);
}

/* Of several that one could mean, as KEEL_REDIS and KEEL_REDIS__TIMEOUT, the nearest. */
const char *keel_process_nearest(keel_text own)
{
    size_t least = SIZE_MAX;
    const char *nearest = NULL;

    for (size_t i = 0; i < PROCESS_WIDE; i++) {
        const char *name = process_wide[i].name;
        keel_text known = keel_text_of(name + strlen(KEEL_PREFIX));
        size_t distance = keel_name_distance(own, known, KEEL_NAME_MAX);

        if (could_mean(own, known) && distance < least) {
            least = distance;
            nearest = name;
        }
    }
    return nearest;
}

keel_process_variables keel_process_defaults(void)
{
    return (keel_process_variables){ .settings = {
                                         .log_level = -1,
                                         .redis_timeout_ns = DEFAULT_REDIS_TIMEOUT,
                                         .name_space = "default",
                                     } };
}
