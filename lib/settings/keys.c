/* SPDX-License-Identifier: MIT */
/* The table of settings and presets, and looking things up in it. */
#include "settings/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "settings/endpoint_list.h"
#include "settings/policy.h"

/* A century and a bit: sums of a few such lengths still fit 64 bits. */
#define LONGEST (1000000 * KEEL_HOUR)

/* in the order of keel_header_form */
static const char *const header_forms[] = { "off", "keel", "grpc", "envoy", NULL };
static const char *const after_waits[] = { "open", "closed", NULL };
/* in the order of keel_algorithm, less its first */
static const char *const algorithms[] = { "aimd", "vegas", "gradient2", NULL };
static const char *const orders[] = { "fifo", "lifo", NULL };
/* in the order of keel_scope, both */
static const char *const scopes[] = { "process", "host", "fleet", NULL };
static const char *const shares[] = { "off", "host", "fleet", NULL };
static const char *const trips[] = { "window", "any", NULL };
/* in the order of keel_endpoints_by */
static const char *const choices[] = { "least_loaded", "round_robin", "sticky", NULL };
static const char *const outcomes[] = { "ok",           "fail", "throttled", "ignored",
                                        "client_error", "hang", NULL };

const keel_key keel_keys[KEEL_KEYS] = {
    { .id = KEEL_KEY_DEADLINE,
      .name = "deadline",
      .group = KEEL_GROUP_DEADLINE,
      .type = KEEL_TYPE_DURATION,
      .min = 1,
      .max = LONGEST,
      .can_off = true,
      .standard = "10s",
      .meaning = "How long a whole call may take, with its waits, back-off and all "
                 "attempts." },
    { .id = KEEL_KEY_DEADLINE_INFEASIBLE,
      .name = "deadline.infeasible",
      .group = KEEL_GROUP_DEADLINE,
      .type = KEEL_TYPE_QUANTILE,
      .min = 10000,
      .max = 999999,
      .can_off = true,
      .standard = "off",
      .meaning = "A call with less time left than this quantile of recent answers took "
                 "is refused at once, all but one in twenty." },
    { .id = KEEL_KEY_DEADLINE_HEADER,
      .name = "deadline.header",
      .group = KEEL_GROUP_DEADLINE,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 3,
      .standard = "off",
      .words = header_forms,
      .meaning = "Whose headers carry the time left and the attempt number to the "
                 "dependency." },
    { .id = KEEL_KEY_DEADLINE_ALLOWANCE,
      .name = "deadline.allowance",
      .group = KEEL_GROUP_DEADLINE,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = KEEL_MINUTE,
      .standard = "5ms",
      .meaning =
          "What the header says less than is left, for the way there and back." },
    { .id = KEEL_KEY_TIMEOUT,
      .name = "timeout",
      .group = KEEL_GROUP_TIMEOUT,
      .type = KEEL_TYPE_DURATION,
      .min = 1,
      .max = LONGEST,
      .can_off = true,
      .standard = "2s",
      .meaning =
          "How long one attempt may take, cut to what is left of the deadline." },
    { .id = KEEL_KEY_TIMEOUT_CONNECT,
      .name = "timeout.connect",
      .group = KEEL_GROUP_TIMEOUT,
      .type = KEEL_TYPE_DURATION,
      .min = 1,
      .max = LONGEST,
      .standard = "",
      .computed = "1s or half the timeout, whichever is less",
      .meaning = "How long connecting may take, in calls by libcurl; below timeout." },
    { .id = KEEL_KEY_RETRY_ATTEMPTS,
      .name = "retry.attempts",
      .group = KEEL_GROUP_RETRY,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = 1000000,
      .standard = "3",
      .meaning = "Attempts of one call in total, the first included; 1 is no retry." },
    { .id = KEEL_KEY_RETRY_BACKOFF,
      .name = "retry.backoff",
      .group = KEEL_GROUP_RETRY,
      .type = KEEL_TYPE_SPAN,
      .min = 0,
      .max = LONGEST,
      .standard = "50ms..2s",
      .meaning = "The wait before the next attempt: the first .. the longest, before "
                 "jitter; 0 is no wait." },
    { .id = KEEL_KEY_RETRY_MULTIPLIER,
      .name = "retry.multiplier",
      .group = KEEL_GROUP_RETRY,
      .type = KEEL_TYPE_DECIMAL,
      .min = 1000000,
      .max = 100000000,
      .standard = "2",
      .meaning = "How many times longer each wait is than the one before, up to the "
                 "longest." },
    { .id = KEEL_KEY_RETRY_JITTER,
      .name = "retry.jitter",
      .group = KEEL_GROUP_RETRY,
      .type = KEEL_TYPE_JITTER,
      .min = 0,
      .max = KEEL_PPM,
      .standard = "full",
      .meaning = "How chance spreads the waits, as keel-retry(7) has it; a ratio is "
                 "plus or minus that share." },
    { .id = KEEL_KEY_RETRY_THROTTLE_BACKOFF,
      .name = "retry.throttle_backoff",
      .group = KEEL_GROUP_RETRY,
      .type = KEEL_TYPE_SPAN,
      .min = 0,
      .max = LONGEST,
      .standard = "1s..5s",
      .meaning = "Takes the place of retry.backoff after an attempt for which the "
                 "dependency asked for less." },
    { .id = KEEL_KEY_RETRY_AFTER_CAP,
      .name = "retry.after_cap",
      .group = KEEL_GROUP_RETRY,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = LONGEST,
      .standard = "30s",
      .meaning = "The longest Retry-After that is waited for; a longer one, or one "
                 "beyond the deadline, ends the call and is handed to the caller." },
    { .id = KEEL_KEY_RETRY_BUDGET,
      .name = "retry.budget",
      .group = KEEL_GROUP_RETRY,
      .type = KEEL_TYPE_BUDGET,
      .min = 0,
      .max = UINT32_MAX,
      .can_off = true,
      .standard = "20%",
      .meaning = "How many extra attempts all calls may make: a share of the calls "
                 "begun in the last 10 s, a bucket of tokens, a level as in gRPC, or a "
                 "share of the attempts in flight." },
    { .id = KEEL_KEY_RETRY_BUDGET_FLOOR,
      .name = "retry.budget_floor",
      .group = KEEL_GROUP_RETRY,
      .type = KEEL_TYPE_RATE,
      .min = 0,
      .max = UINT32_MAX,
      .standard = "1/s",
      .meaning = "Extra attempts in a stretch of time that a budget by share of calls "
                 "allows besides." },
    { .id = KEEL_KEY_RETRY_ON_LOCAL,
      .name = "retry.on_local",
      .group = KEEL_GROUP_RETRY,
      .type = KEEL_TYPE_BOOL,
      .min = 0,
      .max = 1,
      .standard = "off",
      .meaning = "Whether a refusal by the bulkhead or the rate limiter is retried." },
    { .id = KEEL_KEY_BREAKER,
      .name = "breaker",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_BOOL,
      .min = 0,
      .max = 1,
      .standard = "on",
      .meaning = "Whether there is a circuit breaker." },
    { .id = KEEL_KEY_BREAKER_WINDOW,
      .name = "breaker.window",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_WINDOW,
      .min = KEEL_MILLISECOND,
      .max = LONGEST,
      .standard = "10s",
      .meaning = "What the rates are taken over: the last stretch of time, or the last "
                 "N calls." },
    { .id = KEEL_KEY_BREAKER_BUCKETS,
      .name = "breaker.buckets",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = 1000,
      .standard = "10",
      .meaning = "Into how many pieces a window of time is cut; a piece shorter than 8 "
                 "ticks of the coarse clock costs precise clock reads." },
    { .id = KEEL_KEY_BREAKER_MIN_CALLS,
      .name = "breaker.min_calls",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = UINT32_MAX,
      .standard = "20",
      .meaning = "Below this many calls in the window no rate is judged; a window of "
                 "fewer calls lowers it." },
    { .id = KEEL_KEY_BREAKER_FAILURE_RATE,
      .name = "breaker.failure_rate",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_RATIO,
      .min = 1,
      .max = KEEL_PPM,
      .standard = "50%",
      .meaning = "At this share of failures, or above, the breaker opens." },
    { .id = KEEL_KEY_BREAKER_SLOW_CALL,
      .name = "breaker.slow_call",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = LONGEST,
      .can_off = true,
      .standard = "off",
      .meaning =
          "A call longer than this is slow, one still in flight included; 0 is off." },
    { .id = KEEL_KEY_BREAKER_SLOW_RATE,
      .name = "breaker.slow_rate",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_RATIO,
      .min = 1,
      .max = KEEL_PPM,
      .standard = "100%",
      .meaning = "At this share of slow calls, or above, the breaker opens." },
    { .id = KEEL_KEY_BREAKER_SLOW_IS_FAILURE,
      .name = "breaker.slow_is_failure",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_BOOL,
      .min = 0,
      .max = 1,
      .standard = "off",
      .meaning = "Whether slow calls count under breaker.failure_rate too." },
    { .id = KEEL_KEY_BREAKER_CONSECUTIVE,
      .name = "breaker.consecutive",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = UINT32_MAX,
      .can_off = true,
      .standard = "off",
      .meaning = "This many failures in a row open the breaker, whatever "
                 "breaker.min_calls and breaker.window." },
    { .id = KEEL_KEY_BREAKER_OPEN,
      .name = "breaker.open",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_SPAN,
      .min = 1,
      .max = LONGEST,
      .standard = "5s..60s",
      .meaning = "How long the breaker stays open: the first time .. the longest, "
                 "before jitter." },
    { .id = KEEL_KEY_BREAKER_OPEN_MULTIPLIER,
      .name = "breaker.open_multiplier",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_DECIMAL,
      .min = 1000000,
      .max = 100000000,
      .standard = "2",
      .meaning = "How many times longer each open time is than the one before, up to "
                 "the longest." },
    { .id = KEEL_KEY_BREAKER_OPEN_JITTER,
      .name = "breaker.open_jitter",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_RATIO,
      .min = 0,
      .max = KEEL_PPM,
      .standard = "10%",
      .meaning = "How far an open time is spread, plus or minus." },
    { .id = KEEL_KEY_BREAKER_STABLE,
      .name = "breaker.stable",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = LONGEST,
      .standard = "",
      .computed = "the first open time or the window of time, whichever is longer",
      .meaning = "Closed this long, the breaker forgets how often it had opened; 0 is "
                 "at once." },
    { .id = KEEL_KEY_BREAKER_HALF_OPEN_PERMITS,
      .name = "breaker.half_open_permits",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = 255,
      .standard = "3",
      .meaning = "Probes that a half-open round lets through." },
    { .id = KEEL_KEY_BREAKER_HALF_OPEN_FAILURES,
      .name = "breaker.half_open_failures",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_COUNT,
      .min = 0,
      .max = 254,
      .standard = "",
      .computed =
          "breaker.failure_rate of breaker.half_open_permits, rounded up, less 1",
      .meaning =
          "Probes of a round that may fail, fewer than breaker.half_open_permits; the "
          "next failure opens the breaker again." },
    { .id = KEEL_KEY_BREAKER_EARLY_DECISION,
      .name = "breaker.early_decision",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_BOOL,
      .min = 0,
      .max = 1,
      .standard = "on",
      .meaning = "Whether a round is decided as soon as its verdict cannot change, or "
                 "when all its probes have ended." },
    { .id = KEEL_KEY_BREAKER_HALF_OPEN_MAX_WAIT,
      .name = "breaker.half_open_max_wait",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_DURATION,
      .min = 1,
      .max = LONGEST,
      .standard = "30s",
      .meaning = "How long a half-open round may last." },
    { .id = KEEL_KEY_BREAKER_HALF_OPEN_AFTER_WAIT,
      .name = "breaker.half_open_after_wait",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 1,
      .standard = "open",
      .words = after_waits,
      .meaning = "What the breaker becomes after a round that lasted too long." },
    { .id = KEEL_KEY_BREAKER_LEASE,
      .name = "breaker.lease",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_DURATION,
      .min = 1,
      .max = LONGEST,
      .standard = "",
      .computed = "timeout (deadline with breaker.per_call); without one, "
                  "breaker.half_open_max_wait",
      .meaning = "How long a probe may take; one that has not ended by then is taken "
                 "back and counts as failed." },
    { .id = KEEL_KEY_BREAKER_RAMP_UP,
      .name = "breaker.ramp_up",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = LONGEST,
      .can_off = true,
      .standard = "off",
      .meaning = "How long the share of calls that are let through grows after probes "
                 "have closed the breaker; 0 is off." },
    { .id = KEEL_KEY_BREAKER_PER_CALL,
      .name = "breaker.per_call",
      .group = KEEL_GROUP_BREAKER,
      .type = KEEL_TYPE_BOOL,
      .min = 0,
      .max = 1,
      .standard = "",
      .computed = "on with endpoints, else off",
      .meaning =
          "Whether logical calls are judged in place of attempts; the breakers of "
          "endpoints judge attempts in either case." },
    { .id = KEEL_KEY_BULKHEAD,
      .name = "bulkhead",
      .group = KEEL_GROUP_BULKHEAD,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = UINT32_MAX,
      .can_off = true,
      .standard = "64",
      .meaning = "Attempts that may be under way at once." },
    { .id = KEEL_KEY_BULKHEAD_QUEUE,
      .name = "bulkhead.queue",
      .group = KEEL_GROUP_BULKHEAD,
      .type = KEEL_TYPE_COUNT,
      .min = 0,
      .max = 10000,
      .standard = "0",
      .meaning = "Callers that may wait for a place." },
    { .id = KEEL_KEY_BULKHEAD_WAIT,
      .name = "bulkhead.wait",
      .group = KEEL_GROUP_BULKHEAD,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = LONGEST,
      .standard = "0",
      .meaning = "How long each of them waits at most." },
    { .id = KEEL_KEY_BULKHEAD_ORDER,
      .name = "bulkhead.order",
      .group = KEEL_GROUP_BULKHEAD,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 1,
      .standard = "fifo",
      .words = orders,
      .meaning = "Who is served next: the first to come or the last." },
    { .id = KEEL_KEY_BULKHEAD_SCOPE,
      .name = "bulkhead.scope",
      .group = KEEL_GROUP_BULKHEAD,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 2,
      .standard = "process",
      .words = scopes,
      .meaning = "Whose attempts are counted together: those of this process, of all "
                 "on this host, or of the whole fleet." },
    { .id = KEEL_KEY_RATE,
      .name = "rate",
      .group = KEEL_GROUP_RATE,
      .type = KEEL_TYPE_RATE,
      .min = 1,
      .max = UINT32_MAX,
      .can_off = true,
      .standard = "off",
      .meaning = "Attempts that may begin in a stretch of time, evenly spaced." },
    { .id = KEEL_KEY_RATE_BURST,
      .name = "rate.burst",
      .group = KEEL_GROUP_RATE,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = UINT32_MAX,
      .standard = "",
      .computed = "the count of rate",
      .meaning = "Attempts that may begin at once." },
    { .id = KEEL_KEY_RATE_WAIT,
      .name = "rate.wait",
      .group = KEEL_GROUP_RATE,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = LONGEST,
      .standard = "0",
      .meaning = "How long a caller waits for its turn at most." },
    { .id = KEEL_KEY_RATE_SCOPE,
      .name = "rate.scope",
      .group = KEEL_GROUP_RATE,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 2,
      .standard = "process",
      .words = scopes,
      .meaning = "Whose attempts are counted together: those of this process, of all "
                 "on this host, or of the whole fleet." },
    { .id = KEEL_KEY_ADAPTIVE,
      .name = "adaptive",
      .group = KEEL_GROUP_ADAPTIVE,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 2,
      .can_off = true,
      .standard = "off",
      .turned_on = "gradient2",
      .words = algorithms,
      .meaning = "What finds out by itself how many attempts may be under way at once, "
                 "as keel-overload(7) has it; bulkhead bounds it." },
    { .id = KEEL_KEY_ADAPTIVE_LIMIT,
      .name = "adaptive.limit",
      .group = KEEL_GROUP_ADAPTIVE,
      .type = KEEL_TYPE_COUNTS,
      .min = 1,
      .max = 1000000,
      .standard = "4..256",
      .meaning = "The least and the most that it may come to." },
    { .id = KEEL_KEY_ADAPTIVE_INITIAL,
      .name = "adaptive.initial",
      .group = KEEL_GROUP_ADAPTIVE,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = 1000000,
      .standard = "16",
      .meaning = "What it begins with, brought within adaptive.limit." },
    { .id = KEEL_KEY_THROTTLE,
      .name = "throttle",
      .group = KEEL_GROUP_THROTTLE,
      .type = KEEL_TYPE_BOOL,
      .min = 0,
      .max = 1,
      .standard = "off",
      .turned_on = "on",
      .meaning = "Whether calls are refused here in proportion to how few of them the "
                 "dependency accepts." },
    { .id = KEEL_KEY_THROTTLE_K,
      .name = "throttle.k",
      .group = KEEL_GROUP_THROTTLE,
      .type = KEEL_TYPE_DECIMAL,
      .min = 1000000,
      .max = 100000000,
      .standard = "2",
      .meaning = "How many calls are let through for each one that was accepted." },
    { .id = KEEL_KEY_THROTTLE_WINDOW,
      .name = "throttle.window",
      .group = KEEL_GROUP_THROTTLE,
      .type = KEEL_TYPE_DURATION,
      .min = KEEL_MILLISECOND,
      .max = LONGEST,
      .standard = "60s",
      .meaning = "The stretch of time over which calls and accepted ones are counted, "
                 "in 20 pieces." },
    { .id = KEEL_KEY_THROTTLE_MIN_CALLS,
      .name = "throttle.min_calls",
      .group = KEEL_GROUP_THROTTLE,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = UINT32_MAX,
      .standard = "20",
      .meaning = "With fewer calls in that time none is refused." },
    { .id = KEEL_KEY_HEDGE,
      .name = "hedge",
      .group = KEEL_GROUP_HEDGE,
      .type = KEEL_TYPE_HEDGE,
      .min = 0,
      .max = LONGEST,
      .can_off = true,
      .standard = "off",
      .meaning =
          "After how long a second copy of an idempotent call is sent: a time, or "
          "the quantile of recent answers, and until that is known the time "
          "after @." },
    { .id = KEEL_KEY_HEDGE_MAX,
      .name = "hedge.max",
      .group = KEEL_GROUP_HEDGE,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = KEEL_HEDGES_MAX,
      .standard = "1",
      .meaning = "Copies of one call that may be sent." },
    { .id = KEEL_KEY_HEDGE_BUDGET,
      .name = "hedge.budget",
      .group = KEEL_GROUP_HEDGE,
      .type = KEEL_TYPE_RATIO,
      .min = 1,
      .max = KEEL_PPM,
      .standard = "5%",
      .meaning =
          "Copies that all calls may send, as a share of them; each is drawn from "
          "retry.budget besides." },
    { .id = KEEL_KEY_SHARE,
      .name = "share",
      .group = KEEL_GROUP_SHARE,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 2,
      .standard = "",
      .computed = "fleet where KEEL_REDIS is set, else host where KEEL_BOARD is, else "
                  "off",
      .words = shares,
      .meaning = "Who shares the state of the breaker: nobody, the processes of this "
                 "host, or the whole fleet." },
    { .id = KEEL_KEY_SHARE_TRIP,
      .name = "share.trip",
      .group = KEEL_GROUP_SHARE,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 1,
      .standard = "window",
      .words = trips,
      .meaning = "What opens the breaker of a fleet: the window that all its members "
                 "fill together, or the breaker of any one of them." },
    { .id = KEEL_KEY_SHARE_REPORTERS,
      .name = "share.reporters",
      .group = KEEL_GROUP_SHARE,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = 10000,
      .standard = "1",
      .meaning = "Members of the fleet that must have reported failures before their "
                 "common window opens the breaker." },
    { .id = KEEL_KEY_COALESCE,
      .name = "coalesce",
      .group = KEEL_GROUP_COALESCE,
      .type = KEEL_TYPE_BOOL,
      .min = 0,
      .max = 1,
      .standard = "off",
      .meaning = "Whether equal reads that are under way at once are sent once." },
    { .id = KEEL_KEY_STALE,
      .name = "stale",
      .group = KEEL_GROUP_STALE,
      .type = KEEL_TYPE_DURATION,
      .min = 1,
      .max = LONGEST,
      .can_off = true,
      .standard = "off",
      .meaning = "How long after it expired the last good answer is served while the "
                 "dependency is down." },
    { .id = KEEL_KEY_STALE_SIZE,
      .name = "stale.size",
      .group = KEEL_GROUP_STALE,
      .type = KEEL_TYPE_SIZE,
      .min = 4096,
      .max = (uint64_t)1 << 40,
      .standard = "8MiB",
      .meaning = "Memory for the answers that are kept; the least recently used one "
                 "goes first." },
    { .id = KEEL_KEY_HEALTH,
      .name = "health",
      .group = KEEL_GROUP_HEALTH,
      .type = KEEL_TYPE_CHECK,
      .can_off = true,
      .standard = "callback",
      .meaning =
          "How keel itself looks whether the dependency is well, beside the "
          "calls: by what code has registered, a GET of a path, connecting, a "
          "word that Redis or memcached answers, or a login to MySQL or MariaDB." },
    { .id = KEEL_KEY_HEALTH_TARGET,
      .name = "health.target",
      .group = KEEL_GROUP_HEALTH,
      .type = KEEL_TYPE_ADDRESS,
      .can_off = true,
      .standard = "off",
      .meaning = "Where it looks, in a pipeline without endpoints; no check but the "
                 "callback goes without." },
    { .id = KEEL_KEY_HEALTH_INTERVAL,
      .name = "health.interval",
      .group = KEEL_GROUP_HEALTH,
      .type = KEEL_TYPE_DURATION,
      .min = 10 * KEEL_MILLISECOND,
      .max = 24 * KEEL_HOUR,
      .standard = "5s",
      .meaning = "From the beginning of one check to the next, a tenth more or less." },
    { .id = KEEL_KEY_HEALTH_TIMEOUT,
      .name = "health.timeout",
      .group = KEEL_GROUP_HEALTH,
      .type = KEEL_TYPE_DURATION,
      .min = KEEL_MILLISECOND,
      .max = KEEL_HOUR,
      .standard = "1s",
      .meaning = "How long one check may take; what takes longer is a bad answer." },
    { .id = KEEL_KEY_HEALTH_RISE,
      .name = "health.rise",
      .group = KEEL_GROUP_HEALTH,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = 100,
      .standard = "2",
      .meaning = "Good answers in a row that make the dependency healthy." },
    { .id = KEEL_KEY_HEALTH_FALL,
      .name = "health.fall",
      .group = KEEL_GROUP_HEALTH,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = 100,
      .standard = "2",
      .meaning = "Bad answers in a row that make it unhealthy." },
    { .id = KEEL_KEY_HEALTH_DELAY,
      .name = "health.delay",
      .group = KEEL_GROUP_HEALTH,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = KEEL_HOUR,
      .standard = "500ms",
      .meaning = "From when the pipeline is opened to the first check." },
    { .id = KEEL_KEY_CHAOS_RATE,
      .name = "chaos.rate",
      .group = KEEL_GROUP_CHAOS,
      .type = KEEL_TYPE_RATIO,
      .min = 0,
      .max = KEEL_PPM,
      .standard = "0%",
      .meaning =
          "Share of attempts that chaos hits; refused without KEEL_CHAOS=allow." },
    { .id = KEEL_KEY_CHAOS_FAIL,
      .name = "chaos.fail",
      .group = KEEL_GROUP_CHAOS,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 5,
      .standard = "fail",
      .words = outcomes,
      .meaning = "What a hit attempt comes to, before it reaches the dependency; ok "
                 "leaves it alone." },
    { .id = KEEL_KEY_CHAOS_LATENCY,
      .name = "chaos.latency",
      .group = KEEL_GROUP_CHAOS,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = LONGEST,
      .standard = "0",
      .meaning = "Time added to a hit attempt." },
    { .id = KEEL_KEY_ENDPOINTS,
      .name = "endpoints",
      .group = KEEL_GROUP_ENDPOINTS,
      .type = KEEL_TYPE_ENDPOINTS,
      .min = 1,
      .max = KEEL_ENDPOINTS_MAX,
      .can_off = true,
      .standard = "off",
      .meaning =
          "The endpoints of the dependency, with commas between: of each its URL and "
          "what is said of it, as keel-endpoints(7) has it." },
    { .id = KEEL_KEY_ENDPOINTS_CHOICE,
      .name = "endpoints.choice",
      .group = KEEL_GROUP_ENDPOINTS,
      .type = KEEL_TYPE_WORD,
      .min = 0,
      .max = 2,
      .standard = "least_loaded",
      .words = choices,
      .meaning = "Which of them is next: the less loaded of two, each in turn, or the "
                 "one that the call's affinity number falls to." },
    { .id = KEEL_KEY_ENDPOINTS_ZONE,
      .name = "endpoints.zone",
      .group = KEEL_GROUP_ENDPOINTS,
      .type = KEEL_TYPE_NAME,
      .min = 1,
      .max = KEEL_ENDPOINT_ZONE_MAX,
      .can_off = true,
      .standard = "off",
      .meaning =
          "The zone that the process is in: of each tier its endpoints come first." },
    { .id = KEEL_KEY_ENDPOINTS_HEALTHY_SHARE,
      .name = "endpoints.healthy_share",
      .group = KEEL_GROUP_ENDPOINTS,
      .type = KEEL_TYPE_RATIO,
      .min = 1,
      .max = KEEL_PPM,
      .standard = "70%",
      .meaning = "With less than this share of a tier or zone healthy, the next one "
                 "takes a part of the calls." },
    { .id = KEEL_KEY_ENDPOINTS_SLOW_START,
      .name = "endpoints.slow_start",
      .group = KEEL_GROUP_ENDPOINTS,
      .type = KEEL_TYPE_DURATION,
      .min = 0,
      .max = LONGEST,
      .standard = "0",
      .meaning = "How long an endpoint that has come back takes to its full weight, "
                 "from a tenth of it; 0 is at once." },
    { .id = KEEL_KEY_ENDPOINTS_TTL,
      .name = "endpoints.ttl",
      .group = KEEL_GROUP_ENDPOINTS,
      .type = KEEL_TYPE_DURATION,
      .min = 1,
      .max = LONGEST,
      .standard = "30s",
      .meaning = "How long the address behind an endpoint's name is believed before it "
                 "is looked up again." },
    { .id = KEEL_KEY_EJECT,
      .name = "eject",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_BOOL,
      .min = 0,
      .max = 1,
      .standard = "on",
      .meaning = "Whether endpoints that fail are taken out for a time." },
    { .id = KEEL_KEY_EJECT_CONSECUTIVE,
      .name = "eject.consecutive",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = UINT32_MAX,
      .can_off = true,
      .standard = "5",
      .meaning = "This many failures of an endpoint in a row take it out." },
    { .id = KEEL_KEY_EJECT_INTERVAL,
      .name = "eject.interval",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_DURATION,
      .min = 100 * KEEL_MILLISECOND,
      .max = KEEL_HOUR,
      .standard = "10s",
      .meaning = "How often the success rates of the endpoints are compared." },
    { .id = KEEL_KEY_EJECT_TIME,
      .name = "eject.time",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_SPAN,
      .min = KEEL_MILLISECOND,
      .max = LONGEST,
      .standard = "30s..5m",
      .meaning = "How long an endpoint is out: the first time .. the longest; each "
                 "further time by the first one longer." },
    { .id = KEEL_KEY_EJECT_JITTER,
      .name = "eject.jitter",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_RATIO,
      .min = 0,
      .max = KEEL_PPM,
      .standard = "10%",
      .meaning = "How far that time is spread, plus or minus." },
    { .id = KEEL_KEY_EJECT_SHARE,
      .name = "eject.share",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_RATIO,
      .min = 0,
      .max = KEEL_PPM,
      .standard = "50%",
      .meaning = "The largest share of the endpoints that may be out at once, rounded "
                 "down; never all." },
    { .id = KEEL_KEY_EJECT_SUCCESS_RATE,
      .name = "eject.success_rate",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_DECIMAL,
      .min = 1,
      .max = 100000000,
      .can_off = true,
      .standard = "1.9",
      .meaning = "So many standard deviations below the mean of all, an endpoint's "
                 "success rate takes it out." },
    { .id = KEEL_KEY_EJECT_MIN_HOSTS,
      .name = "eject.min_hosts",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = KEEL_ENDPOINTS_MAX,
      .standard = "5",
      .meaning = "Below this many endpoints with eject.min_calls no success rates are "
                 "compared." },
    { .id = KEEL_KEY_EJECT_MIN_CALLS,
      .name = "eject.min_calls",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_COUNT,
      .min = 1,
      .max = UINT32_MAX,
      .standard = "100",
      .meaning = "Below this many calls in an interval the success rate of an endpoint "
                 "is not judged." },
    { .id = KEEL_KEY_EJECT_PANIC,
      .name = "eject.panic",
      .group = KEEL_GROUP_EJECT,
      .type = KEEL_TYPE_RATIO,
      .min = 0,
      .max = KEEL_PPM,
      .standard = "50%",
      .meaning = "With less than this share of the endpoints healthy, all are used, "
                 "those taken out too." },
};

const keel_preset keel_presets[KEEL_PRESETS] = {
    { "standard", "", "The built-in values of each setting." },
    { "none",
      "deadline=off; timeout=off; retry.attempts=1; breaker=off; bulkhead=off; "
      "rate=off; adaptive=off; throttle=off; chaos.rate=0; eject=off",
      "Every policy off: only what some layer names, code too, exists." },
    { "careful",
      "retry.attempts=2; retry.budget=10%; breaker.failure_rate=25%; "
      "breaker.min_calls=10; breaker.half_open_permits=1; bulkhead=16",
      "For writes: few retries, and as ever none of an operation that is not declared "
      "idempotent; breaker and bulkhead tighter." },
    { "patient", "deadline=5m; timeout=60s; retry.attempts=8; retry.backoff=200ms..20s",
      "For batches and backups: more attempts and more time for each." },
};

static const struct {
    const char *name;
    keel_key_id key;
} groups[KEEL_GROUPS] = {
    [KEEL_GROUP_DEADLINE] = { "deadline", KEEL_KEY_DEADLINE },
    [KEEL_GROUP_TIMEOUT] = { "timeout", KEEL_KEY_TIMEOUT },
    [KEEL_GROUP_RETRY] = { "retry", KEEL_KEY_RETRY_ATTEMPTS },
    [KEEL_GROUP_BREAKER] = { "breaker", KEEL_KEY_BREAKER },
    [KEEL_GROUP_BULKHEAD] = { "bulkhead", KEEL_KEY_BULKHEAD },
    [KEEL_GROUP_RATE] = { "rate", KEEL_KEY_RATE },
    [KEEL_GROUP_ADAPTIVE] = { "adaptive", KEEL_KEY_ADAPTIVE },
    [KEEL_GROUP_THROTTLE] = { "throttle", KEEL_KEY_THROTTLE },
    [KEEL_GROUP_HEDGE] = { "hedge", KEEL_KEY_HEDGE },
    [KEEL_GROUP_SHARE] = { "share", KEEL_KEY_SHARE },
    [KEEL_GROUP_COALESCE] = { "coalesce", KEEL_KEY_COALESCE },
    [KEEL_GROUP_STALE] = { "stale", KEEL_KEY_STALE },
    [KEEL_GROUP_HEALTH] = { "health", KEEL_KEY_HEALTH },
    [KEEL_GROUP_CHAOS] = { "chaos", KEEL_KEY_CHAOS_RATE },
    [KEEL_GROUP_ENDPOINTS] = { "endpoints", KEEL_KEY_ENDPOINTS },
    [KEEL_GROUP_EJECT] = { "eject", KEEL_KEY_EJECT },
};

static keel_text name_of(const keel_key *key, bool folded, keel_folded buffer)
{
    if (!folded)
        return keel_text_of(key->name);
    keel_name_fold(buffer, keel_text_of(key->name));
    return keel_text_of(buffer);
}

static const keel_key *find(keel_text name, bool folded)
{
    keel_folded buffer;

    for (size_t i = 0; i < KEEL_KEYS; i++) {
        keel_text known = name_of(&keel_keys[i], folded, buffer);

        if (known.length == name.length && !memcmp(known.at, name.at, name.length))
            return &keel_keys[i];
    }
    return NULL;
}

/*
 * What needs no counting of letters: "Timeout", "RETRY-ATTEMPTS", or the name of a
 * policy that has no key of its own name.
 */
static const keel_key *plainly_meant(keel_text name)
{
    static const struct {
        const char *said;
        keel_key_id meant;
    } habits[] = {
        { "RETRY", KEEL_KEY_RETRY_ATTEMPTS },
        { "RETRIES", KEEL_KEY_RETRY_ATTEMPTS },
        { "ATTEMPTS", KEEL_KEY_RETRY_ATTEMPTS },
        { "CHAOS", KEEL_KEY_CHAOS_RATE },
    };
    keel_folded said;

    keel_name_fold(said, name);
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
        if (!strcmp(said, habits[i].said))
            return &keel_keys[habits[i].meant];
    return find(keel_text_of(said), true);
}

/* The nearest of those a typing mistake away. */
static const keel_key *nearest(keel_text name, bool folded)
{
    const keel_key *best = plainly_meant(name);
    size_t best_distance = KEEL_NAME_MAX;
    keel_folded buffer;

    if (best)
        return best;
    for (size_t i = 0; i < KEEL_KEYS; i++) {
        keel_text known = name_of(&keel_keys[i], folded, buffer);
        size_t distance;

        if (!keel_name_is_near(name, known))
            continue;
        distance = keel_name_distance(name, known, KEEL_NAME_MAX);
        if (distance < best_distance) {
            best = &keel_keys[i];
            best_distance = distance;
        }
    }
    return best;
}

const keel_key *keel_key_find(keel_text name)
{
    return find(name, false);
}

const keel_key *keel_key_find_folded(keel_text name)
{
    return find(name, true);
}

const keel_key *keel_key_nearest(keel_text name)
{
    return nearest(name, false);
}

const keel_key *keel_key_nearest_folded(keel_text name)
{
    return nearest(name, true);
}

const keel_key *keel_group_switch(keel_group group)
{
    return &keel_keys[groups[group].key];
}

const char *keel_group_name(keel_group group)
{
    return groups[group].name;
}

static void allowed_words(const keel_key *key, char *to, size_t size)
{
    size_t at = 0;

    to[0] = '\0';
    for (size_t i = 0; key->words[i] && at < size; i++)
        at +=
            (size_t)snprintf(to + at, size - at, "%s%s", i ? ", " : "", key->words[i]);
}

static void allowed_durations(const keel_key *key, const char *what, char *to,
                              size_t size)
{
    char min[32], max[32];

    keel_write_duration(min, sizeof min, key->min);
    keel_write_duration(max, sizeof max, key->max);
    snprintf(to, size, "%s, %s to %s", what, min, max);
}

static void allowed_sizes(const keel_key *key, char *to, size_t size)
{
    char min[32], max[32];

    keel_write_size(min, sizeof min, key->min);
    keel_write_size(max, sizeof max, key->max);
    snprintf(to, size, "a size, %s to %s", min, max);
}

static void allowed_quantiles(const keel_key *key, char *to, size_t size)
{
    char min[32], max[32];

    keel_write_quantile(min, sizeof min, key->min);
    keel_write_quantile(max, sizeof max, key->max);
    snprintf(to, size, "a quantile, %s to %s", min, max);
}

static void allowed_numbers(const keel_key *key, char *to, size_t size)
{
    char min[32], max[32];

    if (key->type == KEEL_TYPE_RATIO) {
        keel_write_ratio(min, sizeof min, key->min);
        keel_write_ratio(max, sizeof max, key->max);
        snprintf(to, size, "a ratio (50%% or 0.5), %s to %s", min, max);
    } else if (key->type == KEEL_TYPE_DECIMAL) {
        keel_write_decimal(min, sizeof min, key->min);
        keel_write_decimal(max, sizeof max, key->max);
        snprintf(to, size, "a number, %s to %s", min, max);
    } else {
        snprintf(to, size, "%s, %llu to %llu",
                 key->type == KEEL_TYPE_COUNTS ? "a span of counts (4..64) or a count"
                                               : "a count",
                 (unsigned long long)key->min, (unsigned long long)key->max);
    }
}

static void allowed_values(const keel_key *key, char *to, size_t size)
{
    switch (key->type) {
    case KEEL_TYPE_DURATION:
        allowed_durations(key, "a duration", to, size);
        break;
    case KEEL_TYPE_SPAN:
        allowed_durations(key, "a span (1s..5s) or a duration", to, size);
        break;
    case KEEL_TYPE_WINDOW:
        allowed_durations(key, "a duration", to, size);
        strncat(to, ", or 1calls to 100000calls", size - strlen(to) - 1);
        break;
    case KEEL_TYPE_RATE:
        snprintf(to, size, "a rate (100/s, 6/m, 1/h)%s, at most one a nanosecond",
                 key->min ? " above 0" : "");
        break;
    case KEEL_TYPE_BOOL:
        snprintf(to, size, "on or off");
        break;
    case KEEL_TYPE_WORD:
        allowed_words(key, to, size);
        break;
    case KEEL_TYPE_SIZE:
        allowed_sizes(key, to, size);
        break;
    case KEEL_TYPE_QUANTILE:
        allowed_quantiles(key, to, size);
        break;
    case KEEL_TYPE_JITTER:
        snprintf(to, size,
                 "none, equal, full, decorrelated, smooth, or a ratio (0%% to 100%%)");
        break;
    case KEEL_TYPE_BUDGET:
        snprintf(to, size,
                 "a ratio (0%% to 100%%), tokens:500, grpc:10@0.1, inflight:20%%");
        break;
    case KEEL_TYPE_HEDGE:
        allowed_durations(key, "a duration", to, size);
        strncat(to, ", p95, or p95@50ms (p50 to p99.9)", size - strlen(to) - 1);
        break;
    case KEEL_TYPE_ENDPOINTS:
        snprintf(
            to, size,
            "1 to %d of URL [name=] [zone=] [tier=] [weight=], with commas between",
            KEEL_ENDPOINTS_MAX);
        break;
    case KEEL_TYPE_NAME:
        snprintf(to, size, "a word, 1 to %llu bytes", (unsigned long long)key->max);
        break;
    case KEEL_TYPE_CHECK:
        snprintf(to, size, "callback, http:/PATH, tcp, redis, memcached, sql[:USER]");
        break;
    case KEEL_TYPE_ADDRESS:
        snprintf(to, size, "scheme://host:port, host:port or /path/of/a/socket");
        break;
    case KEEL_TYPE_RATIO:
    case KEEL_TYPE_COUNT:
    case KEEL_TYPE_COUNTS:
    case KEEL_TYPE_DECIMAL:
        allowed_numbers(key, to, size);
        break;
    }
}

const char *keel_key_allowed(const keel_key *key, char to[KEEL_ALLOWED_SIZE])
{
    allowed_values(key, to, KEEL_ALLOWED_SIZE);
    if (key->can_off)
        strncat(to, ", or off", KEEL_ALLOWED_SIZE - strlen(to) - 1);
    if (key->id == KEEL_KEY_DEADLINE)
        strncat(to, " with the preset none", KEEL_ALLOWED_SIZE - strlen(to) - 1);
    return to;
}

const keel_preset *keel_preset_find(keel_text name)
{
    for (size_t i = 0; i < KEEL_PRESETS; i++)
        if (keel_text_is(name, keel_presets[i].name))
            return &keel_presets[i];
    return NULL;
}

const keel_preset *keel_preset_nearest(keel_text name)
{
    for (size_t i = 0; i < KEEL_PRESETS; i++)
        if (keel_name_is_near(name, keel_text_of(keel_presets[i].name)))
            return &keel_presets[i];
    return NULL;
}
