/* SPDX-License-Identifier: MIT */
/* How a board's file comes to be, and every file that is none: one sentence, no harm. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "board/file.h"
#include "call/pipeline.h"
#include "support/board_file.h"
#include "support/child.h"
#include "support/opened.h"
#include "support/suite.h"

static board_file file;
static keel_board_file board;
static keel_detail why = KEEL_DETAIL_INIT;

static keel_status open_board(void)
{
    why = (keel_detail)KEEL_DETAIL_INIT;
    return keel_board_file_open(&board, NULL, file.path, true, &why);
}

static void make_good(void)
{
    ck_assert_msg(open_board() == KEEL_OK, "%s", why.text);
    keel_board_file_close(&board, NULL);
}

/* Changes what is in the file at an offset. */
static void write_at(off_t at, const void *bytes, size_t size)
{
    int fd = open(file.path, O_WRONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, bytes, size, at), (ssize_t)size);
    close(fd);
}

static void add_to(size_t offset, uint64_t n)
{
    uint64_t word;
    int fd = open(file.path, O_RDWR | O_CLOEXEC);

    ck_assert_int_eq(pread(fd, &word, sizeof word, (off_t)offset), sizeof word);
    word += n;
    ck_assert_int_eq(pwrite(fd, &word, sizeof word, (off_t)offset), sizeof word);
    close(fd);
}

/* ---- what is there already ------------------------------------------------------------ */

static void a_folder(void)
{
    ck_assert_int_eq(mkdir(file.path, 0700), 0);
}

static void a_pipe(void)
{
    ck_assert_int_eq(mkfifo(file.path, 0600), 0);
}

static void a_link(void)
{
    ck_assert_int_eq(symlink("/dev/null", file.path), 0);
}

static void a_device(void)
{
    ck_assert_int_eq(mknod(file.path, S_IFCHR | 0600, makedev(1, 3)), 0);
}

static void one_others_may_read(void)
{
    make_good();
    ck_assert_int_eq(chmod(file.path, 0644), 0);
}

static void one_of_somebody_else(void)
{
    make_good();
    ck_assert_int_eq(chown(file.path, 12345, 12345), 0);
}

static void an_empty_one(void)
{
    close(open(file.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void one_cut_short(void)
{
    make_good();
    ck_assert_int_eq(truncate(file.path, KEEL_BOARD_FILE_SIZE / 2), 0);
}

static void one_grown(void)
{
    make_good();
    ck_assert_int_eq(truncate(file.path, KEEL_BOARD_FILE_SIZE + 4096), 0);
}

static void something_else(void)
{
    make_good();
    write_at(0, "SQLite format 3", 16);
}

static void one_of_zeros(void)
{
    an_empty_one();
    ck_assert_int_eq(truncate(file.path, KEEL_BOARD_FILE_SIZE), 0);
}

static void another_version(void)
{
    make_good();
    add_to(offsetof(keel_board_head, version), 1);
}

static void another_size_in_its_head(void)
{
    make_good();
    add_to(offsetof(keel_board_head, size), 4096);
}

static void another_pid_namespace(void)
{
    make_good();
    add_to(offsetof(keel_board_head, pid_namespace), 1);
}

static void another_time_namespace(void)
{
    make_good();
    add_to(offsetof(keel_board_head, time_namespace), 1);
}

static void in_no_folder(void)
{
    size_t length = strlen(file.path);

    snprintf(file.path + length, sizeof file.path - length, "/x");
}

static const struct {
    void (*make)(void);
    const char *says;
} bad_files[] = {
    { a_folder, "cannot be opened: Is a directory" },
    { a_pipe, "is not a regular file" },
    { a_link, "cannot be opened: Too many levels of symbolic links" },
    { a_device, "is not a regular file" },
    { one_others_may_read, "may be opened by other users; its mode must be 0600" },
    { one_of_somebody_else, "belongs to another user" },
    { an_empty_one, "is too short to be one" },
    { one_cut_short, "has another size than it was made with" },
    { one_grown, "has another size than it was made with" },
    { something_else, "is not a board of keel's" },
    { one_of_zeros, "is not a board of keel's" },
    { another_version, "is of another version of keel" },
    { another_size_in_its_head, "has another size than it was made with" },
    { another_pid_namespace, "is of another container" },
    { another_time_namespace, "is of another container" },
    { in_no_folder, "cannot be made: No such file or directory" },
};

static bool is_root_needed(void (*make)(void))
{
    return (make == a_device || make == one_of_somebody_else) && geteuid() != 0;
}

static struct stat found(void)
{
    struct stat st;

    memset(&st, 0, sizeof st);
    (void)lstat(file.path, &st);
    return st;
}

/* Nothing is made beside it, and it stays as it is. */
static void check_left_alone(const struct stat *before)
{
    struct stat after = found();

    ck_assert_uint_eq(before->st_ino, after.st_ino);
    ck_assert_int_eq(before->st_size, after.st_size);
    if (S_ISDIR(before->st_mode))
        rmdir(file.path);
}

START_TEST(a_file_that_is_no_board_is_refused_in_a_sentence_and_left_alone)
{
    struct stat before;

    if (is_root_needed(bad_files[_i].make))
        return;
    board_file_init(&file);
    bad_files[_i].make();
    before = found();
    ck_assert_int_eq(open_board(), KEEL_E_SYSTEM);
    ck_assert_msg(strstr(why.text, bad_files[_i].says) != NULL, "%s", why.text);
    ck_assert_ptr_nonnull(strstr(why.text, file.path));
    ck_assert_ptr_null(board.layout);
    ck_assert_int_eq(board.fd, -1);
    check_left_alone(&before);
    board_file_cleanup(&file);
}
END_TEST

static size_t warnings_of(keel_runtime *rt, char *last, size_t size)
{
    size_t count = 0;

    while (keel_runtime_warning(rt, count, last, size))
        count++;
    return count;
}

/* By the environment, the whole way. */
START_TEST(with_one_that_is_none_the_service_runs_alone_after_one_warning)
{
    opened o;
    char text[512];

    if (is_root_needed(bad_files[_i].make))
        return;
    board_file_init(&file);
    bad_files[_i].make();
    snprintf(file.variable, sizeof file.variable, "KEEL_BOARD=%s", file.path);
    opened_init(&o, OPENED_VIRTUAL, file.environment, "none; breaker.min_calls=8");
    ck_assert_ptr_null(o.rt->shared);
    ck_assert_uint_eq(warnings_of(o.rt, text, sizeof text), 1);
    ck_assert_msg(strstr(text, bad_files[_i].says) != NULL, "%s", text);
    opened_calls(&o, KEEL_FAILED, 8);
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_OPEN);
    opened_cleanup(&o);
    (void)rmdir(file.path);
    board_file_cleanup(&file);
}
END_TEST

/* ---- what is printed ------------------------------------------------------------------ */

static void open_without_standard_ones_and_print(void)
{
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    CHILD(open_board() == KEEL_OK);
    for (int fd = 0; fd <= 2; fd++)
        CHILD(write(fd, "printed", 7) < 0 && errno == EBADF);
    CHILD(board.layout->head.magic == KEEL_BOARD_MAGIC);
}

START_TEST(what_is_printed_without_standard_error_does_not_come_upon_the_board)
{
    board_file_init(&file);
    child_await(child_fork(open_without_standard_ones_and_print));
    board_file_cleanup(&file);
}
END_TEST

/* ---- who may not ---------------------------------------------------------------------- */

/* As a user whom modes stop. */
static void open_as_nobody(void)
{
    CHILD(setgid(65534) == 0 && setuid(65534) == 0);
    CHILD(open_board() == KEEL_E_SYSTEM);
    CHILD(why.system_errno == EACCES);
    CHILD(strstr(why.text, ": Permission denied") != NULL);
}

START_TEST(a_file_that_may_not_be_opened_is_refused)
{
    if (geteuid() != 0)
        return; /* only root can become somebody else */
    board_file_init(&file);
    make_good();
    ck_assert_int_eq(chmod(file.directory, 0755), 0);
    child_await(child_fork(open_as_nobody));
    board_file_cleanup(&file);
}
END_TEST

START_TEST(a_folder_that_may_not_be_written_is_refused)
{
    if (geteuid() != 0)
        return;
    board_file_init(&file);
    ck_assert_int_eq(chmod(file.directory, 0755), 0);
    child_await(child_fork(open_as_nobody));
    board_file_cleanup(&file);
}
END_TEST

START_TEST(a_path_too_long_is_refused_by_name_of_the_reason)
{
    char path[4097];

    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    ck_assert_int_eq(keel_board_file_open(&board, NULL, path, true, &why),
                     KEEL_E_SYSTEM);
    ck_assert_int_eq(why.system_errno, ENAMETOOLONG);
    ck_assert_uint_lt(strlen(why.text), sizeof why.storage);
    ck_assert_int_eq(keel_board_file_check(path, &why), KEEL_E_SYSTEM);
    ck_assert_int_eq(why.system_errno, ENAMETOOLONG);
}
END_TEST

/* ---- only looking --------------------------------------------------------------------- */

/* Whether a look refuses it, and opening it then does so in the same words. */
static bool is_foretold(void)
{
    keel_detail said = KEEL_DETAIL_INIT;

    return keel_board_file_check(file.path, &said) == KEEL_E_SYSTEM &&
           open_board() == KEEL_E_SYSTEM && strcmp(said.text, why.text) == 0;
}

START_TEST(a_look_refuses_in_the_words_of_opening_and_changes_nothing)
{
    struct stat before;

    if (is_root_needed(bad_files[_i].make))
        return;
    board_file_init(&file);
    bad_files[_i].make();
    before = found();
    ck_assert_msg(is_foretold(), "%s", why.text);
    check_left_alone(&before);
    board_file_cleanup(&file);
}
END_TEST

static void an_old_one(void)
{
    make_good();
    add_to(offsetof(keel_board_head, boot), 1);
}

static void an_old_one_of_nobody(void)
{
    an_old_one();
    ck_assert_int_eq(chown(file.path, 65534, 65534), 0);
}

static void nothing(void)
{
}

static const struct {
    void (*make)(void);
    const char *says;
} forbidden[] = {
    { nothing, "cannot be made: Permission denied" },
    { make_good, "cannot be opened: Permission denied" },
    { an_old_one_of_nobody, "cannot be replaced: Permission denied" },
};

static const char *forbidden_says;

static void look_as_nobody(void)
{
    CHILD(setgid(65534) == 0 && setuid(65534) == 0);
    CHILD(is_foretold());
    CHILD(strstr(why.text, forbidden_says) != NULL);
}

START_TEST(a_look_tells_what_this_user_may_not)
{
    if (geteuid() != 0)
        return; /* only root can become somebody else */
    board_file_init(&file);
    forbidden[_i].make();
    forbidden_says = forbidden[_i].says;
    ck_assert_int_eq(chmod(file.directory, 0755), 0);
    child_await(child_fork(look_as_nobody));
    board_file_cleanup(&file);
}
END_TEST

static void (*const good_files[])(void) = { nothing, make_good, an_old_one };

START_TEST(a_look_at_what_can_be_opened_makes_and_replaces_nothing)
{
    struct stat before;

    board_file_init(&file);
    good_files[_i]();
    before = found();
    ck_assert_int_eq(keel_board_file_check(file.path, &why), KEEL_OK);
    check_left_alone(&before);
    make_good();
    board_file_cleanup(&file);
}
END_TEST

/* ---- no room -------------------------------------------------------------------------- */

/* A file system of its own for the test. False: there is none to be had here. */
static bool small_disk(const char *options)
{
    board_file_init(&file);
    if (mount("none", file.directory, "tmpfs", MS_NOSUID, options) == 0)
        return true;
    fprintf(stderr, "no file system may be mounted here: not tested\n");
    board_file_cleanup(&file);
    return false;
}

static void no_more_small_disk(void)
{
    ck_assert_int_eq(umount2(file.directory, MNT_DETACH), 0);
    board_file_cleanup(&file);
}

static int open_beside(void)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/beside", file.directory);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static uint64_t free_blocks(void)
{
    struct statvfs st;

    ck_assert_int_eq(statvfs(file.directory, &st), 0);
    return st.f_bfree;
}

START_TEST(a_full_file_system_is_refused_and_left_as_it_was)
{
    uint64_t before;

    if (!small_disk("size=4m,mode=700"))
        return;
    before = free_blocks();
    ck_assert_int_eq(open_board(), KEEL_E_SYSTEM);
    ck_assert_int_eq(why.system_errno, ENOSPC);
    ck_assert_ptr_nonnull(strstr(why.text, "cannot be made: No space left on device"));
    ck_assert_uint_eq(free_blocks(), before);
    no_more_small_disk();
}
END_TEST

/* A write into a hole of a full disk would be a deadly signal, long after. */
static void punch_a_hole(void)
{
    int fd = open(file.path, O_RDWR | O_CLOEXEC);

    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               KEEL_BOARD_FILE_SIZE / 2, 1 << 20),
                     0);
    close(fd);
}

START_TEST(a_copy_with_holes_is_filled)
{
    board_file_init(&file);
    make_good();
    punch_a_hole();
    ck_assert_int_lt(found().st_blocks, KEEL_BOARD_FILE_SIZE / 512);
    ck_assert_int_eq(open_board(), KEEL_OK);
    ck_assert_int_ge(found().st_blocks, KEEL_BOARD_FILE_SIZE / 512);
    keel_board_file_close(&board, NULL);
    board_file_cleanup(&file);
}
END_TEST

static void fill_the_disk(void)
{
    static const char block[1 << 16];
    int fd = open_beside();

    while (write(fd, block, sizeof block) > 0)
        ;
    close(fd);
}

START_TEST(a_copy_with_holes_on_a_full_disk_is_refused)
{
    if (!small_disk("size=17m,mode=700"))
        return;
    make_good();
    punch_a_hole();
    fill_the_disk();
    ck_assert_int_eq(open_board(), KEEL_E_SYSTEM);
    ck_assert_int_eq(why.system_errno, ENOSPC);
    ck_assert_ptr_nonnull(strstr(why.text, "has holes that cannot be filled"));
    no_more_small_disk();
}
END_TEST

static void open_with_a_limit(void)
{
    const struct rlimit limit = { KEEL_BOARD_FILE_SIZE / 2, KEEL_BOARD_FILE_SIZE };

    CHILD(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHILD(open_board() == KEEL_E_SYSTEM); /* and no SIGXFSZ */
    CHILD(why.system_errno == EFBIG);
}

START_TEST(a_limit_of_file_sizes_is_refused_and_kills_nobody)
{
    board_file_init(&file);
    child_await(child_fork(open_with_a_limit));
    ck_assert_uint_eq(found().st_ino, 0);
    board_file_cleanup(&file);
}
END_TEST

START_TEST(each_allocation_of_opening_may_fail)
{
    failing_allocator f;
    bool failed = true;
    keel_board *shared;

    ck_assert_int_eq(keel_process_attach(), KEEL_OK);
    for (long n = 1; failed; n++) {
        board_file_init(&file);
        failing_allocator_init(&f, n);
        why = (keel_detail)KEEL_DETAIL_INIT;
        keel_board_map(&shared, &f.allocator, file.path, true, &why);
        failed = f.failed;
        ck_assert_int_eq(shared == NULL, failed);
        ck_assert(!failed || *why.text);
        keel_board_close(shared);
        ck_assert_int_eq(f.live, 0);
        board_file_cleanup(&file);
    }
    keel_process_detach();
}
END_TEST

/* ---- many at once --------------------------------------------------------------------- */

enum { MANY = 32 };

static int starts[2], inodes[2];

/* Waits for the start, opens, and tells which file it has mapped. */
static void open_at_the_start(void)
{
    struct stat st;
    char byte;

    close(starts[1]);
    CHILD(read(starts[0], &byte, 1) == 0); /* until nobody holds it back */
    CHILD(open_board() == KEEL_OK);
    CHILD(fstat(board.fd, &st) == 0);
    CHILD(write(inodes[1], &st.st_ino, sizeof st.st_ino) == sizeof st.st_ino);
    keel_board_file_close(&board, NULL);
}

static void all_open_one(void)
{
    pid_t pids[MANY];
    ino_t inode;

    ck_assert_int_eq(pipe(starts), 0);
    ck_assert_int_eq(pipe(inodes), 0);
    for (int i = 0; i < MANY; i++)
        pids[i] = child_fork(open_at_the_start);
    close(starts[1]);
    for (int i = 0; i < MANY; i++)
        child_await(pids[i]);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(read(inodes[0], &inode, sizeof inode), sizeof inode);
        ck_assert_uint_eq(inode, found().st_ino);
    }
}

START_TEST(those_who_start_at_once_make_one_file_and_all_map_it)
{
    board_file_init(&file);
    all_open_one();
    ck_assert_int_eq(found().st_mode & 07777, 0600);
    ck_assert_int_eq(found().st_size, KEEL_BOARD_FILE_SIZE);
    board_file_cleanup(&file);
}
END_TEST

START_TEST(one_of_another_boot_is_replaced_once_by_whoever_comes_first)
{
    struct stat before;

    board_file_init(&file);
    make_good();
    add_to(offsetof(keel_board_head, boot), 1);
    before = found();
    all_open_one();
    ck_assert_uint_ne(found().st_ino, before.st_ino);
    board_file_cleanup(&file);
}
END_TEST

START_TEST(who_only_looks_makes_none_and_replaces_none)
{
    struct stat before;

    board_file_init(&file);
    ck_assert_int_eq(keel_board_file_open(&board, NULL, file.path, false, &why),
                     KEEL_E_SYSTEM);
    ck_assert_int_eq(why.system_errno, ENOENT);
    make_good();
    add_to(offsetof(keel_board_head, boot), 1);
    before = found();
    ck_assert_int_eq(keel_board_file_open(&board, NULL, file.path, false, &why),
                     KEEL_E_SYSTEM);
    ck_assert_ptr_nonnull(strstr(why.text, "is of an earlier boot"));
    check_left_alone(&before);
    board_file_cleanup(&file);
}
END_TEST

/* ---- somebody was stopped with the lock ----------------------------------------------- */

static int ready[2];

static void lock_and_stop(void)
{
    CHILD(open_board() == KEEL_OK);
    CHILD(keel_board_file_try_lock(&board, 0));
    CHILD(write(ready[1], "", 1) == 1);
    raise(SIGSTOP);
}

START_TEST(one_who_was_stopped_with_the_lock_keeps_nobody_from_opening)
{
    opened o;
    char byte, text[512];
    int status;
    pid_t pid;

    board_file_init(&file);
    ck_assert_int_eq(pipe(ready), 0);
    pid = child_fork(lock_and_stop);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    opened_init(&o, OPENED_REAL, file.environment, "none; breaker.min_calls=8");
    ck_assert_ptr_null(o.rt->shared);
    ck_assert_uint_eq(warnings_of(o.rt, text, sizeof text), 1);
    ck_assert_ptr_nonnull(strstr(text, "its lock is held; nothing is shared"));
    opened_calls(&o, KEEL_FAILED, 8);
    ck_assert_int_eq(opened_look(&o).state, KEEL_BREAKER_OPEN);
    opened_cleanup(&o);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    board_file_cleanup(&file);
}
END_TEST

SUITE("file", 20,
      ROWS(a_file_that_is_no_board_is_refused_in_a_sentence_and_left_alone, bad_files),
      ROWS(with_one_that_is_none_the_service_runs_alone_after_one_warning, bad_files),
      ONE(what_is_printed_without_standard_error_does_not_come_upon_the_board),
      ONE(a_file_that_may_not_be_opened_is_refused),
      ONE(a_folder_that_may_not_be_written_is_refused),
      ONE(a_path_too_long_is_refused_by_name_of_the_reason),
      ROWS(a_look_refuses_in_the_words_of_opening_and_changes_nothing, bad_files),
      ROWS(a_look_tells_what_this_user_may_not, forbidden),
      ROWS(a_look_at_what_can_be_opened_makes_and_replaces_nothing, good_files),
      ONE(a_full_file_system_is_refused_and_left_as_it_was),
      ONE(a_copy_with_holes_is_filled),
      ONE(a_copy_with_holes_on_a_full_disk_is_refused),
      ONE(a_limit_of_file_sizes_is_refused_and_kills_nobody),
      ONE(each_allocation_of_opening_may_fail),
      ONE(those_who_start_at_once_make_one_file_and_all_map_it),
      ONE(one_of_another_boot_is_replaced_once_by_whoever_comes_first),
      ONE(who_only_looks_makes_none_and_replaces_none),
      ONE(one_who_was_stopped_with_the_lock_keeps_nobody_from_opening))
