/* SPDX-License-Identifier: MIT */
/* The inside of a keel_bag. */
#ifndef KEEL_BAG_BAG_H
#define KEEL_BAG_BAG_H

#include "bag/tree.h"
#include "base/clock.h"
#include "base/name.h"

#define KEEL_BAG_DEADLINE_NS (10 * KEEL_S)

struct keel_bag {
    keel_runtime *runtime;
    keel_bag_tree tree;
    keel_bag_child root;  /* copied, so that a verb reads one line of it */
    uint64_t incarnation; /* the process that opened it */
    char name[KEEL_NAME_MAX + 1];
};

#endif
