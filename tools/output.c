/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/text.h"
#include "keel.h"

void keel_print_json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

void keel_print_json_text(FILE *out, const char *before, const char *name,
                          const char *value)
{
    fprintf(out, "%s\"%s\":", before, name);
    keel_print_json_string(out, value);
}

void keel_print_json_number(FILE *out, const char *before, const char *name,
                            uint64_t value)
{
    fprintf(out, "%s\"%s\":%" PRIu64, before, name, value);
}

void keel_print_json_known(FILE *out, const char *before, const char *name,
                           uint64_t value)
{
    if (value)
        keel_print_json_number(out, before, name, value);
    else
        fprintf(out, "%s\"%s\":null", before, name);
}

const char *keel_output_instant(char to[KEEL_OUTPUT_TEXT_SIZE], uint64_t wall_ms,
                                int has_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[24];
    struct tm utc;

    /* a year that is none comes out of a file that is not trusted */
    if (!gmtime_r(&seconds, &utc) ||
        !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc))
        snprintf(to, KEEL_OUTPUT_TEXT_SIZE, "?");
    else if (has_ms)
        snprintf(to, KEEL_OUTPUT_TEXT_SIZE, "%s.%03uZ", text,
                 (unsigned)(wall_ms % 1000));
    else
        snprintf(to, KEEL_OUTPUT_TEXT_SIZE, "%sZ", text);
    return to;
}

/* "8m12s", and "10m" where the second one is 0. */
static void write_two(char *to, uint64_t first, char unit, uint64_t second,
                      char smaller)
{
    if (second)
        snprintf(to, KEEL_OUTPUT_TEXT_SIZE, "%" PRIu64 "%c%" PRIu64 "%c", first, unit,
                 second, smaller);
    else
        snprintf(to, KEEL_OUTPUT_TEXT_SIZE, "%" PRIu64 "%c", first, unit);
}

const char *keel_output_length(char to[KEEL_OUTPUT_TEXT_SIZE], uint64_t ns)
{
    uint64_t ms = ns / KEEL_MILLISECOND + (ns % KEEL_MILLISECOND != 0);
    uint64_t tenths = (ms + 50) / 100, s = (ms + 500) / 1000;

    if (ms < 1000)
        snprintf(to, KEEL_OUTPUT_TEXT_SIZE, "%" PRIu64 "ms", ms);
    else if (tenths < 600)
        snprintf(to, KEEL_OUTPUT_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 "s", tenths / 10,
                 tenths % 10);
    else if (s < 3600)
        write_two(to, s / 60, 'm', s % 60, 's');
    else
        write_two(to, s / 3600, 'h', s / 60 % 60, 'm');
    return to;
}

int keel_output_end(const char *command, int code)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
        return code;
    fprintf(stderr, "keel %s: standard output cannot be written\n", command);
    return KEEL_EXIT_SYSTEM;
}
