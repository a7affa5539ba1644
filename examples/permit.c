/* SPDX-License-Identifier: MIT */
/*
 * Permits alone, for code that has its own loop, retries and timeouts and wants only to
 * know whether a call may be made now. The dependency here is down.
 */
#include <keel/keel.h>
#include <stdio.h>

static int query(void)
{
    return -1;
}

/* Returns false once the breaker refuses. */
static bool ask(keel_pipeline *db)
{
    uint64_t retry_after_ns;
    keel_permit permit;
    keel_status status = keel_permit_take(db, &permit, &retry_after_ns);

    if (status != KEEL_OK) {
        printf("%s; come back in %.1f s\n", keel_status_text(status),
               (double)retry_after_ns / 1e9);
        return false;
    }
    status = query() == 0 ? KEEL_OK : KEEL_FAILED;
    keel_permit_end(&permit, status);
    puts(keel_status_text(status));
    return true;
}

int main(void)
{
    keel_pipeline_stats stats = { .size = sizeof stats };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_runtime *rt;
    keel_pipeline *db;

    if (keel_open(&rt, NULL, &why) != KEEL_OK) {
        fprintf(stderr, "keel: %s\n", why.text);
        return 1;
    }
    if (keel_pipeline_open(&db, rt, "db", "breaker.consecutive=3", &why) != KEEL_OK) {
        fprintf(stderr, "db: %s\n", why.text);
        keel_close(rt, 0);
        return 1;
    }
    for (int i = 0; i < 10 && ask(db); i++)
        ;
    if (keel_pipeline_look(db, &stats) == KEEL_OK)
        printf("the breaker is %s\n", keel_breaker_state_name(stats.state));
    keel_pipeline_close(db);
    return keel_close(rt, 0) == KEEL_OK && stats.state == KEEL_BREAKER_OPEN ? 0 : 1;
}
