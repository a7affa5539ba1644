/* SPDX-License-Identifier: MIT */
/* Pipelines: opening and closing. Not for the plan they follow: that is follow.c. */
#include "call/pipeline.h"

#include <errno.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "call/health.h"
#include "call/relay.h"

static keel_pipeline *find_locked(keel_runtime *rt, const char *name)
{
    for (uint32_t i = 0; i < rt->pipeline_count; i++)
        if (strcmp(rt->pipelines[i]->name, name) == 0)
            return rt->pipelines[i];
    return NULL;
}

static bool place_own_blocks(keel_pipeline *pipeline)
{
    keel_board *board = pipeline->runtime->board;
    uint32_t count = keel_stripes_wanted();
    keel_block_key stripes = { pipeline->name, KEEL_BLOCK_STRIPES, 0, count };
    keel_block_key counters = { pipeline->name, KEEL_BLOCK_COUNTERS, 0, 0 };

    pipeline->stripes = keel_stripes_of(
        keel_board_block(board, &stripes, count * sizeof(keel_stripe_line)), count);
    pipeline->counters = keel_board_block(board, &counters, sizeof(keel_counters));
    return pipeline->stripes.lines && pipeline->counters;
}

static void free_queues(const keel_allocator *memory, keel_queue *queue)
{
    while (queue) {
        keel_queue *next = queue->next;

        keel_memory_free(memory, queue);
        queue = next;
    }
}

void keel_pipeline_destroy(keel_pipeline *pipeline)
{
    const keel_allocator *memory;
    keel_plan *plan;

    if (!pipeline)
        return;
    memory = pipeline->runtime->memory;
    plan = atomic_load(&pipeline->plan);
    keel_plan_free(plan);
    keel_plan_free_all(&pipeline->retired);
    keel_plan_free_all(&pipeline->draining);
    free_queues(memory, atomic_load(&pipeline->bulkhead.queues));
    for (int i = 0; i < KEEL_SPARE_RACES; i++)
        keel_memory_free(memory, atomic_load(&pipeline->spare_races[i]));
    keel_memory_free(memory, pipeline->name);
    keel_memory_free(memory, pipeline->code);
    keel_memory_free(memory, pipeline->override_text);
    keel_memory_free(memory, pipeline);
}

static keel_status make_locked(keel_pipeline **out, keel_runtime *rt, const char *name,
                               const char *code, keel_detail *why)
{
    keel_pipeline *pipeline;
    keel_status status = keel_config_claim(rt->config, name, why);

    if (status != KEEL_OK)
        return status;
    if (rt->pipeline_count == KEEL_PIPELINES_MAX)
        return keel_fail(why, KEEL_E_LIMIT, "too many pipelines in one runtime");
    pipeline = keel_memory_new(rt->memory, sizeof *pipeline);
    if (!pipeline)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the pipeline");
    pipeline->runtime = rt;
    pipeline->number = rt->pipeline_count;
    pipeline->name = keel_memory_copy(rt->memory, name);
    pipeline->code = keel_memory_copy(rt->memory, code);
    if (!pipeline->name || !pipeline->code)
        status = keel_fail(why, KEEL_E_NOMEM, "no memory for the pipeline");
    else if (!place_own_blocks(pipeline))
        status = keel_fail(why, KEEL_E_LIMIT, "the board has no room for the pipeline");
    else
        status = keel_pipeline_replan_locked(pipeline, why);
    if (status != KEEL_OK) {
        keel_pipeline_destroy(pipeline);
        return status;
    }
    keel_pipeline_publish_locked(pipeline);
    rt->pipelines[rt->pipeline_count] = pipeline;
    atomic_fetch_add(&rt->pipeline_count,
                     1);                 /* the relay reads so far without the lock */
    if (atomic_load(&rt->reload_wanted)) /* since before it was in the list */
        keel_gate_shut(&pipeline->gate);
    *out = pipeline;
    return KEEL_OK;
}

/* A pipeline that is there: further handles share it; after the last close, new code
 * settings take the place of the old ones. */
static keel_status reopen_locked(keel_pipeline *pipeline, const char *code,
                                 keel_detail *why)
{
    keel_runtime *rt = pipeline->runtime;
    char *fresh, *old = pipeline->code;
    keel_status status;

    if (strcmp(old, code) == 0)
        return keel_succeed(why);
    if (pipeline->handles > 0) {
        keel_warn(&rt->warnings,
                  "%s: opened again with other settings in code; the first ones stay",
                  pipeline->name);
        return keel_succeed(why);
    }
    fresh = keel_memory_copy(rt->memory, code);
    if (!fresh)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the pipeline");
    pipeline->code = fresh;
    status = keel_pipeline_replan_locked(pipeline, why);
    if (status != KEEL_OK)
        pipeline->code = old;
    keel_memory_free(rt->memory, status == KEEL_OK ? old : fresh);
    return status;
}

keel_status keel_pipeline_open(keel_pipeline **out, keel_runtime *rt, const char *name,
                               const char *settings, keel_detail *why)
{
    int saved = errno;
    keel_pipeline *pipeline;
    keel_status status;

    if (out)
        *out = NULL;
    if (!out || !rt || !name)
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_pipeline_open needs out, a runtime and a name");
    settings = settings ? settings : "";
    keel_runtime_lock(rt);
    pipeline = find_locked(rt, name);
    status = pipeline ? reopen_locked(pipeline, settings, why)
                      : make_locked(&pipeline, rt, name, settings, why);
    if (pipeline && status == KEEL_OK) {
        pipeline->handles++;
        *out = pipeline;
    }
    keel_runtime_unlock(rt);
    keel_relay_wake(rt);    /* it may be one more to speak for, */
    keel_health_attend(rt); /* or to look after */
    errno = saved;
    return status;
}

void keel_pipeline_close(keel_pipeline *pipeline)
{
    int saved = errno;
    void *http = NULL, *common = NULL;

    if (!pipeline)
        return;
    keel_runtime_lock(pipeline->runtime);
    if (pipeline->handles > 0 && --pipeline->handles == 0) {
        http = atomic_exchange(&pipeline->http, NULL);
        common = atomic_exchange(&pipeline->http_common, NULL);
    }
    keel_pipeline_free_drained_locked(pipeline);
    keel_runtime_unlock(pipeline->runtime);
    if (http)
        pipeline->http_free(http);
    if (common)
        pipeline->http_common_free(common);
    keel_health_attend(pipeline->runtime);
    keel_events_deliver(pipeline->runtime);
    errno = saved;
}

const char *keel_pipeline_name(const keel_pipeline *pipeline)
{
    return pipeline ? pipeline->name : "";
}

void keel_pipeline_look_after(keel_pipeline *pipeline)
{
    keel_runtime *rt = pipeline->runtime;

    if (atomic_load_explicit(&rt->reload_wanted, memory_order_relaxed) &&
        atomic_exchange(&rt->reload_wanted, false))
        keel_reload(rt, NULL);
    if (atomic_load_explicit(&rt->has_peers, memory_order_relaxed))
        keel_runtime_notice_fork(rt);
    keel_events_deliver(rt);
}
