/* SPDX-License-Identifier: MIT */
/*
 * Settings texts laid over one another: what the layers come to for each key, and who
 * had the last word. Decides which policies are on, applies fences and fills in what is
 * computed from other keys. Reads no environment and no file.
 */
#ifndef KEEL_SETTINGS_LAYERS_H
#define KEEL_SETTINGS_LAYERS_H

#include "base/settings.h"
#include "settings/report.h"
#include "settings/value.h"

/* Low to high. */
typedef enum keel_layer {
    KEEL_LAYER_BUILT_IN,
    KEEL_LAYER_PRESET,
    KEEL_LAYER_CODE,
    KEEL_LAYER_FILE_DEFAULT,
    KEEL_LAYER_FILE,
    KEEL_LAYER_DEFAULT,
    KEEL_LAYER_DEFAULT_KEY,
    KEEL_LAYER_NAME,
    KEEL_LAYER_NAME_KEY,
    KEEL_LAYER_OVERRIDE,
    KEEL_LAYER_FENCE
} keel_layer;

const char *keel_layer_name(keel_layer layer); /* "KEEL_<NAME>" */

/*
 * A text and where it stands.
 *
 * where   "KEEL_PAYMENTS", "code", "keel.conf:3"; lives as long as the layers
 * column  of the text's first byte where it stands, from 1
 * key     the one key that a __KEY variable sets; NULL: a whole settings text
 */
typedef struct keel_source {
    keel_layer layer;
    const char *where;
    const char *text;
    size_t column;
    const keel_key *key;
} keel_source;

/* Where a word was said. */
typedef struct keel_place {
    keel_layer layer;
    const char *where; /* NULL: nowhere, it is built in */
    size_t column;
} keel_place;

/*
 * What the layers come to for one key.
 *
 * set       false: not named, and computed from other keys in the end
 * value     in force; place is who gave it
 * on, has_on  the last value that is not "off": what switching on returns to
 * wished, wished_at  what a fence clamped; wished_at.where NULL: nothing
 */
typedef struct keel_slot {
    bool set;
    keel_value value;
    keel_place place;
    bool has_on;
    keel_value on;
    keel_value wished;
    keel_place wished_at;
} keel_slot;

/* The highest key that may turn a policy on. key NULL: none was named. */
typedef struct keel_turn {
    const keel_key *key;
    keel_place place;
    bool turned; /* it did */
} keel_turn;

/* The first three say what the process-wide variables allow. */
typedef struct keel_layers {
    bool chaos_allowed;
    bool has_board;
    bool has_redis;
    const keel_preset *preset;
    keel_place preset_at;
    keel_slot slots[KEEL_KEYS];
    keel_turn turns[KEEL_GROUPS];
} keel_layers;

/* First, for every source from low to high: the preset named last is in force. */
void keel_layers_find_preset(keel_layers *layers, const keel_source *source);

/* Then the built-in values and the preset's … */
void keel_layers_begin(keel_layers *layers);

/* … and every source again, from low to high; mistakes are told and passed over. */
void keel_layers_lay(keel_layers *layers, const keel_source *source,
                     keel_report *report);

/*
 * At last: switches, the fences of `code` (may be NULL), computed values, and the scopes
 * that this process can have.
 */
void keel_layers_end(keel_layers *layers, const keel_source *code, keel_report *report);

/* Tells what is wrong with a text by itself. */
void keel_source_check(const keel_source *source, bool chaos_allowed,
                       keel_report *report);

/*
 * Whether a text reads like settings, right or wrong: it begins with a preset or names a
 * key, mistyped ones included, or every item has the form of a setting.
 */
bool keel_text_reads_as_settings(const char *text);

bool keel_layers_on(const keel_layers *layers, keel_group group);

/* How many of `permits` probes may show what opens the breaker at a share of ppm. */
uint32_t keel_probes_allowed(uint64_t ppm, uint64_t permits);

#endif
