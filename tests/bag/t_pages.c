/* SPDX-License-Identifier: MIT */
/*
 * The pages of keel's stores and decorators against their tables of options: each option
 * has its line, and each line is an option's, with the default that it has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/registry.h"
#include "support/suite.h"

enum { LINE = 512 };

/* Stores with one table have one page, by the name of the first. */
static const keel_bag_ops *first_of(const keel_bag_ops *ops)
{
    size_t number = 0;

    while (ops->options && keel_bag_builtin_at(number)->options != ops->options)
        number++;
    return ops->options ? keel_bag_builtin_at(number) : ops;
}

static FILE *page_of(const keel_bag_ops *ops)
{
    const char *srcdir = getenv("srcdir");
    char path[512];
    FILE *page;

    snprintf(path, sizeof path, "%s/man/keel-bag-%s.7", srcdir ? srcdir : ".",
             first_of(ops)->name);
    page = fopen(path, "r");
    ck_assert_msg(page != NULL, "no %s", path);
    return page;
}

/* ".It Cm ttl Ta 60s Ta how long …": what stands where; false: it is no such line. */
static bool take_option(char *line, char **name, char **standard)
{
    static const char begin[] = ".It Cm ";
    char *end;

    if (strncmp(line, begin, strlen(begin)) != 0)
        return false;
    *name = line + strlen(begin);
    end = strstr(*name, " Ta");
    if (!end)
        return false;
    *end = '\0';
    *standard = end + strlen(" Ta");
    *standard += **standard == ' ';
    end = strstr(*standard, "Ta ");
    if (end)
        *end = '\0';
    *standard = strtok(*standard, " \n");
    return true;
}

static const keel_bag_option *option_named(const keel_bag_ops *ops, const char *name)
{
    const keel_bag_option *o = ops->options;

    while (o && o->name && strcmp(o->name, name) != 0)
        o++;
    return o && o->name ? o : NULL;
}

/* Returns how many options have a line. */
static size_t compare(const keel_bag_ops *ops, FILE *page)
{
    char line[LINE], *name, *standard;
    size_t found = 0;

    while (fgets(line, sizeof line, page)) {
        const keel_bag_option *option;

        if (!take_option(line, &name, &standard))
            continue;
        option = option_named(ops, name);
        if (!option && ops->takes_settings)
            continue; /* a pipeline's, of keel-settings(5) */
        ck_assert_msg(option != NULL, "%s has no option %s", ops->name, name);
        ck_assert_msg(strcmp(option->standard ? option->standard : "",
                             standard ? standard : "") == 0,
                      "%s: the default of %s is %s", ops->name, name,
                      option->standard ? option->standard : "none");
        found++;
    }
    return found;
}

static size_t count_of(const keel_bag_ops *ops)
{
    size_t count = 0;

    for (const keel_bag_option *o = ops->options; o && o->name; o++)
        count += o->type != KEEL_BAG_SECRET; /* written as NAME_file and NAME_env */
    return count;
}

START_TEST(each_page_has_the_options_of_its_table)
{
    const keel_bag_ops *ops;

    for (size_t i = 0; (ops = keel_bag_builtin_at(i)) != NULL; i++) {
        FILE *page = page_of(ops);
        size_t found = compare(ops, page);

        fclose(page);
        ck_assert_msg(found == count_of(ops), "%s: %zu of its %zu options", ops->name,
                      found, count_of(ops));
    }
}
END_TEST

SUITE("pages of bags", 20, ONE(each_page_has_the_options_of_its_table))
