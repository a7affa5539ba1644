/* SPDX-License-Identifier: MIT */
/*
 * How a runtime's health comes to be, gets its thread, and goes; and what a forked child
 * does with its parent's. Not for what the thread does: that is checker.c.
 */
#include "health/health.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/detail.h"
#include "base/memory.h"
#include "health/checker.h"

/* ---- making it ---------------------------------------------------------------------- */

static bool init(keel_health *h)
{
    keel_descriptor_set(&h->wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (h->wake.fd < 0)
        return false;
    if (pthread_mutex_init(&h->checks_mu, NULL))
        goto fail_wake;
    if (pthread_mutex_init(&h->thread_mu, NULL))
        goto fail_checks_mu;
    return true;

fail_checks_mu:
    pthread_mutex_destroy(&h->checks_mu);
fail_wake:
    keel_descriptor_close(&h->wake);
    return false;
}

static void free_lists(keel_health *h)
{
    const keel_allocator *memory = h->rt->memory;

    while (h->entries) {
        keel_health_entry *entry = h->entries;

        h->entries = entry->next;
        keel_memory_free(memory, entry);
    }
    while (h->callbacks) {
        keel_health_callback *callback = h->callbacks;

        h->callbacks = callback->next;
        keel_memory_free(memory, callback);
    }
}

static void destroy(keel_health *h)
{
    free_lists(h);
    pthread_mutex_destroy(&h->thread_mu);
    pthread_mutex_destroy(&h->checks_mu);
    keel_descriptor_close(&h->wake);
    keel_memory_free(h->rt->memory, h);
}

static keel_health *make(keel_runtime *rt)
{
    keel_health *h = keel_memory_new(rt->memory, sizeof *h);
    keel_health *none = NULL;

    if (!h)
        return NULL;
    h->rt = rt;
    h->wake = (keel_descriptor)KEEL_DESCRIPTOR_NONE;
    if (!init(h)) {
        keel_memory_free(rt->memory, h);
        return NULL;
    }
    /* release, with the acquire of whoever finds it: it is seen as it was made */
    if (atomic_compare_exchange_strong(&rt->health, &none, h))
        return h;
    destroy(h); /* another thread was first */
    return none;
}

keel_health *keel_health_of(keel_runtime *rt)
{
    keel_health *h;

    keel_runtime_notice_fork(rt);
    h = atomic_load(&rt->health);
    return h ? h : make(rt);
}

/* ---- the thread --------------------------------------------------------------------- */

/* No signal of the author's is for this thread, and no SIGPIPE of libcurl's ends it. */
static bool start_thread(pthread_t *thread, keel_checker *checker)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before))
        return false;
    error = pthread_create(thread, NULL, keel_checker_run, checker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !error;
}

/* The checker is the health's then. */
static bool start_locked(keel_health *h, keel_checker *checker, keel_detail *why)
{
    /* before it is there, so that no child passes for its parent */
    atomic_store(&h->rt->has_peers, true);
    h->checker = checker; /* as early: by it a child knows that there is a thread */
    h->has_thread = start_thread(&h->thread, checker);
    if (h->has_thread)
        return true;
    h->checker = NULL;
    keel_fail(why, KEEL_E_SYSTEM, "no thread to be had");
    return false;
}

static void count(keel_pipeline *pipeline, const keel_target_key *key, void *ctx)
{
    (void)pipeline;
    (void)key;
    ++*(unsigned *)ctx;
}

static unsigned count_wanted(keel_pipeline *pipeline)
{
    unsigned wanted = 0;

    keel_targets_wanted(pipeline, count, &wanted);
    return wanted;
}

static bool any_is_wanted(keel_runtime *rt)
{
    uint32_t pipelines = atomic_load(&rt->pipeline_count);
    unsigned wanted = 0;

    for (uint32_t i = 0; i < pipelines; i++)
        wanted += count_wanted(rt->pipelines[i]);
    return wanted;
}

/* A board outlives its processes: what one has found that checked is not to be avoided for
 * good by those that do not. */
static void lift_what_nobody_checks(keel_runtime *rt)
{
    uint32_t pipelines = atomic_load(&rt->pipeline_count);

    for (uint32_t i = 0; i < pipelines; i++)
        if (atomic_load(&rt->pipelines[i]->handles) && !count_wanted(rt->pipelines[i]))
            keel_pipeline_say_health(rt->pipelines[i], NULL, true);
}

void keel_health_rouse(keel_health *h)
{
    uint64_t one = 1;
    int saved = errno;

    if (write(h->wake.fd, &one, sizeof one) < 0) {
        /* full: it wakes anyway */
    }
    errno = saved;
}

static bool has_thread(keel_health *h)
{
    bool has;

    pthread_mutex_lock(&h->thread_mu);
    has = h->has_thread;
    pthread_mutex_unlock(&h->thread_mu);
    return has;
}

/* The checker is made without the lock, since that allocates; if another thread has been
 * first meanwhile, it is one too many. */
static bool start(keel_health *h, keel_detail *why)
{
    keel_checker *checker = keel_checker_new(h, why);
    bool has;

    pthread_mutex_lock(&h->thread_mu);
    if (checker && !h->has_thread && start_locked(h, checker, why))
        checker = NULL;
    has = h->has_thread;
    pthread_mutex_unlock(&h->thread_mu);
    keel_checker_free(checker);
    return has;
}

static void start_or_rouse(keel_health *h, bool is_wanted)
{
    keel_detail why = KEEL_DETAIL_INIT;

    if (has_thread(h) || (is_wanted && start(h, &why)))
        keel_health_rouse(h);
    else if (is_wanted)
        keel_warn(&h->rt->warnings, "health: %s; nothing is checked", why.text);
}

void keel_health_attend(keel_runtime *rt)
{
    keel_health *h = atomic_load(&rt->health);
    bool is_wanted = any_is_wanted(rt);

    lift_what_nobody_checks(rt);
    if (!h && is_wanted)
        h = keel_health_of(rt);
    if (!h)
        return;
    start_or_rouse(h, is_wanted);
    keel_warnings_log(&rt->warnings);
}

/* Joined without the lock: a listener that the thread tells may ask for it. */
void keel_health_stop(keel_runtime *rt)
{
    keel_health *h = atomic_load(&rt->health);
    keel_checker *checker;
    pthread_t thread;

    if (!h)
        return;
    pthread_mutex_lock(&h->thread_mu);
    checker = h->checker;
    thread = h->thread;
    h->checker = NULL;
    h->has_thread = false;
    pthread_mutex_unlock(&h->thread_mu);
    if (!checker)
        return;
    atomic_store(&checker->is_stopping, true);
    keel_health_rouse(h);
    pthread_join(thread, NULL);
    keel_checker_free(checker);
}

void keel_health_destroy(keel_runtime *rt)
{
    keel_health *h = atomic_exchange(&rt->health, NULL);

    if (h)
        destroy(h);
}

/* ---- fork --------------------------------------------------------------------------- */

/* Its memory stays as it was: the parent's thread may have been anywhere in it. */
void keel_health_forked(keel_runtime *rt)
{
    keel_health *h = atomic_load(&rt->health);

    if (!h)
        return;
    pthread_mutex_init(&h->checks_mu, NULL);
    pthread_mutex_init(&h->thread_mu, NULL);
    keel_descriptor_close(&h->wake);
    keel_descriptor_set(&h->wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!h->checker)
        return;
    keel_probe_sockets_close(&h->checker->sockets);
    h->has_thread = false;
    h->checker = NULL;
    start_or_rouse(h, any_is_wanted(rt));
}
