/* SPDX-License-Identifier: MIT */
/*
 * Which plugins are found, which are refused and how that is said. What is loaded stays
 * for the process, so each test has a name of its own for its plugin.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <keel/keel.h>

#include "bag/loader.h"
#include "base/memory.h"
#include "support/child.h"
#include "support/plugins.h"
#include "support/settled.h"
#include "support/suite.h"

#define TOY "tests/bag/.libs/keel_bag_toy.so"

unsigned long __real_getauxval(unsigned long type);
unsigned long __wrap_getauxval(unsigned long type);

static bool is_secure;

/* The test answers for the kernel. */
unsigned long __wrap_getauxval(unsigned long type)
{
    return type == AT_SECURE ? is_secure : __real_getauxval(type);
}

static spawned folder;
static keel_detail why;

static void setup(void)
{
    ck_assert(spawned_init(&folder, "plugins"));
    unsetenv("TOY_NAME");
    unsetenv("TOY_FAULT");
    why = (keel_detail)KEEL_DETAIL_INIT;
}

static void teardown(void)
{
    is_secure = false;
    spawned_cleanup(&folder);
}

/* A toy of that name in the folder. */
static void add_toy(const char *name)
{
    plugins_add(&folder, TOY, name);
    setenv("TOY_NAME", name, 1);
}

static keel_status load(const keel_bag_ops **ops, const char *name)
{
    return keel_bag_load(ops, keel_text_of(name), folder.dir, &why);
}

static void expect_refusal(const char *name, const char *words)
{
    const keel_bag_ops *ops;

    ck_assert_int_eq(load(&ops, name), KEEL_E_CONFIG);
    ck_assert_ptr_null(ops);
    ck_assert_msg(strstr(why.text, words) != NULL, "\"%s\" is not in: %s", words,
                  why.text);
}

/* ---- finding ------------------------------------------------------------------------- */

START_TEST(a_plugin_is_found_in_the_folder_that_is_named)
{
    const keel_bag_ops *ops;

    add_toy("found");
    ck_assert_msg(load(&ops, "found") == KEEL_OK, "%s", why.text);
    ck_assert_str_eq(ops->name, "found");
}
END_TEST

START_TEST(the_first_folder_that_has_it_holds)
{
    char folders[2 * SPAWNED_PATH_SIZE];
    const keel_bag_ops *ops;

    add_toy("second");
    snprintf(folders, sizeof folders, "/nonexistent:%s:/nonexistent", folder.dir);
    ck_assert_msg(keel_bag_load(&ops, keel_text_of("second"), folders, &why) == KEEL_OK,
                  "%s", why.text);
    setenv("TOY_FAULT", "abi", 1);
    add_toy("refused");
    snprintf(folders, sizeof folders, "%s:%s", folder.dir, keel_bag_load_folder());
    ck_assert_int_eq(keel_bag_load(&ops, keel_text_of("refused"), folders, &why),
                     KEEL_E_CONFIG); /* and the next one is not tried */
}
END_TEST

/* This program was built with the folder of the toy for the one of keel's own plugins. */
START_TEST(keels_own_folder_is_searched_last)
{
    const keel_bag_ops *ops;

    setenv("TOY_NAME", "toy", 1);
    ck_assert_int_eq(chmod(keel_bag_load_folder(), 0755), 0);
    ck_assert_int_eq(chmod(TOY, 0755), 0);
    ck_assert_msg(keel_bag_load(&ops, keel_text_of("toy"), NULL, &why) == KEEL_OK, "%s",
                  why.text);
    ck_assert_str_eq(ops->name, "toy");
}
END_TEST

START_TEST(what_is_nowhere_is_not_found_and_nothing_is_said)
{
    const keel_bag_ops *ops;

    why.text = "untouched";
    ck_assert_int_eq(load(&ops, "nowhere"), KEEL_NOT_FOUND);
    ck_assert_ptr_null(ops);
    ck_assert_str_eq(why.text, "untouched");
}
END_TEST

static const char *const no_names[] = { "../x", "X", "a.b", "a-b", "", "a/b" };

START_TEST(what_is_no_name_leads_to_no_file)
{
    const keel_bag_ops *ops;

    if (!strchr(no_names[_i], '/'))
        plugins_add(&folder, TOY, no_names[_i]);
    setenv("TOY_NAME", no_names[_i], 1);
    ck_assert_int_eq(load(&ops, no_names[_i]), KEEL_NOT_FOUND);
}
END_TEST

/* ---- once ---------------------------------------------------------------------------- */

enum { ROUNDS = 16, THREADS = 8 };

static pthread_barrier_t start;

typedef struct loading {
    const char *folder;
    const char *name;
    const keel_bag_ops *ops;
    pthread_t thread;
} loading;

static void *load_one(void *ctx)
{
    loading *l = ctx;
    keel_detail own = KEEL_DETAIL_INIT;

    pthread_barrier_wait(&start);
    if (keel_bag_load(&l->ops, keel_text_of(l->name), l->folder, &own) != KEEL_OK)
        l->ops = NULL;
    return NULL;
}

static void load_at_once(const char *name, const char *folders[2])
{
    loading loadings[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        loadings[i] = (loading){ .folder = folders[i % 2], .name = name };
        ck_assert_int_eq(
            pthread_create(&loadings[i].thread, NULL, load_one, &loadings[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(loadings[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_ptr_nonnull(loadings[i].ops);
        ck_assert_ptr_eq(loadings[i].ops, loadings[0].ops);
    }
}

/* From two folders, so that two tables are there to choose from. */
START_TEST(threads_that_load_it_at_once_get_the_same)
{
    const char *folders[2];
    char name[16];
    spawned other;

    ck_assert(spawned_init(&other, "others"));
    folders[0] = folder.dir;
    folders[1] = other.dir;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(name, sizeof name, "once%d", i);
        add_toy(name);
        plugins_add(&other, TOY, name);
        load_at_once(name, folders);
    }
    pthread_barrier_destroy(&start);
    spawned_cleanup(&other);
}
END_TEST

START_TEST(what_is_loaded_needs_its_file_no_more)
{
    const keel_bag_ops *before, *after;
    char path[SPAWNED_PATH_SIZE];

    add_toy("kept");
    ck_assert_int_eq(load(&before, "kept"), KEEL_OK);
    spawned_path(&folder, "keel_bag_kept.so", path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(load(&after, "kept"), KEEL_OK);
    ck_assert_ptr_eq(before, after);
    ck_assert_str_eq(after->name, "kept");
}
END_TEST

/* ---- refusing what it is ------------------------------------------------------------- */

static const struct {
    const char *fault;
    const char *words;
} faults[] = {
    { "no table", "returned NULL" },
    { "abi", "it was made for version 2 of the interface, and this keel has 1" },
    { "size", "bytes, and needs" },
    { "no name", "it calls itself \"\"" },
    { "no open", "it has no function \"open\"" },
    { "no close", "it has no function \"close\"" },
    { "no look", "it has no function \"look\"" },
    { "no get", "it has no function \"get\"" },
    { "no health", "it has no function \"health\"" },
};

START_TEST(a_table_that_is_not_as_it_should_be_is_refused)
{
    setenv("TOY_FAULT", faults[_i].fault, 1);
    add_toy("faulty");
    expect_refusal("faulty", faults[_i].words);
}
END_TEST

START_TEST(a_table_with_more_than_is_known_here_is_taken)
{
    const keel_bag_ops *ops;

    setenv("TOY_FAULT", "newer", 1);
    add_toy("newer");
    ck_assert_msg(load(&ops, "newer") == KEEL_OK, "%s", why.text);
    ck_assert_uint_eq(ops->size, sizeof *ops);
}
END_TEST

/* A keel that has added to the interface takes plugins of before. */
START_TEST(what_a_table_is_too_short_for_is_null)
{
    const keel_bag_ops *ops;
    keel_bag_ops *later;

    add_toy("older");
    ck_assert_int_eq(load(&ops, "older"), KEEL_OK);
    later = keel_bag_table_copy(ops, sizeof *ops + sizeof(void *));
    ck_assert_uint_eq(later->size, sizeof *ops + sizeof(void *));
    ck_assert(later->get == ops->get);
    ck_assert_mem_eq(later + 1, (const char[sizeof(void *)]){ 0 }, sizeof(void *));
    keel_memory_free(NULL, later);
}
END_TEST

START_TEST(a_plugin_of_another_name_is_refused)
{
    add_toy("renamed");
    setenv("TOY_NAME", "original", 1);
    expect_refusal("renamed", "it calls itself \"original\"");
}
END_TEST

START_TEST(what_is_no_shared_object_is_refused)
{
    char path[SPAWNED_PATH_SIZE];
    FILE *file;

    spawned_path(&folder, "keel_bag_text.so", path);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("to whom it may concern\n", file);
    fclose(file);
    ck_assert_int_eq(chmod(path, 0644), 0);
    expect_refusal("text", "plugin ");
}
END_TEST

START_TEST(a_shared_object_without_the_symbol_is_refused)
{
    plugins_add(&folder, ".libs/libkeel.so", "nosymbol");
    expect_refusal("nosymbol", "it does not export keel_bag_plugin_v1");
}
END_TEST

/* ---- refusing where it lies ---------------------------------------------------------- */

static const struct {
    const char *reason;
    mode_t folder, file;
    const char *words; /* NULL: it is fine */
} places[] = {
    { "as it should be", 0755, 0755, NULL },
    { "read by its owner alone", 0700, 0400, NULL },
    { "a group could write to it", 0755, 0664,
      "others than its owner may write to it" },
    { "all could", 0755, 0646, "others than its owner may write to it" },
    { "a group could replace it", 0775, 0644,
      "others than its owner may write to its folder" },
    { "all could, sticky or not", 01777, 0644,
      "others than its owner may write to its folder" },
};

START_TEST(who_else_could_write_there_decides)
{
    char path[SPAWNED_PATH_SIZE], name[32];
    const keel_bag_ops *ops;

    snprintf(name, sizeof name, "place%d", _i);
    add_toy(name);
    snprintf(path, sizeof path, "%s/keel_bag_%s.so", folder.dir, name);
    ck_assert_int_eq(chmod(path, places[_i].file), 0);
    ck_assert_int_eq(chmod(folder.dir, places[_i].folder), 0);
    if (places[_i].words)
        expect_refusal(name, places[_i].words);
    else
        ck_assert_msg(load(&ops, name) == KEEL_OK, "%s: %s", places[_i].reason,
                      why.text);
}
END_TEST

START_TEST(behind_a_link_the_file_itself_is_looked_at)
{
    char there[SPAWNED_PATH_SIZE], path[SPAWNED_PATH_SIZE], real[SPAWNED_PATH_SIZE];

    spawned_path(&folder, "elsewhere", there);
    ck_assert_int_eq(mkdir(there, 0755), 0);
    spawned_path(&folder, "elsewhere/real.so", real);
    plugins_copy(TOY, real, 0644);
    spawned_path(&folder, "keel_bag_linked.so", path);
    ck_assert_int_eq(symlink(real, path), 0);
    ck_assert_int_eq(chmod(there, 0777), 0);
    expect_refusal("linked", "others than its owner may write to its folder");
}
END_TEST

START_TEST(what_another_user_owns_is_refused)
{
    char path[SPAWNED_PATH_SIZE];

    if (geteuid() != 0)
        return; /* only root can make it so */
    add_toy("theirs");
    spawned_path(&folder, "keel_bag_theirs.so", path);
    ck_assert_int_eq(chown(path, 65534, 65534), 0);
    expect_refusal("theirs", "it belongs neither to root nor to this user");
    ck_assert_int_eq(chown(path, 0, 0), 0);
    ck_assert_int_eq(chown(folder.dir, 65534, 65534), 0);
    expect_refusal("theirs", "its folder belongs neither to root nor to this user");
}
END_TEST

START_TEST(a_folder_is_no_plugin)
{
    char path[SPAWNED_PATH_SIZE];

    spawned_path(&folder, "keel_bag_folder.so", path);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    expect_refusal("folder", "it is no file");
}
END_TEST

START_TEST(a_process_with_more_rights_than_its_starter_loads_none)
{
    add_toy("secure");
    is_secure = true;
    expect_refusal("secure", "more rights than whoever started it");
}
END_TEST

/* ---- in a bag ------------------------------------------------------------------------ */

static keel_status open_bag(const char *spec)
{
    char path[SPAWNED_PATH_SIZE + 32];
    const keel_options options = { .size = sizeof options, .environment = ENV(path) };
    keel_runtime *rt;
    keel_bag *bag;
    keel_status status;

    snprintf(path, sizeof path, "KEEL_PLUGIN_PATH=%s", folder.dir);
    ck_assert_int_eq(keel_open(&rt, &options, &why), KEEL_OK);
    ck_assert(!keel_runtime_warning(rt, 0, path, sizeof path));
    status = keel_bag_open(&bag, rt, "sessions", spec, &why);
    keel_bag_close(bag);
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    return status;
}

static keel_bag *parents;

static void close_in_child(void)
{
    setenv("TOY_FAULT", "close", 1);
    keel_bag_close(parents);
}

START_TEST(no_function_is_called_in_a_child)
{
    char path[SPAWNED_PATH_SIZE + 32];
    const keel_options options = { .size = sizeof options, .environment = ENV(path) };
    keel_runtime *rt;

    add_toy("forked");
    snprintf(path, sizeof path, "KEEL_PLUGIN_PATH=%s", folder.dir);
    ck_assert_int_eq(keel_open(&rt, &options, &why), KEEL_OK);
    ck_assert_int_eq(keel_bag_open(&parents, rt, "sessions", "forked://", &why),
                     KEEL_OK);
    child_await(child_fork(close_in_child));
    keel_bag_close(parents);
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
}
END_TEST

static void expect_no_bag(const char *spec, const char *words)
{
    ck_assert_int_eq(open_bag(spec), KEEL_E_CONFIG);
    ck_assert_msg(strstr(why.text, words) != NULL, "\"%s\" is not in: %s", words,
                  why.text);
}

START_TEST(a_spec_finds_plugins_where_keel_has_none_of_the_name)
{
    add_toy("spec");
    ck_assert_msg(open_bag("spec://") == KEEL_OK, "%s", why.text);
    expect_no_bag("spec(memory://)", "there is no decorator \"spec\"");
    expect_no_bag("memry://", "did you mean \"memory\"?");
    expect_no_bag("nowhere://", "no plugin for it in KEEL_PLUGIN_PATH or ");
}
END_TEST

START_TEST(why_a_plugin_was_refused_is_said_with_its_place_in_the_spec)
{
    setenv("TOY_FAULT", "abi", 1);
    add_toy("old");
    expect_no_bag("old://", "column 1: plugin ");
}
END_TEST

START_TEST(an_ability_without_a_function_is_refused)
{
    setenv("TOY_FAULT", "overstates", 1);
    add_toy("liar");
    expect_no_bag("liar://", "liar says that it can scan, and has no function for it");
}
END_TEST

/* ---- the setting --------------------------------------------------------------------- */

static const struct {
    const char *variable;
    bool is_fine;
} settings[] = {
    { "KEEL_PLUGIN_PATH=/usr/lib/keel", true },
    { "KEEL_PLUGIN_PATH=/usr/lib/keel:/opt/keel", true },
    { "KEEL_PLUGIN_PATH=plugins", false },
    { "KEEL_PLUGIN_PATH=/usr/lib/keel:plugins", false },
    { "KEEL_PLUGIN_PATH=/usr/lib/keel::/opt/keel", false },
    { "KEEL_PLUGIN_PATH=:/usr/lib/keel", false },
};

START_TEST(folders_are_absolute)
{
    settled s;

    settle(&s, ENV(settings[_i].variable), NULL);
    if (settings[_i].is_fine)
        ck_assert_str_eq(keel_config_process(s.config)->plugin_path,
                         strchr(settings[_i].variable, '=') + 1);
    else
        ck_assert_ptr_null(keel_config_process(s.config)->plugin_path);
    ck_assert_int_eq(settled_warned(&s, "paths that begin with \"/\""),
                     !settings[_i].is_fine);
    settled_cleanup(&s);
}
END_TEST

SUITE_IN(
    "loader", 20, setup, teardown, ONE(a_plugin_is_found_in_the_folder_that_is_named),
    ONE(the_first_folder_that_has_it_holds), ONE(keels_own_folder_is_searched_last),
    ONE(what_is_nowhere_is_not_found_and_nothing_is_said),
    ROWS(what_is_no_name_leads_to_no_file, no_names),
    ONE(threads_that_load_it_at_once_get_the_same),
    ONE(what_is_loaded_needs_its_file_no_more),
    ROWS(a_table_that_is_not_as_it_should_be_is_refused, faults),
    ONE(a_table_with_more_than_is_known_here_is_taken),
    ONE(what_a_table_is_too_short_for_is_null),
    ONE(a_plugin_of_another_name_is_refused), ONE(what_is_no_shared_object_is_refused),
    ONE(a_shared_object_without_the_symbol_is_refused),
    ROWS(who_else_could_write_there_decides, places),
    ONE(behind_a_link_the_file_itself_is_looked_at),
    ONE(what_another_user_owns_is_refused), ONE(a_folder_is_no_plugin),
    ONE(a_process_with_more_rights_than_its_starter_loads_none),
    ONE(a_spec_finds_plugins_where_keel_has_none_of_the_name),
    ONE(why_a_plugin_was_refused_is_said_with_its_place_in_the_spec),
    ONE(no_function_is_called_in_a_child),
    ONE(an_ability_without_a_function_is_refused), ROWS(folders_are_absolute, settings))
