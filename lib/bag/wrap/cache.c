/* SPDX-License-Identifier: MIT */
/*
 * cache(cache, source): opening it, and what it can do. Reading is in cache_read.c,
 * writing in cache_write.c.
 */
#include "bag/wrap/cache.h"

#include <stdio.h>

#include "bag/registry.h"
#include "bag/wrap/pass.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/text.h"
#include "call/runtime.h"

#define MONTH_NS (24 * KEEL_HOUR * 31)
#define NEEDED                                                                         \
    ((uint32_t)(KEEL_CAN_GET | KEEL_CAN_SET | KEEL_CAN_ADD | KEEL_CAN_CAS |            \
                KEEL_CAN_TTL))

enum { CHILD_CACHE, CHILD_SOURCE };
enum {
    OPTION_TTL,
    OPTION_STALE,
    OPTION_NEGATIVE_TTL,
    OPTION_JITTER,
    OPTION_REVALIDATE,
    OPTION_WAIT,
    OPTION_LEASE,
    OPTION_ON_WRITE,
    OPTION_TIMEOUT
};
enum { REVALIDATE_WAIT, REVALIDATE_STALE };
enum { ON_WRITE_INVALIDATE, ON_WRITE_THROUGH };

static const keel_bag_option options[] = {
    { .name = "ttl",
      .type = KEEL_BAG_DURATION,
      .min = KEEL_MILLISECOND,
      .max = MONTH_NS,
      .standard = "60s",
      .meaning = "How long an item is answered from the cache; no longer than the "
                 "source keeps it." },
    { .name = "stale",
      .type = KEEL_BAG_DURATION,
      .max = MONTH_NS,
      .standard = "0s",
      .meaning = "How much longer it is kept, for when the source cannot be asked." },
    { .name = "negative_ttl",
      .type = KEEL_BAG_DURATION,
      .max = MONTH_NS,
      .standard = "0s",
      .meaning =
          "How long it is remembered that the source has no such item; 0: not." },
    { .name = "jitter",
      .type = KEEL_BAG_RATIO,
      .max = 500000,
      .standard = "10%",
      .meaning = "By how much ttl is longer or shorter, so that items that came "
                 "together do not go together." },
    { .name = "revalidate",
      .type = KEEL_BAG_WORD,
      .words = "wait|stale",
      .standard = "wait",
      .meaning = "What others get while one asks the source for an item past its ttl: "
                 "they wait for the answer, or have the stale item at once." },
    { .name = "wait",
      .type = KEEL_BAG_DURATION,
      .max = KEEL_HOUR,
      .standard = "5s",
      .meaning = "How long they wait; then they have the stale item, or ask the source "
                 "themselves." },
    { .name = "lease",
      .type = KEEL_BAG_DURATION,
      .max = KEEL_MINUTE,
      .standard = "0s",
      .meaning = "How long other processes that share the cache wait for one that "
                 "asks the source, too; 0: they ask at once." },
    { .name = "on_write",
      .type = KEEL_BAG_WORD,
      .words = "invalidate|write_through",
      .standard = "invalidate",
      .meaning = "What a write leaves in the cache: nothing, or the new value." },
    { .name = "timeout",
      .type = KEEL_BAG_DURATION,
      .min = KEEL_MILLISECOND,
      .max = KEEL_MINUTE,
      .standard = "100ms",
      .meaning = "How long the cache may take for one answer." },
    { .name = NULL },
};

/* ---- opening ------------------------------------------------------------------------- */

static keel_status check(const keel_bag_setup *setup, keel_detail *why)
{
    const keel_bag_child *cache = &setup->children[CHILD_CACHE];

    if ((cache->abilities.effective & NEEDED) == NEEDED)
        return KEEL_OK;
    return keel_failf(why, KEEL_E_UNSUPPORTED,
                      "%s: a cache has to have get, set, add, cas and ttl",
                      cache->path);
}

static int64_t ms_of(const keel_bag_setup *setup, int option)
{
    return (int64_t)(setup->values[option].number / KEEL_MILLISECOND);
}

static keel_status open_cache(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    const keel_allocator *memory = setup->runtime->memory;
    keel_status status = check(setup, why);
    keel_cache *c;

    if (status != KEEL_OK)
        return status;
    c = keel_memory_new(memory, sizeof *c);
    if (!c || !keel_counts_init(&c->counts, memory, KEEL_COUNTS)) {
        keel_memory_free(memory, c);
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    }
    c->runtime = setup->runtime;
    c->path = setup->path;
    c->cache = &setup->children[CHILD_CACHE];
    c->source = &setup->children[CHILD_SOURCE];
    c->terms = (keel_cache_terms){
        .ttl_ms = ms_of(setup, OPTION_TTL),
        .stale_ms = ms_of(setup, OPTION_STALE),
        .absent_ms = ms_of(setup, OPTION_NEGATIVE_TTL),
        .jitter = (uint32_t)setup->values[OPTION_JITTER].number,
    };
    c->timeout_ns = setup->values[OPTION_TIMEOUT].number;
    c->wait_ns = setup->values[OPTION_WAIT].number;
    c->lease_ms = ms_of(setup, OPTION_LEASE);
    c->revalidates = setup->values[OPTION_REVALIDATE].number == REVALIDATE_STALE;
    c->writes_through = setup->values[OPTION_ON_WRITE].number == ON_WRITE_THROUGH;
    keel_flights_init(&c->flights, memory, &c->runtime->clock);
    keel_cache_poison_init(&c->poison, &c->runtime->clock);
    *state = c;
    return KEEL_OK;
}

static void close_cache(void *state)
{
    keel_cache *c = state;

    keel_flights_cleanup(&c->flights);
    keel_cache_poison_cleanup(&c->poison);
    keel_counts_cleanup(&c->counts, c->runtime->memory);
    keel_memory_free(c->runtime->memory, c);
}

/* As the source, whose items they are. */
static void look(void *state, keel_bag_abilities *a)
{
    const keel_cache *c = state;

    *a = c->source->abilities;
}

/* ---- what is not cached -------------------------------------------------------------- */

static keel_status scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    const keel_bag_child *source = ((const keel_cache *)state)->source;

    return source->ops->scan(source->state, op, cursor, fn, ctx, why);
}

static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    const keel_bag_child *source = ((const keel_cache *)state)->source;

    return source->ops->health ? source->ops->health(source->state, op, why) : KEEL_OK;
}

/* "cache": what it has done since it was opened. */
static keel_status control(void *state, const char *command, char *answer, size_t size,
                           keel_detail *why)
{
    static const char *const names[] = {
#define NAME(name, text) [KEEL_COUNT_##name] = text,
        KEEL_CACHE_COUNT_MAP(NAME)
#undef NAME
    };
    keel_cache *c = state;
    const char *argument;
    size_t used = 0;

    if (!keel_pass_command(command, "cache", &argument))
        return KEEL_E_UNSUPPORTED;
    if (*argument)
        return keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, c->path,
                             "cache takes nothing behind it");
    for (uint32_t i = 0; answer && i < KEEL_COUNTS && used < size; i++)
        used += (size_t)snprintf(answer + used, size - used, "%s%s=%llu", i ? " " : "",
                                 names[i],
                                 (unsigned long long)keel_counts_sum(&c->counts, i));
    return KEEL_OK;
}

const keel_bag_ops keel_wrap_cache = {
    .size = sizeof keel_wrap_cache,
    .abi = KEEL_BAG_ABI,
    .name = "cache",
    .roles = "cache|source",
    .options = options,
    .meaning = "Answers from a fast bag what it has from a slow one, or a failing one.",
    .open = open_cache,
    .close = close_cache,
    .look = look,
    .get = keel_cache_get,
    .get_many = keel_cache_get_many,
    .store = keel_cache_store,
    .add_to = keel_cache_add_to,
    .touch = keel_cache_touch,
    .remove = keel_cache_remove,
    .flush = keel_cache_flush,
    .scan = scan,
    .health = health,
    .control = control,
};
