/* SPDX-License-Identifier: MIT */
/*
 * A bag's tree: what a spec says, opened from the leaves up and closed from the root
 * down. Knows no store and no decorator but by their tables.
 */
#ifndef KEEL_BAG_TREE_H
#define KEEL_BAG_TREE_H

#include <keel/bag_plugin.h>

#include "bag/options.h"
#include "bag/spec.h"
#include "bag/url.h"

enum { KEEL_BAG_PATH_SIZE = 128, KEEL_BAG_WRITTEN_SIZE = 512 };

/* What every store's URL may say, whatever its own table has. */
typedef struct keel_bag_common {
    bool emulate;
    bool allow_flush;
    uint64_t value_max; /* 0: what the store takes */
    uint32_t require;   /* abilities */
} keel_bag_common;

/* One part of the tree. Children come before it in the tree's list. */
typedef struct keel_bag_node {
    struct keel_bag_node *before; /* the one opened before it */
    keel_bag_child self;
    char path[KEEL_BAG_PATH_SIZE];
    char role[KEEL_BAG_PATH_SIZE];
    keel_bag_url url;
    keel_bag_options_read options;
    keel_bag_common common;
    keel_bag_child *children;
    const struct keel_bag_node **parts; /* the same, as nodes */
    keel_bag_setup setup;
    char written[KEEL_BAG_WRITTEN_SIZE]; /* its options, secrets masked */
    bool is_open;
} keel_bag_node;

typedef struct keel_bag_tree {
    keel_runtime *runtime;
    const char *bag;     /* its name */
    keel_bag_node *last; /* the root, once it is whole */
} keel_bag_tree;

/*
 * Returns  KEEL_OK; else nothing is open, and why says which part it was and where:
 *          KEEL_E_CONFIG, KEEL_E_UNSUPPORTED, KEEL_E_NOMEM, or what an open returned
 */
keel_status keel_bag_tree_open(keel_bag_tree *tree, keel_runtime *runtime,
                               const char *bag, const char *spec, keel_detail *why);
void keel_bag_tree_close(keel_bag_tree *tree);

/* As keel_bag_control. */
keel_status keel_bag_tree_control(const keel_bag_tree *tree, const char *path,
                                  const char *command, char *answer, size_t size,
                                  keel_detail *why);

/* As keel_bag_describe. */
size_t keel_bag_tree_describe(const keel_bag_tree *tree, char *text, size_t size);

#endif
