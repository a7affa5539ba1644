/* SPDX-License-Identifier: MIT */
/* keel_http in a libuv loop. */
#include <keel/adapters/libuv.h>

#define LOOP_NAME "client_libuv"
#include "loops.h"

static keel_uv *adapter;
static uv_loop_t loop;

static keel_http **loop_open(keel_runtime *runtime)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(keel_uv_open(&adapter, runtime, &loop, NULL, NULL), KEEL_OK);
    return &adapter->client;
}

static void loop_step(void)
{
    uv_run(&loop, UV_RUN_ONCE);
}

static void loop_leave(void)
{
    keel_uv_close(adapter);
    adapter = NULL;
}

/* With a handle left behind the loop would not be closed. */
static void loop_close(void)
{
    keel_uv_close(adapter);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* What libuv itself needs is given by the program. */
static const char *loop_open_without(keel_runtime *runtime, int n, keel_detail *why)
{
    if (n)
        return NULL;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    own.memory.fail_at = atomic_load(&own.memory.calls) + 1;
    ck_assert_int_eq(keel_uv_open(&adapter, runtime, &loop, NULL, why), KEEL_E_NOMEM);
    own.memory.fail_at = 0;
    loop_close();
    return "http: out of memory";
}
