/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as settings in code, as variables and as a configuration file: no crash,
 * and what comes out is within the ranges that the policies build on.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "settings/config.h"
#include "settings/config_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the breaker, the limiter and the back-off divide by or index with. */
static void expect_sound(const keel_policy *p)
{
    if (!p->half_open_permits || p->half_open_permits > 255 ||
        p->half_open_failures >= p->half_open_permits ||
        p->half_open_slow >= p->half_open_permits || !p->window_buckets ||
        !p->min_calls || !p->lease_ns || !p->open_first_ns ||
        (p->window_ns && p->window_ns < p->window_buckets) ||
        (!p->window_ns && !p->window_calls) ||
        (p->rate.count && (!p->rate_burst || p->rate.count > p->rate.period_ns)) ||
        p->backoff.base_ns > p->backoff.cap_ns || !p->share_reporters ||
        !p->healthy_share_ppm || !p->eject_interval_ns ||
        p->eject_base_ns > p->eject_longest_ns || !p->eject_min_hosts ||
        (p->timeout_ns > 1 && p->connect_timeout_ns >= p->timeout_ns))
        __builtin_trap();
}

static void expect_no_wider(const keel_policy *p, keel_scope widest)
{
    if (p->share > widest || p->bulkhead_scope > widest || p->rate_scope > widest)
        __builtin_trap();
}

/* What names a file, a server and keys in it. Returns what can be shared by them. */
static keel_scope expect_process_sound(const keel_process_settings *p)
{
    size_t length = strlen(p->name_space);

    if ((p->board && *p->board != '/') || (p->plugin_path && *p->plugin_path != '/') ||
        !length || length > 64 || strpbrk(p->name_space, ":{}/\n") ||
        p->redis_timeout_ns < 10 * KEEL_MILLISECOND ||
        p->redis_timeout_ns > 10 * KEEL_SECOND)
        __builtin_trap();
    return p->redis   ? KEEL_SCOPE_FLEET
           : p->board ? KEEL_SCOPE_HOST
                      : KEEL_SCOPE_PROCESS;
}

static void resolve(const char *text, const char *variable)
{
    const char *environment[] = { "KEEL_CHAOS=allow", variable, NULL };
    keel_log log = { .level = -1 };
    keel_explanation explanation;
    keel_warnings warnings;
    keel_config *config;
    keel_policy policy;

    if (keel_warnings_init(&warnings, NULL, &log))
        return;
    if (!keel_config_open(&config, NULL, &warnings, environment, NULL)) {
        if (!keel_config_claim(config, "payments", NULL) &&
            !keel_config_resolve(config, "payments", text, NULL, &policy, &explanation,
                                 NULL)) {
            expect_sound(&policy);
            expect_no_wider(&policy, expect_process_sound(keel_config_process(config)));
            keel_explanation_free(NULL, &explanation);
        }
        (void)keel_config_verify(config, NULL);
        keel_config_close(config);
    }
    keel_warnings_cleanup(&warnings);
}

/* The bytes as the value of one variable, and as the text in code. */
static void resolve_as(const char *name, const char *text)
{
    size_t length = strlen(name);
    char *variable = keel_memory_new(NULL, length + strlen(text) + 1);

    if (!variable)
        return;
    memcpy(variable, name, length);
    memcpy(variable + length, text, strlen(text));
    resolve(text, variable);
    keel_memory_free(NULL, variable);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "KEEL_PAYMENTS=", "KEEL_BOARD=", "KEEL_REDIS=",
                                         "KEEL_REDIS__TIMEOUT=", "KEEL_NAMESPACE=" };
    keel_named_texts lines = { .memory = NULL };
    keel_report report = { .subject = "" };
    char *text = keel_memory_new(NULL, size + 1);

    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        resolve_as(names[i], text);
    (void)keel_config_file_parse(&lines, "fuzz", text, false, &report);
    keel_named_texts_cleanup(&lines);
    keel_memory_free(NULL, text);
    return 0;
}
