/* SPDX-License-Identifier: MIT */
/*
 * resilient(x): a pipeline in front of a bag. What each verb may be tried again after is
 * said here; how attempts are admitted, timed and spaced is the pipeline's.
 *
 *                          after NO   after UNKNOWN
 *     get, scan            yes        yes
 *     set                  yes        yes, unless set_retry=off
 *     touch                yes        yes: its expiry is an instant
 *     delete               yes        yes: gone is gone, and said to be REPEATED
 *     add, replace, cas    yes        what the item's nonce says
 *     append, incr, flush  yes        never
 */
#include <stdio.h>
#include <string.h>

#include "bag/registry.h"
#include "bag/wrap/batch.h"
#include "bag/wrap/resilient.h"
#include "bag/wrap/resilient_try.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"

enum { OPTION_NAME, OPTION_PRESET, OPTION_SET_RETRY, OPTION_LOST_UPDATE };

#define PRESETS "none|standard|careful|patient"

static const keel_bag_option options[] = {
    KEEL_OWN_PIPELINE_OPTION,
    { .name = "preset",
      .type = KEEL_BAG_WORD,
      .words = PRESETS,
      .meaning = "The settings that hold where none are named." },
    { .name = "set_retry",
      .type = KEEL_BAG_SWITCH,
      .standard = "on",
      .meaning = "Whether a set is repeated that may have been applied: it may be "
                 "stored over another's newer one." },
    { .name = "lost_update_window",
      .type = KEEL_BAG_DURATION,
      .meaning = "For how long, from its beginning; as long as there is time." },
    { .name = NULL },
};

/* ---- opening ------------------------------------------------------------------------- */

void keel_resilient_settings(char settings[KEEL_OWN_PIPELINE_SETTINGS_SIZE],
                             const keel_bag_setup *setup)
{
    const keel_bag_value *preset = &setup->values[OPTION_PRESET];
    keel_text words = keel_text_of(PRESETS), word = words;

    for (uint64_t i = 0; i <= preset->number; i++) {
        word = words;
        keel_text_split(words, "|", &word, &words);
    }
    if (!preset->is_given)
        word.length = 0;
    snprintf(settings, KEEL_OWN_PIPELINE_SETTINGS_SIZE, "%.*s%s%s", (int)word.length,
             word.at, word.length ? "; " : "", setup->settings);
}

static keel_status open_pipeline(keel_resilient *r, const keel_bag_setup *setup,
                                 keel_detail *why)
{
    const char *const written[] = { setup->settings, NULL };
    char settings[KEEL_OWN_PIPELINE_SETTINGS_SIZE];

    keel_resilient_settings(settings, setup);
    return keel_own_pipeline_open(&r->pipeline, setup, written, settings, why);
}

static keel_status open_resilient(void **state, const keel_bag_setup *setup,
                                  keel_detail *why)
{
    const keel_bag_value *window = &setup->values[OPTION_LOST_UPDATE];
    keel_resilient *r = keel_memory_new(setup->runtime->memory, sizeof *r);
    keel_status status;

    if (!r)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    r->runtime = setup->runtime;
    r->child = setup->children;
    r->path = setup->path;
    r->set_retry = setup->values[OPTION_SET_RETRY].number;
    r->lost_update_ns = window->is_given ? window->number : KEEL_NEVER;
    status = open_pipeline(r, setup, why);
    if (status != KEEL_OK) {
        keel_memory_free(setup->runtime->memory, r);
        return status;
    }
    *state = r;
    return KEEL_OK;
}

static void close_resilient(void *state)
{
    keel_resilient *r = state;

    keel_pipeline_close(r->pipeline);
    keel_memory_free(r->runtime->memory, r);
}

static void look(void *state, keel_bag_abilities *abilities)
{
    const keel_resilient *r = state;

    *abilities = r->child->abilities;
}

/* ---- reading ------------------------------------------------------------------------- */

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    const keel_resilient *r = state;
    const keel_bag_child *child = r->child;
    keel_try t;

    keel_try_begin_read(&t, r, op, why);
    while (keel_try_next(&t))
        keel_try_report(&t, child->ops->get(child->state, &t.op, key, item, &t.said),
                        true);
    return keel_try_end(&t);
}

/* ---- several at once ----------------------------------------------------------------- */

/* What a further attempt may change. */
static bool is_transient(keel_status status, const void *ctx)
{
    (void)ctx;
    return !keel_try_is_answer(status) && status != KEEL_CORRUPT &&
           !keel_status_is_error(status);
}

/* As one attempt the batch is what the last of its failures is; else it went well. */
static keel_status sum_up(const keel_status statuses[], size_t count)
{
    keel_status sum = KEEL_OK;

    for (size_t i = 0; i < count; i++)
        if (is_transient(statuses[i], NULL))
            sum = statuses[i];
    return sum;
}

static void get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                     keel_bag_item items[], keel_status statuses[], size_t count,
                     keel_detail *why)
{
    const keel_resilient *r = state;
    const keel_batch b = { keys, items, statuses, count };
    bool is_first = true;
    keel_try t;

    keel_try_begin_read(&t, r, op, why);
    while (keel_try_next(&t)) {
        if (is_first)
            keel_bag_child_get_many(r->child, &t.op, keys, items, statuses, count,
                                    &t.said);
        else
            keel_batch_ask(&b, r->child, &t.op, is_transient, NULL, &t.said);
        is_first = false;
        keel_try_report(&t, sum_up(statuses, count), true);
    }
    if (is_first) { /* not called: nobody was answered */
        keel_status status = keel_try_end(&t);

        for (size_t i = 0; i < count; i++)
            statuses[i] = status;
    } else if (keel_try_end(&t) == KEEL_OK && t.said.text[0]) {
        keel_detail_fill(why, &t.said); /* of what is damaged, say */
    }
}

/* ---- storing ------------------------------------------------------------------------- */

static bool may_repeat_set(const keel_try *t)
{
    const keel_machine *m = keel_machine_of(&t->call);

    return t->r->set_retry &&
           (t->r->lost_update_ns == KEEL_NEVER || !m->plan ||
            keel_ns_left(keel_machine_now(m), m->began_at) < t->r->lost_update_ns);
}

static bool has_condition(keel_bag_mode mode)
{
    return mode == KEEL_BAG_ADD || mode == KEEL_BAG_REPLACE || mode == KEEL_BAG_CAS;
}

/* Whether the mode may be sent again once it is known not to have been applied. */
static bool may_repeat(const keel_try *t, const keel_bag_put *put)
{
    if (put->mode == KEEL_BAG_SET)
        return may_repeat_set(t);
    return (put->mode == KEEL_BAG_ADD || put->mode == KEEL_BAG_CAS) &&
           keel_try_can_resolve(t);
}

/*
 * What an attempt that was not simply stored means: one whose answer was lost, and one
 * that was refused, perhaps by its own predecessor.
 */
static keel_doubt judge(const keel_try *t, keel_bytes key, const keel_bag_put *put,
                        keel_bag_token *fresh)
{
    bool is_lost =
        !keel_try_is_answer(t->status) && t->said.applied == KEEL_APPLIED_UNKNOWN;
    bool may_be_own = t->is_in_doubt && keel_try_is_answer(t->status);

    if (!has_condition(put->mode) || (!is_lost && !may_be_own))
        return KEEL_DOUBT_MAY_RETRY; /* the pipeline decides */
    return keel_try_can_resolve(t) ? keel_try_resolve(t, key, put, fresh)
                                   : KEEL_DOUBT_STAYS;
}

/* A cas that was refused after all may have been refused by what it stored itself. */
static keel_status end_in_doubt(keel_try *t, keel_bag_mode mode)
{
    if (mode != KEEL_BAG_CAS || !keel_try_is_answer(t->status))
        return keel_try_end(t);
    keel_call_end(&t->call, NULL);
    return keel_bag_fail(
        t->why, KEEL_UNKNOWN, KEEL_APPLIED_UNKNOWN, t->r->path,
        "a try before may have stored it, and another is there by now");
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    const keel_resilient *r = state;
    const keel_bag_child *child = r->child;
    keel_try t;

    keel_try_begin(&t, r, op, why);
    while (keel_try_next(&t)) {
        keel_status status =
            child->ops->store(child->state, &t.op, key, put, fresh, &t.said);

        keel_try_report(&t, status, status != KEEL_OK && may_repeat(&t, put));
        if (status == KEEL_OK)
            break;
        switch (judge(&t, key, put, fresh)) {
        case KEEL_DOUBT_STORED:
            keel_bag_mark(op, KEEL_BAG_REPEATED);
            return keel_try_end_with(&t, KEEL_OK);
        case KEEL_DOUBT_REFUSED:
            return keel_try_end_with(&t, KEEL_NOT_STORED);
        case KEEL_DOUBT_STAYS:
            return end_in_doubt(&t, put->mode);
        case KEEL_DOUBT_MAY_RETRY:
            break;
        }
    }
    return keel_try_end(&t);
}

/* ---- changing ------------------------------------------------------------------------ */

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    const keel_resilient *r = state;
    const keel_bag_child *child = r->child;
    keel_try t;

    keel_try_begin(&t, r, op, why);
    while (keel_try_next(&t))
        keel_try_report(&t,
                        child->ops->add_to(child->state, &t.op, key, down, by, number,
                                           fresh, &t.said),
                        false);
    return keel_try_end(&t);
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    const keel_resilient *r = state;
    const keel_bag_child *child = r->child;
    keel_try t;

    keel_try_begin(&t, r, op, why);
    while (keel_try_next(&t))
        keel_try_report(
            &t,
            child->ops->touch(child->state, &t.op, key, expires_at_ms, item, &t.said),
            true);
    return keel_try_end(&t);
}

/* After a try that may have deleted it, its absence is the success that was asked for. */
static keel_status removed(keel_try *t, const keel_bag_op *op, bool has_token)
{
    if (!t->is_in_doubt || !keel_try_is_answer(t->status) || t->status == KEEL_OK)
        return keel_try_end(t);
    keel_bag_mark(op, KEEL_BAG_REPEATED);
    if (t->status == KEEL_NOT_FOUND)
        return keel_try_end_with(t, KEEL_OK);
    if (!has_token)
        return keel_try_end(t);
    keel_call_end(&t->call, NULL);
    return keel_bag_fail(t->why, KEEL_UNKNOWN, KEEL_APPLIED_UNKNOWN, t->r->path,
                         "a try before may have deleted it, and another is there by "
                         "now");
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    const keel_resilient *r = state;
    const keel_bag_child *child = r->child;
    keel_try t;

    keel_try_begin(&t, r, op, why);
    while (keel_try_next(&t))
        keel_try_report(
            &t, child->ops->remove(child->state, &t.op, key, expected, &t.said), true);
    return removed(&t, op, expected != NULL);
}

/* ---- all there is -------------------------------------------------------------------- */

static keel_status flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    const keel_resilient *r = state;
    const keel_bag_child *child = r->child;
    keel_try t;

    keel_try_begin(&t, r, op, why);
    while (keel_try_next(&t))
        keel_try_report(&t, child->ops->flush(child->state, &t.op, &t.said), false);
    return keel_try_end(&t);
}

static keel_status scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    const keel_resilient *r = state;
    const keel_bag_child *child = r->child;
    const keel_bag_cursor from = *cursor;
    keel_try t;

    keel_try_begin_read(&t, r, op, why);
    while (keel_try_next(&t)) {
        *cursor = from; /* a try that failed may have moved it */
        keel_try_report(
            &t, child->ops->scan(child->state, &t.op, cursor, fn, ctx, &t.said), true);
    }
    return keel_try_end(&t);
}

/* An attempt like others: so a breaker that is open learns that the store is back. */
static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    const keel_resilient *r = state;
    const keel_bag_child *child = r->child;
    keel_bag_op once = *op;
    keel_try t;

    once.wishes |= KEEL_BAG_NO_RETRY;
    keel_try_begin_read(&t, r, &once, why);
    while (keel_try_next(&t))
        keel_try_report(&t, child->ops->health(child->state, &t.op, &t.said), false);
    return keel_try_end(&t);
}

const keel_bag_ops keel_wrap_resilient = {
    .size = sizeof keel_wrap_resilient,
    .abi = KEEL_BAG_ABI,
    .name = "resilient",
    .roles = "source",
    .takes_settings = true,
    .options = options,
    .meaning = "A pipeline in front of a bag: deadline, retry, breaker, bulkhead.",
    .open = open_resilient,
    .close = close_resilient,
    .look = look,
    .get = get,
    .get_many = get_many,
    .store = store,
    .add_to = add_to,
    .touch = touch,
    .remove = remove_item,
    .flush = flush,
    .scan = scan,
    .health = health,
};
