/* SPDX-License-Identifier: MIT */
#include "bag/web_objects.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum { SPEC_SIZE = 544 };

void web_order(const node_server *objects, const char *faults)
{
    ck_assert_int_eq(node_server_post(objects, "/-/faults", NULL, faults, NULL, 0),
                     200);
}

/* ---- refusals ------------------------------------------------------------------------ */

void web_check_refusal(web_bag *w, const node_server *objects, const web_refusal *r)
{
    char faults[128];

    ck_assert_msg(web_set(w, "key", "before") == KEEL_OK, "%s", w->why.text);
    snprintf(faults, sizeof faults, "[%s]", r->fault);
    web_order(objects, faults);
    ck_assert_msg(web_set(w, "key", "after") == r->status, "%s: %s", r->why,
                  w->why.text);
    ck_assert_int_eq(w->why.applied, r->applied);
    ck_assert_msg(strstr(w->why.text, r->said), "%s: %s", r->why, w->why.text);
    if (strstr(r->fault, "retryAfter"))
        ck_assert_uint_eq(w->why.retry_after_ns, 2 * KEEL_S);
    ck_assert(web_has(w, "key", r->is_done ? "after" : "before"));
}

/* ---- what is made of get and cas ----------------------------------------------------- */

/* The answer to the next PUT is lost, before it is done, or after. */
#define LOST "[{\"method\":\"PUT\",\"reset\":true}]"
#define LOST_AFTER "[{\"method\":\"PUT\",\"applied\":true,\"reset\":true}]"

static keel_status append_it(web_bag *w)
{
    return keel_bag_append(w->bag, "key", "8", 1, NULL, &w->why);
}

static keel_status replace_it(web_bag *w)
{
    return keel_bag_replace(w->bag, "key", "8", 1, NULL, &w->why);
}

static keel_status count_on(web_bag *w)
{
    return keel_bag_incr(w->bag, "key", 1, NULL, NULL, &w->why);
}

static const struct {
    const char *name;
    keel_status (*run)(web_bag *w);
    const char *after; /* it was "7" */
} made[] = {
    { "append", append_it, "78" },
    { "replace", replace_it, "8" },
    { "incr", count_on, "8" },
};

void web_check_lost_cas(web_bag *w, const node_server *objects)
{
    ck_assert_int_eq(web_add(w, "probed", "x"), KEEL_OK);
    for (size_t i = 0; i < 2 * sizeof made / sizeof *made; i++) {
        bool is_done = i % 2;
        keel_status status;

        ck_assert_int_eq(web_set(w, "key", "7"), KEEL_OK);
        web_order(objects, is_done ? LOST_AFTER : LOST);
        status = made[i / 2].run(w);
        ck_assert_msg(status == KEEL_UNKNOWN && w->why.applied == KEEL_APPLIED_UNKNOWN,
                      "%s: %d %s", made[i / 2].name, (int)status, w->why.text);
        ck_assert_msg(web_has(w, "key", is_done ? made[i / 2].after : "7"), "%s: %s",
                      made[i / 2].name, is_done ? "it was done" : "it was not done");
    }
}

/* ---- several keys -------------------------------------------------------------------- */

enum { MANY = 20, DELAY_MS = 200, LANES = 8 };

typedef struct several {
    char names[MANY][16], values[MANY][16];
    const char *keys[MANY];
    keel_bag_item items[MANY];
    keel_status statuses[MANY];
} several;

/* Each key has its number; every fifth is not there. */
static void store_several(web_bag *w, several *s)
{
    for (int i = 0; i < MANY; i++) {
        snprintf(s->names[i], sizeof s->names[i], "many%d", i);
        s->keys[i] = s->names[i];
        if (i % 5)
            ck_assert_int_eq(web_set(w, s->names[i], s->names[i] + 4), KEEL_OK);
    }
}

static keel_status get_several(web_bag *w, several *s, unsigned ms)
{
    const keel_bag_options options = web_within(w, ms);

    for (int i = 0; i < MANY; i++) {
        memset(s->values[i], 0, sizeof s->values[i]);
        s->items[i] = (keel_bag_item){ .size = sizeof s->items[i],
                                       .buffer = s->values[i],
                                       .capacity = sizeof s->values[i] - 1 };
    }
    return keel_bag_get_many(w->bag, s->keys, s->items, s->statuses, MANY, &options,
                             &w->why);
}

/* but: of this one nothing is expected; -1: of none */
static void expect_several(const several *s, int but)
{
    for (int i = 0; i < MANY; i++)
        if (i != but) {
            ck_assert_int_eq(s->statuses[i], i % 5 ? KEEL_OK : KEEL_NOT_FOUND);
            ck_assert_str_eq(s->values[i], i % 5 ? s->names[i] + 4 : "");
        }
}

/* Twenty answers, each late: one after the other they would take twice as long. */
static void check_at_once(web_bag *w, proxy *between, several *s)
{
    unsigned accepted = proxy_accepted(between);
    uint64_t begun = keel_now(w->opened.rt);

    proxy_set(between, (proxy_order){ PROXY_DELAY, DELAY_MS, NULL, 0 });
    ck_assert_int_eq(get_several(w, s, WEB_PATIENCE_MS), KEEL_OK);
    proxy_do(between, PROXY_FORWARD);
    expect_several(s, -1);
    ck_assert_uint_lt(keel_now(w->opened.rt) - begun, MANY * DELAY_MS * KEEL_MS);
    ck_assert_uint_le(proxy_accepted(between) - accepted, LANES);
}

static void check_in_time(web_bag *w, proxy *between, several *s)
{
    uint64_t begun = keel_now(w->opened.rt);
    unsigned accepted = proxy_accepted(between);

    proxy_do(between, PROXY_BLACK_HOLE);
    ck_assert_int_ne(get_several(w, s, WEB_SOON_MS), KEEL_OK);
    web_expect_in_time(w, begun, "several keys");
    for (int i = 0; i < MANY; i++)
        ck_assert(s->statuses[i] == KEEL_TIMEOUT || s->statuses[i] == KEEL_DEADLINE);
    proxy_do(between, PROXY_FORWARD);
    ck_assert_int_eq(get_several(w, s, WEB_PATIENCE_MS), KEEL_OK);
    expect_several(s, -1);
    ck_assert_uint_gt(proxy_accepted(between), accepted);
}

static void check_cancelled(web_bag *w, several *s)
{
    keel_cancel cancel = KEEL_CANCEL_INIT;
    const keel_bag_options options = { .size = sizeof options, .cancel = &cancel };

    keel_cancel_fire(&cancel);
    ck_assert_int_eq(keel_bag_get_many(w->bag, s->keys, s->items, s->statuses, MANY,
                                       &options, &w->why),
                     KEEL_CANCELLED);
}

void web_check_many(web_bag *w, proxy *between, const node_server *objects)
{
    static several s;
    int failed = 0;

    store_several(w, &s);
    check_at_once(w, between, &s);
    web_order(objects, "[{\"method\":\"GET\",\"status\":500}]");
    ck_assert_int_eq(get_several(w, &s, WEB_PATIENCE_MS), KEEL_PARTIAL);
    while (s.statuses[failed] != KEEL_FAILED)
        ck_assert_int_lt(++failed, MANY);
    expect_several(&s, failed);
    check_in_time(w, between, &s);
    check_cancelled(w, &s);
}

/* ---- whose write it is --------------------------------------------------------------- */

static keel_bag_token token_of(web_bag *w, const char *key)
{
    const keel_bag_options options = { .size = sizeof options,
                                       .wishes = KEEL_BAG_WANT_TOKEN };
    keel_bag_item item = { .size = sizeof item };

    ck_assert_int_eq(keel_bag_get(w->bag, key, &item, &options, &w->why), KEEL_OK);
    return item.token;
}

/* marks: of the write, 0 unless a try before the last had done it */
static void check_settled(web_bag *w, const char *key, keel_status status,
                          const uint32_t *marks, bool was_done)
{
    ck_assert_msg(status == KEEL_OK, "%s", w->why.text);
    ck_assert_uint_eq(*marks, was_done ? KEEL_BAG_REPEATED : 0);
    ck_assert(web_has(w, key, "new"));
}

void web_check_read_back(const char *spec, const node_server *objects)
{
    char wrapped[SPEC_SIZE];
    uint32_t marks = 0;
    const keel_bag_options options = { .size = sizeof options, .marks = &marks };
    web_bag w;

    snprintf(wrapped, sizeof wrapped, "resilient(<%s>)", spec);
    web_open(&w, wrapped, objects->port);
    ck_assert_int_eq(web_add(&w, "probed", "x"), KEEL_OK);
    for (int was_done = 0; was_done < 2; was_done++) {
        const char *key = was_done ? "done" : "lost";
        keel_bag_token token;

        web_order(objects, was_done ? LOST_AFTER : LOST);
        check_settled(&w, key, keel_bag_add(w.bag, key, "new", 3, &options, &w.why),
                      &marks, was_done);
        ck_assert_int_eq(web_set(&w, key, "old"), KEEL_OK);
        token = token_of(&w, key);
        web_order(objects, was_done ? LOST_AFTER : LOST);
        check_settled(&w, key,
                      keel_bag_cas(w.bag, key, &token, "new", 3, &options, &w.why),
                      &marks, was_done);
    }
    web_close(&w);
}
