/* SPDX-License-Identifier: MIT */
/*
 * The checker: one thread that looks at all targets of a process, many at once, and never
 * waits for one of them. Four times a second it looks around: which pipelines want checks,
 * which targets are its to ask, and what other processes have found.
 */
#include "health/checker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "http/check.h"

#define LOOK_NS (KEEL_HEALTH_LEASE_NS / 4)
#define IDLE_LOOK_NS (5 * KEEL_S) /* an override that ends rouses nobody */
#define OVERSLEPT_NS (2 * KEEL_S)

static uint64_t now_of(const keel_checker *c)
{
    return c->rt->clock.now(c->rt->clock.ctx);
}

/* ---- one check ---------------------------------------------------------------------- */

static void end(keel_checker *c, keel_target *t)
{
    keel_probe_stop(&t->probe, c->multi);
    keel_health_job_leave(t->job);
    t->job = NULL;
    t->is_running = false;
    c->running--;
}

static void answered(keel_checker *c, keel_target *t, keel_status status)
{
    uint16_t code = t->probe.code;

    end(c, t);
    keel_target_answered(t, status, code, c->now);
}

static bool is_callback(const keel_target *t)
{
    return t->key.policy.kind == KEEL_HEALTH_CALLBACK;
}

/* What cannot be begun is a bad answer: a callback that has not returned since the last
 * one, or no memory. */
static void begin(keel_checker *c, keel_target *t)
{
    bool has_begun;

    t->due_at = keel_ns_add(c->now, keel_target_interval(t));
    t->until = keel_ns_add(c->now, t->key.policy.timeout_ns);
    t->is_running = true;
    c->running++;
    if (is_callback(t))
        has_begun = (t->job = keel_health_job_start(c->health, t->pipeline)) != NULL;
    else
        has_begun = keel_probe_start(&t->probe, c->multi, &t->key.policy, &c->sockets);
    if (!has_begun)
        answered(c, t, KEEL_FAILED);
}

/* KEEL_E_BUSY: it goes on. */
static keel_status result_of(keel_target *t)
{
    keel_health_state state;

    if (is_callback(t)) {
        if (!keel_health_job_take(t->job, &state))
            return KEEL_E_BUSY;
        t->job = NULL;
        return state == KEEL_HEALTH_FAIL ? KEEL_FAILED : KEEL_OK;
    }
    if (t->probe.state == KEEL_PROBE_GOOD)
        return KEEL_OK;
    return t->probe.state == KEEL_PROBE_BAD ? KEEL_FAILED : KEEL_E_BUSY;
}

static void go_on(keel_checker *c, keel_target *t)
{
    keel_status status;

    if (!t->is_running) {
        if (t->leads && c->now >= t->due_at && c->running < KEEL_PROBES_MOST)
            begin(c, t);
        return;
    }
    if (t->probe.state == KEEL_PROBE_HEARS)
        keel_probe_hear(&t->probe);
    status = result_of(t);
    if (status != KEEL_E_BUSY)
        answered(c, t, status);
    else if (c->now >= t->until)
        answered(c, t, KEEL_TIMEOUT);
}

/* ---- what libcurl has done ---------------------------------------------------------- */

static void hear_libcurl(const keel_checker *c)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(c->multi, &left))) {
        CURLcode code = message->data.result;
        keel_probe *probe = NULL;

        /* cppcheck-suppress uninitvar ; the message is there */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&probe);
        if (probe)
            keel_probe_connected(probe, code);
    }
}

static void drive(keel_checker *c)
{
    int running;

    curl_multi_perform(c->multi, &running);
    hear_libcurl(c);
    for (keel_target *t = c->targets; t; t = t->next)
        go_on(c, t);
}

/* ---- looking around ----------------------------------------------------------------- */

static keel_target *find(const keel_checker *c, const keel_pipeline *pipeline,
                         const keel_target_key *key)
{
    keel_target *t = c->targets;

    while (t && (t->pipeline != pipeline || memcmp(&t->key, key, sizeof *key) != 0))
        t = t->next;
    return t;
}

static void want(keel_pipeline *pipeline, const keel_target_key *key, void *ctx)
{
    keel_checker *c = ctx;
    keel_target *t = find(c, pipeline, key);

    if (!t) {
        t = keel_target_new(pipeline, key, c->now);
        if (!t)
            return; /* the next look tries again */
        t->next = c->targets;
        c->targets = t;
    }
    t->is_wanted = true;
}

static void drop(keel_checker *c, keel_target **at)
{
    keel_target *t = *at;

    *at = t->next;
    if (t->is_running)
        end(c, t);
    keel_target_free(t);
}

/* Other settings may have made another target of it. */
static bool is_still_looked_at(const keel_checker *c, const keel_target *gone)
{
    const keel_target *t = c->targets;

    while (t && (t->pipeline != gone->pipeline || !t->is_wanted ||
                 strcmp(t->key.endpoint, gone->key.endpoint) != 0))
        t = t->next;
    return t != NULL;
}

/* What nobody looks at any more is not avoided; of a closed pipeline, others may look. */
static void let_go(const keel_checker *c, const keel_target *t)
{
    if (atomic_load(&t->pipeline->handles) && !is_still_looked_at(c, t))
        keel_pipeline_say_health(t->pipeline, t->key.endpoint, true);
}

static void drop_unwanted(keel_checker *c)
{
    keel_target **at = &c->targets;

    while (*at) {
        if ((*at)->is_wanted) {
            at = &(*at)->next;
            continue;
        }
        let_go(c, *at);
        drop(c, at);
    }
}

static void look_around(keel_checker *c)
{
    uint32_t count = atomic_load(&c->rt->pipeline_count);

    for (keel_target *t = c->targets; t; t = t->next)
        t->is_wanted = false;
    for (uint32_t i = 0; i < count; i++)
        keel_targets_wanted(c->rt->pipelines[i], want, c);
    drop_unwanted(c);
    for (keel_target *t = c->targets; t; t = t->next)
        keel_target_look(t, c->now);
    c->look_at = keel_ns_add(c->now, c->targets ? LOOK_NS : IDLE_LOOK_NS);
}

/* Stopped, or its host was: what an answer took is not the other side's fault. */
static void forget_the_present(keel_checker *c)
{
    for (keel_target *t = c->targets; t; t = t->next)
        if (t->is_running)
            end(c, t);
}

/* ---- the loop ----------------------------------------------------------------------- */

static uint64_t wake_at(const keel_checker *c)
{
    uint64_t at = c->look_at;

    for (const keel_target *t = c->targets; t; t = t->next)
        if (t->is_running)
            at = keel_ns_min(at, t->until);
        else if (t->leads)
            at = keel_ns_min(at, t->due_at);
    return at;
}

static int ms_until(uint64_t at, uint64_t now)
{
    uint64_t left = keel_ns_left(at, now);

    return (int)(left / KEEL_MS + (left % KEEL_MS != 0));
}

/* True: somebody has roused it. */
static bool sleep_until(keel_checker *c, uint64_t at)
{
    struct curl_waitfd fds[1 + KEEL_PROBES_MOST] = { { .fd = c->health->wake.fd,
                                                       .events = CURL_WAIT_POLLIN } };
    unsigned count = 1;
    uint64_t unused;

    for (const keel_target *t = c->targets; t; t = t->next)
        if (t->probe.state == KEEL_PROBE_HEARS)
            fds[count++] = (struct curl_waitfd){ .fd = keel_probe_fd(&t->probe),
                                                 .events = CURL_WAIT_POLLIN };
    curl_multi_poll(c->multi, fds, count, ms_until(at, now_of(c)), NULL);
    return read(c->health->wake.fd, &unused, sizeof unused) > 0;
}

void *keel_checker_run(void *checker)
{
    keel_checker *c = checker;
    uint64_t at = 0;
    bool is_roused = true;

    while (!atomic_load(&c->is_stopping)) {
        c->now = now_of(c);
        if (at && keel_ns_left(c->now, at) > OVERSLEPT_NS)
            forget_the_present(c);
        if (is_roused || c->now >= c->look_at)
            look_around(c);
        drive(c);
        at = wake_at(c);
        is_roused = sleep_until(c, at);
    }
    while (c->targets)
        drop(c, &c->targets);
    return NULL;
}

/* ---- making one --------------------------------------------------------------------- */

keel_checker *keel_checker_new(keel_health *h, keel_detail *why)
{
    keel_checker *c;

    if (keel_http_check(why) != KEEL_OK)
        return NULL;
    c = keel_memory_new(h->rt->memory, sizeof *c);
    if (!c)
        goto fail;
    c->health = h;
    c->rt = h->rt;
    keel_probe_sockets_init(&c->sockets);
    c->holds_libcurl = keel_http_hold_libcurl();
    c->multi = curl_multi_init();
    if (c->multi)
        return c;
    keel_checker_free(c);
fail:
    keel_fail(why, KEEL_E_NOMEM, "no memory");
    return NULL;
}

void keel_checker_free(keel_checker *c)
{
    if (!c)
        return;
    if (c->multi)
        curl_multi_cleanup(c->multi);
    if (c->holds_libcurl)
        curl_global_cleanup();
    keel_memory_free(c->rt->memory, c);
}
