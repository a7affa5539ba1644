/* SPDX-License-Identifier: MIT */
/*
 * One value of one key: read from text, checked against the key's range, compared with
 * a fence, written back. Knows nothing of layers.
 */
#ifndef KEEL_SETTINGS_VALUE_H
#define KEEL_SETTINGS_VALUE_H

#include "settings/keys.h"
#include "settings/policy.h"

/*
 * first  ns, ppm, millionths, a count, 0 or 1, or the number of a word
 * most   a span's longest; a rate's period; a gRPC budget's refund; what stands in for a
 *        quantile that is not known, KEEL_NEVER: nothing
 * form   of a jitter the keel_jitter, of a budget the keel_budget_mode, of a window
 *        whether it counts calls, of a hedge whether it is a quantile, of a check the
 *        keel_health_kind
 * text   of endpoints, names and addresses, as written, where it stands; of a check its
 *        path
 */
typedef struct keel_value {
    bool off;
    unsigned form;
    uint64_t first;
    uint64_t most;
    keel_text text;
} keel_value;

enum { KEEL_HEDGE_FIXED = 0, KEEL_HEDGE_QUANTILE = 1 };
enum { KEEL_WINDOW_TIME = 0, KEEL_WINDOW_CALLS = 1, KEEL_WINDOW_CALLS_MAX = 100000 };

/* Anything but KEEL_PARSE_OK leaves *value as it was. */
keel_parse keel_value_parse(const keel_key *key, keel_text text, keel_value *value);

/* Why a text was refused: "a number needs a unit (ns, us, ms, s, m, h)". */
const char *keel_parse_reason(keel_parse parse);

/* A text that was refused, fit for a log line: as keel_quote, and of an address only what
 * follows an @, for a password may stand before it. */
const char *keel_value_quote(const keel_key *key, keel_text text,
                             char to[KEEL_QUOTE_SIZE]);

/* Whether the key's policy is off with this value: asked of switches. */
bool keel_value_is_off(const keel_key *key, const keel_value *value);

/* Whether an order is defined on the key's values, so that they can be fenced. */
bool keel_key_can_fence(const keel_key *key);

/*
 * Brings *value to the fence if it lies beyond: above it with at_most, else below.
 * "off" is no limit at all and so above every fence.
 * Returns  true: it was changed
 */
bool keel_value_clamp(const keel_key *key, keel_value *value, const keel_value *fence,
                      bool at_most);

enum { KEEL_VALUE_SIZE = 64 };
const char *keel_value_write(const keel_key *key, const keel_value *value,
                             char to[KEEL_VALUE_SIZE]);

#endif
