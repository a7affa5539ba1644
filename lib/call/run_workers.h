/* SPDX-License-Identifier: MIT */
/* keel_run where the callback runs on workers: detached, or several times at once. */
#ifndef KEEL_CALL_RUN_WORKERS_H
#define KEEL_CALL_RUN_WORKERS_H

#include <keel/call.h>

/* Drives a call that has begun to its end, which is keel_run's. options: read whole. */
keel_status keel_run_on_workers(keel_call *call, const keel_run_options *options,
                                keel_run_fn *fn, void *ctx, keel_detail *why);

#endif
