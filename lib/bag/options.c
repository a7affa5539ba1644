/* SPDX-License-Identifier: MIT */
/* Reading options by a table. Not for cutting them out of a spec or a URL. */
#include "bag/options.h"

#include <stdio.h>
#include <string.h>

#include "base/detail.h"
#include "base/memory.h"
#include "base/name.h"
#include "settings/config.h"
#include "settings/value.h"
#include "share/password_file.h"

#define FROM_FILE "_file"
#define FROM_ENV "_env"

/* ---- values -------------------------------------------------------------------------- */

size_t keel_bag_word_find(const char *words, keel_text word)
{
    keel_text rest = keel_text_of(words), one;

    for (size_t i = 0; keel_text_next(&rest, "|", &one); i++) {
        if (one.length == word.length && memcmp(one.at, word.at, one.length) == 0)
            return i;
    }
    return SIZE_MAX;
}

static const char *const forms[] = {
    [KEEL_BAG_DURATION] = "a duration (250ms, 5s, 1m30s)",
    [KEEL_BAG_SIZE] = "a size (64KiB, 10MB, 512B)",
    [KEEL_BAG_COUNT] = "a whole number",
    [KEEL_BAG_SWITCH] = "on or off",
    [KEEL_BAG_RATIO] = "a ratio (5%, 0.05)",
};

static keel_parse parse_number(const keel_bag_option *row, keel_text text,
                               uint64_t *number)
{
    bool is_on = false;
    keel_parse parse = KEEL_PARSE_FORM;

    switch (row->type) {
    case KEEL_BAG_DURATION:
        return keel_parse_duration(text, number);
    case KEEL_BAG_SIZE:
        return keel_parse_size(text, number);
    case KEEL_BAG_COUNT:
        return keel_parse_count(text, number);
    case KEEL_BAG_RATIO:
        return keel_parse_ratio(text, number);
    case KEEL_BAG_SWITCH:
        parse = keel_parse_bool(text, &is_on);
        *number = is_on;
        return parse;
    case KEEL_BAG_WORD:
    case KEEL_BAG_TEXT:
    case KEEL_BAG_SECRET:
        break;
    }
    return parse;
}

static void write_limit(const keel_bag_option *row, uint64_t limit, char *to,
                        size_t size)
{
    if (row->type == KEEL_BAG_DURATION)
        keel_write_duration(to, size, limit);
    else if (row->type == KEEL_BAG_SIZE)
        keel_write_size(to, size, limit);
    else if (row->type == KEEL_BAG_RATIO)
        keel_write_ratio(to, size, limit);
    else
        snprintf(to, size, "%llu", (unsigned long long)limit);
}

static keel_status refuse_range(const keel_bag_option *row, keel_detail *why)
{
    char least[32], most[32];

    write_limit(row, row->min, least, sizeof least);
    write_limit(row, row->max, most, sizeof most);
    return keel_failf(why, KEEL_E_CONFIG, "%s is %s to %s", row->name, least, most);
}

static keel_status read_number(const keel_bag_option *row, const char *text,
                               keel_bag_value *value, keel_detail *why)
{
    char quoted[KEEL_QUOTE_SIZE];
    uint64_t number;

    if (parse_number(row, keel_text_of(text), &number) != KEEL_PARSE_OK)
        return keel_failf(why, KEEL_E_CONFIG, "%s is %s, not %s", row->name,
                          forms[row->type], keel_quote(quoted, keel_text_of(text)));
    if (row->type != KEEL_BAG_SWITCH && row->max &&
        (number < row->min || number > row->max))
        return refuse_range(row, why);
    value->number = number;
    return KEEL_OK;
}

static keel_status read_word(const keel_bag_option *row, const char *text,
                             keel_bag_value *value, keel_detail *why)
{
    char quoted[KEEL_QUOTE_SIZE];
    size_t which = keel_bag_word_find(row->words, keel_text_of(text));

    if (which == SIZE_MAX)
        return keel_failf(why, KEEL_E_CONFIG, "%s is one of %s, not %s", row->name,
                          row->words, keel_quote(quoted, keel_text_of(text)));
    value->number = which;
    return KEEL_OK;
}

static keel_status keep_text(const keel_bag_options_read *o, const char *text,
                             keel_bag_value *value, keel_detail *why)
{
    char *copy = keel_memory_copy(o->source.memory, text);

    if (!copy)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    keel_memory_free(o->source.memory, (void *)(uintptr_t)value->text);
    value->text = copy;
    return KEEL_OK;
}

static keel_status read_value(const keel_bag_options_read *o, size_t row,
                              const char *text, keel_bag_value *value, keel_detail *why)
{
    const keel_bag_option *option = &o->table[row];

    switch (option->type) {
    case KEEL_BAG_WORD:
        return read_word(option, text, value, why);
    case KEEL_BAG_TEXT:
    case KEEL_BAG_SECRET:
        return keep_text(o, text, value, why);
    case KEEL_BAG_DURATION:
    case KEEL_BAG_SIZE:
    case KEEL_BAG_COUNT:
    case KEEL_BAG_SWITCH:
    case KEEL_BAG_RATIO:
        break;
    }
    return read_number(option, text, value, why);
}

/* ---- secrets ------------------------------------------------------------------------- */

/* Which option it is of; what was written may be the secret itself, and is not told. */
static keel_status refuse_secret(const char *option, const char *suffix,
                                 const char *reason, keel_detail *why)
{
    return keel_failf(why, KEEL_E_CONFIG, "%s%s: %s", option, suffix, reason);
}

static keel_status read_secret_variable(const keel_bag_options_read *o, size_t row,
                                        const char *name, keel_bag_value *value,
                                        keel_detail *why)
{
    const char *text = o->source.variable(name, o->source.ctx);

    if (strncmp(name, KEEL_PREFIX, strlen(KEEL_PREFIX)) != 0)
        return refuse_secret(o->table[row].name, FROM_ENV,
                             "it takes the name of a variable that begins with "
                             "KEEL_, and this does not",
                             why);
    if (!text)
        return refuse_secret(o->table[row].name, FROM_ENV,
                             "the variable that it names is not set", why);
    return read_value(o, row, text, value, why);
}

static keel_status read_secret_file(const keel_bag_options_read *o, size_t row,
                                    const char *path, keel_bag_value *value,
                                    keel_detail *why)
{
    char secret[KEEL_BAG_OPTION_SIZE];
    keel_detail reason = KEEL_DETAIL_INIT;
    keel_status status = keel_password_file_read(path, secret, sizeof secret, &reason);

    if (status == KEEL_OK)
        status = read_value(o, row, secret, value, why);
    else
        refuse_secret(o->table[row].name, FROM_FILE, reason.text, why);
    explicit_bzero(secret, sizeof secret);
    return status;
}

/* ---- which option -------------------------------------------------------------------- */

static bool is_option(const keel_bag_option *row, keel_text key, const char *suffix)
{
    size_t length = strlen(row->name);

    return key.length == length + strlen(suffix) &&
           memcmp(key.at, row->name, length) == 0 &&
           memcmp(key.at + length, suffix, strlen(suffix)) == 0;
}

/* A slip in a short name can be told, too, where there are few that it may be of. */
static bool is_near(keel_text key, keel_text meant)
{
    return keel_name_is_near(key, meant) ||
           (meant.length > 2 && keel_name_distance(key, meant, 1) == 1);
}

static const char *nearest(const keel_bag_option *table, keel_text key)
{
    for (; table && table->name; table++)
        if (table->type != KEEL_BAG_SECRET && is_near(key, keel_text_of(table->name)))
            return table->name;
    return NULL;
}

static const char *nearest_setting(keel_text key)
{
    const keel_key *meant = keel_key_nearest(key);

    return meant ? meant->name : NULL;
}

static keel_status refuse_unknown(const keel_bag_options_read *o, keel_text key,
                                  keel_detail *why)
{
    const char *hint = nearest(o->table, key);
    char quoted[KEEL_QUOTE_SIZE];

    for (const keel_bag_option *row = o->table; row && row->name; row++)
        if (row->type == KEEL_BAG_SECRET && is_option(row, key, ""))
            return keel_failf(why, KEEL_E_CONFIG,
                              "%s does not stand in a spec: write %s_file or %s_env",
                              row->name, row->name, row->name);
    if (!hint)
        hint = nearest(o->others, key);
    if (!hint && o->takes_settings)
        hint = nearest_setting(key);
    keel_quote(quoted, key);
    if (hint)
        return keel_failf(why, KEEL_E_CONFIG,
                          "there is no option %s; did you mean \"%s\"?", quoted, hint);
    return keel_failf(why, KEEL_E_CONFIG, "there is no option %s", quoted);
}

/* By itself; what several come to is for the pipeline. Of endpoints nothing is shown, for
 * there may be a password in their URLs. */
static keel_status check_setting(const keel_key *key, const char *text,
                                 keel_detail *why)
{
    char quoted[KEEL_QUOTE_SIZE] = "", allowed[KEEL_ALLOWED_SIZE];
    keel_text value = keel_text_of(text);
    keel_value unused;
    keel_parse parse = keel_value_parse(key, value, &unused);

    if (parse == KEEL_PARSE_OK)
        return KEEL_OK;
    if (key->type != KEEL_TYPE_ENDPOINTS)
        keel_value_quote(key, value, quoted);
    return keel_failf(why, KEEL_E_CONFIG, "%s%s%s %s; allowed: %s", key->name,
                      *quoted ? " " : "", quoted, keel_parse_reason(parse),
                      keel_key_allowed(key, allowed));
}

static keel_status add_setting(keel_bag_options_read *o, const keel_key *key,
                               const char *value, keel_detail *why)
{
    size_t used = strlen(o->settings), room = sizeof o->settings - used;
    int length = snprintf(o->settings + used, room, "%s%s=%s", used ? "; " : "",
                          key->name, value);

    if (length < 0 || (size_t)length >= room)
        return keel_fail(why, KEEL_E_CONFIG, "these are too many settings");
    return KEEL_OK;
}

static keel_status take_setting(keel_bag_options_read *o, keel_text key,
                                const char *value, keel_detail *why)
{
    const keel_key *setting = keel_key_find(key);
    keel_status status;

    if (!setting)
        return refuse_unknown(o, key, why);
    status = check_setting(setting, value, why);
    return status == KEEL_OK ? add_setting(o, setting, value, why) : status;
}

/* By which of its names; NULL: it is another option. */
static const char *suffix_of(const keel_bag_option *row, keel_text key)
{
    static const char *const of_secrets[] = { FROM_FILE, FROM_ENV };

    if (row->type != KEEL_BAG_SECRET)
        return is_option(row, key, "") ? "" : NULL;
    for (size_t i = 0; i < sizeof of_secrets / sizeof *of_secrets; i++)
        if (is_option(row, key, of_secrets[i]))
            return of_secrets[i];
    return NULL;
}

static keel_status take_row(keel_bag_options_read *o, size_t row, const char *suffix,
                            const char *text, keel_detail *why)
{
    keel_bag_value *value = &o->values[row];

    if (value->is_given)
        return keel_failf(why, KEEL_E_CONFIG, "%s is given twice", o->table[row].name);
    value->is_given = true;
    if (strcmp(suffix, FROM_FILE) == 0)
        return read_secret_file(o, row, text, value, why);
    if (strcmp(suffix, FROM_ENV) == 0)
        return read_secret_variable(o, row, text, value, why);
    return read_value(o, row, text, value, why);
}

keel_status keel_bag_options_take(keel_bag_options_read *o, keel_text key,
                                  const char *value, keel_detail *why)
{
    for (size_t i = 0; o->table && o->table[i].name; i++) {
        const char *suffix = suffix_of(&o->table[i], key);

        if (suffix)
            return take_row(o, i, suffix, value, why);
    }
    return o->takes_settings ? take_setting(o, key, value, why)
                             : refuse_unknown(o, key, why);
}

keel_status keel_bag_options_begin(keel_bag_options_read *o, const keel_bag_ops *ops,
                                   const keel_bag_options_source *source,
                                   keel_detail *why)
{
    *o = (keel_bag_options_read){ .table = ops->options,
                                  .source = *source,
                                  .takes_settings = ops->takes_settings };
    for (size_t i = 0; o->table && o->table[i].name; i++) {
        keel_status status = KEEL_OK;

        if (i == KEEL_BAG_OPTIONS_MAX)
            return keel_fail(why, KEEL_E_LIMIT, "it has too many options");
        if (o->table[i].standard)
            status = read_value(o, i, o->table[i].standard, &o->values[i], why);
        if (status != KEEL_OK) {
            keel_bag_options_cleanup(o);
            return status;
        }
    }
    return KEEL_OK;
}

void keel_bag_options_cleanup(keel_bag_options_read *o)
{
    for (size_t i = 0; o->table && o->table[i].name && i < KEEL_BAG_OPTIONS_MAX; i++) {
        char *text = (char *)(uintptr_t)o->values[i].text;

        if (text && o->table[i].type == KEEL_BAG_SECRET)
            explicit_bzero(text, strlen(text));
        keel_memory_free(o->source.memory, text);
        o->values[i].text = NULL;
    }
}
