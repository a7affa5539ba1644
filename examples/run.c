/* SPDX-License-Identifier: MIT */
/*
 * keel_run: the loop around a callback, with retries and a fallback. The dependency
 * here is a function that fails as often as it is told to.
 */
#include <keel/keel.h>
#include <stdio.h>

typedef struct price {
    int failures_left;
    double value;
} price;

/* One attempt; it must be done within attempt->timeout_ns. */
static keel_status fetch(const keel_attempt *attempt, keel_outcome *outcome, void *ctx)
{
    price *p = ctx;

    if (p->failures_left > 0) {
        p->failures_left--;
        outcome->applied = KEEL_APPLIED_NO;
        return KEEL_FAILED;
    }
    p->value = 9.90;
    printf("attempt %u answered\n", (unsigned)attempt->number);
    return KEEL_OK;
}

/* Stands in when the call was refused or failed. */
static keel_status last_known(const keel_detail *detail, void *ctx)
{
    price *p = ctx;

    printf("last known price, because: %s\n", detail->text);
    p->value = 9.50;
    return KEEL_OK;
}

static int ask(keel_pipeline *prices, int failures)
{
    price p = { .failures_left = failures };
    keel_call_options call = { .size = sizeof call,
                               .idempotent = true,
                               .fallback = last_known,
                               .fallback_ctx = &p };
    keel_run_options options = { .size = sizeof options, .call = &call };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status = keel_run(prices, fetch, &p, &options, &why);

    printf("%s after %u attempts, price %.2f\n", keel_status_name(status),
           (unsigned)why.attempts, p.value);
    return status == KEEL_OK ? 0 : 1;
}

int main(void)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_runtime *rt;
    keel_pipeline *prices;
    int rc;

    if (keel_open(&rt, NULL, &why) != KEEL_OK) {
        fprintf(stderr, "keel: %s\n", why.text);
        return 1;
    }
    if (keel_pipeline_open(&prices, rt, "prices", "retry.backoff=10ms..50ms", &why) !=
        KEEL_OK) {
        fprintf(stderr, "prices: %s\n", why.text);
        keel_close(rt, 0);
        return 1;
    }
    rc = ask(prices, 2) | ask(prices, 100);
    keel_pipeline_close(prices);
    return keel_close(rt, 0) == KEEL_OK ? rc : 1;
}
