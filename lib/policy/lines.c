/* SPDX-License-Identifier: MIT */
/* Where the stripes of all processes are. */
#include "policy/lines.h"

enum { MOST_LINES = 16 };

static uint64_t set_pack(uint64_t offset, uint32_t count)
{
    return offset << 16 | count;
}

static keel_stripes set_at(const keel_lines *lines, uint32_t slot)
{
    uint64_t set =
        atomic_load_explicit(&lines->words->sets[slot], memory_order_acquire);
    uint32_t count = set & 0xffff;
    keel_stripe_line *at =
        keel_board_at(lines->board, set >> 16, count * sizeof(keel_stripe_line));

    return keel_stripes_of(at, at && count <= KEEL_STRIPES_MAX ? count : 0);
}

/* Lines for a slot that never had any. Only its owner does this, so nobody races. */
static void make_set(const keel_lines *lines, uint32_t slot)
{
    uint32_t count = keel_stripes_wanted();
    uint64_t offset;
    uint64_t used = atomic_load(&lines->words->used);

    count = count < MOST_LINES ? count : MOST_LINES;
    if (!keel_board_take(lines->board, count * sizeof(keel_stripe_line), &offset))
        return;
    /* first: of one who is killed in between, nobody would ever see what is counted */
    while (used <= slot &&
           !atomic_compare_exchange_weak(&lines->words->used, &used, slot + 1))
        ;
    atomic_store_explicit(&lines->words->sets[slot], set_pack(offset, count),
                          memory_order_release);
}

void keel_lines_join(const keel_lines *lines, keel_stripes *own)
{
    uint64_t self = atomic_load(keel_board_self(lines->board));
    uint32_t slot = (uint32_t)(self >> 56);
    keel_stripes mine;

    if (!self || atomic_load_explicit(&own->owned, memory_order_relaxed))
        return;
    if (!atomic_load(&lines->words->sets[slot]))
        make_set(lines, slot);
    mine = set_at(lines, slot);
    own->lines = mine.lines;
    own->count = mine.count;
    atomic_store_explicit(&own->owned, mine.owned, memory_order_release);
}

void keel_lines_forsake(const keel_lines *lines, uint32_t slot)
{
    keel_stripes set = set_at(lines, slot);

    for (uint32_t i = 0; i < set.count; i++)
        atomic_fetch_and_explicit(&set.lines[i].words[KEEL_STRIPE_WINDOW],
                                  ~KEEL_STRIPE_FOLDING, memory_order_relaxed);
}

uint32_t keel_lines_sets(const keel_lines *lines)
{
    uint64_t used = atomic_load_explicit(&lines->words->used, memory_order_acquire);

    return used < KEEL_BOARD_OWNERS ? (uint32_t)used : KEEL_BOARD_OWNERS;
}

keel_stripes keel_lines_set(const keel_lines *lines, uint32_t number)
{
    return set_at(lines, number);
}
