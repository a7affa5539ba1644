/* SPDX-License-Identifier: MIT */
/*
 * Opening, controlling, describing and closing trees. Not for what a spec says, which
 * tree_read.c reads, nor for calling them.
 */
#include "bag/tree.h"

#include <stdio.h>
#include <string.h>

#include "bag/emulate.h"
#include "bag/lint.h"
#include "bag/loader.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

/* ---- nodes --------------------------------------------------------------------------- */

keel_bag_node *keel_bag_node_new(keel_bag_tree *tree, const keel_bag_ops *ops,
                                 char *path, keel_text role)
{
    keel_bag_node *node = keel_memory_new(tree->memory, sizeof *node);

    if (!node) {
        keel_memory_free(tree->memory, path);
        return NULL;
    }
    tree->part_count++;
    node->path = path;
    keel_text_copy(node->role, sizeof node->role, role);
    node->self = (keel_bag_child){ .role = node->role, .path = path, .ops = ops };
    node->setup = (keel_bag_setup){ .size = sizeof node->setup,
                                    .runtime = tree->runtime,
                                    .bag = tree->bag,
                                    .path = path,
                                    .user = "",
                                    .password = "",
                                    .host = "",
                                    .location = "",
                                    .values = node->options.values,
                                    .settings = node->options.settings };
    return node;
}

void keel_bag_node_free(const keel_bag_tree *tree, keel_bag_node *node)
{
    if (!node)
        return;
    if (node->is_open)
        node->self.ops->close(node->self.state);
    for (size_t i = 0; node->parts && i < node->setup.child_count; i++)
        keel_bag_node_free(tree, node->parts[i]);
    keel_bag_options_cleanup(&node->options);
    keel_bag_url_cleanup(&node->url);
    keel_memory_free(tree->memory, (void *)node->parts);
    keel_memory_free(tree->memory, node->children);
    keel_memory_free(tree->memory, node->written);
    keel_memory_free(tree->memory, node->path);
    keel_memory_free(tree->memory, node);
}

/* ---- opening ------------------------------------------------------------------------- */

static keel_status no_memory(keel_detail *why)
{
    return keel_fail(why, KEEL_E_NOMEM, "out of memory");
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

static keel_status open_node(keel_bag_tree *tree, keel_bag_node *node, keel_detail *why)
{
    const char *overstated;
    keel_status status;

    node->setup.value_max = node->common.value_max;
    status = node->self.ops->open(&node->self.state, &node->setup, why);
    if (status == KEEL_OK) {
        node->is_open = true;
        look(node);
        overstated = keel_bag_overstates(node->self.ops, node->self.abilities.native);
        if (!overstated)
            return KEEL_OK;
        status = keel_failf(why, KEEL_E_CONFIG,
                            "%s says that it can %s, and has no function for it",
                            node->self.ops->name, overstated);
    }
    tree->wrong = node->spot;
    return status;
}

/* The part that makes of a store's get and cas what it lacks; NULL: no memory. */
static keel_bag_node *new_emulation(keel_bag_tree *tree, keel_bag_node *store)
{
    keel_bag_node *node =
        keel_bag_node_new(tree, &keel_bag_emulation, NULL, keel_text_of(store->role));

    if (!node)
        return NULL;
    node->parts = keel_memory_new(tree->memory, sizeof(keel_bag_node *));
    if (!node->parts) {
        keel_bag_node_free(tree, node);
        return NULL;
    }
    node->spot = store->spot;
    node->self.path = node->setup.path = store->path;
    node->parts[0] = store;
    node->setup.children = &store->self;
    node->setup.child_count = 1;
    return node;
}

/* It takes the store's place, where it is of use. */
static keel_status add_emulation(keel_bag_tree *tree, keel_bag_node **slot,
                                 keel_detail *why)
{
    const keel_bag_node *store = *slot;
    uint32_t missing = KEEL_BAG_EMULATED & ~store->self.abilities.native;
    uint32_t needed = KEEL_CAN_GET | KEEL_CAN_CAS;
    keel_bag_node *node;

    if (!store->common.emulate || !missing ||
        (store->self.abilities.native & needed) != needed)
        return KEEL_OK;
    node = new_emulation(tree, *slot);
    if (!node)
        return no_memory(why);
    *slot = node;
    return open_node(tree, node, why);
}

static keel_status check_requirements(const keel_bag_node *store, uint32_t effective,
                                      keel_detail *why)
{
    uint32_t missing = store->common.require & ~effective;
    const char *name = "";

    if (!missing)
        return KEEL_OK;
#define NAME(constant, number, text)                                                   \
    if (missing & (uint32_t)(constant))                                                \
        name = text;
    KEEL_BAG_ABILITY_MAP(NAME)
#undef NAME
    return keel_failf(why, KEEL_E_UNSUPPORTED, "%s: it requires %s, and has it not",
                      store->path, name);
}

/* From the leaves up. What is opened may take the place of the part in its slot. */
static keel_status open_part(keel_bag_tree *tree, keel_bag_node **slot,
                             keel_detail *why)
{
    keel_bag_node *node = *slot;
    keel_status status = KEEL_OK;

    for (size_t i = 0; i < node->setup.child_count && status == KEEL_OK; i++) {
        status = open_part(tree, &node->parts[i], why);
        node->children[i] = node->parts[i]->self;
    }
    if (status == KEEL_OK)
        status = open_node(tree, node, why);
    if (status != KEEL_OK || node->setup.child_count)
        return status;
    status = add_emulation(tree, slot, why);
    return status == KEEL_OK
               ? check_requirements(node, (*slot)->self.abilities.effective, why)
               : status;
}

static void look_over(keel_report *report, void *ctx)
{
    keel_bag_lint(ctx, report);
}

/* What is doubtful is never refused, whatever KEEL_STRICT says. */
static void warn(keel_bag_tree *tree)
{
    keel_runtime_lock(tree->runtime);
    (void)keel_config_look_over(tree->config, look_over, tree, NULL);
    keel_runtime_unlock(tree->runtime);
}

keel_status keel_bag_tree_open(keel_bag_tree *tree, keel_runtime *runtime,
                               const char *bag, const char *spec, keel_detail *why)
{
    keel_status status;

    *tree = (keel_bag_tree){ .runtime = runtime,
                             .config = runtime->config,
                             .memory = runtime->memory,
                             .bag = bag };
    status = keel_bag_tree_read(tree, spec, why);
    if (status == KEEL_OK) {
        warn(tree);
        status = open_part(tree, &tree->root, why);
    }
    if (status != KEEL_OK)
        keel_bag_tree_close(tree);
    return keel_bag_tree_tell(tree, status, why);
}

void keel_bag_tree_close(keel_bag_tree *tree)
{
    keel_bag_node_free(tree, tree->root);
    tree->root = NULL;
}

keel_status keel_bag_tree_tell(const keel_bag_tree *tree, keel_status status,
                               keel_detail *why)
{
    const keel_bag_spot *spot = &tree->wrong;
    char said[sizeof why->storage];

    if (status == KEEL_OK || !why || !spot->column)
        return status;
    snprintf(said, sizeof said, "%s", why->text);
    return keel_failf(why, status, "%s%scolumn %zu: %s", spot->variable,
                      *spot->variable ? " " : "", spot->column, said);
}

/* ---- controlling --------------------------------------------------------------------- */

/* A word of an operator's. is_heard: there is a part that it is meant for */
typedef struct word {
    const char *path; /* NULL: whoever knows it */
    const char *command;
    char *answer;
    size_t size;
    keel_detail *why;
    bool is_heard;
} word;

static keel_status ask(const keel_bag_node *node, word *w)
{
    const keel_bag_ops *ops = node->self.ops;

    if (w->path && strcmp(w->path, node->self.path) != 0)
        return KEEL_E_UNSUPPORTED;
    w->is_heard = true;
    if (!ops->control)
        return KEEL_E_UNSUPPORTED;
    return ops->control(node->self.state, w->command, w->answer, w->size, w->why);
}

/* From the root on: the first one that knows it. */
static keel_status ask_all(const keel_bag_node *node, word *w)
{
    keel_status status = ask(node, w);

    for (size_t i = 0; i < node->setup.child_count && status == KEEL_E_UNSUPPORTED; i++)
        status = ask_all(node->parts[i], w);
    return status;
}

keel_status keel_bag_tree_control(const keel_bag_tree *tree, const char *path,
                                  const char *command, char *answer, size_t size,
                                  keel_detail *why)
{
    word w = { path, command, answer, size, why, .is_heard = false };
    keel_status status = ask_all(tree->root, &w);
    char quoted[KEEL_QUOTE_SIZE];

    if (status != KEEL_E_UNSUPPORTED)
        return status;
    if (!w.is_heard)
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

/* What ends a URL elsewhere does not between angle brackets. */
static bool needs_brackets(const keel_bag_node *store)
{
    static const char ends[] = " \t\r\n,)";

    return strpbrk(store->url.plain, ends) ||
           (store->written && strpbrk(store->written, ends));
}

static void describe_store(const keel_bag_node *store, writer *w)
{
    bool is_bracketed = needs_brackets(store);

    write_text(w, is_bracketed ? "<" : "");
    write_text(w, store->url.plain);
    write_text(w, store->written ? "?" : "");
    write_text(w, store->written ? store->written : "");
    write_text(w, is_bracketed ? ">" : "");
}

static void describe(const keel_bag_node *node, writer *w)
{
    if (node->self.ops == &keel_bag_emulation) {
        describe(node->parts[0], w);
        return;
    }
    if (!node->setup.child_count) {
        describe_store(node, w);
        return;
    }
    write_text(w, node->self.ops->name);
    write_text(w, node->written ? "{" : "");
    write_text(w, node->written ? node->written : "");
    write_text(w, node->written ? "}" : "");
    for (size_t i = 0; i < node->setup.child_count; i++) {
        write_text(w, i ? ", " : "(");
        write_text(w, node->parts[i]->role);
        write_text(w, "=");
        describe(node->parts[i], w);
    }
    write_text(w, ")");
}

size_t keel_bag_tree_describe(const keel_bag_tree *tree, char *text, size_t size)
{
    writer w = { text, size, 0 };

    describe(tree->root, &w);
    return w.length;
}
