/* SPDX-License-Identifier: MIT */
/*
 * Settings that are sound one by one and make no sense together. Only what somebody
 * named is told of: nobody can act on a doubt about our own defaults.
 */
#include "settings/resolve.h"

#include <string.h>

#include "base/clock.h"
#include "settings/address.h"
#include "settings/endpoint_list.h"

static bool is_named(const keel_layers *layers, keel_key_id id)
{
    return layers->slots[id].place.layer > KEEL_LAYER_PRESET;
}

static const char *write_length(char to[32], uint64_t ns)
{
    keel_write_duration(to, 32, ns);
    return to;
}

static uint64_t times(double multiplier, uint64_t ns, uint64_t cap)
{
    double longer = (double)ns * multiplier;

    return longer < (double)cap ? (uint64_t)longer : cap;
}

/*
 * When each attempt times out and no jitter shortens a wait: when the last one ends,
 * and the first that would begin at the deadline or beyond (0: none). Stops at the
 * deadline, since a million attempts are a legal setting.
 */
static uint64_t worst_case(const keel_policy *policy, uint32_t *never)
{
    uint64_t at = 0, wait = policy->backoff.base_ns;

    *never = 0;
    for (uint32_t attempt = 1; attempt <= policy->retry_attempts; attempt++) {
        if (at >= policy->deadline_ns) {
            *never = attempt;
            return at;
        }
        at = keel_ns_add(at, policy->timeout_ns);
        if (attempt == policy->retry_attempts)
            break;
        at = keel_ns_add(at, wait);
        wait = times(policy->backoff.multiplier, wait, policy->backoff.cap_ns);
    }
    return at;
}

static bool names_the_sum(const keel_layers *layers)
{
    return is_named(layers, KEEL_KEY_DEADLINE) || is_named(layers, KEEL_KEY_TIMEOUT) ||
           is_named(layers, KEEL_KEY_RETRY_ATTEMPTS) ||
           is_named(layers, KEEL_KEY_RETRY_BACKOFF) ||
           is_named(layers, KEEL_KEY_RETRY_MULTIPLIER);
}

static void lint_attempts(const keel_layers *layers, const keel_policy *policy,
                          keel_report *report)
{
    char timeout[32], deadline[32];
    uint32_t never;
    uint64_t end;

    if (!policy->retry || !policy->deadline_ns || !policy->timeout_ns ||
        !names_the_sum(layers))
        return;
    end = worst_case(policy, &never);
    if (!never && end <= policy->deadline_ns)
        return;
    write_length(timeout, policy->timeout_ns);
    write_length(deadline, policy->deadline_ns);
    if (never)
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "%u attempts x %s + back-off > deadline %s: attempt %u can "
                         "never start when those before it time out",
                         policy->retry_attempts, timeout, deadline, never);
    else
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "%u attempts x %s + back-off > deadline %s: attempt %u is "
                         "cut short when those before it time out",
                         policy->retry_attempts, timeout, deadline,
                         policy->retry_attempts);
}

static void lint_timeout(const keel_layers *layers, const keel_policy *policy,
                         keel_report *report)
{
    char timeout[32], deadline[32];

    if (!policy->deadline_ns || policy->timeout_ns <= policy->deadline_ns ||
        !(is_named(layers, KEEL_KEY_DEADLINE) || is_named(layers, KEEL_KEY_TIMEOUT)))
        return;
    keel_report_lint(report, (keel_spot){ NULL, 0 },
                     "timeout %s is longer than the deadline %s",
                     write_length(timeout, policy->timeout_ns),
                     write_length(deadline, policy->deadline_ns));
}

/* Retry waits for an open breaker only if it will be tried again within the deadline.
 */
static void lint_open(const keel_layers *layers, const keel_policy *policy,
                      keel_report *report)
{
    char open[32], deadline[32];

    if (!policy->breaker || !policy->retry || !policy->deadline_ns ||
        policy->open_first_ns <= policy->deadline_ns ||
        !is_named(layers, KEEL_KEY_BREAKER_OPEN))
        return;
    keel_report_lint(report, (keel_spot){ NULL, 0 },
                     "breaker.open %s is longer than the deadline %s: no retry can "
                     "wait for it",
                     write_length(open, policy->open_first_ns),
                     write_length(deadline, policy->deadline_ns));
}

static void lint_bulkhead(const keel_policy *policy, keel_report *report)
{
    char wait[32], deadline[32];

    if (!policy->bulkhead)
        return;
    if (policy->bulkhead_queue && !policy->bulkhead_wait_ns)
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "bulkhead.queue=%u with bulkhead.wait=0: nobody waits",
                         policy->bulkhead_queue);
    if (policy->bulkhead_wait_ns && !policy->bulkhead_queue)
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "bulkhead.wait without bulkhead.queue: nobody waits");
    if (policy->deadline_ns && policy->bulkhead_wait_ns > policy->deadline_ns)
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "bulkhead.wait %s is longer than the deadline %s",
                         write_length(wait, policy->bulkhead_wait_ns),
                         write_length(deadline, policy->deadline_ns));
}

/* The adaptive limit and the bulkhead bound the same attempts: the smaller one holds. */
static void lint_adaptive(const keel_layers *layers, const keel_policy *policy,
                          keel_report *report)
{
    if (!policy->adaptive)
        return;
    if (policy->bulkhead && policy->adaptive_min > policy->bulkhead)
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "adaptive.limit begins at %u and bulkhead=%u: the limit never "
                         "adapts",
                         policy->adaptive_min, policy->bulkhead);
    else if (policy->bulkhead && policy->adaptive_max > policy->bulkhead &&
             is_named(layers, KEEL_KEY_ADAPTIVE_LIMIT))
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "adaptive.limit up to %u is more than bulkhead=%u: what lies "
                         "above is never used",
                         policy->adaptive_max, policy->bulkhead);
    if (is_named(layers, KEEL_KEY_ADAPTIVE_INITIAL) &&
        layers->slots[KEEL_KEY_ADAPTIVE_INITIAL].value.first !=
            policy->adaptive_initial)
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "adaptive.initial is not within adaptive.limit; it begins "
                         "with %u",
                         policy->adaptive_initial);
    if (policy->adaptive == KEEL_ALGORITHM_AIMD && !policy->timeout_ns &&
        !policy->deadline_ns)
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "adaptive=aimd with neither timeout nor deadline: only an "
                         "answer of more than 5s, or throttled, lowers the limit");
}

/* Before all traffic is back, nobody knows whether it is borne. */
static void lint_ramp_up(const keel_policy *policy, keel_report *report)
{
    char ramp[32], stable[32];

    if (!policy->breaker || policy->ramp_up_ns <= policy->stable_ns)
        return;
    keel_report_lint(report, (keel_spot){ NULL, 0 },
                     "breaker.ramp_up %s is longer than breaker.stable %s: opens in a "
                     "row are forgotten before all traffic is back",
                     write_length(ramp, policy->ramp_up_ns),
                     write_length(stable, policy->stable_ns));
}

static void lint_hedge(const keel_policy *policy, keel_report *report)
{
    char delay[32], timeout[32];

    if (!policy->hedge || policy->hedge_quantile_ppm || !policy->timeout_ns ||
        policy->hedge_ns < policy->timeout_ns)
        return;
    keel_report_lint(report, (keel_spot){ NULL, 0 },
                     "hedge %s is no shorter than timeout %s: no copy is ever sent",
                     write_length(delay, policy->hedge_ns),
                     write_length(timeout, policy->timeout_ns));
}

static bool is_postgres(const char *target)
{
    return !strncmp(target, "postgres://", 11) || !strncmp(target, "postgresql://", 13);
}

static void lint_health(const keel_policy *policy, keel_report *report)
{
    const keel_health_policy *health = &policy->health;

    if (policy->endpoints.length)
        return;
    if (health->kind > KEEL_HEALTH_CALLBACK && !*health->target)
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "health without health.target: nothing is checked");
    if (health->kind > KEEL_HEALTH_CALLBACK && *health->target &&
        !keel_address_is_complete(health))
        keel_report_lint(report, (keel_spot){ NULL, 0 },
                         "health.target names no port: nothing is checked");
    if (health->kind == KEEL_HEALTH_SQL && is_postgres(health->target))
        keel_report_lint(
            report, (keel_spot){ NULL, 0 },
            "health=sql speaks to MySQL and MariaDB: for Postgres register "
            "a callback");
}

static bool is_in_zone(const keel_endpoint_text *entry, keel_text zone)
{
    return entry->zone.length == zone.length &&
           !memcmp(entry->zone.at, zone.at, zone.length);
}

static void lint_zone(const keel_policy *policy, const keel_endpoint_text *entries,
                      size_t count, keel_report *report)
{
    keel_text zone = policy->endpoints_zone;

    for (size_t i = 0; i < count; i++)
        if (is_in_zone(&entries[i], zone))
            return;
    keel_report_lint(report, (keel_spot){ NULL, 0 },
                     "endpoints.zone=%.*s: no endpoint is in that zone",
                     (int)zone.length, zone.at);
}

/* One endpoint is never ejected, and nobody expects it. */
static void lint_eject(const keel_layers *layers, const keel_policy *policy,
                       size_t count, keel_report *report)
{
    char share[32];

    if (!policy->eject || count < 2 || policy->eject_share_ppm * count >= KEEL_PPM ||
        !is_named(layers, KEEL_KEY_EJECT_SHARE))
        return;
    keel_write_ratio(share, sizeof share, policy->eject_share_ppm);
    keel_report_lint(
        report, (keel_spot){ NULL, 0 },
        "eject.share %s of %zu endpoints is less than one: none is ejected", share,
        count);
}

static void lint_endpoints(const keel_layers *layers, const keel_policy *policy,
                           keel_report *report)
{
    keel_endpoint_text entries[KEEL_ENDPOINTS_MAX];
    keel_endpoint_mistake mistake;
    size_t count = policy->endpoints.length
                       ? keel_endpoint_list_read(policy->endpoints, entries, &mistake)
                       : 0;

    if (!count)
        return;
    if (policy->endpoints_zone.length)
        lint_zone(policy, entries, count, report);
    lint_eject(layers, policy, count, report);
}

void keel_lint(const keel_layers *layers, const keel_policy *policy,
               keel_report *report)
{
    lint_timeout(layers, policy, report);
    lint_attempts(layers, policy, report);
    lint_open(layers, policy, report);
    lint_bulkhead(policy, report);
    lint_adaptive(layers, policy, report);
    lint_ramp_up(policy, report);
    lint_hedge(policy, report);
    lint_health(policy, report);
    lint_endpoints(layers, policy, report);
}
