/* SPDX-License-Identifier: MIT */
/* Warnings about settings: kept to be read one by one, and passed to the log. */
#ifndef KEEL_BASE_WARNINGS_H
#define KEEL_BASE_WARNINGS_H

#include <pthread.h>

#include <keel/runtime.h>

enum { KEEL_WARNINGS_KEPT = 256, KEEL_WARNING_SIZE = 240 };

typedef struct keel_log {
    keel_log_fn *fn; /* NULL: silent */
    void *ctx;
    int level; /* messages above it are not made; -1: none */
} keel_log;

/* mu guards: kept, total, logged */
typedef struct keel_warnings {
    pthread_mutex_t mu;
    const keel_allocator *memory;
    const keel_log *log;
    size_t total;  /* since the start; kept[total % KEPT] is the next to be written */
    size_t logged; /* of these */
    char (*kept)[KEEL_WARNING_SIZE];
} keel_warnings;

keel_status keel_warnings_init(keel_warnings *warnings, const keel_allocator *memory,
                               const keel_log *log);
void keel_warnings_cleanup(keel_warnings *warnings);

/* In a forked child: the lock may be a lost thread's. */
void keel_warnings_forked(keel_warnings *warnings);

/* Keeps a warning, to be logged; cut to KEEL_WARNING_SIZE. Never fails, never allocates.
 */
void keel_warn(keel_warnings *warnings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Logs what was kept and not logged yet. Apart from keeping, because the log may call
 * keel: not to be called with a lock held.
 */
void keel_warnings_log(keel_warnings *warnings);

/* How many there were since the start; the newest KEEL_WARNINGS_KEPT are kept. */
size_t keel_warnings_total(keel_warnings *warnings);

/* The index-th one still kept, oldest first. */
bool keel_warnings_read(keel_warnings *warnings, size_t index, char *text, size_t size);

#endif
