/* SPDX-License-Identifier: MIT */
/*
 * The pages of keel's stores and decorators against their tables of options: each option
 * has its line, and each line is an option's, with the default that it has; and the map of
 * them all.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/loader.h"
#include "bag/registry.h"
#include "support/plugins.h"
#include "support/suite.h"

enum { LINE = 512 };

/* Stores with one table have one page, by the name of the first. */
static const keel_bag_ops *first_of(const keel_bag_ops *ops)
{
    size_t number = 0;

    const keel_bag_ops *first;

    while ((first = keel_bag_builtin_at(number)) && first->options != ops->options)
        number++;
    return ops->options && first ? first : ops;
}

static FILE *open_page(const char *name)
{
    const char *srcdir = getenv("srcdir");
    char path[512];
    FILE *page;

    snprintf(path, sizeof path, "%s/man/%s", srcdir ? srcdir : ".", name);
    page = fopen(path, "r");
    ck_assert_msg(page != NULL, "no %s", path);
    return page;
}

static FILE *page_of(const keel_bag_ops *ops)
{
    char name[128];

    snprintf(name, sizeof name, "keel-bag-%s.7", first_of(ops)->name);
    return open_page(name);
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

static void check_page(const keel_bag_ops *ops)
{
    FILE *page = page_of(ops);
    size_t found = compare(ops, page);

    fclose(page);
    ck_assert_msg(found == count_of(ops), "%s: %zu of its %zu options", ops->name,
                  found, count_of(ops));
}

static void check_map(const keel_bag_ops *ops)
{
    char line[LINE], wanted[128];
    bool is_there = false;
    FILE *map = open_page("keel-bag.3");

    snprintf(wanted, sizeof wanted, ".It Xr keel-bag-%s 7 Ta ", first_of(ops)->name);
    while (fgets(line, sizeof line, map))
        is_there = is_there || strncmp(line, wanted, strlen(wanted)) == 0;
    fclose(map);
    ck_assert_msg(is_there, "keel-bag.3 has no line of %s", ops->name);
}

/* Its scheme, or the roles of its children. */
static void check_spec_page(const keel_bag_ops *ops)
{
    char line[LINE], wanted[128];
    bool is_there = false;
    FILE *page = open_page("keel-bag-spec.5");

    if (ops->roles)
        snprintf(wanted, sizeof wanted, ".It Xr keel-bag-%s 7 Ta %s\n", ops->name,
                 ops->roles);
    else
        snprintf(wanted, sizeof wanted, " %s://", ops->name);
    while (fgets(line, sizeof line, page))
        is_there = is_there ||
                   (strncmp(line, ".It Xr keel-bag-", 16) == 0 && strstr(line, wanted));
    fclose(page);
    ck_assert_msg(is_there, "keel-bag-spec.5 has no line with \"%s\"", wanted);
}

START_TEST(each_page_has_the_options_of_its_table)
{
    const keel_bag_ops *ops;

    for (size_t i = 0; (ops = keel_bag_builtin_at(i)) != NULL; i++) {
        check_page(ops);
        check_map(ops);
        check_spec_page(ops);
    }
}
END_TEST

/* "sqlite" of ".libs/keel_bag_sqlite.so" */
static void name_plugin(char name[64], const char *path)
{
    ck_assert_int_eq(sscanf(path, ".libs/keel_bag_%63[a-z0-9_].so", name), 1);
}

START_TEST(and_so_has_that_of_each_plugin_that_was_built)
{
    keel_detail why = KEEL_DETAIL_INIT;
    spawned folder;
    glob_t built;

    ck_assert(spawned_init(&folder, "pages"));
    if (glob(".libs/keel_bag_*.so", 0, NULL, &built) != 0)
        built.gl_pathc = 0;
    for (size_t i = 0; i < built.gl_pathc; i++) {
        const keel_bag_ops *ops;
        char name[64];

        name_plugin(name, built.gl_pathv[i]);
        plugins_add(&folder, built.gl_pathv[i], name);
        ck_assert_msg(keel_bag_load(&ops, keel_text_of(name), folder.dir, &why) ==
                          KEEL_OK,
                      "%s", why.text);
        check_page(ops);
        check_map(ops);
        check_spec_page(ops);
    }
    if (built.gl_pathc)
        globfree(&built);
    spawned_cleanup(&folder);
}
END_TEST

SUITE("pages of bags", 20, ONE(each_page_has_the_options_of_its_table),
      ONE(and_so_has_that_of_each_plugin_that_was_built))
