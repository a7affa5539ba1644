/* SPDX-License-Identifier: MIT */
/* What an environment and a text in code come to, with all that was warned of. */
#ifndef KEEL_TESTS_SUPPORT_SETTLED_H
#define KEEL_TESTS_SUPPORT_SETTLED_H

#include "settings/config.h"

/* Variables of a test: ENV("KEEL_PAYMENTS=timeout=1s", …). */
#define ENV(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_ENV ((const char *const[]){ NULL })

typedef struct settled {
    keel_log log;
    keel_warnings warnings;
    keel_config *config;
    keel_status status;
    keel_detail why;
    keel_policy policy;
    keel_explanation explanation;
} settled;

/* Opens a config, claims "payments" and resolves it; status is the first that failed.
 */
void settle(settled *s, const char *const *environment, const char *code);
void settled_cleanup(settled *s);

/* How many warnings there are, and whether one of them holds the words. */
size_t settled_warnings(settled *s);
bool settled_warned(settled *s, const char *words);

/* The line of `keel config explain` on a key; fails the test if there is none. */
const keel_origin *settled_origin(const settled *s, const char *key);

#endif
