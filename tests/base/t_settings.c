/* SPDX-License-Identifier: MIT */
/* Cutting settings text into items. */
#include <stdio.h>
#include <string.h>

#include "base/settings.h"
#include "support/suite.h"

/* Each item as kind, key, value and columns: "set timeout 800ms @1/9". */
static void show(const char *text, char *to, size_t size)
{
    static const char *const kinds[] = { "word", "set", "most", "least" };
    keel_settings_reader reader = keel_settings_read(text);
    keel_item item;
    size_t at = 0;

    to[0] = '\0';
    while (keel_settings_next(&reader, &item) && at < size)
        at += (size_t)snprintf(to + at, size - at, "%s%s%s <%.*s> <%.*s> @%zu/%zu",
                               at ? ", " : "", item.is_first ? "first " : "",
                               kinds[item.kind], (int)item.key.length, item.key.at,
                               (int)item.value.length, item.value.at, item.column,
                               item.value_column);
}

static const struct {
    const char *why;
    const char *text;
    const char *items;
} rows[] = {
    { "nothing", "", "" },
    { "nothing but separators", " ; \n;; ", "" },
    { "a preset", "careful", "first word <careful> <> @1/8" },
    { "columns count from 1", "timeout=1s", "first set <timeout> <1s> @1/9" },
    { "a preset and a setting", "careful; timeout=1s",
      "first word <careful> <> @1/8, set <timeout> <1s> @10/18" },
    { "a newline separates", "a=1\nb=2", "first set <a> <1> @1/3, set <b> <2> @5/7" },
    { "a file from elsewhere", "a=1\r\nb=2",
      "first set <a> <1> @1/3, set <b> <2> @6/8" },
    { "blanks are free", "  timeout \t=  1s ", "first set <timeout> <1s> @3/15" },
    { "a separator at the end", "a=1;", "first set <a> <1> @1/3" },
    { "a fence above", "timeout<=3s", "first most <timeout> <3s> @1/10" },
    { "a fence below, with blanks", "timeout >= 3s",
      "first least <timeout> <3s> @1/12" },
    { "an empty value is the key's business", "a=", "first set <a> <> @1/3" },
    { "an empty key too", "=1", "first set <> <1> @1/2" },
    { "the first sign counts", "a=b=c", "first set <a> <b=c> @1/3" },
    { "any bytes", "\x01\xff=\x02", "first set <\x01\xff> <\x02> @1/4" },
};

START_TEST(a_text_is_cut_into_its_items_with_their_columns)
{
    char items[256];

    show(rows[_i].text, items, sizeof items);
    ck_assert_msg(!strcmp(items, rows[_i].items), "%s: %s", rows[_i].why, items);
}
END_TEST

SUITE("settings", 10, ROWS(a_text_is_cut_into_its_items_with_their_columns, rows))
