/* SPDX-License-Identifier: MIT */
/* A list of texts that belong to pipelines by name. */
#include "policy/entries.h"

#include <string.h>

#include "base/memory.h"

static char *append(char *at, keel_text text)
{
    memcpy(at, text.at, text.length);
    return at + text.length + 1; /* the memory came zeroed */
}

keel_entry *keel_entries_add(keel_entries *entries, keel_text name, const char *where,
                             keel_text text, size_t column)
{
    keel_text where_text = keel_text_of(where);
    keel_entry *entry = keel_memory_new(
        entries->memory, sizeof *entry + where_text.length + 1 + text.length + 1);
    char *after;

    if (!entry)
        return NULL;
    keel_name_fold(entry->name, name);
    entry->where = entry->storage;
    after = append(entry->storage, where_text);
    entry->text = after;
    append(after, text);
    entry->column = column;
    if (entries->last)
        entries->last->next = entry;
    else
        entries->first = entry;
    entries->last = entry;
    return entry;
}

void keel_entries_cleanup(keel_entries *entries)
{
    keel_entry *entry = entries->first;

    while (entry) {
        keel_entry *next = entry->next;

        keel_memory_free(entries->memory, entry);
        entry = next;
    }
    entries->first = entries->last = NULL;
}

bool keel_entry_is_default(const keel_entry *entry)
{
    return !strcmp(entry->name, KEEL_DEFAULT_NAME);
}

keel_source keel_entry_source(const keel_entry *entry, keel_layer layer)
{
    return (keel_source){ layer, entry->where, entry->text, entry->column, entry->key };
}

static void report_unknown_key(const keel_entry *entry, keel_report *report)
{
    const char *suffix = strstr(entry->where, "__") + 2;
    const keel_key *meant = keel_key_nearest_folded(keel_text_of(suffix));
    keel_folded folded;

    if (!meant) {
        keel_report_mistake(report, "%s: unknown setting; ignored", entry->where);
        return;
    }
    keel_name_fold(folded, keel_text_of(meant->name));
    keel_report_mistake(report, "%s: unknown setting, did you mean \"%.*s%s\"? ignored",
                        entry->where, (int)(suffix - entry->where), entry->where,
                        folded);
}

void keel_entry_check(const keel_entry *entry, keel_layer layer, bool chaos_allowed,
                      keel_report *report)
{
    keel_source source = keel_entry_source(entry, layer);

    if (entry->is_key && !entry->key)
        report_unknown_key(entry, report);
    else
        keel_source_check(&source, chaos_allowed, report);
}

bool keel_name_is_reserved(const char *name)
{
    static const char *const words[] = {
        "DEFAULT", "LOG",       "STRICT", "DISABLED", "CONFIG", "BOARD",
        "REDIS",   "NAMESPACE", "ADMIN",  "PLUGIN",   "CHAOS",  "BAG",
        "DEBUG",   "NODE",      "TRACE",  "METRICS",
    };
    keel_text first = { name, strcspn(name, "_") };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (keel_text_is(first, words[i]))
            return true;
    return false;
}
