/* SPDX-License-Identifier: MIT */
/* Waiting for what other threads or processes bring about, on the machine's own clock. */
#ifndef KEEL_TESTS_SUPPORT_COMES_H
#define KEEL_TESTS_SUPPORT_COMES_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

uint64_t now_ns(void);

/* A quarter of a millisecond, for others to go on. */
void a_moment(void);

/* Fails the test where it does not come; so much time is never needed. */
#define COMES(condition)                                                               \
    do {                                                                               \
        uint64_t comes_until = now_ns() + 40 * KEEL_S;                                 \
        bool has_come;                                                                 \
                                                                                       \
        while (!(has_come = (condition)) && now_ns() < comes_until)                    \
            a_moment();                                                                \
        ck_assert_msg(has_come, "%s", #condition);                                     \
    } while (0)

#endif
