/* SPDX-License-Identifier: MIT */
/* Notes and the latest transition. */
#include "policy/notice.h"

#include <string.h>

#include "base/seed.h"

#define TOLD_GENERATION 0xffffffu

uint32_t keel_notice_write(keel_notice *notice, const keel_note *note)
{
    uint32_t number = (uint32_t)(atomic_fetch_add_explicit(&notice->tickets, 1,
                                                           memory_order_relaxed) %
                                 KEEL_NOTES);
    uint64_t words[KEEL_NOTE_WORDS];

    memcpy(words, note, sizeof words);
    /* the swap of the lock word that names it releases them */
    for (int i = 0; i < KEEL_NOTE_WORDS; i++)
        atomic_store_explicit(&notice->notes[number][i], words[i],
                              memory_order_relaxed);
    return number + 1;
}

static void read_words(const keel_notice *notice, uint32_t number,
                       uint64_t words[KEEL_NOTE_WORDS])
{
    for (int i = 0; i < KEEL_NOTE_WORDS; i++)
        words[i] = number >= 1 && number <= KEEL_NOTES
                       ? atomic_load_explicit(&notice->notes[number - 1][i],
                                              memory_order_relaxed)
                       : 0;
}

uint32_t keel_notice_check(keel_notice *notice, uint32_t number)
{
    uint64_t words[KEEL_NOTE_WORDS], check = 0;

    read_words(notice, number, words);
    for (int i = 0; i < KEEL_NOTE_WORDS; i++)
        check = keel_mix(check ^ words[i]);
    return (uint32_t)check;
}

void keel_notice_read(keel_notice *notice, uint32_t number, keel_note *note)
{
    uint64_t words[KEEL_NOTE_WORDS];

    read_words(notice, number, words);
    memcpy(note, words, sizeof *note);
    /* another process may have written anything */
    note->actor[sizeof note->actor - 1] = '\0';
    note->reason[sizeof note->reason - 1] = '\0';
}

void keel_notice_tell(keel_notice *notice, uint32_t generation, keel_cause cause,
                      uint64_t wall_s)
{
    atomic_store_explicit(&notice->told,
                          (uint64_t)(generation & TOLD_GENERATION) << 40 |
                              (uint64_t)(cause & 0xff) << 32 | (wall_s & UINT32_MAX),
                          memory_order_relaxed);
}

bool keel_notice_told(keel_notice *notice, uint32_t generation, keel_cause *cause,
                      uint64_t *wall_s)
{
    uint64_t told = atomic_load_explicit(&notice->told, memory_order_relaxed);

    *cause = (keel_cause)(told >> 32 & 0xff);
    *wall_s = told & UINT32_MAX;
    return told && told >> 40 == (generation & TOLD_GENERATION);
}
