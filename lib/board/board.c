/* SPDX-License-Identifier: MIT */
/*
 * A board, in private memory or in a file: opened, locked, joined, closed. Not for its
 * blocks (blocks.c), nor for the file itself (file.c) or who lives (owners.c).
 */
#include "board/inside.h"

#include <errno.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"

enum { LEADER_LOCK = KEEL_BOARD_OWNERS + 1, LOCK_MS = 1000, AGAIN_MS = 10 };

/* ---- opening and closing ------------------------------------------------------------ */

static void place_private(keel_board *board)
{
    keel_private_state *state = board->state.at;

    board->head = &board->own->head;
    board->directory = board->own->directory;
    board->blocks = state->blocks;
    board->space = KEEL_BOARD_PRIVATE_SPACE;
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
    if (!keel_process_map(&board->state,
                          sizeof(keel_private_state) + KEEL_BOARD_PRIVATE_SPACE))
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

/* ---- locks --------------------------------------------------------------- */

typedef enum patience { NONE, LITTLE, FULL } patience;

/* Who was kept waiting in vain waits little before he has got it again: somebody stands
 * still with it, and a runtime with many pipelines has much to ask for. */
static bool lock_file(keel_board *board, patience how)
{
    bool is_long = how == FULL && !board->was_kept_waiting;
    bool is_locked = how == NONE ? keel_board_file_try_lock(&board->file, 0)
                                 : keel_board_file_lock(&board->file, 0,
                                                        is_long ? LOCK_MS : AGAIN_MS);

    if (is_locked || how != NONE)
        board->was_kept_waiting = !is_locked;
    return is_locked;
}

/* What is done under the locks has cancellation points, which must not end a thread. */
static bool lock_with(keel_board *board, patience how)
{
    int cancel_state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    if (how == NONE ? pthread_mutex_trylock(&board->directory_mu)
                    : pthread_mutex_lock(&board->directory_mu))
        goto fail;
    if (keel_board_is_mapped(board) && !lock_file(board, how))
        goto fail_directory_mu;
    board->cancel_state = cancel_state;
    return true;

fail_directory_mu:
    pthread_mutex_unlock(&board->directory_mu);
fail:
    pthread_setcancelstate(cancel_state, NULL);
    return false;
}

bool keel_directory_lock(keel_board *board)
{
    return lock_with(board, FULL);
}

void keel_directory_unlock(keel_board *board)
{
    int cancel_state = board->cancel_state;

    if (keel_board_is_mapped(board))
        keel_board_file_unlock(&board->file, 0);
    pthread_mutex_unlock(&board->directory_mu);
    pthread_setcancelstate(cancel_state, NULL);
}

/* ---- owners ------------------------------------------------------------------------- */

const _Atomic uint64_t *keel_board_self(const keel_board *board)
{
    return board->state.at;
}

/* What is left of an owner who is gone is put in order before his slot is free. */
static void bury_the_dead_locked(keel_board *board, keel_board_bury_fn *bury, void *ctx)
{
    uint32_t count = atomic_load(&board->head->owner_count);

    for (uint32_t slot = 0; slot < count && slot < KEEL_BOARD_OWNERS; slot++)
        if (keel_owner_slot_is_dead(&board->file, slot, keel_board_self_of(board))) {
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
    uint64_t self = keel_board_self_of(board);
    int saved = errno;

    if (self)
        return true;
    if (!keel_directory_lock(board)) {
        errno = saved;
        return false;
    }
    bury_the_dead_locked(board, bury, ctx);
    self = keel_owner_take_locked(&board->file);
    set_self(board, self);
    for (uint32_t i = 0; self && i < keel_board_block_count(board); i++)
        if (board->uses[i]) /* a forked child goes on with its parent's */
            keel_board_mark_used_locked(board, &board->directory[i]);
    keel_directory_unlock(board);
    errno = saved;
    return self != 0;
}

void keel_board_bury(keel_board *board, keel_board_bury_fn *bury, void *ctx)
{
    int saved = errno;

    if (lock_with(board, NONE)) {
        bury_the_dead_locked(board, bury, ctx);
        keel_directory_unlock(board);
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

bool keel_board_is_in_place(const keel_board *board)
{
    return keel_board_file_is_in_place(&board->file);
}

uint32_t keel_board_owner_count(const keel_board *board)
{
    return atomic_load(&board->head->owner_count);
}

void keel_board_leave(keel_board *board)
{
    uint64_t self;

    if (!board)
        return;
    board->is_left = true;
    self = keel_board_self_of(board);
    /* else he is buried, once the file is closed and the slot's lock with it */
    if (self && lock_with(board, LITTLE)) {
        keel_owner_leave_locked(&board->file, self);
        keel_directory_unlock(board);
    }
    set_self(board, 0);
}

void keel_board_close(keel_board *board)
{
    if (!board)
        return;
    if (keel_board_is_mapped(board)) {
        keel_board_leave(board);
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
    if (keel_board_is_mapped(board))
        keel_board_file_reopen(&board->file);
    errno = saved;
}

bool keel_board_owner_at(keel_board *board, uint32_t slot, uint32_t *pid,
                         uint64_t *start_ticks)
{
    return slot < KEEL_BOARD_OWNERS &&
           keel_owner_read(&board->file, slot, pid, start_ticks) &&
           !keel_owner_slot_is_dead(&board->file, slot, keel_board_self_of(board));
}

void *keel_board_events(keel_board *board)
{
    return board->state.at;
}

keel_journal *keel_board_journal(keel_board *board)
{
    return &board->file.layout->journal;
}
