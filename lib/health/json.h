/* SPDX-License-Identifier: MIT */
/*
 * JSON into a buffer of a caller's, cut nowhere: what does not fit as a whole is taken
 * back. Allocates nothing. Not for reading it.
 */
#ifndef KEEL_HEALTH_JSON_H
#define KEEL_HEALTH_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* size counts the NUL that ends what was written; 0: nothing is wanted. */
typedef struct keel_json {
    char *to;
    size_t size;
    size_t length;
    bool is_full; /* something did not fit; the rest is not written either */
} keel_json;

void keel_json_init(keel_json *json, char *to, size_t size);

/* As it is: brackets, commas, numbers, names that need no escape. */
void keel_json_raw(keel_json *json, const char *text);

/* Between quotation marks; text is whole UTF-8 (keel_shown_text). */
void keel_json_string(keel_json *json, const char *text);

/* before, then "name":"value". */
void keel_json_text(keel_json *json, const char *before, const char *name,
                    const char *value);

/* Back to where it was that long: what did not fit is gone, and there is room again. */
void keel_json_cut(keel_json *json, size_t length);

#endif
