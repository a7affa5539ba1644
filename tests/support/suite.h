/* SPDX-License-Identifier: MIT */
/*
 * What a test program ends with: its tests, one by one, or once for each row of a table
 * (a row's number is check's _i).
 *
 *     SUITE("breaker", 10, ONE(a_look_changes_nothing), ROWS(the_rate_opens, trips))
 */
#ifndef KEEL_TESTS_SUPPORT_SUITE_H
#define KEEL_TESTS_SUPPORT_SUITE_H

#include <check.h>
#include <stddef.h>

typedef struct suite_test {
    const TTest *test;
    size_t rows;
} suite_test;

/* seconds: how long one test may take. Returns what main returns. */
int suite_run(const char *name, double seconds, const suite_test *tests, size_t count);

/* The same with what is done before and after each test, in its process. */
int suite_run_in(const char *name, double seconds, void (*setup)(void),
                 void (*teardown)(void), const suite_test *tests, size_t count);

#define ONE(test)                                                                      \
    {                                                                                  \
        test, 1                                                                        \
    }
#define ROWS(test, table)                                                              \
    {                                                                                  \
        test, sizeof table / sizeof table[0]                                           \
    }
#define SUITE(name, seconds, ...) SUITE_IN(name, seconds, NULL, NULL, __VA_ARGS__)
#define SUITE_IN(name, seconds, setup, teardown, ...)                                  \
    int main(void)                                                                     \
    {                                                                                  \
        const suite_test tests[] = { __VA_ARGS__ };                                    \
                                                                                       \
        return suite_run_in(name, seconds, setup, teardown, tests,                     \
                            sizeof tests / sizeof tests[0]);                           \
    }

#endif
