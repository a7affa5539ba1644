/* SPDX-License-Identifier: MIT */
/* What timelines are written on: colours on a terminal, columns of one width. */
#ifndef KEEL_DEMO_PAPER_H
#define KEEL_DEMO_PAPER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum ink { INK_PLAIN, INK_BOLD, INK_DIM, INK_GOOD, INK_BAD, INK_WARN } ink;

typedef struct paper {
    FILE *file;
    bool is_coloured;
} paper;

/* Colour is used on a terminal only, and not where NO_COLOR is set. */
void paper_init(paper *p, FILE *file);

void paper_ink(const paper *p, ink colour);
void paper_end_ink(const paper *p);

/* A number, right-aligned; "-" for none. */
void paper_count(const paper *p, int width, unsigned count, ink colour);

/* A length of time in seven columns; "-" for none. */
void paper_wait(const paper *p, uint64_t ns);

#endif
