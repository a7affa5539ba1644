/* SPDX-License-Identifier: MIT */
/*
 * fault(x): lets operations fail on purpose, writes too, so that what stands above can be
 * seen to bear it. Does nothing unless KEEL_CHAOS=allow.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "bag/registry.h"
#include "bag/wrap/fault_plan.h"
#include "bag/wrap/pass.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/text.h"
#include "call/runtime.h"

#define CANCEL_LOOK_NS                                                                 \
    (10 * KEEL_MS) /* a token wakes who sleeps on its word, not here */

enum {
    OPTION_P,
    OPTION_KIND,
    OPTION_LATENCY,
    OPTION_VERBS,
    OPTION_KEYS,
    OPTION_SEED,
    OPTION_BETWEEN,
    OPTION_MAX
};

static const keel_bag_option options[] = {
    { .name = "p",
      .type = KEEL_BAG_RATIO,
      .max = 1000000,
      .standard = "10%",
      .meaning = "How many of those that are meant are struck." },
    { .name = "kind",
      .type = KEEL_BAG_WORD,
      .words = "latency|error|reset_before|reset_after|timeout|short|corrupt|blackhole",
      .standard = "error",
      .meaning = "What becomes of them." },
    { .name = "latency",
      .type = KEEL_BAG_DURATION,
      .max = KEEL_HOUR,
      .standard = "100ms",
      .meaning = "How long latency and timeout take." },
    { .name = "verbs",
      .type = KEEL_BAG_TEXT,
      .meaning = "Which verbs are meant, cut by \"|\": get, set, …, or reads, writes; "
                 "without it all are." },
    { .name = "keys",
      .type = KEEL_BAG_TEXT,
      .meaning = "Which key is meant, or with \"*\" at its end which ones; without it "
                 "all are." },
    { .name = "seed",
      .type = KEEL_BAG_COUNT,
      .standard = "1",
      .meaning = "The same operations in the same order are struck alike by the same "
                 "seed." },
    { .name = "between",
      .type = KEEL_BAG_TEXT,
      .meaning = "When, counted from the opening: \"10s..20s|60s..70s\"; without it "
                 "all the time." },
    { .name = "max",
      .type = KEEL_BAG_COUNT,
      .standard = "0",
      .meaning = "No more than so many are struck; 0: no limit." },
    { .name = NULL },
};

typedef enum pause { PAUSE_NONE, PAUSE_LATENCY, PAUSE_DEADLINE } pause;

/*
 * status      KEEL_OK: it goes on
 * is_done     the store does it, and its answer is lost
 * reads_only  a write has nothing of the kind
 */
typedef struct kind {
    keel_status status;
    keel_applied applied;
    bool is_done;
    bool reads_only;
    pause before;
    const char *text;
} kind;

static const kind kinds[] = {
    /* latency */
    { KEEL_OK, KEEL_APPLIED_NO, false, false, PAUSE_LATENCY, "" },
    /* error */
    { KEEL_FAILED, KEEL_APPLIED_NO, false, false, PAUSE_NONE,
      "fault: the store has refused" },
    /* reset_before */
    { KEEL_FAILED, KEEL_APPLIED_UNKNOWN, false, false, PAUSE_NONE,
      "fault: the connection was reset" },
    /* reset_after */
    { KEEL_FAILED, KEEL_APPLIED_UNKNOWN, true, false, PAUSE_NONE,
      "fault: the connection was reset" },
    /* timeout */
    { KEEL_TIMEOUT, KEEL_APPLIED_UNKNOWN, false, false, PAUSE_LATENCY,
      "fault: no answer in time" },
    /* short */
    { KEEL_FAILED, KEEL_APPLIED_UNKNOWN, true, false, PAUSE_NONE,
      "fault: the answer ended half-way" },
    /* corrupt */
    { KEEL_CORRUPT, KEEL_APPLIED_NO, false, true, PAUSE_NONE,
      "fault: what is stored is damaged" },
    /* blackhole */
    { KEEL_DEADLINE, KEEL_APPLIED_UNKNOWN, false, false, PAUSE_DEADLINE,
      "fault: no answer until the deadline" },
};

typedef struct fault {
    keel_pass pass;
    keel_runtime *runtime;
    const char *path;
    keel_fault_plan plan;
    const kind *kind;
    uint64_t latency_ns;
    uint64_t max;
    uint64_t opened_at_ns;
    bool is_allowed;
    _Atomic bool is_on;
    _Atomic uint64_t meant;
    _Atomic uint64_t struck;
} fault;

/* ---- opening ------------------------------------------------------------------------- */

static keel_status read_plan(fault *f, const keel_bag_setup *setup, keel_detail *why)
{
    const keel_bag_value *values = setup->values;
    keel_status status =
        keel_fault_read_verbs(&f->plan, values[OPTION_VERBS].text, why);

    if (status == KEEL_OK)
        status = keel_fault_read_spans(&f->plan, values[OPTION_BETWEEN].text, why);
    f->plan.seed = values[OPTION_SEED].number;
    f->plan.chance = (uint32_t)values[OPTION_P].number;
    f->plan.keys = values[OPTION_KEYS].text;
    f->kind = &kinds[values[OPTION_KIND].number];
    f->latency_ns = values[OPTION_LATENCY].number;
    f->max = values[OPTION_MAX].number;
    return status;
}

static void warn(const fault *f, const char *bag)
{
    keel_warn(&f->runtime->warnings,
              "bag %s: %s does nothing: KEEL_CHAOS=allow is not set", bag, f->path);
    keel_warnings_log(&f->runtime->warnings);
}

static keel_status open_fault(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    keel_runtime *runtime = setup->runtime;
    fault *f = keel_memory_new(runtime->memory, sizeof *f);
    keel_status status;

    if (!f)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    f->pass.inner = setup->children;
    f->runtime = runtime;
    f->path = setup->path;
    f->opened_at_ns = runtime->clock.now(runtime->clock.ctx);
    f->is_allowed = keel_config_process(runtime->config)->chaos_allowed;
    atomic_init(&f->is_on, f->is_allowed);
    status = read_plan(f, setup, why);
    if (status != KEEL_OK) {
        keel_memory_free(runtime->memory, f);
        return status;
    }
    if (!f->is_allowed)
        warn(f, setup->bag);
    *state = f;
    return KEEL_OK;
}

static void close_fault(void *state)
{
    fault *f = state;

    keel_memory_free(f->runtime->memory, f);
}

/* ---- striking ------------------------------------------------------------------------ */

static uint64_t now_of(const fault *f)
{
    return f->runtime->clock.now(f->runtime->clock.ctx);
}

static bool is_on(const fault *f)
{
    return atomic_load_explicit(&f->is_on, memory_order_relaxed);
}

/* No more than max are, whoever asks at once. */
static bool has_one_left(fault *f)
{
    uint64_t struck = atomic_load_explicit(&f->struck, memory_order_relaxed);

    do {
        if (f->max && struck >= f->max)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        &f->struck, &struck, struck + 1, memory_order_relaxed, memory_order_relaxed));
    return true;
}

static bool strikes(fault *f, keel_fault_verb verb, keel_bytes key)
{
    uint64_t number;

    if (!is_on(f) || (f->kind->reads_only && !((uint32_t)verb & KEEL_FAULT_READS)) ||
        !keel_fault_is_meant(&f->plan, verb, key, now_of(f) - f->opened_at_ns))
        return false;
    number = atomic_fetch_add_explicit(&f->meant, 1, memory_order_relaxed);
    return keel_fault_strikes(&f->plan, number) && has_one_left(f);
}

/* KEEL_OK: the time is over; KEEL_CANCELLED. */
static keel_status pause_until(const fault *f, const keel_bag_op *op, uint64_t until)
{
    static const uint32_t nothing = 0;
    const keel_clock *clock = &f->runtime->clock;
    uint64_t now;

    while ((now = now_of(f)) < until) {
        uint64_t step = op->cancel ? keel_ns_min(until, now + CANCEL_LOOK_NS) : until;

        if (op->cancel && keel_cancel_fired(op->cancel))
            return KEEL_CANCELLED;
        clock->wait(&nothing, 0, step, clock->ctx);
    }
    return KEEL_OK;
}

static keel_status pause_before(const fault *f, const keel_bag_op *op, keel_detail *why)
{
    uint64_t until = keel_ns_add(now_of(f), f->latency_ns);

    if (f->kind->before == PAUSE_NONE)
        return KEEL_OK;
    if (f->kind->before == PAUSE_DEADLINE || until > op->deadline_at_ns)
        until = op->deadline_at_ns;
    if (pause_until(f, op, until) != KEEL_OK)
        return keel_bag_fail(why, KEEL_CANCELLED, f->kind->applied, f->path,
                             "fault: cancelled");
    if (f->kind->status == KEEL_OK && until == op->deadline_at_ns)
        return keel_bag_fail(why, KEEL_DEADLINE, KEEL_APPLIED_NO, f->path,
                             "fault: the deadline came first");
    return KEEL_OK;
}

/* What has been struck ends so, or goes on: true. */
static bool goes_on(const fault *f, const keel_bag_op *op, bool is_read,
                    keel_status *status, keel_detail *why)
{
    *status = pause_before(f, op, why);
    if (*status != KEEL_OK)
        return false;
    if (f->kind->status == KEEL_OK || (f->kind->is_done && !is_read))
        return true;
    *status = keel_bag_fail(why, f->kind->status, f->kind->applied, f->path, "%s",
                            f->kind->text);
    return false;
}

/* The store's answer, or its loss. */
static keel_status answer(const fault *f, bool is_struck, keel_status status,
                          keel_detail *why)
{
    if (!is_struck || f->kind->status == KEEL_OK)
        return status;
    return keel_bag_fail(why, f->kind->status, f->kind->applied, f->path, "%s",
                         f->kind->text);
}

/* ---- the verbs ----------------------------------------------------------------------- */

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    fault *f = state;
    keel_status status;

    if (strikes(f, KEEL_FAULT_GET, key) && !goes_on(f, op, true, &status, why))
        return status;
    return keel_pass_get(state, op, key, item, why);
}

/* Each by itself, so that some fail and some do not. */
static void get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                     keel_bag_item items[], keel_status statuses[], size_t count,
                     keel_detail *why)
{
    if (!is_on(state)) {
        keel_pass_get_many(state, op, keys, items, statuses, count, why);
        return;
    }
    for (size_t i = 0; i < count; i++)
        statuses[i] = get(state, op, keys[i], &items[i], why);
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    static const keel_fault_verb verbs[] = {
        [KEEL_BAG_SET] = KEEL_FAULT_SET,
        [KEEL_BAG_ADD] = KEEL_FAULT_ADD,
        [KEEL_BAG_REPLACE] = KEEL_FAULT_REPLACE,
        [KEEL_BAG_CAS] = KEEL_FAULT_CAS,
        [KEEL_BAG_APPEND] = KEEL_FAULT_APPEND,
        [KEEL_BAG_PREPEND] = KEEL_FAULT_PREPEND,
    };
    fault *f = state;
    bool is_struck = strikes(f, verbs[put->mode], key);
    keel_status status;

    if (is_struck && !goes_on(f, op, false, &status, why))
        return status;
    return answer(f, is_struck, keel_pass_store(state, op, key, put, fresh, why), why);
}

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    fault *f = state;
    bool is_struck = strikes(f, KEEL_FAULT_INCR, key);
    keel_status status;

    if (is_struck && !goes_on(f, op, false, &status, why))
        return status;
    return answer(f, is_struck,
                  keel_pass_add_to(state, op, key, down, by, number, fresh, why), why);
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    fault *f = state;
    bool is_struck = strikes(f, KEEL_FAULT_TOUCH, key);
    keel_status status;

    if (is_struck && !goes_on(f, op, false, &status, why))
        return status;
    return answer(f, is_struck,
                  keel_pass_touch(state, op, key, expires_at_ms, item, why), why);
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    fault *f = state;
    bool is_struck = strikes(f, KEEL_FAULT_DELETE, key);
    keel_status status;

    if (is_struck && !goes_on(f, op, false, &status, why))
        return status;
    return answer(f, is_struck, keel_pass_remove(state, op, key, expected, why), why);
}

static const keel_bytes no_key = { "", 0 };

static keel_status flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    fault *f = state;
    bool is_struck = strikes(f, KEEL_FAULT_FLUSH, no_key);
    keel_status status;

    if (is_struck && !goes_on(f, op, false, &status, why))
        return status;
    return answer(f, is_struck, keel_pass_flush(state, op, why), why);
}

static keel_status scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    fault *f = state;
    keel_status status;

    if (strikes(f, KEEL_FAULT_SCAN, no_key) && !goes_on(f, op, true, &status, why))
        return status;
    return keel_pass_scan(state, op, cursor, fn, ctx, why);
}

/* ---- the switch ---------------------------------------------------------------------- */

static keel_status control(void *state, const char *command, char *said, size_t size,
                           keel_detail *why)
{
    fault *f = state;
    const char *argument;
    int on;

    if (!keel_pass_command(command, "fault", &argument))
        return KEEL_E_UNSUPPORTED;
    on = keel_pass_switch(argument);
    if (*argument && on < 0)
        return keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, f->path,
                             "fault takes on or off");
    if (on > 0 && !f->is_allowed)
        return keel_bag_fail(why, KEEL_E_STATE, KEEL_APPLIED_NO, f->path,
                             "KEEL_CHAOS=allow is not set");
    if (on >= 0)
        atomic_store_explicit(&f->is_on, on, memory_order_relaxed);
    if (said)
        snprintf(said, size, "fault=%s meant=%llu struck=%llu", is_on(f) ? "on" : "off",
                 (unsigned long long)atomic_load(&f->meant),
                 (unsigned long long)atomic_load(&f->struck));
    return KEEL_OK;
}

const keel_bag_ops keel_wrap_fault = {
    .size = sizeof keel_wrap_fault,
    .abi = KEEL_BAG_ABI,
    .name = "fault",
    .roles = "source",
    .options = options,
    .meaning = "Lets operations fail on purpose, with KEEL_CHAOS=allow.",
    .open = open_fault,
    .close = close_fault,
    .look = keel_pass_look,
    .get = get,
    .get_many = get_many,
    .store = store,
    .add_to = add_to,
    .touch = touch,
    .remove = remove_item,
    .flush = flush,
    .scan = scan,
    .health = keel_pass_health,
    .control = control,
};
