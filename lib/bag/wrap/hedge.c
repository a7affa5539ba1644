/* SPDX-License-Identifier: MIT */
/*
 * hedge(source|*): a read that is not answered in time is asked a second time, of the
 * next bag or of the same one, and the first answer wins. Writes, and all that is no get,
 * go to the first bag as they are. hedge.h says how the files divide that.
 */
#include "bag/wrap/hedge.h"

#include <stdio.h>
#include <string.h>

#include "bag/registry.h"
#include "base/detail.h"
#include "base/memory.h"
#include "call/runtime.h"
#include "settings/value.h"

enum { OPTION_NAME, OPTION_DELAY, OPTION_MISS };
enum { DELAY_MAX = 31 };

static const keel_bag_option options[] = {
    KEEL_OWN_PIPELINE_OPTION,
    { .name = "delay",
      .type = KEEL_BAG_TEXT,
      .standard = "p95",
      .meaning =
          "When a read is asked again: a time, or a quantile of recent ones, p95 "
          "or p95@50ms, as the setting hedge." },
    { .name = "miss",
      .type = KEEL_BAG_WORD,
      .words = "wait|answer",
      .standard = "wait",
      .meaning = "Whether not-found of another bag than the first waits for that one, "
                 "or is an answer." },
    { .name = NULL },
};

/* ---- opening ------------------------------------------------------------------------- */

void keel_hedge_settings(char settings[KEEL_OWN_PIPELINE_SETTINGS_SIZE],
                         const keel_bag_setup *setup)
{
    snprintf(settings, KEEL_OWN_PIPELINE_SETTINGS_SIZE, "none; hedge=%.*s; %s",
             DELAY_MAX, setup->values[OPTION_DELAY].text, setup->settings);
}

keel_status keel_hedge_check(const keel_bag_setup *setup, keel_detail *why)
{
    keel_text delay = keel_text_of(setup->values[OPTION_DELAY].text);
    char quoted[KEEL_QUOTE_SIZE];
    keel_value unused;

    if (delay.length <= DELAY_MAX &&
        keel_value_parse(&keel_keys[KEEL_KEY_HEDGE], delay, &unused) == KEEL_PARSE_OK)
        return KEEL_OK;
    return keel_failf(why, KEEL_E_CONFIG,
                      "%s: delay is a time, or a quantile as p95 or p95@50ms, not %s",
                      setup->path, keel_quote(quoted, delay));
}

static keel_status open_pipeline(keel_hedge *h, const keel_bag_setup *setup,
                                 keel_detail *why)
{
    char settings[KEEL_OWN_PIPELINE_SETTINGS_SIZE];
    const char *const written[] = { setup->settings, NULL };
    keel_status status = keel_hedge_check(setup, why);

    if (status != KEEL_OK)
        return status;
    keel_hedge_settings(settings, setup);
    return keel_own_pipeline_open(&h->pipeline, setup, written, settings, why);
}

/* What is in the process's own memory is taken for quick; else that is yet to be seen. */
static uint32_t quick_at_first(const keel_bag_child *first)
{
    return first->abilities.native & KEEL_IS_VOLATILE ? KEEL_HEDGE_QUICK_READS : 0;
}

static keel_status open_hedge(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    keel_hedge *h = keel_memory_new(setup->runtime->memory, sizeof *h);
    keel_status status;

    if (!h)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    h->pass.inner = setup->children;
    h->runtime = setup->runtime;
    h->path = setup->path;
    h->children = setup->children;
    h->count = setup->child_count;
    h->waits_on_miss = setup->values[OPTION_MISS].number == 0;
    atomic_init(&h->quick, quick_at_first(&h->children[0]));
    status = open_pipeline(h, setup, why);
    if (status != KEEL_OK) {
        keel_memory_free(setup->runtime->memory, h);
        return status;
    }
    pthread_mutex_init(&h->reads_mu, NULL);
    pthread_cond_init(&h->reads_ended, NULL);
    *state = h;
    return KEEL_OK;
}

/* Losers were told to stop; none is left inside a bag that is closed next. */
static void await_losers(keel_hedge *h)
{
    pthread_mutex_lock(&h->reads_mu);
    while (h->reads)
        pthread_cond_wait(&h->reads_ended, &h->reads_mu);
    pthread_mutex_unlock(&h->reads_mu);
}

static void close_hedge(void *state)
{
    keel_hedge *h = state;

    await_losers(h);
    keel_pipeline_close(h->pipeline);
    pthread_cond_destroy(&h->reads_ended);
    pthread_mutex_destroy(&h->reads_mu);
    keel_memory_free(h->runtime->memory, h);
}

/* Writes are the first bag's; of what a read tells, what all of them can. */
static void look(void *state, keel_bag_abilities *a)
{
    const uint32_t reads =
        KEEL_CAN_GET | KEEL_CAN_MANY | KEEL_CAN_TELL_TTL | KEEL_CAN_FLAGS;
    const keel_hedge *h = state;

    *a = h->children[0].abilities;
    for (size_t i = 1; i < h->count; i++) {
        const keel_bag_abilities *other = &h->children[i].abilities;

        a->native &= other->native | ~reads;
        a->effective &= other->effective | ~reads;
        if (other->batch_max < a->batch_max)
            a->batch_max = other->batch_max;
        if (other->ttl_step_ms > a->ttl_step_ms)
            a->ttl_step_ms = other->ttl_step_ms;
    }
}

const keel_bag_ops keel_wrap_hedge = {
    .size = sizeof keel_wrap_hedge,
    .abi = KEEL_BAG_ABI,
    .name = "hedge",
    .roles = "source|*",
    .takes_settings = true,
    .options = options,
    .meaning = "A bag whose slow reads are asked a second time.",
    .open = open_hedge,
    .close = close_hedge,
    .look = look,
    .get = keel_hedge_read_one,
    .get_many = keel_hedge_read_many,
    .store = keel_pass_store,
    .add_to = keel_pass_add_to,
    .touch = keel_pass_touch,
    .remove = keel_pass_remove,
    .flush = keel_pass_flush,
    .scan = keel_pass_scan,
    .health = keel_pass_health,
};
