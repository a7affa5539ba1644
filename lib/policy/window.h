/* SPDX-License-Identifier: MIT */
/*
 * Sliding windows over outcomes: by time (buckets) or by count (cells). All words live
 * on the board; this struct only says where.
 *
 * A window belongs to one generation of its owner's state. An outcome of an older
 * generation is dropped, the first of a newer one empties the window by one CAS on the
 * head, without a sweep.
 *
 * Time window. Fast successes touch only the calling thread's stripe, a line that one
 * thread writes, and are folded into the shared bucket when the bucket ends. Everything
 * else goes straight to the shared bucket, so that a trip is immediate. Totals are
 * taken by summing when somebody asks. In bits, most significant first:
 *
 *   head     generation 10 | bucket number 34 | epoch 20
 *   stripe   generation 10 | epoch 20 | folding 1 | guard 1 | ok 32
 *   bucket   epoch 20 | ok 22 | failed 22      (a second array for slow ones)
 *
 * The bucket number is now / width. The epoch follows it, but an idle gap or a new
 * generation moves it by one whole window only; so it wraps after at least 2^20 / count
 * moves, and since every move clears one more bucket that is out of the window, no word
 * lives long enough to be taken for a younger one (that is why count <= 1000).
 *
 * The number wraps after 2^34 buckets, and 2^20 of these count as behind: after a gap
 * of just that length one would take old outcomes for new ones, or drop new ones.
 * Buckets are 1 us at least (breaker.window 1ms, 1000 buckets), so the gap is 4 h 46
 * min at least, to within a second; with buckets of 1 ms it is 198 days.
 *
 * Count window. The head has the newest outcome, the cells have those before it; a cell
 * is {slow, failed}.
 *
 *   head     generation 24 | newest 2 | lap 18 | position 20
 *   cells    version 12 | 26 cells of 2
 */
#ifndef KEEL_POLICY_WINDOW_H
#define KEEL_POLICY_WINDOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/lines.h"

enum { KEEL_WINDOW_MAX_BUCKETS = 1000 };

typedef struct keel_time_window_words {
    _Atomic uint64_t head;
    /* the head once more, as the quick way wants it: when its bucket began, how wide it
     * is, and the tag of the stripes that count for it, plus 1; 0: not yet. Hints: what
     * they say together may be one bucket old */
    _Atomic uint64_t began;
    _Atomic uint64_t width;
    _Atomic uint32_t tag;
    _Atomic uint32_t cleaned; /* moves of the epoch so far; says which bucket is next */
    _Atomic uint64_t buckets[]; /* count, then with slow calls count more */
} keel_time_window_words;

typedef struct keel_count_window_words {
    _Atomic uint64_t head;
    _Atomic uint64_t cells[];
} keel_count_window_words;

typedef struct keel_window {
    keel_time_window_words *time; /* exactly one of the two is set */
    keel_count_window_words *by_count;
    const keel_stripes *stripes; /* this process's; of time windows, and shared ones */
    keel_lines lines;            /* everybody's, of a shared window */
    uint32_t stripe_word;        /* which word of each line */
    uint32_t count;              /* buckets, or calls */
    uint32_t span; /* epochs before they start over, a multiple of count */
    bool has_slow;
    uint64_t width_ns;
    uint64_t reciprocal; /* of width_ns, for division by multiplication */
} keel_window;

typedef struct keel_totals {
    uint64_t total;
    uint64_t failed;
    uint64_t slow;
    uint64_t bad; /* failed or slow */
} keel_totals;

/* Bytes of the words. */
size_t keel_time_window_size(uint32_t buckets, bool has_slow);
size_t keel_count_window_size(uint32_t calls);

void keel_time_window_init(keel_window *window, keel_time_window_words *words,
                           const keel_stripes *stripes, uint32_t stripe_word,
                           uint64_t window_ns, uint32_t buckets, bool has_slow);
void keel_count_window_init(keel_window *window, keel_count_window_words *words,
                            uint32_t calls);

/* What recording did. */
typedef enum keel_recorded {
    KEEL_RECORDED,      /* in the window, same bucket as before */
    KEEL_RECORDED_MOVE, /* in the window, whose oldest bucket has just left it */
    KEEL_RECORDED_LATE  /* of an older generation: not in the window */
} keel_recorded;

keel_recorded keel_window_record(const keel_window *window, uint32_t generation,
                                 uint64_t now, bool failed, bool slow);

/*
 * Takes one failure back, for those who count first and look then (budget.c). False:
 * its bucket is gone.
 */
bool keel_window_withdraw(const keel_window *window, uint32_t generation, uint64_t now);

/*
 * Empties the window for a generation, if its head is still the one that was seen
 * before the generation began. The first outcome of a younger generation does the same
 * by itself; but after half the circle of those that the head can tell apart an
 * untouched window would look younger, and after the whole circle its own again.
 */
uint64_t keel_window_head(const keel_window *window);
void keel_window_begin(const keel_window *window, uint64_t head, uint32_t generation);

/* The generation it is of, as far as its head can tell it. */
uint32_t keel_window_generation(const keel_window *window);

/* The totals of a generation at an instant; all zero if the window is of another. */
keel_totals keel_window_sum(const keel_window *window, uint32_t generation,
                            uint64_t now);

/* The same as it was in the bucket of the latest outcome, however long ago that is. */
keel_totals keel_window_last(const keel_window *window, uint32_t generation);

/*
 * The same by age, of a time window: totals[0] is the current bucket, and so on, count
 * of them. Returns the current bucket's number, by which the next look can tell what is
 * new. All zero if the window is of another generation.
 */
uint64_t keel_window_by_age(const keel_window *window, uint32_t generation,
                            uint64_t now, keel_totals *totals, uint32_t count);

/*
 * A reload to another window. From when it is retired, every outcome goes the long way,
 * through keel_window_record, and none by the quick one. Renewed, a window is empty,
 * whatever it knew when it counted last, and counts from now on. Refit copies what is
 * still in `from` into the renewed `to`: another size, the same kind and width.
 */
bool keel_window_is_same(const keel_window *a, const keel_window *b);
void keel_window_retire(const keel_window *window);
/* One that counts on, with what it holds; of one that was not retired it changes nothing.
 */
void keel_window_revive(const keel_window *window);
void keel_window_renew(const keel_window *window, uint32_t generation, uint64_t now);
void keel_window_refit(const keel_window *to, const keel_window *from,
                       uint32_t generation, uint64_t now);

/* now / width, exact. */
static inline uint64_t keel_window_number(const keel_window *window, uint64_t now)
{
    uint64_t q = (uint64_t)(((unsigned __int128)now * window->reciprocal) >> 64);

    return q + (now - q * window->width_ns >= window->width_ns);
}

/*
 * One fast success in the bucket that is current already: the hot path of a time window
 * is this and nothing else, and it needs no more than the words. False: nothing was
 * done, use keel_window_record.
 */
static inline bool keel_window_words_try_ok(keel_time_window_words *words,
                                            uint32_t stripe_word, keel_stripe stripe,
                                            uint32_t generation, uint64_t now)
{
    uint64_t tag = atomic_load_explicit(&words->tag, memory_order_relaxed);
    uint64_t began = atomic_load_explicit(&words->began, memory_order_relaxed);
    uint64_t width = atomic_load_explicit(&words->width, memory_order_relaxed);

    return now - began < width && tag >> 22 == (generation & 1023) &&
           keel_stripe_bump(stripe, stripe_word, tag - 1);
}

static inline bool keel_window_try_ok(const keel_window *window, keel_stripe stripe,
                                      uint32_t generation, uint64_t now)
{
    return keel_window_words_try_ok(window->time, window->stripe_word, stripe,
                                    generation, now);
}

#endif
