/* SPDX-License-Identifier: MIT */
/*
 * What the settings of one pipeline come to: plain numbers, immutable once resolved.
 * The table in settings/keys.c says which key fills which field, with which default.
 * Lengths are nanoseconds, ratios parts per million; 0 is "off" where a thing can be
 * off.
 */
#ifndef KEEL_SETTINGS_POLICY_H
#define KEEL_SETTINGS_POLICY_H

#include <keel/status.h>

#include "base/text.h"

#define KEEL_PPM 1000000u

enum { KEEL_HEDGES_MAX = 7 }; /* copies of a call */

typedef enum keel_jitter {
    KEEL_JITTER_NONE,
    KEEL_JITTER_EQUAL,
    KEEL_JITTER_FULL,
    KEEL_JITTER_DECORRELATED,
    KEEL_JITTER_SMOOTH,
    KEEL_JITTER_RATIO /* plus or minus jitter_ppm */
} keel_jitter;

typedef struct keel_backoff_policy {
    uint64_t base_ns;
    uint64_t cap_ns;
    double multiplier;
    keel_jitter jitter;
    uint32_t jitter_ppm;
} keel_backoff_policy;

typedef struct keel_rate_limit {
    uint64_t count; /* this many per period; 0: off */
    uint64_t period_ns;
} keel_rate_limit;

typedef enum keel_budget_mode {
    KEEL_BUDGET_OFF,
    KEEL_BUDGET_RATIO,   /* budget_ratio_ppm, budget_floor */
    KEEL_BUDGET_TOKENS,  /* budget_tokens */
    KEEL_BUDGET_GRPC,    /* budget_tokens, budget_refund_micro */
    KEEL_BUDGET_INFLIGHT /* budget_ratio_ppm */
} keel_budget_mode;

/* Who counts together, or who shares: each holds the ones before it. */
typedef enum keel_scope {
    KEEL_SCOPE_PROCESS,
    KEEL_SCOPE_HOST,
    KEEL_SCOPE_FLEET
} keel_scope;

/* Which endpoint is next. */
typedef enum keel_endpoints_by {
    KEEL_ENDPOINTS_BY_LOAD,
    KEEL_ENDPOINTS_BY_TURN,
    KEEL_ENDPOINTS_BY_AFFINITY
} keel_endpoints_by;

/* Whose words carry a deadline and an attempt number over HTTP. */
typedef enum keel_header_form {
    KEEL_HEADER_OFF,
    KEEL_HEADER_KEEL,
    KEEL_HEADER_GRPC,
    KEEL_HEADER_ENVOY
} keel_header_form;

/* What moves the adaptive limit; keel-overload(7). */
typedef enum keel_algorithm {
    KEEL_ALGORITHM_OFF,
    KEEL_ALGORITHM_AIMD,
    KEEL_ALGORITHM_VEGAS,
    KEEL_ALGORITHM_GRADIENT2
} keel_algorithm;

/* How a dependency is looked at beside its calls. */
typedef enum keel_health_kind {
    KEEL_HEALTH_OFF,
    KEEL_HEALTH_CALLBACK, /* what code has registered, if it has */
    KEEL_HEALTH_HTTP,
    KEEL_HEALTH_TCP,
    KEEL_HEALTH_REDIS,
    KEEL_HEALTH_MEMCACHED,
    KEEL_HEALTH_SQL
} keel_health_kind;

enum {
    KEEL_HEALTH_PATH_SIZE = 128,
    KEEL_HEALTH_USER_SIZE = 84, /* MariaDB's have 80 bytes; and no byte is left over */
    KEEL_HEALTH_TARGET_SIZE = 256
};

/* Texts end with NUL, and all behind it is zero: two of them are compared as bytes. */
typedef struct keel_health_policy {
    uint64_t interval_ns;
    uint64_t timeout_ns;
    uint64_t delay_ns;
    uint32_t rise;
    uint32_t fall;
    keel_health_kind kind;
    char user[KEEL_HEALTH_USER_SIZE];     /* of KEEL_HEALTH_SQL */
    char path[KEEL_HEALTH_PATH_SIZE];     /* of KEEL_HEALTH_HTTP */
    char target[KEEL_HEALTH_TARGET_SIZE]; /* settings/address.h; "": none */
} keel_health_policy;

typedef struct keel_policy {
    uint64_t deadline_ns;
    uint32_t infeasible_ppm; /* 0: off */
    keel_header_form deadline_header;
    uint64_t deadline_allowance_ns;
    uint64_t timeout_ns;
    uint64_t connect_timeout_ns; /* resolved: min(1s, timeout/2) unless set; 0 with
                                    timeout off */

    bool retry;
    uint32_t retry_attempts; /* 1: no retry */
    keel_backoff_policy backoff;
    uint64_t throttle_base_ns;
    uint64_t throttle_cap_ns;
    uint64_t after_cap_ns;
    keel_budget_mode budget_mode;
    uint32_t budget_ratio_ppm;
    uint32_t budget_tokens;
    uint64_t budget_refund_micro; /* grpc: millionths of a token per success; may exceed
                                     1000000 */
    keel_rate_limit budget_floor;
    bool retry_on_local;

    bool breaker;
    uint64_t window_ns;    /* 0: count window */
    uint32_t window_calls; /* 0: time window */
    uint32_t window_buckets;
    uint32_t min_calls; /* resolved: clamped to a count window */
    uint32_t failure_rate_ppm;
    uint64_t slow_call_ns; /* 0: off */
    uint32_t slow_rate_ppm;
    bool slow_is_failure;
    uint32_t consecutive; /* 0: off */
    uint64_t open_first_ns;
    uint64_t open_longest_ns;
    double open_multiplier;
    uint32_t open_jitter_ppm;
    uint64_t stable_ns;          /* resolved: max(first open time, window) unless set */
    uint32_t half_open_permits;  /* 1..255 */
    uint32_t half_open_failures; /* resolved: ceil(rate * permits) - 1 unless set; <
                                    permits */
    uint32_t half_open_slow;     /* resolved: ceil(slow_rate * permits) - 1 */
    bool early_decision;
    uint64_t half_open_max_wait_ns;
    bool half_open_then_closed; /* after max_wait: closed instead of open */
    uint64_t lease_ns;          /* resolved: timeout, without one half_open_max_wait */
    uint64_t ramp_up_ns;        /* 0: off */
    bool per_call;

    uint32_t bulkhead; /* 0: off */
    uint32_t bulkhead_queue;
    uint64_t bulkhead_wait_ns;
    bool bulkhead_lifo;
    keel_scope bulkhead_scope; /* resolved, as all three: what the process can have */

    keel_rate_limit rate;
    uint32_t rate_burst; /* resolved: = count unless set */
    uint64_t rate_wait_ns;
    keel_scope rate_scope;

    keel_algorithm adaptive;
    uint32_t adaptive_min;
    uint32_t adaptive_max;
    uint32_t adaptive_initial; /* resolved: within the two */

    bool throttle;
    double throttle_k;
    uint64_t throttle_window_ns;
    uint32_t throttle_min_calls;

    bool hedge;
    /* until a copy is sent; of a quantile, while it is not known; KEEL_NEVER: none is */
    uint64_t hedge_ns;
    uint32_t hedge_quantile_ppm; /* 0: after hedge_ns */
    uint32_t hedge_max;          /* at most KEEL_HEDGES_MAX */
    uint32_t hedge_budget_ppm;

    keel_scope share;    /* of the breaker; KEEL_SCOPE_PROCESS: off */
    bool share_trip_any; /* one member's trip opens the fleet */
    uint32_t share_reporters;

    bool coalesce;
    uint64_t stale_ns; /* 0: off */
    uint64_t stale_bytes;

    uint32_t chaos_rate_ppm;
    keel_status chaos_fail; /* KEEL_OK, KEEL_FAILED, KEEL_THROTTLED, … */
    uint64_t chaos_latency_ns;

    /* as written, valid, and valid only as long as the settings they stand in: whoever
     * makes endpoints of them copies what he keeps. Length 0: none */
    keel_text endpoints;
    keel_text endpoints_zone;
    keel_endpoints_by endpoints_by;
    uint32_t healthy_share_ppm;
    uint64_t slow_start_ns; /* 0: off */
    uint64_t endpoints_ttl_ns;

    bool eject;
    uint32_t eject_consecutive; /* 0: off */
    uint64_t eject_interval_ns;
    uint64_t eject_base_ns;
    uint64_t eject_longest_ns;
    uint32_t eject_jitter_ppm;
    uint32_t eject_share_ppm;
    double eject_deviations; /* 0: off */
    uint32_t eject_min_hosts;
    uint32_t eject_min_calls;
    uint32_t eject_panic_ppm;

    keel_health_policy health;
} keel_policy;

#endif
