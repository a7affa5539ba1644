/* SPDX-License-Identifier: MIT */
/*
 * Commands as bytes, and what is made of replies and messages that keel's scripts would
 * never send. What they do send is read in the tests of the scripts.
 */
#include "share/wire.h"

#include <stdlib.h>
#include <string.h>

#include "support/suite.h"

static char bytes[KEEL_WIRE_BYTES_COMMON + KEEL_WIRE_BATCH * KEEL_WIRE_BYTES_BREAKER];
static const keel_fleet fleet = { .tag = "shop", .member = "a1" };

static keel_command command_of(size_t size)
{
    keel_command c;

    keel_command_init(&c, bytes, size);
    return c;
}

static bool argument_is(const keel_command *c, int i, const char *text)
{
    return i < c->count && c->lengths[i] == strlen(text) &&
           memcmp(c->argv[i], text, c->lengths[i]) == 0;
}

/* ---- commands -------------------------------------------------------------------- */

static const keel_wire_delta delta = { .age = 3, .ok = 1, .bad = 2, .slow = 256 };
static const keel_wire_report report = { .name = "pay",
                                         .epoch = 0x0102030405060708,
                                         .slots = 10,
                                         .slot_ms = 1000,
                                         .deltas = &delta,
                                         .delta_count = 1 };
static const keel_wire_sync batch = { .sequence = 7,
                                      .member_ms = 15000,
                                      .candidate = 0xabc,
                                      .reports = &report,
                                      .count = 1 };

START_TEST(a_sync_names_all_its_keys)
{
    static const char *const words[] = { "EVALSHA",
                                         NULL,
                                         "9",
                                         "keel1:{shop}:meta",
                                         "keel1:{shop}:m",
                                         "keel1:{shop}:seq",
                                         "keel1:{shop}:idx",
                                         "keel1:{shop}:ev",
                                         "keel1:{shop}:b:pay",
                                         "keel1:{shop}:lk:pay",
                                         "keel1:{shop}:k:pay",
                                         "keel1:{shop}:r:pay",
                                         "a1",
                                         "15000",
                                         "0000000000000abc",
                                         "7",
                                         "0",
                                         NULL };
    keel_command c = command_of(sizeof bytes);

    ck_assert(keel_wire_sync_write(&c, &fleet, &batch));
    ck_assert_int_eq(c.count, sizeof words / sizeof *words);
    for (int i = 0; i < c.count; i++)
        ck_assert_msg(!words[i] || argument_is(&c, i, words[i]), "%d: %s", i, words[i]);
}
END_TEST

START_TEST(numbers_are_packed_in_network_order)
{
    static const unsigned char epoch[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    static const unsigned char last[] = { 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 1, 0 };
    keel_command c = command_of(sizeof bytes);
    int at;

    ck_assert(keel_wire_sync_write(&c, &fleet, &batch));
    at = c.count - 1;
    ck_assert_uint_eq(c.lengths[at], 93 + 13);
    ck_assert_mem_eq(c.argv[at] + 13, epoch, sizeof epoch);
    ck_assert_mem_eq(c.argv[at] + 93, last, sizeof last);
}
END_TEST

START_TEST(a_script_the_server_lacks_is_sent_along)
{
    keel_command c = command_of(sizeof bytes);

    ck_assert(keel_wire_sync_write(&c, &fleet, &batch));
    ck_assert(argument_is(&c, 1, keel_scripts[KEEL_SCRIPT_SYNC].sha1));
    keel_command_bring_script(&c);
    ck_assert(argument_is(&c, 0, "EVAL"));
    ck_assert(argument_is(&c, 1, keel_scripts[KEEL_SCRIPT_SYNC].body));
}
END_TEST

START_TEST(a_script_is_as_long_as_it_says)
{
    const keel_script *script = &keel_scripts[_i];

    ck_assert_uint_eq(strlen(script->body), script->length);
    ck_assert_uint_eq(strlen(script->sha1), 40);
    ck_assert_ptr_null(strstr(script->body, "\n--"));
}
END_TEST

START_TEST(the_largest_batch_fits_the_room_that_is_said_to_be_enough)
{
    static char names[KEEL_WIRE_BATCH][KEEL_WIRE_NAME + 1];
    static keel_wire_report reports[KEEL_WIRE_BATCH];
    static keel_wire_delta deltas[KEEL_WIRE_SLOTS];
    keel_wire_sync s = { .reports = reports, .count = KEEL_WIRE_BATCH };
    keel_command c = command_of(sizeof bytes);

    for (size_t i = 0; i < KEEL_WIRE_BATCH; i++) {
        memset(names[i], 'x', KEEL_WIRE_NAME);
        reports[i] = (keel_wire_report){ .name = names[i],
                                         .slots = KEEL_WIRE_SLOTS,
                                         .slot_ms = 1,
                                         .deltas = deltas,
                                         .delta_count = KEEL_WIRE_SLOTS };
    }
    ck_assert(keel_wire_sync_write(&c, &fleet, &s));
    s.count++;
    c = command_of(sizeof bytes);
    ck_assert(!keel_wire_sync_write(&c, &fleet, &s));
}
END_TEST

START_TEST(a_command_that_does_not_fit_is_none)
{
    keel_command c = command_of(sizeof bytes);
    size_t needed;

    ck_assert(keel_wire_sync_write(&c, &fleet, &batch));
    needed = c.used;
    for (size_t size = 0; size < needed; size++) {
        c = command_of(size);
        ck_assert(!keel_wire_sync_write(&c, &fleet, &batch));
    }
}
END_TEST

static const char *const odd_names[] = { "", "a b", "a{b}", "a\nb", "a:b", "\xff" };

START_TEST(a_name_with_odd_bytes_is_no_key)
{
    keel_wire_claim claim = { .name = odd_names[_i], .permits = 3, .want = 1 };
    keel_fleet odd = { .tag = odd_names[_i], .member = "a1" };
    keel_command c = command_of(sizeof bytes);
    char channel[64];

    ck_assert(!keel_wire_claim_write(&c, &fleet, &claim));
    c = command_of(sizeof bytes);
    claim.name = "pay";
    ck_assert(!keel_wire_claim_write(&c, &odd, &claim));
    odd = (keel_fleet){ .tag = "shop", .member = odd_names[_i] };
    c = command_of(sizeof bytes);
    ck_assert(!keel_wire_claim_write(&c, &odd, &claim));
    ck_assert(!keel_wire_channel(odd_names[_i], channel, sizeof channel));
}
END_TEST

/* ---- replies --------------------------------------------------------------------- */

/* A reply of RESP text; NULL where that is none. */
static redisReply *parsed(const char *resp, size_t length)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    redisReaderFeed(reader, resp, length);
    redisReaderGetReply(reader, &reply);
    redisReaderFree(reader);
    return reply;
}

/* 44 bytes: open, lock 0, flags 0, cause 1, epoch 5, remaining 1000, since 9, ... */
#define VIEW_BYTES                                                                     \
    "\x01\x00\x00\x01"                                                                 \
    "\x00\x00\x00\x00\x00\x00\x00\x05"                                                 \
    "\x00\x00\x03\xe8"                                                                 \
    "\x00\x00\x00\x09"                                                                 \
    "\x00\x00\x00\x00\x00\x00\x00\x00"                                                 \
    "\x00\x00\x00\x00"                                                                 \
    "\x00\x00\x00\x00\x00\x00\x00\x00"                                                 \
    "\x00\x00\x00\x00"
#define GEN "$16\r\n0123456789abcdef\r\n"
#define VIEW "$44\r\n" VIEW_BYTES "\r\n"

typedef struct reply_case {
    const char *why;
    const char *resp;
    size_t length;
    bool sound;
} reply_case;

#define REPLY(why, text, sound)                                                        \
    {                                                                                  \
        why, text, sizeof(text) - 1, sound                                             \
    }

static const reply_case sync_replies[] = {
    REPLY("as it should be", "*8\r\n:0\r\n:99\r\n" GEN ":5\r\n:3\r\n:1\r\n:0\r\n" VIEW,
          true),
    REPLY("a later fleet", "*2\r\n:1\r\n:2\r\n", true),
    REPLY("a later fleet that is not", "*2\r\n:1\r\n:1\r\n", false),
    REPLY("no array", "+OK\r\n", false),
    REPLY("an error", "-ERR no\r\n", false),
    REPLY("nil", "$-1\r\n", false),
    REPLY("empty", "*0\r\n", false),
    REPLY("without a view", "*7\r\n:0\r\n:99\r\n" GEN ":5\r\n:3\r\n:1\r\n:0\r\n",
          false),
    REPLY("a view too many",
          "*9\r\n:0\r\n:99\r\n" GEN ":5\r\n:3\r\n:1\r\n:0\r\n" VIEW VIEW, false),
    REPLY("text for a number",
          "*8\r\n:0\r\n$2\r\n99\r\n" GEN ":5\r\n:3\r\n:1\r\n:0\r\n" VIEW, false),
    REPLY("a negative count",
          "*8\r\n:0\r\n:99\r\n" GEN ":5\r\n:-3\r\n:1\r\n:0\r\n" VIEW, false),
    REPLY("a count beyond 32 bits",
          "*8\r\n:0\r\n:99\r\n" GEN ":5\r\n:4294967296\r\n:1\r\n:0\r\n" VIEW, false),
    REPLY("a generation that is none",
          "*8\r\n:0\r\n:99\r\n$4\r\nfeed\r\n:5\r\n:3\r\n:1\r\n:0\r\n" VIEW, false),
    REPLY("a generation of odd bytes",
          "*8\r\n:0\r\n:99\r\n$16\r\n0123456789abcdeF\r\n:5\r\n:3\r\n:1\r\n:0\r\n" VIEW,
          false),
    REPLY("a truncated view",
          "*8\r\n:0\r\n:99\r\n" GEN ":5\r\n:3\r\n:1\r\n:0\r\n$3\r\nabc\r\n", false),
    REPLY("a number for a view",
          "*8\r\n:0\r\n:99\r\n" GEN ":5\r\n:3\r\n:1\r\n:0\r\n:4\r\n", false),
    REPLY("an array for a view",
          "*8\r\n:0\r\n:99\r\n" GEN ":5\r\n:3\r\n:1\r\n:0\r\n*1\r\n:4\r\n", false),
};

static const keel_wire_report asked_report = { .name = "pay",
                                               .epoch = 4,
                                               .state = KEEL_BREAKER_CLOSED,
                                               .opening = { .most_ms = 700 } };
static const keel_wire_sync asked = { .reports = &asked_report, .count = 1 };

START_TEST(a_reply_to_a_sync_is_sound_or_refused)
{
    const reply_case *row = &sync_replies[_i];
    redisReply *reply = parsed(row->resp, row->length);
    keel_wire_synced synced;
    keel_wire_view view;

    ck_assert_msg(keel_wire_sync_read(reply, &asked, &synced, &view) == row->sound,
                  "%s", row->why);
    ck_assert_uint_ge(synced.live, 1);
    if (reply)
        freeReplyObject(reply);
}
END_TEST

START_TEST(a_view_is_read_and_nothing_is_open_for_longer_than_can_be)
{
    redisReply *reply = parsed(sync_replies[0].resp, sync_replies[0].length);
    keel_wire_synced synced;
    keel_wire_view view;

    ck_assert(keel_wire_sync_read(reply, &asked, &synced, &view));
    ck_assert_int_eq(view.state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(view.epoch, 5);
    ck_assert_uint_eq(view.since_ms, 9);
    ck_assert_uint_eq(view.remaining_ms, 700);
    ck_assert_uint_eq(synced.gen, 0x0123456789abcdef);
    ck_assert_uint_eq(synced.pace_ms, 5);
    ck_assert_uint_eq(synced.live, 3);
    freeReplyObject(reply);
}
END_TEST

typedef struct byte_case {
    const char *why;
    size_t at; /* of the view */
    char value;
    bool sound;
    uint8_t state;
} byte_case;

static const byte_case byte_cases[] = {
    { "no such state", 0, 4, false, 0 },
    { "no such lock", 1, 5, false, 0 },
    { "an epoch of 2^56 and more", 4, 1, true, KEEL_WIRE_UNKNOWN },
    { "an epoch far ahead", 8, 1, true, KEEL_WIRE_UNKNOWN },
    { "a lock's number beyond counting", 20, 1, false, 0 },
    { "a watch beyond counting", 32, 1, false, 0 },
};

START_TEST(a_hostile_view_is_refused_or_says_nothing)
{
    const byte_case *row = &byte_cases[_i];
    char resp[256];
    size_t length = sync_replies[0].length;
    keel_wire_synced synced;
    keel_wire_view view;
    redisReply *reply;

    memcpy(resp, sync_replies[0].resp, length);
    resp[length - 2 - 44 + row->at] = row->value;
    reply = parsed(resp, length);
    ck_assert_msg(keel_wire_sync_read(reply, &asked, &synced, &view) == row->sound,
                  "%s", row->why);
    if (row->sound) {
        ck_assert_int_eq(view.state, row->state);
        ck_assert_uint_eq(view.epoch, 0);
    }
    freeReplyObject(reply);
}
END_TEST

static const reply_case claim_replies[] = {
    REPLY("granted", "*4\r\n:0\r\n" VIEW ":500\r\n:7\r\n", true),
    REPLY("full", "*3\r\n:4\r\n" VIEW ":500\r\n", true),
    REPLY("granted nothing", "*3\r\n:0\r\n" VIEW ":500\r\n", false),
    REPLY("full, with a lease", "*4\r\n:4\r\n" VIEW ":500\r\n:7\r\n", false),
    REPLY("more than wanted", "*5\r\n:0\r\n" VIEW ":500\r\n:7\r\n:8\r\n", false),
    REPLY("no such answer", "*3\r\n:7\r\n" VIEW ":500\r\n", false),
    REPLY("a fence beyond 32 bits", "*4\r\n:0\r\n" VIEW ":500\r\n:4294967296\r\n",
          false),
    REPLY("no view", "*3\r\n:0\r\n:1\r\n:500\r\n", false),
};

START_TEST(a_reply_to_a_claim_is_sound_or_refused)
{
    const reply_case *row = &claim_replies[_i];
    const keel_wire_claim claim = {
        .epoch = 4, .want = 1, .lease_ms = 400, .most_ms = 700
    };
    redisReply *reply = parsed(row->resp, row->length);
    keel_wire_claimed claimed;

    ck_assert_msg(keel_wire_claim_read(reply, &claim, &claimed) == row->sound, "%s",
                  row->why);
    if (row->sound)
        ck_assert_uint_eq(claimed.lease_ms, 400);
    freeReplyObject(reply);
}
END_TEST

static const reply_case rate_replies[] = {
    REPLY("granted", "*3\r\n:5\r\n:0\r\n:0\r\n", true),
    REPLY("more than wanted", "*3\r\n:6\r\n:99999\r\n:0\r\n", false),
    REPLY("fewer than none", "*3\r\n:-1\r\n:0\r\n:0\r\n", false),
    REPLY("too short", "*2\r\n:5\r\n:0\r\n", false),
};

START_TEST(a_reply_to_a_limit_is_sound_or_grants_nothing)
{
    const reply_case *row = &rate_replies[_i];
    redisReply *reply = parsed(row->resp, row->length);
    uint32_t granted, wait_ms;

    ck_assert_msg(keel_wire_rate_read(reply, 5, &granted, &wait_ms) == row->sound, "%s",
                  row->why);
    ck_assert_uint_eq(granted, row->sound ? 5 : 0);
    ck_assert_uint_eq(wait_ms, 0);
    freeReplyObject(reply);
}
END_TEST

/* ---- messages -------------------------------------------------------------------- */

#define HEAD "v1 00000000000000ff\n"

typedef struct message_case {
    const char *why;
    const char *text;
    bool sound;
    unsigned events;
} message_case;

static const message_case messages[] = {
    { "one change", HEAD "pay 5 1 900 1 0 0 0 0", true, 1 },
    { "two changes", HEAD "pay 5 1 900 1 0 0 0 0\nstock 2 0 0 5 1 8 0 0", true, 2 },
    { "an ending newline", HEAD "pay 5 1 900 1 0 0 0 0\n", true, 1 },
    { "none", HEAD, true, 0 },
    { "another version", "v2 00000000000000ff\npay 5 1 900 1 0 0 0 0", false, 0 },
    { "no generation", "v1\npay 5 1 900 1 0 0 0 0", false, 0 },
    { "nothing", "", false, 0 },
    { "too few numbers", HEAD "pay 5 1 900 1 0 0 0", true, 0 },
    { "too many", HEAD "pay 5 1 900 1 0 0 0 0 0", true, 0 },
    { "a negative number", HEAD "pay -5 1 900 1 0 0 0 0", true, 0 },
    { "no such state", HEAD "pay 5 4 900 1 0 0 0 0", true, 0 },
    { "no such lock", HEAD "pay 5 1 900 1 5 0 0 0", true, 0 },
    { "an epoch beyond counting", HEAD "pay 9007199254740992 1 9 1 0 0 0 0", true, 0 },
    { "an odd name", HEAD "p{y 5 1 900 1 0 0 0 0", true, 0 },
    { "no name", HEAD " 5 1 900 1 0 0 0 0", true, 0 },
    { "one bad line among good ones", HEAD "x\npay 5 1 900 1 0 0 0 0\n\n\x01", true,
      1 },
};

START_TEST(a_message_gives_its_sound_lines)
{
    const message_case *row = &messages[_i];
    keel_wire_message message;
    keel_wire_event event;
    unsigned events = 0;

    ck_assert_msg(keel_wire_message_read(keel_text_of(row->text), &message) ==
                      row->sound,
                  "%s", row->why);
    while (row->sound && keel_wire_message_next(&message, &event))
        events++;
    ck_assert_msg(events == row->events, "%s: %u", row->why, events);
}
END_TEST

typedef struct epoch_case {
    uint64_t seen, epoch;
    bool plausible;
} epoch_case;

static const epoch_case epochs[] = {
    { 0, UINT64_C(1) << 52, true },
    { 0, UINT64_C(1) << 53, false },
    { 5, 4, true },
    { 5, 5 + (1 << 20), true },
    { 5, 6 + (1 << 20), false },
    { 5, UINT64_MAX, false },
};

START_TEST(an_epoch_does_not_jump)
{
    ck_assert(keel_wire_epoch_is_plausible(epochs[_i].seen, epochs[_i].epoch) ==
              epochs[_i].plausible);
}
END_TEST

SUITE("share/wire", 20, ONE(a_sync_names_all_its_keys),
      ONE(numbers_are_packed_in_network_order),
      ONE(a_script_the_server_lacks_is_sent_along),
      ROWS(a_script_is_as_long_as_it_says, keel_scripts),
      ONE(the_largest_batch_fits_the_room_that_is_said_to_be_enough),
      ONE(a_command_that_does_not_fit_is_none),
      ROWS(a_name_with_odd_bytes_is_no_key, odd_names),
      ROWS(a_reply_to_a_sync_is_sound_or_refused, sync_replies),
      ONE(a_view_is_read_and_nothing_is_open_for_longer_than_can_be),
      ROWS(a_hostile_view_is_refused_or_says_nothing, byte_cases),
      ROWS(a_reply_to_a_claim_is_sound_or_refused, claim_replies),
      ROWS(a_reply_to_a_limit_is_sound_or_grants_nothing, rate_replies),
      ROWS(a_message_gives_its_sound_lines, messages),
      ROWS(an_epoch_does_not_jump, epochs))
