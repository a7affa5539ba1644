/* SPDX-License-Identifier: MIT */
/*
 * Texts that belong to a pipeline by name: the variables of the environment, the lines
 * of a file. Kept as they were read, in order; what they say is read when it is needed.
 */
#ifndef KEEL_POLICY_ENTRIES_H
#define KEEL_POLICY_ENTRIES_H

#include "base/name.h"
#include "policy/layers.h"

#define KEEL_DEFAULT_NAME "DEFAULT"

/*
 * name      folded: "PAYMENTS", "DEFAULT"
 * is_key    it sets one key: `key`, or one that is not known if that is NULL
 * where     "KEEL_PAYMENTS", "keel.conf:3"
 */
typedef struct keel_entry {
    struct keel_entry *next;
    keel_folded name;
    bool is_key;
    const keel_key *key;
    const char *where;
    const char *text;
    size_t column; /* of text where it stands */
    char storage[];
} keel_entry;

typedef struct keel_entries {
    const keel_allocator *memory;
    keel_entry *first;
    keel_entry *last;
} keel_entries;

/* Adds an entry with copies of the texts; NULL: out of memory. */
keel_entry *keel_entries_add(keel_entries *entries, keel_text name, const char *where,
                             keel_text text, size_t column);
void keel_entries_cleanup(keel_entries *entries);

bool keel_entry_is_default(const keel_entry *entry);
keel_source keel_entry_source(const keel_entry *entry, keel_layer layer);

/* Tells what is wrong with the text itself. */
void keel_entry_check(const keel_entry *entry, keel_layer layer, bool chaos_allowed,
                      keel_report *report);

/* The words a pipeline's name must not begin with. `name` folded. */
bool keel_name_is_reserved(const char *name);

#endif
