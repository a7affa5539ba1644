/* SPDX-License-Identifier: MIT */
/*
 * What keel makes of get and cas where a store cannot do it by itself. Stands between the
 * store and its parent as a decorator without a word of its own.
 */
#ifndef KEEL_BAG_EMULATE_H
#define KEEL_BAG_EMULATE_H

#include <keel/bag_plugin.h>

#define KEEL_BAG_EMULATED                                                              \
    ((uint32_t)(KEEL_CAN_REPLACE | KEEL_CAN_APPEND | KEEL_CAN_INCR | KEEL_CAN_TOUCH))

extern const keel_bag_ops keel_bag_emulation;

#endif
