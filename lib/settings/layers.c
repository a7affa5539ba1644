/* SPDX-License-Identifier: MIT */
/*
 * Laying settings over one another.
 *
 * A policy is on when the highest layer that names its switch says so. Another key of a
 * policy that is off turns it on from the layer of the switch or above, but never from
 * a default for all pipelines: that one does not know which policies a pipeline wants.
 */
#include "settings/layers.h"

#include <string.h>

#include "settings/endpoint_list.h"
#include "settings/hints.h"

static const char *const layer_names[] = {
    [KEEL_LAYER_BUILT_IN] = "built-in",
    [KEEL_LAYER_PRESET] = "preset",
    [KEEL_LAYER_CODE] = "code",
    [KEEL_LAYER_FILE_DEFAULT] = "file default",
    [KEEL_LAYER_FILE] = "file",
    [KEEL_LAYER_DEFAULT] = "KEEL_DEFAULT",
    [KEEL_LAYER_DEFAULT_KEY] = "KEEL_DEFAULT__KEY",
    [KEEL_LAYER_NAME] = "KEEL_<NAME>",
    [KEEL_LAYER_NAME_KEY] = "KEEL_<NAME>__KEY",
    [KEEL_LAYER_OVERRIDE] = "override",
    [KEEL_LAYER_FENCE] = "fence",
};

const char *keel_layer_name(keel_layer layer)
{
    return layer_names[layer];
}

static bool is_for_all(keel_layer layer)
{
    return layer == KEEL_LAYER_FILE_DEFAULT || layer == KEEL_LAYER_DEFAULT ||
           layer == KEEL_LAYER_DEFAULT_KEY;
}

static keel_place place_of(const keel_source *source, size_t column)
{
    return (keel_place){ source->layer, source->where, source->column + column - 1 };
}

static keel_spot spot_of(const keel_source *source, size_t column)
{
    return (keel_spot){ source->where, source->column + column - 1 };
}

static keel_spot spot_at(keel_place place)
{
    return (keel_spot){ place.where, place.column };
}

/* ---- presets -------------------------------------------------------------------- */

static const keel_preset *preset_of(const keel_source *source, keel_place *place)
{
    keel_settings_reader reader = keel_settings_read(source->text);
    keel_item item;

    if (source->key || !keel_settings_next(&reader, &item) ||
        item.kind != KEEL_ITEM_WORD)
        return NULL;
    *place = place_of(source, item.column);
    return keel_preset_find(item.key);
}

void keel_layers_find_preset(keel_layers *layers, const keel_source *source)
{
    keel_place place;
    const keel_preset *preset = preset_of(source, &place);

    if (!preset)
        return;
    layers->preset = preset;
    layers->preset_at = place;
}

/* ---- sharing -------------------------------------------------------------------- */

/* The widest that can be had and is no wider than the one wished for. */
static keel_scope widest_scope(const keel_layers *layers, keel_scope wished)
{
    if (wished == KEEL_SCOPE_FLEET && layers->has_redis)
        return KEEL_SCOPE_FLEET;
    return wished >= KEEL_SCOPE_HOST && layers->has_board ? KEEL_SCOPE_HOST
                                                          : KEEL_SCOPE_PROCESS;
}

/* ---- one item ------------------------------------------------------------------- */

static void store(keel_layers *layers, const keel_key *key, const keel_value *value,
                  keel_place place)
{
    keel_slot *slot = &layers->slots[key->id];
    keel_turn *turn = &layers->turns[key->group];

    slot->set = true;
    slot->value = *value;
    slot->place = place;
    if (keel_group_switch(key->group) == key) {
        if (!keel_value_is_off(key, value)) {
            slot->on = *value;
            slot->has_on = true;
        }
    } else if (place.layer > KEEL_LAYER_BUILT_IN && !is_for_all(place.layer)) {
        turn->key = key;
        turn->place = place;
    }
}

static void report_value(const keel_source *source, const keel_key *key,
                         const keel_item *item, keel_parse parse, keel_report *report)
{
    char quoted[KEEL_QUOTE_SIZE], allowed[KEEL_ALLOWED_SIZE];

    keel_report_ignored(
        report, spot_of(source, item->value_column), "%s %s %s%s; allowed: %s",
        key->name, keel_value_quote(key, item->value, quoted), keel_parse_reason(parse),
        keel_item_hint(item), keel_key_allowed(key, allowed));
}

/* Which entry, and where in it; nothing is quoted that may be a password. */
static void report_endpoints(const keel_source *source, const keel_item *item,
                             keel_report *report)
{
    keel_endpoint_text entries[KEEL_ENDPOINTS_MAX];
    keel_endpoint_mistake mistake;

    if (keel_endpoint_list_read(item->value, entries, &mistake))
        return;
    keel_report_ignored(report, spot_of(source, item->value_column + mistake.offset),
                        "endpoints, entry %zu: %s", mistake.entry, mistake.why);
}

static void report_unknown_key(const keel_source *source, const keel_item *item,
                               keel_report *report)
{
    const keel_key *meant = keel_key_nearest(item->key);
    const char *hint = keel_item_hint(item);
    keel_spot spot = spot_of(source, item->column);
    char quoted[KEEL_QUOTE_SIZE];

    keel_quote(quoted, item->key);
    if (meant && !*hint)
        keel_report_ignored(report, spot, "unknown setting %s, did you mean \"%s\"?",
                            quoted, meant->name);
    else
        keel_report_ignored(report, spot, "unknown setting %s%s", quoted, hint);
}

static void report_word(const keel_source *source, const keel_item *item,
                        keel_report *report)
{
    const keel_preset *meant = keel_preset_nearest(item->key);
    const char *hint = keel_item_hint(item);
    keel_spot spot = spot_of(source, item->column);
    char quoted[KEEL_QUOTE_SIZE];

    keel_quote(quoted, item->key);
    if (*hint)
        keel_report_ignored(report, spot, "%s is neither preset nor setting%s", quoted,
                            hint);
    else if (!item->is_first)
        keel_report_ignored(
            report, spot, "%s is no setting (key=value); a preset comes first", quoted);
    else if (meant)
        keel_report_ignored(report, spot, "unknown preset %s, did you mean \"%s\"?",
                            quoted, meant->name);
    else
        keel_report_ignored(report, spot,
                            "unknown preset %s; allowed: standard, none, careful, "
                            "patient",
                            quoted);
}

/* The key's value from an item, or nothing but a word to the report. */
static bool read_value(const keel_source *source, const keel_key *key,
                       const keel_item *item, keel_value *value, keel_report *report)
{
    keel_parse parse = keel_value_parse(key, item->value, value);

    if (parse) {
        if (key->type == KEEL_TYPE_ENDPOINTS)
            report_endpoints(source, item, report);
        else
            report_value(source, key, item, parse, report);
        return false;
    }
    /* a slow call of 0 is the other way to say that nothing is slow */
    if (key->id == KEEL_KEY_BREAKER_SLOW_CALL && !value->first)
        value->off = true;
    return true;
}

static bool read_fence(const keel_source *source, const keel_key *key,
                       const keel_item *item, keel_value *value, keel_report *report)
{
    keel_spot spot = spot_of(source, item->column);

    if (source->layer != KEEL_LAYER_CODE) {
        keel_report_ignored(report, spot, "a fence on %s; fences stand in code only",
                            key->name);
        return false;
    }
    if (!keel_key_can_fence(key) || keel_text_is(item->value, "off")) {
        keel_report_ignored(report, spot, "%s cannot be fenced so", key->name);
        return false;
    }
    return read_value(source, key, item, value, report);
}

/* Finds key and value of an item; false: it is a word, a preset or wrong. */
static bool read_item(const keel_source *source, const keel_item *item,
                      const keel_key **key, keel_value *value, keel_report *report)
{
    if (item->kind == KEEL_ITEM_WORD) {
        if (!item->is_first || !keel_preset_find(item->key))
            report_word(source, item, report);
        return false;
    }
    *key = keel_key_find(item->key);
    if (!*key) {
        report_unknown_key(source, item, report);
        return false;
    }
    if (item->kind == KEEL_ITEM_SETTING)
        return read_value(source, *key, item, value, report);
    return read_fence(source, *key, item, value, report);
}

/* ---- one source ----------------------------------------------------------------- */

/* The items of a source; a __KEY variable is one item with the key it names. */
typedef struct source_reader {
    const keel_source *source;
    keel_settings_reader text;
    bool done;
} source_reader;

static source_reader read_source(const keel_source *source)
{
    return (source_reader){ source, keel_settings_read(source->text), false };
}

static bool next_item(source_reader *reader, keel_item *item)
{
    const keel_source *source = reader->source;
    keel_text text = keel_text_of(source->text);

    if (!source->key)
        return keel_settings_next(&reader->text, item);
    if (reader->done)
        return false;
    reader->done = true;
    *item = (keel_item){ .kind = KEEL_ITEM_SETTING, .column = 1 };
    item->key = keel_text_of(source->key->name);
    item->value = keel_text_trim(text);
    item->value_column = (size_t)(item->value.at - text.at) + 1;
    return true;
}

/* What of a sound value this pipeline may not have. */
static bool is_refused(const keel_layers *layers, const keel_source *source,
                       const keel_key *key, const keel_value *value, keel_place place,
                       keel_report *report)
{
    if (key->group == KEEL_GROUP_CHAOS && !layers->chaos_allowed &&
        source->layer != KEEL_LAYER_PRESET) {
        keel_report_mistake(report, spot_at(place),
                            "%s is refused: KEEL_CHAOS=allow is not set", key->name);
        return true;
    }
    if (key->id == KEEL_KEY_DEADLINE && value->off && layers->preset &&
        strcmp(layers->preset->name, "none") != 0) {
        keel_report_ignored(report, spot_at(place),
                            "deadline can be off only with the preset none");
        return true;
    }
    return false;
}

/* Twice in one text: most likely an edit that went half way. */
static void lint_twice(const keel_source *source, const keel_key *key, size_t column,
                       size_t before[KEEL_KEYS], keel_report *report)
{
    if (before[key->id])
        keel_report_lint(report, spot_of(source, column),
                         "%s stands here a second time; this one holds", key->name);
    before[key->id] = column;
}

void keel_layers_lay(keel_layers *layers, const keel_source *source,
                     keel_report *report)
{
    source_reader reader = read_source(source);
    size_t before[KEEL_KEYS] = { 0 };
    const keel_key *key;
    keel_value value;
    keel_item item;

    while (next_item(&reader, &item)) {
        keel_place place = place_of(source, item.column);

        if (!read_item(source, &item, &key, &value, report) ||
            item.kind != KEEL_ITEM_SETTING ||
            is_refused(layers, source, key, &value, place, report))
            continue;
        lint_twice(source, key, item.column, before, report);
        store(layers, key, &value, place);
    }
}

void keel_source_check(const keel_source *source, bool chaos_allowed,
                       keel_report *report)
{
    keel_layers alone = { .chaos_allowed = chaos_allowed };

    keel_layers_lay(&alone, source, report);
}

/* A preset or a key, or what a typing mistake could have made of one. */
static bool means_something(const keel_item *item)
{
    if (item->kind == KEEL_ITEM_WORD)
        return item->is_first &&
               (keel_preset_find(item->key) || keel_preset_nearest(item->key));
    return keel_key_find(item->key) || keel_key_nearest(item->key);
}

/*
 * "stale=10m": the form of a setting, with a value behind it. No key has a digit or a
 * capital, but encoded secrets have, and what is no setting must not be quoted.
 */
static bool has_form_of_setting(const keel_item *item)
{
    if (item->kind == KEEL_ITEM_WORD || !item->key.length || !item->value.length ||
        memchr(item->value.at, '=', item->value.length))
        return false;
    for (size_t i = 0; i < item->key.length; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz._", item->key.at[i]))
            return false;
    return true;
}

bool keel_text_reads_as_settings(const char *text)
{
    keel_settings_reader reader = keel_settings_read(text);
    bool has_form = true;
    keel_item item;

    while (keel_settings_next(&reader, &item)) {
        if (means_something(&item))
            return true;
        has_form = has_form && has_form_of_setting(&item);
    }
    return has_form && reader.any;
}

/* What a switch that is off comes to when only another key of its policy is named. */
static void prepare_turn(keel_layers *layers, const keel_key *key)
{
    keel_slot *slot = &layers->slots[key->id];

    if (key->turned_on)
        slot->has_on = !keel_value_parse(key, keel_text_of(key->turned_on), &slot->on);
}

void keel_layers_begin(keel_layers *layers)
{
    keel_place built_in = { KEEL_LAYER_BUILT_IN, NULL, 0 };
    keel_source preset = { .layer = KEEL_LAYER_PRESET, .column = 1 };
    keel_value share = { .first = widest_scope(layers, KEEL_SCOPE_FLEET) };
    keel_value value;

    if (!layers->preset)
        layers->preset = &keel_presets[0];
    for (size_t i = 0; i < KEEL_KEYS; i++) {
        if (!keel_value_parse(&keel_keys[i], keel_text_of(keel_keys[i].standard),
                              &value)) {
            store(layers, &keel_keys[i], &value, built_in);
            prepare_turn(layers, &keel_keys[i]);
        }
    }
    store(layers, &keel_keys[KEEL_KEY_SHARE], &share, built_in);
    preset.where = layers->preset->name;
    preset.text = layers->preset->settings;
    keel_layers_lay(layers, &preset, NULL);
}

/* ---- switches ------------------------------------------------------------------- */

bool keel_layers_on(const keel_layers *layers, keel_group group)
{
    const keel_key *key = keel_group_switch(group);

    return !keel_value_is_off(key, &layers->slots[key->id].value);
}

/* An "off" beside a key of the same policy: the rule is plain, the wish is not. */
static void lint_contradiction(const keel_slot *slot, const keel_turn *turn,
                               const char *policy, keel_report *report)
{
    if (slot->place.layer != turn->place.layer || !slot->place.where)
        return;
    keel_report_lint(report, spot_at(slot->place),
                     "%s is turned off here, and on again by %s (%s col %zu)", policy,
                     turn->key->name, turn->place.where, turn->place.column);
}

static void settle_switch(keel_layers *layers, keel_group group, keel_report *report)
{
    const keel_key *key = keel_group_switch(group);
    keel_slot *slot = &layers->slots[key->id];
    keel_turn *turn = &layers->turns[group];

    if (!keel_value_is_off(key, &slot->value) || !turn->key ||
        turn->place.layer < slot->place.layer)
        return;
    /* one attempt is a number somebody chose, not a switch to be turned over */
    if (group == KEEL_GROUP_RETRY && slot->place.layer > KEEL_LAYER_PRESET)
        return;
    if (!slot->has_on) {
        keel_report_lint(report, spot_at(turn->place), "%s has no effect without %s",
                         turn->key->name, key->name);
        return;
    }
    lint_contradiction(slot, turn, keel_group_name(group), report);
    slot->value = slot->on;
    slot->place = turn->place;
    turn->turned = true;
}

/* ---- fences --------------------------------------------------------------------- */

static void apply_fence(keel_layers *layers, const keel_source *code,
                        const keel_key *key, const keel_item *item,
                        const keel_value *fence, keel_report *report)
{
    keel_slot *slot = &layers->slots[key->id];
    bool at_most = item->kind == KEEL_ITEM_AT_MOST;
    keel_place place = place_of(code, item->column);
    char was[KEEL_VALUE_SIZE], now[KEEL_VALUE_SIZE];
    keel_slot before = *slot;

    if (!slot->set || !keel_value_clamp(key, &slot->value, fence, at_most))
        return;
    place.layer = KEEL_LAYER_FENCE;
    slot->place = place;
    slot->wished = before.value;
    slot->wished_at = before.place;
    if (before.place.layer == KEEL_LAYER_BUILT_IN)
        return; /* nobody wished for it */
    keel_report_mistake(report, spot_at(before.place),
                        "%s=%s is beyond the fence in code (%s%s%.*s); %s holds",
                        key->name, keel_value_write(key, &before.value, was), key->name,
                        at_most ? "<=" : ">=", (int)item->value.length, item->value.at,
                        keel_value_write(key, &slot->value, now));
}

static void apply_fences(keel_layers *layers, const keel_source *code,
                         keel_report *report)
{
    source_reader reader = read_source(code);
    const keel_key *key;
    keel_value fence;
    keel_item item;

    while (next_item(&reader, &item))
        if ((item.kind == KEEL_ITEM_AT_MOST || item.kind == KEEL_ITEM_AT_LEAST) &&
            read_item(code, &item, &key, &fence, NULL))
            apply_fence(layers, code, key, &item, &fence, report);
}

/* ---- computed values ------------------------------------------------------------ */

static uint64_t number_of(const keel_layers *layers, keel_key_id id)
{
    return layers->slots[id].value.first;
}

static void compute(keel_layers *layers, keel_key_id id, uint64_t number)
{
    keel_slot *slot = &layers->slots[id];

    if (slot->set)
        return;
    slot->set = true;
    slot->value = (keel_value){ .first = number };
}

/* What follows a value that is off is off too. */
static void compute_of(keel_layers *layers, keel_key_id id, keel_key_id of,
                       uint64_t number)
{
    compute(layers, id, number);
    if (!layers->slots[id].place.where && layers->slots[of].value.off)
        layers->slots[id].value.off = true;
}

/* ceil(ppm x permits) - 1: the share itself already fails the round. */
uint32_t keel_probes_allowed(uint64_t ppm, uint64_t permits)
{
    return (uint32_t)((ppm * permits + KEEL_PPM - 1) / KEEL_PPM - 1);
}

static uint64_t default_connect(const keel_layers *layers)
{
    uint64_t half = number_of(layers, KEEL_KEY_TIMEOUT) / 2;

    return half < KEEL_SECOND ? half : KEEL_SECOND;
}

static uint64_t default_stable(const keel_layers *layers)
{
    uint64_t first = number_of(layers, KEEL_KEY_BREAKER_OPEN);
    const keel_value *window = &layers->slots[KEEL_KEY_BREAKER_WINDOW].value;

    if (window->form == KEEL_WINDOW_CALLS || window->first < first)
        return first;
    return window->first;
}

/* What a probe may last: an attempt, or where calls are judged, a whole call. */
static uint64_t default_lease(const keel_layers *layers)
{
    bool per_call = number_of(layers, KEEL_KEY_BREAKER_PER_CALL);

    if (per_call && keel_layers_on(layers, KEEL_GROUP_DEADLINE))
        return number_of(layers, KEEL_KEY_DEADLINE);
    if (!per_call && keel_layers_on(layers, KEEL_GROUP_TIMEOUT))
        return number_of(layers, KEEL_KEY_TIMEOUT);
    return number_of(layers, KEEL_KEY_BREAKER_HALF_OPEN_MAX_WAIT);
}

static void compute_all(keel_layers *layers)
{
    compute_of(layers, KEEL_KEY_TIMEOUT_CONNECT, KEEL_KEY_TIMEOUT,
               default_connect(layers));
    compute(layers, KEEL_KEY_BREAKER_STABLE, default_stable(layers));
    /* what one endpoint fails of, a retry makes good at another */
    compute(layers, KEEL_KEY_BREAKER_PER_CALL,
            keel_layers_on(layers, KEEL_GROUP_ENDPOINTS));
    compute(layers, KEEL_KEY_BREAKER_LEASE, default_lease(layers));
    compute(layers, KEEL_KEY_BREAKER_HALF_OPEN_FAILURES,
            keel_probes_allowed(number_of(layers, KEEL_KEY_BREAKER_FAILURE_RATE),
                                number_of(layers, KEEL_KEY_BREAKER_HALF_OPEN_PERMITS)));
    compute_of(layers, KEEL_KEY_RATE_BURST, KEEL_KEY_RATE,
               number_of(layers, KEEL_KEY_RATE));
}

/* Puts another value in the place of one that cannot be together with the rest. */
static void correct(keel_layers *layers, keel_key_id id, uint64_t number,
                    const char *rule, keel_report *report)
{
    const keel_key *key = &keel_keys[id];
    keel_slot *slot = &layers->slots[id];
    char was[KEEL_VALUE_SIZE], now[KEEL_VALUE_SIZE];

    slot->wished = slot->value;
    slot->wished_at = slot->place;
    slot->value.first = number;
    if (slot->place.where)
        keel_report_mistake(report, spot_at(slot->place), "%s=%s %s; %s holds",
                            key->name, keel_value_write(key, &slot->wished, was), rule,
                            keel_value_write(key, &slot->value, now));
}

static void reconcile(keel_layers *layers, keel_report *report)
{
    uint64_t permits = number_of(layers, KEEL_KEY_BREAKER_HALF_OPEN_PERMITS);
    const keel_value *window = &layers->slots[KEEL_KEY_BREAKER_WINDOW].value;

    if (keel_layers_on(layers, KEEL_GROUP_TIMEOUT) &&
        number_of(layers, KEEL_KEY_TIMEOUT_CONNECT) >=
            number_of(layers, KEEL_KEY_TIMEOUT))
        correct(layers, KEEL_KEY_TIMEOUT_CONNECT, default_connect(layers),
                "must be below timeout", report);
    if (number_of(layers, KEEL_KEY_BREAKER_HALF_OPEN_FAILURES) >= permits)
        correct(layers, KEEL_KEY_BREAKER_HALF_OPEN_FAILURES, permits - 1,
                "must be below breaker.half_open_permits", report);
    if (window->form == KEEL_WINDOW_CALLS &&
        number_of(layers, KEEL_KEY_BREAKER_MIN_CALLS) > window->first)
        correct(layers, KEEL_KEY_BREAKER_MIN_CALLS, window->first,
                "is more than breaker.window holds", NULL);
}

/*
 * Narrows a scope that cannot be had. No mistake: the same settings serve hosts with a
 * board or a Redis and those without.
 */
static void narrow_scope(keel_layers *layers, keel_key_id id, keel_report *report)
{
    const keel_key *key = &keel_keys[id];
    keel_slot *slot = &layers->slots[id];
    keel_scope wished = (keel_scope)slot->value.first;
    keel_scope scope = widest_scope(layers, wished);
    bool is_on = keel_layers_on(layers, key->group);

    if (scope == wished)
        return;
    slot->wished = slot->value;
    slot->wished_at = slot->place;
    slot->value.first = scope;
    if (is_on)
        keel_report_lint(report, spot_at(slot->place),
                         "%s=%s needs %s, which is not set; %s holds", key->name,
                         key->words[wished],
                         wished == KEEL_SCOPE_FLEET ? "KEEL_REDIS" : "KEEL_BOARD",
                         key->words[scope]);
}

/* Fences come before what is computed, since that follows them, and bind it after. */
void keel_layers_end(keel_layers *layers, const keel_source *code, keel_report *report)
{
    for (size_t group = 0; group < KEEL_GROUPS; group++)
        settle_switch(layers, (keel_group)group, report);
    if (code)
        apply_fences(layers, code, report);
    compute_all(layers);
    if (code)
        apply_fences(layers, code, report);
    reconcile(layers, report);
    narrow_scope(layers, KEEL_KEY_BULKHEAD_SCOPE, report);
    narrow_scope(layers, KEEL_KEY_RATE_SCOPE, report);
    narrow_scope(layers, KEEL_KEY_SHARE, report);
}
