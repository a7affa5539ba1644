/* SPDX-License-Identifier: MIT */
/*
 * A store of one's own, whole: a shelf with a number of places in memory. Builds against
 * what keel installs (Makefile), is found by KEEL_PLUGIN_PATH under shelf://, and passes
 * keel-conform. What it does not say it can do keel makes of get and cas, or refuses.
 */
#include <keel/bag_plugin.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct item {
    char key[KEEL_BAG_KEY_MAX];
    size_t key_length, length;
    void *value; /* NULL: the place is free */
    uint32_t flags;
    uint64_t token;
} item;

/* mu guards: token, items */
typedef struct shelf {
    const char *path;
    pthread_mutex_t mu;
    uint64_t token; /* of the last write to any item: none has one that another had */
    size_t places;
    item items[];
} shelf;

static const keel_bag_option options[] = {
    { .name = "places",
      .type = KEEL_BAG_COUNT,
      .min = 1,
      .max = 100000,
      .standard = "1000",
      .meaning = "How many items there is room for." },
    { .name = NULL },
};

static keel_status open_shelf(void **state, const keel_bag_setup *setup,
                              keel_detail *why)
{
    size_t places = setup->values[0].number;
    shelf *s = calloc(1, sizeof *s + places * sizeof *s->items);

    if (!s)
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, setup->path,
                             "no memory");
    s->path = setup->path; /* lives until close */
    s->places = places;
    pthread_mutex_init(&s->mu, NULL);
    *state = s;
    return KEEL_OK;
}

static void close_shelf(void *state)
{
    shelf *s = state;

    for (size_t i = 0; i < s->places; i++)
        free(s->items[i].value);
    pthread_mutex_destroy(&s->mu);
    free(s);
}

static void look(void *state, keel_bag_abilities *a)
{
    (void)state;
    a->native = KEEL_CAN_GET | KEEL_CAN_SET | KEEL_CAN_ADD | KEEL_CAN_CAS |
                KEEL_CAN_FLAGS | KEEL_CAN_DELETE | KEEL_TELLS_DELETE | KEEL_IS_VOLATILE;
    a->value_max = 1 << 20;
    a->batch_max = 1;
}

/* The item of a key; else a free place if there is one, whose value is NULL; else NULL. */
static item *find_locked(shelf *s, keel_bytes key)
{
    item *place = NULL;

    for (item *i = s->items; i < s->items + s->places; i++) {
        if (!i->value)
            place = place ? place : i;
        else if (i->key_length == key.length && !memcmp(i->key, key.at, key.length))
            return i;
    }
    return place;
}

static keel_status get(void *state, const keel_bag_op *op, keel_bytes key,
                       keel_bag_item *to, keel_detail *why)
{
    shelf *s = state;
    keel_status status = KEEL_NOT_FOUND;
    item *found;

    (void)op, (void)why;
    pthread_mutex_lock(&s->mu);
    found = find_locked(s, key);
    if (found && found->value) {
        to->flags = found->flags;
        to->expires_at_ms = 0;
        to->token = keel_bag_token_of(found->token);
        status = keel_bag_item_fill(to, found->value, found->length);
    }
    pthread_mutex_unlock(&s->mu);
    return status;
}

/* Whether the put's condition is met by what is there; found may be NULL or free. */
static keel_status judge(const item *found, const keel_bag_put *put)
{
    bool is_there = found && found->value;

    if (put->mode == KEEL_BAG_ADD)
        return is_there ? KEEL_NOT_STORED : KEEL_OK;
    if (put->mode != KEEL_BAG_CAS)
        return KEEL_OK;
    if (!is_there)
        return KEEL_NOT_FOUND;
    return keel_bag_token_number(put->expected) == found->token ? KEEL_OK : KEEL_EXISTS;
}

static keel_status put_locked(shelf *s, keel_bytes key, const keel_bag_put *put,
                              keel_bag_token *fresh, keel_detail *why)
{
    item *to = find_locked(s, key);
    keel_status status = judge(to, put);
    void *value;

    if (status != KEEL_OK)
        return status;
    if (!to) /* nothing was changed: that is what KEEL_APPLIED_NO promises */
        return keel_bag_fail(why, KEEL_FAILED, KEEL_APPLIED_NO, s->path, "it is full");
    value = malloc(put->value.length + 1); /* the empty value is one, too */
    if (!value)
        return keel_bag_fail(why, KEEL_E_NOMEM, KEEL_APPLIED_NO, s->path, "no memory");
    if (put->value.length)
        memcpy(value, put->value.at, put->value.length);
    free(to->value);
    *to = (item){ .key_length = key.length,
                  .length = put->value.length,
                  .value = value,
                  .flags = put->flags,
                  .token = ++s->token };
    memcpy(to->key, key.at, key.length);
    *fresh = keel_bag_token_of(to->token);
    return KEEL_OK;
}

static keel_status store(void *state, const keel_bag_op *op, keel_bytes key,
                         const keel_bag_put *put, keel_bag_token *fresh,
                         keel_detail *why)
{
    shelf *s = state;
    keel_status status;

    (void)op;
    pthread_mutex_lock(&s->mu);
    status = put_locked(s, key, put, fresh, why);
    pthread_mutex_unlock(&s->mu);
    return status;
}

static keel_status take_away(void *state, const keel_bag_op *op, keel_bytes key,
                             const keel_bag_token *expected, keel_detail *why)
{
    shelf *s = state;
    item *found;
    keel_status status = KEEL_NOT_FOUND;

    (void)op, (void)expected, (void)why; /* expected is NULL: it cannot delete_cas */
    pthread_mutex_lock(&s->mu);
    found = find_locked(s, key);
    if (found && found->value) {
        free(found->value);
        found->value = NULL;
        status = KEEL_OK;
    }
    pthread_mutex_unlock(&s->mu);
    return status;
}

static keel_status health(void *state, const keel_bag_op *op, keel_detail *why)
{
    (void)state, (void)op, (void)why;
    return KEEL_OK;
}

static const keel_bag_ops ops = {
    .size = sizeof ops,
    .abi = KEEL_BAG_ABI,
    .name = "shelf",
    .options = options,
    .meaning = "A shelf in memory.",
    .open = open_shelf,
    .close = close_shelf,
    .look = look,
    .get = get,
    .store = store,
    .remove = take_away,
    .health = health,
};

KEEL_API const keel_bag_ops *keel_bag_plugin_v1(void);

const keel_bag_ops *keel_bag_plugin_v1(void)
{
    return &ops;
}
