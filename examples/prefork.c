/* SPDX-License-Identifier: MIT */
/*
 * A prefork server in little: workers that share one breaker by a file which all of them
 * map. The dependency here is down; together they find out with eight calls, where each
 * of them by itself would need eight.
 */
#define _XOPEN_SOURCE 700
#include <keel/keel.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 8 };

static int charge(void)
{
    return -1;
}

/* Serves until the breaker refuses; says how many calls it took. */
static int work(keel_pipeline *payments)
{
    int calls = 0;
    keel_call call;
    keel_status status = KEEL_FAILED;

    while (status == KEEL_FAILED) {
        keel_call_begin(&call, payments, NULL);
        while (keel_call_next(&call)) {
            calls++;
            keel_call_report(&call, charge() == 0 ? KEEL_OK : KEEL_FAILED);
        }
        status = keel_call_end(&call, NULL);
    }
    return calls;
}

/* Opened before fork: each worker takes what must be its own with its first call. */
static int serve(keel_pipeline *payments)
{
    int calls = 0, status;

    for (int i = 0; i < WORKERS; i++)
        if (fork() == 0)
            _exit(work(payments));
    while (wait(&status) > 0)
        calls += WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    return calls;
}

int main(void)
{
    char directory[] = "/tmp/prefork-XXXXXX", board[64];
    keel_detail why = KEEL_DETAIL_INIT;
    keel_runtime *rt;
    keel_pipeline *payments;
    int calls = 0;

    /* yours stands in the environment of the service: KEEL_BOARD=/run/shop/board */
    if (!mkdtemp(directory))
        return 1;
    snprintf(board, sizeof board, "%s/board", directory);
    setenv("KEEL_BOARD", board, 1);
    if (keel_open(&rt, NULL, &why) != KEEL_OK)
        return 1;
    if (keel_pipeline_open(&payments, rt, "payments", "breaker.min_calls=8", &why) ==
        KEEL_OK) {
        calls = serve(payments);
        keel_pipeline_close(payments);
    }
    printf("%d workers made %d calls until the breaker was open\n", WORKERS, calls);
    unlink(board);
    rmdir(directory);
    /* those that were under way when it opened may be more than eight */
    return keel_close(rt, 0) == KEEL_OK && calls >= 8 && calls < 2 * WORKERS ? 0 : 1;
}
