/* SPDX-License-Identifier: MIT */
/*
 * Finding, judging and loading plugins. Whoever can write to a plugin's file, or to its
 * folder, could do anything in the process: so only root and its own user may.
 *
 * What is loaded stays: a bag's functions may be on some thread's stack, and a library
 * that was unloaded takes its threads' keys along. The list has no lock, so that a forked
 * child finds none held.
 */
#include "bag/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/process.h"

enum { PLUGINS_MOST = 64, NAME_MOST = 64 };

/* Filled from the front; a place that is filled stays as it is. */
static _Atomic(const keel_bag_ops *) loaded[PLUGINS_MOST];

const char *keel_bag_load_folder(void)
{
    return KEEL_PLUGIN_DIR;
}

/* ---- what is loaded ------------------------------------------------------------------ */

/* acquire pairs with the exchange below: the table is whole before it is seen */
static const keel_bag_ops *find_loaded(keel_text name)
{
    for (size_t i = 0; i < PLUGINS_MOST; i++) {
        const keel_bag_ops *ops =
            atomic_load_explicit(&loaded[i], memory_order_acquire);

        if (!ops)
            break;
        if (keel_text_is(name, ops->name))
            return ops;
    }
    return NULL;
}

/* Of several that load one name at once the first is kept. NULL: no place is left. */
static const keel_bag_ops *keep(const keel_bag_ops *fresh)
{
    for (size_t i = 0; i < PLUGINS_MOST; i++) {
        const keel_bag_ops *there = NULL;

        if (atomic_compare_exchange_strong_explicit(
                &loaded[i], &there, fresh, memory_order_acq_rel, memory_order_acquire))
            return fresh;
        if (strcmp(there->name, fresh->name) == 0)
            return there;
    }
    return NULL;
}

/* ---- may its file be trusted? -------------------------------------------------------- */

static keel_status refuse(keel_detail *why, const char *path, const char *reason)
{
    return keel_failf(why, KEEL_E_CONFIG, "plugin %s: %s", path, reason);
}

static bool is_others(const struct stat *file)
{
    return file->st_uid != 0 && file->st_uid != geteuid();
}

static bool is_open_to_others(const struct stat *file)
{
    return file->st_mode & (S_IWGRP | S_IWOTH);
}

static keel_status check_file(const char *path, keel_detail *why)
{
    struct stat file;

    if (stat(path, &file) != 0)
        return refuse(why, path, strerrordesc_np(errno));
    if (!S_ISREG(file.st_mode))
        return refuse(why, path, "it is no file");
    if (is_others(&file))
        return refuse(why, path, "it belongs neither to root nor to this user");
    if (is_open_to_others(&file))
        return refuse(why, path, "others than its owner may write to it");
    return KEEL_OK;
}

static keel_status check_folder(const char *path, keel_detail *why)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    struct stat found;

    snprintf(folder, sizeof folder, "%.*s/", (int)(slash - path), path);
    if (stat(folder, &found) != 0)
        return refuse(why, path, strerrordesc_np(errno));
    if (is_others(&found))
        return refuse(why, path, "its folder belongs neither to root nor to this user");
    if (is_open_to_others(&found))
        return refuse(why, path, "others than its owner may write to its folder");
    return KEEL_OK;
}

/* path, and behind links the file itself, which `real` is set to */
static keel_status check_place(const char *path, char real[PATH_MAX], keel_detail *why)
{
    keel_status status;

    if (keel_process_is_secure())
        return refuse(why, path,
                      "none is loaded into a process with more rights than whoever "
                      "started it");
    if (!realpath(path, real))
        return refuse(why, path, strerrordesc_np(errno));
    status = check_folder(path, why);
    if (status == KEEL_OK)
        status = check_folder(real, why);
    return status == KEEL_OK ? check_file(real, why) : status;
}

/* ---- its table ----------------------------------------------------------------------- */

/* With its first version; what was added later may be missing. */
#define TABLE_LEAST                                                                    \
    (offsetof(keel_bag_ops, control) + sizeof(((keel_bag_ops *)0)->control))

keel_bag_ops *keel_bag_table_copy(const keel_bag_ops *table, size_t size)
{
    keel_bag_ops *copy = keel_memory_new(NULL, size);

    if (!copy)
        return NULL;
    memcpy(copy, table, table->size < size ? table->size : size);
    copy->size = (uint32_t)size;
    return copy;
}

/* ---- is it what it should be? -------------------------------------------------------- */

static const char *missing_function(const keel_bag_ops *ops)
{
    if (!ops->open)
        return "open";
    if (!ops->close)
        return "close";
    if (!ops->look)
        return "look";
    if (!ops->get)
        return "get";
    return ops->health ? NULL : "health";
}

static keel_status check_table(const keel_bag_ops *ops, const char *path,
                               keel_text name, keel_detail *why)
{
    const char *missing;

    if (!ops)
        return refuse(why, path, KEEL_BAG_PLUGIN_SYMBOL " returned NULL");
    if (ops->abi != KEEL_BAG_ABI)
        return keel_failf(why, KEEL_E_CONFIG,
                          "plugin %s: it was made for version %u of the interface, "
                          "and this keel has %u",
                          path, ops->abi, KEEL_BAG_ABI);
    if (ops->size < TABLE_LEAST)
        return keel_failf(why, KEEL_E_CONFIG,
                          "plugin %s: its table has %u bytes, and needs %zu", path,
                          ops->size, TABLE_LEAST);
    if (!ops->name || !keel_text_is(name, ops->name))
        return keel_failf(why, KEEL_E_CONFIG, "plugin %s: it calls itself \"%s\"", path,
                          ops->name ? ops->name : "");
    missing = missing_function(ops);
    if (missing)
        return keel_failf(why, KEEL_E_CONFIG, "plugin %s: it has no function \"%s\"",
                          path, missing);
    return KEEL_OK;
}

const char *keel_bag_overstates(const keel_bag_ops *ops, uint32_t native)
{
    const struct {
        bool is_there;
        uint32_t abilities;
    } functions[] = {
        { ops->store, KEEL_CAN_SET | KEEL_CAN_ADD | KEEL_CAN_REPLACE | KEEL_CAN_APPEND |
                          KEEL_CAN_CAS },
        { ops->add_to, KEEL_CAN_INCR },
        { ops->touch, KEEL_CAN_TOUCH },
        { ops->remove, KEEL_CAN_DELETE | KEEL_CAN_DELETE_CAS },
        { ops->flush, KEEL_CAN_FLUSH },
        { ops->scan, KEEL_CAN_SCAN },
    };

    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        uint32_t told = native & functions[i].abilities;

        if (told && !functions[i].is_there)
            return keel_bag_ability_name((keel_bag_ability)(told & -told));
    }
    return NULL;
}

/* ---- loading ------------------------------------------------------------------------- */

/* A copy that stays, as its library does. */
static keel_status take(const keel_bag_ops *table, const keel_bag_ops **ops,
                        keel_detail *why)
{
    keel_bag_ops *copy = keel_bag_table_copy(table, sizeof *copy);

    if (!copy)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    *ops = keep(copy);
    if (*ops != copy)
        keel_memory_free(NULL, copy);
    return *ops ? KEEL_OK
                : keel_fail(why, KEEL_E_LIMIT, "too many plugins are loaded already");
}

static keel_status judge(void *library, const char *path, keel_text name,
                         const keel_bag_ops **ops, keel_detail *why)
{
    keel_bag_plugin_fn *plugin;
    void *symbol = dlsym(library, KEEL_BAG_PLUGIN_SYMBOL);
    const keel_bag_ops *table;
    keel_status status;

    if (!symbol)
        return refuse(why, path, "it does not export " KEEL_BAG_PLUGIN_SYMBOL);
    memcpy(&plugin, &symbol, sizeof plugin); /* C has no other way to a function */
    table = plugin();
    status = check_table(table, path, name, why);
    return status == KEEL_OK ? take(table, ops, why) : status;
}

static keel_status load(const char *path, keel_text name, const keel_bag_ops **ops,
                        keel_detail *why)
{
    char real[PATH_MAX];
    keel_status status = check_place(path, real, why);
    const char *reason;
    void *library;

    if (status != KEEL_OK)
        return status;
    library = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        reason = dlerror();
        return refuse(why, path, reason ? reason : "it cannot be loaded");
    }
    status = judge(library, path, name, ops, why);
    if (status != KEEL_OK) {
        *ops = NULL;
        dlclose(library); /* nothing of it was kept */
    }
    return status;
}

/* ---- finding ------------------------------------------------------------------------- */

/* It becomes part of a path. */
static bool is_name(keel_text name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

    for (size_t i = 0; i < name.length; i++)
        if (!name.at[i] || !strchr(letters, name.at[i]))
            return false;
    return name.length && name.length <= NAME_MOST;
}

static keel_status load_from(keel_text folder, keel_text name, const keel_bag_ops **ops,
                             keel_detail *why)
{
    char path[PATH_MAX];
    struct stat there;
    int length = snprintf(path, sizeof path, "%.*s/keel_bag_%.*s.so",
                          (int)folder.length, folder.at, (int)name.length, name.at);

    if (length >= (int)sizeof path)
        return KEEL_NOT_FOUND;
    if (lstat(path, &there) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? KEEL_NOT_FOUND
                   : refuse(why, path, strerrordesc_np(errno));
    return load(path, name, ops, why);
}

static keel_status search(keel_text name, const char *folders, const keel_bag_ops **ops,
                          keel_detail *why)
{
    keel_text rest = keel_text_of(folders), one;

    while (keel_text_next(&rest, ":", &one)) {
        keel_status status;

        status = load_from(one, name, ops, why);
        if (status != KEEL_NOT_FOUND)
            return status;
    }
    return load_from(keel_text_of(keel_bag_load_folder()), name, ops, why);
}

keel_status keel_bag_load(const keel_bag_ops **ops, keel_text name, const char *folders,
                          keel_detail *why)
{
    int saved = errno;
    keel_status status;

    *ops = NULL;
    if (!is_name(name))
        return KEEL_NOT_FOUND;
    *ops = find_loaded(name);
    if (*ops)
        return KEEL_OK;
    status = search(name, folders, ops, why);
    errno = saved;
    return status;
}
