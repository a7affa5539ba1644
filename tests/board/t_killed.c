/* SPDX-License-Identifier: MIT */
/*
 * kill -9 in any instruction: whatever a process was at, those who share its board go on.
 * Once with workers who hammer one pipeline and are killed at random instants, once
 * instruction by instruction through what changes a board.
 *
 * KEEL_SEED repeats a run, KEEL_KILLS makes it longer.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/seed.h"
#include "board/file.h"
#include "call/host.h"
#include "call/pipeline.h"
#include "support/board_file.h"
#include "support/child.h"
#include "support/opened.h"
#include "support/sanitizers.h"
#include "support/suite.h"

#if HAS_SANITIZER
#define KILLS 40
#else
#define KILLS 200
#endif

enum { WORKERS = 4, LIMIT = 3, STEPS_A_KILL = 300 };

static board_file file;
static opened o;
static keel_board_file raw; /* the file, as somebody sees it who only looks */

/* ---- draws ---------------------------------------------------------------------------- */

static uint64_t draws;

static void seed_draws(const char *what)
{
    const char *given = getenv("KEEL_SEED");

    draws = given ? strtoull(given, NULL, 10) : keel_seed() >> 32;
    printf("%s: KEEL_SEED=%" PRIu64 "\n", what, draws);
    fflush(stdout);
}

static uint64_t draw_of(uint64_t *state, uint64_t below)
{
    return keel_mix(*state += UINT64_C(0x9e3779b97f4a7c15)) % below;
}

static uint64_t kills_wanted(void)
{
    const char *given = getenv("KEEL_KILLS");

    return given ? strtoull(given, NULL, 10) : KILLS;
}

/* ---- what must hold whoever was killed where -------------------------------------------- */

static void begin(opened_clock clock, const char *settings)
{
    keel_detail why = KEEL_DETAIL_INIT;

    board_file_init(&file);
    opened_init(&o, clock, file.environment, settings);
    ck_assert_ptr_nonnull(o.rt->shared);
    ck_assert_int_eq(keel_board_file_open(&raw, NULL, file.path, false, &why), KEEL_OK);
}

static void finish(void)
{
    keel_board_file_close(&raw, NULL);
    opened_cleanup(&o);
    board_file_cleanup(&file);
}

static uint32_t own_slot(void)
{
    return (uint32_t)(*keel_board_self(o.rt->shared) >> 56);
}

static bool is_used_by(const keel_board_entry *e, uint32_t slot)
{
    return e->users[slot / 64] >> slot % 64 & 1;
}

static void check_owners(void)
{
    for (uint32_t slot = 0; slot < KEEL_BOARD_OWNERS; slot++) {
        bool is_taken = raw.layout->owners[slot].process != 0;

        ck_assert_msg(is_taken == (slot == own_slot()), "slot %u", slot);
        for (uint32_t i = 0; i < raw.layout->head.block_count; i++)
            ck_assert(slot == own_slot() ||
                      !is_used_by(&raw.layout->directory[i], slot));
    }
}

/* Blocks lie one behind the other, within what is in use, and are of a known kind. */
static void check_directory(void)
{
    uint64_t end = 0;

    for (uint32_t i = 0; i < raw.layout->head.block_count; i++) {
        const keel_board_entry *e = &raw.layout->directory[i];

        ck_assert_uint_ge(e->offset, end);
        ck_assert_uint_gt(e->size, 0);
        end = e->offset + e->size;
        ck_assert(e->kind >= KEEL_BLOCK_BREAKER && e->kind < KEEL_BLOCK_STRIPES);
        ck_assert_uint_lt(strnlen(e->name, sizeof e->name), sizeof e->name);
    }
    ck_assert_uint_ge(raw.layout->head.used, end);
}

static void check_held(void)
{
    for (uint32_t i = 0; i < raw.layout->head.block_count; i++) {
        const keel_board_entry *e = &raw.layout->directory[i];
        _Atomic uint64_t *words = (void *)(raw.layout->blocks + e->offset);
        const keel_breaker_words *breaker = (void *)words;

        if (e->kind == KEEL_BLOCK_PLACES)
            for (uint32_t place = 0; place < e->count; place++)
                ck_assert_uint_eq(words[place], 0);
        if (e->kind == KEEL_BLOCK_BREAKER)
            ck_assert_int_le(keel_word_state(breaker->state), KEEL_BREAKER_HALF_OPEN);
    }
}

/* Who comes to a slot's lines can count there. */
static void check_set(const keel_lines *lines, uint32_t slot)
{
    keel_stripes set = keel_lines_set(lines, slot);

    for (uint32_t i = 0; i < set.count; i++)
        ck_assert(!(set.lines[i].words[KEEL_STRIPE_WINDOW] & KEEL_STRIPE_FOLDING));
}

/* Whoever has lines is among those who are looked at. */
static void check_lines(void)
{
    for (uint32_t i = 0; i < raw.layout->head.block_count; i++) {
        const keel_board_entry *e = &raw.layout->directory[i];
        const keel_lines lines = { (void *)(raw.layout->blocks + e->offset),
                                   o.rt->shared };

        if (e->kind == KEEL_BLOCK_LINES)
            for (uint32_t slot = 0; slot < KEEL_BOARD_OWNERS; slot++) {
                ck_assert(!lines.words->sets[slot] || slot < lines.words->used);
                check_set(&lines, slot);
            }
    }
}

/* Once all others are dead and buried. */
static void check_board(void)
{
    check_owners();
    check_directory();
    check_held();
    check_lines();
}

/* All places are there, and each call counts; false: an older one left the window meanwhile. */
static bool counts_all(void)
{
    keel_permit permits[LIMIT], more;
    uint64_t before;

    for (int i = 0; i < LIMIT; i++)
        ck_assert_int_eq(keel_permit_take(o.pipeline, &permits[i], NULL), KEEL_OK);
    ck_assert_int_eq(keel_permit_take(o.pipeline, &more, NULL),
                     KEEL_REJECTED_BULKHEAD_FULL);
    before = opened_look(&o).calls;
    for (int i = 0; i < LIMIT; i++)
        keel_permit_end(&permits[i], KEEL_OK);
    return opened_look(&o).calls == before + LIMIT;
}

/* The breaker closes when the dependency is well, and counts from then on. */
static void check_service(void (*pass_time)(void))
{
    for (int i = 0; opened_look(&o).state != KEEL_BREAKER_CLOSED; i++) {
        ck_assert_msg(i < 1000, "stuck in state %d", (int)opened_look(&o).state);
        opened_call(&o, NULL, KEEL_OK, NULL);
        pass_time();
    }
    for (int i = 0; !counts_all(); i++)
        ck_assert_msg(i < 10, "calls are not counted");
}

/* ---- at random ------------------------------------------------------------------------ */

/* A worker, as all see him. */
typedef struct worker {
    _Alignas(64) _Atomic uint64_t done; /* operations, since he was started */
    _Atomic bool is_inside;
    _Atomic bool is_doomed; /* what he holds may be given to others any time now */
} worker;

typedef struct common {
    worker workers[WORKERS];
    _Atomic uint32_t most;
    _Atomic uint64_t opened; /* how often somebody saw it open */
} common;

static common *all;
static pid_t pids[WORKERS];

/* What a worker goes by; he is forked with it. */
static uint32_t my_number;
static uint64_t my_draws;

static void note_inside(void)
{
    uint32_t inside = 0, most = atomic_load(&all->most);

    for (int i = 0; i < WORKERS; i++)
        inside += atomic_load(&all->workers[i].is_inside) &&
                  !atomic_load(&all->workers[i].is_doomed);
    while (most < inside && !atomic_compare_exchange_weak(&all->most, &most, inside))
        ;
}

/* The dependency is down half of the time. */
static keel_status outcome(uint64_t done)
{
    return done / 64 % 2 && draw_of(&my_draws, 4) ? KEEL_FAILED : KEEL_OK;
}

static void pass(keel_pipeline *pipeline, worker *me)
{
    keel_permit permit;
    keel_status status = keel_permit_take(pipeline, &permit, NULL);

    if (status == KEEL_REJECTED_OPEN)
        atomic_fetch_add(&all->opened, 1);
    if (status != KEEL_OK)
        return;
    atomic_store(&me->is_inside, true);
    note_inside();
    atomic_store(&me->is_inside, false);
    keel_permit_end(&permit, outcome(atomic_load(&me->done)));
}

static void change_settings(keel_pipeline *pipeline)
{
    static const char *const settings[] = {
        NULL,
        "breaker.window=20s; breaker.buckets=20",
        "breaker.window=50calls",
        "breaker.half_open_permits=12",
    };

    CHILD(keel_pipeline_override(pipeline, settings[draw_of(&my_draws, 4)], KEEL_S,
                                 NULL) == KEEL_OK);
}

static void open_another(keel_runtime *rt)
{
    keel_pipeline *other;

    CHILD(keel_pipeline_open(&other, rt, "search", "", NULL) == KEEL_OK);
    keel_pipeline_close(other);
}

#define SETTINGS                                                                       \
    "none; breaker.min_calls=5; breaker.open=1ms; breaker.open_max=2ms;"               \
    "breaker.half_open_permits=2; breaker.half_open_max_wait=20ms; "                   \
    "breaker.lease=20ms;"                                                              \
    "bulkhead=3; bulkhead.scope=host; rate=1000000/s; rate.burst=1000000;"             \
    "rate.scope=host"

/* Every other worker has a runtime of his own, the rest their parent's. */
static void work(void)
{
    worker *me = &all->workers[my_number];
    keel_options options = { .size = sizeof options, .environment = file.environment };
    keel_pipeline *pipeline = o.pipeline;
    keel_runtime *rt = o.rt;

    if (draw_of(&my_draws, 2)) {
        CHILD(keel_open(&rt, &options, NULL) == KEEL_OK);
        CHILD(keel_pipeline_open(&pipeline, rt, "payments", SETTINGS, NULL) == KEEL_OK);
        CHILD(rt->shared);
    }
    for (;;) {
        uint64_t what = draw_of(&my_draws, 100);

        if (what < 2)
            change_settings(pipeline);
        else if (what < 3)
            open_another(rt);
        else
            pass(pipeline, me);
        atomic_fetch_add(&me->done, 1);
    }
}

static void start_worker(uint32_t number)
{
    my_number = number;
    my_draws = draw_of(&draws, UINT64_MAX);
    atomic_store(&all->workers[number].done, 0);
    atomic_store(&all->workers[number].is_inside, false);
    atomic_store(&all->workers[number].is_doomed, false);
    pids[number] = child_fork(work);
}

static void kill_worker(uint32_t number)
{
    int status;

    atomic_store(&all->workers[number].is_doomed, true);
    ck_assert_int_eq(kill(pids[number], SIGKILL), 0);
    ck_assert_int_eq(waitpid(pids[number], &status, 0), pids[number]);
    ck_assert_msg(WIFSIGNALED(status), "a worker ended in line %d, or 255 more",
                  WEXITSTATUS(status) - 1);
}

/* At an instant of its first or later operations; a slow machine only makes it earlier. */
static void kill_one(void)
{
    uint32_t number = (uint32_t)draw_of(&draws, WORKERS);
    uint64_t goal = draw_of(&draws, 3) ? draw_of(&draws, 300) : 0;
    uint64_t until = keel_now(o.rt) + 20 * KEEL_MS;

    while (atomic_load(&all->workers[number].done) < goal && keel_now(o.rt) < until)
        ;
    until = keel_now(o.rt) + draw_of(&draws, 200) * 1000;
    while (keel_now(o.rt) < until)
        ;
    kill_worker(number);
    start_worker(number);
}

static void bury_by_joining(void)
{
    keel_options options = { .size = sizeof options, .environment = file.environment };
    keel_runtime *rt;

    CHILD(keel_open(&rt, &options, NULL) == KEEL_OK);
    CHILD(rt->shared);
    CHILD(keel_close(rt, 0) == KEEL_OK);
}

static void real_time_passes(void)
{
    uint64_t until = keel_now(o.rt) + KEEL_MS;

    while (keel_now(o.rt) < until)
        ;
}

START_TEST(workers_may_be_killed_at_any_time)
{
    uint64_t kills = kills_wanted();

    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
               -1, 0);
    ck_assert_ptr_ne(all, MAP_FAILED);
    begin(OPENED_REAL, SETTINGS);
    seed_draws("killed at random");
    for (uint32_t i = 0; i < WORKERS; i++)
        start_worker(i);
    while (kills--)
        kill_one();
    for (uint32_t i = 0; i < WORKERS; i++)
        kill_worker(i);
    ck_assert_uint_ge(all->most, 1);
    ck_assert_uint_le(all->most, LIMIT);
    ck_assert_uint_gt(all->opened, 0);
    child_await(child_fork(bury_by_joining));
    check_board();
    check_service(real_time_passes);
    finish();
}
END_TEST

/* ---- instruction by instruction -------------------------------------------------------- */

#define STEPPED                                                                        \
    "none; breaker.min_calls=8; breaker.open=5s; breaker.open_jitter=0;"               \
    "breaker.half_open_permits=1; breaker.half_open_max_wait=20s;"                     \
    "bulkhead=3; bulkhead.scope=host"

static void virtual_time_passes(void)
{
    vclock_advance(&o.clock, KEEL_S);
}

static keel_permit probe;

static void join(void)
{
    keel_runtime_notice_fork(o.rt);
}

static void take_probe(void)
{
    CHILD(keel_permit_take(o.pipeline, &probe, NULL) == KEEL_OK);
}

static void end_probe(void)
{
    keel_permit_end(&probe, KEEL_OK);
}

static void join_and_take_probe(void)
{
    join();
    take_probe();
}

static void no_bury(keel_board *board, uint32_t slot, void *ctx)
{
    (void)board;
    (void)slot;
    (void)ctx;
}

static void join_without_lines(void)
{
    keel_board_forked(o.rt->shared);
    CHILD(keel_board_join(o.rt->shared, no_bury, NULL));
}

static void join_lines(void)
{
    const keel_window *window = &atomic_load(&o.pipeline->plan)->breaker.window;

    keel_lines_join(&window->lines, (keel_stripes *)(uintptr_t)window->stripes);
}

static void take_and_give_back_a_place(void)
{
    const keel_places *places = &atomic_load(&o.pipeline->plan)->bulkhead.places;

    keel_places_give_back(places, keel_places_take(places));
}

/* A success in each of two buckets: the second folds what the first one left. */
static void count_one(uint64_t later_ns)
{
    const keel_breaker *breaker = &atomic_load(&o.pipeline->plan)->breaker;
    uint64_t now = vclock_now(&o.clock) + later_ns;
    uint32_t generation = keel_word_generation(atomic_load(&breaker->words->state));

    keel_window_record(&breaker->window, generation, now, false, false);
}

static void join_and_count(void)
{
    join();
    count_one(0);
}

static void count_in_the_next_bucket(void)
{
    count_one(KEEL_S);
}

static void make_a_block(void)
{
    const keel_block_key key = { "a", KEEL_BLOCK_RATE, 1, 1 };

    CHILD(keel_board_block(o.rt->shared, &key, 64));
}

/* The second is handed what the first was lent, on a board that is half full. */
static void borrow_twice(void)
{
    const keel_block_key keys[] = { { "a", KEEL_BLOCK_TIME_WINDOW, 1, 1 },
                                    { "b", KEEL_BLOCK_TIME_WINDOW, 1, 1 } };

    for (int i = 0; i < 2; i++)
        keel_board_give_back(o.rt->shared, keel_board_lend(o.rt->shared, &keys[i], 64));
}

static void join_and_fill_half(void)
{
    uint64_t offset;

    join();
    CHILD(keel_board_take(o.rt->shared, KEEL_BOARD_FILE_SIZE / 2, &offset));
}

static void open_another_pipeline(void)
{
    open_another(o.rt);
}

/* What is gone through step by step, and what is done before. */
typedef struct stepping {
    void (*prepare)(void);
    void (*act)(void);
} stepping;

static void nothing(void)
{
}

static const stepping steppings[] = {
    { nothing, join },
    { join_without_lines, join_lines },
    { join, take_and_give_back_a_place },
    { join, take_probe },
    { join_and_take_probe, end_probe },
    { join_and_count, count_in_the_next_bucket },
    { join, make_a_block },
    { join_and_fill_half, borrow_twice },
    { join, open_another_pipeline },
};
static const stepping *stepped;

static void let_me_be_stepped(void)
{
    stepped->prepare();
    CHILD(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    raise(SIGSTOP);
    stepped->act();
    raise(SIGSTOP); /* all done */
}

/*
 * Lets a child of ours act for so many instructions, or to the end, and kills it. Returns
 * how many there were; UINT64_MAX: nobody may trace here.
 */
static uint64_t kill_after(uint64_t steps)
{
    uint64_t taken = 0;
    int status;
    pid_t pid = child_fork(let_me_be_stepped);

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        return UINT64_MAX;
    for (; taken < steps && !(taken && WSTOPSIG(status) == SIGSTOP); taken++) {
        ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSTOPPED(status), "line %d", WEXITSTATUS(status) - 1);
    }
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return taken;
}

/* The breaker is open and its time over, so that the next call is a probe. */
static void trip(void)
{
    while (opened_look(&o).state == KEEL_BREAKER_CLOSED)
        opened_call(&o, NULL, KEEL_FAILED, NULL);
    vclock_advance(&o.clock, 5 * KEEL_S);
}

/* On a board of its own, because most is made but once. */
static uint64_t try_kill_after(uint64_t steps)
{
    uint64_t taken;

    begin(OPENED_VIRTUAL, STEPPED);
    trip();
    taken = kill_after(steps);
    vclock_advance(&o.clock, 2 * KEEL_S);
    keel_host_bury(o.rt, vclock_now(&o.clock));
    check_board();
    check_service(virtual_time_passes);
    finish();
    return taken;
}

START_TEST(a_child_may_be_killed_after_any_instruction)
{
    uint64_t most = kills_wanted() * STEPS_A_KILL;
    uint64_t whole, stride;

    if (HAS_THREAD_SANITIZER) {
        printf("most instructions would be the thread sanitizer's own: not tested\n");
        return;
    }
    stepped = &steppings[_i];
    seed_draws("killed step by step");
    whole = try_kill_after(UINT64_MAX);
    if (whole == UINT64_MAX) {
        printf("no process may be traced here: not tested\n");
        return;
    }
    stride = whole * whole / 2 / most + 1;
    for (uint64_t at = draw_of(&draws, stride); at < whole; at += stride)
        try_kill_after(at);
}
END_TEST

SUITE("killed", 600, ONE(workers_may_be_killed_at_any_time),
      ROWS(a_child_may_be_killed_after_any_instruction, steppings))
