/* SPDX-License-Identifier: MIT */
/* One place in the pipeline, filled once in each process. */
#include "http/client/common.h"

#include "base/memory.h"
#include "base/process.h"

static bool is_ours(const keel_http_common *common)
{
    return common && common->incarnation == keel_process_incarnation();
}

static void free_one(keel_http_common *common)
{
    keel_coalescer_close(common->coalescer);
    keel_stale_close(common->stale);
    keel_memory_free(common->memory, common);
}

/* When the pipeline is closed. What a parent's has in it is left as it is. */
static void free_all(void *common)
{
    keel_http_common *next = common;

    while (next) {
        keel_http_common *one = next;

        next = one->parents;
        if (is_ours(one))
            free_one(one);
        else
            keel_memory_free(one->memory, one);
    }
}

static keel_http_common *make(const keel_allocator *memory, size_t stale_bytes,
                              keel_http_common *parents)
{
    keel_http_common *common = keel_memory_new(memory, sizeof *common);

    if (!common)
        return NULL;
    common->memory = memory;
    common->incarnation = keel_process_incarnation();
    common->parents = parents;
    if (keel_coalescer_open(&common->coalescer, memory) &&
        keel_stale_open(&common->stale, memory, stale_bytes))
        return common;
    free_one(common);
    return NULL;
}

keel_http_common *keel_http_common_look(const keel_pipeline *pipeline)
{
    /* acquire, with the release below: we see it as it was made */
    keel_http_common *found =
        atomic_load_explicit(&pipeline->http_common, memory_order_acquire);

    return is_ours(found) ? found : NULL;
}

keel_http_common *keel_http_common_get(keel_pipeline *pipeline, size_t stale_bytes)
{
    void *found = atomic_load_explicit(&pipeline->http_common, memory_order_acquire);
    keel_http_common *fresh;

    if (is_ours(found))
        return found;
    fresh = make(pipeline->runtime->memory, stale_bytes, found);
    if (!fresh)
        return NULL;
    /* relaxed: the same function from all, read by who closes the pipeline */
    atomic_store_explicit(&pipeline->http_common_free, free_all, memory_order_relaxed);
    if (atomic_compare_exchange_strong_explicit(&pipeline->http_common, &found, fresh,
                                                memory_order_release,
                                                memory_order_acquire))
        return fresh;
    free_one(fresh); /* another thread was first, and its own has the parents */
    return found;
}
