/* SPDX-License-Identifier: MIT */
/* Checking specs. Not for what their grammar is, nor for what is doubtful in them. */
#include "bag/check.h"

#include "bag/lint.h"
#include "bag/registry.h"
#include "bag/tree.h"
#include "bag/wrap/hedge.h"
#include "bag/wrap/resilient.h"
#include "base/detail.h"

typedef struct look {
    keel_bag_tree tree;
    keel_status status; /* of reading it */
    keel_detail why;
} look;

static keel_spot spot_of(const look *l, const keel_bag_spot *spot)
{
    return (keel_spot){ *spot->variable ? spot->variable : l->tree.bag, spot->column };
}

static void tell(keel_report *report, void *ctx)
{
    look *l = ctx;

    if (l->status == KEEL_OK)
        keel_bag_lint(&l->tree, report);
    else
        keel_report_mistake(report, spot_of(l, &l->tree.wrong), "%s", l->why.text);
}

/* ---- pipelines ----------------------------------------------------------------------- */

/* One that cannot be opened. */
static void tell_of_pipeline(keel_report *report, void *ctx)
{
    const look *l = ctx;

    keel_report_mistake(report, spot_of(l, &l->tree.wrong), "%s", l->why.text);
}

static keel_status claim(look *l, const keel_bag_setup *setup,
                         char name[KEEL_OWN_PIPELINE_NAME_SIZE])
{
    if (!keel_own_pipeline_name(name, setup))
        return keel_failf(&l->why, KEEL_E_CONFIG,
                          "%s: the pipeline's name would be too long: name one",
                          setup->path);
    return keel_config_claim(l->tree.config, name, &l->why);
}

typedef void settings_fn(char settings[KEEL_OWN_PIPELINE_SETTINGS_SIZE],
                         const keel_bag_setup *setup);

/* What a decorator makes of its options; NULL: it has no pipeline. */
static settings_fn *settings_of(const keel_bag_ops *ops)
{
    if (ops == &keel_wrap_resilient)
        return keel_resilient_settings;
    return ops == &keel_wrap_hedge ? keel_hedge_settings : NULL;
}

/* What is wrong with its settings is told by who resolves them. */
static keel_status check_pipeline(look *l, const keel_bag_node *node,
                                  settings_fn *settings_of_node)
{
    char name[KEEL_OWN_PIPELINE_NAME_SIZE], settings[KEEL_OWN_PIPELINE_SETTINGS_SIZE];
    keel_status status = claim(l, &node->setup, name);
    keel_policy policy;

    if (status == KEEL_OK && node->self.ops == &keel_wrap_hedge)
        status = keel_hedge_check(&node->setup, &l->why);
    if (status == KEEL_E_CONFIG) {
        l->tree.wrong = node->spot;
        (void)keel_config_look_over(l->tree.config, tell_of_pipeline, l, NULL);
    }
    if (status != KEEL_OK)
        return status;
    settings_of_node(settings, &node->setup);
    return keel_config_resolve(l->tree.config, name, settings, NULL, &policy, NULL,
                               &l->why);
}

static keel_status check_pipelines(look *l, const keel_bag_node *node)
{
    settings_fn *settings_of_node = settings_of(node->self.ops);
    keel_status status = KEEL_OK;

    if (settings_of_node)
        status = check_pipeline(l, node, settings_of_node);
    for (size_t i = 0; i < node->setup.child_count && status != KEEL_E_NOMEM; i++)
        status = check_pipelines(l, node->parts[i]);
    return status;
}

/* ---- bags ---------------------------------------------------------------------------- */

keel_status keel_bag_find_secrets(keel_config *config, const keel_allocator *memory,
                                  const char *bag, keel_detail *why)
{
    keel_bag_tree tree = { .config = config, .memory = memory, .bag = bag };
    keel_detail said = KEEL_DETAIL_INIT;
    keel_status status = keel_bag_tree_read(&tree, NULL, &said);

    keel_bag_tree_close(&tree);
    if (status == KEEL_E_NOMEM)
        return keel_fail(why, status, "out of memory");
    return keel_succeed(why);
}

keel_status keel_bag_check(keel_config *config, const keel_allocator *memory,
                           const char *bag, const char *spec, keel_detail *why)
{
    look l = { .tree = { .config = config, .memory = memory, .bag = bag },
               .why = KEEL_DETAIL_INIT };
    keel_status status;

    l.status = keel_bag_tree_read(&l.tree, spec, &l.why);
    if (l.status != KEEL_E_NOMEM)
        (void)keel_config_look_over(config, tell, &l, NULL);
    status = l.status;
    if (status == KEEL_OK)
        status = check_pipelines(&l, l.tree.root);
    keel_bag_tree_close(&l.tree);
    if (status == KEEL_E_NOMEM)
        return keel_fail(why, status, "out of memory");
    return keel_succeed(why);
}
