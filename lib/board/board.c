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
    uint32_t block_count;
    uint64_t used;
    owner owners[KEEL_BOARD_OWNERS];
    entry directory[KEEL_BOARD_BLOCKS];
} header;

/* mu guards: header->directory, block_count, used */
struct keel_board {
    const keel_allocator *memory;
    pthread_mutex_t mu;
    header *header;
    keel_process_memory state; /* what a child finds empty: events, then blocks */
    uint32_t owner;
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
    if (pthread_mutex_init(&board->mu, NULL))
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
    pthread_mutex_destroy(&board->mu);
    keel_process_unmap(&board->state);
    keel_memory_free(board->memory, board->header);
    keel_memory_free(board->memory, board);
}

void keel_board_forked(keel_board *board)
{
    pthread_mutex_init(&board->mu, NULL);
    own(board);
}

static bool is_owned(keel_block_kind kind)
{
    return kind >= KEEL_BLOCK_STRIPES;
}

static bool matches(const entry *e, const keel_block_key *key, uint32_t owner_mark)
{
    return e->kind == (uint32_t)key->kind && e->owner == owner_mark &&
           e->width == key->width && e->count == key->count &&
           strcmp(e->name, key->name) == 0;
}

static entry *find_locked(keel_board *board, const keel_block_key *key)
{
    uint32_t mark = is_owned(key->kind) ? board->owner + 1 : 0;

    for (uint32_t i = 0; i < board->header->block_count; i++)
        if (matches(&board->header->directory[i], key, mark))
            return &board->header->directory[i];
    return NULL;
}

static entry *make_locked(keel_board *board, const keel_block_key *key, size_t size)
{
    header *h = board->header;
    size_t taken = (size + KEEL_LINE - 1) / KEEL_LINE * KEEL_LINE;
    entry *e;

    if (h->block_count == KEEL_BOARD_BLOCKS || taken > BLOCK_SPACE - h->used ||
        strlen(key->name) >= sizeof e->name)
        return NULL;
    e = &h->directory[h->block_count++];
    *e = (entry){ .kind = (uint32_t)key->kind,
                  .owner = is_owned(key->kind) ? board->owner + 1 : 0,
                  .width = key->width,
                  .count = key->count,
                  .size = (uint32_t)taken,
                  .offset = h->used };
    memcpy(e->name, key->name, strlen(key->name) + 1);
    h->used += taken;
    return e;
}

void *keel_board_block(keel_board *board, const keel_block_key *key, size_t size)
{
    entry *e;

    pthread_mutex_lock(&board->mu);
    e = find_locked(board, key);
    if (!e)
        e = make_locked(board, key, size);
    pthread_mutex_unlock(&board->mu);
    return e ? (char *)board->state.at + sizeof(keel_event_ring) + e->offset : NULL;
}

size_t keel_board_used_by(keel_board *board, const char *name)
{
    size_t used = 0;

    pthread_mutex_lock(&board->mu);
    for (uint32_t i = 0; i < board->header->block_count; i++)
        if (strcmp(board->header->directory[i].name, name) == 0)
            used += board->header->directory[i].size;
    pthread_mutex_unlock(&board->mu);
    return used;
}

void *keel_board_events(keel_board *board)
{
    return board->state.at;
}
