/* SPDX-License-Identifier: MIT */
/*
 * Text that somebody else has written, made fit to be shown: whole UTF-8 without control
 * characters, so that it neither steers a terminal nor breaks JSON. Not for quoting.
 */
#ifndef KEEL_BASE_SHOWN_TEXT_H
#define KEEL_BASE_SHOWN_TEXT_H

/* In place; each byte that will not do becomes '?'. */
void keel_shown_text(char *text);

#endif
