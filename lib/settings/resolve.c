/* SPDX-License-Identifier: MIT */
/* From settled layers to a keel_policy: one assignment for each key of the table. */
#include "settings/resolve.h"

static const keel_status outcomes[] = {
    /* in the order of the words of chaos.fail */
    KEEL_OK, KEEL_FAILED, KEEL_THROTTLED, KEEL_IGNORED, KEEL_CLIENT_ERROR, KEEL_TIMEOUT,
};

static const keel_value *value_of(const keel_layers *layers, keel_key_id id)
{
    return &layers->slots[id].value;
}

/* 0 where the value is "off". */
static uint64_t number_of(const keel_layers *layers, keel_key_id id)
{
    const keel_value *value = value_of(layers, id);

    return value->off ? 0 : value->first;
}

static uint32_t count_of(const keel_layers *layers, keel_key_id id)
{
    return (uint32_t)number_of(layers, id);
}

/* Six decimals at most, so the division gives the very double the text means. */
static double decimal_of(const keel_layers *layers, keel_key_id id)
{
    return (double)number_of(layers, id) / 1e6;
}

static keel_rate_limit rate_of(const keel_layers *layers, keel_key_id id)
{
    const keel_value *value = value_of(layers, id);

    if (value->off)
        return (keel_rate_limit){ 0, 0 };
    return (keel_rate_limit){ value->first, value->most };
}

static keel_scope scope_of(const keel_layers *layers, keel_key_id id)
{
    return (keel_scope)number_of(layers, id);
}

static void resolve_times(const keel_layers *layers, keel_policy *out)
{
    out->deadline_ns = number_of(layers, KEEL_KEY_DEADLINE);
    out->infeasible_ppm = count_of(layers, KEEL_KEY_DEADLINE_INFEASIBLE);
    out->deadline_header =
        (keel_header_form)number_of(layers, KEEL_KEY_DEADLINE_HEADER);
    out->deadline_allowance_ns = number_of(layers, KEEL_KEY_DEADLINE_ALLOWANCE);
    out->timeout_ns = number_of(layers, KEEL_KEY_TIMEOUT);
    if (out->timeout_ns)
        out->connect_timeout_ns = number_of(layers, KEEL_KEY_TIMEOUT_CONNECT);
}

static void resolve_budget(const keel_layers *layers, keel_policy *out)
{
    const keel_value *budget = value_of(layers, KEEL_KEY_RETRY_BUDGET);

    out->budget_floor = rate_of(layers, KEEL_KEY_RETRY_BUDGET_FLOOR);
    if (budget->off)
        return;
    out->budget_mode = (keel_budget_mode)budget->form;
    if (out->budget_mode == KEEL_BUDGET_TOKENS || out->budget_mode == KEEL_BUDGET_GRPC)
        out->budget_tokens = (uint32_t)budget->first;
    else
        out->budget_ratio_ppm = (uint32_t)budget->first;
    out->budget_refund_micro = budget->most;
}

static void resolve_retry(const keel_layers *layers, keel_policy *out)
{
    const keel_value *backoff = value_of(layers, KEEL_KEY_RETRY_BACKOFF);
    const keel_value *throttle = value_of(layers, KEEL_KEY_RETRY_THROTTLE_BACKOFF);
    const keel_value *jitter = value_of(layers, KEEL_KEY_RETRY_JITTER);

    out->retry = keel_layers_on(layers, KEEL_GROUP_RETRY);
    out->retry_attempts = count_of(layers, KEEL_KEY_RETRY_ATTEMPTS);
    out->backoff = (keel_backoff_policy){
        .base_ns = backoff->first,
        .cap_ns = backoff->most,
        .multiplier = decimal_of(layers, KEEL_KEY_RETRY_MULTIPLIER),
        .jitter = (keel_jitter)jitter->form,
        .jitter_ppm = (uint32_t)jitter->first,
    };
    out->throttle_base_ns = throttle->first;
    out->throttle_cap_ns = throttle->most;
    out->after_cap_ns = number_of(layers, KEEL_KEY_RETRY_AFTER_CAP);
    out->retry_on_local = number_of(layers, KEEL_KEY_RETRY_ON_LOCAL);
    resolve_budget(layers, out);
}

static void resolve_window(const keel_layers *layers, keel_policy *out)
{
    const keel_value *window = value_of(layers, KEEL_KEY_BREAKER_WINDOW);

    if (window->form == KEEL_WINDOW_CALLS)
        out->window_calls = (uint32_t)window->first;
    else
        out->window_ns = window->first;
    out->window_buckets = count_of(layers, KEEL_KEY_BREAKER_BUCKETS);
    out->min_calls = count_of(layers, KEEL_KEY_BREAKER_MIN_CALLS);
    out->failure_rate_ppm = count_of(layers, KEEL_KEY_BREAKER_FAILURE_RATE);
    out->slow_call_ns = number_of(layers, KEEL_KEY_BREAKER_SLOW_CALL);
    out->slow_rate_ppm = count_of(layers, KEEL_KEY_BREAKER_SLOW_RATE);
    out->slow_is_failure = number_of(layers, KEEL_KEY_BREAKER_SLOW_IS_FAILURE);
    out->consecutive = count_of(layers, KEEL_KEY_BREAKER_CONSECUTIVE);
}

static void resolve_half_open(const keel_layers *layers, keel_policy *out)
{
    out->half_open_permits = count_of(layers, KEEL_KEY_BREAKER_HALF_OPEN_PERMITS);
    out->half_open_failures = count_of(layers, KEEL_KEY_BREAKER_HALF_OPEN_FAILURES);
    out->half_open_slow =
        keel_probes_allowed(out->slow_rate_ppm, out->half_open_permits);
    out->early_decision = number_of(layers, KEEL_KEY_BREAKER_EARLY_DECISION);
    out->half_open_max_wait_ns = number_of(layers, KEEL_KEY_BREAKER_HALF_OPEN_MAX_WAIT);
    out->half_open_then_closed =
        number_of(layers, KEEL_KEY_BREAKER_HALF_OPEN_AFTER_WAIT) == 1;
    out->lease_ns = number_of(layers, KEEL_KEY_BREAKER_LEASE);
}

static void resolve_breaker(const keel_layers *layers, keel_policy *out)
{
    const keel_value *open = value_of(layers, KEEL_KEY_BREAKER_OPEN);

    out->breaker = keel_layers_on(layers, KEEL_GROUP_BREAKER);
    resolve_window(layers, out);
    out->open_first_ns = open->first;
    out->open_longest_ns = open->most;
    out->open_multiplier = decimal_of(layers, KEEL_KEY_BREAKER_OPEN_MULTIPLIER);
    out->open_jitter_ppm = count_of(layers, KEEL_KEY_BREAKER_OPEN_JITTER);
    out->stable_ns = number_of(layers, KEEL_KEY_BREAKER_STABLE);
    resolve_half_open(layers, out);
    out->ramp_up_ns = number_of(layers, KEEL_KEY_BREAKER_RAMP_UP);
    out->per_call = number_of(layers, KEEL_KEY_BREAKER_PER_CALL);
}

static void resolve_limits(const keel_layers *layers, keel_policy *out)
{
    out->bulkhead = count_of(layers, KEEL_KEY_BULKHEAD);
    out->bulkhead_queue = count_of(layers, KEEL_KEY_BULKHEAD_QUEUE);
    out->bulkhead_wait_ns = number_of(layers, KEEL_KEY_BULKHEAD_WAIT);
    out->bulkhead_lifo = number_of(layers, KEEL_KEY_BULKHEAD_ORDER) == 1;
    out->bulkhead_scope = scope_of(layers, KEEL_KEY_BULKHEAD_SCOPE);
    out->rate = rate_of(layers, KEEL_KEY_RATE);
    out->rate_burst = count_of(layers, KEEL_KEY_RATE_BURST);
    out->rate_wait_ns = number_of(layers, KEEL_KEY_RATE_WAIT);
    out->rate_scope = scope_of(layers, KEEL_KEY_RATE_SCOPE);
}

static uint32_t bring_within(uint32_t count, uint32_t least, uint32_t most)
{
    if (count < least)
        return least;
    return count < most ? count : most;
}

static void resolve_adaptive(const keel_layers *layers, keel_policy *out)
{
    const keel_value *algorithm = value_of(layers, KEEL_KEY_ADAPTIVE);
    const keel_value *limit = value_of(layers, KEEL_KEY_ADAPTIVE_LIMIT);

    if (!algorithm->off)
        out->adaptive = (keel_algorithm)(algorithm->first + KEEL_ALGORITHM_AIMD);
    out->adaptive_min = (uint32_t)limit->first;
    out->adaptive_max = (uint32_t)limit->most;
    out->adaptive_initial = bring_within(count_of(layers, KEEL_KEY_ADAPTIVE_INITIAL),
                                         out->adaptive_min, out->adaptive_max);
}

static void resolve_throttle(const keel_layers *layers, keel_policy *out)
{
    out->throttle = keel_layers_on(layers, KEEL_GROUP_THROTTLE);
    out->throttle_k = decimal_of(layers, KEEL_KEY_THROTTLE_K);
    out->throttle_window_ns = number_of(layers, KEEL_KEY_THROTTLE_WINDOW);
    out->throttle_min_calls = count_of(layers, KEEL_KEY_THROTTLE_MIN_CALLS);
}

static void resolve_hedge(const keel_layers *layers, keel_policy *out)
{
    const keel_value *hedge = value_of(layers, KEEL_KEY_HEDGE);

    out->hedge = keel_layers_on(layers, KEEL_GROUP_HEDGE);
    out->hedge_max = count_of(layers, KEEL_KEY_HEDGE_MAX);
    out->hedge_budget_ppm = count_of(layers, KEEL_KEY_HEDGE_BUDGET);
    if (hedge->form == KEEL_HEDGE_QUANTILE)
        out->hedge_quantile_ppm = (uint32_t)hedge->first;
    out->hedge_ns = out->hedge_quantile_ppm ? hedge->most : hedge->first;
}

static void resolve_share(const keel_layers *layers, keel_policy *out)
{
    out->share = scope_of(layers, KEEL_KEY_SHARE);
    out->share_trip_any = number_of(layers, KEEL_KEY_SHARE_TRIP) == 1;
    out->share_reporters = count_of(layers, KEEL_KEY_SHARE_REPORTERS);
}

static void resolve_answers(const keel_layers *layers, keel_policy *out)
{
    out->coalesce = number_of(layers, KEEL_KEY_COALESCE);
    out->stale_ns = number_of(layers, KEEL_KEY_STALE);
    out->stale_bytes = number_of(layers, KEEL_KEY_STALE_SIZE);
}

static void copy_text(char *to, size_t size, const keel_value *value)
{
    keel_text_copy(to, size, value->text.length ? value->text : keel_text_of(""));
}

/* What stands behind the check's colon. */
static void resolve_check(const keel_value *check, keel_health_policy *health)
{
    health->kind = check->off ? KEEL_HEALTH_OFF : (keel_health_kind)check->form;
    if (health->kind == KEEL_HEALTH_HTTP)
        copy_text(health->path, sizeof health->path, check);
    else if (health->kind == KEEL_HEALTH_SQL)
        keel_text_copy(health->user, sizeof health->user,
                       check->text.length ? check->text : keel_text_of("keel_health"));
}

static void resolve_health(const keel_layers *layers, keel_policy *out)
{
    keel_health_policy *health = &out->health;

    resolve_check(value_of(layers, KEEL_KEY_HEALTH), health);
    copy_text(health->target, sizeof health->target,
              value_of(layers, KEEL_KEY_HEALTH_TARGET));
    health->interval_ns = number_of(layers, KEEL_KEY_HEALTH_INTERVAL);
    health->timeout_ns = number_of(layers, KEEL_KEY_HEALTH_TIMEOUT);
    health->delay_ns = number_of(layers, KEEL_KEY_HEALTH_DELAY);
    health->rise = count_of(layers, KEEL_KEY_HEALTH_RISE);
    health->fall = count_of(layers, KEEL_KEY_HEALTH_FALL);
}

static void resolve_chaos(const keel_layers *layers, keel_policy *out)
{
    out->chaos_rate_ppm = count_of(layers, KEEL_KEY_CHAOS_RATE);
    out->chaos_fail = outcomes[number_of(layers, KEEL_KEY_CHAOS_FAIL)];
    out->chaos_latency_ns = number_of(layers, KEEL_KEY_CHAOS_LATENCY);
}

static void resolve_endpoints(const keel_layers *layers, keel_policy *out)
{
    out->endpoints = value_of(layers, KEEL_KEY_ENDPOINTS)->text;
    out->endpoints_zone = value_of(layers, KEEL_KEY_ENDPOINTS_ZONE)->text;
    out->endpoints_by = (keel_endpoints_by)number_of(layers, KEEL_KEY_ENDPOINTS_CHOICE);
    out->healthy_share_ppm = count_of(layers, KEEL_KEY_ENDPOINTS_HEALTHY_SHARE);
    out->slow_start_ns = number_of(layers, KEEL_KEY_ENDPOINTS_SLOW_START);
    out->endpoints_ttl_ns = number_of(layers, KEEL_KEY_ENDPOINTS_TTL);
}

static void resolve_eject(const keel_layers *layers, keel_policy *out)
{
    const keel_value *time = value_of(layers, KEEL_KEY_EJECT_TIME);

    out->eject = keel_layers_on(layers, KEEL_GROUP_EJECT);
    out->eject_consecutive = count_of(layers, KEEL_KEY_EJECT_CONSECUTIVE);
    out->eject_interval_ns = number_of(layers, KEEL_KEY_EJECT_INTERVAL);
    out->eject_base_ns = time->first;
    out->eject_longest_ns = time->most;
    out->eject_jitter_ppm = count_of(layers, KEEL_KEY_EJECT_JITTER);
    out->eject_share_ppm = count_of(layers, KEEL_KEY_EJECT_SHARE);
    out->eject_deviations = decimal_of(layers, KEEL_KEY_EJECT_SUCCESS_RATE);
    out->eject_min_hosts = count_of(layers, KEEL_KEY_EJECT_MIN_HOSTS);
    out->eject_min_calls = count_of(layers, KEEL_KEY_EJECT_MIN_CALLS);
    out->eject_panic_ppm = count_of(layers, KEEL_KEY_EJECT_PANIC);
}

void keel_resolve(const keel_layers *layers, keel_policy *out)
{
    *out = (keel_policy){ .deadline_ns = 0 };
    resolve_times(layers, out);
    resolve_retry(layers, out);
    resolve_breaker(layers, out);
    resolve_limits(layers, out);
    resolve_adaptive(layers, out);
    resolve_throttle(layers, out);
    resolve_hedge(layers, out);
    resolve_share(layers, out);
    resolve_answers(layers, out);
    resolve_health(layers, out);
    resolve_chaos(layers, out);
    resolve_endpoints(layers, out);
    resolve_eject(layers, out);
}
