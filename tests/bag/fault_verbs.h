/* SPDX-License-Identifier: MIT */
/*
 * What tests of a store's faults on the wire order of the proxy, and ask of the bag
 * meanwhile. Included after a fixture that has `bag`, `item`, `why` and within().
 */
#ifndef KEEL_TESTS_BAG_FAULT_VERBS_H
#define KEEL_TESTS_BAG_FAULT_VERBS_H

#include "support/proxy.h"

#define DO(fault)                                                                      \
    {                                                                                  \
        fault, 0, NULL, 0                                                              \
    }
#define EACH(fault, ms)                                                                \
    {                                                                                  \
        fault, ms, NULL, 0                                                             \
    }
#define SAY(answer)                                                                    \
    {                                                                                  \
        PROXY_ANSWER, 0, answer, sizeof answer - 1                                     \
    }

typedef enum verb { GET, GET_MANY, SET, INCR, TOUCH, SCAN } verb;

static bool ignore(const char *key, void *ctx)
{
    (void)key;
    (void)ctx;
    return true;
}

static keel_status get_both(const keel_bag_options *options)
{
    static const char *const keys[] = { "n", "m" };
    keel_bag_item items[] = { { .size = sizeof items[0] },
                              { .size = sizeof items[0] } };
    keel_status statuses[2];

    return keel_bag_get_many(bag, keys, items, statuses, 2, options, &why);
}

/* Within so many milliseconds. */
static keel_status act(verb what, uint64_t ms)
{
    const keel_bag_options options = within(ms);
    keel_bag_cursor cursor = { .length = 0 };

    item = (keel_bag_item){ .size = sizeof item };
    switch (what) {
    case GET:
        return keel_bag_get(bag, "n", &item, &options, &why);
    case GET_MANY:
        return get_both(&options);
    case SET:
        return keel_bag_set(bag, "n", "1", 1, &options, &why);
    case INCR:
        return keel_bag_incr(bag, "n", 1, NULL, &options, &why);
    case TOUCH:
        return keel_bag_touch(bag, "n", &options, &why);
    case SCAN:
        break;
    }
    return keel_bag_scan(bag, &cursor, ignore, NULL, &options, &why);
}

#endif
