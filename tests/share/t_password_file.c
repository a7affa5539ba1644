/* SPDX-License-Identifier: MIT */
/* The file of a password: its first line is it, whole or not at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "share/password_file.h"
#include "support/suite.h"

enum { SIZE = 8 };

/* password: NULL: it is refused */
static const struct {
    const char *why;
    const char *content;
    const char *password;
} files[] = {
    { "nothing", "", "" },
    { "no line's end", "sesame", "sesame" },
    { "a line", "sesame\n", "sesame" },
    { "a line of another system", "sesame\r\n", "sesame" },
    { "lines after it", "sesame\nand a comment\n", "sesame" },
    { "as long as may be", "sesame7", "sesame7" },
    { "with its end", "sesame7\n", "sesame7" },
    { "with both its ends", "sesame7\r\n", "sesame7" },
    { "a byte too long", "sesame78", NULL },
    { "a line that is too long", "sesame78\n", NULL },
};

static keel_status read_file(const char *content, char to[SIZE], keel_detail *why)
{
    char path[] = "/tmp/keel-password-XXXXXX";
    int fd = mkstemp(path);
    keel_status status;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, strlen(content)), (int)strlen(content));
    close(fd);
    status = keel_password_file_read(path, to, SIZE, why);
    unlink(path);
    return status;
}

START_TEST(its_first_line_is_the_password_and_is_never_cut)
{
    static const char zeros[SIZE];
    keel_detail why = KEEL_DETAIL_INIT;
    char password[SIZE];

    memset(password, 'x', sizeof password);
    if (files[_i].password) {
        ck_assert_int_eq(read_file(files[_i].content, password, &why), KEEL_OK);
        ck_assert_str_eq(password, files[_i].password);
        return;
    }
    ck_assert_int_eq(read_file(files[_i].content, password, &why), KEEL_E_CONFIG);
    ck_assert_str_eq(why.text,
                     "the first line of the file it names is longer than 7 bytes");
    ck_assert_mem_eq(password, zeros, sizeof password);
}
END_TEST

SUITE("share/password_file", 10,
      ROWS(its_first_line_is_the_password_and_is_never_cut, files))
