/* SPDX-License-Identifier: MIT */
/* Handing on what a decorator has nothing to say to. */
#include "bag/wrap/pass.h"

#include <string.h>

/* The compiler makes a jump of each, so that a layer costs next to nothing. */
static const keel_bag_child *inner_of(const void *state)
{
    return ((const keel_pass *)state)->inner;
}

void keel_pass_look(void *state, keel_bag_abilities *abilities)
{
    *abilities = inner_of(state)->abilities;
}

keel_status keel_pass_get(void *state, const keel_bag_op *op, keel_bytes key,
                          keel_bag_item *item, keel_detail *why)
{
    const keel_bag_child *inner = inner_of(state);

    return inner->ops->get(inner->state, op, key, item, why);
}

void keel_pass_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                        keel_bag_item items[], keel_status statuses[], size_t count,
                        keel_detail *why)
{
    keel_bag_child_get_many(inner_of(state), op, keys, items, statuses, count, why);
}

keel_status keel_pass_store(void *state, const keel_bag_op *op, keel_bytes key,
                            const keel_bag_put *put, keel_bag_token *fresh,
                            keel_detail *why)
{
    const keel_bag_child *inner = inner_of(state);

    return inner->ops->store(inner->state, op, key, put, fresh, why);
}

keel_status keel_pass_add_to(void *state, const keel_bag_op *op, keel_bytes key,
                             bool down, uint64_t by, uint64_t *number,
                             keel_bag_token *fresh, keel_detail *why)
{
    const keel_bag_child *inner = inner_of(state);

    return inner->ops->add_to(inner->state, op, key, down, by, number, fresh, why);
}

keel_status keel_pass_touch(void *state, const keel_bag_op *op, keel_bytes key,
                            int64_t expires_at_ms, keel_bag_item *item,
                            keel_detail *why)
{
    const keel_bag_child *inner = inner_of(state);

    return inner->ops->touch(inner->state, op, key, expires_at_ms, item, why);
}

keel_status keel_pass_remove(void *state, const keel_bag_op *op, keel_bytes key,
                             const keel_bag_token *expected, keel_detail *why)
{
    const keel_bag_child *inner = inner_of(state);

    return inner->ops->remove(inner->state, op, key, expected, why);
}

keel_status keel_pass_flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    const keel_bag_child *inner = inner_of(state);

    return inner->ops->flush(inner->state, op, why);
}

keel_status keel_pass_scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                           keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    const keel_bag_child *inner = inner_of(state);

    return inner->ops->scan(inner->state, op, cursor, fn, ctx, why);
}

keel_status keel_pass_health(void *state, const keel_bag_op *op, keel_detail *why)
{
    const keel_bag_child *inner = inner_of(state);

    return inner->ops->health ? inner->ops->health(inner->state, op, why) : KEEL_OK;
}

bool keel_pass_command(const char *command, const char *word, const char **argument)
{
    size_t length = strlen(word);

    if (strncmp(command, word, length) != 0 ||
        (command[length] && command[length] != ' '))
        return false;
    *argument = command + length + strspn(command + length, " ");
    return true;
}

int keel_pass_switch(const char *argument)
{
    if (strcmp(argument, "on") == 0)
        return 1;
    return strcmp(argument, "off") == 0 ? 0 : -1;
}
