/* SPDX-License-Identifier: MIT */
/* Anonymous memory with a directory of blocks. Not for what the blocks mean. */
#include "board/board.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/process.h"
#include "base/seed.h"
#include "board/event_ring.h"

#define BOARD_MAGIC 0x316c65656bu /* "keel1" */

enum { BOARD_VERSION = 1, BLOCK_SPACE = 64 << 20 };

typedef struct owner {
    _Atomic uint64_t pid; /* 0: free */
    uint64_t started;
    uint64_t id;
    uint64_t heartbeat;
    uint64_t spare[4];
} owner;

typedef struct entry {
    char name[KEEL_BLOCK_NAME_SIZE];
    uint32_t kind;
    uint32_t owner; /* whose arena, plus 1; 0: shared */
    uint64_t width;
    uint32_t count;
    uint32_t size;
    uint64_t offset; /* from the start of the blocks */
} entry;

/* The part that a forked child keeps. */
typedef struct header {
    uint64_t magic;
    uint32_t version;
    _Atomic uint32_t block_count;
    uint64_t used;
    owner owners[KEEL_BOARD_OWNERS];
    entry directory[KEEL_BOARD_BLOCKS];
} header;

/* directory_mu guards: header->directory, block_count, used; uses */
struct keel_board {
    const keel_allocator *memory;
    pthread_mutex_t directory_mu;
    header *header;
    keel_process_memory state; /* what a child finds empty: events, then blocks */
    uint32_t owner;
    /* of each block in this process; 0: it may be handed on */
    uint32_t uses[KEEL_BOARD_BLOCKS];
};

static size_t state_size(void)
{
    return sizeof(keel_event_ring) + BLOCK_SPACE;
}

static void own(keel_board *board)
{
    board->owner = 0;
    board->header->owners[0].id = keel_seed();
    atomic_store(&board->header->owners[0].pid, (uint64_t)getpid());
}

keel_status keel_board_open(keel_board **out, const keel_allocator *memory)
{
    keel_board *board = keel_memory_new(memory, sizeof *board);
    keel_status status = KEEL_E_NOMEM;

    *out = NULL;
    if (!board)
        return KEEL_E_NOMEM;
    board->memory = memory;
    board->header = keel_memory_new(memory, sizeof *board->header);
    if (!board->header)
        goto fail;
    status = KEEL_E_SYSTEM;
    if (!keel_process_map(&board->state, state_size()))
        goto fail_header;
    status = KEEL_E_NOMEM;
    if (pthread_mutex_init(&board->directory_mu, NULL))
        goto fail_state;
    board->header->magic = BOARD_MAGIC;
    board->header->version = BOARD_VERSION;
    own(board);
    *out = board;
    return KEEL_OK;

fail_state:
    keel_process_unmap(&board->state);
fail_header:
    keel_memory_free(memory, board->header);
fail:
    keel_memory_free(memory, board);
    return status;
}

void keel_board_close(keel_board *board)
{
    if (!board)
        return;
    pthread_mutex_destroy(&board->directory_mu);
    keel_process_unmap(&board->state);
    keel_memory_free(board->memory, board->header);
    keel_memory_free(board->memory, board);
}

void keel_board_forked(keel_board *board)
{
    pthread_mutex_init(&board->directory_mu, NULL);
    own(board);
}

static bool is_owned(keel_block_kind kind)
{
    return kind >= KEEL_BLOCK_STRIPES;
}

static uint32_t owner_mark(const keel_board *board, keel_block_kind kind)
{
    return is_owned(kind) ? board->owner + 1 : 0;
}

static bool matches(const entry *e, const keel_block_key *key, uint32_t mark)
{
    return e->kind == (uint32_t)key->kind && e->owner == mark &&
           e->width == key->width && e->count == key->count &&
           strcmp(e->name, key->name) == 0;
}

static entry *find_locked(keel_board *board, const keel_block_key *key, size_t size)
{
    uint32_t mark = owner_mark(board, key->kind);

    for (uint32_t i = 0; i < board->header->block_count; i++) {
        entry *e = &board->header->directory[i];

        if (matches(e, key, mark) && e->size >= size)
            return e;
    }
    return NULL;
}

/* The smallest that nobody uses and that is large enough. */
static entry *find_unused_locked(keel_board *board, keel_block_kind kind, size_t size)
{
    uint32_t mark = owner_mark(board, kind);
    entry *best = NULL;

    for (uint32_t i = 0; i < board->header->block_count; i++) {
        entry *e = &board->header->directory[i];

        if (board->uses[i] == 0 && e->kind == (uint32_t)kind && e->owner == mark &&
            e->size >= size && (!best || e->size < best->size))
            best = e;
    }
    return best;
}

static void *memory_of(keel_board *board, const entry *e)
{
    return (char *)board->state.at + sizeof(keel_event_ring) + e->offset;
}

static void set_key(entry *e, const keel_block_key *key)
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
static entry *hand_on_locked(keel_board *board, const keel_block_key *key, size_t size)
{
    entry *e = find_unused_locked(board, key->kind, size);

    if (!e)
        return NULL;
    empty(memory_of(board, e), e->size);
    set_key(e, key);
    return e;
}

/*
 * The count comes last: a child that is forked meanwhile has lost some memory at worst,
 * and never an entry whose memory the next one gets too.
 */
static entry *make_locked(keel_board *board, const keel_block_key *key, size_t size)
{
    header *h = board->header;
    uint32_t count = h->block_count;
    size_t taken = (size + KEEL_LINE - 1) / KEEL_LINE * KEEL_LINE;
    entry *e;

    if (count == KEEL_BOARD_BLOCKS || taken > BLOCK_SPACE - h->used)
        return NULL;
    e = &h->directory[count];
    *e = (entry){ .kind = (uint32_t)key->kind,
                  .owner = owner_mark(board, key->kind),
                  .size = (uint32_t)taken,
                  .offset = h->used };
    set_key(e, key);
    h->used += taken;
    atomic_store_explicit(&h->block_count, count + 1, memory_order_release);
    return e;
}

void *keel_board_block(keel_board *board, const keel_block_key *key, size_t size)
{
    entry *e;

    if (strlen(key->name) >= sizeof e->name)
        return NULL;
    pthread_mutex_lock(&board->directory_mu);
    e = find_locked(board, key, size);
    if (!e)
        e = make_locked(board, key, size);
    if (e)
        board->uses[e - board->header->directory] = 1;
    pthread_mutex_unlock(&board->directory_mu);
    return e ? memory_of(board, e) : NULL;
}

/* Eight sizes from one power of two to the next: few enough that what is given back fits
 * what is asked for next, and no more than an eighth is idle. */
static size_t lent_size(size_t size)
{
    size_t power = KEEL_LINE, step;

    while (power * 2 <= size && power < BLOCK_SPACE)
        power *= 2;
    step = power / 8 > KEEL_LINE ? power / 8 : KEEL_LINE;
    return (size + step - 1) / step * step;
}

void *keel_board_lend(keel_board *board, const keel_block_key *key, size_t size)
{
    entry *e;

    if (strlen(key->name) >= sizeof e->name)
        return NULL;
    size = lent_size(size);
    pthread_mutex_lock(&board->directory_mu);
    e = find_locked(board, key, size);
    if (!e)
        e = hand_on_locked(board, key, size);
    if (!e)
        e = make_locked(board, key, size);
    if (e)
        board->uses[e - board->header->directory]++;
    pthread_mutex_unlock(&board->directory_mu);
    return e ? memory_of(board, e) : NULL;
}

void keel_board_give_back(keel_board *board, const void *block)
{
    pthread_mutex_lock(&board->directory_mu);
    for (uint32_t i = 0; i < board->header->block_count; i++)
        if (memory_of(board, &board->header->directory[i]) == block)
            board->uses[i]--;
    pthread_mutex_unlock(&board->directory_mu);
}

size_t keel_board_used_by(keel_board *board, const char *name)
{
    size_t used = 0;

    pthread_mutex_lock(&board->directory_mu);
    for (uint32_t i = 0; i < board->header->block_count; i++)
        if (board->uses[i] && strcmp(board->header->directory[i].name, name) == 0)
            used += board->header->directory[i].size;
    pthread_mutex_unlock(&board->directory_mu);
    return used;
}

void *keel_board_events(keel_board *board)
{
    return board->state.at;
}
