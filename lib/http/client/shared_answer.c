/* SPDX-License-Identifier: MIT */
/* Answers and who holds them. */
#include "http/client/shared_answer.h"

#include "base/memory.h"

keel_shared_answer *keel_shared_answer_new(const keel_allocator *memory,
                                           size_t head_length, size_t body_length)
{
    size_t most = SIZE_MAX - sizeof(keel_shared_answer) - 1;
    keel_shared_answer *answer;

    if (head_length > most || body_length > most - head_length)
        return NULL;
    answer = keel_memory_new(memory, sizeof *answer + head_length + body_length + 1);
    if (!answer)
        return NULL;
    atomic_init(&answer->holders, 1);
    answer->memory = memory;
    answer->head_length = head_length;
    answer->body_length = body_length;
    return answer;
}

keel_shared_answer *keel_shared_answer_hold(keel_shared_answer *answer)
{
    /* relaxed: who adds a holder is one, or has the lock of one */
    atomic_fetch_add_explicit(&answer->holders, 1, memory_order_relaxed);
    return answer;
}

void keel_shared_answer_drop(keel_shared_answer *answer)
{
    /* release and acquire, of each other: the last one frees what all have read */
    if (answer &&
        atomic_fetch_sub_explicit(&answer->holders, 1, memory_order_acq_rel) == 1)
        keel_memory_free(answer->memory, answer);
}
