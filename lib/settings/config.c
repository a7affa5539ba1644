/* SPDX-License-Identifier: MIT */
/*
 * The settings of a process. Keeps what was read, knows which names were claimed, and
 * lays the layers of one name over one another on demand. The caller lets one thread in
 * at a time.
 */
#include "settings/config.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "settings/config_claims.h"
#include "settings/config_environment.h"
#include "settings/config_file.h"
#include "settings/resolve.h"

enum { PROCESS_TEXTS = 6 };

struct keel_config {
    const keel_allocator *memory;
    keel_warnings *warnings;
    keel_finding_listener listener;
    keel_process_settings process;
    char *process_texts[PROCESS_TEXTS]; /* its texts, copied */
    keel_named_texts variables;
    char *path;           /* NULL: no file is named */
    const char *named_by; /* static: the variable that names it; NULL: the caller did */
    keel_named_texts file;
    bool is_staged;
    keel_named_texts staged;
    keel_claims claims;
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

/* Copies the texts that lie in somebody else's environment. */
static keel_status own_process_texts(keel_config *config)
{
    keel_process_settings *process = &config->process;
    const char **texts[PROCESS_TEXTS] = {
        &process->board,       &process->redis,      &process->redis_password_file,
        &process->plugin_path, &process->name_space, &process->notify_socket
    };

    for (size_t i = 0; i < PROCESS_TEXTS; i++) {
        if (!*texts[i])
            continue;
        config->process_texts[i] = keel_memory_copy(config->memory, *texts[i]);
        if (!config->process_texts[i])
            return KEEL_E_NOMEM;
        *texts[i] = config->process_texts[i];
    }
    return KEEL_OK;
}

static keel_status read_environment(keel_config *config, const char *const *environment,
                                    keel_report *report)
{
    keel_environment read = { .entries = { .memory = config->memory } };
    keel_status status = keel_environment_read(&read, environment, report);

    config->variables = read.entries;
    config->process = read.process.settings;
    if (!status)
        status = own_process_texts(config);
    if (status || !read.process.config_file)
        return status;
    config->named_by = KEEL_PREFIX "CONFIG_FILE";
    config->path = keel_memory_copy(config->memory, read.process.config_file);
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
    config->claims.memory = memory;
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
    keel_claims_cleanup(&config->claims);
    keel_named_texts_cleanup(&config->staged);
    keel_named_texts_cleanup(&config->file);
    keel_named_texts_cleanup(&config->variables);
    for (size_t i = 0; i < PROCESS_TEXTS; i++)
        keel_memory_free(config->memory, config->process_texts[i]);
    keel_memory_free(config->memory, config->path);
    keel_memory_free(config->memory, config);
}

const keel_process_settings *keel_config_process(const keel_config *config)
{
    return &config->process;
}

keel_status keel_config_check_process(keel_config *config, keel_process_check_fn *check,
                                      keel_detail *why)
{
    keel_report report = new_report(config);

    check(&config->process, &report);
    return conclude(config, &report, why);
}

keel_status keel_config_look_over(keel_config *config, keel_config_look_fn *look,
                                  void *ctx, keel_detail *why)
{
    keel_report report = new_report(config);

    look(&report, ctx);
    return conclude(config, &report, why);
}

size_t keel_config_mistakes(const keel_config *config)
{
    return config->mistakes;
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

    *layers = (keel_layers){ .chaos_allowed = config->process.chaos_allowed,
                             .has_board = config->process.board != NULL,
                             .has_redis = config->process.redis != NULL };
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

/* ---- names ---------------------------------------------------------------------- */

keel_status keel_config_claim(keel_config *config, const char *name, keel_detail *why)
{
    return keel_claims_add(&config->claims, name, why);
}

static keel_named_text *claim_variable(keel_config *config, const char *name)
{
    for (keel_named_text *entry = config->variables.first; entry; entry = entry->next)
        if (!strcmp(entry->where, name)) {
            entry->is_claimed = true;
            return entry;
        }
    return NULL;
}

const char *keel_config_variable(keel_config *config, const char *name)
{
    const keel_named_text *entry = claim_variable(config, name);

    return entry ? entry->text : NULL;
}

const char *keel_config_secret(keel_config *config, const char *name)
{
    keel_named_text *entry = claim_variable(config, name);

    if (!entry)
        return NULL;
    entry->is_secret = true;
    return entry->text;
}

void keel_config_warn_of_slips(keel_config *config, const char *name)
{
    keel_report report = new_report(config);

    keel_claims_warn_of_slips(&config->claims, &config->variables, name, &report);
}

keel_status keel_config_verify(keel_config *config, keel_detail *why)
{
    keel_report report = new_report(config);

    keel_claims_warn_of_rest(&config->claims, &config->variables, true, &report);
    keel_claims_warn_of_rest(&config->claims, &config->file, false, &report);
    return conclude(config, &report, why);
}

bool keel_config_guess_name(const keel_config *config, char *name, size_t size)
{
    return keel_claims_guess(&config->claims, &config->variables, name, size) ||
           keel_claims_guess(&config->claims, &config->file, name, size);
}

/* "sessions" of KEEL_BAG_SESSIONS; false: no bag can have that variable. */
static bool name_bag(const keel_named_text *entry, char *name, size_t size)
{
    static const char begin[] = KEEL_PREFIX "BAG_";
    const char *bag = entry->where + strlen(begin);

    if (entry->is_link || strncmp(entry->where, begin, strlen(begin)) != 0 ||
        strlen(bag) > KEEL_NAME_MAX)
        return false;
    keel_lower_case(name, size, bag); /* it folds back to that */
    return keel_name_is_valid(name);
}

bool keel_config_bag_at(const keel_config *config, size_t number, char *name,
                        size_t size)
{
    for (const keel_named_text *entry = config->variables.first; entry;
         entry = entry->next)
        if (name_bag(entry, name, size) && !number--) {
            if (entry->is_secret)
                *name = '\0';
            return true;
        }
    return false;
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
