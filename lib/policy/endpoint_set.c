/* SPDX-License-Identifier: MIT */
/* Making endpoint sets. */
#include "policy/endpoint_set.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/name.h"
#include "base/seed.h"

/* An endpoint's words, its window, its leases, the starts of its attempts, and its own
 * words; and two of the set. */
enum { BLOCKS_EACH = 5, BLOCKS_OF_SET = 2 };

typedef struct keel_endpoint_blocks {
    size_t count;
    struct {
        keel_board *board;
        void *block;
    } items[KEEL_ENDPOINTS_MAX * BLOCKS_EACH + BLOCKS_OF_SET];
} keel_endpoint_blocks;

/* Nobody counts in these. */
static const keel_stripes no_stripes;

/* ---- what the list says --------------------------------------------------------- */

/* FNV-1a (Fowler, Noll and Vo), then mixed, so that all bits of it are of use. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return keel_mix(hash);
}

/* A copy at *to, which then points behind it; the memory is zeroed. */
static char *keep(char **to, keel_text text)
{
    char *kept = *to;

    if (text.length)
        memcpy(kept, text.at, text.length);
    *to += text.length + 1;
    return kept;
}

static size_t size_of_texts(const keel_endpoint_text *texts, size_t count,
                            keel_text zone)
{
    size_t size = zone.length + 1;

    for (size_t i = 0; i < count; i++)
        size += texts[i].url.length + texts[i].name.length + texts[i].zone.length + 3;
    return size;
}

static bool is_same(keel_text a, keel_text b)
{
    return a.length == b.length && a.length && !memcmp(a.at, b.at, a.length);
}

static void describe(keel_endpoints *set, const keel_endpoint_text *texts,
                     keel_text zone)
{
    char *at = set->texts;

    set->zone = keep(&at, zone);
    for (uint32_t i = 0; i < set->count; i++) {
        keel_endpoint_entry *entry = &set->entries[i];

        entry->url = keep(&at, texts[i].url);
        entry->name = keep(&at, texts[i].name);
        entry->zone = keep(&at, texts[i].zone);
        entry->hash = hash_of(entry->name);
        entry->tier = texts[i].tier;
        entry->weight = texts[i].weight;
        entry->stride =
            KEEL_ENDPOINT_STRIDE_UNIT / (entry->weight * KEEL_ENDPOINT_WEIGHT_UNIT);
        entry->is_near = is_same(texts[i].zone, zone);
        set->everybody |= keel_endpoint_bit(i);
    }
}

static void find_zones(keel_endpoints *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        for (uint32_t j = 0; *set->entries[i].zone && j < set->count; j++)
            if (strcmp(set->entries[i].zone, set->entries[j].zone) == 0)
                set->entries[i].zone_members |= keel_endpoint_bit(j);
}

static void find_level(keel_endpoints *set, uint32_t tier, bool is_near)
{
    keel_endpoint_level *level = &set->levels[set->level_count];

    *level = (keel_endpoint_level){ .number = 2 * tier + !is_near };
    for (uint32_t i = 0; i < set->count; i++) {
        const keel_endpoint_entry *entry = &set->entries[i];

        if (entry->tier != tier || entry->is_near != is_near)
            continue;
        level->members |= keel_endpoint_bit(i);
        level->weight += entry->weight;
    }
    set->level_count += level->members != 0;
}

static void find_levels(keel_endpoints *set)
{
    for (uint32_t tier = 0; tier <= KEEL_ENDPOINT_TIER_MAX; tier++) {
        find_level(set, tier, true);
        find_level(set, tier, false);
    }
}

/* ---- where its state lies ------------------------------------------------------- */

typedef struct placing {
    keel_endpoints *set;
    const keel_endpoint_parts *parts;
    const keel_policy *policy;
    char name[KEEL_BLOCK_NAME_SIZE]; /* of the blocks to come */
    bool is_full;
} placing;

static void *borrow(placing *p, keel_board *board, keel_block_kind kind, uint64_t width,
                    uint32_t count, size_t size)
{
    keel_endpoint_blocks *blocks = p->set->blocks;
    keel_block_key key = { p->name, kind, width, count };
    void *block = keel_board_lend(board, &key, size);

    if (block) {
        blocks->items[blocks->count].board = board;
        blocks->items[blocks->count++].block = block;
    }
    p->is_full = p->is_full || !block;
    return block;
}

enum { DIGITS = 13 };
static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

/* In base 32. A pipeline's name has 64 bytes, so that 13 digits of base 32 still have room. */
static void name_blocks(placing *p, uint64_t hash)
{
    char *at = p->name + snprintf(p->name, sizeof p->name, "%.*s%c", KEEL_NAME_MAX,
                                  p->parts->pipeline, KEEL_BLOCK_PART_MARK);

    for (int digit = 0; digit < DIGITS; digit++, hash >>= 5)
        *at++ = digits[hash & 31];
    *at = '\0';
}

bool keel_endpoint_block_hash(const char *name, const char *pipeline, uint64_t *hash)
{
    size_t length = strlen(pipeline);
    const char *part, *digit;

    *hash = 0;
    if (strncmp(name, pipeline, length) != 0 || name[length] != KEEL_BLOCK_PART_MARK)
        return false;
    part = name + length + 1;
    if (strlen(part) != DIGITS)
        return false;
    for (int i = DIGITS; i-- > 0; *hash = *hash << 5 | (uint64_t)(digit - digits)) {
        digit = strchr(digits, part[i]);
        if (!digit)
            return false;
    }
    return true;
}

static void place_window(placing *p, keel_window *window)
{
    const keel_policy *policy = p->policy;
    bool has_slow = policy->slow_call_ns != 0;
    uint32_t buckets = policy->window_buckets;
    /* slow calls have buckets of their own, hence other geometry: told by the width */
    uint64_t width = policy->window_ns / (buckets ? buckets : 1) * 2 + has_slow;

    if (policy->window_calls)
        keel_count_window_init(window,
                               borrow(p, p->parts->shared, KEEL_BLOCK_COUNT_WINDOW, 0,
                                      policy->window_calls,
                                      keel_count_window_size(policy->window_calls)),
                               policy->window_calls);
    else
        keel_time_window_init(window,
                              borrow(p, p->parts->shared, KEEL_BLOCK_TIME_WINDOW, width,
                                     buckets, keel_time_window_size(buckets, has_slow)),
                              &no_stripes, KEEL_STRIPE_WINDOW, policy->window_ns,
                              buckets, has_slow);
}

static void place_breaker(placing *p, keel_endpoint_entry *entry)
{
    keel_breaker *breaker = &entry->breaker;
    uint32_t permits = p->policy->half_open_permits;

    breaker->words = &entry->words->breaker;
    breaker->leases = breaker->words->leases;
    if (permits > KEEL_BREAKER_OWN_LEASES)
        breaker->leases = borrow(p, p->parts->shared, KEEL_BLOCK_LEASES, 0, permits,
                                 permits * sizeof(uint64_t));
    if (p->parts->is_shared)
        breaker->self = keel_board_self(p->parts->shared);
    if (p->policy->slow_call_ns)
        breaker->starts.words = borrow(p, p->parts->board, KEEL_BLOCK_ENDPOINT_STARTS,
                                       0, 0, sizeof *breaker->starts.words);
    place_window(p, &breaker->window);
}

/* All who share it write the same. */
static void write_label(keel_endpoint_label *label, const char *name)
{
    char shown[KEEL_ENDPOINT_SHOWN];
    uint64_t word;

    keel_text_copy(shown, sizeof shown, keel_text_of(name));
    for (size_t i = 0; i < sizeof shown / sizeof word; i++) {
        memcpy(&word, shown + i * sizeof word, sizeof word);
        atomic_store_explicit(&label->words[i], word, memory_order_relaxed);
    }
}

static void place_entry(placing *p, keel_endpoint_entry *entry)
{
    name_blocks(p, entry->hash);
    entry->words =
        borrow(p, p->parts->shared, KEEL_BLOCK_ENDPOINT, 0, 0, sizeof *entry->words);
    entry->own =
        borrow(p, p->parts->board, KEEL_BLOCK_ENDPOINT_OWN, 0, 0, sizeof *entry->own);
    if (!entry->words)
        return;
    write_label(&entry->words->label, entry->name);
    if (p->policy->breaker)
        place_breaker(p, entry);
}

static void place_all(placing *p)
{
    keel_endpoints *set = p->set;

    snprintf(p->name, sizeof p->name, "%s", p->parts->pipeline);
    set->words =
        borrow(p, p->parts->shared, KEEL_BLOCK_ENDPOINTS, 0, 0, sizeof *set->words);
    set->own =
        borrow(p, p->parts->board, KEEL_BLOCK_ENDPOINTS_OWN, 0, 0, sizeof *set->own);
    for (uint32_t i = 0; i < set->count && !p->is_full; i++)
        place_entry(p, &set->entries[i]);
}

/* ---- sets ----------------------------------------------------------------------- */

static keel_endpoints *new_set(const keel_allocator *memory, size_t count,
                               size_t size_of_its_texts)
{
    keel_endpoints *set =
        keel_memory_new(memory, sizeof *set + count * sizeof set->entries[0]);

    if (!set)
        return NULL;
    set->memory = memory;
    set->count = (uint32_t)count;
    set->texts = keel_memory_new(memory, size_of_its_texts);
    set->blocks = keel_memory_new(memory, sizeof *set->blocks);
    if (set->texts && set->blocks)
        return set;
    keel_endpoints_free(set);
    return NULL;
}

keel_status keel_endpoints_new(keel_endpoints **out, const keel_endpoint_parts *parts,
                               const keel_policy *policy)
{
    keel_endpoint_text texts[KEEL_ENDPOINTS_MAX];
    keel_endpoint_mistake mistake;
    keel_text zone = policy->endpoints_zone;
    size_t count = policy->endpoints.length
                       ? keel_endpoint_list_read(policy->endpoints, texts, &mistake)
                       : 0;
    placing p = { .parts = parts, .policy = policy };

    *out = NULL;
    if (!count)
        return KEEL_OK;
    p.set = new_set(parts->memory, count, size_of_texts(texts, count, zone));
    if (!p.set)
        return KEEL_E_NOMEM;
    p.set->shared = parts->is_shared ? parts->shared : NULL;
    describe(p.set, texts, zone);
    find_zones(p.set);
    find_levels(p.set);
    place_all(&p);
    if (!p.is_full) {
        *out = p.set;
        return KEEL_OK;
    }
    keel_endpoints_free(p.set);
    return KEEL_E_LIMIT;
}

void keel_endpoints_free(keel_endpoints *set)
{
    if (!set)
        return;
    for (size_t i = 0; set->blocks && i < set->blocks->count; i++)
        keel_board_give_back(set->blocks->items[i].board, set->blocks->items[i].block);
    keel_memory_free(set->memory, set->blocks);
    keel_memory_free(set->memory, set->texts);
    keel_memory_free(set->memory, set);
}

uint32_t keel_endpoints_find(const keel_endpoints *set, const char *name)
{
    uint32_t i = 0;

    while (i < set->count && strcmp(set->entries[i].name, name) != 0)
        i++;
    return i;
}

void keel_endpoint_note(keel_endpoint_changes *changes,
                        const keel_endpoint_change *change)
{
    if (keel_endpoint_changes_are_full(changes))
        changes->lost++;
    else
        changes->items[changes->count++] = *change;
}

void keel_endpoint_note_moves(keel_endpoint_changes *changes, uint32_t index,
                              const keel_changes *moves)
{
    for (uint32_t i = 0; i < moves->count; i++)
        keel_endpoint_note(changes,
                           &(keel_endpoint_change){ .event = KEEL_ENDPOINT_MOVED,
                                                    .index = index,
                                                    .move = moves->items[i] });
}

/* ---- reloads -------------------------------------------------------------------- */

static const keel_endpoint_entry *same_in(const keel_endpoints *set,
                                          const keel_endpoint_entry *entry)
{
    uint32_t at = set ? keel_endpoints_find(set, entry->name) : 0;

    return set && at < set->count ? &set->entries[at] : NULL;
}

/* Whether other processes count in its window too: then it is not ours to change. */
static bool is_everybodys(const keel_endpoints *set, const keel_window *window)
{
    const void *words = window->time ? (const void *)window->time : window->by_count;

    return set->shared && keel_board_has_other_users(set->shared, words);
}

static void take_over_breaker(const keel_endpoints *set,
                              const keel_endpoint_entry *entry,
                              const keel_policy *policy, const keel_endpoint_entry *old,
                              const keel_policy *old_policy, uint64_t now)
{
    const keel_breaker *from = old && old->breaker.words ? &old->breaker : NULL;

    if (!is_everybodys(set, &entry->breaker.window))
        keel_breaker_take_over_window(&entry->breaker, from, now);
    if (from && policy->half_open_permits != old_policy->half_open_permits)
        keel_breaker_restart_round(&entry->breaker, policy);
}

/* As one who has come back now; unless it is there for somebody else already. */
static void begin_slowly(const keel_endpoint_entry *entry, uint64_t now)
{
    uint64_t nobody = 0;

    atomic_compare_exchange_strong_explicit(&entry->words->health, &nobody, now,
                                            memory_order_relaxed, memory_order_relaxed);
}

void keel_endpoints_take_over(const keel_endpoints *set, const keel_policy *policy,
                              const keel_endpoints *old, const keel_policy *old_policy,
                              uint64_t now)
{
    for (uint32_t i = 0; set && i < set->count; i++) {
        const keel_endpoint_entry *entry = &set->entries[i];
        const keel_endpoint_entry *before = same_in(old, entry);

        if (old && !before)
            begin_slowly(entry, now);
        if (old && entry->breaker.words)
            take_over_breaker(set, entry, policy, before, old_policy, now);
    }
}
