/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a bag's spec: no crash when it is checked, which opens nothing; what is
 * opened is described, and its description opens as the same again. Only stores are
 * opened that touch neither files nor the network for it.
 */
#include <stdlib.h>
#include <string.h>

#include "bag/check.h"
#include "bag/spec.h"
#include "bag/url.h"
#include "call/runtime.h"

#include <keel/keel.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_SIZE = 4096 };

static keel_spec spec;

static bool is_harmless_store(const keel_spec_node *node)
{
    static const char *const names[] = { "memory", "http", "memcached", "redis",
                                         "redis+cluster" };
    keel_text before, after;

    if (keel_text_split(node->url, "_file", &before, &after)) /* a secret */
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (keel_text_is(node->name, names[i]))
            return true;
    return false;
}

static bool is_harmless(void)
{
    for (size_t i = 0; i < spec.node_count; i++)
        if (spec.nodes[i].kind == KEEL_SPEC_STORE && !is_harmless_store(&spec.nodes[i]))
            return false;
    for (size_t i = 0; i < spec.option_count; i++)
        if (keel_text_is(spec.options[i].key, "journal")) /* a file */
            return false;
    return true;
}

static void read_urls(void)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag_url url;

    for (size_t i = 0; i < spec.node_count; i++)
        if (spec.nodes[i].kind == KEEL_SPEC_STORE &&
            keel_bag_url_read(&url, NULL, spec.nodes[i].url, &why) == KEEL_OK)
            keel_bag_url_cleanup(&url);
}

static void open_twice(keel_runtime *runtime, const char *text)
{
    char shown[TEXT_SIZE], again[TEXT_SIZE];
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag *bag;

    if (keel_bag_open(&bag, runtime, "fuzz", text, &why) != KEEL_OK)
        return;
    if (keel_bag_describe(bag, shown, sizeof shown) >= sizeof shown) {
        keel_bag_close(bag);
        return;
    }
    keel_bag_close(bag);
    if (keel_bag_open(&bag, runtime, "fuzz", shown, &why) != KEEL_OK)
        __builtin_trap();
    keel_bag_describe(bag, again, sizeof again);
    if (strcmp(shown, again) != 0)
        __builtin_trap();
    keel_bag_close(bag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static keel_runtime *runtime;
    static const char *const environment[] = { "KEEL_BAG_A=memory://", NULL };
    const keel_options options = { .size = sizeof options, .environment = environment };
    keel_detail why = KEEL_DETAIL_INIT;
    char text[TEXT_SIZE / 4];

    if (!runtime && keel_open(&runtime, &options, &why) != KEEL_OK)
        abort();
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (keel_spec_read(&spec, text, &why) != KEEL_OK)
        return 0;
    read_urls();
    if (keel_bag_check(runtime->config, runtime->memory, "fuzz", text, &why) != KEEL_OK)
        __builtin_trap();
    if (is_harmless())
        open_twice(runtime, text);
    return 0;
}
