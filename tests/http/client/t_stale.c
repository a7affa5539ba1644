/* SPDX-License-Identifier: MIT */
/*
 * Answers that are kept: for how long, within which bounds, and held against a plain
 * list by random schedules. KEEL_SEED=n runs one of them.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "http/client/stale.h"
#include "support/allocator.h"
#include "support/suite.h"

enum { ROOM = 65536, SCHEDULES = 300, STEPS = 400, URLS = 12, THREADS = 4 };

static failing_allocator memory;
static keel_stale *answers;
static uint64_t now = 1000 * KEEL_S;
static uint64_t seed;

static const keel_cache_rules open_rules = { .may_share = true,
                                             .may_keep = true,
                                             .stale_if_error_ns = KEEL_NEVER };

static void begin(size_t room)
{
    failing_allocator_init(&memory, 0);
    ck_assert(keel_stale_open(&answers, &memory.allocator, room));
}

static void end(void)
{
    keel_stale_close(answers);
    ck_assert_int_eq(memory.live, 0);
}

static keel_request_key *key_of(const char *url, const char *language)
{
    keel_request_field field = { "accept-language", language };
    keel_request r = { .method = "GET", .url = url, .fields = &field, .count = 1 };

    return keel_request_key_new(NULL, &r);
}

/* An answer of so many bytes, marked by a number. */
static keel_shared_answer *answer_of(long mark, size_t bytes)
{
    keel_shared_answer *answer = keel_shared_answer_new(&memory.allocator, 0, bytes);

    answer->response = mark;
    return answer;
}

static void keep_as(const char *url, const char *language, long mark, size_t bytes,
                    const keel_cache_rules *rules, uint64_t stale_ns)
{
    keel_request_key *key = key_of(url, language);
    keel_shared_answer *answer = answer_of(mark, bytes);

    keel_stale_keep(answers, key, answer, rules, stale_ns, now);
    keel_shared_answer_drop(answer);
    keel_memory_free(NULL, key);
}

static void keep(const char *url, long mark, size_t bytes)
{
    keep_as(url, "de", mark, bytes, &open_rules, KEEL_S);
}

/* The mark of what is served; 0: nothing. */
static long served_as(const char *url, const char *language, uint64_t *expired_ns)
{
    keel_request_key *key = key_of(url, language);
    keel_shared_answer *answer = keel_stale_find(answers, key, now, expired_ns);
    long mark = answer ? answer->response : 0;

    keel_shared_answer_drop(answer);
    keel_memory_free(NULL, key);
    return mark;
}

static long served(const char *url)
{
    uint64_t expired_ns;

    return served_as(url, "de", &expired_ns);
}

/* ---- how long ------------------------------------------------------------------ */

typedef struct time_case {
    const char *why;
    uint64_t fresh_s;
    uint64_t expired_s;
    uint64_t server_s; /* stale-if-error */
    uint64_t stale_s;  /* the operator's */
    uint64_t until_s;  /* served before, not from then on */
} time_case;

static const time_case times[] = {
    { "not fresh at all: what the operator allows", 0, 0, 1000, 10, 10 },
    { "after it expired", 60, 0, 1000, 10, 70 },
    { "expired when it came", 0, 4, 1000, 10, 6 },
    { "expired too long ago", 0, 10, 1000, 10, 0 },
    { "the server allows less", 60, 0, 5, 10, 65 },
    { "the server forbids it", 60, 0, 0, 10, 60 },
    { "and it is not fresh", 0, 0, 0, 10, 0 },
    { "the operator allows less", 60, 0, 5, 1, 61 },
};

START_TEST(an_answer_is_served_until_its_time_is_over)
{
    const time_case *row = &times[_i];
    keel_cache_rules rules = open_rules;
    uint64_t expired_ns;

    begin(ROOM);
    rules.fresh_ns = row->fresh_s * KEEL_S;
    rules.expired_ns = row->expired_s * KEEL_S;
    rules.stale_if_error_ns = row->server_s * KEEL_S;
    keep_as("http://a/", "de", 1, 10, &rules, row->stale_s * KEEL_S);
    ck_assert_int_eq(served("http://a/"), row->until_s > 0);
    now += row->until_s * KEEL_S;
    if (row->until_s) {
        now -= 1;
        ck_assert_int_eq(served_as("http://a/", "de", &expired_ns), 1);
        ck_assert_uint_eq(expired_ns,
                          (row->until_s + row->expired_s - row->fresh_s) * KEEL_S -
                              (row->until_s > row->fresh_s));
        now += 1;
    }
    ck_assert_int_eq(served("http://a/"), 0);
    ck_assert_uint_eq(keel_stale_bytes(answers), 0);
    end();
}
END_TEST

START_TEST(a_fresh_answer_has_not_expired)
{
    keel_cache_rules rules = open_rules;
    uint64_t expired_ns = 7;

    begin(ROOM);
    rules.fresh_ns = KEEL_S;
    keep_as("http://a/", "de", 1, 10, &rules, KEEL_S);
    ck_assert_int_eq(served_as("http://a/", "de", &expired_ns), 1);
    ck_assert_uint_eq(expired_ns, 0);
    end();
}
END_TEST

/* ---- which --------------------------------------------------------------------- */

START_TEST(the_last_good_answer_is_the_one)
{
    keel_cache_rules forbidding = open_rules;
    keel_request_key *key = key_of("http://a/", "de");
    keel_shared_answer *bad;

    begin(ROOM);
    bad = answer_of(3, 10);
    bad->status = KEEL_FAILED;
    keep("http://a/", 1, 10);
    keep("http://a/", 2, 10);
    ck_assert_int_eq(served("http://a/"), 2);
    keel_stale_keep(answers, key, bad, &open_rules, KEEL_S, now);
    ck_assert_int_eq(served("http://a/"), 2);
    forbidding.may_keep = false; /* what the server said before holds no more */
    keep_as("http://a/", "de", 4, 10, &forbidding, KEEL_S);
    ck_assert_int_eq(served("http://a/"), 0);
    keel_shared_answer_drop(bad);
    keel_memory_free(NULL, key);
    end();
}
END_TEST

START_TEST(a_change_forgets_all_variants_of_its_url_and_nothing_else)
{
    uint64_t expired_ns;

    begin(ROOM);
    keep_as("http://a/", "de", 1, 10, &open_rules, KEEL_S);
    keep_as("http://a/", "fr", 2, 10, &open_rules, KEEL_S);
    keep_as("http://a/b", "de", 3, 10, &open_rules, KEEL_S);
    ck_assert_int_eq(served_as("http://a/", "fr", &expired_ns), 2);
    keel_stale_forget(answers, "http://a/");
    ck_assert_int_eq(served("http://a/"), 0);
    ck_assert_int_eq(served_as("http://a/", "fr", &expired_ns), 0);
    ck_assert_int_eq(served("http://a/b"), 3);
    end();
}
END_TEST

START_TEST(who_holds_an_answer_keeps_it)
{
    keel_request_key *key = key_of("http://a/", "de");
    keel_shared_answer *held;
    uint64_t expired_ns;

    begin(ROOM);
    keep("http://a/", 1, 10);
    held = keel_stale_find(answers, key, now, &expired_ns);
    keel_stale_close(answers);
    ck_assert_int_eq(held->response, 1);
    keel_shared_answer_drop(held);
    ck_assert_int_eq(memory.live, 0);
    keel_memory_free(NULL, key);
}
END_TEST

static const struct {
    keel_status status;
    bool may;
} ends[] = {
    { KEEL_OK, false },
    { KEEL_REJECTED_OPEN, true },
    { KEEL_REJECTED_FORCED_OPEN, true },
    { KEEL_REJECTED_BULKHEAD_FULL, true },
    { KEEL_REJECTED_DEADLINE, true },
    { KEEL_FAILED, true },
    { KEEL_THROTTLED, true },
    { KEEL_TIMEOUT, true },
    { KEEL_DEADLINE, true },
    { KEEL_UNKNOWN, true },
    { KEEL_IGNORED, false },
    { KEEL_CLIENT_ERROR, false },
    { KEEL_CANCELLED, false },
    { KEEL_E_NOMEM, false },
    { KEEL_E_TOO_LARGE, false },
};

START_TEST(a_kept_answer_stands_in_for_refusals_and_failures_alone)
{
    ck_assert_msg(keel_stale_may_serve(ends[_i].status) == ends[_i].may, "%s",
                  keel_status_name(ends[_i].status));
}
END_TEST

/* ---- how much ------------------------------------------------------------------ */

START_TEST(the_least_recently_used_goes_first)
{
    begin(4096);
    keep("http://a/1", 1, 1000);
    keep("http://a/2", 2, 1000);
    keep("http://a/3", 3, 1000);
    ck_assert_int_eq(served("http://a/1"), 1);
    keep("http://a/4", 4, 1000);
    ck_assert_int_eq(served("http://a/1"), 1);
    ck_assert_int_eq(served("http://a/2"), 0);
    ck_assert_int_eq(served("http://a/3"), 3);
    ck_assert_int_eq(served("http://a/4"), 4);
    ck_assert_uint_le(keel_stale_bytes(answers), 4096);
    end();
}
END_TEST

START_TEST(what_is_larger_than_the_room_is_not_kept_and_drops_nothing)
{
    begin(4096);
    keep("http://a/1", 1, 1000);
    keep("http://a/2", 2, 4096);
    ck_assert_int_eq(served("http://a/2"), 0);
    ck_assert_int_eq(served("http://a/1"), 1);
    end();
}
END_TEST

START_TEST(of_one_url_only_so_many_variants_are_kept)
{
    char language[16];
    uint64_t expired_ns;
    unsigned kept = 0;

    begin(ROOM);
    for (int i = 0; i < 100; i++) {
        snprintf(language, sizeof language, "l%d", i);
        keep_as("http://a/", language, i + 1, 10, &open_rules, KEEL_S);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(language, sizeof language, "l%d", i);
        kept += served_as("http://a/", language, &expired_ns) != 0;
    }
    ck_assert_uint_eq(kept, KEEL_STALE_VARIANTS);
    ck_assert_int_eq(served_as("http://a/", "l99", &expired_ns), 100);
    end();
}
END_TEST

START_TEST(without_memory_nothing_is_kept_and_nothing_lost)
{
    failing_allocator_init(&memory, 1);
    ck_assert(!keel_stale_open(&answers, &memory.allocator, ROOM));
    ck_assert_ptr_null(answers);
    begin(ROOM);
    keep("http://a/", 1, 10);
    memory.fail_at = memory.calls + 2; /* the answer itself is the first */
    keep("http://a/", 2, 10);
    ck_assert_int_eq(served("http://a/"), 0); /* the older one is not the last */
    end();
    keel_stale_close(NULL);
}
END_TEST

/* ---- schedules ----------------------------------------------------------------- */

/* What must be true of each URL: the mark that may be served, and until when. */
typedef struct fact {
    long mark;
    uint64_t until;
} fact;

static uint64_t next(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static void random_step(fact facts[URLS], long mark, uint64_t first)
{
    keel_cache_rules rules = open_rules;
    size_t i = next(URLS);
    uint64_t stale_ns;
    char url[32];
    long got;

    snprintf(url, sizeof url, "http://a/%zu", i);
    switch (next(8)) {
    case 0:
        now += next(KEEL_S);
        break;
    case 1:
        keel_stale_forget(answers, url);
        facts[i].mark = 0;
        break;
    case 2:
    case 3:
        rules.fresh_ns = next(KEEL_S);
        rules.may_keep = next(8) > 0;
        stale_ns = 1 + next(KEEL_S);
        keep_as(url, "de", mark, next(600), &rules, stale_ns);
        facts[i].mark = rules.may_keep ? mark : 0;
        facts[i].until = now + rules.fresh_ns + stale_ns;
        break;
    default:
        got = served(url);
        if (got && (got != facts[i].mark || now >= facts[i].until))
            ck_abort_msg("KEEL_SEED=%" PRIu64 ": %s is %ld, not %ld", first, url, got,
                         facts[i].mark);
    }
    if (keel_stale_bytes(answers) > 4096)
        ck_abort_msg("KEEL_SEED=%" PRIu64 ": %zu bytes", first,
                     keel_stale_bytes(answers));
}

static void run_schedule(uint64_t first)
{
    fact facts[URLS] = { { 0, 0 } };

    seed = first;
    begin(4096);
    for (long step = 1; step <= STEPS; step++)
        random_step(facts, step, first);
    end();
}

START_TEST(no_schedule_serves_what_it_should_not)
{
    const char *given = getenv("KEEL_SEED");

    if (given)
        run_schedule(strtoull(given, NULL, 10));
    for (uint64_t first = 1; !given && first <= SCHEDULES; first++)
        run_schedule(first);
}
END_TEST

/* ---- threads ------------------------------------------------------------------- */

static void *use_often(void *ctx)
{
    const char *urls[] = { "http://a/1", "http://a/2", "http://a/3" };

    (void)ctx;
    for (int i = 0; i < 3000; i++) {
        const char *url = urls[i % 3];
        long mark;

        if (i % 7 == 0)
            keep(url, i % 3 + 1, 1000);
        if (i % 101 == 0)
            keel_stale_forget(answers, url);
        mark = served(url);
        ck_assert(mark == 0 || mark == i % 3 + 1);
    }
    return NULL;
}

START_TEST(threads_may_keep_find_and_forget_at_once)
{
    pthread_t threads[THREADS];

    begin(3000);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, use_often, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    end();
}
END_TEST

SUITE("stale", 30, ROWS(an_answer_is_served_until_its_time_is_over, times),
      ONE(a_fresh_answer_has_not_expired), ONE(the_last_good_answer_is_the_one),
      ONE(a_change_forgets_all_variants_of_its_url_and_nothing_else),
      ONE(who_holds_an_answer_keeps_it),
      ROWS(a_kept_answer_stands_in_for_refusals_and_failures_alone, ends),
      ONE(the_least_recently_used_goes_first),
      ONE(what_is_larger_than_the_room_is_not_kept_and_drops_nothing),
      ONE(of_one_url_only_so_many_variants_are_kept),
      ONE(without_memory_nothing_is_kept_and_nothing_lost),
      ONE(no_schedule_serves_what_it_should_not),
      ONE(threads_may_keep_find_and_forget_at_once))
