/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as settings in code, as a variable and as a configuration file: no crash,
 * and what comes out is within the ranges that the policies build on.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
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
        p->backoff.base_ns > p->backoff.cap_ns ||
        (p->timeout_ns > 1 && p->connect_timeout_ns >= p->timeout_ns))
        __builtin_trap();
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
            keel_explanation_free(NULL, &explanation);
        }
        (void)keel_config_verify(config, NULL);
        keel_config_close(config);
    }
    keel_warnings_cleanup(&warnings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char prefix[] = "KEEL_PAYMENTS=";
    keel_named_texts lines = { .memory = NULL };
    keel_report report = { .subject = "" };
    char *variable = keel_memory_new(NULL, sizeof prefix + size);
    const char *text = variable + sizeof prefix - 1;

    if (!variable)
        return 0;
    memcpy(variable, prefix, sizeof prefix - 1);
    if (size)
        memcpy(variable + sizeof prefix - 1, data, size);
    resolve(text, variable);
    (void)keel_config_file_parse(&lines, "fuzz", text, false, &report);
    keel_named_texts_cleanup(&lines);
    keel_memory_free(NULL, variable);
    return 0;
}
