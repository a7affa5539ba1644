/* SPDX-License-Identifier: MIT */
/*
 * Sorting the KEEL_ variables. Values of variables that are not known to be keel's
 * never appear in a message: a misspelt secret is still a secret.
 */
#include "settings/config_environment.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef void set_fn(keel_environment *out, const char *name, const char *value,
                    keel_report *report);

void keel_lower_case(char *to, size_t size, const char *from)
{
    size_t i;

    for (i = 0; from[i] && i + 1 < size; i++)
        to[i] =
            from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] - 'A' + 'a') : from[i];
    to[i] = '\0';
}

/* ---- values of process-wide variables ---------------------------------------------- */

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

static void set_strict(keel_environment *out, const char *name, const char *value,
                       keel_report *report)
{
    set_bool(&out->process.strict, name, value, report);
}

static void set_disabled(keel_environment *out, const char *name, const char *value,
                         keel_report *report)
{
    set_bool(&out->process.disabled, name, value, report);
}

static void set_chaos(keel_environment *out, const char *name, const char *value,
                      keel_report *report)
{
    static const char *const words[] = { "allow", NULL };

    if (strcmp(value, words[0]) != 0)
        report_process(name, value, words, NULL, report);
    else
        out->process.chaos_allowed = true;
}

/* A wrong word asks for a log all the same: one that tells of just this. */
static void set_log(keel_environment *out, const char *name, const char *value,
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
            out->process.log_level = level;
            return;
        }
    }
    out->process.log_level = KEEL_LOG_WARNING;
    report_process(name, value, levels, levels[KEEL_LOG_WARNING], report);
}

static void set_config_file(keel_environment *out, const char *name, const char *value,
                            keel_report *report)
{
    (void)name;
    (void)report;
    out->config_file = value;
}

/* ---- names of process-wide variables ----------------------------------------------- */

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
    { KEEL_PREFIX "BOARD", NULL },
    { KEEL_PREFIX "REDIS", NULL },
    { KEEL_PREFIX "NAMESPACE", NULL },
    { KEEL_PREFIX "ADMIN", NULL },
    { KEEL_PREFIX "PLUGIN_PATH", NULL },
};

enum { PROCESS_WIDE = sizeof process_wide / sizeof *process_wide };

static bool begins(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

static bool ends(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);

    return length >= tail && !strcmp(text + length - tail, suffix);
}

static bool is_url(const char *value)
{
    return begins(value, "tcp://") || begins(value, "udp://") ||
           begins(value, "sctp://");
}

static bool is_port_address_or_protocol(const char *value)
{
    unsigned char address[sizeof(struct in6_addr)];

    return !value[strspn(value, "0123456789")] ||
           inet_pton(AF_INET, value, address) == 1 ||
           inet_pton(AF_INET6, value, address) == 1 || !strcmp(value, "tcp") ||
           !strcmp(value, "udp") || !strcmp(value, "sctp");
}

/*
 * Kubernetes sets KEEL_SERVICE_HOST, KEEL_PORT, KEEL_PORT_80_TCP_ADDR, … in every pod
 * beside a service called keel, and KEEL_X_SERVICE_PORT, … for one called keel-x. A
 * pipeline may have such a name too, so the value must be of theirs as well.
 */
static bool is_service_link(const char *name, const char *value)
{
    if (is_url(value))
        return ends(name, "_PORT") || strstr(name, "_PORT_");
    return is_port_address_or_protocol(value) &&
           (!strcmp(name, KEEL_PREFIX "PORT") || begins(name, KEEL_PREFIX "PORT_") ||
            ends(name, "_SERVICE_HOST") || ends(name, "_SERVICE_PORT") ||
            strstr(name, "_SERVICE_PORT_") || strstr(name, "_TCP_") ||
            strstr(name, "_UDP_") || strstr(name, "_SCTP_"));
}

/* Like getenv: of several equal names the first holds. */
static bool is_first(keel_environment *out, size_t index)
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

/* False: it is not one of them. */
static bool take_process_wide(keel_environment *out, const char *name,
                              const char *value, keel_report *report)
{
    size_t i = find_process_wide(name);

    if (i == PROCESS_WIDE && !begins(name, KEEL_PREFIX "REDIS_") &&
        !begins(name, KEEL_PREFIX "BAG_"))
        return false;
    if (i == PROCESS_WIDE || !process_wide[i].set)
        keel_report_ignored(report, (keel_spot){ name, 0 }, "not in this version");
    else if (is_first(out, i))
        process_wide[i].set(out, name, value, report);
    return true;
}

static keel_text own_part(const char *variable)
{
    return keel_text_of(variable + strlen(KEEL_PREFIX));
}

static keel_text first_word(keel_text name)
{
    keel_text before, after;

    return keel_text_split(name, "_", &before, &after) ? before : name;
}

/* One slip in LOG too, short as it is; KEEL_LOG_LEVEL and KEEL_CONFIG as well. */
static bool could_mean(keel_text read, keel_text known)
{
    keel_text word = first_word(read), known_word = first_word(known);

    return keel_name_is_near(read, known) || keel_name_distance(read, known, 1) <= 1 ||
           (word.length == known_word.length &&
            !memcmp(word.at, known_word.at, word.length));
}

static bool could_mean_default(const char *name)
{
    keel_text own = own_part(name);

    return keel_name_is_near(own, keel_text_of(KEEL_DEFAULT_NAME)) &&
           !keel_text_is(own, KEEL_DEFAULT_NAME);
}

const char *keel_environment_nearest(const char *name)
{
    if (could_mean_default(name))
        return KEEL_PREFIX KEEL_DEFAULT_NAME;
    for (size_t i = 0; i < PROCESS_WIDE; i++)
        if (could_mean(own_part(name), own_part(process_wide[i].name)))
            return process_wide[i].name;
    return NULL;
}

/*
 * A typing mistake in such a name silently loses what guards the whole process, so it is
 * told at once. Settings under such a name are a pipeline's, as of one called "logs".
 */
static bool tell_of_near(const char *name, const char *value, keel_report *report)
{
    const char *meant = keel_environment_nearest(name);

    if (!meant || (keel_text_reads_as_settings(value) && !could_mean_default(name)))
        return false;
    keel_report_ignored(report, (keel_spot){ name, 0 },
                        "unknown variable, did you mean %s?", meant);
    return true;
}

/* ---- sorting ----------------------------------------------------------------------- */

static bool is_known_already(const keel_environment *out, const char *name)
{
    for (const keel_named_text *entry = out->entries.first; entry; entry = entry->next)
        if (!strcmp(entry->where, name))
            return true;
    return false;
}

/*
 * is_settled  nothing is left to say of it unless a pipeline claims it; one that names a
 *             known key is a setting, whatever else it looks like
 */
static keel_status keep(keel_environment *out, const char *variable, const char *value,
                        bool is_settled)
{
    keel_text whole = own_part(variable), name, key;
    keel_named_text *entry;
    /* "KEEL___X": a key of nobody's is no key */
    bool is_key = keel_text_split(whole, "__", &name, &key) && name.length;

    if (is_known_already(out, variable))
        return KEEL_OK; /* like getenv: the first of several holds */
    entry = keel_named_texts_add(&out->entries, is_key ? name : whole, variable,
                                 keel_text_of(value), 1);
    if (!entry)
        return KEEL_E_NOMEM;
    entry->is_key = is_key;
    if (is_key)
        entry->key = keel_key_find_folded(key);
    entry->is_link = is_settled && !entry->key;
    return KEEL_OK;
}

static keel_status take(keel_environment *out, const char *name, const char *value,
                        keel_report *report)
{
    if (is_service_link(name, value))
        return keep(out, name, value, true);
    if (take_process_wide(out, name, value, report))
        return KEEL_OK;
    return keep(out, name, value, tell_of_near(name, value, report));
}

/* Else it would break the line of a message, or colour a terminal. */
static bool is_printable(const char *name)
{
    for (; *name; name++)
        if (*name <= ' ' || *name > '~')
            return false;
    return true;
}

/* KEEL_payments, KEEL_PAYMENTS-API: what nobody can claim. */
static bool has_form_of_variable(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    return begins(name, KEEL_PREFIX) && name[strlen(KEEL_PREFIX)] &&
           !name[strspn(name, letters)];
}

static void report_no_name(const char *name, keel_report *report)
{
    char quoted[KEEL_QUOTE_SIZE];

    keel_quote(quoted, keel_text_of(name));
    if (is_printable(name) && name[strlen(KEEL_PREFIX)])
        keel_report_ignored(report, (keel_spot){ name, 0 },
                            "variables are upper case, and every character but letters "
                            "and digits is \"_\"");
    else
        keel_report_ignored(report, (keel_spot){ quoted, 0 }, "no name of a variable");
}

static bool begins_in_any_case(const char *text, const char *prefix)
{
    return !strncasecmp(text, prefix, strlen(prefix));
}

keel_status keel_environment_read(keel_environment *out, const char *const *environment,
                                  keel_report *report)
{
    enum { NAME_SIZE = 160 };
    char name[NAME_SIZE];
    keel_status status = KEEL_OK;

    out->process.log_level = -1;
    for (; environment && *environment && !status; environment++) {
        const char *equals = strchr(*environment, '=');
        size_t length = equals ? (size_t)(equals - *environment) : 0;

        if (!begins_in_any_case(*environment, KEEL_PREFIX) || !equals || !equals[1])
            continue; /* empty is unset */
        if (length >= NAME_SIZE)
            length = NAME_SIZE - 1; /* no pipeline's: reported as unclaimed */
        memcpy(name, *environment, length);
        name[length] = '\0';
        if (has_form_of_variable(name))
            status = take(out, name, equals + 1, report);
        else
            report_no_name(name, report);
    }
    return status;
}
