/* SPDX-License-Identifier: MIT */
/* Opening, closing and reloading a runtime. */
#include "call/runtime.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/worker_pool.h"
#include "call/health.h"
#include "call/host.h"
#include "call/pipeline.h"
#include "call/relay.h"
#include "call/sharing.h"

/* log */

/* What KEEL_LOG asks for where there is no hook: one write, so that lines stay whole.
 */
static void log_to_stderr(keel_log_level level, const char *subsystem,
                          const char *message, void *ctx)
{
    static const char *const levels[] = { "error", "warning", "info", "debug" };
    char line[512];
    int saved = errno;
    int length = snprintf(line, sizeof line, "keel: level=%s subsystem=%s %s\n",
                          levels[level & 3], subsystem, message);

    (void)ctx;
    if (length > 0 &&
        write(STDERR_FILENO, line,
              (size_t)length < sizeof line ? (size_t)length : sizeof line - 1) < 0) {
        /* nowhere to say so */
    }
    errno = saved;
}

void keel_runtime_log(const keel_runtime *runtime, keel_log_level level,
                      const char *subsystem, const char *format, ...)
{
    char message[400];
    int saved = errno;
    va_list args;

    if (!keel_runtime_logs(runtime, level))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    runtime->log.fn(level, subsystem, message, runtime->log.ctx);
    errno = saved;
}

/* KEEL_LOG is known only now; what was wrong until here is still to be logged. */
static void choose_log(keel_runtime *rt, const keel_options *options)
{
    int level = keel_config_process(rt->config)->log_level;

    if (options->log)
        rt->log.level = level >= 0 ? level : KEEL_LOG_INFO;
    else if (level >= 0)
        rt->log = (keel_log){ .fn = log_to_stderr, .level = level };
    atomic_store(&rt->watchers, keel_runtime_logs(rt, KEEL_LOG_DEBUG));
    keel_warnings_log(&rt->warnings);
}

/* locks */

static bool make_locks(keel_runtime *rt)
{
    if (pthread_mutex_init(&rt->pipelines_mu, NULL))
        return false;
    if (pthread_mutex_init(&rt->listener_mu, NULL))
        goto fail_pipelines_mu;
    if (pthread_cond_init(&rt->listener_done, NULL))
        goto fail_listener_mu;
    return true;

fail_listener_mu:
    pthread_mutex_destroy(&rt->listener_mu);
fail_pipelines_mu:
    pthread_mutex_destroy(&rt->pipelines_mu);
    return false;
}

static void make_locks_anew(keel_runtime *rt)
{
    int saved = errno;

    (void)make_locks(rt); /* no more is asked for than the first time */
    rt->is_told = false;
    keel_board_forked(rt->board);
    keel_warnings_forked(&rt->warnings);
    keel_host_forked(rt);
    keel_relay_forked(rt);
    keel_health_forked(rt);
    errno = saved;
}

/* An incarnation is odd; the even number below it says that it makes the locks just now.
 * A fork meanwhile leaves its child a number that is neither of its own. */
static uint64_t being_made_in(uint64_t incarnation)
{
    return incarnation - 1;
}

void keel_runtime_notice_fork(keel_runtime *rt)
{
    uint64_t here = keel_process_incarnation();
    uint64_t seen = atomic_load_explicit(&rt->locks_of, memory_order_acquire);

    while (seen != here) {
        if (seen != being_made_in(here) &&
            atomic_compare_exchange_strong(&rt->locks_of, &seen, being_made_in(here))) {
            make_locks_anew(rt);
            atomic_store_explicit(&rt->locks_of, here, memory_order_release);
            return;
        }
        sched_yield(); /* another thread of the child is at it, a few instructions */
        seen = atomic_load_explicit(&rt->locks_of, memory_order_acquire);
    }
}

/* Under the lock a file may be read, which is a cancellation point. */
void keel_runtime_lock(keel_runtime *rt)
{
    int cancel_state;

    keel_runtime_notice_fork(rt);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    pthread_mutex_lock(&rt->pipelines_mu);
    rt->cancel_state = cancel_state;
}

bool keel_runtime_try_lock(keel_runtime *rt)
{
    int cancel_state;

    keel_runtime_notice_fork(rt);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    if (pthread_mutex_trylock(&rt->pipelines_mu)) {
        pthread_setcancelstate(cancel_state, NULL);
        return false;
    }
    rt->cancel_state = cancel_state;
    return true;
}

void keel_runtime_unlock(keel_runtime *rt)
{
    int cancel_state = rt->cancel_state;

    pthread_mutex_unlock(&rt->pipelines_mu);
    pthread_setcancelstate(cancel_state, NULL);
    keel_warnings_log(&rt->warnings);
}

/* opening */

static bool choose_clock(keel_runtime *rt, const keel_options *options)
{
    if (!options->clock)
        return keel_clock_real(&rt->clock);
    rt->clock = *options->clock;
    if (!rt->clock.now_coarse)
        rt->clock.now_coarse = rt->clock.now;
    return rt->clock.now && rt->clock.wait && rt->clock.wake;
}

/* One half of an allocator would hand its memory to the other half of another. */
static bool is_whole(const keel_allocator *memory)
{
    return !memory || (memory->allocate && memory->release);
}

static void choose_allocator(keel_runtime *rt, const keel_options *options)
{
    if (!options->allocator)
        return;
    rt->memory_given = *options->allocator;
    rt->memory = &rt->memory_given;
}

static keel_status open_config(keel_runtime *rt, const keel_options *options,
                               keel_detail *why)
{
    const char *const *environment =
        options->environment ? options->environment : keel_process_environment();
    keel_status status =
        keel_config_open(&rt->config, rt->memory, &rt->warnings, environment, why);

    if (status != KEEL_OK)
        return status;
    choose_log(rt, options);
    atomic_store(&rt->is_disabled, keel_config_process(rt->config)->disabled);
    if (keel_runtime_is_disabled(rt))
        keel_runtime_log(rt, KEEL_LOG_WARNING, "runtime",
                         "KEEL_DISABLED is on: every call is made plainly");
    return KEEL_OK;
}

/* Not strict: who cannot use it says so, and nothing is shared. Disabled: nobody uses it. */
static keel_status check_sharing(keel_runtime *rt, keel_detail *why)
{
    if (!keel_config_process(rt->config)->strict || keel_runtime_is_disabled(rt))
        return KEEL_OK;
    return keel_config_check_process(rt->config, keel_sharing_check, why);
}

/* Everything that keel_close undoes, in reverse. */
static keel_status open_parts(keel_runtime *rt, const keel_options *options,
                              keel_detail *why)
{
    keel_status status = keel_process_attach();

    if (status != KEEL_OK)
        return keel_fail(why, status, "no memory map for noticing fork");
    status = keel_warnings_init(&rt->warnings, rt->memory, &rt->log);
    if (status != KEEL_OK) {
        keel_fail(why, status, "no memory for the runtime");
        goto fail_attach;
    }
    status = open_config(rt, options, why);
    if (status != KEEL_OK)
        goto fail_warnings;
    status = check_sharing(rt, why);
    if (status != KEEL_OK)
        goto fail_config;
    status = keel_board_open(&rt->board, rt->memory);
    if (status != KEEL_OK) {
        keel_fail(why, status,
                  status == KEEL_E_NOMEM ? "no memory for the board"
                                         : "no memory map for the board");
        goto fail_config;
    }
    rt->events = keel_board_events(rt->board);
    if (!make_locks(rt)) {
        status = keel_fail(why, KEEL_E_NOMEM, "no memory for a mutex");
        goto fail_board;
    }
    atomic_store(&rt->locks_of, keel_process_incarnation());
    keel_host_join(rt);
    keel_relay_start(rt);
    atomic_store(&rt->has_peers, rt->shared || atomic_load(&rt->relay));
    return KEEL_OK;

fail_board:
    keel_board_close(rt->board);
fail_config:
    keel_config_close(rt->config);
fail_warnings:
    keel_warnings_cleanup(&rt->warnings);
fail_attach:
    keel_process_detach();
    return status;
}

static keel_status open_runtime(keel_runtime **out, const keel_options *given,
                                keel_detail *why)
{
    keel_options options = { .size = sizeof options };
    keel_runtime *rt;
    keel_status status;

    if (!out)
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_open needs a place for the runtime");
    *out = NULL;
    if (!keel_options_read(&options, sizeof options, given))
        return keel_fail(why, KEEL_E_ARGUMENT, "keel_options: " KEEL_OPTIONS_REFUSED);
    if (!is_whole(options.allocator))
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "keel_options: an allocator needs allocate and release");
    rt = keel_memory_new(options.allocator, sizeof *rt);
    if (!rt)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the runtime");
    choose_allocator(rt, &options);
    rt->random = (keel_random){ options.random, options.random_ctx };
    rt->log = (keel_log){ options.log, options.log_ctx, KEEL_LOG_WARNING };
    if (!choose_clock(rt, &options))
        status = keel_fail(why, KEEL_E_SYSTEM, "no monotonic clock");
    else
        status = open_parts(rt, &options, why);
    if (status != KEEL_OK) {
        keel_memory_free(options.allocator, rt);
        return status;
    }
    *out = rt;
    return keel_succeed(why);
}

keel_status keel_open(keel_runtime **out, const keel_options *options, keel_detail *why)
{
    int saved = errno;
    keel_status status = open_runtime(out, options, why);

    errno = saved;
    return status;
}

/* closing */

static bool is_in_use(keel_runtime *rt)
{
    bool in_use = false;

    keel_runtime_lock(rt);
    for (uint32_t i = 0; i < rt->pipeline_count; i++)
        in_use = in_use || rt->pipelines[i]->handles > 0;
    keel_runtime_unlock(rt);
    return in_use;
}

static void destroy(keel_runtime *rt)
{
    keel_allocator memory = rt->memory_given;

    keel_health_destroy(rt);
    keel_relay_stop(rt);
    keel_board_leave(rt->shared);
    for (uint32_t i = 0; i < rt->pipeline_count; i++)
        keel_pipeline_destroy(rt->pipelines[i]);
    pthread_cond_destroy(&rt->listener_done);
    pthread_mutex_destroy(&rt->listener_mu);
    pthread_mutex_destroy(&rt->pipelines_mu);
    keel_host_leave(rt);
    keel_board_close(rt->board);
    keel_config_close(rt->config);
    keel_warnings_cleanup(&rt->warnings);
    keel_process_detach();
    keel_memory_free(&memory, rt);
}

keel_status keel_close(keel_runtime *rt, uint64_t wait_ns)
{
    int saved = errno;
    keel_status status = KEEL_E_BUSY;

    if (!rt)
        return KEEL_OK;
    if (!is_in_use(rt)) {
        keel_health_stop(rt); /* it gives work to the pool */
        if (keel_worker_pool_close(&rt->workers, wait_ns)) {
            destroy(rt);
            status = KEEL_OK;
        }
    }
    errno = saved;
    return status;
}

/* reloading */

/*
 * With the config staged, resolving sees the new file. First every pipeline makes its
 * plan, then all follow; that cannot fail.
 */
static keel_status reload_locked(keel_runtime *rt, keel_detail *why)
{
    keel_status status = keel_config_stage(rt->config, why);

    keel_host_check(rt);
    for (uint32_t i = 0; status == KEEL_OK && i < rt->pipeline_count; i++)
        status = keel_pipeline_stage_locked(rt->pipelines[i], why);
    if (status != KEEL_OK) {
        for (uint32_t i = 0; i < rt->pipeline_count; i++)
            keel_pipeline_drop_locked(rt->pipelines[i]);
        keel_config_drop(rt->config);
        return status;
    }
    keel_config_commit(rt->config);
    for (uint32_t i = 0; i < rt->pipeline_count; i++)
        keel_pipeline_follow_locked(rt->pipelines[i]);
    return keel_config_tell_reload(rt->config, why);
}

keel_status keel_reload(keel_runtime *rt, keel_detail *why)
{
    int saved = errno;
    keel_event_record record = { .type = KEEL_EVENT_RELOADED, .pipeline = UINT32_MAX };
    keel_detail said = KEEL_DETAIL_INIT; /* a signal's reload has nobody else to tell */
    keel_status status;

    if (!rt)
        return keel_fail(why, KEEL_E_ARGUMENT, "no runtime");
    keel_runtime_lock(rt);
    status = reload_locked(rt, &said);
    keel_runtime_unlock(rt);
    keel_detail_fill(why, &said);
    keel_runtime_log(rt, status == KEEL_OK ? KEEL_LOG_INFO : KEEL_LOG_WARNING,
                     "operator", "reload=%s %s", keel_status_name(status), said.text);
    record.status = (uint16_t)status;
    record.at_ns = rt->clock.now(rt->clock.ctx);
    keel_event_put(rt, &record);
    keel_health_attend(rt);
    keel_events_deliver(rt);
    errno = saved;
    return status;
}

void keel_reload_request(keel_runtime *rt)
{
    if (!rt)
        return;
    atomic_store(&rt->reload_wanted, true);
    /* those who pass by the gates would never look */
    for (uint32_t i = 0; i < rt->pipeline_count; i++)
        keel_gate_shut(&rt->pipelines[i]->gate);
}

keel_status keel_runtime_verify(keel_runtime *rt, keel_detail *why)
{
    keel_status status;

    if (!rt)
        return keel_fail(why, KEEL_E_ARGUMENT, "no runtime");
    keel_runtime_lock(rt);
    status = keel_config_verify(rt->config, why);
    keel_runtime_unlock(rt);
    return status;
}

bool keel_runtime_warning(keel_runtime *rt, size_t index, char *text, size_t size)
{
    if (!rt || !text || size == 0)
        return false;
    keel_runtime_notice_fork(rt);
    return keel_warnings_read(&rt->warnings, index, text, size);
}

uint64_t keel_now(keel_runtime *rt)
{
    return rt ? rt->clock.now(rt->clock.ctx) : 0;
}
