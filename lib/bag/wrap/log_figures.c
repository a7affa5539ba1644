/* SPDX-License-Identifier: MIT */
/* Sums of what was counted, as lines. */
#include "bag/wrap/log_figures.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

const char *keel_log_verb_name(keel_log_verb verb)
{
    static const char *const names[] = {
#define NAME(name, text) text,
        KEEL_LOGGED_VERBS(NAME)
#undef NAME
    };

    return names[verb];
}

static const char *const ending_names[] = { "ok",     "no",      "rejected",
                                            "failed", "unknown", "error" };

void keel_log_time(const keel_log_figures *f, keel_log_verb verb, uint64_t begun_at_ns)
{
    uint64_t us = (f->clock->now(f->clock->ctx) - begun_at_ns) / KEEL_MICROSECOND;
    uint32_t length = us ? 64 - (uint32_t)__builtin_clzll(us) : 0;
    uint32_t first =
        keel_log_is_read(verb) ? KEEL_LOGGED_READ_LENGTHS : KEEL_LOGGED_WRITE_LENGTHS;

    if (length >= KEEL_LOGGED_LENGTHS)
        length = KEEL_LOGGED_LENGTHS - 1;
    keel_counts_add(&f->counts, first + length);
}

/* ---- lines --------------------------------------------------------------------------- */

/* used: as much as would be, had it room */
typedef struct line {
    char *to;
    size_t size;
    size_t used;
} line;

static void __attribute__((format(printf, 2, 3))) add(line *l, const char *format, ...)
{
    char item[64];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(item, sizeof item, format, arguments);
    va_end(arguments);
    if (l->used < l->size)
        l->used += (size_t)snprintf(l->to + l->used, l->size - l->used, "%s%s",
                                    l->used ? " " : "", item);
}

static uint64_t sum_of(const keel_log_figures *f, uint32_t number)
{
    return keel_counts_sum(&f->counts, number);
}

static void add_known(line *l, const keel_log_figures *f, const char *name,
                      uint32_t number)
{
    uint64_t sum = sum_of(f, number);

    if (sum)
        add(l, "%s=%llu", name, (unsigned long long)sum);
}

/* Returns how many have ended. */
static uint64_t add_endings(line *l, const keel_log_figures *f)
{
    uint64_t ended = 0;

    for (uint32_t i = 0; i < KEEL_LOGGED_BEGUN; i++) {
        uint64_t sum = sum_of(f, i);

        ended += sum;
        if (sum)
            add(l, "%s.%s=%llu", keel_log_verb_name(i / KEEL_LOGGED_ENDINGS),
                ending_names[i % KEEL_LOGGED_ENDINGS], (unsigned long long)sum);
    }
    return ended;
}

/* Of the reads that were answered. */
static void add_hit_ratio(line *l, const keel_log_figures *f)
{
    uint64_t hits = sum_of(f, KEEL_LOGGED_GET * KEEL_LOGGED_ENDINGS + KEEL_LOGGED_OK);
    uint64_t misses = sum_of(f, KEEL_LOGGED_GET * KEEL_LOGGED_ENDINGS + KEEL_LOGGED_NO);

    if (hits + misses)
        add(l, "hit_ratio=%.1f%%", 100.0 * (double)hits / (double)(hits + misses));
}

/* The begun are summed after the ended, so that nobody seems to end without a beginning. */
void keel_log_write_counts(const keel_log_figures *f, char *to, size_t size)
{
    line l = { to, size, 0 };
    uint64_t ended = add_endings(&l, f), begun = sum_of(f, KEEL_LOGGED_BEGUN);

    if (begun > ended)
        add(&l, "in_flight=%llu", (unsigned long long)(begun - ended));
    add_known(&l, f, "read_bytes", KEEL_LOGGED_READ_BYTES);
    add_known(&l, f, "written_bytes", KEEL_LOGGED_WRITTEN_BYTES);
    add_hit_ratio(&l, f);
}

static void add_lengths(line *l, const keel_log_figures *f, const char *kind,
                        uint32_t first)
{
    for (uint32_t i = 0; i < KEEL_LOGGED_LENGTHS; i++) {
        uint64_t sum = sum_of(f, first + i);

        if (sum)
            add(l, "%s.%lluus=%llu", kind, 1ULL << i, (unsigned long long)sum);
    }
}

void keel_log_write_lengths(const keel_log_figures *f, char *to, size_t size)
{
    line l = { to, size, 0 };

    add_lengths(&l, f, "read", KEEL_LOGGED_READ_LENGTHS);
    add_lengths(&l, f, "write", KEEL_LOGGED_WRITE_LENGTHS);
}
