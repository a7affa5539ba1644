/* SPDX-License-Identifier: MIT */
/*
 * Who is who among a decorator's children. A child with a role has the place of that role,
 * the others fill what is left, in order. Not for reading the children.
 */
#ifndef KEEL_BAG_ROLES_H
#define KEEL_BAG_ROLES_H

#include <keel/bag_plugin.h>

#include "bag/spec.h"

/*
 * Puts the children of a decorator in the order of its roles, and gives each the role that
 * it has. Where ops->roles ends with "*", what is more than it names follows in the order
 * in which it is written, by roles of its own, or without one by its name.
 *
 * Returns  KEEL_OK, or KEEL_E_CONFIG and spec->wrong_column: too few or too many, a role
 *          that there is not, or that another child has
 */
keel_status keel_bag_roles_bind(keel_spec *spec, keel_spec_node *decorator,
                                const keel_bag_ops *ops, keel_detail *why);

#endif
