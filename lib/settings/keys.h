/* SPDX-License-Identifier: MIT */
/*
 * The table of settings: key, type, range, default and one sentence. Parsing, error
 * texts, `keel config list`, `keel config explain` and keel-settings(5) come from it.
 * A new key is one line here, one row in keys.c and one assignment in resolve.c.
 */
#ifndef KEEL_SETTINGS_KEYS_H
#define KEEL_SETTINGS_KEYS_H

#include "base/text.h"

typedef enum keel_key_id {
    KEEL_KEY_DEADLINE,
    KEEL_KEY_DEADLINE_INFEASIBLE,
    KEEL_KEY_DEADLINE_HEADER,
    KEEL_KEY_DEADLINE_ALLOWANCE,
    KEEL_KEY_TIMEOUT,
    KEEL_KEY_TIMEOUT_CONNECT,
    KEEL_KEY_RETRY_ATTEMPTS,
    KEEL_KEY_RETRY_BACKOFF,
    KEEL_KEY_RETRY_MULTIPLIER,
    KEEL_KEY_RETRY_JITTER,
    KEEL_KEY_RETRY_THROTTLE_BACKOFF,
    KEEL_KEY_RETRY_AFTER_CAP,
    KEEL_KEY_RETRY_BUDGET,
    KEEL_KEY_RETRY_BUDGET_FLOOR,
    KEEL_KEY_RETRY_ON_LOCAL,
    KEEL_KEY_BREAKER,
    KEEL_KEY_BREAKER_WINDOW,
    KEEL_KEY_BREAKER_BUCKETS,
    KEEL_KEY_BREAKER_MIN_CALLS,
    KEEL_KEY_BREAKER_FAILURE_RATE,
    KEEL_KEY_BREAKER_SLOW_CALL,
    KEEL_KEY_BREAKER_SLOW_RATE,
    KEEL_KEY_BREAKER_SLOW_IS_FAILURE,
    KEEL_KEY_BREAKER_CONSECUTIVE,
    KEEL_KEY_BREAKER_OPEN,
    KEEL_KEY_BREAKER_OPEN_MULTIPLIER,
    KEEL_KEY_BREAKER_OPEN_JITTER,
    KEEL_KEY_BREAKER_STABLE,
    KEEL_KEY_BREAKER_HALF_OPEN_PERMITS,
    KEEL_KEY_BREAKER_HALF_OPEN_FAILURES,
    KEEL_KEY_BREAKER_EARLY_DECISION,
    KEEL_KEY_BREAKER_HALF_OPEN_MAX_WAIT,
    KEEL_KEY_BREAKER_HALF_OPEN_AFTER_WAIT,
    KEEL_KEY_BREAKER_LEASE,
    KEEL_KEY_BREAKER_RAMP_UP,
    KEEL_KEY_BREAKER_PER_CALL,
    KEEL_KEY_BULKHEAD,
    KEEL_KEY_BULKHEAD_QUEUE,
    KEEL_KEY_BULKHEAD_WAIT,
    KEEL_KEY_BULKHEAD_ORDER,
    KEEL_KEY_BULKHEAD_SCOPE,
    KEEL_KEY_RATE,
    KEEL_KEY_RATE_BURST,
    KEEL_KEY_RATE_WAIT,
    KEEL_KEY_RATE_SCOPE,
    KEEL_KEY_ADAPTIVE,
    KEEL_KEY_ADAPTIVE_LIMIT,
    KEEL_KEY_ADAPTIVE_INITIAL,
    KEEL_KEY_THROTTLE,
    KEEL_KEY_THROTTLE_K,
    KEEL_KEY_THROTTLE_WINDOW,
    KEEL_KEY_THROTTLE_MIN_CALLS,
    KEEL_KEY_HEDGE,
    KEEL_KEY_HEDGE_MAX,
    KEEL_KEY_HEDGE_BUDGET,
    KEEL_KEY_SHARE,
    KEEL_KEY_SHARE_TRIP,
    KEEL_KEY_SHARE_REPORTERS,
    KEEL_KEY_COALESCE,
    KEEL_KEY_STALE,
    KEEL_KEY_STALE_SIZE,
    KEEL_KEY_HEALTH,
    KEEL_KEY_HEALTH_TARGET,
    KEEL_KEY_HEALTH_INTERVAL,
    KEEL_KEY_HEALTH_TIMEOUT,
    KEEL_KEY_HEALTH_RISE,
    KEEL_KEY_HEALTH_FALL,
    KEEL_KEY_HEALTH_DELAY,
    KEEL_KEY_CHAOS_RATE,
    KEEL_KEY_CHAOS_FAIL,
    KEEL_KEY_CHAOS_LATENCY,
    KEEL_KEY_ENDPOINTS,
    KEEL_KEY_ENDPOINTS_CHOICE,
    KEEL_KEY_ENDPOINTS_ZONE,
    KEEL_KEY_ENDPOINTS_HEALTHY_SHARE,
    KEEL_KEY_ENDPOINTS_SLOW_START,
    KEEL_KEY_ENDPOINTS_TTL,
    KEEL_KEY_EJECT,
    KEEL_KEY_EJECT_CONSECUTIVE,
    KEEL_KEY_EJECT_INTERVAL,
    KEEL_KEY_EJECT_TIME,
    KEEL_KEY_EJECT_JITTER,
    KEEL_KEY_EJECT_SHARE,
    KEEL_KEY_EJECT_SUCCESS_RATE,
    KEEL_KEY_EJECT_MIN_HOSTS,
    KEEL_KEY_EJECT_MIN_CALLS,
    KEEL_KEY_EJECT_PANIC,
    KEEL_KEYS /* how many */
} keel_key_id;

/* What a key belongs to. Each is switched on and off by one key. */
typedef enum keel_group {
    KEEL_GROUP_DEADLINE,
    KEEL_GROUP_TIMEOUT,
    KEEL_GROUP_RETRY,
    KEEL_GROUP_BREAKER,
    KEEL_GROUP_BULKHEAD,
    KEEL_GROUP_RATE,
    KEEL_GROUP_ADAPTIVE,
    KEEL_GROUP_THROTTLE,
    KEEL_GROUP_HEDGE,
    KEEL_GROUP_SHARE,
    KEEL_GROUP_COALESCE,
    KEEL_GROUP_STALE,
    KEEL_GROUP_HEALTH,
    KEEL_GROUP_CHAOS,
    KEEL_GROUP_ENDPOINTS,
    KEEL_GROUP_EJECT,
    KEEL_GROUPS
} keel_group;

typedef enum keel_type {
    KEEL_TYPE_DURATION,
    KEEL_TYPE_SPAN,
    KEEL_TYPE_RATIO,
    KEEL_TYPE_COUNT,
    KEEL_TYPE_COUNTS, /* a span of counts */
    KEEL_TYPE_DECIMAL,
    KEEL_TYPE_RATE,
    KEEL_TYPE_BOOL,
    KEEL_TYPE_WORD,
    KEEL_TYPE_SIZE,
    KEEL_TYPE_QUANTILE,  /* p95 */
    KEEL_TYPE_WINDOW,    /* a duration or Ncalls */
    KEEL_TYPE_JITTER,    /* a word or a ratio */
    KEEL_TYPE_BUDGET,    /* a ratio, tokens:, grpc:, inflight: */
    KEEL_TYPE_HEDGE,     /* a duration, p95, p95@50ms */
    KEEL_TYPE_ENDPOINTS, /* a list, endpoint_list.h */
    KEEL_TYPE_NAME,      /* one word of the author's */
    KEEL_TYPE_CHECK,     /* callback, http:/path, tcp, redis, memcached, sql:user */
    KEEL_TYPE_ADDRESS    /* a URL, host:port or the path of a socket */
} keel_type;

/*
 * id        the row's own place in the table
 * name      as written in settings text
 * min, max  of the value in its own unit: ns, ppm, millionths of a decimal, bytes, or a count
 * can_off   "off" is a value
 * standard  the default as settings text; "": computed from other keys or from the
 *           process-wide variables, by `computed`
 * turned_on of a switch that is off by default: what it is where only another key of its
 *           policy is named; NULL: then there is nothing to turn on
 * words     of a KEEL_TYPE_WORD, ended by NULL
 * meaning   one sentence
 */
typedef struct keel_key {
    keel_key_id id;
    const char *name;
    keel_group group;
    keel_type type;
    uint64_t min;
    uint64_t max;
    bool can_off;
    const char *standard;
    const char *computed;
    const char *turned_on;
    const char *const *words;
    const char *meaning;
} keel_key;

extern const keel_key keel_keys[KEEL_KEYS];

/* NULL: no such key. The second takes a variable's form: BREAKER_OPEN. */
const keel_key *keel_key_find(keel_text name);
const keel_key *keel_key_find_folded(keel_text name);

/* The key a mistyped name was most likely meant to be; NULL: none is near. */
const keel_key *keel_key_nearest(keel_text name);
const keel_key *keel_key_nearest_folded(keel_text name);

/* The key that switches a group, and the group's name ("retry"). */
const keel_key *keel_group_switch(keel_group group);
const char *keel_group_name(keel_group group);

/* "a duration, 1ns to 1000000h, or off": the key's type and range, for people. */
enum { KEEL_ALLOWED_SIZE = 112 };
const char *keel_key_allowed(const keel_key *key, char to[KEEL_ALLOWED_SIZE]);

typedef struct keel_preset {
    const char *name;
    const char *settings; /* above the built-in values */
    const char *meaning;
} keel_preset;

enum { KEEL_PRESETS = 4 };
extern const keel_preset keel_presets[KEEL_PRESETS];

const keel_preset *keel_preset_find(keel_text name);
const keel_preset *keel_preset_nearest(keel_text name);

#endif
