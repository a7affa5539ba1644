/* SPDX-License-Identifier: MIT */
/*
 * The runtime: what a process opens once. It holds the clock, the log, the random
 * source, the allocator, the settings read from the environment, and the board with
 * all policy state. Nothing of keel is global but a registry of threads.
 */
#ifndef KEEL_RUNTIME_H
#define KEEL_RUNTIME_H

#include <keel/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct keel_runtime keel_runtime;

/*
 * Memory for keel's own objects (libcurl, jansson and libc keep their own).
 * allocate  size bytes aligned as malloc does, or NULL
 * release   takes what allocate returned, never NULL
 * ctx       handed to both
 * Neither may call keel.
 */
typedef struct keel_allocator {
    void *(*allocate)(size_t size, void *ctx);
    void (*release)(void *memory, void *ctx);
    void *ctx;
} keel_allocator;

/*
 * The clock seam. All instants are nanoseconds on one monotonic clock.
 * now         precise
 * now_coarse  cheaper, may lag `now` by a few milliseconds, never runs ahead of it
 * wait        blocks while *word == expected, until woken or until until_ns on the
 *             precise clock (UINT64_MAX: no limit); true: *word changed or a wake came,
 *             which may be spurious; false: the instant has come
 * wake        wakes up to count waiters on word
 * tick_ns     the coarse clock's step; 0: now_coarse is as good as now
 */
typedef struct keel_clock {
    uint64_t (*now)(void *ctx);
    uint64_t (*now_coarse)(void *ctx);
    bool (*wait)(const uint32_t *word, uint32_t expected, uint64_t until_ns, void *ctx);
    void (*wake)(const uint32_t *word, int count, void *ctx);
    uint64_t tick_ns;
    void *ctx;
} keel_clock;

typedef enum keel_log_level {
    KEEL_LOG_ERROR = 0,
    KEEL_LOG_WARNING = 1,
    KEEL_LOG_INFO = 2,
    KEEL_LOG_DEBUG = 3
} keel_log_level;

/* One line, key=value pairs, no newline, no secrets. Any thread; may call keel. */
typedef void keel_log_fn(keel_log_level level, const char *subsystem,
                         const char *message, void *ctx);

/*
 * Options of keel_open. size first; every zero means the default.
 *
 * allocator    malloc and free
 * clock        CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE and futex
 * random       uniform in [0, 1); default: a generator seeded from getrandom, one a
 *              thread
 * log          gets lines up to the level of KEEL_LOG, else up to KEEL_LOG_INFO;
 *              default: silent, and so is every mistake in settings, unless KEEL_LOG
 *              names a level (then lines go to stderr)
 * environment  NULL-terminated "NAME=value" strings; default: the process's own, read
 *              once here and copied, and not at all under AT_SECURE
 */
typedef struct keel_options {
    size_t size;
    const keel_allocator *allocator;
    const keel_clock *clock;
    double (*random)(void *ctx);
    void *random_ctx;
    keel_log_fn *log;
    void *log_ctx;
    const char *const *environment;
} keel_options;

/*
 * Opens a runtime.
 *
 * out      receives the runtime; NULL on failure; closed with keel_close
 * options  borrowed; NULL: defaults
 * Returns  KEEL_OK
 *          KEEL_E_NOMEM
 *          KEEL_E_SYSTEM    no monotonic clock, no memory map, no way to notice fork
 *          KEEL_E_CONFIG    KEEL_STRICT=on and something in the environment is wrong,
 *                           or a board or a password file that it names cannot be used
 *          KEEL_E_ARGUMENT  out is NULL, options are from a newer keel, or size is 0
 * Threads  any; starts none
 */
KEEL_API KEEL_MUST_USE keel_status keel_open(keel_runtime **out,
                                             const keel_options *options,
                                             keel_detail *why);

/*
 * Closes a runtime whose pipelines are closed and whose detached callbacks have
 * returned, waiting at most wait_ns for them. NULL is fine.
 *
 * Returns  KEEL_OK      gone
 *          KEEL_E_BUSY  a pipeline is open or a detached callback still runs; nothing
 *                       was closed, the runtime works on
 */
KEEL_API keel_status keel_close(keel_runtime *runtime, uint64_t wait_ns);

/*
 * Reads KEEL_CONFIG_FILE again and gives every open pipeline its new settings. State,
 * windows and back-off are kept; calls under way keep the settings they began with. A
 * wrong value is a warning, and the layer below holds: not the value of before.
 *
 * Returns  KEEL_OK        done; warnings, if any, are kept, and why counts them
 *          KEEL_E_CONFIG  the file cannot be read, or KEEL_STRICT=on and something is
 *                         wrong: nothing changed
 *          KEEL_E_NOMEM, KEEL_E_LIMIT  nothing changed
 * Threads  any; one at a time inside
 */
KEEL_API keel_status keel_reload(keel_runtime *runtime, keel_detail *why);

/*
 * Asks for a reload; whoever ends a call or a permit next, or is refused, does it. What
 * comes of it is told by KEEL_EVENT_RELOADED and the log alone. Async-signal-safe.
 */
KEEL_API void keel_reload_request(keel_runtime *runtime);

/*
 * To be called when the last pipeline is open: reports the KEEL_ variables that no
 * pipeline claimed, by name, as warnings.
 * Returns  KEEL_OK        none, or they are only warnings
 *          KEEL_E_CONFIG  KEEL_STRICT=on and there is one
 */
KEEL_API keel_status keel_runtime_verify(keel_runtime *runtime, keel_detail *why);

/*
 * The index-th warning about settings since the runtime was opened, oldest first (the
 * newest 256 are kept), copied into text with an ending NUL, cut to size.
 * Returns  true: there is one; false: no such warning, or a NULL argument
 */
KEEL_API bool keel_runtime_warning(keel_runtime *runtime, size_t index, char *text,
                                   size_t size);

#ifdef __cplusplus
}
#endif
#endif
