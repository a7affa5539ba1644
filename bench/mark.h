/* SPDX-License-Identifier: MIT */
/* The place where callgrind is told to begin a new count: --dump-before=path_mark. */
#ifndef KEEL_BENCH_MARK_H
#define KEEL_BENCH_MARK_H

static __attribute__((noinline)) void path_mark(void)
{
    __asm__ volatile("" ::: "memory");
}

#endif
