/* SPDX-License-Identifier: MIT */
#include "support/settled.h"

#include <check.h>
#include <string.h>

void settle(settled *s, const char *const *environment, const char *code)
{
    memset(s, 0, sizeof *s);
    s->why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_warnings_init(&s->warnings, NULL, &s->log), KEEL_OK);
    s->status = keel_config_open(&s->config, NULL, &s->warnings, environment, &s->why);
    if (!s->status)
        s->status = keel_config_claim(s->config, "payments", &s->why);
    if (!s->status)
        s->status = keel_config_resolve(s->config, "payments", code, NULL, &s->policy,
                                        &s->explanation, &s->why);
}

void settled_cleanup(settled *s)
{
    keel_explanation_free(NULL, &s->explanation);
    keel_config_close(s->config);
    keel_warnings_cleanup(&s->warnings);
}

size_t settled_warnings(settled *s)
{
    char line[KEEL_WARNING_SIZE];
    size_t count = 0;

    while (keel_warnings_read(&s->warnings, count, line, sizeof line))
        count++;
    return count;
}

bool settled_warned(settled *s, const char *words)
{
    char line[KEEL_WARNING_SIZE];

    for (size_t i = 0; keel_warnings_read(&s->warnings, i, line, sizeof line); i++)
        if (strstr(line, words))
            return true;
    return false;
}

const keel_origin *settled_origin(const settled *s, const char *key)
{
    for (size_t i = 0; i < s->explanation.count; i++)
        if (!strcmp(s->explanation.origins[i].key, key))
            return &s->explanation.origins[i];
    ck_abort_msg("no line on %s", key);
    return NULL;
}
