/* SPDX-License-Identifier: MIT */
/*
 * Time left and attempt number as header texts, in the words of each form. Pure: what a
 * value means to a call is decided in inbound.c and outbound.c.
 */
#ifndef KEEL_HTTP_DEADLINE_HEADER_H
#define KEEL_HTTP_DEADLINE_HEADER_H

#include <keel/http_headers.h>

#include "settings/policy.h"

/*
 * The words of a form.
 *
 * timeout, attempt  names of headers
 * odd_timeout, odd_attempt
 *                   what is said of a value that is none
 */
typedef struct keel_header_words {
    const char *timeout;
    const char *odd_timeout;
    const char *attempt;
    const char *odd_attempt;
} keel_header_words;

/* Not of KEEL_HEADER_OFF. */
const keel_header_words *keel_header_words_of(keel_header_form form);

/*
 * The whole text must be the value; blanks around it are no part of it.
 * False: it is none, or 0, and nothing is set.
 */
bool keel_timeout_read(keel_header_form form, const char *text, uint64_t *ns);
bool keel_attempt_read(keel_header_form form, const char *text, uint32_t *attempt);

/* In whole milliseconds, or gRPC's coarser units where these are too many: never more
 * than ns, but for less than one, which is one. */
void keel_timeout_write(keel_header_form form, uint64_t ns, keel_header *header);

/* False: gRPC does not tell of a first attempt. */
bool keel_attempt_write(keel_header_form form, uint32_t attempt, keel_header *header);

#endif
