/* SPDX-License-Identifier: MIT */
/*
 * Threads for callbacks that cannot be interrupted. A job runs at once or is refused:
 * there is no queue, the bulkhead is one. Idle threads are used again, for a minute.
 */
#ifndef KEEL_BASE_WORKER_POOL_H
#define KEEL_BASE_WORKER_POOL_H

#include <stdatomic.h>

#include <keel/runtime.h>

typedef struct keel_worker_pool keel_worker_pool;
typedef _Atomic(keel_worker_pool *) keel_worker_pool_place;

/*
 * Runs fn(ctx) on a worker; makes the pool at the first call.
 * Returns  KEEL_OK, KEEL_E_NOMEM, KEEL_E_SYSTEM (no thread to be had)
 */
keel_status keel_worker_pool_run(keel_worker_pool_place *place,
                                 const keel_allocator *memory, void (*fn)(void *ctx),
                                 void *ctx);

/*
 * To be called once for each job, by whoever is the last to need the pool's owner for
 * its sake: in the job, or after it. Only then may the pool be closed.
 */
void keel_worker_pool_done(keel_worker_pool_place *place);

/*
 * Joins all workers. False: a job is not done after wait_ns of real time; the pool works
 * on. No pool, or one of a parent process: true at once.
 */
bool keel_worker_pool_close(keel_worker_pool_place *place, uint64_t wait_ns);

#endif
