/* SPDX-License-Identifier: MIT */
/*
 * log(x): counts what is asked of a bag by verb and by how it ended, its bytes and its
 * times, and logs some of it through the runtime's log. Never a value, and of a key a
 * number unless it is allowed.
 */
#include <stdio.h>
#include <string.h>

#include "bag/registry.h"
#include "bag/wrap/key_hash.h"
#include "bag/wrap/log_figures.h"
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

typedef struct logged {
    keel_pass pass;
    keel_runtime *runtime;
    const char *bag;
    const char *path;
    bool shows_keys;
    uint64_t sample;
    uint64_t failures;
    keel_log_figures figures;
} logged;

/* ---- opening ------------------------------------------------------------------------- */

static keel_status open_log(void **state, const keel_bag_setup *setup, keel_detail *why)
{
    const keel_allocator *memory = setup->runtime->memory;
    logged *l = keel_memory_new(memory, sizeof *l);

    if (!l)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    if (!keel_counts_init(&l->figures.counts, memory, KEEL_LOGGED_FIGURES)) {
        keel_memory_free(memory, l);
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    }
    l->pass.inner = setup->children;
    l->runtime = setup->runtime;
    l->figures.clock = &setup->runtime->clock;
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

    keel_counts_cleanup(&l->figures.counts, l->runtime->memory);
    keel_memory_free(l->runtime->memory, l);
}

/* ---- telling ------------------------------------------------------------------------- */

static keel_log_ending ending_of(keel_status status, bool is_write,
                                 const keel_detail *why)
{
    switch (status) {
    case KEEL_OK:
    case KEEL_E_BUFFER:
        return KEEL_LOGGED_OK;
    case KEEL_NOT_FOUND:
    case KEEL_NOT_STORED:
    case KEEL_EXISTS:
    case KEEL_NOT_NUMBER:
        return KEEL_LOGGED_NO;
    default:
        break;
    }
    if (is_write && why && why->applied == KEEL_APPLIED_UNKNOWN)
        return KEEL_LOGGED_UNKNOWN;
    if (keel_status_is_rejected(status))
        return KEEL_LOGGED_REJECTED;
    return keel_status_is_error(status) ? KEEL_LOGGED_NOT_CALLABLE : KEEL_LOGGED_FAILED;
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

/* One operation, from its beginning. begun_at_ns: 0: it is not timed */
typedef struct asked {
    const keel_bag_op *op;
    keel_log_verb verb;
    keel_bytes key;
    keel_counts_row row;
    uint64_t begun_at_ns;
} asked;

/* " applied=…" of a write: to a read nothing applies. */
static const char *applied_of(keel_log_verb verb, keel_log_ending how)
{
    if (keel_log_is_read(verb))
        return "";
    if (how == KEEL_LOGGED_UNKNOWN)
        return " applied=unknown";
    return how == KEEL_LOGGED_OK ? " applied=yes" : " applied=no";
}

/* By value, so that what is not told is never gathered in memory. */
static KEEL_SELDOM void tell(const logged *l, asked a, keel_status status,
                             keel_log_ending how)
{
    keel_log_level level = how <= KEEL_LOGGED_NO ? KEEL_LOG_INFO : KEEL_LOG_WARNING;
    int64_t elapsed_ms = (int64_t)keel_wall_ms() - a.op->now_ms;
    char shown[KEY_SIZE];

    if (!keel_runtime_logs(l->runtime, level))
        return;
    write_key(l, a.key, shown);
    keel_runtime_log(
        l->runtime, level, "bag",
        "bag=%s part=%s verb=%s%s status=%s%s elapsed_ms=%lld", l->bag, l->path,
        keel_log_verb_name(a.verb), shown,
        keel_status_name(how == KEEL_LOGGED_UNKNOWN ? KEEL_UNKNOWN : status),
        applied_of(a.verb, how), (long long)(elapsed_ms > 0 ? elapsed_ms : 0));
}

static inline asked begin(const logged *l, const keel_bag_op *op, keel_log_verb verb,
                          keel_bytes key)
{
    keel_counts_row row = keel_counts_mine(&l->figures.counts);

    return (asked){ op, verb, key, row, keel_log_begin(&l->figures, row, 1) };
}

static inline void end_one(const logged *l, asked a, keel_status status,
                           const keel_detail *why)
{
    keel_log_ending how = KEEL_LIKELY(status == KEEL_OK)
                              ? KEEL_LOGGED_OK
                              : ending_of(status, !keel_log_is_read(a.verb), why);
    uint64_t before = keel_log_end(a.row, a.verb, how);
    uint64_t every = how <= KEEL_LOGGED_NO ? l->sample : l->failures;

    if (every && before % every == 0)
        tell(l, a, status, how);
}

static inline keel_status end(const logged *l, asked a, keel_status status,
                              const keel_detail *why)
{
    if (a.begun_at_ns)
        keel_log_time(&l->figures, a.verb, a.begun_at_ns);
    end_one(l, a, status, why);
    return status;
}

static inline void count_bytes(keel_counts_row row, uint32_t which, keel_status status,
                               size_t length)
{
    if (status == KEEL_OK)
        keel_counts_row_add(row, which, length);
}

/* ---- the verbs ----------------------------------------------------------------------- */

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    const logged *l = state;
    const keel_bag_child *inner = l->pass.inner;
    asked a = begin(l, op, KEEL_LOGGED_GET, key);
    keel_status status = inner->ops->get(inner->state, op, key, item, why);

    count_bytes(a.row, KEEL_LOGGED_READ_BYTES, status, item->length);
    return end(l, a, status, why);
}

/* Timed as one, and counted as many. */
static void get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                     keel_bag_item items[], keel_status statuses[], size_t count,
                     keel_detail *why)
{
    const logged *l = state;
    keel_counts_row row = keel_counts_mine(&l->figures.counts);
    uint64_t begun_at_ns = keel_log_begin(&l->figures, row, count);

    keel_pass_get_many(state, op, keys, items, statuses, count, why);
    if (begun_at_ns)
        keel_log_time(&l->figures, KEEL_LOGGED_GET, begun_at_ns);
    for (size_t i = 0; i < count; i++) {
        const asked a = { op, KEEL_LOGGED_GET, keys[i], row, 0 };

        count_bytes(row, KEEL_LOGGED_READ_BYTES, statuses[i], items[i].length);
        end_one(l, a, statuses[i], why);
    }
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    static const keel_log_verb verbs[] = {
        [KEEL_BAG_SET] = KEEL_LOGGED_SET,
        [KEEL_BAG_ADD] = KEEL_LOGGED_ADD,
        [KEEL_BAG_REPLACE] = KEEL_LOGGED_REPLACE,
        [KEEL_BAG_CAS] = KEEL_LOGGED_CAS,
        [KEEL_BAG_APPEND] = KEEL_LOGGED_APPEND,
        [KEEL_BAG_PREPEND] = KEEL_LOGGED_PREPEND,
    };
    const logged *l = state;
    asked a = begin(l, op, verbs[put->mode], key);
    keel_status status = keel_pass_store(state, op, key, put, fresh, why);

    count_bytes(a.row, KEEL_LOGGED_WRITTEN_BYTES, status, put->value.length);
    return end(l, a, status, why);
}

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    asked a = begin(state, op, down ? KEEL_LOGGED_DECR : KEEL_LOGGED_INCR, key);

    return end(state, a, keel_pass_add_to(state, op, key, down, by, number, fresh, why),
               why);
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    asked a = begin(state, op, KEEL_LOGGED_TOUCH, key);
    keel_status status = keel_pass_touch(state, op, key, expires_at_ms, item, why);

    if (item)
        count_bytes(a.row, KEEL_LOGGED_READ_BYTES, status, item->length);
    return end(state, a, status, why);
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    asked a = begin(state, op, KEEL_LOGGED_DELETE, key);

    return end(state, a, keel_pass_remove(state, op, key, expected, why), why);
}

static const keel_bytes no_key = { NULL, 0 };

static keel_status flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    asked a = begin(state, op, KEEL_LOGGED_FLUSH, no_key);

    return end(state, a, keel_pass_flush(state, op, why), why);
}

static keel_status scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    asked a = begin(state, op, KEEL_LOGGED_SCAN, no_key);

    return end(state, a, keel_pass_scan(state, op, cursor, fn, ctx, why), why);
}

/* ---- the counters -------------------------------------------------------------------- */

/* "log": what was counted since it was opened; "log times": how long it took. */
static keel_status control(void *state, const char *command, char *answer, size_t size,
                           keel_detail *why)
{
    const logged *l = state;
    const char *argument;
    bool wants_times;

    if (!keel_pass_command(command, "log", &argument))
        return KEEL_E_UNSUPPORTED;
    wants_times = strcmp(argument, "times") == 0;
    if (*argument && !wants_times)
        return keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, l->path,
                             "log takes times behind it, or nothing");
    if (answer && wants_times)
        keel_log_write_lengths(&l->figures, answer, size);
    else if (answer)
        keel_log_write_counts(&l->figures, answer, size);
    return KEEL_OK;
}

const keel_bag_ops keel_wrap_log = {
    .size = sizeof keel_wrap_log,
    .abi = KEEL_BAG_ABI,
    .name = "log",
    .roles = "source",
    .options = options,
    .meaning =
        "Counts what is asked, how it ended and how long it took, and logs some.",
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
