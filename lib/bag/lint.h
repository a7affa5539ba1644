/* SPDX-License-Identifier: MIT */
/*
 * What is doubtful in a tree that can be opened all the same. Looks at what stands in the
 * spec, and asks no store.
 */
#ifndef KEEL_BAG_LINT_H
#define KEEL_BAG_LINT_H

#include "bag/tree.h"
#include "settings/report.h"

void keel_bag_lint(const keel_bag_tree *tree, keel_report *report);

#endif
