/* SPDX-License-Identifier: MIT */
#include "support/latch.h"

void latch_hit(latch *l)
{
    pthread_mutex_lock(&l->mu);
    l->count++;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mu);
}

void latch_await(latch *l, unsigned count)
{
    pthread_mutex_lock(&l->mu);
    while (l->count < count)
        pthread_cond_wait(&l->changed, &l->mu);
    pthread_mutex_unlock(&l->mu);
}

unsigned latch_count(latch *l)
{
    unsigned count;

    pthread_mutex_lock(&l->mu);
    count = l->count;
    pthread_mutex_unlock(&l->mu);
    return count;
}
