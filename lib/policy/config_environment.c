/* SPDX-License-Identifier: MIT */
/*
 * Sorting the KEEL_ variables. Values of variables that are not known to be keel's
 * never appear in a message: a misspelt secret is still a secret.
 */
#include "policy/config_environment.h"

#include <arpa/inet.h>
#include <string.h>

typedef void set_fn(keel_environment *out, const char *name, const char *value,
                    keel_report *report);

static void report_process(const char *name, const char *value, const char *allowed,
                           keel_report *report)
{
    char quoted[KEEL_QUOTE_SIZE];

    keel_report_mistake(report, "%s col 1: %s not understood; allowed: %s; ignored",
                        name, keel_quote(quoted, keel_text_of(value)), allowed);
}

static void set_bool(bool *out, const char *name, const char *value,
                     keel_report *report)
{
    if (keel_parse_bool(keel_text_of(value), out))
        report_process(name, value, "on or off", report);
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
    if (strcmp(value, "allow") != 0)
        report_process(name, value, "allow", report);
    else
        out->process.chaos_allowed = true;
}

static void set_log(keel_environment *out, const char *name, const char *value,
                    keel_report *report)
{
    static const char *const levels[] = {
        [KEEL_LOG_ERROR] = "error",
        [KEEL_LOG_WARNING] = "warning",
        [KEEL_LOG_INFO] = "info",
        [KEEL_LOG_DEBUG] = "debug",
    };

    for (int level = KEEL_LOG_ERROR; level <= KEEL_LOG_DEBUG; level++) {
        if (!strcmp(value, levels[level])) {
            out->process.log_level = level;
            return;
        }
    }
    report_process(name, value, "error, warning, info or debug", report);
}

static void set_config_file(keel_environment *out, const char *name, const char *value,
                            keel_report *report)
{
    (void)name;
    (void)report;
    out->config_file = value;
}

/* The process-wide variables of this version. */
static const struct {
    const char *name;
    set_fn *set;
} process_wide[] = {
    { KEEL_PREFIX "LOG", set_log },
    { KEEL_PREFIX "STRICT", set_strict },
    { KEEL_PREFIX "DISABLED", set_disabled },
    { KEEL_PREFIX "CONFIG_FILE", set_config_file },
    { KEEL_PREFIX "CHAOS", set_chaos },
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

static bool is_of_later_version(const char *name)
{
    return !strcmp(name, KEEL_PREFIX "BOARD") || begins(name, KEEL_PREFIX "REDIS") ||
           !strcmp(name, KEEL_PREFIX "NAMESPACE") ||
           !strcmp(name, KEEL_PREFIX "ADMIN") ||
           !strcmp(name, KEEL_PREFIX "PLUGIN_PATH") || begins(name, KEEL_PREFIX "BAG_");
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

/* False: it is not one of them. */
static bool take_process_wide(keel_environment *out, const char *name,
                              const char *value, keel_report *report)
{
    for (size_t i = 0; i < PROCESS_WIDE; i++) {
        if (!strcmp(name, process_wide[i].name)) {
            process_wide[i].set(out, name, value, report);
            return true;
        }
    }
    return false;
}

/* A typing mistake in such a name silently loses what guards the whole process. */
static bool take_near(const char *name, keel_report *report)
{
    keel_text own = { name + strlen(KEEL_PREFIX),
                      strcspn(name + strlen(KEEL_PREFIX), "=") };
    const char *meant = NULL;

    for (size_t i = 0; i < PROCESS_WIDE; i++)
        if (keel_name_is_near(own,
                              keel_text_of(process_wide[i].name + strlen(KEEL_PREFIX))))
            meant = process_wide[i].name;
    if (keel_name_is_near(own, keel_text_of(KEEL_DEFAULT_NAME)) &&
        !keel_text_is(own, KEEL_DEFAULT_NAME))
        meant = KEEL_PREFIX KEEL_DEFAULT_NAME;
    if (meant)
        keel_report_mistake(report, "%s: unknown variable, did you mean %s? ignored",
                            name, meant);
    return meant != NULL;
}

static bool is_known_already(const keel_environment *out, const char *name)
{
    for (const keel_named_text *entry = out->entries.first; entry; entry = entry->next)
        if (!strcmp(entry->where, name))
            return true;
    return false;
}

/* One that names a known key is a setting, whatever else it looks like. */
static keel_status keep(keel_environment *out, const char *variable, const char *value,
                        bool is_link)
{
    keel_text whole = keel_text_of(variable + strlen(KEEL_PREFIX)), name, key;
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
    entry->is_link = is_link && !entry->key;
    return KEEL_OK;
}

static keel_status take(keel_environment *out, const char *name, const char *value,
                        keel_report *report)
{
    if (!*value)
        return KEEL_OK;
    if (is_service_link(name, value))
        return keep(out, name, value, true);
    if (take_process_wide(out, name, value, report))
        return KEEL_OK;
    if (is_of_later_version(name)) {
        keel_report_mistake(report, "%s: not in this version; ignored", name);
        return KEEL_OK;
    }
    if (take_near(name, report))
        return KEEL_OK;
    return keep(out, name, value, false);
}

/* Else it would break the line of a message, or colour a terminal. */
static bool is_printable(const char *name)
{
    for (; *name; name++)
        if (*name <= ' ' || *name > '~')
            return false;
    return true;
}

static void report_unprintable(const char *name, keel_report *report)
{
    char quoted[KEEL_QUOTE_SIZE];

    keel_report_mistake(report, "%s: no name of a variable; ignored",
                        keel_quote(quoted, keel_text_of(name)));
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

        if (!begins(*environment, KEEL_PREFIX) || length <= strlen(KEEL_PREFIX))
            continue;
        if (length >= NAME_SIZE)
            length = NAME_SIZE - 1; /* no pipeline's: reported as unclaimed */
        memcpy(name, *environment, length);
        name[length] = '\0';
        if (is_printable(name))
            status = take(out, name, equals + 1, report);
        else
            report_unprintable(name, report);
    }
    return status;
}
