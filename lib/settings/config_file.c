/* SPDX-License-Identifier: MIT */
/* The configuration file. Only plain files are read, and only as much as is sane. */
#include "settings/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "settings/config.h"

/* ---- lines ---------------------------------------------------------------------- */

/* The part of a long path that tells files apart is its end. */
const char *keel_config_file_shown(char to[KEEL_CONFIG_PATH_SIZE], const char *path)
{
    const size_t shown = KEEL_CONFIG_PATH_SIZE - sizeof "...";
    size_t length = strlen(path);
    bool is_cut = length > shown;

    snprintf(to, KEEL_CONFIG_PATH_SIZE, "%s%s", is_cut ? "..." : "",
             is_cut ? path + length - shown : path);
    for (char *c = to; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return to;
}

static bool could_be_a_name(keel_text name)
{
    keel_folded lower;

    if (!name.length || name.length > KEEL_NAME_MAX)
        return false;
    memcpy(lower, name.at, name.length);
    lower[name.length] = '\0';
    for (char *c = lower; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return strlen(lower) == name.length && keel_name_is_valid(lower);
}

static bool check_name(keel_text name, keel_spot spot, keel_report *report)
{
    const char *colon = name.length ? memchr(name.at, ':', name.length) : NULL;
    char quoted[KEEL_QUOTE_SIZE];
    keel_folded folded;

    /* copied from an environment it would be the name of an unknown pipeline */
    if (name.length > strlen(KEEL_PREFIX) &&
        !strncmp(name.at, KEEL_PREFIX, strlen(KEEL_PREFIX))) {
        keel_report_ignored(report, spot,
                            "%s: names in a file stand without " KEEL_PREFIX,
                            keel_quote(quoted, name));
        return false;
    }
    keel_name_fold(folded, name);
    if (could_be_a_name(name) &&
        (!strcmp(folded, KEEL_DEFAULT_NAME) || !keel_name_is_reserved(folded)))
        return true;
    keel_report_ignored(report, spot, "%s cannot be a pipeline's name%s",
                        keel_quote(quoted, name),
                        colon ? ": a line is written NAME=settings" : "");
    return false;
}

/* Neither a setting nor a preset, however mistyped: a mere value. */
static bool is_value(keel_text text)
{
    keel_text word = keel_text_trim(text);

    return !memchr(text.at, '=', text.length) && !keel_preset_find(word) &&
           !keel_preset_nearest(word);
}

/* "payments.timeout" has a key behind a dot of its name. */
static const keel_key *key_behind(keel_text name, keel_text *pipeline)
{
    for (size_t i = 0; i < name.length; i++) {
        keel_text rest = { name.at + i + 1, name.length - i - 1 };
        const keel_key *key = name.at[i] == '.' ? keel_key_find(rest) : NULL;

        *pipeline = (keel_text){ name.at, i };
        if (key)
            return key;
    }
    return NULL;
}

/* "deadline=2s", "payments.timeout=1s": a setting stands where a name should. */
static bool is_setting(keel_text name, keel_text text, keel_spot spot,
                       keel_report *report)
{
    const keel_key *key = keel_key_find(name);
    keel_text pipeline;

    if (!is_value(text))
        return false;
    if (key) {
        keel_report_ignored(report, spot,
                            "\"%s\" is a setting: write NAME=%s=VALUE, or "
                            "DEFAULT=%s=VALUE for all pipelines",
                            key->name, key->name, key->name);
        return true;
    }
    key = key_behind(name, &pipeline);
    if (key)
        keel_report_ignored(report, spot, "a setting is written %.*s=%s=VALUE",
                            (int)pipeline.length, pipeline.at, key->name);
    return key != NULL;
}

/* Two lines of one name are merged, which the one who wrote the second may not know. */
static void lint_twice(const keel_named_texts *entries, const keel_named_text *added,
                       keel_text name, keel_spot spot, keel_report *report)
{
    for (const keel_named_text *e = entries->first; e != added; e = e->next) {
        if (strcmp(e->name, added->name) != 0)
            continue;
        keel_report_lint(report, spot,
                         "%.*s stands here a second time; its settings are added to "
                         "those of line %s",
                         (int)name.length, name.at, strrchr(e->where, ':') + 1);
        return;
    }
}

/* A line that has a name. False: out of memory. */
static bool take_line(keel_named_texts *entries, keel_text name, keel_spot spot,
                      keel_text text, size_t column, bool chaos_allowed,
                      keel_report *report)
{
    keel_named_text *entry;

    if (!check_name(name, spot, report) || is_setting(name, text, spot, report))
        return true;
    entry = keel_named_texts_add(entries, name, spot.where, text, column);
    if (!entry)
        return false;
    lint_twice(entries, entry, name, spot, report);
    keel_named_text_check(entry,
                          keel_named_text_is_default(entry) ? KEEL_LAYER_FILE_DEFAULT
                                                            : KEEL_LAYER_FILE,
                          chaos_allowed, report);
    return true;
}

/* One line without its end. False: out of memory. */
static bool parse_line(keel_named_texts *entries, const char *where, keel_text line,
                       bool chaos_allowed, keel_report *report)
{
    const char *begin = line.at;
    keel_spot spot = { where, 1 };
    keel_text name, text, rest;

    if (keel_text_split(line, "#", &text, &rest))
        line = text;
    line = keel_text_trim(line);
    if (!line.length)
        return true;
    spot.column = (size_t)(line.at - begin) + 1;
    if (!keel_text_split(line, "=", &name, &text)) {
        keel_report_ignored(report, spot, "no NAME=settings");
        return true;
    }
    return take_line(entries, keel_text_trim(name), spot, text,
                     (size_t)(text.at - begin) + 1, chaos_allowed, report);
}

/* Some editors begin every file with it. */
static const char *behind_byte_order_mark(const char *text)
{
    static const char mark[] = "\xef\xbb\xbf";

    return strncmp(text, mark, strlen(mark)) ? text : text + strlen(mark);
}

keel_status keel_config_file_parse(keel_named_texts *entries, const char *path,
                                   const char *text, bool chaos_allowed,
                                   keel_report *report)
{
    char shown[KEEL_CONFIG_PATH_SIZE], where[KEEL_CONFIG_PATH_SIZE + 16];

    keel_config_file_shown(shown, path);
    text = behind_byte_order_mark(text);
    for (unsigned number = 1; *text; number++) {
        keel_text line = { text, strcspn(text, "\n") };

        snprintf(where, sizeof where, "%s:%u", shown, number);
        if (!parse_line(entries, where, line, chaos_allowed, report))
            return KEEL_E_NOMEM;
        text += line.length + (text[line.length] == '\n');
    }
    return KEEL_OK;
}

/* ---- the file ------------------------------------------------------------------- */

/* One file, and who is to blame for its name. */
typedef struct source_file {
    const char *path;
    const char *named_by; /* NULL: whoever reads the message */
    bool chaos_allowed;
} source_file;

/* cause  "": the reason says it all */
static keel_status cannot_read(const source_file *file, const char *reason,
                               const char *cause, keel_report *report)
{
    char shown[KEEL_CONFIG_PATH_SIZE], quoted[KEEL_QUOTE_SIZE];
    const char *colon = *cause ? ": " : "";

    if (file->named_by)
        keel_report_mistake(report, (keel_spot){ file->named_by, 0 }, "%s %s%s%s",
                            keel_quote(quoted, keel_text_of(file->path)), reason, colon,
                            cause);
    else
        keel_report_mistake(report,
                            (keel_spot){ keel_config_file_shown(shown, file->path), 0 },
                            "%s%s%s", reason, colon, cause);
    return KEEL_E_CONFIG;
}

/* With what the system says of it. */
static keel_status failed(const source_file *file, const char *reason,
                          keel_report *report)
{
    char cause[96];

    snprintf(cause, sizeof cause, "%m");
    return cannot_read(file, reason, cause, report);
}

/* Up to size bytes; -1 with errno. */
static ssize_t read_all(int fd, char *to, size_t size)
{
    size_t at = 0;

    while (at < size) {
        ssize_t got = read(fd, to + at, size - at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (!got)
            break;
        at += (size_t)got;
    }
    return (ssize_t)at;
}

/* A file that is written to meanwhile is read as far as it reached when we looked. */
static keel_status read_open(keel_named_texts *entries, int fd, const source_file *file,
                             keel_report *report)
{
    struct stat about;
    char *text;
    ssize_t length;
    keel_status status;

    if (fstat(fd, &about))
        return failed(file, "cannot be read", report);
    if (!S_ISREG(about.st_mode))
        return cannot_read(file, "is not a plain file", "", report);
    if (about.st_size > KEEL_CONFIG_FILE_MAX)
        return cannot_read(file, "is larger than 1 MiB", "", report);
    text = keel_memory_new(entries->memory, (size_t)about.st_size + 1);
    if (!text)
        return KEEL_E_NOMEM;
    length = read_all(fd, text, (size_t)about.st_size);
    if (length < 0)
        status = failed(file, "cannot be read", report);
    else if (memchr(text, '\0', (size_t)length))
        status = cannot_read(file, "is not text", "", report);
    else
        status = keel_config_file_parse(entries, file->path, text, file->chaos_allowed,
                                        report);
    keel_memory_free(entries->memory, text);
    return status;
}

keel_status keel_config_file_read(keel_named_texts *entries, const char *path,
                                  const char *named_by, bool chaos_allowed,
                                  keel_report *report)
{
    source_file file = { path, named_by, chaos_allowed };
    int saved = errno;
    /* without O_NONBLOCK a FIFO would stop the service before it has begun */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    keel_status status;

    if (fd < 0) {
        status = failed(&file, "cannot be opened", report);
    } else {
        status = read_open(entries, fd, &file, report);
        close(fd);
    }
    errno = saved;
    return status;
}
