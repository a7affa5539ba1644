/* SPDX-License-Identifier: MIT */
/*
 * readonly(x): reads go on, writes are refused before anything is sent. An operator turns
 * it on and off while the service runs: "readonly on". It hides no ability, because it
 * may be off again at any moment.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "bag/registry.h"
#include "bag/wrap/pass.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

enum { OPTION_ON, OPTION_GAT };
enum { GAT_REFUSE, GAT_GET };

static const keel_bag_option options[] = {
    { .name = "on",
      .type = KEEL_BAG_SWITCH,
      .standard = "on",
      .meaning = "Whether writes are refused from the beginning." },
    { .name = "gat",
      .type = KEEL_BAG_WORD,
      .words = "refuse|get",
      .standard = "refuse",
      .meaning =
          "What becomes of get-and-touch: it is refused as every write, or it is "
          "a get that prolongs nothing." },
    { .name = NULL },
};

typedef struct readonly {
    keel_pass pass;
    const keel_allocator *memory;
    const char *path;
    uint64_t gat;
    _Atomic bool is_on;
} readonly;

static keel_status open_readonly(void **state, const keel_bag_setup *setup,
                                 keel_detail *why)
{
    readonly *r = keel_memory_new(setup->runtime->memory, sizeof *r);

    if (!r)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    r->pass.inner = setup->children;
    r->memory = setup->runtime->memory;
    r->path = setup->path;
    r->gat = setup->values[OPTION_GAT].number;
    atomic_init(&r->is_on, setup->values[OPTION_ON].number != 0);
    *state = r;
    return KEEL_OK;
}

static void close_readonly(void *state)
{
    readonly *r = state;

    keel_memory_free(r->memory, r);
}

/* ---- writing ------------------------------------------------------------------------- */

/* Relaxed: a write that runs while the switch is turned may fall on either side of it. */
static bool is_on(const readonly *r)
{
    return atomic_load_explicit(&r->is_on, memory_order_relaxed);
}

static keel_status refuse(const readonly *r, keel_detail *why)
{
    return keel_bag_fail(why, KEEL_READ_ONLY, KEEL_APPLIED_NO, r->path,
                         "only reading is allowed now");
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    return is_on(state) ? refuse(state, why)
                        : keel_pass_store(state, op, key, put, fresh, why);
}

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    return is_on(state)
               ? refuse(state, why)
               : keel_pass_add_to(state, op, key, down, by, number, fresh, why);
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    const readonly *r = state;

    if (!is_on(r))
        return keel_pass_touch(state, op, key, expires_at_ms, item, why);
    if (item && r->gat == GAT_GET)
        return keel_pass_get(state, op, key, item, why);
    return refuse(r, why);
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    return is_on(state) ? refuse(state, why)
                        : keel_pass_remove(state, op, key, expected, why);
}

static keel_status flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    return is_on(state) ? refuse(state, why) : keel_pass_flush(state, op, why);
}

/* ---- the switch ---------------------------------------------------------------------- */

static keel_status control(void *state, const char *command, char *answer, size_t size,
                           keel_detail *why)
{
    readonly *r = state;
    const char *argument;
    int on;

    if (!keel_pass_command(command, "readonly", &argument))
        return KEEL_E_UNSUPPORTED;
    on = keel_pass_switch(argument);
    if (*argument && on < 0)
        return keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, r->path,
                             "readonly takes on or off");
    if (on >= 0)
        atomic_store_explicit(&r->is_on, on, memory_order_relaxed);
    if (answer)
        snprintf(answer, size, "readonly=%s", is_on(r) ? "on" : "off");
    return KEEL_OK;
}

const keel_bag_ops keel_wrap_readonly = {
    .size = sizeof keel_wrap_readonly,
    .abi = KEEL_BAG_ABI,
    .name = "readonly",
    .roles = "source",
    .options = options,
    .meaning = "Refuses writes; an operator turns it on and off.",
    .open = open_readonly,
    .close = close_readonly,
    .look = keel_pass_look,
    .get = keel_pass_get,
    .get_many = keel_pass_get_many,
    .store = store,
    .add_to = add_to,
    .touch = touch,
    .remove = remove_item,
    .flush = flush,
    .scan = keel_pass_scan,
    .health = keel_pass_health,
    .control = control,
};
