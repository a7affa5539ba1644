/* SPDX-License-Identifier: MIT */
/*
 * A service's own defaults: one line a dependency, fences that nobody may pass, and a
 * look at what the operator got wrong. Try it with
 *     KEEL_PAYMENTS='timeout=30s; retry.atempts=5' KEEL_PAYMENT=patient
 */
#include <keel/keel.h>
#include <stdio.h>

static const struct {
    const char *name;
    const char *settings;
} dependencies[] = {
    /* writes: few retries; whatever an operator sets, a user waits 3 s at most */
    { "payments", "careful; deadline=2s; timeout=800ms; deadline<=3s" },
    /* reads that may queue for a moment */
    { "catalog", "timeout=300ms; bulkhead=32; bulkhead.queue=64; bulkhead.wait=100ms" },
    /* their quota is 50 a second */
    { "mail", "patient; rate=50/s; rate.wait=2s" },
};

enum { DEPENDENCIES = sizeof dependencies / sizeof dependencies[0] };

static bool open_all(keel_runtime *rt, keel_pipeline *pipelines[DEPENDENCIES])
{
    keel_detail why = KEEL_DETAIL_INIT;

    for (int i = 0; i < DEPENDENCIES; i++) {
        if (keel_pipeline_open(&pipelines[i], rt, dependencies[i].name,
                               dependencies[i].settings, &why) != KEEL_OK) {
            fprintf(stderr, "%s: %s\n", dependencies[i].name, why.text);
            return false;
        }
    }
    /* all names are known now: a variable for none of them is a typing mistake */
    if (keel_runtime_verify(rt, &why) != KEEL_OK) {
        fprintf(stderr, "%s\n", why.text);
        return false;
    }
    return true;
}

int main(void)
{
    keel_pipeline *pipelines[DEPENDENCIES] = { NULL };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_runtime *rt;
    char warning[256];
    bool ready;

    if (keel_open(&rt, NULL, &why) != KEEL_OK) {
        fprintf(stderr, "keel: %s\n", why.text);
        return 1;
    }
    ready = open_all(rt, pipelines);
    for (size_t i = 0; keel_runtime_warning(rt, i, warning, sizeof warning); i++)
        fprintf(stderr, "warning: %s\n", warning);
    if (ready)
        printf("%d dependencies are ready\n", DEPENDENCIES);
    for (int i = 0; i < DEPENDENCIES; i++)
        keel_pipeline_close(pipelines[i]);
    return keel_close(rt, 0) == KEEL_OK && ready ? 0 : 1;
}
