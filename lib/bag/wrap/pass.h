/* SPDX-License-Identifier: MIT */
/*
 * The functions of decorators of one bag that hand an operation on as it is. For those
 * whose state begins with the bag that they decorate.
 */
#ifndef KEEL_BAG_WRAP_PASS_H
#define KEEL_BAG_WRAP_PASS_H

#include <keel/bag_plugin.h>

/* What such a state begins with. */
typedef struct keel_pass {
    const keel_bag_child *inner;
} keel_pass;

void keel_pass_look(void *state, keel_bag_abilities *abilities);
keel_status keel_pass_get(void *state, const keel_bag_op *op, keel_bytes key,
                          keel_bag_item *item, keel_detail *why);
void keel_pass_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                        keel_bag_item items[], keel_status statuses[], size_t count,
                        keel_detail *why);
keel_status keel_pass_store(void *state, const keel_bag_op *op, keel_bytes key,
                            const keel_bag_put *put, keel_bag_token *fresh,
                            keel_detail *why);
keel_status keel_pass_add_to(void *state, const keel_bag_op *op, keel_bytes key,
                             bool down, uint64_t by, uint64_t *number,
                             keel_bag_token *fresh, keel_detail *why);
keel_status keel_pass_touch(void *state, const keel_bag_op *op, keel_bytes key,
                            int64_t expires_at_ms, keel_bag_item *item,
                            keel_detail *why);
keel_status keel_pass_remove(void *state, const keel_bag_op *op, keel_bytes key,
                             const keel_bag_token *expected, keel_detail *why);
keel_status keel_pass_flush(void *state, const keel_bag_op *op, keel_detail *why);
keel_status keel_pass_scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                           keel_bag_scan_fn *fn, void *ctx, keel_detail *why);
keel_status keel_pass_health(void *state, const keel_bag_op *op, keel_detail *why);

/*
 * Whether a command is meant for this word: "readonly", or "readonly" and an argument.
 * *argument: what follows; "" where nothing does.
 */
bool keel_pass_command(const char *command, const char *word, const char **argument);

/* on: 1, off: 0, neither: -1 */
int keel_pass_switch(const char *argument);

#endif
