/* SPDX-License-Identifier: MIT */
/* Memory stores that fail on demand. */
#include "bag/staged.h"

#include <string.h>

#include "base/memory.h"
#include "base/process.h"
#include "base/wall.h"
#include "call/runtime.h"
#include "support/suite.h"

/* ---- one operation ------------------------------------------------------------------- */

/* What the next operation is to do. */
static staged_fault next_of(staged_store *s)
{
    const staged_fault well = { .status = KEEL_OK }, refused = STAGED_REFUSED;

    if (s->is_down)
        return refused;
    if (s->scripted) {
        s->scripted--;
        return *s->script++;
    }
    if (!s->times)
        return well;
    s->times--;
    return s->fault;
}

static staged_fault begin(staged_store *s, const keel_bag_op *op, bool is_write)
{
    staged_fault f;

    if (s->before)
        s->before(s->ctx);
    f = next_of(s);
    s->asked++;
    s->writes += is_write;
    s->deadline_at_ns = op->deadline_at_ns;
    if (f.takes_ns)
        vclock_advance(s->clock, f.takes_ns);
    return f;
}

/* Fails as it was told to, in the words of a store. */
static keel_status fail_as(const staged_store *s, const staged_fault *f,
                           keel_detail *why)
{
    keel_bag_fail(why, f->status, f->applied, s->child.path, "staged");
    if (why) {
        why->retry_after_ns = f->retry_after_ns;
        why->attempts = f->attempts;
    }
    return f->status;
}

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *item, keel_detail *why)
{
    staged_store *s = state;
    staged_fault f = begin(s, op, false);

    if (f.status != KEEL_OK)
        return fail_as(s, &f, why);
    if (s->hides_nonces) {
        keel_bag_op plain = *op;

        plain.nonce_found = NULL;
        return keel_store_memory.get(s->memory, &plain, key, item, why);
    }
    return keel_store_memory.get(s->memory, op, key, item, why);
}

static void get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                     keel_bag_item items[], keel_status statuses[], size_t count,
                     keel_detail *why)
{
    staged_store *s = state;

    for (size_t i = 0; i < count; i++)
        statuses[i] = get(state, op, keys[i], &items[i], why);
    s->asked_many += (unsigned)count;
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    staged_store *s = state;
    staged_fault f = begin(s, op, true);
    keel_bag_token lost;

    if (f.happens)
        (void)keel_store_memory.store(s->memory, op, key, put, &lost, NULL);
    if (f.status != KEEL_OK)
        return fail_as(s, &f, why);
    return keel_store_memory.store(s->memory, op, key, put, fresh, why);
}

static keel_status add_to(void *state, const keel_bag_op *op, keel_bytes key, bool down,
                          uint64_t by, uint64_t *number, keel_bag_token *fresh,
                          keel_detail *why)
{
    staged_store *s = state;
    staged_fault f = begin(s, op, true);
    keel_bag_token lost;
    uint64_t none;

    if (f.happens)
        (void)keel_store_memory.add_to(s->memory, op, key, down, by, &none, &lost,
                                       NULL);
    if (f.status != KEEL_OK)
        return fail_as(s, &f, why);
    return keel_store_memory.add_to(s->memory, op, key, down, by, number, fresh, why);
}

static keel_status touch(void *state, const keel_bag_op *op, keel_bytes key,
                         int64_t expires_at_ms, keel_bag_item *item, keel_detail *why)
{
    staged_store *s = state;
    staged_fault f = begin(s, op, true);

    if (f.happens)
        (void)keel_store_memory.touch(s->memory, op, key, expires_at_ms, NULL, NULL);
    if (f.status != KEEL_OK)
        return fail_as(s, &f, why);
    return keel_store_memory.touch(s->memory, op, key, expires_at_ms, item, why);
}

static keel_status remove_item(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_token *expected, keel_detail *why)
{
    staged_store *s = state;
    staged_fault f = begin(s, op, true);

    if (f.happens)
        (void)keel_store_memory.remove(s->memory, op, key, expected, NULL);
    if (f.status != KEEL_OK)
        return fail_as(s, &f, why);
    return keel_store_memory.remove(s->memory, op, key, expected, why);
}

static keel_status flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    staged_store *s = state;
    staged_fault f = begin(s, op, true);

    if (f.status != KEEL_OK)
        return fail_as(s, &f, why);
    return keel_store_memory.flush(s->memory, op, why);
}

static keel_status scan(void *state, const keel_bag_op *op, keel_bag_cursor *cursor,
                        keel_bag_scan_fn *fn, void *ctx, keel_detail *why)
{
    staged_store *s = state;
    staged_fault f = begin(s, op, false);

    if (f.status != KEEL_OK) {
        cursor->length = 1; /* a store that fails half-way may leave anything */
        cursor->bytes[0] = 63;
        return fail_as(s, &f, why);
    }
    return keel_store_memory.scan(s->memory, op, cursor, fn, ctx, why);
}

static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    staged_store *s = state;
    staged_fault f = begin(s, op, false);

    return f.status == KEEL_OK ? KEEL_OK : fail_as(s, &f, why);
}

static const keel_bag_ops staged_ops = {
    .size = sizeof staged_ops,
    .abi = KEEL_BAG_ABI,
    .name = "staged",
    .get = get,
    .get_many = get_many,
    .store = store,
    .add_to = add_to,
    .touch = touch,
    .remove = remove_item,
    .flush = flush,
    .scan = scan,
    .health = health,
};

void staged_fail(staged_store *s, staged_fault fault, unsigned times)
{
    s->fault = fault;
    s->times = times;
}

void staged_play(staged_store *s, const staged_fault *script, unsigned count)
{
    s->script = script;
    s->scripted = count;
}

/* ---- stores -------------------------------------------------------------------------- */

static const char *const paths[STAGED_CHILDREN] = { "top.first", "top.second",
                                                    "top.third", "top.fourth" };

static void open_store(staged *s, keel_text role)
{
    staged_store *store = &s->stores[s->count];
    const keel_bag_setup setup = { .size = sizeof setup,
                                   .runtime = s->o.rt,
                                   .bag = "test",
                                   .path = paths[s->count],
                                   .values = &store->value };
    char *name = keel_memory_new(NULL, role.length + 1);

    memcpy(name, role.at, role.length);
    ck_assert_int_eq(keel_store_memory.open(&store->memory, &setup, NULL), KEEL_OK);
    store->clock = &s->o.clock;
    store->child =
        (keel_bag_child){ .role = name,
                          .path = paths[s->count],
                          .ops = &staged_ops,
                          .state = store,
                          .abilities = { .size = sizeof(keel_bag_abilities) } };
    keel_store_memory.look(store->memory, &store->child.abilities);
    store->child.abilities.effective = store->child.abilities.native;
    s->count++;
}

static void init(staged *s, const char *roles, opened_clock clock,
                 const char *const *environment)
{
    keel_text rest = keel_text_of(roles), one;

    memset(s, 0, sizeof *s);
    s->why = (keel_detail)KEEL_DETAIL_INIT;
    opened_init(&s->o, clock, environment, "");
    while (rest.length) {
        one = rest;
        if (!keel_text_split(rest, "|", &one, &rest))
            rest.length = 0;
        open_store(s, one);
    }
}

void staged_init(staged *s, const char *roles, const char *const *environment)
{
    init(s, roles, OPENED_VIRTUAL, environment);
}

void staged_init_real(staged *s, const char *roles)
{
    init(s, roles, OPENED_REAL, NULL);
}

void staged_init_by_hand(staged *s, const char *roles)
{
    init(s, roles, OPENED_BY_HAND, NULL);
}

void staged_cleanup(staged *s)
{
    staged_close(s);
    for (size_t i = 0; i < s->count; i++) {
        keel_store_memory.close(s->stores[i].memory);
        keel_memory_free(NULL, (void *)(uintptr_t)s->stores[i].child.role);
    }
    opened_cleanup(&s->o);
}

/* ---- the decorator ------------------------------------------------------------------- */

static keel_status read_options(staged *s, const char *options)
{
    keel_text rest = keel_text_of(options), one, key, value;
    char text[128];
    keel_status status;

    s->source = (keel_bag_options_source){ .memory = s->o.rt->memory };
    status = keel_bag_options_begin(&s->options, s->ops, &s->source, &s->why);
    while (status == KEEL_OK && rest.length) {
        one = rest;
        if (!keel_text_split(rest, ";", &one, &rest))
            rest.length = 0;
        ck_assert(keel_text_split(keel_text_trim(one), "=", &key, &value));
        keel_text_copy(text, sizeof text, value);
        status = keel_bag_options_take(&s->options, key, text, &s->why);
    }
    return status;
}

keel_status staged_open(staged *s, const keel_bag_ops *ops, const char *options)
{
    keel_bag_child *root = &s->bag.root;
    keel_status status;

    s->ops = ops;
    status = read_options(s, options);
    for (size_t i = 0; i < s->count; i++)
        s->children[i] = s->stores[i].child;
    s->setup = (keel_bag_setup){ .size = sizeof s->setup,
                                 .runtime = s->o.rt,
                                 .bag = "test",
                                 .path = "top",
                                 .values = s->options.values,
                                 .settings = s->options.settings,
                                 .children = s->children,
                                 .child_count = s->count };
    s->bag.runtime = s->o.rt;
    s->bag.incarnation = keel_process_incarnation();
    *root = (keel_bag_child){ .role = "",
                              .path = "top",
                              .ops = ops,
                              .abilities = { .size = sizeof root->abilities } };
    if (status == KEEL_OK)
        status = ops->open(&root->state, &s->setup, &s->why);
    if (status == KEEL_OK)
        ops->look(root->state, &root->abilities);
    else
        keel_bag_options_cleanup(&s->options);
    return status;
}

void staged_close(staged *s)
{
    if (!s->bag.root.state)
        return;
    s->ops->close(s->bag.root.state);
    s->bag.root.state = NULL;
    keel_bag_options_cleanup(&s->options);
}

/* ---- verbs --------------------------------------------------------------------------- */

keel_status staged_set(staged *s, const char *key, const char *text)
{
    return keel_bag_set(&s->bag, key, text, strlen(text), NULL, &s->why);
}

keel_status staged_get(staged *s, const char *key)
{
    keel_bag_item item = { .size = sizeof item,
                           .buffer = s->value,
                           .capacity = sizeof s->value - 1 };
    keel_status status = keel_bag_get(&s->bag, key, &item, NULL, &s->why);

    s->value[status == KEEL_OK ? item.length : 0] = '\0';
    return status;
}

const char *staged_peek(staged *s, size_t number, const char *key)
{
    const keel_bag_op op = { .size = sizeof op, .now_ms = (int64_t)keel_wall_ms() };
    keel_bag_item item = { .size = sizeof item,
                           .buffer = s->value,
                           .capacity = sizeof s->value - 1 };

    if (keel_store_memory.get(s->stores[number].memory, &op,
                              (keel_bytes){ key, strlen(key) }, &item, NULL) != KEEL_OK)
        item.length = 0;
    s->value[item.length] = '\0';
    return s->value;
}

void staged_put(staged *s, size_t number, const char *key, const char *text)
{
    const keel_bag_op op = { .size = sizeof op,
                             .now_ms = (int64_t)keel_wall_ms(),
                             .nonce = 1 }; /* no op of a verb has it */
    const keel_bag_put put = { .size = sizeof put, .value = { text, strlen(text) } };
    keel_bag_token fresh;

    ck_assert_int_eq(keel_store_memory.store(s->stores[number].memory, &op,
                                             (keel_bytes){ key, strlen(key) }, &put,
                                             &fresh, NULL),
                     KEEL_OK);
}
