/* SPDX-License-Identifier: MIT */
/*
 * log(x): counts what is asked of a bag by verb and by how it ended, and logs some of it
 * through the runtime's log. Never a value, and of a key a number unless it is allowed.
 */
#include <stdio.h>

#include "bag/registry.h"
#include "bag/wrap/counts.h"
#include "bag/wrap/key_hash.h"
#include "bag/wrap/pass.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/wall.h"
#include "call/runtime.h"

enum { OPTION_KEYS, OPTION_SAMPLE, OPTION_FAILURES };
enum { KEYS_HASH, KEYS_PLAIN };

static const keel_bag_option options[] = {
    { .name = "keys",
      .type = KEEL_BAG_WORD,
      .words = "hash|plain",
      .standard = "hash",
      .meaning = "How a key is written: as a number that is the same for the same key, "
                 "or as it is." },
    { .name = "sample",
      .type = KEEL_BAG_COUNT,
      .standard = "0",
      .meaning = "Of so many operations that end alike one is logged, at level info; "
                 "0: none." },
    { .name = "failures",
      .type = KEEL_BAG_COUNT,
      .standard = "1",
      .meaning = "Of so many failures that are alike one is logged, at level warning; "
                 "0: none." },
    { .name = NULL },
};

#define VERBS(X)                                                                       \
    X(GET, "get")                                                                      \
    X(SET, "set")                                                                      \
    X(ADD, "add")                                                                      \
    X(REPLACE, "replace")                                                              \
    X(CAS, "cas")                                                                      \
    X(APPEND, "append")                                                                \
    X(PREPEND, "prepend")                                                              \
    X(INCR, "incr")                                                                    \
    X(DECR, "decr")                                                                    \
    X(TOUCH, "touch")                                                                  \
    X(DELETE, "delete")                                                                \
    X(FLUSH, "flush")                                                                  \
    X(SCAN, "scan")

typedef enum verb {
#define VERB(name, text) VERB_##name,
    VERBS(VERB)
#undef VERB
        VERB_COUNT
} verb;

static const char *const verb_names[] = {
#define VERB(name, text) text,
    VERBS(VERB)
#undef VERB
};

/* How an operation ended. */
typedef enum ending {
    ENDED_OK,
    ENDED_NO,       /* answered: not found, not stored, another one, no number */
    ENDED_REJECTED, /* not called */
    ENDED_FAILED,
    ENDED_UNKNOWN, /* a write that may have happened */
    ENDED_ERROR,   /* it could not be called */
    ENDINGS
} ending;

static const char *const ending_names[] = { "ok",     "no",      "rejected",
                                            "failed", "unknown", "error" };

typedef struct logged {
    keel_pass pass;
    keel_runtime *runtime;
    const char *bag;
    const char *path;
    bool shows_keys;
    uint64_t sample;
    uint64_t failures;
    keel_counts counts;
} logged;

/* ---- opening ------------------------------------------------------------------------- */

static keel_status open_log(void **state, const keel_bag_setup *setup, keel_detail *why)
{
    const keel_allocator *memory = setup->runtime->memory;
    logged *l = keel_memory_new(memory, sizeof *l);

    if (!l)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    if (!keel_counts_init(&l->counts, memory, VERB_COUNT * ENDINGS)) {
        keel_memory_free(memory, l);
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    }
    l->pass.inner = setup->children;
    l->runtime = setup->runtime;
    l->bag = setup->bag;
    l->path = setup->path;
    l->shows_keys = setup->values[OPTION_KEYS].number == KEYS_PLAIN;
    l->sample = setup->values[OPTION_SAMPLE].number;
    l->failures = setup->values[OPTION_FAILURES].number;
    *state = l;
    return KEEL_OK;
}

static void close_log(void *state)
{
    logged *l = state;

    keel_counts_cleanup(&l->counts, l->runtime->memory);
    keel_memory_free(l->runtime->memory, l);
}

/* ---- telling ------------------------------------------------------------------------- */

static ending ending_of(keel_status status, bool is_write, const keel_detail *why)
{
    switch (status) {
    case KEEL_OK:
    case KEEL_E_BUFFER:
        return ENDED_OK;
    case KEEL_NOT_FOUND:
    case KEEL_NOT_STORED:
    case KEEL_EXISTS:
    case KEEL_NOT_NUMBER:
        return ENDED_NO;
    default:
        break;
    }
    if (is_write && why && why->applied == KEEL_APPLIED_UNKNOWN)
        return ENDED_UNKNOWN;
    if (keel_status_is_rejected(status))
        return ENDED_REJECTED;
    return keel_status_is_error(status) ? ENDED_ERROR : ENDED_FAILED;
}

enum { KEY_SIZE = KEEL_BAG_KEY_MAX + 8 };

/* " key=…", or nothing where the verb has none. */
static void write_key(const logged *l, keel_bytes key, char to[KEY_SIZE])
{
    *to = '\0';
    if (key.length && l->shows_keys)
        snprintf(to, KEY_SIZE, " key=%.*s", (int)key.length, (const char *)key.at);
    else if (key.length)
        snprintf(to, KEY_SIZE, " key=#%016llx", (unsigned long long)keel_key_hash(key));
}

static KEEL_SELDOM void tell(const logged *l, const keel_bag_op *op, verb what,
                             keel_bytes key, keel_status status, ending how)
{
    keel_log_level level = how <= ENDED_NO ? KEEL_LOG_INFO : KEEL_LOG_WARNING;
    int64_t elapsed_ms = (int64_t)keel_wall_ms() - op->now_ms;
    char shown[KEY_SIZE];

    if (!keel_runtime_logs(l->runtime, level))
        return;
    write_key(l, key, shown);
    keel_runtime_log(l->runtime, level, "bag",
                     "bag=%s part=%s verb=%s%s status=%s applied=%s elapsed_ms=%lld",
                     l->bag, l->path, verb_names[what], shown, keel_status_name(status),
                     how == ENDED_UNKNOWN ? "unknown"
                     : how == ENDED_OK    ? "yes"
                                          : "no",
                     (long long)(elapsed_ms > 0 ? elapsed_ms : 0));
}

static inline keel_status note(const logged *l, const keel_bag_op *op, verb what,
                               keel_bytes key, keel_status status,
                               const keel_detail *why)
{
    bool is_write = what != VERB_GET && what != VERB_SCAN;
    ending how =
        KEEL_LIKELY(status == KEEL_OK) ? ENDED_OK : ending_of(status, is_write, why);
    uint64_t before =
        keel_counts_add(&l->counts, (uint32_t)what * ENDINGS + (uint32_t)how);
    uint64_t every = how <= ENDED_NO ? l->sample : l->failures;

    if (every && before % every == 0)
        tell(l, op, what, key, status, how);
    return status;
}

/* ---- the verbs ----------------------------------------------------------------------- */

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    const logged *l = state;
    const keel_bag_child *inner = l->pass.inner;

    return note(l, op, VERB_GET, key, inner->ops->get(inner->state, op, key, item, why),
                why);
}

static void get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                     keel_bag_item items[], keel_status statuses[], size_t count,
                     keel_detail *why)
{
    const logged *l = state;

    keel_pass_get_many(state, op, keys, items, statuses, count, why);
    for (size_t i = 0; i < count; i++)
        note(l, op, VERB_GET, keys[i], statuses[i], why);
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    static const verb verbs[] = {
        [KEEL_BAG_SET] = VERB_SET,         [KEEL_BAG_ADD] = VERB_ADD,
        [KEEL_BAG_REPLACE] = VERB_REPLACE, [KEEL_BAG_CAS] = VERB_CAS,
        [KEEL_BAG_APPEND] = VERB_APPEND,   [KEEL_BAG_PREPEND] = VERB_PREPEND,
    };
    keel_status status = keel_pass_store(state, op, key, put, fresh, why);

    return note(state, op, verbs[put->mode], key, status, why);
}

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    keel_status status = keel_pass_add_to(state, op, key, down, by, number, fresh, why);

    return note(state, op, down ? VERB_DECR : VERB_INCR, key, status, why);
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    keel_status status = keel_pass_touch(state, op, key, expires_at_ms, item, why);

    return note(state, op, VERB_TOUCH, key, status, why);
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    keel_status status = keel_pass_remove(state, op, key, expected, why);

    return note(state, op, VERB_DELETE, key, status, why);
}

static const keel_bytes no_key = { NULL, 0 };

static keel_status flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    return note(state, op, VERB_FLUSH, no_key, keel_pass_flush(state, op, why), why);
}

static keel_status scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    keel_status status = keel_pass_scan(state, op, cursor, fn, ctx, why);

    return note(state, op, VERB_SCAN, no_key, status, why);
}

/* ---- the counters -------------------------------------------------------------------- */

/* "get.ok=12 get.no=3": those that are not 0. */
static void write_counts(const logged *l, char *to, size_t size)
{
    size_t used = 0;

    for (uint32_t i = 0; i < VERB_COUNT * ENDINGS && used < size; i++) {
        uint64_t sum = keel_counts_sum(&l->counts, i);

        if (sum)
            used +=
                (size_t)snprintf(to + used, size - used, "%s%s.%s=%llu",
                                 used ? " " : "", verb_names[i / ENDINGS],
                                 ending_names[i % ENDINGS], (unsigned long long)sum);
    }
}

/* "log": what was counted since it was opened. */
static keel_status control(void *state, const char *command, char *answer, size_t size,
                           keel_detail *why)
{
    const logged *l = state;
    const char *argument;

    if (!keel_pass_command(command, "log", &argument))
        return KEEL_E_UNSUPPORTED;
    if (*argument)
        return keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, l->path,
                             "log takes nothing behind it");
    if (answer)
        write_counts(l, answer, size);
    return KEEL_OK;
}

const keel_bag_ops keel_wrap_log = {
    .size = sizeof keel_wrap_log,
    .abi = KEEL_BAG_ABI,
    .name = "log",
    .roles = "source",
    .options = options,
    .meaning = "Counts what is asked and how it ended, and logs some of it.",
    .open = open_log,
    .close = close_log,
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
