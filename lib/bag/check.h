/* SPDX-License-Identifier: MIT */
/*
 * Whether a spec is right, as far as that can be known without opening anything: nothing
 * is made, and no server is asked. For `keel config check` and `keel bag check`.
 */
#ifndef KEEL_BAG_CHECK_H
#define KEEL_BAG_CHECK_H

#include "settings/config.h"

/*
 * What is wrong, and what is doubtful, is told as other findings about the configuration
 * are; a pipeline in the tree is looked at with all that the environment says of it.
 *
 * spec     the author's; NULL: what the environment says alone
 * Returns  KEEL_OK, also where something is wrong; KEEL_E_NOMEM
 */
keel_status keel_bag_check(keel_config *config, const keel_allocator *memory,
                           const char *bag, const char *spec, keel_detail *why);

/*
 * Finds which variables a bag takes for secrets, so that none of them is taken for a bag
 * of its own: before the first of several is checked. KEEL_OK, KEEL_E_NOMEM.
 */
keel_status keel_bag_find_secrets(keel_config *config, const keel_allocator *memory,
                                  const char *bag, keel_detail *why);

#endif
