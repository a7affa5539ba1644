/* SPDX-License-Identifier: MIT */
/* Reading endpoints off a board. */
#include "ops/board_endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/shown_text.h"
#include "policy/endpoint_set.h"

_Static_assert((int)KEEL_ENDPOINT_NAME_SHOWN == (int)KEEL_ENDPOINT_SHOWN,
               "a label fits");

/* The pipeline that a block's name begins with; false: it is no endpoint's. */
static bool read_pipeline(const keel_seen_block *at, char name[KEEL_NAME_MAX + 1])
{
    const char *mark = strchr(at->e.name, KEEL_BLOCK_PART_MARK);
    size_t length = mark ? (size_t)(mark - at->e.name) : 0;

    if (!mark || length > KEEL_NAME_MAX ||
        !keel_seen_block_is(at, KEEL_BLOCK_ENDPOINT, sizeof(keel_endpoint_words)))
        return false;
    memcpy(name, at->e.name, length);
    name[length] = '\0';
    return keel_name_is_valid(name);
}

static void read_label(const keel_endpoint_label *label,
                       char to[KEEL_ENDPOINT_NAME_SHOWN + 1])
{
    uint64_t word;

    for (size_t i = 0; i < KEEL_ENDPOINT_SHOWN / sizeof word; i++) {
        word = atomic_load_explicit(&label->words[i], memory_order_relaxed);
        memcpy(to + i * sizeof word, &word, sizeof word);
    }
    to[KEEL_ENDPOINT_SHOWN] = '\0';
    keel_shown_text(to);
}

static void read_breaker(const keel_seen_board *d, const keel_seen_block *at,
                         uint64_t now, keel_endpoint_line *line)
{
    keel_endpoint_words *words = at->block;
    keel_breaker breaker = { .words = &words->breaker };
    uint64_t word = atomic_load_explicit(&breaker.words->state, memory_order_acquire);

    line->state = keel_word_state(word);
    if (line->state == KEEL_BREAKER_OPEN)
        line->probe_in_ns =
            keel_ns_left(keel_breaker_words_due(breaker.words, word), now);
    keel_seen_board_totals(d, at->e.name, &breaker, now, &line->totals);
}

static void read_line(const keel_seen_board *d, const keel_seen_block *at, uint64_t now,
                      keel_endpoint_line *line)
{
    const keel_endpoint_words *words = at->block;
    uint64_t ejection = atomic_load_explicit(&words->ejection, memory_order_relaxed);
    uint64_t health = atomic_load_explicit(&words->health, memory_order_relaxed);

    read_label(&words->label, line->name);
    read_breaker(d, at, now, line);
    line->is_ill = health & KEEL_ENDPOINT_ILL;
    line->ejections = keel_ejection_times(ejection);
    if (keel_ejection_holds(ejection, now))
        line->ejected_left_ns = keel_ejection_until_ns(ejection) - now;
}

static int by_names(const void *a, const void *b)
{
    const keel_endpoint_line *x = a, *y = b;
    int order = strcmp(x->pipeline, y->pipeline);

    return order ? order : strcmp(x->name, y->name);
}

bool keel_board_endpoints(const keel_seen_board *d, uint64_t now, keel_view *view)
{
    view->endpoints = calloc(d->count + 1, sizeof *view->endpoints);
    if (!view->endpoints)
        return false;
    for (uint32_t i = 0; i < d->count; i++) {
        keel_endpoint_line *line = &view->endpoints[view->endpoint_count];

        if (!keel_seen_block_is_used(&d->blocks[i]) ||
            !read_pipeline(&d->blocks[i], line->pipeline))
            continue;
        read_line(d, &d->blocks[i], now, line);
        view->endpoint_count++;
    }
    qsort(view->endpoints, view->endpoint_count, sizeof *view->endpoints, by_names);
    return true;
}

void keel_board_endpoint_name(const keel_board *board, const char *pipeline,
                              uint32_t about, char to[KEEL_ENDPOINT_NAME_SHOWN + 1])
{
    keel_board_entry entry;
    uint64_t hash;
    void *block;

    memcpy(to, "?", sizeof "?");
    for (uint32_t i = 0; keel_board_entry_at(board, i, &entry, &block); i++) {
        if (!block || entry.kind != KEEL_BLOCK_ENDPOINT ||
            entry.size < sizeof(keel_endpoint_words) ||
            !keel_endpoint_block_hash(entry.name, pipeline, &hash) ||
            (uint32_t)hash != about)
            continue;
        read_label(&((keel_endpoint_words *)block)->label, to);
        return;
    }
}
