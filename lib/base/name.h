/* SPDX-License-Identifier: MIT */
/*
 * Names: of pipelines, of the variables they fold to, and the nearest of several to a
 * mistyped one. Knows nothing of what is named.
 */
#ifndef KEEL_BASE_NAME_H
#define KEEL_BASE_NAME_H

#include "base/text.h"

enum { KEEL_NAME_MAX = 64 };

typedef char keel_folded[KEEL_NAME_MAX + 1];

/* [a-z][a-z0-9]*([-._][a-z0-9]+)*, at most 64 bytes. */
bool keel_name_is_valid(const char *name);

/* Upper case, all but letters and digits as "_"; cut to what a name may have. */
void keel_name_fold(keel_folded to, keel_text name);

/* Letters of ASCII only, whatever the locale; cut to size. */
void keel_lower_case(char *to, size_t size, const char *from);

/*
 * How many letters must be typed, dropped, changed or swapped with their neighbour to
 * make one text of the other; more than `most` comes back as most + 1.
 */
size_t keel_name_distance(keel_text a, keel_text b, size_t most);

/*
 * Whether a typing mistake could have made `read` of `meant`: one slip in a word of
 * five letters, two in eight, three in longer ones. Shorter words resemble too many
 * others.
 */
bool keel_name_is_near(keel_text read, keel_text meant);

#endif
