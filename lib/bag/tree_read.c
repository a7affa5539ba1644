/* SPDX-License-Identifier: MIT */
/*
 * From a spec to a tree of parts that are not open yet: names are found, options read,
 * children given their roles, references followed. Not for the grammar, which is
 * spec.c's, nor for what parts are for.
 */
#include "bag/tree.h"

#include <stdio.h>
#include <string.h>

#include "bag/loader.h"
#include "bag/registry.h"
#include "bag/roles.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

/* What is being read: a spec, and the specs that referred to it. */
typedef struct reader {
    keel_bag_tree *tree;
    keel_spec *spec;
    const char *variable; /* that the spec is of; "": the author's own */
    const struct reader *outer;
    keel_detail *why;
} reader;

/* The part that is to be read, and where it belongs. */
typedef struct place {
    keel_spec_node *spec;
    const char *parent; /* its path; "": it is the root */
    keel_text role;
} place;

/* what: keel_config_variable, keel_config_secret */
static const char *ask(const keel_bag_tree *tree, const char *name,
                       const char *(*what)(keel_config *config, const char *name))
{
    const char *text;

    if (tree->runtime)
        keel_runtime_lock(tree->runtime);
    text = what(tree->config, name);
    if (tree->runtime)
        keel_runtime_unlock(tree->runtime);
    return text;
}

static const char *spec_of(const keel_bag_tree *tree, const char *variable)
{
    return ask(tree, variable, keel_config_variable);
}

static const char *secret(const char *variable, void *ctx)
{
    return ask(ctx, variable, keel_config_secret);
}

/* ---- what is wrong ------------------------------------------------------------------- */

static keel_bag_spot spot_of(const reader *r, size_t column)
{
    keel_bag_spot spot = { .column = column };

    snprintf(spot.variable, sizeof spot.variable, "%s", r->variable);
    return spot;
}

/* The innermost that knows a place has said it first. */
static keel_status at_column(const reader *r, size_t column, keel_status status)
{
    if (status != KEEL_OK && !r->tree->wrong.column)
        r->tree->wrong = spot_of(r, column);
    return status;
}

static keel_status refuse(const reader *r, size_t column, const char *what)
{
    keel_fail(r->why, KEEL_E_CONFIG, what);
    return at_column(r, column, KEEL_E_CONFIG);
}

static keel_status no_memory(const reader *r)
{
    keel_fail(r->why, KEEL_E_NOMEM, "out of memory");
    return KEEL_E_NOMEM;
}

static keel_status refuse_name(const reader *r, const keel_spec_node *spec)
{
    bool is_store = spec->kind == KEEL_SPEC_STORE;
    const char *near = keel_bag_nearest(spec->name, is_store);
    char quoted[KEEL_QUOTE_SIZE];

    keel_quote(quoted, spec->name);
    if (near)
        keel_failf(r->why, KEEL_E_CONFIG, "there is no %s %s; did you mean \"%s\"?",
                   is_store ? "store" : "decorator", quoted, near);
    else
        keel_failf(r->why, KEEL_E_CONFIG,
                   "there is no %s %s, and no plugin for it in KEEL_PLUGIN_PATH or %s",
                   is_store ? "store" : "decorator", quoted, keel_bag_load_folder());
    return at_column(r, spec->column, KEEL_E_CONFIG);
}

/* keel's own, or a plugin's. */
static keel_status find_ops(const reader *r, const keel_spec_node *spec,
                            const keel_bag_ops **ops)
{
    const char *folders = keel_config_process(r->tree->config)->plugin_path;
    bool is_store = spec->kind == KEEL_SPEC_STORE;
    keel_status status = KEEL_OK;

    *ops = keel_bag_builtin(spec->name);
    if (!*ops)
        status = keel_bag_load(ops, spec->name, folders, r->why);
    if (status != KEEL_OK && status != KEEL_NOT_FOUND)
        return at_column(r, spec->column, status);
    if (!*ops || !(*ops)->roles != is_store)
        return refuse_name(r, spec);
    return KEEL_OK;
}

/* ---- parts --------------------------------------------------------------------------- */

/* "cache.source"; the root is called as what it is. NULL: no memory. */
static char *new_path(const reader *r, const place *at, const keel_bag_ops *ops)
{
    keel_text name = *at->parent ? at->role : keel_text_of(ops->name);
    size_t size = strlen(at->parent) + 1 + name.length + 1;
    char *path = keel_memory_new(r->tree->memory, size);

    if (path)
        snprintf(path, size, "%s%s%.*s", at->parent, *at->parent ? "." : "",
                 (int)name.length, name.at);
    return path;
}

static keel_status new_node(const reader *r, const place *at, const keel_bag_ops *ops,
                            keel_bag_node **out)
{
    char *path;

    if (r->tree->part_count == KEEL_BAG_PARTS_MAX)
        return refuse(r, at->spec->column, "a bag has 1024 parts at most");
    path = new_path(r, at, ops);
    *out = path ? keel_bag_node_new(r->tree, ops, path, at->role) : NULL;
    if (!*out)
        return no_memory(r);
    (*out)->spot = spot_of(r, at->spec->column);
    return KEEL_OK;
}

static bool is_secret(const keel_bag_node *node, keel_text key)
{
    const keel_bag_option *o = node->self.ops->options;

    for (; o && o->name; o++)
        if (o->type == KEEL_BAG_SECRET && key.length > strlen(o->name) &&
            memcmp(key.at, o->name, strlen(o->name)) == 0)
            return true;
    return false;
}

/* For keel_bag_describe. value: as it stands in the spec, and the mark around it, if any */
static keel_status note_option(const reader *r, keel_bag_node *node,
                               const char *between, keel_text key, keel_text value,
                               const char *mark)
{
    const char *before = node->written ? node->written : "";
    size_t size;
    char *grown;

    if (is_secret(node, key))
        value = keel_text_of("***");
    size = strlen(before) + strlen(between) + key.length + value.length +
           2 * strlen(mark) + sizeof "=";
    grown = keel_memory_new(r->tree->memory, size);
    if (!grown)
        return no_memory(r);
    snprintf(grown, size, "%s%s%.*s=%s%.*s%s", before, *before ? between : "",
             (int)key.length, key.at, mark, (int)value.length, value.at, mark);
    keel_memory_free(r->tree->memory, node->written);
    node->written = grown;
    return KEEL_OK;
}

/* ---- stores -------------------------------------------------------------------------- */

static const keel_bag_option common_options[] = {
    { .name = "emulate",
      .type = KEEL_BAG_SWITCH,
      .standard = "on",
      .meaning =
          "Whether keel makes append, incr, touch and replace of get and cas where "
          "the store has none." },
    { .name = "allow_flush",
      .type = KEEL_BAG_SWITCH,
      .standard = "off",
      .meaning = "Whether keel_bag_flush may delete all there is." },
    { .name = "value_max",
      .type = KEEL_BAG_SIZE,
      .min = 1,
      .max = UINT64_C(1) << 30,
      .standard = "1MiB",
      .meaning = "A larger value is refused before anything is sent." },
    { .name = "require",
      .type = KEEL_BAG_TEXT,
      .meaning = "Abilities, cut by \"|\", without which it is not opened." },
    { .name = NULL },
};

static bool is_common(keel_text key)
{
    for (const keel_bag_option *o = common_options; o->name; o++)
        if (keel_text_is(key, o->name))
            return true;
    return false;
}

/* 0: there is none of that name. */
static uint32_t ability_named(keel_text name)
{
#define IS(constant, number, text)                                                     \
    if (keel_text_is(name, text))                                                      \
        return (uint32_t)(constant);
    KEEL_BAG_ABILITY_MAP(IS)
#undef IS
    return 0;
}

static keel_status read_abilities(const char *text, uint32_t *set, keel_detail *why)
{
    keel_text rest = keel_text_of(text), one;
    char quoted[KEEL_QUOTE_SIZE];

    while (keel_text_next(&rest, "|", &one)) {
        uint32_t ability = ability_named(one);

        if (!ability)
            return keel_failf(why, KEEL_E_CONFIG, "there is no ability %s to require",
                              keel_quote(quoted, one));
        *set |= ability;
    }
    return KEEL_OK;
}

static keel_status read_query_option(const reader *r, keel_bag_node *node,
                                     keel_bag_options_read *into, keel_text key,
                                     keel_text written)
{
    char value[KEEL_BAG_OPTION_SIZE];
    size_t column = keel_spec_column(r->spec, key.at);
    keel_status status;

    if (!keel_bag_query_decode(written, value, sizeof value)) {
        keel_failf(r->why, KEEL_E_CONFIG,
                   "the value of %.*s is no text, or longer than %zu bytes",
                   (int)key.length, key.at, sizeof value - 1);
        return at_column(r, column, KEEL_E_CONFIG);
    }
    status = keel_bag_options_take(into, key, value, r->why);
    if (status == KEEL_OK && keel_text_is(key, "require"))
        status = read_abilities(value, &node->common.require, r->why);
    at_column(r, column, status);
    return status == KEEL_OK ? note_option(r, node, "&", key, written, "") : status;
}

static keel_status read_query(const reader *r, keel_bag_node *node,
                              keel_bag_options_read *common)
{
    keel_text key, value, query = node->url.query;
    keel_status status = KEEL_OK;

    while (status == KEEL_OK && keel_bag_query_next(&query, &key, &value))
        status = read_query_option(r, node, is_common(key) ? common : &node->options,
                                   key, value);
    return status;
}

static keel_status read_store_options(const reader *r, keel_bag_node *node)
{
    const keel_bag_options_source source = { r->tree->memory, secret, r->tree };
    const keel_bag_ops common_ops = { .options = common_options };
    keel_bag_options_read common;
    keel_status status;

    status = keel_bag_options_begin(&common, &common_ops, &source, r->why);
    if (status != KEEL_OK)
        return status;
    status = keel_bag_options_begin(&node->options, node->self.ops, &source, r->why);
    node->options.others = common_options;
    if (status == KEEL_OK)
        status = read_query(r, node, &common);
    node->common.emulate = common.values[0].number;
    node->common.allow_flush = common.values[1].number;
    node->common.value_max = common.values[2].number;
    keel_bag_options_cleanup(&common);
    return status;
}

static keel_status read_url(const reader *r, keel_bag_node *node, keel_text url)
{
    keel_status status = keel_bag_url_read(&node->url, r->tree->memory, url, r->why);

    if (status == KEEL_OK)
        status = read_store_options(r, node);
    if (status != KEEL_OK)
        return status;
    node->setup.url = node->url.plain;
    node->setup.user = node->url.user;
    node->setup.password = node->url.password;
    node->setup.host = node->url.host;
    node->setup.port = node->url.port;
    node->setup.location = node->url.location;
    return KEEL_OK;
}

static keel_status read_store(const reader *r, const place *at, keel_bag_node **out)
{
    const keel_bag_ops *ops;
    keel_status status = find_ops(r, at->spec, &ops);

    if (status == KEEL_OK)
        status = new_node(r, at, ops, out);
    if (status != KEEL_OK)
        return status;
    return at_column(r, at->spec->column, read_url(r, *out, at->spec->url));
}

/* ---- decorators ---------------------------------------------------------------------- */

static keel_status read_part(const reader *r, const place *at, keel_bag_node **out);

static keel_status read_decorator_option(const reader *r, keel_bag_node *node,
                                         const keel_spec_option *o)
{
    char value[KEEL_BAG_OPTION_SIZE];
    keel_status status;

    if (!keel_spec_value(o, value, sizeof value))
        return refuse(r, o->value_column, "the value is too long");
    status = at_column(r, o->column,
                       keel_bag_options_take(&node->options, o->key, value, r->why));
    if (status != KEEL_OK)
        return status;
    return note_option(r, node, "; ", o->key, o->value, o->is_quoted ? "\"" : "");
}

static keel_status read_decorator_options(const reader *r, keel_bag_node *node,
                                          const keel_spec_node *spec)
{
    const keel_bag_options_source source = { r->tree->memory, secret, r->tree };
    keel_status status =
        keel_bag_options_begin(&node->options, node->self.ops, &source, r->why);

    for (size_t i = 0; i < spec->option_count && status == KEEL_OK; i++)
        status =
            read_decorator_option(r, node, &r->spec->options[spec->first_option + i]);
    return status;
}

static keel_status read_children(const reader *r, keel_bag_node *node,
                                 const keel_spec_node *spec)
{
    uint16_t number = spec->first_child;
    keel_status status = KEEL_OK;

    node->children =
        keel_memory_new(r->tree->memory, spec->child_count * sizeof *node->children);
    node->parts =
        keel_memory_new(r->tree->memory, spec->child_count * sizeof(keel_bag_node *));
    if (!node->children || !node->parts)
        return no_memory(r);
    node->setup.children = node->children;
    node->setup.child_count = spec->child_count;
    for (size_t i = 0; i < spec->child_count && status == KEEL_OK; i++) {
        keel_spec_node *child = &r->spec->nodes[number];
        const place at = { child, node->path, child->role };

        status = read_part(r, &at, &node->parts[i]);
        number = child->next;
    }
    return status;
}

static keel_status bind_roles(const reader *r, keel_spec_node *spec,
                              const keel_bag_ops *ops)
{
    keel_status status = keel_bag_roles_bind(r->spec, spec, ops, r->why);

    return status == KEEL_OK ? status : at_column(r, r->spec->wrong_column, status);
}

static keel_status read_decorator(const reader *r, const place *at, keel_bag_node **out)
{
    const keel_bag_ops *ops;
    keel_status status = find_ops(r, at->spec, &ops);

    if (status == KEEL_OK)
        status = bind_roles(r, at->spec, ops);
    if (status == KEEL_OK)
        status = new_node(r, at, ops, out);
    if (status == KEEL_OK)
        status = read_decorator_options(r, *out, at->spec);
    return status == KEEL_OK ? read_children(r, *out, at->spec) : status;
}

/* ---- references ---------------------------------------------------------------------- */

static bool is_being_read(const reader *r, const char *name)
{
    for (; r; r = r->outer)
        if (strcmp(r->variable, name) == 0)
            return true;
    return false;
}

/* A whole spec. at: where its root belongs */
static keel_status read_spec(const reader *r, const char *text, const place *at,
                             keel_bag_node **out)
{
    keel_spec *spec = keel_memory_new(r->tree->memory, sizeof *spec);
    reader inner = *r;
    place root = *at;
    keel_status status;

    if (!spec)
        return no_memory(r);
    inner.spec = spec;
    root.spec = &spec->nodes[0];
    status = keel_spec_read(spec, text, r->why);
    if (status == KEEL_OK)
        status = read_part(&inner, &root, out);
    else
        at_column(r, spec->wrong_column, status);
    keel_memory_free(r->tree->memory, spec);
    return status;
}

/* "KEEL_BAG_FAST" of "fast" */
static void name_variable(char to[KEEL_BAG_VARIABLE_SIZE], keel_text bag)
{
    keel_folded folded;

    keel_name_fold(folded, bag);
    snprintf(to, KEEL_BAG_VARIABLE_SIZE, KEEL_BAG_PREFIX "%s", folded);
}

static keel_status read_reference(const reader *r, const place *at, keel_bag_node **out)
{
    char name[KEEL_BAG_VARIABLE_SIZE];
    reader inner = { .tree = r->tree, .variable = name, .outer = r, .why = r->why };
    const char *text;

    if (at->spec->name.length > KEEL_NAME_MAX)
        return refuse(r, at->spec->column, "a bag's name has 64 bytes at most");
    name_variable(name, at->spec->name);
    if (is_being_read(r, name))
        return refuse(r, at->spec->column, "the reference leads back to itself");
    text = spec_of(r->tree, name);
    if (!text) {
        keel_failf(r->why, KEEL_E_CONFIG, "%s is not set", name);
        return at_column(r, at->spec->column, KEEL_E_CONFIG);
    }
    return read_spec(&inner, text, at, out);
}

static keel_status read_part(const reader *r, const place *at, keel_bag_node **out)
{
    switch (at->spec->kind) {
    case KEEL_SPEC_STORE:
        return read_store(r, at, out);
    case KEEL_SPEC_DECORATOR:
        return read_decorator(r, at, out);
    case KEEL_SPEC_REFERENCE:
        break;
    }
    return read_reference(r, at, out);
}

/* ---- trees --------------------------------------------------------------------------- */

keel_status keel_bag_tree_read(keel_bag_tree *tree, const char *spec, keel_detail *why)
{
    char name[KEEL_BAG_VARIABLE_SIZE];
    const place root = { .spec = NULL, .parent = "", .role = { "", 0 } };
    reader r = { .tree = tree, .variable = name, .why = why };
    const char *given;

    name_variable(name, keel_text_of(tree->bag));
    given = spec_of(tree, name);
    if (!given && !spec)
        return keel_failf(why, KEEL_E_CONFIG,
                          "%s is not set, and there is no spec in code", name);
    if (!given)
        r.variable = "";
    return read_spec(&r, given ? given : spec, &root, &tree->root);
}
