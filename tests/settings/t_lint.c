/* SPDX-License-Identifier: MIT */
/* Settings that are sound one by one and make no sense together. */

#include "support/settled.h"
#include "support/suite.h"

static const struct {
    const char *why;
    const char *code;
    const char *words; /* NULL: nothing to say */
} rows[] = {
    { "endpoints, one of them in the own zone",
      "endpoints=a:1 zone=x, b:1 zone=y; endpoints.zone=y", NULL },
    { "a zone without endpoints", "endpoints=a:1 zone=x, b:1; endpoints.zone=z",
      "endpoints.zone=z: no endpoint is in that zone" },
    { "less than one endpoint may be ejected",
      "endpoints=a:1, b:1, c:1; eject.share=33%",
      "eject.share 33% of 3 endpoints is less than one: none is ejected" },
    { "just one may", "endpoints=a:1, b:1, c:1; eject.share=33.3334%", NULL },
    { "a single one is never ejected", "endpoints=a:1; eject.share=10%", NULL },
    { "our own defaults", "", NULL },
    { "our own presets", "careful", NULL },
    { "patient cannot use all of its attempts; nobody asked for them", "patient",
      NULL },
    { "a timeout alone", "timeout=800ms", NULL },
    { "everything fits", "timeout=500ms; deadline=2s; retry.attempts=3", NULL },
    { "the last is cut short", "timeout=800ms; deadline=2s; retry.attempts=3",
      "3 attempts x 800ms + back-off > deadline 2s: attempt 3 is cut short" },
    { "the third cannot start", "timeout=1s; deadline=2s; retry.attempts=3",
      "attempt 3 can never start" },
    { "the deadline itself is too late",
      "timeout=1s; deadline=2s; retry.attempts=3; retry.backoff=0",
      "attempt 3 can never start" },
    { "the first of many that cannot",
      "timeout=1s; deadline=2s; retry.attempts=1000000", "attempt 3 can never start" },
    { "waits count: 1 + 1 + 1 + 2 = 5",
      "timeout=1s; deadline=4s; retry.attempts=3; retry.backoff=1s..9s",
      "attempt 3 can never start" },
    { "to the deadline, not beyond it",
      "timeout=1s; deadline=5s; retry.attempts=3; retry.backoff=1s; retry.jitter=none",
      NULL },
    { "without retry there is no sum", "none; timeout=1s; deadline=2s", NULL },
    { "a timeout beyond the deadline", "timeout=5s; deadline=2s",
      "payments: timeout 5s is longer than the deadline 2s" },
    { "retry cannot wait that long", "deadline=7s; breaker.open=10s",
      "breaker.open 10s is longer than the deadline 7s" },
    { "nobody named the open time", "deadline=4s; timeout=1s; retry.attempts=2", NULL },
    { "without retry nobody waits for it", "none; deadline=7s; breaker.open=10s",
      NULL },
    { "a queue nobody may wait in", "bulkhead.queue=5",
      "bulkhead.queue=5 with bulkhead.wait=0" },
    { "a wait without a queue", "bulkhead.wait=1s",
      "bulkhead.wait without bulkhead.queue" },
    { "both", "bulkhead.queue=5; bulkhead.wait=1s", NULL },
    { "a wait beyond the deadline", "bulkhead.queue=5; bulkhead.wait=11s",
      "bulkhead.wait 11s is longer than the deadline 10s" },
    { "a copy that comes too late", "hedge=2s; timeout=2s",
      "hedge 2s is no shorter than timeout 2s: no copy is ever sent" },
    { "in time", "hedge=1999ms; timeout=2s", NULL },
    { "when is not known", "hedge=p95@3s; timeout=2s", NULL },
    { "a check of nothing", "health=tcp", "health without health.target" },
    { "its endpoints are looked at", "health=tcp; endpoints=a:1, b:2", NULL },
    { "no port to connect to", "health=tcp; health.target=db.local",
      "health.target names no port" },
    { "the check's own will do", "health=redis; health.target=db.local", NULL },
    { "MySQL's own too", "health=sql; health.target=db.local", NULL },
    { "what speaks to others", "health=sql; health.target=postgresql://db.local:5432",
      "health=sql speaks to MySQL and MariaDB: for Postgres register a callback" },
    { "a socket needs none", "health=tcp; health.target=/run/db.sock", NULL },
    { "a key twice", "timeout=1s; timeout=1500ms",
      "code col 13: timeout stands here a second time" },
    { "a key and its fence are two things", "timeout=1s; timeout<=2s", NULL },
    { "off and on in one text", "breaker=off; breaker.open=6s",
      "breaker is turned off here, and on again by breaker.open" },
    { "none and then a key is what none is for", "none; breaker.open=6s", NULL },
    { "a burst of no rate", "rate.burst=5", "rate.burst has no effect without rate" },
    { "a limit that a bulkhead cuts", "adaptive.limit=4..100",
      "adaptive.limit up to 100 is more than bulkhead=64" },
    { "nobody named the limit", "adaptive=vegas", NULL },
    { "with a bulkhead as large", "adaptive.limit=4..100; bulkhead=100", NULL },
    { "with none", "adaptive.limit=4..100; bulkhead=off", NULL },
    { "a limit that is all above the bulkhead", "adaptive=aimd; bulkhead=3",
      "adaptive.limit begins at 4 and bulkhead=3" },
    { "a beginning out of bounds", "adaptive.limit=20..40; adaptive.initial=10",
      "it begins with 20" },
    { "nobody named the beginning", "adaptive.limit=20..40", NULL },
    { "aimd that nothing lowers", "none; adaptive=aimd", "lowers the limit" },
    { "a ramp that outlasts the memory", "breaker.ramp_up=11s",
      "breaker.ramp_up 11s is longer than breaker.stable 10s" },
    { "and one that does not", "breaker.ramp_up=30s; breaker.stable=30s", NULL },
    { "chaos that hits nobody", "chaos.fail=hang",
      "chaos.fail has no effect without chaos.rate" },
};

START_TEST(a_doubt_is_told_and_is_never_an_error)
{
    settled s;

    settle(&s, ENV("KEEL_STRICT=on", "KEEL_CHAOS=allow"), rows[_i].code);
    ck_assert_int_eq(s.status, KEEL_OK);
    if (rows[_i].words)
        ck_assert_msg(settled_warned(&s, rows[_i].words), "%s", rows[_i].why);
    else
        ck_assert_msg(settled_warnings(&s) == 0, "%s", rows[_i].why);
    settled_cleanup(&s);
}
END_TEST

SUITE("lint", 10, ROWS(a_doubt_is_told_and_is_never_an_error, rows))
