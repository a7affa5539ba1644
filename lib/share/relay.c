/* SPDX-License-Identifier: MIT */
/*
 * The relay: one thread that speaks to the fleet for its process, or for its host where
 * there is a board. It looks at words that calls change, asks Redis, and moves words that
 * calls read; nobody ever waits for it. Here is the thread; what it says and hears is in
 * sync.c, asking.c and hearing.c.
 */
#include "share/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/seed.h"

#define LOOK_NS (5 * KEEL_S)         /* where nothing asks for an earlier look */
#define BOARD_LOOK_NS (10 * KEEL_MS) /* other processes cannot wake us */
#define BUSY_LOOK_NS (5 * KEEL_MS)
#define RETRY_LOOK_NS (50 * KEEL_MS)
#define LEADER_LOST_NS (3 * KEEL_S)
#define OVERSLEPT_NS (2 * KEEL_S)

/* ---- who it speaks for -------------------------------------------------------------- */

static void follow(keel_relay *r, keel_pipeline *pipeline)
{
    keel_follower *f;

    if (pipeline->scopes.share != KEEL_SCOPE_FLEET)
        return;
    f = keel_memory_new(r->rt->memory, sizeof *f);
    if (!f)
        return; /* it goes by its own rules */
    keel_follower_init(f, pipeline);
    r->followers[r->count++] = f;
}

static void lease_for(keel_relay *r, keel_pipeline *pipeline)
{
    keel_lessee *l;

    if (pipeline->scopes.bulkhead != KEEL_SCOPE_FLEET &&
        pipeline->scopes.rate != KEEL_SCOPE_FLEET)
        return;
    l = keel_memory_new(r->rt->memory, sizeof *l);
    if (!l)
        return; /* its limits are its own */
    keel_lessee_init(l, pipeline);
    r->lessees[r->lessee_count++] = l;
}

static void follow_new_ones(keel_relay *r)
{
    uint32_t count = atomic_load(&r->rt->pipeline_count);

    for (; r->looked_at < count; r->looked_at++) {
        follow(r, r->rt->pipelines[r->looked_at]);
        lease_for(r, r->rt->pipelines[r->looked_at]);
    }
}

/* ---- the link ----------------------------------------------------------------------- */

void keel_relay_tell_link(keel_relay *r, bool is_up, const keel_detail *why)
{
    char said[sizeof why->storage];

    if (!is_up && r->link.failures == 1)
        r->was_up = true; /* so that the first failure of all is told */
    if (r->was_up == is_up)
        return;
    r->was_up = is_up;
    if (is_up) {
        keel_runtime_log(r->rt, KEEL_LOG_INFO, "fleet", "fleet=joined member=%s",
                         r->member);
        return;
    }
    snprintf(said, sizeof said, "%s", why->text);
    keel_unquote(said);
    keel_runtime_log(r->rt, KEEL_LOG_WARNING, "fleet", "fleet=lost why=\"%s\"", said);
}

/* ---- the loop ----------------------------------------------------------------------- */

static void do_without(const keel_relay *r, const keel_lessee *l, uint64_t now)
{
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(l->pipeline, &phase);

    if (plan->bulkhead.fleet)
        keel_lessee_places_alone(l, plan, r->members, now);
    if (plan->rate.fleet)
        keel_lessee_tokens_alone(plan, r->members);
    keel_plan_exit(l->pipeline, phase);
}

/* When to look again, at the latest, because of leases. */
static uint64_t lease_again_at(const keel_lessee *l)
{
    uint64_t next = KEEL_NEVER;
    uint32_t phase;
    const keel_plan *plan = keel_plan_enter(l->pipeline, &phase);

    if (plan->bulkhead.fleet)
        next = keel_lessee_places_next(l, plan);
    if (plan->rate.fleet)
        next = keel_ns_min(next, keel_lessee_tokens_next(l, plan));
    keel_plan_exit(l->pipeline, phase);
    return next;
}

static void govern(keel_relay *r, keel_follower *f, uint64_t now)
{
    keel_follower_visit visit;

    if (!keel_follower_enter(f, &visit))
        return;
    if (keel_link_is_up(&r->link))
        keel_follower_govern(f, visit.plan, now);
    else
        keel_follower_alone(f, visit.plan, now);
    keel_follower_exit(f, &visit);
}

static bool is_connected(keel_relay *r)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status;

    if (keel_link_is_up(&r->link))
        return true;
    if (keel_relay_now(r) < r->retired_until)
        return false;
    status = keel_link_connect(&r->link, &why);
    if (status == KEEL_E_BUSY)
        return false;
    if (status != KEEL_OK) {
        keel_relay_tell_link(r, false, &why);
        return false;
    }
    r->fleet.sharded = r->link.is_sharded;
    keel_relay_rejoin_all(r);
    return true;
}

/* Forgets what calls have marked, before it looks at what they have done. */
static void take_news(const keel_relay *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        keel_follower_visit visit;

        if (!keel_follower_enter(r->followers[i], &visit))
            continue;
        /* acquires what was marked with it; a store would not */
        atomic_exchange(&visit.plan->breaker.fleet->news, 0);
        keel_follower_exit(r->followers[i], &visit);
    }
}

static bool has_news(const keel_relay *r)
{
    bool has = r->looked_at < atomic_load(&r->rt->pipeline_count);

    for (uint32_t i = 0; i < r->count && !has; i++) {
        keel_follower_visit visit;

        if (!keel_follower_enter(r->followers[i], &visit))
            continue;
        has = atomic_load(&visit.plan->breaker.fleet->news) != 0;
        keel_follower_exit(r->followers[i], &visit);
    }
    return has;
}

/* When to look again, at the latest, because of a breaker. */
static uint64_t look_again_at(const keel_relay *r, const keel_follower *f, uint64_t now)
{
    if (keel_link_is_up(&r->link) && keel_follower_is_busy(f, now))
        return now + BUSY_LOOK_NS;
    return f->state == KEEL_BREAKER_CLOSED ? KEEL_NEVER : now + KEEL_RELAY_KEEP_UP_NS;
}

/* One look at everything. Returns when to look again at the latest. */
static uint64_t pass(keel_relay *r)
{
    uint64_t now = keel_relay_now(r);
    uint64_t next = now + LOOK_NS;

    follow_new_ones(r);
    take_news(r);
    if (is_connected(r)) {
        keel_relay_listen(r, now);
        keel_relay_sync(r, now, &next);
        for (uint32_t i = 0; i < r->count; i++)
            keel_relay_attend(r, r->followers[i], keel_relay_now(r));
        for (uint32_t i = 0; i < r->lessee_count; i++)
            keel_relay_lease(r, r->lessees[i], keel_relay_now(r));
    }
    now = keel_relay_now(r);
    for (uint32_t i = 0; i < r->count; i++) {
        govern(r, r->followers[i], now);
        next = keel_ns_min(next, look_again_at(r, r->followers[i], now));
    }
    for (uint32_t i = 0; !keel_link_is_up(&r->link) && i < r->lessee_count; i++)
        do_without(r, r->lessees[i], now);
    next =
        keel_ns_min(next, keel_link_is_up(&r->link) ? r->beat_at : now + RETRY_LOOK_NS);
    return r->rt->shared ? keel_ns_min(next, now + BOARD_LOOK_NS) : next;
}

/* When to be up again: calls may have marked something since it was looked at. */
static uint64_t wake_at(const keel_relay *r, uint64_t next)
{
    if (has_news(r))
        return 0;
    for (uint32_t i = 0; keel_link_is_up(&r->link) && i < r->lessee_count; i++)
        next = keel_ns_min(next, lease_again_at(r->lessees[i]));
    return next;
}

static int ms_until(uint64_t at, uint64_t now)
{
    uint64_t left = keel_ns_left(at, now);

    return (int)keel_ns_min(left / KEEL_MS + (left % KEEL_MS != 0), 60000);
}

typedef enum woken { BY_TIME, BY_OTHERS, TO_STOP } woken;

static woken wait_for(keel_relay *r, bool for_news, uint64_t at)
{
    struct pollfd fds[] = { { .fd = r->stop.fd, .events = POLLIN },
                            { .fd = keel_link_fd(&r->link), .events = POLLIN },
                            { .fd = for_news ? r->wake.fd : -1, .events = POLLIN } };
    int count = poll(fds, 3, ms_until(at, keel_relay_now(r)));

    if (fds[0].revents)
        return TO_STOP;
    return count ? BY_OTHERS : BY_TIME;
}

static woken wait_for_news(keel_relay *r, uint64_t at)
{
    woken by;
    uint64_t unused;

    /* who marks something now sees that we sleep, or we see his mark */
    atomic_store(&r->sleeps, true);
    by = wait_for(r, true, wake_at(r, at));
    atomic_store(&r->sleeps, false);
    if (read(r->wake.fd, &unused, sizeof unused) < 0) {
        /* nobody has woken us */
    }
    return by;
}

/* In an outage every call is news. So after a look comes a rest, in which only the fleet
 * is listened to. False: it is to stop. */
static bool sleep_until(keel_relay *r, uint64_t at)
{
    uint64_t rest = r->looked_last_at + BUSY_LOOK_NS;
    woken by = BY_TIME;

    r->looked_last_at = keel_relay_now(r);
    if (!r->leads) /* what calls mark is the leader's to see */
        by = wait_for(r, false, at);
    else if (r->looked_last_at < rest)
        by = wait_for(r, false, keel_ns_min(rest, at));
    if (r->leads && by == BY_TIME && keel_relay_now(r) < at)
        by = wait_for_news(r, at);
    return by != TO_STOP;
}

/* Whether the leader has not moved its word for too long, since it was first looked at. */
static bool leader_is_still(keel_relay *r, uint64_t now)
{
    uint64_t led_at =
        atomic_load_explicit(keel_board_led_at(r->rt->shared), memory_order_relaxed);

    if (led_at != r->led_at || !r->led_seen_at) {
        r->led_at = led_at;
        r->led_seen_at = now;
    }
    return keel_ns_left(now, r->led_seen_at) > LEADER_LOST_NS;
}

/* On a board one process speaks for all. Where it has been still for too long, another
 * does so too. For a while two may then speak for one host: as two members, which the
 * fleet's rules allow for, with a part of its limits each. */
static bool is_leader(keel_relay *r)
{
    keel_board *board = r->rt->shared;
    uint64_t now = keel_relay_now(r);

    if (!board)
        return true;
    if (!keel_board_lead(board))
        return leader_is_still(r, now);
    atomic_store_explicit(keel_board_led_at(board), now, memory_order_relaxed);
    r->led_seen_at = 0;
    return true;
}

/*
 * What lies unread in the sockets is history, which a breaker is not to live through once
 * more. On a board somebody else has gone on with it meanwhile: it is met like a new one.
 */
static void forget_the_present(keel_relay *r)
{
    keel_link_leave(&r->link);
    r->batch.is_unanswered = false;
    for (uint32_t i = 0; r->rt->shared && i < r->count; i++)
        keel_follower_init(r->followers[i], r->followers[i]->pipeline);
    for (uint32_t i = 0; r->rt->shared && i < r->lessee_count; i++)
        keel_lessee_init(r->lessees[i], r->lessees[i]->pipeline);
}

/* Others may lock what this process has not called for hours. */
static void look_at_locks(const keel_relay *r)
{
    uint32_t count = atomic_load(&r->rt->pipeline_count);

    for (uint32_t i = 0; i < count; i++)
        keel_pipeline_look_at_lock(r->rt->pipelines[i]);
}

static uint64_t stand_by(keel_relay *r)
{
    if (keel_link_is_up(&r->link))
        forget_the_present(r);
    return keel_relay_now(r) + KEEL_S;
}

static void *run(void *ctx)
{
    keel_relay *r = ctx;
    uint64_t next = 0;

    do {
        if (next && keel_ns_left(keel_relay_now(r), next) > OVERSLEPT_NS)
            forget_the_present(r); /* stopped, or its host was */
        r->leads = is_leader(r);
        next = r->leads ? pass(r) : stand_by(r);
        look_at_locks(r);
    } while (sleep_until(r, next));
    return NULL;
}

/* ---- starting and stopping ---------------------------------------------------------- */

static bool open_fds(keel_relay *r)
{
    keel_descriptor_set(&r->stop, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    keel_descriptor_set(&r->wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return r->stop.fd >= 0 && r->wake.fd >= 0;
}

static void close_fds(keel_relay *r)
{
    keel_descriptor_close(&r->stop);
    keel_descriptor_close(&r->wake);
}

static keel_status open_link(keel_relay *r, keel_detail *why)
{
    const keel_process_settings *s = keel_config_process(r->rt->config);
    const keel_link_options options = { .memory = r->rt->memory,
                                        .random = r->rt->random,
                                        .url = s->redis,
                                        .password_file = s->redis_password_file,
                                        .tag = s->name_space,
                                        .timeout_ns = s->redis_timeout_ns,
                                        .interrupt_fd = r->stop.fd };

    snprintf(r->member, sizeof r->member, "%016llx%016llx",
             (unsigned long long)keel_seed(), (unsigned long long)keel_seed());
    r->fleet = (keel_fleet){ .tag = s->name_space, .member = r->member };
    return keel_link_init(&r->link, &options, why);
}

/* No signal of the author's is for this thread. */
static bool start_thread(keel_relay *r)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before))
        return false;
    error = pthread_create(&r->thread, NULL, run, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !error;
}

static void destroy(keel_relay *r)
{
    const keel_allocator *memory = r->rt->memory;

    for (uint32_t i = 0; i < r->count; i++)
        keel_memory_free(memory, r->followers[i]);
    for (uint32_t i = 0; i < r->lessee_count; i++)
        keel_memory_free(memory, r->lessees[i]);
    close_fds(r);
    keel_memory_free(memory, r);
}

void keel_relay_start(keel_runtime *rt)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_relay *r;

    if (!keel_config_process(rt->config)->redis || keel_runtime_is_disabled(rt))
        return;
    r = keel_memory_new(rt->memory, sizeof *r);
    if (!r) {
        keel_warn(&rt->warnings,
                  "KEEL_REDIS: no memory; nothing is shared by the fleet");
        return;
    }
    r->rt = rt;
    r->stop = r->wake = (keel_descriptor)KEEL_DESCRIPTOR_NONE;
    if (!open_fds(r)) {
        keel_fail(&why, KEEL_E_SYSTEM, "no descriptors for its thread");
        goto fail;
    }
    if (open_link(r, &why) != KEEL_OK)
        goto fail;
    if (!start_thread(r)) {
        keel_fail(&why, KEEL_E_SYSTEM, "no thread to be had");
        goto fail_link;
    }
    atomic_store(&rt->relay, r);
    return;

fail_link:
    keel_link_cleanup(&r->link);
fail:
    keel_warn(&rt->warnings, "KEEL_REDIS: %s; nothing is shared by the fleet",
              why.text);
    destroy(r);
}

void keel_relay_stop(keel_runtime *rt)
{
    keel_relay *r = atomic_exchange(&rt->relay, NULL);
    uint64_t one = 1;

    if (!r)
        return;
    if (write(r->stop.fd, &one, sizeof one) < 0) {
        /* it can hold more than one */
    }
    pthread_join(r->thread, NULL);
    keel_link_cleanup(&r->link);
    destroy(r);
}

void keel_relay_forked(keel_runtime *rt)
{
    keel_relay *r = atomic_exchange(&rt->relay, NULL);

    if (!r)
        return;
    /* its thread may have been anywhere: its memory stays as it was */
    keel_link_drop(&r->link);
    close_fds(r);
    keel_relay_start(rt);
}

void keel_relay_wake(const keel_runtime *rt)
{
    keel_relay *r = atomic_load_explicit(&rt->relay, memory_order_acquire);
    uint64_t one = 1;
    int saved = errno;

    if (r && atomic_load(&r->sleeps) && atomic_exchange(&r->sleeps, false) &&
        write(r->wake.fd, &one, sizeof one) < 0) {
        /* full: it will wake */
    }
    errno = saved;
}
