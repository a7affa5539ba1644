/* SPDX-License-Identifier: MIT */
/* The time window. The layout of its words is drawn in window.h. */
#include "policy/window_kinds.h"

#include <string.h>
#include <unistd.h>

enum {
    EPOCH_BITS = 20,
    EPOCHS = 1 << EPOCH_BITS,
    COUNT_BITS = 22,
    NUMBER_BITS = 34,
    GENERATION_BITS = 10,
    SUM_TRIES = 4,
    BEHIND_MOST = 1 << 20
};

/* A hint's tag that is no stripe's: the guard bit without a single success. */
#define RETIRED ((uint32_t)2)

#define EPOCH_MASK (((uint64_t)1 << EPOCH_BITS) - 1)
#define COUNT_MASK (((uint64_t)1 << COUNT_BITS) - 1)
#define NUMBER_MASK (((uint64_t)1 << NUMBER_BITS) - 1)
#define GENERATION_MASK (((uint64_t)1 << GENERATION_BITS) - 1)
#define FOLDING KEEL_STRIPE_FOLDING
#define STRIPE_COUNT_MASK (((uint64_t)1 << 33) - 1) /* with the guard bit */

uint32_t keel_stripes_wanted(void)
{
    long processors = sysconf(_SC_NPROCESSORS_CONF);
    uint32_t count = 4;

    while (count < KEEL_STRIPES_MAX && (long)count < 2 * processors)
        count *= 2;
    return count;
}

keel_stripe_line keel_stripe_nowhere = { { UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                           UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                           UINT64_MAX, UINT64_MAX } };

size_t keel_time_window_size(uint32_t buckets, bool has_slow)
{
    return sizeof(keel_time_window_words) +
           (size_t)buckets * (has_slow ? 2 : 1) * sizeof(uint64_t);
}

void keel_time_window_init(keel_window *window, keel_time_window_words *words,
                           const keel_stripes *stripes, uint32_t stripe_word,
                           uint64_t window_ns, uint32_t buckets, bool has_slow)
{
    uint64_t width = window_ns / buckets ? window_ns / buckets : 1;

    *window =
        (keel_window){ .time = words,
                       .stripes = stripes,
                       .stripe_word = stripe_word,
                       .count = buckets,
                       .span = EPOCHS / buckets * buckets,
                       .has_slow = has_slow,
                       .width_ns = width,
                       .reciprocal = width == 1 ? UINT64_MAX : UINT64_MAX / width };
}

/* the head: which bucket is the current one */

static uint64_t head_pack(uint64_t generation, uint64_t number, uint64_t epoch)
{
    return (generation & GENERATION_MASK) << 54 | (number & NUMBER_MASK) << EPOCH_BITS |
           (epoch & EPOCH_MASK);
}

static uint64_t head_generation(uint64_t head)
{
    return head >> 54;
}

static uint64_t head_number(uint64_t head)
{
    return head >> EPOCH_BITS & NUMBER_MASK;
}

static uint64_t head_epoch(uint64_t head)
{
    return head & EPOCH_MASK;
}

/*
 * How many buckets `number` is ahead of the head's; negative: behind. Only a thread
 * that was stopped between reading the clock and recording is behind, and a little; all
 * else is ahead, however long nobody called.
 */
static int64_t ahead_of(uint64_t head, uint64_t number)
{
    uint64_t ahead = (number - head_number(head)) & NUMBER_MASK;

    return ahead > NUMBER_MASK - BEHIND_MOST
               ? (int64_t)ahead - (int64_t)(NUMBER_MASK + 1)
               : (int64_t)ahead;
}

/* a comes after b in the circle of generations. */
static bool generation_after(uint64_t a, uint64_t b)
{
    return ((a - b) & GENERATION_MASK) - 1 < GENERATION_MASK / 2;
}

/* Epochs count in a circle whose length is a multiple of the number of buckets. */
static uint64_t epoch_after(const keel_window *window, uint64_t epoch, uint64_t step)
{
    return epoch + step < window->span ? epoch + step : epoch + step - window->span;
}

static uint64_t epoch_before(const keel_window *window, uint64_t epoch, uint64_t step)
{
    return epoch >= step ? epoch - step : epoch + window->span - step;
}

static uint64_t age_of(const keel_window *window, uint64_t word_epoch, uint64_t epoch)
{
    return epoch_before(window, epoch, word_epoch);
}

/*
 * Whether a word's epoch comes after this one. Behind lie all epochs but those that a
 * thread can be late by, so that a word may lie idle for nearly the whole circle.
 */
static bool is_younger(const keel_window *window, uint64_t word_epoch, uint64_t epoch)
{
    return age_of(window, word_epoch, epoch) >=
           window->span - 2 * KEEL_WINDOW_MAX_BUCKETS;
}

/* Neither in the window of an epoch, nor younger than that. */
static bool has_left(const keel_window *window, uint64_t word_epoch, uint64_t epoch)
{
    return age_of(window, word_epoch, epoch) >= window->count &&
           !is_younger(window, word_epoch, epoch);
}

/* The epoch of a bucket that is `ahead` of the head's, where negative is behind. */
static uint64_t epoch_at(const keel_window *window, uint64_t head, int64_t ahead)
{
    return ahead < 0 ? epoch_before(window, head_epoch(head), (uint64_t)-ahead)
                     : epoch_after(window, head_epoch(head), (uint64_t)ahead);
}

/* buckets */

static uint64_t bucket_pack(uint64_t epoch, uint64_t ok, uint64_t failed)
{
    return epoch << (2 * COUNT_BITS) | ok << COUNT_BITS | failed;
}

static uint64_t bucket_epoch(uint64_t bucket)
{
    return bucket >> (2 * COUNT_BITS);
}

static uint64_t bucket_ok(uint64_t bucket)
{
    return bucket >> COUNT_BITS & COUNT_MASK;
}

static uint64_t bucket_failed(uint64_t bucket)
{
    return bucket & COUNT_MASK;
}

/* One ring of buckets counts the fast calls, a second one the slow ones. */
static uint32_t ring_count(const keel_window *window)
{
    return window->has_slow ? 2 : 1;
}

static _Atomic uint64_t *bucket_at(const keel_window *window, uint64_t epoch, bool slow)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a time window has 1..1000 */
    return &window->time->buckets[epoch % window->count + (slow ? window->count : 0)];
}

/*
 * How often two counts must be halved to fit; together, so that their rate stays true.
 */
static unsigned halvings(uint64_t ok, uint64_t failed)
{
    unsigned times = 0;

    while (ok >> times > COUNT_MASK || failed >> times > COUNT_MASK)
        times++;
    return times;
}

/* The slow ones of a bucket follow the fast ones, and the other way round. */
static void bucket_halve(const keel_window *window, uint64_t epoch, bool slow,
                         unsigned times)
{
    _Atomic uint64_t *bucket = bucket_at(window, epoch, slow);
    uint64_t old = atomic_load_explicit(bucket, memory_order_relaxed);

    while (bucket_epoch(old) == epoch &&
           !atomic_compare_exchange_weak_explicit(
               bucket, &old,
               bucket_pack(epoch, bucket_ok(old) >> times, bucket_failed(old) >> times),
               memory_order_relaxed, memory_order_relaxed))
        ;
}

/*
 * Adds to the bucket of an epoch, unless its place belongs to a younger one by now.
 * Release, because a fold adds here what it has marked in its stripe before: whoever
 * sees the sum (sum_buckets acquires it) sees the mark, or what came after it, when he
 * looks at the stripe once more. Relaxed, the mark might become visible after the sum.
 */
static void bucket_add(const keel_window *window, uint64_t epoch, bool slow,
                       uint64_t ok, uint64_t failed)
{
    _Atomic uint64_t *bucket = bucket_at(window, epoch, slow);
    uint64_t old = atomic_load_explicit(bucket, memory_order_relaxed);
    uint64_t fresh;
    unsigned times;

    do {
        bool is_same = bucket_epoch(old) == epoch;
        uint64_t all_ok = ok + (is_same ? bucket_ok(old) : 0);
        uint64_t all_failed = failed + (is_same ? bucket_failed(old) : 0);

        if (is_younger(window, bucket_epoch(old), epoch))
            return;
        times = halvings(all_ok, all_failed);
        fresh = bucket_pack(epoch, all_ok >> times, all_failed >> times);
    } while (!atomic_compare_exchange_weak_explicit(
        bucket, &old, fresh, memory_order_release, memory_order_relaxed));
    if (times && window->has_slow)
        bucket_halve(window, epoch, !slow, times);
}

/* stripes */

static uint64_t stripe_pack(uint32_t generation, uint64_t epoch, uint64_t ok)
{
    return (generation & GENERATION_MASK) << 54 | epoch << 34 | ok;
}

static bool stripe_is_of(uint64_t stripe, uint32_t generation)
{
    return stripe >> 54 == (generation & GENERATION_MASK);
}

static uint64_t stripe_epoch(uint64_t stripe)
{
    return stripe >> 34 & EPOCH_MASK;
}

/* cleaning */

/* The sets of lines that count for a window: one, or one for each process. */
static uint32_t set_count(const keel_window *window)
{
    return window->lines.words ? keel_lines_sets(&window->lines) : 1;
}

static keel_stripes set_at(const keel_window *window, uint32_t number)
{
    return window->lines.words ? keel_lines_set(&window->lines, number)
                               : *window->stripes;
}

static _Atomic uint64_t *word_at(const keel_window *window, const keel_stripes *set,
                                 uint32_t line)
{
    return &set->lines[line].words[window->stripe_word];
}

/* What an idle thread left behind; its owner, should it be back just now, wins. */
static void clean_stripe(const keel_window *window, _Atomic uint64_t *word,
                         uint64_t epoch)
{
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

    if (!(old & FOLDING) && has_left(window, stripe_epoch(old), epoch))
        atomic_compare_exchange_strong_explicit(word, &old, 0, memory_order_relaxed,
                                                memory_order_relaxed);
}

static void clean_stripes(const keel_window *window, uint32_t turn, uint64_t epoch)
{
    for (uint32_t i = 0; i < set_count(window); i++) {
        keel_stripes set = set_at(window, i);

        if (set.count)
            clean_stripe(window, word_at(window, &set, turn & (set.count - 1)), epoch);
    }
}

/* Before the epoch moves: clears one more bucket, and a stripe of each process, that has
 * left the window. */
static void clean_one(const keel_window *window, uint64_t epoch)
{
    uint32_t turn =
        atomic_fetch_add_explicit(&window->time->cleaned, 1, memory_order_relaxed);

    for (uint32_t slow = 0; slow < ring_count(window); slow++) {
        _Atomic uint64_t *bucket = bucket_at(window, turn, slow);
        uint64_t old = atomic_load_explicit(bucket, memory_order_relaxed);

        /* marked as having just left, so that it is long until its epoch comes again */
        if (has_left(window, bucket_epoch(old), epoch))
            atomic_compare_exchange_strong_explicit(
                bucket, &old,
                bucket_pack(epoch_before(window, epoch, window->count), 0, 0),
                memory_order_relaxed, memory_order_relaxed);
    }
    clean_stripes(window, turn, epoch);
}

/*
 * The head with the bucket of now as its current one, moved there if need be. False:
 * the window belongs to a later generation. A now that lies behind the head leaves it.
 */
static bool head_move(const keel_window *window, uint32_t generation, uint64_t number,
                      uint64_t *out, bool *moved)
{
    uint64_t head = atomic_load_explicit(&window->time->head, memory_order_acquire);

    *moved = false;
    for (;;) {
        bool fresh_window = head == 0;
        bool other = head_generation(head) != (generation & GENERATION_MASK);
        int64_t ahead = ahead_of(head, number);
        uint64_t step = other || fresh_window || ahead > (int64_t)window->count
                            ? window->count
                            : (uint64_t)ahead;
        uint64_t fresh =
            head_pack(generation, number, epoch_after(window, head_epoch(head), step));

        if (other && !fresh_window &&
            !generation_after(generation & GENERATION_MASK, head_generation(head)))
            return false;
        if (!other && !fresh_window && ahead <= 0) {
            *out = head;
            return true;
        }
        clean_one(window, head_epoch(head));
        if (atomic_compare_exchange_weak_explicit(&window->time->head, &head, fresh,
                                                  memory_order_acq_rel,
                                                  memory_order_acquire)) {
            *moved = !other;
            *out = fresh;
            return true;
        }
    }
}

/*
 * A stripe that others share may have gone on, to a bucket or a generation after ours.
 */
static bool stripe_is_ahead(const keel_window *window, uint64_t stripe,
                            uint32_t generation, uint64_t epoch)
{
    if (!stripe)
        return false;
    return stripe_is_of(stripe, generation)
               ? is_younger(window, stripe_epoch(stripe), epoch)
               : generation_after(stripe >> 54, generation & GENERATION_MASK);
}

/*
 * Counts a fast success whose stripe is of another bucket: what the stripe holds is
 * folded into its bucket first. While it is, the stripe says so, and a reader that sees
 * that looks again; so the reader never misses it and never counts it twice.
 */
static void stripe_turn(const keel_window *window, uint32_t generation, uint64_t epoch)
{
    keel_stripe mine = keel_stripe_mine(window->stripes);
    bool is_owner = mine.is_owner;
    _Atomic uint64_t *word = &mine.line->words[window->stripe_word];
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
    uint64_t held = old & STRIPE_COUNT_MASK;

    if (old & FOLDING || stripe_is_ahead(window, old, generation, epoch) ||
        (!is_owner &&
         !atomic_compare_exchange_strong_explicit(
             word, &old, old | FOLDING, memory_order_acq_rel, memory_order_relaxed))) {
        bucket_add(window, epoch, false, 1, 0); /* another thread is at it, or was */
        return;
    }
    if (is_owner) /* the mark stays before the sum because bucket_add releases */
        atomic_store_explicit(word, old | FOLDING, memory_order_relaxed);
    if (held && stripe_is_of(old, generation) &&
        age_of(window, stripe_epoch(old), epoch) < window->count)
        bucket_add(window, stripe_epoch(old), false, held, 0);
    /* release: a reader that sees the new word sees the bucket with what was in the old
     */
    atomic_store_explicit(word, stripe_pack(generation, epoch, 1),
                          memory_order_release);
}

/* recording and summing */

/*
 * What the quick way goes by; written by whoever found it wanting. Two who write at
 * once may leave the instant of one with the tag of the other: then the quick way
 * finds it wanting again. The tag is swapped, so that one who was stopped here does
 * not bring back that of a bucket long gone, nor wake a window that was retired
 * meanwhile.
 */
static void give_hint(const keel_window *window, uint64_t number, uint32_t stripe_tag)
{
    keel_time_window_words *words = window->time;
    uint32_t tag = atomic_load_explicit(&words->tag, memory_order_relaxed);
    uint64_t began = number * window->width_ns;

    if (tag == RETIRED ||
        (tag == stripe_tag + 1 &&
         atomic_load_explicit(&words->began, memory_order_relaxed) == began))
        return;
    atomic_store_explicit(&words->began, began, memory_order_relaxed);
    atomic_store_explicit(&words->width, window->width_ns, memory_order_relaxed);
    atomic_compare_exchange_strong_explicit(&words->tag, &tag, stripe_tag + 1,
                                            memory_order_relaxed, memory_order_relaxed);
}

void keel_time_window_retire(const keel_window *window)
{
    atomic_store_explicit(&window->time->tag, RETIRED, memory_order_relaxed);
}

void keel_time_window_revive(const keel_window *window)
{
    uint32_t retired = RETIRED;

    atomic_compare_exchange_strong_explicit(&window->time->tag, &retired, 0,
                                            memory_order_relaxed, memory_order_relaxed);
}

static void count_ok(const keel_window *window, uint32_t generation, uint64_t epoch)
{
    uint64_t tag = stripe_pack(generation, epoch, 0) >> 32;

    if (!keel_stripe_bump(keel_stripe_mine(window->stripes), window->stripe_word, tag))
        stripe_turn(window, generation, epoch);
}

keel_recorded keel_time_window_record(const keel_window *window, uint32_t generation,
                                      uint64_t now, bool failed, bool slow)
{
    uint64_t number = keel_window_number(window, now);
    uint64_t head;
    uint64_t epoch;
    int64_t ahead;
    bool moved;

    if (!head_move(window, generation, number, &head, &moved))
        return KEEL_RECORDED_LATE;
    ahead = ahead_of(head, number);
    if (ahead <= -(int64_t)window->count)
        return KEEL_RECORDED; /* read the clock a whole window ago: left already */
    epoch = epoch_at(window, head, ahead);
    if (ahead == 0)
        give_hint(window, number, (uint32_t)(stripe_pack(generation, epoch, 0) >> 32));
    if (!failed && !slow && ahead == 0)
        count_ok(window, generation, epoch);
    else
        bucket_add(window, epoch, slow && window->has_slow, failed ? 0 : 1,
                   failed ? 1 : 0);
    return moved ? KEEL_RECORDED_MOVE : KEEL_RECORDED;
}

bool keel_window_withdraw(const keel_window *window, uint32_t generation, uint64_t now)
{
    uint64_t head = atomic_load_explicit(&window->time->head, memory_order_acquire);
    int64_t ahead = ahead_of(head, keel_window_number(window, now));
    uint64_t epoch, old;
    _Atomic uint64_t *bucket;

    if (head_generation(head) != (generation & GENERATION_MASK) || ahead > 0 ||
        ahead <= -(int64_t)window->count)
        return false;
    epoch = epoch_at(window, head, ahead);
    bucket = bucket_at(window, epoch, false);
    old = atomic_load_explicit(bucket, memory_order_relaxed);
    do {
        if (bucket_epoch(old) != epoch || bucket_failed(old) == 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        bucket, &old, old - 1, memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void add_bucket(keel_totals *totals, uint64_t bucket, bool slow)
{
    uint64_t ok = bucket_ok(bucket);
    uint64_t failed = bucket_failed(bucket);

    totals->total += ok + failed;
    totals->failed += failed;
    totals->slow += slow ? ok + failed : 0;
    totals->bad += slow ? ok + failed : failed;
}

static void sum_buckets(const keel_window *window, uint64_t epoch, keel_totals *totals)
{
    for (uint32_t i = 0; i < window->count * (window->has_slow ? 2 : 1); i++) {
        uint64_t bucket =
            atomic_load_explicit(&window->time->buckets[i], memory_order_acquire);

        if (age_of(window, bucket_epoch(bucket), epoch) < window->count)
            add_bucket(totals, bucket, i >= window->count);
    }
}

/* Adds up one set. False: one of its stripes is just being folded. */
static bool sum_set(const keel_window *window, const keel_stripes *set,
                    uint32_t generation, uint64_t epoch, uint64_t *ok, uint64_t *marks)
{
    bool steady = true;

    for (uint32_t i = 0; i < set->count; i++) {
        /* acquire pairs with the releases in stripe_turn */
        uint64_t stripe =
            atomic_load_explicit(word_at(window, set, i), memory_order_acquire);

        steady = steady && !(stripe & FOLDING);
        *marks = *marks * 31 + (stripe >> 34);
        if (stripe_is_of(stripe, generation) &&
            age_of(window, stripe_epoch(stripe), epoch) < window->count)
            *ok += stripe & STRIPE_COUNT_MASK;
    }
    return steady;
}

/* Fast successes still in the stripes. */
static bool sum_stripes(const keel_window *window, uint32_t generation, uint64_t epoch,
                        uint64_t *ok, uint64_t *marks)
{
    bool steady = true;

    *ok = 0;
    *marks = 0;
    for (uint32_t i = 0; i < set_count(window); i++) {
        keel_stripes set = set_at(window, i);

        steady = sum_set(window, &set, generation, epoch, ok, marks) && steady;
    }
    return steady;
}

static uint64_t sum_once(const keel_window *window, uint32_t generation, uint64_t epoch,
                         keel_totals *totals, bool *steady)
{
    uint64_t ok, ok_after, marks, marks_after;

    *totals = (keel_totals){ 0, 0, 0, 0 };
    *steady = sum_stripes(window, generation, epoch, &ok, &marks);
    sum_buckets(window, epoch, totals);
    *steady = sum_stripes(window, generation, epoch, &ok_after, &marks_after) &&
              *steady && marks == marks_after;
    return ok;
}

static keel_totals sum_at(const keel_window *window, uint32_t generation,
                          uint64_t epoch)
{
    keel_totals totals = { 0, 0, 0, 0 };
    uint64_t ok = 0;
    bool steady = false;

    /* a fold takes a few instructions; if its thread was stopped there, its successes
     * may count twice this once, which can only delay a trip */
    for (int i = 0; i < SUM_TRIES && !steady; i++)
        ok = sum_once(window, generation, epoch, &totals, &steady);
    totals.total += ok;
    return totals;
}

keel_totals keel_time_window_sum(const keel_window *window, uint32_t generation,
                                 uint64_t now)
{
    uint64_t head = atomic_load_explicit(&window->time->head, memory_order_acquire);
    int64_t ahead = ahead_of(head, keel_window_number(window, now));

    if (head_generation(head) != (generation & GENERATION_MASK) ||
        ahead >= (int64_t)window->count)
        return (keel_totals){ 0, 0, 0, 0 };
    return sum_at(window, generation, epoch_at(window, head, ahead > 0 ? ahead : 0));
}

keel_totals keel_time_window_last(const keel_window *window, uint32_t generation)
{
    uint64_t head = atomic_load_explicit(&window->time->head, memory_order_acquire);

    return head_generation(head) == (generation & GENERATION_MASK)
               ? sum_at(window, generation, head_epoch(head))
               : (keel_totals){ 0, 0, 0, 0 };
}

static void place_buckets(const keel_window *window, uint64_t epoch,
                          keel_totals *totals, uint32_t count)
{
    for (uint32_t i = 0; i < window->count * ring_count(window); i++) {
        uint64_t bucket =
            atomic_load_explicit(&window->time->buckets[i], memory_order_acquire);
        uint64_t age = age_of(window, bucket_epoch(bucket), epoch);

        if (age < count)
            add_bucket(&totals[age], bucket, i >= window->count);
    }
}

/* Adds what is still in the stripes. Returns their marks; 0: one is just being folded. */
static uint64_t place_stripes(const keel_window *window, uint32_t generation,
                              uint64_t epoch, keel_totals *totals, uint32_t count)
{
    uint64_t marks = 1;
    bool steady = true;

    for (uint32_t i = 0; i < set_count(window); i++) {
        keel_stripes set = set_at(window, i);

        for (uint32_t line = 0; line < set.count; line++) {
            uint64_t stripe =
                atomic_load_explicit(word_at(window, &set, line), memory_order_acquire);
            uint64_t age = age_of(window, stripe_epoch(stripe), epoch);

            steady = steady && !(stripe & FOLDING);
            marks = marks * 31 + (stripe >> 34);
            if (totals && age < count && stripe_is_of(stripe, generation))
                totals[age].total += stripe & STRIPE_COUNT_MASK;
        }
    }
    return steady ? marks | 1 : 0;
}

uint64_t keel_window_by_age(const keel_window *window, uint32_t generation,
                            uint64_t now, keel_totals *totals, uint32_t count)
{
    uint64_t number = keel_window_number(window, now);
    uint64_t head = atomic_load_explicit(&window->time->head, memory_order_acquire);
    int64_t ahead = ahead_of(head, number);
    uint64_t epoch = epoch_at(window, head, ahead > 0 ? ahead : 0);
    uint64_t marks = 0;

    memset(totals, 0, count * sizeof *totals);
    if (!head || head_generation(head) != (generation & GENERATION_MASK) ||
        ahead >= (int64_t)window->count)
        return number;
    for (int i = 0; i < SUM_TRIES && !marks; i++) {
        memset(totals, 0, count * sizeof *totals);
        marks = place_stripes(window, generation, epoch, totals, count);
        place_buckets(window, epoch, totals, count);
        if (marks != place_stripes(window, generation, epoch, NULL, 0))
            marks = 0;
    }
    return ahead < 0 ? number + (uint64_t)-ahead : number;
}

/* a window that begins to be, or ceases to be, the one that counts */

/* Whether all that any stripe holds is of the past to a window at this epoch. */
static bool stripes_have_left(const keel_window *window, uint64_t epoch)
{
    for (uint32_t i = 0; i < set_count(window); i++) {
        keel_stripes set = set_at(window, i);

        for (uint32_t line = 0; line < set.count; line++) {
            uint64_t stripe =
                atomic_load_explicit(word_at(window, &set, line), memory_order_relaxed);

            if (stripe && !has_left(window, stripe_epoch(stripe), epoch))
                return false;
        }
    }
    return true;
}

/* The epoch of an empty window: all that is counted now is a window old by then. */
static uint64_t skip(const keel_window *window, uint64_t epoch)
{
    clean_one(window, epoch);
    return epoch_after(window, epoch, window->count);
}

void keel_time_window_begin(const keel_window *window, uint64_t head,
                            uint32_t generation)
{
    uint64_t fresh =
        head_pack(generation, head_number(head), skip(window, head_epoch(head)));

    atomic_compare_exchange_strong_explicit(&window->time->head, &head, fresh,
                                            memory_order_acq_rel, memory_order_relaxed);
}

/*
 * All windows of a pipeline leave their successes in the same stripes, each by epochs
 * of its own. So one that is to count goes to an epoch from where everything there is
 * of the past, and a window further, for those who are just recording into the other
 * one.
 */
void keel_time_window_renew(const keel_window *window, uint32_t generation,
                            uint64_t now)
{
    uint64_t number = keel_window_number(window, now);
    uint64_t head = atomic_load_explicit(&window->time->head, memory_order_acquire);
    uint64_t epoch;

    atomic_store_explicit(&window->time->tag, 0, memory_order_relaxed);
    do {
        epoch = skip(window, head_epoch(head));
        while (!stripes_have_left(window, epoch))
            epoch = skip(window, epoch);
        epoch = skip(window, epoch);
    } while (!atomic_compare_exchange_weak_explicit(
        &window->time->head, &head, head_pack(generation, number, epoch),
        memory_order_acq_rel, memory_order_acquire));
}

/* Of what is recorded into `from` at this very moment, some may be lost or count twice.
 */
void keel_time_window_refit(const keel_window *to, const keel_window *from,
                            uint32_t generation, uint64_t now)
{
    uint64_t number = keel_window_number(from, now);
    uint64_t oldest = from->count < to->count ? from->count : to->count;
    uint64_t head, to_head;
    uint64_t ok = 0, marks;
    bool moved;

    if (!head_move(from, generation, number, &head, &moved) ||
        !head_move(to, generation, number, &to_head, &moved))
        return;
    for (uint64_t age = 0; age < oldest; age++) {
        uint64_t from_epoch = epoch_before(from, head_epoch(head), age);
        uint64_t to_epoch = epoch_before(to, head_epoch(to_head), age);

        for (uint32_t slow = 0; slow < ring_count(from); slow++) {
            uint64_t bucket = atomic_load_explicit(bucket_at(from, from_epoch, slow),
                                                   memory_order_acquire);

            if (bucket_epoch(bucket) == from_epoch)
                bucket_add(to, to_epoch, slow && to->has_slow, bucket_ok(bucket),
                           bucket_failed(bucket));
        }
    }
    sum_stripes(from, generation, head_epoch(head), &ok, &marks);
    bucket_add(to, head_epoch(to_head), false, ok, 0);
}
