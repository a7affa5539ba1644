/* SPDX-License-Identifier: MIT */
/*
 * What code has registered: checks of the service itself, pipelines that are watched, and
 * active checks of its own. A check runs without any lock, one at a time, marked as
 * running; who comes meanwhile takes its last result.
 */
#include "health/health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/shown_text.h"
#include "base/wall.h"

#define DEFAULT_CACHE_NS KEEL_S
#define DEFAULT_TIMEOUT_NS KEEL_S

static uint64_t now_of(const keel_health *h)
{
    return h->rt->clock.now(h->rt->clock.ctx);
}

/* ---- entries ------------------------------------------------------------------------ */

static keel_health_entry **find_locked(keel_health *h, const char *name)
{
    keel_health_entry **at = &h->entries;

    while (*at && ((*at)->pipeline || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    return at;
}

static keel_health_entry **find_watched_locked(keel_health *h,
                                               const keel_pipeline *pipeline)
{
    keel_health_entry **at = &h->entries;

    while (*at && (*at)->pipeline != pipeline)
        at = &(*at)->next;
    return at;
}

/* Where find has stopped: at the end of the list. Linked last, so that a child forked
 * meanwhile finds it whole. */
static void add_locked(keel_health *h, keel_health_entry **end,
                       keel_health_entry *entry)
{
    entry->number = ++h->last_number;
    *end = entry;
}

static keel_health_entry *new_entry(const keel_health *h, const char *name,
                                    bool critical)
{
    keel_health_entry *entry = keel_memory_new(h->rt->memory, sizeof *entry);

    if (!entry)
        return NULL;
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->critical = critical;
    return entry;
}

/* False: the name is taken. */
static bool add_check(keel_health *h, keel_health_entry *entry)
{
    keel_health_entry **at;
    bool is_taken;

    pthread_mutex_lock(&h->checks_mu);
    at = find_locked(h, entry->name);
    is_taken = *at != NULL;
    if (!is_taken)
        add_locked(h, at, entry);
    pthread_mutex_unlock(&h->checks_mu);
    return !is_taken;
}

static keel_status add(keel_runtime *rt, const char *name, keel_health_fn *fn,
                       void *ctx, const keel_health_options *options, keel_detail *why)
{
    keel_health *h = keel_health_of(rt);
    keel_health_entry *entry = h ? new_entry(h, name, options->critical) : NULL;

    if (!entry)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the check");
    entry->fn = fn;
    entry->ctx = ctx;
    entry->cache_ns = options->cache_ns ? options->cache_ns : DEFAULT_CACHE_NS;
    entry->timeout_ns = options->timeout_ns ? options->timeout_ns : DEFAULT_TIMEOUT_NS;
    if (add_check(h, entry))
        return keel_succeed(why);
    keel_memory_free(rt->memory, entry);
    return keel_failf(why, KEEL_E_CONFIG, "there is a check \"%s\" already", name);
}

keel_status keel_health_add(keel_runtime *rt, const char *name, keel_health_fn *fn,
                            void *ctx, const keel_health_options *given,
                            keel_detail *why)
{
    keel_health_options options = { .size = sizeof options };
    int saved = errno;
    keel_status status;

    if (!rt || !name || !fn)
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_health_add needs a runtime, a name and a function");
    if (!keel_options_read(&options, sizeof options, given))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_health_options: " KEEL_OPTIONS_REFUSED);
    if (!keel_name_is_valid(name))
        return keel_fail(why, KEEL_E_CONFIG,
                         "the name of a check is that of a pipeline: lower case, "
                         "digits, and -._ between them");
    status = add(rt, name, fn, ctx, &options, why);
    errno = saved;
    return status;
}

static bool runs_here(uint64_t running_in)
{
    return running_in == keel_process_incarnation();
}

/* Takes it off the list. Busy: it stays there. */
static keel_status take_check(keel_health *h, const char *name,
                              keel_health_entry **taken)
{
    keel_health_entry **at;
    keel_status status = KEEL_OK;

    pthread_mutex_lock(&h->checks_mu);
    at = find_locked(h, name);
    *taken = NULL;
    if (!*at)
        status = KEEL_E_STATE;
    else if (runs_here((*at)->running_in))
        status = KEEL_E_BUSY;
    else {
        *taken = *at;
        *at = (*at)->next;
    }
    pthread_mutex_unlock(&h->checks_mu);
    return status;
}

keel_status keel_health_remove(keel_runtime *rt, const char *name)
{
    keel_health_entry *taken;
    keel_status status;
    keel_health *h;

    if (!rt || !name)
        return KEEL_E_ARGUMENT;
    keel_runtime_notice_fork(rt);
    h = atomic_load(&rt->health);
    if (!h)
        return KEEL_E_STATE;
    status = take_check(h, name, &taken);
    keel_memory_free(rt->memory, taken);
    return status;
}

/* ---- pipelines ---------------------------------------------------------------------- */

/* False: it is watched already, and is so in the new way now. */
static bool add_watched(keel_health *h, keel_health_entry *entry)
{
    keel_health_entry **at;
    bool is_there;

    pthread_mutex_lock(&h->checks_mu);
    at = find_watched_locked(h, entry->pipeline);
    is_there = *at != NULL;
    if (is_there)
        (*at)->critical = entry->critical;
    else
        add_locked(h, at, entry);
    pthread_mutex_unlock(&h->checks_mu);
    return !is_there;
}

keel_status keel_health_watch(keel_pipeline *pipeline,
                              const keel_health_watch_options *given, keel_detail *why)
{
    keel_health_watch_options options = { .size = sizeof options };
    keel_health_entry *entry;
    keel_health *h;
    int saved = errno;

    if (!pipeline || !keel_options_read(&options, sizeof options, given))
        return keel_fail(
            why, KEEL_E_ARGUMENT,
            "no pipeline, or keel_health_watch_options: " KEEL_OPTIONS_REFUSED);
    h = keel_health_of(pipeline->runtime);
    entry = h ? new_entry(h, pipeline->name, options.critical) : NULL;
    errno = saved;
    if (!entry)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the check");
    entry->pipeline = pipeline;
    if (!add_watched(h, entry))
        keel_memory_free(h->rt->memory, entry);
    return keel_succeed(why);
}

keel_status keel_health_unwatch(keel_pipeline *pipeline)
{
    keel_health_entry **at, *taken;
    keel_health *h;

    if (!pipeline)
        return KEEL_E_ARGUMENT;
    keel_runtime_notice_fork(pipeline->runtime);
    h = atomic_load(&pipeline->runtime->health);
    if (!h)
        return KEEL_OK;
    pthread_mutex_lock(&h->checks_mu);
    at = find_watched_locked(h, pipeline);
    taken = *at;
    if (taken)
        *at = taken->next;
    pthread_mutex_unlock(&h->checks_mu);
    keel_memory_free(h->rt->memory, taken);
    return KEEL_OK;
}

/* What a pipeline comes to; see the table in keel/health.h. */
typedef struct judgement {
    keel_health_state state;
    const char *text; /* NULL: nothing to say */
} judgement;

static judgement judge_open(const keel_pipeline_stats *stats, bool critical)
{
    const keel_health_state refused = critical ? KEEL_HEALTH_FAIL : KEEL_HEALTH_WARN;

    if (stats->lock == KEEL_LOCK_OPEN)
        return (judgement){ refused, "locked open by an operator" };
    /* who is kept from all calls for it would never send the one that closes it */
    if (!stats->open_left_ns)
        return (judgement){ KEEL_HEALTH_WARN, "the next call is a probe" };
    return (judgement){ refused, "calls are refused" };
}

static judgement judge(const keel_pipeline_stats *stats, bool critical)
{
    if (stats->lock == KEEL_LOCK_OPEN ||
        (stats->lock == KEEL_LOCK_NONE && stats->state == KEEL_BREAKER_OPEN))
        return judge_open(stats, critical);
    if (stats->lock == KEEL_LOCK_NONE && stats->state == KEEL_BREAKER_HALF_OPEN)
        return (judgement){ KEEL_HEALTH_WARN, "probes are let through" };
    if (stats->lock == KEEL_LOCK_NONE && stats->ramp_left_ns)
        return (judgement){ KEEL_HEALTH_WARN, "it is back, a share of calls passes" };
    if (stats->check == KEEL_CHECK_UNHEALTHY)
        return (judgement){ KEEL_HEALTH_WARN, "its active check fails" };
    return (judgement){ KEEL_HEALTH_PASS, NULL };
}

static void look_at_pipeline(keel_pipeline *pipeline, keel_health_result *result)
{
    keel_pipeline_stats stats = { .size = sizeof stats };
    judgement judged;

    (void)keel_pipeline_look(pipeline, &stats);
    judged = judge(&stats, result->critical);
    result->kind = ":breaker";
    result->state = judged.state;
    result->observed = stats.breaker_on ? keel_breaker_state_name(stats.state) : "off";
    snprintf(result->text, sizeof result->text, "%s", judged.text ? judged.text : "");
    result->wall_s = (uint64_t)keel_wall_seconds();
}

/* ---- running a check ---------------------------------------------------------------- */

static bool must_run_locked(const keel_health_entry *entry, uint64_t now)
{
    return !runs_here(entry->running_in) &&
           (!entry->has_result || keel_ns_left(now, entry->at_ns) >= entry->cache_ns);
}

/* Runs it without the lock; nobody removes it meanwhile. */
static void run_locked(keel_health *h, keel_health_entry *entry, uint64_t now)
{
    char text[KEEL_HEALTH_TEXT_SIZE] = "";
    keel_health_state state;

    entry->running_in = keel_process_incarnation();
    entry->started_at = now;
    pthread_mutex_unlock(&h->checks_mu);
    state = entry->fn(text, sizeof text, entry->ctx);
    text[sizeof text - 1] = '\0';
    keel_shown_text(text);
    now = now_of(h);
    pthread_mutex_lock(&h->checks_mu);
    entry->state = (unsigned)state > KEEL_HEALTH_FAIL ? KEEL_HEALTH_FAIL : state;
    memcpy(entry->text, text, sizeof text);
    entry->has_result = true;
    entry->at_ns = now;
    entry->wall_s = (uint64_t)keel_wall_seconds();
    entry->running_in = 0;
}

/* One that has never answered is no reason to send requests here, if it is critical. */
static void say_no_answer(const keel_health_entry *entry, keel_health_result *result)
{
    result->state = entry->critical ? KEEL_HEALTH_FAIL : KEEL_HEALTH_WARN;
    snprintf(result->text, sizeof result->text, "it has not answered yet");
    result->wall_s = (uint64_t)keel_wall_seconds();
}

static void say_late(const keel_health_entry *entry, uint64_t now,
                     keel_health_result *result)
{
    uint64_t runs_for = keel_ns_left(now, entry->started_at);

    if (!runs_here(entry->running_in) || runs_for < entry->timeout_ns)
        return;
    if (result->state < KEEL_HEALTH_WARN)
        result->state = KEEL_HEALTH_WARN;
    snprintf(result->text, sizeof result->text,
             "no answer for %llus; this is what it said before: %.80s",
             (unsigned long long)(runs_for / KEEL_S),
             *entry->text ? entry->text : "nothing");
    keel_shown_text(result->text); /* the cut may have gone through a character */
}

static void read_locked(const keel_health_entry *entry, uint64_t now,
                        keel_health_result *result)
{
    result->kind = "";
    result->observed = NULL;
    if (!entry->has_result) {
        say_no_answer(entry, result);
        return;
    }
    result->state = entry->state;
    memcpy(result->text, entry->text, sizeof result->text);
    result->wall_s = entry->wall_s;
    say_late(entry, now, result);
}

/* ---- one after the other ------------------------------------------------------------ */

/* What was closed is no part of the service any more. */
static keel_health_entry *next_locked(const keel_health *h, uint64_t number)
{
    keel_health_entry *entry = h->entries;

    while (entry && (entry->number <= number ||
                     (entry->pipeline && !atomic_load(&entry->pipeline->handles))))
        entry = entry->next;
    return entry;
}

bool keel_health_next(keel_health *h, uint64_t *number, keel_health_result *result)
{
    uint64_t now = now_of(h);
    keel_pipeline *pipeline = NULL;
    keel_health_entry *entry;

    pthread_mutex_lock(&h->checks_mu);
    entry = next_locked(h, *number);
    if (entry) {
        *number = entry->number;
        pipeline = entry->pipeline;
        result->critical = entry->critical;
        memcpy(result->name, entry->name, sizeof result->name);
        if (!pipeline) {
            if (must_run_locked(entry, now))
                run_locked(h, entry, now);
            read_locked(entry, now, result);
        }
    }
    pthread_mutex_unlock(&h->checks_mu);
    if (pipeline)
        look_at_pipeline(pipeline, result);
    return entry != NULL;
}

/* ---- active checks of code's own ---------------------------------------------------- */

static keel_health_callback *find_callback_locked(const keel_health *h,
                                                  const keel_pipeline *pipeline)
{
    keel_health_callback *callback = h->callbacks;

    while (callback && callback->pipeline != pipeline)
        callback = callback->next;
    return callback;
}

bool keel_health_has_callback(keel_health *h, const keel_pipeline *pipeline)
{
    const keel_health_callback *callback;
    bool has;

    pthread_mutex_lock(&h->checks_mu);
    callback = find_callback_locked(h, pipeline);
    has = callback && callback->fn;
    pthread_mutex_unlock(&h->checks_mu);
    return has;
}

keel_health_callback *keel_health_callback_begin(keel_health *h,
                                                 const keel_pipeline *pipeline)
{
    keel_health_callback *callback;

    pthread_mutex_lock(&h->checks_mu);
    callback = find_callback_locked(h, pipeline);
    if (callback && (!callback->fn || runs_here(callback->running_in)))
        callback = NULL;
    if (callback)
        callback->running_in = keel_process_incarnation();
    pthread_mutex_unlock(&h->checks_mu);
    return callback;
}

void keel_health_callback_end(keel_health *h, keel_health_callback *callback)
{
    pthread_mutex_lock(&h->checks_mu);
    callback->running_in = 0;
    pthread_mutex_unlock(&h->checks_mu);
}

/* spare: for a pipeline that has none yet; taken, it becomes NULL. */
static keel_status set_callback(keel_health *h, keel_pipeline *pipeline,
                                keel_health_fn *fn, void *ctx,
                                keel_health_callback **spare)
{
    keel_health_callback *callback;
    keel_status status = KEEL_OK;

    pthread_mutex_lock(&h->checks_mu);
    callback = find_callback_locked(h, pipeline);
    if (!callback) {
        callback = *spare;
        *spare = NULL;
        callback->pipeline = pipeline;
        callback->next = h->callbacks;
        h->callbacks = callback;
    }
    if (runs_here(callback->running_in)) {
        status = KEEL_E_BUSY;
    } else {
        callback->fn = fn;
        callback->ctx = ctx;
    }
    pthread_mutex_unlock(&h->checks_mu);
    return status;
}

keel_status keel_health_check(keel_pipeline *pipeline, keel_health_fn *fn, void *ctx,
                              keel_detail *why)
{
    keel_health_callback *spare;
    keel_health *h;
    keel_status status;
    int saved = errno;

    if (!pipeline)
        return keel_fail(why, KEEL_E_ARGUMENT, "no pipeline");
    h = keel_health_of(pipeline->runtime);
    spare = h ? keel_memory_new(h->rt->memory, sizeof *spare) : NULL;
    if (!spare) {
        errno = saved;
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the check");
    }
    status = set_callback(h, pipeline, fn, ctx, &spare);
    keel_memory_free(h->rt->memory, spare);
    keel_health_attend(pipeline->runtime);
    errno = saved;
    return status == KEEL_OK ? keel_succeed(why)
                             : keel_fail(why, status, "the check runs just now");
}
