/* SPDX-License-Identifier: MIT */
/* Filling the caller's keel_detail: optional, sized, never written past its size. */
#ifndef KEEL_BASE_DETAIL_H
#define KEEL_BASE_DETAIL_H

#include <keel/status.h>

/* Whether a number is a status at all. */
bool keel_status_is_known(keel_status status);

/* Fills *why (if any) from *all, as far as the caller's struct reaches. */
void keel_detail_fill(keel_detail *why, const keel_detail *all);

/* Sets code and a static sentence; returns code, so that `return keel_fail(...)` reads
 * well. */
keel_status keel_fail(keel_detail *why, keel_status code, const char *text);

/* The same with a formatted sentence; for open, parse and I/O errors only. */
keel_status keel_failf(keel_detail *why, keel_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A success: clears what an earlier use of the struct left. */
keel_status keel_succeed(keel_detail *why);

/* How a call ended, all other fields being none; cheap. text: the status's own. */
void keel_detail_say(keel_detail *why, keel_status code, keel_reason reason,
                     uint32_t attempts, uint64_t elapsed_ns, uint64_t retry_after_ns);

/* What is said of a struct that keel_options_read refuses. */
#define KEEL_OPTIONS_REFUSED "size is 0, or asks for what this keel does not know"

/*
 * Reads a sized options struct of the caller's into `to` (whole bytes, already holding
 * the defaults). from may be NULL: defaults.
 * False: its size is 0, or it is longer than ours with bytes set that we do not know.
 */
bool keel_options_read(void *to, size_t to_size, const void *from);

/*
 * The other way: fills a sized struct of the caller's from a whole one, as far as it
 * reaches; its size stays what it is. False: that is 0, nothing was filled.
 */
bool keel_struct_fill(void *to, const void *all, size_t all_size);

#endif
