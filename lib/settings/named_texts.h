/* SPDX-License-Identifier: MIT */
/*
 * Texts that belong to a pipeline by name: the variables of the environment, the lines
 * of a file. Kept as they were read, in order; what they say is read when it is needed.
 */
#ifndef KEEL_SETTINGS_NAMED_TEXTS_H
#define KEEL_SETTINGS_NAMED_TEXTS_H

#include "base/name.h"
#include "settings/layers.h"

#define KEEL_DEFAULT_NAME "DEFAULT"

/*
 * name      folded: "PAYMENTS", "DEFAULT"
 * is_key    it sets one key: `key`, or one that is not known if that is NULL
 * is_link   Kubernetes' most likely: nobody's mistake where no pipeline has the name
 * is_claimed  somebody has asked for it by its name
 * is_secret   it is no spec, whatever it is called
 * where     "KEEL_PAYMENTS", "keel.conf:3"
 */
typedef struct keel_named_text {
    struct keel_named_text *next;
    keel_folded name;
    bool is_key;
    const keel_key *key;
    bool is_link;
    bool is_claimed;
    bool is_secret;
    const char *where;
    const char *text;
    size_t column; /* of text where it stands */
    char storage[];
} keel_named_text;

typedef struct keel_named_texts {
    const keel_allocator *memory;
    keel_named_text *first;
    keel_named_text *last;
} keel_named_texts;

/* Adds an entry with copies of the texts; NULL: out of memory. */
keel_named_text *keel_named_texts_add(keel_named_texts *entries, keel_text name,
                                      const char *where, keel_text text, size_t column);
void keel_named_texts_cleanup(keel_named_texts *entries);

bool keel_named_text_is_default(const keel_named_text *entry);
keel_source keel_named_text_source(const keel_named_text *entry, keel_layer layer);

/* Tells what is wrong with the text itself. */
void keel_named_text_check(const keel_named_text *entry, keel_layer layer,
                           bool chaos_allowed, keel_report *report);

/* The words a pipeline's name must not begin with. `name` folded. */
bool keel_name_is_reserved(const char *name);

#endif
