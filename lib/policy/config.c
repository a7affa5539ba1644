/* SPDX-License-Identifier: MIT */
/*
 * The settings of a process. Keeps what was read, knows which names were claimed, and
 * lays the layers of one name over one another on demand. The caller lets one thread in
 * at a time.
 */
#include "policy/config.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "policy/config_environment.h"
#include "policy/config_file.h"
#include "policy/resolve.h"

typedef struct claim {
    struct claim *next;
    keel_folded folded;
    char name[KEEL_NAME_MAX + 1];
} claim;

struct keel_config {
    const keel_allocator *memory;
    keel_warnings *warnings;
    keel_finding_listener listener;
    keel_process_settings process;
    keel_named_texts variables;
    char *path;           /* NULL: no file is named */
    const char *named_by; /* static: the variable that names it; NULL: the caller did */
    keel_named_texts file;
    bool is_staged;
    keel_named_texts staged;
    claim *claims;
    size_t mistakes;
    /* since the last stage was begun */
    size_t warnings_before;
    size_t told;
    char first_told[KEEL_WARNING_SIZE];
    char path_shown[KEEL_CONFIG_PATH_SIZE];
};

static keel_report new_report(const keel_config *config)
{
    return (keel_report){ .warnings = config->warnings,
                          .listener = config->listener,
                          .subject = "",
                          .is_strict = config->process.strict,
                          .anew = config->is_staged ? config->path_shown : NULL,
                          .since = config->warnings_before };
}

/* Ends a piece of work: counts its mistakes and says whether strict mode minds. */
static keel_status conclude(keel_config *config, const keel_report *report,
                            keel_detail *why)
{
    config->mistakes += report->mistakes;
    if (!config->told)
        memcpy(config->first_told, report->first_told, sizeof config->first_told);
    config->told += report->told;
    return keel_report_verdict(report, config->process.strict, why);
}

static keel_status no_memory(keel_detail *why)
{
    return keel_fail(why, KEEL_E_NOMEM, "settings: out of memory");
}

/* ---- open and close ------------------------------------------------------------- */

static void check_defaults(const keel_config *config, keel_report *report)
{
    for (const keel_named_text *entry = config->variables.first; entry;
         entry = entry->next)
        if (keel_named_text_is_default(entry))
            keel_named_text_check(
                entry, entry->is_key ? KEEL_LAYER_DEFAULT_KEY : KEEL_LAYER_DEFAULT,
                config->process.chaos_allowed, report);
}

static keel_status read_environment(keel_config *config, const char *const *environment,
                                    keel_report *report)
{
    keel_environment read = { .entries = { .memory = config->memory } };
    keel_status status = keel_environment_read(&read, environment, report);

    config->variables = read.entries;
    config->process = read.process;
    if (status || !read.config_file)
        return status;
    config->named_by = KEEL_PREFIX "CONFIG_FILE";
    config->path = keel_memory_copy(config->memory, read.config_file);
    return config->path ? KEEL_OK : KEEL_E_NOMEM;
}

static keel_status read_file(const keel_config *config, keel_named_texts *entries,
                             keel_report *report)
{
    return keel_config_file_read(entries, config->path, config->named_by,
                                 config->process.chaos_allowed, report);
}

static keel_status read_all(keel_config *config, const char *const *environment,
                            keel_report *report)
{
    keel_status status = read_environment(config, environment, report);

    if (status)
        return status;
    check_defaults(config, report);
    if (!config->path)
        return KEEL_OK;
    status = read_file(config, &config->file, report);
    /* a missing file is a mistake like any other: reported, and not the end */
    return status == KEEL_E_CONFIG ? KEEL_OK : status;
}

keel_status keel_config_open_listened(keel_config **out, const keel_allocator *memory,
                                      keel_warnings *warnings,
                                      const keel_finding_listener *listener,
                                      const char *const *environment, keel_detail *why)
{
    keel_config *config = keel_memory_new(memory, sizeof *config);
    keel_report report;
    keel_status status;

    *out = NULL;
    if (!config)
        return no_memory(why);
    config->memory = memory;
    config->warnings = warnings;
    config->listener = *listener;
    config->file.memory = config->staged.memory = memory;
    report = new_report(config);
    status = read_all(config, environment, &report);
    status = status ? no_memory(why) : conclude(config, &report, why);
    if (status)
        keel_config_close(config);
    else
        *out = config;
    return status;
}

keel_status keel_config_open(keel_config **out, const keel_allocator *memory,
                             keel_warnings *warnings, const char *const *environment,
                             keel_detail *why)
{
    static const keel_finding_listener nobody = { NULL, NULL };

    return keel_config_open_listened(out, memory, warnings, &nobody, environment, why);
}

keel_status keel_config_use_file(keel_config *config, const char *path,
                                 keel_detail *why)
{
    keel_report report = new_report(config);
    char *copy = keel_memory_copy(config->memory, path);
    keel_status status;

    if (!copy)
        return no_memory(why);
    keel_memory_free(config->memory, config->path);
    config->path = copy;
    config->named_by = NULL;
    keel_named_texts_cleanup(&config->file);
    status = read_file(config, &config->file, &report);
    if (status == KEEL_E_NOMEM)
        return no_memory(why);
    return conclude(config, &report, why);
}

void keel_config_close(keel_config *config)
{
    if (!config)
        return;
    while (config->claims) {
        claim *next = config->claims->next;

        keel_memory_free(config->memory, config->claims);
        config->claims = next;
    }
    keel_named_texts_cleanup(&config->staged);
    keel_named_texts_cleanup(&config->file);
    keel_named_texts_cleanup(&config->variables);
    keel_memory_free(config->memory, config->path);
    keel_memory_free(config->memory, config);
}

const keel_process_settings *keel_config_process(const keel_config *config)
{
    return &config->process;
}

size_t keel_config_mistakes(const keel_config *config)
{
    return config->mistakes;
}

/* ---- names ---------------------------------------------------------------------- */

static const claim *find_claim(const keel_config *config, const char *folded)
{
    for (const claim *known = config->claims; known; known = known->next)
        if (!strcmp(known->folded, folded))
            return known;
    return NULL;
}

static keel_status check_name(const char *name, const char *folded, keel_detail *why)
{
    char quoted[KEEL_QUOTE_SIZE];

    if (!keel_name_is_valid(name))
        return keel_failf(why, KEEL_E_CONFIG,
                          "%s is no name for a pipeline: lower-case words of letters "
                          "and digits, joined by \"-\", \".\" or \"_\", 64 bytes at "
                          "most",
                          keel_quote(quoted, keel_text_of(name)));
    if (keel_name_is_reserved(folded))
        return keel_failf(why, KEEL_E_CONFIG,
                          "\"%s\" is no name for a pipeline: its first word is kept "
                          "for keel's own variables",
                          name);
    return KEEL_OK;
}

keel_status keel_config_claim(keel_config *config, const char *name, keel_detail *why)
{
    keel_folded folded;
    const claim *known;
    claim *added;
    keel_status status;

    keel_name_fold(folded, keel_text_of(name));
    status = check_name(name, folded, why);
    if (status)
        return status;
    known = find_claim(config, folded);
    if (known && strcmp(known->name, name) != 0)
        return keel_failf(why, KEEL_E_CONFIG,
                          "\"%s\" and \"%s\" share one variable, KEEL_%s", name,
                          known->name, folded);
    if (known)
        return keel_succeed(why);
    added = keel_memory_new(config->memory, sizeof *added);
    if (!added)
        return no_memory(why);
    memcpy(added->folded, folded, sizeof added->folded);
    memcpy(added->name, name, strlen(name));
    added->next = config->claims;
    config->claims = added;
    return keel_succeed(why);
}

/* ---- resolving ------------------------------------------------------------------ */

/* One look over all sources of a name, from low to high. */
typedef struct tour {
    const keel_config *config;
    const keel_source *code; /* NULL: none */
    const keel_source *override;
    keel_folded folded;
    char subject[KEEL_NAME_MAX + 3]; /* "payments: " */
    keel_layers *layers;
    keel_report *report; /* NULL: only the preset is looked for */
} tour;

static void visit(const tour *t, const keel_source *source)
{
    bool is_own =
        source->layer == KEEL_LAYER_CODE || source->layer == KEEL_LAYER_OVERRIDE;

    if (!t->report) {
        keel_layers_find_preset(t->layers, source);
        return;
    }
    t->report->subject = is_own ? t->subject : "";
    keel_layers_lay(t->layers, source, t->report);
}

static void visit_entries(const tour *t, const keel_named_texts *entries,
                          const char *name, bool is_key, keel_layer layer)
{
    for (const keel_named_text *entry = entries->first; entry; entry = entry->next) {
        keel_source source = keel_named_text_source(entry, layer);

        if (entry->is_key != is_key || strcmp(entry->name, name) != 0)
            continue;
        if (is_key && !entry->key)
            keel_named_text_check(entry, layer, t->config->process.chaos_allowed,
                                  t->report);
        else
            visit(t, &source);
    }
}

static void visit_all(const tour *t)
{
    const keel_config *config = t->config;
    const keel_named_texts *file = config->is_staged ? &config->staged : &config->file;
    const keel_named_texts *variables = &config->variables;

    if (t->code)
        visit(t, t->code);
    visit_entries(t, file, KEEL_DEFAULT_NAME, false, KEEL_LAYER_FILE_DEFAULT);
    visit_entries(t, file, t->folded, false, KEEL_LAYER_FILE);
    visit_entries(t, variables, KEEL_DEFAULT_NAME, false, KEEL_LAYER_DEFAULT);
    visit_entries(t, variables, KEEL_DEFAULT_NAME, true, KEEL_LAYER_DEFAULT_KEY);
    visit_entries(t, variables, t->folded, false, KEEL_LAYER_NAME);
    visit_entries(t, variables, t->folded, true, KEEL_LAYER_NAME_KEY);
    if (t->override)
        visit(t, t->override);
}

static void settle(tour *t, keel_report *report)
{
    visit_all(t);
    keel_layers_begin(t->layers);
    t->report = report;
    visit_all(t);
    report->subject = t->subject;
    keel_layers_end(t->layers, t->code, report);
}

#define OVERRIDE_WHERE "override"

/* Lays all layers of a name over one another. text, override_text may be NULL. */
static void lay_all(const keel_config *config, const char *name, const char *code,
                    const char *override_text, keel_layers *layers, keel_policy *out,
                    keel_report *report)
{
    keel_source code_source = { KEEL_LAYER_CODE, "code", code, 1, NULL };
    keel_source override_source = { KEEL_LAYER_OVERRIDE, OVERRIDE_WHERE, override_text,
                                    1, NULL };
    tour t = { .config = config, .layers = layers };

    *layers = (keel_layers){ .chaos_allowed = config->process.chaos_allowed };
    t.code = code ? &code_source : NULL;
    t.override = override_text ? &override_source : NULL;
    keel_name_fold(t.folded, keel_text_of(name));
    snprintf(t.subject, sizeof t.subject, "%.*s: ", KEEL_NAME_MAX,
             *name ? name : KEEL_DEFAULT_NAME);
    settle(&t, report);
    keel_resolve(layers, out);
    keel_lint(layers, out, report);
    report->subject = "";
}

keel_status keel_config_resolve(keel_config *config, const char *name, const char *code,
                                const char *override_text, keel_policy *out,
                                keel_explanation *explanation, keel_detail *why)
{
    keel_layers layers;
    keel_report report = new_report(config);
    keel_status status;

    lay_all(config, name, code, override_text, &layers, out, &report);
    status = conclude(config, &report, why);
    if (status || !explanation)
        return status;
    return keel_explain(&layers, config->memory, explanation) ? no_memory(why)
                                                              : KEEL_OK;
}

keel_status keel_config_check_override(const keel_config *config, const char *name,
                                       const char *code, const char *text,
                                       keel_detail *why)
{
    keel_layers layers;
    keel_policy policy;
    keel_report report = { .subject = "", .only = OVERRIDE_WHERE };

    lay_all(config, name, code, text, &layers, &policy, &report);
    return keel_report_verdict(&report, true, why);
}

/* ---- what nobody claimed -------------------------------------------------------- */

static const char *nearest_name(const keel_config *config, const char *folded)
{
    for (const claim *known = config->claims; known; known = known->next)
        if (keel_name_is_near(keel_text_of(folded), keel_text_of(known->folded)))
            return known->folded;
    return keel_name_is_near(keel_text_of(folded), keel_text_of(KEEL_DEFAULT_NAME))
               ? KEEL_DEFAULT_NAME
               : NULL;
}

static bool is_accounted_for(const keel_config *config, const keel_named_text *entry)
{
    return keel_named_text_is_default(entry) || entry->is_link ||
           find_claim(config, entry->name);
}

/* "PAYMENTS_" and "" may stand before a key, "_" and "A__" may not. */
static bool is_name_before_key(const char *name, size_t length)
{
    return !length ||
           (length > 1 && name[length - 1] == '_' && name[length - 2] != '_');
}

/* The key that a name ends in, the longest one if there are two. NULL: none. */
static const keel_key *key_at_end(const char *name, size_t *begin)
{
    for (*begin = 0; name[*begin]; (*begin)++) {
        const keel_key *key = keel_key_find_folded(keel_text_of(name + *begin));

        if (key && is_name_before_key(name, *begin))
            return key;
    }
    return NULL;
}

/* KEEL_PAYMENTS_TIMEOUT, and KEEL_TIMEOUT. */
static bool tell_of_one_underscore(const keel_named_text *entry, keel_report *report)
{
    size_t begin;
    bool is_alone;

    if (entry->is_key || !key_at_end(entry->name, &begin))
        return false;
    is_alone = begin == 0;
    keel_report_ignored(
        report, (keel_spot){ entry->where, 0 },
        "no pipeline is called %s, did you mean " KEEL_PREFIX
        "%.*s__%s (two underscores)?",
        entry->name, is_alone ? (int)strlen(KEEL_DEFAULT_NAME) : (int)begin - 1,
        is_alone ? KEEL_DEFAULT_NAME : entry->name, entry->name + begin);
    return true;
}

static void tell_of_nobodys(const keel_config *config, const keel_named_text *entry,
                            bool is_variable, keel_report *report)
{
    keel_spot spot = { entry->where, 0 };
    const char *near = nearest_name(config, entry->name);

    if (!near && is_variable && tell_of_one_underscore(entry, report))
        return;
    if (!near && is_variable && !entry->is_key)
        near = keel_environment_nearest(entry->where);
    if (near)
        keel_report_ignored(report, spot, "no pipeline is called %s, did you mean %s?",
                            entry->name, near);
    else
        keel_report_ignored(report, spot, "no pipeline is called %s", entry->name);
}

static void warn_of_unclaimed(const keel_config *config,
                              const keel_named_texts *entries, keel_report *report)
{
    for (const keel_named_text *entry = entries->first; entry; entry = entry->next)
        if (!is_accounted_for(config, entry))
            tell_of_nobodys(config, entry, entries == &config->variables, report);
}

void keel_config_warn_of_slips(keel_config *config, const char *name)
{
    const keel_named_text *entry = config->variables.first;
    keel_report report = new_report(config);
    keel_folded folded;
    size_t length, begin;

    keel_name_fold(folded, keel_text_of(name));
    length = strlen(folded);
    for (; entry; entry = entry->next)
        if (!is_accounted_for(config, entry) && !strncmp(entry->name, folded, length) &&
            key_at_end(entry->name, &begin) && begin == length + 1)
            (void)tell_of_one_underscore(entry, &report);
}

keel_status keel_config_verify(keel_config *config, keel_detail *why)
{
    keel_report report = new_report(config);

    warn_of_unclaimed(config, &config->variables, &report);
    warn_of_unclaimed(config, &config->file, &report);
    return conclude(config, &report, why);
}

static bool guess_among(const keel_config *config, const keel_named_texts *entries,
                        char *name, size_t size)
{
    for (const keel_named_text *entry = entries->first; entry; entry = entry->next) {
        if (is_accounted_for(config, entry) ||
            !(entry->is_key || keel_text_reads_as_settings(entry->text)))
            continue;
        keel_lower_case(name, size, entry->name); /* it folds back to that */
        if (keel_name_is_valid(name) && !keel_name_is_reserved(entry->name))
            return true;
    }
    return false;
}

bool keel_config_guess_name(const keel_config *config, char *name, size_t size)
{
    return guess_among(config, &config->variables, name, size) ||
           guess_among(config, &config->file, name, size);
}

/* ---- reload --------------------------------------------------------------------- */

keel_status keel_config_stage(keel_config *config, keel_detail *why)
{
    keel_report report;
    keel_status status;

    config->told = 0;
    if (!config->path)
        return keel_succeed(why);
    config->warnings_before = keel_warnings_total(config->warnings);
    keel_config_file_shown(config->path_shown, config->path);
    config->is_staged = true;
    report = new_report(config);
    status = read_file(config, &config->staged, &report);
    if (status == KEEL_E_CONFIG)
        keel_failf(why, status, "%s", report.first);
    else
        status = status ? no_memory(why) : conclude(config, &report, why);
    if (status)
        keel_config_drop(config);
    return status;
}

keel_status keel_config_tell_reload(const keel_config *config, keel_detail *why)
{
    if (!config->path)
        return keel_failf(why, KEEL_OK,
                          "nothing to read: " KEEL_PREFIX
                          "CONFIG_FILE named no file when the runtime was opened");
    if (!config->told)
        return keel_failf(why, KEEL_OK, "reloaded");
    return keel_failf(why, KEEL_OK, "reloaded; %zu mistake%s: %s", config->told,
                      config->told == 1 ? "" : "s, the first", config->first_told);
}

void keel_config_drop(keel_config *config)
{
    keel_named_texts_cleanup(&config->staged);
    config->is_staged = false;
}

void keel_config_commit(keel_config *config)
{
    if (config->is_staged) {
        keel_named_texts_cleanup(&config->file);
        config->file = config->staged;
        config->staged = (keel_named_texts){ .memory = config->memory };
        config->is_staged = false;
    }
    keel_config_verify(config, NULL);
}
