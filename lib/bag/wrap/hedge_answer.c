/* SPDX-License-Identifier: MIT */
/* Answers in memory of their own. Not for which of them is wanted. */
#include <string.h>

#include "bag/wrap/hedge.h"
#include "base/memory.h"

/* A sum that does not fit stays the largest there is, which nobody has memory for. */
static size_t add(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static size_t size_of(const size_t capacities[], size_t count)
{
    size_t size = sizeof(keel_hedge_answer) +
                  count * (sizeof(keel_bag_item) + sizeof(keel_status));

    for (size_t i = 0; i < count; i++)
        size = add(size, capacities[i]);
    return size;
}

keel_hedge_answer *keel_hedge_answer_new(const keel_allocator *memory,
                                         const size_t capacities[], size_t count)
{
    size_t size = size_of(capacities, count);
    keel_hedge_answer *a = size < SIZE_MAX ? keel_memory_new(memory, size) : NULL;
    char *room;

    if (!a)
        return NULL;
    a->said = (keel_detail)KEEL_DETAIL_INIT;
    a->statuses = (keel_status *)&a->items[count];
    room = (char *)&a->statuses[count];
    for (size_t i = 0; i < count; i++) {
        a->items[i] = (keel_bag_item){ .size = sizeof a->items[i],
                                       .buffer = capacities[i] ? room : NULL,
                                       .capacity = capacities[i],
                                       .expires_at_ms = -1 };
        a->statuses[i] = KEEL_FAILED; /* until somebody says otherwise */
        room += capacities[i];
    }
    return a;
}

void keel_hedge_answer_sum_up(keel_hedge_answer *a, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!keel_hedge_is_answer(a->statuses[i]))
            continue;
        a->answered++;
        a->missed += a->statuses[i] == KEEL_NOT_FOUND;
        a->items[i].marks |= a->child ? KEEL_BAG_FROM_STANDBY : 0;
    }
}

/* All but whose memory it is. A value that did not fit is not there. */
static void copy(keel_bag_item *to, const keel_bag_item *from, keel_status status)
{
    to->length = from->length;
    to->flags = from->flags;
    to->expires_at_ms = from->expires_at_ms;
    to->marks = from->marks;
    to->token = from->token;
    if (status == KEEL_OK && to->buffer && from->buffer && from->length)
        memcpy(to->buffer, from->buffer, from->length);
}

void keel_hedge_answer_give(const keel_hedge_answer *a, const keel_batch *to)
{
    for (size_t i = 0; i < to->count; i++) {
        to->statuses[i] = a->statuses[i];
        copy(&to->items[i], &a->items[i], a->statuses[i]);
    }
}

void keel_hedge_answer_take(keel_hedge_answer *a, const keel_batch *from)
{
    for (size_t i = 0; i < from->count; i++) {
        a->statuses[i] = from->statuses[i];
        copy(&a->items[i], &from->items[i], from->statuses[i]);
    }
}

bool keel_hedge_answer_beats(const keel_hedge_answer *a, const keel_hedge_answer *other)
{
    if (!other || a->answered != other->answered)
        return !other || a->answered > other->answered;
    return a->child < other->child;
}
