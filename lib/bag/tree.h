/* SPDX-License-Identifier: MIT */
/*
 * A bag's tree: what a spec says, read from the root down (tree_read.c), then opened from
 * the leaves up and closed from the root down. Knows no store and no decorator but by
 * their tables.
 */
#ifndef KEEL_BAG_TREE_H
#define KEEL_BAG_TREE_H

#include <keel/bag_plugin.h>

#include "bag/options.h"
#include "bag/spec.h"
#include "bag/url.h"
#include "base/name.h"
#include "settings/config.h"

#define KEEL_BAG_PREFIX KEEL_PREFIX "BAG_"

/* parts: of a bag with all that it refers to */
enum {
    KEEL_BAG_PARTS_MAX = 1024,
    KEEL_BAG_VARIABLE_SIZE = sizeof KEEL_BAG_PREFIX + KEEL_NAME_MAX
};

/* Where in a spec. variable: that has it; "": the author's own. column 0: nowhere. */
typedef struct keel_bag_spot {
    char variable[KEEL_BAG_VARIABLE_SIZE];
    size_t column;
} keel_bag_spot;

/* What every store's URL may say, whatever its own table has. */
typedef struct keel_bag_common {
    bool emulate;
    bool allow_flush;
    uint64_t value_max; /* 0: what the store takes */
    uint32_t require;   /* abilities */
} keel_bag_common;

/*
 * One part of the tree. What does not stand in the spec, but is opened between a store and
 * its parent, has the store's path and is its only part.
 *
 * parts     as many as setup.child_count; until it is read whole some may be NULL
 * children  the same, as who is made of them sees them, once they are open
 * written   its options, as a spec says them, secrets masked; NULL: none
 */
typedef struct keel_bag_node {
    keel_bag_child self;
    keel_bag_spot spot;
    char *path;
    char role[KEEL_NAME_MAX + 1];
    keel_bag_url url;
    keel_bag_options_read options;
    keel_bag_common common;
    struct keel_bag_node **parts;
    keel_bag_child *children;
    keel_bag_setup setup;
    char *written;
    bool is_open;
} keel_bag_node;

/*
 * runtime     NULL: the tree is only read
 * wrong       where reading or opening has failed
 * part_count  that were made so far
 */
typedef struct keel_bag_tree {
    keel_runtime *runtime;
    keel_config *config;
    const keel_allocator *memory;
    const char *bag; /* its name */
    keel_bag_node *root;
    keel_bag_spot wrong;
    size_t part_count;
} keel_bag_tree;

/*
 * Reads what the environment says of the bag, else `spec`, and opens nothing. The tree has
 * its runtime, config, memory and bag.
 *
 * Returns  KEEL_OK; KEEL_E_CONFIG and what is wrong at tree->wrong; KEEL_E_NOMEM. The tree
 *          is to be closed in any case
 */
keel_status keel_bag_tree_read(keel_bag_tree *tree, const char *spec, keel_detail *why);

/* Says in *why where it is that something is wrong. Returns status. */
keel_status keel_bag_tree_tell(const keel_bag_tree *tree, keel_status status,
                               keel_detail *why);

/*
 * Reads a tree, warns of what is doubtful in it, and opens it.
 * Returns  KEEL_OK; else nothing is open, and why says which part it was and where:
 *          KEEL_E_CONFIG, KEEL_E_UNSUPPORTED, KEEL_E_NOMEM, or what an open returned
 */
keel_status keel_bag_tree_open(keel_bag_tree *tree, keel_runtime *runtime,
                               const char *bag, const char *spec, keel_detail *why);
void keel_bag_tree_close(keel_bag_tree *tree);

/* A part that is not open yet; NULL: no memory. path: owned by it from now on. */
keel_bag_node *keel_bag_node_new(keel_bag_tree *tree, const keel_bag_ops *ops,
                                 char *path, keel_text role);
/* With all its parts. NULL is fine. */
void keel_bag_node_free(const keel_bag_tree *tree, keel_bag_node *node);

/* As keel_bag_control. */
keel_status keel_bag_tree_control(const keel_bag_tree *tree, const char *path,
                                  const char *command, char *answer, size_t size,
                                  keel_detail *why);

/* As keel_bag_describe. */
size_t keel_bag_tree_describe(const keel_bag_tree *tree, char *text, size_t size);

#endif
