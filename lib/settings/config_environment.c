/* SPDX-License-Identifier: MIT */
/*
 * Sorting the KEEL_ variables. Values of variables that are not known to be keel's
 * never appear in a message: a misspelt secret is still a secret.
 */
#include "settings/config_environment.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* ---- service links ----------------------------------------------------------------- */

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

/* ---- names that are nearly ours ----------------------------------------------------- */

static keel_text own_part(const char *variable)
{
    return keel_text_of(variable + strlen(KEEL_PREFIX));
}

static bool could_mean_default(const char *name)
{
    keel_text own = own_part(name);

    return keel_name_is_near(own, keel_text_of(KEEL_DEFAULT_NAME)) &&
           !keel_text_is(own, KEEL_DEFAULT_NAME);
}

const char *keel_environment_nearest(const char *name)
{
    return could_mean_default(name) ? KEEL_PREFIX KEEL_DEFAULT_NAME
                                    : keel_process_nearest(own_part(name));
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
    if (keel_process_take(&out->process, name, value, report))
        return KEEL_OK;
    if (begins(name, KEEL_PREFIX "BAG_"))
        return keep(out, name, value, false);
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

/* The one variable of another's that keel goes by: where a service manager listens. */
static void take_notify_socket(keel_environment *out, const char *variable)
{
    static const char begin[] = "NOTIFY_SOCKET=";
    const char *socket = variable + strlen(begin);

    if (!out->process.settings.notify_socket && begins(variable, begin) && *socket)
        out->process.settings.notify_socket = socket;
}

keel_status keel_environment_read(keel_environment *out, const char *const *environment,
                                  keel_report *report)
{
    enum { NAME_SIZE = 160 };
    char name[NAME_SIZE];
    keel_status status = KEEL_OK;

    out->process = keel_process_defaults();
    for (; environment && *environment && !status; environment++) {
        const char *equals = strchr(*environment, '=');
        size_t length = equals ? (size_t)(equals - *environment) : 0;

        take_notify_socket(out, *environment);
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
