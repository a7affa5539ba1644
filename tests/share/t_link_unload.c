/* SPDX-License-Identifier: MIT */
/*
 * The library is closed and unloaded while the system still looks up the host of
 * KEEL_REDIS, which nobody can end. This program is not linked with keel and knows it
 * only by name; the look-up is its own.
 */
#include <dlfcn.h>
#include <netdb.h>

#include <keel/keel.h>

#include "support/allocator.h"
#include "support/latch.h"
#include "support/suite.h"

#define PATIENCE_NS 1000000000

static latch hangs = LATCH_INIT, may_go_on = LATCH_INIT, came_back = LATCH_INIT;

/* Seen by the library, too: in the place of the system's. */
#define INSTEAD __attribute__((visibility("default")))

INSTEAD int getaddrinfo(const char *host, const char *service,
                        const struct addrinfo *hints, struct addrinfo **found)
{
    static struct addrinfo one;

    (void)host;
    (void)service;
    *found = NULL;
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    latch_hit(&hangs);
    latch_await(&may_go_on, 1);
    *found = &one;
    return 0;
}

/* keel's, who asked for it and has gone since. */
INSTEAD void freeaddrinfo(struct addrinfo *found)
{
    (void)found;
    latch_hit(&came_back);
}

static void *library;
static failing_allocator memory;

/* A data pointer that holds a function's address, as POSIX has it. */
static void find(void *function, const char *name)
{
    *(void **)function = dlsym(library, name);
    ck_assert_msg(*(void **)function != NULL, "%s", name);
}

/* Opens, closes and unloads while its host is looked up. */
static void use_and_unload(void)
{
    static const char *const environment[] = { "KEEL_REDIS=redis://hanging:6379",
                                               NULL };
    const keel_options options = { .size = sizeof options,
                                   .allocator = &memory.allocator,
                                   .environment = environment };
    __typeof__(keel_open) *open_runtime;
    __typeof__(keel_close) *close_runtime;
    __typeof__(keel_pipeline_open) *open_pipeline;
    __typeof__(keel_pipeline_close) *close_pipeline;
    keel_pipeline *pipeline;
    keel_runtime *rt;

    library = dlopen(".libs/libkeel.so", RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(library != NULL, "%s", dlerror());
    find(&open_runtime, "keel_open");
    find(&close_runtime, "keel_close");
    find(&open_pipeline, "keel_pipeline_open");
    find(&close_pipeline, "keel_pipeline_close");
    ck_assert_int_eq(open_runtime(&rt, &options, NULL), KEEL_OK);
    ck_assert_int_eq(open_pipeline(&pipeline, rt, "payments", "none", NULL), KEEL_OK);
    latch_await(&hangs, 1);
    close_pipeline(pipeline);
    ck_assert_int_eq(close_runtime(rt, PATIENCE_NS), KEEL_OK);
    ck_assert_int_eq(dlclose(library), 0);
}

START_TEST(a_look_up_that_hangs_outlives_the_runtime_its_memory_and_the_library)
{
    failing_allocator_init(&memory, 0);
    use_and_unload();
    /* the author may take his memory away now */
    ck_assert_int_eq(memory.live, 0);
    latch_hit(&may_go_on);
    latch_await(&came_back, 1);
    ck_assert_ptr_nonnull(dlopen(".libs/libkeel.so", RTLD_NOW | RTLD_NOLOAD));
}
END_TEST

SUITE("link_unload", 30,
      ONE(a_look_up_that_hangs_outlives_the_runtime_its_memory_and_the_library))
