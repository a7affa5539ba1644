/* SPDX-License-Identifier: MIT */
/* Half-open rounds: who may probe, and what comes of it. */
#include "share/fleet.h"

#include <fcntl.h>
#include <unistd.h>

#include "support/child.h"

enum { OPENED = 6, ROUND = 7, AFTER = 8 }; /* epochs */

/* BREAKER open at epoch OPENED, its time over. */
static void open_and_due(void)
{
    stored s = stored_as(KEEL_BREAKER_OPEN, OPENED);

    s.due = fleet_now() - 1;
    s.opens = 1;
    store(&s);
}

/* A round under way with places granted to a member. */
static keel_wire_claimed round_with(member *m, uint8_t want)
{
    keel_wire_claimed claimed;

    open_and_due();
    claimed = member_claims(m, OPENED, want);
    ck_assert_int_eq(claimed.as, KEEL_WIRE_GRANTED);
    ck_assert_uint_eq(claimed.count, want);
    return claimed;
}

static void expire_leases(void)
{
    redisReply *leases = fleet_ask("ZRANGE %s 0 -1", KEY("l:" BREAKER));

    for (size_t i = 0; i < leases->elements; i++)
        fleet_integer("ZADD %s 1 %s", KEY("l:" BREAKER), leases->element[i]->str);
    freeReplyObject(leases);
}

/* ---- claims ---------------------------------------------------------------------- */

START_TEST(a_claim_before_the_open_time_is_over_is_early)
{
    stored s = stored_as(KEEL_BREAKER_OPEN, OPENED);
    member a = member_named("a");
    keel_wire_claimed claimed;

    s.due = fleet_now() + 5000;
    store(&s);
    claimed = member_claims(&a, OPENED, 1);
    ck_assert_int_eq(claimed.as, KEEL_WIRE_EARLY);
    ck_assert_uint_gt(claimed.view.remaining_ms, 4000);
    ck_assert_int_eq(read_stored().state, KEEL_BREAKER_OPEN);
}
END_TEST

START_TEST(the_first_claim_after_it_begins_a_round_and_tells)
{
    member a = member_named("a");
    keel_wire_claimed claimed;
    keel_wire_message message;
    keel_wire_event event;

    channel_open();
    claimed = round_with(&a, 1);
    ck_assert_int_eq(claimed.view.state, KEEL_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(claimed.view.epoch, ROUND);
    ck_assert_uint_eq(claimed.lease_ms, LEASE_MS);
    ck_assert(keel_wire_message_read(keel_text_of(channel_heard()), &message));
    ck_assert(keel_wire_message_next(&message, &event));
    ck_assert_uint_eq(event.view.epoch, ROUND);
    ck_assert_int_eq(event.view.state, KEEL_BREAKER_HALF_OPEN);
}
END_TEST

START_TEST(no_more_than_the_permits_are_out_at_once)
{
    member a = member_named("a"), b = member_named("b");

    round_with(&a, 2);
    ck_assert_uint_eq(member_claims(&b, ROUND, 3).count, 1);
    ck_assert_int_eq(member_claims(&b, ROUND, 1).as, KEEL_WIRE_FULL);
}
END_TEST

START_TEST(ended_probes_keep_their_places)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_claimed claimed = round_with(&a, 2);

    member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_GOOD);
    member_ends(&a, ROUND, claimed.fences[1], KEEL_WIRE_BAD);
    ck_assert_uint_eq(member_claims(&b, ROUND, 3).count, 1);
}
END_TEST

/* It was begun by a member whose settings ask for more probes, and who is gone. */
START_TEST(a_round_that_nobody_is_left_to_decide_begins_anew)
{
    stored s = stored_as(KEEL_BREAKER_HALF_OPEN, ROUND);
    member a = member_named("a");
    keel_wire_claimed claimed;

    s.ok = PERMITS;
    store(&s);
    claimed = member_claims(&a, ROUND, PERMITS + 1);
    ck_assert_int_eq(claimed.as, KEEL_WIRE_GRANTED);
    ck_assert_uint_eq(claimed.count, PERMITS);
    ck_assert_int_eq(claimed.view.state, KEEL_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(claimed.view.epoch, AFTER);
}
END_TEST

START_TEST(a_lease_that_ran_out_frees_its_place)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_claimed first = round_with(&a, 3), second;

    expire_leases();
    second = member_claims(&b, ROUND, 3);
    ck_assert_uint_eq(second.count, 3);
    ck_assert_uint_gt(second.fences[0], first.fences[2]);
}
END_TEST

START_TEST(a_lease_in_the_far_future_is_given_the_usual_time)
{
    member a = member_named("a");
    uint64_t now = fleet_now();
    redisReply *score;

    round_with(&a, 1);
    fleet_integer("ZADD %s 9e15 b:1", KEY("l:" BREAKER));
    member_claims(&a, ROUND, 1);
    score = fleet_ask("ZSCORE %s b:1", KEY("l:" BREAKER));
    ck_assert_double_lt(strtod(score->str, NULL), (double)(now + 2 * LEASE_MS));
    freeReplyObject(score);
}
END_TEST

typedef struct refusal_case {
    const char *why;
    uint8_t state;
    uint64_t epoch; /* stored; 0: nothing is */
    keel_wire_claimed_as as;
} refusal_case;

static const refusal_case refusal_cases[] = {
    { "closed", KEEL_BREAKER_CLOSED, OPENED, KEEL_WIRE_NOT_OPEN },
    { "another epoch", KEEL_BREAKER_OPEN, OPENED + 1, KEEL_WIRE_STALE },
    { "nothing is stored", KEEL_BREAKER_OPEN, 0, KEEL_WIRE_LOST },
};

START_TEST(a_claim_is_refused)
{
    const refusal_case *row = &refusal_cases[_i];
    stored s = stored_as(row->state, row->epoch);
    member a = member_named("a");

    if (row->epoch)
        store(&s);
    ck_assert_msg(member_claims(&a, OPENED, 1).as == row->as, "%s", row->why);
}
END_TEST

START_TEST(a_lock_lets_nobody_probe)
{
    const keel_wire_lock lock = { .name = BREAKER,
                                  .kind = KEEL_LOCK_OPEN,
                                  .expected = KEEL_WIRE_ANY_LOCK,
                                  .reason = "",
                                  .actor = "" };
    member a = member_named("a");

    open_and_due();
    ck_assert(member_locks(&a, &lock).done);
    ck_assert_int_eq(member_claims(&a, OPENED, 1).as, KEEL_WIRE_LOCKED);
}
END_TEST

enum { CLIENTS = 50, RACES = 200 };

/* Claims at each byte until it has a place or there is none, and counts it. */
static _Noreturn void race(int number, int go)
{
    char name[16], byte;
    member m;

    snprintf(name, sizeof name, "m%d", number);
    m = member_named(name);
    fleet_connection = test_redis_connect(&fleet_redis);
    for (unsigned i = 0; read(go, &byte, 1) == 1; i++) {
        keel_wire_claimed claimed = { .as = KEEL_WIRE_STALE,
                                      .view = { .epoch = OPENED + 2 * i } };

        while (claimed.as == KEEL_WIRE_STALE)
            claimed = member_claims(&m, claimed.view.epoch, 1);
        fleet_integer("INCRBY race:granted %d", (int)claimed.count);
        fleet_integer("RPUSH race:done %d", number);
    }
    _exit(0);
}

/* Each client has a pipe of its own, so that nobody runs twice in one round. */
static pid_t start_client(int number, int go[CLIENTS])
{
    int ends[2];
    pid_t pid;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        close(ends[1]);
        for (int n = 0; n < number; n++)
            close(go[n]);
        race(number, ends[0]);
    }
    close(ends[0]);
    go[number] = ends[1];
    return pid;
}

static void run_race(unsigned i, const int go[CLIENTS])
{
    stored s = stored_as(KEEL_BREAKER_OPEN, OPENED + 2 * i);

    s.due = fleet_now() - 1;
    store(&s);
    for (int n = 0; n < CLIENTS; n++)
        ck_assert_int_eq(write(go[n], "", 1), 1);
    for (int n = 0; n < CLIENTS; n++)
        freeReplyObject(fleet_ask("BLPOP race:done 5"));
    ck_assert_int_eq(fleet_integer("INCRBY race:granted 0"), PERMITS);
    fleet_integer("DEL race:granted");
}

START_TEST(fifty_clients_get_exactly_the_permits_in_200_rounds)
{
    pid_t pids[CLIENTS];
    int go[CLIENTS];

    for (int n = 0; n < CLIENTS; n++)
        pids[n] = start_client(n, go);
    for (unsigned i = 0; i < RACES; i++)
        run_race(i, go);
    for (int n = 0; n < CLIENTS; n++)
        close(go[n]);
    for (int n = 0; n < CLIENTS; n++)
        child_await(pids[n]);
}
END_TEST

/* ---- results --------------------------------------------------------------------- */

START_TEST(enough_good_probes_close_it_with_an_empty_window)
{
    member a = member_named("a");
    keel_wire_claimed claimed = round_with(&a, 3);
    keel_wire_ended ended;

    ended = member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_GOOD);
    ck_assert_int_eq(ended.as, KEEL_WIRE_COUNTED);
    ck_assert_int_eq(ended.view.state, KEEL_BREAKER_HALF_OPEN);
    ended = member_ends(&a, ROUND, claimed.fences[1], KEEL_WIRE_GOOD);
    ck_assert_int_eq(ended.view.state, KEEL_BREAKER_CLOSED);
    ck_assert_uint_eq(ended.view.epoch, AFTER);
    ck_assert_int_eq(ended.view.cause, KEEL_CAUSE_PROBES_OK);
    expect_window(0, 0);
    ck_assert_int_eq(fleet_integer("EXISTS %s", KEY("l:" BREAKER)), 0);
}
END_TEST

START_TEST(one_bad_probe_too_many_opens_it_for_longer)
{
    member a = member_named("a");
    keel_wire_claimed claimed = round_with(&a, 3);
    keel_wire_ended ended;

    ended = member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_BAD);
    ck_assert_int_eq(ended.view.state, KEEL_BREAKER_HALF_OPEN);
    ended = member_ends(&a, ROUND, claimed.fences[1], KEEL_WIRE_BAD);
    ck_assert_int_eq(ended.view.state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(ended.view.epoch, AFTER);
    ck_assert_uint_eq(ended.view.remaining_ms, 2000);
    ck_assert_int_eq(ended.view.cause, KEEL_CAUSE_PROBES_FAILED);
}
END_TEST

START_TEST(a_result_counts_once)
{
    member a = member_named("a");
    keel_wire_claimed claimed = round_with(&a, 3);

    member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_GOOD);
    ck_assert_int_eq(member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_GOOD).as,
                     KEEL_WIRE_EXPIRED);
    ck_assert_uint_eq(read_stored().ok, 1);
}
END_TEST

START_TEST(a_result_of_another_epoch_changes_nothing)
{
    member a = member_named("a");
    keel_wire_claimed claimed = round_with(&a, 3);
    stored s = read_stored();

    ck_assert_int_eq(member_ends(&a, OPENED, claimed.fences[0], KEEL_WIRE_BAD).as,
                     KEEL_WIRE_IGNORED);
    s.state = KEEL_BREAKER_CLOSED;
    store(&s);
    ck_assert_int_eq(member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_BAD).as,
                     KEEL_WIRE_IGNORED);
    ck_assert_uint_eq(read_stored().epoch, ROUND);
}
END_TEST

START_TEST(a_lease_is_its_members_alone)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_claimed claimed = round_with(&a, 3);

    ck_assert_int_eq(member_ends(&b, ROUND, claimed.fences[0], KEEL_WIRE_GOOD).as,
                     KEEL_WIRE_EXPIRED);
    ck_assert_uint_eq(read_stored().ok, 0);
}
END_TEST

START_TEST(a_good_result_of_an_expired_lease_is_dropped)
{
    member a = member_named("a");
    keel_wire_claimed claimed = round_with(&a, 3);

    expire_leases();
    ck_assert_int_eq(member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_GOOD).as,
                     KEEL_WIRE_EXPIRED);
    ck_assert_uint_eq(read_stored().ok, 0);
    ck_assert_uint_eq(read_stored().epoch, ROUND);
}
END_TEST

START_TEST(a_bad_result_of_an_expired_lease_opens_it_once_in_an_epoch)
{
    member a = member_named("a");
    keel_wire_claimed claimed = round_with(&a, 3);
    keel_wire_ended ended;

    expire_leases();
    ended = member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_BAD);
    ck_assert_int_eq(ended.as, KEEL_WIRE_EXPIRED);
    ck_assert_int_eq(ended.view.state, KEEL_BREAKER_OPEN);
    ck_assert_uint_eq(ended.view.epoch, AFTER);
    ended = member_ends(&a, ROUND, claimed.fences[1], KEEL_WIRE_BAD);
    ck_assert_int_eq(ended.as, KEEL_WIRE_IGNORED);
    ck_assert_uint_eq(ended.view.epoch, AFTER);
}
END_TEST

START_TEST(an_unused_place_goes_back)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_claimed claimed = round_with(&a, 3);

    ck_assert_int_eq(member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_UNUSED).as,
                     KEEL_WIRE_RETURNED);
    ck_assert_uint_eq(member_claims(&b, ROUND, 3).count, 1);
}
END_TEST

START_TEST(a_renewed_lease_lasts_and_its_holder_hears_who_waits)
{
    member a = member_named("a"), b = member_named("b");
    keel_wire_claimed claimed = round_with(&a, 3);
    keel_wire_ended ended;

    ended = member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_RENEW);
    ck_assert_int_eq(ended.as, KEEL_WIRE_RENEWED);
    ck_assert(!ended.waiting);
    member_claims(&b, ROUND, 1);
    ck_assert(member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_RENEW).waiting);
    expire_leases();
    ck_assert_int_eq(member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_RENEW).as,
                     KEEL_WIRE_EXPIRED);
}
END_TEST

START_TEST(a_renewed_lease_ends_later)
{
    member a = member_named("a");
    keel_wire_claimed claimed = round_with(&a, 1);
    char lease[32];
    redisReply *score;
    uint64_t now = fleet_now();

    snprintf(lease, sizeof lease, "a:%u", claimed.fences[0]);
    fleet_integer("ZADD %s %llu %s", KEY("l:" BREAKER), (unsigned long long)now + 1000,
                  lease);
    member_ends(&a, ROUND, claimed.fences[0], KEEL_WIRE_RENEW);
    score = fleet_ask("ZSCORE %s %s", KEY("l:" BREAKER), lease);
    ck_assert_double_ge(strtod(score->str, NULL), (double)(now + LEASE_MS));
    freeReplyObject(score);
}
END_TEST

typedef struct verdict_case {
    const char *why;
    bool slow, late;
    uint8_t allowed, allowed_slow;
    const char *endings; /* g, b: one after the other */
    uint8_t state;
} verdict_case;

static const verdict_case verdict_cases[] = {
    { "all have to be good", false, false, 0, 255, "gg", KEEL_BREAKER_HALF_OPEN },
    { "all are good", false, false, 0, 255, "ggg", KEEL_BREAKER_CLOSED },
    { "none may be bad", false, false, 0, 255, "b", KEEL_BREAKER_OPEN },
    { "one may be bad", false, false, 1, 255, "bgg", KEEL_BREAKER_CLOSED },
    { "a late decision waits for all", false, true, 1, 255, "gg",
      KEEL_BREAKER_HALF_OPEN },
    { "and then decides", false, true, 1, 255, "ggb", KEEL_BREAKER_CLOSED },
    { "good but too slow", true, false, 1, 0, "g", KEEL_BREAKER_OPEN },
    { "slow ones are allowed", true, false, 1, 3, "gg", KEEL_BREAKER_CLOSED },
    { "slowness is not judged", true, false, 1, 255, "gg", KEEL_BREAKER_CLOSED },
    { "the rest could still be too slow", true, false, 1, 2, "gg",
      KEEL_BREAKER_HALF_OPEN },
};

static uint8_t end_with(member *m, const verdict_case *row, uint32_t fence, char ending)
{
    const keel_wire_known known = { ROUND, MOST_MS };
    const keel_wire_result result = { .name = BREAKER,
                                      .epoch = ROUND,
                                      .fence = fence,
                                      .ending = ending == 'g' ? KEEL_WIRE_GOOD
                                                              : KEEL_WIRE_BAD,
                                      .slow = row->slow,
                                      .late_decision = row->late,
                                      .permits = PERMITS,
                                      .allowed = row->allowed,
                                      .allowed_slow = row->allowed_slow,
                                      .lease_ms = LEASE_MS,
                                      .keep_ms = KEEP_MS,
                                      .opening = report_seen(1).opening };
    keel_command command = command_new();
    keel_wire_ended ended;
    redisReply *reply;

    ck_assert(keel_wire_result_write(&command, &m->fleet, &result));
    reply = fleet_run(&command);
    ck_assert(keel_wire_result_read(reply, &known, &ended));
    freeReplyObject(reply);
    return ended.view.state;
}

START_TEST(the_verdict_is_that_of_a_lone_process)
{
    const verdict_case *row = &verdict_cases[_i];
    member a = member_named("a");
    keel_wire_claimed claimed = round_with(&a, 3);
    uint8_t state = KEEL_WIRE_UNKNOWN;

    for (size_t i = 0; row->endings[i]; i++)
        state = end_with(&a, row, claimed.fences[i], row->endings[i]);
    ck_assert_msg(state == row->state, "%s: %u", row->why, state);
}
END_TEST

FLEET_SUITE("share/rounds", ONE(a_claim_before_the_open_time_is_over_is_early),
            ONE(the_first_claim_after_it_begins_a_round_and_tells),
            ONE(no_more_than_the_permits_are_out_at_once),
            ONE(ended_probes_keep_their_places),
            ONE(a_round_that_nobody_is_left_to_decide_begins_anew),
            ONE(a_lease_that_ran_out_frees_its_place),
            ONE(a_lease_in_the_far_future_is_given_the_usual_time),
            ROWS(a_claim_is_refused, refusal_cases), ONE(a_lock_lets_nobody_probe),
            ONE(fifty_clients_get_exactly_the_permits_in_200_rounds),
            ONE(enough_good_probes_close_it_with_an_empty_window),
            ONE(one_bad_probe_too_many_opens_it_for_longer), ONE(a_result_counts_once),
            ONE(a_result_of_another_epoch_changes_nothing),
            ONE(a_lease_is_its_members_alone),
            ONE(a_good_result_of_an_expired_lease_is_dropped),
            ONE(a_bad_result_of_an_expired_lease_opens_it_once_in_an_epoch),
            ONE(an_unused_place_goes_back),
            ONE(a_renewed_lease_lasts_and_its_holder_hears_who_waits),
            ONE(a_renewed_lease_ends_later),
            ROWS(the_verdict_is_that_of_a_lone_process, verdict_cases))
