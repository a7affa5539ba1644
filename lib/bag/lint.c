/* SPDX-License-Identifier: MIT */
/*
 * Trees whose parts are sound one by one and make no sense together. Only what stands in
 * the spec is told of: nobody can act on a doubt about our own defaults. Knows keel's own
 * stores and decorators, and nothing of plugins.
 */
#include "bag/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bag/registry.h"

/*
 * What stands above a part.
 *
 * pipeline  the nearest that tries again; NULL: none does
 * cache     the nearest that this part is the source of
 * keeper    the nearest cache or failover that has nothing but this part to rely on
 * is_copy   of what is elsewhere too: a cache, a standby
 * giver     who gives it the least time, in the spec's own words, and how much
 * is_guarded  something bounds how long it may take, and leaves it alone once it fails
 */
typedef struct above {
    const keel_bag_node *pipeline;
    const keel_bag_node *cache;
    const keel_bag_node *keeper;
    const keel_bag_node *giver;
    uint64_t given_ns;
    bool is_copy;
    bool is_guarded;
} above;

typedef struct lint {
    const keel_bag_tree *tree;
    keel_report *report;
} lint;

static void __attribute__((format(printf, 3, 4)))
say(const lint *l, const keel_bag_node *node, const char *format, ...)
{
    const char *variable = node->spot.variable;
    char sentence[KEEL_WARNING_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    keel_report_lint(
        l->report,
        (keel_spot){ *variable ? variable : l->tree->bag, node->spot.column }, "%s",
        sentence);
}

/* ---- what a part is ------------------------------------------------------------------ */

static bool is(const keel_bag_node *node, const keel_bag_ops *ops)
{
    return node->self.ops == ops;
}

static bool is_store(const keel_bag_node *node)
{
    return !node->self.ops->roles;
}

/* By its table's name for it; all zero: it has no such option. */
static keel_bag_value value_of(const keel_bag_node *node, const char *name)
{
    const keel_bag_option *o = node->self.ops->options;

    for (size_t i = 0; o && o[i].name; i++)
        if (strcmp(o[i].name, name) == 0)
            return node->options.values[i];
    return (keel_bag_value){ .is_given = false };
}

/* Of a pipeline's settings; false: it is not named. */
static bool find_setting(const keel_bag_node *node, const char *name, keel_text *value)
{
    keel_text rest = keel_text_of(node->options.settings), one, key, text;
    bool is_found = false;

    while (keel_text_next(&rest, ";", &one)) {
        if (!keel_text_split(one, "=", &key, &text) ||
            !keel_text_is(keel_text_trim(key), name))
            continue;
        *value = keel_text_trim(text);
        is_found = true; /* the last one holds */
    }
    return is_found;
}

static bool is_off(keel_text value)
{
    return keel_text_is(value, "off") || keel_text_is(value, "0");
}

static bool has_preset_none(const keel_bag_node *node)
{
    keel_bag_value preset = value_of(node, "preset");

    return preset.is_given && preset.number == 0;
}

static bool retries(const keel_bag_node *node)
{
    keel_text value;

    if (!is(node, &keel_wrap_resilient) && !is(node, &keel_wrap_hedge))
        return false;
    if (find_setting(node, "retry.attempts", &value))
        return !is_off(value) && !keel_text_is(value, "1");
    return is(node, &keel_wrap_resilient) && !has_preset_none(node);
}

static bool has_timeout(const keel_bag_node *node)
{
    keel_text value;

    return find_setting(node, "timeout", &value) ? !is_off(value)
                                                 : !has_preset_none(node);
}

/* That it gives what is inside for one answer; false: its spec says nothing of it. */
static bool find_timeout(const keel_bag_node *node, uint64_t *ns)
{
    keel_bag_value option;
    keel_text text;

    if (is(node, &keel_wrap_resilient) || is(node, &keel_wrap_hedge))
        return find_setting(node, "timeout", &text) &&
               keel_parse_duration(text, ns) == KEEL_PARSE_OK && *ns > 0;
    option = value_of(node, "timeout");
    *ns = option.number;
    return option.is_given &&
           (is(node, &keel_wrap_failover) || is(node, &keel_wrap_cache));
}

/* Where the items are that such a bag answers for. */
static const keel_bag_node *store_of(const keel_bag_node *node)
{
    while (!is_store(node))
        node = node->parts[is(node, &keel_wrap_cache) ? 1 : 0];
    return node;
}

static bool is_in_process(const keel_bag_node *store)
{
    return is(store, &keel_store_memory);
}

static bool is_remote(const keel_bag_node *store)
{
    return !is_in_process(store) && !is(store, &keel_store_file) && *store->setup.host;
}

static bool are_in_one_place(const keel_bag_node *a, const keel_bag_node *b)
{
    return !is_in_process(a) && strcmp(a->url.plain, b->url.plain) == 0;
}

/* What stands behind "?" may keep their items apart: a prefix, the number of a database. */
static bool are_same(const keel_bag_node *a, const keel_bag_node *b)
{
    return are_in_one_place(a, b) &&
           strcmp(a->written ? a->written : "", b->written ? b->written : "") == 0;
}

/* ---- one part ------------------------------------------------------------------------ */

static void look_at_store(const lint *l, const keel_bag_node *store, const above *a)
{
    bool forgets = is_in_process(store) || is(store, &keel_store_memcached);

    if (*store->setup.password)
        say(l, store,
            "the password of %s stands in its URL, where whoever sees the spec reads "
            "it: password_file or password_env names a place for it",
            store->path);
    if (forgets && a->keeper && !a->is_copy)
        say(l, store, "%s forgets, and %s has no other copy of what is in it",
            store->path, a->keeper->path);
    if (is_remote(store) && !a->is_guarded)
        say(l, store,
            "%s is a server, and nothing gives it a timeout and leaves it alone once "
            "it fails, as resilient{timeout=...} does",
            store->path);
}

/* What gets less time than it gives others never uses its own up. */
static void look_at_timeout(const lint *l, const keel_bag_node *node, const above *a)
{
    char own[32], given[32];
    uint64_t ns;

    if (!a->giver || !find_timeout(node, &ns) || is(node, &keel_wrap_cache))
        return;
    if (ns < a->given_ns || (ns == a->given_ns && !is(node, &keel_wrap_failover)))
        return;
    keel_write_duration(own, sizeof own, ns);
    keel_write_duration(given, sizeof given, a->given_ns);
    say(l, node, "%s has timeout=%s, and %s leaves it %s%s", node->path, own,
        a->giver->path, given,
        is(node, &keel_wrap_failover) ? ": no child but the first is ever asked" : "");
}

static void look_at_resilient(const lint *l, const keel_bag_node *node, const above *a)
{
    if (retries(node) && !has_timeout(node))
        say(l, node,
            "%s tries again and has no timeout: its first attempt may take "
            "all the time there is",
            node->path);
    if (retries(node) && a->pipeline)
        say(l, node, "%s tries again, and so does %s: their attempts multiply",
            node->path, a->pipeline->path);
}

static void look_at_cache(const lint *l, const keel_bag_node *node, const above *a)
{
    const keel_bag_node *own = store_of(node->parts[0]),
                        *source = store_of(node->parts[1]);
    uint64_t ttl_ns = value_of(node, "ttl").number;
    char inner[32], outer[32];

    if (are_same(own, source))
        say(l, node, "%s and %s are one store: they would overwrite each other's items",
            own->path, source->path);
    if (!a->cache || ttl_ns <= value_of(a->cache, "ttl").number)
        return;
    keel_write_duration(inner, sizeof inner, ttl_ns);
    keel_write_duration(outer, sizeof outer, value_of(a->cache, "ttl").number);
    say(l, node, "%s keeps items for %s: after its %s %s asks for what is no newer",
        node->path, inner, outer, a->cache->path);
}

/* And keeps it, so that it is there after a restart, unlike the knowledge of it. */
static bool keeps_writes(const keel_bag_node *node)
{
    for (; !is_store(node); node = node->parts[is(node, &keel_wrap_cache) ? 1 : 0])
        if (is(node, &keel_wrap_readonly) && value_of(node, "on").number)
            return false;
    return !is_in_process(node);
}

static void look_at_journal(const lint *l, const keel_bag_node *node)
{
    if (value_of(node, "journal").is_given)
        return;
    for (size_t i = 1; i < node->setup.child_count; i++)
        if (keeps_writes(node->parts[i])) {
            say(l, node,
                "%s has no journal: after a restart nobody carries back what %s has "
                "taken",
                node->path, node->parts[i]->path);
            return;
        }
}

static void look_at_failover(const lint *l, const keel_bag_node *node)
{
    look_at_journal(l, node);
    for (size_t i = 1; i < node->setup.child_count; i++)
        for (size_t j = 0; j < i; j++) {
            const keel_bag_node *late = store_of(node->parts[i]),
                                *early = store_of(node->parts[j]);

            if (are_in_one_place(late, early))
                say(l, late, "%s and %s are in one place, which is away for both",
                    early->path, late->path);
        }
}

/* A copy gains nothing where nobody is waited for. */
static void look_at_hedge(const lint *l, const keel_bag_node *node)
{
    if (is_in_process(node->parts[0]))
        say(l, node->parts[0], "%s is the process's own memory: it has no slow reads",
            node->parts[0]->path);
}

/* ---- options that others take all effect from ---------------------------------------- */

/* is: the number that the option has to have; ANY: given at all */
#define ANY UINT64_MAX

static const struct {
    const keel_bag_ops *ops;
    const char *option;
    uint64_t is;
    const char *other; /* NULL: it is idle by itself */
    uint64_t other_is;
    const char *text;
} idle[] = {
    { &keel_wrap_cache, "revalidate", 1, "stale", 0,
      "revalidate=stale without stale: there is no stale item to answer with" },
    { &keel_wrap_failover, "tries", 1, NULL, 0,
      "tries=1: no child but one is ever asked" },
    { &keel_wrap_fault, "p", 0, NULL, 0, "p=0: nothing is ever struck" },
    { &keel_wrap_resilient, "lost_update_window", ANY, "set_retry", 0,
      "lost_update_window with set_retry=off: no set is repeated" },
};

static void look_at_idle(const lint *l, const keel_bag_node *node)
{
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++) {
        keel_bag_value value;

        if (!is(node, idle[i].ops))
            continue;
        value = value_of(node, idle[i].option);
        if (value.is_given && (idle[i].is == ANY || value.number == idle[i].is) &&
            (!idle[i].other ||
             value_of(node, idle[i].other).number == idle[i].other_is))
            say(l, node, "%s: %s", node->path, idle[i].text);
    }
}

/* ---- all of them --------------------------------------------------------------------- */

/* What stands above a child, given what stands above the parent. */
static above above_child(const keel_bag_node *node, size_t child, above a)
{
    bool is_cache = is(node, &keel_wrap_cache);
    bool is_failover = is(node, &keel_wrap_failover);
    bool is_hedge = is(node, &keel_wrap_hedge);
    uint64_t ns;

    if (retries(node))
        a.pipeline = node;
    if (is_cache)
        a.cache = child ? node : NULL;
    if (is_cache || is_failover)
        a.keeper = node;
    a.is_copy = a.is_copy || (is_cache && child == 0) ||
                ((is_failover || is_hedge) && child > 0);
    if ((!is_cache || child == 0) && find_timeout(node, &ns) &&
        (!a.giver || ns < a.given_ns)) {
        a.giver = node;
        a.given_ns = ns;
    }
    a.is_guarded = a.is_guarded || is_failover || is(node, &keel_wrap_resilient) ||
                   (is_cache && child == 0);
    return a;
}

static void look_at(const lint *l, const keel_bag_node *node, above a)
{
    if (is_store(node))
        look_at_store(l, node, &a);
    if (is(node, &keel_wrap_resilient))
        look_at_resilient(l, node, &a);
    if (is(node, &keel_wrap_cache))
        look_at_cache(l, node, &a);
    if (is(node, &keel_wrap_failover))
        look_at_failover(l, node);
    if (is(node, &keel_wrap_hedge))
        look_at_hedge(l, node);
    look_at_timeout(l, node, &a);
    look_at_idle(l, node);
    for (size_t i = 0; i < node->setup.child_count; i++)
        look_at(l, node->parts[i], above_child(node, i, a));
}

void keel_bag_lint(const keel_bag_tree *tree, keel_report *report)
{
    const lint l = { tree, report };

    look_at(&l, tree->root, (above){ .pipeline = NULL });
}
