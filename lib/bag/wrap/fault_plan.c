/* SPDX-License-Identifier: MIT */
/* Reading the rule, and the draw. */
#include "bag/wrap/fault_plan.h"

#include <string.h>

#include "base/detail.h"
#include "base/seed.h"
#include "base/text.h"

/* The next of a list cut by "|". */
static keel_text take_one(keel_text *rest)
{
    keel_text one = *rest;

    if (!keel_text_split(*rest, "|", &one, rest))
        rest->length = 0;
    return keel_text_trim(one);
}

static uint32_t verb_of(keel_text name)
{
#define TAKE(constant, number, text)                                                   \
    if (keel_text_is(name, text))                                                      \
        return KEEL_FAULT_##constant;
    KEEL_FAULT_VERB_MAP(TAKE)
#undef TAKE
    if (keel_text_is(name, "reads"))
        return KEEL_FAULT_READS;
    return keel_text_is(name, "writes") ? KEEL_FAULT_WRITES : 0;
}

keel_status keel_fault_read_verbs(keel_fault_plan *plan, const char *text,
                                  keel_detail *why)
{
    keel_text rest = keel_text_of(text);
    char quoted[KEEL_QUOTE_SIZE];

    plan->verbs = text ? 0 : KEEL_FAULT_ALL;
    while (rest.length) {
        keel_text one = take_one(&rest);
        uint32_t verb = verb_of(one);

        if (!verb)
            return keel_failf(why, KEEL_E_CONFIG, "verbs: there is no verb %s",
                              keel_quote(quoted, one));
        plan->verbs |= verb;
    }
    return KEEL_OK;
}

keel_status keel_fault_read_spans(keel_fault_plan *plan, const char *text,
                                  keel_detail *why)
{
    keel_text rest = keel_text_of(text);
    char quoted[KEEL_QUOTE_SIZE];

    plan->span_count = 0;
    while (rest.length) {
        keel_text one = take_one(&rest);
        keel_fault_span span;

        if (plan->span_count == KEEL_FAULT_SPANS)
            return keel_fail(why, KEEL_E_CONFIG, "between has 8 spans at most");
        if (keel_parse_span(one, &span.from_ns, &span.until_ns) != KEEL_PARSE_OK)
            return keel_failf(why, KEEL_E_CONFIG,
                              "between is a list of spans (10s..20s), not %s",
                              keel_quote(quoted, one));
        plan->spans[plan->span_count++] = span;
    }
    return KEEL_OK;
}

/* ---- deciding ------------------------------------------------------------------------ */

static bool is_in_time(const keel_fault_plan *plan, uint64_t elapsed_ns)
{
    for (size_t i = 0; i < plan->span_count; i++)
        if (elapsed_ns >= plan->spans[i].from_ns &&
            elapsed_ns < plan->spans[i].until_ns)
            return true;
    return !plan->span_count;
}

static bool is_one_of(const char *keys, keel_bytes key)
{
    size_t length = keys ? strlen(keys) : 0;

    if (!length)
        return true;
    if (keys[length - 1] == '*')
        return key.length >= length - 1 && memcmp(key.at, keys, length - 1) == 0;
    return key.length == length && memcmp(key.at, keys, length) == 0;
}

bool keel_fault_is_meant(const keel_fault_plan *plan, keel_fault_verb verb,
                         keel_bytes key, uint64_t elapsed_ns)
{
    return (plan->verbs & (uint32_t)verb) && is_one_of(plan->keys, key) &&
           is_in_time(plan, elapsed_ns);
}

/* A number out of seed and place, as even as splitmix64's, and no state to share. */
bool keel_fault_strikes(const keel_fault_plan *plan, uint64_t number)
{
    uint64_t drawn = keel_mix(keel_mix(plan->seed) + number * 0x9e3779b97f4a7c15u);

    return drawn % 1000000 < plan->chance;
}
