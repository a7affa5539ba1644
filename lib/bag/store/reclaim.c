/* SPDX-License-Identifier: MIT */
/* Waiting for readers to go. Not for what they read. */
#include "bag/store/reclaim.h"

#include "base/memory.h"

enum { LINE = sizeof(keel_stripe_line) };

bool keel_reclaim_init(keel_reclaim *reclaim, const keel_allocator *memory)
{
    uint32_t count = keel_stripes_wanted();
    char *block = keel_memory_new(memory, (count + 1) * (size_t)LINE);
    uintptr_t lines = ((uintptr_t)block + LINE - 1) & ~(uintptr_t)(LINE - 1);

    if (!block)
        return false;
    *reclaim = (keel_reclaim){
        .memory = memory,
        .block = block,
        .stripes = keel_stripes_of((keel_stripe_line *)lines, count),
    };
    pthread_mutex_init(&reclaim->lists_mu, NULL);
    return true;
}

static void give_back(const keel_reclaim *reclaim, keel_retired_list *list)
{
    while (list->first) {
        keel_retired *next = list->first->next;

        keel_memory_free(reclaim->memory, list->first);
        list->first = next;
    }
    *list = (keel_retired_list){ .bytes = 0 };
}

void keel_reclaim_cleanup(keel_reclaim *reclaim)
{
    give_back(reclaim, &reclaim->leaving);
    give_back(reclaim, &reclaim->waiting);
    pthread_mutex_destroy(&reclaim->lists_mu);
    keel_memory_free(reclaim->memory, reclaim->block);
}

void keel_retire(keel_retired_list *list, keel_retired *block, size_t bytes)
{
    block->next = NULL;
    *(list->last ? &list->last->next : &list->first) = block;
    list->last = block;
    list->bytes += bytes;
}

static void join(keel_retired_list *to, keel_retired_list *from)
{
    if (!from->first)
        return;
    *(to->last ? &to->last->next : &to->first) = from->first;
    to->last = from->last;
    to->bytes += from->bytes;
    *from = (keel_retired_list){ .bytes = 0 };
}

/* What has left is returned. The rest follows once the other phase is empty: nobody may
 * enter a phase in which somebody still reads what was taken away before. */
static keel_retired_list turn(keel_reclaim *reclaim)
{
    keel_retired_list gone = { .bytes = 0 };
    uint32_t phase = atomic_load_explicit(&reclaim->phase, memory_order_relaxed);

    if (!keel_phase_is_drained(&reclaim->stripes, phase ^ 1))
        return gone;
    join(&gone, &reclaim->leaving);
    join(&reclaim->leaving, &reclaim->waiting);
    atomic_store_explicit(&reclaim->phase, phase ^ 1, memory_order_relaxed);
    return gone;
}

void keel_reclaim_take(keel_reclaim *reclaim, keel_retired_list *list)
{
    keel_retired_list gone;

    pthread_mutex_lock(&reclaim->lists_mu);
    join(&reclaim->waiting, list);
    gone = turn(reclaim);
    pthread_mutex_unlock(&reclaim->lists_mu);
    give_back(reclaim, &gone);
}
