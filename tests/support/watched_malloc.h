/* SPDX-License-Identifier: MIT */
/*
 * malloc, calloc and realloc of this program and its libraries, watched: for tests of
 * what a call costs. Not for builds with a sanitizer, which have their own.
 */
#ifndef KEEL_TESTS_SUPPORT_WATCHED_MALLOC_H
#define KEEL_TESTS_SUPPORT_WATCHED_MALLOC_H

/* How often this thread has asked for memory. */
long watched_mallocs(void);

#endif
