/* SPDX-License-Identifier: MIT */
/*
 * What keel's functions return, and what they tell about it.
 *
 * Three families of status, which callers treat differently:
 *   KEEL_REJECTED_*, 10 to 19   not called: nothing was sent; the detail says when to
 *                               come back
 *   20 to 39                    called, and this is what came of it; KEEL_CANCELLED
 *                               may also have come before the first attempt
 *   KEEL_E_*, from 40           keel itself could not work: alert on these
 */
#ifndef KEEL_STATUS_H
#define KEEL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KEEL_API __attribute__((visibility("default")))
#define KEEL_MUST_USE __attribute__((warn_unused_result))
#else
#define KEEL_API
#define KEEL_MUST_USE
#endif

/* name, number (never reused), sentence */
#define KEEL_STATUS_MAP(X)                                                             \
    X(KEEL_OK, 0, "done")                                                              \
    X(KEEL_REJECTED_OPEN, 10, "not called: the breaker is open")                       \
    X(KEEL_REJECTED_FORCED_OPEN, 11, "not called: an operator holds the breaker open") \
    X(KEEL_REJECTED_HALF_OPEN, 12, "not called: every half-open permit is taken")      \
    X(KEEL_REJECTED_BULKHEAD_FULL, 13, "not called: the bulkhead is full")             \
    X(KEEL_REJECTED_BULKHEAD_TIMEOUT, 14,                                              \
      "not called: no place in the bulkhead in time")                                  \
    X(KEEL_REJECTED_RATE_LIMITED, 15, "not called: the rate limit is reached")         \
    X(KEEL_REJECTED_DEADLINE, 16,                                                      \
      "not called: the deadline left no time for an attempt")                          \
    X(KEEL_REJECTED_RAMPING, 17,                                                       \
      "not called: the breaker has just closed and lets a part through")               \
    X(KEEL_REJECTED_THROTTLED, 18, "not called: too little of late was accepted")      \
    X(KEEL_FAILED, 20, "called and failed")                                            \
    X(KEEL_THROTTLED, 21, "called and refused: the dependency asks for less")          \
    X(KEEL_IGNORED, 22, "called; the outcome is neutral")                              \
    X(KEEL_CLIENT_ERROR, 23, "called and answered: the request itself is wrong")       \
    X(KEEL_TIMEOUT, 24, "called; no answer within the attempt's timeout")              \
    X(KEEL_DEADLINE, 25, "called; the deadline came before an answer")                 \
    X(KEEL_UNKNOWN, 26, "called; whether it took effect is not known")                 \
    X(KEEL_CANCELLED, 27, "cancelled by the caller")                                   \
    X(KEEL_NOT_FOUND, 28, "answered: there is no such item")                           \
    X(KEEL_NOT_STORED, 29, "answered: its condition for storing is not met")           \
    X(KEEL_EXISTS, 30, "answered: the item is another one by now")                     \
    X(KEEL_NOT_NUMBER, 31, "answered: the value is no number")                         \
    X(KEEL_READ_ONLY, 32, "refused: only reading is allowed now")                      \
    X(KEEL_CORRUPT, 33, "called; what is stored is damaged")                           \
    X(KEEL_PARTIAL, 34, "called; some were answered and some were not")                \
    X(KEEL_E_NOMEM, 40, "out of memory")                                               \
    X(KEEL_E_ARGUMENT, 41, "an argument is not valid")                                 \
    X(KEEL_E_CONFIG, 42, "a setting is not valid")                                     \
    X(KEEL_E_BUSY, 43, "still in use")                                                 \
    X(KEEL_E_SYSTEM, 44, "the operating system refused")                               \
    X(KEEL_E_STATE, 45, "not possible in this state")                                  \
    X(KEEL_E_LIMIT, 46, "a fixed limit is reached")                                    \
    X(KEEL_E_UNSUPPORTED, 47, "not supported here")                                    \
    X(KEEL_E_CONFLICT, 48, "somebody else has changed it meanwhile")                   \
    X(KEEL_E_TOO_LARGE, 49, "larger than is allowed")                                  \
    X(KEEL_E_BUFFER, 50, "the caller's buffer is too small")

typedef enum keel_status {
#define KEEL_STATUS_ENUM(name, number, text) name = number,
    KEEL_STATUS_MAP(KEEL_STATUS_ENUM)
#undef KEEL_STATUS_ENUM
        KEEL_STATUS_LAST_ = 0x7fff /* keeps the type's width; never returned */
} keel_status;

/* Why a call ended as it did; the names are those of keel-simulate(1). */
#define KEEL_REASON_MAP(X)                                                             \
    X(KEEL_REASON_NONE, 0, "none")                                                     \
    X(KEEL_REASON_OPEN, 1, "open")                                                     \
    X(KEEL_REASON_FORCED_OPEN, 2, "forced_open")                                       \
    X(KEEL_REASON_HALF_OPEN_FULL, 3, "half_open_full")                                 \
    X(KEEL_REASON_BULKHEAD_FULL, 4, "bulkhead_full")                                   \
    X(KEEL_REASON_BULKHEAD_TIMEOUT, 5, "bulkhead_timeout")                             \
    X(KEEL_REASON_RATE_LIMITED, 6, "rate_limited")                                     \
    X(KEEL_REASON_BUDGET, 7, "budget")                                                 \
    X(KEEL_REASON_DEADLINE, 8, "deadline")                                             \
    X(KEEL_REASON_TIMEOUT, 9, "timeout")                                               \
    X(KEEL_REASON_EXHAUSTED, 10, "exhausted")                                          \
    X(KEEL_REASON_NOT_RETRYABLE, 11, "not_retryable")                                  \
    X(KEEL_REASON_PUSHBACK, 12, "pushback")                                            \
    X(KEEL_REASON_CANCELLED, 13, "cancelled")                                          \
    X(KEEL_REASON_RAMPING, 14, "ramping")                                              \
    X(KEEL_REASON_THROTTLED, 15, "throttled")                                          \
    X(KEEL_REASON_DEADLINE_INFEASIBLE, 17, "deadline_infeasible")

typedef enum keel_reason {
#define KEEL_REASON_ENUM(name, number, text) name = number,
    KEEL_REASON_MAP(KEEL_REASON_ENUM)
#undef KEEL_REASON_ENUM
        KEEL_REASON_LAST_ = 0x7fff
} keel_reason;

/* Whether a request took effect at the other side. */
typedef enum keel_applied {
    KEEL_APPLIED_UNKNOWN = 0, /* nobody can tell */
    KEEL_APPLIED_NO = 1,
    KEEL_APPLIED_YES = 2
} keel_applied;

/*
 * The story behind a status. Owned by the caller, optional wherever it can be given
 * (NULL: not wanted), set by every function that takes one, on success too.
 *
 * size            sizeof(keel_detail) as the caller knows it; keel never writes past it
 * code            the status; with fallback set, the status the fallback stood in for
 * reason          which rule ended the call; of not_retryable, text says which of its
 *                 causes it was
 * attempts        attempts that reached the transport
 * applied         whether the last attempt took effect, as far as is known
 * system_errno    errno or a library's own code (curl's, in keel_curl_*), 0: none
 * fallback        the result came from the fallback; code, reason and text are those of
 *                 the failure it stood in for
 * elapsed_ns      since the call began
 * retry_after_ns  how long to stay away, 0: no hint
 * text            one sentence for a person, never NULL; static, or inside this very
 *                 struct: do not copy the struct and free the original while reading it
 */
typedef struct keel_detail {
    size_t size;
    keel_status code;
    keel_reason reason;
    uint32_t attempts;
    keel_applied applied;
    int system_errno;
    bool fallback;
    uint64_t elapsed_ns;
    uint64_t retry_after_ns;
    const char *text;
    char storage[256];
} keel_detail;

#ifdef __cplusplus
#define KEEL_DETAIL_INIT                                                               \
    {                                                                                  \
        sizeof(keel_detail), KEEL_OK, KEEL_REASON_NONE, 0, KEEL_APPLIED_UNKNOWN, 0,    \
            false, 0, 0, "", ""                                                        \
    }
#else
#define KEEL_DETAIL_INIT                                                               \
    {                                                                                  \
        .size = sizeof(keel_detail), .text = ""                                        \
    }
#endif

/*
 * The constant's own name ("KEEL_TIMEOUT"), its sentence ("called; no answer …"), and
 * the reason's short word ("timeout"). Static strings; for a number keel does not know,
 * "KEEL_?" , "unknown status" and "?".
 * Threads  any
 */
KEEL_API const char *keel_status_name(keel_status status);
KEEL_API const char *keel_status_text(keel_status status);
KEEL_API const char *keel_reason_name(keel_reason reason);

/* True for KEEL_REJECTED_*: nothing was sent; and for KEEL_E_*: keel failed. */
KEEL_API bool keel_status_is_rejected(keel_status status);
KEEL_API bool keel_status_is_error(keel_status status);

/* "0.1.0" of the library in use; a static string. */
KEEL_API const char *keel_version(void);

#ifdef __cplusplus
}
#endif
#endif
