/* SPDX-License-Identifier: MIT */
/* The options of a part of a bag, by its table. Knows no store and no decorator. */
#ifndef KEEL_BAG_OPTIONS_H
#define KEEL_BAG_OPTIONS_H

#include <keel/bag_plugin.h>

#include "base/text.h"

enum { KEEL_BAG_OPTIONS_MAX = 64, KEEL_BAG_OPTION_SIZE = 1024 };

/*
 * memory     where texts are kept
 * variable   an environment's variable, for secrets; ctx: of it; NULL: it is not set
 */
typedef struct keel_bag_options_source {
    const keel_allocator *memory;
    const char *(*variable)(const char *name, void *ctx);
    void *ctx;
} keel_bag_options_source;

/*
 * others    another table, read elsewhere, that a slip may be of; NULL: none
 * values    one for each of the table; settings: what was not in it, as a pipeline's
 */
typedef struct keel_bag_options_read {
    const keel_bag_option *table; /* NULL: none */
    const keel_bag_option *others;
    keel_bag_options_source source;
    bool takes_settings;
    keel_bag_value values[KEEL_BAG_OPTIONS_MAX];
    char settings[KEEL_BAG_OPTION_SIZE];
} keel_bag_options_read;

/* Begins with the standards. KEEL_OK, KEEL_E_NOMEM. */
keel_status keel_bag_options_begin(keel_bag_options_read *o, const keel_bag_ops *ops,
                                   const keel_bag_options_source *source,
                                   keel_detail *why);
/*
 * One option more, as it was written.
 * Returns  KEEL_OK; KEEL_E_CONFIG: there is none of that name, nor a value like this, or it is
 *          given twice
 */
keel_status keel_bag_options_take(keel_bag_options_read *o, keel_text key,
                                  const char *value, keel_detail *why);
void keel_bag_options_cleanup(keel_bag_options_read *o);

/* The words of a list cut by "|": which is it; SIZE_MAX: none. */
size_t keel_bag_word_find(const char *words, keel_text word);

#endif
