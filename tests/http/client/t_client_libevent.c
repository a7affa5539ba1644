/* SPDX-License-Identifier: MIT */
/* keel_http in a libevent loop. */
#include <keel/adapters/libevent.h>

#include <stdlib.h>

#define LOOP_NAME "client_libevent"
#include "loops.h"

static keel_libevent adapter;
static struct event_base *base;

static keel_http **loop_open(keel_runtime *runtime)
{
    base = event_base_new();
    ck_assert_ptr_nonnull(base);
    ck_assert_int_eq(keel_libevent_open(&adapter, runtime, base, NULL, NULL), KEEL_OK);
    return &adapter.client;
}

static void loop_step(void)
{
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void loop_leave(void)
{
    keel_libevent_close(&adapter);
}

static void loop_close(void)
{
    keel_libevent_close(&adapter);
    ck_assert_int_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
    event_base_free(base);
}

static bool has_no_memory;

static void *take(size_t size)
{
    return has_no_memory ? NULL : malloc(size);
}

static const char *loop_open_without(keel_runtime *runtime, int n, keel_detail *why)
{
    if (n)
        return NULL;
    event_set_mem_functions(take, realloc, free);
    base = event_base_new();
    has_no_memory = true;
    ck_assert_int_eq(keel_libevent_open(&adapter, runtime, base, NULL, why),
                     KEEL_E_NOMEM);
    event_base_free(base);
    return "libevent: out of memory";
}
