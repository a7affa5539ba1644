/* SPDX-License-Identifier: MIT */
/* Saying of each key what holds, who said so, and what did not come through. */
#include "settings/resolve.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static void write_place(keel_place place, char *to, size_t size)
{
    if (!place.where)
        to[0] = '\0';
    else if (place.layer == KEEL_LAYER_PRESET)
        snprintf(to, size, "preset %s", place.where);
    else
        snprintf(to, size, "%s col %zu", place.where, place.column);
}

/* A preset fills its own layer only, however high the layer that names it. */
static bool note_preset(const keel_layers *layers, const keel_key *key, char *to,
                        size_t size)
{
    const keel_slot *slot = &layers->slots[key->id];
    keel_layers alone = { .preset = layers->preset };
    keel_slot *wish = &alone.slots[key->id];
    char value[KEEL_VALUE_SIZE], place[64];

    if (!layers->preset_at.where || slot->place.layer <= KEEL_LAYER_PRESET ||
        slot->place.layer >= layers->preset_at.layer)
        return false;
    keel_layers_begin(&alone);
    if (wish->place.layer != KEEL_LAYER_PRESET)
        return false;
    write_place(layers->preset_at, place, sizeof place);
    snprintf(to, size, "%s names the preset %s (%s), which only fills the preset layer",
             place, layers->preset->name, keel_value_write(key, &wish->value, value));
    return true;
}

static bool note_wish(const keel_slot *slot, const keel_key *key, char *to, size_t size)
{
    char value[KEEL_VALUE_SIZE], place[64];

    if (!slot->wished_at.where)
        return false;
    write_place(slot->wished_at, place, sizeof place);
    snprintf(to, size, "%s wished for %s", place,
             keel_value_write(key, &slot->wished, value));
    return true;
}

static bool note_switch(const keel_layers *layers, const keel_key *key, char *to,
                        size_t size)
{
    const keel_turn *turn = &layers->turns[key->group];

    if (keel_group_switch(key->group) == key) {
        if (turn->turned)
            snprintf(to, size, "on because %s is named", turn->key->name);
        return turn->turned;
    }
    if (keel_layers_on(layers, key->group))
        return false;
    snprintf(to, size, "no effect: %s is off", keel_group_name(key->group));
    return true;
}

/* What follows a policy that is off has no value, and "off" may be none of the key's. */
static void write_value(const keel_key *key, const keel_value *value,
                        char to[KEEL_VALUE_SIZE])
{
    if (value->off && !key->can_off)
        snprintf(to, KEEL_VALUE_SIZE, "-");
    else
        keel_value_write(key, value, to);
}

static void explain_key(const keel_layers *layers, const keel_key *key,
                        keel_origin *out)
{
    const keel_slot *slot = &layers->slots[key->id];

    out->key = key->name;
    out->layer = keel_layer_name(slot->place.layer);
    write_value(key, &slot->value, out->value);
    write_place(slot->place, out->source, sizeof out->source);
    if (note_switch(layers, key, out->note, sizeof out->note) ||
        note_wish(slot, key, out->note, sizeof out->note) ||
        note_preset(layers, key, out->note, sizeof out->note))
        return;
    if (!slot->place.where && key->computed)
        snprintf(out->note, sizeof out->note, "%s", key->computed);
}

keel_status keel_explain(const keel_layers *layers, const keel_allocator *memory,
                         keel_explanation *out)
{
    *out = (keel_explanation){ .count = 0 };
    out->origins = keel_memory_new(memory, KEEL_KEYS * sizeof *out->origins);
    if (!out->origins)
        return KEEL_E_NOMEM;
    out->count = KEEL_KEYS;
    snprintf(out->preset, sizeof out->preset, "%s", layers->preset->name);
    for (size_t i = 0; i < KEEL_KEYS; i++)
        explain_key(layers, &keel_keys[i], &out->origins[i]);
    return KEEL_OK;
}

void keel_explanation_free(const keel_allocator *memory, keel_explanation *explanation)
{
    if (!explanation)
        return;
    keel_memory_free(memory, explanation->origins);
    explanation->origins = NULL;
    explanation->count = 0;
}
