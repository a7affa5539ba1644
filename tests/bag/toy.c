/* SPDX-License-Identifier: MIT */
/*
 * A plugin that holds nothing, for the tests of loading: TOY_NAME is what it calls
 * itself, TOY_FAULT what is wrong with it.
 */
#include <keel/bag_plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_fault(const char *fault)
{
    const char *wanted = getenv("TOY_FAULT");

    return wanted && strcmp(wanted, fault) == 0;
}

static keel_status open_toy(void **state, const keel_bag_setup *setup, keel_detail *why)
{
    (void)setup;
    (void)why;
    *state = NULL;
    return KEEL_OK;
}

static void close_toy(void *state)
{
    (void)state;
    if (has_fault("close"))
        _exit(1); /* it must not be called */
}

static void look(void *state, keel_bag_abilities *a)
{
    (void)state;
    a->native = KEEL_CAN_GET | (has_fault("overstates") ? KEEL_CAN_SCAN : 0);
}

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    (void)state;
    (void)op;
    (void)key;
    (void)item;
    (void)why;
    return KEEL_NOT_FOUND;
}

static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    (void)state;
    (void)op;
    (void)why;
    return KEEL_OK;
}

static char name[64];
static keel_bag_ops ops;

/* While it is loaded, once: whoever asks for the table finds it whole. */
__attribute__((constructor)) static void fill_table(void)
{
    if (getenv("TOY_NAME"))
        snprintf(name, sizeof name, "%s", getenv("TOY_NAME"));
    ops = (keel_bag_ops){
        .size = (uint32_t)(sizeof ops - (has_fault("size") ? sizeof ops.control : 0) +
                           (has_fault("newer") ? sizeof ops.control : 0)),
        .abi = has_fault("abi") ? KEEL_BAG_ABI + 1 : KEEL_BAG_ABI,
        .name = has_fault("no name") ? NULL : name,
        .meaning = "Nothing.",
        .open = has_fault("no open") ? NULL : open_toy,
        .close = has_fault("no close") ? NULL : close_toy,
        .look = has_fault("no look") ? NULL : look,
        .get = has_fault("no get") ? NULL : get,
        .health = has_fault("no health") ? NULL : health,
    };
}

KEEL_API const keel_bag_ops *keel_bag_plugin_v1(void);

const keel_bag_ops *keel_bag_plugin_v1(void)
{
    return has_fault("no table") ? NULL : &ops;
}
