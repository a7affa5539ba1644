/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a function that is given NULL for one of its pointers. tests/null.sh
 * reads these lines, and misses those of any function in include/keel.
 *
 *     WITHOUT(keel_now, runtime, keel_now(NULL) == 0);
 */
#ifndef KEEL_TESTS_SUPPORT_WITHOUT_H
#define KEEL_TESTS_SUPPORT_WITHOUT_H

#include <check.h>

#define WITHOUT(function, argument, holds)                                             \
    ck_assert_msg(holds, #function " without " #argument ": " #holds)

/* For a function that returns nothing: it comes back. */
#define RETURNS(statement) ((statement), true)

#endif
