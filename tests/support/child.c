/* SPDX-License-Identifier: MIT */
/* Forked children of a test. */
#include "support/child.h"

#include <check.h>
#include <sys/wait.h>

pid_t child_fork(void (*fn)(void))
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    return pid;
}

void child_await(pid_t pid)
{
    int status = -1;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "the child died of signal %d", WTERMSIG(status));
    ck_assert_msg(WEXITSTATUS(status) == 0, "line %d, or 255 more",
                  WEXITSTATUS(status) - 1);
}
