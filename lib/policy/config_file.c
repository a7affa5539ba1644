/* SPDX-License-Identifier: MIT */
/* The configuration file. Only plain files are read, and only as much as is sane. */
#include "policy/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "policy/config.h"

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

static bool check_name(keel_text name, const char *where, size_t column,
                       keel_report *report)
{
    char quoted[KEEL_QUOTE_SIZE];
    keel_folded folded;

    /* copied from an environment it would be the name of an unknown pipeline */
    if (name.length > strlen(KEEL_PREFIX) &&
        !strncmp(name.at, KEEL_PREFIX, strlen(KEEL_PREFIX))) {
        keel_report_mistake(report,
                            "%s col %zu: %s: names in a file stand without " KEEL_PREFIX
                            "; ignored",
                            where, column, keel_quote(quoted, name));
        return false;
    }
    keel_name_fold(folded, name);
    if (could_be_a_name(name) &&
        (!strcmp(folded, KEEL_DEFAULT_NAME) || !keel_name_is_reserved(folded)))
        return true;
    keel_report_mistake(report, "%s col %zu: %s cannot be a pipeline's name; ignored",
                        where, column, keel_quote(quoted, name));
    return false;
}

/* One line without its end. False: out of memory. */
static bool parse_line(keel_named_texts *entries, const char *where, keel_text line,
                       bool chaos_allowed, keel_report *report)
{
    const char *begin = line.at;
    keel_text name, text, rest;
    keel_named_text *entry;

    if (keel_text_split(line, "#", &text, &rest))
        line = text;
    line = keel_text_trim(line);
    if (!line.length)
        return true;
    if (!keel_text_split(line, "=", &name, &text)) {
        keel_report_mistake(report, "%s col %zu: no NAME=settings; ignored", where,
                            (size_t)(line.at - begin) + 1);
        return true;
    }
    name = keel_text_trim(name);
    if (!check_name(name, where, (size_t)(name.at - begin) + 1, report))
        return true;
    entry =
        keel_named_texts_add(entries, name, where, text, (size_t)(text.at - begin) + 1);
    if (!entry)
        return false;
    keel_named_text_check(entry,
                          keel_named_text_is_default(entry) ? KEEL_LAYER_FILE_DEFAULT
                                                            : KEEL_LAYER_FILE,
                          chaos_allowed, report);
    return true;
}

keel_status keel_config_file_parse(keel_named_texts *entries, const char *path,
                                   const char *text, bool chaos_allowed,
                                   keel_report *report)
{
    char shown[KEEL_CONFIG_PATH_SIZE], where[KEEL_CONFIG_PATH_SIZE + 16];

    keel_config_file_shown(shown, path);
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
        keel_report_mistake(report, "%s: %s %s%s%s; ignored", file->named_by,
                            keel_quote(quoted, keel_text_of(file->path)), reason, colon,
                            cause);
    else
        keel_report_mistake(report, "%s: %s%s%s",
                            keel_config_file_shown(shown, file->path), reason, colon,
                            cause);
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
