/* SPDX-License-Identifier: MIT */
/*
 * The settings of a process: environment and configuration file, read once, laid over
 * one another in the order of keel-settings(5) and resolved into a keel_policy for each
 * pipeline. Knows nothing of pipelines themselves.
 */
#ifndef KEEL_SETTINGS_CONFIG_H
#define KEEL_SETTINGS_CONFIG_H

#include <keel/runtime.h>

#include "settings/policy.h"
#include "settings/report.h"

/* What the names of keel's variables begin with. */
#define KEEL_PREFIX "KEEL_"

typedef struct keel_config keel_config;

/*
 * The process-wide variables; fixed for the life of a runtime, and their texts with it.
 *
 * log_level   a keel_log_level, -1: not named
 * board       an absolute path; NULL: none
 * redis       the text as given, not looked at but for a password: it may hold one, so
 *             it is never printed. NULL: none
 * redis_password_file  a path, NULL: none
 * plugin_path absolute paths, cut by ":"; NULL: none
 */
typedef struct keel_process_settings {
    bool strict;
    bool disabled;
    bool chaos_allowed;
    int log_level;
    const char *board;
    const char *redis;
    const char *redis_password_file;
    uint64_t redis_timeout_ns;
    const char *plugin_path;
    const char *notify_socket; /* systemd's, not keel's own; NULL: none */
    const char *name_space;    /* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
} keel_process_settings;

/*
 * environment  NULL-terminated "NAME=value" strings; only KEEL_* are looked at; copied
 * warnings     borrowed; receives what is wrong
 * Returns      KEEL_OK, KEEL_E_NOMEM, KEEL_E_CONFIG (strict mode)
 */
keel_status keel_config_open(keel_config **out, const keel_allocator *memory,
                             keel_warnings *warnings, const char *const *environment,
                             keel_detail *why);
void keel_config_close(keel_config *config);

const keel_process_settings *keel_config_process(const keel_config *config);

/*
 * Checks a pipeline's name and claims its variables.
 * Returns  KEEL_OK, also for a name claimed before; KEEL_E_CONFIG: bad name, reserved
 *          first word, or it folds to another name's variable; KEEL_E_NOMEM
 */
keel_status keel_config_claim(keel_config *config, const char *name, keel_detail *why);

/*
 * The text of a variable that is no pipeline's (KEEL_BAG_SESSIONS), which claims it; NULL:
 * it is not set. Lives as long as the configuration.
 */
const char *keel_config_variable(keel_config *config, const char *name);
/* The same of one that a spec names for a secret: it is no bag's, whatever its name. */
const char *keel_config_secret(keel_config *config, const char *name);

/* Who had the last word on a key: filled for `keel config explain`. */
typedef struct keel_origin {
    const char *key;   /* static: the table's */
    const char *layer; /* static: "built-in", "preset", "code", "file default", … */
    char value[64];    /* the effective value as settings text, "off" where off */
    char source[96];   /* "KEEL_PAYMENTS col 18", "preset careful", "" for built-in */
    char note[160];    /* why a higher-looking wish did not hold; "" mostly */
} keel_origin;

typedef struct keel_explanation {
    char preset[16];
    size_t count;
    keel_origin *origins; /* one per key, in the table's order; keel_explanation_free */
} keel_explanation;
void keel_explanation_free(const keel_allocator *memory, keel_explanation *explanation);

/*
 * Resolves what a claimed name's settings come to.
 *
 * name          "": what the defaults come to, for a pipeline with nothing of its own
 * code          the author's text with fences, may be NULL
 * override_text the run-time override, may be NULL
 * out           filled on KEEL_OK
 * explanation   filled when not NULL
 * Returns  KEEL_OK; what is wrong in a layer is warned of and that layer's value
 *          skipped
 *          KEEL_E_CONFIG  strict mode and something is wrong (lint never is)
 *          KEEL_E_NOMEM
 */
keel_status keel_config_resolve(keel_config *config, const char *name, const char *code,
                                const char *override_text, keel_policy *out,
                                keel_explanation *explanation, keel_detail *why);

/*
 * Whether an override can be followed to the letter where it would lie: over the layers
 * of that name, under the fences in its code.
 * Returns  KEEL_OK, also for what only makes no sense
 *          KEEL_E_CONFIG  something in the text would be passed over or clamped; why
 *                         says column, text read and what is allowed
 */
keel_status keel_config_check_override(const keel_config *config, const char *name,
                                       const char *code, const char *text,
                                       keel_detail *why);

/*
 * Reads KEEL_CONFIG_FILE anew into a staged copy which keel_config_resolve then uses,
 * until it is committed or dropped. One stage at a time. No file named: KEEL_OK.
 * Returns  KEEL_OK, KEEL_E_NOMEM, KEEL_E_CONFIG (unreadable, or strict and wrong)
 */
keel_status keel_config_stage(keel_config *config, keel_detail *why);
void keel_config_commit(keel_config *config);
void keel_config_drop(keel_config *config);

/* What came of the reload that was just committed, as a sentence. Returns KEEL_OK. */
keel_status keel_config_tell_reload(const keel_config *config, keel_detail *why);

/* Warns of the KEEL_ variables and file lines nobody claimed, each once. KEEL_E_CONFIG
 * in strict mode. */
keel_status keel_config_verify(keel_config *config, keel_detail *why);

/*
 * Lets a later room look at what the process-wide variables name, and report what is wrong.
 * KEEL_OK, KEEL_E_CONFIG (strict and wrong)
 */
typedef void keel_process_check_fn(const keel_process_settings *process,
                                   keel_report *report);
keel_status keel_config_check_process(keel_config *config, keel_process_check_fn *check,
                                      keel_detail *why);

/* The same for what a later room has read of the configuration itself. */
typedef void keel_config_look_fn(keel_report *report, void *ctx);
keel_status keel_config_look_over(keel_config *config, keel_config_look_fn *look,
                                  void *ctx, keel_detail *why);

/* For `keel config`, which knows no pipeline and no bag. */

/* As keel_config_open; listener hears of all that is found, also by what follows. */
keel_status keel_config_open_listened(keel_config **out, const keel_allocator *memory,
                                      keel_warnings *warnings,
                                      const keel_finding_listener *listener,
                                      const char *const *environment, keel_detail *why);

/*
 * Reads the file at path in place of the one that KEEL_CONFIG_FILE names. One that
 * cannot be read is a mistake which names the path.
 * Returns  KEEL_OK, KEEL_E_NOMEM, KEEL_E_CONFIG (strict and wrong)
 */
keel_status keel_config_use_file(keel_config *config, const char *path,
                                 keel_detail *why);

/* Warns of KEEL_NAME_KEY where KEEL_NAME__KEY was most likely meant. */
void keel_config_warn_of_slips(keel_config *config, const char *name);

/* How many mistakes were found so far; lint is none. */
size_t keel_config_mistakes(const keel_config *config);

/* A name that nobody claimed and whose settings read like settings; false: no more. */
bool keel_config_guess_name(const keel_config *config, char *name, size_t size);

/*
 * Each bag that has a variable, from 0 on; "": what is called like one is a secret; false:
 * there are no more.
 */
bool keel_config_bag_at(const keel_config *config, size_t number, char *name,
                        size_t size);

#endif
