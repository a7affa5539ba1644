/* SPDX-License-Identifier: MIT */
/* Who has claimed what, and what is left. */
#include "settings/config_claims.h"

#include <string.h>

#include "base/memory.h"
#include "settings/config_environment.h"

#define BAG "BAG_" /* keel_bag_open asks for it by its name */

struct keel_claim {
    keel_claim *next;
    keel_folded folded;
    char name[KEEL_NAME_MAX + 1];
};

/* ---- claiming -------------------------------------------------------------------- */

static const keel_claim *find_claim(const keel_claims *claims, const char *folded)
{
    for (const keel_claim *known = claims->first; known; known = known->next)
        if (!strcmp(known->folded, folded))
            return known;
    return NULL;
}

static keel_status check_name(const char *name, const char *folded, keel_detail *why)
{
    char quoted[KEEL_QUOTE_SIZE];

    if (!keel_name_is_valid(name))
        return keel_failf(why, KEEL_E_CONFIG,
                          "%s is no name for a pipeline: lower-case words of letters "
                          "and digits, joined by \"-\", \".\" or \"_\", 64 bytes at "
                          "most",
                          keel_quote(quoted, keel_text_of(name)));
    if (keel_name_is_reserved(folded))
        return keel_failf(why, KEEL_E_CONFIG,
                          "\"%s\" is no name for a pipeline: its first word is kept "
                          "for keel's own variables",
                          name);
    return KEEL_OK;
}

keel_status keel_claims_add(keel_claims *claims, const char *name, keel_detail *why)
{
    keel_folded folded;
    const keel_claim *known;
    keel_claim *added;
    keel_status status;

    keel_name_fold(folded, keel_text_of(name));
    status = check_name(name, folded, why);
    if (status)
        return status;
    known = find_claim(claims, folded);
    if (known && strcmp(known->name, name) != 0)
        return keel_failf(why, KEEL_E_CONFIG,
                          "\"%s\" and \"%s\" share one variable, KEEL_%s", name,
                          known->name, folded);
    if (known)
        return keel_succeed(why);
    added = keel_memory_new(claims->memory, sizeof *added);
    if (!added)
        return keel_fail(why, KEEL_E_NOMEM, "settings: out of memory");
    memcpy(added->folded, folded, sizeof added->folded);
    memcpy(added->name, name, strlen(name));
    added->next = claims->first;
    claims->first = added;
    return keel_succeed(why);
}

void keel_claims_cleanup(keel_claims *claims)
{
    while (claims->first) {
        keel_claim *next = claims->first->next;

        keel_memory_free(claims->memory, claims->first);
        claims->first = next;
    }
}

/* ---- what nobody claimed -------------------------------------------------------- */

static const char *nearest_name(const keel_claims *claims, const char *folded)
{
    for (const keel_claim *known = claims->first; known; known = known->next)
        if (keel_name_is_near(keel_text_of(folded), keel_text_of(known->folded)))
            return known->folded;
    return keel_name_is_near(keel_text_of(folded), keel_text_of(KEEL_DEFAULT_NAME))
               ? KEEL_DEFAULT_NAME
               : NULL;
}

static bool is_accounted_for(const keel_claims *claims, const keel_named_text *entry)
{
    return keel_named_text_is_default(entry) || entry->is_link || entry->is_claimed ||
           find_claim(claims, entry->name);
}

/* "PAYMENTS_" and "" may stand before a key, "_" and "A__" may not. */
static bool is_name_before_key(const char *name, size_t length)
{
    return !length ||
           (length > 1 && name[length - 1] == '_' && name[length - 2] != '_');
}

/* The key that a name ends in, the longest one if there are two. NULL: none. */
static const keel_key *key_at_end(const char *name, size_t *begin)
{
    for (*begin = 0; name[*begin]; (*begin)++) {
        const keel_key *key = keel_key_find_folded(keel_text_of(name + *begin));

        if (key && is_name_before_key(name, *begin))
            return key;
    }
    return NULL;
}

/* KEEL_PAYMENTS_TIMEOUT, and KEEL_TIMEOUT. */
static bool tell_of_one_underscore(const keel_named_text *entry, keel_report *report)
{
    size_t begin;
    bool is_alone;

    if (entry->is_key || !key_at_end(entry->name, &begin))
        return false;
    is_alone = begin == 0;
    keel_report_ignored(
        report, (keel_spot){ entry->where, 0 },
        "no pipeline is called %s, did you mean " KEEL_PREFIX
        "%.*s__%s (two underscores)?",
        entry->name, is_alone ? (int)strlen(KEEL_DEFAULT_NAME) : (int)begin - 1,
        is_alone ? KEEL_DEFAULT_NAME : entry->name, entry->name + begin);
    return true;
}

static void tell_of_nobodys(const keel_claims *claims, const keel_named_text *entry,
                            bool is_variable, keel_report *report)
{
    keel_spot spot = { entry->where, 0 };
    const char *near = nearest_name(claims, entry->name);

    if (is_variable && !strncmp(entry->name, BAG, strlen(BAG))) {
        keel_report_ignored(report, spot, "no bag of that name was opened");
        return;
    }
    if (!near && is_variable && tell_of_one_underscore(entry, report))
        return;
    if (!near && is_variable && !entry->is_key)
        near = keel_environment_nearest(entry->where);
    if (near)
        keel_report_ignored(report, spot, "no pipeline is called %s, did you mean %s?",
                            entry->name, near);
    else
        keel_report_ignored(report, spot, "no pipeline is called %s", entry->name);
}

void keel_claims_warn_of_rest(const keel_claims *claims,
                              const keel_named_texts *entries, bool are_variables,
                              keel_report *report)
{
    for (const keel_named_text *entry = entries->first; entry; entry = entry->next)
        if (!is_accounted_for(claims, entry))
            tell_of_nobodys(claims, entry, are_variables, report);
}

void keel_claims_warn_of_slips(const keel_claims *claims,
                               const keel_named_texts *variables, const char *name,
                               keel_report *report)
{
    const keel_named_text *entry = variables->first;
    keel_folded folded;
    size_t length, begin;

    keel_name_fold(folded, keel_text_of(name));
    length = strlen(folded);
    for (; entry; entry = entry->next)
        if (!is_accounted_for(claims, entry) && !strncmp(entry->name, folded, length) &&
            key_at_end(entry->name, &begin) && begin == length + 1)
            (void)tell_of_one_underscore(entry, report);
}

bool keel_claims_guess(const keel_claims *claims, const keel_named_texts *entries,
                       char *name, size_t size)
{
    for (const keel_named_text *entry = entries->first; entry; entry = entry->next) {
        if (is_accounted_for(claims, entry) ||
            !(entry->is_key || keel_text_reads_as_settings(entry->text)))
            continue;
        keel_lower_case(name, size, entry->name); /* it folds back to that */
        if (keel_name_is_valid(name) && !keel_name_is_reserved(entry->name))
            return true;
    }
    return false;
}
