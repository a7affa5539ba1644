/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the headers of an answer: no crash, nothing private or forbidden is
 * kept, and what is kept is shared; an answer is fresh or expired, not both.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/client/cache_rules.h"

enum { HEADERS = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each value is ended by NUL; those that are missing were not sent. */
static const char *take(const char **at, const char *end)
{
    const char *value = *at;

    if (value >= end)
        return NULL;
    *at += strlen(value) + 1;
    return value;
}

static void check(const keel_answer_head *head, const keel_cache_rules *rules)
{
    if (rules->may_keep && !rules->may_share)
        __builtin_trap();
    if (rules->fresh_ns && rules->expired_ns)
        __builtin_trap();
    if (rules->may_share && (keel_cache_control_has(head->cache_control, "no-store") ||
                             keel_cache_control_has(head->cache_control, "private")))
        __builtin_trap();
    if (rules->may_keep && keel_cache_control_has(head->cache_control, "no-cache"))
        __builtin_trap();
}

/* The first byte says whether there are credentials. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keel_request request = { .method = "GET", .url = "http://a/" };
    keel_answer_head head = { .response = 200 };
    const char *values[HEADERS], *at;
    keel_request_key *key;
    keel_cache_rules rules;
    char *text;

    if (!size)
        return 0;
    request.has_credentials = data[0] & 1;
    text = calloc(1, size);
    key = keel_request_key_new(NULL, &request);
    if (text && key) {
        memcpy(text, data + 1, size - 1);
        at = text;
        for (size_t i = 0; i < HEADERS; i++)
            values[i] = take(&at, text + size - 1);
        head.cache_control = values[0];
        head.vary = values[1];
        head.age = values[2];
        head.expires = values[3];
        head.date = values[4];
        keel_cache_rules_read(&head, key, 784111777, &rules);
        check(&head, &rules);
    }
    keel_memory_free(NULL, key);
    free(text);
    return 0;
}
