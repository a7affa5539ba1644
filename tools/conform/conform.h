/* SPDX-License-Identifier: MIT */
/* What the checks of keel-conform stand on: a bag, keys of the run's own, and verdicts. */
#ifndef KEEL_TOOLS_CONFORM_H
#define KEEL_TOOLS_CONFORM_H

#include <keel/bag_plugin.h>
#include <keel/keel.h>

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

#define EXPECT(c, condition)                                                           \
    do {                                                                               \
        if (!(condition)) {                                                            \
            conform_say(c, __FILE__, __LINE__, "expected %s", #condition);             \
            return;                                                                    \
        }                                                                              \
    } while (0)

#define EXPECT_STATUS(c, wanted, call)                                                 \
    do {                                                                               \
        keel_status expect_status = (call);                                            \
                                                                                       \
        if (expect_status != (wanted)) {                                               \
            conform_say(c, __FILE__, __LINE__, "expected %s, not %s (%s): %s",         \
                        keel_status_name(wanted), keel_status_name(expect_status),     \
                        (c)->why.text, #call);                                         \
            return;                                                                    \
        }                                                                              \
    } while (0)

/* Verbs with texts for values. */
keel_status set_text(conform *c, const char *key, const char *text);
keel_status get_item(conform *c, const char *key, keel_bag_item *item);
/* Whether the item is there, with that value. */
bool has_text(conform *c, const char *key, const char *text);

#endif
