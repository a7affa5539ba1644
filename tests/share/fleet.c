/* SPDX-License-Identifier: MIT */
/* Members of a fleet under test. */
#include "share/fleet.h"

#include <stdarg.h>
#include <string.h>

test_redis fleet_redis;
redisContext *fleet_connection;
char fleet_bytes[KEEL_WIRE_BYTES_COMMON + KEEL_WIRE_BATCH * KEEL_WIRE_BYTES_BREAKER];

static redisContext *subscriber;

#define BREAKER_KEY KEY("b:" BREAKER)

void fleet_start(void)
{
    ck_assert(test_redis_start(&fleet_redis, ""));
    fleet_connection = test_redis_connect(&fleet_redis);
    ck_assert_ptr_nonnull(fleet_connection);
}

void fleet_stop(void)
{
    redisFree(subscriber);
    subscriber = NULL;
    redisFree(fleet_connection);
    test_redis_cleanup(&fleet_redis);
}

/* ---- asking ---------------------------------------------------------------------- */

static redisReply *sound(redisReply *reply)
{
    ck_assert_msg(reply != NULL, "no reply");
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s", reply->str);
    return reply;
}

redisReply *fleet_ask(const char *format, ...)
{
    redisReply *reply;
    va_list arguments;

    va_start(arguments, format);
    reply = redisvCommand(fleet_connection, format, arguments);
    va_end(arguments);
    return sound(reply);
}

long long fleet_integer(const char *format, ...)
{
    redisReply *reply;
    va_list arguments;
    long long value;

    va_start(arguments, format);
    reply = sound(redisvCommand(fleet_connection, format, arguments));
    va_end(arguments);
    ck_assert_int_eq(reply->type, REDIS_REPLY_INTEGER);
    value = reply->integer;
    freeReplyObject(reply);
    return value;
}

uint64_t fleet_now(void)
{
    redisReply *reply = fleet_ask("TIME");
    uint64_t now = strtoull(reply->element[0]->str, NULL, 10) * 1000 +
                   strtoull(reply->element[1]->str, NULL, 10) / 1000;

    freeReplyObject(reply);
    return now;
}

redisReply *fleet_run_on(redisContext *connection, keel_command *command)
{
    redisReply *reply =
        redisCommandArgv(connection, command->count, command->argv, command->lengths);

    if (reply && reply->type == REDIS_REPLY_ERROR &&
        strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        freeReplyObject(reply);
        keel_command_bring_script(command);
        reply = redisCommandArgv(connection, command->count, command->argv,
                                 command->lengths);
    }
    return sound(reply);
}

redisReply *fleet_run(keel_command *command)
{
    return fleet_run_on(fleet_connection, command);
}

/* ---- members --------------------------------------------------------------------- */

member member_named(const char *name)
{
    return (member){ .fleet = { .tag = "shop", .member = name } };
}

keel_wire_report report_seen(uint64_t epoch)
{
    return (keel_wire_report){
        .name = BREAKER,
        .epoch = epoch,
        .state = epoch ? KEEL_BREAKER_CLOSED : KEEL_WIRE_UNKNOWN,
        .since_ms = 3600000,
        .cfg_hash = 7,
        .cfg_version = 1,
        .slots = 10,
        .slot_ms = 1000,
        .keep_ms = KEEP_MS,
        .min_calls = 4,
        .failure_ppm = 500000,
        .reporters = 1,
        .opening = { .first_ms = 1000,
                     .longest_ms = MOST_MS,
                     .most_ms = MOST_MS,
                     .multiplier_micro = 2000000,
                     .jitter_ppm = 1000000,
                     .stable_ms = 60000 },
    };
}

keel_wire_report report_with(uint64_t epoch, uint32_t ok, uint32_t bad,
                             keel_wire_delta *delta)
{
    keel_wire_report r = report_seen(epoch);

    *delta = (keel_wire_delta){ .ok = ok, .bad = bad };
    r.deltas = delta;
    r.delta_count = 1;
    return r;
}

keel_command command_new(void)
{
    keel_command command;

    keel_command_init(&command, fleet_bytes, sizeof fleet_bytes);
    return command;
}

void member_sync(member *m, const keel_wire_report *reports, size_t count,
                 keel_wire_view *views)
{
    keel_wire_sync s = { .sequence = ++m->sequence,
                         .member_ms = 15000,
                         .candidate = 0xfeed,
                         .reports = reports,
                         .count = count };
    keel_command command = command_new();
    redisReply *reply;

    ck_assert(keel_wire_sync_write(&command, &m->fleet, &s));
    reply = fleet_run(&command);
    ck_assert(keel_wire_sync_read(reply, &s, &m->last, views));
    freeReplyObject(reply);
}

keel_wire_view member_report(member *m, const keel_wire_report *report)
{
    keel_wire_view view;

    member_sync(m, report, 1, &view);
    return view;
}

keel_wire_view member_counts(member *m, uint64_t epoch, uint32_t ok, uint32_t bad)
{
    keel_wire_delta delta;
    keel_wire_report r = report_with(epoch, ok, bad, &delta);

    return member_report(m, &r);
}

keel_wire_view member_joins(member *m)
{
    keel_wire_report r = report_seen(0);

    r.registers = true;
    return member_report(m, &r);
}

keel_wire_claimed member_claims(member *m, uint64_t epoch, uint8_t want)
{
    keel_wire_claim claim = { .name = BREAKER,
                              .epoch = epoch,
                              .permits = PERMITS,
                              .want = want,
                              .lease_ms = LEASE_MS,
                              .most_ms = MOST_MS,
                              .keep_ms = KEEP_MS };
    keel_command command = command_new();
    keel_wire_claimed claimed;
    redisReply *reply;

    ck_assert(keel_wire_claim_write(&command, &m->fleet, &claim));
    reply = fleet_run(&command);
    ck_assert(keel_wire_claim_read(reply, &claim, &claimed));
    freeReplyObject(reply);
    return claimed;
}

keel_wire_ended member_ends(member *m, uint64_t epoch, uint32_t fence,
                            keel_wire_ending ending)
{
    keel_wire_report like = report_seen(epoch);
    keel_wire_result result = { .name = BREAKER,
                                .epoch = epoch,
                                .fence = fence,
                                .ending = ending,
                                .permits = PERMITS,
                                .allowed = 1,
                                .allowed_slow = UINT8_MAX,
                                .lease_ms = LEASE_MS,
                                .keep_ms = KEEP_MS,
                                .opening = like.opening };
    keel_wire_known known = { epoch, MOST_MS };
    keel_command command = command_new();
    keel_wire_ended ended;
    redisReply *reply;

    ck_assert(keel_wire_result_write(&command, &m->fleet, &result));
    reply = fleet_run(&command);
    ck_assert(keel_wire_result_read(reply, &known, &ended));
    freeReplyObject(reply);
    return ended;
}

keel_wire_locked member_locks(member *m, const keel_wire_lock *lock)
{
    keel_wire_known known = { 0, MOST_MS };
    keel_command command = command_new();
    keel_wire_locked locked;
    redisReply *reply;

    ck_assert(keel_wire_lock_write(&command, &m->fleet, lock));
    reply = fleet_run(&command);
    ck_assert(keel_wire_lock_read(reply, &known, &locked));
    freeReplyObject(reply);
    locked.reason = locked.actor = (keel_text){ NULL, 0 };
    return locked;
}

static keel_wire_look look_once(void)
{
    static const char *const names[] = { BREAKER };
    const keel_fleet fleet = member_named("looker").fleet;
    keel_command command = command_new();
    keel_wire_look look;
    redisReply *reply;

    ck_assert(keel_wire_looks_write(&command, &fleet, names, 1));
    reply = fleet_run(&command);
    ck_assert(keel_wire_looks_read(reply, &look, 1));
    freeReplyObject(reply);
    return look;
}

void expect_window(uint64_t calls, uint64_t bad)
{
    keel_wire_look look = look_once();

    ck_assert_uint_eq(look.calls, calls);
    ck_assert_uint_eq(look.bad, bad);
}

/* ---- the channel ----------------------------------------------------------------- */

void channel_open(void)
{
    void *reply;

    subscriber = test_redis_connect(&fleet_redis);
    ck_assert_ptr_nonnull(subscriber);
    reply = redisCommand(subscriber, "SUBSCRIBE " KEY("ev"));
    ck_assert_ptr_nonnull(reply);
    freeReplyObject(reply);
}

/* What was published before a marker of ours. */
const char *channel_heard(void)
{
    static char heard[8192];
    redisReply *reply = NULL;

    heard[0] = '\0';
    freeReplyObject(fleet_ask("PUBLISH " KEY("ev") " marker"));
    for (;;) {
        ck_assert_int_eq(redisGetReply(subscriber, (void **)&reply), REDIS_OK);
        ck_assert_uint_eq(reply->elements, 3);
        if (strcmp(reply->element[2]->str, "marker") == 0)
            break;
        strncat(heard, reply->element[2]->str, sizeof heard - strlen(heard) - 1);
        freeReplyObject(reply);
    }
    freeReplyObject(reply);
    return heard;
}

/* ---- what is stored -------------------------------------------------------------- */

enum { FIELDS = 19, FIXED_SIZE = 116, SLOT_SIZE = 16 };

static const unsigned widths[FIELDS] = { 1, 1, 1, 1, 4, 8, 8, 4, 2, 2,
                                         2, 2, 4, 4, 8, 8, 4, 4, 8 };

stored stored_as(uint8_t state, uint64_t epoch)
{
    return (stored){ .magic = 75,
                     .fmt = 1,
                     .state = state,
                     .cfg = 7,
                     .epoch = epoch,
                     .version = 1,
                     .slot_ms = 1000,
                     .slots = 10 };
}

void store_raw(const char *key, const void *raw, size_t size)
{
    const char *argv[] = { "SET", key, raw };
    const size_t lengths[] = { 3, strlen(key), size };

    freeReplyObject(sound(redisCommandArgv(fleet_connection, 3, argv, lengths)));
}

void store(const stored *s)
{
    uint64_t values[FIELDS] = { s->magic,    s->fmt,      s->state,   s->cause,
                                s->cfg,      s->epoch,    s->due,     s->fence,
                                s->ok,       s->bad,      s->slow,    s->opens,
                                s->version,  s->slot_ms,  s->changed, s->watch,
                                s->answered, s->expected, s->waited };
    unsigned char raw[FIXED_SIZE + 64 * SLOT_SIZE] = { 0 };
    size_t at = 0;

    for (size_t i = 0; i < FIELDS; i++)
        for (unsigned shift = 8 * widths[i]; shift > 0; shift -= 8)
            raw[at++] = (unsigned char)(values[i] >> (shift - 8));
    store_raw(BREAKER_KEY, raw, FIXED_SIZE + s->slots * SLOT_SIZE);
}

stored read_stored(void)
{
    redisReply *reply = fleet_ask("GET " BREAKER_KEY);
    const unsigned char *at = (const unsigned char *)reply->str;
    uint64_t v[FIELDS] = { 0 };
    stored s;

    ck_assert_int_eq(reply->type, REDIS_REPLY_STRING);
    ck_assert_uint_ge((size_t)reply->len, FIXED_SIZE);
    for (size_t i = 0; i < FIELDS; i++)
        for (unsigned n = 0; n < widths[i]; n++)
            v[i] = v[i] << 8 | *at++;
    s = (stored){ .magic = (uint8_t)v[0],
                  .fmt = (uint8_t)v[1],
                  .state = (uint8_t)v[2],
                  .cause = (uint8_t)v[3],
                  .cfg = (uint32_t)v[4],
                  .epoch = v[5],
                  .due = v[6],
                  .fence = (uint32_t)v[7],
                  .ok = (uint16_t)v[8],
                  .bad = (uint16_t)v[9],
                  .slow = (uint16_t)v[10],
                  .opens = (uint16_t)v[11],
                  .version = (uint32_t)v[12],
                  .slot_ms = (uint32_t)v[13],
                  .changed = v[14],
                  .watch = v[15],
                  .answered = (uint32_t)v[16],
                  .expected = (uint32_t)v[17],
                  .waited = v[18],
                  .slots = ((size_t)reply->len - FIXED_SIZE) / SLOT_SIZE };
    freeReplyObject(reply);
    return s;
}
