/* SPDX-License-Identifier: MIT */
/* Keeping findings, and printing them as JSON. */
#include "config_findings.h"

#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "settings/config_file.h"

struct keel_kept_finding {
    bool is_mistake;
    size_t column;
    char where[KEEL_WARNING_SIZE];
    char message[KEEL_WARNING_SIZE];
};

static bool make_room(keel_findings *findings)
{
    size_t room = findings->room ? 2 * findings->room : 16;
    keel_kept_finding *grown;

    if (findings->count < findings->room)
        return true;
    grown = realloc(findings->kept, room * sizeof *grown);
    if (!grown)
        return false;
    findings->kept = grown;
    findings->room = room;
    return true;
}

/* Without a place of its own a finding is of the pipeline it is told of: "payments: ". */
static void write_where(const keel_finding *finding, char to[KEEL_WARNING_SIZE])
{
    const char *where = finding->spot.where ? finding->spot.where : finding->subject;
    size_t length = finding->spot.where ? strlen(where) : strcspn(where, ":");

    snprintf(to, KEEL_WARNING_SIZE, "%.*s", (int)length, where);
}

static bool is_known(const keel_findings *findings, const keel_kept_finding *one)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->kept[i].column == one->column &&
            !strcmp(findings->kept[i].where, one->where) &&
            !strcmp(findings->kept[i].message, one->message))
            return true;
    return false;
}

/* The library forgets what it has said after so many, and says it again. */
void keel_findings_add(const keel_finding *finding, void *ctx)
{
    keel_findings *findings = ctx;
    keel_kept_finding one = { .is_mistake = finding->is_mistake,
                              .column = finding->spot.column };

    write_where(finding, one.where);
    snprintf(one.message, sizeof one.message, "%s", finding->message);
    if (is_known(findings, &one))
        return;
    if (make_room(findings))
        findings->kept[findings->count++] = one;
    else
        findings->is_out_of_memory = true;
}

void keel_findings_cleanup(keel_findings *findings)
{
    free(findings->kept);
}

/* ---- JSON ------------------------------------------------------------------------ */

static void print_text(FILE *out, const char *before, const char *name,
                       const char *text)
{
    fprintf(out, "%s\"%s\":", before, name);
    keel_print_json_string(out, text);
}

static void print_number(FILE *out, const char *name, unsigned long number)
{
    if (number)
        fprintf(out, ",\"%s\":%lu", name, number);
    else
        fprintf(out, ",\"%s\":null", name);
}

/* The number behind "keel.conf:", which is cut off; 0: it is no line of the file. */
static unsigned long take_line(char *where, const char *file)
{
    size_t length = strlen(file);

    if (!length || strncmp(where, file, length) != 0 || where[length] != ':')
        return 0;
    where[length] = '\0';
    return strtoul(where + length + 1, NULL, 10);
}

static void print_finding(FILE *out, const keel_kept_finding *kept, const char *file)
{
    char where[KEEL_WARNING_SIZE];
    unsigned long line;

    memcpy(where, kept->where, sizeof where);
    line = take_line(where, file);
    print_text(out, "\n{", "where", where);
    print_number(out, "line", line);
    print_number(out, "column", kept->column);
    print_text(out, ",", "severity", kept->is_mistake ? "error" : "warning");
    print_text(out, ",", "message", kept->message);
    fputc('}', out);
}

void keel_findings_print(const keel_findings *findings, const char *path, FILE *out)
{
    char file[KEEL_CONFIG_PATH_SIZE];

    keel_config_file_shown(file, path ? path : "");
    fprintf(out, "{\"ok\":%s,\"findings\":[", findings->count ? "false" : "true");
    for (size_t i = 0; i < findings->count; i++) {
        fputs(i ? "," : "", out);
        print_finding(out, &findings->kept[i], file);
    }
    fputs("\n]}\n", out);
}
