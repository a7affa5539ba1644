/* SPDX-License-Identifier: MIT */
/*
 * Writes whose answer is lost: a store that keeps a nonce with an item says by it, when it
 * is asked again, whose the item is. What loses the answer, and what asks again, is keel's
 * own: the bag once more, below fault and resilient, in a runtime that allows faults.
 */
#include "conform/conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPEC_SIZE = 4096 };

/* The bag with one loss before it. */
typedef struct losing {
    keel_runtime *runtime;
    keel_bag *bag;
} losing;

/* The first of several holds. NULL: no memory. */
static const char **environment_with_faults(void)
{
    const char **variables;
    size_t count = 0;

    while (environ[count])
        count++;
    variables = calloc(count + 2, sizeof *variables);
    if (!variables)
        return NULL;
    variables[0] = "KEEL_CHAOS=allow";
    memcpy(variables + 1, environ, count * sizeof *variables);
    return variables;
}

/* kind: of fault; it strikes the next of such a verb. */
static bool open_losing(conform *c, losing *l, const char *kind, const char *verb)
{
    const char **environment = environment_with_faults();
    const keel_options options = { .size = sizeof options, .environment = environment };
    char spec[SPEC_SIZE];
    bool is_open;

    *l = (losing){ .bag = NULL };
    snprintf(spec, sizeof spec,
             "resilient{retry.backoff=0}(fault{p=100%%; max=1; kind=%s; verbs=%s}(%s))",
             kind, verb, c->spec);
    is_open =
        environment && keel_open(&l->runtime, &options, &c->why) == KEEL_OK &&
        keel_bag_open(&l->bag, l->runtime, "conform-losing", spec, &c->why) == KEEL_OK;
    free(environment);
    return is_open;
}

static void close_losing(losing *l)
{
    keel_bag_close(l->bag);
    keel_close(l->runtime, CONFORM_CLOSE_NS);
}

/* ---- what is asked of it ------------------------------------------------------------- */

typedef keel_status write_fn(conform *c, keel_bag *bag, const char *key,
                             const keel_bag_options *options);

static keel_status add(conform *c, keel_bag *bag, const char *key,
                       const keel_bag_options *options)
{
    return keel_bag_add(bag, key, "own", 3, options, &c->why);
}

static keel_status cas(conform *c, keel_bag *bag, const char *key,
                       const keel_bag_options *options)
{
    const keel_bag_options wish = { .size = sizeof wish,
                                    .wishes = KEEL_BAG_WANT_TOKEN };
    keel_bag_item item = { .size = sizeof item };
    keel_status status = keel_bag_set(bag, key, "before", 6, NULL, &c->why);

    if (status == KEEL_OK)
        status = keel_bag_get(bag, key, &item, &wish, &c->why);
    if (status == KEEL_OK)
        status = keel_bag_cas(bag, key, &item.token, "own", 3, options, &c->why);
    return status;
}

/* It was done, and its answer lost: that it was is found out. */
static void is_known(conform *c, losing *l, write_fn *write)
{
    uint32_t marks = 0;
    const keel_bag_options options = { .size = sizeof options, .marks = &marks };
    keel_bag_item item = { .size = sizeof item,
                           .buffer = c->value,
                           .capacity = sizeof c->value };

    EXPECT_STATUS(c, KEEL_OK, write(c, l->bag, key_of(c, 1), &options));
    EXPECT(c, marks & KEEL_BAG_REPEATED,
           "expected the mark KEEL_BAG_REPEATED, and it is missing");
    EXPECT_STATUS(c, KEEL_OK, keel_bag_get(l->bag, key_of(c, 1), &item, NULL, &c->why));
    EXPECT(c, item.length == 3 && memcmp(c->value, "own", 3) == 0,
           "expected the value \"own\", not another of %zu bytes", item.length);
}

static void write_known(conform *c, const char *verb, write_fn *write)
{
    losing l;

    if (open_losing(c, &l, "reset_after", verb)) {
        is_known(c, &l, write);
        (void)keel_bag_delete(l.bag, key_of(c, 1), NULL, NULL);
    } else {
        conform_say(c, __FILE__, __LINE__, "%s", c->why.text);
    }
    close_losing(&l);
}

static void an_add_whose_answer_was_lost_is_known_for_ones_own(conform *c)
{
    write_known(c, "add", add);
}

static void a_cas_whose_answer_was_lost_is_known_for_ones_own(conform *c)
{
    write_known(c, "cas", cas);
}

/* It was not done, and somebody else's is there. */
static void is_not_taken(conform *c, losing *l)
{
    EXPECT_STATUS(c, KEEL_OK,
                  keel_bag_set(l->bag, key_of(c, 1), "other", 5, NULL, &c->why));
    EXPECT_STATUS(c, KEEL_NOT_STORED, add(c, l->bag, key_of(c, 1), NULL));
}

static void an_item_of_anothers_is_not_taken_for_ones_own(conform *c)
{
    losing l;

    if (open_losing(c, &l, "reset_before", "add")) {
        is_not_taken(c, &l);
        (void)keel_bag_delete(l.bag, key_of(c, 1), NULL, NULL);
    } else {
        conform_say(c, __FILE__, __LINE__, "%s", c->why.text);
    }
    close_losing(&l);
}

const conform_check conform_doubts[] = {
    { "an_add_whose_answer_was_lost_is_known_for_ones_own",
      KEEL_HAS_NONCE | KEEL_CAN_ADD,
      an_add_whose_answer_was_lost_is_known_for_ones_own },
    { "a_cas_whose_answer_was_lost_is_known_for_ones_own",
      KEEL_HAS_NONCE | KEEL_CAN_SET | KEEL_CAN_CAS,
      a_cas_whose_answer_was_lost_is_known_for_ones_own },
    { "an_item_of_anothers_is_not_taken_for_ones_own",
      KEEL_HAS_NONCE | KEEL_CAN_SET | KEEL_CAN_ADD,
      an_item_of_anothers_is_not_taken_for_ones_own },
    { NULL, 0, NULL },
};
