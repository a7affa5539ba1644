/* SPDX-License-Identifier: MIT */
/*
 * Health: that of the service itself, as load balancers and service managers ask for it,
 * and what active checks find of a dependency. keel-health(7) is the whole story.
 */
#ifndef KEEL_HEALTH_H
#define KEEL_HEALTH_H

#include <keel/pipeline.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The vocabulary of draft-inadarei-api-health-check-06. */
typedef enum keel_health_state {
    KEEL_HEALTH_PASS = 0,
    KEEL_HEALTH_WARN = 1, /* it works, and somebody should look */
    KEEL_HEALTH_FAIL = 2
} keel_health_state;

/*
 * A check of the author's own. Writes at most size bytes into text, with an ending NUL:
 * what a person should know, and nothing secret, since it is shown to whoever asks. It is
 * empty before. May call keel.
 */
typedef keel_health_state keel_health_fn(char *text, size_t size, void *ctx);

/*
 * Options of a check of the service itself; every zero means the default.
 *
 * critical    its failure makes the service not ready; else it is a warning
 * cache_ns    a result is good for so long, and the check is not run again; 0: 1s
 * timeout_ns  one that runs for longer makes its last result a warning at least; 0: 1s
 */
typedef struct keel_health_options {
    size_t size;
    bool critical;
    uint64_t cache_ns;
    uint64_t timeout_ns;
} keel_health_options;

/*
 * Adds a check of the service itself. It runs on the thread of whoever asks for the
 * service's health, one at a time; others who ask meanwhile are told the last result and
 * do not wait.
 *
 * name     as of a pipeline, at most 64 bytes; no two checks have the same
 * fn, ctx  ctx must stay until keel_health_remove has returned KEEL_OK
 * options  NULL: defaults
 * Returns  KEEL_OK
 *          KEEL_E_CONFIG    the name is not valid, or taken
 *          KEEL_E_ARGUMENT  runtime, name or fn is NULL; options: size is 0, or from a
 *                           newer keel
 *          KEEL_E_NOMEM
 * Threads  any
 */
KEEL_API keel_status keel_health_add(keel_runtime *runtime, const char *name,
                                     keel_health_fn *fn, void *ctx,
                                     const keel_health_options *options,
                                     keel_detail *why);

/*
 * Removes one.
 * Returns  KEEL_OK          it is gone, and does not run
 *          KEEL_E_BUSY      it runs just now; nothing changed
 *          KEEL_E_STATE     there is none of that name
 *          KEEL_E_ARGUMENT  runtime or name is NULL
 */
KEEL_API keel_status keel_health_remove(keel_runtime *runtime, const char *name);

/* critical: while its breaker refuses calls the service is not ready; else it is a
 * warning. */
typedef struct keel_health_watch_options {
    size_t size;
    bool critical;
} keel_health_watch_options;

/*
 * Makes a dependency part of the service's readiness; none is unless this is called. Of a
 * pipeline watched before the options change.
 *
 *   closed, or a lock that lets all calls through        pass
 *   half-open, open with its time over, ramping up,
 *   or closed while its active check finds it unhealthy  warn
 *   open, or locked open                                 fail if critical, else warn
 *
 * It counts until the pipeline is closed, and again when it is opened anew.
 * Returns  KEEL_OK; KEEL_E_ARGUMENT, KEEL_E_NOMEM
 */
KEEL_API keel_status keel_health_watch(keel_pipeline *pipeline,
                                       const keel_health_watch_options *options,
                                       keel_detail *why);

/* KEEL_OK also where it was not watched; KEEL_E_ARGUMENT: NULL. */
KEEL_API keel_status keel_health_unwatch(keel_pipeline *pipeline);

/*
 * What came of asking; filled as far as size reaches.
 *
 * state        the worst of all, where what is not critical is a warning at most
 * http_status  to answer with: 503 where it is KEEL_HEALTH_FAIL, else 200
 * length       of the JSON, without its NUL
 */
typedef struct keel_health_report {
    size_t size;
    keel_health_state state;
    int http_status;
    size_t length;
} keel_health_report;

/* The media type of the JSON. */
#define KEEL_HEALTH_MEDIA_TYPE "application/health+json"

/*
 * Whether the service is ready to be sent requests: the checks that were added, and the
 * pipelines that are watched. Runs the checks whose results are too old.
 *
 * json     filled with application/health+json, which ends with NUL: no settings, no
 *          address, nothing but what checks have written. Checks that do not fit are left
 *          out, and its notes say how many; their states count. NULL with size 0: not
 *          wanted
 * size     of json, at least 128
 * report   may be NULL
 * Returns  KEEL_OK          whatever the state is
 *          KEEL_E_LIMIT     size is below 128
 *          KEEL_E_ARGUMENT  runtime is NULL; json is NULL and size is not 0; report's size
 *                           is 0
 * Threads  any; waits for nothing but the checks it runs itself
 */
KEEL_API keel_status keel_health_ready(keel_runtime *runtime, char *json, size_t size,
                                       keel_health_report *report);

/*
 * Whether the process lives, in the same form. No dependency is looked at and no check
 * runs: what a restart cannot mend must not cause one. That it answers is what it says.
 */
KEEL_API keel_status keel_health_live(keel_runtime *runtime, char *json, size_t size,
                                      keel_health_report *report);

/*
 * An active check of a dependency in code, for what no setting can say: a statement to a
 * database, a call by another library. It runs on a thread of keel's own every
 * health.interval, while health=callback, which is the default. KEEL_HEALTH_FAIL is a bad
 * answer; so is none within health.timeout: then it runs on, and is not run again before
 * it has returned. keel_close waits for it.
 *
 * fn, ctx  in the place of those before; fn NULL: none. ctx must stay until another one
 *          was set, or the pipeline's runtime was closed
 * Returns  KEEL_OK
 *          KEEL_E_BUSY      the one before runs just now; nothing changed
 *          KEEL_E_ARGUMENT  pipeline is NULL
 *          KEEL_E_NOMEM
 * Threads  any; the first one starts a thread
 */
KEEL_API keel_status keel_health_check(keel_pipeline *pipeline, keel_health_fn *fn,
                                       void *ctx, keel_detail *why);

/* What a service manager is told, as sd_notify(3) has it. */
typedef enum keel_notice_kind {
    KEEL_NOTIFY_STATUS = 0,    /* nothing but what the pipelines are doing */
    KEEL_NOTIFY_READY = 1,     /* started, or reloaded */
    KEEL_NOTIFY_RELOADING = 2, /* with the instant; KEEL_NOTIFY_READY must follow */
    KEEL_NOTIFY_STOPPING = 3,
    KEEL_NOTIFY_WATCHDOG = 4 /* from the service's own loop, or it proves nothing */
} keel_notice_kind;

/*
 * Sends a datagram to NOTIFY_SOCKET, as the environment had it when the runtime was
 * opened. All but the watchdog's say how many pipelines are open and which:
 * "STATUS=2 of 14 open: payments, s3". keel sends none by itself.
 *
 * Returns  KEEL_OK
 *          KEEL_E_STATE     nobody asked to be told: there is no NOTIFY_SOCKET
 *          KEEL_FAILED      it could not be sent: nobody is there, or too slow
 *          KEEL_E_ARGUMENT  runtime is NULL, or there is no such kind
 * Threads  any; never blocks, never raises SIGPIPE
 */
KEEL_API keel_status keel_health_notify(keel_runtime *runtime, keel_notice_kind kind);

#ifdef __cplusplus
}
#endif
#endif
