/* SPDX-License-Identifier: MIT */
/* Reading specs: a recursive descent that keeps to fixed arrays. */
#include "bag/spec.h"

#include <string.h>

#include "base/detail.h"

typedef struct reader {
    const char *text;
    size_t at;
    keel_spec *spec;
    keel_detail *why;
} reader;

/* ---- what went wrong ---------------------------------------------------------------- */

static keel_status refuse(const reader *r, size_t at, const char *what)
{
    r->spec->wrong_column = at + 1;
    return keel_fail(r->why, KEEL_E_CONFIG, what);
}

/*
 * What was expected, and what stands there. Before an "@" that may be a piece of a
 * password: of a URL that a mistake, or a comma in it, has cut.
 */
static keel_status miss(const reader *r, const char *expected)
{
    const char *here = r->text + r->at;
    char quoted[KEEL_QUOTE_SIZE];
    size_t length = strcspn(here, " \t\r\n(){},;=");

    r->spec->wrong_column = r->at + 1;
    if (!*here)
        return keel_failf(r->why, KEEL_E_CONFIG, "expected %s, but it ends here",
                          expected);
    if (strchr(here, '@'))
        return keel_failf(r->why, KEEL_E_CONFIG, "expected %s here", expected);
    return keel_failf(r->why, KEEL_E_CONFIG, "expected %s, not %s", expected,
                      keel_quote(quoted, (keel_text){ here, length ? length : 1 }));
}

/* ---- pieces ------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return keel_is_blank(c) || c == '\n';
}

static void skip_space(reader *r)
{
    while (is_space(r->text[r->at]))
        r->at++;
}

static bool take(reader *r, char c)
{
    skip_space(r);
    if (r->text[r->at] != c)
        return false;
    r->at++;
    return true;
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-' || c == '.' || c == '+';
}

/* A name of any kind; empty: there is none here. */
static keel_text take_word(reader *r)
{
    keel_text word;

    skip_space(r);
    word.at = r->text + r->at;
    while (is_word_byte(r->text[r->at]))
        r->at++;
    word.length = (size_t)(r->text + r->at - word.at);
    return word;
}

/* ---- options ------------------------------------------------------------------------ */

static keel_status read_quoted(reader *r, keel_spec_option *option)
{
    size_t begun = r->at++;

    option->is_quoted = true;
    option->value.at = r->text + r->at;
    for (; r->text[r->at] != '"'; r->at++) {
        if (r->text[r->at] == '\\' && r->text[r->at + 1])
            r->at++;
        if (!r->text[r->at])
            return refuse(r, begun, "the quotation mark is never closed");
    }
    option->value.length = (size_t)(r->text + r->at++ - option->value.at);
    return KEEL_OK;
}

static keel_status read_option(reader *r)
{
    keel_spec_option *option;

    if (r->spec->option_count == KEEL_SPEC_OPTIONS)
        return refuse(r, r->at, "a spec has 256 options at most");
    option = &r->spec->options[r->spec->option_count];
    skip_space(r);
    *option = (keel_spec_option){ .column = r->at + 1 };
    option->key = take_word(r);
    if (!option->key.length)
        return miss(r, "an option (key=value)");
    if (!take(r, '='))
        return miss(r, "\"=\" after the option's name");
    skip_space(r);
    option->value_column = r->at + 1;
    r->spec->option_count++;
    if (r->text[r->at] == '"')
        return read_quoted(r, option);
    option->value.at = r->text + r->at;
    option->value.length = strcspn(option->value.at, ";}");
    r->at += option->value.length;
    option->value = keel_text_trim(option->value);
    return KEEL_OK;
}

static keel_status read_options(reader *r, keel_spec_node *node)
{
    keel_status status;

    node->first_option = r->spec->option_count;
    if (!take(r, '{'))
        return KEEL_OK;
    while (!take(r, '}')) {
        if (take(r, ';'))
            continue;
        status = read_option(r);
        if (status != KEEL_OK)
            return status;
        node->option_count++;
        skip_space(r);
        if (r->text[r->at] != ';' && r->text[r->at] != '}')
            return miss(r, "\";\" or \"}\"");
    }
    return KEEL_OK;
}

/* ---- nodes -------------------------------------------------------------------------- */

static keel_status read_node(reader *r, keel_text role, unsigned depth,
                             uint16_t *number);

static keel_status read_child(reader *r, unsigned depth, uint16_t *number)
{
    keel_text role = { NULL, 0 };
    size_t begun;

    skip_space(r);
    begun = r->at;
    role = take_word(r);
    if (!role.length || !take(r, '=')) {
        r->at = begun;
        role.length = 0;
    }
    return read_node(r, role, depth, number);
}

static keel_status read_children(reader *r, uint16_t parent, unsigned depth)
{
    uint16_t *link = &r->spec->nodes[parent].first_child;
    keel_status status;

    do {
        uint16_t number;

        status = read_child(r, depth, &number);
        if (status != KEEL_OK)
            return status;
        *link = number;
        link = &r->spec->nodes[number].next;
        r->spec->nodes[parent].child_count++;
    } while (take(r, ','));
    return take(r, ')') ? KEEL_OK : miss(r, "\",\" or \")\"");
}

static keel_status read_decorator(reader *r, uint16_t number, unsigned depth)
{
    keel_spec_node *node = &r->spec->nodes[number];
    keel_status status;

    node->kind = KEEL_SPEC_DECORATOR;
    status = read_options(r, node);
    if (status != KEEL_OK)
        return status;
    if (!take(r, '('))
        return miss(r, "\"(\" and what it decorates, or \"://\"");
    return read_children(r, number, depth + 1);
}

static keel_status read_store(reader *r, keel_spec_node *node, const char *begin,
                              size_t length)
{
    keel_text url = { begin, length }, scheme, rest;

    node->kind = KEEL_SPEC_STORE;
    if (!keel_text_split(url, "://", &scheme, &rest) || !scheme.length)
        return refuse(r, node->column - 1, "a URL needs a scheme and \"://\"");
    node->url = url;
    node->name = scheme;
    r->at = (size_t)(begin - r->text) + length;
    return KEEL_OK;
}

static keel_status read_bracketed(reader *r, keel_spec_node *node)
{
    const char *begin = r->text + r->at + 1;
    size_t length = strcspn(begin, ">");
    keel_status status;

    if (begin[length] != '>')
        return refuse(r, r->at, "the angle bracket is never closed");
    status = read_store(r, node, begin, length);
    r->at++;
    return status;
}

static keel_status read_reference(reader *r, keel_spec_node *node)
{
    r->at++;
    node->kind = KEEL_SPEC_REFERENCE;
    node->name = take_word(r);
    return node->name.length ? KEEL_OK : miss(r, "a bag's name after \"$\"");
}

static keel_status read_body(reader *r, uint16_t number, unsigned depth)
{
    keel_spec_node *node = &r->spec->nodes[number];
    const char *begin = r->text + r->at;

    if (*begin == '<')
        return read_bracketed(r, node);
    if (*begin == '$')
        return read_reference(r, node);
    node->name = take_word(r);
    if (!node->name.length)
        return miss(r, "a store (redis://…), a decorator or $NAME");
    if (strncmp(r->text + r->at, "://", 3) == 0)
        return read_store(r, node, begin, strcspn(begin, " \t\r\n,)"));
    return read_decorator(r, number, depth);
}

static keel_status read_node(reader *r, keel_text role, unsigned depth,
                             uint16_t *number)
{
    skip_space(r);
    if (r->spec->node_count == KEEL_SPEC_NODES)
        return refuse(r, r->at, "a spec has 64 parts at most");
    if (depth > KEEL_SPEC_DEPTH)
        return refuse(r, r->at, "a spec is 32 parts deep at most");
    *number = r->spec->node_count++;
    r->spec->nodes[*number] = (keel_spec_node){ .role = role, .column = r->at + 1 };
    return read_body(r, *number, depth);
}

keel_status keel_spec_read(keel_spec *spec, const char *text, keel_detail *why)
{
    reader r = { text, 0, spec, why };
    const keel_text no_role = { NULL, 0 };
    uint16_t root;
    keel_status status;

    spec->text = text;
    spec->node_count = spec->option_count = 0;
    status = read_node(&r, no_role, 1, &root);
    if (status != KEEL_OK)
        return status;
    skip_space(&r);
    return r.text[r.at] ? miss(&r, "the end") : keel_succeed(why);
}

size_t keel_spec_column(const keel_spec *spec, const char *at)
{
    return (size_t)(at - spec->text) + 1;
}

bool keel_spec_value(const keel_spec_option *option, char *to, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < option->value.length; i++) {
        if (option->is_quoted && option->value.at[i] == '\\')
            i++; /* a quoted value does not end with one */
        if (at + 1 >= size)
            return false;
        to[at++] = option->value.at[i];
    }
    to[at] = '\0';
    return true;
}
