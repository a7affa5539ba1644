/* SPDX-License-Identifier: MIT */
/* Opening and closing trees. Not for calling them. */
#include "bag/tree.h"

#include <stdio.h>
#include <string.h>

#include "bag/emulate.h"
#include "bag/loader.h"
#include "bag/registry.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/name.h"
#include "call/runtime.h"

#define BAG_PREFIX KEEL_PREFIX "BAG_"

/* What is being opened: a spec, and the specs that referred to it. */
typedef struct builder {
    keel_bag_tree *tree;
    const keel_spec *spec;
    const char *variable; /* that the spec is of; NULL: the author's own */
    const struct builder *outer;
    keel_detail *why;
} builder;

static const keel_allocator *memory_of(const keel_bag_tree *tree)
{
    return tree->runtime->memory;
}

static const char *variable(const char *name, void *ctx)
{
    keel_runtime *runtime = ctx;
    const char *text;

    keel_runtime_lock(runtime);
    text = keel_config_variable(runtime->config, name);
    keel_runtime_unlock(runtime);
    return text;
}

/* ---- what is wrong ------------------------------------------------------------------- */

/* What is wrong, with the variable that it stands in before it. */
static keel_status in_variable(const builder *b, keel_status status)
{
    char said[sizeof b->why->storage];

    if (!b->why || !b->variable || status == KEEL_OK)
        return status;
    snprintf(said, sizeof said, "%s", b->why->text);
    return keel_failf(b->why, status, "%s %s", b->variable, said);
}

/* And where in its text. */
static keel_status at_column(const builder *b, size_t column, keel_status status)
{
    char said[sizeof b->why->storage];

    if (!b->why || status == KEEL_OK)
        return status;
    snprintf(said, sizeof said, "%s", b->why->text);
    keel_failf(b->why, status, "column %zu: %s", column, said);
    return in_variable(b, status);
}

static keel_status refuse(const builder *b, size_t column, const char *what)
{
    keel_fail(b->why, KEEL_E_CONFIG, what);
    return at_column(b, column, KEEL_E_CONFIG);
}

static keel_status no_memory(const builder *b)
{
    return keel_fail(b->why, KEEL_E_NOMEM, "out of memory");
}

static keel_status refuse_name(const builder *b, const keel_spec_node *spec)
{
    bool is_store = spec->kind == KEEL_SPEC_STORE;
    const char *near = keel_bag_nearest(spec->name, is_store);
    char quoted[KEEL_QUOTE_SIZE];

    keel_quote(quoted, spec->name);
    if (near)
        keel_failf(b->why, KEEL_E_CONFIG, "there is no %s %s; did you mean \"%s\"?",
                   is_store ? "store" : "decorator", quoted, near);
    else
        keel_failf(b->why, KEEL_E_CONFIG,
                   "there is no %s %s, and no plugin for it in KEEL_PLUGIN_PATH or %s",
                   is_store ? "store" : "decorator", quoted, keel_bag_load_folder());
    return at_column(b, spec->column, KEEL_E_CONFIG);
}

/* keel's own, or a plugin's. */
static keel_status find_ops(const builder *b, const keel_spec_node *spec,
                            const keel_bag_ops **ops)
{
    const char *folders = keel_config_process(b->tree->runtime->config)->plugin_path;
    bool is_store = spec->kind == KEEL_SPEC_STORE;
    keel_status status = KEEL_OK;

    *ops = keel_bag_builtin(spec->name);
    if (!*ops)
        status = keel_bag_load(ops, spec->name, folders, b->why);
    if (status != KEEL_OK && status != KEEL_NOT_FOUND)
        return at_column(b, spec->column, status);
    if (!*ops || !(*ops)->roles != is_store)
        return refuse_name(b, spec);
    return KEEL_OK;
}

/* ---- nodes --------------------------------------------------------------------------- */

static void free_node(const keel_bag_tree *tree, keel_bag_node *node)
{
    if (node->is_open)
        node->self.ops->close(node->self.state);
    keel_bag_options_cleanup(&node->options);
    keel_bag_url_cleanup(&node->url);
    keel_memory_free(memory_of(tree), node->children);
    keel_memory_free(memory_of(tree), node->parts);
    keel_memory_free(memory_of(tree), node);
}

/* Its role, or what stands for it in the parent's list; else its own name. */
static keel_text role_of(const keel_spec_node *spec, const char *roles, size_t position)
{
    keel_text rest = keel_text_of(roles ? roles : ""), one = rest;

    if (spec->role.length)
        return spec->role;
    for (size_t i = 0; keel_text_next(&rest, "|", &one); i++) {
        if (i == position && !keel_text_is(one, "*"))
            return one;
    }
    return spec->name;
}

/* parent: its path; "" for the root */
static keel_bag_node *new_node(const builder *b, const keel_bag_ops *ops,
                               const char *parent, keel_text role)
{
    keel_bag_node *node = keel_memory_new(memory_of(b->tree), sizeof *node);

    if (!node)
        return NULL;
    keel_text_copy(node->role, sizeof node->role, role);
    if (snprintf(node->path, sizeof node->path, "%s%s%s", parent, *parent ? "." : "",
                 *parent ? node->role : ops->name) >= (int)sizeof node->path)
        node->path[sizeof node->path - 2] = '~'; /* only to be read: it is cut */
    node->self = (keel_bag_child){ .role = node->role, .path = node->path, .ops = ops };
    node->setup = (keel_bag_setup){ .size = sizeof node->setup,
                                    .runtime = b->tree->runtime,
                                    .bag = b->tree->bag,
                                    .path = node->path,
                                    .user = "",
                                    .password = "",
                                    .host = "",
                                    .location = "",
                                    .values = node->options.values,
                                    .settings = node->options.settings };
    return node;
}

/* The abilities that a part tells, cut to what its URL allows. */
static void look(keel_bag_node *node)
{
    keel_bag_abilities *a = &node->self.abilities;

    *a = (keel_bag_abilities){ .size = sizeof *a };
    node->self.ops->look(node->self.state, a);
    if (!node->setup.child_count && !node->common.allow_flush)
        a->native &= ~(uint32_t)KEEL_CAN_FLUSH;
    if (!node->setup.child_count)
        a->effective = a->native;
    if (node->common.value_max &&
        (!a->value_max || node->common.value_max < a->value_max))
        a->value_max = node->common.value_max;
}

static keel_status open_node(const builder *b, keel_bag_node *node, size_t column)
{
    keel_status status = node->self.ops->open(&node->self.state, &node->setup, b->why);
    const char *overstated;

    if (status != KEEL_OK)
        return at_column(b, column, status);
    node->is_open = true;
    look(node);
    overstated = keel_bag_overstates(node->self.ops, node->self.abilities.native);
    if (overstated) {
        keel_failf(b->why, KEEL_E_CONFIG,
                   "%s says that it can %s, and has no function for it",
                   node->self.ops->name, overstated);
        return at_column(b, column, KEEL_E_CONFIG);
    }
    node->before = b->tree->last;
    b->tree->last = node;
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

static bool is_secret(const keel_bag_node *node, keel_text key)
{
    const keel_bag_option *o = node->self.ops->options;

    for (; o && o->name; o++)
        if (o->type == KEEL_BAG_SECRET && key.length > strlen(o->name) &&
            memcmp(key.at, o->name, strlen(o->name)) == 0)
            return true;
    return false;
}

/* For keel_bag_describe. quote: quotation marks around the value, or "" */
static void note_option(keel_bag_node *node, const char *between, keel_text key,
                        keel_text value, const char *quote)
{
    size_t used = strlen(node->written);

    if (is_secret(node, key))
        value = keel_text_of("***");
    snprintf(node->written + used, sizeof node->written - used, "%s%.*s=%s%.*s%s",
             used ? between : "", (int)key.length, key.at, quote, (int)value.length,
             value.at, quote);
}

static keel_status read_query(keel_bag_node *node, keel_bag_options_read *common,
                              keel_detail *why)
{
    char value[KEEL_BAG_OPTION_SIZE];
    keel_text key, query = node->url.query;
    bool is_bad;

    while (keel_bag_query_next(&query, &key, value, sizeof value, &is_bad)) {
        keel_status status;

        if (is_bad)
            return keel_failf(why, KEEL_E_CONFIG, "the value of %.*s is no text",
                              (int)key.length, key.at);
        status = keel_bag_options_take(is_common(key) ? common : &node->options, key,
                                       value, why);
        if (status != KEEL_OK)
            return status;
        note_option(node, "&", key, keel_text_of(value), "");
    }
    return KEEL_OK;
}

static keel_status read_abilities(const char *text, uint32_t *set, keel_detail *why)
{
    keel_text rest = keel_text_of(text ? text : ""), one;
    char quoted[KEEL_QUOTE_SIZE];

    while (keel_text_next(&rest, "|", &one)) {
        uint32_t known = *set;

#define TAKE(constant, number, name)                                                   \
    if (keel_text_is(one, name))                                                       \
        *set |= (uint32_t)(constant);
        KEEL_BAG_ABILITY_MAP(TAKE)
#undef TAKE
        if (*set == known)
            return keel_failf(why, KEEL_E_CONFIG, "there is no ability %s to require",
                              keel_quote(quoted, one));
    }
    return KEEL_OK;
}

static keel_status read_store_options(const builder *b, keel_bag_node *node)
{
    const keel_bag_options_source source = { memory_of(b->tree), variable,
                                             b->tree->runtime };
    const keel_bag_ops common_ops = { .options = common_options };
    keel_bag_options_read common;
    keel_status status;

    status = keel_bag_options_begin(&common, &common_ops, &source, b->why);
    if (status != KEEL_OK)
        return status;
    status = keel_bag_options_begin(&node->options, node->self.ops, &source, b->why);
    if (status == KEEL_OK)
        status = read_query(node, &common, b->why);
    node->common = (keel_bag_common){ .emulate = common.values[0].number,
                                      .allow_flush = common.values[1].number,
                                      .value_max = common.values[2].number };
    if (status == KEEL_OK)
        status = read_abilities(common.values[3].text, &node->common.require, b->why);
    keel_bag_options_cleanup(&common);
    return status;
}

static keel_status read_store(const builder *b, keel_bag_node *node, keel_text url)
{
    keel_status status = keel_bag_url_read(&node->url, memory_of(b->tree), url, b->why);

    if (status == KEEL_OK)
        status = read_store_options(b, node);
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

/* What a store lacks and keel makes of get and cas stands between it and its parent. */
static keel_status add_emulation(const builder *b, keel_bag_node **node, size_t column)
{
    keel_bag_node *store = *node, *between;
    uint32_t missing = KEEL_BAG_EMULATED & ~store->self.abilities.native;
    uint32_t needed = KEEL_CAN_GET | KEEL_CAN_CAS;
    keel_status status;

    if (!store->common.emulate || !missing ||
        (store->self.abilities.native & needed) != needed)
        return KEEL_OK;
    between = new_node(b, &keel_bag_emulation, "", keel_text_of(store->role));
    if (!between)
        return no_memory(b);
    memcpy(between->path, store->path, sizeof between->path);
    between->setup.children = &store->self;
    between->setup.child_count = 1;
    between->parts = keel_memory_new(memory_of(b->tree), sizeof(const keel_bag_node *));
    if (!between->parts) {
        free_node(b->tree, between);
        return no_memory(b);
    }
    between->parts[0] = store;
    *node = between;
    status = open_node(b, between, column);
    if (status != KEEL_OK)
        free_node(b->tree, between);
    return status;
}

static keel_status check_requirements(const builder *b, const keel_bag_node *store,
                                      const keel_bag_node *whole)
{
    uint32_t missing = store->common.require & ~whole->self.abilities.effective;
    const char *name = "";

    if (!missing)
        return KEEL_OK;
#define NAME(constant, number, text)                                                   \
    if (missing & (uint32_t)(constant))                                                \
        name = text;
    KEEL_BAG_ABILITY_MAP(NAME)
#undef NAME
    return keel_failf(b->why, KEEL_E_UNSUPPORTED, "%s: it requires %s, and has it not",
                      store->path, name);
}

static keel_status open_store(const builder *b, const keel_spec_node *spec,
                              const char *parent, keel_text role, keel_bag_node **out)
{
    const keel_bag_ops *ops;
    keel_bag_node *store;
    keel_status status = find_ops(b, spec, &ops);

    if (status != KEEL_OK)
        return status;
    store = *out = new_node(b, ops, parent, role);
    if (!store)
        return no_memory(b);
    status = at_column(b, spec->column, read_store(b, store, spec->url));
    if (status == KEEL_OK)
        status = open_node(b, store, spec->column);
    if (status != KEEL_OK) {
        free_node(b->tree, store);
        return status;
    }
    status = add_emulation(b, out, spec->column);
    return status == KEEL_OK ? check_requirements(b, store, *out) : status;
}

/* ---- decorators ---------------------------------------------------------------------- */

static keel_status build(const builder *b, uint16_t number, const char *parent,
                         keel_text role, keel_bag_node **out);

static keel_status read_decorator_options(const builder *b, keel_bag_node *node,
                                          const keel_spec_node *spec)
{
    const keel_bag_options_source source = { memory_of(b->tree), variable,
                                             b->tree->runtime };
    char value[KEEL_BAG_OPTION_SIZE];
    keel_status status =
        keel_bag_options_begin(&node->options, node->self.ops, &source, b->why);

    for (size_t i = 0; i < spec->option_count && status == KEEL_OK; i++) {
        const keel_spec_option *o = &b->spec->options[spec->first_option + i];

        if (!keel_spec_value(o, value, sizeof value))
            return refuse(b, o->value_column, "the value is too long");
        status = at_column(
            b, o->column, keel_bag_options_take(&node->options, o->key, value, b->why));
        note_option(node, "; ", o->key, o->value, o->is_quoted ? "\"" : "");
    }
    return status;
}

/* Siblings of one name would have one path, and what goes by that, a pipeline say. */
static bool is_taken(const keel_bag_node *node, keel_text role)
{
    for (size_t i = 0; i < node->setup.child_count; i++)
        if (keel_text_is(role, node->children[i].role))
            return true;
    return false;
}

static keel_status build_child(const builder *b, keel_bag_node *node, uint16_t number,
                               keel_text role)
{
    char quoted[KEEL_QUOTE_SIZE];
    keel_bag_node *opened = NULL;
    keel_status status;

    if (is_taken(node, role)) {
        keel_failf(b->why, KEEL_E_CONFIG, "another child has the role %s, too",
                   keel_quote(quoted, role));
        return at_column(b, b->spec->nodes[number].column, KEEL_E_CONFIG);
    }
    status = build(b, number, node->path, role, &opened);
    if (status == KEEL_OK && opened) {
        node->parts[node->setup.child_count] = opened;
        node->children[node->setup.child_count++] = opened->self;
    }
    return status;
}

static keel_status build_children(const builder *b, keel_bag_node *node,
                                  const keel_spec_node *spec)
{
    uint16_t number = spec->first_child;
    keel_status status = KEEL_OK;

    node->children =
        keel_memory_new(memory_of(b->tree), spec->child_count * sizeof *node->children);
    node->parts = keel_memory_new(memory_of(b->tree),
                                  spec->child_count * sizeof(const keel_bag_node *));
    if (!node->children || !node->parts)
        return no_memory(b);
    node->setup.children = node->children;
    for (size_t i = 0; i < spec->child_count && status == KEEL_OK; i++) {
        const keel_spec_node *child = &b->spec->nodes[number];

        status = build_child(b, node, number, role_of(child, node->self.ops->roles, i));
        number = child->next;
    }
    return status;
}

static keel_status check_count(const builder *b, const keel_bag_ops *ops,
                               const keel_spec_node *spec)
{
    size_t least = 0, most = 0;
    keel_text rest = keel_text_of(ops->roles), one;

    while (keel_text_next(&rest, "|", &one)) {
        if (keel_text_is(one, "*"))
            most = KEEL_SPEC_NODES;
        else
            least++;
    }
    most = most ? most : least;
    if (spec->child_count >= least && spec->child_count <= most)
        return KEEL_OK;
    keel_failf(b->why, KEEL_E_CONFIG, "%s is made of %zu%s: %s", ops->name, least,
               most > least ? " or more" : "", ops->roles);
    return at_column(b, spec->column, KEEL_E_CONFIG);
}

static keel_status open_decorator(const builder *b, const keel_spec_node *spec,
                                  const char *parent, keel_text role,
                                  keel_bag_node **out)
{
    const keel_bag_ops *ops;
    keel_bag_node *node;
    keel_status status = find_ops(b, spec, &ops);

    if (status == KEEL_OK)
        status = check_count(b, ops, spec);
    if (status != KEEL_OK)
        return status;
    node = *out = new_node(b, ops, parent, role);
    if (!node)
        return no_memory(b);
    status = read_decorator_options(b, node, spec);
    if (status == KEEL_OK)
        status = build_children(b, node, spec);
    if (status == KEEL_OK)
        status = open_node(b, node, spec->column);
    if (status != KEEL_OK)
        free_node(b->tree, node);
    return status;
}

/* ---- references ---------------------------------------------------------------------- */

static bool is_open_already(const builder *b, const char *name)
{
    for (; b; b = b->outer)
        if (b->variable && strcmp(b->variable, name) == 0)
            return true;
    return false;
}

static keel_status read_and_build(const builder *b, const char *text,
                                  const char *parent, keel_text role,
                                  keel_bag_node **out)
{
    keel_spec *spec = keel_memory_new(memory_of(b->tree), sizeof *spec);
    builder inner = *b;
    keel_status status;

    if (!spec)
        return no_memory(b);
    inner.spec = spec;
    status = in_variable(b, keel_spec_read(spec, text, b->why));
    if (status == KEEL_OK)
        status = build(&inner, 0, parent, role, out);
    keel_memory_free(memory_of(b->tree), spec);
    return status;
}

static keel_status open_reference(const builder *b, const keel_spec_node *spec,
                                  const char *parent, keel_text role,
                                  keel_bag_node **out)
{
    char name[sizeof BAG_PREFIX + KEEL_NAME_MAX];
    keel_folded folded;
    const char *text;
    builder inner = { .tree = b->tree, .variable = name, .outer = b, .why = b->why };

    keel_name_fold(folded, spec->name);
    snprintf(name, sizeof name, BAG_PREFIX "%s", folded);
    if (is_open_already(b, name))
        return refuse(b, spec->column, "the reference leads back to itself");
    text = variable(name, b->tree->runtime);
    if (!text) {
        keel_failf(b->why, KEEL_E_CONFIG, "%s is not set", name);
        return at_column(b, spec->column, KEEL_E_CONFIG);
    }
    return read_and_build(&inner, text, parent, role, out);
}

static keel_status build(const builder *b, uint16_t number, const char *parent,
                         keel_text role, keel_bag_node **out)
{
    const keel_spec_node *spec = &b->spec->nodes[number];

    switch (spec->kind) {
    case KEEL_SPEC_STORE:
        return open_store(b, spec, parent, role, out);
    case KEEL_SPEC_DECORATOR:
        return open_decorator(b, spec, parent, role, out);
    case KEEL_SPEC_REFERENCE:
        break;
    }
    return open_reference(b, spec, parent, role, out);
}

/* ---- trees --------------------------------------------------------------------------- */

keel_status keel_bag_tree_open(keel_bag_tree *tree, keel_runtime *runtime,
                               const char *bag, const char *spec, keel_detail *why)
{
    char name[sizeof BAG_PREFIX + KEEL_NAME_MAX];
    keel_folded folded;
    keel_bag_node *root;
    const char *given;
    builder b = { .tree = tree, .why = why };
    keel_status status;

    *tree = (keel_bag_tree){ .runtime = runtime, .bag = bag };
    keel_name_fold(folded, keel_text_of(bag));
    snprintf(name, sizeof name, BAG_PREFIX "%s", folded);
    given = variable(name, runtime);
    if (given)
        b.variable = name;
    if (!given && !spec)
        return keel_failf(why, KEEL_E_CONFIG,
                          "%s is not set, and there is no spec in "
                          "code",
                          name);
    status = read_and_build(&b, given ? given : spec, "", (keel_text){ "", 0 }, &root);
    if (status != KEEL_OK)
        keel_bag_tree_close(tree);
    return status;
}

void keel_bag_tree_close(keel_bag_tree *tree)
{
    while (tree->last) {
        keel_bag_node *node = tree->last;

        tree->last = node->before;
        free_node(tree, node);
    }
}

/* ---- controlling --------------------------------------------------------------------- */

static keel_status control(const keel_bag_node *node, const char *command, char *answer,
                           size_t size, keel_detail *why)
{
    const keel_bag_ops *ops = node->self.ops;

    if (!ops->control)
        return KEEL_E_UNSUPPORTED;
    return ops->control(node->self.state, command, answer, size, why);
}

/* What stands between a store and its parent has the store's path: both are asked. */
keel_status keel_bag_tree_control(const keel_bag_tree *tree, const char *path,
                                  const char *command, char *answer, size_t size,
                                  keel_detail *why)
{
    char quoted[KEEL_QUOTE_SIZE];
    bool is_there = !path;

    for (const keel_bag_node *node = tree->last; node; node = node->before) {
        keel_status status;

        if (path && strcmp(path, node->path) != 0)
            continue;
        is_there = true;
        status = control(node, command, answer, size, why);
        if (status != KEEL_E_UNSUPPORTED)
            return status;
    }
    if (!is_there)
        return keel_failf(why, KEEL_E_ARGUMENT, "there is no part %s",
                          keel_quote(quoted, keel_text_of(path)));
    return keel_failf(why, KEEL_E_UNSUPPORTED, "%s command %s",
                      path ? "it knows no" : "no part knows the",
                      keel_quote(quoted, keel_text_of(command)));
}

/* ---- describing ---------------------------------------------------------------------- */

/* What is written goes on being counted where it no longer fits. */
typedef struct writer {
    char *text;
    size_t size;
    size_t length;
} writer;

static void write_text(writer *w, const char *text)
{
    size_t room = w->length < w->size ? w->size - w->length : 0;

    if (room)
        snprintf(w->text + w->length, room, "%s", text);
    w->length += strlen(text);
}

static void describe(const keel_bag_node *node, writer *w)
{
    bool is_store = !node->setup.child_count;

    if (node->self.ops == &keel_bag_emulation) {
        describe(node->parts[0], w);
        return;
    }
    write_text(w, is_store ? node->url.plain : node->self.ops->name);
    if (node->written[0]) {
        write_text(w, is_store ? "?" : "{");
        write_text(w, node->written);
        write_text(w, is_store ? "" : "}");
    }
    for (size_t i = 0; i < node->setup.child_count; i++) {
        write_text(w, i ? ", " : "(");
        write_text(w, node->children[i].role);
        write_text(w, "=");
        describe(node->parts[i], w);
    }
    write_text(w, is_store ? "" : ")");
}

size_t keel_bag_tree_describe(const keel_bag_tree *tree, char *text, size_t size)
{
    writer w = { text, size, 0 };

    describe(tree->last, &w);
    return w.length;
}
