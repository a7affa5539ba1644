/* SPDX-License-Identifier: MIT */
/*
 * A Redis server and members of a fleet that run keel's scripts on it, for tests of the
 * protocol. Time is the server's: what has to be past or to come is stored so. Not for
 * keel's background thread, which has members of its own.
 */
#ifndef KEEL_TESTS_SHARE_FLEET_H
#define KEEL_TESTS_SHARE_FLEET_H

#include <check.h>

#include "share/wire.h"
#include "support/redis.h"
#include "support/suite.h"

/* SUITE with a server for each test; 77 where none is installed. */
#define FLEET_SUITE(name, ...)                                                         \
    int main(void)                                                                     \
    {                                                                                  \
        const suite_test tests[] = { __VA_ARGS__ };                                    \
                                                                                       \
        if (!test_redis_is_installed())                                                \
            return 77;                                                                 \
        return suite_run_in(name, 60, fleet_start, fleet_stop, tests,                  \
                            sizeof tests / sizeof tests[0]);                           \
    }

extern test_redis fleet_redis;
extern redisContext *fleet_connection;

/* Before and after each test. */
void fleet_start(void);
void fleet_stop(void);

/* The server's clock. */
uint64_t fleet_now(void);

/* A command by words; its reply, which the caller frees and which is no error. */
redisReply *fleet_ask(const char *format, ...) __attribute__((format(printf, 1, 2)));
long long fleet_integer(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A script; its reply, which the caller frees and which is no error. */
redisReply *fleet_run(keel_command *command);
redisReply *fleet_run_on(redisContext *connection, keel_command *command);

/* Room for one command. */
extern char
    fleet_bytes[KEEL_WIRE_BYTES_COMMON + KEEL_WIRE_BATCH * KEEL_WIRE_BYTES_BREAKER];

keel_command command_new(void);

/* ---- members --------------------------------------------------------------------- */

typedef struct member {
    keel_fleet fleet;
    uint64_t sequence;
    keel_wire_synced last;
} member;

member member_named(const char *name);

#define BREAKER "payments"
#define KEY(rest) "keel1:{shop}:" rest

/*
 * Of BREAKER, seen closed at an epoch: half of at least 4 calls failed opens it for one
 * second, in a row for 2, 4 and 8; ten slots of a second.
 */
keel_wire_report report_seen(uint64_t epoch);

/* The same with outcomes of just now; *delta has to live as long. */
keel_wire_report report_with(uint64_t epoch, uint32_t ok, uint32_t bad,
                             keel_wire_delta *delta);

void member_sync(member *m, const keel_wire_report *reports, size_t count,
                 keel_wire_view *views);
keel_wire_view member_report(member *m, const keel_wire_report *report);

/* Seen closed at an epoch, with outcomes of just now. */
keel_wire_view member_counts(member *m, uint64_t epoch, uint32_t ok, uint32_t bad);

/* Whether the server's window, judged by nobody, has it so. */
void expect_window(uint64_t calls, uint64_t bad);

/* The member hears of BREAKER for the first time and says that it knows it. */
keel_wire_view member_joins(member *m);

enum { PERMITS = 3, LEASE_MS = 10000, MOST_MS = 8000, KEEP_MS = 600000 };

keel_wire_claimed member_claims(member *m, uint64_t epoch, uint8_t want);

/* Of three one may fail. */
keel_wire_ended member_ends(member *m, uint64_t epoch, uint32_t fence,
                            keel_wire_ending ending);
keel_wire_locked member_locks(member *m, const keel_wire_lock *lock);

/* ---- what is stored -------------------------------------------------------------- */

typedef struct stored {
    uint8_t magic, fmt, state, cause;
    uint32_t cfg;
    uint64_t epoch, due;
    uint32_t fence;
    uint16_t ok, bad, slow, opens;
    uint32_t version, slot_ms;
    uint64_t changed, watch;
    uint32_t answered, expected;
    uint64_t waited;
    size_t slots; /* empty ones */
} stored;

/* BREAKER in a state, with the settings of report_seen. */
stored stored_as(uint8_t state, uint64_t epoch);
void store(const stored *s);
void store_raw(const char *key, const void *raw, size_t size);
stored read_stored(void);

/* The channel: what was said on it since the last call, "" if nothing. */
void channel_open(void);
const char *channel_heard(void);

#endif
