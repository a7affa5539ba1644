/* SPDX-License-Identifier: MIT */
/* Items of a caller who was compiled with another keel's bag.h, older or newer. */
#ifndef KEEL_BAG_CALLER_ITEM_H
#define KEEL_BAG_CALLER_ITEM_H

#include <keel/bag.h>

/*
 * One of ours in the place of the caller's, which may be shorter, or longer with zeros.
 * False: it has no size, asks for what we lack, or has a capacity and no buffer.
 */
bool keel_caller_item_read(keel_bag_item *own, const keel_bag_item *given);

/* What was read into it, as far as the caller's struct reaches. */
void keel_caller_item_fill(keel_bag_item *given, const keel_bag_item *own);

#endif
