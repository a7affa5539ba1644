/* SPDX-License-Identifier: MIT */
/* The smallest program: one call under a pipeline, and what came of it. */
#include <keel/keel.h>
#include <stdio.h>

int main(void)
{
    keel_runtime *rt;
    keel_pipeline *greeter;
    keel_call call;
    keel_status status;

    if (keel_open(&rt, NULL, NULL) != KEEL_OK)
        return 1;
    status = keel_pipeline_open(&greeter, rt, "greeter", "timeout=800ms", NULL);
    if (status == KEEL_OK) {
        keel_call_begin(&call, greeter, NULL);
        while (keel_call_next(&call))
            keel_call_report(&call, puts("hello") < 0 ? KEEL_FAILED : KEEL_OK);
        status = keel_call_end(&call, NULL);
        keel_pipeline_close(greeter);
    }
    keel_close(rt, 0);
    return status == KEEL_OK ? 0 : 1;
}
