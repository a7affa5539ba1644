/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a list of endpoints: no crash; what is read lies within the text and within
 * the ranges that endpoint sets build on, and what is wrong is told with a place in it.
 */
#include <string.h>

#include "settings/endpoint_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void expect_inside(keel_text whole, keel_text part, size_t most)
{
    expect(part.length <= most);
    expect(!part.length ||
           (part.at >= whole.at && part.at + part.length <= whole.at + whole.length));
    for (size_t i = 0; i < part.length; i++)
        expect(part.at[i] > ' ' && part.at[i] < 0x7f);
}

static void expect_entry(keel_text text, const keel_endpoint_text *entry)
{
    expect(entry->url.length && entry->name.length);
    expect_inside(text, entry->url, KEEL_ENDPOINT_URL_MAX);
    expect_inside(text, entry->name, KEEL_ENDPOINT_NAME_MAX);
    expect_inside(text, entry->zone, KEEL_ENDPOINT_ZONE_MAX);
    expect(entry->tier <= KEEL_ENDPOINT_TIER_MAX);
    expect(entry->weight >= 1 && entry->weight <= KEEL_ENDPOINT_WEIGHT_MAX);
}

static void expect_apart(const keel_endpoint_text *a, const keel_endpoint_text *b)
{
    expect(a->name.length != b->name.length ||
           memcmp(a->name.at, b->name.at, a->name.length) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keel_text text = { (const char *)data, size };
    keel_endpoint_text entries[KEEL_ENDPOINTS_MAX];
    keel_endpoint_mistake mistake = { .why = NULL };
    size_t count = keel_endpoint_list_read(text, entries, &mistake);

    if (!count) {
        expect(mistake.why && mistake.offset <= size && mistake.entry >= 1 &&
               mistake.entry <= KEEL_ENDPOINTS_MAX + 1);
        return 0;
    }
    expect(count <= KEEL_ENDPOINTS_MAX);
    for (size_t i = 0; i < count; i++) {
        expect_entry(text, &entries[i]);
        for (size_t other = 0; other < i; other++)
            expect_apart(&entries[i], &entries[other]);
    }
    return 0;
}
