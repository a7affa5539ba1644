/* SPDX-License-Identifier: MIT */
/*
 * A directory of blocks, in private memory or in a file. Not for what the blocks mean, nor
 * for the file itself (file.c) or who maps it (owners.c).
 */
#include "board/board.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/process.h"
#include "board/event_ring.h"
#include "board/file.h"
#include "board/layout.h"
#include "board/owners.h"

enum {
    LEADER_LOCK = KEEL_BOARD_OWNERS + 1,
    PRIVATE_SPACE = 64 << 20,
    LOCK_MS = 1000,
    AGAIN_MS = 10
};

/* The part of a private board that a forked child keeps. */
typedef struct private_head {
    keel_board_head head;
    keel_board_entry directory[KEEL_BOARD_BLOCKS];
} private_head;

/* What a child finds empty. */
typedef struct private_state {
    keel_event_ring events;
    _Alignas(KEEL_LINE) char blocks[];
} private_state;

/*
 * directory_mu guards: head->block_count, used; directory; uses; cancel_state,
 * was_kept_waiting; between processes the file's lock does
 */
struct keel_board {
    const keel_allocator *memory;
    pthread_mutex_t directory_mu;
    int cancel_state;      /* of who holds it, from before */
    bool was_kept_waiting; /* in vain, for the file's lock, when last it was tried */
    keel_board_head *head;
    keel_board_entry *directory;
    char *blocks;
    uint64_t space;
    private_head *own;         /* of a private board */
    keel_process_memory state; /* a private_state; of a mapped board its self */
    keel_board_file file;
    /* of each block in this process; 0: it may be handed on, if no other process uses it */
    uint32_t uses[KEEL_BOARD_BLOCKS];
};

static bool is_mapped(const keel_board *board)
{
    return board->file.layout != NULL;
}

/* ---- opening and closing ------------------------------------------------------------ */

static void place_private(keel_board *board)
{
    private_state *state = board->state.at;

    board->head = &board->own->head;
    board->directory = board->own->directory;
    board->blocks = state->blocks;
    board->space = PRIVATE_SPACE;
}

keel_status keel_board_open(keel_board **out, const keel_allocator *memory)
{
    keel_board *board = keel_memory_new(memory, sizeof *board);
    keel_status status = KEEL_E_NOMEM;

    *out = NULL;
    if (!board)
        return KEEL_E_NOMEM;
    board->memory = memory;
    board->file.fd = -1;
    board->own = keel_memory_new(memory, sizeof *board->own);
    if (!board->own)
        goto fail;
    status = KEEL_E_SYSTEM;
    if (!keel_process_map(&board->state, sizeof(private_state) + PRIVATE_SPACE))
        goto fail_own;
    status = KEEL_E_NOMEM;
    if (pthread_mutex_init(&board->directory_mu, NULL))
        goto fail_state;
    place_private(board);
    *out = board;
    return KEEL_OK;

fail_state:
    keel_process_unmap(&board->state);
fail_own:
    keel_memory_free(memory, board->own);
fail:
    keel_memory_free(memory, board);
    return status;
}

static void place_mapped(keel_board *board)
{
    keel_board_layout *layout = board->file.layout;

    board->head = &layout->head;
    board->directory = layout->directory;
    board->blocks = layout->blocks;
    board->space = KEEL_BOARD_FILE_SIZE - sizeof *layout;
}

keel_status keel_board_map(keel_board **out, const keel_allocator *memory,
                           const char *path, bool may_make, keel_detail *why)
{
    keel_board *board = keel_memory_new(memory, sizeof *board);
    keel_status status;

    *out = NULL;
    if (!board)
        return keel_fail(why, KEEL_E_NOMEM, "no memory for the board");
    board->memory = memory;
    status = keel_board_file_open(&board->file, memory, path, may_make, why);
    if (status != KEEL_OK)
        goto fail;
    status = KEEL_E_SYSTEM;
    if (!keel_process_map(&board->state, sizeof(uint64_t))) {
        keel_fail(why, status, "no memory map for the board");
        goto fail_file;
    }
    if (pthread_mutex_init(&board->directory_mu, NULL)) {
        status = keel_fail(why, KEEL_E_NOMEM, "no memory for a mutex");
        goto fail_state;
    }
    place_mapped(board);
    *out = board;
    return KEEL_OK;

fail_state:
    keel_process_unmap(&board->state);
fail_file:
    keel_board_file_close(&board->file, memory);
fail:
    keel_memory_free(memory, board);
    return status;
}

/* ---- the owner's slot --------------------------------------------------------------- */

/* Who was kept waiting in vain waits little before he has got it again: somebody stands
 * still with it, and a runtime with many pipelines has much to give back. */
static bool lock_file(keel_board *board, bool may_wait)
{
    bool is_locked =
        may_wait ? keel_board_file_lock(&board->file, 0,
                                        board->was_kept_waiting ? AGAIN_MS : LOCK_MS)
                 : keel_board_file_try_lock(&board->file, 0);

    if (is_locked || may_wait)
        board->was_kept_waiting = !is_locked;
    return is_locked;
}

/* What is done under the locks has cancellation points, which must not end a thread. */
static bool lock_as(keel_board *board, bool may_wait)
{
    int cancel_state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    if (may_wait ? pthread_mutex_lock(&board->directory_mu)
                 : pthread_mutex_trylock(&board->directory_mu))
        goto fail;
    if (is_mapped(board) && !lock_file(board, may_wait))
        goto fail_directory_mu;
    board->cancel_state = cancel_state;
    return true;

fail_directory_mu:
    pthread_mutex_unlock(&board->directory_mu);
fail:
    pthread_setcancelstate(cancel_state, NULL);
    return false;
}

static bool lock(keel_board *board)
{
    return lock_as(board, true);
}

static void unlock(keel_board *board)
{
    int cancel_state = board->cancel_state;

    if (is_mapped(board))
        keel_board_file_unlock(&board->file, 0);
    pthread_mutex_unlock(&board->directory_mu);
    pthread_setcancelstate(cancel_state, NULL);
}

const _Atomic uint64_t *keel_board_self(const keel_board *board)
{
    return board->state.at;
}

static uint64_t self_of(const keel_board *board)
{
    return is_mapped(board)
               ? atomic_load_explicit(keel_board_self(board), memory_order_acquire)
               : 0;
}

/* No more than there can be: a file's number is not trusted. */
static uint32_t block_count(const keel_board *board)
{
    uint32_t count =
        atomic_load_explicit(&board->head->block_count, memory_order_acquire);

    return count < KEEL_BOARD_BLOCKS ? count : KEEL_BOARD_BLOCKS;
}

static void mark_used_locked(keel_board *board, keel_board_entry *e)
{
    uint64_t self = self_of(board);
    uint32_t slot = keel_owner_slot(self);

    if (self)
        e->users[slot / 64] |= (uint64_t)1 << slot % 64;
}

/* What is left of an owner who is gone is put in order before his slot is free. */
static void bury_the_dead_locked(keel_board *board, keel_board_bury_fn *bury, void *ctx)
{
    uint32_t count = atomic_load(&board->head->owner_count);

    for (uint32_t slot = 0; slot < count && slot < KEEL_BOARD_OWNERS; slot++)
        if (keel_owner_slot_is_dead(&board->file, slot, self_of(board))) {
            bury(board, slot, ctx);
            keel_owner_free_locked(&board->file, slot);
        }
}

static void set_self(keel_board *board, uint64_t self)
{
    atomic_store_explicit((_Atomic uint64_t *)board->state.at, self,
                          memory_order_release);
}

bool keel_board_join(keel_board *board, keel_board_bury_fn *bury, void *ctx)
{
    uint64_t self = self_of(board);
    int saved = errno;

    if (self)
        return true;
    if (!lock(board)) {
        errno = saved;
        return false;
    }
    bury_the_dead_locked(board, bury, ctx);
    self = keel_owner_take_locked(&board->file);
    set_self(board, self);
    for (uint32_t i = 0; self && i < block_count(board); i++)
        if (board->uses[i]) /* a forked child goes on with its parent's */
            mark_used_locked(board, &board->directory[i]);
    unlock(board);
    errno = saved;
    return self != 0;
}

void keel_board_bury(keel_board *board, keel_board_bury_fn *bury, void *ctx)
{
    int saved = errno;

    if (lock_as(board, false)) {
        bury_the_dead_locked(board, bury, ctx);
        unlock(board);
    }
    errno = saved;
}

bool keel_board_bury_is_due(keel_board *board, uint64_t now, uint64_t every_ns)
{
    _Atomic uint64_t *buried_at = &board->head->buried_at;
    uint64_t last = atomic_load_explicit(buried_at, memory_order_relaxed);

    /* one from the future is of a clock that is not this one */
    return (now < last || now - last >= every_ns) &&
           atomic_compare_exchange_strong(buried_at, &last, now);
}

bool keel_board_lead(keel_board *board)
{
    return keel_board_file_try_lock(&board->file, LEADER_LOCK);
}

_Atomic uint64_t *keel_board_led_at(keel_board *board)
{
    return &board->head->led_at;
}

uint32_t keel_board_owner_count(const keel_board *board)
{
    return atomic_load(&board->head->owner_count);
}

bool keel_board_owner_is_gone(keel_board *board, uint64_t owner)
{
    return keel_owner_is_gone(&board->file, owner, self_of(board));
}

static void leave(keel_board *board)
{
    uint64_t self = self_of(board);

    if (!self || !lock(board))
        return;
    keel_owner_leave_locked(&board->file, self);
    set_self(board, 0);
    unlock(board);
}

void keel_board_close(keel_board *board)
{
    if (!board)
        return;
    if (is_mapped(board)) {
        leave(board);
        keel_board_file_close(&board->file, board->memory);
    }
    pthread_mutex_destroy(&board->directory_mu);
    keel_process_unmap(&board->state);
    keel_memory_free(board->memory, board->own);
    keel_memory_free(board->memory, board);
}

void keel_board_forked(keel_board *board)
{
    int saved = errno;

    pthread_mutex_init(&board->directory_mu, NULL);
    if (is_mapped(board))
        keel_board_file_reopen(&board->file);
    errno = saved;
}

/* ---- blocks ------------------------------------------------------------------------- */

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
    for (uint32_t i = 0; i < block_count(board); i++) {
        keel_board_entry *e = &board->directory[i];

        if (matches(e, key) && is_inside(board, e, size))
            return e;
    }
    return NULL;
}

static void use_locked(keel_board *board, keel_board_entry *e)
{
    board->uses[e - board->directory]++;
    mark_used_locked(board, e);
}

static void unuse_locked(keel_board *board, keel_board_entry *e)
{
    uint64_t self = self_of(board);
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

    for (uint32_t i = 0; i < block_count(board); i++) {
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
    uint32_t count = block_count(board);
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

    if (strlen(key->name) >= sizeof e->name || !lock(board))
        return NULL;
    e = find_locked(board, key, size);
    if (!e)
        e = make_locked(board, key, size);
    if (e && board->uses[e - board->directory] == 0)
        use_locked(board, e);
    unlock(board);
    return e ? memory_of(board, e) : NULL;
}

/* Eight sizes from one power of two to the next: few enough that what is given back fits
 * what is asked for next, and no more than an eighth is idle. */
static size_t lent_size(size_t size)
{
    size_t power = KEEL_LINE, step;

    while (power * 2 <= size && power < PRIVATE_SPACE)
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
    return is_mapped(board) && board->head->used < board->space / 2 &&
           block_count(board) < KEEL_BOARD_BLOCKS / 2;
}

void *keel_board_lend(keel_board *board, const keel_block_key *key, size_t size)
{
    keel_board_entry *e;

    size = lent_size(size);
    if (strlen(key->name) >= sizeof e->name || !lock(board))
        return NULL;
    e = find_locked(board, key, size);
    if (!e && !keeps_unused(board))
        e = hand_on_locked(board, key, size);
    if (!e)
        e = make_locked(board, key, size);
    if (e)
        use_locked(board, e);
    unlock(board);
    return e ? memory_of(board, e) : NULL;
}

/* Where the lock is not to be had it stays in use, which costs its memory. */
void keel_board_give_back(keel_board *board, const void *block)
{
    if (!lock(board))
        return;
    for (uint32_t i = 0; i < block_count(board); i++)
        if (memory_of(board, &board->directory[i]) == block && board->uses[i])
            unuse_locked(board, &board->directory[i]);
    unlock(board);
}

size_t keel_board_used_by(keel_board *board, const char *name)
{
    size_t used = 0;

    if (!lock(board))
        return 0;
    for (uint32_t i = 0; i < block_count(board); i++)
        if (board->uses[i] && strcmp(board->directory[i].name, name) == 0)
            used += board->directory[i].size;
    unlock(board);
    return used;
}

void *keel_board_nth(keel_board *board, uint32_t number, keel_block_key *key)
{
    keel_board_entry *e = &board->directory[number];

    if (number >= block_count(board))
        return NULL;
    *key = (keel_block_key){ .name = e->name,
                             .kind = (keel_block_kind)e->kind,
                             .width = e->width,
                             .count = e->count };
    return memory_of(board, e);
}

bool keel_board_entry_at(const keel_board *board, uint32_t number,
                         keel_board_entry *entry, void **block)
{
    if (number >= block_count(board))
        return false;
    *entry = board->directory[number];
    entry->name[sizeof entry->name - 1] = '\0';
    *block = is_inside(board, entry, 0) ? memory_of(board, entry) : NULL;
    return true;
}

bool keel_board_owner_at(keel_board *board, uint32_t slot, uint32_t *pid,
                         uint64_t *start_ticks)
{
    return slot < KEEL_BOARD_OWNERS &&
           keel_owner_read(&board->file, slot, pid, start_ticks) &&
           !keel_owner_slot_is_dead(&board->file, slot, self_of(board));
}

uint32_t keel_board_number(keel_board *board, const void *block)
{
    uint32_t number = 0, count = block_count(board);

    while (number < count && memory_of(board, &board->directory[number]) != block)
        number++;
    return number;
}

bool keel_board_take(keel_board *board, size_t size, uint64_t *offset)
{
    bool is_taken;

    if (!lock(board))
        return false;
    is_taken = take_locked(board, size, offset);
    unlock(board);
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
    uint64_t self = self_of(board);
    uint32_t slot = keel_owner_slot(self);
    uint64_t others = 0;

    if (!lock(board))
        return true;
    for (uint32_t i = 0; i < block_count(board); i++)
        if (memory_of(board, &board->directory[i]) == block)
            for (uint32_t word = 0; word < (KEEL_BOARD_OWNERS + 63) / 64; word++)
                others |= board->directory[i].users[word] &
                          ~(self && word == slot / 64 ? (uint64_t)1 << slot % 64 : 0);
    unlock(board);
    return others;
}

void *keel_board_events(keel_board *board)
{
    return board->state.at;
}

keel_journal *keel_board_journal(keel_board *board)
{
    return &board->file.layout->journal;
}
