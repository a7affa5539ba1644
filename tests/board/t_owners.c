/* SPDX-License-Identifier: MIT */
/* Owners of a board: who has a slot, who is gone, and who is never taken for dead. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "board/owners.h"
#include "support/board_file.h"
#include "support/child.h"
#include "support/suite.h"

static board_file file;
static keel_board *board;

/* Who was buried, by slot. */
static unsigned buried[KEEL_BOARD_OWNERS];

static void bury(keel_board *of, uint32_t slot, void *ctx)
{
    (void)of;
    (void)ctx;
    buried[slot]++;
}

static keel_board *mapped(void)
{
    keel_board *fresh;
    keel_detail why = KEEL_DETAIL_INIT;

    ck_assert_msg(keel_board_map(&fresh, NULL, file.path, true, &why) == KEEL_OK, "%s",
                  why.text);
    return fresh;
}

static uint32_t slot_of(const keel_board *of)
{
    return keel_owner_slot(*keel_board_self(of));
}

static void begin(void)
{
    memset(buried, 0, sizeof buried);
    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    board_file_init(&file);
    board = mapped();
    ck_assert(keel_board_join(board, bury, NULL));
}

static void finish(void)
{
    keel_board_close(board);
    board_file_cleanup(&file);
    keel_process_detach();
}

START_TEST(each_has_a_slot_of_its_own_and_gives_it_back)
{
    keel_board *other;

    begin();
    other = mapped();
    ck_assert_uint_eq(*keel_board_self(other), 0);
    ck_assert(keel_board_join(other, bury, NULL));
    ck_assert(keel_board_join(other, bury, NULL)); /* again is fine */
    ck_assert_uint_eq(slot_of(board), 0);
    ck_assert_uint_eq(slot_of(other), 1);
    ck_assert_uint_ne(*keel_board_self(other) << 8, 0);
    keel_board_close(other);
    other = mapped();
    ck_assert(keel_board_join(other, bury, NULL));
    ck_assert_uint_eq(slot_of(other), 1);
    keel_board_close(other);
    ck_assert_uint_eq(keel_board_owner_count(board), 2);
    finish();
}
END_TEST

START_TEST(the_256th_finds_no_slot_until_another_goes)
{
    keel_board *others[KEEL_BOARD_OWNERS - 1], *last;

    begin();
    for (int i = 0; i < KEEL_BOARD_OWNERS - 1; i++) {
        others[i] = mapped();
        ck_assert(keel_board_join(others[i], bury, NULL));
    }
    last = mapped();
    ck_assert(!keel_board_join(last, bury, NULL));
    ck_assert_uint_eq(*keel_board_self(last), 0);
    keel_board_close(others[100]);
    ck_assert(keel_board_join(last, bury, NULL));
    ck_assert_uint_eq(slot_of(last), 101);
    for (int i = 0; i < KEEL_BOARD_OWNERS - 1; i++)
        if (i != 100)
            keel_board_close(others[i]);
    keel_board_close(last);
    finish();
}
END_TEST

/* ---- who is gone ---------------------------------------------------------------------- */

static int ready[2];

static void say_ready(void)
{
    CHILD(write(ready[1], "", 1) == 1);
}

static void await_ready(void)
{
    char byte;

    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
}

static void stay(void)
{
    say_ready();
    for (;;)
        pause();
}

static void join_and_stay(void)
{
    keel_board_forked(board);
    CHILD(keel_board_join(board, bury, NULL));
    stay();
}

static pid_t started(void (*fn)(void))
{
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    pid = child_fork(fn);
    await_ready();
    return pid;
}

static void end(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(who_was_killed_is_buried_once_and_his_slot_is_free)
{
    pid_t pid;

    begin();
    pid = started(join_and_stay);
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 0);
    end(pid);
    keel_board_bury(board, bury, NULL);
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 1);
    pid = started(join_and_stay);
    ck_assert_uint_eq(keel_board_owner_count(board), 2);
    end(pid);
    finish();
}
END_TEST

START_TEST(a_zombie_is_dead)
{
    siginfo_t info;
    pid_t pid;

    begin();
    pid = started(join_and_stay);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 1);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    finish();
}
END_TEST

/* The other program says so itself: by then all that is closed on exec is. */
static void join_and_exec(void)
{
    keel_board_forked(board);
    CHILD(keel_board_join(board, bury, NULL));
    CHILD(dup2(ready[1], STDOUT_FILENO) == STDOUT_FILENO);
    execlp("sh", "sh", "-c", "echo; exec tail -f /dev/null", (char *)NULL);
}

/* The lock on its slot is all that tells. */
START_TEST(who_has_become_another_program_is_gone)
{
    pid_t pid;

    begin();
    pid = started(join_and_exec);
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 1);
    ck_assert_int_eq(kill(pid, 0), 0);
    end(pid);
    finish();
}
END_TEST

static keel_board_layout *layout_of_file(void)
{
    static keel_board_file raw;
    keel_detail why = KEEL_DETAIL_INIT;

    ck_assert_int_eq(keel_board_file_open(&raw, NULL, file.path, false, &why), KEEL_OK);
    return raw.layout;
}

START_TEST(a_number_that_another_process_has_now_is_not_its_owner)
{
    keel_board_owner *owner;
    pid_t pid;

    begin();
    owner = &layout_of_file()->owners[1];
    pid = started(join_and_stay);
    atomic_fetch_sub(&owner->process, 1); /* started a tick before */
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 1);
    end(pid);
    finish();
}
END_TEST

/* ---- who is not ----------------------------------------------------------------------- */

static void check_lives(void)
{
    keel_board *other = mapped();

    keel_board_bury(board, bury, NULL);
    ck_assert(keel_board_join(other, bury, NULL));
    for (int i = 0; i < KEEL_BOARD_OWNERS; i++)
        ck_assert_uint_eq(buried[i], 0);
    keel_board_close(other);
}

START_TEST(who_was_stopped_lives)
{
    pid_t pid;
    int status;

    begin();
    pid = started(join_and_stay);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    check_lives();
    end(pid);
    finish();
}
END_TEST

/* The child's copy of the descriptor is its parent's lock too. */
static void look_at_parent(void)
{
    keel_board_forked(board);
    keel_board_bury(board, bury, NULL);
    CHILD(buried[0] == 0);
    CHILD(keel_board_join(board, bury, NULL));
    CHILD(buried[0] == 0);
    keel_board_close(board);
}

START_TEST(a_parent_lives_while_its_child_looks_and_when_it_has_gone)
{
    begin();
    child_await(child_fork(look_at_parent));
    check_lives();
    finish();
}
END_TEST

/* In a child whose main thread ends first, which makes it look like a zombie. */
static bool looks_like_a_zombie(void)
{
    char line[256];
    FILE *stat = fopen("/proc/self/stat", "re");

    CHILD(stat && fgets(line, sizeof line, stat));
    fclose(stat);
    return strstr(line, ") Z ") != NULL;
}

static void *outlive_main(void *ctx)
{
    (void)ctx;
    while (!looks_like_a_zombie())
        ;
    stay();
    return NULL;
}

static void leave_it_to_another_thread(void)
{
    pthread_t thread;

    keel_board_forked(board);
    CHILD(keel_board_join(board, bury, NULL));
    CHILD(pthread_create(&thread, NULL, outlive_main, NULL) == 0);
    syscall(SYS_exit, 0); /* of this thread alone */
}

START_TEST(a_process_whose_main_thread_has_ended_lives)
{
    pid_t pid;

    begin();
    pid = started(leave_it_to_another_thread);
    check_lives();
    end(pid);
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 1);
    finish();
}
END_TEST

/* ---- children ------------------------------------------------------------------------- */

static int others[2];
static bool is_made_by_hand;

/* A child that never uses keel, once it is there. By hand: no handler of fork's runs. */
static void leave_an_idle_child(void)
{
    pid_t pid = is_made_by_hand
                    ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)
                    : fork();

    if (pid == 0) {
        pid = (pid_t)syscall(SYS_getpid);
        CHILD(write(others[1], &pid, sizeof pid) == sizeof pid);
        for (;;)
            pause();
    }
}

/* Takes the slot and the lock of the directory, after the child was made. */
static void leave_a_child_and_lock(void)
{
    keel_board_file raw;

    CHILD(keel_board_file_open(&raw, NULL, file.path, false, NULL) == KEEL_OK);
    keel_board_forked(board);
    CHILD(keel_board_join(board, bury, NULL));
    leave_an_idle_child();
    CHILD(is_made_by_hand || keel_board_file_try_lock(&raw, 0));
    stay();
}

/* Kills one who has left a child, which is returned. */
static pid_t orphaned(void)
{
    pid_t parent, child;

    ck_assert_int_eq(pipe(others), 0);
    parent = started(leave_a_child_and_lock);
    ck_assert_int_eq(read(others[0], &child, sizeof child), sizeof child);
    end(parent);
    return child;
}

START_TEST(a_child_that_never_uses_keel_keeps_no_lock_of_its_parents)
{
    keel_board *other;
    pid_t child;

    begin();
    is_made_by_hand = false;
    child = orphaned();
    keel_board_bury(board, bury, NULL); /* for which the lock must be free */
    ck_assert_uint_eq(buried[1], 1);
    other = mapped();
    ck_assert(keel_board_join(other, bury, NULL));
    ck_assert_uint_eq(slot_of(other), 1);
    keel_board_close(other);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    finish();
}
END_TEST

START_TEST(a_slot_whose_lock_somebody_has_is_left_alone)
{
    keel_board *other;
    pid_t child;

    begin();
    is_made_by_hand = true;
    child = orphaned();
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 1);
    other = mapped();
    ck_assert(keel_board_join(other, bury, NULL));
    ck_assert_uint_eq(slot_of(other), 2);
    keel_board_close(other);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    finish();
}
END_TEST

/* A daemon closes all it has, and then has something else where the board was. */
static void daemonize_and_use(void)
{
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    for (int fd = 3; fd < 64; fd++)
        CHILD(open("/dev/zero", O_RDONLY) == fd);
    keel_board_forked(board);
    CHILD(keel_board_join(board, bury, NULL));
    CHILD(slot_of(board) == 1);
    keel_board_close(board);
    for (int fd = 3; fd < 64; fd++)
        CHILD(fcntl(fd, F_GETFD) >= 0);
}

START_TEST(a_daemon_that_closed_the_descriptor_joins_and_keeps_what_is_there_now)
{
    begin();
    child_await(child_fork(daemonize_and_use));
    check_lives();
    finish();
}
END_TEST

/* As the workers of a server that was started by root. */
static void give_up_rights_and_join(void)
{
    CHILD(setgid(65534) == 0 && setuid(65534) == 0);
    keel_board_forked(board);
    CHILD(keel_board_join(board, bury, NULL));
    stay();
}

START_TEST(a_child_that_gave_up_its_rights_joins_and_is_not_taken_for_dead)
{
    pid_t pid;

    if (geteuid() != 0) {
        printf("only root has rights to give up: not tested\n");
        return;
    }
    begin();
    pid = started(give_up_rights_and_join);
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 0);
    end(pid);
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 1);
    finish();
}
END_TEST

/* ---- locks ---------------------------------------------------------------------------- */

static void *bury_when_cancelled(void *ctx)
{
    (void)ctx;
    pthread_cancel(pthread_self()); /* from now on every cancellation point ends it */
    keel_board_bury(board, bury, NULL);
    return NULL;
}

START_TEST(a_thread_that_is_cancelled_at_it_leaves_no_lock_behind)
{
    const keel_block_key key = { "payments", KEEL_BLOCK_RATE, 0, 0 };
    pthread_t thread;

    begin();
    end(started(join_and_stay));
    ck_assert_int_eq(pthread_create(&thread, NULL, bury_when_cancelled, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(buried[1], 1);
    ck_assert_ptr_nonnull(keel_board_block(board, &key, 64));
    finish();
}
END_TEST

static void lock_and_stay(void)
{
    static keel_board_file raw;
    keel_detail why = KEEL_DETAIL_INIT;

    CHILD(keel_board_file_open(&raw, NULL, file.path, false, &why) == KEEL_OK);
    CHILD(keel_board_file_try_lock(&raw, 0));
    stay();
}

/* The test's time limit is what a hang would meet. */
START_TEST(who_looks_for_the_dead_waits_for_no_lock)
{
    pid_t dead, holder;

    begin();
    dead = started(join_and_stay);
    holder = started(lock_and_stay);
    end(dead);
    errno = 4711;
    for (int i = 0; i < 10000; i++) /* hours, if each waited */
        keel_board_bury(board, bury, NULL);
    ck_assert_int_eq(errno, 4711);
    ck_assert_uint_eq(buried[1], 0);
    end(holder); /* killed with the lock */
    keel_board_bury(board, bury, NULL);
    ck_assert_uint_eq(buried[1], 1);
    finish();
}
END_TEST

START_TEST(who_waited_in_vain_once_waits_little_until_the_lock_is_free)
{
    const keel_block_key key = { "payments", KEEL_BLOCK_RATE, 0, 0 };
    pid_t holder;

    begin();
    holder = started(lock_and_stay);
    for (int i = 0; i < 200; i++) /* 200 s, if each waited for long */
        ck_assert_ptr_null(keel_board_block(board, &key, 64));
    end(holder);
    ck_assert_ptr_nonnull(keel_board_block(board, &key, 64));
    finish();
}
END_TEST

SUITE("owners", 30, ONE(each_has_a_slot_of_its_own_and_gives_it_back),
      ONE(the_256th_finds_no_slot_until_another_goes),
      ONE(who_was_killed_is_buried_once_and_his_slot_is_free), ONE(a_zombie_is_dead),
      ONE(who_has_become_another_program_is_gone),
      ONE(a_number_that_another_process_has_now_is_not_its_owner),
      ONE(who_was_stopped_lives),
      ONE(a_parent_lives_while_its_child_looks_and_when_it_has_gone),
      ONE(a_process_whose_main_thread_has_ended_lives),
      ONE(a_child_that_never_uses_keel_keeps_no_lock_of_its_parents),
      ONE(a_slot_whose_lock_somebody_has_is_left_alone),
      ONE(a_daemon_that_closed_the_descriptor_joins_and_keeps_what_is_there_now),
      ONE(a_child_that_gave_up_its_rights_joins_and_is_not_taken_for_dead),
      ONE(a_thread_that_is_cancelled_at_it_leaves_no_lock_behind),
      ONE(who_looks_for_the_dead_waits_for_no_lock),
      ONE(who_waited_in_vain_once_waits_little_until_the_lock_is_free))
