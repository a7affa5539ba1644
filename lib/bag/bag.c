/* SPDX-License-Identifier: MIT */
/* Opening, closing and describing bags. Their verbs are in verbs.c. */
#include "bag/bag.h"

#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/name.h"
#include "base/process.h"
#include "call/runtime.h"

static keel_status check(const keel_runtime *runtime, const char *name,
                         keel_detail *why)
{
    char quoted[KEEL_QUOTE_SIZE];

    if (!runtime || !name)
        return keel_fail(why, KEEL_E_ARGUMENT, "a bag needs a runtime and a name");
    if (!keel_name_is_valid(name))
        return keel_failf(why, KEEL_E_CONFIG,
                          "%s is no name for a bag: lower-case words of letters and "
                          "digits, joined by \"-\", \".\" or \"_\", 64 bytes at most",
                          keel_quote(quoted, keel_text_of(name)));
    return KEEL_OK;
}

keel_status keel_bag_open(keel_bag **out, keel_runtime *runtime, const char *name,
                          const char *spec, keel_detail *why)
{
    keel_bag *bag;
    keel_status status;

    if (!out)
        return keel_fail(why, KEEL_E_ARGUMENT, "nowhere to put the bag");
    *out = NULL;
    status = check(runtime, name, why);
    if (status != KEEL_OK)
        return status;
    bag = keel_memory_new(runtime->memory, sizeof *bag);
    if (!bag)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    bag->runtime = runtime;
    bag->incarnation = keel_process_incarnation();
    memcpy(bag->name, name, strlen(name));
    status = keel_bag_tree_open(&bag->tree, runtime, bag->name, spec, why);
    if (status != KEEL_OK) {
        keel_memory_free(runtime->memory, bag);
        return status;
    }
    bag->root = bag->tree.root->self;
    *out = bag;
    return keel_succeed(why);
}

void keel_bag_close(keel_bag *bag)
{
    /* a forked child leaves it as it is: a goodbye would end what its parent uses, and a
       lock may be held by a thread that the child has not got */
    if (!bag || bag->incarnation != keel_process_incarnation())
        return;
    keel_bag_tree_close(&bag->tree);
    keel_memory_free(bag->runtime->memory, bag);
}

size_t keel_bag_describe(const keel_bag *bag, char *text, size_t size)
{
    if (!text)
        size = 0;
    if (size)
        *text = '\0';
    return bag ? keel_bag_tree_describe(&bag->tree, text, size) : 0;
}

keel_status keel_bag_control(keel_bag *bag, const char *path, const char *command,
                             char *answer, size_t size, keel_detail *why)
{
    keel_status status;

    if (!bag || !command || !*command)
        return keel_fail(why, KEEL_E_ARGUMENT, "a control needs a bag and a command");
    if (bag->incarnation != keel_process_incarnation())
        return keel_fail(why, KEEL_E_STATE, "the bag was opened before a fork");
    if (!size)
        answer = NULL;
    if (answer)
        *answer = '\0';
    status = keel_bag_tree_control(&bag->tree, path, command, answer, size, why);
    return status == KEEL_OK ? keel_succeed(why) : status;
}

keel_status keel_bag_look(const keel_bag *bag, keel_bag_abilities *abilities)
{
    size_t size;

    if (!bag || !abilities || abilities->size < sizeof abilities->size)
        return KEEL_E_ARGUMENT;
    size = abilities->size < sizeof *abilities ? abilities->size : sizeof *abilities;
    memcpy(abilities, &bag->root.abilities, size);
    abilities->size = size;
    return KEEL_OK;
}
