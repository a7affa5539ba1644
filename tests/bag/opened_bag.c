/* SPDX-License-Identifier: MIT */
#include "bag/opened_bag.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void opened_bag_init(opened_bag *b, opened_clock clock, const char *spec)
{
    static const char *const environment[] = { "KEEL_CHAOS=allow", NULL };

    *b = (opened_bag){ .now_ms = INT64_C(1800000000000) };
    opened_init(&b->o, clock, environment, NULL);
    b->why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_msg(keel_bag_open(&b->bag, b->o.rt, "tested", spec, &b->why) == KEEL_OK,
                  "%s", b->why.text);
}

void opened_bag_cleanup(opened_bag *b)
{
    keel_bag_close(b->bag);
    opened_cleanup(&b->o);
}

keel_bag_op opened_bag_op(const opened_bag *b)
{
    return (keel_bag_op){ .size = sizeof(keel_bag_op),
                          .deadline_at_ns = keel_now(b->o.rt) + 10 * KEEL_S,
                          .now_ms = b->now_ms,
                          .cancel = b->cancel,
                          .wishes = b->wishes,
                          .nonce = 1 };
}

static keel_bytes bytes_of(const char *text)
{
    return (keel_bytes){ text, strlen(text) };
}

keel_status opened_bag_get(opened_bag *b, const char *key)
{
    keel_bag_op op = opened_bag_op(b);
    keel_status status;

    b->item = (keel_bag_item){ .size = sizeof b->item,
                               .buffer = b->value,
                               .capacity = sizeof b->value - 1 };
    status = b->bag->root.ops->get(b->bag->root.state, &op, bytes_of(key), &b->item,
                                   &b->why);
    b->value[status == KEEL_OK ? b->item.length : 0] = '\0';
    return status;
}

keel_status opened_bag_store(opened_bag *b, keel_bag_mode mode, const char *key,
                             const char *text)
{
    const keel_bag_put put = { .size = sizeof put,
                               .mode = mode,
                               .value = bytes_of(text),
                               .expected = &b->item.token };
    keel_bag_op op = opened_bag_op(b);
    keel_bag_token fresh = { .length = 0 };

    b->why = (keel_detail)KEEL_DETAIL_INIT;
    return b->bag->root.ops->store(b->bag->root.state, &op, bytes_of(key), &put, &fresh,
                                   &b->why);
}

keel_status opened_bag_remove(opened_bag *b, const char *key)
{
    keel_bag_op op = opened_bag_op(b);

    b->why = (keel_detail)KEEL_DETAIL_INIT;
    return b->bag->root.ops->remove(b->bag->root.state, &op, bytes_of(key), NULL,
                                    &b->why);
}

keel_status opened_bag_incr(opened_bag *b, const char *key)
{
    keel_bag_op op = opened_bag_op(b);
    keel_bag_token fresh = { .length = 0 };
    uint64_t number;

    b->why = (keel_detail)KEEL_DETAIL_INIT;
    return b->bag->root.ops->add_to(b->bag->root.state, &op, bytes_of(key), false, 1,
                                    &number, &fresh, &b->why);
}

void opened_bag_tell(opened_bag *b, const char *path, const char *command)
{
    ck_assert_msg(keel_bag_control(b->bag, path, command, NULL, 0, &b->why) == KEEL_OK,
                  "%s", b->why.text);
}

unsigned opened_bag_count(opened_bag *b, const char *path, const char *command,
                          const char *name)
{
    char answer[1024], wanted[64];
    const char *at;

    snprintf(wanted, sizeof wanted, "%s=", name);
    ck_assert_msg(keel_bag_control(b->bag, path, command, answer, sizeof answer,
                                   &b->why) == KEEL_OK,
                  "%s", b->why.text);
    at = strstr(answer, wanted);
    return at ? (unsigned)strtoul(at + strlen(wanted), NULL, 10) : 0;
}
