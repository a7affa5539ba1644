/* SPDX-License-Identifier: MIT */
/* A test program's tests as one suite. */
#include "support/suite.h"

int suite_run_in(const char *name, double seconds, void (*setup)(void),
                 void (*teardown)(void), const suite_test *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *all = tcase_create(name);
    SRunner *runner;
    int failed;

    tcase_set_timeout(all, seconds);
    tcase_add_checked_fixture(all, setup, teardown);
    for (size_t i = 0; i < count; i++)
        tcase_add_loop_test(all, tests[i].test, 0, (int)tests[i].rows);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

int suite_run(const char *name, double seconds, const suite_test *tests, size_t count)
{
    return suite_run_in(name, seconds, NULL, NULL, tests, count);
}
