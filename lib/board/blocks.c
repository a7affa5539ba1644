/* SPDX-License-Identifier: MIT */
/*
 * The directory of a board: blocks found by key, made, lent and handed on. Not for what
 * the blocks mean.
 */
#include "board/inside.h"

#include <string.h>

static bool matches(const keel_board_entry *e, const keel_block_key *key)
{
    return e->kind == (uint32_t)key->kind && e->width == key->width &&
           e->count == key->count && strncmp(e->name, key->name, sizeof e->name) == 0;
}

/* Nor is what an entry of a file says of its place. */
static bool is_inside(const keel_board *board, const keel_board_entry *e, size_t size)
{
    return e->size >= size && e->size <= board->space &&
           e->offset <= board->space - e->size && e->offset % KEEL_LINE == 0;
}

static keel_board_entry *find_locked(keel_board *board, const keel_block_key *key,
                                     size_t size)
{
    for (uint32_t i = 0; i < keel_board_block_count(board); i++) {
        keel_board_entry *e = &board->directory[i];

        if (matches(e, key) && is_inside(board, e, size))
            return e;
    }
    return NULL;
}

static void use_locked(keel_board *board, keel_board_entry *e)
{
    board->uses[e - board->directory]++;
    keel_board_mark_used_locked(board, e);
}

static void unuse_locked(keel_board *board, keel_board_entry *e)
{
    uint64_t self = keel_board_self_of(board);
    uint32_t slot = keel_owner_slot(self);

    if (--board->uses[e - board->directory] == 0 && self)
        e->users[slot / 64] &= ~((uint64_t)1 << slot % 64);
}

static bool is_used_locked(const keel_board *board, const keel_board_entry *e)
{
    uint64_t users = board->uses[e - board->directory];

    for (size_t i = 0; i < sizeof e->users / sizeof e->users[0]; i++)
        users |= e->users[i];
    return users;
}

/* The smallest that nobody uses and that is large enough. */
static keel_board_entry *find_unused_locked(keel_board *board, keel_block_kind kind,
                                            size_t size)
{
    keel_board_entry *best = NULL;

    for (uint32_t i = 0; i < keel_board_block_count(board); i++) {
        keel_board_entry *e = &board->directory[i];

        if (e->kind == (uint32_t)kind && is_inside(board, e, size) &&
            !is_used_locked(board, e) && (!best || e->size < best->size))
            best = e;
    }
    return best;
}

static void *memory_of(const keel_board *board, const keel_board_entry *e)
{
    return board->blocks + e->offset;
}

static void set_key(keel_board_entry *e, const keel_block_key *key)
{
    e->width = key->width;
    e->count = key->count;
    memcpy(e->name, key->name, strlen(key->name) + 1);
}

/* Word by word, because somebody may still read them. */
static void empty(_Atomic uint64_t *words, size_t size)
{
    for (size_t i = 0; i < size / sizeof *words; i++)
        atomic_store_explicit(&words[i], 0, memory_order_relaxed);
}

/* Nobody uses it until its key is whole, so a child forked meanwhile has lost nothing. */
static keel_board_entry *hand_on_locked(keel_board *board, const keel_block_key *key,
                                        size_t size)
{
    keel_board_entry *e = find_unused_locked(board, key->kind, size);

    if (!e)
        return NULL;
    empty(memory_of(board, e), e->size);
    set_key(e, key);
    return e;
}

/* The offset of fresh memory from the start of the blocks; false: full. */
static bool take_locked(keel_board *board, size_t size, uint64_t *offset)
{
    size_t taken = (size + KEEL_LINE - 1) / KEEL_LINE * KEEL_LINE;

    *offset = board->head->used;
    if (*offset % KEEL_LINE || *offset > board->space || taken > board->space - *offset)
        return false;
    board->head->used = *offset + taken;
    return true;
}

/*
 * The count comes last: a child that is forked meanwhile, or who comes after one that
 * was killed here, has lost some memory at worst, and never an entry whose memory the
 * next one gets too.
 */
static keel_board_entry *make_locked(keel_board *board, const keel_block_key *key,
                                     size_t size)
{
    uint32_t count = keel_board_block_count(board);
    keel_board_entry *e = &board->directory[count];
    uint64_t offset;

    if (count == KEEL_BOARD_BLOCKS || !take_locked(board, size, &offset))
        return NULL;
    *e = (keel_board_entry){ .kind = (uint32_t)key->kind,
                             .size = (uint32_t)((size + KEEL_LINE - 1) / KEEL_LINE *
                                                KEEL_LINE),
                             .offset = offset };
    set_key(e, key);
    atomic_store_explicit(&board->head->block_count, count + 1, memory_order_release);
    return e;
}

void *keel_board_block(keel_board *board, const keel_block_key *key, size_t size)
{
    keel_board_entry *e;

    if (strlen(key->name) >= sizeof e->name || !keel_directory_lock(board))
        return NULL;
    e = find_locked(board, key, size);
    if (!e)
        e = make_locked(board, key, size);
    if (e && board->uses[e - board->directory] == 0)
        use_locked(board, e);
    keel_directory_unlock(board);
    return e ? memory_of(board, e) : NULL;
}

/* Eight sizes from one power of two to the next: few enough that what is given back fits
 * what is asked for next, and no more than an eighth is idle. */
static size_t lent_size(size_t size)
{
    size_t power = KEEL_LINE, step;

    while (power * 2 <= size && power < KEEL_BOARD_PRIVATE_SPACE)
        power *= 2;
    step = power / 8 > KEEL_LINE ? power / 8 : KEEL_LINE;
    return (size + step - 1) / step * step;
}

/*
 * On a shared board a block that nobody uses just now is mostly one that somebody comes
 * back to: processes come and go. So there it is kept until half of the board is in use.
 */
static bool keeps_unused(const keel_board *board)
{
    return keel_board_is_mapped(board) && board->head->used < board->space / 2 &&
           keel_board_block_count(board) < KEEL_BOARD_BLOCKS / 2;
}

void *keel_board_lend(keel_board *board, const keel_block_key *key, size_t size)
{
    keel_board_entry *e;

    size = lent_size(size);
    if (strlen(key->name) >= sizeof e->name || !keel_directory_lock(board))
        return NULL;
    e = find_locked(board, key, size);
    if (!e && !keeps_unused(board))
        e = hand_on_locked(board, key, size);
    if (!e)
        e = make_locked(board, key, size);
    if (e)
        use_locked(board, e);
    keel_directory_unlock(board);
    return e ? memory_of(board, e) : NULL;
}

/* Where the lock is not to be had it stays in use, which costs its memory. */
void keel_board_give_back(keel_board *board, const void *block)
{
    if (board->is_left || !keel_directory_lock(board))
        return;
    for (uint32_t i = 0; i < keel_board_block_count(board); i++)
        if (memory_of(board, &board->directory[i]) == block && board->uses[i])
            unuse_locked(board, &board->directory[i]);
    keel_directory_unlock(board);
}

/* A name, or that of a part of it: "payments", "payments#…". */
static bool is_of(const keel_board_entry *e, const char *name, size_t length)
{
    return strncmp(e->name, name, length) == 0 &&
           (e->name[length] == '\0' || e->name[length] == KEEL_BLOCK_PART_MARK);
}

size_t keel_board_used_by(keel_board *board, const char *name)
{
    size_t used = 0, length = strlen(name);

    if (length >= KEEL_BLOCK_NAME_SIZE || !keel_directory_lock(board))
        return 0;
    for (uint32_t i = 0; i < keel_board_block_count(board); i++)
        if (board->uses[i] && is_of(&board->directory[i], name, length))
            used += board->directory[i].size;
    keel_directory_unlock(board);
    return used;
}

bool keel_board_entry_at(const keel_board *board, uint32_t number,
                         keel_board_entry *entry, void **block)
{
    if (number >= keel_board_block_count(board))
        return false;
    *entry = board->directory[number];
    entry->name[sizeof entry->name - 1] = '\0';
    *block = is_inside(board, entry, 0) ? memory_of(board, entry) : NULL;
    return true;
}

uint32_t keel_board_number(keel_board *board, const void *block)
{
    uint32_t number = 0, count = keel_board_block_count(board);

    while (number < count && memory_of(board, &board->directory[number]) != block)
        number++;
    return number;
}

bool keel_board_take(keel_board *board, size_t size, uint64_t *offset)
{
    bool is_taken;

    if (!keel_directory_lock(board))
        return false;
    is_taken = take_locked(board, size, offset);
    keel_directory_unlock(board);
    return is_taken;
}

void *keel_board_at(const keel_board *board, uint64_t offset, size_t size)
{
    bool is_inside = offset % KEEL_LINE == 0 && offset <= board->space &&
                     size <= board->space - offset;

    return is_inside ? board->blocks + offset : NULL;
}

bool keel_board_has_other_users(keel_board *board, const void *block)
{
    uint64_t self = keel_board_self_of(board);
    uint32_t slot = keel_owner_slot(self);
    uint64_t others = 0;

    if (!keel_directory_lock(board))
        return true;
    for (uint32_t i = 0; i < keel_board_block_count(board); i++)
        if (memory_of(board, &board->directory[i]) == block)
            for (uint32_t word = 0; word < (KEEL_BOARD_OWNERS + 63) / 64; word++)
                others |= board->directory[i].users[word] &
                          ~(self && word == slot / 64 ? (uint64_t)1 << slot % 64 : 0);
    keel_directory_unlock(board);
    return others;
}
