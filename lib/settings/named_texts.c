/* SPDX-License-Identifier: MIT */
/* A list of texts that belong to pipelines by name. */
#include "settings/named_texts.h"

#include <string.h>

#include "base/memory.h"

static char *append(char *at, keel_text text)
{
    memcpy(at, text.at, text.length);
    return at + text.length + 1; /* the memory came zeroed */
}

keel_named_text *keel_named_texts_add(keel_named_texts *entries, keel_text name,
                                      const char *where, keel_text text, size_t column)
{
    keel_text where_text = keel_text_of(where);
    keel_named_text *entry = keel_memory_new(
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

void keel_named_texts_cleanup(keel_named_texts *entries)
{
    keel_named_text *entry = entries->first;

    while (entry) {
        keel_named_text *next = entry->next;

        keel_memory_free(entries->memory, entry);
        entry = next;
    }
    entries->first = entries->last = NULL;
}

bool keel_named_text_is_default(const keel_named_text *entry)
{
    return !strcmp(entry->name, KEEL_DEFAULT_NAME);
}

keel_source keel_named_text_source(const keel_named_text *entry, keel_layer layer)
{
    return (keel_source){ layer, entry->where, entry->text, entry->column, entry->key };
}

static void report_unknown_key(const keel_named_text *entry, keel_report *report)
{
    const char *suffix = strstr(entry->where, "__") + 2;
    const keel_key *meant = keel_key_nearest_folded(keel_text_of(suffix));
    keel_spot spot = { entry->where, 0 };
    keel_folded folded;

    if (!meant) {
        keel_report_ignored(report, spot, "unknown setting");
        return;
    }
    keel_name_fold(folded, keel_text_of(meant->name));
    keel_report_ignored(report, spot, "unknown setting, did you mean \"%.*s%s\"?",
                        (int)(suffix - entry->where), entry->where, folded);
}

void keel_named_text_check(const keel_named_text *entry, keel_layer layer,
                           bool chaos_allowed, keel_report *report)
{
    keel_source source = keel_named_text_source(entry, layer);

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
