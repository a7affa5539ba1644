/* SPDX-License-Identifier: MIT */
/*
 * Sessions in Redis. While it is away, those that are known are read from the cache, and
 * logins go into files, from where they are carried back, after a restart by the journal,
 * too. A login that fails says whether it was stored all the same. KEEL_BAG_SESSIONS
 * decides otherwise, and nothing here changes: on a laptop, memory:// will do.
 */
#include <keel/keel.h>
#include <stdio.h>
#include <string.h>

static const char spec[] =
    "cache{ttl=1s; stale=10m; on_write=write_through}(memory://?max=64MiB,"
    "  failover{knows=given; journal=/var/tmp/keel-sessions.journal}("
    "    primary=resilient{timeout=100ms; breaker.consecutive=5}(redis://127.0.0.1),"
    "    standby=file:///var/tmp/keel-sessions))";

static keel_status log_in(keel_bag *sessions, const char *id, const char *user)
{
    uint32_t marks = 0;
    const keel_bag_options options = { .size = sizeof options,
                                       .ttl = keel_ttl_for_ms(30 * 60 * 1000),
                                       .marks = &marks };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status = keel_bag_set(sessions, id, user, strlen(user), &options, &why);

    if (status == KEEL_OK)
        printf("%s is logged in%s\n", user,
               marks & KEEL_BAG_FROM_STANDBY ? ", by the standby" : "");
    else
        fprintf(stderr, "%s is %s logged in: %s\n", user,
                why.applied == KEEL_APPLIED_NO ? "not" : "perhaps", why.text);
    return status;
}

static keel_status greet(keel_bag *sessions, const char *id)
{
    char user[64];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = user,
                           .capacity = sizeof user };
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status = keel_bag_get(sessions, id, &item, NULL, &why);

    if (status == KEEL_OK)
        printf("hello %.*s%s\n", (int)item.length, user,
               item.marks & KEEL_BAG_STALE ? ", as far as I remember" : "");
    else if (status == KEEL_NOT_FOUND)
        printf("please log in\n");
    else /* no reason to log anybody out */
        fprintf(stderr, "please come back soon: %s\n", why.text);
    return status;
}

int main(void)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_runtime *rt;
    keel_bag *sessions;
    keel_status status;

    if (keel_open(&rt, NULL, NULL) != KEEL_OK)
        return 1;
    status = keel_bag_open(&sessions, rt, "sessions", spec, &why);
    if (status == KEEL_OK) {
        status = log_in(sessions, "session:17", "ada");
        if (status == KEEL_OK)
            status = greet(sessions, "session:17");
        keel_bag_close(sessions);
    } else {
        fprintf(stderr, "sessions: %s\n", why.text);
    }
    keel_close(rt, 0);
    return status == KEEL_OK ? 0 : 1;
}
