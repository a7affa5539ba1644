/* SPDX-License-Identifier: MIT */
/*
 * A spec as it is written: cut into nodes, by the grammar of keel-bag-spec(5). Knows no
 * store, no decorator and no option.
 *
 *     spec      = node
 *     node      = store | "$" NAME | decorator
 *     store     = SCHEME "://" bytes | "<" URL ">"
 *     decorator = WORD [ "{" [ option *( ";" option ) ] "}" ] "(" child *( "," child ) ")"
 *     child     = [ ROLE "=" ] node
 *     option    = KEY "=" ( bytes | '"' escaped '"' )
 *
 * Blanks and newlines between them do not matter. A store that is not between angle
 * brackets ends at a blank, a comma or a closing parenthesis.
 */
#ifndef KEEL_BAG_SPEC_H
#define KEEL_BAG_SPEC_H

#include <keel/status.h>

#include "base/text.h"

enum { KEEL_SPEC_NODES = 64, KEEL_SPEC_OPTIONS = 256, KEEL_SPEC_DEPTH = 32 };

typedef enum keel_spec_kind {
    KEEL_SPEC_STORE,
    KEEL_SPEC_REFERENCE,
    KEEL_SPEC_DECORATOR
} keel_spec_kind;

/* column: where it begins in the text, from 1 */
typedef struct keel_spec_option {
    keel_text key;
    keel_text value; /* between its quotation marks, if it has any */
    bool is_quoted;  /* then \" and \\ stand for " and \ */
    size_t column;
    size_t value_column;
} keel_spec_option;

/*
 * name   a store's scheme, a reference's NAME, a decorator's word
 * role   empty: none was given
 * url    of a store, whole
 * Options of a decorator and children of a node follow one another in their arrays;
 * numbers of children: child[first] is the first, next of each the next, 0: no more.
 */
typedef struct keel_spec_node {
    keel_spec_kind kind;
    keel_text name;
    keel_text role;
    keel_text url;
    size_t column;
    uint16_t first_option, option_count;
    uint16_t first_child, next, child_count;
} keel_spec_node;

/* nodes[0] is the root. Texts are the caller's. wrong_column: where reading has failed */
typedef struct keel_spec {
    const char *text; /* whole */
    keel_spec_node nodes[KEEL_SPEC_NODES];
    keel_spec_option options[KEEL_SPEC_OPTIONS];
    uint16_t node_count, option_count;
    size_t wrong_column;
} keel_spec;

/*
 * Returns  KEEL_OK, or KEEL_E_CONFIG with what was expected and what is there, and
 *          spec->wrong_column
 */
keel_status keel_spec_read(keel_spec *spec, const char *text, keel_detail *why);

/* Of a byte of its text. */
size_t keel_spec_column(const keel_spec *spec, const char *at);

/* The value of an option as it is meant. False: it does not fit. */
bool keel_spec_value(const keel_spec_option *option, char *to, size_t size);

#endif
