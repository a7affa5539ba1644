/* SPDX-License-Identifier: MIT */
/* What the checks of keel-conform stand on: a bag, keys of the run's own, and verdicts. */
#ifndef KEEL_TOOLS_CONFORM_H
#define KEEL_TOOLS_CONFORM_H

#include <keel/bag_plugin.h>
#include <keel/keel.h>

/* Long enough for workers to come to their end: reads that have lost a hedge. */
#define CONFORM_CLOSE_NS ((uint64_t)10 * 1000000000)

/* One run over one bag. */
typedef struct conform {
    keel_runtime *runtime;
    const char *spec;
    keel_bag *bag;
    keel_bag_abilities abilities;
    uint64_t run;   /* names its keys, so that a store may hold others */
    unsigned check; /* and those of each check */
    char said[512]; /* what went wrong in this check, "" so far: nothing */
    char value[1 << 16];
    keel_detail why; /* of the last verb */
} conform;

/* needs: abilities without which it is left out */
typedef struct conform_check {
    const char *name;
    uint32_t needs;
    void (*run)(conform *c);
} conform_check;

/* All of them; ends with one without name. */
extern const conform_check conform_values[], conform_conditions[], conform_numbers[],
    conform_times[], conform_all[], conform_doubts[], conform_races[];

/* The key of a number, of this check of this run; in one of some buffers of its own. */
const char *key_of(const conform *c, unsigned number);

/* Says what is wrong, the first time in a check, and ends the check. */
void conform_say(conform *c, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The rest: what was expected, and what is, as a sentence. */
#define EXPECT(c, condition, ...)                                                      \
    do {                                                                               \
        if (!(condition)) {                                                            \
            conform_say(c, __FILE__, __LINE__, __VA_ARGS__);                           \
            return;                                                                    \
        }                                                                              \
    } while (0)

#define EXPECT_STATUS(c, wanted, call)                                                 \
    do {                                                                               \
        keel_status expect_status = (call);                                            \
                                                                                       \
        EXPECT(c, expect_status == (wanted), "expected %s, not %s (%s): %s",           \
               keel_status_name(wanted), keel_status_name(expect_status),              \
               (c)->why.text, #call);                                                  \
    } while (0)

#define EXPECT_NUMBER(c, what, wanted, got)                                            \
    do {                                                                               \
        long long expect_wanted = (long long)(wanted), expect_got = (long long)(got);  \
                                                                                       \
        EXPECT(c, expect_got == expect_wanted, "expected %s %lld, not %lld", what,     \
               expect_wanted, expect_got);                                             \
    } while (0)

/* Of the last verb. */
#define EXPECT_APPLIED(c, wanted)                                                      \
    EXPECT(c, (c)->why.applied == (wanted), "expected applied to be %s, not %s",       \
           applied_name(wanted), applied_name((c)->why.applied))

#define EXPECT_TEXT(c, key, text)                                                      \
    do {                                                                               \
        if (!has_text(c, __FILE__, __LINE__, key, text))                               \
            return;                                                                    \
    } while (0)

/* Verbs with texts for values. */
keel_status set_text(conform *c, const char *key, const char *text);
keel_status get_item(conform *c, const char *key, keel_bag_item *item);
/* Whether the item is there, with that value; says so where it is not. */
bool has_text(conform *c, const char *file, int line, const char *key,
              const char *text);
const char *applied_name(keel_applied applied);

#endif
