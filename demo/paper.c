/* SPDX-License-Identifier: MIT */
/* Colours and columns. */
#include "paper.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const codes[] = { "",         "\033[1m",  "\033[2m",
                                     "\033[32m", "\033[31m", "\033[33m" };

void paper_init(paper *p, FILE *file)
{
    p->file = file;
    p->is_coloured = isatty(fileno(file)) && !getenv("NO_COLOR");
}

void paper_ink(const paper *p, ink colour)
{
    if (p->is_coloured && colour != INK_PLAIN)
        fputs(codes[colour], p->file);
}

void paper_end_ink(const paper *p)
{
    if (p->is_coloured)
        fputs("\033[0m", p->file);
}

void paper_count(const paper *p, int width, unsigned count, ink colour)
{
    if (count == 0) {
        fprintf(p->file, "%*s", width, "-");
        return;
    }
    paper_ink(p, colour);
    fprintf(p->file, "%*u", width, count);
    paper_end_ink(p);
}

void paper_wait(const paper *p, uint64_t ns)
{
    double ms = (double)ns / 1e6;

    if (ns == 0)
        fprintf(p->file, "%7s", "-");
    else if (ms < 1)
        fprintf(p->file, "%7s", "<1ms");
    else if (ms < 1000)
        fprintf(p->file, "%5.0fms", ms);
    else
        fprintf(p->file, "%6.1fs", ms / 1000);
}
