/* SPDX-License-Identifier: MIT */
/*
 * The verbs: what an author asks is checked, made whole (deadline, expiry, nonce) and
 * handed to the root of the tree; what comes back of a write says how certain it is.
 */
#include "bag/bag.h"

#include <string.h>

#include "bag/caller_item.h"
#include "base/detail.h"
#include "base/process.h"
#include "base/random.h"
#include "base/wall.h"
#include "call/runtime.h"

/* For verbs that have none. */
static const char no_key[1];
#define NO_KEY no_key

/* ---- before -------------------------------------------------------------------------- */

/* One use of a verb. applied: in what is told of a failure, before anything was sent. */
typedef struct use {
    keel_bag *bag;
    keel_bytes key;
    keel_bag_options options;
    keel_bag_op op;
    keel_detail *why;
} use;

static keel_status refuse(const use *u, keel_status status, const char *text)
{
    keel_fail(u->why, status, text);
    if (u->why && u->why->size > offsetof(keel_detail, applied))
        u->why->applied = KEEL_APPLIED_NO;
    return status;
}

static keel_status check_key(use *u, const char *key)
{
    size_t length = 0;

    if (!key || !*key)
        return refuse(u, KEEL_E_ARGUMENT, "a key has one byte at least");
    for (; key[length]; length++) {
        unsigned char c = (unsigned char)key[length];

        if (length == KEEL_BAG_KEY_MAX)
            return refuse(u, KEEL_E_ARGUMENT, "a key has 250 bytes at most");
        if (c <= ' ' || c == 0x7f)
            return refuse(u, KEEL_E_ARGUMENT,
                          "a key has no blanks and no control characters");
    }
    u->key = (keel_bytes){ key, length };
    return KEEL_OK;
}

static keel_status check_ability(const use *u, keel_bag_ability ability)
{
    const keel_bag_child *root = &u->bag->root;

    if (root->abilities.effective & (uint32_t)ability)
        return KEEL_OK;
    keel_bag_fail(u->why, KEEL_E_UNSUPPORTED, KEEL_APPLIED_NO, root->path,
                  "it cannot %s%s", keel_bag_ability_name(ability),
                  ability == KEEL_CAN_FLUSH ? "; a store that can does with "
                                              "allow_flush=on in its URL alone"
                                            : "");
    return KEEL_E_UNSUPPORTED;
}

static uint64_t deadline_of(const use *u)
{
    const keel_clock *clock = &u->bag->runtime->clock;
    uint64_t own = keel_ns_add(clock->now_coarse(clock->ctx), KEEL_BAG_DEADLINE_NS);

    return u->options.deadline_at_ns ? keel_ns_min(u->options.deadline_at_ns, own)
                                     : own;
}

static keel_status begin(use *u, keel_bag *bag, const char *key,
                         keel_bag_ability ability, const keel_bag_options *options,
                         keel_detail *why)
{
    keel_status status;

    *u = (use){ .bag = bag, .why = why, .options = { .size = sizeof u->options } };
    if (!bag)
        return refuse(u, KEEL_E_ARGUMENT, "no bag was given");
    if (!keel_options_read(&u->options, sizeof u->options, options))
        return refuse(u, KEEL_E_ARGUMENT, "keel_bag_options: " KEEL_OPTIONS_REFUSED);
    if (bag->incarnation != keel_process_incarnation())
        return refuse(u, KEEL_E_STATE, "the bag was opened before a fork");
    status = key == NO_KEY ? KEEL_OK : check_key(u, key);
    if (status == KEEL_OK)
        status = check_ability(u, ability);
    u->op = (keel_bag_op){ .size = sizeof u->op,
                           .deadline_at_ns = deadline_of(u),
                           .now_ms = (int64_t)keel_wall_ms(),
                           .cancel = u->options.cancel,
                           .wishes = u->options.wishes };
    return status;
}

/* ---- after --------------------------------------------------------------------------- */

static bool is_answer(keel_status status)
{
    return status == KEEL_OK || status == KEEL_NOT_FOUND || status == KEEL_NOT_STORED ||
           status == KEEL_EXISTS || status == KEEL_NOT_NUMBER;
}

/* Answers need no story; failures have one by now. */
static keel_status end_read(const use *u, keel_status status)
{
    if (is_answer(status) || status == KEEL_E_BUFFER)
        keel_detail_say(u->why, status, KEEL_REASON_NONE, 0, 0, 0);
    return status;
}

/* A write's certainty is told in a detail, so there has to be a whole one. */
typedef struct write_use {
    use u;
    keel_detail detail;
    keel_detail *why; /* the caller's */
    keel_bag_token fresh;
    uint32_t marks;
} write_use;

/* A write that may have happened has a status of its own. */
static keel_status end_write(write_use *w, keel_status status)
{
    keel_detail *detail = &w->detail;

    if (is_answer(status)) {
        keel_detail_say(detail, status, KEEL_REASON_NONE, 0, 0, 0);
        detail->applied = status == KEEL_OK ? KEEL_APPLIED_YES : KEEL_APPLIED_NO;
    } else if (detail->applied == KEEL_APPLIED_UNKNOWN) {
        detail->code = status = KEEL_UNKNOWN;
    }
    if (status == KEEL_OK && w->u.options.token)
        *w->u.options.token = w->fresh;
    if (w->u.options.marks)
        *w->u.options.marks = w->marks;
    keel_detail_fill(w->why, detail);
    return status;
}

/* ---- time ---------------------------------------------------------------------------- */

static int64_t expiry_of(const use *u)
{
    keel_ttl ttl = u->options.ttl;

    switch (ttl.kind) {
    case KEEL_TTL_NEVER:
        return 0;
    case KEEL_TTL_KEEP:
        return KEEL_BAG_KEEP_EXPIRY;
    case KEEL_TTL_RELATIVE:
        if (ttl.ms > 0 && ttl.ms > INT64_MAX - u->op.now_ms)
            return 0;
        return ttl.ms > 0 ? u->op.now_ms + ttl.ms : 1;
    case KEEL_TTL_ABSOLUTE:
        break;
    }
    return ttl.ms > 0 ? ttl.ms : 1; /* long gone */
}

/* ---- reading ------------------------------------------------------------------------- */

static bool item_is_ours(const keel_bag_item *item)
{
    return item && item->size == sizeof *item;
}

static bool item_is_sound(const keel_bag_item *item)
{
    return item_is_ours(item) && (item->buffer || !item->capacity);
}

static void reset(keel_bag_item *item)
{
    item->length = 0;
    item->flags = 0;
    item->expires_at_ms = -1;
    item->marks = 0;
    item->token.length = 0;
}

#define NO_ITEM "an item needs its size, and a buffer where it has a capacity"

static keel_status get(use *u, keel_bag_item *item)
{
    const keel_bag_child *root = &u->bag->root;

    if (!item_is_sound(item))
        return refuse(u, KEEL_E_ARGUMENT, NO_ITEM);
    reset(item);
    return end_read(u, root->ops->get(root->state, &u->op, u->key, item, u->why));
}

keel_status keel_bag_get(keel_bag *bag, const char *key, keel_bag_item *item,
                         const keel_bag_options *options, keel_detail *why)
{
    use u;
    keel_bag_item own;
    keel_status status = begin(&u, bag, key, KEEL_CAN_GET, options, why);

    if (status != KEEL_OK)
        return status;
    if (item_is_ours(item))
        return get(&u, item);
    if (!keel_caller_item_read(&own, item))
        return refuse(&u, KEEL_E_ARGUMENT, NO_ITEM);
    status = get(&u, &own);
    keel_caller_item_fill(item, &own);
    return status;
}

/* ---- several at once ----------------------------------------------------------------- */

enum { MANY_AT_ONCE = 128, OTHERS_AT_ONCE = 32 };

/* Bad keys are answered here, the others asked for; statuses hold KEEL_OK where asked. */
static size_t choose(use *u, const char *const keys[], keel_bag_item items[],
                     keel_status statuses[], size_t count, keel_bytes chosen[])
{
    size_t sound = 0;

    for (size_t i = 0; i < count; i++) {
        statuses[i] = check_key(u, keys[i]);
        if (statuses[i] == KEEL_OK && !item_is_sound(&items[i]))
            statuses[i] = refuse(u, KEEL_E_ARGUMENT, NO_ITEM);
        if (statuses[i] != KEEL_OK)
            continue;
        reset(&items[i]);
        chosen[sound++] = u->key;
    }
    return sound;
}

/* A part of them, all with sound keys. */
static void get_some(const use *u, const keel_bytes keys[], keel_bag_item items[],
                     keel_status statuses[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        statuses[i] = KEEL_FAILED; /* until somebody says otherwise */
    keel_bag_child_get_many(&u->bag->root, &u->op, keys, items, statuses, count,
                            u->why);
}

/* One by one where a key among them is bad: seldom, and then the answers need sorting. */
static void get_each(const use *u, const char *const keys[], keel_bag_item items[],
                     keel_status statuses[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const keel_bytes key = { keys[i], keys[i] ? strlen(keys[i]) : 0 };

        if (statuses[i] == KEEL_OK)
            get_some(u, &key, &items[i], &statuses[i], 1);
    }
}

static keel_status sum_up(const use *u, const keel_status statuses[], size_t count)
{
    size_t answered = 0;
    keel_status last = KEEL_OK;

    for (size_t i = 0; i < count; i++)
        if (is_answer(statuses[i]) || statuses[i] == KEEL_E_BUFFER)
            answered++;
        else
            last = statuses[i];
    if (answered == count)
        return end_read(u, KEEL_OK);
    if (!answered)
        return last;
    if (u->why)
        u->why->code = KEEL_PARTIAL;
    return KEEL_PARTIAL;
}

/* Any number of items of our own size. */
static void get_all(use *u, const char *const keys[], keel_bag_item items[],
                    keel_status statuses[], size_t count)
{
    for (size_t at = 0; at < count; at += MANY_AT_ONCE) {
        size_t some = count - at < MANY_AT_ONCE ? count - at : MANY_AT_ONCE;
        keel_bytes chosen[MANY_AT_ONCE];

        if (choose(u, keys + at, items + at, statuses + at, some, chosen) == some)
            get_some(u, chosen, items + at, statuses + at, some);
        else
            get_each(u, keys + at, items + at, statuses + at, some);
    }
}

/* Of items that are not of our size the first says how far they are apart. */
static void get_others(use *u, const char *const keys[], keel_bag_item items[],
                       keel_status statuses[], size_t count)
{
    const size_t apart = items->size;
    char *given = (char *)items;

    for (size_t at = 0; at < count; at += OTHERS_AT_ONCE) {
        size_t some = count - at < OTHERS_AT_ONCE ? count - at : OTHERS_AT_ONCE;
        keel_bag_item own[OTHERS_AT_ONCE] = { { .size = 0 } }; /* such are refused */

        for (size_t i = 0; i < some; i++) {
            const keel_bag_item *one = (const void *)(given + (at + i) * apart);

            if (one->size != apart || !keel_caller_item_read(&own[i], one))
                own[i].size = 0;
        }
        get_all(u, keys + at, own, statuses + at, some);
        for (size_t i = 0; i < some; i++)
            if (own[i].size)
                keel_caller_item_fill((void *)(given + (at + i) * apart), &own[i]);
    }
}

keel_status keel_bag_get_many(keel_bag *bag, const char *const keys[],
                              keel_bag_item items[], keel_status statuses[],
                              size_t count, const keel_bag_options *options,
                              keel_detail *why)
{
    use u;
    keel_status status = begin(&u, bag, NO_KEY, KEEL_CAN_GET, options, why);

    if (status != KEEL_OK)
        return status;
    if (count && (!keys || !items || !statuses))
        return refuse(&u, KEEL_E_ARGUMENT, "keys, items or statuses are missing");
    if (!count || items->size == sizeof *items || items->size < sizeof items->size)
        get_all(&u, keys, items, statuses, count);
    else
        get_others(&u, keys, items, statuses, count);
    return sum_up(&u, statuses, count);
}

/* ---- storing ------------------------------------------------------------------------- */

static keel_status begin_write(write_use *w, keel_bag *bag, const char *key,
                               keel_bag_ability ability,
                               const keel_bag_options *options, keel_detail *why)
{
    keel_status status;

    w->detail = (keel_detail)KEEL_DETAIL_INIT;
    w->why = why;
    w->fresh.length = 0;
    w->marks = 0;
    status = begin(&w->u, bag, key, ability, options, &w->detail);
    w->u.op.marks = &w->marks;
    if (status == KEEL_OK)
        w->u.op.nonce = keel_random_number();
    else
        keel_detail_fill(why, &w->detail);
    if (w->u.options.token)
        w->u.options.token->length = 0;
    if (w->u.options.marks)
        *w->u.options.marks = 0;
    return status;
}

static keel_status refuse_write(write_use *w, keel_status status, const char *text)
{
    refuse(&w->u, status, text);
    keel_detail_fill(w->why, &w->detail);
    return status;
}

static keel_status store(keel_bag *bag, const char *key, keel_bag_mode mode,
                         const keel_bag_token *expected, keel_bytes value,
                         const keel_bag_options *options, keel_detail *why)
{
    static const keel_bag_ability needed[] = {
        [KEEL_BAG_SET] = KEEL_CAN_SET,         [KEEL_BAG_ADD] = KEEL_CAN_ADD,
        [KEEL_BAG_REPLACE] = KEEL_CAN_REPLACE, [KEEL_BAG_CAS] = KEEL_CAN_CAS,
        [KEEL_BAG_APPEND] = KEEL_CAN_APPEND,   [KEEL_BAG_PREPEND] = KEEL_CAN_APPEND,
    };
    write_use w;
    keel_bag_put put = { .size = sizeof put, .mode = mode, .value = value };
    keel_status status = begin_write(&w, bag, key, needed[mode], options, why);

    if (status != KEEL_OK)
        return status;
    if (value.length && !value.at)
        return refuse_write(&w, KEEL_E_ARGUMENT, "a value of that length is missing");
    if (mode == KEEL_BAG_CAS && (!expected || !expected->length))
        return refuse_write(&w, KEEL_E_ARGUMENT, "cas needs the token that was seen");
    if (value.length > bag->root.abilities.value_max)
        return refuse_write(&w, KEEL_E_TOO_LARGE, "the value is larger than value_max");
    put.flags = w.u.options.flags;
    put.expires_at_ms = expiry_of(&w.u);
    put.expected = expected;
    return end_write(&w, bag->root.ops->store(bag->root.state, &w.u.op, w.u.key, &put,
                                              &w.fresh, &w.detail));
}

#define STORING(verb, mode)                                                            \
    keel_status keel_bag_##verb(keel_bag *bag, const char *key, const void *value,     \
                                size_t length, const keel_bag_options *options,        \
                                keel_detail *why)                                      \
    {                                                                                  \
        return store(bag, key, mode, NULL, (keel_bytes){ value, length }, options,     \
                     why);                                                             \
    }

STORING(set, KEEL_BAG_SET)
STORING(add, KEEL_BAG_ADD)
STORING(replace, KEEL_BAG_REPLACE)
STORING(append, KEEL_BAG_APPEND)
STORING(prepend, KEEL_BAG_PREPEND)

keel_status keel_bag_cas(keel_bag *bag, const char *key, const keel_bag_token *token,
                         const void *value, size_t length,
                         const keel_bag_options *options, keel_detail *why)
{
    return store(bag, key, KEEL_BAG_CAS, token, (keel_bytes){ value, length }, options,
                 why);
}

/* ---- changing ------------------------------------------------------------------------ */

static keel_status count(keel_bag *bag, const char *key, bool down, uint64_t by,
                         uint64_t *number, const keel_bag_options *options,
                         keel_detail *why)
{
    write_use w;
    uint64_t now = 0;
    keel_status status = begin_write(&w, bag, key, KEEL_CAN_INCR, options, why);

    if (number)
        *number = 0;
    if (status != KEEL_OK)
        return status;
    status = end_write(&w, bag->root.ops->add_to(bag->root.state, &w.u.op, w.u.key,
                                                 down, by, &now, &w.fresh, &w.detail));
    if (status == KEEL_OK && number)
        *number = now;
    return status;
}

keel_status keel_bag_incr(keel_bag *bag, const char *key, uint64_t by, uint64_t *number,
                          const keel_bag_options *options, keel_detail *why)
{
    return count(bag, key, false, by, number, options, why);
}

keel_status keel_bag_decr(keel_bag *bag, const char *key, uint64_t by, uint64_t *number,
                          const keel_bag_options *options, keel_detail *why)
{
    return count(bag, key, true, by, number, options, why);
}

static keel_status touch(keel_bag *bag, const char *key, keel_bag_item *item,
                         const keel_bag_options *options, keel_detail *why)
{
    write_use w;
    keel_status status = begin_write(&w, bag, key, KEEL_CAN_TOUCH, options, why);

    if (status != KEEL_OK)
        return status;
    status = bag->root.ops->touch(bag->root.state, &w.u.op, w.u.key, expiry_of(&w.u),
                                  item, &w.detail);
    if (status != KEEL_E_BUFFER)
        return end_write(&w, status);
    keel_detail_say(&w.detail, status, KEEL_REASON_NONE, 0, 0, 0);
    w.detail.applied = KEEL_APPLIED_YES; /* only the value did not fit */
    keel_detail_fill(why, &w.detail);
    return status;
}

keel_status keel_bag_touch(keel_bag *bag, const char *key,
                           const keel_bag_options *options, keel_detail *why)
{
    return touch(bag, key, NULL, options, why);
}

keel_status keel_bag_get_and_touch(keel_bag *bag, const char *key, keel_bag_item *item,
                                   const keel_bag_options *options, keel_detail *why)
{
    keel_bag_item own;
    keel_status status;

    if (item_is_sound(item)) {
        reset(item);
        return touch(bag, key, item, options, why);
    }
    if (item_is_ours(item) || !keel_caller_item_read(&own, item))
        return keel_fail(why, KEEL_E_ARGUMENT, NO_ITEM);
    reset(&own);
    status = touch(bag, key, &own, options, why);
    keel_caller_item_fill(item, &own);
    return status;
}

static keel_status remove_item(keel_bag *bag, const char *key,
                               const keel_bag_token *expected, keel_bag_ability ability,
                               const keel_bag_options *options, keel_detail *why)
{
    write_use w;
    keel_status status = begin_write(&w, bag, key, ability, options, why);

    if (status != KEEL_OK)
        return status;
    return end_write(&w, bag->root.ops->remove(bag->root.state, &w.u.op, w.u.key,
                                               expected, &w.detail));
}

keel_status keel_bag_delete(keel_bag *bag, const char *key,
                            const keel_bag_options *options, keel_detail *why)
{
    return remove_item(bag, key, NULL, KEEL_CAN_DELETE, options, why);
}

keel_status keel_bag_delete_cas(keel_bag *bag, const char *key,
                                const keel_bag_token *token,
                                const keel_bag_options *options, keel_detail *why)
{
    if (!token || !token->length)
        return keel_fail(why, KEEL_E_ARGUMENT,
                         "delete_cas needs the token that was seen");
    return remove_item(bag, key, token, KEEL_CAN_DELETE_CAS, options, why);
}

/* ---- all there is -------------------------------------------------------------------- */

keel_status keel_bag_flush(keel_bag *bag, const keel_bag_options *options,
                           keel_detail *why)
{
    write_use w;
    keel_status status = begin_write(&w, bag, NO_KEY, KEEL_CAN_FLUSH, options, why);

    if (status != KEEL_OK)
        return status;
    return end_write(&w, bag->root.ops->flush(bag->root.state, &w.u.op, &w.detail));
}

keel_status keel_bag_scan(keel_bag *bag, keel_bag_cursor *cursor, keel_bag_scan_fn *fn,
                          void *ctx, const keel_bag_options *options, keel_detail *why)
{
    use u;
    keel_status status = begin(&u, bag, NO_KEY, KEEL_CAN_SCAN, options, why);

    if (status != KEEL_OK)
        return status;
    if (!cursor || !fn || cursor->length > sizeof cursor->bytes)
        return refuse(&u, KEEL_E_ARGUMENT, "a scan needs a cursor and a function");
    if (cursor->is_at_end)
        return end_read(&u, KEEL_OK);
    return end_read(&u,
                    bag->root.ops->scan(bag->root.state, &u.op, cursor, fn, ctx, why));
}
